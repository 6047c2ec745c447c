package engine

import (
	"context"

	"github.com/bursarhq/bursar/ledger"
)

// Tree selects, sorts and pages the governance tree: a top-k scan over the state, so a
// later page costs what the first one does. A row whose sort value crosses the cursor
// between two pages may repeat or be missed.
func (e *Engine) Tree(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.TreeQuery) (ledger.TreePage, error) {
	s := ledger.TreeScan{Q: &q, Cat: e.cat.Load()}
	version, err := e.readTurn(ctx, o, customer, s.On)
	if err == nil {
		_, err = e.readCustomer(ctx, o, customer, s.RowsOn)
	}
	page := s.Page()
	page.Version = version
	return page, err
}
