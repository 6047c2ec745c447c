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

func draftOf(entity, what, limit, cadence string, scope ...string) bursar.AssignmentInput {
	in := bursar.AssignmentInput{EntityID: entity, Capability: capability(what), ScopeEntityIDs: scope, Label: "draft", UsageLimit: bursar.Some(amount(limit))}
	c, err := bursar.ParseCadence(cadence)
	if err != nil {
		panic(err)
	}
	in.Cadence = bursar.Some(c)
	return in
}

func softly(in bursar.AssignmentInput) bursar.AssignmentInput {
	in.Enforcement = bursar.Some(bursar.Soft)
	return in
}

// simulate is a simulation as text: "replayed N", a line for each draft, stop and entity.
func (r *rig) simulate(from, to bursar.Time, drafts ...bursar.AssignmentInput) string {
	r.t.Helper()
	s, version, err := r.Simulate(context.Background(), ledger.ReadOptions{}, "acme", ledger.SimulateInput{From: from, To: to, Drafts: drafts})
	if err != nil {
		pointer := ""
		if e := err.(*bursar.Error); len(e.Fields) > 0 {
			pointer = " at " + e.Fields[0].Pointer
		}
		return string(codeOf(err)) + pointer
	}
	if version == 0 || s.From != from {
		r.t.Errorf("version %d, from %s", version, s.From)
	}
	at := func(t bursar.Time) time.Duration { return time.Duration(t - scriptStart) }
	var b strings.Builder
	fmt.Fprintf(&b, "replayed %d\n", s.Replayed)
	for _, d := range s.Drafts {
		fmt.Fprintf(&b, "draft %d peak %s", d.Index, d.Peak)
		if d.Stopped > 0 {
			fmt.Fprintf(&b, ", stopped %d of %s from %s", d.Stopped, d.StoppedUsage, at(d.FirstStopped))
		}
		b.WriteByte('\n')
	}
	for _, x := range s.Stopped {
		fmt.Fprintf(&b, "stop %s %s by %d: %s on %s\n", at(x.Timestamp), x.EntityID, x.Draft, x.Amount, x.Used)
	}
	for _, x := range s.Entities {
		fmt.Fprintf(&b, "entity %s by %d: %d of %s from %s\n", x.EntityID, x.Draft, x.Stopped, x.StoppedUsage, at(x.FirstStopped))
	}
	return b.String()
}

type simCase struct {
	name     string
	from, to bursar.Time
	drafts   []bursar.AssignmentInput
	want     string
}

func (r *rig) simulateAll(cases []simCase) {
	r.t.Helper()
	before, _, _, err := r.store.Heads(context.Background(), []string{"acme"}, nil)
	r.must(err)
	for _, c := range cases {
		if got := r.simulate(c.from, c.to, c.drafts...); strings.TrimSpace(got) != strings.TrimSpace(strings.ReplaceAll(c.want, "\n\t\t\t", "\n")) {
			r.t.Errorf("%s: got\n%swant\n%s", c.name, got, c.want)
		}
	}
	after, _, _, err := r.store.Heads(context.Background(), []string{"acme"}, nil)
	r.must(err)
	if before[0] != after[0] {
		r.t.Error("a simulation has written something")
	}
	r.must(r.VerifyAll(context.Background()))
}

// A day of usage: 10 at each of four times, an hour apart, on u; then 5 on a project p
// below o, with the user, and 1 on nothing.
func dayOfUsage(r *rig) {
	ctx := context.Background()
	_, err := r.PutEntityTypes(ctx, tester, []catalogue.EntityTypeInput{{ID: "project", DisplayName: "Project", AttributionKeys: []string{"project"}}})
	r.must(err)
	_, _, err = r.PutEntities(ctx, tester, "acme", []bursar.EntityInput{{ID: "p", EntityTypeID: "project", ParentID: bursar.Some("o")}, {ID: "o2", EntityTypeID: "org"}})
	r.must(err)
	for range 4 {
		r.use("acme", "10", 0, onUser)
		r.advance(time.Hour)
	}
	r.use("acme", "5", 0, dims("user", "u", "project", "p"))
	r.use("acme", "1", 0, nil)
}

