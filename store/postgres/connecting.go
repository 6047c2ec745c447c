package postgres

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// connectingMost is how many sessions a process begins at a time. A session costs the
// server a process and some 50 ms of a core; where a network that comes and goes ends all
// of them at once, a server that is asked for all anew at once answers none in time.
const connectingMost = 2

// connecting lets few sessions begin at a time, and tells those that began before all
// were given up from those that began after.
type connecting struct {
	turns chan struct{}
	given atomic.Int64 // how often all sessions were given up
}

// age is where a connection keeps how often all had been given up when it began.
const age = "age"

func newConnecting() *connecting { return &connecting{turns: make(chan struct{}, connectingMost)} }

// before implements pgxpool.Config.BeforeConnect. The wait for a turn is part of the
// connection's timeout: whoever has given up waiting troubles the server no more.
func (w *connecting) before(_ context.Context, cc *pgx.ConnConfig) error {
	dial, validate := cc.DialFunc, cc.ValidateConnect
	var begun atomic.Bool
	end := func() {}
	cc.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if begun.Load() { // to cancel a statement
			return dial(ctx, network, addr)
		}
		select {
		case w.turns <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		end = sync.OnceFunc(func() { <-w.turns })
		if until, ok := ctx.Deadline(); ok && time.Until(until) < cc.ConnectTimeout/2 {
			end() // it would give up in the middle, and the server's work be lost
			return nil, context.DeadlineExceeded
		}
		c, err := dial(ctx, network, addr)
		if err != nil {
			end()
			return nil, err
		}
		return &turn{c, end}, nil
	}
	born := w.given.Load()
	cc.ValidateConnect = func(ctx context.Context, c *pgconn.PgConn) error {
		if err := validate(ctx, c); err != nil {
			return err // c is closed, which ends its turn; the URL may have another host
		}
		c.CustomData()[age] = born
		begun.Store(true)
		end()
		return nil
	}
	return nil
}

// giveUp tells whether c is the first of its age that was found to have ended: the
// others may have, too, and would be found so one by one.
func (w *connecting) giveUp(c *pgconn.PgConn) bool {
	born := c.CustomData()[age].(int64)
	return w.given.CompareAndSwap(born, born+1)
}

// turn is a connection that takes a turn until it is closed, unless it has ended it.
type turn struct {
	net.Conn
	end func()
}

func (t *turn) Close() error {
	t.end()
	return t.Conn.Close()
}
