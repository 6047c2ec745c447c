package sqlite

import (
	"context"
	"errors"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

const (
	pageSize = 4096 // of both databases; SQLite's default

	// log.db's write-ahead log is made this long once and then written over again and
	// again: an fsync of a file that grows waits for the file system's journal too and
	// takes twice as long. It is a little less than the first part of SQLite's index of it
	// is for: a full disk is met by the log itself, and not by its index when the log is
	// written already.
	walLength = 15 << 20
	walLook   = 1 << 20 // about how much is written between looks at it

	// What may be left to copy while nobody appends, in pages; more only when Appends
	// come as fast as copying goes.
	walRest = 64
)

// walBegin is how long log.db's write-ahead log is made, and stateFull is when state.db's is
// copied; tests want them shorter.
var walBegin, stateFull = int64(walLength), 16 << 20

// walFull is when it is copied to the database.
func walFull() int { return int(walBegin) * 3 / 4 }

// keeper copies log.db's write-ahead log to the database and so lets SQLite begin the
// file anew. That needs a moment at which all of it has been copied, which never comes
// by itself while Appends go on: the keeper copies most of it beside them and only the
// rest in the writer's turn. A reader that is just using the log puts it off until the
// next time.
type keeper struct {
	s       *Store
	c       *conn
	grown   int // bytes written since the last look, roughly; guarded by the writer's turn
	look    chan struct{}
	quit    chan struct{}
	stopped chan struct{}
}

func (s *Store) startKeeper(path string) (*keeper, error) {
	if err := extend(path+"-wal", walBegin); err != nil {
		return nil, err
	}
	c, err := openConn(path, logPragmas)
	if err != nil {
		return nil, err
	}
	k := &keeper{s: s, c: c, look: make(chan struct{}, 1), quit: make(chan struct{}), stopped: make(chan struct{})}
	go k.run()
	return k, nil
}

// extend writes zeros behind the write-ahead log, which SQLite takes for its end.
func extend(path string, length int64) error {
	f, err := vfs.OpenFile(path)
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err == nil && size < length {
		_, err = f.WriteAt(make([]byte, length-size), size)
		err = errors.Join(err, f.Sync())
	}
	return errors.Join(err, f.Close())
}

// written tells the keeper about an Append, while that still has the writer's turn.
func (k *keeper) written(n int) {
	if k.grown += n; k.grown < walLook {
		return
	}
	k.grown = 0
	select {
	case k.look <- struct{}{}:
	default:
	}
}

func (k *keeper) run() {
	defer close(k.stopped)
	for {
		select {
		case <-k.quit:
			return
		case <-k.look:
			if err := k.trim(); err != nil {
				k.s.out.Warn("log.db: checkpoint of the write-ahead log failed", "error", err)
			}
		}
	}
}

func (k *keeper) stop() error {
	close(k.quit)
	<-k.stopped
	return k.c.close()
}

func (k *keeper) trim() error {
	pages, left, err := walState(k.c, "NOOP")
	if err != nil || pages*pageSize < walFull() || left == 0 {
		return k.s.fault(k.c.path, err) // none left: the next Append begins the file anew
	}
	if err := k.s.logMark.f.Sync(); err != nil { // what log.db is going to have of it must stay there
		return err
	}
	for before := 2 * pages; left > walRest && left <= before/2; {
		before = left
		if k.s.Err() != nil {
			return nil // a poisoned store syncs nothing
		}
		if _, _, err = walState(k.c, "PASSIVE"); err != nil {
			return k.s.checkpointFailed(k.c.path, err)
		}
		if _, left, err = walState(k.c, "NOOP"); err != nil {
			return k.s.fault(k.c.path, err)
		}
	}
	if err := k.s.log.take(context.Background()); err != nil {
		return err
	}
	defer k.s.log.give()
	if k.s.Err() != nil {
		return nil
	}
	_, _, err = walState(k.c, "PASSIVE")
	return k.s.checkpointFailed(k.c.path, err)
}

// trimState copies state.db's write-ahead log when it has become long. Nobody waits
// for a Save, so it does so itself.
func (s *Store) trimState(ctx context.Context) error {
	if err := s.state.take(ctx); err != nil {
		return nil // what was saved is saved
	}
	defer s.state.give()
	if s.Err() != nil {
		return nil
	}
	pages, _, err := walState(s.state.conn, "NOOP")
	if err != nil || pages*pageSize < stateFull {
		return s.fault(s.statePath, err)
	}
	if err := s.stateMark.sync(); err != nil { // what state.db is going to have of it must stay there
		return err
	}
	_, _, err = walState(s.state.conn, "PASSIVE")
	return s.checkpointFailed(s.statePath, err)
}

// walState runs a checkpoint of the mode and returns how many pages the write-ahead
// log has and how many of them are still to be copied.
func walState(c *conn, mode string) (pages, left int, err error) {
	err = c.query(context.Background(), func(r row) error {
		pages, left = int(r.int(1)), int(r.int(1)-r.int(2))
		return nil
	}, "PRAGMA wal_checkpoint("+mode+")")
	return pages, left, err
}

// checkpointFailed: a full disk is met again by the next checkpoint, a failed write or
// sync must not be tried again.
func (s *Store) checkpointFailed(path string, err error) error {
	if path == s.logPath && resultCode(err)&0xff == sqlite3.SQLITE_IOERR {
		if d, ok := vfs.LastDamage(path); ok && changed(err) {
			err = errors.Join(d, err)
		}
		return s.poison(fmt.Errorf("checkpoint of the write-ahead log: %w", err))
	}
	if resultCode(err)&0xff == sqlite3.SQLITE_IOERR {
		return s.loseState(fmt.Errorf("checkpoint of its write-ahead log: %w", err))
	}
	return s.fault(path, err)
}
