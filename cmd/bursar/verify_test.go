package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/bursarhq/bursar/store/postgres/pgtest"
	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// tampered are changes of a store by SQL, each of which makes it differ from its logs, and
// what is said then: first what log.db has, then what state.db has; PostgreSQL has both.
var tampered = [2][][2]string{{
	{"UPDATE customers SET name = 'Other'", "the listing of customers has"},
	{"DELETE FROM customers", "it is not in the listing"},
	{"DELETE FROM uses WHERE kind = 'entityType'", `it is not listed as using the entityType "agent"`},
	{"UPDATE log SET now = now + 1 WHERE seq = 3", "breaks after commit 2"},
	{"DELETE FROM log WHERE seq = 5", "breaks after commit 4"},
	{"UPDATE streams SET seq = seq + 1 WHERE name = 'acme'", "ends at commit"},
}, {
	{"UPDATE totals SET value = '7'", "its checkpoint at commit"},
	{"UPDATE holds SET amount = '7' WHERE status = 'RELEASED'", "is not what its log says"},
	{"DELETE FROM holds WHERE status = 'RELEASED'", "1 reservations that have ended are missing"},
	{"DELETE FROM key_segments", "of its idempotency keys"},
}}

// What the two stores keep in different forms: rows, and blocks whose last byte is changed.
var (
	tamperedRows = [][2]string{
		{"UPDATE activity SET action = 'x' WHERE id = (SELECT max(id) FROM activity)", "of the activity listing is not what its log says"},
		{"DELETE FROM activity WHERE id = (SELECT max(id) FROM activity)", "the activity listing ends before"},
		{"UPDATE assignments SET usage_limit = '7' WHERE ord = 1", "its checkpoint at commit"},
		{"UPDATE entities SET name = 'x' WHERE ord = 2", "its checkpoint at commit"},
		{"UPDATE counters SET used = '7' WHERE ord = 1", "its checkpoint at commit"},
		{"DELETE FROM usage_series WHERE entity_ord = 0", "of the usage series of entity number 0"},
		{"UPDATE usage_series SET amount = '7' WHERE entity_ord = 1", "of the usage series of entity number 1"},
	}
	tamperedLogBlocks = [][2]string{
		{"UPDATE activity_blocks SET data = CAST(substr(data, 1, length(data) - 1) || x'78' AS BLOB)", "of the activity listing is not what its log says"},
		{"UPDATE activity_blocks SET data = substr(data, 1, length(data) - 1)", "block 1: entries of the activity: what is stored is damaged"},
		{"DELETE FROM activity_entities WHERE entity_id = 'a1' AND n = (SELECT min(n) FROM activity_entities WHERE entity_id = 'a1')", "of the activity is not to be found by 1 of its entities"},
		{"INSERT INTO activity_entities SELECT stream, 'a1', 999999 FROM activity_entities LIMIT 1", "to be found by 1 entities that they have no entry of"},
		{"UPDATE activity_blocks SET told = '[]' WHERE n = 1", "block 1 of the activity is not where its entries belong, or does not say what they are"},
		{"DELETE FROM activity_blocks WHERE n = (SELECT max(n) FROM activity_blocks)", "the activity listing ends before"},
	}
	tamperedBlocks = [][2]string{
		{"UPDATE assignment_blocks SET data = CAST(substr(data, 1, length(data) - 1) || x'0e' AS BLOB)", "its checkpoint"},
		{"UPDATE assignment_blocks SET data = substr(data, 1, length(data) - 1)", `the checkpoint of stream "acme": assignments from number 0: what is stored is damaged`},
		{"UPDATE entity_blocks SET data = CAST(substr(data, 1, length(data) - 1) || x'0e' AS BLOB)", "its checkpoint"},
		{"UPDATE entity_blocks SET data = substr(data, 1, length(data) - 1)", `the checkpoint of stream "acme": entities from number 0: what is stored is damaged`},
		{"UPDATE counter_blocks SET data = CAST(substr(data, 1, length(data) - 1) || x'0e' AS BLOB)", "its checkpoint at commit"},
		{"UPDATE counter_blocks SET data = substr(data, 1, length(data) - 1)", `the checkpoint of stream "acme": counters from number 0: what is stored is damaged`},
		{"DELETE FROM series_blocks", "of the usage series of entity number 0"},
		{"UPDATE series_blocks SET data = CAST(substr(data, 1, length(data) - 1) || x'0e' AS BLOB)", "of the usage series of entity number"},
		{"UPDATE series_blocks SET data = substr(data, 1, length(data) - 1)", "not a block as this program writes them"},
	}
)

// traffic writes something of everything that verify compares.
func (p *program) traffic() {
	p.t.Helper()
	p.furnishAlerts(3)
	p.must("PUT", acme+"/notifications", rigKey, `{"notifications":[{"name":"All","slackUrls":["https://hooks.slack.com/services/T/B/x"],"thresholds":[50,80],"denials":true}]}`)
	p.alarm(0, 2)
	reply := p.must("POST", "/api/v1/customers/acme/reservations", rigKey, `{"featureId":"tokens","amount":3,"dimensions":{"agent":"a1"},"ttlSeconds":3600,"idempotencyKey":"hold"}`)
	id := strings.SplitN(strings.SplitN(reply, `"id":"`, 2)[1], `"`, 2)[0]
	p.must("POST", "/api/v1/customers/acme/reservations/"+id+"/release", rigKey, "")
}

