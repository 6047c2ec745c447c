package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

var gpu = store.Use{Kind: "currency", ID: "gpu"}

// follower appends to streams that others append to, too.
type follower struct {
	t     *testing.T
	s     *postgres.Store
	id    int
	rnd   *rand.Rand
	heads map[string]store.Head
	cat   uint64 // the catalogue's seq, as far as it knows
	wrote int
}

// next is a commit that goes on from head.
func (f *follower) next(stream string, head store.Head) store.Commit {
	f.wrote++
	c := store.Commit{Stream: stream, After: head, Now: head.Now, Payload: fmt.Append(nil, f.id, ".", f.wrote)}
	copy(c.ID[:], c.Payload)
	copy(c.Hash[:], fmt.Append(nil, head.Seq+1, "/", f.id, ".", f.wrote))
	return c
}

// round appends to some streams at once, with or without deciding again, and counts what
// was committed.
func (f *follower) round(names []string, decideAgain bool) (committed int) {
	f.rnd.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var commits []store.Commit
	for _, name := range names[:1+f.rnd.IntN(len(names))] {
		c := f.next(name, f.heads[name])
		switch f.rnd.IntN(4) {
		case 0:
			c.Begin, c.Catalogue = []store.Use{gpu}, f.cat
		case 1:
			c.End = []store.Use{gpu}
		}
		commits = append(commits, c)
	}
	if f.rnd.IntN(8) == 0 {
		c := f.next(store.CatalogueStream, f.heads[store.CatalogueStream])
		c.Unused = []store.Use{gpu}
		commits = []store.Commit{c}
	}
	var again store.Again
	if decideAgain {
		again = func(i int, tail []store.LogRow) *store.Commit {
			if len(tail) == 0 {
				f.t.Errorf("%q is stale at %d without a tail", commits[i].Stream, commits[i].After.Seq)
				return nil
			}
			c := f.next(commits[i].Stream, tail[len(tail)-1].Head)
			c.Begin, c.Unused, c.Catalogue = commits[i].Begin, commits[i].Unused, f.cat
			if f.rnd.IntN(4) == 0 && c.Stream != store.CatalogueStream {
				c.Begin, c.Catalogue = []store.Use{gpu}, f.cat // which the first one did not
			}
			commits[i] = c
			return &c
		}
	}
	out, err := f.s.Append(ctx, commits, again)
	if err != nil {
		f.t.Errorf("Append of %d: %v", len(commits), err)
		return 0
	}
	for i, o := range out {
		if o == store.Committed {
			f.heads[commits[i].Stream] = commits[i].Head()
			committed++
		}
	}
	f.look(names)
	return committed
}

func (f *follower) look(names []string) {
	names = append([]string{store.CatalogueStream}, names...)
	heads, _, _, err := f.s.Heads(ctx, names, nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	f.cat = heads[0].Seq
	if f.rnd.IntN(2) == 0 { // otherwise it stays behind, to be stale
		for i, name := range names {
			f.heads[name] = heads[i]
		}
	}
}

// Many append to the same streams, in any order and combination, in two processes: no two
// wait for each other (an error of Append), and the logs have what was committed.
func TestNoDeadlock(t *testing.T) {
	const writers, rounds = 8, 60
	url := pgtest.Database(t)
	stores := []*postgres.Store{open(t, url), open(t, url)}
	var names []string
	for i := range 7 {
		names = append(names, fmt.Sprint("s", i*i%7, i))
	}
	var committed atomic.Int64
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			f := &follower{t: t, s: stores[w%2], id: w, rnd: rand.New(rand.NewPCG(uint64(w), 7)), heads: map[string]store.Head{}}
			mine := append([]string{}, names...)
			for i := range rounds {
				committed.Add(int64(f.round(mine, i%2 == 0)))
			}
		})
	}
	wg.Wait()
	rows := 0
	for _, name := range append(names, store.CatalogueStream) {
		at := store.Head{}
		ok(t, stores[0].ReadLog(ctx, name, 0, 0, func(r store.LogRow) error {
			rows++
			if at.Seq++; r.Head.Seq != at.Seq {
				t.Fatalf("row %d of %q has seq %d", at.Seq, name, r.Head.Seq)
			}
			return nil
		}))
	}
	if int64(rows) != committed.Load() || rows == 0 {
		t.Errorf("%d rows of %d commits", rows, committed.Load())
	}
	for _, s := range stores {
		ok(t, s.Close())
	}
}

