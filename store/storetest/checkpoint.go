package storetest

import (
	"errors"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// full is a checkpoint with each field set in some row and unset in another.
func full(cp *store.Checkpoint) {
	huge := bursar.AmountFromWords(1<<62, 1<<63|12345)
	cp.Due, cp.Meta = 1_790_000_000_000_000_001, []byte{0, 1, 255}
	cp.Entities = []store.EntityRow{
		{Ord: 1, ID: "org", TypeID: "org", Name: ptr("Org é"), Metadata: []byte(`{"a":"b"}`), CreatedAt: 1, UpdatedAt: 2, ArchivedAt: 3},
		{Ord: 2, ID: "team", TypeID: "team", ParentOrd: 1, Name: ptr(""), CreatedAt: 1_790_000_000_000_000_001},
		{Ord: 3, ID: "user"},
	}
	cp.Assignments = []store.AssignmentRow{
		{
			Ord: 1, ID: "as1", EntityOrd: 2, Capability: tokens, Label: "l", Scope: []uint32{1, 3, 4_000_000_000}, Limit: ptr(huge),
			Cadence: "MONTH", Timezone: "Europe/Prague", Anchor: ptr(bursar.Time(7)), Soft: true, Thresholds: []int{80, 100},
			CreatedAt: 5, UpdatedAt: 6,
		},
		{Ord: 2, ID: "as2", EntityOrd: 1, Capability: credits, Limit: ptr(bursar.Amount{}), Strict: true, Thresholds: []int{50}},
		{Ord: 3, ID: "as3", Capability: images},
	}
	cp.Counters = []store.CounterRow{
		{Ord: 1, PrevStart: 1, WindowStart: 2, WindowEnd: 3, Previous: bursar.AmountFromNanos(1), Used: huge.Neg(), Held: huge},
		{Ord: 3, Used: bursar.AmountFromNanos(-1)},
	}
	cp.Totals = []store.TotalRow{
		{Capability: tokens, Value: whole(5), Held: whole(2), At: 9},
		{Capability: credits, Value: huge},
		{Level: true, Capability: tokens, Value: whole(-1)},
		{Level: true, EntityOrd: 2, Capability: tokens, At: 4},
	}
	cp.Holds = []store.HoldRow{
		{ID: "h1", Capability: credits, Status: bursar.HoldOpen, CreatedAt: 1, ExpiresAt: 2, Amount: huge, Entities: []uint32{1, 2}, Detail: []byte{1, 0}},
		{ID: "h2", Capability: tokens, Status: bursar.HoldOpen},
	}
	cp.Parts = []store.PartRow{{Sort: "grant", Key: "1", Body: []byte(`{"a":"é"}`)}, {Sort: "unique", Key: "1", Body: []byte{0, 255, 10}}}
	cp.Segments = []store.KeySegment{{Gen: 10, Part: 0, Data: []byte("s0")}, {Gen: 10, Part: 1, Data: []byte("s1")}}
	cp.Generations = []store.KeyGeneration{{Gen: 8, End: 9, Count: 3, Filter: []byte("f")}, {Gen: 9, End: 10}}
}

// same compares two checkpoints as sets of rows in order of their keys, since parts of
// different tables come in any order.
func same(e *env, got, want *store.Checkpoint) {
	e.Helper()
	if got == nil {
		e.Fatal("no checkpoint")
	}
	equal(e, "head", got.Head, want.Head)
	equal(e, "due", got.Due, want.Due)
	equal(e, "meta", got.Meta, want.Meta)
	equal(e, "entities", got.Entities, want.Entities)
	equal(e, "assignments", got.Assignments, want.Assignments)
	equal(e, "counters", got.Counters, want.Counters)
	equal(e, "totals", totals(got), totals(want))
	equal(e, "holds", got.Holds, want.Holds)
	equal(e, "series", got.Series, want.Series)
	equal(e, "parts", parts(got), parts(want))
	equal(e, "segments", got.Segments, want.Segments)
	equal(e, "generations", got.Generations, want.Generations)
}

func totals(cp *store.Checkpoint) map[string]store.TotalRow {
	m := map[string]store.TotalRow{}
	for _, r := range cp.Totals {
		m[fmt.Sprint(r.Level, r.EntityOrd, r.Capability)] = r
	}
	return m
}

var checkpointTests = []test{
	{"keeps every field", func(e *env) {
		st := e.stream("acme")
		st.save(full)
		want := &store.Checkpoint{Head: st.head}
		full(want)
		same(e, st.load(), want)
	}},
	{"one that is all there is replaces every row, at the head that was saved too", func(e *env) {
		st := e.stream("acme")
		st.save(full)
		want := &store.Checkpoint{Stream: "acme", Head: st.head, Base: st.saved, Anew: true, Meta: []byte("m"),
			Entities: []store.EntityRow{{Ord: 9, ID: "only"}}, Series: []store.SeriesRow{{SeriesKey: store.SeriesKey{Bucket: 5, Capability: tokens}, Amount: whole(1)}}}
		other := *want
		other.Base--
		if err := e.Save(ctx, &other); !errors.Is(err, store.ErrSuperseded) {
			e.Errorf("Save on another checkpoint = %v", err)
		}
		e.ok(e.Save(ctx, want))
		got := st.load()
		want.Base, want.Anew, want.Series = 0, false, nil
		same(e, got, want)
		rows, _, err := e.Series(ctx, "acme", store.SeriesQuery{To: 1000})
		if e.ok(err); len(rows) != 1 || rows[0].Amount != whole(1) {
			e.Errorf("series %+v", rows)
		}
		if h, err := e.Hold(ctx, "acme", "h1"); h != nil || err != nil {
			e.Errorf("Hold = %+v, %v", h, err)
		}
		st.save(func(cp *store.Checkpoint) { cp.Entities = []store.EntityRow{{Ord: 1, ID: "next"}} })
	}},
	{"there is none before the first Save", func(e *env) {
		st := e.stream("acme")
		st.append()
		if st.load() != nil || e.stream("nobody").load() != nil {
			e.Error("Load called visit")
		}
	}},
	{"Save replaces rows by their keys and keeps the others", func(e *env) {
		st := e.stream("acme")
		st.save(full)
		want := &store.Checkpoint{}
		full(want)
		want.Due, want.Meta = 0, nil
		want.Entities[1] = store.EntityRow{Ord: 2, ID: "new", TypeID: "user", ParentOrd: 3}
		want.Assignments[0] = store.AssignmentRow{Ord: 1, ID: "as9", EntityOrd: 3, Capability: images, Thresholds: []int{}}
		want.Counters[1] = store.CounterRow{Ord: 3, Used: whole(4)}
		want.Totals[3] = store.TotalRow{Level: true, EntityOrd: 2, Capability: tokens, Value: whole(3)}
		want.Holds[1] = store.HoldRow{ID: "h2", Capability: images, Status: bursar.HoldOpen, Entities: []uint32{3}}
		want.Segments[1].Data = []byte("other")
		want.Generations[1] = store.KeyGeneration{Gen: 9, End: 11, Filter: []byte("g")}
		st.save(func(cp *store.Checkpoint) {
			cp.Entities = want.Entities[1:2]
			cp.Assignments = want.Assignments[:1]
			cp.Counters = want.Counters[1:]
			cp.Totals = want.Totals[3:]
			cp.Holds = want.Holds[1:]
			cp.Segments = want.Segments[1:]
			cp.Generations = want.Generations[1:]
		})
		want.Head = st.head
		same(e, st.load(), want)
	}},
	{"Save adds rows", func(e *env) {
		st := e.stream("acme")
		st.save(func(cp *store.Checkpoint) { cp.Entities = []store.EntityRow{{Ord: 2, ID: "b"}} })
		st.save(func(cp *store.Checkpoint) { cp.Entities = []store.EntityRow{{Ord: 1, ID: "a"}, {Ord: 3, ID: "c"}} })
		same(e, st.load(), &store.Checkpoint{Head: st.head, Entities: []store.EntityRow{{Ord: 1, ID: "a"}, {Ord: 2, ID: "b"}, {Ord: 3, ID: "c"}}})
	}},
	{"a deleted assignment takes its counter along", func(e *env) {
		st := e.stream("acme")
		st.save(full)
		want := &store.Checkpoint{}
		full(want)
		st.save(func(cp *store.Checkpoint) {
			cp.Due, cp.Meta = want.Due, want.Meta
			cp.Assignments = []store.AssignmentRow{{Ord: 1, Deleted: true}, {Ord: 7, Deleted: true}}
			cp.Counters = []store.CounterRow{{Ord: 1, Used: whole(1)}}
		})
		want.Head, want.Assignments, want.Counters = st.head, want.Assignments[1:], want.Counters[1:]
		same(e, st.load(), want)
	}},
	{"refuses one that is not ahead", func(e *env) {
		st := e.stream("acme")
		if err := e.Save(ctx, &store.Checkpoint{Stream: "acme"}); err == nil {
			e.Error("saved at the beginning")
		}
		st.append()
		old := st.head
		st.save(full)
		want := st.load()
		for _, h := range []store.Head{st.head, old, {}} {
			cp := &store.Checkpoint{Stream: "acme", Head: h, Due: 5, Entities: []store.EntityRow{{Ord: 1, ID: "x"}}}
			cp.Series = []store.SeriesRow{{Amount: whole(1)}}
			if err := e.Save(ctx, cp); err == nil {
				e.Errorf("saved at %d after %d", h.Seq, st.head.Seq)
			}
		}
		same(e, st.load(), want)
		sum, _, err := e.sum("acme", store.SeriesQuery{To: 1})
		e.ok(err)
		equal(e, "series", sum, bursar.Amount{})
	}},
	{"streams do not mix", func(e *env) {
		a, b := e.stream("a"), e.stream("b")
		a.save(full)
		b.save(func(cp *store.Checkpoint) {
			cp.Entities = []store.EntityRow{{Ord: 1, ID: "b"}}
			cp.Assignments = []store.AssignmentRow{{Ord: 1, Deleted: true}}
			cp.Generations = []store.KeyGeneration{{Gen: 10}}
			cp.DropGenerations = 10
		})
		want := &store.Checkpoint{Head: a.head}
		full(want)
		same(e, a.load(), want)
		same(e, b.load(), &store.Checkpoint{Head: b.head, Entities: []store.EntityRow{{Ord: 1, ID: "b"}}, Generations: []store.KeyGeneration{{Gen: 10}}})
	}},
}

var loadTests = []test{
	{"gives open holds only, and no series", func(e *env) {
		st := e.stream("acme")
		st.save(func(cp *store.Checkpoint) {
			full(cp)
			cp.Holds = append(cp.Holds, store.HoldRow{ID: "h3", Status: bursar.HoldExpired})
			cp.Series = []store.SeriesRow{{Amount: whole(1)}}
		})
		equal(e, "open holds", len(st.load().Holds), 2)
		st.save(func(cp *store.Checkpoint) {
			cp.Holds = []store.HoldRow{{ID: "h1", Capability: credits, Status: bursar.HoldCommitted, ClosedAt: 5}}
		})
		got := st.load()
		if len(got.Holds) != 1 || got.Holds[0].ID != "h2" || len(got.Series) != 0 {
			e.Errorf("holds %+v, series %+v", got.Holds, got.Series)
		}
	}},
	{"the first part has Head, Due and Meta", func(e *env) {
		st := e.stream("acme")
		st.save(full, many(5000))
		parts := 0
		e.ok(e.Load(ctx, "acme", func(cp *store.Checkpoint) error {
			if parts++; parts == 1 {
				equal(e, "head", cp.Head, st.head)
				equal(e, "due", cp.Due, 1_790_000_000_000_000_001)
				equal(e, "meta", cp.Meta, []byte{0, 1, 255})
			}
			return nil
		}))
	}},
	{"gives each row once, however many", func(e *env) {
		for _, n := range []int{1, 4096, 6000} {
			st := e.stream(fmt.Sprint("s", n))
			st.save(many(n))
			want := &store.Checkpoint{Head: st.head}
			many(n)(want)
			same(e, st.load(), want)
		}
	}},
	{"gives rows of one moment", func(e *env) {
		for _, n := range []int{3000, 6000} {
			st := e.stream(fmt.Sprint("s", n))
			st.save(many(n))
			want := &store.Checkpoint{Head: st.head}
			many(n)(want)
			var got *store.Checkpoint
			e.ok(e.Load(ctx, st.name, func(cp *store.Checkpoint) error {
				if got == nil {
					st.save(func(cp *store.Checkpoint) {
						cp.Entities = []store.EntityRow{{Ord: uint32(n), ID: "later"}, {Ord: uint32(n) + 1, ID: "later"}}
						cp.Assignments = []store.AssignmentRow{{Ord: uint32(n), Deleted: true}}
						cp.Counters = []store.CounterRow{{Ord: 1, Used: whole(99)}}
						cp.Parts = []store.PartRow{{Sort: "fired", Key: "1"}, {Sort: "fired", Key: fmt.Sprint(n), Body: []byte("later")}}
					})
				}
				got = merge(got, cp)
				return nil
			}))
			same(e, got, want)
		}
	}},
	{"ends with the error of visit", func(e *env) {
		stop := errors.New("stop")
		for _, n := range []int{3, 6000} {
			st := e.stream(fmt.Sprint("s", n))
			st.save(many(n))
			for last := range 3 {
				parts := 0
				err := e.Load(ctx, st.name, func(*store.Checkpoint) error {
					if parts++; parts > last {
						return stop
					}
					return nil
				})
				if parts > last && err != stop {
					e.Errorf("Load = %v", err)
				}
			}
		}
	}},
	{"visit may use the store", func(e *env) {
		st := e.stream("acme")
		st.save(many(6000))
		e.ok(e.Load(ctx, "acme", func(*store.Checkpoint) error {
			st.ends()
			_, err := e.Hold(ctx, "acme", "h")
			return err
		}))
	}},
	{"shares no slice", func(e *env) {
		st := e.stream("acme")
		var given *store.Checkpoint
		st.save(func(cp *store.Checkpoint) {
			full(cp)
			given = cp
		})
		want := &store.Checkpoint{Head: st.head}
		full(want)
		spoil(given)
		got := st.load()
		same(e, got, want)
		spoil(got)
		same(e, st.load(), want)
		h, err := e.Hold(ctx, "acme", "h1")
		e.ok(err)
		h.Entities[0], h.Detail[0] = 77, 77
		h, err = e.Hold(ctx, "acme", "h1")
		e.ok(err)
		equal(e, "hold", *h, want.Holds[0])
	}},
}

// spoil changes whatever cp points to.
func spoil(cp *store.Checkpoint) {
	cp.Meta[0] = 77
	*cp.Entities[0].Name, cp.Entities[0].Metadata[0] = "!", '!'
	a := &cp.Assignments[0]
	a.Scope[0], *a.Limit, *a.Anchor, a.Thresholds[0] = 77, whole(77), 77, 77
	cp.Holds[0].Entities[0], cp.Holds[0].Detail[0] = 77, 77
	cp.Segments[0].Data[0], cp.Generations[0].Filter[0], cp.Parts[0].Body[0] = 77, 77, 77
	clear(cp.Entities)
	clear(cp.Counters)
}

// many gives n rows to each of the tables that may be large.
func many(n int) func(*store.Checkpoint) {
	return func(cp *store.Checkpoint) {
		cp.Entities, cp.Assignments, cp.Counters, cp.Parts = nil, nil, nil, nil
		for i := 1; i <= n; i++ {
			ord := uint32(i)
			cp.Entities = append(cp.Entities, store.EntityRow{Ord: ord, ID: fmt.Sprint("agent-", i), TypeID: "agent", ParentOrd: ord / 10})
			cp.Assignments = append(cp.Assignments, store.AssignmentRow{
				Ord: ord, ID: fmt.Sprint("limit-", i), EntityOrd: ord, Capability: tokens, Limit: ptr(whole(int64(i))), Cadence: "MONTH",
				Thresholds: []int{80, 100},
			})
			cp.Parts = append(cp.Parts, store.PartRow{Sort: "fired", Key: fmt.Sprint(i), Body: fmt.Append(nil, i)})
			cp.Counters = append(cp.Counters, store.CounterRow{Ord: ord, WindowStart: 1, WindowEnd: 2, Used: bursar.AmountFromNanos(int64(i))})
		}
	}
}

var dueTests = []test{
	{"lists streams whose checkpoint's time has come", func(e *env) {
		for name, due := range map[string]bursar.Time{"a": 10, "b": 20, "c": 30, "d": 0} {
			e.stream(name).save(func(cp *store.Checkpoint) { cp.Due = due })
		}
		e.due(9, 0)
		e.due(10, 0, "a")
		e.due(29, 0, "a", "b")
		e.due(99, 0, "a", "b", "c")
	}},
	{"lists streams whose log is ahead of their checkpoint", func(e *env) {
		a, b, c := e.stream("a"), e.stream("b"), e.stream("c")
		a.append()
		b.save()
		b.append()
		c.save()
		e.due(0, 0, "a", "b")
		a.save()
		e.due(0, 0, "b")
		b.save()
		e.due(0, 0)
		c.append()
		e.due(0, 0, "c")
	}},
	{"lists a stream once", func(e *env) {
		st := e.stream("a")
		st.save(func(cp *store.Checkpoint) { cp.Due = 10 })
		st.append()
		e.due(10, 0, "a")
		st.save()
		e.due(10, 0)
	}},
	{"a checkpoint between the log's ends", func(e *env) {
		st := e.stream("a")
		st.append()
		at := st.head
		st.append()
		e.ok(e.Save(ctx, &store.Checkpoint{Stream: "a", Head: at}))
		e.due(0, 0, "a")
		e.ok(e.Save(ctx, &store.Checkpoint{Stream: "a", Head: st.head, Base: at.Seq}))
		e.due(0, 0)
	}},
	{"never lists the catalogue", func(e *env) {
		st := e.stream(store.CatalogueStream)
		st.append()
		e.due(99, 0)
		st.save(func(cp *store.Checkpoint) { cp.Due = 10 })
		e.due(99, 0)
		st.append()
		e.due(99, 0)
	}},
	{"lists up to the limit", func(e *env) {
		for i := range 6 {
			st := e.stream(fmt.Sprint(i))
			st.save(func(cp *store.Checkpoint) { cp.Due = bursar.Time(i%2) * 10 })
			if i%2 == 0 {
				st.append()
			}
		}
		for limit, want := range map[int]int{1: 1, 2: 2, 4: 4, 6: 6, 9: 6} {
			got, err := e.Due(ctx, 10, limit)
			e.ok(err)
			if len(got) != want {
				e.Errorf("Due with limit %d gave %d", limit, len(got))
			}
		}
	}},
}

func (e *env) due(before bursar.Time, limit int, want ...string) {
	e.Helper()
	got, err := e.Due(ctx, before, limit)
	e.ok(err)
	names := map[string]int{}
	for _, name := range got {
		names[name]++
	}
	wanted := map[string]int{}
	for _, name := range want {
		wanted[name]++
	}
	equal(e, fmt.Sprint("due at ", before), names, wanted)
}
