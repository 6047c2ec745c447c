package webhook

import (
	"context"
	"slices"
	"time"

	"github.com/bursarhq/bursar/engine"
)

const (
	pageRows   = 256                   // new deliveries asked for at once
	linger     = 50 * time.Millisecond // for results to gather before they are saved
	saveAt     = 64                    // results that are saved without lingering
	finalFlush = 5 * time.Second       // for the last save
	stale      = 10 * time.Second      // without a look into the outbox, its rows may be another node's by now
)

// work is the state of Run, which its goroutine alone touches; the goroutines of requests
// hand their results over through done.
//
// One slow endpoint may own every row that DueDeliveries returns, ten thousand of them
// and all the earliest. Three things keep it from delaying others:
//   - A lane holds at most what its endpoint takes in about two seconds (less when much
//     waits in all), and at most PerEndpoint requests of it are under way; free slots go
//     round the lanes.
//   - Rows known here (waiting, under way, not yet saved) are asked for on top of a page,
//     so they cannot fill it.
//   - When a page is full all the same, there may be others' rows behind it: the rows
//     that found no room are booked, that is their NextAttempt is put off to when the
//     endpoint is expected to get to them, at its measured pace and within a minute, and
//     the next page is read at once. So each is rewritten about once, not once per look,
//     memory stays bounded, and after a crash all of it is still in the outbox.
//
// What waits in a lane and is no longer due was sent by another node that took over, so
// it leaves the lane. After a pause nothing starts before the outbox was looked at.
type work struct {
	*Sender
	lanes   map[string]*lane // by endpoint
	turn    []*lane          // the same, in the order of their next turns
	known   map[string]struct{}
	flying  int
	done    chan result
	unsaved []engine.Delivery
	looked  time.Time // when the outbox was last read

	readFailing, saveFailing bool
}

type result struct {
	lane *lane
	d    engine.Delivery
	o    outcome
	took time.Duration
	cut  bool // Run ended before the attempt did: it counts as not made
}

// Run delivers until ctx ends. Requests under way then have a short grace; what is cut
// off stays in the outbox and is sent again by the next Run.
func (s *Sender) Run(ctx context.Context) {
	defer s.client.CloseIdleConnections()
	sending, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	w := &work{Sender: s, lanes: map[string]*lane{}, known: map[string]struct{}{}, done: make(chan result, s.opts.Concurrency)}
	poll, flush := time.NewTimer(0), time.NewTimer(time.Hour)
	defer poll.Stop()
	defer flush.Stop()
	gathering := false
	for {
		select {
		case <-ctx.Done():
			w.stop(cut)
			return
		case r := <-w.done:
			w.land(r)
		case <-flush.C:
			gathering = false
			w.save(ctx)
		case <-poll.C:
			w.save(ctx)
			if w.fetch(ctx) {
				poll.Reset(0)
			} else {
				poll.Reset(s.opts.Poll)
			}
		}
		w.launch(sending)
		switch {
		case w.saveFailing: // the next poll tries again
		case len(w.unsaved) >= saveAt:
			w.save(ctx)
		case len(w.unsaved) > 0 && !gathering:
			flush.Reset(linger)
			gathering = true
		}
	}
}

// fetch takes in what is due and reports whether there may be more.
func (w *work) fetch(ctx context.Context) (more bool) {
	limit := pageRows + len(w.known)
	due, err := w.outbox.DueDeliveries(ctx, limit)
	w.trouble(ctx, &w.readFailing, "read", err)
	if err != nil {
		return false
	}
	w.looked = time.Now()
	full := len(due) >= limit
	if !full {
		w.keepDue(due)
	}
	now := w.outbox.Now()
	for _, d := range due {
		if _, ok := w.known[d.ID]; ok {
			continue
		}
		l := w.lane(d.EndpointID)
		switch {
		case len(l.waiting) < l.room(w.opts.PerEndpoint, len(w.known)):
			l.waiting = append(l.waiting, d)
			w.known[d.ID] = struct{}{}
		case full:
			d.NextAttempt = l.book(now, w.opts.PerEndpoint)
			w.keep(d.Delivery)
		}
	}
	if full {
		w.save(ctx)
	}
	return full && !w.saveFailing
}

// keepDue takes out of the lanes what is not in due, which is all that is due.
func (w *work) keepDue(due []engine.DueDelivery) {
	still := make(map[string]struct{}, len(due))
	for i := range due {
		still[due[i].ID] = struct{}{}
	}
	for _, l := range w.turn {
		l.waiting = slices.DeleteFunc(l.waiting, func(d engine.DueDelivery) bool {
			_, ok := still[d.ID]
			if !ok {
				delete(w.known, d.ID)
			}
			return !ok
		})
	}
}

