package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/spendtoken"
)

// tokenCommand is about spend tokens. Their texts are secrets: they are printed where they are
// made, and read from the standard input or the environment.
type tokenCommand struct {
	Make    tokenMakeCommand    `cmd:"" help:"Make a spend token, which is printed."`
	Narrow  tokenNarrowCommand  `cmd:"" help:"Make a narrower token of one from the standard input, without a server."`
	Inspect tokenInspectCommand `cmd:"" help:"Say what a token from the standard input says, without a server."`
	Revoke  tokenRevokeCommand  `cmd:"" help:"End a token, and all that were made from it."`
	List    tokenListCommand    `cmd:"" help:"List the spend tokens of a customer."`
}

// tokenSays are the flags of what a token may be used for.
type tokenSays struct {
	Label    string            `help:"For people: of which agent or run it is." env:"-"`
	Expires  time.Duration     `help:"How long it may be used, such as 15m." env:"-" placeholder:"DURATION"`
	Entity   map[string]string `help:"Who spends, by attribution key: agentId=agent-7." env:"-" placeholder:"KEY=ID"`
	Feature  []string          `help:"What it may be used for; with none of --feature, --currency and --event, anything." env:"-" placeholder:"ID"`
	Currency []string          `help:"The same." env:"-" placeholder:"ID"`
	Event    []string          `help:"The same." env:"-" placeholder:"NAME"`
	Model    []string          `help:"Which models it may be used for; without, any." env:"-" placeholder:"MODEL"`
	Cap      map[string]string `help:"How much of a feature may be used in all: llm-tokens=100000." env:"-" placeholder:"FEATURE=AMOUNT"`
	Spend    map[string]string `help:"How much of a currency may be spent in all: usd=5." env:"-" placeholder:"CURRENCY=AMOUNT"`
}

func (s *tokenSays) caps() (out []client.SpendCap, err error) {
	for i, m := range []map[string]string{s.Cap, s.Spend} {
		for _, id := range sortedKeys(m) {
			amount, err := bursar.AmountFromString(m[id])
			if err != nil {
				return nil, exitf(exitUsage, "%s=%s: %q is no amount; write 100 or 0.5", id, m[id], m[id])
			}
			c := client.SpendCap{FeatureID: id, Amount: amount}
			if i == 1 {
				c = client.SpendCap{CurrencyID: id, Amount: amount}
			}
			out = append(out, c)
		}
	}
	return out, nil
}

func sortedKeys(m map[string]string) (keys []string) {
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

type tokenMakeCommand struct {
	remote    `embed:""`
	Customer  string            `arg:"" help:"Whose budgets it is for."`
	Dimension map[string]string `help:"Further dimensions of each request: env=prod." env:"-" placeholder:"KEY=VALUE"`
	tokenSays `embed:""`
}

func (c *tokenMakeCommand) Run(p *process) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	caps, err := c.caps()
	if err != nil {
		return err
	}
	made, err := api.CreateSpendToken(p.ctx, c.Customer, client.SpendTokenInput{Label: c.Label, Entities: c.Entity, Dimensions: c.Dimension, Features: c.Feature,
		Currencies: c.Currency, Events: c.Event, Models: c.Model, Caps: caps, TTLSeconds: int(c.Expires / time.Second)})
	if err != nil {
		return refusal("making a spend token", err)
	}
	fmt.Fprintf(p.stderr, "spend token %s, until %s\n", made.ID, made.ExpiresAt)
	_, err = fmt.Fprintln(p.stdout, made.Token)
	return err
}

// shownToken reads a token from the standard input, or BURSAR_SPEND_TOKEN.
func shownToken() (*spendtoken.Token, error) {
	text := os.Getenv("BURSAR_SPEND_TOKEN")
	if text == "" {
		b, err := io.ReadAll(io.LimitReader(os.Stdin, 2*spendtoken.MaxText))
		if err != nil {
			return nil, exitf(exitFailed, "reading the token: %w", err)
		}
		text = string(b)
	}
	t, err := spendtoken.Parse(strings.TrimSpace(text))
	if err != nil {
		return nil, exitf(exitUsage, "%w; give it on the standard input or in BURSAR_SPEND_TOKEN", err)
	}
	return t, nil
}

type tokenNarrowCommand struct {
	tokenSays `embed:""`
}

