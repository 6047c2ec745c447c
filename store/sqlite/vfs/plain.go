package vfs

import (
	"errors"
	"os"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"
)

// File is one that is not SQLite's, whose writes and syncs are observed as SQLite's are.
type File struct{ f *os.File }

// OpenFile opens a file for writing, made as needed.
func OpenFile(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return &File{f}, nil
}

func (f *File) WriteAt(b []byte, at int64) (int, error) {
	if err := refused(Event{Op: Write, Path: f.f.Name(), At: at, Data: b}); err != nil {
		return 0, err
	}
	return f.f.WriteAt(b, at)
}

func (f *File) Sync() error {
	if err := refused(Event{Op: Sync, Path: f.f.Name()}); err != nil {
		return err
	}
	return f.f.Sync()
}

func (f *File) Size() (int64, error) {
	st, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (f *File) Close() error { return f.f.Close() }

func refused(e Event) error {
	switch happens(e) {
	case sqlite3.SQLITE_OK:
		return nil
	case sqlite3.SQLITE_FULL:
		return syscall.ENOSPC
	}
	return errors.New("refused by the observer")
}
