package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// faults is a mem.Store whose operations fail when a test says so.
type faults struct {
	*mem.Store
	fail atomic.Pointer[func(op string) error]
}

func newFaults() *faults {
	f := &faults{Store: mem.New()}
	f.Fail = func(op string) error {
		if fail := f.fail.Load(); fail != nil {
			return (*fail)(op)
		}
		return nil
	}
	return f
}

func (f *faults) set(fail func(op string) error) {
	if fail == nil {
		f.fail.Store(nil)
		return
	}
	f.fail.Store(&fail)
}

// on fails one operation with err.
func on(op string, err error) func(string) error {
	return func(o string) error {
		if o == op {
			return fmt.Errorf("planted: %w", err)
		}
		return nil
	}
}

// quiet options keep checkpoints out of the way.
var quiet = engine.Options{CheckpointEvery: time.Hour}

// every write there is, each of which must fail and change nothing when nothing can be
// committed.
func everyWrite(r *rig, hold string, n int) map[string]error {
	ctx := context.Background()
	out := map[string]error{}
	key := fmt.Sprint("write ", n)
	_, _, out["usage"] = r.ReportUsage(ctx, tester, []bursar.UsageInput{{CustomerID: "acme", FeatureID: "tokens", Value: bursar.AmountFromInt(1), Dimensions: onUser, IdempotencyKey: key + "u"}})
	_, out["consume"] = r.consume("acme", 1, key+"c")
	_, _, out["reserve"] = r.Reserve(ctx, tester, "acme", spendOf("tokens", 1, key+"r"), 60, "")
	_, _, out["extend"] = r.ExtendReservation(ctx, tester, "acme", hold, 120)
	_, _, out["entity"] = r.PutEntities(ctx, tester, "acme", []bursar.EntityInput{{ID: fmt.Sprint("e", n), EntityTypeID: "user"}})
	_, _, out["limit"] = r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "o", Capability: capability("tokens"), UsageLimit: bursar.Some(bursar.AmountFromInt(int64(1000 + n)))}})
	_, _, out["customer"] = r.UpdateCustomer(ctx, tester, "acme", bursar.CustomerInput{Name: bursar.Some(fmt.Sprint("name ", n))})
	_, out["feature"] = r.CreateFeature(ctx, tester, bursar.Feature{ID: fmt.Sprint("f", n), DisplayName: "F"})
	_, _, out["api key"] = r.CreateAPIKey(ctx, tester, "key", bursar.ScopeFull, nil)
	return out
}

