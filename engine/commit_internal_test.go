package engine

import (
	"context"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store/mem"
)

// panicOp is a decision with a bug.
type panicOp struct{}

func (panicOp) Decide(*ledger.Decider) (any, error) { panic("planted") }

// A decision that panics fails with an error; other customers of the same batch, the
// ones after it, and this customer later on are served.
func TestPanicInDecideHarmsNobodyElse(t *testing.T) {
	ctx := context.Background()
	e, err := Open(ctx, mem.New(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		if _, _, err := e.CreateCustomer(ctx, catalogue.Caller{}, id, bursar.CustomerInput{}); err != nil {
			t.Fatal(err)
		}
	}
	var batch []*request
	ops := map[string]ledger.Op{"a": ledger.TickOp{}, "b": panicOp{}, "c": &ledger.ArchiveCustomer{Caller: catalogue.Caller{}, Archive: true}}
	for _, id := range []string{"a", "b", "c"} {
		c, err := e.acquire(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		defer e.release(c)
		batch = append(batch, &request{c: c, op: ops[id], by: &catalogue.Caller{}, done: make(chan struct{})})
	}
	e.lane.add(batch...) // in one batch
	for _, r := range batch {
		<-r.done
	}
	if batch[0].err != nil || batch[2].err != nil {
		t.Errorf("neighbours of a panic: %v, %v", batch[0].err, batch[2].err)
	}
	if err := batch[1].err; err == nil || !strings.Contains(err.Error(), "planted") {
		t.Errorf("the panic itself: %v", err)
	}
	if _, _, err := e.ArchiveCustomer(ctx, catalogue.Caller{}, "b", true); err != nil {
		t.Errorf("after the panic: %v", err)
	}
	if err := e.VerifyAll(ctx); err != nil {
		t.Error(err)
	}
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
}

// undecided is an op that changes something and then fails.
type undecided struct{}

func (undecided) Decide(d *ledger.Decider) (any, error) {
	c := *d.Cust()
	c.Name = &c.ID
	d.Emit(&record.Customer{Customer: c})
	d.TypeFor("left-over")
	return nil, bursar.Errorf(bursar.CodeValidationFailed, "planted")
}

// A request that fails half way leaves nothing to those after it in the batch.
func TestFailedRequestLeavesNothing(t *testing.T) {
	st := ledger.NewState()
	d := &ledger.Decider{View: ledger.NewView(st, 1), Cat: catalogue.NewCatalogue()}
	if _, err := d.Attempt(&ledger.CreateCustomer{Caller: catalogue.Caller{}, ID: "a", In: bursar.CustomerInput{}}); err != nil {
		t.Fatal(err)
	}
	n, records := len(d.Recs), d.Records
	if _, err := d.Attempt(undecided{}); err == nil {
		t.Fatal("no error")
	}
	if len(d.Recs) != n || d.Records != records || d.Cust().Name != nil || d.TypeOrd("left-over") != 0 {
		t.Errorf("left over: %d records, name %v", len(d.Recs)-n, d.Cust().Name)
	}
}
