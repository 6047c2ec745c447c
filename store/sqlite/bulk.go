package sqlite

import (
	"fmt"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// bulk is a reading connection for the large tables of a checkpoint. It calls SQLite
// without the driver, which takes three locks and an allocation to hand over one value:
// that was half of the time of a Load. It is used by one goroutine at a time and
// offers just what Load needs.
type bulk struct {
	tls   *libc.TLS
	db    uintptr
	stmts map[string]uintptr // prepared statements
}

// openBulk opens a database that vfs.Register's VFS reads.
func openBulk(path, pragmas string) (*bulk, error) {
	b := &bulk{tls: libc.NewTLS(), stmts: map[string]uintptr{}}
	if err := b.open(path, vfs.Name, sqlite3.SQLITE_OPEN_READWRITE|sqlite3.SQLITE_OPEN_NOMUTEX); err != nil {
		b.close()
		return nil, err
	}
	if err := b.exec(pragmas); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bulk) open(path, vfs string, flags int32) error {
	name, err := libc.CString(path)
	if err != nil {
		return err
	}
	defer libc.Xfree(b.tls, name)
	by := uintptr(0) // SQLite's own
	if vfs != "" {
		if by, err = libc.CString(vfs); err != nil {
			return err
		}
		defer libc.Xfree(b.tls, by)
	}
	out := b.tls.Alloc(8)
	defer b.tls.Free(8)
	rc := sqlite3.Xsqlite3_open_v2(b.tls, name, out, flags, by)
	b.db = *(*uintptr)(pointer(out))
	if rc != sqlite3.SQLITE_OK {
		return b.failed(rc)
	}
	sqlite3.Xsqlite3_extended_result_codes(b.tls, b.db, 1)
	return nil
}

// reserve makes room for checksums in the pages of a database that is made.
func (b *bulk) reserve() error {
	main, err := libc.CString("main")
	if err != nil {
		return err
	}
	defer libc.Xfree(b.tls, main)
	n := b.tls.Alloc(8)
	defer b.tls.Free(8)
	*(*int32)(pointer(n)) = vfs.Reserve
	if rc := sqlite3.Xsqlite3_file_control(b.tls, b.db, main, sqlite3.SQLITE_FCNTL_RESERVE_BYTES, n); rc != sqlite3.SQLITE_OK {
		return b.failed(rc)
	}
	return nil
}

func (b *bulk) close() {
	if b.tls == nil {
		return
	}
	for _, stmt := range b.stmts {
		sqlite3.Xsqlite3_finalize(b.tls, stmt)
	}
	sqlite3.Xsqlite3_close_v2(b.tls, b.db)
	b.tls.Close()
	b.tls = nil
}

// bulkError is an error of SQLite, like the driver's.
type bulkError struct {
	code    int32
	message string
}

func (e *bulkError) Error() string { return fmt.Sprintf("%s (%d)", e.message, e.code) }
func (e *bulkError) Code() int     { return int(e.code) }

func (b *bulk) failed(rc int32) error {
	message := "out of memory"
	if b.db != 0 {
		message = libc.GoString(sqlite3.Xsqlite3_errmsg(b.tls, b.db))
	}
	return &bulkError{code: rc, message: message}
}

// exec runs statements without results.
func (b *bulk) exec(sql string) error {
	text, err := libc.CString(sql)
	if err != nil {
		return err
	}
	defer libc.Xfree(b.tls, text)
	if rc := sqlite3.Xsqlite3_exec(b.tls, b.db, text, 0, 0, 0); rc != sqlite3.SQLITE_OK {
		return b.failed(rc)
	}
	return nil
}

// prepare returns the statement sql, prepared once.
func (b *bulk) prepare(sql string) (uintptr, error) {
	if stmt := b.stmts[sql]; stmt != 0 {
		return stmt, nil
	}
	text, err := libc.CString(sql)
	if err != nil {
		return 0, err
	}
	defer libc.Xfree(b.tls, text)
	out := b.tls.Alloc(8)
	defer b.tls.Free(8)
	if rc := sqlite3.Xsqlite3_prepare_v2(b.tls, b.db, text, -1, out, 0); rc != sqlite3.SQLITE_OK {
		return 0, b.failed(rc)
	}
	b.stmts[sql] = *(*uintptr)(pointer(out))
	return b.stmts[sql], nil
}

// query runs a statement with one integer parameter, which no other cursor is using.
func (b *bulk) query(sql string, arg int64) (*cursor, error) {
	stmt, err := b.prepare(sql)
	if err != nil {
		return nil, err
	}
	if rc := sqlite3.Xsqlite3_bind_int64(b.tls, stmt, 1, arg); rc != sqlite3.SQLITE_OK {
		return nil, b.failed(rc)
	}
	return &cursor{b: b, stmt: stmt, last: make([]string, sqlite3.Xsqlite3_column_count(b.tls, stmt))}, nil
}

// int is the one value that a query with one integer parameter returns; 0 without a row.
func (b *bulk) int(sql string, arg int64) (int64, error) {
	c, err := b.query(sql, arg)
	if err != nil {
		return 0, err
	}
	defer c.close()
	if ok, err := c.next(); !ok {
		return 0, err
	}
	return c.int(0), nil
}

// cursor is the result of a query: columns of the current row.
type cursor struct {
	b     *bulk
	stmt  uintptr
	last  []string // the last text of each column
	taken int      // bytes of blobs that were read
}

func (c *cursor) close() { sqlite3.Xsqlite3_reset(c.b.tls, c.stmt) }

// next moves to the next row; false after the last one.
func (c *cursor) next() (bool, error) {
	switch rc := sqlite3.Xsqlite3_step(c.b.tls, c.stmt); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, c.b.failed(rc)
	}
}

func (c *cursor) null(i int) bool {
	return sqlite3.Xsqlite3_column_type(c.b.tls, c.stmt, int32(i)) == sqlite3.SQLITE_NULL
}

func (c *cursor) int(i int) int64 {
	return sqlite3.Xsqlite3_column_int64(c.b.tls, c.stmt, int32(i))
}

// text shares memory between equal texts in a column's successive rows.
func (c *cursor) text(i int) string {
	b := c.view(i)
	if string(b) != c.last[i] {
		c.last[i] = string(b)
	}
	return c.last[i]
}

func (c *cursor) blob(i int) []byte {
	if c.null(i) {
		return nil
	}
	b := append([]byte{}, c.view(i)...)
	c.taken += len(b)
	return b
}

// view is the value's bytes in SQLite's memory, valid until the next call for another
// row.
func (c *cursor) view(i int) []byte {
	p := sqlite3.Xsqlite3_column_blob(c.b.tls, c.stmt, int32(i)) // of a text the same, as it is in UTF-8
	n := sqlite3.Xsqlite3_column_bytes(c.b.tls, c.stmt, int32(i))
	if p == 0 || n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(p)), n)
}

// pointer is p, an address outside of Go's heap, as a pointer. The detour over its
// own address is how vet is told that no Go object may move away under it.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }
