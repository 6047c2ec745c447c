package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
)

// The nodes of a shared store and an import never write at one time: whoever writes has
// the claim to claimWriters, which all nodes hold as one, and each import for itself. It
// ends by itself writersFor after the last of its holders was heard of.
//
// Nobody writes who was not heard of for so long that the claim could end before the write
// does: a node's commit is refused by the store when it is more than MaxSkew old.
const (
	claimWriters  = "writers"
	HolderNodes   = "nodes"
	writersFor    = 10 * time.Second
	writersEvery  = 2 * time.Second
	writersMargin = 2 * time.Duration(MaxSkew)
	writersRetry  = 250 * time.Millisecond
)

// ErrImporting says that an import is writing into the store, which no node uses meanwhile.
var ErrImporting = errors.New("an import is writing into the store; nodes start once it has ended, at the latest 10 s after it was killed")

// ErrServed says that nodes use the store, into which nothing is imported meanwhile.
var ErrServed = errors.New("nodes use the store, or another import does; stop them, and import again")

// Writers keeps the claim of one holder.
type Writers struct {
	s      claimer
	holder string
	asked  atomic.Pointer[time.Time] // when the claim was asked for that the holder has; nil = it has none
	taken  atomic.Bool               // somebody else has it
	mu     sync.Mutex                // one renewal at a time
}

// claimer is what a claim is kept with.
type claimer interface {
	Claim(ctx context.Context, names []string, holder string, ttl time.Duration) ([]bool, error)
}

// NewWriters is the claim of holder, which does not have it yet.
func NewWriters(s claimer, holder string) *Writers {
	return &Writers{s: s, holder: holder}
}

// newImporter is the holder of one import.
func newImporter() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return "import/" + hex.EncodeToString(b[:])
}

// renew takes or renews the claim, and tells whether the holder has it.
func (w *Writers) renew(ctx context.Context) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := time.Now()
	got, err := w.s.Claim(ctx, []string{claimWriters}, w.holder, writersFor)
	if err != nil {
		return false, err
	}
	w.taken.Store(!got[0])
	if got[0] {
		w.asked.Store(&asked)
	} else {
		w.asked.Store(nil)
	}
	return got[0], nil
}

// sure tells that nobody else can have the claim, without asking. Of the two clocks the
// one that went further counts: one stands still while the machine sleeps, the other may
// be set.
func (w *Writers) sure() bool {
	asked := w.asked.Load()
	if asked == nil {
		return false
	}
	now := time.Now()
	return max(now.Sub(*asked), now.Round(0).Sub(asked.Round(0))) < writersFor-writersMargin
}

// May is nil while the holder may write. After a pause it asks.
func (w *Writers) May(ctx context.Context) error {
	if w.sure() {
		return nil
	}
	got, err := w.renew(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("the claim to write could not be renewed: %w", err)
	case !got:
		return w.refusal()
	}
	return nil
}

// refusal says who has the claim.
func (w *Writers) refusal() error {
	if w.holder == HolderNodes {
		return ErrImporting
	}
	return ErrServed
}

// Keep renews the claim until stop is closed.
func (w *Writers) Keep(stop <-chan struct{}) {
	tick := time.NewTicker(writersEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), writersEvery)
		_, _ = w.renew(ctx) // what cannot be renewed is asked for when something is to be written
		cancel()
	}
}

// claimedStore is a shared store for somebody who writes with the claim alone.
type claimedStore struct {
	to      Store
	writers *Writers
}

// NewClaimedStore is s for the holder of w: what writes is refused while the holder may not.
func NewClaimedStore(s Store, w *Writers) Store { return &claimedStore{s, w} }

func (s *claimedStore) may(ctx context.Context) error {
	if err := s.writers.May(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrNotCommitted, err)
	}
	return nil
}

// Append implements Store.
func (s *claimedStore) Append(ctx context.Context, commits []Commit, again Again) ([]Outcome, error) {
	if err := s.may(ctx); err != nil {
		return nil, err
	}
	if again == nil {
		return s.to.Append(ctx, commits, nil)
	}
	return s.to.Append(ctx, commits, func(i int, tail []LogRow) *Commit {
		c := again(i, tail)
		if !s.writers.sure() { // it waited for others too long
			return nil
		}
		return c
	})
}

