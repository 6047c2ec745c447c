package sqlite

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"

	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// mark is how far a database had come, in a small file beside it. SQLite takes a
// write-ahead log that is damaged, or gone, for one that ends earlier; the mark tells the
// difference.
//
// log.end is written after each Append, without a sync: it is never ahead of what is on
// the disk, and behind only after a power cut. state.end is written, with a sync, before
// state.db takes over what its write-ahead log has.
type mark struct {
	end  vfs.End // the write-ahead log has all of this; zero where the database has it
	rows int64   // that were put into the log so far
}

// lost is the mark of a database that must be made anew.
var lost = mark{end: vfs.End{Frames: math.MaxInt64}}

const markForm = "bursar 1: salt %016x frames %020d rows %020d"

func (m mark) text() []byte {
	b := fmt.Appendf(nil, markForm, m.end.Salt, m.end.Frames, m.rows)
	return fmt.Appendf(b, " sum %08x\n", crc32.ChecksumIEEE(b))
}

// readMark reads the mark of the database at path; found is false where there is none. One
// that cannot be read is an error.
func readMark(path string) (m mark, found bool, err error) {
	b, err := os.ReadFile(markPath(path))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
		return mark{}, false, nil
	}
	if err != nil {
		return mark{}, false, err
	}
	if _, err := fmt.Sscanf(string(b), markForm, &m.end.Salt, &m.end.Frames, &m.rows); err != nil || string(m.text()) != string(b) {
		return mark{}, false, errMark
	}
	return m, true, nil
}

var errMark = errors.New("it is not what was written there")

// markPath is where the mark of a database is: log.end of log.db.
func markPath(path string) string { return path[:len(path)-len(".db")] + ".end" }

// marker writes the mark of one database.
type marker struct {
	path string // the database's
	f    *vfs.File
	rows int64
}

// openMarker opens the file, which is there from now on.
func openMarker(path string) (*marker, error) {
	f, err := vfs.OpenFile(markPath(path))
	if err != nil {
		return nil, err
	}
	return &marker{path: path, f: f}, nil
}

// write notes where the write-ahead log is.
func (m *marker) write() error {
	return m.put(mark{end: vfs.Written(m.path), rows: m.rows})
}

func (m *marker) put(k mark) error {
	_, err := m.f.WriteAt(k.text(), 0)
	return err
}

// sync writes the mark to the disk.
func (m *marker) sync() error { return errors.Join(m.write(), m.f.Sync()) }

func (m *marker) close() error {
	if m == nil {
		return nil
	}
	return m.f.Close()
}
