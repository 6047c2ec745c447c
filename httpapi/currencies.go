package httpapi

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

type unitsIn struct {
	Singular string `json:"singular" is:"required,len=1-255"`
	Plural   string `json:"plural" is:"required,len=1-255"`
}

type currencyIn struct {
	ID          string            `json:"id" is:"required,id"`
	DisplayName string            `json:"displayName" is:"required,len=1-255"`
	Description *string           `json:"description" is:"len=0-2000"`
	Symbol      *string           `json:"symbol" is:"len=0-255"`
	Units       *unitsIn          `json:"units"`
	Metadata    map[string]string `json:"metadata"`
	Prepaid     *bool             `json:"prepaid" is:"default=true" doc:"false: limits gate, no pool of credits does."`
}

func (a *API) createCurrency(q *request, in *currencyIn) (currencyOut, error) {
	cur := bursar.Currency{
		ID: in.ID, DisplayName: in.DisplayName, Description: orNil(in.Description), Symbol: orNil(in.Symbol),
		Metadata: withoutEmpty(in.Metadata), Prepaid: or(in.Prepaid, true),
	}
	if in.Units != nil {
		cur.Units = &bursar.Units{Singular: in.Units.Singular, Plural: in.Units.Plural}
	}
	c, err := caller(q, viewCurrency)
	if err != nil {
		return currencyOut{}, err
	}
	return shown(viewCurrency)(a.engine.CreateCurrency(q.ctx, c, cur))
}

type currencyList struct {
	paging
	Status []string `query:"status" is:"n=0-2,enum=ACTIVE|ARCHIVED,default=ACTIVE"`
}

func (a *API) listCurrencies(q *request, in *currencyList) (page[currencyOut], error) {
	keep := func(c *bursar.Currency) bool {
		if c.ArchivedAt != nil {
			return slices.Contains(in.Status, "ARCHIVED")
		}
		return len(in.Status) == 0 || slices.Contains(in.Status, "ACTIVE")
	}
	rows := a.engine.Catalogue().Currencies()
	at := func(c *bursar.Currency) ledger.ListPos { return ledger.ListPos{CreatedAt: c.CreatedAt, ID: c.ID} }
	get := func(p ledger.ListPage) (ledger.Page[bursar.Currency], error) { return pageOf(rows, p, at, keep), nil }
	return list(q, in.paging, at, get, viewCurrency)
}

type currencyPatch struct {
	based
	DisplayName bursar.Opt[string]  `json:"displayName" is:"len=1-255"`
	Description bursar.Opt[string]  `json:"description" is:"len=0-2000"`
	Symbol      bursar.Opt[string]  `json:"symbol" is:"len=0-255"`
	Units       bursar.Opt[unitsIn] `json:"units"`
	Metadata    map[string]string   `json:"metadata" doc:"Merges; \"\" deletes a key."`
}

func (a *API) patchCurrency(q *request, in *currencyPatch) (currencyOut, error) {
	p := catalogue.CurrencyPatch{
		DisplayName: in.DisplayName, Description: in.Description, Symbol: in.Symbol, Metadata: in.Metadata,
		Units: bursar.Opt[bursar.Units]{Set: in.Units.Set, Null: in.Units.Null, Value: bursar.Units(in.Units.Value)},
	}
	c, err := caller(q, viewCurrency)
	if err != nil {
		return currencyOut{}, err
	}
	return shown(viewCurrency)(a.engine.UpdateCurrency(q.ctx, c, q.path[0], p))
}

func (a *API) archiveCurrency(archive bool) func(*request, *basedOnly) (currencyOut, error) {
	return func(q *request, _ *basedOnly) (currencyOut, error) {
		c, err := caller(q, viewCurrency)
		if err != nil {
			return currencyOut{}, err
		}
		return shown(viewCurrency)(a.engine.ArchiveCurrency(q.ctx, c, q.path[0], archive))
	}
}

// associated is a thing that uses a currency.
type associated struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	Type        string `json:"type" is:"enum=RateCard|Assignment|Grant"`
}

func (a *API) currencyUsers(q *request, _ *nothing) ([]associated, error) {
	users, err := a.engine.CurrencyUsers(q.ctx, q.path[0])
	out := make([]associated, len(users))
	for i, u := range users {
		out[i] = associated(u)
	}
	return out, err
}
