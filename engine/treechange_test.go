package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// newHall has n users u00000, u00001, … below the org o, or where parent says, with the limits that limit says.
func newHall(t *testing.T, n int, parent func(i int) string, limit func(i int) string) *grove {
	g := &grove{rig: newRig(t, mem.New(), quiet), feature: "seats"}
	g.furnish("acme")
	_, err := g.CreateFeature(t.Context(), tester, bursar.Feature{ID: g.feature, DisplayName: "Seats", MeterType: "FLUCTUATING"})
	g.must(err)
	for i := range n {
		g.ids = append(g.ids, fmt.Sprintf("u%05d", i))
	}
	for i := 0; i < n; {
		var ents []bursar.EntityInput
		var limits []bursar.AssignmentInput
		for to := min(n, i+400); i < to; i++ {
			ents = append(ents, bursar.EntityInput{ID: g.ids[i], EntityTypeID: "user", ParentID: bursar.Some(parent(i))})
			in := bursar.AssignmentInput{EntityID: g.ids[i], Capability: capability(g.feature), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})}
			if in.UsageLimit = (bursar.Opt[bursar.Amount]{Null: true, Set: true}); limit(i) != "" {
				in.UsageLimit = bursar.Some(amount(limit(i)))
			}
			limits = append(limits, in)
		}
		_, _, err := g.PutEntities(t.Context(), tester, "acme", ents)
		g.must(err)
		_, _, err = g.PutAssignments(t.Context(), tester, "acme", limits)
		g.must(err)
	}
	return g
}

func belowOrg(int) string { return "o" }

func (g *grove) used(id, value string) {
	g.t.Helper()
	g.keys++
	_, _, err := g.ReportUsage(g.t.Context(), tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: g.feature, Value: amount(value), IdempotencyKey: fmt.Sprint("use-", g.keys),
		Dimensions: dims("user", id)}})
	g.must(err)
}

func (g *grove) by(sort ledger.TreeSort, limit int, after []byte) ledger.TreeQuery {
	return ledger.TreeQuery{Capabilities: []bursar.Capability{capability(g.feature)}, SortBy: sort, Desc: true, Limit: limit, After: after}
}

// behind is the cursor behind the first n rows of a query.
func (g *grove) behind(q ledger.TreeQuery, n int) []byte {
	g.t.Helper()
	q.Limit = n
	p, err := g.WholeTree(g.t.Context(), ledger.ReadOptions{}, "acme", q)
	g.must(err)
	return p.Next
}

func idsOf(rows []ledger.TreeRow) (ids []string) {
	for i := range rows {
		ids = append(ids, rows[i].EntityID)
	}
	return ids
}

// Limits of no amount come last, and are on the page where there are no others.
func TestTreeOfUnlimited(t *testing.T) {
	g := newHall(t, 9000, belowOrg, func(i int) string { return []string{"", "100"}[i/8990] })
	defer g.close()
	whole := g.by(ledger.SortUtilization, 50, nil)
	for _, after := range [][]byte{nil, g.behind(whole, 5), g.behind(whole, 10), g.behind(whole, 11)} {
		g.compare(g.by(ledger.SortUtilization, 50, after))
	}
}

// Limits that are alike are all on some page.
func TestTreeOfLargeAmountsAlike(t *testing.T) {
	g := newHall(t, 0, nil, nil)
	defer g.close()
	for i, id := range []string{"c", "b", "a"} {
		_, _, err := g.PutEntities(t.Context(), tester, "acme", []bursar.EntityInput{{ID: id, EntityTypeID: "user", ParentID: bursar.Some([]string{"o", "c", "b"}[i])}})
		g.must(err)
		_, _, err = g.PutAssignments(t.Context(), tester, "acme", []bursar.AssignmentInput{{EntityID: id, Capability: capability(g.feature), UsageLimit: bursar.Some(amount("9000000000")),
			Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})}})
		g.must(err)
	}
	g.used("a", "4700000003")
	defer func() { ledger.SmallTree = 0 }()
	for _, small := range []int{0, 4096} {
		ledger.SmallTree = small
		var ids []string
		for q := g.by(ledger.SortCurrentUsage, 1, nil); ; {
			p, err := g.Tree(t.Context(), ledger.ReadOptions{}, "acme", q)
			g.must(err)
			ids = append(ids, idsOf(p.Rows)...)
			if q.After = p.Next; q.After == nil {
				break
			}
		}
		if !slices.Equal(ids, []string{"a", "b", "c"}) {
			t.Errorf("a tree is small up to %d: %v", small, ids)
		}
	}
}

