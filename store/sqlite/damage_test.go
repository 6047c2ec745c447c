package sqlite_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite"
	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// crashed is a directory as a killed process leaves it: commits of two streams and their
// listings are in log.db-wal, a part of them in log.db too. The last ones are not: somebody
// reads what was before them.
func crashed(t *testing.T, commits int) string {
	t.Helper()
	running, dir := t.TempDir(), t.TempDir()
	s := open(t, running)
	defer closeStore(t, s)
	for n := 1; n <= commits/2; n++ {
		fill(t, s, n)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(running, "log.db")+"?vfs="+vfs.Name)
	ok(t, err)
	defer func() { ok(t, db.Close()) }()
	reading, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	ok(t, err)
	defer func() { ok(t, reading.Rollback()) }()
	count := 0
	ok(t, reading.QueryRow("SELECT count(*) FROM log").Scan(&count))
	for n := commits/2 + 1; n <= commits; n++ {
		fill(t, s, n)
	}
	copyDir(t, running, dir)
	return dir
}

// fill appends the n-th commits of two streams, with everything that a commit may have.
func fill(t *testing.T, s *sqlite.Store, n int) {
	t.Helper()
	a, b := commit("acme", n, 0, []byte(fmt.Sprint("payload ", n))), commit("bolt", n, 0, noise(3000))
	a.Listing = listed(n)
	a.Activity = []store.Activity{{ID: fmt.Sprintf("a%05d", n), Timestamp: a.Now, ActorType: "API_KEY", ActorID: "k", Action: "limit.changed", TargetID: fmt.Sprint(n)}}
	a.Messages = []store.Message{message(fmt.Sprint("m", n), 200)}
	out, err := s.Append(ctx, []store.Commit{a, b}, nil)
	if err != nil || out[0] != store.Committed || out[1] != store.Committed {
		t.Fatalf("Append %d = %v, %v", n, out, err)
	}
}

func refusesLog(t *testing.T, dir string, says ...string) {
	t.Helper()
	s, err := sqlite.Open(dir, sqlite.Options{})
	if err == nil {
		closeStore(t, s)
	}
	if !errors.Is(err, sqlite.ErrLog) {
		t.Fatalf("Open = %v", err)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("Open = %v; it does not say %q", err, text)
		}
	}
}

// A write-ahead log that lost commits which were acknowledged is noticed: SQLite itself
// takes what is damaged for its end.
func TestLostWriteAheadLogIsRefused(t *testing.T) {
	sqlite.SetWALLength(t, 1<<20)
	image := crashed(t, 40)
	wal := func(dir string) string { return filepath.Join(dir, "log.db-wal") }
	whole, err := os.ReadFile(wal(image))
	ok(t, err)
	end, err := vfs.ReadEnd(filepath.Join(image, "log.db"))
	ok(t, err)
	middle := end.Frames / 2 // the file is longer, once it was begun anew
	for name, change := range map[string]func(b []byte) []byte{
		"a bit in the middle": func(b []byte) []byte { b[32+4120*middle+500] ^= 1; return b },
		"a bit of the last frame": func(b []byte) []byte {
			b[32+4120*(end.Frames-1)+4119] ^= 0x80
			return b
		},
		"a bit of its header":    func(b []byte) []byte { b[17] ^= 4; return b },
		"zeros at its beginning": func(b []byte) []byte { clear(b[:64]); return b },
		"cut off":                func(b []byte) []byte { return b[:32+4120*middle] },
		"empty":                  func(b []byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copyDir(t, image, dir)
			ok(t, os.WriteFile(wal(dir), change(append([]byte{}, whole...)), 0o600))
			refusesLog(t, dir, "log.db", "log.end")
			// Who accepts the loss says so, and gets what is left, unless log.db has a part of
			// what was lost: its pages may not fit together then.
			ok(t, os.Remove(filepath.Join(dir, "log.end")))
			if s, err := sqlite.Open(dir, sqlite.Options{}); err == nil {
				closeStore(t, s)
			} else if !errors.Is(err, sqlite.ErrLog) {
				t.Error(err)
			}
		})
	}
	t.Run("removed", func(t *testing.T) {
		dir := t.TempDir()
		copyDir(t, image, dir)
		ok(t, os.Remove(wal(dir)))
		refusesLog(t, dir, "log.db")
	})
	t.Run("whole", func(t *testing.T) {
		dir := t.TempDir()
		copyDir(t, image, dir)
		s := open(t, dir)
		fill(t, s, 41)
		closeStore(t, s)
		ok(t, os.Remove(wal(dir))) // after a clean end log.db has everything
		s = open(t, dir)
		fill(t, s, 42)
		closeStore(t, s)
	})
}

// A directory that has a store's files but not its log is not taken for a new store.
func TestMissingLogIsRefused(t *testing.T) {
	for _, remains := range []string{"state.db", "log.end", "log.db-wal"} {
		dir := t.TempDir()
		s := open(t, dir)
		fill(t, s, 1)
		closeStore(t, s)
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		ok(t, err)
		for _, f := range files {
			if filepath.Base(f) != remains {
				ok(t, os.Remove(f))
			}
		}
		refusesLog(t, dir, "no log.db", remains)
		if _, err := os.Stat(filepath.Join(dir, "log.db")); err == nil {
			t.Error("it made one")
		}
	}
}

