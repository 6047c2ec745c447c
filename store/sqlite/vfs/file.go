package vfs

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

type kind uint8

const (
	otherFile kind = iota
	database
	writeAhead
)

// file is one that SQLite has open. Its memory is the system's VFS's, with our functions
// in it. One goroutine at a time uses it.
type file struct {
	*table
	path   string
	kind   kind
	sealed bool // of a database: its pages have checksums

	order binary.ByteOrder // of a write-ahead log's checksums; nil = not known yet
	// Of a write-ahead log that this file is written through:
	end    *endCell
	header int64 // where the last frame's header was written
	redone int64 // from this page on SQLite has yet to write checksums; 0 = none
}

// files are the open ones. SQLite's memory of each has, behind what is the system's, its
// place in the list.
var files struct {
	mu   sync.Mutex // held to change it
	list atomic.Pointer[[]*file]
}

func (f *file) put(p uintptr) {
	files.mu.Lock()
	defer files.mu.Unlock()
	var list []*file
	if l := files.list.Load(); l != nil {
		list = slices.Clone(*l)
	}
	i := slices.Index(list, nil)
	if i < 0 {
		i, list = len(list), append(list, nil)
	}
	list[i] = f
	*placeOf(p) = uintptr(i)
	files.list.Store(&list)
}

func drop(p uintptr) {
	files.mu.Lock()
	defer files.mu.Unlock()
	list := slices.Clone(*files.list.Load())
	list[*placeOf(p)] = nil
	files.list.Store(&list)
}

func placeOf(p uintptr) *uintptr { return (*uintptr)(pointer(p + uintptr(sys.size))) }

func fileAt(p uintptr) *file { return (*files.list.Load())[*placeOf(p)] }

// inspect finds out whether a database that is there is sealed.
func (f *file) inspect(tls *libc.TLS, p uintptr) {
	if f.kind != database {
		return
	}
	buf := tls.Alloc(headerSize)
	defer tls.Free(headerSize)
	if f.read(tls, p, buf, headerSize, 0) == sqlite3.SQLITE_OK {
		f.sealed = sealed(bytesAt(buf, headerSize))
	}
}

func closeFile(tls *libc.TLS, p uintptr) int32 {
	f := fileAt(p)
	drop(p)
	return f.close(tls, p)
}

// read reads, and fails where the checksum does.
func read(tls *libc.TLS, p, buf uintptr, n int32, at int64) int32 {
	f := fileAt(p)
	rc := f.read(tls, p, buf, n, at)
	if rc != sqlite3.SQLITE_OK {
		return rc
	}
	switch {
	case f.kind == database && f.sealed:
		return f.checkRead(tls, p, bytesAt(buf, n), at)
	case f.kind == writeAhead && n == PageSize && (at-walHeader)%frameSize == frameHeader:
		if f.redone == 0 || at < f.redone {
			return f.verdict(f.checkFrame(tls, p, bytesAt(buf, n), at), (at-walHeader)/frameSize+1)
		}
	}
	return rc
}

// checkRead looks at the page that was read, or of which a part was. The header alone is
// read to find out how long pages are: then the first page is read, from the write-ahead
// log if that has it.
func (f *file) checkRead(tls *libc.TLS, p uintptr, b []byte, at int64) int32 {
	page, n := at/PageSize, int64(len(b))
	switch {
	case n == PageSize && at%PageSize == 0:
		return f.verdict(checkPage(b, page+1), page+1)
	case at+n <= headerSize:
		return sqlite3.SQLITE_OK
	case at+n > (page+1)*PageSize:
		return f.verdict(false, page+1) // its size of a page was changed
	}
	buf := tls.Alloc(PageSize)
	defer tls.Free(PageSize)
	if rc := f.read(tls, p, buf, PageSize, page*PageSize); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return f.verdict(checkPage(bytesAt(buf, PageSize), page+1), page+1)
}

// checkFrame tells whether a page of the write-ahead log is the one that its frame's
// checksum is of. That goes on from the one of the frame before, the first frame's from the
// header's.
func (f *file) checkFrame(tls *libc.TLS, p uintptr, page []byte, at int64) bool {
	const before = 8
	buf := tls.Alloc(walHeader + frameHeader + before)
	defer tls.Free(walHeader + frameHeader + before)
	previous := at - frameHeader - frameSize + 16
	if at == walHeader+frameHeader {
		previous = walHeader - before
	}
	head, sum := buf+walHeader, buf+walHeader+frameHeader
	if f.read(tls, p, head, frameHeader, at-frameHeader) != sqlite3.SQLITE_OK || f.read(tls, p, sum, before, previous) != sqlite3.SQLITE_OK {
		return false
	}
	begin, frame := readSum(bytesAt(sum, before)), bytesAt(head, frameHeader)
	if f.order != nil && frameSum(f.order, begin, frame[:8], page) == readSum(frame[16:]) {
		return true
	}
	// The order of bytes is that of the machine that began the file.
	if f.read(tls, p, buf, walHeader, 0) != sqlite3.SQLITE_OK {
		return false
	}
	var ok bool
	f.order, ok = walOrder(bytesAt(buf, walHeader))
	return ok && frameSum(f.order, begin, frame[:8], page) == readSum(frame[16:])
}

