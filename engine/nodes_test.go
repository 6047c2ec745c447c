package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// shared is a store that several engines share, with a clock that stands still.
func shared() *mem.Store {
	s := mem.New()
	s.Clock = func() bursar.Time { return scriptStart }
	return s
}

// Two engines on one store: what the other one wrote in between is read before anything
// is decided.
func TestAnotherNodeWroteInBetween(t *testing.T) {
	s := shared()
	a := newRig(t, s, quiet)
	defer func() { _ = a.Close(context.Background()) }()
	a.furnish("acme")
	b := newRig(t, s, quiet)
	defer func() { _ = b.Close(context.Background()) }()
	b.usedBy("acme") // both have it in memory
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
	if got, _ := b.usedBy("acme"); got != bursar.AmountFromInt(used) {
		t.Errorf("before b writes itself: %s used, want %d", got, used)
	}
	h, _, err := a.Reserve(context.Background(), tester, "acme", spendOf("tokens", 9, "h"), 60, "")
	a.must(err)
	if _, _, err := b.CommitReservation(context.Background(), tester, "acme", h.ID, bursar.AmountFromInt(4)); err != nil {
		t.Errorf("the other node's hold: %v", err)
	}
	for _, n := range []*rig{a, b} {
		n.must(n.VerifyAll(context.Background()))
	}
}

