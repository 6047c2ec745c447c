package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite"
	"github.com/bursarhq/bursar/store/storetest"
)

var _ store.Store = (*sqlite.Store)(nil)

var ctx = context.Background()

// TestConformance reopens by a crash: on a copy of the files of the running store.
func TestConformance(t *testing.T) {
	dirs := map[store.Store]string{}
	storetest.Run(t,
		func(t *testing.T) store.Store {
			dir := t.TempDir()
			s := open(t, dir)
			dirs[s] = dir
			return s
		},
		func(t *testing.T, s store.Store) store.Store {
			dir := t.TempDir()
			copyDir(t, dirs[s], dir)
			again := open(t, dir)
			dirs[again] = dir
			return again
		})
}

func open(t testing.TB, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t testing.TB, s *sqlite.Store) {
	t.Helper()
	ok(t, s.Close())
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// copyDir copies the databases with what belongs to them; shared memory and locks are
// gone after a crash.
func copyDir(t testing.TB, from, to string) {
	t.Helper()
	ok(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "-shm") || d.Name() == "lock" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, d.Name()), b, 0o600)
	}))
}

// commit is the n-th commit of a stream whose hashes are marked by salt.
func commit(stream string, n int, salt byte, payload []byte) store.Commit {
	head := func(n int) (h store.Head) {
		if n > 0 {
			h = store.Head{Seq: uint64(n), Hash: [16]byte{byte(n), byte(n >> 8), byte(n >> 16)}, Now: bursar.Time(n)}
			if n > 2 { // histories with different salts part behind their second commit
				h.Hash[15] = salt
			}
		}
		return h
	}
	c := store.Commit{Stream: stream, After: head(n - 1), Now: head(n).Now, Hash: head(n).Hash, Payload: payload}
	c.ID = c.Hash
	return c
}

// grow appends the commits from to to of the stream.
func grow(t testing.TB, s *sqlite.Store, stream string, from, to int, salt byte) {
	t.Helper()
	for n := from; n <= to; n++ {
		out, err := s.Append(ctx, []store.Commit{commit(stream, n, salt, []byte("payload"))}, nil)
		if err != nil || out[0] != store.Committed {
			t.Fatalf("Append %d = %v, %v", n, out, err)
		}
	}
}

// checkpoint saves one at the n-th commit, with rows in several tables.
func checkpoint(t testing.TB, s *sqlite.Store, stream string, n int, salt byte) {
	t.Helper()
	c := commit(stream, n, salt, nil)
	saved, err := s.Saved(ctx, []string{stream})
	ok(t, err)
	ok(t, s.Save(ctx, &store.Checkpoint{
		Stream: stream, Head: c.Head(), Base: saved[0], Due: 1,
		Entities: []store.EntityRow{{Ord: 1, ID: "e"}},
		Series:   []store.SeriesRow{{Amount: bursar.AmountFromInt(1)}},
		Holds:    []store.HoldRow{{ID: "h", Status: bursar.HoldOpen}},
	}))
}

func loads(t testing.TB, s *sqlite.Store, stream string) bool {
	t.Helper()
	loaded := false
	ok(t, s.Load(ctx, stream, func(*store.Checkpoint) error {
		loaded = true
		return nil
	}))
	return loaded
}

// replays fails unless the stream has no trace of a checkpoint and is due.
func replays(t *testing.T, s *sqlite.Store, stream string) {
	t.Helper()
	if loads(t, s, stream) {
		t.Error("there is a checkpoint")
	}
	due, err := s.Due(ctx, 0, 0)
	if ok(t, err); len(due) != 1 || due[0] != stream {
		t.Errorf("due: %q", due)
	}
	series, seq, err := s.Series(ctx, stream, store.SeriesQuery{To: 9})
	if ok(t, err); seq != 0 || len(series) > 0 {
		t.Errorf("series: %v at %d", series, seq)
	}
	if h, err := s.Hold(ctx, stream, "h"); h != nil || err != nil {
		t.Errorf("hold: %v, %v", h, err)
	}
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := sqlite.Open(dir, sqlite.Options{})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in use by another bursar (process %d)", os.Getpid())) {
		t.Errorf("second Open = %v", err)
	}
	grow(t, s, "acme", 1, 1, 0)
	closeStore(t, s)
	closeStore(t, s)
	if _, _, _, err := s.Heads(ctx, nil, nil); err == nil || s.Err() == nil {
		t.Error("a closed store answers")
	}
	s = open(t, dir)
	defer closeStore(t, s)
	grow(t, s, "acme", 2, 2, 0)
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, dir)
	defer closeStore(t, s)
	files, err := os.ReadDir(dir)
	ok(t, err)
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
}

