package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// customer is one customer in memory.
type customer struct {
	id    string
	ready chan struct{} // closed once st or err is set
	err   error

	mu sync.RWMutex // of what st holds
	st *ledger.State

	head atomic.Pointer[store.Head] // st's, for those who need not lock: st is at least there

	pins   int // under the lock of its shard: users that keep it in memory
	used   atomic.Int64
	hasLog atomic.Bool  // its log has commits
	looked atomic.Int64 // when the last look at its head started; see nodes

	saving      sync.Mutex // one checkpoint at a time
	othersWrite bool       // other nodes write to it, too; only its batch uses this
	goesAlone   bool       // its last batch failed, so the next one has no other customer; under lane.mu

	due        atomic.Bool // a checkpoint is due before its time
	superseded atomic.Bool // another node saved a checkpoint that this copy does not go on from: it is to be read anew

	saved     time.Time   // under mu: when the last checkpoint began, or when it was read
	notBefore time.Time   // under mu: no checkpoint before its time until then
	ticking   atomic.Bool // what is due is being recorded

	saveFailed atomic.Bool // the last checkpoint could not be saved
	stuck      atomic.Bool // no checkpoint can be saved, or the node that saves c is farBehind; see hasRoom

	noted  atomic.Bool  // housekeeping is to look at it
	places [agendas]int // in each agenda, plus 1; with known under keeper.mu
	known  figures
}

// at is the head of c's state.
func (c *customer) at() store.Head { return *c.head.Load() }

// moved publishes the head of st after it was folded on. The caller holds c's lock.
func (c *customer) moved() {
	head := c.st.Head
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
	st := e.newState()
	if n := e.nodes; n != nil {
		c.looked.Store(int64(time.Since(n.began)))
	}
	c.saved = time.Now()
	ctx = context.WithoutCancel(ctx) // others may be waiting for it too
	if c.err = restore(ctx, e.store, c.id, st); c.err == nil {
		c.err = e.replay(ctx, c.id, st)
	} else if errors.Is(c.err, store.ErrDamaged) {
		st, c.err = e.makeAnew(ctx, c.id, c.err)
	}
	if c.err != nil {
		return
	}
	c.st = st
	c.moved()
	c.used.Store(c.saved.UnixNano())
	if st.Head.Seq > 0 {
		c.hasLog.Store(true)
		e.counters.loads.Add(1)
		e.keeper.note(c)
	}
}

// restore reads a checkpoint into st. What does not fit together, as when a row is missing, is
// damage too.
func restore(ctx context.Context, from store.CheckpointReader, id string, st *ledger.State) (err error) {
	damaged := func(why any) error {
		return &store.Damage{Place: fmt.Sprintf("the checkpoint of customer %q", id), Why: fmt.Errorf("it does not fit together: %v", why)}
	}
	defer func() {
		if p := recover(); p != nil {
			err = damaged(p)
		}
	}()
	err = from.Load(ctx, id, func(cp *store.Checkpoint) error {
		err := st.Restore(cp)
		if err != nil && !errors.Is(err, ledger.ErrNewer) {
			return damaged(err)
		}
		return err
	})
	if err != nil {
		return err
	}
	if st.Entities.Len()+st.Rows.Len() < tasksApart {
		if err := st.Restored(); err != nil {
			return damaged(err)
		}
		return nil
	}
	tasks, last, err := st.RestoreTasks()
	if err != nil {
		return damaged(err)
	}
	failed := make([]any, len(tasks))
	var wg sync.WaitGroup
	for i, task := range tasks {
		wg.Go(func() {
			defer func() { failed[i] = recover() }()
			task()
		})
	}
	wg.Wait()
	for _, p := range failed {
		if p != nil {
			return damaged(p)
		}
	}
	last()
	return nil
}

// tasksApart is how many entities and limits a customer has for whom it pays to have goroutines for
// what follows from them.
const tasksApart = 10_000

func (e *Engine) newState() *ledger.State {
	st := ledger.NewState()
	st.Keys.Limit, st.Shared = e.o.KeysInMemory, e.nodes != nil
	return st
}

// replay applies the log after st's head.
func (e *Engine) replay(ctx context.Context, stream string, st *ledger.State) error {
	return e.store.ReadLog(ctx, stream, st.Head.Seq, 0, func(row store.LogRow) error { return st.Fold(stream, &row) })
}

