package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// TestWatchSelects: when everything was touched, a watch tells of the limits that the
// tree shows for the same query.
func TestWatchSelects(t *testing.T) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := newRig(t, mem.New(), engine.Options{})
		r.furnish("c")
		ctx := context.Background()
		_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: "calls", DisplayName: "Calls"})
		r.must(err)
		ids := []string{"o", "u"}
		for i := range 40 {
			in := bursar.EntityInput{ID: fmt.Sprintf("e%d", i), EntityTypeID: []string{"org", "user"}[rnd.IntN(2)]}
			if i > 3 {
				in.ParentID = bursar.Some(ids[rnd.IntN(len(ids))])
			}
			if _, _, err := r.PutEntities(ctx, tester, "c", []bursar.EntityInput{in}); err == nil { // else the tree got too deep
				ids = append(ids, in.ID)
			}
		}
		rows, archived := map[string]string{}, map[string]bool{}
		limits := func(n int64) {
			for i, id := range ids {
				if archived[id] { // its limit cannot be put, but boosted
					b, _, err := r.CreateBoost(ctx, tester, "c", rows[id], bursar.BoostInput{Amount: bursar.AmountFromInt(1)})
					r.must(err)
					_, _, err = r.EndBoost(ctx, tester, "c", rows[id], b.ID)
					r.must(err)
					continue
				}
				in := bursar.AssignmentInput{EntityID: id, Capability: capability("calls"), UsageLimit: bursar.Some(bursar.AmountFromInt(n + int64(i))),
					Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})}
				if scope := (i + 7) % len(ids); i%5 == 0 && scope%6 != 3 {
					in.ScopeEntityIDs = []string{ids[scope]}
				}
				if i%7 == 0 {
					in.Label = "x"
				}
				out, _, err := r.PutAssignments(ctx, tester, "c", []bursar.AssignmentInput{in})
				r.must(err)
				rows[id] = out[0].ID
			}
		}
		limits(1)
		for i := 3; i < len(ids); i += 6 {
			_, err := r.ArchiveEntities(ctx, tester, "c", ids[i:i+1], true)
			r.must(err)
			archived[ids[i]] = true
		}
		for range 60 {
			q := randomTreeQuery(rnd, ids)
			o := ledger.ReadOptions{}
			if rnd.IntN(2) == 0 {
				o.Token = &bursar.AccessToken{CustomerID: "c", RootEntityID: ids[rnd.IntN(len(ids))]}
			}
			w, _, err := r.Watch(ctx, o, "c", q, "")
			page, treeErr := r.Tree(ctx, o, "c", q)
			if err != nil || treeErr != nil {
				if err == nil || treeErr == nil || err.Error() != treeErr.Error() {
					t.Fatalf("seed %d: watch %v, tree %v", seed, err, treeErr)
				}
				continue
			}
			limits(2 + rnd.Int64N(1000))
			if page, err = r.Tree(ctx, o, "c", q); err != nil {
				t.Fatal(err)
			}
			changes, err := w.Poll(ctx)
			r.must(err)
			w.Close()
			var got, want []string
			for _, c := range changes {
				if c.Row != nil {
					got = append(got, fmt.Sprint(c.Row.EntityID, c.Row.ParentID != nil, c.Row.Limit.AssignmentID, *c.Row.Limit.UsageLimit, c.Row.ChildCount))
				}
			}
			for _, row := range page.Rows {
				want = append(want, fmt.Sprint(row.EntityID, row.ParentID != nil, row.Limit.AssignmentID, *row.Limit.UsageLimit, row.ChildCount))
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, %+v, token %+v:\nwatch %v\ntree  %v", seed, q, o.Token, got, want)
			}
		}
		r.close()
	}
}