func TestNewerSchema(t *testing.T) {
	for name, version := range map[string]int{"log.db": 8, "state.db": 3} {
		dir := t.TempDir()
		closeStore(t, open(t, dir))
		ok(t, sqlite.Exec(filepath.Join(dir, name), "PRAGMA user_version=99"))
		_, err := sqlite.Open(dir, sqlite.Options{})
		if err == nil || !strings.Contains(err.Error(), name+": its schema is version 99") {
			t.Errorf("Open = %v", err)
		}
		ok(t, sqlite.Exec(filepath.Join(dir, name), fmt.Sprint("PRAGMA user_version=", version)))
		closeStore(t, open(t, dir)) // the refusal let go of the lock
	}
}

func TestDiskFull(t *testing.T) {
	s := open(t, t.TempDir())
	defer closeStore(t, s)
	grow(t, s, "acme", 1, 1, 0)
	ok(t, s.SetMaxPages(1)) // means: as long as they are
	big := commit("acme", 2, 0, noise(1<<20))
	big.Listing = &bursar.Customer{ID: "acme"}
	big.Messages = []store.Message{message("m", 1<<20)}
	for range 3 {
		if _, err := s.Append(ctx, []store.Commit{big}, nil); !errors.Is(err, store.ErrNotCommitted) || errors.Is(err, store.ErrPoisoned) {
			t.Fatalf("Append = %v", err)
		}
	}
	cp := &store.Checkpoint{Stream: "acme", Head: big.After, Meta: make([]byte, 1<<20)}
	if err := s.Save(ctx, cp); !errors.Is(err, store.ErrNotCommitted) {
		t.Errorf("Save = %v", err)
	}
	heads, _, _, err := s.Heads(ctx, []string{"acme"}, nil)
	if ok(t, err); heads[0] != big.After || s.Err() != nil {
		t.Errorf("head %v, Err %v", heads[0], s.Err())
	}
	if loads(t, s, "acme") {
		t.Error("loaded what was not saved")
	}
	ok(t, s.SetMaxPages(1<<30))
	out, err := s.Append(ctx, []store.Commit{big}, nil)
	if err != nil || out[0] != store.Committed {
		t.Errorf("with space again: Append = %v, %v", out, err)
	}
	ok(t, s.Save(ctx, cp))
}

func TestStateDeleted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	grow(t, s, "acme", 1, 3, 0)
	checkpoint(t, s, "acme", 3, 0)
	closeStore(t, s)
	files, err := filepath.Glob(filepath.Join(dir, "state.db*"))
	ok(t, err)
	for _, f := range files {
		ok(t, os.Remove(f))
	}
	s = open(t, dir)
	defer closeStore(t, s)
	replays(t, s, "acme")
	checkpoint(t, s, "acme", 3, 0)
	if !loads(t, s, "acme") {
		t.Error("not saved again")
	}
}

func TestLogOlderThanState(t *testing.T) {
	dir, old, other := t.TempDir(), t.TempDir(), t.TempDir()
	s := open(t, dir)
	grow(t, s, "acme", 1, 2, 'a')
	closeStore(t, s)
	copyDir(t, dir, old)
	copyDir(t, dir, other)
	s = open(t, dir)
	grow(t, s, "acme", 3, 5, 'a')
	checkpoint(t, s, "acme", 4, 'a')
	closeStore(t, s)

	t.Run("the log ends before the checkpoint", func(t *testing.T) {
		replaceState(t, dir, old)
		s := open(t, old)
		defer closeStore(t, s)
		replays(t, s, "acme")
	})
	t.Run("the log went on differently", func(t *testing.T) {
		s := open(t, other)
		grow(t, s, "acme", 3, 9, 'b')
		closeStore(t, s)
		replaceState(t, dir, other)
		s = open(t, other)
		defer closeStore(t, s)
		replays(t, s, "acme")
		checkpoint(t, s, "acme", 3, 'b') // behind the dropped one
	})
	t.Run("the log went on and the checkpoint is on it", func(t *testing.T) {
		s := open(t, dir)
		defer closeStore(t, s)
		grow(t, s, "acme", 6, 7, 'a')
		if !loads(t, s, "acme") {
			t.Error("the checkpoint is gone")
		}
	})
}

