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
	what   string // commit, settle, release or undo
	by     *caller
	hold   string
	unheld bool // nothing is held for the call: what it used is lost if this is never done
	placed bool // its place was kept when the call began
	do     func(context.Context) (*client.Reservation, error)
}

// Limits of what waits to be recorded.
const (
	maxUndos     = 256 // one that is dropped does no harm: the hold settles
	taskTimeout  = 20 * time.Second
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// books sees to it that each call's hold is ended, also when the server is away for a while.
type books struct {
	g       *Gateway
	pending atomic.Int64
	undos   atomic.Int64
	running sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
}

func newBooks(g *Gateway) *books {
	b := &books{g: g}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// keepPlace keeps a place for a call that nothing is held for, and tells whether there is one.
func (b *books) keepPlace() bool { return take(&b.pending, b.g.config.MaxPending) }

func take(n *atomic.Int64, most int64) bool {
	if n.Add(1) > most {
		n.Add(-1)
		return false
	}
	return true
}

// later does t in the background, again and again until the server has answered.
func (b *books) later(t *task) {
	switch {
	case t.placed:
	case t.what == "undo":
		if !take(&b.undos, maxUndos) {
			b.g.metrics.ended(t.what, "dropped")
			return
		}
	case !take(&b.pending, b.g.config.MaxPending):
		b.lost(t, "lost", "too much waits to be recorded")
		return
	}
	b.running.Add(1)
	go func() {
		defer b.running.Done()
		if b.persist(t) {
			b.done(t)
		} else if t.unheld {
			b.lost(t, "lost", "the gateway stopped")
			b.done(t)
		}
	}()
}

// done gives the place of t back.
func (b *books) done(t *task) {
	if t.what == "undo" && !t.placed {
		b.undos.Add(-1)
		return
	}
	b.pending.Add(-1)
}

// lost notes that t is not done: the hold of the call settles, or, where there is none, what it
// used is counted nowhere.
func (b *books) lost(t *task, result, why string, more ...any) {
	more = append(more, "what", t.what, "customer", t.by.customer, "hold", t.hold)
	if t.unheld {
		b.g.metrics.ended(t.what, "uncounted")
		b.g.log.Error(why+"; nothing was held for this call: what it used is counted nowhere", more...)
		return
	}
	b.g.metrics.ended(t.what, result)
	b.g.log.Error(why+"; the hold of this call will settle as an estimate", more...)
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
	} else if t.placed {
		b.done(t)
	}
	return got
}

// try does t once.
func (b *books) try(ctx context.Context, t *task) (*client.Reservation, error) {
	ctx, cancel := context.WithTimeout(t.by.context(ctx), taskTimeout)
	defer cancel()
	got, err := t.do(ctx)
	switch {
	case err == nil:
		b.g.metrics.ended(t.what, "done")
	case away(err):
		b.g.metrics.ended(t.what, "again")
	default:
		b.lost(t, "refused", "the server refused to end a call", "err", err)
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
