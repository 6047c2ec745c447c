package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// TestHistoryIsBounded: groups times points are bounded together.
func TestHistoryIsBounded(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnish("acme")
	for i := range 10 {
		r.use("acme", "1", 0, append(dims("tag", fmt.Sprint("value-", i)), onUser...))
	}
	read := func(from bursar.Time) error {
		_, _, err := r.History(t.Context(), ledger.ReadOptions{}, "acme", ledger.HistoryQuery{
			EntityID: "u", Capability: capability("tokens"), From: from, Granularity: ledger.Hour, GroupBy: []string{"tag"}})
		return err
	}
	if err := read(later(-200 * 24 * time.Hour)); err != nil {
		t.Errorf("48,000 points: %v", err)
	}
	if err := read(later(-400 * 24 * time.Hour)); codeOf(err) != bursar.CodeValidationFailed || !strings.Contains(err.Error(), "more than 5 groups") {
		t.Errorf("96,000 points: %v", err)
	}
}

// TestActivityOfAToken: a page for a token that sees little of a long list takes few
// looks at the store.
func TestActivityOfAToken(t *testing.T) {
	s := mem.New()
	var looks atomic.Int64
	s.Fail = func(op string) error {
		if op == "activity" {
			looks.Add(1)
		}
		return nil
	}
	r := newRig(t, s, quiet)
	defer r.close()
	r.furnish("acme")
	for i := range 30 {
		var in []bursar.EntityInput
		for j := range 100 {
			in = append(in, bursar.EntityInput{ID: fmt.Sprint("e-", i, "-", j), EntityTypeID: "user", ParentID: bursar.Some("o")})
		}
		_, _, err := r.PutEntities(t.Context(), tester, "acme", in)
		r.must(err)
	}
	looks.Store(0)
	token := &bursar.AccessToken{ID: "t", CustomerID: "acme", RootEntityID: "u"}
	p, _, err := r.Activity(context.Background(), ledger.ReadOptions{Token: token}, "acme", store.ActivityQuery{Limit: 20})
	r.must(err)
	if len(p.Items) == 0 || len(p.Items) > 4 {
		t.Errorf("the token sees %d entries", len(p.Items))
	}
	if n := looks.Load(); n > 2 {
		t.Errorf("one page took %d looks at the store", n)
	}
}
