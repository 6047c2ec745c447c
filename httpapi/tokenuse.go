package httpapi

import (
	"context"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
)

// What one access token may take of a node. Its holder is one person's browser: a vendor's
// backend has an API key.
const (
	tokenRunning = 4               // requests at a time, streams apart
	tokenWaiting = 32              // more that wait for their turn
	tokenWait    = 2 * time.Second // for how long
	tokenBurst   = 1000            // requests, of which tokenRate come back each second
	tokenRate    = 100
	tokenStreams = 5

	// A write takes as much of the allowance as it wrote audit entries and webhook
	// deliveries; each of these takes some 750 bytes of the store. A write is admitted while
	// anything is left, so that the last one may take more than is left.
	tokenWrites    = 3000
	tokenWriteRate = 30 // come back each second

	tokensForget = 10_000 // tokens that are remembered before those that are idle are let go
)

// allowance is what is left of something that comes back with time.
type allowance struct {
	left float64
	at   time.Time
}

// refill brings a up to now.
func (a *allowance) refill(now time.Time, rate, most float64) {
	if past := now.Sub(a.at); past > 0 { // requests come here in another order than they began
		a.left, a.at = min(most, a.left+rate*past.Seconds()), now
	}
}

// until is how long it takes for one to be there, in whole seconds.
func (a *allowance) until(rate float64) int {
	return max(1, int(math.Ceil((1-a.left)/rate)))
}

// tokenUse is what one token takes at this moment.
type tokenUse struct {
	turns            chan struct{} // has one for each request that runs
	waiting, streams int
	running          int // those that wait, too
	requests, writes allowance
}

// tokenUses are those of all tokens in use.
type tokenUses struct {
	burst, rate, writes, writeRate float64 // the limits above, but in tests
	wait                           time.Duration

	mu sync.Mutex
	of map[string]*tokenUse
}

func newTokenUses() *tokenUses {
	return &tokenUses{burst: tokenBurst, rate: tokenRate, writes: tokenWrites, writeRate: tokenWriteRate, wait: tokenWait, of: map[string]*tokenUse{}}
}

func (t *tokenUses) get(id string, now time.Time) *tokenUse {
	u := t.of[id]
	if u == nil {
		if len(t.of) >= tokensForget {
			t.forget(now)
		}
		u = &tokenUse{turns: make(chan struct{}, tokenRunning), requests: allowance{t.burst, now}, writes: allowance{t.writes, now}}
		t.of[id] = u
	}
	t.refill(u, now)
	return u
}

func (t *tokenUses) refill(u *tokenUse, now time.Time) {
	u.requests.refill(now, t.rate, t.burst)
	u.writes.refill(now, t.writeRate, t.writes)
}

// forget lets go of tokens that take nothing and have all of their allowances.
func (t *tokenUses) forget(now time.Time) {
	for id, u := range t.of {
		t.refill(u, now)
		if u.running == 0 && u.streams == 0 && u.requests.left >= t.burst && u.writes.left >= t.writes {
			delete(t.of, id)
		}
	}
}

// errTooMany is a refusal that ends after so many seconds.
func (q *request) errTooMany(seconds int, format string, args ...any) error {
	q.w.Header().Set("Retry-After", strconv.Itoa(seconds))
	return bursar.Errorf(bursar.CodeRateLimited, format, args...)
}

// admit waits for a request's turn among those of its token, and refuses one too many.
// leave is to be called when it has ended.
func (t *tokenUses) admit(q *request) (leave func(), err error) {
	t.mu.Lock()
	u := t.get(q.token.ID, q.start)
	switch {
	case u.requests.left < 1:
		err = q.errTooMany(u.requests.until(t.rate), "this access token sent too many requests: %.0f at once and %.0f more each second", t.burst, t.rate)
	case q.route.method != "GET" && q.route.access&tokenManage != 0 && u.writes.left < 1:
		err = q.errTooMany(u.writes.until(t.writeRate), "this access token wrote too much: changes and their webhook deliveries count, %.0f at once and %.0f more each second", t.writes, t.writeRate)
	case u.waiting >= tokenWaiting:
		err = q.errTooMany(1, "this access token has %d requests under way and %d waiting; send fewer at a time", tokenRunning, tokenWaiting)
	}
	if err != nil {
		t.mu.Unlock()
		return nil, err
	}
	u.requests.left--
	u.running++
	u.waiting++
	t.mu.Unlock()
	late := time.NewTimer(t.wait)
	defer late.Stop()
	select {
	case u.turns <- struct{}{}:
	case <-late.C:
		err = q.errTooMany(1, "this access token has %d requests under way, the most at a time, for %v", tokenRunning, t.wait)
	case <-q.ctx.Done():
		err = context.Cause(q.ctx)
	}
	t.mu.Lock()
	u.waiting--
	if err != nil {
		u.running--
	}
	t.mu.Unlock()
	if err != nil {
		return nil, err
	}
	wrote := &atomic.Int64{}
	q.wrote = wrote
	return func() {
		<-u.turns
		t.mu.Lock()
		u.running--
		u.writes.left -= float64(wrote.Load())
		t.mu.Unlock()
	}, nil
}

// stream is admit for a stream, which lasts.
func (t *tokenUses) stream(q *request) (leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.get(q.token.ID, q.start)
	if u.streams >= tokenStreams {
		return nil, q.errTooMany(5, "this access token has %d streams, the most it may have at a time", tokenStreams)
	}
	u.streams++
	return func() {
		t.mu.Lock()
		u.streams--
		t.mu.Unlock()
	}, nil
}

// run runs the request's operation, in its turn when it is an access token's.
func (q *request) run() error {
	if q.spend != nil {
		if err := q.beginSpend(); err != nil {
			return err
		}
	}
	if q.bound != nil && len(q.bound.EntityTypes) > 0 {
		if err := q.namesIt(); err != nil {
			return err
		}
	}
	if q.token == nil {
		return q.route.operation.run(q)
	}
	admit := q.api.uses.admit
	if q.route.pattern == streamPattern {
		admit = q.api.uses.stream
	}
	leave, err := admit(q)
	if err != nil {
		return err
	}
	defer leave()
	return q.route.operation.run(q)
}