func randomTreeQuery(rnd *rand.Rand, ids []string) ledger.TreeQuery {
	q := ledger.TreeQuery{Capabilities: []bursar.Capability{capability("calls")}, SortBy: ledger.SortID, Limit: 1000}
	q.Scope = []ledger.TreeScope{ledger.ScopeAll, ledger.ScopeNodeWide, ledger.ScopeScoped}[rnd.IntN(3)]
	if rnd.IntN(2) == 0 {
		q.RootEntityID = ids[rnd.IntN(len(ids))]
	}
	if rnd.IntN(3) == 0 {
		n := rnd.IntN(4)
		q.Depth = &n
	}
	if rnd.IntN(3) == 0 {
		q.ParentID = &ids[rnd.IntN(len(ids))]
	}
	if rnd.IntN(3) == 0 {
		q.TypeIDs = []string{"user"}
	}
	if rnd.IntN(3) == 0 {
		q.Search = "E1"
	}
	if rnd.IntN(3) == 0 {
		label := "x"
		q.Label = &label
	}
	q.IncludeArchived = rnd.IntN(2) == 0
	return q
}

// TestWatchFallsBehind: who cannot be told everything is told to read again, and goes on
// from there.
func TestWatchFallsBehind(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("c")
	ctx := context.Background()
	w, _, err := r.Watch(ctx, ledger.ReadOptions{}, "c", ledger.TreeQuery{}, "")
	r.must(err)
	defer w.Close()
	use := func() {
		_, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "c", FeatureID: "tokens", Value: bursar.AmountFromInt(1), Dimensions: onUser}})
		r.must(err)
	}
	poll := func() []ledger.Change {
		changes, err := w.Poll(ctx)
		r.must(err)
		return changes
	}
	if got := poll(); len(got) != 0 {
		t.Errorf("nothing happened: %+v", got)
	}
	use()
	if got := poll(); len(got) != 2 || got[0].Row == nil || got[1].Row == nil {
		t.Errorf("two limits were charged: %+v", got)
	}
	for range engine.FeedSize/2 + 1 {
		use()
	}
	if got := poll(); len(got) != 1 || !got[0].Resync {
		t.Errorf("%+v", got)
	}
	use()
	if got := poll(); len(got) != 2 {
		t.Errorf("%+v", got)
	}
}

// TestWatchThroughEviction: a customer that leaves memory takes the watch's place along.
func TestWatchThroughEviction(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{})
	r.furnish("c")
	ctx := context.Background()
	w, _, err := r.Watch(ctx, ledger.ReadOptions{}, "c", ledger.TreeQuery{}, "")
	r.must(err)
	r.Forget("c")
	changes, err := w.Poll(ctx)
	if err != nil || len(changes) != 1 || !changes[0].Resync {
		t.Errorf("%+v %v", changes, err)
	}
	_, _, err = r.PutEntities(ctx, tester, "c", []bursar.EntityInput{{ID: "new", EntityTypeID: "user"}})
	r.must(err)
	if changes, err = w.Poll(ctx); err != nil || len(changes) != 1 || changes[0].Entity == nil || changes[0].Entity.ID != "new" {
		t.Errorf("%+v %v", changes, err)
	}
	w.Close()
	r.close()
}

// A watch reads again where a limit of an entity's own takes the place of one by default: that
// was shown, whether anything was charged on it or not.
func TestWatchOfATakenDefault(t *testing.T) {
	ctx := context.Background()
	for _, charged := range []bool{false, true} {
		r := newRig(t, mem.New(), engine.Options{})
		r.crowd("c", 2, 1000)
		if charged {
			_, _, err := r.Consume(ctx, tester, "c", spendBy("u1", "k"))
			r.must(err)
		}
		w, _, err := r.Watch(ctx, ledger.ReadOptions{}, "c", ledger.TreeQuery{Capabilities: []bursar.Capability{tokens}}, "")
		r.must(err)
		year := bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})
		for label, want := range map[string]bool{"beside": false, "": true} {
			_, _, err := r.PutAssignments(ctx, tester, "c", []bursar.AssignmentInput{{EntityID: "u1", Capability: tokens, Label: label, UsageLimit: bursar.Some(bursar.AmountFromInt(9)), Cadence: year}})
			r.must(err)
			got, err := w.Poll(ctx)
			r.must(err)
			if len(got) != 1 || got[0].Resync != want {
				t.Errorf("label %q, charged before: %v: %+v", label, charged, got)
			}
		}
		w.Close()
		r.close()
	}
}
