package engine_test

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// What is sent again is answered from one look at the log, and by what the write path has just
// learned: the store is not asked again where the customer's log ends.
func TestWhatComesAgainIsLookedUpOnce(t *testing.T) {
	for name, s := range map[string]*mem.Store{"one process": mem.New(), "several nodes": shared()} {
		synctest.Test(t, func(t *testing.T) { // in which nothing is polled meanwhile
			t.Log(name)
			var mu sync.Mutex
			asked := map[string]int{}
			s.Fail = func(op string) error {
				mu.Lock()
				defer mu.Unlock()
				asked[op]++
				return nil
			}
			heads := 0
			if s.Clock != nil {
				heads = 1 // a duplicate is confirmed before it is told
			}
			r := prepaidOn(t, s, "1")
			defer r.close()
			ctx := t.Context()
			_, _, err := r.CreateGrant(ctx, tester, bursar.GrantInput{CustomerID: "acme", CurrencyID: "coins", Amount: amt("1000"), DisplayName: "grant", Type: bursar.GrantPaid})
			r.must(err)
			reserve := func(key string) bursar.Reservation {
				h, _, err := r.Reserve(ctx, tester, "acme", spendOf("tokens", 1, key), 60, "")
				r.must(err)
				return h
			}
			open, closed := reserve("open"), reserve("closed")
			_, _, err = r.CommitReservation(ctx, tester, "acme", closed.ID, bursar.AmountFromInt(1))
			r.must(err)
			consumed, err := r.consume("acme", 2, "consumed")
			r.must(err)
			var items []bursar.UsageInput
			for i := range 20 {
				items = append(items, bursar.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: amt("1"), Dimensions: onUser, IdempotencyKey: fmt.Sprint("item ", i)})
			}
			reported, _, err := r.ReportUsage(ctx, tester, items)
			r.must(err)
			r.must(r.Save(ctx, "acme"))
			engine.Housekeep(r.Engine)
			if s.Clock != nil { // its own node saves it
				eventually(t, "the closed reservation leaves memory", func() bool {
					r.must(r.Save(ctx, "acme"))
					return savedSeq(t, s) > 0
				})
			}

			once := func(what string, want map[string]int, again func()) {
				t.Helper()
				synctest.Wait() // housekeeping is done with what it began
				mu.Lock()
				clear(asked)
				mu.Unlock()
				again()
				mu.Lock()
				defer mu.Unlock()
				if maps.DeleteFunc(want, func(_ string, n int) bool { return n == 0 }); !maps.Equal(asked, want) {
					t.Errorf("%s: the store was asked %v; it is to be %v", what, asked, want)
				}
			}
			once("a consumption", map[string]int{"readlog": 1, "heads": heads}, func() {
				if again, err := r.consume("acme", 2, "consumed"); err != nil || !again.Duplicate || again.ID != consumed.ID || again.Costs[0] != consumed.Costs[0] || again.Decision.Feature == nil {
					t.Errorf("%+v, %v", again, err)
				}
			})
			once("an open reservation", map[string]int{"readlog": 1, "heads": heads}, func() {
				if again := reserve("open"); !again.Duplicate || again.ID != open.ID || again.Status != bursar.HoldOpen || len(again.Costs) != 1 {
					t.Errorf("%+v", again)
				}
			})
			once("a closed reservation", map[string]int{"readlog": 1, "hold": 1, "heads": heads}, func() {
				if again := reserve("closed"); !again.Duplicate || again.ID != closed.ID || again.Status != bursar.HoldCommitted {
					t.Errorf("%+v", again)
				}
			})
			once("a report", map[string]int{"readlog": 1, "heads": heads}, func() {
				again, _, err := r.ReportUsage(ctx, tester, items)
				r.must(err)
				for i := range again {
					if !again[i].Duplicate || again[i].ID != reported[i].ID || len(again[i].Costs) != 1 || again[i].Costs[0] != reported[i].Costs[0] || again[i].Credit == nil {
						t.Fatalf("item %d: %+v", i, again[i])
					}
				}
			})
		})
	}
}

// A decision shows the catalogue that it was made by, whatever the catalogue says since.
func TestDecisionsShowWhatDecidedThem(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{CheckpointEvery: time.Hour})
	defer r.close()
	r.furnish("acme")
	check := func() bursar.Decision {
		d, _, err := r.Check(t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("tokens"), Dimensions: onUser}})
		r.must(err)
		return d[0]
	}
	before := check()
	_, err := r.UpdateFeature(t.Context(), tester, "tokens", catalogue.FeaturePatch{DisplayName: bursar.Some("Renamed")})
	r.must(err)
	if after := check(); before.Feature.DisplayName != "Tokens" || after.Feature.DisplayName != "Renamed" {
		t.Errorf("decided by %q and then by %q", before.Feature.DisplayName, after.Feature.DisplayName)
	}
}
