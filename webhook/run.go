package webhook

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/store"
)

const (
	linger     = 50 * time.Millisecond // for results to gather before they are saved, and between looks of the hungry
	saveAt     = 64                    // results that are saved without lingering
	finalFlush = 5 * time.Second       // for the last save
	stale      = 10 * time.Second      // without a look into the outbox, its rows may be another node's by now
)

// work is the state of Run, which its goroutine alone touches; the goroutines of requests
// hand their results over through done.
//
// One endpoint may own nearly all rows that are due, a hundred thousand of them and all the
// earliest. Neither others nor the store notice:
//   - What is due is read endpoint by endpoint. A lane holds at most what its endpoint takes
//     in about two seconds (less when much waits in all); the rest stays in the outbox as it
//     is. At most PerEndpoint requests of it are under way; free slots go round the lanes.
//   - A lane whose endpoint does not work rests (lane.resting): one delivery is tried now
//     and then, and the others are not written until it is well again, or they have waited
//     in vain for longer than their own tries would have taken.
//
// What waits in a lane and is no longer due was sent by another node that took over, so
// it leaves the lane. After a pause nothing starts before the outbox was looked at.
type work struct {
	*Sender
	lanes   map[string]*lane // by endpoint
	turn    []*lane          // the same, in the order of their next turns
	known   map[string]*lane // deliveries that wait, are under way or are not yet saved
	people  people
	flying  int
	done    chan result
	unsaved []store.Delivery
	looked  time.Time // when the outbox was last read

	readFailing, saveFailing bool
}

type result struct {
	lane *lane
	ds   []store.Delivery // which one request was about: several only where they are to people
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
	w := &work{Sender: s, lanes: map[string]*lane{}, known: map[string]*lane{}, people: people{quotas: map[string]*quota{}}, done: make(chan result, s.opts.Concurrency)}
	poll, flush := time.NewTimer(0), time.NewTimer(time.Hour)
	defer poll.Stop()
	defer flush.Stop()
	gathering, hurried := false, false
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
			w.fetch(ctx)
			poll.Reset(s.opts.Poll)
			hurried = false
		}
		w.launch(sending)
		if !hurried && w.hungry() {
			poll.Reset(min(linger, s.opts.Poll))
			hurried = true
		}
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

// fetch takes in what is due.
func (w *work) fetch(ctx context.Context) {
	w.rouse()
	for _, l := range w.turn {
		l.due = false
	}
	now, held, people := w.outbox.Now(), len(w.known)-w.people.held, w.people.held
	due, err := w.outbox.DueDeliveries(ctx, func(endpoint string) int {
		l := w.lane(endpoint)
		l.due, l.asked = true, 0
		if l.person {
			if people >= crowded || !w.hears(l, now) {
				return -1
			}
			l.asked = l.held + max(personRoom-len(l.waiting), 0)
		} else {
			l.asked = l.held + max(l.room(w.opts.PerEndpoint, held)-len(l.waiting), 0)
		}
		if l.overdue {
			l.asked = l.held + overduePage
		}
		if l.person {
			people += l.asked - l.held
		} else {
			held += l.asked - l.held
		}
		return l.asked
	})
	w.trouble(ctx, &w.readFailing, "read", err)
	if err != nil {
		return
	}
	w.looked = time.Now()
	w.keepDue(due)
	w.take(due)
	w.prune(now)
}

// take has what is due wait in the lanes.
func (w *work) take(due []store.DueDelivery) {
	now, crowd := w.outbox.Now(), len(w.known)-w.people.held
	for _, d := range due {
		l := w.lane(d.EndpointID)
		room := personRoom
		if l.person {
			w.know(l, &d)
		} else {
			room = l.room(w.opts.PerEndpoint, crowd)
		}
		switch _, ok := w.known[d.ID]; {
		case ok:
		case l.down() && now-d.NextAttempt > bursar.Time(patience):
			if l.overdue = !w.saveFailing; l.overdue {
				w.giveUp(l, d.Delivery, fmt.Sprintf("the endpoint has not worked for %d hours", patience/time.Hour))
			}
		case len(l.waiting) < room:
			l.waiting = append(l.waiting, d)
			w.hold(l, d.ID)
		}
	}
}

// rouse ends the rest of endpoints that are somewhere else now.
func (w *work) rouse() {
	for id, l := range w.lanes {
		if !l.down() {
			continue
		}
		if hook := w.endpoint(id); hook != nil && hook.URL != l.url {
			l.failures = 0
		}
	}
}

// hungry tells that a lane has room again, and there was more for it at the last look.
func (w *work) hungry() bool {
	return !w.saveFailing && slices.ContainsFunc(w.turn, func(l *lane) bool {
		return l.more && (l.overdue || len(l.waiting) == 0 && !l.down())
	})
}

// keepDue takes out of the lanes what is not due any more: what comes before the last row
// of the lane in due and is not in due itself.
func (w *work) keepDue(due []store.DueDelivery) {
	for _, l := range w.turn {
		l.got, l.overdue = 0, false
	}
	still := make(map[string]struct{}, len(due))
	for i := range due {
		still[due[i].ID] = struct{}{}
		l := w.lane(due[i].EndpointID)
		l.got++
		l.last = due[i].Delivery
	}
	for _, l := range w.turn {
		l.more = l.got > 0 && l.got >= l.asked
		l.waiting = slices.DeleteFunc(l.waiting, func(d store.DueDelivery) bool {
			if _, ok := still[d.ID]; ok || l.more && !before(&d.Delivery, &l.last) {
				return false
			}
			w.forget(d.ID)
			return true
		})
	}
}

