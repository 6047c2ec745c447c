package sim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store/mem"
	"github.com/bursarhq/bursar/store/sqlite"
)

// backing is a store that a world can lose and find again.
type backing interface {
	store() engine.Store
	// reopen ends the use of the store and gives it back as a new process would find it.
	reopen(how ending) error
	close() error
}

// ending is how a process ends.
type ending string

const (
	closed  ending = "closed"  // in order
	crashed ending = "crashed" // at once: the engine still believes that it runs
	rebuilt ending = "rebuilt" // in order, and what can be rebuilt is deleted
)

type memBacking struct{ s *mem.Store }

func newMemBacking() backing { return &memBacking{mem.New()} }

func (b *memBacking) store() engine.Store { return b.s }
func (b *memBacking) close() error        { return b.s.Close() }
func (b *memBacking) reopen(how ending) error {
	if how == crashed {
		b.s = b.s.CrashClone()
	}
	return nil
}

// sharedBacking is a store that several engines share.
type sharedBacking struct{ memBacking }

const sharedNodes = 3

func newSharedBacking() backing { return &sharedBacking{memBacking{mem.New()}} }

type sqliteBacking struct {
	dir string
	s   *sqlite.Store
}

func newSQLiteBacking(dir string) (backing, error) {
	s, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	return &sqliteBacking{dir, s}, nil
}

func (b *sqliteBacking) store() engine.Store { return b.s }
func (b *sqliteBacking) close() error        { return b.s.Close() }

// reopen closes the store under an engine that has crashed: what it did not save by
// then it cannot save any more.
func (b *sqliteBacking) reopen(how ending) error {
	if err := b.s.Close(); err != nil {
		return err
	}
	if how == rebuilt {
		files, err := filepath.Glob(filepath.Join(b.dir, "state.db*"))
		for _, f := range files {
			err = errors.Join(err, os.Remove(f))
		}
		if err != nil || len(files) == 0 {
			return fmt.Errorf("deleting %d files of state.db: %w", len(files), err)
		}
	}
	var err error
	b.s, err = sqlite.Open(b.dir, sqlite.Options{})
	return err
}
