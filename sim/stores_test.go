package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
	"github.com/bursarhq/bursar/store/sqlite"
)

// backing is a store that a world can lose and find again.
type backing interface {
	store() store.Store
	// clock tells whether several engines share the store. If so it goes by now from here on,
	// and tell, if there is one, must be told each change.
	clock(now func() bursar.Time) (tell func(bursar.Time) error, shared bool)
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

func (b *memBacking) store() store.Store { return b.s }
func (b *memBacking) close() error       { return b.s.Close() }
func (b *memBacking) clock(func() bursar.Time) (func(bursar.Time) error, bool) {
	return nil, false
}

func (b *memBacking) reopen(how ending) error {
	if how == crashed {
		b.s = b.s.CrashClone()
	}
	return nil
}

// sharedBacking is a store that several engines share.
type sharedBacking struct{ memBacking }

const sharedNodes = 3

func (b *sharedBacking) clock(now func() bursar.Time) (func(bursar.Time) error, bool) {
	b.s.Clock = now
	return nil, true
}

func newSharedBacking() backing { return &sharedBacking{memBacking{mem.New()}} }

// pgBacking is a PostgreSQL that several engines share. What they take for its clock is a
// row that the test writes.
type pgBacking struct {
	url  string
	conn *pgx.Conn
	s    *postgres.Store
}

// testClock takes the place of the database's clock. It is precise to a microsecond.
const testClock = `CREATE TABLE public.test_clock (at timestamptz NOT NULL);
	INSERT INTO public.test_clock VALUES (pg_catalog.now());
	ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO wall_clock;
	CREATE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT at FROM public.test_clock'`

func newPGBacking(server *pgtest.Server, t *testing.T) (backing, error) {
	ctx := context.Background()
	b := &pgBacking{url: server.Database(t)}
	var err error
	if b.conn, err = pgx.Connect(ctx, b.url); err != nil {
		return nil, err
	}
	if _, err = b.conn.Exec(ctx, testClock); err != nil {
		return nil, err
	}
	b.s, err = postgres.Open(ctx, b.url, postgres.Options{})
	return b, err
}

func (b *pgBacking) store() store.Store { return b.s }
func (b *pgBacking) close() error {
	return errors.Join(b.conn.Close(context.Background()), b.s.Close())
}

func (b *pgBacking) clock(now func() bursar.Time) (func(bursar.Time) error, bool) {
	tell := func(at bursar.Time) error {
		_, err := b.conn.Exec(context.Background(), "UPDATE public.test_clock SET at = $1", at.Std())
		return err
	}
	if err := tell(now()); err != nil {
		panic(err)
	}
	return tell, true
}

// reopen connects anew; what an engine that has crashed did not write it cannot write.
func (b *pgBacking) reopen(ending) error {
	if err := b.s.Close(); err != nil {
		return err
	}
	var err error
	b.s, err = postgres.Open(context.Background(), b.url, postgres.Options{})
	return err
}

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

func (b *sqliteBacking) store() store.Store { return b.s }
func (b *sqliteBacking) close() error       { return b.s.Close() }
func (b *sqliteBacking) clock(func() bursar.Time) (func(bursar.Time) error, bool) {
	return nil, false
}

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
