package engine

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// clockPace is how much of a smaller step is followed: 1/clockPace of the time that passes.
const clockPace = 100

// steadyClock is the time of a process that has its store for itself: what the system's
// clock read when the process started and what has passed since. Small steps of the
// system's clock are followed slowly, large ones not at all.
type steadyClock struct {
	read     func() (system bursar.Time, passed time.Duration)
	start    bursar.Time  // what the system's clock read when nothing had passed
	offset   atomic.Int64 // all corrections so far, in nanoseconds
	followed atomic.Int64 // what passed was at the last correction
	wrong    atomic.Bool  // the system's clock was found to be wrong
}

// systemClock reads the system's clock, and how long ago the process asked for it first.
func systemClock() func() (bursar.Time, time.Duration) {
	began := time.Now()
	return func() (bursar.Time, time.Duration) {
		t := time.Now()
		return bursar.TimeOf(t), t.Sub(began) // of the monotonic readings
	}
}

func newSteadyClock(read func() (bursar.Time, time.Duration)) *steadyClock {
	if read == nil {
		read = systemClock()
	}
	system, passed := read()
	c := &steadyClock{read: read, start: system - bursar.Time(passed)}
	c.followed.Store(int64(passed))
	return c
}

func (c *steadyClock) now() bursar.Time {
	_, passed := c.read()
	return c.start + bursar.Time(passed) + bursar.Time(c.offset.Load())
}

// drift is how far the system's clock is ahead of c, which follows it if that is little.
func (c *steadyClock) drift() time.Duration {
	system, passed := c.read()
	ahead := time.Duration(system - c.start - bursar.Time(c.offset.Load()) - bursar.Time(passed))
	if ahead.Abs() > store.MaxClockStep {
		return ahead
	}
	last := c.followed.Load()
	if most := (passed - time.Duration(last)) / clockPace; most >= time.Millisecond && c.followed.CompareAndSwap(last, int64(passed)) {
		c.offset.Add(int64(max(-most, min(ahead, most))))
	}
	return ahead
}

// clockSteady is nil unless the system's clock was set to something else while the process
// ran.
func (e *Engine) clockSteady() error {
	c := e.steady
	if c == nil {
		return nil
	}
	ahead := c.drift()
	if ahead.Abs() <= store.MaxClockStep {
		if c.wrong.Load() && c.wrong.Swap(false) {
			e.o.Log.Info("the system's clock is back where it was; deciding goes on")
		}
		return nil
	}
	err := fmt.Errorf("the system's clock was set by %s while the server ran", ahead.Truncate(time.Second))
	if !c.wrong.Swap(true) {
		e.o.Log.Error("nothing is decided", "err", err, "repair", "set the clock right; if it is right now, restart the server")
	}
	return bursar.Errorf(bursar.CodeGovernanceUnavailable, "%v, and what is decided under a wrong clock stays; so nothing is decided until the clock is back or the server is restarted under the right one", err)
}