// replaceState puts the state.db of one directory into another.
func replaceState(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"state.db", "state.db-wal"} {
		b, err := os.ReadFile(filepath.Join(from, name))
		ok(t, err)
		ok(t, os.WriteFile(filepath.Join(to, name), b, 0o600))
	}
}

func TestWriteAheadLogStaysShort(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer closeStore(t, s)
	payload := noise(1 << 20)
	for n := 1; n <= 200; n++ {
		if _, err := s.Append(ctx, []store.Commit{commit("acme", n, 0, payload)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "log.db-wal"))
	if ok(t, err); info.Size() > 64<<20 {
		t.Errorf("%d MB behind 200 MB of commits", info.Size()>>20)
	}
}

// coded is an error of SQLite with a result code.
type coded int

func (c coded) Error() string { return "sqlite" }
func (c coded) Code() int     { return int(c) }

func TestDamageIsRecognised(t *testing.T) {
	for code, want := range map[int]bool{
		11: true, 11 | 1<<8: true, 26: true, // CORRUPT, CORRUPT_VTAB, NOTADB
		10 | 4<<8: true, 10 | 5<<8: true, 10 | 33<<8: true, // IOERR_FSYNC, IOERR_DIR_FSYNC, IOERR_CORRUPTFS
		13: false, 5: false, 5 | 1<<8: false, 10 | 1<<8: false, 10 | 19<<8: false, // FULL, BUSY, IOERR_READ, IOERR_SHMSIZE
	} {
		if got := sqlite.Damaged(fmt.Errorf("wrapped: %w", coded(code))); got != want {
			t.Errorf("code %d: %v", code, got)
		}
	}
}

// A checkpoint that goes on from a base is made of it again, with state.db deleted or
// ahead of a log that was restored.
func TestBaseWithoutState(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	at := store.Head{Seq: 4, Hash: [16]byte{4}, Now: 4}
	zero := bursar.Amount{}
	base := &store.Checkpoint{Stream: "acme", Head: at, Meta: []byte("meta"), Assignments: []store.AssignmentRow{{Ord: 1, ID: "a", Limit: &zero}},
		Holds: []store.HoldRow{{ID: "h", Status: bursar.HoldReleased}}}
	ok(t, s.Begin(ctx, "acme", func(yield func(*store.BasePart, error) bool) { yield(&store.BasePart{Checkpoint: base}, nil) }))
	c := store.Commit{Stream: "acme", After: at, Now: 5, Hash: [16]byte{5}, Imported: true}
	restored := t.TempDir()
	copyDir(t, dir, restored)
	out, err := s.Append(ctx, []store.Commit{c}, nil)
	if err != nil || out[0] != store.Committed {
		t.Fatal(out, err)
	}
	ok(t, s.Save(ctx, &store.Checkpoint{Stream: "acme", Head: c.Head(), Base: 4, Meta: []byte("later"), Assignments: []store.AssignmentRow{{Ord: 1, Deleted: true}}}))
	closeStore(t, s)
	copyState := func(from, to string) {
		b, err := os.ReadFile(filepath.Join(from, "state.db"))
		ok(t, err)
		ok(t, os.WriteFile(filepath.Join(to, "state.db"), b, 0o600))
	}
	for _, name := range []string{"state.db", "state.db-wal"} {
		_ = os.Remove(filepath.Join(restored, name))
	}
	for _, ahead := range []bool{false, true} {
		if ahead {
			copyState(dir, restored)
		}
		s := open(t, restored)
		var got *store.Checkpoint
		for range 2 {
			got = nil
			ok(t, s.Load(ctx, "acme", func(cp *store.Checkpoint) error {
				if got == nil {
					got = &store.Checkpoint{Head: cp.Head, Meta: cp.Meta}
				}
				got.Assignments = append(got.Assignments, cp.Assignments...)
				return nil
			}))
		}
		if got == nil || got.Head != at || string(got.Meta) != "meta" || len(got.Assignments) != 1 || got.Assignments[0].Limit == nil {
			t.Errorf("ahead %v: %+v", ahead, got)
		}
		if h, err := s.Hold(ctx, "acme", "h"); err != nil || h == nil {
			t.Errorf("ahead %v: the hold is %v, %v", ahead, h, err)
		}
		closeStore(t, s)
	}
}
