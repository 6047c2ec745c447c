package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// nodes is what an engine needs when other processes use its store too. It is a cache
// over logs that others write as well, so:
//
//   - Now is the store's clock, read with every look at heads.
//   - A strong read first learns from the store where the customer's log ends, in a look
//     that starts after the read arrived, and reads on what it missed. All that wait at
//     the moment a look starts share it.
//   - The catalogue is followed with every look, at least each pollEvery; one that is
//     older than catalogueAge is not used.
//   - What one process is enough for (saving a customer's checkpoints, sweeping idle
//     customers, sending webhooks) is done by the one that has the claim. A claim saves
//     work; correctness never rests on it.
type nodes struct {
	holder string // this process in claims
	began  time.Time
	offset atomic.Int64          // the store's clock less this process's
	failed atomic.Pointer[error] // why the last look that failed did
	looked atomic.Int64          // when the newest look that succeeded for the catalogue started, since began

	mu      sync.Mutex
	next    *look // what the next look will be about
	looking int   // looks under way

	claimed sync.Map // names that are claimed → until when, since began
}

const (
	pollEvery    = 250 * time.Millisecond
	pollMost     = 500 // customers of one poll
	catalogueAge = time.Second
	looksMost    = 4             // at a time
	lookTimeout  = answerTimeout // a caller may do the look itself
	// A caller has an answer within 2 s even when the store gives none: it waits freshTimeout
	// for a catalogue that may be used, and answerTimeout for a look or for a lane that has
	// asked the store without success for stuckAfter. It waits longer for a lane that is merely
	// busy. A caller that gave up learns the outcome when it sends its idempotency key again.
	freshTimeout  = 400 * time.Millisecond
	answerTimeout = 1400 * time.Millisecond
	stuckAfter    = time.Second
	stuckLook     = 50 * time.Millisecond // how often a caller looks whether it is stuck
)

// look is one read of heads.
type look struct {
	done   chan struct{}
	err    error               // of all of it
	wanted bool                // somebody waits for it
	about  map[*customer]error // what reading each on came to
}

func newNodes() (*nodes, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	return &nodes{holder: hex.EncodeToString(b[:]), began: time.Now(), next: newLook()}, nil
}

func newLook() *look { return &look{done: make(chan struct{}), about: map[*customer]error{}} }

// now is the engine's clock.
func (e *Engine) now() bursar.Time {
	if e.nodes == nil {
		return e.o.Clock()
	}
	return e.o.Clock() + bursar.Time(e.nodes.offset.Load())
}

// adjust corrects the offset of the store's clock by one reading of it: it showed at, at some
// moment between the readings before and after of this process's clock. The offset moves as
// little as that demands.
func (n *nodes) adjust(before, at, after bursar.Time) {
	low, high := int64(at-after), int64(at-before)
	n.offset.Store(min(max(n.offset.Load(), low), high))
}

// since is how long ago looked was; looked is a time since n began.
func (n *nodes) since(looked *atomic.Int64) time.Duration {
	return time.Since(n.began) - time.Duration(looked.Load())
}

// confirm makes what is in memory of the customers at least as new as the store was when
// confirm was called. It returns the look that it waited for; look.about names customers that
// could not be brought up to date.
func (e *Engine) confirm(ctx context.Context, cs ...*customer) (*look, error) {
	l, mine := e.nodes.join(cs)
	if mine {
		e.look(l)
		return l, l.err
	}
	return l.wait(ctx)
}

// join adds cs to the next look. With mine the caller must call look with it; else somebody
// else does.
func (n *nodes) join(cs []*customer) (l *look, mine bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l = n.next
	l.wanted = true
	for _, c := range cs {
		l.about[c] = nil
	}
	if n.looking == looksMost {
		return l, false // a goroutine that is looking now does this one next
	}
	n.looking++
	n.next = newLook()
	return l, true
}

func (l *look) wait(ctx context.Context) (*look, error) {
	late := time.NewTimer(answerTimeout)
	defer late.Stop()
	select {
	case <-l.done:
		return l, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-late.C:
		return nil, errNoAnswer
	}
}

// confirmOne is confirm for one customer.
func (e *Engine) confirmOne(ctx context.Context, c *customer) error {
	l, err := e.confirm(ctx, c)
	if err != nil {
		return err
	}
	return l.about[c]
}

// look reads what l is about and wakes those who wait for it. Where others have joined the next
// look meanwhile, a goroutine of its own does that one.
func (e *Engine) look(l *look) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	l.err = e.lookAt(ctx, l.about)
	close(l.done)
	n := e.nodes
	n.mu.Lock()
	defer n.mu.Unlock()
	next := n.next
	if !next.wanted {
		n.looking--
		return
	}
	n.next = newLook()
	go e.look(next)
}

