package engine

import (
	"context"

	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// activityChunk is how many entries are looked at together for a token.
const activityChunk = 1000

// seenActivity is the page of entries that are about entities which a token sees.
func (e *Engine) seenActivity(ctx context.Context, o ledger.ReadOptions, customer string, q store.ActivityQuery) (p ledger.Page[store.Activity], err error) {
	want, up := q.Limit, q.Above != ""
	below := q.Below != ""
	p.Items = []store.Activity{}
	var ids ledger.SeenEntities
	if _, err = e.readTurn(ctx, o, customer, ids.On); err != nil || len(ids.IDs) == 0 {
		return p, err
	}
	q.EntityIDs = ids.IDs
	for q.Limit = min(want+1, activityChunk); len(p.Items) <= want; q.Limit = activityChunk {
		var rows []store.Activity
		if err := e.share.turn(ctx, customer, func(ctx context.Context) (err error) {
			rows, err = e.store.Activity(ctx, customer, q)
			return err
		}); err != nil {
			return p, e.notNow(err)
		}
		n := len(rows)
		if n == 0 {
			break
		}
		q.Above, q.Below = "", rows[n-1].ID
		if up {
			q.Above, q.Below = rows[0].ID, ""
		}
		if _, err := e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
			rows = v.SeenActivity(rows)
			return nil
		}); err != nil {
			return p, err
		}
		if up {
			p.Items = append(rows, p.Items...)
		} else {
			p.Items = append(p.Items, rows...)
		}
		if n < q.Limit {
			break
		}
	}
	if more := len(p.Items) - want - 1; more > 0 && up {
		p.Items = p.Items[more:]
	} else if more > 0 {
		p.Items = p.Items[:want+1]
	}
	p.Cut(want, below, up)
	return p, nil
}

// Activity lists who changed what, newest first. A token is shown what was done to the
// entities it sees and their limits.
func (e *Engine) Activity(ctx context.Context, o ledger.ReadOptions, customer string, q store.ActivityQuery) (p ledger.Page[store.Activity], version uint64, err error) {
	version, err = e.readCustomer(ctx, o, customer, func(*ledger.View) error { return nil })
	if err != nil {
		return p, 0, err
	}
	if o.Token != nil {
		p, err = e.seenActivity(ctx, o, customer, q)
		return p, version, err
	}
	want := q.Limit
	q.Limit++
	if p.Items, err = e.store.Activity(ctx, customer, q); err != nil {
		return p, 0, e.unavailable(err)
	}
	p.Cut(want, q.Below != "", q.Above != "")
	return p, version, nil
}