// One unit is left, many ask on two nodes: exactly one is granted, again and again.
func TestLastUnitOnTwoNodes(t *testing.T) {
	s := shared()
	a := newRig(t, s, quiet)
	defer func() { _ = a.Close(context.Background()) }()
	a.furnish("acme")
	b := newRig(t, s, quiet)
	defer func() { _ = b.Close(context.Background()) }()
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

// What the catalogue got on one node is there on another, also for requests that would
// be refused without it.
func TestCatalogueIsFollowed(t *testing.T) {
	s := shared()
	a, b := newRig(t, s, quiet), newRig(t, s, quiet)
	defer a.close()
	defer b.close()
	a.furnish("acme")
	b.usedBy("acme")
	if _, err := a.CreateFeature(t.Context(), tester, bursar.Feature{ID: "images", DisplayName: "Images"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Consume(t.Context(), tester, "acme", spendOf("images", 1, "")); err != nil {
		t.Errorf("a feature that the other node made: %v", err)
	}
	if _, err := b.CreateFeature(t.Context(), tester, bursar.Feature{ID: "images", DisplayName: "Images"}); codeOf(err) != bursar.CodeAlreadyExists {
		t.Errorf("made twice: %v", err)
	}
	_, _, err := b.PutAssignments(t.Context(), tester, "acme", []bursar.AssignmentInput{{EntityID: "u", Capability: capability("credits"), UsageLimit: bursar.Some(bursar.AmountFromInt(1)), Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitDay})}})
	b.must(err)
	if _, err := a.ArchiveCurrency(t.Context(), tester, "credits", true); codeOf(err) != bursar.CodeCurrencyInUse {
		t.Errorf("archived while in use: %v", err)
	}
	// A duplicate and a denial are of the newest state, too.
	_, err = a.consume("acme", 7, "k")
	a.must(err)
	if res, err := b.consume("acme", 7, "k"); err != nil || !res.Duplicate || res.Decision.Chains[0][1].CurrentUsage != bursar.AmountFromInt(7) {
		t.Errorf("the other node's key: %+v, %v", res, err)
	}
	limit := func(n int64) []bursar.AssignmentInput {
		return []bursar.AssignmentInput{{EntityID: "u", Capability: capability("tokens"), UsageLimit: bursar.Some(bursar.AmountFromInt(n))}}
	}
	_, _, err = a.PutAssignments(t.Context(), tester, "acme", limit(7))
	a.must(err)
	if _, err := b.consume("acme", 1, ""); codeOf(err) != bursar.CodeBudgetExceeded {
		t.Errorf("past the limit that the other node set: %v", err)
	}
	_, _, err = a.PutAssignments(t.Context(), tester, "acme", limit(8))
	a.must(err)
	if _, err := b.consume("acme", 1, ""); err != nil {
		t.Errorf("within the limit that the other node set: %v", err)
	}
	k, _, err := a.CreateAPIKey(t.Context(), tester, "k", bursar.ScopeRead, nil)
	a.must(err)
	eventually(t, "the key arrives", func() bool { return b.Fresh(t.Context()) == nil && b.Catalogue().APIKey(k.ID) != nil })
}

// The clock of a node does not matter.
func TestNodesGoByTheStoresClock(t *testing.T) {
	s := shared()
	a, b := newRig(t, s, quiet), newRig(t, s, quiet)
	defer a.close()
	defer b.close()
	a.furnish("acme")
	b.advance(5 * time.Hour)
	h, _, err := b.Reserve(t.Context(), tester, "acme", spendOf("tokens", 9, "h"), 60, "")
	b.must(err)
	if h.CreatedAt != scriptStart {
		t.Errorf("made at %s", h.CreatedAt)
	}
	a.advance(-3 * time.Hour)
	if _, held := a.usedBy("acme"); held != bursar.AmountFromInt(9) {
		t.Errorf("%s held", held)
	}
	if _, err := a.consume("acme", 1, "late clock"); err != nil {
		t.Error(err)
	}
}

// One node saves a customer's checkpoints; all of them tell the same history, before and
// after it goes, and what the next one starts from is whole.
func TestNodesShareSaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shared()
		o := engine.Options{CheckpointEvery: 5 * time.Millisecond, CheckpointRecords: 1, ClaimFor: 300 * time.Millisecond}
		a, b := newRig(t, s, o), newRig(t, s, o)
		defer b.close()
		a.furnish("acme")
		used := int64(0)
		both := func(nodes ...*rig) {
			for i := range 200 {
				n := nodes[i%len(nodes)]
				_, err := n.consume("acme", 1, fmt.Sprint(used))
				n.must(err)
				used++
				if i%20 > 0 {
					continue
				}
				for _, n := range nodes {
					series, _, err := n.History(t.Context(), ledger.ReadOptions{}, "acme", ledger.HistoryQuery{Capability: capability("tokens"), From: scriptStart, To: scriptStart + bursar.Time(time.Hour), EntityID: "o"})
					n.must(err)
					if got := series.Series[0].Points[0].Value; got != bursar.AmountFromInt(used) {
						t.Fatalf("the history says %s of %d", got, used)
					}
				}
			}
		}
		both(a, b)
		eventually(t, "a checkpoint is saved", func() bool { return savedSeq(t, s) > 0 })
		both(a, b)
		a.close()
		was := savedSeq(t, s)
		both(b)
		eventually(t, "the other node goes on saving", func() bool { return savedSeq(t, s) > was })
		c := newRig(t, s, o)
		defer c.close()
		both(b, c)
		for _, n := range []*rig{b, c} {
			n.must(n.VerifyAll(t.Context()))
			if res, err := n.consume("acme", 1, "0"); err != nil || !res.Duplicate {
				t.Errorf("the first key again: %+v, %v", res, err)
			}
		}
	})
}

