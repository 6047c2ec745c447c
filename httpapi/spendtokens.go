package httpapi

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/spendtoken"
)

// spendFields are what a token may be used for.
type spendFields struct {
	Label      *string           `json:"label" is:"len=0-255" doc:"For people: of which agent or run it is."`
	Entities   map[string]string `json:"entities" doc:"Who spends, by attribution key: {\"agentId\":\"agent-7\"}. Requests have them as dimensions, and may name no other."`
	Dimensions map[string]string `json:"dimensions" doc:"Plain dimensions that requests have besides."`
	Features   []string          `json:"features" is:"n=0-32" doc:"Where features, currencies or events are given, requests are about these alone. An event uses whatever its meters feed."`
	Currencies []string          `json:"currencies" is:"n=0-32" doc:"Currencies that requests may be about."`
	Events     []string          `json:"events" is:"n=0-32" doc:"Events that requests may be about."`
	Models     []string          `json:"models" is:"n=0-32" doc:"What the dimension model may be; left out, anything."`
	Caps       []spendCapIn      `json:"caps" is:"n=0-32" doc:"How much may be used with the token and all that are made from it, in all. Calls are what a feature with a COUNT meter counts."`
}

type spendCapIn struct {
	FeatureID  string        `json:"featureId" is:"id" doc:"Exactly one of featureId and currencyId."`
	CurrencyID string        `json:"currencyId" is:"id"`
	Amount     bursar.Amount `json:"amount" is:"required,min=0"`
}

type spendTokenIn struct {
	customerPath
	spendFields
	ExpiresInSeconds *int `json:"expiresInSeconds" is:"n=60-31622400,default=86400"`
}

// spendTokenOut is a spend token; Token, its text, is told once, when it is made.
type spendTokenOut struct {
	ID         string            `json:"id" doc:"Also the id of the entity that it is counted on, where it or one made from it has caps."`
	Token      string            `json:"token,omitempty" doc:"Only in the reply that made it."`
	CustomerID string            `json:"customerId"`
	RootID     *string           `json:"rootId" doc:"Of one that a holder made: the token that it was made from. Such are listed once they were revoked."`
	Label      *string           `json:"label"`
	Entities   map[string]string `json:"entities"`
	Dimensions map[string]string `json:"dimensions"`
	Features   []string          `json:"features" doc:"What requests may be about; anything, where these three are empty."`
	Currencies []string          `json:"currencies" doc:"What requests may be about."`
	Events     []string          `json:"events" doc:"What requests may be about."`
	Models     []string          `json:"models" doc:"What the dimension model may be; empty: anything."`
	Caps       []spendCapOut     `json:"caps" doc:"Its own; those of the tokens that it was made from hold besides."`
	CreatedAt  bursar.Time       `json:"createdAt"`
	ExpiresAt  bursar.Time       `json:"expiresAt"`
	RevokedAt  *bursar.Time      `json:"revokedAt"`
}

type spendCapOut struct {
	FeatureID  *string       `json:"featureId,omitempty"`
	CurrencyID *string       `json:"currencyId,omitempty"`
	Amount     bursar.Amount `json:"amount"`
}

func viewSpendCaps(caps []bursar.SpendCap) []spendCapOut {
	out := make([]spendCapOut, len(caps))
	for i, c := range caps {
		out[i].FeatureID, out[i].CurrencyID = capabilityIDs(c.Capability())
		out[i].Amount = c.Amount
	}
	return out
}

func viewSpendToken(t bursar.SpendToken) spendTokenOut {
	return spendTokenOut{ID: t.ID, CustomerID: t.CustomerID, RootID: orNil(&t.RootID), Label: orNil(&t.Label), Entities: withoutEmpty(t.Entities), Dimensions: withoutEmpty(t.Dimensions),
		Features: listed(t.Features), Currencies: listed(t.Currencies), Events: listed(t.Events), Models: listed(t.Models), Caps: viewSpendCaps(t.Caps),
		CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt}
}

// listed is a list that is never null.
func listed(list []string) []string { return append([]string{}, list...) }

// pinsOf are pins in order of their keys.
func pinsOf(m map[string]string) (out []spendtoken.Pin) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, spendtoken.Pin{Key: key, Value: m[key]})
	}
	return out
}

// block is what the first block of the token says, or adds to p what is wrong with it.
func (in *spendTokenIn) block(expires bursar.Time, p *bursar.Problems) spendtoken.Block {
	b := spendtoken.Block{Customer: in.CustomerID, Label: orZero(in.Label), Expires: expires, Entities: pinsOf(in.Entities), Dims: pinsOf(in.Dimensions), Models: in.Models}
	for i, list := range [][]string{in.Features, in.Currencies, in.Events} {
		for j, id := range list {
			if id == "" {
				p.Add("/"+[]string{"features", "currencies", "events"}[i]+"/"+strconv.Itoa(j), bursar.CodeValidationFailed, "must not be empty")
			}
			b.Only = append(b.Only, []spendtoken.Name{{Feature: id}, {Currency: id}, {Event: id}}[i])
		}
	}
	for i, c := range in.Caps {
		of, ok := capability(c.FeatureID, c.CurrencyID)
		if !ok {
			p.Add("/caps/"+strconv.Itoa(i), bursar.CodeValidationFailed, errNotOneCapability)
		}
		b.Caps = append(b.Caps, spendtoken.Cap{Capability: of, Amount: c.Amount})
	}
	return b
}