func TestSimulate(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	dayOfUsage(r)
	soon := later(5 * time.Hour)
	list := func(d ...bursar.AssignmentInput) []bursar.AssignmentInput { return d }
	r.simulateAll([]simCase{
		{"room for all", scriptStart, soon, list(draftOf("o", "tokens", "45", "P1D")), `replayed 5
			draft 0 peak 45`},
		{"no room for the last", scriptStart, soon, list(draftOf("o", "tokens", "44", "P1D")), `replayed 5
			draft 0 peak 40, stopped 1 of 5 from 4h0m0s
			stop 4h0m0s p by 0: 5 on 40
			entity p by 0: 1 of 5 from 4h0m0s`},
		{"what is stopped is not counted, smaller amounts still fit", scriptStart, soon, list(draftOf("o", "tokens", "25", "P1D")), `replayed 5
			draft 0 peak 25, stopped 2 of 20 from 2h0m0s
			stop 2h0m0s u by 0: 10 on 20
			stop 3h0m0s u by 0: 10 on 20
			entity u by 0: 2 of 20 from 2h0m0s`},
		{"windows of two hours", scriptStart, soon, list(draftOf("o", "tokens", "15", "PT2H")), `replayed 5
			draft 0 peak 10, stopped 2 of 20 from 1h0m0s
			stop 1h0m0s u by 0: 10 on 10
			stop 3h0m0s u by 0: 10 on 10
			entity u by 0: 2 of 20 from 1h0m0s`},
		{"what was used before counts and is not judged", later(3 * time.Hour), soon, list(draftOf("o", "tokens", "34", "P1D")), `replayed 2
			draft 0 peak 0, stopped 2 of 15 from 3h0m0s
			stop 3h0m0s u by 0: 10 on 30
			stop 4h0m0s p by 0: 5 on 30
			entity p by 0: 1 of 5 from 4h0m0s
			entity u by 0: 1 of 10 from 3h0m0s`},
		{"the end is exclusive", scriptStart, later(3 * time.Hour), list(draftOf("o", "tokens", "5", "PT1H")), `replayed 3
			draft 0 peak 0, stopped 3 of 30 from 0s
			stop 0s u by 0: 10 on 0
			stop 1h0m0s u by 0: 10 on 0
			stop 2h0m0s u by 0: 10 on 0
			entity u by 0: 3 of 30 from 0s`},
		{"until now, and now belongs to it", later(4 * time.Hour), 0, list(draftOf("u", "tokens", "5", "PT1H")), `replayed 1
			draft 0 peak 5`},
		{"a scope", scriptStart, soon, list(draftOf("o", "tokens", "4", "P1D", "p"), draftOf("o", "tokens", "4", "P1D", "o2")), `replayed 1
			draft 0 peak 0, stopped 1 of 5 from 4h0m0s
			draft 1 peak 0
			stop 4h0m0s p by 0: 5 on 0
			entity p by 0: 1 of 5 from 4h0m0s`},
		{"soft counts and stops nothing", scriptStart, soon, list(softly(draftOf("o", "tokens", "12", "P1D")), draftOf("p", "tokens", "0", "P1D")), `replayed 5
			draft 0 peak 40
			draft 1 peak 0, stopped 1 of 5 from 4h0m0s
			stop 4h0m0s p by 1: 5 on 0
			entity p by 1: 1 of 5 from 4h0m0s`},
		{"the first draft stops, the others do not count it", scriptStart, soon, list(draftOf("u", "tokens", "30", "P1D"), draftOf("o", "tokens", "20", "PT12H")), `replayed 5
			draft 0 peak 20
			draft 1 peak 20, stopped 3 of 25 from 2h0m0s
			stop 2h0m0s u by 1: 10 on 20
			stop 3h0m0s u by 1: 10 on 20
			stop 4h0m0s p by 1: 5 on 20
			entity u by 1: 2 of 20 from 2h0m0s
			entity p by 1: 1 of 5 from 4h0m0s`},
		{"a cost stops the usage", scriptStart, soon, list(draftOf("o", "tokens", "1000", "P1D"), draftOf("o", "gold", "2.4", "P1D")), `replayed 5
			draft 0 peak 20
			draft 1 peak 2, stopped 3 of 2.5 from 2h0m0s
			stop 2h0m0s u by 1: 1 on 2
			stop 3h0m0s u by 1: 1 on 2
			stop 4h0m0s p by 1: 0.5 on 2
			entity u by 1: 2 of 2 from 2h0m0s
			entity p by 1: 1 of 0.5 from 4h0m0s`},
		{"unlimited", scriptStart, soon, list(bursar.AssignmentInput{EntityID: "o", Capability: capability("tokens"), Label: "x", UsageLimit: bursar.Null[bursar.Amount](),
			Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitDay})}), `replayed 5
			draft 0 peak 45`},
		{"in place of a limit that exists", scriptStart, soon, list(bursar.AssignmentInput{EntityID: "u", Capability: capability("tokens"), UsageLimit: bursar.Some(amount("39"))}), `replayed 5
			draft 0 peak 35, stopped 1 of 10 from 3h0m0s
			stop 3h0m0s u by 0: 10 on 30
			entity u by 0: 1 of 10 from 3h0m0s`},
		{"a capability that was never used", scriptStart, soon, list(draftOf("u", "coins", "1", "P1D")), "CurrencyNotFound at /assignments/0/currencyId"},
		{"validated", scriptStart, soon, list(draftOf("u", "tokens", "1", "P1D"), draftOf("v", "tokens", "1", "P1D")), "EntityNotFound at /assignments/1/entityId"},
		{"twice the same", scriptStart, soon, list(draftOf("u", "tokens", "1", "P1D"), draftOf("u", "tokens", "2", "P1D")), "ValidationFailed at /assignments/1"},
		{"none", scriptStart, soon, nil, "ValidationFailed at /assignments"},
		{"nothing between", soon, soon, list(draftOf("u", "tokens", "1", "P1D")), "ValidationFailed at /from"},
	})
	if _, _, err := r.Simulate(t.Context(), ledger.ReadOptions{}, "nobody", ledger.SimulateInput{}); codeOf(err) != bursar.CodeCustomerNotFound {
		t.Errorf("nobody: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := r.Simulate(ctx, ledger.ReadOptions{}, "acme", ledger.SimulateInput{Drafts: list(draftOf("u", "tokens", "1", "P1D"))}); err == nil {
		t.Error("cancelled, but it answers")
	}
}

