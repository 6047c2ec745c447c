package engine

import (
	"errors"
	"sync/atomic"
	"time"
)

// Nobody holds a customer's lock for long: who reads much does so in slices, and others
// have their turn between them. A view counts what is looked at through it; once that is
// sliceSize, v is tired, and what f returns to go on in the next slice is errGoOn.

// sliceSize is how many things are looked at before a customer's lock is let go: about a
// millisecond.
const sliceSize = 4096

// What looking at one of many counts where that is more than a look.
const (
	holdLook = 4 // they lie apart in memory
	rowLook  = 2 // of the tree: what it has used is worked out
)

// errGoOn tells read to let others have their turn, and to call again.
var errGoOn = errors.New("there is more to read")

// tired tells that enough was looked at under one lock.
func (v *view) tired() bool { return v.visits-v.rested >= sliceSize }

// holding is the longest that a customer's lock was held, by readers and by those who save
// it: in things looked at, always, and in time, where that is asked for.
type holding struct {
	visits [savers + 1]atomic.Int64
	timed  atomic.Bool
	time   [savers + 1]atomic.Int64
}

type holder int

const (
	readers  holder = iota
	deciders        // of one request
	savers
)

// begin is to be called when the lock has been taken, and end before it is let go.
func (h *holding) begin() (began time.Time) {
	if h.timed.Load() {
		began = time.Now()
	}
	return began
}

func (h *holding) end(who holder, began time.Time, visits int) {
	raise(&h.visits[who], int64(visits))
	if !began.IsZero() {
		raise(&h.time[who], int64(time.Since(began)))
	}
}

func raise(most *atomic.Int64, n int64) {
	for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
	}
}