// lookAt reads where the catalogue's log and the customers' logs end, and folds what memory
// lacks of them. A log that ends before what is in memory is another log, as after the database
// was restored: its customer is dropped, and read anew when it is asked for.
func (e *Engine) lookAt(ctx context.Context, about map[*customer]error) error {
	n := e.nodes
	streams, list, had := []string{store.CatalogueStream}, make([]*customer, 0, len(about)), make([]store.Head, 0, len(about))
	after := []uint64{math.MaxUint64}
	for c := range about {
		head := c.at()
		streams, list, had, after = append(streams, c.id), append(list, c), append(had, head), append(after, head.Seq)
	}
	catalogue := e.cat.Load().Head
	began, before := time.Since(n.began), e.o.Clock()
	heads, tails, now, err := e.store.Heads(ctx, streams, after)
	if err == nil {
		n.adjust(before, now, e.o.Clock())
		err = e.followCatalogue(ctx, catalogue, heads[0])
	}
	if err != nil {
		n.failed.Store(&err)
		return err
	}
	n.looked.Store(max(n.looked.Load(), int64(began)))
	for i, c := range list {
		switch h := heads[i+1]; {
		case h.Seq < had[i].Seq || h.Seq == had[i].Seq && h.Hash != had[i].Hash:
			e.drop(c)
			about[c] = fmt.Errorf("the log of %q ended at commit %d and now ends at %d: %w", c.id, had[i].Seq, h.Seq, errWentBack)
		case h.Seq > had[i].Seq:
			about[c] = e.catchUp(ctx, c, h.Seq, tails[i+1])
		}
		if about[c] == nil { // else what is in memory is older than this look
			c.looked.Store(max(c.looked.Load(), int64(began)))
		}
	}
	return nil
}

// followCatalogue folds what the catalogue's log has after had, given that the store said it
// ends at head. A log that does not continue what is in memory is read from its beginning.
func (e *Engine) followCatalogue(ctx context.Context, had, head store.Head) error {
	if head == had {
		return nil
	}
	e.catWriting.Lock()
	defer e.catWriting.Unlock()
	cur := e.cat.Load()
	if head.Seq <= cur.Head.Seq && head.Seq > had.Seq {
		return nil // somebody has read it on meanwhile
	}
	if head.Seq <= had.Seq {
		return e.rereadCatalogue(ctx)
	}
	return e.readOnCatalogue(ctx)
}

// readOnCatalogue folds what the catalogue's log has and memory lacks. A log that does not
// continue what is in memory is read from its beginning. The caller holds catWriting.
func (e *Engine) readOnCatalogue(ctx context.Context) error {
	c := e.cat.Load().Clone()
	if err := e.readCatalogue(ctx, c); err != nil {
		if ctx.Err() != nil || e.store.Err() != nil {
			return err
		}
		return e.rereadCatalogue(ctx)
	}
	e.cat.Store(c)
	return nil
}

func (e *Engine) rereadCatalogue(ctx context.Context) error {
	c := catalogue.NewCatalogue()
	c.Thresholds = e.o.AlertThresholds
	if err := e.readCatalogue(ctx, c); err != nil {
		return err
	}
	e.cat.Store(c)
	return nil
}

// Fresh makes sure that the catalogue is not older than a second, so that a key that was
// revoked on another node works no longer, and that the clock is to be trusted.
func (e *Engine) Fresh(ctx context.Context) error {
	if e.catalogueFresh() {
		return e.clockSteady()
	}
	ctx, cancel := context.WithTimeout(ctx, freshTimeout)
	defer cancel()
	l, mine := e.nodes.join(nil)
	if mine {
		go e.look(l)
	}
	if _, err := l.wait(ctx); err != nil {
		return e.unavailable(err)
	}
	return nil
}

// Newest makes sure that the catalogue has all that any node wrote before this call.
func (e *Engine) Newest(ctx context.Context) error {
	if e.nodes == nil {
		return e.clockSteady()
	}
	if _, err := e.confirm(ctx); err != nil {
		return e.unavailable(err)
	}
	return nil
}

// refresh makes c at least as new as o demands.
func (e *Engine) refresh(ctx context.Context, c *customer, o *ledger.ReadOptions) error {
	n := e.nodes
	if n == nil {
		return e.clockSteady()
	}
	if o.MaxStaleness > 0 && n.since(&c.looked) <= o.MaxStaleness && e.catalogueFresh() {
		if c.at().Seq >= o.MinVersion {
			return nil
		}
	}
	if err := e.confirmOne(ctx, c); err != nil {
		return e.unavailable(err)
	}
	return nil
}

