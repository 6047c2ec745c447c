package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

func unlimited(_ int, limit *bursar.Amount) (limited, soft bool) {
	*limit = bursar.Amount{}
	return false, false
}

// limitOn is a new limit of tokens; without an amount it is unlimited.
func limitOn(entity, label string, scope ...string) bursar.AssignmentInput {
	return bursar.AssignmentInput{EntityID: entity, Capability: capability("tokens"), Label: label, ScopeEntityIDs: scope,
		UsageLimit: bursar.Null[bursar.Amount](), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})}
}

// checkOne asks whether u may use amount of tokens.
func (r *rig) checkOne(amount int64) bursar.Decision {
	r.t.Helper()
	d, _, err := r.Check(r.t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("tokens"), Requested: bursar.AmountFromInt(amount), Dimensions: onUser}})
	r.must(err)
	return d[0]
}

// usedOn is what the limit of tokens without a label on an entity of u's path has used.
func usedOn(d *bursar.Decision, entity string) string {
	for _, chain := range d.Chains {
		for _, n := range chain {
			if n.EntityID == entity && n.Label == "" {
				return n.CurrentUsage.String()
			}
		}
	}
	return "not shown"
}

// A customer of a store that is older than the bound may have more limits on a path than
// one event counts on. Its usage is recorded all the same, on those set from above before
// all others, and what is granted is what is counted.
func TestUsageIsRecordedWhereTooManyLimitsApply(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, sqliteIn(t), engine.Options{CheckpointEvery: time.Hour})
	r.furnish("acme", "beta")
	_, _, err := r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{
		{EntityID: "o", Capability: capability("tokens"), UsageLimit: bursar.Some(bursar.AmountFromInt(100))}})
	r.must(err)
	r.must(r.Crowd(ctx, "acme", "u", capability("tokens"), 600, unlimited))
	for range 2 {
		d := r.checkOne(10)
		if shown := len(slices.Concat(d.Chains...)); !d.Granted || shown != bursar.MaxRowsPerEvent || !slices.Contains(d.Warnings, "TOO_MANY_LIMITS:tokens") {
			t.Fatalf("a check shows %d limits: granted %v, %s, warnings %q", shown, d.Granted, d.Reason, d.Warnings)
		}
		r.close()
		r.open()
	}
	granted := 0
	for i := range 40 {
		if !r.checkOne(10).Granted {
			break
		}
		granted++
		res, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{
			{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(10), Dimensions: onUser, IdempotencyKey: fmt.Sprint(i)},
			{CustomerID: "beta", FeatureID: "tokens", Value: bursar.AmountFromInt(1), Dimensions: onUser}})
		r.must(err)
		if !slices.Contains(res[0].Warnings, "TOO_MANY_LIMITS:tokens") || len(res[1].Warnings) != 0 {
			t.Fatalf("warnings: %q, of the other customer %q", res[0].Warnings, res[1].Warnings)
		}
	}
	d := r.checkOne(0)
	if granted != 10 || usedOn(&d, "o") != "100" || usedOn(&d, "u") != "100" {
		t.Errorf("%d of 40 checks granted; o has %s, u %s", granted, usedOn(&d, "o"), usedOn(&d, "u"))
	}
	if used, _ := r.usedBy("beta"); used != bursar.AmountFromInt(10) {
		t.Errorf("the other customer of the same reports has %s", used)
	}
	if _, err := r.consume("acme", 1, "c"); codeOf(err) != bursar.CodeBudgetExceeded {
		t.Errorf("consume above the limit: %v", err)
	}
	r.must(r.VerifyAll(ctx))
	r.close()
}

// Where hard limits are among those that usage cannot count on, nothing is granted, and
// usage that happened is recorded nevertheless.
func TestNothingIsGrantedThatAHardLimitCannotCount(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, sqliteIn(t), engine.Options{CheckpointEvery: time.Hour})
	r.furnish("acme")
	r.must(r.Crowd(ctx, "acme", "u", capability("tokens"), 600, func(_ int, limit *bursar.Amount) (bool, bool) {
		*limit = bursar.AmountFromInt(1000)
		return true, false
	}))
	if d := r.checkOne(1); d.Granted || d.Reason != bursar.CodeUnknown {
		t.Errorf("check: granted %v, %s", d.Granted, d.Reason)
	}
	_, err := r.consume("acme", 1, "c")
	if codeOf(err) != bursar.CodeTooManyLimits || !strings.Contains(err.Error(), "602") {
		t.Errorf("consume: %v", err)
	}
	_, _, err = r.Reserve(ctx, tester, "acme", spendOf("tokens", 1, "r"), 60, bursar.ExpireRelease)
	if codeOf(err) != bursar.CodeTooManyLimits {
		t.Errorf("reserve: %v", err)
	}
	_, _, err = r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(7), Dimensions: onUser}})
	r.must(err)
	if d := r.checkOne(0); usedOn(&d, "o") != "7" {
		t.Errorf("o has %s", usedOn(&d, "o"))
	}
	r.close()
}

