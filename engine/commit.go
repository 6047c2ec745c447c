package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// request is a write that waits for its answer.
type request struct {
	c     *customer
	q     *queue
	op    ledger.Op
	by    *catalogue.Caller
	who   string // the caller, whose requests stay in order
	items int    // how much of a turn it takes
	trace string // the caller's id of it
	facts *ledger.Facts

	tries    int  // how often others were first
	tooLarge bool // it was refused with ErrTooLarge
	reply    any
	err      error
	version  uint64
	done     chan struct{}
}

// work is one customer's part of a batch.
type work struct {
	c        *customer
	q        *queue
	reqs     []*request
	later    []*request // that must be decided again
	d        *ledger.Decider
	at       store.Head    // of the state that d decided on
	commit   *store.Commit // nil when nothing is to be written
	mayBlock bool          // the append failed, perhaps since others keep the store from writing to this customer
	locked   bool          // a reader had the customer locked: nothing is decided yet
	behind   bool          // a reader had the customer locked: what is durable is to be merged
}

// commitBatch decides, appends, merges and answers. Not answered are the requests that
// must be decided again (work.later) and those of a customer that a reader has locked
// (work.behind), which mergeBehind answers. An error is the store's.
func (e *Engine) commitBatch(works []*work) error {
	err := e.Fresh(context.Background())
	if err != nil {
		for _, w := range works {
			w.fail(err)
		}
	} else {
		err = e.commitWorks(works)
	}
	for _, w := range works {
		if !w.behind {
			w.answer()
		}
	}
	return err
}

func (w *work) answer() {
	for _, r := range w.reqs {
		close(r.done)
	}
}

// commitWorks decides and appends: afterwards each request has its answer, or is to be
// decided again. An error is the store's.
func (e *Engine) commitWorks(works []*work) error {
	if e.nodes == nil { // else the store refuses what was decided on an older catalogue
		e.catMu.RLock()
	}
	var writers, unwritten []*work
	for _, w := range works {
		if w.c.othersWrite {
			w.leave()
		} else {
			e.decide(w)
		}
		if w.commit != nil {
			writers = append(writers, w)
		} else {
			unwritten = append(unwritten, w)
		}
	}
	outcomes, err := e.append(writers)
	if e.nodes == nil {
		e.catMu.RUnlock()
	}
	mayBlock := err != nil && e.store.Err() == nil
	for i, w := range writers {
		if err == nil && w.commit == nil {
			unwritten = append(unwritten, w) // decided again, and nothing is to be written
			continue
		}
		w.mayBlock = mayBlock
		e.finish(w, outcomes[i], err)
	}
	return errors.Join(err, e.confirmUnwritten(unwritten))
}

// leave puts the deciding off until the store has locked the customer's stream. Other nodes
// write to this customer: what is decided before that would most likely be stale.
func (w *work) leave() {
	w.at = w.c.at()
	w.commit = &store.Commit{Stream: w.c.id, After: w.at, Undecided: true}
}

// append appends the commits of writers. Where other processes wrote to a customer
// first, its requests are decided again while the store keeps them out: a customer that
// many nodes write to goes from one to the next, and none of them starves. Where the
// error is not nil, an outcome is Committed or 0 (not known, or certainly not committed).
func (e *Engine) append(writers []*work) ([]store.Outcome, error) {
	if len(writers) == 0 {
		return nil, nil
	}
	commits := make([]store.Commit, len(writers))
	for i, w := range writers {
		commits[i] = *w.commit
	}
	outcomes, err := e.store.Append(context.Background(), commits, func(i int, tail []store.LogRow) *store.Commit {
		w := writers[i]
		w.commit = nil
		w.c.othersWrite = len(tail) > 0
		if !w.c.mu.TryLock() {
			w.putOff()
			return nil
		}
		err := w.c.fold(tail)
		w.c.mu.Unlock()
		if err != nil {
			e.drop(w.c)
			w.fail(e.unavailable(err))
			return nil
		}
		e.keeper.note(w.c)
		e.decide(w)
		if w.commit != nil {
			commits[i] = *w.commit
		}
		return w.commit
	})
	if err != nil {
		outcomes = e.outcomesOf(commits, err)
	}
	return outcomes, err
}

// finish answers the requests of a writer once its outcome is known.
func (e *Engine) finish(w *work, o store.Outcome, err error) {
	switch {
	case o == store.Committed:
		if w.behind = !w.c.mu.TryLock(); !w.behind {
			e.merge(w)
		}
	case err != nil:
		w.fail(e.unavailable(err))
	case o == store.Stale && e.nodes == nil:
		if err := e.catchUp(context.Background(), w.c, w.commit.After.Seq+1, nil); err != nil {
			w.fail(e.unavailable(err))
			return
		}
		w.retry(e)
	case o == store.Stale && w.commit.Undecided: // the store could not have it decided
		w.c.othersWrite = false
		w.retry(e)
	case (o == store.Stale || o == store.OldCatalogue || o == store.Skewed) && e.nodes != nil:
		if err := e.confirmOne(context.Background(), w.c); err != nil {
			w.fail(e.unavailable(err))
			return
		}
		w.retry(e)
	default:
		w.fail(e.unavailable(fmt.Errorf("outcome %d of a commit", o)))
	}
}

// merge shows readers what is now durable, and unlocks the customer.
func (e *Engine) merge(w *work) {
	if head := w.commit.Head(); w.c.st.Head.Seq < head.Seq { // else it was read on meanwhile, with this in it
		w.d.Merge(head)
		w.c.moved()
	}
	if w.c.st.Unsaved() >= e.o.CheckpointRecords {
		w.c.due.Store(true)
	}
	w.c.mu.Unlock()
	w.c.hasLog.Store(true)
	e.keeper.note(w.c)
	e.counters.commits.Add(1)
	e.counters.records.Add(uint64(len(w.d.Recs)))
	w.answered(w.commit.After.Seq + 1)
}

