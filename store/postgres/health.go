package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// pingEvery is how often a server that could not be used is tried.
const pingEvery = 500 * time.Millisecond

// health remembers whether the server could be reached when it was last asked for
// something. While it could not, it is asked again in the background.
type health struct {
	ping   func(context.Context) error
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	why     error // why the last operation failed; nil when all is well
	pinging sync.WaitGroup
}

func (h *health) start(ping func(context.Context) error) {
	h.ping = ping
	h.ctx, h.cancel = context.WithCancel(context.Background())
}

func (h *health) stop() {
	h.mu.Lock()
	h.cancel()
	h.mu.Unlock()
	h.pinging.Wait()
}

func (h *health) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.why
}

// note learns from how an operation with ctx went.
func (h *health) note(ctx context.Context, err error) {
	if err != nil && (ctx.Err() != nil || !unreachable(err)) {
		return // it says nothing about the server
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.why
	h.why = nil
	if err != nil {
		h.why = fmt.Errorf("postgres is not reachable: %w", err)
	}
	if was == nil && err != nil && h.ctx.Err() == nil {
		h.pinging.Go(h.watch)
	}
}

// watch pings until the server answers or an operation has found that it does.
func (h *health) watch() {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for h.err() != nil {
		h.note(h.ctx, h.ping(h.ctx))
		select {
		case <-h.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ended tells that the session was ended by the server or the network, rather than by
// our patience: where many wait, new connections would make it worse.
func ended(err error) bool {
	var connecting *pgconn.ConnectError
	var said *pgconn.PgError
	switch {
	case errors.As(err, &connecting):
		return false // it never began
	case errors.As(err, &said):
		return said.SeverityUnlocalized == "FATAL"
	}
	return errors.Is(err, errLost) && !pgconn.Timeout(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// unreachable tells an error that is about the connection or the server from one about
// a statement. The server speaks of itself in class 57 (it is shutting down or starting
// up), but for 57014, a statement that took too long.
func unreachable(err error) bool {
	var said *pgconn.PgError
	switch {
	case errors.As(err, &said):
		switch said.Code[:2] {
		case "57":
			return said.Code != codeCanceled
		case "08", "28": // connection, authorization
			return true
		}
		return said.Code == codeTooMany
	case errors.Is(err, errReplica), pgconn.Timeout(err), errors.Is(err, context.DeadlineExceeded):
		return true
	}
	var connecting *pgconn.ConnectError
	return errors.As(err, &connecting) || errors.Is(err, errLost)
}