// Limits of one capability on an entity are bounded when they are written.
func TestLimitsOfAnEntityAreBounded(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, sqliteIn(t), engine.Options{CheckpointEvery: time.Hour})
	r.furnish("acme")
	put := func(in ...bursar.AssignmentInput) error {
		_, _, err := r.PutAssignments(ctx, tester, "acme", in)
		return err
	}
	var many []bursar.AssignmentInput
	for i := range bursar.MaxPlainLimits {
		many = append(many, limitOn("u", fmt.Sprint("l", i)))
	}
	err := put(many...) // u has one without a label
	if codeOf(err) != bursar.CodeTooManyLimits || !strings.Contains(err.Error(), "16 limits") {
		t.Fatalf("a request with one too many: %v", err)
	}
	if d := r.checkOne(1); len(d.Chains[0]) != 2 {
		t.Errorf("of a refused request %d limits are there", len(d.Chains[0]))
	}
	r.must(put(many[1:]...))
	if err := put(many[0]); codeOf(err) != bursar.CodeTooManyLimits {
		t.Errorf("one too many: %v", err)
	}
	r.must(put(many[1])) // it is there
	r.close()
	r.open()
	if err := put(many[0]); codeOf(err) != bursar.CodeTooManyLimits {
		t.Errorf("after a restart, one too many: %v", err)
	}
	list, _, err := r.Assignments(ctx, ledger.ReadOptions{}, "acme", ledger.AssignmentQuery{EntityID: "u", ListPage: ledger.ListPage{Limit: 5}})
	r.must(err)
	_, _, err = r.DeleteAssignment(ctx, tester, "acme", list.Items[1].ID)
	r.must(err)
	r.must(put(many[0]))
	r.close()
}

// Limits with a scope are bounded by the entities that they name: however entities are
// moved later, one path never has more limits than an event counts on, while an entity may
// have as many limits as there are others to tell apart.
func TestLimitsOfAPathAreBounded(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, mem.New(), engine.Options{CheckpointEvery: time.Hour})
	r.furnish("acme")
	var path []string
	var put []bursar.EntityInput
	for i := range bursar.MaxDepth {
		path = append(path, fmt.Sprint("p", i))
		put = append(put, bursar.EntityInput{ID: path[i], EntityTypeID: "user"})
	}
	_, _, err := r.PutEntities(ctx, tester, "acme", put) // all beside one another
	r.must(err)
	refused, made := 0, 0
	for round := range 3 { // pairs and triples of them, and each alone
		for i := range path {
			for j := range path {
				for n := range 3 {
					in := limitOn(path[i], fmt.Sprint(round, "-", n))
					if i != j {
						in.ScopeEntityIDs = []string{path[j], path[(j+round)%len(path)]}
					}
					if _, _, err := r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{in}); err == nil {
						made++
					} else if refused++; codeOf(err) != bursar.CodeTooManyLimits {
						t.Fatal(err)
					}
				}
			}
		}
	}
	if refused == 0 || made < 300 {
		t.Errorf("%d limits were made and %d refused", made, refused)
	}
	for i := range path[1:] {
		_, _, err := r.PutEntities(ctx, tester, "acme", []bursar.EntityInput{{ID: path[i+1], ParentID: bursar.Some(path[i])}})
		r.must(err)
	}
	in := bursar.UsageInput{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(1), Dimensions: []bursar.Dimension{{Key: "user", Value: path[len(path)-1]}}}
	res, _, err := r.ReportUsage(ctx, tester, []bursar.UsageInput{in})
	r.must(err)
	if len(res[0].Warnings) != 0 {
		t.Errorf("a path has more limits than an event: %q", res[0].Warnings)
	}

	// One limit for each of many users on the same entity and model.
	var users []bursar.EntityInput
	var limits []bursar.AssignmentInput
	for i := range 200 {
		id := fmt.Sprint("user-", i)
		users = append(users, bursar.EntityInput{ID: id, EntityTypeID: "user", ParentID: bursar.Some("o")})
		limits = append(limits, limitOn("o", "", "u", id))
	}
	_, _, err = r.PutEntities(ctx, tester, "acme", users)
	r.must(err)
	_, _, err = r.PutAssignments(ctx, tester, "acme", limits)
	r.must(err)
	r.close()
}
