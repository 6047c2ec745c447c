package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

var rereadAll = ledger.RepriceInput{From: later(-time.Hour), Apply: true}

// correctedTo adds a version of the card that corrects the first one, and re-prices by it.
func (r *rig) correctedTo(perOutput string) {
	r.t.Helper()
	_, err := r.AddRateVersion(r.t.Context(), tester, "card", catalogue.RateVersionInput{Corrects: 1,
		Rates: []bursar.Rate{{FeatureID: "in", Amount: amt("1"), Per: 1000}, {FeatureID: "out", Amount: amt(perOutput), Per: 1000}}})
	r.must(err)
	r.repriced()
}

func (r *rig) repriced() {
	r.t.Helper()
	_, err := r.Reprice(r.t.Context(), tester, ledger.RepriceInput{CardID: "card", From: later(-time.Hour), Apply: true})
	r.must(err)
}

// hours lets so many pass, with a commit in each.
func (r *rig) hours(n int) {
	r.t.Helper()
	for range n {
		r.advance(time.Hour)
		r.report(r.usageEvent(fmt.Sprint("hour", r.Now()), `{"input_tokens":0,"output_tokens":0}`, onUser...))
	}
}

// TestRereadOfCallsReportedLongSince: a call that was reported, or committed, since its unread usage was kept counts
// once, however long ago that was.
func TestRereadOfCallsReportedLongSince(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishCalls(1000)
	event := func(key, call, usage string) bursar.EventInput {
		in := r.usageEvent(key, usage, onUser...)
		in.CallID = call
		return in
	}
	for _, call := range []string{"one", "two", "three", "four"} {
		r.report(event("unread "+call, call, `{"in_units":5}`))
	}
	r.report(event("one", "one", `{"input_tokens":5,"output_tokens":0}`))
	own := eventOf(5, 0, "two") // a reservation whose key is the call
	h, _, err := r.Reserve(t.Context(), tester, "acme", own, 60, bursar.ExpireRelease)
	r.must(err)
	_, _, err = r.CommitEvent(t.Context(), tester, "acme", h.ID, r.usageEvent("", `{"input_tokens":5,"output_tokens":0}`))
	r.must(err)
	named := eventOf(5, 0, "another key")
	named.CallID = "three"
	h, _, err = r.Reserve(t.Context(), tester, "acme", named, 60, bursar.ExpireRelease)
	r.must(err)
	_, _, err = r.CommitEvent(t.Context(), tester, "acme", h.ID, r.usageEvent("", `{"input_tokens":5,"output_tokens":0}`))
	r.must(err)
	r.hours(60)
	if got := r.standing(); !strings.HasPrefix(got, "in 15+0 ") {
		t.Errorf("before: %s", got)
	}
	r.rules(smellRules...)
	if got := r.reread(rereadAll); got != "4 events, 4 read, 1 changed, 0 lost: in 5 coins 0.005" {
		t.Errorf("applied: %s", got)
	}
	if got := r.standing(); !strings.HasPrefix(got, "in 20+0 ") || r.unread() != "" {
		t.Errorf("after: %s, unread %s", got, r.unread())
	}
}

// TestRereadAfterRepricing: what re-pricing took back is not taken back again: what a later re-pricing comes to is what
// the usage costs.
func TestRereadAfterRepricing(t *testing.T) {
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprint("held ", held), func(t *testing.T) {
			r := newRig(t, mem.New(), quiet)
			defer r.close()
			r.furnishCalls(1000)
			if held {
				h, _, err := r.Reserve(t.Context(), tester, "acme", eventOf(0, 1000, "h"), 60, bursar.ExpireRelease)
				r.must(err)
				_, _, err = r.CommitEvent(t.Context(), tester, "acme", h.ID, r.usageEvent("", `{"out_units":1100}`))
				r.must(err)
			} else {
				r.report(r.usageEvent("a", `{"input_tokens":0,"output_tokens":1000,"smell_tokens":100}`, onUser...))
			}
			r.hours(1)
			r.correctedTo("1")
			if got := r.standing(); !strings.HasSuffix(got, "coins 1+0 (1+0) ") {
				t.Errorf("re-priced: %s", got)
			}
			r.rules(smellRules...)
			if got := r.reread(rereadAll); !strings.HasSuffix(got, "out 100 coins 1") {
				t.Errorf("applied: %s", got)
			}
			r.repriced()
			if got := r.standing(); !strings.HasSuffix(got, "coins 1.1+0 (1.1+0) ") {
				t.Errorf("re-priced again: %s", got)
			}
			r.must(r.VerifyAll(t.Context()))
		})
	}
}