// verdict is the result of a read: SQLITE_IOERR_DATA is what it has for checksums.
func (f *file) verdict(right bool, number int64) int32 {
	if right {
		return sqlite3.SQLITE_OK
	}
	what := "page"
	if f.kind == writeAhead {
		what = "frame"
	}
	damages.Store(f.path, Damage{f.path, what, number})
	return sqlite3.SQLITE_IOERR_DATA
}

// write writes; a page of a sealed database with its checksum.
func write(tls *libc.TLS, p, buf uintptr, n int32, at int64) int32 {
	f := fileAt(p)
	b := bytesAt(buf, n)
	switch f.kind {
	case database:
		if at == 0 && n >= headerSize {
			f.sealed = sealed(b)
		}
		if f.sealed && n == PageSize && at%PageSize == 0 {
			sealPage(b, at/PageSize+1)
		}
	case writeAhead:
		f.frame(n, at, b)
	}
	if rc := happens(Event{Op: Write, Path: f.path, At: at, Data: b}); rc != 0 {
		return rc
	}
	rc := f.write(tls, p, buf, n, at)
	if rc == sqlite3.SQLITE_IOERR_WRITE && f.full(tls, p) {
		rc = sqlite3.SQLITE_FULL
	}
	return rc
}

// full tells that a write failed for a limit other than the disk's, which is to be met
// like a full disk: nothing of it is in doubt.
func (f *file) full(tls *libc.TLS, p uintptr) bool {
	out := tls.Alloc(8)
	defer tls.Free(8)
	*(*int32)(pointer(out)) = 0
	if f.control(tls, p, sqlite3.SQLITE_FCNTL_LAST_ERRNO, out) != sqlite3.SQLITE_OK {
		return false
	}
	errno := syscall.Errno(*(*int32)(pointer(out)))
	return errno == syscall.EDQUOT || errno == syscall.EFBIG || errno == syscall.ENOSPC
}

// frame follows where the write-ahead log is written. A page without its header before it
// replaces one of the same transaction: SQLite writes the checksums from there on again
// before it commits.
func (f *file) frame(n int32, at int64, b []byte) {
	switch place := (at - walHeader) % frameSize; {
	case at == 0:
		f.header, f.redone = 0, 0
	case place == 0 && n == frameHeader:
		f.header = at
		if f.redone == at+frameHeader {
			f.redone += frameSize
		}
		f.end.set(End{Salt: saltOf(b[8:]), Frames: (at-walHeader)/frameSize + 1})
	case place == frameHeader && n == PageSize && f.header != at-frameHeader && (f.redone == 0 || at < f.redone):
		f.redone = at
	}
}

func truncate(tls *libc.TLS, p uintptr, size int64) int32 {
	f := fileAt(p)
	if rc := happens(Event{Op: Truncate, Path: f.path, At: size}); rc != 0 {
		return rc
	}
	return f.truncate(tls, p, size)
}

func syncFile(tls *libc.TLS, p uintptr, flags int32) int32 {
	f := fileAt(p)
	if rc := happens(Event{Op: Sync, Path: f.path}); rc != 0 {
		return rc
	}
	return f.sync(tls, p, flags)
}

// shmRegions is how many parts of the index of a write-ahead log are made at once: that
// of the first 16,000 frames, so that a commit on a full disk finds the index made.
const shmRegions = 4

// shmMap makes the first parts of the index with the first one. Where there is no room
// for them, they are made when they are needed.
func shmMap(tls *libc.TLS, p uintptr, region, size, extend int32, out uintptr) int32 {
	f := fileAt(p)
	rc := f.shmMap(tls, p, region, size, extend, out)
	if region == 0 && extend != 0 && rc == sqlite3.SQLITE_OK {
		other := tls.Alloc(8)
		defer tls.Free(8)
		for i := int32(1); i < shmRegions; i++ {
			if f.shmMap(tls, p, i, size, extend, other) != sqlite3.SQLITE_OK {
				break
			}
		}
	}
	return rc
}

// Op is what is done to a file.
type Op uint8

const (
	Write Op = iota + 1
	Sync
	Truncate
	Delete
)

// Event is something that SQLite is about to do to a file that must survive.
type Event struct {
	Op   Op
	Path string
	At   int64  // of a Write; of a Truncate the size
	Data []byte // not to be kept
}

var observer atomic.Pointer[func(Event) int32]

// Observe has f called before everything that is done to files, for tests: what it
// returns, if it is not 0, is SQLite's result of it, and nothing is done. nil ends that.
func Observe(f func(Event) int32) {
	if f == nil {
		observer.Store(nil)
		return
	}
	observer.Store(&f)
}

func happens(e Event) int32 {
	if f := observer.Load(); f != nil {
		return (*f)(e)
	}
	return 0
}
