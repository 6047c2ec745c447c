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

// emptyIsNull reads "" as null: clear.
func emptyIsNull(o bursar.Opt[string]) bursar.Opt[string] {
	if o.Set && o.Value == "" {
		return bursar.Null[string]()
	}
	return o
}

type customerIn struct {
	ID string `json:"id" is:"required,customerId"`
	customerFields
}

func (a *API) createCustomer(q *request, in *customerIn) (customerOut, error) {
	c, err := caller(q, viewCustomer)
	if err != nil {
		return customerOut{}, err
	}
	return shown(viewCustomer)(versioned[bursar.Customer](q)(a.engine.CreateCustomer(q.ctx, c, in.ID, in.input())))
}

type customerPatch struct {
	based
	customerFields
}

func (a *API) patchCustomer(q *request, in *customerPatch) (customerOut, error) {
	c, err := caller(q, viewCustomer)
	if err != nil {
		return customerOut{}, err
	}
	return shown(viewCustomer)(versioned[bursar.Customer](q)(a.engine.UpdateCustomer(q.ctx, c, q.path[0], in.input())))
}

// versioned notes the version that an engine call returns and passes on the rest.
func versioned[T any](q *request) func(T, uint64, error) (T, error) {
	return func(v T, version uint64, err error) (T, error) {
		q.version = version
		return v, err
	}
}

func (a *API) archiveCustomer(archive bool) func(*request, *basedOnly) (customerOut, error) {
	return func(q *request, _ *basedOnly) (customerOut, error) {
		c, err := caller(q, viewCustomer)
		if err != nil {
			return customerOut{}, err
		}
		return shown(viewCustomer)(versioned[bursar.Customer](q)(a.engine.ArchiveCustomer(q.ctx, c, q.path[0], archive)))
	}
}

// readOnly is the input of a read of one thing.
type readOnly struct{ freshness }

// getCustomer shows the holder of a token little: what the vendor notes of a customer is
// the vendor's.
func (a *API) getCustomer(q *request, in *readOnly) (customerOut, error) {
	c, err := versioned[bursar.Customer](q)(a.engine.Customer(q.ctx, q.options(in.freshness), q.path[0]))
	if q.token != nil {
		c = bursar.Customer{ID: c.ID, Name: c.Name, Timezone: c.Timezone, Metadata: map[string]string{}, CreatedAt: c.CreatedAt, UpdatedAt: c.CreatedAt, ArchivedAt: c.ArchivedAt}
	}
	return viewCustomer(c), err
}

type customerList struct {
	paging
	Email           string    `query:"email"`
	Name            string    `query:"name"`
	Search          string    `query:"search" is:"len=1-255" doc:"Part of the id, the name or the email; A to Z match a to z."`
	CreatedAt       timeRange `query:"createdAt"`
	IncludeArchived bool      `query:"includeArchived"`
}

func (a *API) listCustomers(q *request, in *customerList) (page[customerOut], error) {
	from, to := in.CreatedAt.bounds()
	at := func(c *bursar.Customer) ledger.ListPos { return ledger.ListPos{CreatedAt: c.CreatedAt, ID: c.ID} }
	get := func(p ledger.ListPage) (ledger.Page[bursar.Customer], error) {
		return a.engine.Customers(q.ctx, store.CustomerQuery{
			Email: in.Email, Name: in.Name, Search: in.Search, CreatedFrom: from, CreatedTo: to, IncludeArchived: in.IncludeArchived,
			After: (*store.CustomerPos)(p.After), Before: (*store.CustomerPos)(p.Before), Limit: p.Limit,
		})
	}
	return list(q, in.paging, at, get, viewCustomer)
}
