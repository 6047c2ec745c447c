package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// losingStore gives checkpoints without what lose takes from them, until one is saved anew.
type losingStore struct {
	store.Store
	lose func(*store.Checkpoint)
}

func (s *losingStore) Load(ctx context.Context, stream string, visit func(*store.Checkpoint) error) error {
	return s.Store.Load(ctx, stream, func(cp *store.Checkpoint) error {
		if s.lose != nil {
			s.lose(cp)
		}
		return visit(cp)
	})
}

func (s *losingStore) Save(ctx context.Context, cp *store.Checkpoint) error {
	if cp.Anew {
		s.lose = nil
	}
	return s.Store.Save(ctx, cp)
}

// A checkpoint of which a row is missing is made again from the log; no checksum of a row
// tells of it. What checks the store says so.
func TestMissingRowsAreMadeAnew(t *testing.T) {
	part := func(sort string) func(*store.Checkpoint) {
		return func(cp *store.Checkpoint) {
			cp.Parts = slices.DeleteFunc(cp.Parts, func(p store.PartRow) bool { return p.Sort == sort })
		}
	}
	for name, lose := range map[string]func(*store.Checkpoint){
		"a grant":   part("grant"),
		"an entity": func(cp *store.Checkpoint) { cp.Entities = cp.Entities[:max(0, len(cp.Entities)-1)] },
		"the first entity": func(cp *store.Checkpoint) {
			cp.Entities = slices.DeleteFunc(slices.Clone(cp.Entities), func(e store.EntityRow) bool { return e.Ord == 1 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &losingStore{Store: sqliteIn(t)}
			r := prepaidOn(t, s, "1")
			expires := bursar.Time(r.now.Load()) + bursar.Time(time.Hour)
			_, _, err := r.CreateGrant(t.Context(), tester, bursar.GrantInput{CustomerID: "acme", CurrencyID: "coins", Amount: amt("9"), DisplayName: "g", Type: bursar.GrantPaid, ExpireAt: expires})
			r.must(err)
			_, err = r.consume("acme", 3, "k")
			r.must(err)
			r.must(r.Save(t.Context(), "acme"))
			r.close()
			s.lose = lose
			found := 0
			_, err = engine.CheckStore(t.Context(), s, engine.CheckOptions{Customer: "acme", Found: func(string, string) { found++ }})
			r.must(err)
			if found == 0 {
				t.Error("a check of the store finds nothing")
			}
			r.open()
			defer r.close()
			if used, _ := r.usedBy("acme"); used != amt("3") {
				t.Errorf("%s used, want 3", used)
			}
			if s.lose != nil {
				t.Error("nothing was made anew")
			}
			r.must(r.VerifyAll(t.Context()))
		})
	}
}

// Who is refused for damage that cannot be mended is told whose it is and where, without what
// the system said of it. What is merely away is not called damaged.
func TestDamageIsNamed(t *testing.T) {
	m := mem.New()
	var broken atomic.Bool
	m.Fail = func(op string) error {
		if broken.Load() && op == "readlog" {
			return errors.New("/data/log.db: input/output error")
		}
		return nil
	}
	s := &losingStore{Store: m}
	r := newRig(t, s, quiet)
	defer func() { r.close() }()
	r.furnish("acme")
	r.must(r.Save(t.Context(), "acme"))
	refusal := func() string {
		r.close()
		r.open()
		broken.Store(true)
		defer broken.Store(false)
		_, _, err := r.Check(t.Context(), ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("tokens"), Dimensions: onUser}})
		if codeOf(err) != bursar.CodeGovernanceUnavailable {
			t.Fatalf("%v", err)
		}
		return err.Error()
	}
	if text := refusal(); strings.Contains(text, "damaged") || !strings.Contains(text, "the store cannot be reached") || strings.Contains(text, "/data") {
		t.Errorf("a log that cannot be read: %s", text)
	}
	s.lose = func(cp *store.Checkpoint) { cp.Entities = nil }
	if text := refusal(); !strings.Contains(text, `what is stored is damaged: the checkpoint of customer "acme"; nothing was granted`) || strings.Contains(text, "/data") {
		t.Errorf("a damaged checkpoint that cannot be made again: %s", text)
	}
}
