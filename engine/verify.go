package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

var errFolded = errors.New("folded")

// VerifyAll checks every customer in memory: that its log folds to the state that
// serves, that held amounts are the sums of the open holds, and that the usage series
// add up to the totals. It reads whole logs; tests and self-audits call it.
func (e *Engine) VerifyAll(ctx context.Context) error {
	var errs []error
	for _, c := range e.residents.all() {
		if err := e.verify(ctx, c.id); err != nil {
			errs = append(errs, fmt.Errorf("customer %q: %w", c.id, err))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) verify(ctx context.Context, id string) error {
	c, err := e.acquire(ctx, id)
	if err != nil {
		return err
	}
	defer e.release(c)
	c.saving.Lock() // so that holds do not leave memory between the two looks
	defer c.saving.Unlock()
	c.mu.RLock()
	head, live := c.st.Head, c.st.Dump()
	inMemory := slices.Collect(maps.Keys(c.st.Holds))
	err = c.st.CheckHeld()
	c.mu.RUnlock()
	if err != nil {
		return err
	}
	again := ledger.NewState()
	err = e.store.ReadLog(ctx, id, 0, 0, func(row store.LogRow) error {
		if row.Head.Seq > head.Seq {
			return errFolded
		}
		return again.Fold(id, &row)
	})
	if err != nil && !errors.Is(err, errFolded) {
		return err
	}
	keep := map[[16]byte]bool{}
	for _, h := range inMemory {
		keep[h] = true
	}
	maps.DeleteFunc(again.Holds, func(id [16]byte, h *record.Hold) bool { return h.Status != bursar.HoldOpen && !keep[id] })
	if folded := again.Dump(); !bytes.Equal(live, folded) {
		i := 0
		for i < min(len(live), len(folded)) && live[i] == folded[i] {
			i++
		}
		return fmt.Errorf("the state differs from its log at byte %d of %d", i, len(live))
	}
	return again.CheckSeries()
}