// A node that does not save a customer's checkpoints lets go of what another one saved,
// without reading the customer anew, unless the two cut generations of keys differently;
// it knows all keys, and goes on saving when the other one leaves.
func TestNodesLetSavedGo(t *testing.T) {
	for _, c := range []struct {
		limits [2]int // of the keys in memory
		anew   bool
	}{{[2]int{64, 64}, false}, {[2]int{64, 50}, true}} {
		t.Run(fmt.Sprint(c.limits), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := shared()
				o := engine.Options{CheckpointEvery: 5 * time.Millisecond, CheckpointRecords: 1, ClaimFor: 300 * time.Millisecond}
				o.KeysInMemory = c.limits[0]
				a := newRig(t, s, o)
				a.furnish("acme")
				eventually(t, "the first node saves", func() bool { return savedSeq(t, s) > 0 })
				o.KeysInMemory = c.limits[1]
				b := newRig(t, s, o)
				defer b.close()
				const keys = 1000
				for i := range keys {
					time.Sleep(time.Millisecond) // by the bubble's clock: the nodes get on meanwhile
					n := []*rig{a, b}[i%2]
					_, err := n.consume("acme", 1, fmt.Sprint(i))
					n.must(err)
					if i%10 > 0 {
						continue
					}
					h, _, err := n.Reserve(t.Context(), tester, "acme", spendOf("tokens", 1, fmt.Sprint("h", i)), 60, "")
					n.must(err)
					_, _, err = n.ReleaseReservation(t.Context(), tester, "acme", h.ID)
					n.must(err)
				}
				eventually(t, "the other node lets keys go", func() bool {
					return b.Stats().KeysInMemory <= 2*64 && a.Stats().KeysInMemory <= 2*64
				})
				if loads := b.Stats().Loads; loads > 1 != c.anew {
					t.Errorf("the customer was read %d times", loads)
				}
				all := func(nodes ...*rig) {
					for i := range keys {
						n := nodes[i%len(nodes)]
						if res, err := n.consume("acme", 1, fmt.Sprint(i)); err != nil || !res.Duplicate {
							t.Fatalf("key %d again: %+v, %v", i, res, err)
						}
					}
				}
				all(b, a)
				a.close()
				was := savedSeq(t, s)
				_, err := b.consume("acme", 1, "next")
				b.must(err)
				eventually(t, "the other node goes on saving", func() bool { return savedSeq(t, s) > was })
				fresh := newRig(t, s, o)
				defer fresh.close()
				all(b, fresh)
				for _, n := range []*rig{b, fresh} {
					n.must(n.VerifyAll(t.Context()))
					if used, held := n.usedBy("acme"); used != bursar.AmountFromInt(keys+1) || held != (bursar.Amount{}) {
						t.Errorf("%s used, %s held", used, held)
					}
				}
			})
		})
	}
}

// unsaving is a store of which one node cannot save while it is full.
type unsaving struct {
	store.Store
	full  atomic.Bool
	blind atomic.Bool  // it cannot see how far checkpoints are
	asked atomic.Int64 // how often it was asked that
}

func (u *unsaving) Save(ctx context.Context, cp *store.Checkpoint) error {
	if u.full.Load() {
		return errors.New("disk full")
	}
	return u.Store.Save(ctx, cp)
}

func (u *unsaving) Saved(ctx context.Context, streams []string) ([]uint64, error) {
	u.asked.Add(1)
	if u.blind.Load() {
		return nil, errors.New("connection lost")
	}
	return u.Store.Saved(ctx, streams)
}

// What the node that saves could not save the next one has not let go of.
func TestUnsavedIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shared()
		as, bs := &unsaving{Store: s}, &unsaving{Store: s}
		o := engine.Options{CheckpointEvery: 5 * time.Millisecond, CheckpointRecords: 1, ClaimFor: 300 * time.Millisecond}
		a := newRig(t, as, o)
		a.furnish("acme")
		eventually(t, "the first node saves", func() bool { return savedSeq(t, s) > 0 })
		b := newRig(t, bs, o)
		defer b.close()
		b.usedBy("acme")
		as.full.Store(true)
		_, _, err := a.PutEntities(t.Context(), tester, "acme", []bursar.EntityInput{{ID: "late", EntityTypeID: "user", ParentID: bursar.Some("o")}})
		a.must(err)
		for i := range int64(4) {
			_, err := b.consume("acme", 1, fmt.Sprint(i))
			b.must(err)
			asked := bs.asked.Load()
			eventually(t, "the other node looks what is saved", func() bool { return bs.asked.Load() > asked })
		}
		was := savedSeq(t, s)
		_ = a.Close(t.Context()) // it cannot save
		eventually(t, "the other node goes on saving", func() bool { return savedSeq(t, s) > was })
		fresh := newRig(t, s, o)
		defer fresh.close()
		fresh.must(fresh.VerifyAll(t.Context()))
		if _, _, err := fresh.Entity(t.Context(), ledger.ReadOptions{}, "acme", "late"); err != nil {
			t.Error(err)
		}
	})
}

// unclaiming is a store in which one node gets no claims but that to write.
type unclaiming struct{ store.Store }

func (u *unclaiming) Claim(ctx context.Context, names []string, holder string, ttl time.Duration) ([]bool, error) {
	if len(names) == 1 && names[0] == "writers" {
		return u.Store.Claim(ctx, names, holder, ttl)
	}
	return make([]bool, len(names)), nil
}

