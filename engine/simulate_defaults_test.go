package engine_test

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

func defaultDraft(entity string, metadata map[string]string, limit string) bursar.DefaultInput {
	return bursar.DefaultInput{EntityID: entity, EntityTypeID: "user", Metadata: metadata, Capability: capability("tokens"), Label: "draft",
		UsageLimit: bursar.Some(amount(limit)), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitHour})}
}

// A draft of a default stops what drafts of limits stop that are written for each entity which the
// default limits; nearer defaults, those with more conditions, and limits that entities have of
// their own come first.
func TestSimulateDefaultsAsLimits(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	ctx := t.Context()
	users := []string{"plain", "gold", "below", "own", "drafted", "nearer", "left"}
	in := []bursar.EntityInput{{ID: "sub", EntityTypeID: "org", ParentID: bursar.Some("o")}, {ID: "away", EntityTypeID: "org"}}
	for _, id := range users {
		x := bursar.EntityInput{ID: id, EntityTypeID: "user", ParentID: bursar.Some("o")}
		switch id {
		case "gold":
			x.Metadata = map[string]string{"tier": "gold"}
		case "below", "nearer":
			x.ParentID = bursar.Some("sub")
		}
		in = append(in, x)
	}
	_, _, err := r.PutEntities(ctx, tester, "acme", in)
	r.must(err)
	_, _, err = r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{draftOf("own", "tokens", "1000000", "P1D")})
	r.must(err)
	_, _, err = r.PutDefaults(ctx, tester, "acme", []bursar.DefaultInput{defaultDraft("sub", nil, "1000000")})
	r.must(err)
	random := rand.New(rand.NewSource(1))
	for range 300 {
		r.use("acme", fmt.Sprint(1+random.Intn(9)), 0, dims("user", users[random.Intn(len(users))]))
		r.advance(time.Minute)
	}
	_, _, err = r.PatchEntity(ctx, tester, "acme", bursar.EntityInput{ID: "left", ParentID: bursar.Some("away")})
	r.must(err)

	run := func(in ledger.SimulateInput) ledger.Simulation {
		in.From = scriptStart
		got, _, err := r.Simulate(ctx, ledger.ReadOptions{}, "acme", in)
		r.must(err)
		return got
	}
	drafted := draftOf("drafted", "tokens", "30", "PT1H")
	byDefault := run(ledger.SimulateInput{Drafts: []bursar.AssignmentInput{drafted},
		Defaults: []bursar.DefaultInput{defaultDraft("o", nil, "20"), defaultDraft("o", map[string]string{"tier": "gold"}, "10")}})
	byLimit := run(ledger.SimulateInput{Drafts: []bursar.AssignmentInput{drafted, draftOf("plain", "tokens", "20", "PT1H"), draftOf("gold", "tokens", "10", "PT1H"),
		draftOf("u", "tokens", "20", "PT1H")}})
	if byLimit.Drafts[1].Stopped == 0 || byLimit.Drafts[2].Stopped == 0 {
		t.Fatal("nothing is stopped")
	}
	for i, want := range byLimit.Drafts[:3] {
		got := byDefault.Drafts[i]
		if want.StoppedLimits != 1 || got != want {
			t.Errorf("draft %d: %+v, as a limit %+v", i, got, want)
		}
	}
	if fmt.Sprint(byDefault.Stopped) != fmt.Sprint(byLimit.Stopped) || fmt.Sprint(byDefault.Entities) != fmt.Sprint(byLimit.Entities) {
		t.Errorf("stopped\n%+v\n%+v\nas limits\n%+v\n%+v", byDefault.Stopped, byDefault.Entities, byLimit.Stopped, byLimit.Entities)
	}

	// Without its own draft, the default is for that one too, and for who left if it is the customer's.
	if all := run(ledger.SimulateInput{Defaults: []bursar.DefaultInput{defaultDraft("", nil, "20")}}); all.Drafts[0].StoppedLimits != 4 {
		t.Errorf("of all users: %+v", all.Drafts)
	}
	if list, _, err := r.Defaults(ctx, ledger.ReadOptions{}, "acme"); err != nil || len(list) != 1 {
		t.Errorf("a draft was written: %+v %v", list, err)
	}
	r.must(r.VerifyAll(ctx))
}

func TestSimulatedDefaultsAreChecked(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	good := defaultDraft("o", nil, "5")
	twice, nobody := []bursar.DefaultInput{good, good}, defaultDraft("nobody", nil, "5")
	for pointer, in := range map[string][]bursar.DefaultInput{"/defaults/1": twice, "/defaults/1/entityId": {good, nobody}, "/assignments": nil} {
		_, _, err := r.Simulate(t.Context(), ledger.ReadOptions{}, "acme", ledger.SimulateInput{From: scriptStart - 1, Defaults: in})
		if e, ok := err.(*bursar.Error); !ok || len(e.Fields) == 0 || e.Fields[0].Pointer != pointer {
			t.Errorf("at %s: %v", pointer, err)
		}
	}
}

// TestSimulatedDefaultsAreBounded: what drafts of defaults limit is bounded, in all.
func TestSimulatedDefaultsAreBounded(t *testing.T) {
	r := shop(t, mem.New(), "acme")
	defer r.close()
	var in []bursar.EntityInput
	var used []bursar.UsageInput
	for i := range 1020 { // 99 defaults limit each
		id := fmt.Sprint("n", i)
		in = append(in, bursar.EntityInput{ID: id, EntityTypeID: "user", ParentID: bursar.Some("o")})
		used = append(used, bursar.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: amount("1"), Dimensions: dims("user", id)})
	}
	for list := range slices.Chunk(in, 500) {
		_, _, err := r.PutEntities(t.Context(), tester, "acme", list)
		r.must(err)
	}
	for list := range slices.Chunk(used, 500) {
		_, _, err := r.ReportUsage(t.Context(), tester, list)
		r.must(err)
	}
	var drafts []bursar.DefaultInput
	for f := range 33 {
		id := fmt.Sprint("f", f)
		_, err := r.CreateFeature(t.Context(), tester, bursar.Feature{ID: id, DisplayName: id})
		r.must(err)
		for label := range 3 {
			x := defaultDraft("", nil, "5")
			x.Capability, x.Label = capability(id), fmt.Sprint("l", label)
			drafts = append(drafts, x)
		}
	}
	_, _, err := r.Simulate(t.Context(), ledger.ReadOptions{}, "acme", ledger.SimulateInput{From: scriptStart, Defaults: drafts})
	if codeOf(err) != bursar.CodeTooMuchToRead {
		t.Errorf("%d defaults that limit 1,020 users: %v", len(drafts), err)
	}
}
