package engine

import (
	"sync/atomic"
	"time"
)

// lockTimes is the longest that a customer's lock was held, for readers, deciders and savers
// each. It is always measured in things looked at, and in time where timed is set.
type lockTimes struct {
	visits [savers + 1]atomic.Int64
	timed  atomic.Bool
	time   [savers + 1]atomic.Int64
}

type lockUser int

const (
	readers  lockUser = iota
	deciders          // of one request
	savers
)

// begin is to be called when the lock has been taken, and end before it is let go.
func (h *lockTimes) begin() (began time.Time) {
	if h.timed.Load() {
		began = time.Now()
	}
	return began
}

func (h *lockTimes) end(who lockUser, began time.Time, visits int) {
	raise(&h.visits[who], int64(visits))
	if !began.IsZero() {
		raise(&h.time[who], int64(time.Since(began)))
	}
}

func raise(most *atomic.Int64, n int64) {
	for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
	}
}