// TestRereadOfWhatWasTakenBack: usage that others took back meanwhile changes by the difference.
func TestRereadOfWhatWasTakenBack(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishCalls(1000)
	_, err := r.CreateFeature(t.Context(), tester, bursar.Feature{ID: "level", DisplayName: "level", MeterType: "FLUCTUATING",
		Meter: &bursar.Meter{EventName: "llm", Aggregation: bursar.Aggregation{Function: "SUM", Field: "tokens.output"}}})
	r.must(err)
	_, err = r.UpdateFeature(t.Context(), tester, "out", catalogue.FeaturePatch{Meter: bursar.Some(bursar.Meter{EventName: "llm", Aggregation: bursar.Aggregation{Function: "SUM", Field: "tokens.reasoning"}})})
	r.must(err)
	r.report(r.usageEvent("a", `{"input_tokens":0,"output_tokens":5,"smell_tokens":2}`, onUser...))
	back := r.usageEvent("b", `{"input_tokens":0}`, onUser...)
	back.Dimensions = []bursar.Dimension{onUser[0], {Key: "tokens.input", Value: "0", Kind: bursar.DimNumber}, {Key: "tokens.reasoning", Value: "0", Kind: bursar.DimNumber}, {Key: "tokens.output", Value: "-5", Kind: bursar.DimNumber}}
	r.report(back)
	r.rules(smellRules...)
	if got := r.reread(rereadAll); got != "1 events, 1 read, 1 changed, 0 lost: level 2" {
		t.Errorf("applied: %s", got)
	}
}

// TestRereadLeavesLaterFeatures: a feature that was made after an event takes no part in its correction.
func TestRereadLeavesLaterFeatures(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishCalls(1000)
	r.report(r.usageEvent("a", `{"input_tokens":100,"output_tokens":200,"smell_tokens":7}`, onUser...))
	r.hours(1)
	_, err := r.CreateFeature(t.Context(), tester, bursar.Feature{ID: "out2", DisplayName: "out2",
		Meter: &bursar.Meter{EventName: "llm", Aggregation: bursar.Aggregation{Function: "SUM", Field: "tokens.output"}}})
	r.must(err)
	r.rules(smellRules...)
	if got := r.reread(rereadAll); got != "1 events, 1 read, 1 changed, 0 lost: out 7 coins 0.07" {
		t.Errorf("applied: %s", got)
	}
}

// grantsLeft is what each grant of coins has left, by name.
func (r *rig) grantsLeft() (s string) {
	r.t.Helper()
	list, _, err := r.Grants(r.t.Context(), ledger.ReadOptions{}, ledger.GrantQuery{CustomerID: "acme", CurrencyID: "coins", ListPage: ledger.ListPage{Limit: 10}})
	r.must(err)
	for _, g := range list.Items {
		s += fmt.Sprintf("%s %s/%s ", g.DisplayName, g.Consumed, g.Amount)
	}
	return s
}

