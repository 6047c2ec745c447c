package engine

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lane is the write path. Requests queue, not records: a worker that is free takes a turn
// of each customer that has any, decides each one's in order against its durable state and
// what the batch did before, appends one commit for each customer in one transaction,
// merges, and then answers everybody, denied and granted alike. So a batch grows with the
// load and the cost of a sync is shared (group commit), and nobody sees what is not durable.
//
// Invariants: a customer is in one batch at a time; a state has only what is durable; what
// was decided on a batch that is refused is dropped with it; requests of one caller about
// one customer are decided in the order in which they came (but for those of several
// customers, which come as they can). A worker never waits for a customer's lock: a
// customer that a reader has locked is put off, or merged by a goroutine of its own. Apart
// from the store it waits only for company (companyWait) and, where this process has the store
// for itself, for a write of the catalogue.
//
// With a store that is this process's alone two batches may be under way: one of customers that
// want much, and one of the others, which so do not wait for the first. More would only be smaller.
//
// A store that other processes use too may keep a batch waiting for a customer that they write
// to. The others go on meanwhile: a batch that takes longer than patience no longer counts
// among those that may be under way, and a customer whose batch could not be written is
// alone in its next one.
type lane struct {
	mu        sync.Mutex
	wake      sync.Cond
	queues    map[string]*queue // of the customers with requests
	ready     []*queue          // those that wait and are in no batch, in the order of their coming
	waiting   int               // requests in ready
	want      [anybody]int      // queues in ready, by how much they want
	last      int               // requests of the batch before; 0 once it was compared with what waits
	gathering bool              // a worker waits for company, and starts the next batch
	apart     bool              // who wants much and who wants little are in batches of their own
	closed    bool
	running   int           // batches under way
	under     [anybody]bool // with apart, whose batches are under way
	slow      int           // batches among those that have taken longer than patience
	away      int           // queues in no batch whose customer somebody has locked
	asking    asking
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
	// companyWait is how long a worker waits for company when the batch before was larger than
	// what has come so far: clients that were just answered are about to ask again, and one
	// sync for all of them is cheaper than one for the first and one for the rest. A lone
	// client never waits.
	companyWait = 50 * time.Microsecond

	// maxBatch bounds the requests of one batch.
	maxBatch = 4096

	workersApart  = int(anybody) // with apart
	workersShared = 8            // of a store that other processes use too
	quickBatches  = 2            // under way at a time, not counting slow ones
	patience      = 5 * time.Millisecond
)

// whose says whose requests a batch has: of customers that want little, of those that want much, or
// of both.
type whose int

const (
	little whose = iota
	much
	anybody
)

func newLane() *lane {
	l := &lane{queues: map[string]*queue{}}
	l.wake.L = &l.mu
	return l
}

// add queues requests, or says why it does not.
func (l *lane) add(reqs ...*request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errLaneClosed
	}
	for _, r := range reqs {
		q := l.queues[r.c.id]
		if q == nil {
			q = new(queue)
		}
		before := q.whose()
		if err := q.add(r); err != nil {
			return err
		}
		l.queues[r.c.id], r.q = q, q
		if q.busy { // done wakes who takes it next
			continue
		}
		if q.n == 1 {
			l.ready = append(l.ready, q)
		} else {
			l.want[before]--
		}
		l.want[q.whose()]++
		l.waiting++
		if _, can := l.startable(); can {
			l.wake.Signal()
		}
	}
	return nil
}

func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.wake.Broadcast()
	l.mu.Unlock()
}

// run is a worker. It works until close, and then until nothing waits.
func (l *lane) run(e *Engine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		of, can := l.startable()
		switch {
		case len(l.ready) == 0 && l.closed && l.away == 0:
			return
		case !can:
			l.wake.Wait()
			continue
		case l.waiting < l.last && !l.closed:
			l.last, l.gathering = 0, true
			l.mu.Unlock()
			time.Sleep(companyWait)
			l.mu.Lock()
			l.gathering = false
			continue
		}
		works := l.take(of)
		l.last = 0
		for _, w := range works {
			l.last += len(w.reqs)
		}
		l.running++
		if l.apart {
			l.under[of] = true
		}
		late := time.AfterFunc(patience, l.slower)
		if _, can := l.startable(); can {
			l.wake.Signal()
		}
		l.mu.Unlock()
		err := e.commitBatch(works)
		l.mu.Lock()
		if !late.Stop() {
			l.slow--
		}
		l.running--
		if l.apart {
			l.under[of] = false
		}
		l.done(e, works, err)
	}
}

// startable says whose batch may start, if one may. Who wants little comes first.
func (l *lane) startable() (whose, bool) {
	if l.gathering {
		return 0, false
	}
	if !l.apart {
		return anybody, len(l.ready) > 0 && l.running-l.slow < quickBatches
	}
	for _, of := range []whose{little, much} {
		if !l.under[of] && l.want[of] > 0 {
			return of, true
		}
	}
	return 0, false
}

// slower notes that a batch takes longer than patience: it no longer keeps another from starting.
func (l *lane) slower() {
	l.mu.Lock()
	l.slow++
	l.wake.Signal()
	l.mu.Unlock()
}

// take makes a batch of those that it is to be of, sorted by customer: one turn of each ready customer,
// and of customers that want much only as many as fit. A customer that is left out is first in
// the next batch.
func (l *lane) take(of whose) (works []*work) {
	n, room, rest := 0, batchTurns*turn, l.ready[:0:0]
	for i, q := range l.ready {
		if n >= maxBatch || len(works) > 0 && works[0].c.goesAlone {
			rest = append(rest, l.ready[i:]...)
			break
		}
		wants := q.whose()
		if of != anybody && wants != of || len(works) > 0 && (q.first().c.goesAlone || wants == much && room <= 0) {
			rest = append(rest, q)
			continue
		}
		l.want[wants]--
		l.waiting -= q.n
		reqs, size := q.take(maxBatch - n)
		if size > light {
			room -= size
		}
		works = append(works, &work{c: reqs[0].c, q: q, reqs: reqs})
		q.busy = true
		q.asking.begin()
		n += len(reqs)
	}
	l.ready = rest
	l.asking.begin()
	slices.SortFunc(works, func(a, b *work) int { return strings.Compare(a.c.id, b.c.id) })
	return works
}

// done puts back the requests that must be decided again once the batch is over.
func (l *lane) done(e *Engine, works []*work, err error) {
	if err == nil {
		l.asking.succeeded(l.running > 0)
	}
	for _, w := range works {
		if err == nil {
			w.q.asking.succeeded(false)
		}
		w.c.goesAlone = w.mayBlock
		switch {
		case w.behind:
			l.later(e, w, func() { e.mergeBehind(w) })
		case w.locked:
			l.later(e, w, func() {
				w.c.mu.RLock()
				w.c.mu.RUnlock() //nolint:staticcheck // it was waited for
			})
		default:
			l.back(w)
		}
	}
	l.wake.Broadcast()
}

// later puts w back after f, which waits for the customer's lock.
func (l *lane) later(e *Engine, w *work, f func()) {
	l.away++
	e.loops.Go(func() {
		f()
		l.mu.Lock()
		l.away--
		l.back(w)
		l.wake.Broadcast()
		l.mu.Unlock()
	})
}

// back makes the customer of w ready for another batch.
func (l *lane) back(w *work) {
	q := w.q
	q.busy = false
	q.putBack(w.later)
	if q.n == 0 {
		delete(l.queues, w.c.id)
		return
	}
	l.ready = append(l.ready, q)
	l.want[q.whose()]++
	l.waiting += q.n
}
