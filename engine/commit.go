package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
)

// request is a write that waits for its answer.
type request struct {
	c     *customer
	op    op
	trace string // the caller's id of it
	facts *facts

	reply   any
	err     error
	version uint64
	done    chan struct{}
}

// lane is the write path. Requests queue, not records: when the lane is free it takes
// all that wait, decides each customer's in order against its durable state and what
// the batch did before, appends one commit for each customer in one transaction,
// merges, and then answers everybody, denied and granted alike. So a batch grows with
// the load and the cost of a sync is shared (group commit), and nobody sees what is
// not durable.
//
// Invariants: only the lane applies records to states; a state has only durable ones;
// what was decided on a batch that is refused is dropped with it.
type lane struct {
	mu     sync.Mutex
	wake   sync.Cond
	queue  []*request
	closed bool
}

// gather is how long the lane waits for company when the batch before was larger than
// what has come so far: clients that were just answered are about to ask again, and one
// sync for all of them is cheaper than one for the first and one for the rest. A lone
// client never waits.
const gather = 50 * time.Microsecond

// maxBatch bounds the requests of one batch, and so the pause that merging makes.
const maxBatch = 4096

func (l *lane) init() { l.wake.L = &l.mu }

func (l *lane) add(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.queue = append(l.queue, r)
	l.wake.Signal()
	return true
}

func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.wake.Broadcast()
	l.mu.Unlock()
}

// run works until close, and then until the queue is empty.
func (l *lane) run(e *Engine) {
	last := 0 // requests of the batch before
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.closed {
			l.wake.Wait()
		}
		if len(l.queue) < last && !l.closed {
			l.mu.Unlock()
			time.Sleep(gather)
			l.mu.Lock()
		}
		last = len(l.queue)
		if len(l.queue) == 0 {
			l.mu.Unlock()
			return
		}
		n := min(len(l.queue), maxBatch)
		batch := l.queue[:n:n]
		l.queue = slices.Clone(l.queue[n:])
		l.mu.Unlock()
		if again := e.commitBatch(batch); len(again) > 0 {
			l.mu.Lock()
			l.queue = append(again, l.queue...)
			l.mu.Unlock()
		}
	}
}

// work is one customer's part of a batch.
type work struct {
	c      *customer
	reqs   []*request
	d      *decider
	commit *Commit // nil when nothing is to be written
}

// commitBatch decides, appends, merges and answers. It returns the requests that must
// be decided again.
func (e *Engine) commitBatch(batch []*request) (again []*request) {
	works, again := groupByCustomer(batch)
	e.catMu.RLock()
	var commits []Commit
	var writers []*work
	for _, w := range works {
		again = append(again, e.decide(w)...)
		if w.commit != nil {
			commits = append(commits, *w.commit)
			writers = append(writers, w)
		}
	}
	var outcomes []Outcome
	var err error
	if len(commits) > 0 {
		outcomes, err = e.store.Append(context.Background(), commits, nil)
	}
	e.catMu.RUnlock()
	if err != nil {
		outcomes = e.settle(commits, err)
	}
	for i, w := range writers {
		switch outcomes[i] {
		case Committed:
			w.c.mu.Lock()
			w.d.merge(w.commit.Head())
			if w.c.st.dirty.records >= e.o.CheckpointRecords {
				w.c.due.Store(true)
			}
			w.c.mu.Unlock()
			e.counters.commits.Add(1)
			e.counters.records.Add(uint64(len(w.d.recs)))
		case Stale:
			if err := e.catchUp(w.c); err != nil {
				w.fail(e.unavailable(err))
				continue
			}
			again = append(again, w.reqs...)
			w.reqs = nil
		case OldCatalogue, Skewed:
			again = append(again, w.reqs...)
			w.reqs = nil
		default:
			w.fail(e.unavailable(err))
		}
	}
	for _, w := range works {
		for _, r := range w.reqs {
			r.version = w.c.st.head.Seq
			close(r.done)
		}
	}
	return again
}

func (w *work) fail(err error) {
	for _, r := range w.reqs {
		r.reply, r.err = nil, err
	}
}

// groupByCustomer keeps the order of requests within a customer and sorts customers by
// id, the order in which stores lock them.
// A customer that was read anew (drop) while requests on the old copy waited is in a
// batch once: requests on the other copy come later.
func groupByCustomer(batch []*request) (works []*work, later []*request) {
	byID := make(map[string]*work, len(batch))
	for _, r := range batch {
		w := byID[r.c.id]
		if w == nil {
			w = &work{c: r.c}
			byID[r.c.id] = w
			works = append(works, w)
		}
		if w.c != r.c {
			later = append(later, r)
			continue
		}
		w.reqs = append(w.reqs, r)
	}
	slices.SortFunc(works, func(a, b *work) int { return strings.Compare(a.c.id, b.c.id) })
	return works, later
}

