package sqlite_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

const sqliteFull = 13

// fullDisk makes the disk of dir full while the value it returns is true: what makes a
// file longer than it is fails, or, if all is set, whatever is written.
func fullDisk(t *testing.T, dir string, all bool) *atomic.Bool {
	full := new(atomic.Bool)
	vfs.Observe(func(e vfs.Event) int32 {
		grows := e.Op == vfs.Write && e.At+int64(len(e.Data)) > size(e.Path)
		if full.Load() && filepath.Dir(e.Path) == dir && (grows || all && e.Op == vfs.Write) {
			return sqliteFull
		}
		return 0
	})
	t.Cleanup(func() { vfs.Observe(nil) })
	return full
}

// On a full disk writes are refused with nothing written and reads go on; where there is
// room again, so do writes. A store opens on a full disk.
func TestFullDisk(t *testing.T) {
	for name, all := range map[string]bool{"files cannot grow": false, "nothing can be written": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			full := fullDisk(t, dir, all)
			s := open(t, dir)
			fill(t, s, 1)
			checkpoint(t, s, "acme", 1, 0)
			fill(t, s, 2)
			full.Store(true)
			n, refused := 3, 0
			for ; refused < 3; n++ { // the write-ahead log has room at first
				c := commit("acme", n, 0, noise(1<<20))
				out, err := s.Append(ctx, []store.Commit{c}, nil)
				if err == nil && out[0] == store.Committed && n < 40 {
					continue
				}
				if !errors.Is(err, store.ErrNotCommitted) || errors.Is(err, store.ErrPoisoned) {
					t.Fatalf("Append %d = %v, %v", n, out, err)
				}
				refused++
				n--
			}
			n--
			cp := &store.Checkpoint{Stream: "acme", Head: ptr(commit("acme", n, 0, nil)).Head(), Base: 1, Meta: make([]byte, 1<<20)}
			if err := s.Save(ctx, cp); !errors.Is(err, store.ErrNotCommitted) {
				t.Errorf("Save = %v", err)
			}
			heads, _, _, err := s.Heads(ctx, []string{"acme"}, nil)
			if ok(t, err); int(heads[0].Seq) != n || s.Err() != nil {
				t.Errorf("the log is at %d and should be at %d; Err = %v", heads[0].Seq, n, s.Err())
			}
			ok(t, s.ReadLog(ctx, "acme", 0, 0, func(store.LogRow) error { return nil }))
			killed := copied(t, dir)
			full.Store(false)
			fillAt(t, s, n+1)
			ok(t, s.Save(ctx, cp))
			closeStore(t, s)

			full = fullDisk(t, killed, all)
			full.Store(true)
			s = open(t, killed)
			heads, _, _, err = s.Heads(ctx, []string{"acme"}, nil)
			if ok(t, err); int(heads[0].Seq) != n || !loads(t, s, "acme") {
				t.Errorf("a start on a full disk: the log is at %d and should be at %d", heads[0].Seq, n)
			}
			full.Store(false)
			fillAt(t, s, n+1)
			closeStore(t, s)
		})
	}
}

// fillAt appends a small commit.
func fillAt(t *testing.T, s store.Store, n int) {
	t.Helper()
	out, err := s.Append(ctx, []store.Commit{commit("acme", n, 0, []byte(strings.Repeat("x", 100)))}, nil)
	if err != nil || out[0] != store.Committed {
		t.Errorf("with room again: Append = %v, %v", out, err)
	}
}
