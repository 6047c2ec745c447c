package sqlite_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite"
)

var flips = flag.Int("flips", 100, "how many bits TestFlippedBitIsNotServed flips, one at a time")

func listed(n int) *bursar.Customer {
	name := fmt.Sprint("Acme ", n)
	return &bursar.Customer{ID: "acme", Name: &name, CreatedAt: 1, UpdatedAt: bursar.Time(n)}
}

// answers are what a store says: one text for each question, or the error. Those of
// checkpoints say "" where there is none.
type answers struct{ log, state []string }

func ask(s *sqlite.Store) (a answers) {
	say := func(list *[]string, err error, what ...any) {
		text := fmt.Sprintf("%+v", what)
		if err != nil {
			text = "error"
		}
		*list = append(*list, text)
	}
	for _, name := range []string{"acme", "bolt"} {
		heads, _, _, err := s.Heads(ctx, []string{name}, nil)
		say(&a.log, err, heads)
		var rows []store.LogRow
		err = s.ReadLog(ctx, name, 0, 0, func(r store.LogRow) error {
			rows = append(rows, r)
			return nil
		})
		say(&a.log, err, rows)
		act, err := s.Activity(ctx, name, store.ActivityQuery{Limit: 1000})
		say(&a.log, err, act)
		act, err = s.Activity(ctx, name, store.ActivityQuery{From: 3, To: 20, Limit: 1000})
		say(&a.log, err, act)
		askState(s, name, func(err error, what ...any) { say(&a.state, err, what...) })
	}
	customers, err := s.Customers(ctx, store.CustomerQuery{Limit: 9})
	var names []string
	for _, c := range customers {
		names = append(names, fmt.Sprint(c.ID, *c.Name, c.UpdatedAt))
	}
	say(&a.log, err, names)
	due, err := s.DueDeliveries(ctx, 9e9, func(string) int { return 1000 })
	say(&a.log, err, due)
	users, err := s.Users(ctx, store.Use{Kind: "currency", ID: "usd"}, 9)
	say(&a.log, err, users)
	return a
}

func askState(s *sqlite.Store, name string, say func(err error, what ...any)) {
	parts := []string{}
	err := s.Load(ctx, name, func(cp *store.Checkpoint) error {
		b, err := store.EncodeRows(cp)
		parts = append(parts, string(b))
		return err
	})
	say(err, parts)
	h, err := s.Hold(ctx, name, "h3")
	if h == nil {
		h = &store.HoldRow{}
	}
	say(err, *h)
	holds, err := s.Holds(ctx, name, store.HoldQuery{Status: bursar.HoldOpen, Limit: 99})
	say(err, holds)
	series, seq, err := s.Series(ctx, name, store.SeriesQuery{To: 1000})
	say(err, series, seq)
	keys, err := s.FindKeys(ctx, name, 7, [][16]byte{{1}, {2}})
	say(err, keys)
	saved, err := s.Saved(ctx, []string{name})
	say(err, saved)
}

// dump is all that a store says of what its log follows from.
func dump(t *testing.T, s *sqlite.Store) string { return strings.Join(ask(s).log, "\n") }

// richCheckpoint saves one with rows in every table.
func richCheckpoint(t *testing.T, s *sqlite.Store, name string, n int) {
	t.Helper()
	saved, err := s.Saved(ctx, []string{name})
	ok(t, err)
	c := commit(name, n, 0, nil)
	limit := bursar.AmountFromInt(int64(n))
	cap := bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}
	cp := &store.Checkpoint{Stream: name, Head: c.Head(), Base: saved[0], Due: bursar.Time(n), Meta: []byte(`{"customer":null}`)}
	for i := range uint32(60) {
		cp.Entities = append(cp.Entities, store.EntityRow{Ord: i + 1, ID: fmt.Sprint("entity-", i, "-", n), TypeID: "agent", CreatedAt: 1})
		cp.Assignments = append(cp.Assignments, store.AssignmentRow{Ord: i + 1, ID: fmt.Sprint("a", i), EntityOrd: i + 1, Capability: cap, Limit: &limit, Cadence: "MONTH"})
		cp.Counters = append(cp.Counters, store.CounterRow{Ord: i + 1, WindowEnd: 99, Used: limit})
		cp.Series = append(cp.Series, store.SeriesRow{SeriesKey: store.SeriesKey{Bucket: i * 5, Capability: cap}, Amount: limit})
		cp.Holds = append(cp.Holds, store.HoldRow{ID: fmt.Sprint("h", i), Capability: cap, Status: bursar.HoldOpen, Amount: limit, Entities: []uint32{i + 1}, Detail: []byte("detail")})
		cp.Parts = append(cp.Parts, store.PartRow{Sort: "grant", Key: fmt.Sprint(i), Body: []byte(`{"n":1}`)})
	}
	cp.Totals = []store.TotalRow{{Capability: cap, Value: limit}}
	cp.Segments = []store.KeySegment{{Gen: 9, Part: uint64(n), Data: make([]byte, 64)}}
	block := make([]byte, 64)
	block[0], block[32] = 1, 2
	cp.Generations = []store.KeyGeneration{{Gen: 7, End: 8, Count: 2, Filter: []byte("filter"), Blocks: []store.KeyBlock{{First: [16]byte{1}, Data: block}}}}
	ok(t, s.Save(ctx, cp))
}

