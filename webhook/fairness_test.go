package webhook

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// TestDeadEndpointDelaysNobody: ten thousand deliveries wait for an endpoint that never
// answers, all of them due before the few of another one.
func TestDeadEndpointDelaysNobody(t *testing.T) {
	const backlog = 10_000
	box := newShelf()
	dead := newReceiver(t, stall)
	live := newReceiver(t, status(200))
	box.add(bursar.Webhook{ID: "dead", URL: dead.URL})
	box.add(bursar.Webhook{ID: "live", URL: live.URL})
	for i := range backlog {
		box.put(fmt.Sprintf("dead-%05d", i), "dead", bursar.EventTest, "{}")
	}
	box.advance(time.Millisecond)
	for i := range 20 {
		box.put(fmt.Sprintf("live-%02d", i), "live", bursar.EventTest, "{}")
	}
	o := local
	o.Poll = 20 * time.Millisecond
	sender := newSender(t, box, o)
	sender.timeout = 5 * time.Minute // nobody can wait for the dead endpoint's turn to end
	stop := run(t, sender)
	box.await(t, "the live endpoint has all", func() bool {
		for i := range 20 {
			if box.rows[fmt.Sprintf("live-%02d", i)].Status != store.DeliverySucceeded {
				return false
			}
		}
		return true
	})
	// One more, while the backlog is as it was.
	box.put("one more", "live", bursar.EventTest, "{}")
	box.attempted(t, "one more", 1)
	if n := len(dead.requests()); n != 4 {
		t.Errorf("%d requests to the dead endpoint at once", n)
	}
	stop()
	box.set(func() {
		if box.written > 21 {
			t.Errorf("%d rows were written beside the 21 that were delivered", box.written-21)
		}
		for id, r := range box.rows {
			if strings.HasPrefix(id, "dead") && (r.Status != store.DeliveryPending || r.Attempts != 0) {
				t.Fatalf("%+v", r.Delivery)
			}
		}
	})
}

// TestDeadEndpointWritesNothing: what waits for an endpoint that does not work is not
// written while it waits, goes out when the endpoint works again, and is given up in the
// end, in one write each.
func TestDeadEndpointWritesNothing(t *testing.T) { bubble(t, deadEndpoint) }

func deadEndpoint(t *testing.T, net *wires) {
	const backlog = 2500
	box := newShelf()
	box.began = time.Now()
	var works atomic.Bool
	rec := net.receiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		if !works.Load() {
			w.WriteHeader(502)
		}
	})
	box.add(bursar.Webhook{ID: "e", URL: rec.URL})
	fill := func(of string) {
		now := box.Now()
		for i := range backlog {
			box.put(fmt.Sprintf("%s-%05d", of, i), "e", bursar.EventTest, "{}")
		}
		box.set(func() {
			for id, r := range box.rows {
				if strings.HasPrefix(id, of) {
					r.NextAttempt = now
					box.rows[id] = r
				}
			}
		})
	}
	o, log := logged(local)
	o.Poll = time.Minute
	sender := newSender(t, box, o)
	net.connect(sender)
	fill("a")
	run(t, sender)
	time.Sleep(2*time.Hour + time.Second) // by the bubble's clock
	synctest.Wait()
	tried := len(rec.requests())
	box.set(func() {
		if box.written != tried || tried < 60 || tried > 200 {
			t.Errorf("%d rows were written in 2 hours, at %d attempts", box.written, tried)
		}
	})
	works.Store(true)
	time.Sleep(5 * time.Minute)
	if got := sender.Stats().Succeeded; got < backlog-uint64(tried) {
		t.Errorf("%d of %d have succeeded 5 minutes after the endpoint works again", got, backlog)
	}
	time.Sleep(10 * time.Hour) // the tries of those that had failed
	if got := sender.Stats(); got.Succeeded != backlog || got.Dead != 0 {
		t.Errorf("%+v", got)
	}
	works.Store(false)
	fill("b")
	time.Sleep(27 * time.Hour)
	if got := sender.Stats(); got.Dead != 0 {
		t.Errorf("given up too early: %+v", got)
	}
	time.Sleep(90*time.Minute + time.Second)
	synctest.Wait()
	all := len(rec.requests())
	box.set(func() {
		dead := int(sender.Stats().Dead)
		if untried := 2*backlog - all + tried; dead < untried || untried < backlog/4 {
			t.Errorf("%d of the %d that were not tried in 28 hours were given up", dead, untried)
		}
		if box.written != all+dead {
			t.Errorf("%d rows were written at %d attempts, and %d that were given up", box.written, all, dead)
		}
	})
	for _, line := range []string{"one delivery at a time is tried", "works again"} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("not logged: %s", line)
		}
	}
}

