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
	s      Store
	holder string
	asked  atomic.Pointer[time.Time] // when the claim was asked for that the holder has; nil = it has none
	taken  atomic.Bool               // somebody else has it
	mu     sync.Mutex                // one renewal at a time
}

func NewWriters(s Store, holder string) *Writers {
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

// claimedStore is a shared store for somebody who writes with the claim alone. It embeds
// what reads, so a method that writes cannot be left out.
type claimedStore struct {
	StoreReads
	to      StoreWrites
	writers *Writers
}

func NewClaimedStore(s Store, w *Writers) *claimedStore { return &claimedStore{s, s, w} }

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

// Err implements Store.
func (s *claimedStore) Err() error {
	if err := s.StoreReads.Err(); err != nil {
		return err
	}
	if s.writers.taken.Load() {
		return s.writers.refusal()
	}
	return nil
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
