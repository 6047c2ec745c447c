package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

func (r *rig) limitOf(entity, capabilityID string, limit int64, cadence string) string {
	r.t.Helper()
	c, err := bursar.ParseCadence(cadence)
	r.must(err)
	out, _, err := r.PutAssignments(context.Background(), tester, "c", []bursar.AssignmentInput{{EntityID: entity, Capability: capability(capabilityID),
		UsageLimit: bursar.Some(bursar.AmountFromInt(limit)), Cadence: bursar.Some(c), Label: "small"}})
	r.must(err)
	return out[0].ID
}

func (r *rig) useOn(customer, feature string, n int64) {
	r.t.Helper()
	_, _, err := r.ReportUsage(context.Background(), tester, []bursar.UsageInput{{CustomerID: customer, FeatureID: feature, Value: bursar.AmountFromInt(n), Dimensions: onUser}})
	r.must(err)
}

// TestExplain: what lacks on each limit, and when time alone will have changed the answer.
func TestExplain(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	ctx := context.Background()
	r.furnish("c")
	row := r.limitOf("u", "tokens", 10, "P1D")
	r.useOn("c", "tokens", 8)
	day, _ := bursar.ParseCadence("P1D")
	_, end := bursar.Schedule{Cadence: day, Location: time.UTC}.Window(int64(r.Now()))
	explain := func(n int64) ledger.Explanation {
		x, _, err := r.Explain(ctx, ledger.ReadOptions{}, "c", ledger.CheckInput{Capability: capability("tokens"), Requested: bursar.AmountFromInt(n), Dimensions: onUser})
		r.must(err)
		return x
	}
	if x := explain(2); !x.Decision.Granted || x.GrantedAfter != 0 || !x.Fits[0][1].Fits {
		t.Errorf("%+v", x)
	}
	x := explain(5)
	if x.Decision.Granted || x.GrantedAfter != bursar.Time(end) || x.Fits[0][0] != (ledger.Fit{Fits: true}) || x.Fits[0][1] != (ledger.Fit{WouldNeed: bursar.AmountFromInt(3)}) {
		t.Errorf("%+v", x)
	}
	if x := explain(11); x.GrantedAfter != 0 {
		t.Errorf("no window is as large: %+v", x)
	}
	// A hold that runs out before is in no one's way then; one that does not is.
	_, _, err := r.Reserve(ctx, tester, "c", bursar.SpendInput{Capability: capability("tokens"), Amount: bursar.AmountFromInt(1), Dimensions: onUser, IdempotencyKey: "1"}, 60, bursar.ExpireRelease)
	r.must(err)
	if x := explain(10); x.GrantedAfter != bursar.Time(end) || x.Fits[0][1].WouldNeed != bursar.AmountFromInt(9) {
		t.Errorf("%+v", x)
	}
	_, _, err = r.Reserve(ctx, tester, "c", bursar.SpendInput{Capability: capability("tokens"), Amount: bursar.AmountFromInt(1), Dimensions: onUser, IdempotencyKey: "2"}, 86400, bursar.ExpireRelease)
	r.must(err)
	if x := explain(10); x.GrantedAfter != 0 && x.GrantedAfter <= bursar.Time(end) {
		t.Errorf("%+v", x)
	}
	// A boost that has ended by then does not help then.
	_, _, err = r.CreateBoost(ctx, tester, "c", row, bursar.BoostInput{Amount: bursar.AmountFromInt(5)})
	r.must(err)
	if x := explain(12); x.GrantedAfter != 0 || x.Fits[0][1].WouldNeed != bursar.AmountFromInt(7) {
		t.Errorf("%+v", x)
	}
}

