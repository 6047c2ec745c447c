package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net/url"

	"modernc.org/sqlite"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// Pragmas of the connections. A reader's view is as old as its transaction; all
// connections wait for the short locks that others hold while opening and closing.
const (
	allPragmas   = "PRAGMA busy_timeout=10000; PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY; "
	logPragmas   = allPragmas + "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-32768"
	statePragmas = allPragmas + "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-65536"
	readPragmas  = allPragmas + "PRAGMA query_only=ON; PRAGMA cache_size=-8192"
)

// sqliteDriver is used without database/sql: see conn.
var sqliteDriver = &sqlite.Driver{}

// conn is one connection, used by one goroutine at a time. It stands on the driver
// itself: database/sql would add a lock, allocations and a choice of connection to
// every statement.
type conn struct {
	path  string
	c     driver.Conn
	stmts map[string]*stmt
}

// stmt is a prepared statement of a conn.
type stmt struct {
	s    driver.Stmt
	args []driver.NamedValue
}

func openConn(path, pragmas string) (*conn, error) {
	name := url.URL{Scheme: "file", Path: path, RawQuery: "vfs=" + vfs.Name}
	dc, err := sqliteDriver.Open(name.String())
	if err != nil {
		return nil, err
	}
	c := &conn{path: path, c: dc, stmts: map[string]*stmt{}}
	if err := c.script(pragmas); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *conn) close() error {
	var errs []error
	for _, st := range c.stmts {
		errs = append(errs, st.s.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

// script runs statements that are not worth preparing.
func (c *conn) script(sql string) error {
	_, err := c.c.(driver.ExecerContext).ExecContext(context.Background(), sql, nil)
	return err
}

// prepare returns the statement sql, prepared once.
func (c *conn) prepare(sql string) (*stmt, error) {
	if st := c.stmts[sql]; st != nil {
		return st, nil
	}
	s, err := c.c.Prepare(sql)
	if err != nil {
		return nil, err
	}
	st := &stmt{s: s}
	c.stmts[sql] = st
	return st, nil
}

func (c *conn) exec(sql string, args ...any) error {
	st, err := c.prepare(sql)
	if err != nil {
		return err
	}
	_, err = st.exec(args...)
	return err
}

// exec runs the statement and returns the number of rows that it changed.
func (st *stmt) exec(args ...any) (changes int64, err error) {
	r, err := st.run(args)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// insert runs the statement and returns the rowid it inserted.
func (st *stmt) insert(args ...any) (id int64, err error) {
	r, err := st.run(args)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

func (st *stmt) run(args []any) (driver.Result, error) {
	r, err := st.s.(driver.StmtExecContext).ExecContext(context.Background(), st.bind(args))
	clear(st.args) // what the caller gave is not kept
	return r, err
}

// errStop returned by a visit ends the query without an error.
var errStop = errors.New("stop")

// query calls visit with each row of the result. The row is only valid during the
// call, what it holds for ever. visit must not run the same statement.
func (c *conn) query(ctx context.Context, visit func(row) error, sql string, args ...any) error {
	st, err := c.prepare(sql)
	if err != nil {
		return err
	}
	rows, err := st.s.(driver.StmtQueryContext).QueryContext(ctx, st.bind(args))
	if err != nil {
		return err
	}
	r := make(row, len(rows.Columns()))
	for err == nil {
		if err = rows.Next(r); err == nil {
			err = visit(r)
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, errStop) {
		err = nil
	}
	return cmp.Or(err, rows.Close())
}

func (st *stmt) bind(args []any) []driver.NamedValue {
	st.args = st.args[:0]
	for i, a := range args {
		st.args = append(st.args, driver.NamedValue{Ordinal: i + 1, Value: value(a)})
	}
	return st.args
}

// value is how a is stored.
func value(a any) driver.Value {
	switch a := a.(type) {
	case int:
		return int64(a)
	case uint32:
		return int64(a)
	case uint64:
		return int64(a)
	case bursar.Time:
		return int64(a)
	case bursar.Amount:
		return a.String()
	case bursar.CapabilityKind:
		return kindNames[a]
	case *string:
		return orNull(a)
	case *bursar.Time:
		return orNull(a)
	case *bursar.Amount:
		return orNull(a)
	}
	return a
}

func orNull[T any](p *T) driver.Value {
	if p == nil {
		return nil
	}
	return value(*p)
}

// row is one row of a result.
type row []driver.Value

func (r row) null(i int) bool { return r[i] == nil }

func (r row) int(i int) int64 {
	v, _ := r[i].(int64)
	return v
}

func (r row) text(i int) string {
	v, _ := r[i].(string)
	return v
}

// blob is a BLOB or, as bytes, a TEXT; nil for NULL.
func (r row) blob(i int) []byte {
	if s, ok := r[i].(string); ok {
		return []byte(s)
	}
	v, _ := r[i].([]byte)
	return v
}

// id is a BLOB of 16 bytes.
func (r row) id(i int) (id [16]byte) {
	copy(id[:], r.blob(i))
	return id
}

// columns is a row of a result, wherever it comes from.
type columns interface {
	null(i int) bool
	int(i int) int64
	text(i int) string
	blob(i int) []byte
}
