package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

func amt(s string) bursar.Amount {
	a, err := bursar.AmountFromString(s)
	if err != nil {
		panic(err)
	}
	return a
}

// prepaid is a rig whose customer acme has tokens and seats at a price in the prepaid
// currency coins.
func prepaid(t *testing.T, price string) *rig { return prepaidOn(t, mem.New(), price) }

func prepaidOn(t *testing.T, s store.Store, price string) *rig {
	ctx := t.Context()
	r := newRig(t, s, engine.Options{CheckpointEvery: time.Hour})
	r.furnish("acme")
	_, err := r.CreateCurrency(ctx, tester, bursar.Currency{ID: "coins", DisplayName: "Coins", Prepaid: true})
	r.must(err)
	_, err = r.CreateFeature(ctx, tester, bursar.Feature{ID: "seats", DisplayName: "Seats", MeterType: "FLUCTUATING"})
	r.must(err)
	_, err = r.CreateRateCard(ctx, tester, catalogue.RateCardInput{ID: "card", CurrencyID: "coins", DisplayName: "Card", RateVersionInput: catalogue.RateVersionInput{
		Rates: []bursar.Rate{{FeatureID: "tokens", Amount: amt(price), Per: 1}, {FeatureID: "seats", Amount: amt(price), Per: 1}}}})
	r.must(err)
	return r
}

func (r *rig) gate(what string) bursar.Gate {
	r.t.Helper()
	d, _, err := r.Check(context.Background(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability(what)}})
	r.must(err)
	return d[0].Gate
}

// Single amounts are bounded, their sums are not: a checkpoint reads back whatever the
// log adds up to.
func TestSumsBeyondTheWireSurviveARestart(t *testing.T) {
	ctx := t.Context()
	const most = "999999999999999.999999999"
	for name, grow := range map[string]func(r *rig){
		"grants": func(r *rig) {
			for i := range 3 {
				_, _, err := r.CreateGrant(ctx, tester, bursar.GrantInput{CustomerID: "acme", CurrencyID: "coins", Amount: amt(most), DisplayName: fmt.Sprint(i), Type: bursar.GrantPaid})
				r.must(err)
			}
		},
		"overdraft": func(r *rig) {
			for range 3 {
				_, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "tokens", Value: amt(most)}})
				r.must(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := prepaid(t, "1")
			grow(r)
			before := r.gate("coins")
			r.close()
			r.open()
			if after := r.gate("coins"); after != before || before.UsageLimit.Add(before.CurrentUsage) != amt("2999999999999999.999999997") {
				t.Errorf("%+v became %+v", before, after)
			}
			r.must(r.VerifyAll(ctx))
			r.close()
		})
	}
}

// A SET costs what its level changes by, and one that would cost too much changes
// nothing.
func TestSetIsPricedByItsChange(t *testing.T) {
	r := prepaid(t, "1000")
	set := func(values ...string) error {
		var in []bursar.UsageInput
		for _, v := range values {
			in = append(in, bursar.UsageInput{CustomerID: "acme", FeatureID: "seats", Value: amt(v), Behavior: bursar.Set})
		}
		_, _, err := r.ReportUsage(t.Context(), tester, in)
		return err
	}
	steps := []struct {
		values []string
		code   bursar.Code
		spent  string
	}{
		{[]string{"900000000000"}, "", "900000000000000"},
		{[]string{"1800000000000"}, "", "1800000000000000"}, // costs 9×10^14 though the level is worth more
		{[]string{"0"}, bursar.CodeInvalidAmount, "1800000000000000"},
		{[]string{"900000000001", "5"}, "", "5000"}, // each by its own change
		{[]string{"6", "900000000000000"}, bursar.CodeInvalidAmount, "5000"},
	}
	for _, s := range steps {
		if err := set(s.values...); codeOf(err) != s.code || r.gate("coins").CurrentUsage != amt(s.spent) {
			t.Errorf("SET %v: %v, %s spent; want %s", s.values, err, r.gate("coins").CurrentUsage, s.spent)
		}
	}
	r.must(r.VerifyAll(t.Context()))
	r.close()
}

// What is sent again is answered as the first time, though by today's prices, and by those of
// a correction, it would cost more than can be counted.
func TestRepeatsOutliveTheirPrice(t *testing.T) {
	ctx := t.Context()
	r := prepaid(t, "0.001")
	big := bursar.SpendInput{Capability: capability("tokens"), Amount: amt("900000000000000"), IdempotencyKey: "k"}
	_, _, err := r.CreateGrant(ctx, tester, bursar.GrantInput{CustomerID: "acme", CurrencyID: "coins", Amount: amt("999999999999999"), DisplayName: "x", Type: bursar.GrantPaid})
	r.must(err)
	used, _, err := r.Consume(ctx, tester, "acme", big)
	r.must(err)
	big.Amount = amt("100")
	big.IdempotencyKey = "h"
	held, _, err := r.Reserve(ctx, tester, "acme", big, 60, bursar.ExpireRelease)
	r.must(err)
	r.advance(time.Second)
	_, err = r.AddRateVersion(ctx, tester, "card", catalogue.RateVersionInput{Rates: []bursar.Rate{{FeatureID: "tokens", Amount: amt("99999999999999"), Per: 1}}, Corrects: 1})
	r.must(err)

	again, _, err := r.Reserve(ctx, tester, "acme", big, 60, bursar.ExpireRelease)
	r.must(err)
	if !again.Duplicate || again.ID != held.ID {
		t.Errorf("the reservation again: %+v", again)
	}
	big.Amount, big.IdempotencyKey = amt("900000000000000"), "k"
	twice, _, err := r.Consume(ctx, tester, "acme", big)
	r.must(err)
	if !twice.Duplicate || twice.ID != used.ID || fmt.Sprint(twice.Costs) != fmt.Sprint(used.Costs) {
		t.Errorf("the consumption again: %+v; want the costs %v", twice, used.Costs)
	}
	r.close()
}

