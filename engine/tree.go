package engine

import (
	"context"
	"slices"

	"github.com/bursarhq/bursar/ledger"
)

// Tree selects, sorts and pages the governance tree: a top-k scan over the state, so a
// later page costs what the first one does. A row whose sort value crosses the cursor
// between two pages may repeat or be missed.
func (e *Engine) Tree(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.TreeQuery) (ledger.TreePage, error) {
	s := ledger.TreeScan{Q: &q, Cat: e.cat.Load()}
	page := ledger.TreePage{Rows: []ledger.TreeRow{}}
	version, err := e.readTurn(ctx, o, customer, func(v *ledger.View) error {
		if page.AsOf == 0 {
			page.AsOf = v.Now
			if err := s.Begin(v); err != nil {
				return err
			}
		}
		if !s.PickOn(v) || !s.Slice(v) {
			return ledger.ErrGoOn
		}
		return nil
	})
	page.Version = version
	if err != nil {
		return page, err
	}
	slices.SortFunc(s.Top, func(a, b ledger.TreeItem) int { return s.Compare(&a, &b) })
	more := len(s.Top) > q.Limit
	if more {
		s.Top = s.Top[:q.Limit]
		page.Next = s.Top[len(s.Top)-1].Cursor()
	}
	i := 0
	_, err = e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
		for ; i < len(s.Top); i++ {
			if v.Tired() {
				return ledger.ErrGoOn
			}
			v.Visits++
			if r, ok := s.Row(v, &s.Top[i]); ok {
				page.Rows = append(page.Rows, r)
			}
		}
		return nil
	})
	return page, err
}
