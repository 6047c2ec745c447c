package engine

import (
	"context"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// CreateCustomer provisions a customer. The number is the version of the customer
// that the reply is true at, here and below.
func (e *Engine) CreateCustomer(ctx context.Context, c catalogue.Caller, id string, in bursar.CustomerInput) (bursar.Customer, uint64, error) {
	if err := bursar.CheckCustomerID(id); err != nil {
		return bursar.Customer{}, 0, bursar.ErrorAt("/id", bursar.CodeValidationFailed, "%v", err)
	}
	return govern[bursar.Customer](ctx, e, &c, id, &ledger.CreateCustomer{Caller: c, ID: id, In: in})
}

// UpdateCustomer changes what in has.
func (e *Engine) UpdateCustomer(ctx context.Context, c catalogue.Caller, id string, in bursar.CustomerInput) (bursar.Customer, uint64, error) {
	return govern[bursar.Customer](ctx, e, &c, id, &ledger.UpdateCustomer{Caller: c, In: in})
}

// ArchiveCustomer archives or unarchives; it is idempotent.
func (e *Engine) ArchiveCustomer(ctx context.Context, c catalogue.Caller, id string, archive bool) (bursar.Customer, uint64, error) {
	return govern[bursar.Customer](ctx, e, &c, id, &ledger.ArchiveCustomer{Caller: c, Archive: archive})
}

// Customer reads one customer, archived or not.
func (e *Engine) Customer(ctx context.Context, o ledger.ReadOptions, id string) (out bursar.Customer, version uint64, err error) {
	version, err = e.readCustomer(ctx, o, id, func(v *ledger.View) error {
		out = *v.Cust()
		return nil
	})
	return out, version, err
}

// Customers lists customers.
func (e *Engine) Customers(ctx context.Context, q store.CustomerQuery) (p ledger.Page[bursar.Customer], err error) {
	want := q.Limit
	q.Limit++
	if p.Items, err = e.store.Customers(ctx, q); err != nil {
		return p, e.unavailable(err)
	}
	p.Cut(want, q.After != nil, q.Before != nil)
	return p, nil
}