// A node that saves after another one, and closed a generation of keys elsewhere, does not
// put its own in place of the one that the others rely on.
func TestGenerationsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shared()
		start := func(st store.Store, keys int) *rig {
			return newRig(t, st, engine.Options{CheckpointEvery: 5 * time.Millisecond, CheckpointRecords: 1, ClaimFor: 300 * time.Millisecond, KeysInMemory: keys})
		}
		a := start(s, 64)
		a.furnish("acme")
		eventually(t, "the first node saves", func() bool { return savedSeq(t, s) > 0 })
		b := start(&unclaiming{s}, 64)
		defer b.close()
		late := &unsaving{Store: s}
		late.blind.Store(true)
		c := start(late, 50)
		defer c.close()
		const keys = 70
		for i := range keys {
			time.Sleep(5 * time.Millisecond) // by the bubble's clock: the nodes get on meanwhile
			_, err := a.consume("acme", 1, fmt.Sprint(i))
			a.must(err)
			b.usedBy("acme")
			c.usedBy("acme")
		}
		eventually(t, "the second node lets keys go", func() bool { return b.Stats().KeysInMemory < keys-50 })
		a.close()
		was := savedSeq(t, s)
		late.blind.Store(false)
		_, err := c.consume("acme", 1, "next")
		c.must(err)
		eventually(t, "the third node goes on saving", func() bool { return savedSeq(t, s) > was && c.Stats().Checkpoints > 0 })
		for i := range keys {
			if res, err := b.consume("acme", 1, fmt.Sprint(i)); err != nil || !res.Duplicate {
				t.Errorf("key %d is forgotten: %v", i, err)
			}
		}
	})
}

func savedSeq(t *testing.T, s store.Store) uint64 {
	saved, err := s.Saved(t.Context(), []string{"acme"})
	if err != nil {
		t.Fatal(err)
	}
	return saved[0]
}

// blind is a store of which one node cannot read heads while it is lost.
type blind struct {
	store.Store
	lost atomic.Bool
}

func (b *blind) Heads(ctx context.Context, streams []string, after []uint64) ([]store.Head, [][]store.LogRow, bursar.Time, error) {
	if b.lost.Load() {
		return nil, nil, 0, errors.New("connection lost")
	}
	return b.Store.Heads(ctx, streams, after)
}

// What accepts some age is answered without a look, until it is too old.
func TestMaxStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shared()
		f := &blind{Store: s}
		a, b := newRig(t, s, quiet), newRig(t, f, quiet)
		defer a.close()
		defer b.close()
		a.furnish("acme")
		b.usedBy("acme")
		check := func(age time.Duration) error {
			time.Sleep(time.Millisecond) // by the bubble's clock
			stated := time.Duration(-1)
			_, _, err := b.Check(t.Context(), ledger.ReadOptions{MaxStaleness: age, Age: &stated}, "acme", []ledger.CheckInput{{Capability: capability("tokens"), Dimensions: onUser}})
			if most := max(age, 10*time.Second); err == nil && (stated < 0 || stated > most) {
				t.Errorf("an age of %v is stated; %v is accepted", stated, age)
			}
			return err
		}
		f.lost.Store(true)
		if err := check(time.Hour); err != nil {
			t.Errorf("an hour old will do: %v", err)
		}
		if err := check(0); codeOf(err) != bursar.CodeGovernanceUnavailable {
			t.Errorf("the newest: %v", err)
		}
		eventually(t, "the catalogue is too old", func() bool { return codeOf(check(time.Hour)) == bursar.CodeGovernanceUnavailable })
		if _, err := b.consume("acme", 1, "k"); codeOf(err) != bursar.CodeGovernanceUnavailable {
			t.Errorf("a write: %v", err)
		}
		if err := b.Ready(); err == nil || !strings.Contains(err.Error(), "connection lost") {
			t.Errorf("not ready, and why: %v", err)
		}
		f.lost.Store(false)
		if err := check(0); err != nil {
			t.Errorf("it is back: %v", err)
		}
	})
}