func (c *tokenNarrowCommand) Run(p *process) error {
	t, err := shownToken()
	if err != nil {
		return err
	}
	b := spendtoken.Block{Label: c.Label, Models: c.Model}
	if c.Expires > 0 {
		b.Expires = bursar.TimeOf(time.Now().Add(c.Expires))
	}
	for _, key := range sortedKeys(c.Entity) {
		b.Entities = append(b.Entities, spendtoken.Pin{Key: key, Value: c.Entity[key]})
	}
	for i, list := range [][]string{c.Feature, c.Currency, c.Event} {
		for _, id := range list {
			b.Only = append(b.Only, []spendtoken.Name{{Feature: id}, {Currency: id}, {Event: id}}[i])
		}
	}
	caps, err := c.caps()
	if err != nil {
		return err
	}
	for _, limit := range caps {
		of := bursar.Capability{Kind: bursar.KindFeature, ID: limit.FeatureID}
		if limit.CurrencyID != "" {
			of = bursar.Capability{Kind: bursar.KindCurrency, ID: limit.CurrencyID}
		}
		b.Caps = append(b.Caps, spendtoken.Cap{Capability: of, Amount: limit.Amount})
	}
	n, err := t.Narrow(b)
	if err != nil {
		return exitf(exitUsage, "narrowing: %w", err)
	}
	_, err = fmt.Fprintln(p.stdout, n)
	return err
}

type tokenInspectCommand struct{}

func (tokenInspectCommand) Run(p *process) error {
	t, err := shownToken()
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "customer %s, until %s; whether it is genuine, and not revoked, only the server can tell\n", t.Customer(), t.Expires())
	for i := range t.Blocks {
		by := "made by the server"
		if i > 0 {
			by = "narrowed by a holder"
		}
		fmt.Fprintf(p.stdout, "%d. %s%s\n", i+1, by, strings.Join(blockLines(&t.Blocks[i]), ""))
	}
	return nil
}

// blockLines says what a block says.
func blockLines(b *spendtoken.Block) (out []string) {
	add := func(format string, args ...any) { out = append(out, "\n   "+fmt.Sprintf(format, args...)) }
	if b.Label != "" {
		add("label: %s", b.Label)
	}
	if b.Expires != 0 {
		add("until: %s", b.Expires)
	}
	for _, pin := range slices.Concat(b.Entities, b.Dims) {
		add("as %s=%s", pin.Key, pin.Value)
	}
	for _, n := range b.Only {
		switch {
		case n.Feature != "":
			add("for the feature %s", n.Feature)
		case n.Currency != "":
			add("for the currency %s", n.Currency)
		default:
			add("for the event %s", n.Event)
		}
	}
	for _, m := range b.Models {
		add("for the model %s", m)
	}
	for _, c := range b.Caps {
		add("at most %s of %s", c.Amount, c.Capability.ID)
	}
	return out
}

type tokenRevokeCommand struct {
	remote   `embed:""`
	Customer string `arg:"" help:"Whose token it is."`
	ID       string `arg:"" optional:"" help:"Its id; left out, the token itself comes from the standard input, also one that its holder made."`
}

func (c *tokenRevokeCommand) Run(p *process) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	var ended client.SpendToken
	if c.ID != "" {
		ended, err = api.RevokeSpendToken(p.ctx, c.Customer, c.ID)
	} else {
		t, wrong := shownToken()
		if wrong != nil {
			return wrong
		}
		ended, err = api.RevokeSpendText(p.ctx, c.Customer, t.String())
	}
	if err != nil {
		return refusal("revoking", err)
	}
	_, err = fmt.Fprintf(p.stdout, "revoked %s, with all that were made from it\n", ended.ID)
	return err
}

type tokenListCommand struct {
	remote   `embed:""`
	Customer string `arg:"" help:"Whose tokens."`
}

func (c *tokenListCommand) Run(p *process) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	for after := ""; ; {
		page, err := api.SpendTokens(p.ctx, c.Customer, client.Paging{After: after, Limit: 100})
		if err != nil {
			return refusal("listing spend tokens", err)
		}
		for _, t := range page.Items {
			state := "until " + t.ExpiresAt.String()
			if t.RevokedAt != nil {
				state = "revoked " + t.RevokedAt.String()
			}
			fmt.Fprintf(p.stdout, "%s  %s  %s\n", t.ID, state, t.Label)
		}
		if after = page.Pagination.Next; after == "" {
			return nil
		}
	}
}
