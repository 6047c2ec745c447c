package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// A SET of a FLUCTUATING feature leaves the leaf's own usage at its value, whatever was
// used before and by whatever call: also within one request, and after a reload.
func TestSetLeavesTheLeafAtItsValue(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishSeats()
	seats := func(value int64, how bursar.UpdateBehavior) bursar.UsageInput {
		return bursar.UsageInput{CustomerID: "acme", FeatureID: "seats", Value: bursar.AmountFromInt(value), Behavior: how, Dimensions: onUser}
	}
	report := func(items ...bursar.UsageInput) {
		t.Helper()
		_, _, err := r.ReportUsage(ctx, tester, items)
		r.must(err)
	}
	used := func(want int64, after string) {
		t.Helper()
		d, _, err := r.Check(ctx, ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("seats"), Dimensions: onUser}})
		r.must(err)
		if got := d[0].Chains[0][0].CurrentUsage; got != bursar.AmountFromInt(want) {
			t.Errorf("after %s the leaf uses %s, want %d", after, got, want)
		}
	}
	set := func(want int64, after string) {
		t.Helper()
		report(seats(want, bursar.Set))
		used(want, after)
	}
	report(seats(4, bursar.Delta))
	set(10, "a DELTA of 4")
	report(seats(5, bursar.Delta))
	set(10, "a DELTA of 5")
	report(seats(-3, bursar.Delta), seats(8, bursar.Set), seats(2, bursar.Delta), seats(9, bursar.Set))
	used(9, "-3, SET 8, 2, SET 9 in one request")
	_, _, err := r.Consume(ctx, tester, "acme", bursar.SpendInput{Capability: capability("seats"), Amount: bursar.AmountFromInt(6), Dimensions: onUser, IdempotencyKey: "c"})
	r.must(err)
	set(10, "a consumption of 6")
	for i, on := range []bursar.OnExpire{bursar.ExpireSettle, bursar.ExpireRelease} {
		h, _, err := r.Reserve(ctx, tester, "acme", bursar.SpendInput{Capability: capability("seats"), Amount: bursar.AmountFromInt(7),
			Dimensions: onUser, IdempotencyKey: string(on)}, 60, on)
		r.must(err)
		if i == 0 {
			r.advance(2 * time.Minute)
		} else {
			_, _, err = r.CommitReservation(ctx, tester, "acme", h.ID, bursar.AmountFromInt(3))
			r.must(err)
		}
		set(10, "a reservation that is "+string(on))
	}
	report(seats(-50, bursar.Delta))
	used(0, "a DELTA below 0")
	set(10, "a DELTA below 0")
	report(seats(-8, bursar.Set))
	used(0, "a SET below 0")
	set(10, "a SET below 0")
	report(seats(1, bursar.Delta))
	if left, err := r.Unload(ctx, "acme"); !left || err != nil {
		t.Fatalf("unloading: %v, %v", left, err)
	}
	set(10, "a DELTA and a reload")
	r.must(r.VerifyAll(ctx))
}

// A hold that is committed after its entity was put above its former parent still moves
// the level of that entity.
func TestCommitAfterAMoveMovesTheLeaf(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishSeats()
	h, _, err := r.Reserve(ctx, tester, "acme", bursar.SpendInput{Capability: capability("seats"), Amount: bursar.AmountFromInt(7),
		Dimensions: onUser, IdempotencyKey: "r"}, 60, bursar.ExpireRelease)
	r.must(err)
	for _, move := range []bursar.EntityInput{{ID: "u", ParentID: bursar.Null[string]()}, {ID: "o", ParentID: bursar.Some("u")}} {
		_, _, err = r.PutEntities(ctx, tester, "acme", []bursar.EntityInput{move})
		r.must(err)
	}
	_, _, err = r.CommitReservation(ctx, tester, "acme", h.ID, bursar.AmountFromInt(7))
	r.must(err)
	res, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "seats", Value: bursar.AmountFromInt(2),
		Behavior: bursar.Set, Dimensions: onUser}})
	r.must(err)
	if got := res[0].CurrentUsage; got != bursar.AmountFromInt(2) {
		t.Errorf("after a SET to 2 the customer uses %s", got)
	}
	r.must(r.VerifyAll(ctx))
}

// A SET costs what it takes of the customer's total, not the whole of what it takes from
// its leaf, which may be more than may be paid back.
func TestSetPaysBackWhatWasUsed(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishSeats()
	report := func(value int64, how bursar.UpdateBehavior, dims []bursar.Dimension) ledger.UsageItem {
		t.Helper()
		res, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "seats", Value: bursar.AmountFromInt(value),
			Behavior: how, Dimensions: dims}})
		r.must(err)
		return res[0]
	}
	report(9e14, bursar.Delta, onUser)
	report(-9e14, bursar.Delta, []bursar.Dimension{{Key: "org", Value: "o"}})
	report(3, bursar.Delta, []bursar.Dimension{{Key: "org", Value: "o"}})
	_, err := r.CreateRateCard(ctx, tester, catalogue.RateCardInput{ID: "c", CurrencyID: "credits", DisplayName: "C",
		RateVersionInput: catalogue.RateVersionInput{Rates: []bursar.Rate{{FeatureID: "seats", Amount: bursar.AmountFromInt(2), Per: 1}}}})
	r.must(err)
	report(7, bursar.Delta, []bursar.Dimension{{Key: "org", Value: "o"}}) // 14 credits
	res := report(4, bursar.Set, onUser)
	if res.CurrentUsage != (bursar.Amount{}) || len(res.Costs) != 1 || res.Costs[0].Amount != bursar.AmountFromInt(-14) {
		t.Errorf("the customer uses %s after it, and it cost %v", res.CurrentUsage, res.Costs)
	}
	r.must(r.VerifyAll(ctx))
}

// A SET from a clock that is ahead counts as of now, so SETs after it from right clocks
// are not older than it.
func TestSetFromAFastClock(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishSeats()
	now := func() bursar.Time { return bursar.Time(r.now.Load()) }
	for i, x := range []struct {
		value int64
		at    bursar.Time
		want  int64
		stale bool
	}{
		{10, now() + bursar.Time(4*time.Minute), 10, false},
		{3, now() + bursar.Time(time.Second), 3, false},
		{4, 0, 4, false},
		{9, now() - 1, 4, true},
	} {
		res, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "seats", Value: bursar.AmountFromInt(x.value),
			Behavior: bursar.Set, Dimensions: onUser, Timestamp: x.at}})
		r.must(err)
		if got := res[0].CurrentUsage; got != bursar.AmountFromInt(x.want) || (len(res[0].Warnings) > 0) != x.stale {
			t.Errorf("SET %d: used %s, warnings %v; want %d, stale %v", i, got, res[0].Warnings, x.want, x.stale)
		}
	}
}

// furnishSeats makes acme with a FLUCTUATING feature and a limit of it on the user u.
func (r *rig) furnishSeats() {
	r.t.Helper()
	ctx := context.Background()
	r.furnish("acme")
	_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: "seats", DisplayName: "Seats", MeterType: "FLUCTUATING"})
	r.must(err)
	_, _, err = r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "u", Capability: capability("seats"),
		UsageLimit: bursar.Some(bursar.AmountFromInt(1000)), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})}})
	r.must(err)
}
