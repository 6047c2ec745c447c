package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// queue has somebody wait for a turn, who then notes who it is and gives it back.
func (t *turns) queue(test *testing.T, ctx context.Context, customer string, served chan<- string) {
	test.Helper()
	t.mu.Lock()
	before := t.waiting
	t.mu.Unlock()
	go func() {
		if err := t.take(ctx, customer); err != nil {
			served <- err.Error()
			return
		}
		served <- customer
		t.give()
	}()
	for waiting := before; waiting == before; { // it is in the queue
		t.mu.Lock()
		waiting = t.waiting
		t.mu.Unlock()
	}
}

// TestTurnsAreFair: a customer that asks for much has every other turn beside one that
// asks for little.
func TestTurnsAreFair(t *testing.T) {
	turns := newTurns(1)
	if err := turns.take(t.Context(), "noisy"); err != nil {
		t.Fatal(err)
	}
	served := make(chan string, 100)
	for range 10 {
		turns.queue(t, t.Context(), "noisy", served)
	}
	turns.queue(t, t.Context(), "quiet", served)
	turns.queue(t, t.Context(), "quiet", served)
	turns.give()
	var order []string
	for range 12 {
		order = append(order, <-served)
	}
	if last := slices.Index(order[2:], "quiet"); order[1] != "quiet" && order[0] != "quiet" || last > 2 {
		t.Errorf("the turns went to %v", order)
	}
}

// TestTurnsAreBounded: who would wait behind many is told so; who gives up leaves its place.
func TestTurnsAreBounded(t *testing.T) {
	turns := newTurns(1)
	if err := turns.take(t.Context(), "noisy"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan string, maxWaiting)
	for range maxWaitingOfCustomer {
		turns.queue(t, ctx, "noisy", served)
	}
	var e *bursar.Error
	if err := turns.take(ctx, "noisy"); !errors.As(err, &e) || e.Code != bursar.CodeOverloaded {
		t.Errorf("one more: %v", err)
	}
	turns.queue(t, t.Context(), "quiet", served)
	cancel()
	for range maxWaitingOfCustomer {
		if got := <-served; got != context.Canceled.Error() {
			t.Errorf("who gave up got %q", got)
		}
	}
	turns.give()
	if got := <-served; got != "quiet" {
		t.Errorf("the turn went to %q", got)
	}
	if err := turns.take(t.Context(), "noisy"); err != nil || turns.waiting != 0 {
		t.Errorf("a turn afterwards: %v, %d wait", err, turns.waiting)
	}
}

