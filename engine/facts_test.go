package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// slowStore runs meanwhile after it has read a hold and before it hands the row over.
type slowStore struct {
	store.Store
	meanwhile func()
}

func (s *slowStore) Hold(ctx context.Context, stream, id string) (*store.HoldRow, error) {
	row, err := s.Store.Hold(ctx, stream, id)
	if f := s.meanwhile; f != nil {
		s.meanwhile = nil
		f()
	}
	return row, err
}

// What the store said of a hold is believed only while it is true: a late commit is
// counted once, though its repeat was reading the hold when it was recorded and saved.
func TestLateCommitSentTwiceAtOnce(t *testing.T) {
	for _, evict := range []bool{false, true} {
		ctx := context.Background()
		s := &slowStore{Store: mem.New()}
		r := newRig(t, s, engine.Options{CheckpointEvery: time.Hour})
		r.furnish("acme")
		h, _, err := r.Reserve(ctx, tester, "acme", spendOf("tokens", 10, "k"), 60, bursar.ExpireRelease)
		r.must(err)
		r.advance(2 * time.Minute)
		r.must(r.Tick("acme"))
		r.must(r.Save(ctx, "acme"))
		var first bursar.Reservation
		s.meanwhile = func() {
			first, _, err = r.CommitReservation(ctx, tester, "acme", h.ID, bursar.AmountFromInt(10))
			r.must(err)
			if evict {
				if left, err := r.Unload(ctx, "acme"); !left || err != nil {
					t.Fatalf("unloading: %v, %v", left, err)
				}
			} else {
				r.must(r.Save(ctx, "acme"))
			}
		}
		second, _, err := r.CommitReservation(ctx, tester, "acme", h.ID, bursar.AmountFromInt(10))
		r.must(err)
		if used, held := r.usedBy("acme"); used != bursar.AmountFromInt(10) || !held.IsZero() {
			t.Errorf("evicted %v: used %s, held %s after one commit of 10, sent twice", evict, used, held)
		}
		if first.Duplicate || !first.LateCommit || !second.Duplicate || !second.LateCommit {
			t.Errorf("evicted %v: the first %+v, the second %+v", evict, first, second)
		}
		r.must(r.VerifyAll(ctx))
		r.close()
	}
}

// A reservation is shown as it is at the version that comes with it.
func TestReservationReadWhileItIsCommitted(t *testing.T) {
	ctx := context.Background()
	s := &slowStore{Store: mem.New()}
	r := newRig(t, s, engine.Options{CheckpointEvery: time.Hour})
	defer r.close()
	r.furnish("acme")
	h, _, err := r.Reserve(ctx, tester, "acme", spendOf("tokens", 10, "k"), 60, bursar.ExpireRelease)
	r.must(err)
	r.advance(2 * time.Minute)
	r.must(r.Tick("acme"))
	r.must(r.Save(ctx, "acme"))
	var committed uint64
	s.meanwhile = func() {
		_, committed, err = r.CommitReservation(ctx, tester, "acme", h.ID, bursar.AmountFromInt(10))
		r.must(err)
		r.must(r.Save(ctx, "acme"))
	}
	got, version, err := r.Reservation(ctx, ledger.ReadOptions{}, "acme", h.ID)
	r.must(err)
	if version >= committed && got.Status != bursar.HoldCommitted {
		t.Errorf("at version %d it is %s; it was committed at %d", version, got.Status, committed)
	}
}
