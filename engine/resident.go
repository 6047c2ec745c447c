package engine

import (
	"context"
	"fmt"
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

	head atomic.Pointer[Head] // st's, for those who need not lock: st is at least there

	pins int // under the lock of its shard: users that keep it in memory
	used atomic.Int64
	some atomic.Bool  // its log has commits
	seen atomic.Int64 // when the last look at its head started; see nodes

	saving    sync.Mutex // one checkpoint at a time
	contended bool       // other nodes write to it, too; its batch's alone
	alone     bool       // its last batch failed; under lane.mu

	due   atomic.Bool // a checkpoint is due before its time
	stray atomic.Bool // to be read anew: another node has saved a checkpoint of it

	saved     time.Time   // under mu: when the last checkpoint began, or when it was read
	notBefore time.Time   // under mu: no checkpoint before its time until then
	ticking   atomic.Bool // what is due is being recorded

	noted  atomic.Bool  // housekeeping is to look at it
	places [agendas]int // in each agenda, plus 1; with known under keeper.mu
	known  figures
}

// at is how far c has come.
func (c *customer) at() Head { return *c.head.Load() }

// moved takes note that st has come further. The caller holds c's lock.
func (c *customer) moved() {
	head := c.st.head
	c.head.Store(&head)
}

// acquire has a customer in memory, reading it from the store when it is not, and
// keeps it there until release. A customer that was never created is an empty state.
func (e *Engine) acquire(ctx context.Context, id string) (*customer, error) {
	c, made := e.residents.pin(id)
	if made {
		e.load(ctx, c)
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
	e.residents.unpin(c)
}

// drop forgets a customer whose durable state is not known; the next acquire reads it.
func (e *Engine) drop(c *customer) {
	if e.residents.replace(c, nil, nil) {
		e.keeper.note(c)
	}
}

func (e *Engine) dropID(id string) {
	if c := e.residents.remove(id); c != nil {
		e.keeper.note(c)
	}
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
	c.st = st
	c.moved()
	c.used.Store(c.saved.UnixNano())
	if st.head.Seq > 0 {
		c.some.Store(true)
		e.counters.loads.Add(1)
		e.keeper.note(c)
	}
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
	if err := e.foldIn(c, tail); err != nil {
		return err
	}
	for {
		head := c.at().Seq
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
		if len(rows) == 0 {
			e.drop(c)
			return fmt.Errorf("the log of %q ends at commit %d: %w", c.id, head, errWentBack)
		}
		if err := e.foldIn(c, rows); err != nil {
			return err
		}
	}
}

// foldIn applies rows that another process appended, and drops a customer that they do
// not continue.
func (e *Engine) foldIn(c *customer, rows []LogRow) error {
	if len(rows) == 0 {
		return nil
	}
	defer e.keeper.note(c)
	for len(rows) > 0 {
		n, size := 1, len(rows[0].Payload)
		for n < len(rows) && size+len(rows[n].Payload) <= foldSlice {
			size += len(rows[n].Payload)
			n++
		}
		c.mu.Lock()
		err := c.fold(rows[:n])
		c.mu.Unlock()
		if err != nil {
			e.drop(c)
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// foldSlice is how many bytes of a log are applied under one lock, but for a commit that
// has more: a few hundred records.
const foldSlice = 32 << 10

// fold applies rows that another process appended, those that are not there yet. The
// caller holds c's lock.
func (c *customer) fold(rows []LogRow) error {
	defer c.moved()
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

// memory is about how many bytes s takes.
func (s *state) memory() int64 {
	sets := int64(0)
	for _, set := range s.uniques {
		sets += 10*int64(min(set.count(), maxExact)) + 200
	}
	return sets + 600*int64(len(s.grants)) + 300*int64(len(s.boosts)+len(s.promos)) + 100*int64(len(s.fired)) + 4096 + 150*int64(len(s.paths.list)) + 220*int64(len(s.entities)) + 260*int64(len(s.rows)) + 600*int64(len(s.holds)) + 100*int64(len(s.series)+len(s.levels)+s.added+len(s.steps)) + s.keys.memory()
}

// maxUnrecorded is up to how many settled holds and grants whose time has come a reader
// works out what they did to credits and to the usage series; where there are more it sees
// that as soon as commits have recorded it. Limits and totals it sees at once (endings).
const maxUnrecorded = 100

// viewAt is the customer as it reads at now: holds and grants whose time has come have
// ended.
func (s *state) viewAt(now bursar.Time, cat *Catalogue) *view {
	v := newView(s, max(now, s.head.Now))
	if due := s.due(); due != 0 && due <= v.now {
		(&decider{view: v, cat: cat, quiet: true}).expire(maxUnrecorded)
	}
	return v
}

// read calls f with the customer as it is now, or with what o allows, again and again as
// long as f returns errGoOn, each time with the customer as it is then. f must not keep
// the view. The version is that of the first time.
func (e *Engine) read(ctx context.Context, o ReadOptions, id string, f func(v *view) error) (uint64, error) {
	return e.readIn(ctx, o, id, false, f)
}

// readIn is read with each slice in a turn of the customer, or each but the first.
func (e *Engine) readIn(ctx context.Context, o ReadOptions, id string, turn bool, f func(v *view) error) (uint64, error) {
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
	var r reading
	for {
		var done bool
		if turn || r.began {
			done, err = e.sliceInTurn(ctx, c, &o, &r, f)
		} else {
			done, err = e.readSlice(c, &o, &r, f)
		}
		if done {
			return r.version, err
		}
		if err := ctx.Err(); err != nil {
			return r.version, e.unavailable(err)
		}
	}
}

// reading is what the slices of one read share: the version of the first, and a now that
// does not go back.
type reading struct {
	began   bool
	version uint64
	now     bursar.Time
}

// readSlice calls f under the customer's lock once; done tells whether that was all.
func (e *Engine) readSlice(c *customer, o *ReadOptions, r *reading, f func(v *view) error) (done bool, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	began := e.holding.begin()
	if !r.began {
		r.began, r.version = true, c.st.head.Seq
		if r.version < o.MinVersion {
			return true, bursar.Errorf(bursar.CodeGovernanceUnavailable, "version %d of the customer is asked for; this node has %d", o.MinVersion, r.version)
		}
	}
	r.now = max(r.now, e.now())
	v := c.st.viewAt(r.now, e.cat.Load()).limitTo(o.Token)
	v.rested = v.visits
	err = f(v)
	e.holding.end(readers, began, v.visits)
	return err != errGoOn, err
}

func (e *Engine) sliceInTurn(ctx context.Context, c *customer, o *ReadOptions, r *reading, f func(v *view) error) (done bool, err error) {
	done = true
	err = e.share.turn(ctx, c.id, func() (err error) {
		done, err = e.readSlice(c, o, r, f)
		return err
	})
	return done, err
}

// readTurn is readCustomer for a read that scans: each slice is in a turn of the customer.
func (e *Engine) readTurn(ctx context.Context, o ReadOptions, id string, f func(v *view) error) (version uint64, err error) {
	return e.readIn(ctx, o, id, true, existing(f))
}

// readCustomer is read for customers that must exist.
func (e *Engine) readCustomer(ctx context.Context, o ReadOptions, id string, f func(v *view) error) (uint64, error) {
	return e.read(ctx, o, id, existing(f))
}

func existing(f func(v *view) error) func(v *view) error {
	return func(v *view) error {
		if v.cust() == nil {
			return errNoCustomer
		}
		return f(v)
	}
}