// TestRestEndsWithTheURL: an endpoint that rests is tried at once where it is moved to.
func TestRestEndsWithTheURL(t *testing.T) { bubble(t, moved) }

func moved(t *testing.T, net *wires) {
	box := newShelf()
	old, now := net.receiver(t, status(502)), net.receiver(t, status(200))
	box.add(bursar.Webhook{ID: "e", URL: old.URL})
	for i := range 2 * downAfter {
		box.put(fmt.Sprint(i), "e", bursar.EventTest, "{}")
	}
	sender := newSender(t, box, local)
	net.connect(sender)
	run(t, sender)
	looks()
	if n := len(old.requests()); n >= 2*downAfter {
		t.Fatalf("it does not rest after %d requests", n)
	}
	box.add(bursar.Webhook{ID: "e", URL: now.URL})
	looks()
	if n := len(now.requests()); n == 0 {
		t.Error("nothing came where the endpoint is now")
	}
}

// TestRest: an endpoint rests after failures that are its own, one attempt at a time ends
// that, and what it says of a message is no failure.
func TestRest(t *testing.T) {
	l := lane{pace: 10 * time.Second}
	bad, refused := outcome{status: 500, problem: "status 500"}, outcome{status: 422, problem: "status 422"}
	for range downAfter - 1 {
		l.judge(bad.ofEndpoint(), 0)
	}
	if l.judge(refused.ofEndpoint(), 0); l.failures != 0 {
		t.Errorf("%+v", l)
	}
	for range downAfter {
		if l.resting(0) {
			t.Fatal("it rests too early")
		}
		l.judge(bad.ofEndpoint(), 0)
	}
	for _, want := range []time.Duration{5, 10, 20, 40, 60, 60} {
		want *= time.Second
		if at := time.Duration(l.probe); at != want || !l.resting(bursar.Time(at-1)) || l.resting(bursar.Time(at)) {
			t.Fatalf("the next attempt at %v, not %v", at, want)
		}
		l.flying = 1
		if !l.resting(bursar.Time(time.Hour)) {
			t.Fatal("two at a time")
		}
		l.flying = 0
		l.judge(bad.ofEndpoint(), 0)
	}
	if l.judge(outcome{status: 204}.ofEndpoint(), 0); l.resting(0) {
		t.Error("it rests though it works")
	}
	if quick, slow := (&lane{pace: time.Millisecond}).room(4, 0), (&lane{pace: 10 * time.Second}).room(4, 0); quick != maxRoom || slow != minRoom {
		t.Errorf("room for %d and %d", quick, slow)
	}
	l = lane{pace: firstPace}
	for range 8 {
		l.learn(10*time.Second, attemptTimeout)
	}
	if !l.slow || l.pace < 8*time.Second || l.room(4, 0) != minRoom {
		t.Errorf("after timeouts %+v", l)
	}
	for range 30 {
		l.learn(time.Millisecond, attemptTimeout)
	}
	if l.slow || l.pace > 10*time.Millisecond {
		t.Errorf("recovered %+v", l)
	}
	if n := (&lane{pace: time.Millisecond}).room(4, crowded); n != minRoom {
		t.Errorf("room for %d when crowded", n)
	}
}

// flights counts requests from their beginning to their end.
type flights struct {
	http.RoundTripper
	mu       sync.Mutex
	now, max int
}

func (f *flights) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.now++
	f.max = max(f.max, f.now)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.now--
		f.mu.Unlock()
	}()
	return f.RoundTripper.RoundTrip(r)
}

