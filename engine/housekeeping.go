package engine

import (
	"context"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

const (
	housekeepEvery = 100 * time.Millisecond
	// saveShare is how much of each housekeepEvery goes to checkpoints: they are never
	// urgent, and requests are.
	saveShare  = housekeepEvery / 10
	evictEvery = time.Second // when nothing was loaded
	sweepEvery = 10 * time.Second
	trimEvery  = time.Hour
)

// housekeeping ends holds in time, saves checkpoints and lets idle customers go. What
// one process is enough for is done by the one with the claim. Its work follows what
// changed: customers that nobody asks for cost it nothing until their time comes.
func (e *Engine) housekeeping() {
	tick := time.NewTicker(housekeepEvery)
	defer tick.Stop()
	var sweep, trim, share, evicted time.Time
	trimming := false // there may be denials to delete
	loads := e.counters.loads.Load()
	for {
		select {
		case <-e.stop:
			return
		case <-tick.C:
		}
		if e.store.Err() != nil {
			continue
		}
		now := time.Now()
		if e.nodes != nil && now.Sub(share) >= e.o.ClaimFor/4 {
			share = now
			e.keeper.visitNoted(e)
			e.shareSaving()
		}
		e.keepUp()
		if trimming {
			trimming = e.trimDenials()
		}
		if n := e.counters.loads.Load(); n != loads || now.Sub(evicted) >= evictEvery {
			loads, evicted = n, now
			e.evict()
		}
		if now.Sub(sweep) >= sweepEvery {
			sweep = now
			if e.has(claimSweep) {
				e.sweepIdle()
				e.leaveSpent()
				if now.Sub(trim) >= trimEvery {
					trim = now
					e.trim()
					trimming = true
				}
			}
		}
	}
}

// keepUp does what is due for customers that changed, or whose time has come.
func (e *Engine) keepUp() {
	e.keeper.visitNoted(e)
	e.tickDue()
	e.saveSome()
}

// trim deletes what is older than it is to be kept: messages, jobs that ended, and the log
// where it is not kept for ever.
func (e *Engine) trim() {
	if err := e.store.TrimOutbox(context.Background(), e.now()-keptMessages); err != nil {
		e.o.Log.Warn("trimming the outbox failed", "err", err)
	}
	if err := e.store.TrimJobs(context.Background(), e.now()-keptJobs); err != nil {
		e.o.Log.Warn("trimming the jobs failed", "err", err)
	}
	for e.o.KeepLog > 0 {
		n, err := e.store.TrimLog(context.Background(), e.now()-bursar.Time(e.o.KeepLog), trimRows)
		if err != nil {
			e.o.Log.Warn("trimming the log failed", "err", err)
		}
		if n < trimRows || err != nil || e.closing.Load() {
			return
		}
	}
}

// trimRows bounds one deletion from the log.
const trimRows = 5000

// keptMessages is how long messages stay that have nothing left to deliver.
const keptMessages = bursar.Time(30 * 24 * time.Hour)

// tickDue has what is due of customers recorded. It does not wait: a customer that cannot
// be written to delays no other. Afterwards each is looked at again.
func (e *Engine) tickDue() {
	now := e.now()
	for {
		c := e.keeper.next(&e.keeper.due, int64(now))
		if c == nil {
			return
		}
		e.loops.Go(func() {
			e.tick(c.id, ledger.TickOp{})
			c.ticking.Store(false)
			e.keeper.note(c)
		})
	}
}

// otherNodesTick is how long the node that saves a customer has to record what time has
// done before others do.
const otherNodesTick = bursar.Time(3 * time.Second)

// tick makes the lane record what time has changed, a commit after the other, so that
// other requests come between.
func (e *Engine) tick(id string, op ledger.TickOp) {
	for !e.closing.Load() {
		behind, _, err := e.write(context.Background(), system, id, op)
		if err != nil && !e.closing.Load() {
			e.o.Log.Warn("expiring holds failed; it will be tried again", "customerId", id, "err", err)
		}
		if err != nil || !behind.(bool) {
			return
		}
	}
}

// saveSome saves customers whose last checkpoint is at least CheckpointEvery ago, or that have
// changed much since, the longest waiting first, as far as the time allows.
func (e *Engine) saveSome() {
	began := time.Now()
	for time.Since(began) < saveShare {
		c := e.keeper.next(&e.keeper.unsaved, began.UnixNano())
		if c == nil {
			return
		}
		c.due.Store(false)
		if err := e.checkpoint(context.Background(), c); err != nil {
			e.o.Log.Warn("checkpoint failed; the log has everything", "customerId", c.id, "err", err)
		}
	}
}

const (
	// maxSweep bounds the idle customers that are looked for at once, sweepers how many of
	// them are opened at once: they share commits with one another.
	maxSweep = 1024
	sweepers = 16
)

// sweepIdle opens customers that are not in memory but have something due, or a log
// that is ahead of their checkpoint, until it finds no more of them.
func (e *Engine) sweepIdle() {
	if !e.sweeping.CompareAndSwap(false, true) {
		return
	}
	e.loops.Go(func() { // housekeeping goes on while some of them cannot be written to
		defer e.sweeping.Store(false)
		swept := map[string]bool{}
		for {
			idle, err := e.idle(swept)
			if err != nil {
				e.o.Log.Warn("looking for what is due failed", "err", err)
			}
			if len(idle) == 0 {
				return
			}
			for some := range slices.Chunk(idle, sweepers) {
				if e.closing.Load() {
					return
				}
				together(some, func(id string) error {
					e.tick(id, ledger.TickOp{})
					return nil
				})
			}
		}
	})
}

// idle are customers to open that are not among those swept, to which it adds them.
func (e *Engine) idle(swept map[string]bool) (list []string, err error) {
	// Residents are in the store's list too, so there is room for them.
	resident, _ := e.keeper.counted()
	ids, err := e.store.Due(context.Background(), e.now(), maxSweep+resident)
	for _, id := range ids {
		if !swept[id] && e.residents.get(id) == nil && len(list) < maxSweep {
			swept[id] = true
			list = append(list, id)
		}
	}
	return list, err
}

// evict lets customers go, the longest unused first, until the rest fits the budget.
func (e *Engine) evict() {
	var kept []*customer
	for e.keeper.full.Load() {
		c := e.keeper.longestUnused()
		if c == nil {
			break
		}
		if !c.pausesSaving() && e.evictOne(c) {
			e.keeper.forget(c)
		} else {
			kept = append(kept, c)
		}
	}
	e.keeper.keep(kept)
}

// pausesSaving tells whether the last checkpoint could not be saved and the next one is not
// tried yet.
func (c *customer) pausesSaving() bool {
	if !c.saveFailed.Load() || !c.mu.TryRLock() {
		return false
	}
	defer c.mu.RUnlock()
	return time.Now().Before(c.notBefore)
}

// evictOne lets a customer go. What this node does not save others do, or the sweep.
func (e *Engine) evictOne(c *customer) bool {
	if e.residents.pinned(c) || e.checkpoint(context.Background(), c) != nil {
		return false
	}
	gone := e.residents.replace(c, nil, func() bool {
		if c.pins > 0 || !c.mu.TryRLock() {
			return false
		}
		defer c.mu.RUnlock()
		return c.st.Unsaved() == 0 || !e.saves(c)
	})
	if gone {
		e.counters.evictions.Add(1)
	}
	return gone
}
