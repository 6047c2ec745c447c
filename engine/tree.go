package engine

import (
	"context"

	"github.com/bursarhq/bursar/ledger"
)

// Tree selects, sorts and pages the governance tree. A later page costs what the first one does. A row
// whose sort value crosses the cursor between two pages may repeat or be missed.
func (e *Engine) Tree(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.TreeQuery) (ledger.TreePage, error) {
	s := ledger.TreeScan{Q: &q, Cat: e.cat.Load()}
	version, err := e.readTurn(ctx, o, customer, s.On)
	for try := 0; err == ledger.ErrNoTreeIndex; try++ {
		none := e.indexTree(ctx, customer) != nil || try > 1 // it left memory meanwhile
		s = ledger.TreeScan{Q: &q, Cat: s.Cat, Whole: none}
		version, err = e.readTurn(ctx, o, customer, s.On)
	}
	if err == nil {
		_, err = e.readTurn(ctx, o, customer, s.RowsOn)
	}
	page := s.Page()
	page.Version = version
	return page, err
}

// indexTree makes the index of a customer's tree, once for all who wait for it: one index is made at a time.
func (e *Engine) indexTree(ctx context.Context, id string) error {
	if err := e.indexing.take(ctx, id); err != nil {
		return err
	}
	defer e.indexing.give()
	c, err := e.acquire(ctx, id)
	if err != nil {
		return err
	}
	defer e.release(c)
	begin := func() *ledger.TreeIndex {
		c.mu.RLock()
		defer c.mu.RUnlock()
		return c.st.TreeIndex()
	}
	keep := func(index *ledger.TreeIndex) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.st.KeepTreeIndex(index)
	}
	index := begin()
	if index == nil {
		return nil
	}
	for index.Make(); !keep(index); {
		index.Late(begin())
	}
	e.keeper.note(c) // it takes more memory
	return nil
}
