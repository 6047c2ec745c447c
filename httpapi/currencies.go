package httpapi

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
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

func (a *API) createCurrency(c call, in *currencyIn) (bursar.Currency, uint64, error) {
	cur := bursar.Currency{
		ID: in.ID, DisplayName: in.DisplayName, Description: orNil(in.Description), Symbol: orNil(in.Symbol),
		Metadata: withoutEmpty(in.Metadata), Prepaid: or(in.Prepaid, true),
	}
	if in.Units != nil {
		cur.Units = &bursar.Units{Singular: in.Units.Singular, Plural: in.Units.Plural}
	}
	return ofNoCustomer(a.engine.CreateCurrency(c.ctx, c.by, cur))
}

type currencyList struct {
	paging
	Status []string `query:"status" is:"n=0-2,enum=ACTIVE|ARCHIVED,default=ACTIVE"`
}

func currencyAt(c *bursar.Currency) ledger.ListPos {
	return ledger.ListPos{CreatedAt: c.CreatedAt, ID: c.ID}
}

func (a *API) listCurrencies(_ call, in *currencyList) ([]*bursar.Currency, uint64, error) {
	return those(a.engine.Catalogue().Currencies(), func(c *bursar.Currency) bool {
		if c.ArchivedAt != nil {
			return slices.Contains(in.Status, "ARCHIVED")
		}
		return oneOf(in.Status, "ACTIVE")
	}), 0, nil
}

type currencyPatch struct {
	currencyPath
	based
	DisplayName bursar.Opt[string]  `json:"displayName" is:"len=1-255"`
	Description bursar.Opt[string]  `json:"description" is:"len=0-2000"`
	Symbol      bursar.Opt[string]  `json:"symbol" is:"len=0-255"`
	Units       bursar.Opt[unitsIn] `json:"units"`
	Metadata    map[string]string   `json:"metadata" doc:"Merges; \"\" deletes a key."`
}

func (a *API) patchCurrency(c call, in *currencyPatch) (bursar.Currency, uint64, error) {
	p := catalogue.CurrencyPatch{
		DisplayName: in.DisplayName, Description: in.Description, Symbol: in.Symbol, Metadata: in.Metadata,
		Units: bursar.Opt[bursar.Units]{Set: in.Units.Set, Null: in.Units.Null, Value: bursar.Units(in.Units.Value)},
	}
	return ofNoCustomer(a.engine.UpdateCurrency(c.ctx, c.by, in.CurrencyID, p))
}

// currencyChange changes a currency without a body.
type currencyChange struct {
	currencyPath
	based
}

func (a *API) archiveCurrency(c call, in *currencyChange) (bursar.Currency, uint64, error) {
	return ofNoCustomer(a.engine.ArchiveCurrency(c.ctx, c.by, in.CurrencyID, true))
}

func (a *API) unarchiveCurrency(c call, in *currencyChange) (bursar.Currency, uint64, error) {
	return ofNoCustomer(a.engine.ArchiveCurrency(c.ctx, c.by, in.CurrencyID, false))
}

// associated is a thing that uses a currency.
type associated struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	Type        string `json:"type" is:"enum=RateCard|Assignment|Grant"`
}

func viewAssociated(u engine.Associated) associated { return associated(u) }

func (a *API) currencyUsers(c call, in *currencyPath) ([]engine.Associated, uint64, error) {
	return ofNoCustomer(a.engine.CurrencyUsers(c.ctx, in.CurrencyID))
}
