package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// furnishCalls makes features that the event "llm" feeds, priced in coins, of which acme has
// bought 1,000, with limits on the output and on the number of calls.
func (r *rig) furnishCalls(calls int64) {
	r.t.Helper()
	ctx := context.Background()
	r.furnish("acme")
	for id, a := range map[string]bursar.Aggregation{"in": {Function: "SUM", Field: "tokens.input"}, "out": {Function: "SUM", Field: "tokens.output"}, "asks": {Function: "COUNT"}} {
		_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: id, DisplayName: id, Meter: &bursar.Meter{EventName: "llm", Aggregation: a}})
		r.must(err)
	}
	_, err := r.CreateCurrency(ctx, tester, bursar.Currency{ID: "coins", DisplayName: "Coins", Prepaid: true})
	r.must(err)
	_, err = r.CreateRateCard(ctx, tester, catalogue.RateCardInput{ID: "card", CurrencyID: "coins", DisplayName: "Card", RateVersionInput: catalogue.RateVersionInput{
		Rates: []bursar.Rate{{FeatureID: "in", Amount: amt("1"), Per: 1000}, {FeatureID: "out", Amount: amt("10"), Per: 1000}}}})
	r.must(err)
	_, _, err = r.CreateGrant(ctx, tester, bursar.GrantInput{CustomerID: "acme", CurrencyID: "coins", Amount: amt("1000"), DisplayName: "grant", Type: bursar.GrantPaid})
	r.must(err)
	year := bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})
	_, _, err = r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{
		{EntityID: "o", Capability: capability("coins"), UsageLimit: bursar.Some(amt("500")), Cadence: year},
		{EntityID: "u", Capability: capability("out"), UsageLimit: bursar.Some(amt("1000000")), Cadence: year},
		{EntityID: "u", Capability: capability("asks"), UsageLimit: bursar.Some(bursar.AmountFromInt(calls)), Cadence: year}})
	r.must(err)
}

func eventOf(in, out int, key string) bursar.SpendInput {
	return bursar.SpendInput{EventName: "llm", Dimensions: append([]bursar.Dimension{onUser[0]}, measured(in, out)...), IdempotencyKey: key}
}

func measured(in, out int) []bursar.Dimension {
	return []bursar.Dimension{{Key: "tokens.input", Value: fmt.Sprint(in), Kind: bursar.DimNumber}, {Key: "tokens.output", Value: fmt.Sprint(out), Kind: bursar.DimNumber}}
}

// standing is what is used and held of each capability, as the customer's totals say it.
func (r *rig) standing() (s string) {
	r.t.Helper()
	for _, c := range []string{"in", "out", "asks", "coins"} {
		d, _, err := r.Check(context.Background(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability(c), Dimensions: onUser}})
		r.must(err)
		s += fmt.Sprintf("%s %s+%s ", c, d[0].Gate.CurrentUsage, d[0].Gate.Reserved)
		for _, n := range d[0].Chains[:min(1, len(d[0].Chains))] {
			for _, x := range n {
				if x.Capability.ID == c {
					s += fmt.Sprintf("(%s+%s) ", x.CurrentUsage, x.Reserved)
				}
			}
		}
	}
	return s
}

// Many at once want the last calls: as many get one as the limit allows, and hold that
// whole; of the others nothing is held of any feature or currency.
func TestRaceForTheLastCall(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, quiet)
		defer r.close()
		r.furnishCalls(7)
		var granted atomic.Int64
		var held sync.Map
		var all sync.WaitGroup
		for i := range 64 {
			all.Go(func() {
				h, _, err := r.Reserve(context.Background(), tester, "acme", eventOf(1000, 100, fmt.Sprint("k", i)), 60, bursar.ExpireRelease)
				var refused *bursar.Error
				switch {
				case err == nil:
					granted.Add(1)
					held.Store(h.ID, true)
				case !errors.As(err, &refused) || refused.Denial == nil || refused.Denial.Binding.Node.Capability != capability("asks"):
					t.Errorf("refused by something else: %v", err)
				}
			})
		}
		all.Wait()
		if got, want := r.standing(), "in 0+7000 out 0+700 (0+700) asks 0+7 (0+7) coins 0+14 (0+14) "; granted.Load() != 7 || got != want {
			t.Fatalf("%d granted, %s\nwant 7, %s", granted.Load(), got, want)
		}
		held.Range(func(id, _ any) bool {
			all.Go(func() {
				_, _, err := r.CommitEvent(context.Background(), tester, "acme", id.(string), bursar.EventInput{Dimensions: measured(500, 200)})
				if err != nil {
					t.Error(err)
				}
			})
			return true
		})
		all.Wait()
		if got, want := r.standing(), "in 3500+0 out 1400+0 (1400+0) asks 7+0 (7+0) coins 17.5+0 (17.5+0) "; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		r.must(r.VerifyAll(context.Background()))
	})
}