// TestRereadDrawsTheDifference: credits of a grant that has ended since are not exchanged for those of one that goes on.
func TestRereadDrawsTheDifference(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, quiet)
		defer func() { r.close() }()
		r.furnishCalls(1000)
		_, _, err := r.CreateGrant(t.Context(), tester, bursar.GrantInput{CustomerID: "acme", CurrencyID: "coins", Amount: amt("200"), DisplayName: "month", Type: bursar.GrantPaid,
			ExpireAt: r.Now() + bursar.Time(2*time.Hour), Priority: 0})
		r.must(err)
		r.report(r.usageEvent("a", `{"input_tokens":0,"output_tokens":9000,"smell_tokens":100}`, onUser...))    // 90
		h, _, err := r.Reserve(t.Context(), tester, "acme", eventOf(1000, 9000, "h"), 60, bursar.ExpireRelease) // 91
		r.must(err)
		_, _, err = r.CommitEvent(t.Context(), tester, "acme", h.ID, r.usageEvent("", `{"in_units":3000,"out_units":9000}`)) // 93
		r.must(err)
		r.report(r.usageEvent("moves", `{"input_tokens":2000,"output_tokens":100,"in_units":1000,"smell_tokens":0}`, onUser...)) // 2 + 1, and 1 more
		r.hours(5)
		const before, after = "grant 0/1000 month 184/200 ", "grant 4/1000 month 184/200 "
		if got := r.grantsLeft(); got != before {
			t.Errorf("before: %s, not %s", got, before)
		}
		r.rules(smellRules...)
		if got := r.reread(rereadAll); got != "3 events, 3 read, 3 changed, 0 lost: in 3000 out 100 coins 4" {
			t.Errorf("applied: %s", got)
		}
		if got := r.grantsLeft(); got != after {
			t.Errorf("after: %s, not %s", got, after)
		}
		r.must(r.VerifyAll(t.Context()))
		r.close()
		r.open()
		if got := r.grantsLeft(); got != after {
			t.Errorf("after a restart: %s, not %s", got, after)
		}
	})
}

// TestRereadOfManyEvents: more events than are planned at once are read again, each once.
func TestRereadOfManyEvents(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishCalls(1_000_000)
	const n = 10_500
	for i := 0; i < n; i += 500 {
		list := make([]bursar.EventInput, 500)
		for j := range list {
			list[j] = r.usageEvent(fmt.Sprint(i+j), `{"input_tokens":1,"output_tokens":0,"smell_tokens":1}`, onUser...)
		}
		r.report(list...)
	}
	r.rules(smellRules...)
	const want = "10500 events, 10500 read, 10500 changed, 0 lost: out 10500 coins 105"
	for _, apply := range []bool{false, true} {
		in := rereadAll
		in.Apply = apply
		if got := r.reread(in); got != want {
			t.Errorf("apply %v: %s", apply, got)
		}
	}
	if got := r.standing(); !strings.HasPrefix(got, "in 10500+0 out 10500+0 ") || r.unread() != "" {
		t.Errorf("after: %s, unread %s", got, r.unread())
	}
}

// TestRereadOfManyFeatures: events that feed many features are corrected, in as many commits as it takes.
func TestRereadOfManyFeatures(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishCalls(1000)
	rates := []bursar.Rate{}
	for i := range 150 {
		id := fmt.Sprintf("f%03d", i)
		_, err := r.CreateFeature(t.Context(), tester, bursar.Feature{ID: id, DisplayName: id, Meter: &bursar.Meter{EventName: "llm", Aggregation: bursar.Aggregation{Function: "SUM", Field: "tokens.output"}}})
		r.must(err)
		rates = append(rates, bursar.Rate{FeatureID: id, Amount: amt("1"), Per: 1000})
	}
	_, err := r.CreateRateCard(t.Context(), tester, catalogue.RateCardInput{ID: "many", CurrencyID: "coins", DisplayName: "many", RateVersionInput: catalogue.RateVersionInput{Rates: rates}})
	r.must(err)
	for i := range 9 {
		r.report(r.usageEvent(fmt.Sprint(i), `{"input_tokens":0,"output_tokens":10,"smell_tokens":1}`, onUser...))
	}
	r.rules(smellRules...)
	got := r.reread(rereadAll)
	if !strings.HasPrefix(got, "9 events, 9 read, 9 changed, 0 lost: coins 1.44 f000 9 f001 9 ") && !strings.HasPrefix(got, "9 events, 9 read, 9 changed, 0 lost: f000 9 f001 9 ") {
		t.Errorf("applied: %s", got)
	}
	if got := r.standing(); !strings.HasSuffix(got, "coins 15.84+0 (15.84+0) ") {
		t.Errorf("after: %s", got)
	}
}

