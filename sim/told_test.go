package sim

import (
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
)

// What is told of limits by default goes by what the defaults say when it is told.
func TestWhatIsToldOfDefaultsAgrees(t *testing.T) {
	const id, one, two = "c0", "one", "two"
	tokens := featureOf("tokens")
	a := func(n int64) bursar.Amount { return bursar.AmountFromInt(n) }
	years := bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})
	dims := []bursar.Dimension{{Key: "userId", Value: one}}
	byDefault := func(entity string, limit int64, each bursar.CadenceUnit) bursar.DefaultInput {
		return bursar.DefaultInput{EntityID: entity, EntityTypeID: "user", Capability: tokens, UsageLimit: bursar.Some(a(limit)),
			Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: each}), AlertThresholds: bursar.Some([]int{})}
	}
	use := func(n int64) action {
		return reportUsage{[]bursar.UsageInput{{CustomerID: id, FeatureID: "tokens", Value: a(n), Behavior: bursar.Delta, Dimensions: dims}}}
	}
	put := func(e ...bursar.EntityInput) action { return putEntities{Customer: id, In: e} }
	under := func(entity, parent string) action {
		return put(bursar.EntityInput{ID: entity, ParentID: bursar.Some(parent)})
	}
	listen := putNotifications{id, []bursar.NotificationInput{{Name: "a", Emails: []string{"ann@x.example"}, Thresholds: []int{50}}}}
	lent := naturalKey{entity: two, cap: tokens}
	for name, script := range map[string][]action{
		"of a lender that nothing limits any more": {
			putDefaults{id, []bursar.DefaultInput{byDefault("", 10, bursar.UnitYear)}}, use(8), under(two, one),
			putAssignments{Customer: id, In: []bursar.AssignmentInput{{EntityID: two, Capability: tokens, UsageLimit: bursar.Some(a(100)), Cadence: years}}},
			createBoost{Customer: id, Key: lent, Boost: bursar.BoostInput{Amount: a(1), FundedBy: one}},
			listen, deleteDefault{Customer: id}, endBoost{Customer: id, Key: lent},
		},
		"in a window that comes again": {
			putDefaults{id, []bursar.DefaultInput{byDefault("", 10, bursar.UnitYear), byDefault(two, 1000, bursar.UnitDay)}}, listen,
			use(8), under(one, two), use(1), put(bursar.EntityInput{ID: one, ParentID: bursar.Null[string]()}), use(9),
		},
		"of a hold that ends after a move": {
			putDefaults{id, []bursar.DefaultInput{byDefault("", 1000, bursar.UnitYear), byDefault(two, 10, bursar.UnitYear)}}, listen,
			reserve{id, bursar.SpendInput{Capability: tokens, Amount: a(8), Dimensions: dims, IdempotencyKey: "held"}, 60, bursar.ExpireSettle}, under(one, two),
			patchCustomer{ID: id},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := newWorld(newMemBacking(), engine.Options{CheckpointEvery: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			defer w.close()
			g := newGen(1, w.model)
			ops := g.setup()
			script = append([]action{put(bursar.EntityInput{ID: one, EntityTypeID: "user"}, bursar.EntityInput{ID: two, EntityTypeID: "user"})}, script...)
			for i, a := range script {
				if g.now += 1e6; i == len(script)-1 {
					g.now += bursar.Time(2 * time.Minute)
				}
				ops = append(ops, op{g.now, a})
			}
			for _, o := range ops {
				if d := w.do(o); d != "" {
					t.Fatalf("%T: %.3000s", o.action, d)
				}
			}
		})
	}
}