// TestClosestAndSpend: over the customers in memory, what is saved and what is not.
func TestClosestAndSpend(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	ctx := context.Background()
	r.furnish("a", "b", "c")
	small := r.limitOf("u", "tokens", 10, "P1D")
	r.limitOf("o", "credits", 0, "P1D")
	r.useOn("c", "tokens", 9)
	_, _, err := r.ReportConsumption(ctx, tester, "/consumptions", []bursar.UsageInput{
		{CustomerID: "a", CurrencyID: "credits", Value: bursar.AmountFromInt(85), IdempotencyKey: "1", Dimensions: []bursar.Dimension{{Key: "org", Value: "o"}}},
		{CustomerID: "b", CurrencyID: "credits", Value: bursar.AmountFromInt(5), IdempotencyKey: "1"}})
	r.must(err)
	look := func(n int) (ids []string, spent bursar.Amount) {
		list, err := r.Closest(ctx, n, 0.8)
		r.must(err)
		for _, x := range list {
			ids = append(ids, x.CustomerID+" "+x.Row.EntityID)
		}
		sums, err := r.Spend(ctx, r.Now()-bursar.Time(24*time.Hour))
		r.must(err)
		return ids, sums["credits"]
	}
	if ids, spent := look(20); len(ids) != 2 || ids[0] != "c u" || ids[1] != "a o" || spent != bursar.AmountFromInt(90) {
		t.Errorf("%v, %v", ids, spent)
	}
	if ids, _ := look(1); len(ids) != 1 || ids[0] != "c u" {
		t.Errorf("%v", ids)
	}
	if list, _ := r.Closest(ctx, 1, 0.8); list[0].Row.Limit.AssignmentID != small {
		t.Errorf("%+v", list)
	}
	r.close() // which saves
	r.open()
	if ids, spent := look(20); len(ids) != 0 || !spent.IsZero() {
		t.Errorf("nobody is in memory: %v, %v", ids, spent)
	}
	for _, id := range []string{"a", "b", "c"} {
		_, _, err := r.Customer(ctx, ledger.ReadOptions{}, id)
		r.must(err)
	}
	if ids, spent := look(20); len(ids) != 2 || spent != bursar.AmountFromInt(90) {
		t.Errorf("%v, %v", ids, spent)
	}
	if n, err := r.CountCustomers(ctx); err != nil || n != 3 {
		t.Errorf("%d customers, %v", n, err)
	}
	r.advance(25 * time.Hour)
	if ids, spent := look(20); len(ids) != 1 || ids[0] != "a o" || !spent.IsZero() {
		t.Errorf("a day later: %v, %v", ids, spent)
	}
	r.close()
}

// A pool ends within a week if its customer goes on as in the week before; the one that ends
// first comes first, an overdraft before all.
func TestEndingPools(t *testing.T) {
	r := shop(t, mem.New(), "long", "short", "over", "idle")
	for customer, granted := range map[string]string{"long": "1000", "short": "100", "over": "10", "idle": "1"} {
		r.grant(bursar.GrantInput{CustomerID: customer, Amount: amount(granted), DisplayName: customer})
	}
	for customer, used := range map[string]int64{"long": 70, "short": 60, "over": 14} {
		_, _, err := r.ReportConsumption(t.Context(), tester, "/credits/consumption", []bursar.UsageInput{{CustomerID: customer, CurrencyID: "gold",
			Value: bursar.AmountFromInt(used), IdempotencyKey: "k"}})
		r.must(err)
	}
	r.advance(24 * time.Hour)
	got, err := r.EndingPools(t.Context(), 7, 5)
	r.must(err)
	if len(got) != 2 || got[0].CustomerID != "over" || got[0].Left != amount("-4") || got[0].PerDay != amount("2") ||
		got[1].CustomerID != "short" || got[1].Left != amount("40") {
		t.Errorf("%+v", got)
	}
	if first, err := r.EndingPools(t.Context(), 7, 1); err != nil || len(first) != 1 || first[0].CustomerID != "over" {
		t.Errorf("%+v, %v", first, err)
	}
	r.advance(7 * 24 * time.Hour)
	if got, err := r.EndingPools(t.Context(), 7, 5); err != nil || len(got) != 0 {
		t.Errorf("after a week without usage: %+v, %v", got, err)
	}
}
