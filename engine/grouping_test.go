package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// groupRig is a customer of two teams under an org, agents below them, and models beside.
func groupRig(t *testing.T, s store.Store) *rig {
	r := newRig(t, s, quiet)
	ctx := t.Context()
	var types []catalogue.EntityTypeInput
	for _, typ := range []string{"org", "team", "agent", "model"} {
		types = append(types, catalogue.EntityTypeInput{ID: typ, DisplayName: typ, AttributionKeys: []string{typ + "Id"}})
	}
	_, err := r.PutEntityTypes(ctx, tester, types)
	r.must(err)
	_, err = r.CreateFeature(ctx, tester, bursar.Feature{ID: "tokens", DisplayName: "Tokens"})
	r.must(err)
	_, err = r.CreateCurrency(ctx, tester, bursar.Currency{ID: "gold", DisplayName: "Gold"})
	r.must(err)
	_, err = r.CreateRateCard(ctx, tester, catalogue.RateCardInput{ID: "card", CurrencyID: "gold", DisplayName: "Card",
		RateVersionInput: catalogue.RateVersionInput{Rates: []bursar.Rate{{FeatureID: "tokens", Amount: amount("2")}}}})
	r.must(err)
	_, _, err = r.CreateCustomer(ctx, tester, "acme", bursar.CustomerInput{})
	r.must(err)
	in := []bursar.EntityInput{{ID: "o", EntityTypeID: "org"}, {ID: "big", EntityTypeID: "model"}, {ID: "small", EntityTypeID: "model"}}
	for _, x := range []string{"t1 team o", "t2 team o", "a agent t1", "b agent t1", "c agent t2"} {
		w := strings.Fields(x)
		in = append(in, bursar.EntityInput{ID: w[0], EntityTypeID: w[1], ParentID: bursar.Some(w[2])})
	}
	_, _, err = r.PutEntities(ctx, tester, "acme", in)
	r.must(err)
	return r
}

// grouped is usage since the script's start by keys, and checks that it adds up to what
// there is without them.
func (r *rig) grouped(entity, capab string, o ledger.ReadOptions, keys ...string) string {
	r.t.Helper()
	q := ledger.HistoryQuery{Capability: capability(capab), EntityID: entity, From: scriptStart}
	whole, _, err := r.History(r.t.Context(), o, "acme", q)
	r.must(err)
	q.GroupBy = keys
	got, _, err := r.History(r.t.Context(), o, "acme", q)
	r.must(err)
	var all, sum bursar.Amount
	for _, p := range whole.Series[0].Points {
		all = all.Add(p.Value)
	}
	var lines []string
	for _, s := range got.Series {
		var of bursar.Amount
		for _, p := range s.Points {
			of = of.Add(p.Value)
		}
		sum = sum.Add(of)
		var tags []string
		for _, t := range s.Tags {
			tags = append(tags, t.Value)
		}
		line := strings.Join(tags, "/") + "=" + of.String()
		if s.Untold {
			line += "?"
		}
		lines = append(lines, line)
	}
	if sum != all {
		r.t.Errorf("%s of %q by %v adds up to %s of %s", capab, entity, keys, sum, all)
	}
	return strings.Join(append(lines, got.Warnings...), " ")
}

