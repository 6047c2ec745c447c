package engine_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

var smellRules = []bursar.UsageRule{{Member: "smell_tokens", Kind: bursar.TokensOutput}, {Member: "in_units", Kind: bursar.TokensInput}, {Member: "out_units", Kind: bursar.TokensOutput}}

func (r *rig) rules(list ...bursar.UsageRule) {
	r.t.Helper()
	_, err := r.UpdateSettings(r.t.Context(), tester, catalogue.SettingsPatch{UsageRules: bursar.Some(list)})
	r.must(err)
}

// usageEvent is an event of acme as the API makes it of a usage object.
func (r *rig) usageEvent(key, usage string, given ...bursar.Dimension) bursar.EventInput {
	r.t.Helper()
	settings := r.Catalogue().Settings
	reading, err := bursar.ReadUsage([]byte(usage), settings.RulesOfUsage()...)
	r.must(err)
	derived, err := bursar.Derive(given, reading)
	r.must(err)
	in := bursar.EventInput{CustomerID: "acme", EventName: "llm", IdempotencyKey: key, Dimensions: append(append([]bursar.Dimension{}, given...), derived...),
		Derived: derived, Warnings: reading.Warnings(), Unread: reading.Keep(derived)}
	in.Illegible = in.Unread != nil
	return in
}

func (r *rig) report(in ...bursar.EventInput) []bursar.EventResult {
	r.t.Helper()
	out, _, err := r.ReportEvents(r.t.Context(), tester, in)
	r.must(err)
	return out
}

// reread is what another reading finds, as text.
func (r *rig) reread(in ledger.RepriceInput) string {
	r.t.Helper()
	got, err := r.Reread(r.t.Context(), tester, in)
	if err != nil {
		return string(codeOf(err))
	}
	t := got.Total
	s := fmt.Sprintf("%d events, %d read, %d changed, %d lost:", t.Events, t.Read, t.Changed, t.Lost)
	if t.Uncounted > 0 {
		s = fmt.Sprintf("%d uncounted, %s", t.Uncounted, s)
	}
	for _, c := range t.Changes {
		s += fmt.Sprintf(" %s %s", c.ID, c.Amount)
	}
	return s
}

// unread is what the list has, as text.
func (r *rig) unread() string {
	r.t.Helper()
	list, _, err := r.Unread(r.t.Context(), ledger.ReadOptions{}, "")
	r.must(err)
	own, _, err := r.Unread(r.t.Context(), ledger.ReadOptions{}, "acme")
	r.must(err)
	if fmt.Sprint(own.Items) != fmt.Sprint(list.Items) {
		r.t.Errorf("of acme %+v, of all %+v", own, list)
	}
	var lines []string
	for _, u := range list.Items {
		lines = append(lines, fmt.Sprintf("%d of %s %q", u.Count, u.Model, u.Names))
	}
	return strings.Join(lines, ", ")
}

// spentByModel is the history of coins and of output, by model.
func (r *rig) spentByModel() (s string) {
	r.t.Helper()
	for _, what := range []string{"coins", "out", "asks"} {
		series, _, err := r.History(r.t.Context(), ledger.ReadOptions{}, "acme", ledger.HistoryQuery{Capability: capability(what), From: later(-48 * time.Hour), GroupBy: []string{"model"}})
		r.must(err)
		for _, x := range series.Series {
			var sum bursar.Amount
			for _, p := range x.Points {
				sum = sum.Add(p.Value)
			}
			if !sum.IsZero() {
				s += fmt.Sprintf("%s %v=%s ", what, x.Tags, sum)
			}
		}
	}
	return s
}

// TestUnreadIsReadAgain: what was not understood is kept through restarts, counts once a rule says what it
// is, and only once, and has left the list then.
func TestUnreadIsReadAgain(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, quiet)
		r.furnishCalls(1000)
		in := ledger.RepriceInput{From: later(-time.Hour)}
		apply := in
		apply.Apply = true
		r.report(r.usageEvent("a", `{"model":"m","input_tokens":10,"output_tokens":20,"smell_tokens":7,"noise_tokens":3}`, onUser...),
			r.usageEvent("b", `{"in_units":5,"out_units":6}`, onUser...))
		const unread, before = `1 of  ["" "in_units" "out_units"], 1 of m ["noise_tokens" "smell_tokens"]`, "in 10+0 out 20+0 (20+0) asks 2+0 (2+0) coins 0.21+0 (0.21+0) "
		for range 2 {
			if got := r.unread(); got != unread {
				t.Errorf("unread are %s", got)
			}
			if got := r.reread(apply); got != "2 events, 0 read, 0 changed, 0 lost:" {
				t.Errorf("without a rule: %s", got)
			}
			if got := r.standing(); got != before {
				t.Errorf("before: %s", got)
			}
			r.close()
			r.open()
		}
		r.rules(smellRules...)
		want := "2 events, 1 read, 2 changed, 0 lost: in 5 out 13 coins 0.135"
		if got := r.reread(in); got != want {
			t.Errorf("a dry run: %s, not %s", got, want)
		}
		if got := r.unread(); got != unread {
			t.Errorf("after a dry run %s are unread", got)
		}
		earlier := apply
		earlier.To = later(-time.Minute)
		if got := r.reread(earlier); got != "0 events, 0 read, 0 changed, 0 lost:" {
			t.Errorf("of before: %s", got)
		}
		if got := r.reread(apply); got != want {
			t.Errorf("applied: %s, not %s", got, want)
		}
		for range 2 {
			if got := r.standing(); got != "in 15+0 out 33+0 (33+0) asks 2+0 (2+0) coins 0.345+0 (0.345+0) " {
				t.Errorf("after: %s", got)
			}
			if got := r.unread(); got != `1 of m ["noise_tokens"]` {
				t.Errorf("unread are %s", got)
			}
			if got := r.reread(apply); got != "1 events, 0 read, 0 changed, 0 lost:" {
				t.Errorf("twice: %s", got)
			}
			r.must(r.VerifyAll(t.Context()))
			r.close()
			r.open()
		}
		r.rules(append(smellRules[:3:3], bursar.UsageRule{Member: "noise_tokens", Kind: bursar.IgnoredUsage})...)
		if got := r.reread(apply); got != "1 events, 1 read, 0 changed, 0 lost:" || r.unread() != "" {
			t.Errorf("the last: %s, unread are %s", got, r.unread())
		}
		r.close()
	})
}

