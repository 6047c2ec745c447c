package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// showCommand prints what a model costs.
type showCommand struct {
	remote        `embed:""`
	Model         string     `arg:"" help:"The model, as events name it."`
	Provider      string     `help:"Only what this provider takes for it." env:"-" placeholder:"NAME"`
	File          string     `help:"A price list to look in instead of a server's rate cards." env:"-" type:"path" placeholder:"FILE"`
	Card          string     `help:"Only this rate card." env:"-" placeholder:"ID"`
	ModelKey      string     `help:"Dimension that names the model; model by default." default:"model" env:"-" placeholder:"KEY"`
	CreditsPerUSD amountFlag `name:"credits-per-usd" help:"With --file: what a US dollar is; 1 by default." default:"1" env:"-" placeholder:"AMOUNT"`
}

func (c *showCommand) Run(p *process) error {
	if c.File != "" {
		return c.showList(p)
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	found := false
	for q := (client.RateCardQuery{Paging: client.Paging{Limit: 100}}); ; {
		page, err := api.RateCards(p.ctx, q)
		if err != nil {
			return refusal("reading the rate cards", err)
		}
		for _, card := range page.Items {
			if rates := c.of(card.Rates); (c.Card == "" || c.Card == card.ID) && len(rates) > 0 {
				found = true
				title := fmt.Sprintf("%s by rate card %s, version %d from %s, in %s:", c.Model, card.ID, card.Version, card.EffectiveFrom, card.CurrencyID)
				if err := printPrices(p.stdout, title, rates, c.ModelKey); err != nil {
					return err
				}
			}
		}
		if q.After = page.Pagination.Next; q.After == "" {
			break
		}
	}
	if !found {
		return exitf(exitFailed, "no rate card has a price of the model %s by that name; usage of it costs what a rate without a model says, or nothing", c.Model)
	}
	return nil
}

func (c *showCommand) showList(p *process) error {
	f, err := os.Open(c.File)
	if err != nil {
		return exitf(exitFailed, "--file: %w", err)
	}
	defer f.Close()
	features := map[string]string{}
	names, _ := bursar.PriceKinds()
	for _, name := range names {
		features[name] = name
	}
	all, report, err := bursar.ParsePriceList(f, bursar.PriceListOptions{Credits: c.CreditsPerUSD.Amount, Features: features, ModelKey: c.ModelKey})
	if err != nil {
		return exitf(exitFailed, "%s: %w", c.File, err)
	}
	rates := c.of(clientRates(all))
	if len(rates) == 0 {
		return exitf(exitFailed, "the list has no price of a model that is called %s", c.Model)
	}
	if err := printPrices(p.stdout, c.Model+" by the list:", rates, c.ModelKey); err != nil {
		return err
	}
	for _, n := range report.LeftOut {
		if n.Model == c.Model {
			fmt.Fprintf(p.stdout, "\nNo rate can have: %s\n", n.Note)
		}
	}
	return nil
}

// of are the rates for the model, and for its provider where one is asked for.
func (c *showCommand) of(rates []client.Rate) []client.Rate {
	return slices.DeleteFunc(slices.Clone(rates), func(r client.Rate) bool {
		by, limited := r.Match["provider"]
		return !slices.Contains(r.Match[c.ModelKey], c.Model) || c.Provider != "" && limited && !slices.Contains(by, c.Provider)
	})
}

// printPrices prints one line for each price; those of everything that is not unusual first.
func printPrices(out io.Writer, title string, rates []client.Rate, modelKey string) error {
	fmt.Fprintf(out, "%s\n\n", title)
	slices.SortStableFunc(rates, func(a, b client.Rate) int {
		return cmp.Or(strings.Compare(strings.Join(a.Match["provider"], ","), strings.Join(b.Match["provider"], ",")), cmp.Compare(len(a.Match), len(b.Match)))
	})
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  FEATURE\tPRICE\tPER\tWHEN")
	for _, r := range rates {
		var when []string
		for _, key := range slices.Sorted(maps.Keys(r.Match)) {
			if key != modelKey {
				when = append(when, key+" "+strings.Join(r.Match[key], " or "))
			}
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", r.FeatureID, commas(r.Amount), commas(int(max(1, r.Per))), strings.Join(when, ", "))
	}
	return w.Flush()
}
