package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store/mem"
)

// Two engines on one store: what the other one wrote in between is read before anything
// is decided.
func TestAnotherNodeWroteInBetween(t *testing.T) {
	s := mem.New()
	a := newRig(t, s, quiet)
	defer func() { _ = a.Close(context.Background()) }() // its checkpoint may be behind the one of b
	a.furnish("acme")
	b := newRig(t, s, quiet)
	defer func() { _ = b.Close(context.Background()) }() // its checkpoint may be behind the one of a
	b.usedBy("acme")                                     // both have it in memory
	used := int64(0)
	for i := range 10 {
		n := []*rig{a, b}[i%2]
		_, err := n.consume("acme", int64(i+1), fmt.Sprint(i))
		n.must(err)
		used += int64(i + 1)
		if got, _ := n.usedBy("acme"); got != bursar.AmountFromInt(used) {
			t.Errorf("after write %d: %s used, want %d", i, got, used)
		}
	}
	if res, err := b.consume("acme", 1, "0"); err != nil || !res.Duplicate { // a wrote it
		t.Errorf("the other node's key: %+v, %v", res, err)
	}
	h, _, err := a.Reserve(context.Background(), tester, "acme", spendOf("tokens", 9, "h"), 60, "")
	a.must(err)
	_, err = b.consume("acme", 1, "b sees what a wrote once it writes itself")
	b.must(err)
	if _, _, err := b.CommitReservation(context.Background(), tester, "acme", h.ID, bursar.AmountFromInt(4)); err != nil {
		t.Errorf("the other node's hold: %v", err)
	}
	for _, n := range []*rig{a, b} {
		n.must(n.VerifyAll(context.Background()))
	}
}

// One unit is left, many ask on two nodes: exactly one is granted, again and again.
func TestLastUnitOnTwoNodes(t *testing.T) {
	s := mem.New()
	a := newRig(t, s, quiet)
	defer func() { _ = a.Close(context.Background()) }() // its checkpoint may be behind the one of b
	a.furnish("acme")
	b := newRig(t, s, quiet)
	defer func() { _ = b.Close(context.Background()) }() // its checkpoint may be behind the one of a
	set := func(limit int) {
		_, _, err := a.PutAssignments(context.Background(), tester, "acme", []bursar.AssignmentInput{{EntityID: "o", Capability: capability("credits"), UsageLimit: bursar.Some(bursar.AmountFromInt(int64(limit)))}})
		a.must(err)
	}
	for round := range 50 {
		set(round + 1)
		var granted, denied atomic.Int32
		var asked sync.WaitGroup
		for i := range 16 {
			asked.Go(func() {
				_, _, err := []*rig{a, b}[i%2].Consume(context.Background(), tester, "acme", spendOf("credits", 1, ""))
				var d *bursar.Error
				switch {
				case err == nil:
					granted.Add(1)
				case errors.As(err, &d) && d.Denial != nil && d.Code == bursar.CodeBudgetExceeded:
					denied.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		asked.Wait()
		if granted.Load() != 1 || denied.Load() != 15 {
			t.Fatalf("round %d: %d granted, %d denied", round, granted.Load(), denied.Load())
		}
	}
	for _, n := range []*rig{a, b} {
		n.must(n.VerifyAll(context.Background()))
	}
}

// A log that is not the continuation of what is in memory is refused, not guessed at.
func TestDamagedLogIsRefused(t *testing.T) {
	s := mem.New()
	a := newRig(t, s, quiet)
	a.furnish("acme", "beta")
	a.close()
	forged := engine.Commit{Stream: "acme", Now: a.Now(), Payload: []byte("nonsense"), Hash: [16]byte{1}}
	heads, _, err := s.Heads(context.Background(), []string{"acme"})
	a.must(err)
	forged.After = heads[0]
	if out, err := s.Append(context.Background(), []engine.Commit{forged}, nil); err != nil || out[0] != engine.Committed {
		t.Fatal(out, err)
	}
	b := newRig(t, s, quiet)
	defer func() { _ = b.Close(context.Background()) }() // its checkpoint may be behind the one of a
	if _, err := b.consume("acme", 1, "k"); codeOf(err) != bursar.CodeGovernanceUnavailable {
		t.Errorf("a write on a damaged log: %v", err)
	}
	if _, _, err := b.Check(context.Background(), engine.ReadOptions{}, "acme", []engine.CheckInput{{Capability: capability("tokens")}}); codeOf(err) != bursar.CodeGovernanceUnavailable {
		t.Errorf("a check on a damaged log: %v", err)
	}
	if _, err := b.consume("beta", 1, "k"); err != nil {
		t.Errorf("the neighbour: %v", err)
	}
}

// minVersion: never older than what the caller saw.
func TestMinVersion(t *testing.T) {
	r := newRig(t, mem.New(), quiet)
	defer r.close()
	r.furnish("acme")
	_, version, err := r.Consume(context.Background(), tester, "acme", spendOf("tokens", 1, ""))
	r.must(err)
	if _, v, err := r.Customer(context.Background(), engine.ReadOptions{MinVersion: version}, "acme"); err != nil || v != version {
		t.Errorf("its own version: %d, %v", v, err)
	}
	if _, _, err := r.Customer(context.Background(), engine.ReadOptions{MinVersion: version + 1}, "acme"); codeOf(err) != bursar.CodeGovernanceUnavailable {
		t.Errorf("a version that is not there: %v", err)
	}
	if _, v, err := r.Consume(context.Background(), tester, "acme", spendOf("tokens", 1, "")); err != nil || v <= version {
		t.Errorf("a write does not raise the version: %d → %d, %v", version, v, err)
	}
}
