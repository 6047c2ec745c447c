package engine_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store"
)

// afterUse is what a meter of a function may become once it was used.
var afterUse = map[string][]string{"COUNT": {"SUM", "COUNT"}, "SUM": {"SUM", "COUNT"}, "MAX": {"MAX"}, "UNIQUE": {"UNIQUE"}}

// A meter changes its function to one whose figures mean another thing, and back, until
// somebody has used or holds something of the feature, whatever became of that.
func TestFunctionChangesUntilUsed(t *testing.T) {
	ctx := context.Background()
	for _, function := range catalogue.Functions {
		if _, known := afterUse[function]; !known {
			t.Errorf("say what a %s that was used may become", function)
		}
	}
	meter := func(function string) bursar.Opt[bursar.Meter] {
		return bursar.Some(bursar.Meter{EventName: "call", Aggregation: bursar.Aggregation{Function: function, Field: "n"}})
	}
	uses := map[string]func(r *rig, id string){
		"an event": func(r *rig, id string) {
			_, _, err := r.ReportEvents(ctx, tester, []bursar.EventInput{{CustomerID: "acme", EventName: "call", IdempotencyKey: id,
				Dimensions: []bursar.Dimension{{Key: "n", Value: "3", Kind: bursar.DimNumber}}}})
			r.must(err)
		},
		"a consumption": func(r *rig, id string) {
			_, _, err := r.Consume(ctx, tester, "acme", bursar.SpendInput{Capability: capability(id), Amount: bursar.AmountFromInt(1), IdempotencyKey: id})
			r.must(err)
		},
		"a reservation": func(r *rig, id string) {
			_, _, err := r.Reserve(ctx, tester, "acme", bursar.SpendInput{Capability: capability(id), Amount: bursar.AmountFromInt(1), IdempotencyKey: id}, 60, "")
			r.must(err)
		},
	}
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, engine.Options{CheckpointEvery: time.Hour})
		defer func() { r.close() }()
		r.furnish("acme")
		change := func(id, function string) bursar.Code {
			_, err := r.UpdateFeature(ctx, tester, id, catalogue.FeaturePatch{Meter: meter(function)})
			return codeOf(err)
		}
		try := func(from, what, id string) {
			_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: id, DisplayName: id, Meter: &bursar.Meter{EventName: "call", Aggregation: bursar.Aggregation{Function: from, Field: "n"}}})
			r.must(err)
			_, _, err = r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "u", Capability: capability(id),
				UsageLimit: bursar.Some(bursar.AmountFromInt(1000)), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})}})
			r.must(err)
			for _, function := range append(slices.Clone(catalogue.Functions), from) {
				if code := change(id, function); code != "" {
					t.Errorf("unused, to %s: %s", function, code)
				}
			}
			uses[what](r, id)
			r.advance(2 * time.Minute)
			r.must(r.Tick("acme"))
			r.must(r.Save(ctx, "acme"))
			for range 2 {
				for _, function := range append(slices.Clone(catalogue.Functions), from) {
					may := slices.Contains(afterUse[from], function)
					if code := change(id, function); code != "" && may || code != bursar.CodeValidationFailed && !may {
						t.Errorf("%s after %s, to %s: %q", from, what, function, code)
					}
				}
				r.close()
				r.open()
			}
		}
		for from := range afterUse {
			try(from, "an event", "f1"+from)
		}
		try("SUM", "a consumption", "f2")
		try("SUM", "a reservation", "f3")
	})
}
