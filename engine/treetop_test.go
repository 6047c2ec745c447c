package engine_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// grove is a tree of users at random, with limits of all kinds on them.
type grove struct {
	*rig
	r       *rand.Rand
	ids     []string
	keys    int
	feature string // whose usage may be taken back
}

func newGrove(t *testing.T, seed uint64) *grove {
	g := &grove{rig: newRig(t, mem.New(), quiet), r: rand.New(rand.NewPCG(seed, 1)), feature: "seats"}
	g.furnish("acme")
	_, err := g.CreateFeature(t.Context(), tester, bursar.Feature{ID: g.feature, DisplayName: "Seats", MeterType: "FLUCTUATING"})
	g.must(err)
	for range 20 {
		g.grow(450)
		g.advance(time.Minute)
	}
	return g
}

func (g *grove) any() string { return g.ids[g.r.IntN(len(g.ids))] }

func (g *grove) oneOf(n int) bool { return g.r.IntN(n) == 0 }

// grow adds n users, in batches as a directory is imported, each below an org or another user.
func (g *grove) grow(n int) {
	var ents []bursar.EntityInput
	for range n {
		id := fmt.Sprintf("u%08x", g.r.Uint32())
		if g.oneOf(2) {
			id = fmt.Sprintf([]string{"v%07d", "V%07d"}[g.r.IntN(20)/19], len(g.ids)+len(ents))
		}
		in := bursar.EntityInput{ID: id, EntityTypeID: []string{"user", "user", "org"}[g.r.IntN(3)], ParentID: bursar.Some("o")}
		if len(g.ids) > 0 && g.oneOf(3) {
			in.ParentID = bursar.Some(g.ids[g.r.IntN(1+len(g.ids)/50)])
		}
		if g.oneOf(9) {
			in.DisplayName = bursar.Some("Named " + id)
		}
		ents = append(ents, in)
	}
	_, _, err := g.PutEntities(g.t.Context(), tester, "acme", ents)
	g.must(err)
	for _, in := range ents {
		g.ids = append(g.ids, in.ID)
	}
	var limits []bursar.AssignmentInput
	for _, in := range ents {
		limits = append(limits, g.limit(in.ID))
	}
	_, _, err = g.PutAssignments(g.t.Context(), tester, "acme", limits)
	g.must(err)
}

func (g *grove) limit(id string) bursar.AssignmentInput {
	amounts := []bursar.Opt[bursar.Amount]{bursar.Some(amount("0")), bursar.Some(amount("1000")), bursar.Some(amount("1000")), bursar.Some(amount("3000")),
		bursar.Some(amount("12345678.000000001")), bursar.Some(amount("12345678.000000002")), bursar.Some(amount("1000000000000")), {Null: true, Set: true}}
	cadences := []string{"PT1H", "P1D", "P1D", "P1M", "P1Y"}
	cadence, _ := bursar.ParseCadence(cadences[g.r.IntN(len(cadences))])
	return bursar.AssignmentInput{EntityID: id, Capability: capability([]string{g.feature, g.feature, g.feature, "credits"}[g.r.IntN(4)]), Enforcement: bursar.Some(bursar.Soft),
		UsageLimit: amounts[g.r.IntN(len(amounts))], Cadence: bursar.Some(cadence), Label: []string{"", "", "", "night"}[g.r.IntN(4)]}
}

// use reports usage of n users: mostly little, and of many the same.
func (g *grove) use(n int) {
	values := []string{"1", "1", "7", "250", "1000", "0.1", "-3", "4000000.000000001", "4000000.000000002", "9007199254740", "123.456"}
	var items []bursar.UsageInput
	for range n {
		g.keys++
		items = append(items, bursar.UsageInput{CustomerID: "acme", FeatureID: g.feature, Value: amount(values[g.r.IntN(len(values))]), IdempotencyKey: fmt.Sprint("use-", g.keys),
			Dimensions: dims("user", g.any())})
	}
	_, _, err := g.ReportUsage(g.t.Context(), tester, items)
	g.must(err)
}