// poll keeps the catalogue and the customers in memory warm, so that reads that accept
// some age need not look, and strong ones find little to read.
func (e *Engine) poll() {
	n := e.nodes
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for round := []*customer(nil); ; { // who is still to be asked about
		select {
		case <-e.stop:
			return
		case <-tick.C:
		}
		if len(round) == 0 {
			round = e.residents.all()
		}
		some := round[:min(len(round), pollMost)]
		round = round[len(some):]
		about := map[*customer]error{}
		for _, c := range some {
			if n.since(&c.looked) >= pollEvery && e.residents.has(c) {
				about[c] = nil
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
		if err := e.lookAt(ctx, about); err != nil && e.store.Err() == nil {
			e.o.Log.Warn("looking for what other nodes wrote failed", "err", err)
		}
		cancel()
	}
}

// shareSaving claims the saving of customers that changed, and lets go of what this node
// remembers for saving of those that another one saves.
func (e *Engine) shareSaving() {
	var changed []*customer
	var names, ids []string
	for _, c := range e.keeper.changed() {
		c.mu.RLock()
		if c.st.Unsaved() > 0 || len(c.st.Keys.Closing) > 0 || c.superseded.Load() {
			changed, names, ids = append(changed, c), append(names, claimOfCustomer+c.id), append(ids, c.id)
		}
		c.mu.RUnlock()
	}
	if len(changed) == 0 {
		return
	}
	mine := e.claims(names...)
	saved, err := e.store.Saved(context.Background(), ids)
	if err != nil {
		e.o.Log.Warn("reading how far checkpoints are failed", "err", err)
		return
	}
	for i, c := range changed {
		e.shareOne(c, mine[i], saved[i])
	}
}

// shareOne lets go of what another process has saved of c, at saved.
func (e *Engine) shareOne(c *customer, mine bool, saved uint64) {
	defer e.keeper.note(c)
	c.mu.RLock()
	others := !mine || saved > c.st.SeriesBase // saved it
	others = others || c.st.Unsaved() == 0
	c.mu.RUnlock()
	same := true
	if others {
		var err error
		if same, err = e.letKeysGo(c, saved); err != nil {
			e.o.Log.Warn("looking for saved keys failed", "customerId", c.id, "err", err)
			return
		}
	}
	if c.superseded.Load() || !same {
		e.readAnew(c)
	} else if others {
		c.mu.Lock()
		has := c.st.SavedElsewhere(saved, e.o.LateHorizon)
		c.mu.Unlock()
		for _, holds := range has {
			e.letClosedGo(c, holds)
		}
	}
}

// letKeysGo forgets the generations of keys that another process closed in its checkpoint at
// saved. It is false when that process cut the generations at other commits: the store then has
// keys under other generations than memory believes, and c must be read anew before it is saved.
func (e *Engine) letKeysGo(c *customer, saved uint64) (bool, error) {
	c.mu.RLock()
	gens := append(slices.Clone(c.st.Keys.Closing), c.st.Keys.Snapshot())
	c.mu.RUnlock()
	for i, g := range gens[:len(gens)-1] {
		first, last := g.Ends()
		if last.Seq > saved {
			break
		}
		got, err := e.store.FindKeys(context.Background(), c.id, g.Gen, [][16]byte{first.Hash, last.Hash})
		if err != nil {
			return false, e.savedUnreadable(c.id, err)
		}
		// A generation is all keys of some commits in a row.
		if !bytes.Equal(got[0], first.Append(nil)) || !bytes.Equal(got[1], last.Append(nil)) {
			next, _ := gens[i+1].Ends()
			return next.Seq > saved, nil
		}
		stored := store.KeyGeneration{Gen: g.Gen, End: g.Last, Count: g.N, Filter: ledger.NewFilter(g.From(0))}
		c.mu.Lock()
		c.st.Keys.Stored(&stored)
		c.mu.Unlock()
	}
	return true, nil
}

// readAnew puts a fresh copy of c, read from the store, in its place. Requests that wait
// on the old one are still answered.
func (e *Engine) readAnew(c *customer) {
	fresh := &customer{id: c.id, ready: make(chan struct{})}
	e.load(context.Background(), fresh)
	if fresh.err != nil {
		e.o.Log.Warn("reading a customer anew failed", "customerId", c.id, "err", fresh.err)
		return
	}
	fresh.used.Store(c.used.Load())
	if e.residents.replace(c, fresh, nil) {
		e.keeper.note(c)
		e.keeper.note(fresh)
	}
}

// notFresh says why the catalogue is not fresh, as far as that is known.
func (n *nodes) notFresh() error {
	const what = "what other nodes wrote cannot be read"
	if err := n.failed.Load(); err != nil {
		return fmt.Errorf(what+": %w", *err)
	}
	return errors.New(what)
}

// catalogueFresh tells whether the catalogue is at most a second old.
func (e *Engine) catalogueFresh() bool {
	return e.nodes == nil || e.nodes.since(&e.nodes.looked) <= catalogueAge
}

var errNoAnswer = errors.New("the store does not answer")

var errWentBack = errors.New("it does not continue what was read before, as when the database was restored")