func TestNotCommittedIs503AndNothingHappened(t *testing.T) {
	f := newFaults()
	r := newRig(t, f, quiet)
	defer r.close()
	r.furnish("acme")
	h, _, err := r.Reserve(context.Background(), tester, "acme", spendOf("tokens", 5, "h"), 60, "")
	r.must(err)
	used, held := r.usedBy("acme")
	customer, version, err := r.Customer(context.Background(), ledger.ReadOptions{}, "acme")
	r.must(err)
	catalogue := r.Catalogue().Version()

	f.set(on("append", store.ErrNotCommitted))
	for what, err := range everyWrite(r, h.ID, 1) {
		if codeOf(err) != bursar.CodeGovernanceUnavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	if u, h := r.usedBy("acme"); u != used || h != held {
		t.Errorf("%s used and %s held, want %s and %s", u, h, used, held)
	}
	again, v, err := r.Customer(context.Background(), ledger.ReadOptions{}, "acme")
	if err != nil || v != version || again.UpdatedAt != customer.UpdatedAt || again.Name != nil || r.Catalogue().Version() != catalogue {
		t.Errorf("something changed: version %d → %d, %+v, %v", version, v, again, err)
	}
	if r.Ready() != nil {
		t.Errorf("not ready: %v", r.Ready())
	}

	f.set(nil)
	for what, err := range everyWrite(r, h.ID, 1) { // the same keys: nothing of the first try counts
		if err != nil {
			t.Errorf("%s works again: %v", what, err)
		}
	}
	if u, _ := r.usedBy("acme"); u != used.Add(bursar.AmountFromInt(2)) {
		t.Errorf("%s used", u)
	}
	r.must(r.VerifyAll(context.Background()))
}

// The write is done, but the store does not say so: the engine finds out, and answers
// what is true.
func TestUnknownOutcomeIsFoundOut(t *testing.T) {
	for what, op := range map[string]string{"written": "append.after", "not written": "append"} {
		t.Run(what, func(t *testing.T) {
			f := newFaults()
			r := newRig(t, f, quiet)
			defer r.close()
			r.furnish("acme")
			f.set(on(op, errors.New("connection lost")))
			res, err := r.consume("acme", 3, "k")
			_, cerr := r.CreateFeature(context.Background(), tester, bursar.Feature{ID: "f", DisplayName: "F"})
			f.set(nil)
			want := int64(0)
			if op == "append.after" {
				want = 3
				if err != nil || res.Duplicate || cerr != nil || r.Catalogue().Feature("f") == nil {
					t.Errorf("written, but: %+v, %v, %v", res, err, cerr)
				}
			} else if codeOf(err) != bursar.CodeGovernanceUnavailable || codeOf(cerr) != bursar.CodeGovernanceUnavailable {
				t.Errorf("not written, but: %v, %v", err, cerr)
			}
			if used, _ := r.usedBy("acme"); used != bursar.AmountFromInt(want) {
				t.Errorf("%s used, want %d", used, want)
			}
			if res, err = r.consume("acme", 3, "k"); err != nil || res.Duplicate != (want == 3) {
				t.Errorf("sent again: %+v, %v", res, err)
			}
			if used, _ := r.usedBy("acme"); used != bursar.AmountFromInt(3) {
				t.Errorf("%s used in the end", used)
			}
			r.must(r.VerifyAll(context.Background()))
		})
	}
}

// Nor can it be found out: 503; what is then true is read from the log, not remembered.
func TestOutcomeThatNobodyKnows(t *testing.T) {
	for what, op := range map[string]string{"written": "append.after", "not written": "append"} {
		t.Run(what, func(t *testing.T) {
			f := newFaults()
			r := newRig(t, f, quiet)
			defer r.close()
			r.furnish("acme")
			lost := errors.New("connection lost")
			f.set(func(o string) error {
				if o == op || o == "outcomes" {
					return lost
				}
				return nil
			})
			if _, err := r.consume("acme", 3, "k"); codeOf(err) != bursar.CodeGovernanceUnavailable {
				t.Errorf("nobody knows, but: %v", err)
			}
			f.set(nil)
			want := int64(0)
			if op == "append.after" {
				want = 3
			}
			if used, _ := r.usedBy("acme"); used != bursar.AmountFromInt(want) {
				t.Errorf("%s used, the log says %d", used, want)
			}
			if res, err := r.consume("acme", 3, "k"); err != nil || res.Duplicate != (want == 3) {
				t.Errorf("sent again: %+v, %v", res, err)
			}
			r.must(r.VerifyAll(context.Background()))
		})
	}
}

// A store that cannot be trusted: nothing is answered any more, and the process is told once.
func TestPoisonedStore(t *testing.T) {
	f := newFaults()
	var told atomic.Int32
	o := quiet
	o.Fatal = func(err error) {
		if !errors.Is(err, store.ErrPoisoned) {
			t.Errorf("Fatal(%v)", err)
		}
		told.Add(1)
	}
	r := newRig(t, f, o)
	r.furnish("acme")
	h, _, err := r.Reserve(context.Background(), tester, "acme", spendOf("tokens", 5, "h"), 60, "")
	r.must(err)
	f.set(on("append", store.ErrPoisoned))
	if _, err := r.consume("acme", 3, "k"); codeOf(err) != bursar.CodeGovernanceUnavailable {
		t.Errorf("the write that met it: %v", err)
	}
	f.set(nil) // it does not heal
	if r.Ready() == nil {
		t.Error("ready")
	}
	for what, err := range everyWrite(r, h.ID, 1) {
		if codeOf(err) != bursar.CodeGovernanceUnavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	if d, _, err := r.Check(context.Background(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("tokens")}}); codeOf(err) != bursar.CodeGovernanceUnavailable {
		t.Errorf("check: %+v, %v", d, err)
	}
	if _, _, err := r.Entity(context.Background(), ledger.ReadOptions{}, "acme", "o"); codeOf(err) != bursar.CodeGovernanceUnavailable {
		t.Errorf("read: %v", err)
	}
	if told.Load() != 1 {
		t.Errorf("Fatal was called %d times", told.Load())
	}
	if err := r.Close(context.Background()); !errors.Is(err, store.ErrPoisoned) {
		t.Errorf("Close: %v", err)
	}
}

// Nobody sees, or is told, what is not durable yet.
func TestNothingIsSeenBeforeItIsDurable(t *testing.T) {
	f := newFaults()
	r := newRig(t, f, quiet)
	defer r.close()
	r.furnish("acme")
	reached, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.set(func(op string) error {
		if op == "append" {
			once.Do(func() { close(reached); <-goOn })
		}
		return nil
	})
	answered := make(chan error, 1)
	go func() {
		_, err := r.consume("acme", 3, "k")
		answered <- err
	}()
	<-reached
	if used, _ := r.usedBy("acme"); !used.IsZero() {
		t.Errorf("a check sees %s that the log does not have", used)
	}
	if _, _, err := r.Entity(context.Background(), ledger.ReadOptions{}, "acme", "u"); err != nil {
		t.Errorf("a read during a write: %v", err)
	}
	select {
	case err := <-answered:
		t.Errorf("answered before it was durable: %v", err)
	default:
	}
	close(goOn)
	r.must(<-answered)
	if used, _ := r.usedBy("acme"); used != bursar.AmountFromInt(3) {
		t.Errorf("%s used", used)
	}
}
