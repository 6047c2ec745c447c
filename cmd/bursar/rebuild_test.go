package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bursarhq/bursar/store/postgres/pgtest"
	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// TestRebuild: whatever differs from the logs is told, and with --write it is made anew; where a log itself
// was changed nothing is.
func TestRebuild(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		if err := vfs.Register(); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		p := start(t, rigEnv(dir))
		p.traffic()
		if code := p.stop(); code != 0 {
			t.Fatal(p.log())
		}
		_, says, _ := bursarRun(t, 0, nil, "rebuild", "--data", dir)
		if !strings.Contains(says, "is what its logs come to") {
			t.Errorf("it says %s", says)
		}
		for i, name := range []string{"log.db", "state.db"} {
			for _, change := range [2][][2]string{append(tampered[0], tamperedLogBlocks...), append(tampered[1], tamperedBlocks...)}[i] {
				to := copyStore(t, dir)
				db, err := sql.Open("sqlite", "file:"+filepath.Join(to, name)+"?vfs="+vfs.Name)
				if err != nil {
					t.Fatal(err)
				}
				tamper(t, db, change[0])
				wantRebuilt(t, change, "--data", to)
			}
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		url := pgtest.Database(t)
		p := start(t, rigEnv("", "BURSAR_DATABASE_URL="+url))
		p.traffic()
		db := savedIn(t, url)
		if code := p.stop(); code != 0 {
			t.Fatal(p.log())
		}
		// The checkpoint is gone after the first one, and the log stays damaged after the last.
		for _, change := range slices.Concat(tampered[1][:1], tampered[0][:2], tamperedRows[:2], tampered[0][2:3]) {
			r, err := db.Exec(strings.Replace(change[0], " SET ", " SET sum = NULL, ", 1))
			if err != nil {
				t.Fatal(change[0], err)
			}
			if n, err := r.RowsAffected(); err != nil || n == 0 {
				t.Fatalf("%s: %d rows, %v", change[0], n, err)
			}
			wantRebuilt(t, change, "--database-url", url)
		}
	})
}

// wantRebuilt has a store made anew that was changed: what makes a log differ from its own chain, and from its end, stays.
func wantRebuilt(t *testing.T, change [2]string, which ...string) {
	t.Helper()
	run := func(code int, args ...string) string {
		t.Helper()
		out, _, _ := bursarRun(t, code, nil, append(args, which...)...)
		return out
	}
	run(exitFailed, "rebuild")
	run(exitFailed, "verify")
	if strings.Contains(change[0], " log ") || strings.Contains(change[0], " streams ") {
		if out := run(exitFailed, "rebuild", "--write"); !strings.Contains(out, "cannot be made anew: ") {
			t.Errorf("%s: it says %s", change[0], out)
		}
		run(exitFailed, "verify")
		return
	}
	if out := run(0, "rebuild", "--write"); !strings.Contains(out, "made anew from its log") {
		t.Errorf("%s: it says %s", change[0], out)
	}
	run(0, "verify")
}

// TestRebuildOfDamagedPages flips a bit of every other page of log.db and state.db: the store is made anew from what can be read, or, where
// a page of the logs is damaged, refused with log.db as it was.
func TestRebuildOfDamagedPages(t *testing.T) {
	dir := t.TempDir()
	p := start(t, rigEnv(dir))
	p.traffic()
	if code := p.stop(); code != 0 {
		t.Fatal(p.log())
	}
	for _, name := range []string{"log.db", "state.db"} {
		whole, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		refused, mended := 0, 0
		for page := 0; page < len(whole)/4096; page += 2 {
			to := copyStore(t, dir)
			path := filepath.Join(to, name)
			b := slices.Clone(whole)
			b[page*4096+200] ^= 1
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			out, says, _ := bursarRun(t, exitFailed, nil, "rebuild", "--data", to)
			if !strings.Contains(out, fmt.Sprintf("page %d of %s", page+1, name)) {
				t.Fatalf("page %d of %s: it says %s%s", page+1, name, out, says)
			}
			cmd := command(nil, "rebuild", "--data", to, "--write")
			said, err := cmd.CombinedOutput()
			if err == nil {
				mended++
				bursarRun(t, 0, nil, "verify", "--data", to)
				if kept, err := os.ReadFile(path + ".damaged"); err != nil || !bytes.Equal(kept, b) {
					t.Errorf("page %d of %s: the file that was there is not kept: %v", page+1, name, err)
				}
				continue
			}
			refused++
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, b) {
				t.Errorf("page %d of %s: it was refused and changed: %v, %s", page+1, name, err, said)
			}
			if name == "state.db" || !strings.Contains(string(said), "restore it from a backup") {
				t.Errorf("page %d of %s: it says %s", page+1, name, said)
			}
		}
		t.Logf("%s: %d pages mended, %d refused", name, mended, refused)
		if mended < refused {
			t.Errorf("of %s %d pages are mended, and %d refused", name, mended, refused)
		}
	}
}
