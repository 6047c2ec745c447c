// Package sqlite keeps the store in two SQLite databases in one directory, which one
// process at a time may open.
//
// log.db is the truth: the log, where each stream's log ends, and what commits write
// besides, the listings and the outbox. An Append is one transaction and is durable
// (WAL, synchronous=FULL) when it returns, as are the writes of the outbox. state.db holds
// the checkpoints and projections. It has its own writer, so that a Save delays no Append,
// and its own readers; it is not synced with each Save, since losing the last ones only
// makes the replay longer. While the service is stopped state.db may be deleted, or log.db
// restored from an older copy without its log.end: a checkpoint that is not on the log is
// dropped and its stream is replayed.
//
// Damage: all pages have checksums (package vfs), and log.end and state.end say how far
// the write-ahead logs must reach (mark). What is damaged in log.db is not served, and a
// log that lost commits is not opened; a damaged state.db is made anew when it is opened.
//
// Faults: a write that fails before its COMMIT is rolled back and wraps
// engine.ErrNotCommitted; so does a COMMIT that finds the disk full or the file locked.
// After any other failure of a COMMIT, of a checkpoint of the write-ahead log or of a
// sync, when state.db turns out to be damaged and when log.db is not where it was, the
// store is poisoned: nobody can tell what the disk holds, and asking it to sync again would
// hide the loss.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite/vfs"
)

// Options configure a store.
type Options struct {
	Log *slog.Logger // what an operator should know; default: nothing is logged
	// Unfinished opens a store after Salvage, too, before what is derived of the logs is there again.
	Unfinished bool
}

var errClosed = errors.New("sqlite: store is closed")

// Store is a store.Store in a directory.
type Store struct {
	out  *slog.Logger
	lock *dirLock

	logPath, statePath string
	unfinished         bool // Options.Unfinished

	log          *writer // of log.db
	logMark      *marker // guarded by log's turn, as is markFailed
	markFailed   bool
	inode        os.FileInfo // of log.db
	logReaders   *pool[*conn]
	ids          map[string]int64 // ids of committed streams; guarded by log's turn
	keeper       *keeper
	state        *writer // of state.db
	stateReaders *pool[*conn]
	loaders      *pool[*loader]
	stateMark    *marker // guarded by state's turn
	behind       behind
	asides       store.Asides // of this process, which decided nothing before; guarded by log's turn

	closing  sync.Once
	mu       sync.Mutex
	dead     error // the fault that poisoned the store, or errClosed
	poisoned bool
}

// Open opens the store in dir, creating both as needed. It fails when another process
// has the directory open and when a newer program wrote it.
func Open(dir string, opts Options) (*Store, error) {
	s := &Store{out: opts.Log, ids: map[string]int64{}, unfinished: opts.Unfinished}
	s.behind.streams = map[string]uint64{}
	if s.out == nil {
		s.out = slog.New(slog.DiscardHandler)
	}
	if err := s.open(dir); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// Err implements store.Store.
func (s *Store) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// Close implements store.Store. It waits for the calls in progress; closing twice is
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
	for _, end := range []struct {
		w *writer
		m *marker
	}{{s.state, s.stateMark}, {s.log, s.logMark}} {
		if end.w != nil {
			_ = end.w.take(context.Background())
			if !s.isPoisoned() {
				errs = append(errs, closeWriter(end.w, end.m))
			}
			end.w.give() // who was waiting finds the store dead
		}
	}
	if s.lock != nil && !s.isPoisoned() {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// closeWriter closes the last connection to a database. When the database has all of its
// write-ahead log that log begins anew, and need not be whole any more.
func closeWriter(w *writer, m *marker) error {
	if m == nil { // it was not opened
		return w.close()
	}
	_, left, err := walState(w.conn, "PASSIVE")
	whole := err == nil && left == 0
	if whole {
		err = errors.Join(m.put(mark{rows: m.rows}), m.f.Sync())
	}
	err = errors.Join(err, w.close())
	if whole && err == nil {
		err = vfs.Begin(w.path)
	}
	return errors.Join(err, m.close())
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
		return fmt.Errorf("%w: %w", store.ErrNotCommitted, err)
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
	if w == s.log {
		if err := s.inPlace(); err != nil {
			return s.poison(err)
		}
	}
	done()
	if w == s.log {
		s.putMark()
	}
	return nil
}

// inPlace tells whether log.db is the file that was opened: what is written to one that
// was removed or replaced is gone with the process.
func (s *Store) inPlace() error {
	st, err := os.Stat(s.logPath)
	if err == nil && os.SameFile(st, s.inode) || err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return errors.New("log.db was removed or replaced while it was in use; what is written to it would be lost")
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
	return s.fault(c.path, f(c))
}
