package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// customerFields are what a client says of a customer.
type customerFields struct {
	Name            bursar.Opt[string] `json:"name" is:"len=0-255"`
	Email           bursar.Opt[string] `json:"email" is:"len=0-255"`
	Metadata        map[string]string  `json:"metadata" doc:"Merges; \"\" deletes a key."`
	Timezone        bursar.Opt[string] `json:"timezone" is:"len=0-255" doc:"IANA name; the default zone of the customer's limits."`
	Language        bursar.Opt[string] `json:"language" is:"len=0-255"`
	BillingID       bursar.Opt[string] `json:"billingId" is:"len=0-255"`
	BillingCurrency bursar.Opt[string] `json:"billingCurrency" is:"len=0-255"`

	CouponID             unsupported `json:"couponId"`
	DefaultPaymentMethod unsupported `json:"defaultPaymentMethod"`
	Integrations         unsupported `json:"integrations"`
	Passthrough          unsupported `json:"passthrough"`
	SalesforceID         unsupported `json:"salesforceId"`
}

func (f *customerFields) input() bursar.CustomerInput {
	return bursar.CustomerInput{
		Name: emptyIsNull(f.Name), Email: emptyIsNull(f.Email), Timezone: emptyIsNull(f.Timezone), Language: emptyIsNull(f.Language),
		BillingID: emptyIsNull(f.BillingID), BillingCurrency: emptyIsNull(f.BillingCurrency), Metadata: f.Metadata,
	}
}

type customerIn struct {
	ID string `json:"id" is:"required,customerId"`
	customerFields
}

func (a *API) createCustomer(c call, in *customerIn) (bursar.Customer, uint64, error) {
	return a.engine.CreateCustomer(c.ctx, c.by, in.ID, in.input())
}

type customerPatch struct {
	customerPath
	based
	customerFields
}

func (a *API) patchCustomer(c call, in *customerPatch) (bursar.Customer, uint64, error) {
	return a.engine.UpdateCustomer(c.ctx, c.by, in.CustomerID, in.input())
}

// customerChange changes a customer without a body.
type customerChange struct {
	customerPath
	based
}

func (a *API) archiveCustomer(c call, in *customerChange) (bursar.Customer, uint64, error) {
	return a.engine.ArchiveCustomer(c.ctx, c.by, in.CustomerID, true)
}

func (a *API) unarchiveCustomer(c call, in *customerChange) (bursar.Customer, uint64, error) {
	return a.engine.ArchiveCustomer(c.ctx, c.by, in.CustomerID, false)
}

// customerQuery asks for something of a customer that takes nothing else.
type customerQuery struct {
	customerPath
	freshness
}

// getCustomer shows the holder of a token little: what the vendor notes of a customer is
// the vendor's.
func (a *API) getCustomer(c call, in *customerQuery) (bursar.Customer, uint64, error) {
	got, version, err := a.engine.Customer(c.ctx, c.options(), in.CustomerID)
	if c.token != nil {
		got = bursar.Customer{ID: got.ID, Name: got.Name, Timezone: got.Timezone, Metadata: map[string]string{}, CreatedAt: got.CreatedAt, UpdatedAt: got.CreatedAt, ArchivedAt: got.ArchivedAt}
	}
	return got, version, err
}

type customerList struct {
	paging
	Email           string    `query:"email"`
	Name            string    `query:"name"`
	Search          string    `query:"search" is:"len=1-255" doc:"Part of the id, the name or the email; A to Z match a to z."`
	CreatedAt       timeRange `query:"createdAt"`
	IncludeArchived bool      `query:"includeArchived"`
}

func customerAt(c *bursar.Customer) ledger.ListPos {
	return ledger.ListPos{CreatedAt: c.CreatedAt, ID: c.ID}
}

func (a *API) listCustomers(c call, in *customerList, p ledger.ListPage) (ledger.Page[bursar.Customer], uint64, error) {
	from, to := in.CreatedAt.bounds()
	return ofNoCustomer(a.engine.Customers(c.ctx, store.CustomerQuery{
		Email: in.Email, Name: in.Name, Search: in.Search, CreatedFrom: from, CreatedTo: to, IncludeArchived: in.IncludeArchived,
		After: (*store.CustomerPos)(p.After), Before: (*store.CustomerPos)(p.Before), Limit: p.Limit,
	}))
}
