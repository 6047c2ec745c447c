package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// afterSeries is a store that lets something happen when a series was read: between the
// facts of a decision and the decision.
type afterSeries struct {
	store.Store
	after func()
}

func (s *afterSeries) Series(ctx context.Context, customer string, q store.SeriesQuery) ([]store.SeriesRow, uint64, error) {
	rows, seq, err := s.Store.Series(ctx, customer, q)
	if f := s.after; f != nil {
		s.after = nil
		f()
	}
	return rows, seq, err
}

// TestLimitCountsThePeriodSoFar: a limit that counts the period so far begins with all of
// it, what is in a checkpoint and what is not, once, whatever happens between the look at
// the store and the decision; and it is a fact of the log.
func TestLimitCountsThePeriodSoFar(t *testing.T) {
	ctx := t.Context()
	s := &afterSeries{Store: sqliteIn(t)}
	r := newRig(t, s, engine.Options{})
	r.furnish("acme")
	use := func(amount int64) {
		t.Helper()
		_, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(amount), Dimensions: onUser}})
		r.must(err)
	}
	use(1) // of a month that is over
	r.advance(40 * 24 * time.Hour)
	use(100)
	r.must(r.Save(ctx, "acme"))
	use(20)
	s.after = func() {
		use(3)
		r.must(r.Save(ctx, "acme")) // what was read is overtaken
		use(5)
	}
	month := bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitMonth})
	in := func(label string) bursar.AssignmentInput {
		return bursar.AssignmentInput{EntityID: "o", Capability: capability("tokens"), UsageLimit: bursar.Some(bursar.AmountFromInt(1000)), Cadence: month, Label: label, CountFrom: "periodStart"}
	}
	made, _, err := r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{in("a"), in("b")})
	r.must(err)
	if s.after != nil {
		t.Fatal("nothing was read of the store")
	}
	for i := range made {
		if made[i].Start == nil || made[i].Start.Usage != bursar.AmountFromInt(128) {
			t.Errorf("limit %d begins with %+v, want 128", i, made[i].Start)
		}
	}
	use(2)
	usedOf := func() (used []string) {
		page, err := r.Tree(ctx, ledger.ReadOptions{}, "acme", ledger.TreeQuery{Capabilities: []bursar.Capability{capability("tokens")}, RootEntityID: "o", Depth: new(int), SortBy: ledger.SortCreatedAt, Limit: 10})
		r.must(err)
		for _, row := range page.Rows {
			if row.Limit.Label != "" {
				used = append(used, row.Limit.CurrentUsage.String())
			}
		}
		return used
	}
	check := func(when string) {
		t.Helper()
		if got := usedOf(); len(got) != 2 || got[0] != "130" || got[1] != "130" {
			t.Errorf("%s: used %v, want 130 each", when, got)
		}
		r.must(r.VerifyAll(ctx))
	}
	check("live")
	r.close()
	r.open()
	check("after a restart")
	r.advance(40 * 24 * time.Hour)
	if got := usedOf(); got[0] != "0" {
		t.Errorf("in the next period: used %v", got)
	}
}
