package engine

import (
	"context"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// CreateGrant adds credits to a customer's pool and settles its overdraft first.
func (e *Engine) CreateGrant(ctx context.Context, c catalogue.Caller, in bursar.GrantInput) (bursar.Grant, uint64, error) {
	return govern[bursar.Grant](ctx, e, &c, in.CustomerID, &ledger.CreateGrant{Caller: c, In: in})
}

// VoidGrant takes back what is left of an ACTIVE or SCHEDULED grant; of another one it
// is GrantNotVoidable. It gives the customer's id, too.
func (e *Engine) VoidGrant(ctx context.Context, c catalogue.Caller, id string) (g bursar.Grant, version uint64, err error) {
	u, ok := store.ParseID(id)
	if !ok {
		return g, 0, ledger.ErrNoGrant(id)
	}
	owners, err := e.store.Users(ctx, store.Use{Kind: "grant", ID: id}, 1)
	if err != nil {
		return g, 0, e.unavailable(err)
	}
	if len(owners) == 0 {
		return g, 0, ledger.ErrNoGrant(id)
	}
	return govern[bursar.Grant](ctx, e, &c, owners[0], &ledger.VoidGrant{Caller: c, ID: u})
}

// Grants lists the grants of a customer.
func (e *Engine) Grants(ctx context.Context, o ledger.ReadOptions, q ledger.GrantQuery) (ledger.Page[bursar.Grant], uint64, error) {
	return answer(ctx, e, o, q.CustomerID, func(v *ledger.View) (ledger.Page[bursar.Grant], error) { return v.GrantList(&q), nil })
}
