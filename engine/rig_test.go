package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite"
)

// rig is an engine on some store with a clock that only moves when it is told to.
type rig struct {
	*engine.Engine
	t       testing.TB
	store   store.Store
	options engine.Options
	now     atomic.Int64
}

// ReportUsage reports usage; what it did is in the items.
func (r *rig) ReportUsage(ctx context.Context, c catalogue.Caller, in []bursar.UsageInput) (items []ledger.UsageItem, versions map[string]uint64, err error) {
	items = itemsOf(in)
	versions, err = r.Engine.ReportUsage(ctx, c, items)
	return items, versions, err
}

// ReportConsumption is that of credits.
func (r *rig) ReportConsumption(ctx context.Context, c catalogue.Caller, base string, in []bursar.UsageInput) (items []ledger.UsageItem, versions map[string]uint64, err error) {
	items = itemsOf(in)
	versions, err = r.Engine.ReportConsumption(ctx, c, base, items)
	return items, versions, err
}

func itemsOf(in []bursar.UsageInput) []ledger.UsageItem {
	items := make([]ledger.UsageItem, len(in))
	for i := range in {
		items[i].In = in[i]
	}
	return items
}

func newRig(t testing.TB, s store.Store, o engine.Options) *rig {
	r := &rig{t: t, store: s, options: o}
	r.now.Store(int64(scriptStart))
	r.options.Clock = func() bursar.Time { return bursar.Time(r.now.Load()) }
	r.open()
	return r
}

func (r *rig) open() {
	r.t.Helper()
	e, err := engine.Open(context.Background(), r.store, r.options)
	r.must(err)
	r.Engine = e
}

func (r *rig) close() { r.must(r.Close(context.Background())) }

func (r *rig) advance(d time.Duration) { r.now.Add(int64(d)) }

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// furnish makes a catalogue and customers with an org o above a user u, each with a
// limit of tokens and of credits.
func (r *rig) furnish(customers ...string) {
	r.t.Helper()
	ctx := context.Background()
	if r.Catalogue().Feature("tokens") == nil {
		_, err := r.PutEntityTypes(ctx, tester, []catalogue.EntityTypeInput{{ID: "org", DisplayName: "Org", AttributionKeys: []string{"org"}},
			{ID: "user", DisplayName: "User", AttributionKeys: []string{"user"}}})
		r.must(err)
		_, err = r.CreateFeature(ctx, tester, bursar.Feature{ID: "tokens", DisplayName: "Tokens"})
		r.must(err)
		_, err = r.CreateCurrency(ctx, tester, bursar.Currency{ID: "credits", DisplayName: "Credits"})
		r.must(err)
	}
	year := bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})
	for _, c := range customers {
		_, _, err := r.CreateCustomer(ctx, tester, c, bursar.CustomerInput{})
		r.must(err)
		_, _, err = r.PutEntities(ctx, tester, c, []bursar.EntityInput{{ID: "o", EntityTypeID: "org"}, {ID: "u", EntityTypeID: "user", ParentID: bursar.Some("o")}})
		r.must(err)
		_, _, err = r.PutAssignments(ctx, tester, c, []bursar.AssignmentInput{
			{EntityID: "o", Capability: capability("tokens"), UsageLimit: bursar.Some(bursar.AmountFromInt(1e9)), Cadence: year},
			{EntityID: "u", Capability: capability("tokens"), UsageLimit: bursar.Some(bursar.AmountFromInt(1e6)), Cadence: year},
			{EntityID: "o", Capability: capability("credits"), UsageLimit: bursar.Some(bursar.AmountFromInt(100)), Cadence: year}})
		r.must(err)
	}
}

var onUser = []bursar.Dimension{{Key: "user", Value: "u"}}

func spendOf(what string, amount int64, key string) bursar.SpendInput {
	return bursar.SpendInput{Capability: capability(what), Amount: bursar.AmountFromInt(amount), Dimensions: onUser, IdempotencyKey: key}
}

func (r *rig) consume(customer string, amount int64, key string) (bursar.ConsumeResult, error) {
	res, _, err := r.Consume(context.Background(), tester, customer, spendOf("tokens", amount, key))
	return res, err
}

// usedBy is what the limits of o and of u on tokens have used and hold, which must agree.
func (r *rig) usedBy(customer string) (used, held bursar.Amount) {
	r.t.Helper()
	d, _, err := r.Check(context.Background(), ledger.ReadOptions{}, customer, []ledger.CheckInput{{Capability: capability("tokens"), Dimensions: onUser}})
	r.must(err)
	if len(d[0].Chains) != 1 || len(d[0].Chains[0]) != 2 {
		r.t.Fatalf("customer %s: %+v", customer, d[0])
	}
	leaf, root := &d[0].Chains[0][0], &d[0].Chains[0][1]
	if leaf.CurrentUsage != root.CurrentUsage || leaf.Reserved != root.Reserved || d[0].Gate.CurrentUsage != root.CurrentUsage || d[0].Gate.Reserved != root.Reserved {
		r.t.Fatalf("customer %s: levels disagree: %+v", customer, d[0])
	}
	return root.CurrentUsage, root.Reserved
}

// patience is for what would never come, however slow the machine is.
const patience = 5 * time.Minute

// eventually waits for a condition that another goroutine of the engine brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never happens: %s", what)
		}
	}
}

func codeOf(err error) bursar.Code {
	var b *bursar.Error
	if errors.As(err, &b) {
		return b.Code
	}
	if err != nil {
		return bursar.Code("internal: " + err.Error())
	}
	return ""
}

func sqliteIn(t testing.TB) store.Store {
	s, err := sqlite.Open(t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func names(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("customer-%03d", i))
	}
	return out
}
