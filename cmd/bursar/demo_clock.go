package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
)

// demoClock lives lag in the past until start, then runs speed times as fast as real
// time until it has caught up with it, and is real time from then on. It never jumps
// and never goes back, whatever happens to the system's clock.
type demoClock struct {
	zero  time.Time // any instant of the process; real time is counted from it
	speed float64
	lag   time.Duration
	began atomic.Int64 // real nanoseconds after zero; 0 = not started
}

// newDemoClock makes a clock that gains span on real time while span goes by on it.
func newDemoClock(span time.Duration, speed float64) *demoClock {
	lag := time.Duration(float64(span) * (1 - 1/speed))
	return &demoClock{zero: time.Now(), speed: speed, lag: lag}
}

func (c *demoClock) now() bursar.Time {
	real := time.Since(c.zero)
	behind := c.lag
	if began := c.began.Load(); began != 0 {
		run := max(0, real-time.Duration(began))
		behind = max(0, c.lag-time.Duration(float64(run)*(c.speed-1)))
	}
	return bursar.TimeOf(c.zero.Add(real - behind))
}

// start lets the clock run fast and returns what it shows at that moment.
func (c *demoClock) start() bursar.Time {
	c.began.Store(int64(max(1, time.Since(c.zero))))
	return bursar.TimeOf(c.zero.Add(time.Duration(c.began.Load()) - c.lag))
}

// wait returns once the clock has run for d since its start, which must lie within the
// span that it was made for.
func (c *demoClock) wait(ctx context.Context, d time.Duration) error {
	due := time.Duration(c.began.Load()) + time.Duration(float64(d)/c.speed)
	left := due - time.Since(c.zero)
	if left <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
