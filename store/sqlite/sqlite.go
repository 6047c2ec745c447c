// Package sqlite keeps the store in two SQLite databases in one directory, which one
// process at a time may open.
//
// log.db is the truth: the log, where each stream's log ends, and what commits write
// besides, the listings and the outbox. An Append is one transaction and is durable
// (WAL, synchronous=FULL) when it returns, as are the writes of the outbox. state.db holds the checkpoints and projections. It has its own
// writer, so that a Save delays no Append, and its own readers; it is not synced with
// each Save, since losing the last ones only makes the replay longer. While the service
// is stopped state.db may be deleted, or log.db restored from an older copy: a
// checkpoint that is not on the log is dropped and its stream is replayed.
//
// Faults: a write that fails before its COMMIT is rolled back and wraps
// engine.ErrNotCommitted; so does a COMMIT that finds the disk full or the file locked.
// After any other failure of a COMMIT, of a checkpoint of the write-ahead log or of a
// sync, and when a file turns out to be damaged, the store is poisoned: nobody can
// tell what the disk holds, and asking it to sync again would hide the loss.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/bursarhq/bursar/engine"
)

// Options configure a store.
type Options struct {
	Log *slog.Logger // what an operator should know; default: nothing is logged
}

var errClosed = errors.New("sqlite: store is closed")

// Store is an engine.Store in a directory.
type Store struct {
	out  *slog.Logger
	lock *os.File

	log          *writer // of log.db
	logReaders   *pool[*conn]
	ids          map[string]int64 // ids of committed streams; guarded by log's turn
	keeper       *keeper
	state        *writer // of state.db
	stateReaders *pool[*conn]
	loaders      *pool[*loader]
	behind       behind

	closing  sync.Once
	mu       sync.Mutex
	dead     error // the fault that poisoned the store, or errClosed
	poisoned bool
}

// Open opens the store in dir, creating both as needed. It fails when another process
// has the directory open and when a newer program wrote it.
func Open(dir string, opts Options) (*Store, error) {
	s := &Store{out: opts.Log, ids: map[string]int64{}}
	s.behind.streams = map[string]uint64{}
	if s.out == nil {
		s.out = slog.New(slog.DiscardHandler)
	}
	if err := s.open(dir); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *Store) open(dir string) error {
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
	logPath, statePath := filepath.Join(dir, "log.db"), filepath.Join(dir, "state.db")
	if s.log, err = openWriter(logPath, logPragmas, migrateLog); err != nil {
		return err
	}
	if s.state, err = openWriter(statePath, statePragmas, renewState); err != nil {
		return fmt.Errorf("%w (state.db may be deleted: it is rebuilt from log.db)", err)
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	readers := max(2*loadersMax, runtime.GOMAXPROCS(0))
	if s.logReaders, err = newPool(readers, func() (*conn, error) { return openConn(logPath, readPragmas) }); err != nil {
		return err
	}
	if s.stateReaders, err = newPool(readers, func() (*conn, error) { return openConn(statePath, readPragmas) }); err != nil {
		return err
	}
	if s.loaders, err = newPool(loadersMax, func() (*loader, error) { return &loader{path: statePath}, nil }); err != nil {
		return err
	}
	if err := s.reconcile(logPath, statePath); err != nil {
		return err
	}
	s.keeper, err = s.startKeeper(logPath)
	return err
}

// Err implements engine.Store.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// Close implements engine.Store. It waits for the calls in progress; closing twice is
// harmless. A poisoned store keeps its writers and its lock until the process exits:
// closing the files would sync them.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		s.mu.Lock()
		if s.dead == nil {
			s.dead = errClosed
		}
		s.mu.Unlock()
		err = s.close()
	})
	return err
}

// close releases whatever open got.
func (s *Store) close() error {
	var errs []error
	if s.keeper != nil {
		errs = append(errs, s.keeper.stop())
	}
	errs = append(errs, s.loaders.close(), s.logReaders.close(), s.stateReaders.close())
	for _, w := range []*writer{s.state, s.log} {
		if w == nil {
			continue
		}
		_ = w.take(context.Background())
		if !s.isPoisoned() {
			errs = append(errs, w.close())
		}
		w.give() // who was waiting finds the store dead
	}
	if s.lock != nil && !s.isPoisoned() {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

func (s *Store) isPoisoned() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poisoned
}

// write runs f in a transaction of w and commits it; then, if that went well, done.
// Nobody else writes to w meanwhile. An error of SQLite before the commit wraps
// ErrNotCommitted; one of f's own is returned as it is, having written nothing.
func (s *Store) write(ctx context.Context, w *writer, f func() error, done func()) error {
	if err := w.take(ctx); err != nil {
		return fmt.Errorf("%w: %w", engine.ErrNotCommitted, err)
	}
	defer w.give()
	if err := s.Err(); err != nil { // also what happened while waiting
		return err
	}
	err := w.exec("BEGIN IMMEDIATE")
	if err == nil {
		err = f()
	}
	if err != nil {
		return s.rolledBack(w, err)
	}
	if err := w.exec("COMMIT"); err != nil {
		return s.commitFailed(w, err)
	}
	done()
	return nil
}

// read runs f on a reader of p.
func (s *Store) read(ctx context.Context, p *pool[*conn], f func(*conn) error) error {
	if err := s.Err(); err != nil {
		return err
	}
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer p.give(c)
	return s.fault(f(c))
}
