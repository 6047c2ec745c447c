package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

func spendPath(id string, ends bursar.Time, limit int64) catalogue.SpendPath {
	return catalogue.SpendPath{Pins: [][]bursar.Dimension{onUser}, Counted: []catalogue.SpendEntity{{ID: id, Expires: ends, Caps: []bursar.CapabilityAmount{{Capability: capability("tokens"), Amount: bursar.AmountFromInt(limit)}}}}}
}

// TestSpendTokensEnd: what tokens were counted on is archived once they have ended, also when
// the process that knew of them is gone; those that go on are left alone.
func TestSpendTokensEnd(t *testing.T) {
	eachStore(t, func(t *testing.T, s store.Store) {
		r := newRig(t, s, quiet)
		defer func() { r.close() }()
		r.furnish("acme")
		day := r.Now() + bursar.Time(24*time.Hour)
		for id, ends := range map[string]bursar.Time{"short": r.Now() + bursar.Time(time.Hour), "long": day, "revoked": day} {
			_, _, err := r.CreateSpendToken(t.Context(), tester, bursar.SpendToken{ID: id, CustomerID: "acme", CreatedAt: r.Now(), ExpiresAt: ends}, onUser)
			r.must(err)
			for range 2 { // the second time there is nothing to do
				r.must(r.EnterSpend(t.Context(), tester, "acme", spendPath(id, ends, 5)))
			}
		}
		live := func(id string) bool {
			e, _, err := r.Entity(t.Context(), ledger.ReadOptions{}, "acme", id)
			r.must(err)
			return e.ArchivedAt == nil
		}
		if !live("short") || !live("long") || !live("revoked") {
			t.Fatal("they are not there")
		}
		_, _, err := r.RevokeSpendToken(t.Context(), tester, "acme", "revoked", nil)
		r.must(err)
		if live("revoked") || r.Catalogue().MaySpend("acme", []string{"revoked"}) || !r.Catalogue().MaySpend("acme", []string{"long", "of a holder"}) || r.Catalogue().MaySpend("globex", []string{"long"}) {
			t.Error("revocation")
		}
		r.advance(2 * time.Hour)
		r.close()
		r.open()
		engine.LeaveSpent(r.Engine)
		eventually(t, "the one that ended is archived", func() bool { return !live("short") })
		if !live("long") {
			t.Error("one that goes on is archived")
		}
		if err := r.EnterSpend(t.Context(), tester, "acme", spendPath("short", day, 5)); codeOf(err) != bursar.CodeForbidden {
			t.Errorf("it spends again: %v", err)
		}
		// Narrower ones that ended go with others that come.
		below := func(id string, ends bursar.Time) catalogue.SpendPath {
			p := spendPath("long", day, 5)
			p.Counted = append(p.Counted, catalogue.SpendEntity{ID: id, Expires: ends})
			return p
		}
		r.must(r.EnterSpend(t.Context(), tester, "acme", below("run-1", r.Now()+bursar.Time(time.Minute))))
		r.advance(time.Hour)
		for i := range 128 {
			r.must(r.EnterSpend(t.Context(), tester, "acme", below(fmt.Sprint("more-", i), day)))
		}
		if live("run-1") || !live("more-127") {
			t.Error("the runs")
		}
	})
}

// TestSpendTokensOnNodes: a token that one node made is known to the other, and is dead there
// once the other has looked after it was revoked.
func TestSpendTokensOnNodes(t *testing.T) {
	s := shared()
	a, b := newRig(t, s, quiet), newRig(t, s, quiet)
	defer a.close()
	defer b.close()
	a.furnish("acme")
	b.usedBy("acme")
	token := bursar.SpendToken{ID: "tok", CustomerID: "acme", CreatedAt: a.Now(), ExpiresAt: a.Now() + bursar.Time(time.Hour)}
	_, _, err := a.CreateSpendToken(t.Context(), tester, token, onUser)
	a.must(err)
	may := func() bool {
		b.must(b.Newest(t.Context()))
		return b.Catalogue().MaySpend("acme", []string{"tok"})
	}
	if !may() {
		t.Error("the other node does not know it")
	}
	// Both begin to count on it at once: there is one entity, with one limit.
	p := spendPath("tok", token.ExpiresAt, 7)
	failed := make(chan error, 2)
	for _, r := range []*rig{a, b} {
		go func() { failed <- r.EnterSpend(t.Context(), tester, "acme", p) }()
	}
	a.must(<-failed)
	a.must(<-failed)
	for _, r := range []*rig{a, b} {
		if missing, err := r.SpendsOn(t.Context(), "acme", &p); missing != 0 || err != nil {
			t.Errorf("%v %v", missing, err)
		}
	}
	limits, _, err := b.Assignments(t.Context(), ledger.ReadOptions{}, "acme", ledger.AssignmentQuery{EntityID: "tok", ListPage: ledger.ListPage{Limit: 10}})
	b.must(err)
	if len(limits.Items) != 1 {
		t.Errorf("%d limits", len(limits.Items))
	}
	_, _, err = a.RevokeSpendToken(t.Context(), tester, "acme", "tok", nil)
	a.must(err)
	if may() {
		t.Error("it spends on the other node")
	}
	if err := b.EnterSpend(t.Context(), tester, "acme", p); codeOf(err) != bursar.CodeForbidden {
		t.Errorf("its entity is not archived there: %v", err)
	}
}
