package sqlite_test

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite"
)

// noise is n bytes that cannot be packed.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// deflated is b as schemas 7 and 8 keep it.
func deflated(b []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestSpeed)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// A payload is read as it was appended, whether it could be packed or not; one that was takes
// less of the log; and what cannot be unpacked to its length is damage.
func TestPayloadsArePacked(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	alike, random := bytes.Repeat([]byte("agent-0000123 has a limit. "), 10_000), noise(100_000)
	payloads := [][]byte{[]byte("short"), alike, random, alike[:2048], random[:2048]}
	for n, p := range payloads {
		out, err := s.Append(ctx, []store.Commit{commit("acme", n+1, 0, p)}, nil)
		if err != nil || out[0] != store.Committed {
			t.Fatal(out, err)
		}
	}
	read := func() (rows []store.LogRow, err error) {
		err = s.ReadLog(ctx, "acme", 0, 0, func(r store.LogRow) error {
			rows = append(rows, r)
			return nil
		})
		return rows, err
	}
	rows, err := read()
	ok(t, err)
	for n, p := range payloads {
		if !bytes.Equal(rows[n].Payload, p) {
			t.Errorf("commit %d has another payload of %d bytes", n+1, len(rows[n].Payload))
		}
	}
	closeStore(t, s)
	path := filepath.Join(dir, "log.db")
	for _, damage := range []string{"length = length - 1", "length = length + 1", "length = -1", "length = 1", "length = 1 << 40", "length = -(1 << 40)", "length = -length", "payload = x'00'"} {
		ok(t, sqlite.Exec(path, "CREATE TABLE kept AS SELECT * FROM log; UPDATE log SET "+damage+" WHERE seq = 2"))
		s = open(t, dir)
		if _, err := read(); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), `commit 2 of stream "acme"`) {
			t.Errorf("%s: %v", damage, err)
		}
		closeStore(t, s)
		ok(t, sqlite.Exec(path, "DELETE FROM log; INSERT INTO log SELECT * FROM kept; DROP TABLE kept"))
	}
	ok(t, sqlite.Exec(path, fmt.Sprintf("CREATE TABLE kept AS SELECT * FROM log; UPDATE log SET length = %d, payload = x'%x' WHERE seq = 2", len(alike), deflated(alike))))
	s = open(t, dir)
	if rows, err := read(); err != nil || !bytes.Equal(rows[1].Payload, alike) {
		t.Errorf("as schema 8 has it: %v", err)
	}
	closeStore(t, s)
	ok(t, sqlite.Exec(path, "DELETE FROM log; INSERT INTO log SELECT * FROM kept; DROP TABLE kept"))
	s = open(t, dir)
	defer closeStore(t, s)
	if size, err := s.Int(context.Background(), "SELECT length(payload) FROM log WHERE seq = 2"); err != nil || size > int64(len(alike)/20) {
		t.Errorf("%d bytes alike take %d, %v", len(alike), size, err)
	}
}

// A new table of log.db has a place in Salvage, too.
func TestSalvageKnowsAllTables(t *testing.T) {
	s := open(t, t.TempDir())
	defer closeStore(t, s)
	for _, table := range sqlite.SalvagedTables() {
		if n, err := s.Int(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '"+table+"'"); err != nil || n != 1 {
			t.Errorf("there is no table %s: %v", table, err)
		}
	}
	if n, err := s.Int(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"); err != nil || int(n) != len(sqlite.SalvagedTables()) {
		t.Errorf("log.db has %d tables, and Salvage knows %d: %v", n, len(sqlite.SalvagedTables()), err)
	}
}
