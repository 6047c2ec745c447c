// Package postgres keeps the store in a PostgreSQL database (13 or newer, UTF-8) that
// several processes share. They are caches over the log that is here; the database's
// clock is the time, and a row's lock the right to append to a stream.
//
// An Append is one transaction of two round trips. The first locks the rows of streams
// that its commits are for, always in the same order, so that no two transactions wait
// for each other: the catalogue, then new streams by name, then the others by id. Behind
// the locks it reads the clock and what was appended meanwhile. The second writes and
// commits.
//
// Faults: what fails before COMMIT is sent, and what the server refuses, is rolled back
// and wraps engine.ErrNotCommitted. A connection that ends between COMMIT and its answer
// leaves the outcome unknown. Nothing poisons this store: PostgreSQL stops by itself
// when it cannot trust its disk, methods return errors while it is away and work again
// once it is back. A server in recovery is refused, on each new connection: nothing is
// ever decided from a replica.
//
// Failover without loss needs synchronous replication; synchronous_commit is raised to
// on where the server's setting is weaker.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bursarhq/bursar/store"
)

// Options configure a store. Zero members take the default.
type Options struct {
	MaxConns  int           // connections of this process; 16, at least 4
	Timeout   time.Duration // of each call of the write path and of Heads, with the wait for a connection; 1.5 s
	Slow      time.Duration // of each other call, and of each statement at the server; 30 s
	NoMigrate bool          // fail, rather than migrate, when the schema is older than the program
	Log       *slog.Logger  // what an operator should know; default: nothing is logged
}

const (
	defaultMaxConns = 16
	minConns        = 4
	defaultTimeout  = 1500 * time.Millisecond
	defaultSlow     = 30 * time.Second
)

var errClosed = errors.New("postgres: store is closed")

// Store is a store.Store in a database.
type Store struct {
	opts  Options
	pool  *pgxpool.Pool
	loads chan struct{} // the connections of Loads: half of all, since a visit may use the store
	trim  trimCursor
	due   atomic.Int64 // the stream that Due ended with

	connecting *connecting
	damaged    complaints

	health  health
	closing sync.Once
	closed  atomic.Bool
}

// Open opens the store in the database that url names, in the schema that is the url's
// search_path, "bursar" without one. It brings the schema to this program's version; a
// newer one is refused, as are a replica and a server that is older than 13.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	cfg, schema, err := opts.configure(url)
	if err != nil {
		return nil, err
	}
	if !opts.NoMigrate {
		from, to, err := Migrate(ctx, url)
		if err != nil {
			return nil, err
		}
		if from != to {
			opts.Log.Info("postgres: migrated", "schema", schema, "from", from, "to", to)
		}
	}
	connecting := newConnecting()
	cfg.BeforeConnect = connecting.before
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	s := &Store{opts: opts, pool: pool, connecting: connecting, loads: make(chan struct{}, opts.MaxConns/2)}
	s.health.start(s.ping)
	if err := s.checkServer(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("postgres: %w", err), s.Close())
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.MaxConns == 0 {
		o.MaxConns = defaultMaxConns
	}
	o.MaxConns = max(o.MaxConns, minConns)
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Slow == 0 {
		o.Slow = defaultSlow
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// checkServer refuses a server or a schema that the store cannot be in.
func (s *Store) checkServer(ctx context.Context, schema string) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Slow)
	defer cancel()
	var version int
	var encoding, fsync, checksums string
	err := s.pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
		current_setting('fsync'), current_setting('data_checksums')`).Scan(&version, &encoding, &fsync, &checksums)
	switch {
	case err != nil:
		return err
	case version < 130000:
		return fmt.Errorf("the server is PostgreSQL %d, need 13 or newer", version/10000)
	case encoding != "UTF8":
		return fmt.Errorf("the database's encoding is %s, need UTF8", encoding)
	}
	if fsync != "on" {
		s.opts.Log.Warn("postgres: the server has fsync off: a crash of its machine loses what was acknowledged")
	}
	if checksums != "on" {
		s.opts.Log.Warn("postgres: the server has data_checksums off: a value that its disk changed is noticed, a row that its disk lost is not; stop it and run pg_checksums --enable")
	}
	return checkSchema(ctx, s.pool, schema)
}

// Err implements store.Store: while the server cannot be reached it says why.
func (s *Store) Err() error {
	if s.closed.Load() {
		return errClosed
	}
	return s.health.err()
}

// Close implements store.Store. It waits for the calls in progress; closing twice is
// harmless.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closed.Store(true)
		s.health.stop()
		s.pool.Close()
	})
	return nil
}

// do runs f with a connection, within timeout, and notes how it went. f gets a
// connection outside of any transaction; one that it leaves in a transaction is closed,
// and the server rolls that back.
func (s *Store) do(ctx context.Context, timeout time.Duration, f func(ctx context.Context, c *conn) error) error {
	if s.closed.Load() {
		return errClosed
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	pc, err := s.pool.Acquire(limited)
	if err == nil {
		c := &conn{Conn: pc.Conn()}
		func() {
			defer pc.Release() // also when f panics
			if err = f(limited, c); ended(err) && s.connecting.giveUp(c.PgConn()) {
				s.pool.Reset()
			}
		}()
	}
	s.health.note(ctx, err)
	return err
}

// write is do for what wraps engine.ErrNotCommitted unless f got to its commit.
func (s *Store) write(ctx context.Context, timeout time.Duration, f func(ctx context.Context, c *conn) error) error {
	sent := false
	err := s.do(ctx, timeout, func(ctx context.Context, c *conn) error {
		err := f(ctx, c)
		sent = c.sent
		return err
	})
	if err == nil || sent || errors.Is(err, store.ErrSuperseded) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrNotCommitted, err)
}

// ping tells whether the server can be used.
func (s *Store) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	return s.pool.Ping(ctx)
}
