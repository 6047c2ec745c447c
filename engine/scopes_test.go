package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// A limit on the org for each of many users and one model: both writing them and asking
// about one user looks at a few, whichever of the scope's entities is older.
func TestScopesOfTwoAreFoundByTheRarer(t *testing.T) {
	const users, bulk = 3000, 500
	for _, models := range []string{"before the users", "after the users"} {
		t.Run("the model comes "+models, func(t *testing.T) {
			ctx := t.Context()
			r := newRig(t, mem.New(), quiet)
			defer r.close()
			r.furnish("acme")
			var ents []bursar.EntityInput
			for i := range users {
				ents = append(ents, bursar.EntityInput{ID: fmt.Sprint("u", i), EntityTypeID: "user", ParentID: bursar.Some("o")})
			}
			model := bursar.EntityInput{ID: "m", EntityTypeID: "org"}
			if models == "before the users" {
				ents = append([]bursar.EntityInput{model}, ents...)
			} else {
				ents = append(ents, model)
			}
			for i := 0; i < len(ents); i += bulk {
				_, _, err := r.PutEntities(ctx, tester, "acme", ents[i:min(len(ents), i+bulk)])
				r.must(err)
			}
			engine.ForgetVisits(r.Engine)
			for i := 0; i < users; i += bulk {
				var limits []bursar.AssignmentInput
				for u := range bulk {
					limits = append(limits, bursar.AssignmentInput{EntityID: "o", Capability: capability("tokens"), ScopeEntityIDs: []string{"m", fmt.Sprint("u", i+u)},
						UsageLimit: bursar.Some(bursar.AmountFromInt(100)), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitDay})})
				}
				_, _, err := r.PutAssignments(ctx, tester, "acme", limits)
				r.must(err)
			}
			if _, decide, _ := engine.MostVisited(r.Engine); decide > 40*bulk {
				t.Errorf("one request of %d limits looked at %d things", bulk, decide)
			}
			check := func() {
				t.Helper()
				engine.ForgetVisits(r.Engine)
				d, _, err := r.Check(ctx, ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("tokens"), Dimensions: dims("org", "m", "user", "u77")}})
				r.must(err)
				if n := len(d[0].Chains); n != 1 || len(d[0].Chains[0]) != 2 {
					t.Fatalf("%d chains: %+v", n, d[0].Chains)
				}
				if read, _, _ := engine.MostVisited(r.Engine); read > 50 {
					t.Errorf("a check looked at %d things", read)
				}
			}
			check()
			r.must(r.VerifyAll(ctx))
			r.close()
			r.open()
			check()
		})
	}
}

// Whatever is written and deleted, a limit with a scope is found by its natural key and by
// usage of its scope, and no other is.
func TestScopedLimitsAreFound(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnish("acme")
	var ents []bursar.EntityInput
	for i := range 12 {
		ents = append(ents, bursar.EntityInput{ID: fmt.Sprint("u", i), EntityTypeID: "user"}, bursar.EntityInput{ID: fmt.Sprint("m", i), EntityTypeID: "org"})
	}
	_, _, err := r.PutEntities(ctx, tester, "acme", ents)
	r.must(err)
	there := map[string]string{}
	put := func(pairs ...[2]int) {
		t.Helper()
		var in []bursar.AssignmentInput
		slices.SortFunc(pairs, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
		pairs = slices.Compact(pairs)
		for _, p := range pairs {
			in = append(in, bursar.AssignmentInput{EntityID: fmt.Sprint("m", p[0]), Capability: capability("tokens"), ScopeEntityIDs: []string{fmt.Sprint("m", p[0]), fmt.Sprint("u", p[1])},
				UsageLimit: bursar.Some(bursar.AmountFromInt(100)), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitDay})})
		}
		out, _, err := r.PutAssignments(ctx, tester, "acme", in)
		r.must(err)
		for i, p := range pairs {
			if old := there[fmt.Sprint(p)]; old != "" && old != out[i].ID {
				t.Errorf("%v is a second time there", p)
			}
			there[fmt.Sprint(p)] = out[i].ID
		}
	}
	look := func() {
		t.Helper()
		for m := range 12 {
			for u := range 12 {
				d, _, err := r.Check(ctx, ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("tokens"), Dimensions: dims("org", fmt.Sprint("m", m), "user", fmt.Sprint("u", u))}})
				r.must(err)
				var found []string
				for _, c := range d[0].Chains {
					for _, n := range c {
						found = append(found, n.AssignmentID)
					}
				}
				if want := there[fmt.Sprint([2]int{m, u})]; want != "" && (len(found) != 1 || found[0] != want) || want == "" && len(found) > 0 {
					t.Errorf("(%d, %d): found %v, want %q", m, u, found, want)
				}
			}
		}
	}
	for i := range 12 {
		put([2]int{i, 0}, [2]int{i, i}, [2]int{0, i}, [2]int{i, (i * 5) % 12})
	}
	look()
	for i := range 12 {
		p := [2]int{i, (i * 5) % 12}
		if id := there[fmt.Sprint(p)]; id != "" {
			_, _, err := r.DeleteAssignment(ctx, tester, "acme", id)
			r.must(err)
			delete(there, fmt.Sprint(p))
		}
	}
	look()
	r.close()
	r.open()
	look()
	for i := range 12 {
		put([2]int{0, i}, [2]int{i, i}, [2]int{i, 11 - i})
	}
	look()
}