// TestSlowEndpointsShareHalf: however many endpoints are slow, half of the slots are left
// to the others once that is known.
func TestSlowEndpointsShareHalf(t *testing.T) {
	box := newShelf()
	dead := newReceiver(t, stall)
	const endpoints = 12
	for i := range endpoints {
		id := fmt.Sprint("e", i)
		box.add(bursar.Webhook{ID: id, URL: dead.URL})
		for j := range 40 {
			box.put(fmt.Sprint(id, "-", j), id, bursar.EventTest, "{}")
		}
	}
	sender := newSender(t, box, local)
	sender.timeout = 50 * time.Millisecond
	f := &flights{RoundTripper: sender.client.Transport}
	sender.client.Transport = f
	run(t, sender)
	tried := func() bool {
		known := map[string]bool{}
		for _, r := range box.rows {
			known[r.EndpointID] = known[r.EndpointID] || r.Attempts > 0
		}
		for _, ok := range known {
			if !ok {
				return false
			}
		}
		return true
	}
	box.await(t, "each endpoint was tried", tried)
	base := sender.Stats().Failed
	box.await(t, "what was under way then ended", func() bool { return sender.Stats().Failed >= base+16 })
	f.mu.Lock()
	if f.max > 16 {
		t.Errorf("%d requests at once, while nothing was known of the endpoints", f.max)
	}
	f.max = f.now
	f.mu.Unlock()
	box.await(t, "more were tried", func() bool { return sender.Stats().Failed >= base+60 })
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.max > 8 {
		t.Errorf("%d slots of 16 were taken by slow endpoints", f.max)
	}
}

// TestBurst: a fast endpoint's own backlog goes through at speed, each delivery once.
func TestBurst(t *testing.T) {
	const n = 1500
	box := newShelf()
	rec := newReceiver(t, status(200))
	box.add(bursar.Webhook{ID: "e", URL: rec.URL})
	for i := range n {
		box.put(fmt.Sprintf("d%05d", i), "e", bursar.EventTest, "{}")
	}
	sender := newSender(t, box, Options{AllowPrivate: true, AllowHTTP: true, Poll: 20 * time.Millisecond})
	box.began = time.Now()
	run(t, sender)
	box.await(t, "all have succeeded", func() bool { return sender.Stats().Succeeded == n })
	t.Logf("%d deliveries in %v, %d rows written in %d saves", n, time.Since(box.began), box.written, box.saves)
	seen := map[string]bool{}
	for _, r := range rec.requests() {
		if id := r.header.Get("webhook-id"); seen[id] {
			t.Fatalf("%s was sent twice", id)
		} else {
			seen[id] = true
		}
	}
	if len(seen) != n {
		t.Errorf("%d were sent", len(seen))
	}
	box.set(func() {
		if box.saves > n/4 {
			t.Errorf("%d results took %d saves", n, box.saves)
		}
	})
}

// TestSaveFails: what cannot be recorded is recorded later, not sent again, and nothing
// else is sent meanwhile.
func TestSaveFails(t *testing.T) {
	box := newShelf()
	rec := newReceiver(t, status(200))
	box.add(bursar.Webhook{ID: "e", URL: rec.URL})
	const n = 200 // more than are sent until the first save
	for i := range n {
		box.put(fmt.Sprint(i), "e", bursar.EventTest, "{}")
	}
	box.refuse = errDisk
	o, log := logged(local)
	run(t, newSender(t, box, o))
	box.await(t, "a save failed", func() bool { return box.saves >= 1 })
	box.put("late", "e", bursar.EventTest, "{}")
	box.await(t, "saving was tried again", func() bool { return box.saves >= 5 })
	before := len(rec.requests())
	box.await(t, "saving was tried again", func() bool { return box.saves >= 10 })
	if after := len(rec.requests()); before != after || before >= n {
		t.Errorf("%d requests, then %d while nothing can be recorded", before, after)
	}
	box.set(func() { box.refuse = nil })
	for i := range n + 1 {
		id := fmt.Sprint(i)
		if i == n {
			id = "late"
		}
		if d := box.attempted(t, id, 1); d.Status != store.DeliverySucceeded || d.Attempts != 1 {
			t.Errorf("%+v", d)
		}
	}
	if got := len(rec.requests()); got != n+1 {
		t.Errorf("%d requests in all", got)
	}
	if got := strings.Count(log.String(), errDisk.Error()); got != 1 {
		t.Errorf("the failure was logged %d times:\n%s", got, log)
	}
}

