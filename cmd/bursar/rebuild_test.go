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
	"github.com/bursarhq/bursar/store/sqlite"
	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// TestRebuild: whatever differs from the logs is told, and with --write it is made anew; where a log itself
// was changed nothing is.
func TestRebuild(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		dir := storeOfTraffic(t)
		_, says, _ := bursarRun(t, 0, nil, "rebuild", "--data", dir)
		if !strings.Contains(says, "is what its logs come to") {
			t.Errorf("it says %s", says)
		}
		for name, changes := range tamperedFiles {
			for _, change := range changes {
				wantRebuilt(t, change, "--data", tamperedCopy(t, dir, name, change[0]))
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
		for _, change := range slices.Concat(tampered[1][:1], tampered[0][:3], tamperedRows[:2], tampered[0][3:4]) {
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
		limits := ""
		if which[0] == "--data" {
			limits = run(0, "inspect", "acme")
		}
		if out := run(exitFailed, "rebuild", "--write"); !strings.Contains(out, "cannot be made anew: ") {
			t.Errorf("%s: it says %s", change[0], out)
		}
		run(exitFailed, "verify")
		if limits != "" && run(0, "inspect", "acme") != limits {
			t.Errorf("%s: the checkpoint is not what it was", change[0])
		}
		return
	}
	if out := run(0, "rebuild", "--write"); !strings.Contains(out, "made anew from its log") {
		t.Errorf("%s: it says %s", change[0], out)
	}
	run(0, "verify")
}

// TestRebuildOfDamagedPages flips a bit of each page of log.db, and of some of state.db: the store is made anew from what can be read, or, where
// a page of the rows of the logs is damaged, refused with log.db as it was.
func TestRebuildOfDamagedPages(t *testing.T) {
	dir := t.TempDir()
	p := start(t, rigEnv(dir))
	p.traffic()
	p.must("POST", "/api/v1/webhooks", rigKey, `{"url":"https://example.com/in"}`)
	p.alarm(1, 3)
	p.must("POST", "/api/v1/customers/acme/entities/a1/freeze", rigKey, `{"reason":"leaves"}`)
	p.do("POST", "/api/v1/customers/acme/reservations", rigKey, `{"featureId":"tokens","amount":3,"dimensions":{"agent":"a1"},"ttlSeconds":3600}`)
	if code := p.stop(); code != 0 {
		t.Fatal(p.log())
	}
	of := pagesOf(t, filepath.Join(dir, "log.db"))
	for _, name := range []string{"log.db", "state.db"} {
		whole, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		step := 1
		if name == "state.db" {
			step = 5 // nothing of it is kept
		}
		for page := 1; page <= len(whole)/4096; page += step {
			what := fmt.Sprintf("page %d of %s (%s)", page, name, of[page])
			to := copyStore(t, dir)
			path := filepath.Join(to, name)
			b := slices.Clone(whole)
			b[(page-1)*4096+200] ^= 1
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			said, err := command(nil, "rebuild", "--data", to, "--write").CombinedOutput()
			if !strings.Contains(string(said), fmt.Sprintf("page %d of %s", page, name)) {
				t.Errorf("%s: it says %s", what, said)
			}
			refuses := name == "log.db" && (page == 1 || slices.Contains([]string{"sqlite_schema", "streams", "log", "bases", "base_parts"}, of[page]))
			if (err != nil) != refuses {
				t.Errorf("%s: %v, %s", what, err, said)
			}
			if err == nil {
				bursarRun(t, 0, nil, "verify", "--data", to)
				if kept, err := os.ReadFile(path + ".damaged"); err != nil || !bytes.Equal(kept, b) {
					t.Errorf("%s: the file that was there is not kept: %v", what, err)
				}
			} else if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, b) {
				t.Errorf("%s: it was refused and changed: %v, %s", what, err, said)
			}
		}
	}
}

// pagesOf tells of the pages of a database which table or index each is of.
func pagesOf(t *testing.T, path string) map[int]string {
	t.Helper()
	if err := vfs.Register(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?vfs="+vfs.Name+"&mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT pageno, name FROM dbstat")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	of := map[int]string{}
	for rows.Next() {
		page, name := 0, ""
		if err := rows.Scan(&page, &name); err != nil {
			t.Fatal(err)
		}
		of[page] = name
	}
	return of
}

// TestRebuildUnfinished: a server does not start while what is derived of the logs may be missing.
func TestRebuildUnfinished(t *testing.T) {
	dir := storeOfTraffic(t)
	if err := sqlite.Salvage(dir, func(string) {}); err != nil { // nothing is damaged
		t.Fatal(err)
	}
	bursarRun(t, 0, nil, "verify", "--data", dir)
	b, err := os.ReadFile(filepath.Join(dir, "log.db"))
	if err != nil {
		t.Fatal(err)
	}
	for page, name := range pagesOf(t, filepath.Join(dir, "log.db")) {
		if name == "customers" {
			b[(page-1)*4096+200] ^= 1
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "log.db"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	var lost []string
	if err := sqlite.Salvage(dir, func(what string) { lost = append(lost, what) }); err != nil || len(lost) != 1 { // and then it is killed
		t.Fatal(lost, err)
	}
	_, says, _ := bursarRun(t, exitStore, nil, "serve", "--data", dir, "--listen", "127.0.0.1:0")
	if !strings.Contains(says, "run bursar rebuild --write again") {
		t.Errorf("it says %s", says)
	}
	bursarRun(t, 0, nil, "rebuild", "--data", dir, "--write")
	bursarRun(t, 0, nil, "verify", "--data", dir)
}
