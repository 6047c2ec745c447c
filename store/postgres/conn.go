package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	defaultSchema = "bursar"

	// For what a process that vanished holds at the server.
	keepaliveIdle  = 10 * time.Second
	tcpUserTimeout = 10 * time.Second
)

// What the server says, by SQLSTATE.
const (
	codeCanceled = "57014" // also by statement_timeout
	codeTooMany  = "53300" // connections
	codeLocked   = "55P03" // for longer than lock_timeout
	codeDeadlock = "40P01"
)

var (
	errReplica = errors.New("the server is not a primary")
	errLost    = errors.New("the connection was lost")
	errURL     = errors.New("postgres: cannot read the database's URL, want postgres://user@host:port/database")
)

// setUp makes a session what the store needs. Time is the client's to limit; the
// server's own limits end what a client that was paused or has vanished left behind.
//
// Plans are made once, without regard to arguments: each query walks along an index, and
// old statistics must not talk the planner into anything else. Where rows are found by
// stream and something more, OFFSET 0 keeps a subquery in its place: a planner that
// thinks a stream has one row would begin with all rows of the stream.
const setUp = `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',
	set_config('search_path', $1, false), set_config('application_name', 'bursar', false), set_config('bursar.sums', 'on', false),
	set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
	set_config('lock_timeout', $2, false), set_config('statement_timeout', $3, false),
	set_config('idle_in_transaction_session_timeout', $4, false),
	set_config('tcp_user_timeout', $5, false), set_config('tcp_keepalives_idle', $6, false),
	set_config('tcp_keepalives_interval', '3', false), set_config('tcp_keepalives_count', '3', false),
	set_config('standard_conforming_strings', 'on', false), set_config('default_transaction_isolation', 'read committed', false),
	set_config('plan_cache_mode', 'force_generic_plan', false), set_config('jit', 'off', false), set_config('random_page_cost', '1.1', false),
	set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)`

// configure reads url. No error has more of it than its form: it may hold a password.
func (o Options) configure(url string) (cfg *pgxpool.Config, schema string, err error) {
	o = o.withDefaults()
	if cfg, err = pgxpool.ParseConfig(url); err != nil {
		return nil, "", errURL
	}
	cfg.MaxConns = int32(o.MaxConns)
	cc := cfg.ConnConfig
	if schema = cc.RuntimeParams["search_path"]; schema == "" {
		schema = defaultSchema
	}
	delete(cc.RuntimeParams, "search_path")
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = o.Timeout
	}
	dialer := &net.Dialer{KeepAlive: keepaliveIdle, Control: impatient}
	cc.DialFunc = dialer.DialContext
	ms := func(d time.Duration) []byte { return strconv.AppendInt(nil, d.Milliseconds(), 10) }
	args := [][]byte{
		[]byte(pgx.Identifier{schema}.Sanitize()), ms(o.Timeout * 2 / 3), ms(o.Slow), ms(2 * o.Timeout), ms(tcpUserTimeout),
		strconv.AppendInt(nil, int64(keepaliveIdle.Seconds()), 10),
	}
	cc.ValidateConnect = func(ctx context.Context, c *pgconn.PgConn) error {
		r := c.ExecParams(ctx, setUp, args, nil, nil, nil).Read()
		switch {
		case r.Err != nil:
			return r.Err
		case string(r.Rows[0][0]) != "f":
			return errReplica
		}
		return nil
	}
	cc.OnNotice = func(c *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			c.CustomData()[warned] = n.Message
		}
	}
	return cfg, schema, nil
}

// warned is where a connection keeps the last warning of its server.
const warned = "warning"

// impatient lets the kernel give up a connection whose peer acknowledges nothing.
func impatient(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = setUserTimeout(int(fd), tcpUserTimeout) }); e != nil {
		return e
	}
	return err
}

// conn is a connection that one operation has.
type conn struct {
	*pgx.Conn
	sent bool // COMMIT may have been sent, and its outcome is not known
}

// query calls f with each row of the answer.
func (c *conn) query(ctx context.Context, f func(row) error, sql string, args ...any) error {
	rows, err := c.Query(ctx, sql, args...)
	return each(rows, err, f)
}

func each(rows pgx.Rows, err error, f func(row) error) error {
	if err != nil {
		return lost(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.RawValues()); err != nil {
			return err
		}
	}
	return lost(rows.Err())
}

// lost marks an error that is not the server's as one of the connection.
func lost(err error) error {
	var said *pgconn.PgError
	if err == nil || errors.As(err, &said) || errors.Is(err, errLost) {
		return err
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// batch is statements that go to the server in one message.
type batch struct {
	pgx.Batch
	reads []func(row) error // what to do with each row of each statement's answer
}

func (b *batch) exec(sql string, args ...any) { b.query(nil, sql, args...) }

func (b *batch) query(f func(row) error, sql string, args ...any) {
	b.Queue(sql, args...)
	b.reads = append(b.reads, f)
}

// run sends b and reads all answers. The first error ends it: the server, in one
// transaction, does nothing more either.
func (c *conn) run(ctx context.Context, b *batch) (err error) {
	r := c.SendBatch(ctx, &b.Batch)
	defer func() {
		if closed := r.Close(); err == nil {
			err = lost(closed)
		}
	}()
	for _, f := range b.reads {
		if f == nil {
			_, err = r.Exec()
			err = lost(err)
		} else {
			rows, qerr := r.Query()
			err = each(rows, qerr, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// commit sends b, whose transaction is begun, and COMMIT, and reads all answers.
//
// The outcome is unknown when the connection is lost, and when the server ends the
// session rather than refusing a statement: it, or a proxy in its place, may do so when
// it has committed. A statement that is refused (severity ERROR), be it COMMIT itself,
// has rolled the transaction back. So has a COMMIT that is answered by ROLLBACK. A
// warning says that the wait for a synchronous replica was cut short: what was committed
// is on one machine only, which is not what was promised.
func (c *conn) commit(ctx context.Context, b *batch) (err error) {
	delete(c.PgConn().CustomData(), warned)
	b.exec("COMMIT")
	c.sent = true
	r := c.SendBatch(ctx, &b.Batch)
	var tag pgconn.CommandTag
	for range b.reads {
		if tag, err = r.Exec(); err != nil {
			break
		}
	}
	_ = r.Close() // once it is committed, it is, whatever becomes of the connection
	var said *pgconn.PgError
	switch {
	case errors.As(err, &said) && said.SeverityUnlocalized == "ERROR":
		c.sent = false
		return err
	case err != nil:
		return lost(err)
	case tag.String() != "COMMIT":
		c.sent = false
		return fmt.Errorf("COMMIT was answered by %s", tag)
	}
	if w := c.PgConn().CustomData()[warned]; w != nil {
		return fmt.Errorf("COMMIT: the server warns: %v", w)
	}
	c.sent = false
	return nil
}

// rollback ends a transaction that wrote nothing.
func (c *conn) rollback(ctx context.Context) error {
	_, err := c.Exec(ctx, "ROLLBACK")
	return lost(err)
}