// before is the order of the outbox.
func before(a, b *store.Delivery) bool {
	return cmp.Or(cmp.Compare(a.NextAttempt, b.NextAttempt), cmp.Compare(a.ID, b.ID)) < 0
}

func (w *work) hold(l *lane, id string) {
	if w.known[id] == nil {
		w.known[id] = l
		w.held(l, 1)
	}
}

func (w *work) forget(id string) {
	if l := w.known[id]; l != nil {
		w.held(l, -1)
		delete(w.known, id)
	}
}

func (w *work) held(l *lane, n int) {
	l.held += n
	if l.person {
		w.people.held += n
	}
}

// keep remembers what is to be saved; until it is, the delivery is not picked again.
func (w *work) keep(l *lane, d store.Delivery) {
	w.hold(l, d.ID)
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
		w.forget(w.unsaved[i].ID)
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
// slots, so that any number of them leaves the other half to the rest; all people share a quarter.
func (w *work) launch(ctx context.Context) {
	if w.saveFailing || time.Since(w.looked) > stale {
		return
	}
	slow, now := 0, w.outbox.Now()
	for _, l := range w.turn {
		if l.slow {
			slow += l.flying
		}
	}
	for skipped := 0; skipped < len(w.turn) && w.flying < w.opts.Concurrency; {
		l := w.turn[0]
		w.turn = append(w.turn[1:], l)
		if len(l.waiting) == 0 || l.flying >= w.parallel(l, now) || l.resting(now) || l.slow && slow >= max(1, w.opts.Concurrency/2) {
			skipped++
			continue
		}
		skipped = 0
		if w.start(ctx, l) && l.slow {
			slow++
		}
	}
}

// parallel is how many requests of a lane may be under way.
func (w *work) parallel(l *lane, now bursar.Time) int {
	switch {
	case !l.person:
		return w.opts.PerEndpoint
	case w.people.flying < max(1, w.opts.Concurrency/4) && w.hears(l, now):
		return 1
	}
	return 0
}

// start sends the lane's next delivery, or several to a person, and reports whether it took a slot.
func (w *work) start(ctx context.Context, l *lane) bool {
	hook := w.target(&l.waiting[0])
	n := 1
	if l.person {
		n = w.tell(l, hook)
	}
	ds := slices.Clone(l.waiting[:n])
	clear(l.waiting[:n]) // frees the bodies
	l.waiting = l.waiting[n:]
	if hook == nil || !hook.Enabled {
		l.failures = 0
		for i := range ds {
			w.giveUp(l, ds[i].Delivery, "endpoint is disabled")
		}
		return false
	}
	w.fly(l, 1)
	l.url = hook.URL
	go func() {
		begin := time.Now()
		o := w.attempt(ctx, hook, ds)
		r := result{lane: l, o: o, took: time.Since(begin), cut: ctx.Err() != nil && o.status == 0 && o.problem != ""}
		for i := range ds {
			r.ds = append(r.ds, ds[i].Delivery)
		}
		if o.gone() && !l.person {
			w.disable(ctx, hook.ID)
		}
		w.done <- r // has room for every slot
	}()
	return true
}

func (w *work) fly(l *lane, n int) {
	w.flying += n
	l.fly(n)
	if l.person {
		w.people.flying += n
	}
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
	w.fly(r.lane, -1)
	r.lane.learn(r.took, w.timeout)
	if r.cut { // still PENDING in the outbox
		return
	}
	w.judge(r)
	for _, d := range r.ds {
		conclude(&d, r.o, w.outbox.Now())
		switch d.Status {
		case store.DeliverySucceeded:
			w.succeeded.Add(1)
		case store.DeliveryFailed:
			w.failed.Add(1)
			w.dead.Add(1)
			w.opts.Log.Warn("webhooks: a delivery was given up", "endpoint", d.EndpointID, "delivery", d.ID,
				"message", d.MessageID, "attempts", d.Attempts, "status", d.ResponseStatus, "err", d.Error)
		default:
			w.failed.Add(1)
		}
		w.keep(r.lane, d)
	}
}

// judge takes in what an attempt says of its endpoint, or of the server that takes messages of many.
func (w *work) judge(r result) {
	h, what := &r.lane.health, "an endpoint"
	if s := r.lane.server; s != nil && r.o.ofServer {
		h, what = s, "the mail server"
	} else if s != nil {
		s.judge(false, w.outbox.Now())
	}
	was := h.down()
	h.judge(r.o.ofEndpoint(), w.outbox.Now())
	switch now := h.down(); {
	case now && !was:
		w.opts.Log.Warn("webhooks: "+what+" does not work: one delivery at a time is tried until it does",
			"endpoint", r.ds[0].EndpointID, "status", r.o.status, "err", r.o.problem)
	case was && !now:
		w.opts.Log.Info("webhooks: "+what+" works again", "endpoint", r.ds[0].EndpointID)
	}
}

// giveUp ends a delivery whose endpoint takes none; that is not an attempt.
func (w *work) giveUp(l *lane, d store.Delivery, problem string) {
	d.Status, d.Error, d.NextAttempt = store.DeliveryFailed, problem, 0
	w.dead.Add(1)
	w.keep(l, d)
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
		l = &lane{id: endpoint, person: catalogue.ToPeople(endpoint), pace: firstPace}
		w.lanes[endpoint] = l
		w.turn = append(w.turn, l)
	}
	return l
}