// A log that is not the continuation of what is in memory is refused, not guessed at.
func TestDamagedLogIsRefused(t *testing.T) {
	s := mem.New()
	a := newRig(t, s, quiet)
	a.furnish("acme", "beta")
	a.close()
	forged := store.Commit{Stream: "acme", Now: a.Now(), Payload: []byte("nonsense"), Hash: [16]byte{1}}
	heads, _, _, err := s.Heads(context.Background(), []string{"acme"}, nil)
	a.must(err)
	forged.After = heads[0]
	if out, err := s.Append(context.Background(), []store.Commit{forged}, nil); err != nil || out[0] != store.Committed {
		t.Fatal(out, err)
	}
	b := newRig(t, s, quiet)
	defer func() { _ = b.Close(context.Background()) }() // its checkpoint may be behind the one of a
	if _, err := b.consume("acme", 1, "k"); codeOf(err) != bursar.CodeGovernanceUnavailable {
		t.Errorf("a write on a damaged log: %v", err)
	}
	if _, _, err := b.Check(context.Background(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("tokens")}}); codeOf(err) != bursar.CodeGovernanceUnavailable {
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
	if _, v, err := r.Customer(context.Background(), ledger.ReadOptions{MinVersion: version}, "acme"); err != nil || v != version {
		t.Errorf("its own version: %d, %v", v, err)
	}
	if _, _, err := r.Customer(context.Background(), ledger.ReadOptions{MinVersion: version + 1}, "acme"); codeOf(err) != bursar.CodeGovernanceUnavailable {
		t.Errorf("a version that is not there: %v", err)
	}
	if _, v, err := r.Consume(context.Background(), tester, "acme", spendOf("tokens", 1, "")); err != nil || v <= version {
		t.Errorf("a write does not raise the version: %d → %d, %v", version, v, err)
	}
}

// stuck is a store in which one customer's row is locked by somebody: whoever appends to
// it waits, and fails once the lock has been waited for in vain.
type stuck struct {
	store.Store
	name    string
	waiting chan struct{} // told when an append waits
	end     chan struct{} // ends one wait
}

func (s *stuck) Append(ctx context.Context, cs []store.Commit, again store.Again) ([]store.Outcome, error) {
	if s.name != "" && slices.ContainsFunc(cs, func(c store.Commit) bool { return c.Stream == s.name }) {
		s.waiting <- struct{}{}
		<-s.end
		return nil, fmt.Errorf("%w: the lock was waited for in vain", store.ErrNotCommitted)
	}
	return s.Store.Append(ctx, cs, again)
}

// Who waits for a customer that cannot be written to delays no other: what comes while its
// batch waits goes on beside it, and after the first failure it is in no batch with
// others.
func TestLockedCustomerDelaysNoOther(t *testing.T) {
	s := &stuck{Store: shared(), waiting: make(chan struct{}, 9), end: make(chan struct{})}
	r := newRig(t, s, quiet)
	defer r.close()
	others := []string{"a", "b", "c", "d"}
	r.furnish(append(others, "locked")...)
	s.name = "locked"
	locked := make(chan error, 9)
	for i := range 3 {
		go func() {
			_, err := r.consume("locked", 1, fmt.Sprint("locked", i))
			locked <- err
		}()
		<-s.waiting
		for _, id := range others { // each is answered although the store still waits
			_, err := r.consume(id, 1, fmt.Sprint(i))
			r.must(err)
		}
		go func() { // comes while the customer's batch waits, and is in the next one
			_, err := r.consume("locked", 1, fmt.Sprint("next", i))
			locked <- err
		}()
		eventually(t, "the second waits", func() bool { return engine.Waiting(r.Engine) == 1 })
		var all sync.WaitGroup
		all.Go(func() { s.end <- struct{}{} })
		for _, id := range others {
			all.Go(func() {
				_, err := r.consume(id, 1, fmt.Sprint("beside", i))
				r.must(err)
			})
		}
		all.Wait()
		<-s.waiting
		s.end <- struct{}{}
		for range 2 {
			if err := <-locked; codeOf(err) != bursar.CodeGovernanceUnavailable {
				t.Errorf("on the locked customer: %v", err)
			}
		}
	}
	for _, id := range others {
		if used, _ := r.usedBy(id); used != amt("6") {
			t.Errorf("%s used %s, want 6", id, used)
		}
	}
}
