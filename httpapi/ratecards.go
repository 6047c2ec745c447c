package httpapi

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// unpricedID is no id of a rate card: it names a route.
const unpricedID = "unpriced"

type rateIn struct {
	FeatureID string              `json:"featureId" is:"required,id"`
	Amount    bursar.Amount       `json:"amount" is:"required,min=0"`
	Per       *int64              `json:"per" is:"enum=1|1000|1000000,default=1" doc:"Units that amount is the price of."`
	Match     map[string][]string `json:"match" doc:"Dimensions that the usage must have, each with one of the values. The matching rate with most keys applies."`
}

// rateVersionFields are what a card's first version and all others share.
type rateVersionFields struct {
	EffectiveFrom *bursar.Time `json:"effectiveFrom" doc:"Now when left out; never in the past."`
	Rates         []rateIn     `json:"rates" is:"required,n=1-1000"`
}

func (f *rateVersionFields) input() catalogue.RateVersionInput {
	in := catalogue.RateVersionInput{EffectiveFrom: orZero(f.EffectiveFrom), Rates: make([]bursar.Rate, len(f.Rates))}
	for i, r := range f.Rates {
		in.Rates[i] = bursar.Rate{FeatureID: r.FeatureID, Amount: r.Amount, Per: or(r.Per, 1), Match: r.Match}
	}
	return in
}

type rateCardIn struct {
	ID          string `json:"id" is:"required,id"`
	CurrencyID  string `json:"currencyId" is:"required,id"`
	DisplayName string `json:"displayName" is:"required,len=1-255"`
	rateVersionFields
}

type rateVersionIn struct {
	based
	rateVersionFields
	Corrects *int `json:"corrects" is:"n=1-1000000" doc:"An earlier version whose charges re-pricing replaces by this one's."`
}

type rateOut struct {
	FeatureID string        `json:"featureId"`
	Amount    bursar.Amount `json:"amount"`
	Per       int64         `json:"per"`
	Match     rateMatch     `json:"match"`
}

// rateMatch is what a rate asks of dimensions. A single value is written as it may be
// given, without the list around it.
type rateMatch map[string][]string

func (m rateMatch) appendTo(b []byte) []byte {
	b = append(b, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, key), ':')
		if values := m[key]; len(values) == 1 {
			b = appendString(b, values[0])
		} else {
			b = appendStrings(b, values)
		}
	}
	return append(b, '}')
}

func viewRates(rates []bursar.Rate) []rateOut {
	out := make([]rateOut, len(rates))
	for i, r := range rates {
		out[i] = rateOut{FeatureID: r.FeatureID, Amount: r.Amount, Per: r.Per, Match: rateMatch(r.Match)}
	}
	return out
}

// rateCardOut is a card with its newest version, which may be in force only later.
type rateCardOut struct {
	ID            string       `json:"id"`
	CurrencyID    string       `json:"currencyId"`
	DisplayName   string       `json:"displayName"`
	EffectiveFrom bursar.Time  `json:"effectiveFrom" doc:"Of the newest version, as rates."`
	Rates         []rateOut    `json:"rates"`
	Version       int          `json:"version"`
	CreatedAt     bursar.Time  `json:"createdAt"`
	ArchivedAt    *bursar.Time `json:"archivedAt"`
	withRevision
}

func viewRateCard(c bursar.RateCard) rateCardOut {
	out := rateCardOut{ID: c.ID, CurrencyID: c.CurrencyID, DisplayName: c.DisplayName, CreatedAt: c.CreatedAt, ArchivedAt: c.ArchivedAt,
		withRevision: withRevision{c.Revision()}}
	if n := len(c.Versions); n > 0 {
		v := &c.Versions[n-1]
		out.EffectiveFrom, out.Rates, out.Version = v.EffectiveFrom, viewRates(v.Rates), v.Version
	}
	return out
}

// rateVersionOut is one price list of a card; it never changes.
type rateVersionOut struct {
	Version       int         `json:"version"`
	EffectiveFrom bursar.Time `json:"effectiveFrom"`
	Rates         []rateOut   `json:"rates"`
	Corrects      *int        `json:"corrects"`
	CreatedAt     bursar.Time `json:"createdAt"`
}

