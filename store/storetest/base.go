package storetest

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// basis is a base in parts, whose log has the commits after trimmed up to seq 5.
func basis(name string, trimmed uint64) (parts []*store.BasePart, head store.Head) {
	head = store.Head{Seq: 5, Hash: [16]byte{5}, Now: 50}
	first := &store.Checkpoint{Stream: name, Head: head}
	full(first)
	second := &store.Checkpoint{Stream: name, Head: head,
		Entities: []store.EntityRow{{Ord: 4, ID: "late", TypeID: "user", ParentOrd: 2}},
		Holds:    []store.HoldRow{{ID: "h3", Capability: tokens, Status: bursar.HoldCommitted, ClosedAt: 4, Amount: whole(3), Entities: []uint32{1}}},
		Series:   []store.SeriesRow{{SeriesKey: store.SeriesKey{Bucket: 9, Capability: tokens, EntityOrd: 1, ChildOrd: 2, Combo: 3}, Amount: whole(7)}},
		Generations: []store.KeyGeneration{{Gen: 11, End: 12, Count: 1, Filter: []byte("h"), Blocks: []store.KeyBlock{
			{First: [16]byte{1}, Data: slices.Concat([]byte{1}, make([]byte, store.KeyEntrySize-1))}}}},
	}
	parts = []*store.BasePart{{Checkpoint: first}, {Checkpoint: second}, {
		Activity: []store.Activity{{ID: "a1", Timestamp: 10, Action: "made", Before: []byte(`{}`)}},
		Listing:  &bursar.Customer{ID: name, Name: ptr("A name"), CreatedAt: 7},
		Uses:     []store.Use{{Kind: "currency", ID: "gold"}, {Kind: "grant", ID: "g1"}},
	}}
	var log []store.LogRow
	for seq := trimmed + 1; seq <= head.Seq; seq++ {
		log = append(log, store.LogRow{Head: store.Head{Seq: seq, Hash: [16]byte{byte(seq)}, Now: bursar.Time(10 * seq)}, ID: [16]byte{9, byte(seq)}, Payload: []byte{byte(seq)}})
	}
	parts[1].Log = log
	return parts, head
}