// TestReadsThatScanTakeTurns: what looks at many things of a customer waits for a turn on
// the cores; what looks at one path does not.
func TestReadsThatScanTakeTurns(t *testing.T) {
	ctx := t.Context()
	e, err := Open(ctx, mem.New(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	must := func(_ any, _ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	made := func(_ any, err error) { must(nil, nil, err) }
	made(e.PutEntityTypes(ctx, catalogue.Caller{}, []catalogue.EntityTypeInput{{ID: "user", DisplayName: "User", AttributionKeys: []string{"user"}}}))
	made(e.CreateFeature(ctx, catalogue.Caller{}, bursar.Feature{ID: "tokens", DisplayName: "Tokens"}))
	made(e.CreateCurrency(ctx, catalogue.Caller{}, bursar.Currency{ID: "gold", DisplayName: "Gold", Prepaid: true}))
	must(e.CreateCustomer(ctx, catalogue.Caller{}, "a", bursar.CustomerInput{}))
	must(e.PutEntities(ctx, catalogue.Caller{}, "a", []bursar.EntityInput{{ID: "u", EntityTypeID: "user"}}))
	must(e.CreateGrant(ctx, catalogue.Caller{}, bursar.GrantInput{CustomerID: "a", CurrencyID: "gold", Amount: bursar.AmountFromInt(1), DisplayName: "G", Type: bursar.GrantPaid}))
	tokens, o, page := bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}, ledger.ReadOptions{}, ledger.ListPage{Limit: 10}
	reads := []func() error{
		func() error {
			_, _, err := e.Entities(ctx, o, "a", ledger.EntityQuery{Search: "x", ListPage: page})
			return err
		},
		func() error {
			_, _, err := e.Assignments(ctx, o, "a", ledger.AssignmentQuery{ListPage: page})
			return err
		},
		func() error {
			_, _, err := e.Reservations(ctx, o, "a", ledger.ReservationQuery{ListPage: page})
			return err
		},
		func() error {
			_, _, _, err := e.Allocations(ctx, o, "a", ledger.AllocationQuery{Capability: tokens, Limit: 10})
			return err
		},
		func() error { _, _, err := e.Explain(ctx, o, "a", ledger.CheckInput{Capability: tokens}); return err },
		func() error { _, _, err := e.PreviewArchive(ctx, o, "a", nil, true); return err },
		func() error {
			_, err := e.Tree(ctx, o, "a", ledger.TreeQuery{Capabilities: []bursar.Capability{tokens}, Limit: 10})
			return err
		},
		func() error {
			_, _, err := e.Forecasts(ctx, o, "a", ledger.TreeQuery{Capabilities: []bursar.Capability{tokens}, Limit: 10})
			return err
		},
		func() error { _, _, err := e.Coverage(ctx, o, "a", 0); return err },
		func() error {
			_, _, err := e.History(ctx, o, "a", ledger.HistoryQuery{Capability: tokens, EntityID: "u", From: e.Now() - bursar.Time(time.Hour)})
			return err
		},
		func() error {
			_, _, err := e.CreditUsage(ctx, o, ledger.CreditUsageQuery{CustomerID: "a", CurrencyID: "gold", From: e.Now() - bursar.Time(time.Hour)})
			return err
		},
		func() error {
			_, _, err := e.Activity(ctx, ledger.ReadOptions{Token: &bursar.AccessToken{CustomerID: "a", RootEntityID: "u"}}, "a", store.ActivityQuery{Limit: 10})
			return err
		},
		func() error {
			_, _, err := e.Ledger(ctx, o, ledger.LedgerQuery{CustomerID: "a", Limit: 10})
			return err
		},
		func() error {
			first, _, err := e.Ledger(ctx, o, ledger.LedgerQuery{CustomerID: "a", Limit: 10, Above: ledger.EntryID(1, 0, 0)})
			if err == nil && len(first.Items) != 1 {
				err = fmt.Errorf("%d entries", len(first.Items))
			}
			return err
		},
		func() error {
			_, _, err := e.Simulate(ctx, o, "a", ledger.SimulateInput{From: e.Now() - bursar.Time(time.Hour), Drafts: []bursar.AssignmentInput{{EntityID: "u", Capability: tokens,
				UsageLimit: bursar.Some(bursar.AmountFromInt(1)), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitDay})}}})
			return err
		},
	}
	free := 0
	for e.share.free > 0 { // until all turns are taken
		if err := e.share.take(ctx, "noisy"); err != nil {
			t.Fatal(err)
		}
		free++
	}
	done := make(chan error, len(reads))
	for i, read := range reads {
		go func() { done <- read() }()
		for waiting := 0; waiting <= i; {
			select {
			case err := <-done:
				t.Fatalf("read %d took no turn: %v", i, err)
			default:
				runtime.Gosched()
			}
			e.share.mu.Lock()
			waiting = e.share.waiting
			e.share.mu.Unlock()
		}
	}
	if _, _, err := e.Check(ctx, o, "a", []ledger.CheckInput{{Capability: tokens}}); err != nil {
		t.Error(err)
	}
	if _, _, err := e.Customer(ctx, o, "a"); err != nil {
		t.Error(err)
	}
	for range free {
		e.share.give()
	}
	for range reads {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