// storeOfTraffic is the directory of a store that has traffic, and that nobody has open.
func storeOfTraffic(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	p := start(t, rigEnv(dir))
	p.traffic()
	if code := p.stop(); code != 0 {
		t.Fatal(p.log())
	}
	return dir
}

// tamperedFiles are the files of an embedded store with the changes of each.
var tamperedFiles = map[string][][2]string{
	"log.db":   slices.Concat(tampered[0], tamperedLogBlocks),
	"state.db": slices.Concat(tampered[1], tamperedBlocks),
}

// tamperedCopy is a copy of the store in dir with a change of one of its files.
func tamperedCopy(t *testing.T, dir, name, change string) (to string) {
	t.Helper()
	if err := vfs.Register(); err != nil {
		t.Fatal(err)
	}
	to = copyStore(t, dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(to, name)+"?vfs="+vfs.Name)
	if err != nil {
		t.Fatal(err)
	}
	tamper(t, db, change)
	return to
}

// TestVerify: a store says nothing; whatever is changed behind its back is found.
func TestVerify(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		dir := storeOfTraffic(t)
		_, says, _ := bursarRun(t, 0, nil, "verify", "--data", dir)
		if !strings.Contains(says, "and 1 checkpoints") || !strings.Contains(says, " 0 differences") {
			t.Errorf("it says %s", says)
		}
		wantInspected(t, "--data", dir)
		for name, changes := range tamperedFiles {
			for _, change := range changes {
				to := tamperedCopy(t, dir, name, change[0])
				out, _, _ := bursarRun(t, exitFailed, nil, "verify", "--data", to)
				if !strings.Contains(out, change[1]) {
					t.Errorf("%s: it says %q", change[0], out)
				}
			}
			to := copyStore(t, dir)
			b, err := os.ReadFile(filepath.Join(to, name))
			if err != nil {
				t.Fatal(err)
			}
			b[3*4096+100] ^= 1
			if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
			out, _, _ := bursarRun(t, exitFailed, nil, "verify", "--data", to)
			if want := "page 4 of " + name; !strings.Contains(out, want) {
				t.Errorf("it says %q, and not %q", out, want)
			}
			if _, err := os.Stat(filepath.Join(to, "state.db.damaged")); err == nil {
				t.Error("it changed the store")
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
		bursarRun(t, 0, nil, "verify", "--database-url", url)
		wantInspected(t, "--database-url", url)
		for _, change := range slices.Concat(tampered[0], tampered[1], tamperedRows) {
			says := func(change, want string) {
				tamperWhile(t, db, change, func() {
					out, _, _ := bursarRun(t, exitFailed, nil, "verify", "--database-url", url)
					if !strings.Contains(out, want) {
						t.Errorf("%s: it says %q, and not %q", change, out, want)
					}
				})
			}
			if !strings.HasPrefix(change[0], "UPDATE ") || strings.HasPrefix(change[0], "UPDATE streams ") {
				says(change[0], change[1])
				continue
			}
			// A row has a checksum of its own, but for one that an older version wrote.
			says(change[0], "is not what was written")
			says(strings.Replace(change[0], " SET ", " SET sum = NULL, ", 1), change[1])
		}
	})
}

// savedIn opens the database at url once it has a checkpoint of traffic's customer.
func savedIn(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1) // its search_path is set once
	if _, err := db.Exec("SET search_path = bursar, public"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the customer is saved", func() bool {
		n := 0
		if err := db.QueryRow("SELECT count(*) FROM streams WHERE name = 'acme' AND saved = seq").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
	return db
}

// wantInspected has inspect print the limits of traffic's customer.
func wantInspected(t *testing.T, store ...string) {
	t.Helper()
	out, says, _ := bursarRun(t, 0, nil, append([]string{"inspect", "acme"}, store...)...)
	lines := strings.Split(out, "\n")
	if len(lines) != 5 || lines[1] != "a0\tfeature tokens\t\t100\t85\t0\tP100Y\t-\t2070-01-01T00:00:00.000Z" || !strings.HasPrefix(lines[3], "a2\tfeature tokens\t\t100\t0\t") {
		t.Errorf("it prints\n%s", out)
	}
	if !strings.Contains(says, "3 limits of 3 entities, as of commit ") {
		t.Errorf("it says %s", says)
	}
	out, _, _ = bursarRun(t, exitFailed, nil, append([]string{"inspect", "nobody"}, store...)...)
	if out != "" {
		t.Errorf("of nobody: %s", out)
	}
}

func tamper(t *testing.T, db *sql.DB, change string) {
	t.Helper()
	r, err := db.Exec(change)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("%s: %d rows, %v", change, n, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// tamperWhile makes the change for as long as f runs.
func tamperWhile(t *testing.T, db *sql.DB, change string, f func()) {
	t.Helper()
	table := ""
	for _, name := range []string{"activity", "customers", "uses", "log", "streams", "counters", "assignments", "entities", "totals", "holds", "usage_series", "key_segments"} {
		if strings.Contains(change, " "+name+" ") || strings.HasSuffix(change, " "+name) {
			table = name
		}
	}
	do := func(sql string) {
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(sql, err)
		}
	}
	do("CREATE TABLE public.kept AS TABLE " + table)
	do(change)
	f()
	do("DELETE FROM " + table)
	do("INSERT INTO " + table + " OVERRIDING SYSTEM VALUE SELECT * FROM public.kept")
	do("DROP TABLE public.kept")
}

func copyStore(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"log.db", "state.db", "log.end", "state.end"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}
