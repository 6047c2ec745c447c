package engine_test

import (
	"context"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store/mem"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	e, err := engine.Open(ctx, mem.New(), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := engine.Caller{ActorType: "SYSTEM"}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = e.PutEntityTypes(ctx, c, []engine.EntityTypeInput{{ID: "org", DisplayName: "Org", AttributionKeys: []string{"orgId"}}, {ID: "user", DisplayName: "User", AttributionKeys: []string{"userId"}}})
	must(err)
	_, err = e.CreateFeature(ctx, c, bursar.Feature{ID: "tokens", DisplayName: "Tokens"})
	must(err)
	_, _, err = e.CreateCustomer(ctx, c, "acme", bursar.CustomerInput{})
	must(err)
	_, _, err = e.PutEntities(ctx, c, "acme", []bursar.EntityInput{{ID: "o", EntityTypeID: "org"}, {ID: "u", EntityTypeID: "user", ParentID: bursar.Some("o")}})
	must(err)
	tokens := bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}
	month, _ := bursar.ParseCadence("P1M")
	as, _, err := e.PutAssignments(ctx, c, "acme", []bursar.AssignmentInput{{EntityID: "o", Capability: tokens, UsageLimit: bursar.Some(bursar.AmountFromInt(10)), Cadence: bursar.Some(month)}})
	must(err)
	t.Log(as)
	dims := []bursar.Dimension{{Key: "userId", Value: "u"}}
	res, _, err := e.ReportUsage(ctx, c, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(3), Dimensions: dims, IdempotencyKey: "k"}})
	must(err)
	t.Logf("%+v", res)
	res, _, err = e.ReportUsage(ctx, c, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(3), Dimensions: dims, IdempotencyKey: "k"}})
	must(err)
	t.Logf("%+v", res)
	r, _, err := e.Reserve(ctx, c, "acme", bursar.SpendInput{Capability: tokens, Amount: bursar.AmountFromInt(7), Dimensions: dims, IdempotencyKey: "r"}, 10, "")
	must(err)
	_, _, err = e.Consume(ctx, c, "acme", bursar.SpendInput{Capability: tokens, Amount: bursar.AmountFromInt(1), Dimensions: dims, IdempotencyKey: "x"})
	t.Log(err)
	_, _, err = e.CommitReservation(ctx, c, "acme", r.ID, bursar.AmountFromInt(2))
	must(err)
	must(e.VerifyAll(ctx))
	page, err := e.Tree(ctx, engine.ReadOptions{}, "acme", engine.TreeQuery{Capabilities: []bursar.Capability{tokens}, Limit: 10, Desc: true})
	must(err)
	t.Logf("%+v %+v", page, page.Rows[0].Limit)
	h, _, err := e.History(ctx, engine.ReadOptions{}, "acme", engine.HistoryQuery{EntityID: "o", Capability: tokens, From: e.Now() - 3600e9, Granularity: engine.Hour, GroupBy: []string{"$child"}})
	must(err)
	t.Logf("%+v", h)
	must(e.Close(ctx))
}