// TestUnreadCommit: a reservation that was settled as nobody understood its usage is corrected; one
// that was committed since is not.
func TestUnreadCommit(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, quiet)
		defer func() { r.close() }()
		r.furnishCalls(1000)
		var ids []string
		for i := range 4 {
			h, _, err := r.Reserve(t.Context(), tester, "acme", eventOf(100, 100, fmt.Sprint("h", i)), 60, bursar.ExpireRelease)
			r.must(err)
			_, _, err = r.CommitEvent(t.Context(), tester, "acme", h.ID, r.usageEvent("", fmt.Sprintf(`{"in_units":%d,"out_units":7}`, i+1)))
			r.must(err)
			ids = append(ids, h.ID)
		}
		commit := func(id string) {
			_, _, err := r.CommitEvent(t.Context(), tester, "acme", id, r.usageEvent("", `{"input_tokens":50,"output_tokens":50}`))
			r.must(err)
		}
		commit(ids[1]) // before its time is over
		_, _, err := r.ReleaseReservation(t.Context(), tester, "acme", ids[3])
		r.must(err)
		r.advance(2 * time.Minute)
		commit(ids[2]) // and after it
		if got := r.standing(); got != "in 200+0 out 200+0 (200+0) asks 3+0 (3+0) coins 2.2+0 (2.2+0) " {
			t.Errorf("before: %s", got)
		}
		r.rules(smellRules...)
		apply := ledger.RepriceInput{From: later(-time.Hour), Apply: true}
		if got := r.reread(apply); got != "4 events, 4 read, 1 changed, 0 lost: in -99 out -93 coins -1.029" {
			t.Errorf("applied: %s", got)
		}
		if got := r.standing(); got != "in 101+0 out 107+0 (107+0) asks 3+0 (3+0) coins 1.171+0 (1.171+0) " || r.unread() != "" {
			t.Errorf("after: %s, unread %s", got, r.unread())
		}
		r.must(r.VerifyAll(t.Context()))
	})
}

// TestUnreadCall: a call of which nothing was understood counts once: by what is reported of it since,
// or else by another reading.
func TestUnreadCall(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnishCalls(1000)
	event := func(key, call, usage string) bursar.EventInput {
		in := r.usageEvent(key, usage, onUser...)
		in.CallID = call
		return in
	}
	r.report(event("a", "one", `{"in_units":5}`), event("b", "two", `{"in_units":6}`))
	r.report(event("c", "one", `{"input_tokens":9,"output_tokens":0}`))
	r.rules(smellRules...)
	if got := r.reread(ledger.RepriceInput{From: later(-time.Hour), Apply: true}); got != "2 events, 2 read, 1 changed, 0 lost: in 6 coins 0.006" {
		t.Errorf("applied: %s", got)
	}
	if got := r.report(event("d", "two", `{"in_units":6}`)); !got[0].Duplicate {
		t.Errorf("the call that was read again is no duplicate: %+v", got)
	}
}

// TestUnreadOfCutLog: unread usage whose log was cut is told.
func TestUnreadOfCutLog(t *testing.T) {
	s := &trimmed{Store: mem.New()}
	r := newRig(t, s, quiet)
	defer r.close()
	r.furnishCalls(1000)
	for i := range 3 {
		r.report(r.usageEvent(fmt.Sprint(i), `{"in_units":5}`, onUser...))
	}
	version, err := r.EngineVersion("acme")
	r.must(err)
	s.upTo = version - 1 // the last commit is left
	r.rules(smellRules...)
	if got := r.reread(ledger.RepriceInput{From: later(-time.Hour), Apply: true}); got != "1 events, 1 read, 1 changed, 2 lost: in 5 coins 0.005" {
		t.Errorf("applied: %s", got)
	}
	if got := r.unread(); got != `2 of  ["" "in_units"]` {
		t.Errorf("unread are %s", got)
	}
}