// decide runs the requests of one customer and prepares its commit. Requests that
// would make the commit too large are returned, for the next one.
func (e *Engine) decide(w *work) (again []*request) {
	defer func() {
		if p := recover(); p != nil {
			e.o.Log.Error("deciding panicked", "customerId", w.c.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			w.fail(fmt.Errorf("deciding: %v", p))
			w.commit = nil
		}
	}()
	// Checkpoints take holds and keys that the store has out of the state.
	w.c.mu.RLock()
	defer w.c.mu.RUnlock()
	st := w.c.st
	d := &decider{view: newView(st, max(st.head.Now, e.o.Clock())), cat: e.cat.Load(), horizon: e.o.LateHorizon, commit: e.ids.next()}
	w.d = d
	if !d.expire(maxExpiries) { // the requests wait until all are recorded
		again, w.reqs = w.reqs, nil
	}
	for i, r := range w.reqs {
		if len(d.recs) > maxRecords-maxRequestRecords {
			again = w.reqs[i:]
			w.reqs = w.reqs[:i]
			break
		}
		d.facts, d.trace = r.facts, r.trace
		r.reply, r.err = d.attempt(r.op)
	}
	if d.fault != nil {
		e.o.Log.Error("decided records do not apply", "customerId", w.c.id, "err", d.fault)
		w.fail(d.fault)
		return again
	}
	if len(d.recs) > 0 {
		w.commit = d.prepare(w.c.id)
	}
	return again
}

// maxExpiries bounds the holds that one commit ends by time.
const maxExpiries = 8192

// maxRequestRecords is about what one request can emit: 1,000 events that feed a few
// features each, with their costs, draws and alerts.
const maxRequestRecords = 48_000

// prepare makes the commit of what was decided.
func (d *decider) prepare(stream string) *Commit {
	c := &Commit{Stream: stream, After: d.head, ID: d.commit, Now: d.now, Payload: encodePayload(nil, d.recs), Catalogue: d.cat.head.Seq, Messages: d.out.messages}
	c.Hash = chain(c.After, c.ID, c.Now, c.Payload)
	d.effects(c, d.recs)
	return c
}

// uses are the things of the catalogue that the changes begin and end to use.
func (v *view) uses() (begin, end []Use) {
	types, caps := map[uint32]int{}, map[uint32]int{}
	for ord, e := range v.ents {
		if int(ord) < len(v.entities) && v.entities[ord].archived == 0 {
			types[v.entities[ord].typ]--
		}
		if e.archived == 0 {
			types[e.typ]++
		}
	}
	for ord, def := range v.defs {
		if int(ord) < len(v.rows) && v.rows[ord] != nil {
			caps[v.rows[ord].cap]--
		}
		if def != nil {
			caps[def.cap]++
		}
	}
	for ord, g := range v.grts { // a grant that has not ended uses its currency, too
		if g.Type == bursar.GrantOverdraft {
			continue // nobody could end it
		}
		if int(ord) < len(v.grants) && !v.grants[ord].ended() {
			caps[g.cap]--
		}
		if !g.ended() {
			caps[g.cap]++
		}
	}
	note := func(u Use, was, change int) {
		switch {
		case was == 0 && change > 0:
			begin = append(begin, u)
		case was > 0 && was+change == 0:
			end = append(end, u)
		}
	}
	for t, n := range types {
		note(Use{"entityType", v.typeID(t)}, v.liveTypes[t], n)
	}
	for c, n := range caps {
		if cap := v.capability(c); cap.Kind == bursar.KindCurrency {
			note(Use{"currency", cap.ID}, v.liveCaps[c]+v.liveGrants(c), n)
		}
	}
	return begin, end
}

// settle finds out what became of commits whose Append failed. Where that cannot be
// known it is 0: the customer is read anew before it is used again.
func (e *Engine) settle(commits []Commit, err error) []Outcome {
	outcomes := make([]Outcome, len(commits))
	if errors.Is(err, ErrNotCommitted) {
		return outcomes
	}
	e.o.Log.Error("outcome of a commit is unknown", "err", err)
	streams := make([]string, len(commits))
	for i := range commits {
		streams[i] = commits[i].Stream
	}
	heads, _, herr := e.store.Heads(context.Background(), streams)
	for i := range commits {
		switch {
		case herr == nil && heads[i] == commits[i].Head():
			outcomes[i] = Committed
		case herr == nil && heads[i] == commits[i].After:
		default: // perhaps it is there and another process went on from it
			e.drop(commits[i].Stream)
		}
	}
	return outcomes
}

// write sends a request down the lane and waits for its answer, fetching facts from
// the store as decide asks for them.
func (e *Engine) write(ctx context.Context, trace, customerID string, o op) (any, uint64, error) {
	var f *facts
	for range 8 {
		c, err := e.acquire(ctx, customerID)
		if err != nil {
			return nil, 0, err
		}
		r := &request{c: c, op: o, trace: trace, facts: f, done: make(chan struct{})}
		if !e.lane.add(r) {
			e.release(c)
			return nil, 0, e.unavailable(nil)
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			go func() { // the customer stays while its request is in the lane
				<-r.done
				e.release(c)
			}()
			return nil, 0, errUnknown()
		}
		e.release(c)
		var n *needs
		if !errors.As(r.err, &n) {
			return r.reply, r.version, r.err
		}
		if f, err = e.fetch(ctx, customerID, n, f); err != nil {
			return nil, 0, err
		}
	}
	return nil, 0, errors.New("facts of the store kept changing")
}

// fetch reads the facts that n asks for, beside those that are there.
func (e *Engine) fetch(ctx context.Context, customerID string, n *needs, have *facts) (*facts, error) {
	f := &facts{keys: map[[16]byte]map[int64]*keyEntry{}, holds: map[[16]byte]*hold{}}
	if have != nil {
		f = have
	}
	byGen := map[int64][][16]byte{}
	for _, p := range n.keys {
		byGen[p.gen] = append(byGen[p.gen], p.hash)
	}
	for gen, hashes := range byGen {
		got, err := e.store.FindKeys(ctx, customerID, gen, hashes)
		if err != nil {
			return nil, e.unavailable(err)
		}
		for i, h := range hashes {
			if f.keys[h] == nil {
				f.keys[h] = map[int64]*keyEntry{}
			}
			f.keys[h][gen] = nil
			if got[i] != nil {
				k := parseKeyEntry(got[i])
				f.keys[h][gen] = &k
			}
		}
	}
	for _, id := range n.holds {
		row, err := e.store.Hold(ctx, customerID, formatID(id))
		if err != nil {
			return nil, e.unavailable(err)
		}
		f.holds[id] = nil
		if row != nil {
			if f.holds[id], err = holdFromRow(row); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// govern is write for requests that may come with an Idempotency-Key.
func govern[R any](ctx context.Context, e *Engine, c *Caller, customerID string, o op) (result R, version uint64, err error) {
	reply, version, err := e.write(ctx, c.RequestID, customerID, e.withKey(c, o))
	var twin *seen
	if errors.As(err, &twin) {
		r, err := e.recordAt(ctx, customerID, twin)
		if err != nil {
			return result, 0, err
		}
		kept, ok := r.record.(*keptRec)
		if !ok {
			return result, 0, fmt.Errorf("%w: not a kept reply", errRecord)
		}
		return result, 0, &Replay{Status: kept.status, Body: kept.body, Version: twin.seq}
	}
	if err != nil {
		return result, version, err
	}
	return reply.(R), version, nil
}

// logRow is a row of the log, decoded.
type logRow struct {
	LogRow
	recs []record
}

// placed is a record with its place in the log.
type placed struct {
	record record
	row    *logRow
	index  int
}

func (p *placed) id() string {
	return formatID(idAt(p.row.Head.Now, p.row.Head.Seq, p.index, p.row.ID))
}

// recordAt reads one record again.
func (e *Engine) recordAt(ctx context.Context, stream string, at *seen) (p placed, err error) {
	row, err := e.readRow(ctx, stream, at.seq)
	if err != nil {
		return p, err
	}
	return row.at(at)
}

func (e *Engine) readRow(ctx context.Context, stream string, seq uint64) (row *logRow, err error) {
	err = e.store.ReadLog(ctx, stream, seq-1, 1, func(r LogRow) error {
		recs, err := decodePayload(r.Payload)
		row = &logRow{r, recs}
		return err
	})
	if err == nil && (row == nil || row.Head.Seq != seq) {
		err = fmt.Errorf("commit %d of %q is no longer in the log", seq, stream)
	}
	return row, err
}

func (r *logRow) at(at *seen) (placed, error) {
	if int(at.index) >= len(r.recs) {
		return placed{}, fmt.Errorf("%w: no record %d of commit %d", errRecord, at.index, at.seq)
	}
	return placed{r.recs[at.index], r, int(at.index)}, nil
}