// mergeBehind waits for the customer's lock, merges and answers.
func (e *Engine) mergeBehind(w *work) {
	w.c.mu.Lock()
	e.merge(w)
	w.answer()
}

// putOff has all requests of w decided later, once nobody holds the customer's lock.
func (w *work) putOff() {
	w.locked = true
	w.later, w.reqs = append(w.reqs, w.later...), nil
}

// confirmUnwritten makes sure that each refusal and each duplicate, which nothing was appended for,
// still holds in the newest state.
func (e *Engine) confirmUnwritten(unwritten []*work) error {
	var ask []*customer
	for _, w := range unwritten {
		if len(w.reqs) > 0 {
			ask = append(ask, w.c)
		}
	}
	var l *look
	var err error
	if e.nodes != nil && len(ask) > 0 {
		l, err = e.confirm(context.Background(), ask...)
	}
	for _, w := range unwritten {
		moved := w.d != nil && (w.c.at() != w.at || e.cat.Load().Binding != w.d.Cat.Binding)
		its := err
		if its == nil && l != nil {
			its = l.about[w.c]
		}
		switch {
		case its != nil:
			w.fail(e.unavailable(its))
		case e.nodes != nil && moved:
			w.retry(e)
		case w.d != nil:
			w.answered(w.at.Seq)
		}
	}
	return err
}

// answered says at which version the replies are true.
func (w *work) answered(seq uint64) {
	for _, r := range w.reqs {
		r.version = seq
	}
}

// retry has the requests decided again, unless others were first too often.
func (w *work) retry(e *Engine) {
	if len(w.reqs) == 0 {
		return
	}
	if w.reqs[0].tries++; w.reqs[0].tries > maxTries {
		w.fail(e.unavailable(fmt.Errorf("the state of %q kept changing", w.c.id)))
		return
	}
	w.later, w.reqs = append(w.reqs, w.later...), nil
}

func (w *work) fail(err error) {
	for _, r := range w.reqs {
		r.reply, r.err = nil, err
	}
}

// decide runs the requests of one customer and prepares its commit. Requests that
// would make the commit too large are left for later.
func (e *Engine) decide(w *work) {
	defer func() {
		if p := recover(); p != nil {
			e.o.Log.Error("deciding panicked", "customerId", w.c.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			w.fail(fmt.Errorf("deciding: %v", p))
			w.commit = nil
		}
	}()
	// Checkpoints take holds and keys that the store has out of the state.
	if !w.c.mu.TryRLock() {
		w.putOff()
		return
	}
	defer w.c.mu.RUnlock()
	n := -1
	for n < 0 {
		n = e.run(w)
	}
	if n < len(w.reqs) {
		w.later = append(w.reqs[n:len(w.reqs):len(w.reqs)], w.later...)
		w.reqs = w.reqs[:n]
	}
	d := w.d
	if d.Fault != nil {
		e.o.Log.Error("decided records do not apply", "customerId", w.c.id, "err", d.Fault)
		w.fail(d.Fault)
		return
	}
	if len(d.Recs) > 0 {
		w.commit = d.Prepare(w.c.id)
	}
}

// How many holds and grants that time ends or begins one commit records: with a tick, and without one.
const (
	maxExpiries = 512
	fewExpiries = 64
)

// items is how many the requests have.
func (w *work) items() (n int) {
	for _, r := range w.reqs {
		n += r.items
	}
	return n
}

func (w *work) expiries() int {
	if slices.ContainsFunc(w.reqs, func(r *request) bool { return r.op == ledger.TickOp{} }) {
		return maxExpiries
	}
	return fewExpiries
}

// run decides as many requests as the commit has room for, and tells how many these are;
// -1 when it is to run again, without a request that was too large.
func (e *Engine) run(w *work) int {
	st := w.c.st
	d := &ledger.Decider{View: ledger.NewView(st, max(st.Head.Now, e.now())), Cat: e.cat.Load(), Horizon: e.o.LateHorizon, CommitID: e.ids.next()}
	w.d, w.at = d, st.Head
	d.Expect(w.items())
	if !d.Expire(w.expiries()) { // the requests wait until that is recorded
		return 0
	}
	for i, r := range w.reqs {
		if r.tooLarge {
			continue
		}
		if len(d.Recs) >= turnRecords || d.Full() || d.ToldMany() {
			return i
		}
		d.Facts, d.Trace, d.By, d.Enrols = r.facts, r.trace, r.by, r.by.Enroller()
		before := d.Visits
		r.reply, r.err = d.Attempt(r.op)
		raise(&e.lockTimes.visits[deciders], int64(d.Visits-before))
		if r.err == ledger.ErrTooLarge {
			r.tooLarge = true
			return -1
		}
	}
	return len(w.reqs)
}

// outcomesOf finds out what became of commits whose Append failed. Where one is not
// certainly in the log its outcome is 0; where nobody can tell, its customer is read
// anew before it is used again.
func (e *Engine) outcomesOf(commits []store.Commit, err error) []store.Outcome {
	outcomes := make([]store.Outcome, len(commits))
	if errors.Is(err, store.ErrNotCommitted) {
		return outcomes
	}
	e.o.Log.Error("outcome of a commit is unknown", "err", err)
	found, serr := e.store.Outcomes(context.Background(), commits)
	for i := range commits {
		switch {
		case serr != nil:
			e.dropID(commits[i].Stream)
		case found[i] == store.Committed:
			outcomes[i] = store.Committed
		}
	}
	return outcomes
}