// Usage is judged where it was attributed to at the time.
func TestSimulateMoves(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	dayOfUsage(r)
	_, _, err := r.PatchEntity(t.Context(), tester, "acme", bursar.EntityInput{ID: "u", ParentID: bursar.Some("o2")})
	r.must(err)
	r.use("acme", "3", 0, onUser)
	r.simulateAll([]simCase{
		{"where it was", scriptStart, 0, []bursar.AssignmentInput{draftOf("o", "tokens", "30", "P1D"), draftOf("o2", "tokens", "2", "P1D")}, `replayed 6
			draft 0 peak 30, stopped 2 of 15 from 3h0m0s
			draft 1 peak 0, stopped 1 of 3 from 4h0m0s
			stop 3h0m0s u by 0: 10 on 30
			stop 4h0m0s p by 0: 5 on 30
			stop 4h0m0s u by 1: 3 on 0
			entity u by 0: 2 of 13 from 3h0m0s
			entity p by 0: 1 of 5 from 4h0m0s`},
	})
}

// Late usage, levels, refunds and holds.
func TestSimulateActs(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	ctx := t.Context()
	r.sellSeats("3")
	seats := func(value string, b bursar.UpdateBehavior) {
		_, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "seats", Value: amount(value), Behavior: b, Dimensions: onUser}})
		r.must(err)
	}
	hold := func(key string, ttl int, onExpire bursar.OnExpire) string {
		h, _, err := r.Reserve(ctx, tester, "acme", spendOf("tokens", 10, key), ttl, onExpire)
		r.must(err)
		return h.ID
	}
	r.grant(bursar.GrantInput{CustomerID: "acme", Amount: amount("100"), DisplayName: "G"})
	seats("5", bursar.Set) // 5
	r.advance(time.Hour)
	seats("3", bursar.Set) // −2
	seats("8", bursar.Set) // 5
	seats("-1", bursar.Delta)
	hold("settles", 600, bursar.ExpireSettle)
	late, done, released := hold("late", 600, ""), hold("done", 7200, ""), hold("released", 7200, "")
	r.advance(time.Hour) // 2h: settles was used at 1h10m
	_, _, err := r.CommitReservation(ctx, tester, "acme", late, amount("4"))
	r.must(err)
	_, _, err = r.ReleaseReservation(ctx, tester, "acme", released)
	r.must(err)
	_, _, err = r.CommitReservation(ctx, tester, "acme", done, amount("6"))
	r.must(err)
	r.use("acme", "7", later(time.Hour+5*time.Minute), onUser) // late, into the window before
	soon := later(10 * time.Hour)
	list := func(d ...bursar.AssignmentInput) []bursar.AssignmentInput { return d }
	cases := []simCase{
		{"changes of the level", scriptStart, soon, list(softly(draftOf("o", "seats", "0", "P1D"))), `replayed 4
			draft 0 peak 8`},
		{"a level that does not fit, and what lowers it", scriptStart, soon, list(draftOf("u", "seats", "4", "P1D")), `replayed 4
			draft 0 peak 0, stopped 2 of 10 from 0s
			stop 0s u by 0: 5 on 0
			stop 1h0m0s u by 0: 5 on 0
			entity u by 0: 2 of 10 from 0s`},
		{"costs of refunds", scriptStart, soon, list(softly(draftOf("o", "gold", "0", "P1D"))), `replayed 8
			draft 0 peak 24`},
		{"holds", scriptStart, soon, list(draftOf("o", "tokens", "12", "PT1H")), `replayed 4
			draft 0 peak 10, stopped 1 of 7 from 1h5m0s
			stop 1h5m0s u by 0: 7 on 10
			entity u by 0: 1 of 7 from 1h5m0s`},
		{"costs of holds", scriptStart, soon, list(draftOf("u", "gold", "0.9", "PT10M")), `replayed 8
			draft 0 peak 0.7, stopped 4 of 31.6 from 0s
			stop 0s u by 0: 15 on 0
			stop 1h0m0s u by 0: 15 on 0
			stop 1h10m0s u by 0: 1 on 0
			stop 2h0m0s u by 0: 0.6 on 0.4
			entity u by 0: 4 of 31.6 from 0s`},
		{"the hold was open when the interval began", later(65 * time.Minute), soon, list(draftOf("o", "tokens", "9", "PT10M")), `replayed 4
			draft 0 peak 7, stopped 2 of 16 from 1h10m0s
			stop 1h10m0s u by 0: 10 on 0
			stop 2h0m0s u by 0: 6 on 4
			entity u by 0: 2 of 16 from 1h10m0s`},
	}
	r.simulateAll(cases)
	r.close() // after a restart, closed holds are not in memory
	r.open()
	r.simulateAll(cases)
}

