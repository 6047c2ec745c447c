// Package engine holds the state of customers, takes every decision about them and
// has the one path by which anything is written.
//
// A customer is a log of records and the state that follows from it. A write is
// decided against that state (decide*.go, pure), appended to the log in a group with
// others (commit.go, the only durable step), applied (apply.go, also used when a log is
// read again) and only then answered. Reads see durable state alone and never wait for
// a write. Customers that nobody asks for leave memory for their checkpoint
// (resident.go, checkpoint.go).
package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
)

// Options tune an Engine; the zero value is good.
type Options struct {
	Clock func() bursar.Time // default: the system's, as steady as MaxClockStep says
	// System is what the default clock goes by: what the system's clock reads, and how much
	// time has passed since some moment, whatever was made of that clock.
	System            func() (bursar.Time, time.Duration)
	LateHorizon       time.Duration // how old a timestamp may be; default 7 days, 1 to 35 days
	MemoryBudget      int64         // bytes of customers in memory before idle ones leave; default 1 GiB
	KeysInMemory      int           // idempotency keys of one customer before they move to the store early; default 1,048,576
	CheckpointEvery   time.Duration // of a customer that changed; default 15 s
	CheckpointRecords int           // records of a customer that make a checkpoint due at once; default 200,000
	ClaimFor          time.Duration // how long what one node does for all stays with it after it was last heard of; default 30 s
	KeepLog           time.Duration // rows of customers' logs older than this are deleted; 0 = never; at least MinKeepLog
	AlertThresholds   []int         // percent; what a new limit warns at when it does not say; default 80, 100
	Log               *slog.Logger  // default: none
	Fatal             func(error)   // called once when the store cannot be trusted any more
}

// MinKeepLog is the least that a log may be kept for: repeated requests are answered from
// it up to the longest late horizon.
const MinKeepLog = 45 * 24 * time.Hour

// Engine is one node's cache over the logs of a Store. Its methods may be used
// concurrently.
type Engine struct {
	store  Store
	o      Options
	secret [32]byte

	catMu sync.RWMutex // where this process has the store for itself, held shared from decide to append, so that no archive comes between
	cat   atomic.Pointer[Catalogue]

	lane   *lane
	ids    commitIDs
	jobs   *jobs
	share  *turns       // of the cores, for reads that scan: each slice of one is a turn
	scans  *turns       // of logs that are read again, a few at a time
	nodes  *nodes       // nil where this process has the store for itself
	steady *steadyClock // nil where the clock is given, or the store's

	residents *residents
	keeper    *keeper

	closing  atomic.Bool
	sweeping atomic.Bool // idle customers are being opened
	fatal    sync.Once
	stop     chan struct{}
	loops    sync.WaitGroup
	counters counters
	holding  holding
	unpriced unpricedSeen
}

type counters struct {
	commits, records, checkpoints, loads, evictions atomic.Uint64
}

// Stats are figures for metrics. Counts of what is resident are of this moment.
type Stats struct {
	ResidentCustomers, ResidentBytes, OpenHolds, KeysInMemory int64
	Commits, Records, Checkpoints, Loads, Evictions           uint64
}