// Usage is told apart by the entities that it was charged to, alone, together and with
// plain dimensions, and it stays where it was when they move.
func TestUsageIsGroupedByEntities(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := groupRig(t, s)
		ctx := t.Context()
		r.use("acme", "1", 0, dims("agentId", "a", "modelId", "big", "region", "eu"))
		r.use("acme", "2", 0, dims("agentId", "b", "modelId", "small"))
		r.use("acme", "4", 0, dims("agentId", "c", "modelId", "big", "region", "us"))
		r.use("acme", "8", 0, dims("teamId", "t1", "modelId", "nothing"))
		r.use("acme", "16", 0, dims("region", "eu"))
		r.use("acme", "32", 0, dims("agentId", "c", "teamId", "t1"))
		_, _, err := r.PutEntities(ctx, tester, "acme", []bursar.EntityInput{{ID: "a", ParentID: bursar.Some("t2")}})
		r.must(err)
		r.use("acme", "64", 0, dims("agentId", "a"))
		h, _, err := r.Reserve(ctx, tester, "acme", bursar.SpendInput{Capability: capability("tokens"), Amount: amount("200"), Dimensions: dims("agentId", "b", "modelId", "big"), IdempotencyKey: "h"}, 60, bursar.ExpireRelease)
		r.must(err)
		_, _, err = r.CommitReservation(ctx, tester, "acme", h.ID, amount("128"))
		r.must(err)
		want := [][2]string{
			{" teamId", "=16 t1=171 t2=68"},
			{" agentId", "=24 a=65 b=130 c=36"},
			{" teamId agentId", "/=16 t1/=8 t1/a=1 t1/b=130 t1/c=32 t2/a=64 t2/c=4"},
			{" modelId teamId", "/=16 /t1=40 /t2=64 big/t1=129 big/t2=4 small/t1=2"},
			{" modelId agentId", "/=24 /a=64 /c=32 big/a=1 big/b=128 big/c=4 small/b=2"},
			{" teamId region", "/eu=16 t1/=170 t1/eu=1 t2/=64 t2/us=4"},
			{" orgId", "=16 o=239"},
			{"t1 agentId", "=8 a=1 b=130 c=32"},
			{"t1 modelId", "=40 big=129 small=2"},
			{"t1 $child modelId", "/=40 a/big=1 b/big=128 b/small=2"},
			{"t2 agentId region", "a/=64 c/=32 c/us=4"},
			{"big teamId", "t1=129 t2=4"},
			{"big agentId $child", "a/=1 b/=128 c/=4"},
			{"o teamId modelId", "t1/=40 t1/big=129 t1/small=2 t2/=64 t2/big=4"},
			{"a teamId", "t1=1 t2=64"},
		}
		check := func(when string) {
			for _, w := range want {
				of := strings.Split(w[0], " ")
				if got := r.grouped(of[0], "tokens", ledger.ReadOptions{}, of[1:]...); got != w[1] {
					t.Errorf("%s: %s: %s, want %s", when, w[0], got, w[1])
				}
			}
			report, _, err := r.CreditUsage(ctx, ledger.ReadOptions{}, ledger.CreditUsageQuery{CustomerID: "acme", CurrencyID: "gold", From: scriptStart, GroupBy: []string{"teamId", "modelId"}})
			r.must(err)
			var lines []string
			for _, s := range report.Series {
				lines = append(lines, fmt.Sprintf("%s/%s=%s in %d", s.Tags[0].Value, s.Tags[1].Value, s.Total, s.EventCount))
			}
			if got, want := strings.Join(lines, " "), "/=32 in 1 t1/=80 in 2 t1/big=258 in 2 t1/small=4 in 1 t2/=128 in 1 t2/big=8 in 1"; got != want {
				t.Errorf("%s: gold by team and model: %s, want %s", when, got, want)
			}
		}
		check("unsaved")
		r.must(r.VerifyAll(ctx))
		r.close() // with a checkpoint
		r.open()
		check("from the store")
		r.must(r.VerifyAll(ctx))
		r.use("acme", "1000", 0, dims("agentId", "b", "modelId", "small"))
		want = [][2]string{{"t1 agentId", "=8 a=1 b=1130 c=32"}, {" teamId modelId", "/=16 t1/=40 t1/big=129 t1/small=1002 t2/=64 t2/big=4"}}
		for _, w := range want {
			of := strings.Split(w[0], " ")
			if got := r.grouped(of[0], "tokens", ledger.ReadOptions{}, of[1:]...); got != w[1] {
				t.Errorf("in part from the store: %s: %s, want %s", w[0], got, w[1])
			}
		}
		r.close()
	})
}

// A token sees of the entities that its usage named those of its own subtree.
func TestGroupsOfATokenNameWhatItSees(t *testing.T) {
	r := groupRig(t, sqliteIn(t))
	defer r.close()
	r.use("acme", "1", 0, dims("agentId", "a", "modelId", "big"))
	r.use("acme", "2", 0, dims("agentId", "b", "teamId", "t2"))
	o := ledger.ReadOptions{Token: &bursar.AccessToken{CustomerID: "acme", RootEntityID: "t1"}}
	for keys, want := range map[string]string{"agentId": "a=1 b=2", "teamId agentId": "/b=2 t1/a=1", "modelId": "=3", "orgId": "=3"} {
		if got := r.grouped("t1", "tokens", o, strings.Fields(keys)...); got != want {
			t.Errorf("by %s: %s, want %s", keys, got, want)
		}
	}
}