// An overdraft does not keep a currency from being archived, nor does a grant whose time
// is over.
func TestOnlyLiveGrantsUseACurrency(t *testing.T) {
	ctx := t.Context()
	r := prepaid(t, "1")
	_, err := r.ArchiveRateCard(ctx, tester, "card")
	r.must(err)
	_, _, err = r.ReportConsumption(ctx, tester, "", []bursar.UsageInput{{CustomerID: "acme", CurrencyID: "coins", Value: amt("5")}})
	r.must(err)
	_, _, err = r.CreateGrant(ctx, tester, bursar.GrantInput{CustomerID: "acme", CurrencyID: "coins", Amount: amt("9"), DisplayName: "x", Type: bursar.GrantPaid,
		ExpireAt: bursar.Time(r.now.Load()) + 1e9})
	r.must(err)
	if _, err := r.ArchiveCurrency(ctx, tester, "coins", true); codeOf(err) != bursar.CodeCurrencyInUse {
		t.Errorf("with a live grant: %v", err)
	}
	r.advance(time.Second)
	if _, err := r.ArchiveCurrency(ctx, tester, "coins", true); err != nil {
		t.Errorf("with an overdraft and an expired grant: %v", err)
	}
	r.close()
}

// gated is a store whose appends wait while it is shut.
type gated struct {
	store.Store
	shut    chan struct{} // nil = open
	waiting chan struct{} // told when an append waits
}

func (g *gated) Append(ctx context.Context, cs []store.Commit, again store.Again) ([]store.Outcome, error) {
	if c := g.shut; c != nil {
		g.waiting <- struct{}{}
		<-c
	}
	return g.Store.Append(ctx, cs, again)
}

// A value that a UNIQUE met stays met when the limit's schedule changes in the same
// commit.
func TestUniqueAndScheduleInOneCommit(t *testing.T) {
	ctx := t.Context()
	s := &gated{Store: mem.New(), waiting: make(chan struct{}, 9)}
	r := newRig(t, s, engine.Options{CheckpointEvery: time.Hour})
	r.furnish("acme")
	_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: "people", DisplayName: "People",
		Meter: &bursar.Meter{EventName: "seen", Aggregation: bursar.Aggregation{Function: "UNIQUE", Field: "who"}}})
	r.must(err)
	put := func(unit bursar.CadenceUnit) {
		_, _, err := r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "u", Capability: capability("people"),
			UsageLimit: bursar.Some(amt("10")), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: unit})}})
		r.must(err)
	}
	seen := func(key string, who string) {
		_, _, err := r.ReportEvents(ctx, tester, []bursar.EventInput{{CustomerID: "acme", EventName: "seen", IdempotencyKey: key,
			Dimensions: append([]bursar.Dimension{{Key: "who", Value: who}}, onUser...)}})
		r.must(err)
	}
	put(bursar.UnitDay)
	seen("1", "ann")
	version := func() uint64 {
		_, v, err := r.Customer(ctx, ledger.ReadOptions{}, "acme")
		r.must(err)
		return v
	}
	before := version()
	open := make(chan struct{})
	s.shut = open
	done := make(chan struct{}, 3)
	go func() { r.consume("acme", 1, "x"); done <- struct{}{} }()
	<-s.waiting // its commit is under way: what comes now is decided together
	go func() { seen("2", "bob"); done <- struct{}{} }()
	eventually(t, "the event waits", func() bool { return engine.Waiting(r.Engine) == 1 })
	go func() { put(bursar.UnitMonth); done <- struct{}{} }()
	eventually(t, "the limit waits", func() bool { return engine.Waiting(r.Engine) == 2 })
	s.shut = nil
	close(open)
	for range 3 {
		<-done
	}
	if n := version() - before; n != 2 {
		t.Fatalf("%d commits; the event and the limit were to be in one", n)
	}
	seen("3", "bob")
	seen("4", "ann")
	d, _, err := r.Check(ctx, ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("people"), Dimensions: onUser}})
	r.must(err)
	if used := d[0].Chains[0][0].CurrentUsage; used != amt("2") {
		t.Errorf("%s people were seen, want 2", used)
	}
	r.must(r.VerifyAll(ctx))
	r.close()
}

// Meters say what they lack.
func TestMetersAreChecked(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	word, ten := "many", "10"
	for _, c := range []struct {
		cond bursar.MeterCondition
		at   string
	}{
		{bursar.MeterCondition{Field: "x", Operation: "EQUALS"}, "/value"},
		{bursar.MeterCondition{Field: "x", Operation: "IN"}, "/values"},
		{bursar.MeterCondition{Field: "x", Operation: "GREATER_THAN", Value: &word}, "/value"},
		{bursar.MeterCondition{Field: "eventName", Operation: "EQUALS", Value: &word}, "/value"},
		{bursar.MeterCondition{Field: "x", Operation: "LESS_THAN", Value: &ten}, ""},
	} {
		m := bursar.Meter{EventName: "e", Aggregation: bursar.Aggregation{Function: "COUNT"}, Filters: []bursar.MeterFilter{{Conditions: []bursar.MeterCondition{c.cond}}}}
		_, err := r.CreateFeature(t.Context(), tester, bursar.Feature{ID: "f", DisplayName: "F", Meter: &m})
		switch e, ok := err.(*bursar.Error); {
		case c.at == "":
			r.must(err)
		case !ok || !strings.HasSuffix(e.Fields[0].Pointer, c.at):
			t.Errorf("%+v: %v", c.cond, err)
		}
	}
}