// flipImage is a store as a kill leaves it: a part is in the databases, a part in their
// write-ahead logs.
func flipImage(t *testing.T) string {
	t.Helper()
	running, dir := t.TempDir(), t.TempDir()
	s := open(t, running)
	for n := 1; n <= 30; n++ {
		fill(t, s, n)
	}
	richCheckpoint(t, s, "acme", 10)
	richCheckpoint(t, s, "bolt", 10)
	closeStore(t, s)
	s = open(t, running)
	defer closeStore(t, s)
	for n := 31; n <= 40; n++ {
		fill(t, s, n)
	}
	richCheckpoint(t, s, "acme", 35)
	copyDir(t, running, dir)
	return dir
}

// One bit is flipped in one of the store's files, again and again: no answer is another one
// than before. What the log says is right or refused; a checkpoint may also be an older one
// or none, since the log has the rest.
func TestFlippedBitIsNotServed(t *testing.T) {
	sqlite.SetWALLength(t, 1<<18)
	image := flipImage(t)
	s := open(t, copied(t, image))
	want := ask(s)
	closeStore(t, s)
	older := map[string]bool{}
	none, first := t.TempDir(), t.TempDir()
	copyDir(t, image, none)
	copyDir(t, image, first)
	for _, f := range []string{"state.db", "state.db-wal", "state.end"} {
		ok(t, os.RemoveAll(filepath.Join(none, f)))
	}
	ok(t, os.Truncate(filepath.Join(first, "state.db-wal"), 0))
	for _, dir := range []string{none, first} {
		s := open(t, dir)
		for i, text := range ask(s).state {
			older[fmt.Sprint(i, text)] = true
		}
		closeStore(t, s)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	names := []string{"log.db", "log.db-wal", "state.db", "state.db-wal", "log.end", "state.end"}
	count := map[string]int{}
	for n := range *flips {
		name := names[n%len(names)]
		if r.IntN(4) > 0 && n%len(names) > 3 { // the small ones are soon through
			name = names[n%2*2]
		}
		dir := copied(t, image)
		where := flip(t, filepath.Join(dir, name), r)
		got, how := answer(t, dir)
		count[name+" "+how]++
		for i, text := range got.log {
			if text != "error" && text != want.log[i] {
				t.Fatalf("%s: a wrong answer\n got %.2000s\nwant %.2000s", where, text, want.log[i])
			}
		}
		for i, text := range got.state {
			if text != "error" && text != want.state[i] && !older[fmt.Sprint(i, text)] {
				t.Fatalf("%s: a wrong answer\n got %.2000s\nwant %.2000s", where, text, want.state[i])
			}
		}
		ok(t, os.RemoveAll(dir))
	}
	t.Log(count)
}

// copied copies a store into memory where the system has a file system there: no test
// needs these copies to survive.
func copied(t *testing.T, image string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "bursar-test-")
	if err != nil {
		dir, err = os.MkdirTemp(t.TempDir(), "")
	}
	ok(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	copyDir(t, image, dir)
	return dir
}

// flip changes one bit of what a file has in use, and says which.
func flip(t *testing.T, path string, r *rand.Rand) string {
	t.Helper()
	b, err := os.ReadFile(path)
	ok(t, err)
	used := len(b)
	for used > 1 && b[used-1] == 0 {
		used--
	}
	at, bit := r.IntN(used), r.IntN(8)
	b[at] ^= 1 << bit
	ok(t, os.WriteFile(path, b, 0o600))
	return fmt.Sprintf("%s, byte %d, bit %d", filepath.Base(path), at, bit)
}

// answer asks the store in dir, and once more after the start that a poisoned one needs.
func answer(t *testing.T, dir string) (got answers, how string) {
	t.Helper()
	how = "the same"
	for range 2 {
		s, err := sqlite.Open(dir, sqlite.Options{})
		if errors.Is(err, sqlite.ErrLog) {
			return answers{}, "refused"
		}
		ok(t, err)
		got = ask(s)
		if s.Err() == nil {
			if strings.Contains(strings.Join(append(got.log, got.state...), "\n"), "error") {
				how = "in part"
			}
			closeStore(t, s)
			return got, how
		}
		how = "made anew"
		dir = copied(t, dir)
	}
	t.Fatalf("%s: the store is poisoned after a start, too: %v", dir, got)
	return got, ""
}