// disturb does something that the order of a tree depends on.
func (g *grove) disturb() {
	ctx := g.t.Context()
	page := func() []ledger.TreeRow {
		p, err := g.WholeTree(ctx, ledger.ReadOptions{}, "acme", ledger.TreeQuery{Capabilities: []bursar.Capability{capability(g.feature)}, Desc: true, Limit: 200})
		g.must(err)
		return p.Rows
	}
	for range 3 {
		_, _, err := g.PutEntities(ctx, tester, "acme", []bursar.EntityInput{{ID: g.any(), DisplayName: bursar.Some(fmt.Sprint("Renamed É ", g.r.IntN(9)))}})
		g.must(err)
	}
	switch g.r.IntN(9) {
	case 0:
		_, _ = g.ArchiveEntities(ctx, tester, "acme", []string{g.any(), g.any()}, g.oneOf(2))
	case 1:
		_, _, _ = g.PutEntities(ctx, tester, "acme", []bursar.EntityInput{{ID: g.any(), ParentID: bursar.Some(g.any())}})
	case 2:
		for range 30 {
			_, _, _ = g.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{g.limit(g.any())})
		}
	case 3:
		for _, row := range page()[:3] {
			_, _, _ = g.DeleteAssignment(ctx, tester, "acme", row.Limit.AssignmentID)
		}
	case 4, 8:
		for i, row := range page() { // those that have used most
			in := bursar.BoostInput{Amount: bursar.AmountFromInt(int64(g.r.IntN(500) + 1)), ExpiresAt: g.Now() + bursar.Time(time.Duration(1+g.r.IntN(40))*time.Hour)}
			if i%3 == 0 {
				in.FundedBy = g.any()
			}
			_, _, _ = g.CreateBoost(ctx, tester, "acme", row.Limit.AssignmentID, in)
		}
	case 5:
		for range 20 {
			g.keys++
			_, _, err := g.Reserve(ctx, tester, "acme", bursar.SpendInput{Capability: capability(g.feature), Amount: bursar.AmountFromInt(int64(g.r.IntN(400) + 1)),
				Dimensions: dims("user", g.any()), IdempotencyKey: fmt.Sprint("hold-", g.keys)}, 60+g.r.IntN(7200), []bursar.OnExpire{bursar.ExpireRelease, bursar.ExpireSettle}[g.r.IntN(2)])
			g.must(err)
		}
	case 6:
		g.advance(time.Duration(g.r.IntN(90)) * time.Minute)
	case 7:
		g.advance(time.Duration(g.r.IntN(40)) * time.Hour)
	default:
		g.grow(g.r.IntN(20))
	}
}

func (g *grove) query() ledger.TreeQuery {
	q := ledger.TreeQuery{Capabilities: []bursar.Capability{capability(g.feature)}, Limit: []int{1, 5, 50}[g.r.IntN(3)], Desc: g.oneOf(2), IncludeArchived: g.oneOf(3),
		SortBy: []ledger.TreeSort{ledger.SortUtilization, ledger.SortUtilization, ledger.SortCurrentUsage, ledger.SortUsageLimit, ledger.SortScopeSize, ledger.SortID, ledger.SortCreatedAt, ledger.SortPace}[g.r.IntN(8)]}
	switch g.r.IntN(6) {
	case 0:
		q.Capabilities = nil
	case 1:
		q.Capabilities = append(q.Capabilities, capability("credits"))
	}
	if g.oneOf(5) {
		q.TypeIDs = []string{[]string{"org", "user"}[g.r.IntN(2)]}
	}
	if g.oneOf(5) {
		least := amount([]string{"0", "0.001", "0.25", "1", "7"}[g.r.IntN(5)])
		q.MinUtilization = &least
	}
	if g.oneOf(4) {
		q.Search = []string{"v00", "NAMED", "7f", g.any()[:5], g.any()[2:7], "renamed é", "v0004", "renamed é 3"}[g.r.IntN(8)]
	}
	if g.oneOf(8) {
		label := []string{"", "night"}[g.r.IntN(2)]
		q.Label = &label
	}
	if g.oneOf(12) {
		q.RootEntityID = g.any()
	}
	if g.oneOf(15) {
		q.Depth = new(g.r.IntN(3))
	}
	return q
}

// anywhere is a query from its beginning or from anywhere.
func (g *grove) anywhere(q ledger.TreeQuery) ledger.TreeQuery {
	if g.oneOf(2) {
		q.After = g.behind(q, 1+g.r.IntN(len(g.ids)))
	}
	return q
}

// compare reads some pages of a query as a server does and by a look at all rows. It tells whether there were
// any rows.
func (g *grove) compare(q ledger.TreeQuery) bool {
	g.t.Helper()
	ctx, o, some := g.t.Context(), ledger.ReadOptions{}, false
	for range 3 {
		want, wantErr := g.WholeTree(ctx, o, "acme", q)
		got, err := g.Tree(ctx, o, "acme", q)
		g.must(wantErr)
		g.must(err)
		if !reflect.DeepEqual(got.Rows, want.Rows) || !bytes.Equal(got.Next, want.Next) || got.AsOf != want.AsOf {
			g.t.Fatalf("query %+v, cursor %x: of %d and %d rows\n%s", q, q.After, len(got.Rows), len(want.Rows), differing(got.Rows, want.Rows))
		}
		some = some || len(got.Rows) > 0
		if q.After = got.Next; q.After == nil {
			break
		}
	}
	return some
}

func differing(got, want []ledger.TreeRow) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !reflect.DeepEqual(got[i], want[i]) {
			show := func(rows []ledger.TreeRow) string {
				if i >= len(rows) {
					return "nothing"
				}
				return fmt.Sprintf("%s %+v", rows[i].EntityID, rows[i].Limit)
			}
			return fmt.Sprintf("row %d is\n%s, not\n%s", i, show(got), show(want))
		}
	}
	return "the rest"
}

// A page of the tree is the same, however it is found, whatever has happened to the customer.
func TestTreeByOrders(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			g := newGrove(t, seed)
			defer g.close()
			rows := 0
			for round := range 24 {
				if round > 3 { // at first nobody has used anything
					g.use(100 << g.r.IntN(4))
					g.disturb()
				}
				if round == 12 {
					g.Forget("acme") // and read again
				}
				for range 12 {
					if g.compare(g.anywhere(g.query())) {
						rows++
					}
				}
			}
			if rows < 100 {
				t.Errorf("only %d queries found something", rows)
			}
		})
	}
}