// Begin implements Store.
func (s *claimedStore) Begin(ctx context.Context, stream string, parts iter.Seq2[*BasePart, error]) error {
	if err := s.may(ctx); err != nil {
		return err
	}
	return s.to.Begin(ctx, stream, parts)
}

// Rewrite implements Store.
func (s *claimedStore) Rewrite(ctx context.Context, stream string, to Head, parts iter.Seq2[*BasePart, error]) error {
	if err := s.may(ctx); err != nil {
		return err
	}
	return s.to.Rewrite(ctx, stream, to, parts)
}

// Save implements Store.
func (s *claimedStore) Save(ctx context.Context, cp *Checkpoint) error {
	if err := s.may(ctx); err != nil {
		return err
	}
	return s.to.Save(ctx, cp)
}

// AddMessage implements Store.
func (s *claimedStore) AddMessage(ctx context.Context, m Message) error {
	if err := s.may(ctx); err != nil {
		return err
	}
	return s.to.AddMessage(ctx, m)
}

// SaveDeliveries implements Store.
func (s *claimedStore) SaveDeliveries(ctx context.Context, ds []Delivery) error {
	if err := s.may(ctx); err != nil {
		return err
	}
	return s.to.SaveDeliveries(ctx, ds)
}

// TrimOutbox implements Store.
func (s *claimedStore) TrimOutbox(ctx context.Context, before bursar.Time) error {
	if err := s.may(ctx); err != nil {
		return err
	}
	return s.to.TrimOutbox(ctx, before)
}

// TrimLog implements Store.
func (s *claimedStore) TrimLog(ctx context.Context, before bursar.Time, limit int) (int, error) {
	if err := s.may(ctx); err != nil {
		return 0, err
	}
	return s.to.TrimLog(ctx, before, limit)
}

// SaveJob implements Store.
func (s *claimedStore) SaveJob(ctx context.Context, j JobRow) (bool, error) {
	if err := s.may(ctx); err != nil {
		return false, err
	}
	return s.to.SaveJob(ctx, j)
}

// TrimJobs implements Store.
func (s *claimedStore) TrimJobs(ctx context.Context, before bursar.Time) error {
	if err := s.may(ctx); err != nil {
		return err
	}
	return s.to.TrimJobs(ctx, before)
}

// SaveDenials implements Store.
func (s *claimedStore) SaveDenials(ctx context.Context, rows []DenialRow, counts []DenialCount) error {
	if err := s.may(ctx); err != nil {
		return err
	}
	return s.to.SaveDenials(ctx, rows, counts)
}

// TrimDenials implements Store.
func (s *claimedStore) TrimDenials(ctx context.Context, before bursar.Time, limit int) (int, error) {
	if err := s.may(ctx); err != nil {
		return 0, err
	}
	return s.to.TrimDenials(ctx, before, limit)
}

// Err implements Store.
func (s *claimedStore) Err() error {
	if err := s.to.Err(); err != nil {
		return err
	}
	if s.writers.taken.Load() {
		return s.writers.refusal()
	}
	return nil
}

// What reads is passed on. Each method is written out, so that a new one that writes cannot
// slip past the claim.

func (s *claimedStore) Outcomes(ctx context.Context, commits []Commit) ([]Outcome, error) {
	return s.to.Outcomes(ctx, commits)
}

func (s *claimedStore) Denials(ctx context.Context, q DenialQuery) ([]DenialRow, error) {
	return s.to.Denials(ctx, q)
}

func (s *claimedStore) DenialCounts(ctx context.Context, customer string, from, to bursar.Time, except [][]byte, visit func(DenialCount) error) error {
	return s.to.DenialCounts(ctx, customer, from, to, except, visit)
}

func (s *claimedStore) MostDenied(ctx context.Context, from bursar.Time, except [][]byte, limit int) ([]DenialCount, error) {
	return s.to.MostDenied(ctx, from, except, limit)
}

func (s *claimedStore) Heads(ctx context.Context, streams []string, after []uint64) (heads []Head, tails [][]LogRow, now bursar.Time, err error) {
	return s.to.Heads(ctx, streams, after)
}

