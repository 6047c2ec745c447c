package storetest

import (
	"encoding/binary"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// hash is the i-th key hash, growing with i.
func hash(i int) (h [16]byte) {
	binary.BigEndian.PutUint64(h[:], uint64(i))
	return h
}

// block is a run of entries of the keys from, from+2, … below to.
func block(from, to int) store.KeyBlock {
	b := store.KeyBlock{First: hash(from)}
	for i := from; i < to; i += 2 {
		b.Data = append(b.Data, keyEntry(i)...)
	}
	return b
}

func keyEntry(i int) []byte {
	h := hash(i)
	return append(h[:], fmt.Sprintf("%016d", i)...)
}

func generation(gen int64, blocks ...store.KeyBlock) func(*store.Checkpoint) {
	return func(cp *store.Checkpoint) {
		cp.Generations = append(cp.Generations, store.KeyGeneration{Gen: gen, End: bursar.Time(gen), Blocks: blocks})
	}
}

// finds looks keys up and compares: even keys of [from, to) are there.
func (e *env) finds(stream string, gen int64, from, to int, keys ...int) {
	e.Helper()
	var hashes [][16]byte
	want := make([][]byte, len(keys))
	for i, k := range keys {
		hashes = append(hashes, hash(k))
		if k%2 == 0 && from <= k && k < to {
			want[i] = keyEntry(k)
		}
	}
	got, err := e.FindKeys(ctx, stream, gen, hashes)
	e.ok(err)
	equal(e, fmt.Sprintf("keys of %q in %d", stream, gen), got, want)
}

var keyTests = []test{
	{"finds keys in the blocks of a generation", func(e *env) {
		e.stream("acme").save(generation(5, block(10, 20), block(20, 30), block(40, 41)), generation(6, block(100, 200)))
		keys := []int{41, 40, 39, 30, 28, 29, 20, 19, 18, 10, 9, 0, 28, 100, 1 << 30}
		e.finds("acme", 5, 10, 30, 29, 28, 20, 19, 18, 10, 9, 0, 28)
		e.finds("acme", 5, 40, 41, 41, 40, 39, 30, 31)
		e.finds("acme", 6, 100, 200, append(keys, 101, 198, 199)...)
		e.finds("acme", 7, 0, 0, keys...)
		e.finds("nobody", 5, 0, 0, keys...)
		e.finds("acme", 5, 0, 0)
	}},
	{"finds keys among many blocks", func(e *env) {
		var blocks []store.KeyBlock
		for i := range 100 {
			blocks = append(blocks, block(i*1000, (i+1)*1000))
		}
		e.stream("acme").save(generation(5, blocks...))
		var keys []int
		for i := range 2000 {
			keys = append(keys, i*7919%110_000)
		}
		e.finds("acme", 5, 0, 100_000, keys...)
	}},
	{"Load gives generations without blocks", func(e *env) {
		st := e.stream("acme")
		st.save(generation(5, block(10, 20)))
		equal(e, "generations", st.load().Generations, []store.KeyGeneration{{Gen: 5, End: 5}})
	}},
	{"saving a generation deletes its segments", func(e *env) {
		st := e.stream("acme")
		st.save(func(cp *store.Checkpoint) {
			cp.Segments = []store.KeySegment{{Gen: 5, Part: 0, Data: []byte("a")}, {Gen: 5, Part: 1, Data: []byte("b")}}
		})
		st.save(generation(5), func(cp *store.Checkpoint) {
			cp.Segments = []store.KeySegment{{Gen: 6, Part: 0, Data: []byte("c")}}
		})
		equal(e, "segments", st.load().Segments, []store.KeySegment{{Gen: 6, Part: 0, Data: []byte("c")}})
	}},
	{"DropGenerations deletes generations, segments and blocks", func(e *env) {
		st := e.stream("acme")
		st.save(generation(5, block(10, 20)), generation(6, block(10, 20)), func(cp *store.Checkpoint) {
			cp.Segments = []store.KeySegment{{Gen: 4, Data: []byte("a")}, {Gen: 7, Data: []byte("b")}}
		})
		st.save(func(cp *store.Checkpoint) { cp.DropGenerations = 6 })
		got := st.load()
		equal(e, "generations", got.Generations, []store.KeyGeneration{{Gen: 6, End: 6}})
		equal(e, "segments", got.Segments, []store.KeySegment{{Gen: 7, Data: []byte("b")}})
		e.finds("acme", 5, 0, 0, 10, 12)
		e.finds("acme", 6, 10, 20, 10, 12)
	}},
}

// holds saves nine holds, 1 to 9: even ones are committed, 9 is open, of entity 1 the
// first half.
func (e *env) holds() *stream {
	st := e.stream("acme")
	st.save(func(cp *store.Checkpoint) {
		for i := 1; i <= 9; i++ {
			h := store.HoldRow{ID: fmt.Sprint(i), Capability: tokens, Status: bursar.HoldReleased, Amount: whole(int64(i)), ClosedAt: 5}
			if i%2 == 0 {
				h.Status = bursar.HoldCommitted
			}
			if i == 9 {
				h.Status, h.ClosedAt = bursar.HoldOpen, 0
			}
			if i <= 4 {
				h.Entities = append(h.Entities, 1)
			}
			h.Entities = append(h.Entities, 2)
			cp.Holds = append(cp.Holds, h)
		}
	})
	e.stream("other").save(func(cp *store.Checkpoint) {
		cp.Holds = []store.HoldRow{{ID: "2", Status: bursar.HoldCommitted, Entities: []uint32{1}}}
	})
	return st
}

func (e *env) holdIDs(q store.HoldQuery) string {
	e.Helper()
	rows, err := e.Holds(ctx, "acme", q)
	e.ok(err)
	ids := ""
	for _, h := range rows {
		ids += h.ID
	}
	return ids
}

var holdTests = []test{
	{"reads a saved hold", func(e *env) {
		st := e.stream("acme")
		want := store.HoldRow{
			ID: "h", Capability: credits, Status: bursar.HoldExpired, CreatedAt: 1, ExpiresAt: 2, ClosedAt: 3,
			Amount: whole(4), Entities: []uint32{5, 6}, Detail: []byte("d"),
		}
		st.save(func(cp *store.Checkpoint) { cp.Holds = []store.HoldRow{want} })
		got, err := e.Hold(ctx, "acme", "h")
		e.ok(err)
		equal(e, "hold", got, &want)
		for _, q := range [][2]string{{"acme", "i"}, {"nobody", "h"}} {
			if got, err := e.Hold(ctx, q[0], q[1]); got != nil || err != nil {
				e.Errorf("Hold(%q) = %v, %v", q, got, err)
			}
		}
	}},
	{"lists by status and entity, pages in both directions", func(e *env) {
		e.holds()
		for _, c := range []struct {
			q    store.HoldQuery
			want string
		}{
			{store.HoldQuery{Status: bursar.HoldCommitted}, "2468"},
			{store.HoldQuery{Status: bursar.HoldReleased}, "1357"},
			{store.HoldQuery{Status: bursar.HoldOpen}, "9"},
			{store.HoldQuery{Status: bursar.HoldExpired}, ""},
			{store.HoldQuery{Status: bursar.HoldCommitted, EntityOrd: 1}, "24"},
			{store.HoldQuery{Status: bursar.HoldCommitted, EntityOrd: 2}, "2468"},
			{store.HoldQuery{Status: bursar.HoldCommitted, EntityOrd: 3}, ""},
			{store.HoldQuery{Status: bursar.HoldCommitted, Limit: 2}, "24"},
			{store.HoldQuery{Status: bursar.HoldCommitted, After: "2", Limit: 2}, "46"},
			{store.HoldQuery{Status: bursar.HoldCommitted, After: "8", Limit: 2}, ""},
			{store.HoldQuery{Status: bursar.HoldCommitted, Before: "8", Limit: 2}, "46"},
			{store.HoldQuery{Status: bursar.HoldCommitted, Before: "3", Limit: 2}, "2"},
			{store.HoldQuery{Status: bursar.HoldCommitted, Before: "2", Limit: 2}, ""},
			{store.HoldQuery{Status: bursar.HoldCommitted, EntityOrd: 1, Before: "9", Limit: 1}, "4"},
			{store.HoldQuery{Status: bursar.HoldCommitted, EntityOrd: 1, After: "2", Limit: 1}, "4"},
		} {
			equal(e, fmt.Sprintf("%+v", c.q), e.holdIDs(c.q), c.want)
		}
	}},
	{"a hold that closes changes its list", func(e *env) {
		st := e.holds()
		st.save(func(cp *store.Checkpoint) {
			cp.Holds = []store.HoldRow{{ID: "9", Status: bursar.HoldCommitted, ClosedAt: 7, Entities: []uint32{3}}}
		})
		equal(e, "open", e.holdIDs(store.HoldQuery{Status: bursar.HoldOpen}), "")
		equal(e, "open of its entity", e.holdIDs(store.HoldQuery{Status: bursar.HoldOpen, EntityOrd: 2}), "")
		equal(e, "committed", e.holdIDs(store.HoldQuery{Status: bursar.HoldCommitted}), "24689")
		equal(e, "committed of its entity", e.holdIDs(store.HoldQuery{Status: bursar.HoldCommitted, EntityOrd: 3}), "9")
		equal(e, "committed of its old entity", e.holdIDs(store.HoldQuery{Status: bursar.HoldCommitted, EntityOrd: 2}), "2468")
		h, err := e.Hold(ctx, "acme", "9")
		e.ok(err)
		equal(e, "closed at", h.ClosedAt, 7)
	}},
}

func bucket(b uint32, c bursar.Capability, entity, child, combo uint32, amount bursar.Amount) store.SeriesRow {
	return store.SeriesRow{SeriesKey: store.SeriesKey{Bucket: b, Capability: c, EntityOrd: entity, ChildOrd: child, Combo: combo}, Amount: amount}
}

func series(rows ...store.SeriesRow) func(*store.Checkpoint) {
	return func(cp *store.Checkpoint) { cp.Series = append(cp.Series, rows...) }
}

// series compares what a query gives, as a set.
func (st *stream) series(q store.SeriesQuery, want ...store.SeriesRow) {
	st.e.Helper()
	rows, seq, err := st.e.Series(ctx, st.name, q)
	st.e.ok(err)
	set := func(rows []store.SeriesRow) map[store.SeriesKey]string {
		m := map[store.SeriesKey]string{}
		for _, r := range rows {
			m[r.SeriesKey] += r.Amount.String() + ";"
		}
		return m
	}
	equal(st.e, fmt.Sprintf("series %+v", q), set(rows), set(want))
	equal(st.e, "seq of the series", seq, st.head.Seq)
}

// sum adds up what a query gives.
func (e *env) sum(stream string, q store.SeriesQuery) (sum bursar.Amount, seq uint64, err error) {
	rows, seq, err := e.Series(ctx, stream, q)
	for _, r := range rows {
		sum = sum.Add(r.Amount)
	}
	return sum, seq, err
}

var seriesTests = []test{
	{"adds to what is stored under the same key", func(e *env) {
		st := e.stream("acme")
		huge := bursar.AmountFromWords(1<<61, 1<<63|987654321)
		st.save(series(bucket(7, tokens, 0, 0, 0, huge), bucket(7, tokens, 0, 1, 0, whole(1)), bucket(7, tokens, 0, 1, 0, whole(2))))
		st.save(series(bucket(7, tokens, 0, 0, 0, bursar.AmountFromNanos(1)), bucket(8, tokens, 0, 0, 0, whole(-3))))
		st.save(series(bucket(7, tokens, 0, 0, 0, huge), bucket(7, tokens, 0, 1, 0, whole(-7))))
		st.series(store.SeriesQuery{To: 100},
			bucket(7, tokens, 0, 0, 0, huge.Add(huge).Add(bursar.AmountFromNanos(1))),
			bucket(7, tokens, 0, 1, 0, whole(-4)), bucket(8, tokens, 0, 0, 0, whole(-3)))
	}},
	{"selects by entity, capability and bucket", func(e *env) {
		st := e.stream("acme")
		a, b, c := bucket(10, tokens, 1, 0, 0, whole(1)), bucket(10, images, 1, 0, 3, whole(2)), bucket(10, credits, 1, 4, 3, whole(4))
		d, f := bucket(11, tokens, 1, 0, 0, whole(8)), bucket(2_000_000_000, tokens, 1, 0, 0, whole(16))
		other := bucket(10, tokens, 2, 0, 0, whole(32))
		st.save(series(a, b, c, d, f, other))
		all := uint32(1<<32 - 1)
		st.series(store.SeriesQuery{EntityOrd: 1, To: all}, a, b, c, d, f)
		st.series(store.SeriesQuery{EntityOrd: 2, To: all}, other)
		st.series(store.SeriesQuery{To: all})
		st.series(store.SeriesQuery{EntityOrd: 1, Capability: tokens, To: all}, a, d, f)
		st.series(store.SeriesQuery{EntityOrd: 1, Capability: credits, To: all}, c)
		st.series(store.SeriesQuery{EntityOrd: 1, Capability: bursar.Capability{Kind: bursar.KindFeature}, To: all}, a, b, d, f)
		st.series(store.SeriesQuery{EntityOrd: 1, Capability: bursar.Capability{ID: "tokens"}, To: all}, a, c, d, f)
		st.series(store.SeriesQuery{EntityOrd: 1, Children: []uint32{0}, To: all}, a, b, d, f)
		st.series(store.SeriesQuery{EntityOrd: 1, Children: []uint32{3, 4, 5}, Capability: credits, To: all}, c)
		st.series(store.SeriesQuery{EntityOrd: 1, Children: []uint32{4}, Capability: tokens, To: all})
		st.series(store.SeriesQuery{EntityOrd: 1, Children: []uint32{}, To: all})
		st.series(store.SeriesQuery{EntityOrd: 1, From: 10, To: 11}, a, b, c)
		st.series(store.SeriesQuery{EntityOrd: 1, From: 11, To: 12}, d)
		st.series(store.SeriesQuery{EntityOrd: 1, From: 11, To: all}, d, f)
		st.series(store.SeriesQuery{EntityOrd: 1, From: 10, To: 10})
		st.series(store.SeriesQuery{EntityOrd: 1, From: 12, To: 11})
		st.series(store.SeriesQuery{EntityOrd: 1, From: 2_000_000_001, To: all})
	}},
	{"covers long ranges", func(e *env) {
		st := e.stream("acme")
		var rows []store.SeriesRow
		for i := range uint32(500) {
			rows = append(rows, bucket(1_000_000+i*3, tokens, 0, 0, 0, whole(int64(i))))
		}
		st.save(series(rows...))
		st.series(store.SeriesQuery{To: 1<<32 - 1}, rows...)
		st.series(store.SeriesQuery{From: 1_000_000 + 3*100, To: 1_000_000 + 3*200}, rows[100:200]...)
	}},
	{"is empty without a checkpoint", func(e *env) {
		st := e.stream("acme")
		st.series(store.SeriesQuery{To: 100})
		st.append()
		st.head = store.Head{}
		st.series(store.SeriesQuery{To: 100})
		e.stream("other").save(series(bucket(7, tokens, 0, 0, 0, whole(1))))
		st.series(store.SeriesQuery{To: 100})
	}},
}