// catchUp folds what another process appended, up to seq at least; tail is what was read of
// it already. If the log ends before seq, it is not the log that memory was read from, and
// c is dropped. c is not locked while the store is read: a batch that has the store's lock
// may be waiting for c (append).
func (e *Engine) catchUp(ctx context.Context, c *customer, seq uint64, tail []store.LogRow) error {
	if err := e.foldIn(c, tail); err != nil {
		return err
	}
	for {
		head := c.at().Seq
		if head >= seq {
			return nil
		}
		rows := make([]store.LogRow, 0, min(seq-head, ledger.ScanChunk))
		err := e.store.ReadLog(ctx, c.id, head, ledger.ScanChunk, func(r store.LogRow) error {
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
func (e *Engine) foldIn(c *customer, rows []store.LogRow) error {
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
func (c *customer) fold(rows []store.LogRow) error {
	defer c.moved()
	for i := range rows {
		if rows[i].Head.Seq <= c.st.Head.Seq {
			continue
		}
		if err := c.st.Fold(c.id, &rows[i]); err != nil {
			return err
		}
		c.hasLog.Store(true)
	}
	return nil
}

// read calls f with the customer, as new as o demands. While f returns ErrGoOn it is called
// again, with the customer as it is then. f must not keep the view. The version returned is
// that of the first call.
func (e *Engine) read(ctx context.Context, o ledger.ReadOptions, id string, f func(v *ledger.View) error) (uint64, error) {
	return e.readIn(ctx, o, id, false, f)
}

// readIn is read with each slice in a turn of the customer, or each but the first.
func (e *Engine) readIn(ctx context.Context, o ledger.ReadOptions, id string, turn bool, f func(v *ledger.View) error) (uint64, error) {
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
		*o.Age = max(*o.Age, e.nodes.since(&c.looked))
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
func (e *Engine) readSlice(c *customer, o *ledger.ReadOptions, r *reading, f func(v *ledger.View) error) (done bool, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	began := e.lockTimes.begin()
	if !r.began {
		r.began, r.version = true, c.st.Head.Seq
		if r.version < o.MinVersion {
			return true, bursar.Errorf(bursar.CodeGovernanceUnavailable, "version %d of the customer is asked for; this node has %d", o.MinVersion, r.version)
		}
	}
	r.now = max(r.now, e.now())
	v := c.st.ViewAt(r.now, e.cat.Load()).LimitTo(o.Token)
	v.Enrols, v.Unhinted, v.Rested = o.Enrols, o.Unhinted, v.Visits
	err = f(v)
	e.lockTimes.end(readers, began, v.Visits)
	return err != ledger.ErrGoOn, err
}

// sliceInTurn is readSlice in a turn of the customer.
func (e *Engine) sliceInTurn(ctx context.Context, c *customer, o *ledger.ReadOptions, r *reading, f func(v *ledger.View) error) (done bool, err error) {
	done = true
	err = e.share.turn(ctx, c.id, func(ctx context.Context) (err error) {
		done, err = e.readSlice(c, o, r, f)
		return err
	})
	return done, err
}

// readTurn is readCustomer for a read that scans: each slice is in a turn of the customer.
func (e *Engine) readTurn(ctx context.Context, o ledger.ReadOptions, id string, f func(v *ledger.View) error) (version uint64, err error) {
	return e.readIn(ctx, o, id, true, existing(f))
}

// readCustomer is read for customers that must exist.
func (e *Engine) readCustomer(ctx context.Context, o ledger.ReadOptions, id string, f func(v *ledger.View) error) (uint64, error) {
	return e.read(ctx, o, id, existing(f))
}

func existing(f func(v *ledger.View) error) func(v *ledger.View) error {
	return func(v *ledger.View) error {
		if v.Cust() == nil {
			return ledger.ErrNoCustomer
		}
		return f(v)
	}
}

// answer is readCustomer for what one slice answers.
func answer[R any](ctx context.Context, e *Engine, o ledger.ReadOptions, id string, f func(v *ledger.View) (R, error)) (out R, version uint64, err error) {
	version, err = e.readCustomer(ctx, o, id, func(v *ledger.View) (err error) {
		out, err = f(v)
		return err
	})
	return out, version, err
}
