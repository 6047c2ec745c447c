package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// heldStore is a store whose appends wait while it is shut.
type heldStore struct {
	store.Store
	gate sync.RWMutex
}

func (g *heldStore) Append(ctx context.Context, commits []store.Commit, again store.Again) ([]store.Outcome, error) {
	g.gate.RLock()
	defer g.gate.RUnlock()
	return g.Store.Append(ctx, commits, again)
}

// reserveMany makes n reservations of 1 with one deadline.
func (r *rig) reserveMany(customer string, n int, ttl int, on bursar.OnExpire) (ids []string) {
	r.t.Helper()
	ids = make([]string, n)
	var all sync.WaitGroup
	for w := range 16 {
		all.Go(func() {
			for i := w; i < n; i += 16 {
				res, _, err := r.Reserve(context.Background(), tester, customer, spendOf("tokens", 1, fmt.Sprint(on, i)), ttl, on)
				if err != nil {
					r.t.Error(err)
					return
				}
				ids[i] = res.ID
			}
		})
	}
	all.Wait()
	return ids
}

// Many holds end at once: whoever reads sees it at once and looks at next to nothing for
// it, requests do not wait until returned ones are recorded, and each ends once, in
// commits of a bounded size.
func TestHoldsThatEndTogether(t *testing.T) {
	const n = 3000
	for _, on := range []bursar.OnExpire{bursar.ExpireRelease, bursar.ExpireSettle} {
		t.Run(string(on), func(t *testing.T) {
			ctx := t.Context()
			s := &heldStore{Store: mem.New()}
			r := newRig(t, s, quiet)
			defer r.close()
			r.furnish("acme")
			ids := r.reserveMany("acme", n, 60, on)
			if used, held := r.usedBy("acme"); !used.IsZero() || held != bursar.AmountFromInt(n) {
				t.Fatalf("used %s, held %s", used, held)
			}
			s.gate.Lock()
			r.advance(time.Minute)
			eventually(t, "the first of them are being recorded", func() bool { return engine.Asking(r.Engine) })
			engine.ForgetVisits(r.Engine)
			before := r.Stats()
			want := bursar.Amount{}
			if on == bursar.ExpireSettle {
				want = bursar.AmountFromInt(n)
			}
			if used, held := r.usedBy("acme"); used != want || !held.IsZero() {
				t.Errorf("used %s, held %s; want %s and 0", used, held, want)
			}
			tree, err := r.Tree(ctx, ledger.ReadOptions{}, "acme", ledger.TreeQuery{Capabilities: []bursar.Capability{capability("tokens")}, RootEntityID: "u", Limit: 1})
			r.must(err)
			if row := tree.Rows[0]; *row.Limit.Remaining != bursar.AmountFromInt(1e6).Sub(want) || *row.Effective.Remaining != *row.Limit.Remaining {
				t.Errorf("of a million with %s used, %s remain, effectively %s", want, row.Limit.Remaining, row.Effective.Remaining)
			}
			_, _, err = r.Explain(ctx, ledger.ReadOptions{}, "acme", ledger.CheckInput{Capability: capability("tokens"), Requested: bursar.AmountFromInt(1e6), Dimensions: onUser})
			r.must(err)
			one, _, err := r.Reservation(ctx, ledger.ReadOptions{}, "acme", ids[n-1])
			r.must(err)
			if one.Status != bursar.HoldExpired || one.ClosedAt != one.ExpiresAt {
				t.Errorf("a reservation whose time has come is %+v", one)
			}
			page, _, err := r.Reservations(ctx, ledger.ReadOptions{}, "acme", ledger.ReservationQuery{Status: bursar.HoldExpired, ListPage: ledger.ListPage{Limit: 20}})
			r.must(err)
			if len(page.Items) != 20 {
				t.Errorf("%d of 20 expired reservations are listed", len(page.Items))
			}
			if read, _, _ := engine.MostVisited(r.Engine); read > 300 {
				t.Errorf("a reader looked at %d things for %d holds that have ended", read, n)
			}
			if now := r.Stats(); now.Commits != before.Commits {
				t.Fatal("something was recorded; this test is about what is not")
			}
			s.gate.Unlock()
			if on == bursar.ExpireRelease {
				late, _, err := r.CommitReservation(ctx, tester, "acme", ids[n-1], bursar.AmountFromInt(2))
				r.must(err)
				if !late.LateCommit || late.Status != bursar.HoldCommitted {
					t.Errorf("committed late: %+v", late)
				}
				want = want.Add(bursar.AmountFromInt(2))
			}
			_, err = r.consume("acme", 5, "consume")
			r.must(err)
			want = want.Add(bursar.AmountFromInt(5))
			eventually(t, "all is recorded", func() bool { return r.Stats().OpenHolds == 0 })
			if used, held := r.usedBy("acme"); used != want || !held.IsZero() {
				t.Errorf("in the end used %s, held %s; want %s and 0", used, held, want)
			}
			r.must(r.VerifyAll(ctx))
			r.boundedCommits("acme", 600)
		})
	}
}