func (s *claimedStore) ReadLog(ctx context.Context, stream string, after uint64, limit int, visit func(LogRow) error) error {
	return s.to.ReadLog(ctx, stream, after, limit, visit)
}

func (s *claimedStore) Streams(ctx context.Context, after string, limit int) ([]string, error) {
	return s.to.Streams(ctx, after, limit)
}

func (s *claimedStore) Load(ctx context.Context, stream string, visit func(*Checkpoint) error) error {
	return s.to.Load(ctx, stream, visit)
}

func (s *claimedStore) Base(ctx context.Context, stream string, visit func(*Checkpoint) error) error {
	return s.to.Base(ctx, stream, visit)
}

func (s *claimedStore) Saved(ctx context.Context, streams []string) ([]uint64, error) {
	return s.to.Saved(ctx, streams)
}

func (s *claimedStore) Due(ctx context.Context, before bursar.Time, limit int) ([]string, error) {
	return s.to.Due(ctx, before, limit)
}

func (s *claimedStore) FindKeys(ctx context.Context, stream string, gen int64, hashes [][16]byte) ([][]byte, error) {
	return s.to.FindKeys(ctx, stream, gen, hashes)
}

func (s *claimedStore) Hold(ctx context.Context, stream, id string) (*HoldRow, error) {
	return s.to.Hold(ctx, stream, id)
}

func (s *claimedStore) Holds(ctx context.Context, stream string, q HoldQuery) ([]HoldRow, error) {
	return s.to.Holds(ctx, stream, q)
}

func (s *claimedStore) Series(ctx context.Context, stream string, q SeriesQuery) (rows []SeriesRow, seq uint64, err error) {
	return s.to.Series(ctx, stream, q)
}

func (s *claimedStore) Customers(ctx context.Context, q CustomerQuery) ([]bursar.Customer, error) {
	return s.to.Customers(ctx, q)
}

func (s *claimedStore) Activity(ctx context.Context, stream string, q ActivityQuery) ([]Activity, error) {
	return s.to.Activity(ctx, stream, q)
}

func (s *claimedStore) DueDeliveries(ctx context.Context, before bursar.Time, limit func(endpoint string) int) ([]DueDelivery, error) {
	return s.to.DueDeliveries(ctx, before, limit)
}

func (s *claimedStore) Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error) {
	return s.to.Deliveries(ctx, q)
}

func (s *claimedStore) Delivery(ctx context.Context, id string) (*DueDelivery, error) {
	return s.to.Delivery(ctx, id)
}

func (s *claimedStore) PendingDeliveries(ctx context.Context) (int, error) {
	return s.to.PendingDeliveries(ctx)
}

func (s *claimedStore) Jobs(ctx context.Context, q JobQuery) ([]JobRow, error) {
	return s.to.Jobs(ctx, q)
}

func (s *claimedStore) Claim(ctx context.Context, names []string, holder string, ttl time.Duration) ([]bool, error) {
	return s.to.Claim(ctx, names, holder, ttl)
}

func (s *claimedStore) Users(ctx context.Context, u Use, limit int) ([]string, error) {
	return s.to.Users(ctx, u, limit)
}

func (s *claimedStore) Close() error {
	return s.to.Close()
}

// TakeStore waits until nodes that were stopped are forgotten, and keeps the claim for an
// import until release is called. The store it gives is to be written with. One that this
// process has for itself needs no claim.
func TakeStore(ctx context.Context, s Store) (claimed Store, release func(), err error) {
	_, _, now, err := s.Heads(ctx, nil, nil)
	if err != nil || now == 0 {
		return s, func() {}, err
	}
	w := NewWriters(s, newImporter())
	for began := time.Now(); ; {
		got, err := w.renew(ctx)
		if err != nil {
			return nil, nil, err
		}
		if got {
			break
		}
		if time.Since(began) > writersFor+writersRetry {
			return nil, nil, ErrServed
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(writersRetry):
		}
	}
	stop := make(chan struct{})
	var keeping sync.WaitGroup
	keeping.Go(func() { w.Keep(stop) })
	return NewClaimedStore(s, w), func() {
		close(stop)
		keeping.Wait()
		// Where it cannot be given up it ends by itself.
		_, _ = s.Claim(context.WithoutCancel(ctx), []string{claimWriters}, w.holder, 0)
	}, nil
}
