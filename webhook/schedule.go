package webhook

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
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

// conclude says in d how an attempt that ended now went and what follows from it.
func conclude(d *store.Delivery, o outcome, now bursar.Time) {
	d.Attempts++
	d.ResponseStatus, d.Error, d.NextAttempt = o.status, o.problem, 0
	switch {
	case o.problem == "":
		d.Status = store.DeliverySucceeded
	case o.gone() || d.Attempts > len(delays):
		d.Status = store.DeliveryFailed
	default:
		d.Status = store.DeliveryPending
		d.NextAttempt = (now + bursar.Time(jitter(delays[d.Attempts-1]))).Milli()
	}
}

// A lane is what is under way to one endpoint and waits for it. There is one for each webhook that was
// ever sent to, and for each recipient of a notification for whom something is due.
type lane struct {
	health
	id      string // the endpoint's
	waiting []store.DueDelivery
	held    int           // in work.known: waiting, flying or not yet saved
	pace    time.Duration // an attempt's usual duration
	slow    bool          // the last attempt took long
	url     string        // where the last attempt went

	// Of a person: the customer whose notification it is, once it is known, and the health of what
	// takes messages of many; nil = nothing does.
	person   bool
	customer string
	server   *health

	// Of the last look into the outbox: whether something was due, how many rows it asked for and got, the last of
	// them, whether there may be more, and whether some had waited in vain.
	due           bool
	asked, got    int
	last          store.Delivery
	more, overdue bool
}

// health is what attempts say of where they go.
type health struct {
	flying   int
	failures int         // attempts one after the other that speak of it
	probe    bursar.Time // when the next may be, while it does not work
}

const (
	firstPace   = 10 * time.Millisecond // until it is measured
	ahead       = 2 * time.Second       // of work to hold; more than a Poll
	minRoom     = 8
	maxRoom     = 1024
	crowded     = 4096 // deliveries held in all, from which on each lane has minRoom
	downAfter   = 20   // failures from which on an endpoint does not work
	firstProbe  = 5 * time.Second
	lastProbe   = time.Minute
	patience    = 28 * time.Hour // for an endpoint that does not work, as long as a delivery's own tries take
	overduePage = 256
)

// room is how many deliveries may wait while so many are held in all.
func (l *lane) room(parallel, held int) int {
	if held >= crowded || l.down() {
		return minRoom
	}
	return int(min(max(ahead*time.Duration(parallel)/max(l.pace, time.Microsecond), minRoom), maxRoom))
}

// learn takes in how long an attempt took.
func (l *lane) learn(took, timeout time.Duration) {
	l.pace += (took - l.pace) / 4
	l.slow = took >= timeout/5
}

// down tells that it does not work.
func (h *health) down() bool { return h.failures >= downAfter }

// resting tells that no attempt may start: one at a time does while it does not
// work, after a wait.
func (h *health) resting(now bursar.Time) bool { return h.down() && (h.flying > 0 || now < h.probe) }

// judge takes in how an attempt ended that is not under way any more.
func (h *health) judge(failed bool, now bursar.Time) {
	if !failed {
		h.failures = 0
		return
	}
	h.failures++
	if n := h.failures - downAfter; n >= 0 && h.flying == 0 {
		h.probe = now + bursar.Time(min(firstProbe<<min(n, 8), lastProbe))
	}
}

func (l *lane) down() bool { return l.health.down() || l.server != nil && l.server.down() }

func (l *lane) resting(now bursar.Time) bool {
	return l.health.resting(now) || l.server != nil && l.server.resting(now)
}

// fly notes that n more attempts are under way.
func (l *lane) fly(n int) {
	l.flying += n
	if l.server != nil {
		l.server.flying += n
	}
}

// ofEndpoint tells that the attempt failed, and not because of what was sent.
func (o outcome) ofEndpoint() bool {
	switch o.status {
	case http.StatusGone, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return false
	}
	return o.problem != ""
}
