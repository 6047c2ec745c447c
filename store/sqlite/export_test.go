package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// SetMaxPages makes log.db and state.db full at n pages, as a full disk would.
func (s *Store) SetMaxPages(n int) error {
	sql := fmt.Sprintf("PRAGMA max_page_count=%d", n)
	if err := s.log.script(sql); err != nil {
		return err
	}
	return s.state.script(sql)
}

// Exec runs sql on the database at path.
func Exec(path, sql string) error {
	c, err := openConn(path, allPragmas)
	if err != nil {
		return err
	}
	if err := c.script(sql); err != nil {
		return err
	}
	return c.close()
}

// Damaged exposes which errors poison the store wherever they occur.
var Damaged = damaged

// Plan is how SQLite runs one of our queries.
func (s *Store) Plan(name string) (plan string, err error) {
	listed, _ := deliveriesSQL(store.DeliveryQuery{Below: "z"})
	failed, _ := deliveriesSQL(store.DeliveryQuery{Below: "z", Status: store.DeliveryFailed})
	sql := map[string]string{"due": selectDue, "waiting": selectWaiting, "pending": countPending, "listed": listed, "failed": failed, "trim": selectTrim}[name]
	w := s.log
	if name == "parts" {
		sql, w = largeTables[3].sql, s.state
	}
	err = w.query(context.Background(), func(r row) error {
		plan += r.text(3) + "\n"
		return nil
	}, "EXPLAIN QUERY PLAN "+sql, make([]any, strings.Count(sql, "?"))...)
	return plan, err
}

// Count is the number of rows in a table of log.db.
func (s *Store) Count(table string) (n int, err error) {
	err = s.log.query(context.Background(), func(r row) error {
		n = int(r.int(0))
		return nil
	}, "SELECT count(*) FROM "+table)
	return n, err
}

// SetWALLength makes write-ahead logs about n bytes long in stores that are opened until the
// test ends.
func SetWALLength(t interface{ Cleanup(func()) }, n int64) {
	before := stateFull
	walBegin, stateFull = n, int(n)
	t.Cleanup(func() { walBegin, stateFull = walLength, before })
}

// MakeOld writes the log.db in dir as schema 3 has it, without checksums, and leaves
// nothing else there.
func MakeOld(dir string) error {
	if err := vfs.Register(); err != nil {
		return err
	}
	path := filepath.Join(dir, "log.db")
	old := filepath.Join(dir, "old.db")
	c, err := openConn(old, allPragmas+"PRAGMA journal_mode=WAL")
	if err != nil {
		return err
	}
	for i, script := range []string{log1, log2, log3} {
		if err := c.migrate(script, i+1); err != nil {
			return err
		}
	}
	if err := c.exec("ATTACH ? AS new", path); err != nil {
		return err
	}
	for _, table := range []string{"streams", "log", "uses", "customers", "activity", "messages", "deliveries", "bases", "base_parts"} {
		if err := c.script(fmt.Sprintf("INSERT INTO main.%s SELECT * FROM new.%s", table, table)); err != nil {
			return err
		}
	}
	if err := c.close(); err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Name() != "old.db" {
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				return err
			}
		}
	}
	return os.Rename(old, path)
}

// StopSyncing is a bug: log.db is not synced with each commit.
func (s *Store) StopSyncing() {
	if err := s.log.script("PRAGMA synchronous=OFF"); err != nil {
		panic(err)
	}
}
