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
	some atomic.Bool  // its log has commits
	seen atomic.Int64 // when the last look at its head started; see nodes

	saving    sync.Mutex // one checkpoint at a time
	contended bool       // other nodes write to it, too; its batch's alone
	alone     bool       // its last batch failed; under lane.mu

	due   atomic.Bool // a checkpoint is due before its time
	stray atomic.Bool // to be read anew: another node has saved a checkpoint of it

	saved     time.Time   // when the last checkpoint began, or when it was read; housekeeping's alone
	notBefore time.Time   // under mu: no checkpoint before its time until then
	ticking   atomic.Bool // what is due is being recorded
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
	if c.pins == 0 && e.customers[c.id] == c && (c.err != nil || !c.some.Load()) {
		delete(e.customers, c.id) // nothing worth keeping
	}
}

// drop forgets a customer whose durable state is not known; the next acquire reads it.
func (e *Engine) drop(c *customer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.customers[c.id] == c {
		delete(e.customers, c.id)
	}
}

func (e *Engine) dropID(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.customers, id)
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
	if n := e.nodes; n != nil {
		st.shared = true
		c.seen.Store(int64(time.Since(n.began)))
	}
	c.saved = time.Now()
	ctx = context.WithoutCancel(ctx) // others may be waiting for it too
	if c.err = e.store.Load(ctx, c.id, st.restore); c.err != nil {
		return
	}
	st.restored()
	if c.err = e.replay(ctx, c.id, st); c.err != nil {
		return
	}
	if st.head.Seq > 0 {
		c.some.Store(true)
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
	v, _, err := s.step(stream, row)
	if err == nil {
		v.merge(row.Head)
	}
	return err
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

// catchUp applies what another process appended, which is at least up to seq. A log
// that has not got there is another one than what is in memory was read from. c is not
// locked while the store is read: who has the store's lock may want c (append). tail is
// what was read already.
func (e *Engine) catchUp(ctx context.Context, c *customer, seq uint64, tail []LogRow) error {
	if err := c.fold(tail); err != nil {
		e.drop(c)
		return err
	}
	for {
		c.mu.RLock()
		head := c.st.head.Seq
		c.mu.RUnlock()
		if head >= seq {
			return nil
		}
		rows := make([]LogRow, 0, min(seq-head, scanChunk))
		err := e.store.ReadLog(ctx, c.id, head, scanChunk, func(r LogRow) error {
			rows = append(rows, r)
			return nil
		})
		if err != nil {
			return err
		}
		if err = c.fold(rows); err == nil && len(rows) == 0 {
			err = fmt.Errorf("the log of %q ends at commit %d: %w", c.id, head, errWentBack)
		}
		if err != nil {
			e.drop(c)
			return err
		}
	}
}

// fold applies rows that another process appended, those that are not there yet.
func (c *customer) fold(rows []LogRow) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range rows {
		if rows[i].Head.Seq <= c.st.head.Seq {
			continue
		}
		if err := c.st.fold(c.id, &rows[i]); err != nil {
			return err
		}
		c.some.Store(true)
	}
	return nil
}

// housekeeping ends holds in time, saves checkpoints and lets idle customers go. What
// one process is enough for is done by the one with the claim.
func (e *Engine) housekeeping() {
	tick := time.NewTicker(housekeepEvery)
	defer tick.Stop()
	var sweep, trim, keep, evicted time.Time
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
		if e.nodes != nil && now.Sub(keep) >= e.o.ClaimFor/4 {
			keep = now
			e.shareSaving()
		}
		residents := e.residents()
		for _, c := range residents {
			e.tickDue(c)
		}
		e.saveSome(residents)
		if n := e.counters.loads.Load(); n != loads || now.Sub(evicted) >= evictEvery {
			loads, evicted = n, now
			e.evict()
		}
		if now.Sub(sweep) >= sweepEvery {
			sweep = now
			if e.has(claimSweep) {
				e.sweepIdle()
				if now.Sub(trim) >= trimEvery {
					trim = now
					e.trim()
				}
			}
		}
	}
}