// trimmed is a store whose logs begin after a commit.
type trimmed struct {
	store.Store
	upTo uint64
}

func (s *trimmed) ReadLog(ctx context.Context, stream string, after uint64, limit int, visit func(store.LogRow) error) error {
	if stream != store.CatalogueStream {
		after = max(after, s.upTo)
	}
	return s.Store.ReadLog(ctx, stream, after, limit, visit)
}

func TestHistoryTrimmed(t *testing.T) {
	s := &trimmed{Store: mem.New()}
	r := shop(t, s, "acme")
	defer r.close()
	r.advance(24 * time.Hour)
	for range 3 {
		r.use("acme", "10", 0, onUser)
		r.advance(time.Hour)
	}
	heads, _, _, err := s.Heads(t.Context(), []string{"acme"}, nil)
	r.must(err)
	r.correct("card", "0.2", "0.5")
	s.upTo = heads[0].Seq - 2 // the first usage is gone
	draft := draftOf("o", "tokens", "5", "PT1H")
	if got := r.simulate(later(24*time.Hour), 0, draft); got != "HistoryTrimmed" {
		t.Errorf("simulate: %s", got)
	}
	if got := r.simulate(later(25*time.Hour), 0, draftOf("o", "tokens", "5", "P1D")); got != "HistoryTrimmed" {
		t.Errorf("the window begins before: %s", got)
	}
	if got := r.simulate(later(25*time.Hour)+1, 0, draft); got != "HistoryTrimmed" {
		t.Errorf("the window begins with a commit that may have been trimmed: %s", got)
	}
	if got := r.simulate(later(26*time.Hour), 0, draft); !strings.HasPrefix(got, "replayed 1\n") {
		t.Errorf("what is there: %s", got)
	}
	if _, err := r.Reprice(t.Context(), tester, ledger.RepriceInput{CardID: "card", From: later(0)}); codeOf(err) != bursar.CodeHistoryTrimmed {
		t.Errorf("reprice: %v", err)
	}
	if p := r.ledger(ledger.LedgerQuery{}); len(p.Items) != 2 || p.HasNext {
		t.Errorf("ledger: %+v", p)
	}
}