// Holds of events, open and ended in every way, are the same after they left memory and
// came back, and after the store was opened again; what is stored is what the log says.
func TestEventHoldsAreKept(t *testing.T) {
	ctx := context.Background()
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, quiet)
		defer func() { r.close() }()
		r.furnishCalls(100)
		ids := map[string]string{}
		reserve := func(name string, how bursar.OnExpire) {
			h, _, err := r.Reserve(ctx, tester, "acme", eventOf(1000, 100, name), 60, how)
			r.must(err)
			ids[name] = h.ID
		}
		reserve("settled", bursar.ExpireSettle)
		reserve("corrected", bursar.ExpireSettle)
		reserve("expired", bursar.ExpireRelease)
		reserve("late", bursar.ExpireRelease)
		r.now.Add(61e9)
		for _, name := range []string{"open", "committed", "released"} {
			reserve(name, bursar.ExpireSettle)
		}
		commit := func(name string) (bursar.Reservation, error) {
			got, _, err := r.CommitEvent(ctx, tester, "acme", ids[name], bursar.EventInput{Dimensions: measured(10, 10)})
			return got, err
		}
		_, err := commit("committed")
		r.must(err)
		_, _, err = r.ReleaseReservation(ctx, tester, "acme", ids["released"])
		r.must(err)
		shown := func() (s string) {
			for _, name := range []string{"settled", "corrected", "expired", "late", "open", "committed", "released"} {
				h, _, err := r.Reservation(ctx, ledger.ReadOptions{}, "acme", ids[name])
				r.must(err)
				s += fmt.Sprintln(name, h.Status, h.Event.Used, h.Costs, h.Event.Estimated, h.LateCommit, h.Event.Properties)
			}
			return s + r.standing()
		}
		before := shown()
		r.must(r.Save(ctx, "acme"))
		engine.Housekeep(r.Engine)
		if left, err := r.Unload(ctx, "acme"); !left || err != nil {
			t.Fatalf("unloading: %v, %v", left, err)
		}
		if after := shown(); after != before {
			t.Errorf("after it left memory:\n%s\nbefore:\n%s", after, before)
		}
		for _, name := range []string{"corrected", "late", "committed"} { // the store has them alone
			got, err := commit(name)
			r.must(err)
			if got.Duplicate != (name == "committed") || got.Event.Estimated || got.LateCommit == (name == "committed") {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if got, want := r.standing(), "in 1030+1000 out 130+100 (130+100) asks 4+1 (4+1) coins 2.33+2 (2.33+2) "; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		before = shown()
		r.must(r.VerifyAll(ctx))
		r.close()
		r.open()
		if after := shown(); after != before {
			t.Errorf("after it was opened again:\n%s\nbefore:\n%s", after, before)
		}
		r.must(r.VerifyAll(ctx))
		c, err := engine.CheckStore(ctx, s, engine.CheckOptions{Found: func(stream, difference string) { t.Errorf("%s: %s", stream, difference) }})
		if err != nil || c.Commits == 0 {
			t.Errorf("checking: %+v, %v", c, err)
		}
	})
}

// An event with the key of a reservation that the store has alone is the reservation's.
func TestEventOfAReservationThatLeftMemory(t *testing.T) {
	ctx := context.Background()
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, quiet)
		defer r.close()
		r.furnishCalls(100)
		h, _, err := r.Reserve(ctx, tester, "acme", eventOf(1000, 100, "call"), 60, bursar.ExpireRelease)
		r.must(err)
		_, _, err = r.CommitEvent(ctx, tester, "acme", h.ID, bursar.EventInput{Dimensions: measured(10, 10)})
		r.must(err)
		r.must(r.Save(ctx, "acme"))
		engine.Housekeep(r.Engine)
		if left, err := r.Unload(ctx, "acme"); !left || err != nil {
			t.Fatalf("unloading: %v, %v", left, err)
		}
		report := func(in, out int, key string) (bursar.EventResult, error) {
			got, _, err := r.ReportEvents(ctx, tester, []bursar.EventInput{{CustomerID: "acme", EventName: "llm", IdempotencyKey: key, Dimensions: eventOf(in, out, "").Dimensions}})
			if err != nil {
				return bursar.EventResult{}, err
			}
			return got[0], nil
		}
		got, err := report(10, 10, "call")
		if err != nil || !got.Duplicate || got.ReservationID != h.ID {
			t.Errorf("the same usage again: %+v, %v", got, err)
		}
		var refused *bursar.Error
		if _, err = report(11, 10, "call"); !errors.As(err, &refused) || refused.Code != bursar.CodeReservationClosed {
			t.Errorf("other usage: %v", err)
		}
		if got, err = report(1, 1, "another"); err != nil || got.Duplicate || len(got.Used) != 4 {
			t.Errorf("another call: %+v, %v", got, err)
		}
		if got, want := r.standing(), "in 11+0 out 11+0 (11+0) asks 2+0 (2+0) coins 0.121+0 (0.121+0) "; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
}
