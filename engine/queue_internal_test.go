package engine

import (
	"fmt"
	"slices"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// sizedOp is a request of so many items.
type sizedOp int

func (sizedOp) Decide(*ledger.Decider) (any, error) { return nil, nil }

func (n sizedOp) Size() int { return int(n) }

func asked(c *customer, who string, n, items int) (reqs []*request) {
	for i := range n {
		reqs = append(reqs, &request{c: c, who: who, trace: fmt.Sprint(who, i), items: items, op: sizedOp(items)})
	}
	return reqs
}

func traces(reqs []*request) (out []string) {
	for _, r := range reqs {
		out = append(out, r.trace)
	}
	return out
}

// TestTurns: each customer has a turn in a batch, however much others have waiting, and
// within a customer callers take turns, each one's requests in their order.
func TestTurns(t *testing.T) {
	l := newLane()
	a, b, z := &customer{id: "a"}, &customer{id: "b"}, &customer{id: "z"}
	queued := func(reqs ...[]*request) {
		for _, r := range reqs {
			if err := l.add(r...); err != nil {
				t.Fatal(err)
			}
		}
	}
	queued(asked(a, "key", 64, 100), asked(b, "one", 3, 1), asked(b, "two", 2, 1), asked(z, "key", 1, 1))
	works := l.take(anybody)
	if got := len(works); got != 3 {
		t.Fatalf("%d customers have a turn, not 3", got)
	}
	if got := len(works[0].reqs); got != turn/100 {
		t.Errorf("a turn of %d requests of 100", got)
	}
	if got, want := traces(works[1].reqs), []string{"one0", "two0", "one1", "two1", "one2"}; !slices.Equal(got, want) {
		t.Errorf("callers take turns like %v, not %v", got, want)
	}
	// What was not decided goes first, before what came later of the same caller.
	works[1].later, works[1].reqs = works[1].reqs[3:], works[1].reqs[:3]
	queued(asked(b, "three", 1, 1))
	l.done(nil, works, nil)
	for _, w := range l.take(anybody) {
		if w.c == b {
			if got, want := traces(w.reqs), []string{"two1", "one2", "three0"}; !slices.Equal(got, want) {
				t.Errorf("put back in the order %v, not %v", got, want)
			}
		}
	}
}

// TestHeavyCustomersShareBatches: of many that want much a few have a turn in a batch, each
// as often as the others; who wants little is in each.
func TestHeavyCustomersShareBatches(t *testing.T) {
	l := newLane()
	const heavy, batches = 10, 20
	turns := map[string]int{}
	for i := range heavy {
		if err := l.add(asked(&customer{id: fmt.Sprint("heavy-", i)}, "key", 100, 100)...); err != nil {
			t.Fatal(err)
		}
	}
	quiet := &customer{id: "quiet"}
	for range batches {
		if err := l.add(asked(quiet, "key", 1, 1)...); err != nil {
			t.Fatal(err)
		}
		works := l.take(anybody)
		items := 0
		for _, w := range works {
			turns[w.c.id]++
			for _, r := range w.reqs {
				items += r.items
			}
		}
		if items > batchTurns*turn+light {
			t.Errorf("a batch of %d items", items)
		}
		l.done(nil, works, nil)
	}
	if turns["quiet"] != batches {
		t.Errorf("who wants little had %d turns in %d batches", turns["quiet"], batches)
	}
	for i := range heavy {
		if n := turns[fmt.Sprint("heavy-", i)]; n != batches*batchTurns/heavy {
			t.Errorf("customer %d had %d turns of %d", i, n, batches*batchTurns)
		}
	}
}

// TestApart: with a store of its own a lane has two batches under way, of those that want little and
// of those that want much. No customer is in both.
func TestApart(t *testing.T) {
	l := newLane()
	l.apart = true
	startable := func(want whose) {
		t.Helper()
		if of, can := l.startable(); !can || of != want {
			t.Fatalf("a batch of %d may start: %v, not one of %d", of, can, want)
		}
	}
	begin := func(of whose, customers ...string) (works []*work) {
		t.Helper()
		startable(of)
		works, l.under[of] = l.take(of), true
		var got []string
		for _, w := range works {
			got = append(got, w.c.id)
		}
		if !slices.Equal(got, customers) {
			t.Fatalf("the batch has %v, not %v", got, customers)
		}
		return works
	}
	loud, b, z := &customer{id: "a"}, &customer{id: "b"}, &customer{id: "z"}
	for _, reqs := range [][]*request{asked(loud, "key", 64, 100), asked(b, "key", light, 1), asked(z, "key", 1, 1)} {
		if err := l.add(reqs...); err != nil {
			t.Fatal(err)
		}
	}
	few := begin(little, "b", "z")
	begin(much, "a")
	if err := l.add(slices.Concat(asked(loud, "key", 1, 1), asked(b, "key", light, 1), asked(z, "key", light+1, 1))...); err != nil {
		t.Fatal(err)
	}
	if of, can := l.startable(); can {
		t.Fatalf("a batch of %d may start, and two are under way", of)
	}
	l.done(nil, few, nil)
	l.under[little] = false
	begin(little, "b")
	if of, can := l.startable(); can {
		t.Fatalf("a batch of %d may start: who wants much has one under way", of)
	}
}

// TestLongLines: who sends faster than it can be recorded is told to come again; others,
// also of the same customer, are not.
func TestLongLines(t *testing.T) {
	l := newLane()
	a, b := &customer{id: "a"}, &customer{id: "b"}
	refused := 0
	for _, r := range asked(a, "loud", 60, 1000) {
		if l.add(r) != nil {
			refused++
		}
	}
	if want := 60 - maxCallerItems/1000; refused != want {
		t.Errorf("%d requests were refused, not %d", refused, want)
	}
	for _, r := range slices.Concat(asked(a, "other", 1, 1000), asked(b, "loud", 1, 2*maxCallerItems)) {
		if err := l.add(r); err != nil {
			t.Errorf("%s of %s: %v", r.who, r.c.id, err)
		}
	}
	if err := l.add(asked(&customer{id: "c"}, "loud", 1, 1)...); err != nil {
		t.Error(err)
	}
}

// TestItemsOf: each request of several items takes as much of a turn as it has.
func TestItemsOf(t *testing.T) {
	for _, o := range []ledger.Op{
		&ledger.ReportUsage{Items: make([]*ledger.UsageItem, 100)}, &ledger.ReportEvents{Items: make([]ledger.EventItem, 100)},
		&ledger.PutEntities{In: make([]bursar.EntityInput, 100)}, &ledger.PutAssignments{In: make([]bursar.AssignmentInput, 100)},
		&ledger.PutPromotions{In: make([]bursar.PromotionInput, 100)}, &ledger.ArchiveEntities{IDs: make([]string, 100)},
		&ledger.RepriceOp{Groups: make([]ledger.RepriceGroup, 100)},
	} {
		if n := itemsOf(o); n != 100 {
			t.Errorf("%T of 100 items is taken for one of %d", o, n)
		}
	}
	if n := itemsOf(&ledger.PutEntities{}) + itemsOf(&ledger.Consume{}); n != 2 {
		t.Errorf("two requests of one thing each are taken for %d", n)
	}
}
