package engine

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// treeEngine has a customer with one entity.
func treeEngine(t *testing.T, clock func() bursar.Time) *Engine {
	e, err := Open(t.Context(), mem.New(), Options{Clock: clock, KeepDenials: -1, CheckpointEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	caller := catalogue.Caller{ActorType: "API_KEY", ActorID: "tester"}
	if _, err := e.PutEntityTypes(t.Context(), caller, []catalogue.EntityTypeInput{{ID: "org", DisplayName: "Org"}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.CreateCustomer(t.Context(), caller, "acme", bursar.CustomerInput{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.PutEntities(t.Context(), caller, "acme", []bursar.EntityInput{{ID: "org", EntityTypeID: "org"}}); err != nil {
		t.Fatal(err)
	}
	return e
}

func atNoon() bursar.Time { return bursar.TimeOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)) }

func (e *Engine) treeByID(ctx context.Context, search string) (int, error) {
	p, err := e.Tree(ctx, ledger.ReadOptions{}, "acme", ledger.TreeQuery{SortBy: ledger.SortID, Limit: 10, Search: search})
	return len(p.Rows), err
}

func (e *Engine) hasTreeIndex(t *testing.T) bool {
	c, err := e.acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	defer e.release(c)
	return c.st.TreeIndex() == nil
}

// The index of a tree does not wait for those who read logs again.
func TestTreeIndexHasItsOwnTurn(t *testing.T) {
	e := treeEngine(t, atNoon)
	for range maxScans {
		if err := e.scans.take(t.Context(), "others"); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := e.treeByID(t.Context(), ""); n != 1 || err != nil || !e.hasTreeIndex(t) {
		t.Errorf("%d rows, %v", n, err)
	}
}

// Where it is not the turn of an index for long, a page is found without; who gives up does not wait.
func TestTreeWithoutIndex(t *testing.T) {
	e := treeEngine(t, atNoon)
	if err := e.indexing.take(t.Context(), "others"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := e.treeByID(ctx, "")
		gone <- err
	}()
	for waiting := 0; waiting == 0; runtime.Gosched() {
		e.indexing.mu.Lock()
		waiting = e.indexing.waiting
		e.indexing.mu.Unlock()
	}
	cancel()
	if err := <-gone; err == nil {
		t.Error("an answer for somebody who left")
	}
	e.indexing.mu.Lock()
	e.indexing.waiting = maxWaiting
	e.indexing.mu.Unlock()
	if n, err := e.treeByID(t.Context(), ""); n != 1 || err != nil || e.hasTreeIndex(t) {
		t.Errorf("%d rows, %v", n, err)
	}
}

// An index of a tree counts among what the customer takes.
func TestTreeIndexIsNoted(t *testing.T) {
	e := treeEngine(t, atNoon)
	c, err := e.acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	defer e.release(c)
	e.keepUp()
	if n, err := e.treeByID(t.Context(), ""); n != 1 || err != nil || !c.noted.Load() {
		t.Errorf("%d rows, %v", n, err)
	}
}

// A search below one entity needs no index of all.
func TestTreeSearchBelow(t *testing.T) {
	e := treeEngine(t, atNoon)
	p, err := e.Tree(t.Context(), ledger.ReadOptions{}, "acme", ledger.TreeQuery{SortBy: ledger.SortID, Limit: 10, Search: "org", RootEntityID: "org"})
	if len(p.Rows) != 1 || err != nil || e.hasTreeIndex(t) {
		t.Errorf("%d rows, %v", len(p.Rows), err)
	}
}

// The rows of a page are shown in turns, too.
func TestTreeRowsInTurn(t *testing.T) {
	var e *Engine
	var counts atomic.Bool
	var inTurn, outside atomic.Int64
	e = treeEngine(t, func() bursar.Time {
		if counts.Load() {
			e.share.mu.Lock()
			defer e.share.mu.Unlock()
			if e.share.free < max(1, e.o.Processors/2) {
				inTurn.Add(1)
			} else {
				outside.Add(1)
			}
		}
		return atNoon()
	})
	counts.Store(true)
	_, err := e.treeByID(t.Context(), "")
	counts.Store(false)
	if err != nil || inTurn.Load() < 2 || outside.Load() > 0 {
		t.Errorf("%d slices in turns, %d outside: %v", inTurn.Load(), outside.Load(), err)
	}
}
