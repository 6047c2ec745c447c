package engine

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// panicOp is a decision with a bug.
type panicOp struct{}

func (panicOp) Decide(*ledger.Decider) (any, error) { panic("planted") }

// A decision that panics fails with an error; other customers of the same batch, the
// ones after it, and this customer later on are served.
func TestPanicInDecideHarmsNobodyElse(t *testing.T) {
	ctx := context.Background()
	e, err := Open(ctx, newPlainStore(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		if _, _, err := e.CreateCustomer(ctx, catalogue.Caller{}, id, bursar.CustomerInput{}); err != nil {
			t.Fatal(err)
		}
	}
	var batch []*request
	ops := map[string]ledger.Op{"a": ledger.TickOp{}, "b": panicOp{}, "c": &ledger.ArchiveCustomer{Caller: catalogue.Caller{}, Archive: true}}
	for _, id := range []string{"a", "b", "c"} {
		c, err := e.acquire(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		defer e.release(c)
		batch = append(batch, &request{c: c, op: ops[id], done: make(chan struct{})})
	}
	e.lane.add(batch...) // in one batch
	for _, r := range batch {
		<-r.done
	}
	if batch[0].err != nil || batch[2].err != nil {
		t.Errorf("neighbours of a panic: %v, %v", batch[0].err, batch[2].err)
	}
	if err := batch[1].err; err == nil || !strings.Contains(err.Error(), "planted") {
		t.Errorf("the panic itself: %v", err)
	}
	if _, _, err := e.ArchiveCustomer(ctx, catalogue.Caller{}, "b", true); err != nil {
		t.Errorf("after the panic: %v", err)
	}
	if err := e.VerifyAll(ctx); err != nil {
		t.Error(err)
	}
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
}

// undecided is an op that changes something and then fails.
type undecided struct{}

func (undecided) Decide(d *ledger.Decider) (any, error) {
	c := *d.Cust()
	c.Name = &c.ID
	d.Emit(&record.Customer{Customer: c})
	d.TypeFor("left-over")
	return nil, bursar.Errorf(bursar.CodeValidationFailed, "planted")
}

// A request that fails half way leaves nothing to those after it in the batch.
func TestFailedRequestLeavesNothing(t *testing.T) {
	st := ledger.NewState()
	d := &ledger.Decider{View: ledger.NewView(st, 1), Cat: catalogue.NewCatalogue()}
	if _, err := d.Attempt(&ledger.CreateCustomer{Caller: catalogue.Caller{}, ID: "a", In: bursar.CustomerInput{}}); err != nil {
		t.Fatal(err)
	}
	n, records := len(d.Recs), d.Records
	if _, err := d.Attempt(undecided{}); err == nil {
		t.Fatal("no error")
	}
	if len(d.Recs) != n || d.Records != records || d.Cust().Name != nil || d.TypeOrd("left-over") != 0 {
		t.Errorf("left over: %d records, name %v", len(d.Recs)-n, d.Cust().Name)
	}
}

// plainStore is the least that an engine needs: a log in memory, without checkpoints.
// (store/mem cannot be used here: it imports this package.)
type plainStore struct {
	store.Store // nil: what is not below is not called
	mu          sync.Mutex
	logs        map[string][]store.LogRow
}

func newPlainStore() *plainStore { return &plainStore{logs: map[string][]store.LogRow{}} }

func (s *plainStore) head(name string) (h store.Head) {
	if l := s.logs[name]; len(l) > 0 {
		h = l[len(l)-1].Head
	}
	return h
}

func (s *plainStore) Append(_ context.Context, commits []store.Commit, _ store.Again) ([]store.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]store.Outcome, len(commits))
	for i, c := range commits {
		out[i] = store.Stale
		if s.head(c.Stream) == c.After {
			s.logs[c.Stream] = append(s.logs[c.Stream], store.LogRow{Head: c.Head(), ID: c.ID, Payload: c.Payload})
			out[i] = store.Committed
		}
	}
	return out, nil
}

func (s *plainStore) Heads(_ context.Context, names []string, _ []uint64) ([]store.Head, [][]store.LogRow, bursar.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []store.Head
	for _, n := range names {
		out = append(out, s.head(n))
	}
	return out, nil, 0, nil
}

func (s *plainStore) ReadLog(_ context.Context, name string, after uint64, limit int, visit func(store.LogRow) error) error {
	s.mu.Lock()
	rows := s.logs[name][min(int(after), len(s.logs[name])):]
	s.mu.Unlock()
	if limit > 0 {
		rows = rows[:min(limit, len(rows))]
	}
	for _, r := range rows {
		if err := visit(r); err != nil {
			return err
		}
	}
	return nil
}

func (*plainStore) Load(context.Context, string, func(*store.Checkpoint) error) error { return nil }

func (*plainStore) Save(context.Context, *store.Checkpoint) error { return nil }

func (*plainStore) Jobs(context.Context, store.JobQuery) ([]store.JobRow, error) { return nil, nil }

func (*plainStore) Due(context.Context, bursar.Time, int) ([]string, error) { return nil, nil }

func (*plainStore) Hold(context.Context, string, string) (*store.HoldRow, error) { return nil, nil }

func (*plainStore) Holds(context.Context, string, store.HoldQuery) ([]store.HoldRow, error) {
	return nil, nil
}

func (*plainStore) Customers(context.Context, store.CustomerQuery) ([]bursar.Customer, error) {
	return nil, nil
}

func (*plainStore) Activity(context.Context, string, store.ActivityQuery) ([]store.Activity, error) {
	return nil, nil
}

func (*plainStore) Users(context.Context, store.Use, int) ([]string, error) { return nil, nil }

func (*plainStore) TrimOutbox(context.Context, bursar.Time) error { return nil }

func (*plainStore) Err() error { return nil }

func (*plainStore) Close() error { return nil }

func (*plainStore) FindKeys(_ context.Context, _ string, _ int64, h [][16]byte) ([][]byte, error) {
	return make([][]byte, len(h)), nil
}

func (*plainStore) Series(context.Context, string, store.SeriesQuery) ([]store.SeriesRow, uint64, error) {
	return nil, 0, nil
}
