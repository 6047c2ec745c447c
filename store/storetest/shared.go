package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// now is the store's clock, or this process's where it goes by that; shared tells which.
func (e *env) now() (now bursar.Time, shared bool) {
	e.Helper()
	_, _, now, err := e.Heads(ctx, nil, nil)
	e.ok(err)
	if now == 0 {
		return bursar.TimeOf(time.Now()), false
	}
	return now, true
}

// made is a commit that was made here and now.
func made(now bursar.Time, uses ...store.Use) func(*store.Commit) {
	return func(c *store.Commit) { c.Imported, c.Now, c.Begin = false, now, uses }
}

var sharedTests = []test{
	{"the clock goes on", func(e *env) {
		first, shared := e.now()
		if !shared {
			e.Skip("the process's own clock")
		}
		if off := first - bursar.TimeOf(time.Now()); off > bursar.Time(time.Hour) || off < -bursar.Time(time.Hour) {
			e.Errorf("the store's clock is off by %v", time.Duration(off))
		}
		if second, _ := e.now(); second < first {
			e.Errorf("the clock went from %s to %s", first, second)
		}
	}},
	{"refuses an instant off the clock", func(e *env) {
		now, shared := e.now()
		if !shared {
			e.Skip("the process's own clock")
		}
		st := e.stream("acme")
		for _, off := range []bursar.Time{-store.MaxSkew - bursar.Time(time.Second), store.MaxSkew + bursar.Time(time.Minute)} {
			e.outcomes([]store.Commit{st.commit(everything, made(now+off))}, store.Skewed)
		}
		e.nothing("acme")
		st.append(made(now))
		st.head.Now = st.append(func(c *store.Commit) { c.Now = now + bursar.Time(time.Hour) }).Now // imported
		st.append(made(st.head.Now))                                                                // what is there already is never too far ahead
		st.ends()
	}},
	{"commits aside of the catalogue refuse nothing that was decided before them", func(e *env) {
		now, _ := e.now()
		cat, st := e.stream(store.CatalogueStream), e.stream("acme")
		aside := func(c *store.Commit) { c.Aside = true }
		by := func(seq uint64) func(*store.Commit) { return func(c *store.Commit) { c.Catalogue = seq } }
		gold := store.Use{Kind: "currency", ID: "gold"}
		cat.append()      // 1
		cat.append()      // 2 binds
		cat.append(aside) // 3
		cat.append(aside) // 4
		for _, seq := range []uint64{1, 5} {
			e.outcomes([]store.Commit{st.commit(made(now, gold), by(seq))}, store.OldCatalogue)
		}
		for seq := uint64(2); seq <= 4; seq++ {
			now, _ := e.now()
			st.append(made(now, gold), by(seq))
		}
		cat.append()      // 5 binds
		cat.append(aside) // 6
		for seq := uint64(2); seq <= 4; seq++ {
			e.outcomes([]store.Commit{st.commit(made(st.head.Now, gold), by(seq))}, store.OldCatalogue)
		}
		st.append(made(st.head.Now, gold), by(5))
		st.ends()
	}},
	{"refuses what begins to be used by an old catalogue", func(e *env) {
		now, shared := e.now()
		cat := e.stream(store.CatalogueStream)
		cat.append()
		cat.append()
		st := e.stream("acme")
		c := st.commit(everything, made(now, eur), func(c *store.Commit) { c.Catalogue = 1 })
		e.outcomes([]store.Commit{c}, store.OldCatalogue)
		e.nothing("acme")
		if c = st.commit(made(now), func(c *store.Commit) { c.Catalogue = 1 }); shared { // begins nothing
			e.outcomes([]store.Commit{c}, store.OldCatalogue)
		} else {
			e.outcomes([]store.Commit{c}, store.Committed)
			st.head = c.Head()
		}
		st.append(made(now, eur), func(c *store.Commit) { c.Catalogue = 2 })
		e.users(eur, "acme")
		c = st.commit(made(now, eur), func(c *store.Commit) { c.Catalogue, c.After.Seq = 1, 7 })
		e.outcomes([]store.Commit{c}, store.Stale) // before anything else
	}},
	{"a stale commit is decided again", func(e *env) {
		if _, shared := e.now(); !shared {
			e.Skip("nobody else writes")
		}
		a, b := e.stream("a"), e.stream("b")
		old, fresh := a.commit(everything), b.commit()
		first, second := a.append(), a.append()
		var tail []store.LogRow
		out, err := e.Append(ctx, []store.Commit{old, fresh}, func(i int, rows []store.LogRow) *store.Commit {
			if i != 0 {
				e.Errorf("asked about commit %d", i)
			}
			tail = rows
			c := a.commit(everything)
			return &c
		})
		e.ok(err)
		equal(e, "outcomes", out, []store.Outcome{store.Committed, store.Committed})
		equal(e, "tail", tail, []store.LogRow{{Head: first.Head(), ID: first.ID}, {Head: second.Head(), ID: second.ID}})
		again := a.commit(everything)
		a.head, b.head = again.Head(), fresh.Head()
		a.ends()
		b.ends()
		e.pending(1)
	}},
	{"a stale commit is dropped when nothing takes its place", func(e *env) {
		if _, shared := e.now(); !shared {
			e.Skip("nobody else writes")
		}
		st := e.stream("acme")
		old := st.commit(everything)
		st.append()
		out, err := e.Append(ctx, []store.Commit{old}, func(int, []store.LogRow) *store.Commit { return nil })
		e.ok(err)
		equal(e, "outcomes", out, []store.Outcome{store.Stale})
		st.ends()
	}},
	{"finds out what is there and what is not", func(e *env) {
		st := e.stream("acme")
		first := st.commit()
		rival := st.append(func(c *store.Commit) { c.Payload = []byte("rival") })
		next := st.commit()
		st.append(func(c *store.Commit) { c.Payload = []byte("after") })
		future, nobody := st.commit(), e.stream("nobody").commit()
		got, err := e.Outcomes(ctx, []store.Commit{first, rival, next, future, nobody})
		e.ok(err)
		equal(e, "outcomes", got, []store.Outcome{store.Stale, store.Committed, store.Stale, store.Stale, store.Stale})
	}},
	{"a checkpoint continues the one before", func(e *env) {
		st := e.stream("acme")
		st.save()
		st.append()
		for _, base := range []uint64{0, 2} {
			if err := e.Save(ctx, &store.Checkpoint{Stream: "acme", Head: st.head, Base: base}); !errors.Is(err, store.ErrSuperseded) {
				e.Errorf("a checkpoint on %d where 1 is saved: %v", base, err)
			}
		}
		if err := e.Save(ctx, &store.Checkpoint{Stream: "acme", Head: store.Head{Seq: 1}, Base: 1}); !errors.Is(err, store.ErrSuperseded) {
			e.Errorf("a checkpoint that is not ahead: %v", err)
		}
		saved, err := e.Saved(ctx, []string{"nobody", "acme"})
		e.ok(err)
		equal(e, "saved", saved, []uint64{0, 1})
		e.ok(e.Save(ctx, &store.Checkpoint{Stream: "acme", Head: st.head, Base: 1}))
		saved, err = e.Saved(ctx, []string{"acme"})
		e.ok(err)
		equal(e, "saved", saved, []uint64{2})
	}},
	{"a checkpoint of a log that is not there any more", func(e *env) {
		if _, shared := e.now(); !shared {
			e.Skip("what is in memory came from this log")
		}
		st := e.stream("acme")
		st.append()
		lost, other := st.commit(), st.head
		other.Hash[0]++
		for _, head := range []store.Head{lost.Head(), other} {
			if err := e.Save(ctx, &store.Checkpoint{Stream: "acme", Head: head}); !errors.Is(err, store.ErrSuperseded) {
				e.Errorf("a checkpoint at %+v: %v", head, err)
			}
		}
		st.save()
	}},
	{"a claim keeps others out until it ends", func(e *env) {
		claim := func(holder string, ttl time.Duration, names ...string) []bool {
			got, err := e.Claim(ctx, names, holder, ttl)
			e.ok(err)
			return got
		}
		equal(e, "the first", claim("a", time.Hour, "y", "x"), []bool{true, true})
		equal(e, "the same again", claim("a", time.Hour, "x"), []bool{true})
		if _, shared := e.now(); !shared {
			equal(e, "without others", claim("b", time.Hour, "x"), []bool{true})
			return
		}
		equal(e, "another", claim("b", time.Hour, "x", "z", "y"), []bool{false, true, false})
		equal(e, "given up", claim("a", 0, "x"), []bool{true})
		equal(e, "after that", claim("b", time.Millisecond, "x", "y"), []bool{true, false})
		deadline := time.Now().Add(10 * time.Second)
		for !slices.Contains(claim("c", time.Hour, "x"), true) {
			if time.Now().After(deadline) {
				e.Fatal("a claim of a millisecond does not end")
			}
		}
	}},
	{"trims what no checkpoint needs", func(e *env) {
		st := e.stream("acme")
		cat := e.stream(store.CatalogueStream)
		for range 3 {
			cat.append()
			st.append() // at 10, 20, 30
		}
		st.save()   // at 40
		st.append() // at 50
		if n, err := e.TrimLog(ctx, 100, 0); errors.Is(err, errors.ErrUnsupported) {
			return
		} else if err != nil || n != 4 {
			e.Fatalf("TrimLog = %d, %v; want the 4 rows up to the checkpoint", n, err)
		}
		equal(e, "rows left", len(st.log(0, 0)), 1)
		equal(e, "rows of the catalogue", len(cat.log(0, 0)), 3)
		st.ends()
		st.append()
		st.save()
		for _, want := range []int{1, 1, 0} { // one at a time; the newest stays
			n, err := e.TrimLog(ctx, 1000, 1)
			e.ok(err)
			equal(e, "trimmed", n, want)
		}
		equal(e, "rows left", len(st.log(0, 0)), 1)
	}},
}
