package sqlite

import (
	"errors"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite/vfs"
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
// failed, which a large transaction may also do before its COMMIT, or what was read is not
// what was written, or not a database.
func damaged(err error) bool {
	var e stateError
	return changed(err) || errors.As(err, &e) || inDoubt(err)
}

// changed tells that what was read has a wrong checksum.
func changed(err error) bool { return resultCode(err) == sqlite3.SQLITE_IOERR_DATA }

func inDoubt(err error) bool {
	switch resultCode(err) {
	case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_IOERR_CORRUPTFS:
		return true
	default:
		return corrupt(err)
	}
}

// corrupt tells that pages do not fit together, as when log.db has a part of a write-ahead log
// that is gone.
func corrupt(err error) bool {
	primary := resultCode(err) & 0xff
	return primary == sqlite3.SQLITE_CORRUPT || primary == sqlite3.SQLITE_NOTADB
}

// fault poisons the store if err, of the database at path, calls for it, and returns err or
// what it became.
func (s *Store) fault(path string, err error) error {
	switch {
	case err == nil || !damaged(err) || errors.Is(err, store.ErrPoisoned):
		return err
	case path == s.statePath:
		return s.loseState(err)
	case changed(err):
		return s.damage(path, err)
	}
	return s.poison(err)
}

// damage is err with the place. It has no code of SQLite's: whatever was being done
// meanwhile with the other database is not at fault.
func (s *Store) damage(path string, err error) error {
	if d, ok := vfs.LastDamage(path); ok {
		return d
	}
	return errors.New(err.Error())
}

// loseState has the next start make state.db anew, from the log. Until then nothing can be
// told of what left memory.
func (s *Store) loseState(err error) error {
	if d, ok := vfs.LastDamage(s.statePath); ok {
		err = errors.Join(d, err)
	}
	if s.stateMark != nil {
		err = errors.Join(err, s.stateMark.put(lost), s.stateMark.f.Sync())
	}
	return s.poison(fmt.Errorf("state.db is damaged; the next start makes it anew from log.db: %w", err))
}

// poison makes err the store's last word: every later call returns it.
func (s *Store) poison(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.poisoned {
		s.poisoned = true
		s.dead = fmt.Errorf("%w: %w", store.ErrPoisoned, err)
		s.out.Error("store poisoned", "error", err)
	}
	return s.dead
}

// rolledBack ends a transaction in which err happened before its COMMIT.
func (s *Store) rolledBack(w *writer, err error) error {
	if inDoubt(err) || changed(err) && w == s.state {
		return s.fault(w.path, err)
	}
	if e := rollback(w); e != nil {
		return s.poison(errors.Join(err, e))
	}
	if changed(err) {
		return fmt.Errorf("%w: %w", store.ErrNotCommitted, s.damage(w.path, err))
	}
	if resultCode(err) == 0 {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrNotCommitted, err)
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
