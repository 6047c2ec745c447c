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
func (s *Store) Count(table string) (int, error) {
	n, err := s.Int(context.Background(), "SELECT count(*) FROM "+table)
	return int(n), err
}

// Int is the number that a query of log.db returns.
func (s *Store) Int(ctx context.Context, sql string) (n int64, err error) {
	err = s.log.query(ctx, func(r row) error {
		n = r.int(0)
		return nil
	}, sql)
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
		columns := "*"
		if table == "log" { // what it had then
			columns = "id, stream, seq, now, hash, commit_id, payload"
		}
		if err := c.script(fmt.Sprintf("INSERT INTO main.%s SELECT %s FROM new.%s", table, columns, table)); err != nil {
			return err
		}
	}
	if err := unpackPayloads(c); err != nil {
		return err
	}
	if err := unblockActivity(c); err != nil {
		return err
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

// RewindActivity takes the entries of a stream behind an id away.
func (s *Store) RewindActivity(stream, after string) error {
	return s.write(context.Background(), s.log, func() error {
		id, _, err := head(context.Background(), s.log.conn, stream)
		if err != nil {
			return err
		}
		return (&appending{w: s.log}).rewindActivity(id, after)
	}, func() {})
}

// unpackPayloads puts payloads where they were before they were packed.
func unpackPayloads(c *conn) error {
	payloads := map[int64][]byte{}
	err := c.query(context.Background(), func(r row) (err error) {
		payloads[r.int(0)], err = unpack(r.blob(1), r.int(2))
		return err
	}, "SELECT id, payload, length FROM new.log WHERE length IS NOT NULL")
	for id, payload := range payloads {
		if err == nil {
			err = c.exec("UPDATE main.log SET payload = ? WHERE id = ?", payload, id)
		}
	}
	return err
}

// unblockActivity puts entries of blocks where they were before there were any.
func unblockActivity(c *conn) error {
	entries := map[int64][]store.Activity{}
	err := c.query(context.Background(), func(r row) error {
		block, err := readActivityBlock(r)
		entries[r.int(3)] = append(entries[r.int(3)], block...)
		return err
	}, "SELECT n, length, data, stream FROM new.activity_blocks")
	for stream, list := range entries {
		for i := range list {
			if err == nil {
				err = putRow(c, stream, &list[i])
			}
		}
	}
	return err
}

// SearchActivity is how many entries a search of the activity's blocks finds, and what it takes:
// blocks that are read, and ids that are looked up to find them.
func (s *Store) SearchActivity(stream string, q store.ActivityQuery) (found, read, seeks int, err error) {
	f := newActivitySearch(&q)
	err = s.read(context.Background(), s.logReaders, func(c *conn) error {
		id, _, err := head(context.Background(), c, stream)
		if err != nil {
			return err
		}
		return f.blocks(context.Background(), c, id)
	})
	return len(f.found), f.read, f.seeks, err
}

// StopSyncing is a bug: log.db is not synced with each commit.
func (s *Store) StopSyncing() {
	if err := s.log.script("PRAGMA synchronous=OFF"); err != nil {
		panic(err)
	}
}

// SalvagedTables are those of which Salvage knows what becomes of them.
func SalvagedTables() (tables []string) {
	tables = append(append(tables, logTables...), "denial_tags", "denial_counts")
	for _, together := range derivedTables {
		tables = append(tables, together...)
	}
	for _, t := range otherTables {
		tables = append(tables, t.table)
	}
	return tables
}
