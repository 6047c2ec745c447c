package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
)

// customer is one customer in memory.
type customer struct {
	id    string
	ready chan struct{} // closed once st or err is set
	err   error

	mu sync.RWMutex // of what st holds
	st *state

	pins int // under Engine.mu: users that keep it in memory
	used atomic.Int64

	saving sync.Mutex  // one checkpoint at a time
	due    atomic.Bool // a checkpoint is due before its time

	notBefore time.Time // under mu: no checkpoint before its time until then
}

// acquire has a customer in memory, reading it from the store when it is not, and
// keeps it there until release. A customer that was never created is an empty state.
func (e *Engine) acquire(ctx context.Context, id string) (*customer, error) {
	e.mu.Lock()
	c := e.customers[id]
	if c == nil {
		c = &customer{id: id, ready: make(chan struct{}), pins: 1}
		e.customers[id] = c
		e.mu.Unlock()
		e.load(ctx, c)
	} else {
		c.pins++
		e.mu.Unlock()
	}
	select {
	case <-c.ready: // almost always; asking ctx for its Done costs more
	default:
		select {
		case <-c.ready:
		case <-ctx.Done():
			e.release(c)
			return nil, e.unavailable(ctx.Err())
		}
	}
	if c.err != nil {
		e.release(c)
		return nil, e.unavailable(c.err)
	}
	return c, nil
}

func (e *Engine) release(c *customer) {
	c.used.Store(time.Now().UnixNano())
	e.mu.Lock()
	defer e.mu.Unlock()
	c.pins--
	if c.pins == 0 && e.customers[c.id] == c && (c.err != nil || c.st.head.Seq == 0) {
		delete(e.customers, c.id) // nothing worth keeping
	}
}

// drop forgets a customer whose durable state is not known; the next acquire reads it.
func (e *Engine) drop(id string) {
	e.mu.Lock()
	delete(e.customers, id)
	e.mu.Unlock()
}

func (e *Engine) residents() []*customer {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*customer, 0, len(e.customers))
	for _, c := range e.customers {
		select {
		case <-c.ready:
			if c.err == nil {
				out = append(out, c)
			}
		default:
		}
	}
	return out
}

// load reads a customer's checkpoint and the tail of its log.
func (e *Engine) load(ctx context.Context, c *customer) {
	defer close(c.ready)
	st := newState()
	st.keys.limit = e.o.KeysInMemory
	ctx = context.WithoutCancel(ctx) // others may be waiting for it too
	if c.err = e.store.Load(ctx, c.id, st.restore); c.err != nil {
		return
	}
	st.restored()
	if c.err = e.replay(ctx, c.id, st); c.err != nil {
		return
	}
	if st.head.Seq > 0 {
		e.counters.loads.Add(1)
	}
	c.st = st
}

// replay applies the log after st's head.
func (e *Engine) replay(ctx context.Context, stream string, st *state) error {
	return e.store.ReadLog(ctx, stream, st.head.Seq, 0, func(row LogRow) error { return st.fold(stream, &row) })
}

// fold applies one row of the log.
func (s *state) fold(stream string, row *LogRow) error {
	recs, err := checkRow(s.head, stream, row)
	if err != nil {
		return err
	}
	v := newView(s, row.Head.Now)
	for _, r := range recs {
		if err := v.apply(r); err != nil {
			return fmt.Errorf("customer %q, commit %d: %w", stream, row.Head.Seq, err)
		}
	}
	v.merge(row.Head)
	return nil
}

// checkRow tells that row is the one after head, and decodes it.
func checkRow(head Head, stream string, row *LogRow) ([]record, error) {
	if row.Head.Seq != head.Seq+1 || chain(head, row.ID, row.Head.Now, row.Payload) != row.Head.Hash {
		return nil, fmt.Errorf("the log of %q breaks after commit %d: it was restored or damaged", stream, head.Seq)
	}
	recs, err := decodePayload(row.Payload)
	if err != nil {
		return nil, fmt.Errorf("stream %q, commit %d: %w", stream, row.Head.Seq, err)
	}
	return recs, nil
}

// catchUp applies what another process appended.
func (e *Engine) catchUp(c *customer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return e.replay(context.Background(), c.id, c.st)
}

// housekeeping ends holds in time, saves checkpoints and lets idle customers go.
func (e *Engine) housekeeping() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var sweep, save, trim time.Time
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
		for _, c := range e.residents() {
			e.keepHouse(c, now.Sub(save) >= e.o.CheckpointEvery)
		}
		if now.Sub(save) >= e.o.CheckpointEvery {
			save = now
		}
		e.evict()
		if now.Sub(sweep) >= 10*time.Second {
			sweep = now
			e.sweepIdle()
		}
		if now.Sub(trim) >= time.Hour {
			trim = now
			if err := e.store.TrimOutbox(context.Background(), e.o.Clock()-keptMessages); err != nil {
				e.o.Log.Warn("trimming the outbox failed", "err", err)
			}
		}
	}
}

