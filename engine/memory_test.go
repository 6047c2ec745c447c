package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

func eachStore(t *testing.T, test func(*testing.T, store.Store)) {
	t.Run("mem", func(t *testing.T) { t.Parallel(); test(t, mem.New()) })
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, sqliteIn(t)) })
}

// 200 customers in memory for about 40: they leave and come back whole.
func TestCustomersLeaveMemoryAndComeBack(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		const budget = 40 * 8192
		r := newRig(t, s, engine.Options{MemoryBudget: budget})
		defer r.close()
		customers := names(200)
		r.furnish(customers...)
		holds := map[string]bursar.Reservation{}
		for round := range 3 {
			for i, c := range customers {
				_, err := r.consume(c, int64(i+1), fmt.Sprint("round ", round))
				r.must(err)
				if round == 0 {
					h, _, err := r.Reserve(context.Background(), tester, c, spendOf("tokens", 7, "hold"), 3600, bursar.ExpireSettle)
					r.must(err)
					holds[c] = h
				}
			}
			eventually(t, "residents fit the budget", func() bool { return r.Stats().ResidentBytes <= budget })
			if st := r.Stats(); st.ResidentCustomers == 0 || st.ResidentCustomers > 60 || st.Evictions == 0 {
				t.Errorf("round %d: %+v", round, st)
			}
			r.advance(time.Minute)
		}
		if st := r.Stats(); st.Loads < 2*140 || st.Checkpoints < 2*140 {
			t.Errorf("hardly anybody left and came back: %+v", st)
		}
		for i, c := range customers {
			cameBack(r, c, int64(i+1), holds[c])
		}
		r.must(r.VerifyAll(context.Background()))
	})
}

// cameBack checks counters, keys and the hold of a customer that consumed each three times.
func cameBack(r *rig, c string, each int64, h bursar.Reservation) {
	r.t.Helper()
	if used, held := r.usedBy(c); used != bursar.AmountFromInt(3*each) || held != h.Amount {
		r.t.Errorf("%s came back with %s used and %s held", c, used, held)
	}
	if res, err := r.consume(c, each, "round 1"); err != nil || !res.Duplicate || res.Timestamp != scriptStart+bursar.Time(time.Minute) {
		r.t.Errorf("%s: a key of round 1: %+v, %v", c, res, err)
	}
	if _, err := r.consume(c, each+1, "round 0"); codeOf(err) != bursar.CodeIdempotencyKeyReused {
		r.t.Errorf("%s: a key with other content: %v", c, err)
	}
	again, _, err := r.Reserve(context.Background(), tester, c, spendOf("tokens", 7, "hold"), 60, bursar.ExpireSettle)
	if err != nil || again.ID != h.ID || !again.Duplicate || again.ExpiresAt != h.ExpiresAt {
		r.t.Errorf("%s: the hold's key: %+v, %v", c, again, err)
	}
	if done, _, err := r.CommitReservation(context.Background(), tester, c, h.ID, bursar.AmountFromInt(2)); err != nil || done.Status != bursar.HoldCommitted {
		r.t.Errorf("%s: commit: %+v, %v", c, done, err)
	}
	if used, held := r.usedBy(c); used != bursar.AmountFromInt(3*each+2) || !held.IsZero() {
		r.t.Errorf("%s: after the commit %s used and %s held", c, used, held)
	}
}

// A hold of a customer that is not in memory ends in the log too, without anybody asking.
func TestHoldsOfIdleCustomersEnd(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, engine.Options{MemoryBudget: 1})
		defer r.close()
		customers := names(3)
		r.furnish(customers...)
		ids := map[string]string{}
		for _, c := range customers {
			h, _, err := r.Reserve(context.Background(), tester, c, spendOf("tokens", 5, "hold"), 60, bursar.ExpireSettle)
			r.must(err)
			ids[c] = h.ID
		}
		eventually(t, "nobody is in memory", func() bool { return r.Stats().ResidentCustomers == 0 })
		r.advance(time.Minute)
		eventually(t, "the store has the ends of the holds", func() bool {
			for c, id := range ids {
				h, err := s.Hold(context.Background(), c, id)
				r.must(err)
				if h == nil || h.Status != bursar.HoldExpired || h.ClosedAt != scriptStart+bursar.Time(time.Minute) {
					return false
				}
			}
			return true
		})
		for _, c := range customers {
			if used, held := r.usedBy(c); used != bursar.AmountFromInt(5) || !held.IsZero() {
				t.Errorf("%s: %s used, %s held", c, used, held)
			}
		}
	})
}

// Checkpoints run beside writes and reads of the same customer. (With -race: they share
// nothing that is not guarded.)
func TestCheckpointsRunBesideWrites(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, engine.Options{CheckpointRecords: 1, CheckpointEvery: 50 * time.Millisecond, KeysInMemory: 50})
		defer r.close()
		r.furnish("acme")
		var done sync.WaitGroup
		stop := make(chan struct{})
		for w := range 8 {
			done.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					h, _, err := r.Reserve(context.Background(), tester, "acme", spendOf("tokens", 2, fmt.Sprintf("%d-%d", w, i)), 60, "")
					if err == nil {
						_, _, err = r.CommitReservation(context.Background(), tester, "acme", h.ID, bursar.AmountFromInt(1))
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		before := r.Stats().Checkpoints
		eventually(t, "six checkpoints", func() bool { return r.Stats().Checkpoints >= before+6 })
		close(stop)
		done.Wait()
		if _, held := r.usedBy("acme"); !held.IsZero() {
			t.Errorf("%s held, nothing is open", held)
		}
		r.must(r.VerifyAll(context.Background()))
	})
}
