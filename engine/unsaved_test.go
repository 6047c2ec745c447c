package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// fullStore is a store that has no room for checkpoints while full is set.
type fullStore struct {
	store.Store
	full    atomic.Bool
	refused atomic.Int64 // checkpoints
}

func (s *fullStore) Save(ctx context.Context, cp *store.Checkpoint) error {
	if s.full.Load() {
		s.refused.Add(1)
		return errors.New("no space left on device")
	}
	return s.Store.Save(ctx, cp)
}

// While checkpoints cannot be saved a customer takes the memory that there is, and no more:
// then its writes are refused, reads go on, and all goes on by itself when there is room again.
func TestMemoryIsBoundedWhileNothingIsSaved(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); boundedWhileFull(t, sqliteIn(t)) })
	t.Run("mem, several nodes", func(t *testing.T) { t.Parallel(); boundedWhileFull(t, shared()) })
}

func boundedWhileFull(t *testing.T, inner store.Store) {
	const budget, slack, tries = 512 << 10, 128 << 10, 3000
	s := &fullStore{Store: inner}
	s.full.Store(true)
	r := newRig(t, s, engine.Options{MemoryBudget: budget, CheckpointEvery: time.Millisecond, CheckpointRecords: 1000, ClaimFor: 100 * time.Millisecond})
	r.furnish("acme", "idle")
	eventually(t, "a checkpoint is tried", func() bool { return s.refused.Load() > 0 })
	granted, committed, refused := 0, int64(0), 0
	one := func(i int) error {
		h, _, err := r.Reserve(t.Context(), tester, "acme", spendOf("tokens", 1, fmt.Sprint(i)), 3600, "")
		if err == nil {
			granted++
			if _, _, err = r.CommitReservation(t.Context(), tester, "acme", h.ID, bursar.AmountFromInt(1)); err == nil {
				committed++
			}
		}
		return err
	}
	for i := range tries {
		if err := one(i); codeOf(err) == bursar.CodeGovernanceUnavailable {
			refused++
		} else {
			r.must(err)
		}
		if st := r.Stats(); st.ResidentBytes > budget+slack { // which looks at what each takes
			t.Fatalf("after %d writes customers take %d bytes; they may take %d", i, st.ResidentBytes, budget)
		}
	}
	if refused == 0 || granted < 100 {
		t.Errorf("%d granted and %d refused: memory never was used up, or at once", granted, refused)
	}
	if used, held := r.usedBy("acme"); used.Add(held) != bursar.AmountFromInt(int64(granted)) {
		t.Errorf("readers see %s used and %s held of %d granted", used, held, granted)
	}
	s.full.Store(false)
	eventually(t, "writes go on", func() bool { return one(tries) == nil })
	r.must(r.VerifyAll(t.Context()))
	r.close()
	r.open()
	defer r.close()
	if used, held := r.usedBy("acme"); used.Add(held) != bursar.AmountFromInt(int64(granted)) {
		t.Errorf("read again: %s used and %s held of %d granted", used, held, granted)
	}
	if h, _, err := r.Reserve(t.Context(), tester, "acme", spendOf("tokens", 1, "0"), 3600, ""); err != nil || !h.Duplicate {
		t.Errorf("the first reservation's key: %+v, %v", h, err)
	}
	o := ledger.ReadOptions{}
	used, _, err := r.History(t.Context(), o, "acme", ledger.HistoryQuery{Capability: capability("tokens"), From: scriptStart, To: scriptStart + bursar.Time(time.Hour), EntityID: "o"})
	r.must(err)
	sum := bursar.Amount{}
	for _, p := range used.Series[0].Points {
		sum = sum.Add(p.Value)
	}
	if sum != bursar.AmountFromInt(committed) {
		t.Errorf("the usage series have %s of %d", sum, committed)
	}
}