// keptMessages is how long messages stay that have nothing left to deliver.
const keptMessages = bursar.Time(30 * 24 * time.Hour)

func (e *Engine) keepHouse(c *customer, save bool) {
	c.mu.RLock()
	due, dirty := c.st.due(), c.st.dirty.records > 0
	early := time.Now().After(c.notBefore)
	c.mu.RUnlock()
	if due != 0 && due <= e.o.Clock() {
		e.tick(c.id)
	}
	if dirty && (save || early && c.due.Swap(false)) {
		if err := e.checkpoint(context.Background(), c); err != nil {
			e.o.Log.Warn("checkpoint failed; the log has everything", "customerId", c.id, "err", err)
		}
	}
}

// tick makes the lane record what time has changed.
func (e *Engine) tick(id string) {
	if _, _, err := e.write(context.Background(), "", id, tickOp{}); err != nil {
		e.o.Log.Warn("expiring holds failed; it will be tried again", "customerId", id, "err", err)
	}
}

type tickOp struct{}

func (tickOp) decide(*decider) (any, error) { return nil, nil }

// maxSweep bounds the idle customers that one sweep opens.
const maxSweep = 64

// sweepIdle opens customers that are not in memory but have something due, or a log
// that is ahead of their checkpoint.
func (e *Engine) sweepIdle() {
	// Residents are in the list too, so there is room for them.
	ids, err := e.store.Due(context.Background(), e.o.Clock(), maxSweep+len(e.residents()))
	if err != nil {
		e.o.Log.Warn("looking for what is due failed", "err", err)
		return
	}
	opened := 0
	for _, id := range ids {
		e.mu.Lock()
		_, here := e.customers[id]
		e.mu.Unlock()
		if !here && opened < maxSweep {
			opened++
			e.tick(id)
		}
	}
}

// evict lets customers go, the longest unused first, until the rest fits the budget.
func (e *Engine) evict() {
	list := e.residents()
	total := int64(0)
	sizes := make(map[*customer]int64, len(list))
	for _, c := range list {
		c.mu.RLock()
		sizes[c] = c.st.memory()
		c.mu.RUnlock()
		total += sizes[c]
	}
	if total <= e.o.MemoryBudget {
		return
	}
	slices.SortFunc(list, func(a, b *customer) int { return int(max(-1, min(1, a.used.Load()-b.used.Load()))) })
	for _, c := range list {
		if total <= e.o.MemoryBudget {
			return
		}
		if e.evictOne(c) {
			total -= sizes[c]
		}
	}
}

func (e *Engine) evictOne(c *customer) bool {
	if err := e.checkpoint(context.Background(), c); err != nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.pins > 0 || e.customers[c.id] != c || c.st.dirty.records > 0 {
		return false
	}
	delete(e.customers, c.id)
	e.counters.evictions.Add(1)
	return true
}

// memory is about how many bytes s takes.
func (s *state) memory() int64 {
	sets := int64(0)
	for _, set := range s.uniques {
		sets += 24*int64(min(set.count(), maxExact)) + 100
	}
	return sets + 600*int64(len(s.grants)) + 300*int64(len(s.boosts)+len(s.promos)) + 100*int64(len(s.fired)) + 4096 + 220*int64(len(s.entities)) + 260*int64(len(s.rows)) + 600*int64(len(s.holds)) + 100*int64(len(s.series)+len(s.levels)) + s.keys.memory()
}

// viewAt is the customer as it reads at now: holds and grants whose time has come have
// ended.
func (s *state) viewAt(now bursar.Time, cat *Catalogue) *view {
	v := newView(s, max(now, s.head.Now))
	if due := s.due(); due != 0 && due <= v.now {
		(&decider{view: v, cat: cat, quiet: true}).expire(math.MaxInt)
	}
	return v
}

// read calls f with the customer as it is now, or with what o allows. f must not keep
// the view.
func (e *Engine) read(ctx context.Context, o ReadOptions, id string, f func(v *view) error) (uint64, error) {
	if err := e.store.Err(); err != nil {
		return 0, e.unavailable(nil)
	}
	c, err := e.acquire(ctx, id)
	if err != nil {
		return 0, err
	}
	defer e.release(c)
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.st.head.Seq < o.MinVersion {
		return c.st.head.Seq, bursar.Errorf(bursar.CodeGovernanceUnavailable, "version %d of the customer is asked for; this node has %d", o.MinVersion, c.st.head.Seq)
	}
	return c.st.head.Seq, f(c.st.viewAt(e.o.Clock(), e.cat.Load()).limitTo(o.Token))
}

// readCustomer is read for customers that must exist.
func (e *Engine) readCustomer(ctx context.Context, o ReadOptions, id string, f func(v *view) error) (uint64, error) {
	return e.read(ctx, o, id, func(v *view) error {
		if v.cust() == nil {
			return errNoCustomer
		}
		return f(v)
	})
}