// EngineVersion is a customer's.
func (r *rig) EngineVersion(customer string) (uint64, error) {
	_, version, err := r.Unread(r.t.Context(), ledger.ReadOptions{}, customer)
	return version, err
}

// TestUnreadAsKnown: who knew the rules from the beginning, and who came to know them, stand alike in
// the end, whatever happened between: other prices, another place in the tree, other limits.
func TestUnreadAsKnown(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			know, learn := newRig(t, mem.New(), quiet), newRig(t, mem.New(), quiet)
			for _, r := range []*rig{know, learn} {
				defer r.close()
				r.furnishCalls(1_000_000)
				_, _, err := r.PutAssignments(t.Context(), tester, "acme", []bursar.AssignmentInput{{EntityID: "o", Capability: capability("coins"), UsageLimit: bursar.Some(amt("1000000000"))}})
				r.must(err)
				_, _, err = r.CreateGrant(t.Context(), tester, bursar.GrantInput{CustomerID: "acme", CurrencyID: "coins", Amount: amt("1000000000"), DisplayName: "more", Type: bursar.GrantPaid})
				r.must(err)
			}
			know.rules(smellRules...)
			for _, r := range []*rig{know, learn} {
				wanderUnread(r, rand.New(rand.NewPCG(seed, 1)), func() {
					if r == learn {
						r.rules(smellRules...)
						r.reread(ledger.RepriceInput{From: later(-48 * time.Hour), Apply: true})
					}
				})
			}
			a, b := know.standing()+know.spentByModel(), learn.standing()+learn.spentByModel()
			if a != b {
				t.Errorf("knew    %s\nlearned %s", a, b)
			}
			for _, r := range []*rig{know, learn} {
				r.must(r.VerifyAll(t.Context()))
				if got := r.unread(); got != "" {
					t.Errorf("unread are %s", got)
				}
			}
		})
	}
}

// wanderUnread reports usage in several ways, and changes what bears on it. At last it calls then.
func wanderUnread(r *rig, g *rand.Rand, then func()) {
	ctx := r.t.Context()
	usages := []string{`{"model":"big","input_tokens":%d,"output_tokens":20,"smell_tokens":7}`, `{"in_units":%d,"out_units":6}`, `{"input_tokens":%d,"output_tokens":2}`,
		`{"usage":{"prompt_tokens":%d,"completion_tokens":3,"total_tokens":999999,"smell_tokens":5},"model":"small"}`}
	move := func(to string) {
		_, _, err := r.PutEntities(ctx, tester, "acme", []bursar.EntityInput{{ID: "o2", EntityTypeID: "org"}, {ID: "u", EntityTypeID: "user", ParentID: bursar.Some(to)}})
		r.must(err)
	}
	for i := range 40 {
		usage := fmt.Sprintf(usages[g.IntN(len(usages))], g.IntN(300_000))
		switch g.IntN(10) {
		case 0, 1, 2:
			in := r.usageEvent(fmt.Sprint("e", i), usage, onUser...)
			if g.IntN(2) == 0 {
				in.Timestamp = r.Now() - bursar.Time(g.IntN(7200))*1e9
			}
			r.report(in)
		case 3:
			e := r.usageEvent(fmt.Sprint("c", i), usage, onUser...)
			_, _, err := r.Consume(ctx, tester, "acme", bursar.SpendInput{EventName: "llm", Dimensions: e.Dimensions, IdempotencyKey: e.IdempotencyKey, Warnings: e.Warnings, Unread: e.Unread})
			r.must(err)
		case 4, 5:
			h, _, err := r.Reserve(ctx, tester, "acme", eventOf(100, 100, fmt.Sprint("h", i)), 60, []bursar.OnExpire{bursar.ExpireRelease, bursar.ExpireSettle}[g.IntN(2)])
			r.must(err)
			if g.IntN(2) == 0 {
				r.advance(2 * time.Minute)
			}
			_, _, err = r.CommitEvent(ctx, tester, "acme", h.ID, r.usageEvent("", usage))
			r.must(err)
		case 6:
			r.advance(time.Duration(g.IntN(5)) * time.Hour)
		case 7:
			r.advance(time.Second)
			_, err := r.AddRateVersion(ctx, tester, "card", catalogue.RateVersionInput{Rates: []bursar.Rate{{FeatureID: "in", Amount: amt(fmt.Sprint(1 + g.IntN(5))), Per: 1000}, {FeatureID: "out", Amount: amt("10"), Per: 1000},
				{FeatureID: "out", Amount: amt("30"), Per: 1000, Match: map[string][]string{"model": {"big"}}}}})
			r.must(err)
			r.advance(time.Second)
		case 8:
			move([]string{"o", "o2"}[g.IntN(2)])
		case 9:
			day := bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitDay})
			r.advance(time.Second)
			_, _, err := r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "u", Label: fmt.Sprint(i), Capability: capability("out"), UsageLimit: bursar.Some(amt("1000000000")), Cadence: day}})
			r.must(err)
			r.advance(time.Second)
		}
	}
	move("o")
	then()
	r.advance(3 * time.Hour)
}