// given gives the parts, and then err if it is not nil.
func given(parts []*store.BasePart, err error) iter.Seq2[*store.BasePart, error] {
	return func(yield func(*store.BasePart, error) bool) {
		for _, p := range parts {
			if !yield(p, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// base reads the base of a stream as one checkpoint; nil when there is none.
func (st *stream) base() *store.Checkpoint {
	st.e.Helper()
	return st.whole(st.e.Base)
}

// begun compares what the store has with basis.
func (e *env) begun(name string, trimmed uint64) {
	e.Helper()
	parts, head := basis(name, trimmed)
	st := &stream{e: e, name: name, head: head}
	st.ends()
	want := merge(merge(nil, parts[0].Checkpoint), parts[1].Checkpoint)
	got := st.base()
	if got == nil {
		e.Fatal("there is no base")
	}
	equal(e, "series of the base", got.Series, want.Series)
	same(e, got, want)
	want.Holds, want.Series = want.Holds[:2], nil
	want.Generations[2].Blocks = nil
	same(e, st.load(), want)
	equal(e, "log", st.log(0, 0), parts[1].Log)
	saved, err := e.Saved(ctx, []string{name})
	e.ok(err)
	equal(e, "saved", saved, []uint64{5})
	sum, _, err := e.sum(name, store.SeriesQuery{EntityOrd: 1, To: 100})
	e.ok(err)
	equal(e, "series", sum, whole(7))
	h, err := e.Hold(ctx, name, "h3")
	e.ok(err)
	equal(e, "hold", *h, parts[1].Checkpoint.Holds[0])
	keys, err := e.FindKeys(ctx, name, 11, [][16]byte{{1}})
	e.ok(err)
	equal(e, "key", keys[0], slices.Concat([]byte{1}, make([]byte, store.KeyEntrySize-1)))
	activity, err := e.Activity(ctx, name, store.ActivityQuery{Limit: 10})
	e.ok(err)
	equal(e, "activity", activity, parts[2].Activity)
	list, err := e.Customers(ctx, store.CustomerQuery{Limit: 10})
	e.ok(err)
	equal(e, "customers", list, []bursar.Customer{*parts[2].Listing})
	for _, u := range parts[2].Uses {
		users, err := e.Users(ctx, u, 10)
		e.ok(err)
		equal(e, fmt.Sprint("users of ", u), users, []string{name})
	}
}

var baseTests = []test{
	{"a stream begins with its base", func(e *env) {
		parts, _ := basis("acme", 2)
		e.ok(e.Begin(ctx, "acme", given(parts, nil)))
		e.begun("acme", 2)
	}},
	{"and with nothing left of its log", func(e *env) {
		parts, _ := basis("acme", 5)
		e.ok(e.Begin(ctx, "acme", given(parts, nil)))
		e.begun("acme", 5)
	}},
	{"it goes on where its base is", func(e *env) {
		parts, head := basis("acme", 5)
		e.ok(e.Begin(ctx, "acme", given(parts, nil)))
		e.due(parts[0].Checkpoint.Due-1, 0)
		e.due(parts[0].Checkpoint.Due, 0, "acme")
		st := &stream{e: e, name: "acme", head: head, saved: head.Seq}
		stale := st.commit(func(c *store.Commit) { c.After = store.Head{} })
		e.outcomes([]store.Commit{stale}, store.Stale)
		c := st.append()
		e.due(0, 0, "acme")
		if rows := st.log(0, 0); len(rows) != 1 || rows[0].Head != c.Head() {
			e.Errorf("log %+v", rows)
		}
		equal(e, "log after the base", len(st.log(head.Seq, 0)), 1)
		st.save(func(cp *store.Checkpoint) { cp.Entities = []store.EntityRow{{Ord: 5, ID: "new"}} })
		st.ends()
		equal(e, "entities", len(st.load().Entities), 5)
	}},
	{"it begins whole or not at all", func(e *env) {
		stop := errors.New("stop")
		parts, _ := basis("acme", 2)
		for n := range len(parts) + 1 {
			if err := e.Begin(ctx, "acme", given(parts[:n], stop)); !errors.Is(err, store.ErrNotCommitted) || !errors.Is(err, stop) {
				e.Errorf("Begin = %v", err)
			}
			st := e.stream("acme")
			st.ends()
			if st.load() != nil || st.base() != nil || len(st.log(0, 0)) > 0 {
				e.Error("something was written")
			}
			list, err := e.Customers(ctx, store.CustomerQuery{Limit: 10})
			e.ok(err)
			equal(e, "customers", len(list), 0)
		}
		e.ok(e.Begin(ctx, "acme", given(parts, nil)))
		e.begun("acme", 2)
	}},
	{"what is there does not begin", func(e *env) {
		st := e.stream("acme")
		st.append()
		for range 2 {
			parts, _ := basis("acme", 2)
			if err := e.Begin(ctx, "acme", given(parts, nil)); !errors.Is(err, store.ErrNotCommitted) {
				e.Errorf("Begin = %v", err)
			}
			st.ends()
			equal(e, "rows", len(st.log(0, 0)), 1)
		}
	}},
	{"a whole log has no base", func(e *env) {
		st := e.stream("acme")
		if st.base() != nil {
			e.Error("an unknown stream has a base")
		}
		st.save(full)
		if st.base() != nil {
			e.Error("a base")
		}
	}},
	{"a trimmed log has one", func(e *env) {
		st := e.stream("acme")
		st.save(full)
		st.append()
		if _, err := e.TrimLog(ctx, 1000, 0); errors.Is(err, errors.ErrUnsupported) {
			return
		} else if err != nil {
			e.Fatal(err)
		}
		want := &store.Checkpoint{Head: store.Head{Seq: 1, Hash: st.log(0, 0)[0].Head.Hash, Now: 10}}
		full(want)
		got := st.base()
		if got == nil {
			e.Fatal("there is no base")
		}
		want.Head.Hash = got.Head.Hash
		same(e, got, want)
	}},
}
