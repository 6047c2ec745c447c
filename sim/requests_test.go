package sim

import (
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
)

// TestForgottenRequestsAgree: of more boost requests than are kept the engine and the model forget
// the same, also where the engine folds its log anew.
func TestForgottenRequestsAgree(t *testing.T) {
	w, err := newWorld(newMemBacking(), engine.Options{CheckpointEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	g := newGen(1, w.model)
	do := func(o op) {
		t.Helper()
		if d := w.do(o); d != "" {
			t.Fatalf("%T: %.3000s", o.action, d)
		}
	}
	for _, o := range g.setup() {
		do(o)
	}
	step := func(a action) { t.Helper(); g.now += 1e6; do(op{g.now, a}) }
	id, of := g.customers[0], bursar.Capability{Kind: bursar.KindFeature, ID: featureNames[0]}
	step(putEntities{Customer: id, In: []bursar.EntityInput{{ID: "asks", EntityTypeID: typeNames[0]}}})
	step(putAssignments{Customer: id, In: []bursar.AssignmentInput{{EntityID: "asks", Capability: of, UsageLimit: bursar.Some(bursar.AmountFromInt(1)),
		Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})}}})
	last := func() int { return len(w.model.customers[id].requests) - 1 }
	ask := func() {
		t.Helper()
		step(requestBoost{Customer: id, By: "sim", In: bursar.BoostRequestInput{EntityID: "asks", Capability: of, Amount: bursar.AmountFromInt(1)}})
	}
	for i := range 2100 {
		if ask(); i%700 == 5 {
			continue // stays open
		}
		to := bursar.BoostRequestDeclined
		if i%3 == 0 {
			to = bursar.BoostRequestWithdrawn
		}
		step(decideRequest{Customer: id, By: "sim", Ref: last(), To: to})
	}
	if last() > 2000 {
		t.Fatalf("the model has %d", last()+1)
	}
	for _, how := range []ending{closed, crashed, rebuilt} {
		step(listRequests{Customer: id, Limit: 100})
		step(verify{})
		step(reopen{how})
		ask()
		step(decideRequest{Customer: id, By: "sim", Ref: last(), To: bursar.BoostRequestDeclined})
	}
	step(listRequests{Customer: id, Limit: 100})
}