// Nothing is acknowledged that goes into a file which nobody will find again.
func TestLogRemovedWhileInUse(t *testing.T) {
	for name, remove := range map[string]func(path string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			b, err := os.ReadFile(path)
			if err == nil {
				err = errors.Join(os.WriteFile(path+"2", b, 0o600), os.Rename(path+"2", path))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			defer closeStore(t, s)
			fill(t, s, 1)
			ok(t, remove(filepath.Join(dir, "log.db")))
			_, err := s.Append(ctx, []store.Commit{commit("acme", 2, 0, nil)}, nil)
			if !errors.Is(err, store.ErrPoisoned) || !strings.Contains(err.Error(), "removed or replaced") || s.Err() == nil {
				t.Errorf("Append = %v, Err = %v", err, s.Err())
			}
		})
	}
}

// Each page of state.db may break: the store opens, or what meets the page says so and the
// next start opens; in the end nothing is missing.
func TestBrokenStateIsMadeAnew(t *testing.T) {
	sqlite.SetWALLength(t, 1<<20)
	image := t.TempDir()
	s := open(t, image)
	for n := 1; n <= 3; n++ {
		fill(t, s, n)
	}
	checkpoint(t, s, "acme", 3, 0)
	checkpoint(t, s, "bolt", 2, 0)
	closeStore(t, s)
	whole, err := os.ReadFile(filepath.Join(image, "state.db"))
	ok(t, err)
	pages, anew := len(whole)/4096, 0
	for page := range pages {
		dir := t.TempDir()
		copyDir(t, image, dir)
		b := append([]byte{}, whole...)
		for i := range 4096 {
			b[page*4096+i] = 0xa5
		}
		ok(t, os.WriteFile(filepath.Join(dir, "state.db"), b, 0o600))
		s := open(t, dir)
		if err := readState(s); err != nil {
			if !errors.Is(err, store.ErrPoisoned) || !strings.Contains(err.Error(), "state.db is damaged") {
				t.Fatalf("page %d: %v", page+1, err)
			}
			again := t.TempDir()
			copyDir(t, dir, again)
			dir = again
			s = open(t, dir)
		}
		ok(t, readState(s))
		fill(t, s, 4)
		closeStore(t, s)
		if _, err := os.Stat(filepath.Join(dir, "state.db.damaged")); err == nil {
			anew++
		}
	}
	if anew < pages/2 {
		t.Errorf("%d of %d broken pages had state.db made anew", anew, pages)
	}
}

func readState(s *sqlite.Store) error {
	err := s.Load(ctx, "acme", func(*store.Checkpoint) error { return nil })
	_, err2 := s.Hold(ctx, "acme", "h")
	_, _, err3 := s.Series(ctx, "acme", store.SeriesQuery{To: 9})
	_, err4 := s.Due(ctx, 9, 9)
	return errors.Join(err, err2, err3, err4)
}

// A damaged page of log.db is not served, and what does not need it goes on.
func TestDamagedLogPage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	grow(t, s, "other", 1, 1, 0)
	grow(t, s, "acme", 1, 500, 0)
	closeStore(t, s)
	path := filepath.Join(dir, "log.db")
	b, err := os.ReadFile(path)
	ok(t, err)
	at := -1 // in a page of rows; the first one of them was split, and is above them
	for page, seen := 0, 0; at < 0; page += 4096 {
		if text := b[page : page+4096]; bytes.Count(text, []byte("payload")) > 10 {
			if seen++; seen == 3 {
				at = page + bytes.Index(text, []byte("payload"))
			}
		}
	}
	b[at] ^= 1
	ok(t, os.WriteFile(path, b, 0o600))
	s = open(t, dir)
	defer closeStore(t, s)
	err = s.ReadLog(ctx, "acme", 0, 0, func(store.LogRow) error { return nil })
	var d vfs.Damage
	if !errors.As(err, &d) || d.Number != int64(at/4096)+1 || !strings.Contains(err.Error(), fmt.Sprintf("page %d of log.db", d.Number)) {
		t.Errorf("ReadLog = %v, the damage is in page %d", err, at/4096+1)
	}
	if s.Err() != nil {
		t.Errorf("Err = %v", s.Err())
	}
	grow(t, s, "other", 2, 2, 0)
}

// A store of the version before has no checksums; it has them when it was opened once.
func TestOldStoreIsSealed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for n := 1; n <= 50; n++ {
		fill(t, s, n)
	}
	before := dump(t, s)
	closeStore(t, s)
	ok(t, sqlite.MakeOld(dir))
	if c, err := vfs.Inspect(filepath.Join(dir, "log.db")); c != vfs.Unmade || err != nil {
		t.Fatal(c, err)
	}
	s = open(t, dir)
	if after := dump(t, s); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	fill(t, s, 51)
	closeStore(t, s)
	if c, err := vfs.Inspect(filepath.Join(dir, "log.db")); c != vfs.Sealed || err != nil {
		t.Error(c, err)
	}
	ok(t, vfs.Check(filepath.Join(dir, "log.db"), func(d vfs.Damage) { t.Error(d) }))
}

// size is a file's length, 0 where there is none.
func size(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}
