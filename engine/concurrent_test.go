package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// One key, sent by many at once: one is recorded, all get its id.
func TestSameKeyAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, quiet)
		defer r.close()
		r.furnish("acme")
		for round := range 20 {
			var first atomic.Int32
			var ids sync.Map
			var sent sync.WaitGroup
			for range 32 {
				sent.Go(func() {
					res, err := r.consume("acme", 2, fmt.Sprint("key ", round))
					if err != nil {
						t.Error(err)
						return
					}
					if !res.Duplicate {
						first.Add(1)
					}
					ids.Store(res.ID, true)
				})
			}
			sent.Wait()
			n := 0
			ids.Range(func(any, any) bool { n++; return true })
			if first.Load() != 1 || n != 1 {
				t.Fatalf("round %d: recorded %d times under %d ids", round, first.Load(), n)
			}
		}
		if used, _ := r.usedBy("acme"); used != bursar.AmountFromInt(40) {
			t.Errorf("%s used", used)
		}
	})
}

// Committing, releasing and expiring one hold at once: it ends once.
func TestHoldEndsOnce(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnish("acme")
	want := bursar.Amount{}
	for round := range 60 {
		h, _, err := r.Reserve(ctx, tester, "acme", spendOf("tokens", 10, ""), 60, bursar.ExpireSettle)
		r.must(err)
		var committed, released atomic.Bool
		var ended sync.WaitGroup
		ended.Go(func() {
			_, _, err := r.CommitReservation(ctx, tester, "acme", h.ID, bursar.AmountFromInt(4))
			committed.Store(err == nil)
		})
		ended.Go(func() {
			got, _, err := r.ReleaseReservation(ctx, tester, "acme", h.ID)
			released.Store(err == nil && got.Status == bursar.HoldReleased) // of one that has expired it does nothing
		})
		if round%2 == 0 {
			ended.Go(func() { r.now.Add(61e9) })
		}
		ended.Wait()
		r.now.Add(61e9)
		now, _, err := r.Reservation(ctx, ledger.ReadOptions{}, "acme", h.ID)
		r.must(err)
		switch {
		case committed.Load() && !released.Load() && now.Status == bursar.HoldCommitted:
			want = want.Add(bursar.AmountFromInt(4))
		case released.Load() && !committed.Load() && now.Status == bursar.HoldReleased:
		case !committed.Load() && !released.Load() && now.Status == bursar.HoldExpired:
			want = want.Add(bursar.AmountFromInt(10))
		default:
			t.Fatalf("round %d: committed %v, released %v, status %s", round, committed.Load(), released.Load(), now.Status)
		}
		if used, held := r.usedBy("acme"); used != want || !held.IsZero() {
			t.Fatalf("round %d: %s used and %s held, want %s", round, used, held, want)
		}
	}
	r.must(r.VerifyAll(ctx))
}

// After Close nothing is written, and the caller may try elsewhere.
func TestClosedEngineRefuses(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, mem.New(), quiet)
	r.furnish("acme")
	h, _, err := r.Reserve(ctx, tester, "acme", spendOf("tokens", 5, "h"), 60, "")
	r.must(err)
	r.close()
	if r.Ready() == nil {
		t.Error("ready")
	}
	for what, err := range everyWrite(r, h.ID, 1) {
		if codeOf(err) != bursar.CodeGovernanceUnavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	again := newRig(t, r.store, quiet)
	defer again.close()
	if used, held := again.usedBy("acme"); !used.IsZero() || held != bursar.AmountFromInt(5) {
		t.Errorf("%s used, %s held", used, held)
	}
}

// Who wants little does not wait while what somebody wrote much of is being appended.
func TestFewDoNotWaitForMuch(t *testing.T) {
	ctx := t.Context()
	s := &gated{Store: mem.New(), waiting: make(chan struct{}, 1)}
	r := newRig(t, s, quiet)
	defer r.close()
	r.furnish("loud", "quiet")
	shut := make(chan struct{})
	s.shut = shut
	many := make([]bursar.UsageInput, 100)
	for i := range many {
		many[i] = bursar.UsageInput{CustomerID: "loud", FeatureID: "tokens", Value: bursar.AmountFromInt(1), Dimensions: onUser}
	}
	recorded := make(chan error, 1)
	go func() {
		_, _, err := r.ReportUsage(ctx, tester, many)
		recorded <- err
	}()
	<-s.waiting
	s.shut = nil // only the loud one's append waits
	r.must(func() error {
		granted := make(chan error, 1)
		go func() {
			_, err := r.consume("quiet", 1, "")
			granted <- err
		}()
		select {
		case err := <-granted:
			return err
		case <-time.After(patience):
			return errors.New("the quiet customer waits for the loud one")
		}
	}())
	if used, _ := r.usedBy("loud"); !used.IsZero() {
		t.Errorf("%s used before it is durable", used)
	}
	close(shut)
	r.must(<-recorded)
	if used, _ := r.usedBy("loud"); used != bursar.AmountFromInt(100) {
		t.Errorf("%s used", used)
	}
}

// Many holds that are due at once, more than one commit takes, all end, at their own time.
func TestManyHoldsExpireAtOnce(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnish("acme")
	const holds = 6000
	var made sync.WaitGroup
	for range 32 {
		made.Go(func() {
			for range holds / 32 {
				if _, _, err := r.Reserve(ctx, tester, "acme", spendOf("tokens", 1, ""), 60, bursar.ExpireSettle); err != nil {
					t.Error(err)
				}
			}
		})
	}
	made.Wait()
	n := int64(holds / 32 * 32)
	if _, held := r.usedBy("acme"); held != bursar.AmountFromInt(n) {
		t.Errorf("%s held", held)
	}
	r.now.Add(60e9)
	if used, held := r.usedBy("acme"); used != bursar.AmountFromInt(n) || !held.IsZero() {
		t.Errorf("%s used and %s held at the instant of expiry", used, held)
	}
	res, err := r.consume("acme", 1, "after")
	if err != nil || res.Decision.Chains[0][0].CurrentUsage != bursar.AmountFromInt(n+1) || !res.Decision.Chains[0][0].Reserved.IsZero() {
		t.Errorf("a consume decides on holds that have expired: %+v, %v", res, err)
	}
	r.must(r.VerifyAll(ctx))
}