// TestCrash: what was sent but not recorded is sent again, as the same message.
func TestCrash(t *testing.T) {
	box := newShelf()
	rec := newReceiver(t, status(200))
	box.add(bursar.Webhook{ID: "e", URL: rec.URL})
	box.put("a", "e", bursar.EventTest, "{}")
	box.refuse = errDisk
	stop := run(t, newSender(t, box, local))
	box.await(t, "a save failed", func() bool { return box.saves >= 1 })
	stop()
	box.set(func() { box.refuse = nil })
	run(t, newSender(t, box, local))
	if d := box.attempted(t, "a", 1); d.Status != store.DeliverySucceeded {
		t.Errorf("%+v", d)
	}
	got := rec.requests()
	if len(got) != 2 || got[0].header.Get("webhook-id") != "m-a" || got[1].header.Get("webhook-id") != "m-a" || got[0].body != got[1].body {
		t.Errorf("%+v", got)
	}
}

// TestAnotherNodeTookOver: what waits here and was sent by another node meanwhile is not
// sent again.
func TestAnotherNodeTookOver(t *testing.T) {
	box := newShelf()
	held, release := make(chan struct{}), make(chan struct{})
	rec := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 0 {
			close(held)
			<-release
		}
	})
	other := newReceiver(t, status(200))
	box.add(bursar.Webhook{ID: "e", URL: rec.URL})
	box.add(bursar.Webhook{ID: "other", URL: other.URL})
	for i := range 20 {
		box.put(fmt.Sprintf("%02d", i), "e", bursar.EventTest, "{}")
	}
	o := local
	o.PerEndpoint = 1
	run(t, newSender(t, box, o))
	<-held
	box.set(func() {
		for id, r := range box.rows {
			r.Status = store.DeliverySucceeded
			box.rows[id] = r
		}
	})
	box.put("look", "other", bursar.EventTest, "{}")
	box.attempted(t, "look", 1)
	close(release)
	box.put("last", "e", bursar.EventTest, "{}")
	box.attempted(t, "last", 1)
	if got := rec.requests(); len(got) != 2 || got[1].header.Get("webhook-id") != "m-last" {
		t.Errorf("%d requests: %+v", len(got), got)
	}
}

// TestStopLeavesNoConnections: kept connections end with Run.
func TestStopLeavesNoConnections(t *testing.T) {
	box := newShelf()
	closed := make(chan struct{}, 1)
	rec := &receiver{Server: httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))}
	rec.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			closed <- struct{}{}
		}
	}
	rec.Start()
	t.Cleanup(rec.Close)
	box.add(bursar.Webhook{ID: "e", URL: rec.URL})
	box.put("a", "e", bursar.EventTest, "{}")
	stop := run(t, newSender(t, box, local))
	box.attempted(t, "a", 1)
	stop()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Error("a connection stayed open")
	}
}

// TestStop: attempts under way have the grace; one that ends within it is recorded,
// another counts as not made.
func TestStop(t *testing.T) { bubble(t, stopped) }

func stopped(t *testing.T, net *wires) {
	box := newShelf()
	quick := net.receiver(t, func(http.ResponseWriter, *http.Request, int) { time.Sleep(stopGrace / 2) }) // by the bubble's clock
	dead := net.receiver(t, stall)
	box.add(bursar.Webhook{ID: "quick", URL: quick.URL})
	box.add(bursar.Webhook{ID: "dead", URL: dead.URL})
	box.put("quick", "quick", bursar.EventTest, "{}")
	box.put("dead", "dead", bursar.EventTest, "{}")
	sender := newSender(t, box, local)
	net.connect(sender)
	sender.grace = stopGrace
	stop := run(t, sender)
	synctest.Wait()
	if q, d := len(quick.requests()), len(dead.requests()); q != 1 || d != 1 {
		t.Fatalf("%d and %d requests are under way", q, d)
	}
	begin := time.Now()
	stop()
	if took := time.Since(begin); took != stopGrace {
		t.Errorf("it took %v to end, with a grace of %v", took, stopGrace)
	}
	box.set(func() {
		if q, d := box.rows["quick"], box.rows["dead"]; q.Status != store.DeliverySucceeded || d.Status != store.DeliveryPending || d.Attempts != 0 {
			t.Errorf("%+v\n%+v", q.Delivery, d.Delivery)
		}
	})
}
