package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// ErrLog says that log.db is not all that was acknowledged, or cannot be trusted.
var ErrLog = errors.New("the log is damaged")

func (s *Store) open(dir string) error {
	if err := vfs.Register(); err != nil {
		return err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if s.lock, err = lockDir(dir); err != nil {
		return err
	}
	if err := s.finished(dir); err != nil && !s.unfinished {
		return err
	}
	s.logPath, s.statePath = filepath.Join(dir, "log.db"), filepath.Join(dir, "state.db")
	if err := s.openLog(); err != nil {
		return err
	}
	if err := s.openState(); err != nil {
		if !damaged(err) {
			return err
		}
		if err := s.renewState(err); err != nil {
			return err
		}
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	s.keeper, err = s.startKeeper(s.logPath)
	return err
}

// openLog opens log.db, unless commits that were acknowledged are not in it.
func (s *Store) openLog() error {
	if err := s.present(); err != nil {
		return err
	}
	m, _, err := readMark(s.logPath)
	if errors.Is(err, errMark) {
		s.out.Warn("log.end is ignored: whether the log has all that was acknowledged is not known", "error", err)
	} else if err != nil {
		return err
	}
	if err := s.whole(m); err != nil {
		return err
	}
	if err := s.seal(s.logPath); err != nil {
		return s.refusal(err)
	}
	if err := begin(s.logPath); err != nil {
		return err
	}
	if s.log, err = openWriter(s.logPath, logPragmas, migrateLog); err != nil {
		return s.refusal(err)
	}
	rows, err := lastRow(s.log.conn)
	if err != nil {
		return s.refusal(err)
	}
	if rows < m.rows {
		return fmt.Errorf("%w: log.db ends %d commits before what was acknowledged (log.end knows of %d); %s", ErrLog, m.rows-rows, m.rows, howToAccept)
	}
	s.logReaders, err = newPool(poolSize(), func() (*conn, error) { return openConn(s.logPath, readPragmas) })
	if err != nil {
		return s.refusal(err)
	}
	if s.logMark, err = openMarker(s.logPath); err != nil {
		return err
	}
	s.logMark.rows = rows
	if s.inode, err = os.Stat(s.logPath); err != nil {
		return err
	}
	s.putMark()
	return nil
}

// begin notes where the write-ahead log of a database is that is going to be opened.
func begin(path string) error {
	end, err := vfs.ReadEnd(path)
	vfs.Start(path, end)
	return err
}

// howToAccept is what to do about a log that is not whole.
const howToAccept = "restore log.db from a backup, or, to go on without those commits, remove log.end and state.db*"

// present refuses a directory from which log.db is missing while other files of a store
// are there.
func (s *Store) present() error {
	if st, err := os.Stat(s.logPath); err == nil && st.Size() > 0 {
		return nil
	}
	for _, path := range []string{s.statePath, markPath(s.logPath), s.logPath + "-wal"} {
		if st, err := os.Stat(path); err == nil && st.Size() > 0 {
			return fmt.Errorf("%w: there is %s, but no log.db, which has all data: is this the right directory? To begin a new store here, remove %s",
				ErrLog, filepath.Base(path), "state.db*, log.db-* and log.end")
		}
	}
	return nil
}

// whole refuses a write-ahead log that ends before a commit that was acknowledged. One
// that was begun anew since is whole: log.db has what was in it.
func (s *Store) whole(m mark) error {
	end, err := vfs.ReadEnd(s.logPath)
	if err != nil {
		return err
	}
	if m.end.Salt == end.Salt && end.Frames < m.end.Frames {
		return fmt.Errorf("%w: log.db-wal is damaged behind frame %d of %d: commits that were acknowledged are lost; %s",
			ErrLog, end.Frames, m.end.Frames, howToAccept)
	}
	return nil
}

// refusal names the place where a database that cannot be opened is damaged.
func (s *Store) refusal(err error) error {
	if d, ok := vfs.LastDamage(s.logPath); ok && damaged(err) {
		return fmt.Errorf("%w: %w; restore log.db from a backup", ErrLog, d)
	}
	var d vfs.Damage
	if errors.As(err, &d) || corrupt(err) {
		return fmt.Errorf("%w: %w; restore log.db from a backup", ErrLog, err)
	}
	return err
}

// putMark writes log.end. Without it a loss would not be noticed, but nothing is lost. A
// writer's turn is held.
func (s *Store) putMark() {
	err := s.logMark.write()
	if err != nil && !s.markFailed {
		s.out.Warn("log.end cannot be written: damage to log.db-wal would not be noticed at the next start", "error", err)
	}
	s.markFailed = err != nil
}

func poolSize() int { return max(2*loadersMax, runtime.GOMAXPROCS(0)) }

// openState opens state.db, which is new if it was not there. An error that is damage of it
// leaves it open in part.
func (s *Store) openState() (err error) {
	switch condition, err := vfs.Inspect(s.statePath); {
	case err != nil:
		return stateError{err}
	case condition == vfs.Unmade || condition == vfs.Unsealed:
		return stateError{errOlder}
	case condition == vfs.Missing:
		if err := removeFile(markPath(s.statePath)); err != nil {
			return err
		}
	}
	if err := s.stateWhole(); err != nil {
		return err
	}
	if err := s.seal(s.statePath); err != nil {
		return err
	}
	if err := begin(s.statePath); err != nil {
		return err
	}
	if s.state, err = openWriter(s.statePath, statePragmas, renewSchema); err != nil {
		return err
	}
	if s.stateReaders, err = newPool(poolSize(), func() (*conn, error) { return openConn(s.statePath, readPragmas) }); err != nil {
		return err
	}
	if s.loaders, err = newPool(loadersMax, func() (*loader, error) { return &loader{path: s.statePath}, nil }); err != nil {
		return err
	}
	if s.stateMark, err = openMarker(s.statePath); err != nil {
		return err
	}
	return s.reconcile(s.logPath, s.statePath)
}

// stateError is a fault of state.db, for which it is made anew.
type stateError struct{ error }

func (e stateError) Unwrap() error { return e.error }

var errOlder = errors.New("it has no checksums: an older bursar wrote it")

// stateWhole tells whether the write-ahead log of state.db has all that state.db may have
// of it. An older one of the same beginning would put older pages before newer ones.
func (s *Store) stateWhole() error {
	m, found, err := readMark(s.statePath)
	if errors.Is(err, errMark) {
		return stateError{fmt.Errorf("state.end: %w", err)}
	}
	if err != nil || !found || m.end.Frames == 0 {
		return err
	}
	end, err := vfs.ReadEnd(s.statePath)
	if err != nil {
		return err
	}
	switch {
	case m == lost:
		return stateError{errors.New("it was found damaged while it was in use")}
	case end.Salt == 0 || end.Salt == m.end.Salt && end.Frames < m.end.Frames:
		return stateError{fmt.Errorf("state.db-wal is damaged behind frame %d", end.Frames)}
	}
	return nil
}

// renewState puts a state.db that cannot be trusted aside and makes a new one, which
// follows from the log. Nobody uses it.
func (s *Store) renewState(because error) error {
	if d, ok := vfs.LastDamage(s.statePath); ok && changed(because) {
		because = errors.Join(d, because)
	}
	s.closeState()
	if errors.Is(because, errOlder) {
		s.out.Info("state.db is made anew, with checksums, from log.db")
	} else {
		s.out.Error("state.db is damaged: it is put aside as state.db.damaged and made anew from log.db", "error", because)
		if err := os.Rename(s.statePath, s.statePath+".damaged"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := errors.Join(removeDatabase(s.statePath), removeFile(markPath(s.statePath)), syncDir(filepath.Dir(s.statePath))); err != nil {
		return err
	}
	clear(s.behind.streams)
	if err := s.openState(); err != nil {
		return fmt.Errorf("state.db, which was made anew: %w", err)
	}
	return nil
}

// closeState closes what openState opened of a state.db that is not used any more.
func (s *Store) closeState() {
	_ = errors.Join(s.loaders.close(), s.stateReaders.close(), s.stateMark.close())
	if s.state != nil {
		_ = s.state.close()
	}
	s.loaders, s.stateReaders, s.stateMark, s.state = nil, nil, nil, nil
}
