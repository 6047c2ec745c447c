package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/bursarhq/bursar/engine"
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
	listed, _ := deliveriesSQL(engine.DeliveryQuery{Below: "z"})
	failed, _ := deliveriesSQL(engine.DeliveryQuery{Below: "z", Status: engine.DeliveryFailed})
	sql := map[string]string{"due": selectDue, "pending": countPending, "listed": listed, "failed": failed, "trim": selectTrim}[name]
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