const (
	housekeepEvery = 100 * time.Millisecond
	// saveShare is how much of each housekeepEvery goes to checkpoints: they are never
	// urgent, and requests are.
	saveShare  = housekeepEvery / 10
	evictEvery = time.Second // when nothing was loaded
	sweepEvery = 10 * time.Second
	trimEvery  = time.Hour
)

// trim deletes what is older than it is to be kept: messages, and the log where it is
// not kept for ever.
func (e *Engine) trim() {
	if err := e.store.TrimOutbox(context.Background(), e.now()-keptMessages); err != nil {
		e.o.Log.Warn("trimming the outbox failed", "err", err)
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

// tickDue has what is due of c recorded. It does not wait: a customer that cannot be
// written to delays no other.
func (e *Engine) tickDue(c *customer) {
	c.mu.RLock()
	due := c.st.due()
	c.mu.RUnlock()
	if wait := e.now() - due; due == 0 || wait < 0 || !e.saves(c) && wait <= otherNodesTick || !c.ticking.CompareAndSwap(false, true) {
		return
	}
	e.loops.Go(func() {
		defer c.ticking.Store(false)
		e.tick(c.id)
	})
}

// saveSome saves those whose last checkpoint is at least CheckpointEvery ago, or much is
// new since, the oldest first, as far as the time allows.
func (e *Engine) saveSome(residents []*customer) {
	began := time.Now()
	var list []*customer
	for _, c := range residents {
		c.mu.RLock()
		dirty, early := c.st.unsaved() > 0, c.due.Load() && began.After(c.notBefore)
		c.mu.RUnlock()
		if dirty && (early || began.Sub(c.saved) >= e.o.CheckpointEvery) && e.saves(c) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *customer) int { return a.saved.Compare(b.saved) })
	for _, c := range list {
		c.due.Store(false)
		if err := e.checkpoint(context.Background(), c); err != nil {
			e.o.Log.Warn("checkpoint failed; the log has everything", "customerId", c.id, "err", err)
		}
		if time.Since(began) >= saveShare {
			return
		}
	}
}

// otherNodesTick is how long the node that saves a customer has to record what time has
// done before others do.
const otherNodesTick = bursar.Time(3 * time.Second)

// tick makes the lane record what time has changed.
func (e *Engine) tick(id string) {
	if _, _, err := e.write(context.Background(), "", id, tickOp{}); err != nil && !e.closing.Load() {
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
	ids, err := e.store.Due(context.Background(), e.now(), maxSweep+len(e.residents()))
	if err != nil {
		e.o.Log.Warn("looking for what is due failed", "err", err)
		return
	}
	var idle []string
	for _, id := range ids {
		e.mu.Lock()
		_, here := e.customers[id]
		e.mu.Unlock()
		if !here && len(idle) < maxSweep {
			idle = append(idle, id)
		}
	}
	if len(idle) == 0 || !e.sweeping.CompareAndSwap(false, true) {
		return
	}
	e.loops.Go(func() { // housekeeping goes on while some of them cannot be written to
		defer e.sweeping.Store(false)
		for _, id := range idle {
			if e.closing.Load() {
				return
			}
			e.tick(id)
		}
	})
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

// evictOne lets a customer go. What this node does not save others do, or the sweep.
func (e *Engine) evictOne(c *customer) bool {
	if err := e.checkpoint(context.Background(), c); err != nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.pins > 0 || e.customers[c.id] != c || !c.mu.TryRLock() {
		return false
	}
	dirty := c.st.unsaved() > 0
	c.mu.RUnlock()
	if dirty && e.saves(c) {
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
	if err := e.refresh(ctx, c, &o); err != nil {
		return 0, err
	}
	if o.Age != nil && e.nodes != nil {
		*o.Age = max(*o.Age, e.nodes.since(&c.seen))
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.st.head.Seq < o.MinVersion {
		return c.st.head.Seq, bursar.Errorf(bursar.CodeGovernanceUnavailable, "version %d of the customer is asked for; this node has %d", o.MinVersion, c.st.head.Seq)
	}
	return c.st.head.Seq, f(c.st.viewAt(e.now(), e.cat.Load()).limitTo(o.Token))
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
