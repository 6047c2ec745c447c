package engine

import (
	"sync"
	"sync/atomic"
	"time"
)

// keeper knows when each customer in memory is due, unsaved or unused. Whoever changes a customer
// notes it, and housekeeping looks at noted customers only.
type keeper struct {
	notes struct {
		sync.Mutex
		of []*customer
	}

	mu      sync.Mutex
	due     agenda // by when time changes something next, bursar.Time
	unsaved agenda // by when a checkpoint is to be made, nanoseconds of the Unix epoch
	unused  agenda // all, by when they were last used, as far as the keeper has asked
	sum     figures
	looks   int // at customers, for whatever reason
	budget  int64
	full    atomic.Bool // customers take more than budget
}

// figures are what customers in memory take.
type figures struct{ bytes, holds, keys int64 }

func newKeeper(budget int64) *keeper {
	k := &keeper{budget: budget}
	k.unsaved.slot, k.unused.slot = 1, 2
	return k
}

// note has housekeeping look at c: it has changed, come or gone.
func (k *keeper) note(c *customer) {
	if c.noted.CompareAndSwap(false, true) {
		k.notes.Lock()
		k.notes.of = append(k.notes.of, c)
		k.notes.Unlock()
	}
}

// visitNoted visits all that were noted.
func (k *keeper) visitNoted(e *Engine) {
	k.notes.Lock()
	noted := k.notes.of
	k.notes.of = nil
	k.notes.Unlock()
	for _, c := range noted {
		c.noted.Store(false)
		k.visit(e, c)
	}
}

// visit brings what the keeper knows of c up to date. It does not wait for c's lock: a
// customer that is being changed stays noted for the next time.
func (k *keeper) visit(e *Engine, c *customer) {
	if !c.mu.TryRLock() {
		k.note(c)
		return
	}
	now := figures{bytes: c.st.Memory(), holds: int64(c.st.OpenHolds.N), keys: int64(c.st.Keys.Resident())}
	due, mine := int64(c.st.Due()), e.saves(c)
	unsaved := c.st.Unsaved() > 0
	c.stuck.Store(mine && unsaved && c.saveFailed.Load() || !mine && c.st.Unsaved() >= farBehind*e.o.CheckpointRecords)
	changed := unsaved || len(c.st.Keys.Closing) > 0 || c.superseded.Load()
	save := c.saved.Add(e.o.CheckpointEvery)
	if c.due.Load() && c.notBefore.Before(save) {
		save = c.notBefore
	}
	c.mu.RUnlock()
	if !mine && due != 0 {
		due += int64(otherNodesTick)
	}
	if !mine || !unsaved || c.superseded.Load() { // nothing to save, or not for this node: see shareSaving
		save = time.Now().Add(e.o.ClaimFor / 4)
	}

	k.mu.Lock()
	defer k.mu.Unlock()
	k.looks++
	if !e.residents.has(c) {
		k.remove(c)
		return
	}
	k.known(c, now)
	if !k.unused.has(c) {
		k.unused.set(c, c.used.Load())
	}
	if due == 0 || c.ticking.Load() {
		k.due.remove(c)
	} else {
		k.due.set(c, due)
	}
	if changed {
		k.unsaved.set(c, save.UnixNano())
	} else {
		k.unsaved.remove(c)
	}
}

// known takes note of what c takes.
func (k *keeper) known(c *customer, now figures) {
	k.sum.add(now, 1)
	k.sum.add(c.known, -1)
	c.known = now
	k.full.Store(k.sum.bytes > k.budget)
}

func (f *figures) add(g figures, sign int64) {
	f.bytes += sign * g.bytes
	f.holds += sign * g.holds
	f.keys += sign * g.keys
}

// forget takes c, which is no longer in memory, out of everything.
func (k *keeper) forget(c *customer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remove(c)
}

func (k *keeper) remove(c *customer) {
	k.due.remove(c)
	k.unsaved.remove(c)
	k.unused.remove(c)
	k.known(c, figures{})
}

// next takes the first of an agenda out if its time has come; nil = there is none.
func (k *keeper) next(a *agenda, at int64) *customer {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, _ := a.take(at)
	if c != nil {
		k.looks++
		if a == &k.due {
			c.ticking.Store(true)
		}
	}
	return c
}

// longestUnused takes out who has not been used for the longest time; nil = there is none.
func (k *keeper) longestUnused() *customer {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.unused.list.of) > 0 {
		k.looks++
		first := k.unused.list.of[0]
		if used := first.c.used.Load(); used > first.at {
			k.unused.set(first.c, used) // since it was last asked
			continue
		}
		k.unused.remove(first.c)
		return first.c
	}
	return nil
}

// keep puts back customers that could not leave memory: somebody uses them, or their
// checkpoint could not be saved. They count as used now.
func (k *keeper) keep(cs []*customer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range cs {
		k.unused.set(c, time.Now().UnixNano())
		k.note(c)
	}
}

// counted is how many customers are in memory, and what they take.
func (k *keeper) counted() (int, figures) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.unused.list.of), k.sum
}

// changed are those that have something that no checkpoint has.
func (k *keeper) changed() []*customer {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unsaved.all()
}
