package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

var tokens = bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}

// openOrg is an engine with one customer whose tree has depth levels of one limit each
// above n agents.
func openOrg(b *testing.B, n, depth int) *engine.Engine {
	b.Helper()
	ctx := context.Background()
	e, err := engine.Open(ctx, mem.New(), engine.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close(ctx) })
	c := catalogue.Caller{ActorType: "SYSTEM"}
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	_, err = e.PutEntityTypes(ctx, c, []catalogue.EntityTypeInput{{ID: "node", DisplayName: "Node"}, {ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agentId"}}})
	check(err)
	_, err = e.CreateFeature(ctx, c, bursar.Feature{ID: "tokens", DisplayName: "Tokens"})
	check(err)
	_, _, err = e.CreateCustomer(ctx, c, "acme", bursar.CustomerInput{})
	check(err)
	month, _ := bursar.ParseCadence("P1M")
	var ids []string
	put := func(ents []bursar.EntityInput) {
		_, _, err := e.PutEntities(ctx, c, "acme", ents)
		check(err)
		var as []bursar.AssignmentInput
		for _, x := range ents {
			as = append(as, bursar.AssignmentInput{EntityID: x.ID, Capability: tokens, UsageLimit: bursar.Some(bursar.AmountFromInt(1e12)), Cadence: bursar.Some(month)})
		}
		_, _, err = e.PutAssignments(ctx, c, "acme", as)
		check(err)
	}
	for d := range depth - 1 {
		x := bursar.EntityInput{ID: fmt.Sprintf("n%d", d), EntityTypeID: "node"}
		if d > 0 {
			x.ParentID = bursar.Some(ids[d-1])
		}
		ids = append(ids, x.ID)
		put([]bursar.EntityInput{x})
	}
	for i := 0; i < n; i += 500 {
		var ents []bursar.EntityInput
		for j := i; j < min(n, i+500); j++ {
			x := bursar.EntityInput{ID: fmt.Sprintf("a%d", j), EntityTypeID: "agent"}
			if depth > 1 {
				x.ParentID = bursar.Some(ids[depth-2])
			}
			ents = append(ents, x)
		}
		put(ents)
	}
	return e
}

func BenchmarkCheck(b *testing.B) {
	for _, depth := range []int{1, 5, 10} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			e := openOrg(b, 10_000, depth)
			ctx := context.Background()
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				d, _, err := e.Check(ctx, ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: tokens, Requested: bursar.AmountFromInt(1),
					Dimensions: []bursar.Dimension{{Key: "agentId", Value: fmt.Sprintf("a%d", i*7919%10_000)}}}})
				if err != nil || !d[0].Granted {
					b.Fatal(d, err)
				}
			}
		})
	}
}

func BenchmarkUsage(b *testing.B) {
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			e := openOrg(b, 10_000, 5)
			ctx := context.Background()
			b.ReportAllocs()
			b.ResetTimer()
			n := 0
			for b.Loop() {
				items := make([]ledger.UsageItem, batch)
				for j := range items {
					n++
					items[j].In = bursar.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(1), IdempotencyKey: fmt.Sprint("k", n),
						Dimensions: []bursar.Dimension{{Key: "agentId", Value: fmt.Sprintf("a%d", n*7919%10_000)}}}
				}
				if _, err := e.ReportUsage(ctx, catalogue.Caller{}, items); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
		})
	}
}

func BenchmarkTree(b *testing.B) {
	e := openOrg(b, 100_000, 5)
	ctx := context.Background()
	root := "n3"
	for name, q := range map[string]ledger.TreeQuery{
		"top by utilization": {SortBy: ledger.SortUtilization},
		"children of one":    {SortBy: ledger.SortUtilization, ParentID: &root},
	} {
		b.Run(name, func(b *testing.B) {
			q.Capabilities, q.Desc, q.Limit = []bursar.Capability{tokens}, true, 50
			for b.Loop() {
				if p, err := e.Tree(ctx, ledger.ReadOptions{}, "acme", q); err != nil || len(p.Rows) != 50 {
					b.Fatal(len(p.Rows), err)
				}
			}
		})
	}
}
