package transfer_test

import (
	"context"
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

var (
	tester = catalogue.Caller{ActorType: "SYSTEM", ActorID: "test"}
	onUser = []bursar.Dimension{{Key: "user", Value: "u"}}
	// quiet options keep checkpoints out of the way.
	quiet = engine.Options{CheckpointEvery: time.Hour}
	// start is when the clock of a rig begins.
	start = bursar.Time(time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC).UnixNano())
)

// rig is an engine on some store, with a clock that only moves when it is told to.
type rig struct {
	*engine.Engine
	t       testing.TB
	store   store.Store
	options engine.Options
	now     atomic.Int64
}

func newRig(t testing.TB, s store.Store, o engine.Options) *rig {
	r := &rig{t: t, store: s, options: o}
	r.now.Store(int64(start))
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

// capability is the feature or, if it is credits, the currency of a name.
func capability(id string) bursar.Capability {
	if id == "credits" {
		return bursar.Capability{Kind: bursar.KindCurrency, ID: id}
	}
	return bursar.Capability{Kind: bursar.KindFeature, ID: id}
}

func spendOf(what string, amount int64, key string) bursar.SpendInput {
	return bursar.SpendInput{Capability: capability(what), Amount: bursar.AmountFromInt(amount), Dimensions: onUser, IdempotencyKey: key}
}

func (r *rig) consume(customer string, amount int64, key string) (bursar.ConsumeResult, error) {
	res, _, err := r.Consume(context.Background(), tester, customer, spendOf("tokens", amount, key))
	return res, err
}

// furnish makes a catalogue and customers with an org o, which has a limit of credits,
// above a user u, which has one of tokens.
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
	for _, c := range customers {
		_, _, err := r.CreateCustomer(ctx, tester, c, bursar.CustomerInput{})
		r.must(err)
		_, _, err = r.PutEntities(ctx, tester, c, []bursar.EntityInput{{ID: "o", EntityTypeID: "org"}, {ID: "u", EntityTypeID: "user", ParentID: bursar.Some("o")}})
		r.must(err)
		year := bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitYear})
		_, _, err = r.PutAssignments(ctx, tester, c, []bursar.AssignmentInput{
			{EntityID: "u", Capability: capability("tokens"), UsageLimit: bursar.Some(bursar.AmountFromInt(1e6)), Cadence: year},
			{EntityID: "o", Capability: capability("credits"), UsageLimit: bursar.Some(bursar.AmountFromInt(100)), Cadence: year}})
		r.must(err)
	}
}

func sqliteIn(t testing.TB) store.Store {
	t.Helper()
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

// usedBy is what the limit of u on tokens has used and holds.
func (r *rig) usedBy(customer string) (used, held bursar.Amount) {
	r.t.Helper()
	d, _, err := r.Check(context.Background(), ledger.ReadOptions{}, customer, []ledger.CheckInput{{Capability: capability("tokens"), Dimensions: onUser}})
	r.must(err)
	leaf := &d[0].Chains[0][0]
	return leaf.CurrentUsage, leaf.Reserved
}
