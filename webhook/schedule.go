package webhook

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
)

// delays are the waits before the second attempt, the third and so on, about 27.6 hours
// in all. After the last one a delivery is given up.
var delays = [...]time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute,
	2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour}

// jitter spreads the retries of deliveries that failed together by ±10 %.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

// gone tells that the receiver wants no more of this endpoint.
func (o outcome) gone() bool { return o.status == http.StatusGone }

// settle says in d how an attempt that ended now went and what follows from it.
func settle(d *engine.Delivery, o outcome, now bursar.Time) {
	d.Attempts++
	d.ResponseStatus, d.Error, d.NextAttempt = o.status, o.problem, 0
	switch {
	case o.problem == "":
		d.Status = engine.DeliverySucceeded
	case o.gone() || d.Attempts > len(delays):
		d.Status = engine.DeliveryFailed
	default:
		d.Status = engine.DeliveryPending
		d.NextAttempt = (now + bursar.Time(jitter(delays[d.Attempts-1]))).Milli()
	}
}

// A lane is what is under way to one endpoint and waits for it. There is one for each
// endpoint that was ever sent to.
type lane struct {
	waiting []engine.DueDelivery
	flying  int
	pace    time.Duration // an attempt's usual duration
	slow    bool          // the last attempt took long
	booked  bursar.Time   // when the last of the deliveries put off has its turn
}

const (
	firstPace = 10 * time.Millisecond // until it is measured: hopeful, as a wrong hope costs a second booking only
	ahead     = 2 * time.Second       // of work to hold; more than a Poll
	minRoom   = 8
	maxRoom   = 1024
	crowded   = 4096        // deliveries held in all, from which on each lane has minRoom
	soonest   = time.Second // of a booking
	latest    = time.Minute // of a booking: the endpoint may recover before then
)

// room is how many deliveries may wait while so many are held in all.
func (l *lane) room(parallel, held int) int {
	if held >= crowded {
		return minRoom
	}
	return int(min(max(ahead*time.Duration(parallel)/max(l.pace, time.Microsecond), minRoom), maxRoom))
}

// book is when a delivery that finds no room may come back: when its turn is expected.
func (l *lane) book(now bursar.Time, parallel int) bursar.Time {
	l.booked = max(l.booked, now+bursar.Time(soonest)) + bursar.Time(l.pace)/bursar.Time(parallel)
	l.booked = min(l.booked, now+bursar.Time(latest))
	return l.booked
}

// learn takes in how long an attempt took.
func (l *lane) learn(took, timeout time.Duration) {
	l.pace += (took - l.pace) / 4
	l.slow = took >= timeout/5
}