// TestRereadOfATotal: a rule divides a total that was all there was to count. The pool moves by the difference.
func TestRereadOfATotal(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishCalls(1000)
	_, _, err := r.CreateGrant(t.Context(), tester, bursar.GrantInput{CustomerID: "acme", CurrencyID: "coins", Amount: amt("200"), DisplayName: "day", Type: bursar.GrantPaid,
		ExpireAt: r.Now() + bursar.Time(2*time.Hour)})
	r.must(err)
	r.report(r.usageEvent("a", `{"total_tokens":9000,"smell_tokens":1000}`, onUser...))
	r.hours(5)
	r.rules(smellRules...)
	if got := r.reread(rereadAll); got != "1 events, 1 read, 1 changed, 0 lost: in -1000 out 1000 coins 9" {
		t.Errorf("applied: %s", got)
	}
	if got := r.grantsLeft(); got != "grant 9/1000 day 9/200 " {
		t.Errorf("after: %s", got)
	}
}

// TestUnreadSample: a sample is cut between characters, so the state is that of its log.
func TestUnreadSample(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, quiet)
		defer func() { r.close() }()
		r.furnishCalls(1000)
		texts := ""
		for i := range 300 {
			texts += fmt.Sprintf(`,"k%03d":"a"`, i)
		}
		for i := range 12 {
			r.report(r.usageEvent(fmt.Sprint("a", i), `{"a`+strings.Repeat("x", i)+`_tokens":3`+texts+`}`, onUser...))
			r.must(r.VerifyAll(t.Context()))
			r.close()
			r.open()
			r.report(r.usageEvent(fmt.Sprint("b", i), `{"input_tokens":3}`, onUser...))
			r.must(r.VerifyAll(t.Context()))
		}
	})
}

// TestUnreadCommitAgain: who commits a reservation again and says the same keeps nothing more, on any node; who says
// something else does.
func TestUnreadCommitAgain(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, quiet)
		defer func() { r.close() }()
		r.furnishCalls(1000)
		h, _, err := r.Reserve(t.Context(), tester, "acme", eventOf(100, 100, "h"), 600, bursar.ExpireRelease)
		r.must(err)
		ended := func(usage string) bursar.EventInput {
			in := r.usageEvent("", usage)
			in.ReservationID = h.ID
			return in
		}
		for i := range 4 {
			_, _, err = r.CommitEvent(t.Context(), tester, "acme", h.ID, r.usageEvent("", `{"in_units":5,"out_units":7}`))
			r.must(err)
			same := ended(`{"in_units":5,"out_units":7}`)
			r.report(same, same)
			if i > 1 {
				r.report(ended(`{"in_units":5,"out_units":8}`))
			}
			if got, want := r.unread(), fmt.Sprintf(`%d of  ["" "in_units" "out_units"]`, 1+min(1, i/2)); got != want {
				t.Errorf("%s are unread, not %s", got, want)
			}
			r.close()
			r.open()
		}
		r.must(r.VerifyAll(t.Context()))
	})
}

// TestUnreadOfManyCustomers: the list of all says when it leaves customers out.
func TestUnreadOfManyCustomers(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishCalls(1000)
	for i := range 101 {
		in := r.usageEvent("k", `{"in_units":5}`)
		in.CustomerID = fmt.Sprintf("c%03d", i)
		_, _, err := r.CreateCustomer(t.Context(), tester, in.CustomerID, bursar.CustomerInput{})
		r.must(err)
		r.report(in)
		list, _, err := r.Unread(t.Context(), ledger.ReadOptions{}, "")
		r.must(err)
		if n := int64(min(i+1, 100)); len(list.Items) != 1 || list.Items[0].Count != n || list.HasNext != (i == 100) {
			t.Fatalf("of %d customers: %+v", i+1, list)
		}
	}
}

