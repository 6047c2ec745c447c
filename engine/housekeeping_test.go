package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store/mem"
)

// TestHousekeepingFollowsWhatChanged: what housekeeping does is counted, and does not
// depend on how many customers are in memory that nobody asks for.
func TestHousekeepingFollowsWhatChanged(t *testing.T) {
	ctx := context.Background()
	for _, idle := range []int{10, 1000} {
		r := newRig(t, mem.New(), engine.Options{CheckpointEvery: time.Hour})
		defer r.close()
		r.furnish("busy")
		for _, c := range names(idle) {
			_, _, err := r.CreateCustomer(ctx, tester, c, bursar.CustomerInput{})
			r.must(err)
			_, err = r.consume(c, 1, "")
			r.must(err)
		}
		eventually(t, "all customers are known to be in memory", func() bool { return r.Stats().ResidentCustomers == int64(idle)+1 })
		looks := func(f func()) int {
			before := engine.Looks(r.Engine)
			f()
			for range 50 {
				engine.Housekeep(r.Engine)
			}
			return engine.Looks(r.Engine) - before
		}
		if n := looks(func() {}); n != 0 {
			t.Errorf("among %d idle customers: %d looks though nothing changed", idle, n)
		}
		if n := looks(func() {
			for range 20 {
				_, err := r.consume("busy", 1, "")
				r.must(err)
			}
		}); n == 0 || n > 20 {
			t.Errorf("among %d idle customers: %d looks after 20 writes to one", idle, n)
		}
		if n := looks(func() {
			_, _, err := r.Reserve(ctx, tester, "busy", spendOf("tokens", 5, "hold"), 60, "")
			r.must(err)
			engine.Housekeep(r.Engine)
			r.advance(time.Hour)
			eventually(t, "the hold has ended in the log", func() bool {
				engine.Housekeep(r.Engine)
				return r.Stats().OpenHolds == 0
			})
		}); n == 0 || n > 20 {
			t.Errorf("among %d idle customers: %d looks for a hold that ended", idle, n)
		}
		r.must(r.VerifyAll(ctx))
	}
}

// TestLongestUnusedLeaves: who was used last stays when there is no room for all, though
// nobody walked through all of them to find out.
func TestLongestUnusedLeaves(t *testing.T) {
	r := newRig(t, mem.New(), engine.Options{CheckpointEvery: time.Hour, MemoryBudget: 20 * 8192})
	defer r.close()
	customers := names(60)
	for _, c := range customers {
		r.furnish(c)
		_, err := r.consume(customers[0], 1, "") // all the time
		r.must(err)
	}
	eventually(t, "residents fit the budget", func() bool {
		engine.Housekeep(r.Engine)
		return r.Stats().ResidentBytes <= 20*8192
	})
	loads := r.Stats().Loads
	for _, c := range []string{customers[0], customers[59], customers[58]} {
		r.usedBy(c)
	}
	if n := r.Stats().Loads - loads; n != 0 {
		t.Errorf("%d of the customers used last had left", n)
	}
	r.usedBy(customers[1])
	if n := r.Stats().Loads - loads; n != 1 {
		t.Errorf("a customer that was used long ago had stayed")
	}
	r.must(r.VerifyAll(context.Background()))
}
