package sim

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
)

var (
	racersFlag = flag.Int("racers", 1000, "goroutines that race for the last unit")
	roundsFlag = flag.Int("rounds", 100, "rounds of the race on store/mem; a tenth of that on store/sqlite")
)

// A crowd races for what is left of a budget at the root of the tree, each racer from
// a leaf of its own choice: exactly what fits is granted, whatever the interleaving.
func TestLastUnitRaceOnMem(t *testing.T) {
	race(t, newMemBacking(), *roundsFlag)
}

func TestLastUnitRaceOnSQLite(t *testing.T) {
	b, err := newSQLiteBacking(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	race(t, b, (*roundsFlag+9)/10)
}

func race(t *testing.T, b backing, rounds int) {
	if testing.Short() {
		rounds = min(rounds, 5)
	}
	ctx := context.Background()
	e, err := engine.Open(ctx, b.store(), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(e.Close(ctx), b.close()); err != nil {
			t.Error(err)
		}
	}()
	_, err = e.PutEntityTypes(ctx, caller, []catalogue.EntityTypeInput{
		{ID: "org", DisplayName: "Org"}, {ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agent"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.CreateFeature(ctx, caller, newFeature("tokens")); err != nil {
		t.Fatal(err)
	}
	for round := range rounds {
		limit := []int{1, 1, 1, 2, 5}[round%5]
		raceOnce(t, e, fmt.Sprintf("c%d", round), limit, round%2 == 0)
		if t.Failed() {
			return
		}
	}
}

// raceOnce lets everyone spend one unit of a limit at once.
func raceOnce(t *testing.T, e *engine.Engine, customer string, limit int, byReserve bool) {
	ctx := context.Background()
	raceTree(t, e, customer, limit)
	var granted, deniedCount atomic.Int64
	var wg sync.WaitGroup
	gun := make(chan struct{})
	for i := range *racersFlag {
		wg.Go(func() {
			in := bursar.SpendInput{
				Capability: featureOf("tokens"), Amount: bursar.AmountFromInt(1), IdempotencyKey: fmt.Sprint(i),
				Dimensions: on(fmt.Sprintf("agent=a%d", i%8)),
			}
			<-gun
			var err error
			if byReserve {
				_, _, err = e.Reserve(ctx, caller, customer, in, 300, bursar.ExpireRelease)
			} else {
				_, _, err = e.Consume(ctx, caller, customer, in)
			}
			var refused *bursar.Error
			switch {
			case err == nil:
				granted.Add(1)
			case errors.As(err, &refused) && refused.Code == bursar.CodeBudgetExceeded && refused.Denial.Binding.Node.EntityID == "root":
				deniedCount.Add(1)
			default:
				t.Errorf("racer %d: %v", i, err)
			}
		})
	}
	close(gun)
	wg.Wait()
	if granted.Load() != int64(limit) || deniedCount.Load() != int64(*racersFlag-limit) {
		t.Errorf("%s: %d granted, %d denied of %d; the limit is %d", customer, granted.Load(), deniedCount.Load(), *racersFlag, limit)
	}
	d, _, err := e.Check(ctx, ledger.ReadOptions{}, customer, []ledger.CheckInput{{Capability: featureOf("tokens"), Dimensions: on("agent=a0")}})
	if err != nil {
		t.Fatal(err)
	}
	node := d[0].Chains[0][0]
	if sum := node.CurrentUsage.Add(node.Reserved); sum != bursar.AmountFromInt(int64(limit)) || byReserve != node.CurrentUsage.IsZero() {
		t.Errorf("%s: used %s, held %s; the limit is %d", customer, node.CurrentUsage, node.Reserved, limit)
	}
}

// raceTree makes a root with a limit and eight agents two levels below it.
func raceTree(t *testing.T, e *engine.Engine, customer string, limit int) {
	ctx := context.Background()
	if _, _, err := e.CreateCustomer(ctx, caller, customer, bursar.CustomerInput{}); err != nil {
		t.Fatal(err)
	}
	entities := []bursar.EntityInput{
		{ID: "root", EntityTypeID: "org"}, {ID: "left", EntityTypeID: "org", ParentID: bursar.Some("root")},
		{ID: "right", EntityTypeID: "org", ParentID: bursar.Some("root")},
	}
	for i := range 8 {
		entities = append(entities, bursar.EntityInput{
			ID: fmt.Sprintf("a%d", i), EntityTypeID: "agent", ParentID: bursar.Some([]string{"left", "right"}[i%2]),
		})
	}
	if _, _, err := e.PutEntities(ctx, caller, customer, entities); err != nil {
		t.Fatal(err)
	}
	_, _, err := e.PutAssignments(ctx, caller, customer, []bursar.AssignmentInput{{
		EntityID: "root", Capability: featureOf("tokens"), UsageLimit: bursar.Some(bursar.AmountFromInt(int64(limit))),
		Cadence: bursar.Some(bursar.Cadence{N: 100, Unit: bursar.UnitYear}),
	}})
	if err != nil {
		t.Fatal(err)
	}
}