// A limit that is used while a page is found is on it once.
func TestTreeWhileALimitIsUsed(t *testing.T) {
	g := newHall(t, 3000, belowOrg, func(int) string { return "1000" })
	defer g.close()
	for i := 0; i < 3000; i += 100 {
		g.used(g.ids[i], "7")
	}
	q := g.by(ledger.SortCurrentUsage, 50, nil)
	q.After = g.behind(q, 1)
	rows, err := g.TreeInSlices(t.Context(), "acme", q, func(slice int) {
		if slice == 900 {
			g.used("u00500", "-1")
		}
	})
	g.must(err)
	ids := idsOf(rows)
	slices.Sort(ids)
	if len(ids) != 50 || len(slices.Compact(ids)) != 50 {
		t.Error("it is there twice, or another is missing")
	}
}

// A limit that begins to lend while a page is found, and is on it before and after, is on it.
func TestTreeWhileALimitLends(t *testing.T) {
	const lenders = 40
	g := newHall(t, 2*lenders, func(i int) string {
		if i < lenders {
			return "o"
		}
		return fmt.Sprintf("u%05d", i-lenders)
	}, func(int) string { return "1000" })
	defer g.close()
	for i := range lenders {
		g.used(g.ids[i], "500")
	}
	g.used(g.ids[0], "400")
	for _, sort := range []ledger.TreeSort{ledger.SortUtilization, ledger.SortUsageLimit} {
		q := g.by(sort, 2*lenders, nil)
		q.After = g.behind(q, 1)
		slices := 0
		_, err := g.TreeInSlices(t.Context(), "acme", q, func(int) { slices++ })
		g.must(err)
		for i := 1; i < lenders/2 && i < slices; i++ {
			lender := i
			if sort == ledger.SortUsageLimit {
				lender += lenders / 2
			}
			rows, err := g.TreeInSlices(t.Context(), "acme", q, func(slice int) {
				if slice != slices-i {
					return
				}
				p, err := g.WholeTree(t.Context(), ledger.ReadOptions{}, "acme", g.searched(g.ids[lenders+lender]))
				g.must(err)
				_, _, err = g.CreateBoost(t.Context(), tester, "acme", p.Rows[0].Limit.AssignmentID, bursar.BoostInput{Amount: bursar.AmountFromInt(10), ExpiresAt: g.Now() + bursar.Time(time.Hour), FundedBy: g.ids[lender]})
				g.must(err)
			})
			g.must(err)
			if n := len(rows); n != 2*lenders-1 {
				t.Errorf("by %v, a loan before slice %d of %d: %d rows", sort, slices-i, slices, n)
			}
		}
	}
}

func (g *grove) searched(id string) ledger.TreeQuery {
	q := g.by(ledger.SortID, 1, nil)
	q.Search = id
	return q
}

// Where one entity has very many limits, the lock is let go between them.
func TestTreeOfManyLimitsOfOne(t *testing.T) {
	const n = 15000
	g := newHall(t, n/3, belowOrg, func(int) string { return "1000" })
	defer g.close()
	for i := 0; i < n; {
		var limits []bursar.AssignmentInput
		for to := min(n, i+400); i < to; i++ {
			limits = append(limits, bursar.AssignmentInput{EntityID: "o", ScopeEntityIDs: []string{g.ids[i/3]}, Label: []string{"", "a", "b"}[i%3], Capability: capability(g.feature), UsageLimit: bursar.Some(amount("1000")),
				Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})})
		}
		_, _, err := g.PutAssignments(t.Context(), tester, "acme", limits)
		g.must(err)
	}
	byID, search := g.by(ledger.SortID, 1000, nil), g.by(ledger.SortID, 1000, nil)
	byID.Desc, search.Search = false, "o"
	alike := g.by(ledger.SortUsageLimit, 1000, nil)
	named := search
	g.must(second(g.PutEntities(t.Context(), tester, "acme", []bursar.EntityInput{{ID: "o", DisplayName: bursar.Some("Head office")}})))
	named.Search = "head office"
	for _, q := range []ledger.TreeQuery{byID, search, named, alike, g.by(ledger.SortUsageLimit, 1000, g.behind(alike, 10))} {
		engine.ForgetVisits(g.Engine)
		if !g.compare(q) {
			t.Error("nothing is there")
		}
		if visits, _, _ := engine.MostVisited(g.Engine); visits > 3*ledger.SliceSize {
			t.Errorf("%+v: %d things were looked at under one lock", q, visits)
		}
	}
}

func second[A, B any](_ A, _ B, err error) error { return err }