// boundedCommits checks that no commit has more records than that.
func (r *rig) boundedCommits(customer string, most int) {
	r.t.Helper()
	err := r.store.ReadLog(context.Background(), customer, 0, 0, func(row store.LogRow) error {
		if n := engine.RecordsOf(&row); n > most {
			r.t.Errorf("commit %d has %d records", row.Head.Seq, n)
		}
		return nil
	})
	r.must(err)
}

// What is looked up of holds that have ended is what recording them makes of them: on
// each row and total, with prices, the customer's own limit and windows that end meanwhile.
func TestEndedIsAsRecorded(t *testing.T) {
	ctx := t.Context()
	r := shop(t, mem.New(), "acme")
	defer r.close()
	hour, day := bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitHour}), bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitDay})
	limit := bursar.Some(bursar.AmountFromInt(1e9))
	made, _, err := r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{
		{EntityID: "u", Capability: capability("tokens"), Label: "hourly", UsageLimit: limit, Cadence: hour},
		{EntityID: "o", Capability: capability("tokens"), ScopeEntityIDs: []string{"u"}, UsageLimit: limit, Cadence: day},
		{EntityID: "o", Capability: bursar.Capability{Kind: bursar.KindCurrency, ID: "gold"}, UsageLimit: limit, Cadence: hour}})
	r.must(err)
	r.grant(bursar.GrantInput{CustomerID: "acme", CurrencyID: "gold", Amount: bursar.AmountFromInt(1e6), DisplayName: "G", Type: bursar.GrantPaid})
	_, _, err = r.PutPromotions(ctx, tester, "acme", []bursar.PromotionInput{{FeatureID: "tokens", Unlimited: true, Period: "lifetime", ResetPeriod: "HOUR"}})
	r.must(err)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 400 {
		on := bursar.ExpireRelease
		if rnd.IntN(2) == 0 {
			on = bursar.ExpireSettle
		}
		in := spendOf("tokens", int64(1+rnd.IntN(50)), fmt.Sprint(i))
		in.Dimensions = dims("user", "u")
		if rnd.IntN(4) == 0 {
			in.Dimensions = dims("model", "big", "org", "o")
		}
		res, _, err := r.Reserve(ctx, tester, "acme", in, 1+rnd.IntN(4*3600), on)
		r.must(err)
		switch rnd.IntN(6) {
		case 0:
			_, _, err = r.CommitReservation(ctx, tester, "acme", res.ID, bursar.AmountFromInt(1))
		case 1:
			_, _, err = r.ExtendReservation(ctx, tester, "acme", res.ID, 1+rnd.IntN(4*3600))
		}
		r.must(err)
	}
	look := func() {
		for i := range 60 {
			r.must(engine.EndingsAgree(r.Engine, "acme", r.Now()+bursar.Time(i)*bursar.Time(5*time.Minute)+bursar.Time(rnd.IntN(1e9))))
		}
	}
	look()
	_, _, err = r.DeleteAssignment(ctx, tester, "acme", made[0].ID)
	r.must(err)
	look()
	r.close() // and so it is when the customer is read again
	r.open()
	_, _, err = r.Entities(ctx, ledger.ReadOptions{}, "acme", ledger.EntityQuery{})
	if r.must(err); r.Stats().OpenHolds < 100 {
		t.Fatal("hardly anything is held")
	}
	look()
}

// Holds that were committed, extended or not, are no longer counted, and one that is extended
// many times is counted once.
func TestOpenHoldsAreCountedOnce(t *testing.T) {
	const n = 1000
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnish("acme")
	ids := r.reserveMany("acme", n, 3600, bursar.ExpireRelease)
	extend := func(id string, ttl int) {
		_, _, err := r.ExtendReservation(context.Background(), tester, "acme", id, ttl)
		r.must(err)
	}
	var all sync.WaitGroup
	for w := range 16 {
		all.Go(func() {
			for i := 1 + w; i < n; i += 16 {
				if i%2 == 0 {
					if _, _, err := r.ExtendReservation(context.Background(), tester, "acme", ids[i], 7200); err != nil {
						t.Error(err)
					}
				}
				if _, _, err := r.CommitReservation(context.Background(), tester, "acme", ids[i], bursar.AmountFromInt(1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	counted := func() bool { return r.Stats().OpenHolds == 1 }
	eventually(t, "one of 1,000 holds is open", counted)
	for i := range 100 {
		extend(ids[0], 3600+i)
	}
	eventually(t, "one hold that was extended 100 times is open", counted)
	if used, held := r.usedBy("acme"); used != bursar.AmountFromInt(n-1) || held != bursar.AmountFromInt(1) {
		t.Errorf("used %s, held %s", used, held)
	}
	r.must(engine.Save(r.Engine, "acme"))
	r.Forget("acme")
	if used, held := r.usedBy("acme"); used != bursar.AmountFromInt(n-1) || held != bursar.AmountFromInt(1) {
		t.Errorf("read again: used %s, held %s", used, held)
	}
	eventually(t, "one hold is open in what was read again", counted)
}
