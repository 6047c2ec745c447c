package engine

import (
	"context"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// PutDefaults creates or updates default limits, all or none. Pointers of errors begin with
// /defaults/i.
func (e *Engine) PutDefaults(ctx context.Context, c catalogue.Caller, customer string, in []bursar.DefaultInput) ([]bursar.Default, uint64, error) {
	return govern[[]bursar.Default](ctx, e, &c, customer, &ledger.PutDefaults{Caller: c, In: in})
}

// DeleteDefault removes a default limit and returns what it was.
func (e *Engine) DeleteDefault(ctx context.Context, c catalogue.Caller, customer, id string) (bursar.Default, uint64, error) {
	return govern[bursar.Default](ctx, e, &c, customer, &ledger.DeleteDefault{Caller: c, ID: id})
}

// Defaults lists a customer's default limits, in order of creation.
func (e *Engine) Defaults(ctx context.Context, o ledger.ReadOptions, customer string) ([]bursar.Default, uint64, error) {
	return answer(ctx, e, o, customer, func(v *ledger.View) ([]bursar.Default, error) { return v.Defaults(), nil })
}
