package engine_test

import (
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// TestForgottenRequestsStayForgotten: of many boost requests the same are kept whether they were
// folded as they came, restored from a checkpoint, or folded again from the log.
func TestForgottenRequestsStayForgotten(t *testing.T) {
	s := mem.New()
	r := newRig(t, s, engine.Options{CheckpointEvery: time.Hour})
	r.furnish("acme")
	ctx := t.Context()
	ask := func() string {
		r.now.Add(int64(time.Second))
		made, _, err := r.AskBoost(ctx, tester, "acme", engine.BoostAsk{In: bursar.BoostRequestInput{EntityID: "u", Capability: capability("tokens"), Amount: amt("1"), ScopeEntityIDs: []string{}}})
		r.must(err)
		return made.ID
	}
	const made = bursar.MaxOpenBoostRequests + bursar.KeptBoostRequests + 100
	var ids []string
	for i := range made {
		ids = append(ids, ask())
		var err error
		if i%3 == 0 {
			_, _, err = r.WithdrawBoost(ctx, tester, "acme", ids[i])
		} else {
			_, _, err = r.DeclineBoost(ctx, tester, "acme", ids[i], nil)
		}
		r.must(err)
	}
	kept := func() (n int) {
		q := ledger.BoostRequestQuery{ListPage: ledger.ListPage{Limit: 100}}
		for {
			page, _, err := r.BoostRequests(ctx, ledger.ReadOptions{}, "acme", q)
			r.must(err)
			n += len(page.Items)
			if !page.HasNext {
				return n
			}
			q.After = &ledger.ListPos{ID: page.Items[len(page.Items)-1].ID}
		}
	}
	before := kept()
	if before >= made || before < bursar.KeptBoostRequests {
		t.Errorf("%d of %d are kept", before, made)
	}
	r.must(r.VerifyAll(ctx))
	r.must(r.Save(ctx, "acme"))
	r.close()
	sound(t, s)
	r.open()
	if n := kept(); n != before {
		t.Errorf("%d are kept after a restart, %d were before", n, before)
	}
	ask()
	if n := kept(); n != before+1 {
		t.Errorf("%d are kept with one more, %d were before", n, before)
	}
	r.must(r.VerifyAll(ctx))
	r.close()
	sound(t, s)
}
