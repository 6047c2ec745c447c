// Package engine runs ledgers: who waits, who writes, who is in memory.
//
// A write is decided by a customer's ledger, appended to its log in a group with others
// (commit.go, the only durable step), applied and only then answered. Reads see durable
// state alone and never wait for a write. Customers that nobody asks for leave memory for
// their checkpoint (resident.go, save.go). All goroutines, locks, clocks and calls of
// stores are here.
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
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// Options tune an Engine; the zero value is good.
type Options struct {
	Clock func() bursar.Time // default: the system's, as steady as MaxClockStep says
	// System is what the default clock goes by: what the system's clock reads, and how much
	// time has passed since some moment, however the system's clock was set meanwhile.
	System            func() (bursar.Time, time.Duration)
	LateHorizon       time.Duration // how old a timestamp may be; default 7 days, 1 to 35 days
	MemoryBudget      int64         // bytes of customers in memory before idle ones leave; default 1 GiB
	KeysInMemory      int           // idempotency keys of one customer before they move to the store early; default 1,048,576
	CheckpointEvery   time.Duration // of a customer that changed; default 15 s
	CheckpointRecords int           // records of a customer that make a checkpoint due at once; default 200,000
	ClaimFor          time.Duration // how long what one node does for all stays with it after it was last heard of; default 30 s
	KeepLog           time.Duration // rows of customers' logs older than this are deleted; 0 = never; at least MinKeepLog
	KeepDenials       time.Duration // how long denials are kept; default 90 days, below 0: not beyond memory
	AlertThresholds   []int         // percent; what a new limit warns at when it does not say; default 80, 100
	Processors        int           // half of them may do long reads at a time; default GOMAXPROCS
	Log               *slog.Logger  // default: none
	Fatal             func(error)   // called once when the store cannot be trusted any more
}

// MinKeepLog is the least that a log may be kept for: repeated requests are answered from
// it up to the longest late horizon.
const MinKeepLog = 45 * 24 * time.Hour

// Engine is one node's cache over the logs of a Store. Its methods may be used
// concurrently.
type Engine struct {
	store  store.Store
	o      Options
	secret [32]byte

	catWriting sync.Mutex   // held by who puts another catalogue into cat
	catMu      sync.RWMutex // where this process has the store for itself, held shared from decide to append, so that no archive comes between
	cat        atomic.Pointer[catalogue.Catalogue]

	lane     *lane
	ids      commitIDs
	jobs     *jobs
	share    *turns       // of the cores, for reads that scan: each slice of one is a turn
	scans    *turns       // of logs that are read again, a few at a time
	indexing *turns       // of trees, one at a time
	nodes    *nodes       // nil where this process has the store for itself
	steady   *steadyClock // nil where the clock is given, or the store's

	residents  *residents
	keeper     *keeper
	denials    *denialKeeper
	mostDenied mostDenied

	closing   atomic.Bool
	sweeping  atomic.Bool     // idle customers are being opened
	leaving   atomic.Bool     // what spend tokens were counted on is being archived
	left      map[string]bool // spend tokens for which that is done; only who has set leaving may use it
	fatal     sync.Once
	making    sync.Map // customers of which what is saved is being made anew
	stop      chan struct{}
	loops     sync.WaitGroup
	counters  counters
	lockTimes lockTimes
	unpriced  unpricedUse
	unread    atomic.Uint64 // events whose usage was not wholly understood
	unlinked  unlinkedEvents
}

type counters struct {
	commits, records, checkpoints, loads, evictions atomic.Uint64
}

// Stats are figures for metrics. Counts of what is resident are of this moment.
type Stats struct {
	ResidentCustomers, ResidentBytes, OpenHolds, KeysInMemory int64
	Commits, Records, Checkpoints, Loads, Evictions           uint64
}

// complete puts defaults where nothing is set, and says what cannot be.
func (o *Options) complete() error {
	if o.LateHorizon == 0 {
		o.LateHorizon = 7 * 24 * time.Hour
	}
	if o.LateHorizon < 24*time.Hour || o.LateHorizon > ledger.MaxLateHorizon {
		return fmt.Errorf("the late horizon is %v; it may be 1 to 35 days", o.LateHorizon)
	}
	if o.KeepLog != 0 && o.KeepLog < MinKeepLog {
		return fmt.Errorf("the log is to be kept for %v; it must be at least %v", o.KeepLog, MinKeepLog)
	}
	if o.AlertThresholds == nil {
		o.AlertThresholds = bursar.DefaultThresholds
	}
	setDefault(&o.MemoryBudget, 1<<30)
	setDefault(&o.KeysInMemory, ledger.DefaultKeysInMemory)
	setDefault(&o.ClaimFor, 30*time.Second)
	setDefault(&o.KeepDenials, keepDenials)
	setDefault(&o.CheckpointEvery, 15*time.Second)
	setDefault(&o.CheckpointRecords, 200_000)
	setDefault(&o.Processors, runtime.GOMAXPROCS(0))
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
	return nil
}

// Open starts an engine on s, which it does not close.
func Open(ctx context.Context, s store.Store, o Options) (*Engine, error) {
	systems := o.Clock == nil
	if systems {
		o.Clock = func() bursar.Time { return bursar.TimeOf(time.Now()) }
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	e := &Engine{store: s, o: o, left: map[string]bool{}, lane: newLane(), jobs: newJobs(), scans: newTurns(maxScans), indexing: newTurns(1),
		residents: newResidents(), keeper: newKeeper(o.MemoryBudget), stop: make(chan struct{})}
	e.share = newTurns(e.LongAtOnce())
	if _, err := rand.Read(e.ids.seed[:]); err != nil {
		return nil, err
	}
	denials, err := newDenialKeeper(o.KeepDenials > 0)
	if err != nil {
		return nil, err
	}
	e.denials = denials
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
	workers := workersApart
	e.lane.apart = e.nodes == nil
	if e.nodes != nil {
		workers = workersShared
		e.loops.Go(e.poll)
		e.loops.Go(func() { writers.Keep(e.stop) })
	}
	for range workers {
		e.loops.Go(func() { e.lane.run(e) })
	}
	e.loops.Go(e.housekeeping)
	e.loops.Go(e.runJobs)
	e.loops.Go(e.keepDenials)
	return e, nil
}

// joinNodes finds out whether other processes may use the store too. The system's clock
// then only measures how the store's goes on, without the jumps that are made in it.
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
		if e.nodes != nil && errors.Is(err, store.ErrSuperseded) {
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
		return e.nodes.notFresh()
	}
	return e.clockSteady()
}

// Now is the engine's clock.
func (e *Engine) Now() bursar.Time { return e.now() }

// LongAtOnce is how many long pieces of work of one kind may be under way: half of the processors.
func (e *Engine) LongAtOnce() int { return max(1, e.o.Processors/2) }

// Secret is random for each environment and the same after a restart: key cursors and
// the like with it, each with a prefix of its own.
func (e *Engine) Secret() [32]byte { return e.secret }

// Stats reads the figures.
func (e *Engine) Stats() Stats {
	e.keeper.visitNoted(e)
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
	if err := e.store.Err(); errors.Is(err, store.ErrPoisoned) {
		e.fatal.Do(func() { e.o.Fatal(err) })
	}
	var damage *store.Damage
	if errors.As(cause, &damage) {
		return bursar.Errorf(bursar.CodeGovernanceUnavailable, "%v: %s; nothing was granted, and the log of the server has the cause", store.ErrDamaged, damage.Place)
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