// The first 100 stops in order of time, and the 100 entities that would have lost most,
// though late usage comes after later usage.
func TestSimulateCuts(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	var users []bursar.EntityInput
	for i := range 105 {
		users = append(users, bursar.EntityInput{ID: fmt.Sprintf("u%03d", i), EntityTypeID: "user", ParentID: bursar.Some("o")})
	}
	_, _, err := r.PutEntities(t.Context(), tester, "acme", users)
	r.must(err)
	r.advance(time.Hour)
	for i := range 105 {
		for n := range 2 + i/104 { // the last one thrice
			r.use("acme", "2", later(time.Hour-time.Duration(2*i+n)*time.Second), dims("user", fmt.Sprintf("u%03d", i)))
		}
	}
	s, _, err := r.Simulate(t.Context(), ledger.ReadOptions{}, "acme", ledger.SimulateInput{Drafts: []bursar.AssignmentInput{draftOf("o", "tokens", "1", "P1D")}})
	r.must(err)
	if s.Replayed != 211 || s.Drafts[0].Stopped != 211 || s.Drafts[0].StoppedUsage != amount("422") || len(s.Stopped) != 100 || len(s.Entities) != 100 {
		t.Errorf("%d replayed, %+v, %d stops, %d entities", s.Replayed, s.Drafts, len(s.Stopped), len(s.Entities))
	}
	for i, x := range s.Stopped {
		if want := later(time.Hour - time.Duration(210-i)*time.Second); x.Timestamp != want {
			t.Errorf("stop %d at %s, want %s", i, x.Timestamp, want)
		}
	}
	if x := s.Entities[0]; x.EntityID != "u104" || x.Stopped != 3 || x.StoppedUsage != amount("6") || x.FirstStopped != s.Stopped[0].Timestamp || s.Entities[1].EntityID != "u000" {
		t.Errorf("entities begin with %+v", s.Entities[:2])
	}
	if first := s.Drafts[0].FirstStopped; first != s.Stopped[0].Timestamp {
		t.Errorf("first stopped at %s", first)
	}
}
