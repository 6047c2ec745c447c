// Package vfs is SQLite's own way to files with checksums: what is read is what was
// written, or the read fails.
//
// Each page of a sealed database ends with a checksum, for which it keeps Reserve bytes of
// every page; they are written when a page goes to the database and looked at when one is
// read. In the write-ahead log the checksums are SQLite's, which it looks at when it opens
// the file only; here they are looked at with each page. A database without room for
// checksums is read as it is.
//
// What a page costs is a CRC of 4 KiB in hardware; a commit, which writes to the
// write-ahead log, costs nothing.
package vfs

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// Name is what connections give as their VFS once it is registered.
	Name = "bursar"
	// PageSize is of the databases; the checksum of one of another page size is never right.
	PageSize = 4096
	// Reserve is how many bytes of each page are the checksum's.
	Reserve = 8
)

// The functions of a VFS and of its files, as SQLite calls them.
type (
	openFunc     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32
	deleteFunc   = func(tls *libc.TLS, vfs, name uintptr, sync int32) int32
	closeFunc    = func(tls *libc.TLS, file uintptr) int32
	ioFunc       = func(tls *libc.TLS, file, buf uintptr, n int32, at int64) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32
	syncFunc     = func(tls *libc.TLS, file uintptr, flags int32) int32
	controlFunc  = func(tls *libc.TLS, file uintptr, op int32, arg uintptr) int32
	shmMapFunc   = func(tls *libc.TLS, file uintptr, region, size, extend int32, out uintptr) int32
)

// system is SQLite's VFS for the operating system.
type system struct {
	vfs    uintptr
	size   int32 // of what it has of a file
	open   openFunc
	delete deleteFunc
}

var sys system

// Register makes the VFS known to SQLite, once.
var Register = sync.OnceValue(func() error {
	tls := libc.NewTLS()
	defer tls.Close()
	if rc := sqlite3.Xsqlite3_initialize(tls); rc != sqlite3.SQLITE_OK {
		return fmt.Errorf("SQLite does not start (%d)", rc)
	}
	if sys.vfs = sqlite3.Xsqlite3_vfs_find(tls, 0); sys.vfs == 0 {
		return errors.New("SQLite has no VFS here")
	}
	at, err := outside(tls, *(*sqlite3.Tsqlite3_vfs)(pointer(sys.vfs)))
	if err != nil {
		return err
	}
	ours := (*sqlite3.Tsqlite3_vfs)(pointer(at))
	sys.open, sys.delete = function[openFunc](ours.FxOpen), function[deleteFunc](ours.FxDelete)
	name, err := libc.CString(Name)
	if err != nil {
		return err
	}
	ours.FpNext, ours.FzName = 0, name
	sys.size = (ours.FszOsFile + 7) &^ 7
	ours.FszOsFile = sys.size + 8
	ours.FxOpen, ours.FxDelete = address[openFunc](open), address[deleteFunc](remove)
	if rc := sqlite3.Xsqlite3_vfs_register(tls, at, 0); rc != sqlite3.SQLITE_OK {
		return fmt.Errorf("SQLite does not take the VFS (%d)", rc)
	}
	return nil
})

// outside puts a copy of v outside of Go's heap, for as long as the process lives: SQLite
// knows it by a number, which keeps nothing alive and which Go's checks of pointers refuse.
func outside[T any](tls *libc.TLS, v T) (uintptr, error) {
	at := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(v)))
	if at == 0 {
		return 0, errors.New("no memory for SQLite's VFS")
	}
	*(*T)(pointer(at)) = v
	return at, nil
}

// function is the function at an address that address gave, or SQLite.
func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ uintptr }{p})) }

// address is where a function of the package is, for SQLite to call.
func address[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

// pointer is p, an address outside of Go's heap, as a pointer. The detour over its own
// address is how vet is told that no Go object may move away under it.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// bytesAt are n bytes of SQLite's memory.
func bytesAt(p uintptr, n int32) []byte { return unsafe.Slice((*byte)(pointer(p)), n) }

// open has the system open a file and puts our functions between.
func open(tls *libc.TLS, _, name, p uintptr, flags int32, out uintptr) int32 {
	rc := sys.open(tls, sys.vfs, name, p, flags, out)
	if rc != sqlite3.SQLITE_OK || name == 0 {
		return rc
	}
	f := &file{path: libc.GoString(name), kind: otherFile}
	switch {
	case flags&sqlite3.SQLITE_OPEN_MAIN_DB != 0:
		f.kind = database
	case flags&sqlite3.SQLITE_OPEN_WAL != 0:
		f.kind, f.end = writeAhead, endOf(f.path)
	}
	methods := (*sqlite3.Tsqlite3_file)(pointer(p))
	if methods.FpMethods == 0 {
		return rc
	}
	if f.table = tableOf(tls, methods.FpMethods); f.table == nil {
		return sqlite3.SQLITE_NOMEM
	}
	methods.FpMethods = f.ours
	f.inspect(tls, p)
	f.put(p)
	return rc
}

func remove(tls *libc.TLS, _, name uintptr, sync int32) int32 {
	if rc := happens(Event{Op: Delete, Path: libc.GoString(name)}); rc != 0 {
		return rc
	}
	return sys.delete(tls, sys.vfs, name, sync)
}

// table is the functions of the system's files, and ours in front of them.
type table struct {
	ours     uintptr // Tsqlite3_io_methods
	close    closeFunc
	read     ioFunc
	write    ioFunc
	truncate truncateFunc
	sync     syncFunc
	control  controlFunc
	shmMap   shmMapFunc
}

var tables sync.Map // the system's table, by its address → *table

// tableOf is nil when there is no memory for it.
func tableOf(tls *libc.TLS, p uintptr) *table {
	if t, ok := tables.Load(p); ok {
		return t.(*table)
	}
	m := *(*sqlite3.Tsqlite3_io_methods)(pointer(p))
	t := &table{
		close: function[closeFunc](m.FxClose), read: function[ioFunc](m.FxRead), write: function[ioFunc](m.FxWrite),
		truncate: function[truncateFunc](m.FxTruncate), sync: function[syncFunc](m.FxSync),
		control: function[controlFunc](m.FxFileControl), shmMap: function[shmMapFunc](m.FxShmMap),
	}
	m.FiVersion = 2 // no memory that is mapped: what is read goes through read
	m.FxClose = address[closeFunc](closeFile)
	m.FxRead, m.FxWrite = address[ioFunc](read), address[ioFunc](write)
	m.FxTruncate, m.FxSync = address[truncateFunc](truncate), address[syncFunc](syncFile)
	m.FxShmMap = address[shmMapFunc](shmMap)
	var err error
	if t.ours, err = outside(tls, m); err != nil {
		return nil
	}
	kept, _ := tables.LoadOrStore(p, t)
	return kept.(*table)
}