// What was recorded before paths had numbers is a group of its own, also where later
// usage of the same entities is told apart; dimensions that named nothing then still say
// what they said.
func TestUsageFromBeforeIsNotLost(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := groupRig(t, s)
		ctx := t.Context()
		before := func(a string, pairs ...string) {
			r.must(r.UseAsBefore(ctx, "acme", capability("tokens"), amount(a), dims(pairs...)))
		}
		before("1", "agentId", "a", "modelId", "big", "region", "eu")
		before("2", "region", "eu")
		before("4", "agentId", "c")
		before("8", "agentId", "a", "regionId", "r")
		r.use("acme", "16", 0, dims("agentId", "a", "modelId", "big"))
		r.use("acme", "32", 0, dims("region", "eu"))
		_, err := r.PutEntityTypes(ctx, tester, []catalogue.EntityTypeInput{{ID: "region", DisplayName: "Region", AttributionKeys: []string{"regionId"}}})
		r.must(err)
		for range 2 {
			for _, w := range [][2]string{
				{" teamId", "=32 =15? t1=16 USAGE_NOT_TOLD_APART"},
				{" teamId region", "/=12? /eu=32 /eu=3? t1/=16 USAGE_NOT_TOLD_APART"},
				{"t1 agentId", "=9? a=16 USAGE_NOT_TOLD_APART"},
				{"t2 agentId", "=4? USAGE_NOT_TOLD_APART"},
				{"t1 region", "=24 eu=1"},
				{"t1 regionId", "=16 =1? r=8 USAGE_NOT_TOLD_APART"},
			} {
				of := strings.Split(w[0], " ")
				if got := r.grouped(of[0], "tokens", ledger.ReadOptions{}, of[1:]...); got != w[1] {
					t.Errorf("%s: %s, want %s", w[0], got, w[1])
				}
			}
			r.must(r.VerifyAll(ctx))
			r.close() // with a checkpoint: the same from the store
			r.open()
		}
		r.close()
	})
}

// A customer has so many paths; usage on more of them is counted, and said not to be told
// apart.
func TestPathsAreBounded(t *testing.T) {
	r := groupRig(t, sqliteIn(t))
	ctx := t.Context()
	const agents, models = 120, 90
	in := []bursar.EntityInput{}
	for i := range agents {
		in = append(in, bursar.EntityInput{ID: fmt.Sprint("g", i), EntityTypeID: "agent", ParentID: bursar.Some("t1")})
	}
	for i := range models {
		in = append(in, bursar.EntityInput{ID: fmt.Sprint("m", i), EntityTypeID: "model"})
	}
	for part := range slices.Chunk(in, 100) {
		_, _, err := r.PutEntities(ctx, tester, "acme", part)
		r.must(err)
	}
	room := engine.MaxPaths + engine.PathsPerEntity*(8+agents+models+1)
	var uses []bursar.UsageInput
	for i := range agents {
		for j := range models {
			uses = append(uses, bursar.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: amount("1"), Dimensions: dims("agentId", fmt.Sprint("g", i), "modelId", fmt.Sprint("m", j))})
		}
	}
	for range 2 { // each agent with each model, and on the second round from the other team
		for part := range slices.Chunk(uses, 500) {
			_, _, err := r.ReportUsage(ctx, tester, part)
			r.must(err)
		}
		_, _, err := r.PutEntities(ctx, tester, "acme", []bursar.EntityInput{{ID: "t1", ParentID: bursar.Some("")}})
		r.must(err)
	}
	r.advance(time.Minute)
	got := r.grouped("", "tokens", ledger.ReadOptions{}, "teamId")
	if want := fmt.Sprintf("=%d? t1=%d USAGE_NOT_TOLD_APART", 2*len(uses)-room, room); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	r.must(r.VerifyAll(ctx))
	r.close()
}
