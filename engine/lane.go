package engine

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lane is the write path. Requests queue, not records: a worker that is free takes all
// that wait, decides each customer's in order against its durable state and what the
// batch did before, appends one commit for each customer in one transaction, merges, and
// then answers everybody, denied and granted alike. So a batch grows with the load and
// the cost of a sync is shared (group commit), and nobody sees what is not durable.
//
// Invariants: a customer is in one batch at a time; a state has only what is durable;
// what was decided on a batch that is refused is dropped with it.
//
// A store that is this process's alone has one worker: one makes the largest batches.
// One that other processes use too may keep a batch waiting for a customer that they write
// to. The others go on meanwhile: a batch that takes longer than patience no longer counts
// among those that may be under way, and a customer whose batch could not be written is
// alone in its next one.
type lane struct {
	mu      sync.Mutex
	wake    sync.Cond
	queues  map[string]*queue // of the customers with requests
	ready   []*queue          // those that wait and are in no batch, in the order of their coming
	waiting int               // requests in ready
	closed  bool
	running int // batches under way
	slow    int // those of them that take longer than patience
	asking  asking
}

// queue is the requests of one customer.
type queue struct {
	reqs   []*request // that wait
	busy   bool       // others are in a batch
	asking asking
}

// asking is since when the store has been asked without success, in nanoseconds of the
// Unix epoch; 0 = the last call succeeded.
type asking struct{ since atomic.Int64 }

func (a *asking) begin() { a.since.CompareAndSwap(0, time.Now().UnixNano()) }

func (a *asking) succeeded(others bool) {
	a.since.Store(0)
	if others {
		a.begin()
	}
}

func (a *asking) stuck() bool {
	since := a.since.Load()
	return since != 0 && time.Since(time.Unix(0, since)) >= stuckAfter
}

const (
	// gather is how long a worker waits for company when the batch before was larger than
	// what has come so far: clients that were just answered are about to ask again, and one
	// sync for all of them is cheaper than one for the first and one for the rest. A lone
	// client never waits.
	gather = 50 * time.Microsecond

	// maxBatch bounds the requests of one batch, and so the pause that merging makes.
	maxBatch = 4096

	workersShared = 8 // of a store that other processes use too
	quickBatches  = 2 // under way at a time, not counting slow ones
	patience      = 5 * time.Millisecond
)

func newLane() *lane {
	l := &lane{queues: map[string]*queue{}}
	l.wake.L = &l.mu
	return l
}

func (l *lane) add(reqs ...*request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	for _, r := range reqs {
		q := l.queues[r.c.id]
		if q == nil {
			q = new(queue)
			l.queues[r.c.id] = q
		}
		r.q = q
		q.reqs = append(q.reqs, r)
		switch {
		case q.busy:
		case len(q.reqs) == 1:
			l.ready = append(l.ready, q)
			fallthrough
		default:
			l.waiting++
		}
	}
	l.wake.Signal()
	return true
}

func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.wake.Broadcast()
	l.mu.Unlock()
}

// run is a worker. It works until close, and then until nothing waits.
func (l *lane) run(e *Engine) {
	last := 0 // requests of the batch before
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case len(l.ready) == 0 && l.closed:
			return
		case len(l.ready) == 0 || l.running-l.slow >= quickBatches:
			l.wake.Wait()
			continue
		case l.waiting < last && !l.closed:
			last = 0
			l.mu.Unlock()
			time.Sleep(gather)
			l.mu.Lock()
			continue
		}
		works := l.take()
		last = 0
		for _, w := range works {
			last += len(w.reqs)
		}
		l.running++
		late := time.AfterFunc(patience, l.slower)
		l.mu.Unlock()
		err := e.commitBatch(works)
		l.mu.Lock()
		if !late.Stop() {
			l.slow--
		}
		l.running--
		l.done(works, err)
	}
}

// slower tells that a batch takes long: another may be under way instead of it.
func (l *lane) slower() {
	l.mu.Lock()
	l.slow++
	l.wake.Signal()
	l.mu.Unlock()
}

// take makes a batch of what is ready, sorted by customer.
func (l *lane) take() (works []*work) {
	n, rest := 0, l.ready[:0:0]
	for i, q := range l.ready {
		if n >= maxBatch || len(works) > 0 && works[0].c.alone {
			rest = append(rest, l.ready[i:]...)
			break
		}
		// A customer that was read anew (drop) while requests on the old copy waited is in a
		// batch with one copy.
		c, k := q.reqs[0].c, 1
		for k < len(q.reqs) && k < maxBatch-n && q.reqs[k].c == c {
			k++
		}
		if c.alone && len(works) > 0 {
			rest = append(rest, q)
			continue
		}
		works = append(works, &work{c: c, q: q, reqs: q.reqs[:k:k]})
		l.waiting -= len(q.reqs)
		q.reqs, q.busy = slices.Clone(q.reqs[k:]), true
		q.asking.begin()
		n += k
	}
	l.ready = rest
	l.asking.begin()
	slices.SortFunc(works, func(a, b *work) int { return strings.Compare(a.c.id, b.c.id) })
	return works
}

// done puts back what is to be decided again.
func (l *lane) done(works []*work, err error) {
	if err == nil {
		l.asking.succeeded(l.running > 0)
	}
	for _, w := range works {
		q := w.q
		if err == nil {
			q.asking.succeeded(false)
		}
		w.c.alone = w.held
		q.busy, q.reqs = false, append(w.later, q.reqs...)
		if len(q.reqs) == 0 {
			delete(l.queues, w.c.id)
			continue
		}
		l.ready = append(l.ready, q)
		l.waiting += len(q.reqs)
	}
	l.wake.Broadcast()
}
