package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// savePause bounds the share of time that saving one busy customer takes: after a
// checkpoint that took t it is left alone for savePause × t, unless CheckpointEvery says
// that it is time.
const savePause = 4

// checkpoint saves what changed in c. Only taking the pointers to it holds c's lock;
// nobody waits for the store.
func (e *Engine) checkpoint(ctx context.Context, c *customer) error {
	defer e.keeper.note(c)
	if !e.saves(c) || c.superseded.Load() {
		return nil
	}
	c.saving.Lock()
	defer c.saving.Unlock()
	began := time.Now()
	c.mu.Lock()
	c.saved = began
	if c.st.Unsaved() == 0 {
		c.mu.Unlock()
		return nil
	}
	held := e.lockTimes.begin()
	k, fill := c.st.Capture(c.id, e.o.LateHorizon)
	e.lockTimes.end(savers, held, 1)
	c.mu.Unlock()
	fill()
	err := e.store.Save(ctx, &k.Cp)
	e.saved(c, k, began, err)
	if err == nil {
		e.letClosedGo(c, k.Dirty.Holds)
	}
	return err
}

// saved takes note of how saving k went.
func (e *Engine) saved(c *customer, k *ledger.Capture, began time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notBefore = time.Now().Add(savePause * time.Since(began))
	if err != nil {
		c.st.RestoreDirty(k)
		superseded := errors.Is(err, store.ErrSuperseded) && e.nodes != nil // another process has saved
		c.saveFailed.Store(!superseded)
		if superseded {
			c.superseded.Store(true)
		}
		return
	}
	c.st.Saved(k)
	c.saveFailed.Store(false)
	e.counters.checkpoints.Add(1)
}

// farBehind is how many checkpoints' worth of records a customer that another node saves may
// have in memory before it counts as one that cannot be saved.
const farBehind = 4

// hasRoom refuses a write to a customer whose checkpoints cannot be saved, once customers take
// all the memory that they may. What no checkpoint has stays in memory, idempotency keys and
// reservations that ended too: nowhere else could they be looked up.
func (e *Engine) hasRoom(c *customer) error {
	if !c.stuck.Load() || !e.keeper.full.Load() {
		return nil
	}
	return bursar.Errorf(bursar.CodeGovernanceUnavailable, "no checkpoint of customer %q is being saved and the memory for what it lacks is used up; nothing was granted, and writes go on once the store saves again", c.id)
}

// letClosedGo takes out of memory those of holds that are closed: the store has them. It lets go
// of the customer's lock now and then, so that others have their turn.
func (e *Engine) letClosedGo(c *customer, holds map[[16]byte]*record.Hold) {
	for list := slices.Collect(maps.Values(holds)); len(list) > 0; {
		n := min(len(list), ledger.ForgetSlice)
		c.mu.Lock()
		began := e.lockTimes.begin()
		c.st.LetClosedGo(list[:n])
		e.lockTimes.end(savers, began, n)
		c.mu.Unlock()
		list = list[n:]
	}
}

// Save saves what changed in a customer since its last checkpoint, which housekeeping does
// in its time. On a shared store it does nothing where another node does it.
func (e *Engine) Save(ctx context.Context, customer string) error {
	c, err := e.acquire(ctx, customer)
	if err != nil {
		return err
	}
	defer e.release(c)
	return e.checkpoint(ctx, c)
}

// Unload saves a customer and lets it leave memory, as housekeeping does when memory is
// short. It tells whether the customer left: it stays while somebody uses it.
func (e *Engine) Unload(ctx context.Context, customer string) (bool, error) {
	c, err := e.acquire(ctx, customer)
	if err != nil {
		return false, err
	}
	e.release(c)
	if !e.evictOne(c) {
		return false, nil
	}
	e.keeper.forget(c)
	return true, nil
}
