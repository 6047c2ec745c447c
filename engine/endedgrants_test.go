package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// weighedStore notes how many parts the last checkpoint had, and how large they were.
type weighedStore struct {
	store.Store
	parts, bytes int
	asBefore     int // how many grants have ended, to load a checkpoint as older versions wrote it
}

// Load gives a pool with the numbers of its grants that have ended, of which the first has not.
func (s *weighedStore) Load(ctx context.Context, stream string, visit func(*store.Checkpoint) error) error {
	return s.Store.Load(ctx, stream, func(cp *store.Checkpoint) error {
		if s.asBefore > 0 {
			cp.Parts = slices.DeleteFunc(cp.Parts, func(p store.PartRow) bool { return p.Sort == "ended" })
		}
		for i := range cp.Parts {
			if p := &cp.Parts[i]; p.Sort == "pool" && s.asBefore > 0 {
				var pool map[string]any
				if err := json.Unmarshal(p.Body, &pool); err != nil {
					return err
				}
				ended := []int{}
				for ord := range s.asBefore {
					ended = append(ended, ord+2)
				}
				pool["ended"] = ended
				p.Body, _ = json.Marshal(pool)
			}
		}
		return visit(cp)
	})
}

func (s *weighedStore) Save(ctx context.Context, cp *store.Checkpoint) error {
	s.parts, s.bytes = len(cp.Parts), 0
	for _, p := range cp.Parts {
		s.bytes += len(p.Body)
	}
	return s.Store.Save(ctx, cp)
}

// What a customer's credits were once is not written again with each checkpoint, nor walked
// with each decision, and comes back from the store.
func TestGrantsThatEndedCostNothing(t *testing.T) {
	t.Parallel()
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	s := &weighedStore{Store: mem.New()}
	r := prepaidOn(t, s, "1")
	ctx := t.Context()
	grant := func(i int) bursar.Grant {
		g, _, err := r.CreateGrant(ctx, tester, bursar.GrantInput{CustomerID: "acme", CurrencyID: "coins", Amount: amt("9"), DisplayName: fmt.Sprint("grant ", i), Type: bursar.GrantPaid})
		r.must(err)
		return g
	}
	grant(0)
	measure := func(key string) (parts, size int, visits int64) {
		r.must(r.Save(ctx, "acme"))
		engine.ForgetVisits(r.Engine)
		_, _, err := r.Consume(ctx, tester, "acme", spendOf("tokens", 1, key))
		r.must(err)
		_, visits, _ = engine.MostVisited(r.Engine)
		r.must(r.Save(ctx, "acme"))
		return s.parts, s.bytes, visits
	}
	parts, size, visits := measure("few")
	for i := range n {
		_, _, err := r.VoidGrant(ctx, tester, grant(i+1).ID)
		r.must(err)
		if i == n/2 {
			r.must(r.Save(ctx, "acme"))
		}
	}
	if p, b, v := measure("many"); p > parts || b > size+100 || v > visits {
		t.Errorf("after one usage a checkpoint writes %d parts of %d bytes, and the decision looked at %d things; without %d grants that had ended it was %d of %d, and %d", p, b, v, n, parts, size, visits)
	}
	r.close()
	r.open()
	r.must(r.VerifyAll(ctx))
	r.close()
	s.asBefore = n
	r.open()
	r.must(r.VerifyAll(ctx))
	measure("was written by an older version") // and is written anew
	r.close()
	s.asBefore = 0
	r.open()
	defer r.close()
	r.must(r.VerifyAll(ctx))
}