// TestRereadDryRun: a dry run says what an application does, also of what two events far apart have in common.
func TestRereadDryRun(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishCalls(1000)
	h, _, err := r.Reserve(t.Context(), tester, "acme", eventOf(100, 100, "h"), 600, bursar.ExpireRelease)
	r.must(err)
	for i := range 2 {
		_, _, err = r.CommitEvent(t.Context(), tester, "acme", h.ID, r.usageEvent("", fmt.Sprintf(`{"in_units":%d}`, 5+i)))
		r.must(err)
		call := r.usageEvent(fmt.Sprint("call", i), `{"in_units":3}`, onUser...)
		call.CallID = "one"
		r.report(call)
		for j := range 250 {
			r.report(r.usageEvent(fmt.Sprint(i, j), `{"input_tokens":1,"smell_tokens":1}`, onUser...))
		}
	}
	r.rules(smellRules...)
	dry := rereadAll
	dry.Apply = false
	const want = "504 events, 504 read, 502 changed, 0 lost: asks 1 in 8 out 500 coins 5.008"
	for _, in := range []ledger.RepriceInput{dry, rereadAll} {
		if got := r.reread(in); got != want {
			t.Errorf("apply %v: %s", in.Apply, got)
		}
	}
}

// TestRereadOfAnotherModel: where the reply names another model than the reservation, that of the reservation counts,
// is listed, and is what another reading goes by.
func TestRereadOfAnotherModel(t *testing.T) {
	for _, labels := range []int{0, 14} {
		t.Run(fmt.Sprint(labels, " labels"), func(t *testing.T) {
			r := newRig(t, mem.New(), quiet)
			defer r.close()
			r.furnishCalls(1000)
			_, err := r.AddRateVersion(t.Context(), tester, "card", catalogue.RateVersionInput{Rates: []bursar.Rate{{FeatureID: "out", Amount: amt("1"), Per: 1, Match: map[string][]string{"model": {"small"}}},
				{FeatureID: "out", Amount: amt("3"), Per: 1000, Match: map[string][]string{"model": {"big"}}}}})
			r.must(err)
			r.advance(time.Second)
			for i := range 4 {
				e := eventOf(0, 10, fmt.Sprint("h", i))
				e.Dimensions = append(e.Dimensions, bursar.Dimension{Key: "model", Value: "small"}, bursar.Dimension{Key: bursar.Speed, Value: "slow"})
				for j := range labels {
					e.Dimensions = append(e.Dimensions, bursar.Dimension{Key: fmt.Sprintf("label%02d", j), Value: fmt.Sprint(i)})
				}
				h, _, err := r.Reserve(t.Context(), tester, "acme", e, 60, bursar.ExpireRelease)
				r.must(err)
				_, _, err = r.CommitEvent(t.Context(), tester, "acme", h.ID, r.usageEvent("", `{"model":"big","speed":"fast","input_tokens":0,"output_tokens":10,"smell_tokens":1}`))
				r.must(err)
			}
			if got := r.unread(); got != `4 of small ["smell_tokens"]` {
				t.Errorf("unread are %s", got)
			}
			const before = "in 0+0 out 40+0 (40+0) asks 4+0 (4+0) coins 40+0 (40+0) "
			for _, apply := range []bool{false, true} {
				in := rereadAll
				in.Apply = apply
				if got := r.reread(in); got != "4 events, 0 read, 0 changed, 0 lost:" || r.standing() != before {
					t.Errorf("without a rule, apply %v: %s, %s", apply, got, r.standing())
				}
			}
			r.rules(smellRules...)
			if got := r.reread(rereadAll); got != "4 events, 4 read, 4 changed, 0 lost: out 4 coins 4" || r.unread() != "" {
				t.Errorf("by a rule: %s, unread are %s", got, r.unread())
			}
			if got := r.spentByModel(); got != "coins [{model small}]=44 out [{model small}]=44 asks [{model small}]=4 " {
				t.Errorf("by model: %s", got)
			}
			r.must(r.VerifyAll(t.Context()))
		})
	}
}

