package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	_ "modernc.org/sqlite"
)

// TestBackupWhileRunning takes the backup that docs/operating.md describes while clients
// write: a server started on it has all that was acknowledged before it began, each once,
// and knows the keys.
func TestBackupWhileRunning(t *testing.T) {
	const writers = 8
	data, restored := t.TempDir(), t.TempDir()
	p := start(t, rigEnv(data))
	p.must("PUT", "/api/v1/entity-types", rigKey, `{"types":[{"id":"agent","displayName":"Agent","attributionKeys":["agent"]}]}`)
	p.must("POST", "/api/v1/features", rigKey, `{"id":"tokens","displayName":"Tokens","featureType":"NUMBER"}`)
	p.must("POST", "/api/v1/customers", rigKey, `{"id":"acme"}`)
	report := func(p *program, key string) []struct{ Duplicate bool } {
		return ask[[]struct{ Duplicate bool }](p, "POST", "/usage", `{"usages":[{"customerId":"acme","featureId":"tokens","value":1,"idempotencyKey":"`+key+`"}]}`)
	}
	var acked, stop atomic.Int64
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := 0; stop.Load() == 0; i++ {
				report(p, fmt.Sprintf("%d-%d", w, i))
				acked.Add(1)
			}
		})
	}
	eventually(t, "the load is on", func() bool { return acked.Load() > 500 })
	before := acked.Load()
	backUp(t, filepath.Join(data, "log.db"), filepath.Join(restored, "log.db"))
	eventually(t, "the load goes on", func() bool { return acked.Load() > before+500 })
	stop.Store(1)
	writing.Wait()
	if code := p.stop(); code != 0 {
		t.Errorf("the server did not like it: %s", p.log())
	}

	q := start(t, rigEnv(restored))
	defer q.stop()
	var check struct{ CurrentUsage int64 }
	check = ask[struct{ CurrentUsage int64 }](q, "GET", "/customers/acme/entitlements/check?featureId=tokens", "")
	if check.CurrentUsage < before || check.CurrentUsage > acked.Load() {
		t.Errorf("the backup has %d, acknowledged were %d before it and %d in the end", check.CurrentUsage, before, acked.Load())
	}
	for w := range writers {
		if !report(q, fmt.Sprintf("%d-0", w))[0].Duplicate {
			t.Error("a key from before the backup is not known")
		}
	}
	if strings.Contains(q.log(), `"level":"WARN"`) {
		t.Errorf("it complains: %s", q.log())
	}
}

// backUp copies log.db as of one moment, as `sqlite3 log.db "VACUUM INTO '…'"` does.
func backUp(t *testing.T, from, to string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+from+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("VACUUM INTO ?", to); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(to); err != nil {
		t.Fatal(err)
	}
}
