package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store/mem"
)

// What ended at one moment for many customers that nobody asks for is recorded, and told,
// within one sweep, however many they are.
func TestSweepGoesOnToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		s := mem.New()
		r := newRig(t, s, engine.Options{CheckpointEvery: time.Hour})
		customers := names(400)
		r.furnish(customers...)
		for _, c := range customers {
			_, _, err := r.Reserve(ctx, tester, c, spendOf("tokens", 10, "k"), 60, bursar.ExpireSettle)
			r.must(err)
		}
		r.close()
		r.advance(time.Hour)
		r.open()
		defer r.close()
		time.Sleep(5 * time.Second) // by the bubble's clock: half a round of sweeps
		ended := 0
		for _, c := range customers {
			heads, _, _, err := s.Heads(ctx, []string{c}, nil)
			r.must(err)
			if heads[0].Now > scriptStart {
				ended++
			}
		}
		if ended != len(customers) {
			t.Errorf("the holds of %d of %d customers have ended in the log", ended, len(customers))
		}
	})
}