// Stale commits are decided again behind the lock: each is written, and exactly once.
func TestAgainUnderContention(t *testing.T) {
	const writers, each = 8, 40
	url := pgtest.Database(t)
	stores := []*postgres.Store{open(t, url), open(t, url)}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			f := &follower{t: t, id: w}
			for range each {
				c := f.next("acme", store.Head{})
				again := func(_ int, tail []store.LogRow) *store.Commit {
					again := c
					again.After = tail[len(tail)-1].Head
					again.Now = again.After.Now + 1
					again.Imported = true
					copy(again.Hash[:], fmt.Append(nil, again.After.Seq+1, again.Hash))
					return &again
				}
				out, err := stores[w%2].Append(ctx, []store.Commit{c}, again)
				for errors.Is(err, store.ErrNotCommitted) { // the database had no session to give in time
					out, err = stores[w%2].Append(ctx, []store.Commit{c}, again)
				}
				if err != nil || out[0] != store.Committed {
					t.Errorf("Append = %v, %v", out, err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]int{}
	last := bursar.Time(-1)
	ok(t, stores[1].ReadLog(ctx, "acme", 0, 0, func(r store.LogRow) error {
		if seen[string(r.Payload)]++; r.Head.Now <= last {
			t.Errorf("row %d goes back in time", r.Head.Seq)
		}
		last = r.Head.Now
		return nil
	}))
	for w := range writers {
		for i := 1; i <= each; i++ {
			if n := seen[fmt.Sprint(w, ".", i)]; n != 1 {
				t.Errorf("commit %d of writer %d is there %d times", i, w, n)
			}
		}
	}
	for _, s := range stores {
		ok(t, s.Close())
	}
}

// Of a log that was trimmed nobody is given a part to decide on.
func TestTrimmedTailIsNotWhole(t *testing.T) {
	s := open(t, pgtest.Database(t))
	defer func() { ok(t, s.Close()) }()
	for n := 1; n <= 4; n++ {
		appends(t, s, commit("acme", n, nil))
	}
	third := commit("acme", 3, nil)
	ok(t, s.Save(ctx, &store.Checkpoint{Stream: "acme", Head: third.Head()}))
	if n, err := s.TrimLog(ctx, 100, 0); n != 3 || err != nil {
		t.Fatalf("TrimLog = %d, %v", n, err)
	}
	c := commit("acme", 2, nil)
	out, err := s.Append(ctx, []store.Commit{c}, func(_ int, tail []store.LogRow) *store.Commit {
		t.Errorf("asked with %d rows of 3", len(tail))
		return nil
	})
	if err != nil || out[0] != store.Stale {
		t.Errorf("Append = %v, %v", out, err)
	}
	if out, err := s.Outcomes(ctx, []store.Commit{c}); err == nil {
		t.Errorf("Outcomes = %v of what is trimmed", out)
	}
}

// Logs of many streams are trimmed in pieces, wherever the last call ended.
func TestTrimLogGoesRound(t *testing.T) {
	s := open(t, pgtest.Database(t))
	defer func() { ok(t, s.Close()) }()
	const streams, each = 1100, 3
	for n := 1; n <= each; n++ {
		var commits []store.Commit
		for i := range streams {
			commits = append(commits, commit(fmt.Sprint("s", i), n, nil))
		}
		appends(t, s, commits...)
	}
	for i := range streams {
		if i%2 == 0 {
			last := commit(fmt.Sprint("s", i), each, nil)
			ok(t, s.Save(ctx, &store.Checkpoint{Stream: last.Stream, Head: last.Head()}))
		}
	}
	total := 0
	for {
		n, err := s.TrimLog(ctx, 2, 7) // the first of each that is saved
		ok(t, err)
		if total += n; n < 7 {
			break
		}
	}
	if total != streams/2 {
		t.Errorf("%d rows trimmed of %d", total, streams/2)
	}
	if n, err := s.TrimLog(ctx, 100, 0); n != streams/2*(each-2) || err != nil {
		t.Errorf("TrimLog = %d, %v", n, err)
	}
}

// What PostgreSQL cannot store as it is comes back as it was, in order, and is nobody else.
func TestAnyText(t *testing.T) {
	s := open(t, pgtest.Database(t))
	defer func() { ok(t, s.Close()) }()
	names := []string{"a", "a\x00", "a\x00\x01", "a\x01", "a\x010", "a\x02", "aé", "a\ufffd", "\\x00", "a\xff", "a\xfe\x00\xff"}
	first := commit(names[1], 1, nil)
	holds := &store.Checkpoint{Stream: names[1], Head: first.Head()}
	for _, name := range names {
		c := commit(name, 1, nil)
		c.Listing = &bursar.Customer{ID: name, Name: &name, CreatedAt: 1, Metadata: map[string]string{name: name}}
		c.Begin = []store.Use{gpu}
		appends(t, s, c)
		if utf8.ValidString(name) {
			holds.Holds = append(holds.Holds, store.HoldRow{ID: name, Status: bursar.HoldOpen})
		}
	}
	ok(t, s.Save(ctx, holds))
	got, err := s.Holds(ctx, names[1], store.HoldQuery{Status: bursar.HoldOpen, After: "a", Limit: 5})
	ok(t, err)
	for i, h := range got {
		if h.ID != names[i+1] {
			t.Errorf("hold %d is %q, want %q", i, h.ID, names[i+1])
		}
	}
	listed, err := s.Customers(ctx, store.CustomerQuery{})
	if ok(t, err); len(listed) != len(names) || len(got) != 5 {
		t.Errorf("%d customers, %d holds", len(listed), len(got))
	}
	for _, c := range listed {
		if *c.Name != c.ID || utf8.ValidString(c.ID) && c.Metadata[c.ID] != c.ID {
			t.Errorf("%q came back as %+v", c.ID, c)
		}
	}
}
