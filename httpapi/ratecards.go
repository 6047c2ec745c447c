package httpapi

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// The routes whose bodies have rates, and may be larger than others.
const (
	rateCardsPattern    = "/rate-cards"
	rateVersionsPattern = rateCard + "/versions"
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
	Rates         []rateIn     `json:"rates" is:"required,n=1-50000"`
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
	rateCardPath
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

func (a *API) createRateCard(c call, in *rateCardIn) (card bursar.RateCard, _ uint64, _ error) {
	if in.ID == unpricedID {
		return card, 0, bursar.ErrorAt("/id", bursar.CodeValidationFailed, "the id %q is reserved", unpricedID)
	}
	return ofNoCustomer(a.engine.CreateRateCard(c.ctx, c.by, catalogue.RateCardInput{
		ID: in.ID, CurrencyID: in.CurrencyID, DisplayName: in.DisplayName, RateVersionInput: in.input(),
	}))
}

type rateCardList struct {
	paging
	CurrencyID      string `query:"currencyId"`
	FeatureID       string `query:"featureId" doc:"Only cards whose newest version prices this feature."`
	IncludeArchived bool   `query:"includeArchived"`
}

func rateCardAt(c *bursar.RateCard) ledger.ListPos {
	return ledger.ListPos{CreatedAt: c.CreatedAt, ID: c.ID}
}

func (a *API) listRateCards(_ call, in *rateCardList) ([]*bursar.RateCard, uint64, error) {
	return those(a.engine.Catalogue().RateCards(), func(c *bursar.RateCard) bool {
		return (in.IncludeArchived || c.ArchivedAt == nil) && (in.CurrencyID == "" || c.CurrencyID == in.CurrencyID) &&
			(in.FeatureID == "" || len(c.Versions) > 0 && c.Versions[len(c.Versions)-1].Prices(in.FeatureID))
	}), 0, nil
}

func (a *API) getRateCard(_ call, in *rateCardPath) (card bursar.RateCard, _ uint64, _ error) {
	found := a.engine.Catalogue().RateCard(in.RateCardID)
	if found == nil {
		return card, 0, bursar.Errorf(bursar.CodeRateCardNotFound, "%s", a.engine.Catalogue().NoCard(in.RateCardID))
	}
	return *found, 0, nil
}

// addRateVersion answers the card, of which the version that it made is shown.
func (a *API) addRateVersion(c call, in *rateVersionIn) (bursar.RateCard, uint64, error) {
	input := in.input()
	input.Corrects = orZero(in.Corrects)
	return ofNoCustomer(a.engine.AddRateVersion(c.ctx, c.by, in.RateCardID, input))
}

type rateVersionList struct {
	rateCardPath
	paging
}

func rateVersionAt(v *bursar.RateVersion) ledger.ListPos {
	return ledger.ListPos{ID: fmt.Sprintf("%010d", v.Version)} // in order of the text, too
}

func (a *API) listRateVersions(c call, in *rateVersionList) ([]*bursar.RateVersion, uint64, error) {
	card, _, err := a.getRateCard(c, &in.rateCardPath)
	return pointersTo(card.Versions), 0, err
}

// rateCardChange changes a rate card without a body.
type rateCardChange struct {
	rateCardPath
	based
}

func (a *API) archiveRateCard(c call, in *rateCardChange) (bursar.RateCard, uint64, error) {
	return ofNoCustomer(a.engine.ArchiveRateCard(c.ctx, c.by, in.RateCardID))
}
