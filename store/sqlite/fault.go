package sqlite

import (
	"errors"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bursarhq/bursar/engine"
)

// resultCode is SQLite's extended result code of err, 0 when err is not SQLite's.
func resultCode(err error) int {
	var e interface{ Code() int }
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// damaged tells that an error outside of a COMMIT leaves the files in doubt: a sync
// failed, which a large transaction may also do before its COMMIT, or what was read
// is not a database.
func damaged(err error) bool {
	switch code := resultCode(err); code {
	case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_IOERR_CORRUPTFS:
		return true
	default:
		primary := code & 0xff
		return primary == sqlite3.SQLITE_CORRUPT || primary == sqlite3.SQLITE_NOTADB
	}
}

// fault poisons the store if err calls for it, and returns err or what it became.
func (s *Store) fault(err error) error {
	if err == nil || !damaged(err) {
		return err
	}
	return s.poison(err)
}

// poison makes err the store's last word: every later call returns it.
func (s *Store) poison(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.poisoned {
		s.poisoned = true
		s.dead = fmt.Errorf("%w: %w", engine.ErrPoisoned, err)
		s.out.Error("store poisoned", "error", err)
	}
	return s.dead
}

// rolledBack ends a transaction in which err happened before its COMMIT.
func (s *Store) rolledBack(w *writer, err error) error {
	if damaged(err) {
		return s.poison(err)
	}
	if e := rollback(w); e != nil {
		return s.poison(errors.Join(err, e))
	}
	if resultCode(err) == 0 {
		return err
	}
	return fmt.Errorf("%w: %w", engine.ErrNotCommitted, err)
}

// commitFailed ends a transaction whose COMMIT failed with err. A full disk and a lock
// are met before the commit's last page is written; after anything else the disk may
// hold the commit or not.
func (s *Store) commitFailed(w *writer, err error) error {
	switch resultCode(err) & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY:
		return s.rolledBack(w, err)
	}
	return s.poison(fmt.Errorf("commit: %w", err))
}

// rollback leaves w without a transaction; SQLite may have rolled it back already.
func rollback(w *writer) error {
	err := w.exec("ROLLBACK")
	if err == nil {
		return nil
	}
	if w.exec("BEGIN") != nil { // there still is one
		return err
	}
	return w.exec("ROLLBACK")
}