// keep remembers what is to be saved; until it is, the delivery is not picked again.
func (w *work) keep(d engine.Delivery) {
	w.known[d.ID] = struct{}{}
	w.unsaved = append(w.unsaved, d)
}

// save records the results so far. While that fails nothing is sent: what cannot be
// recorded would be sent over and over.
func (w *work) save(ctx context.Context) {
	if len(w.unsaved) == 0 {
		return
	}
	err := w.outbox.SaveDeliveries(ctx, w.unsaved)
	w.trouble(ctx, &w.saveFailing, "written", err)
	if err != nil {
		return
	}
	for i := range w.unsaved {
		delete(w.known, w.unsaved[i].ID)
	}
	w.unsaved = nil
}

// trouble logs when the outbox begins to fail and when it is well again, not each try.
func (w *work) trouble(ctx context.Context, failing *bool, verb string, err error) {
	switch {
	case err != nil && !*failing && ctx.Err() == nil:
		w.opts.Log.Error("webhooks: the outbox cannot be "+verb, "err", err)
	case err == nil && *failing:
		w.opts.Log.Info("webhooks: the outbox can be " + verb + " again")
	}
	*failing = err != nil
}

// launch starts what may start. Endpoints that were slow the last time share half of the
// slots, so that any number of them leaves the other half to the rest.
func (w *work) launch(ctx context.Context) {
	if w.saveFailing || time.Since(w.looked) > stale {
		return
	}
	slow := 0
	for _, l := range w.turn {
		if l.slow {
			slow += l.flying
		}
	}
	for skipped := 0; skipped < len(w.turn) && w.flying < w.opts.Concurrency; {
		l := w.turn[0]
		w.turn = append(w.turn[1:], l)
		if len(l.waiting) == 0 || l.flying >= w.opts.PerEndpoint || l.slow && slow >= max(1, w.opts.Concurrency/2) {
			skipped++
			continue
		}
		skipped = 0
		if w.start(ctx, l) && l.slow {
			slow++
		}
	}
}

// start sends the lane's next delivery and reports whether it took a slot.
func (w *work) start(ctx context.Context, l *lane) bool {
	d := l.waiting[0]
	l.waiting[0] = engine.DueDelivery{} // frees the body
	l.waiting = l.waiting[1:]
	hook := w.endpoint(d.EndpointID)
	if hook == nil || !hook.Enabled {
		w.giveUp(d.Delivery)
		return false
	}
	l.flying++
	w.flying++
	go func() {
		begin := time.Now()
		o := w.attempt(ctx, hook, &d)
		r := result{lane: l, d: d.Delivery, o: o, took: time.Since(begin), cut: ctx.Err() != nil && o.status == 0 && o.problem != ""}
		if o.gone() {
			w.disable(ctx, hook.ID)
		}
		w.done <- r // has room for every slot
	}()
	return true
}

// disable ends deliveries to an endpoint that answered 410. If that fails, the next
// delivery's 410 does it.
func (w *work) disable(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	if err := w.outbox.DisableWebhook(ctx, id); err != nil {
		w.opts.Log.Error("webhooks: an endpoint is gone but cannot be disabled", "endpoint", id, "err", err)
	}
}

// land takes in a result.
func (w *work) land(r result) {
	w.flying--
	r.lane.flying--
	r.lane.learn(r.took, w.timeout)
	if r.cut { // still PENDING in the outbox
		return
	}
	settle(&r.d, r.o, w.outbox.Now())
	switch r.d.Status {
	case engine.DeliverySucceeded:
		w.succeeded.Add(1)
	case engine.DeliveryFailed:
		w.failed.Add(1)
		w.dead.Add(1)
		w.opts.Log.Warn("webhooks: a delivery was given up", "endpoint", r.d.EndpointID, "delivery", r.d.ID,
			"message", r.d.MessageID, "attempts", r.d.Attempts, "status", r.d.ResponseStatus, "err", r.d.Error)
	default:
		w.failed.Add(1)
	}
	w.keep(r.d)
}

// giveUp ends a delivery whose endpoint takes none; that is not an attempt.
func (w *work) giveUp(d engine.Delivery) {
	d.Status, d.Error, d.NextAttempt = engine.DeliveryFailed, "endpoint is disabled", 0
	w.dead.Add(1)
	w.keep(d)
}

// stop waits for the requests under way, cuts them off after the grace and saves.
func (w *work) stop(cut func()) {
	defer time.AfterFunc(w.grace, cut).Stop()
	for w.flying > 0 {
		w.land(<-w.done)
	}
	ctx, cancel := context.WithTimeout(context.Background(), finalFlush)
	defer cancel()
	w.save(ctx)
}

func (w *work) lane(endpoint string) *lane {
	l := w.lanes[endpoint]
	if l == nil {
		l = &lane{pace: firstPace}
		w.lanes[endpoint] = l
		w.turn = append(w.turn, l)
	}
	return l
}