// createSpendToken makes a token. A replayed reply is without its text: it is kept nowhere.
func (a *API) createSpendToken(c call, in *spendTokenIn) (out spendTokenOut, _ uint64, _ error) {
	now := a.engine.Now()
	var p bursar.Problems
	b := in.block((now+bursar.Time(or(in.ExpiresInSeconds, bursar.DefaultSpendTTL))*1e9)/1e9*1e9, &p)
	if err := p.Err(); err != nil {
		return out, 0, err
	}
	made, err := a.spendKey.Make(b)
	if err != nil {
		return out, 0, bursar.Errorf(bursar.CodeValidationFailed, "%v", err)
	}
	if len(made.String()) > spendtoken.MaxText/2 { // lest it cannot be narrowed
		return out, 0, bursar.Errorf(bursar.CodeValidationFailed, "the token would have %d characters, at most %d may be: name fewer things", len(made.String()), spendtoken.MaxText/2)
	}
	kept := bursar.SpendToken{ID: made.ID(), CustomerID: in.CustomerID, Label: b.Label, Entities: in.Entities, Dimensions: in.Dimensions,
		Features: in.Features, Currencies: in.Currencies, Events: in.Events, Models: in.Models, CreatedAt: now.Milli(), ExpiresAt: b.Expires}
	for _, c := range b.Caps {
		kept.Caps = append(kept.Caps, capOf(c))
	}
	var pins []bursar.Dimension
	for _, pin := range b.Entities {
		pins = append(pins, bursar.Dimension{Key: pin.Key, Value: pin.Value})
	}
	kept, version, err := a.engine.CreateSpendToken(c.ctx, c.by, kept, pins)
	if err != nil {
		return out, version, err
	}
	out = viewSpendToken(kept)
	out.Token = made.String()
	return out, version, nil
}

func capOf(c spendtoken.Cap) bursar.SpendCap {
	if c.Capability.Kind == bursar.KindCurrency {
		return bursar.SpendCap{CurrencyID: c.Capability.ID, Amount: c.Amount}
	}
	return bursar.SpendCap{FeatureID: c.Capability.ID, Amount: c.Amount}
}

type spendTokenList struct {
	customerPath
	paging
}

func spendTokenAt(t *bursar.SpendToken) ledger.ListPos {
	return ledger.ListPos{CreatedAt: t.CreatedAt, ID: t.ID}
}

func (a *API) listSpendTokens(c call, in *spendTokenList) ([]*bursar.SpendToken, uint64, error) {
	version, err := a.engine.See(c.ctx, c.options(), in.CustomerID, func(*ledger.Sight) {})
	if err != nil {
		return nil, version, err
	}
	return those(a.engine.Catalogue().SpendTokens(), func(t *bursar.SpendToken) bool { return t.CustomerID == in.CustomerID }), version, nil
}

func (a *API) revokeSpendToken(c call, in *accessTokenPath) (bursar.SpendToken, uint64, error) {
	return a.engine.RevokeSpendToken(c.ctx, c.by, in.CustomerID, in.TokenID, nil)
}

type spendTokenText struct {
	customerPath
	Token string `json:"token" is:"required,len=1-4096" doc:"The text of a spend token of this customer, also of one that its holder made."`
}

// revokeSpendText ends a token that is shown, which may be one that a holder made.
func (a *API) revokeSpendText(c call, in *spendTokenText) (none bursar.SpendToken, _ uint64, _ error) {
	t := a.spendKey.Open(in.Token)
	if t == nil || t.Customer() != in.CustomerID {
		return none, 0, bursar.ErrorAt("/token", bursar.CodeSpendTokenNotFound, "this is no spend token of the customer")
	}
	if made := a.engine.Catalogue().SpendToken(t.RootID()); made == nil {
		return none, 0, bursar.ErrorAt("/token", bursar.CodeSpendTokenNotFound, "the token that this one was made from is not known any more, so it does not work")
	}
	one := spendTokenOf(t)
	one.CreatedAt = a.engine.Now().Milli() // when it became known
	return a.engine.RevokeSpendToken(c.ctx, c.by, in.CustomerID, t.ID(), &one)
}

// spendTokenOf is what a token says, all of its blocks together.
func spendTokenOf(t *spendtoken.Token) bursar.SpendToken {
	out := bursar.SpendToken{ID: t.ID(), CustomerID: t.Customer(), ExpiresAt: t.Expires(), Entities: map[string]string{}, Dimensions: map[string]string{}}
	if len(t.Blocks) > 1 {
		out.RootID = t.RootID()
	}
	for i := range t.Blocks {
		b := &t.Blocks[i]
		out.Label = cmp.Or(b.Label, out.Label)
		for _, p := range b.Entities {
			out.Entities[p.Key] = p.Value
		}
		for _, p := range b.Dims {
			out.Dimensions[p.Key] = p.Value
		}
		for _, n := range b.Only {
			if t.Allows(n) {
				switch {
				case n.Feature != "":
					out.Features = with(out.Features, n.Feature)
				case n.Currency != "":
					out.Currencies = with(out.Currencies, n.Currency)
				default:
					out.Events = with(out.Events, n.Event)
				}
			}
		}
		for _, m := range b.Models {
			if t.AllowsModel(m) {
				out.Models = with(out.Models, m)
			}
		}
		if i == len(t.Blocks)-1 {
			for _, c := range b.Caps {
				out.Caps = append(out.Caps, capOf(c))
			}
		}
	}
	return out
}

// with is a list with one more, unless it has that.
func with(list []string, one string) []string {
	if slices.Contains(list, one) {
		return list
	}
	return append(list, one)
}