// Open starts an engine on s, which it does not close.
func Open(ctx context.Context, s Store, o Options) (*Engine, error) {
	systems := o.Clock == nil
	if systems {
		o.Clock = func() bursar.Time { return bursar.TimeOf(time.Now()) }
	}
	if o.LateHorizon == 0 {
		o.LateHorizon = 7 * 24 * time.Hour
	}
	if o.LateHorizon < 24*time.Hour || o.LateHorizon > maxLateHorizon {
		return nil, fmt.Errorf("the late horizon is %v; it may be 1 to 35 days", o.LateHorizon)
	}
	if o.KeepLog != 0 && o.KeepLog < MinKeepLog {
		return nil, fmt.Errorf("the log is to be kept for %v; it must be at least %v", o.KeepLog, MinKeepLog)
	}
	if o.AlertThresholds == nil {
		o.AlertThresholds = bursar.DefaultThresholds
	}
	setDefault(&o.MemoryBudget, 1<<30)
	setDefault(&o.KeysInMemory, defaultKeysInMemory)
	setDefault(&o.ClaimFor, 30*time.Second)
	setDefault(&o.CheckpointEvery, 15*time.Second)
	setDefault(&o.CheckpointRecords, 200_000)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
	e := &Engine{store: s, o: o, lane: newLane(), jobs: newJobs(), share: newTurns(max(1, runtime.GOMAXPROCS(0)/2)), scans: newTurns(maxScans),
		residents: newResidents(), keeper: newKeeper(), stop: make(chan struct{})}
	if _, err := rand.Read(e.ids.seed[:]); err != nil {
		return nil, err
	}
	if err := e.joinNodes(ctx, systems); err != nil {
		return nil, fmt.Errorf("reading the store's clock: %w", err)
	}
	if systems && e.nodes == nil {
		e.steady = newSteadyClock(e.o.System)
		e.o.Clock = e.steady.now
	}
	writers, err := e.joinWriters(ctx)
	if err != nil {
		return nil, err
	}
	if err := e.openCatalogue(ctx); err != nil {
		return nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	workers := 1
	if e.nodes != nil {
		workers = workersShared
		e.loops.Go(e.poll)
		e.loops.Go(func() { writers.keep(e.stop) })
	}
	for range workers {
		e.loops.Go(func() { e.lane.run(e) })
	}
	e.loops.Go(e.housekeeping)
	e.loops.Go(e.runJobs)
	return e, nil
}

// joinNodes finds out whether other processes may use the store too. The system's clock
// then only measures how the store's goes on, without the steps that are made in it.
func (e *Engine) joinNodes(ctx context.Context, systems bool) error {
	before := e.o.Clock()
	_, _, now, err := e.store.Heads(ctx, nil, nil)
	if err != nil || now == 0 {
		return err
	}
	if e.nodes, err = newNodes(); err != nil {
		return err
	}
	if began := time.Now(); systems {
		e.o.Clock = func() bursar.Time { return bursar.TimeOf(began.Add(time.Since(began))) }
	}
	e.nodes.adjust(before, now, e.o.Clock())
	return nil
}

// What an import goes by, too.
const (
	defaultKeysInMemory = 1 << 20
	maxLateHorizon      = 35 * 24 * time.Hour
)

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Close refuses new writes, finishes those that wait, saves checkpoints and stops. It
// may be called once.
func (e *Engine) Close(ctx context.Context) error {
	e.closing.Store(true)
	e.lane.close()
	close(e.stop)
	e.loops.Wait()
	if e.store.Err() != nil {
		return e.store.Err()
	}
	defer e.releaseClaims(ctx)
	var errs []error
	for _, c := range e.residents.all() {
		if ctx.Err() != nil {
			break // the log has everything; the next start reads more of it
		}
		err := e.checkpoint(ctx, c)
		if e.nodes != nil && errors.Is(err, ErrSuperseded) {
			err = nil // another process has saved more
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Ready is nil while the engine can decide, else it says why not.
func (e *Engine) Ready() error {
	if e.closing.Load() {
		return errors.New("shutting down")
	}
	if err := e.store.Err(); err != nil {
		return err
	}
	if !e.catalogueFresh() {
		return errors.New("what other nodes wrote cannot be read")
	}
	return e.clockSteady()
}

// Now is the engine's clock.
func (e *Engine) Now() bursar.Time { return e.now() }

// Secret is random for each environment and the same after a restart: key cursors and
// the like with it, each with a prefix of its own.
func (e *Engine) Secret() [32]byte { return e.secret }

// Stats reads the figures.
func (e *Engine) Stats() Stats {
	e.keeper.lookAtNoted(e)
	n, sum := e.keeper.counted()
	return Stats{ResidentCustomers: int64(n), ResidentBytes: sum.bytes, OpenHolds: sum.holds, KeysInMemory: sum.keys,
		Commits: e.counters.commits.Load(), Records: e.counters.records.Load(), Checkpoints: e.counters.checkpoints.Load(),
		Loads: e.counters.loads.Load(), Evictions: e.counters.evictions.Load()}
}

// unavailable is the error when the store cannot be used; the cause is for the log.
func (e *Engine) unavailable(cause error) error {
	if errors.Is(cause, context.DeadlineExceeded) || errors.Is(cause, context.Canceled) {
		return bursar.Errorf(bursar.CodeGovernanceUnavailable, "the answer took longer than a request may; nothing was granted")
	}
	if cause != nil {
		e.o.Log.Error("store unavailable", "err", cause)
	}
	if err := e.store.Err(); errors.Is(err, ErrPoisoned) {
		e.fatal.Do(func() { e.o.Fatal(err) })
	}
	return bursar.Errorf(bursar.CodeGovernanceUnavailable, "the store cannot be reached or trusted at this moment; nothing was granted")
}

// notNow is what a read answers when it could not wait for its turn, or for the store.
func (e *Engine) notNow(err error) error {
	var known *bursar.Error
	if errors.As(err, &known) {
		return err
	}
	return e.unavailable(err)
}

// errUnknown tells that a write's outcome is not known to the caller.
func errUnknown() error {
	return bursar.Errorf(bursar.CodeGovernanceUnavailable, "the outcome of this request is not known; send it again with the same idempotency key")
}

// Catalogue is the catalogue as it is now.
func (e *Engine) Catalogue() *Catalogue { return e.cat.Load() }

// readCatalogue applies to c what its log has after c's head.
func (e *Engine) readCatalogue(ctx context.Context, c *Catalogue) error {
	return e.store.ReadLog(ctx, CatalogueStream, c.head.Seq, 0, func(row LogRow) error { return c.fold(&row) })
}

func (e *Engine) openCatalogue(ctx context.Context) error {
	if err := e.rereadCatalogue(ctx); err != nil {
		return err
	}
	if e.cat.Load().secret == ([32]byte{}) {
		var s [32]byte
		if _, err := rand.Read(s[:]); err != nil {
			return err
		}
		_, err := e.changeCatalogue(ctx, Caller{}, func(w *catalogueWrite) (any, error) {
			if w.secret != ([32]byte{}) {
				return nil, nil // another node was first
			}
			return nil, w.add(&catalogueRec{"secret", s[:]})
		})
		if err != nil {
			return err
		}
	}
	e.secret = e.cat.Load().secret
	return nil
}

// maxTries bounds how often a write is decided again since others wrote first.
const maxTries = 50

// changeCatalogue runs one write of the catalogue.
func (e *Engine) changeCatalogue(ctx context.Context, c Caller, change func(*catalogueWrite) (any, error)) (any, error) {
	e.catMu.Lock()
	defer e.catMu.Unlock()
	if e.closing.Load() {
		return nil, e.unavailable(nil)
	}
	if err := e.clockSteady(); err != nil {
		return nil, err
	}
	for range maxTries {
		if e.nodes != nil {
			if err := e.readOnCatalogue(ctx); err != nil {
				return nil, e.unavailable(err)
			}
		}
		result, again, err := e.tryCatalogue(ctx, c, change)
		if !again {
			return result, err
		}
	}
	return nil, e.unavailable(errors.New("other nodes kept writing the catalogue"))
}

// tryCatalogue decides and appends; again tells that another node wrote first.
func (e *Engine) tryCatalogue(ctx context.Context, c Caller, change func(*catalogueWrite) (any, error)) (result any, again bool, err error) {
	cur := e.cat.Load()
	w := &catalogueWrite{Catalogue: cur.clone(), now: max(cur.head.Now, e.now()), commit: e.ids.next(), trace: c.RequestID, caller: &c}
	var key identity
	if c.Key != nil {
		key = keyOf(&e.secret, "\x00", c.Key.Key, c.Key.Content[:])
		if r, ok := cur.replies[key.hash]; ok && r.At >= w.now-keyMemory {
			if r.Content != key.content {
				return nil, false, reused("", c.Key.Key)
			}
			return nil, false, &Replay{Status: r.Status, Body: r.Body}
		}
	}
	if result, err = change(w); err != nil || len(w.recs)+len(w.out.messages) == 0 && !key.set {
		return result, false, err
	}
	if key.set {
		status, body := c.Key.Render(result)
		if err := w.put("reply", keptReply{key.hash, key.content, w.now, status, body}); err != nil {
			return nil, false, err
		}
	}
	payload := encodePayload(nil, w.recs)
	commit := Commit{Stream: CatalogueStream, After: cur.head, ID: w.commit, Now: w.now, Payload: payload, Unused: w.unused, Messages: w.out.messages}
	commit.Hash = chain(cur.head, commit.ID, commit.Now, payload)
	outcomes, err := e.store.Append(ctx, []Commit{commit}, nil)
	if err != nil {
		if outcomes = e.settle([]Commit{commit}, err); outcomes[0] != Committed {
			return nil, false, e.unavailable(err)
		}
	}
	switch {
	case outcomes[0] == InUse:
		return nil, false, e.errInUse(ctx, w)
	case outcomes[0] == Stale && e.nodes != nil:
		return nil, true, nil
	case outcomes[0] == Skewed:
		return nil, false, e.unavailable(errors.New("this node's clock is off the database's"))
	case outcomes[0] != Committed:
		return nil, false, e.unavailable(errors.New("the catalogue was written by another process"))
	}
	w.Catalogue.head = commit.Head()
	e.cat.Store(w.Catalogue)
	return result, false, nil
}

// errInUse says which of the things that w wanted to archive are in use.
func (e *Engine) errInUse(ctx context.Context, w *catalogueWrite) error {
	var p bursar.Problems
	for i, u := range w.unused {
		if u.Kind == "feature" {
			return bursar.ErrorAt(w.places[i], bursar.CodeValidationFailed, errOtherFigures, u.ID)
		}
		if u.Kind == "currency" {
			return bursar.Errorf(bursar.CodeCurrencyInUse, "the currency %q is in use by live limits or grants; remove or void them first", u.ID)
		}
		if users, err := e.store.Users(ctx, u, 1); err == nil && len(users) > 0 {
			p.Add(w.places[i], bursar.CodeEntityTypeInUse, "the entity type %q has live entities, of customer %q among others; archive them first", u.ID, users[0])
		}
	}
	if p.Empty() { // the last user went meanwhile
		return bursar.Errorf(bursar.CodeEntityTypeInUse, "there were live entities of these types; try again")
	}
	return p.Err()
}
