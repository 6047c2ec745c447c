package engine

import (
	"context"
	"slices"
	"strings"

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
func (e *Engine) Grants(ctx context.Context, o ledger.ReadOptions, q ledger.GrantQuery) (p ledger.Page[bursar.Grant], version uint64, err error) {
	version, err = e.readCustomer(ctx, o, q.CustomerID, func(v *ledger.View) error {
		p.Items = []bursar.Grant{}
		var all []bursar.Grant
		for ord := uint32(1); ord < v.NextGrant(); ord++ {
			g := v.Grant(ord)
			if (q.CurrencyID == "" || g.CurrencyID == q.CurrencyID) && g.CreatedAt >= q.CreatedFrom && (q.CreatedTo == 0 || g.CreatedAt < q.CreatedTo) {
				all = append(all, g.Grant)
			}
		}
		slices.SortFunc(all, func(a, b bursar.Grant) int { return strings.Compare(a.ID, b.ID) })
		if q.Before != nil {
			all = slices.DeleteFunc(all, func(g bursar.Grant) bool { return g.ID >= q.Before.ID })
			all = all[max(0, len(all)-q.Limit-1):]
		}
		if q.After != nil {
			all = slices.DeleteFunc(all, func(g bursar.Grant) bool { return g.ID <= q.After.ID })
		}
		p.Items = append(p.Items, all[:min(len(all), q.Limit+1)]...)
		p.Cut(q.Limit, q.After != nil, q.Before != nil)
		return nil
	})
	return p, version, err
}
