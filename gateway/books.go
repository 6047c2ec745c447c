package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar/client"
)

// task ends a hold: by what was used, by an estimate or by nothing.
type task struct {
	what string // commit, settle or release
	by   string // the customer
	hold string
	do   func(context.Context) (*client.Reservation, error)
}

// Limits of what waits to be recorded.
const (
	maxPending   = 10_000
	taskTimeout  = 20 * time.Second
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// books sees to it that each call's hold is ended, also when the server is away for a while.
type books struct {
	g       *Gateway
	pending atomic.Int64
	running sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
}

func newBooks(g *Gateway) *books {
	b := &books{g: g}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// later does t in the background, again and again until the server has answered.
func (b *books) later(t *task) {
	if b.pending.Add(1) > maxPending {
		b.pending.Add(-1)
		b.g.metrics.ended(t.what, "lost")
		b.g.log.Error("too much waits to be recorded; the hold of this call will settle as an estimate", "what", t.what, "customer", t.by, "hold", t.hold)
		return
	}
	b.running.Add(1)
	go func() {
		defer b.running.Done()
		if b.persist(t) {
			b.pending.Add(-1)
		}
	}()
}

// persist does t until it is done, and tells whether that was before the gateway stopped.
func (b *books) persist(t *task) bool {
	for wait := firstBackoff; ; wait = min(2*wait, maxBackoff) {
		_, err := b.try(b.ctx, t)
		if !away(err) {
			return true
		}
		pause := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-pause.C:
		case <-b.ctx.Done():
			pause.Stop()
			return false
		}
	}
}

// now does t and waits for it. Where that takes longer than wait, or the server is away, it is
// done in the background, and the result is nil.
func (b *books) now(t *task, wait time.Duration) *client.Reservation {
	ctx, cancel := context.WithTimeout(b.ctx, wait)
	defer cancel()
	got, err := b.try(ctx, t)
	if away(err) {
		b.later(t)
	}
	return got
}

// try does t once.
func (b *books) try(ctx context.Context, t *task) (*client.Reservation, error) {
	ctx, cancel := context.WithTimeout(ctx, taskTimeout)
	defer cancel()
	got, err := t.do(ctx)
	switch {
	case err == nil:
		b.g.metrics.ended(t.what, "done")
	case away(err):
		b.g.metrics.ended(t.what, "again")
	default:
		b.g.metrics.ended(t.what, "refused")
		b.g.log.Error("the server refused to end the hold of a call; it will settle as an estimate", "what", t.what, "customer", t.by, "hold", t.hold, "err", err)
	}
	return got, err
}

// away tells that the server gave no answer that will stay.
func away(err error) bool {
	if err == nil {
		return false
	}
	var e *client.Error
	if !errors.As(err, &e) {
		return true
	}
	return e.Status >= 500 || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout
}

func (b *books) wait() { b.running.Wait() }

// stop ends what waits, and tells how much that is.
func (b *books) stop() int64 {
	b.cancel()
	b.running.Wait()
	return b.pending.Load()
}