// TestBacktestAfterReread: to a limit that is tried out, another reading is the difference: neither is usage there
// twice for a moment, nor is all of it stopped since the whole has no room.
func TestBacktestAfterReread(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishCalls(1000)
	r.report(r.usageEvent("a", `{"input_tokens":0,"output_tokens":1000,"smell_tokens":3}`, onUser...))
	h, _, err := r.Reserve(t.Context(), tester, "acme", eventOf(0, 1000, "h"), 60, bursar.ExpireRelease)
	r.must(err)
	_, _, err = r.CommitEvent(t.Context(), tester, "acme", h.ID, r.usageEvent("", `{"out_units":1003}`))
	r.must(err)
	r.report(r.usageEvent("b", `{"total_tokens":50,"smell_tokens":40}`, onUser...))
	r.hours(1)
	drafts := []bursar.AssignmentInput{draftOf("u", "out", "2500", "P1Y"), draftOf("u", "coins", "25", "P1Y")}
	backtest := func(want string) {
		t.Helper()
		if got := r.simulate(scriptStart, 0, drafts...); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
	backtest("replayed 3\ndraft 0 peak 2000\ndraft 1 peak 20.05\n")
	r.rules(smellRules...)
	if got := r.reread(rereadAll); got != "3 events, 3 read, 3 changed, 0 lost: in -40 out 46 coins 0.42" {
		t.Errorf("applied: %s", got)
	}
	backtest("replayed 7\ndraft 0 peak 2046\ndraft 1 peak 20.47\n")
	drafts = []bursar.AssignmentInput{draftOf("u", "out", "2045", "P1Y"), draftOf("u", "coins", "25", "P1Y")}
	backtest("replayed 7\ndraft 0 peak 2006, stopped 1 of 40 from 0s\ndraft 1 peak 20.11\nstop 0s u by 0: 40 on 2006\nentity u by 0: 1 of 40 from 0s\n")
}

// TestRereadOfManyHolds: many reservations that only the store still has are corrected at once.
func TestRereadOfManyHolds(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer func() { r.close() }()
	r.furnishCalls(1000)
	for i := range 60 {
		h, _, err := r.Reserve(t.Context(), tester, "acme", eventOf(1, 1, fmt.Sprint("h", i)), 60, bursar.ExpireRelease)
		r.must(err)
		_, _, err = r.CommitEvent(t.Context(), tester, "acme", h.ID, r.usageEvent("", `{"in_units":5}`))
		r.must(err)
		call := r.usageEvent(fmt.Sprint("call", i), `{"in_units":5}`, onUser...)
		call.CallID = fmt.Sprint(i)
		r.report(call)
	}
	r.hours(33)
	for range 2 {
		r.close()
		r.open()
	}
	r.rules(smellRules...)
	dry := rereadAll
	dry.Apply = false
	const want = "120 events, 120 read, 120 changed, 0 lost: in 540 out -60 coins -0.06"
	for _, in := range []ledger.RepriceInput{dry, rereadAll} {
		if got := r.reread(in); got != want {
			t.Errorf("apply %v: %s", in.Apply, got)
		}
	}
	r.must(r.VerifyAll(t.Context()))
}

// scanned is a store that does something else once, before the log of acme is read.
type scanned struct {
	store.Store
	first func()
}

func (s *scanned) ReadLog(ctx context.Context, stream string, after uint64, limit int, visit func(store.LogRow) error) error {
	if f := s.first; f != nil && stream == "acme" {
		s.first = nil
		f()
	}
	return s.Store.ReadLog(ctx, stream, after, limit, visit)
}

// TestRereadMeanwhile: what another node reads again meanwhile is not told here, and the run comes to its end.
func TestRereadMeanwhile(t *testing.T) {
	for _, apply := range []bool{false, true} {
		t.Run(fmt.Sprint("apply ", apply), func(t *testing.T) {
			s := &scanned{Store: shared()}
			r := newRig(t, s, quiet)
			defer r.close()
			r.furnishCalls(1_000_000)
			pad := "1" + strings.Repeat("0", 7900)
			const n = 1100 // of more bytes than are read again at once
			for i := 0; i < n; i += 100 {
				list := make([]bursar.EventInput, 100)
				for j := range list {
					list[j] = r.usageEvent(fmt.Sprint(i+j), `{"input_tokens":1,"output_tokens":0,"smell_tokens":1,"pad":`+pad+`}`, onUser...)
				}
				r.report(list...)
			}
			r.rules(smellRules...)
			other := newRig(t, s.Store, quiet)
			defer other.close()
			s.first = func() {
				if got := other.reread(rereadAll); got != "1100 events, 1100 read, 1100 changed, 0 lost: out 1100 coins 11" {
					t.Errorf("meanwhile: %s", got)
				}
				r.report(r.usageEvent("new", `{"input_tokens":1,"output_tokens":0}`, onUser...)) // it knows what the other node did
			}
			in := rereadAll
			in.Apply = apply
			if got := r.reread(in); got != "0 events, 0 read, 0 changed, 0 lost:" {
				t.Errorf("then: %s", got)
			}
		})
	}
}

// TestRereadOfWhatNoMeterCounts: an event that cannot be counted as it is read now is told, stays as it is, and holds
// no other up.
func TestRereadOfWhatNoMeterCounts(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishCalls(1000)
	_, err := r.CreateFeature(t.Context(), tester, bursar.Feature{ID: "level", DisplayName: "level", MeterType: "FLUCTUATING",
		Meter: &bursar.Meter{EventName: "llm", Aggregation: bursar.Aggregation{Function: "SUM", Field: "by"}}})
	r.must(err)
	_, err = r.AddRateVersion(t.Context(), tester, "card", catalogue.RateVersionInput{Rates: []bursar.Rate{{FeatureID: "in", Amount: amt("1"), Per: 1000},
		{FeatureID: "out", Amount: amt("10"), Per: 1000}, {FeatureID: "level", Amount: amt("1000"), Per: 1}}})
	r.must(err)
	r.advance(time.Second)
	// Long prompts are counted apart: this takes 9·10^12 back, of a level that was 0, to count them anew.
	r.report(r.usageEvent("a", `{"output_tokens":0,"in_units":300000}`, onUser[0], bursar.Dimension{Key: "by", Value: "-9000000000000", Kind: bursar.DimNumber}))
	r.report(r.usageEvent("b", `{"in_units":300000,"output_tokens":1}`, onUser[0], bursar.Dimension{Key: "by", Value: "0", Kind: bursar.DimNumber}))
	before := r.standing()
	r.rules(smellRules...)
	dry := rereadAll
	dry.Apply = false
	for _, in := range []ledger.RepriceInput{dry, rereadAll} {
		if got := r.reread(in); got != "1 uncounted, 2 events, 1 read, 1 changed, 0 lost: in 300000 coins 300" {
			t.Errorf("apply %v: %s", in.Apply, got)
		}
	}
	if got := r.unread(); got != `1 of  ["in_units"]` || r.standing() == before {
		t.Errorf("unread are %s", got)
	}
	if got := r.reread(rereadAll); got != "1 uncounted, 1 events, 0 read, 0 changed, 0 lost:" {
		t.Errorf("once more: %s", got)
	}
	r.must(r.VerifyAll(t.Context()))
}

// TestRereadOfACallThatNoMeterCounts: a call of which nothing was counted stays on the list, too, as long as it cannot be.
func TestRereadOfACallThatNoMeterCounts(t *testing.T) {
	for _, call := range []string{"", "one"} {
		r := newRig(t, mem.New(), quiet)
		defer r.close()
		r.furnishCalls(1000)
		_, err := r.AddRateVersion(t.Context(), tester, "card", catalogue.RateVersionInput{Rates: []bursar.Rate{{FeatureID: "in", Amount: amt("1000"), Per: 1},
			{FeatureID: "out", Amount: amt("10"), Per: 1000}}})
		r.must(err)
		r.advance(time.Second)
		in := r.usageEvent("a", `{"in_units":9000000000000}`, onUser[0])
		in.CallID = call
		r.report(in)
		r.rules(smellRules...)
		dry := rereadAll
		dry.Apply = false
		for _, in := range []ledger.RepriceInput{dry, rereadAll} {
			if got := r.reread(in); got != "1 uncounted, 1 events, 0 read, 0 changed, 0 lost:" {
				t.Errorf("call %q, apply %v: %s", call, in.Apply, got)
			}
		}
		if got := r.unread(); got != `1 of  ["" "in_units"]` {
			t.Errorf("call %q: unread are %s", call, got)
		}
		r.must(r.VerifyAll(t.Context()))
	}
}