func viewRateVersion(v bursar.RateVersion) rateVersionOut {
	out := rateVersionOut{Version: v.Version, EffectiveFrom: v.EffectiveFrom, Rates: viewRates(v.Rates), CreatedAt: v.CreatedAt}
	if v.Corrects != 0 {
		out.Corrects = &v.Corrects
	}
	return out
}

// viewNewest is the version that was just added to a card.
func viewNewest(c bursar.RateCard) rateVersionOut {
	if len(c.Versions) == 0 {
		return rateVersionOut{}
	}
	return viewRateVersion(c.Versions[len(c.Versions)-1])
}

func (a *API) createRateCard(q *request, in *rateCardIn) (rateCardOut, error) {
	if in.ID == unpricedID {
		return rateCardOut{}, bursar.ErrorAt("/id", bursar.CodeValidationFailed, "the id %q is reserved", unpricedID)
	}
	c, err := caller(q, viewRateCard)
	if err != nil {
		return rateCardOut{}, err
	}
	card, err := a.engine.CreateRateCard(q.ctx, c, catalogue.RateCardInput{
		ID: in.ID, CurrencyID: in.CurrencyID, DisplayName: in.DisplayName, RateVersionInput: in.input(),
	})
	return viewRateCard(card), err
}

type rateCardList struct {
	paging
	CurrencyID      string `query:"currencyId"`
	FeatureID       string `query:"featureId" doc:"Only cards whose newest version prices this feature."`
	IncludeArchived bool   `query:"includeArchived"`
}

func (a *API) listRateCards(q *request, in *rateCardList) (page[rateCardOut], error) {
	keep := func(c *bursar.RateCard) bool {
		return (in.IncludeArchived || c.ArchivedAt == nil) && (in.CurrencyID == "" || c.CurrencyID == in.CurrencyID) &&
			(in.FeatureID == "" || len(c.Versions) > 0 && c.Versions[len(c.Versions)-1].Prices(in.FeatureID))
	}
	rows := a.engine.Catalogue().RateCards()
	at := func(c *bursar.RateCard) ledger.ListPos { return ledger.ListPos{CreatedAt: c.CreatedAt, ID: c.ID} }
	get := func(p ledger.ListPage) (ledger.Page[bursar.RateCard], error) { return pageOf(rows, p, at, keep), nil }
	return list(q, in.paging, at, get, viewRateCard)
}

func (a *API) rateCard(id string) (*bursar.RateCard, error) {
	c := a.engine.Catalogue().RateCard(id)
	if c == nil {
		return nil, bursar.Errorf(bursar.CodeRateCardNotFound, "there is no rate card %.64q", id)
	}
	return c, nil
}

func (a *API) getRateCard(q *request, _ *nothing) (rateCardOut, error) {
	c, err := a.rateCard(q.path[0])
	if err != nil {
		return rateCardOut{}, err
	}
	return viewRateCard(*c), nil
}

// addRateVersion answers the version that it made.
func (a *API) addRateVersion(q *request, in *rateVersionIn) (rateVersionOut, error) {
	c, err := caller(q, viewNewest)
	if err != nil {
		return rateVersionOut{}, err
	}
	input := in.input()
	input.Corrects = orZero(in.Corrects)
	card, err := a.engine.AddRateVersion(q.ctx, c, q.path[0], input)
	if err != nil {
		return rateVersionOut{}, err
	}
	return viewNewest(card), nil
}

func (a *API) listRateVersions(q *request, in *paging) (page[rateVersionOut], error) {
	c, err := a.rateCard(q.path[0])
	if err != nil {
		return page[rateVersionOut]{}, err
	}
	rows := make([]*bursar.RateVersion, len(c.Versions))
	for i := range c.Versions {
		rows[i] = &c.Versions[i]
	}
	at := func(v *bursar.RateVersion) ledger.ListPos {
		return ledger.ListPos{ID: fmt.Sprintf("%010d", v.Version)} // in order of the text, too
	}
	get := func(p ledger.ListPage) (ledger.Page[bursar.RateVersion], error) {
		return pageOf(rows, p, at, func(*bursar.RateVersion) bool { return true }), nil
	}
	return list(q, *in, at, get, viewRateVersion)
}

func (a *API) archiveRateCard(q *request, _ *basedOnly) (rateCardOut, error) {
	c, err := caller(q, viewRateCard)
	if err != nil {
		return rateCardOut{}, err
	}
	card, err := a.engine.ArchiveRateCard(q.ctx, c, q.path[0])
	return viewRateCard(card), err
}
