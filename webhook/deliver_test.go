package webhook

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// TestSchedule: retries come when the schedule says, and after the last there is a dead
// letter that is left alone.
func TestSchedule(t *testing.T) { bubble(t, schedule) }

func schedule(t *testing.T, net *wires) {
	box := newShelf()
	rec := net.receiver(t, status(500))
	box.add(bursar.Webhook{ID: "e", URL: rec.URL})
	box.put("d", "e", bursar.EventTest, "{}")
	sender := newSender(t, box, local)
	net.connect(sender)
	run(t, sender)
	total := time.Duration(0)
	for i, want := range []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour} {
		d := box.attempted(t, "d", i+1)
		wait := time.Duration(d.NextAttempt - box.Now())
		if d.Status != store.DeliveryPending || d.Attempts != i+1 || d.ResponseStatus != 500 || d.Error != "status 500" {
			t.Fatalf("after attempt %d: %+v", i+1, d)
		}
		if wait < want*9/10-time.Millisecond || wait > want*11/10 {
			t.Fatalf("after attempt %d the next is in %v, not about %v", i+1, wait, want)
		}
		total += wait
		box.advance(wait - time.Millisecond)
		looks()
		if n := len(rec.requests()); n != i+1 {
			t.Fatalf("%d requests before attempt %d is due", n, i+2)
		}
		box.advance(time.Millisecond)
	}
	d := box.attempted(t, "d", 8)
	if d.Status != store.DeliveryFailed || d.Attempts != 8 || d.NextAttempt != 0 || d.Error != "status 500" {
		t.Fatalf("after the last attempt: %+v", d)
	}
	if total < 24*time.Hour || total > 31*time.Hour {
		t.Errorf("given up after %v", total)
	}
	box.advance(1000 * time.Hour)
	looks()
	if n := len(rec.requests()); n != 8 {
		t.Errorf("%d requests in all", n)
	}
	if got := sender.Stats(); got != (Stats{0, 8, 1}) {
		t.Errorf("stats %+v", got)
	}
}

// looks lets a sender look into the outbox a few times, and what it does then come about.
func looks() {
	time.Sleep(3 * local.Poll) // by the bubble's clock
	synctest.Wait()
}

// TestJitter: retries of deliveries that failed together are spread.
func TestJitter(t *testing.T) {
	lo, hi := time.Hour, time.Duration(0)
	for range 1000 {
		d := jitter(time.Minute)
		lo, hi = min(lo, d), max(hi, d)
	}
	if lo < 54*time.Second || hi > 66*time.Second || hi-lo < 10*time.Second {
		t.Errorf("between %v and %v", lo, hi)
	}
}

func TestFailsThenSucceeds(t *testing.T) {
	box := newShelf()
	rec := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n < 2 {
			w.WriteHeader(503)
		}
	})
	box.add(bursar.Webhook{ID: "e", URL: rec.URL + "/in?x=1"})
	const body = "{\"data\":  {\"a\":1e3,\"a\":\"é<&\"}}\n "
	box.put("d", "e", bursar.EventTest, body)
	sender := newSender(t, box, local)
	run(t, sender)
	box.attempted(t, "d", 1)
	box.advance(6 * time.Second)
	box.attempted(t, "d", 2)
	box.advance(6 * time.Minute)
	d := box.attempted(t, "d", 3)
	if d.Status != store.DeliverySucceeded || d.Attempts != 3 || d.ResponseStatus != 200 || d.Error != "" || d.NextAttempt != 0 {
		t.Fatalf("%+v", d)
	}
	stamps := map[string]bool{}
	for _, r := range rec.requests() {
		if r.body != body || r.header.Get("webhook-id") != "m-d" || r.header.Get("User-Agent") != "Bursar/1" || r.header.Get("Content-Type") != "application/json" || r.header.Get("Accept-Encoding") != "" {
			t.Errorf("request %+v", r)
		}
		stamps[r.header.Get("webhook-timestamp")] = true
	}
	if len(stamps) != 3 {
		t.Errorf("timestamps %v: each attempt has its own", stamps)
	}
	if got := sender.Stats(); got != (Stats{1, 2, 0}) {
		t.Errorf("stats %+v", got)
	}
}

// TestRotation: receivers with either secret verify a message while both are valid.
func TestRotation(t *testing.T) {
	box := newShelf()
	rec := newReceiver(t, status(204))
	now := box.Now()
	box.add(bursar.Webhook{ID: "plain", URL: rec.URL})
	box.add(bursar.Webhook{ID: "both", URL: rec.URL, OldSecret: secretOld, OldUntil: now + 1})
	box.add(bursar.Webhook{ID: "late", URL: rec.URL, OldSecret: secretOld, OldUntil: now})
	run(t, newSender(t, box, local))
	for _, c := range []struct {
		endpoint   string
		signatures int
	}{{"plain", 1}, {"both", 2}, {"late", 1}} {
		box.put(c.endpoint, c.endpoint, bursar.EventTest, `{"of":"`+c.endpoint+`"}`)
		if d := box.attempted(t, c.endpoint, 1); d.Status != store.DeliverySucceeded {
			t.Fatalf("%+v", d)
		}
		all := rec.requests()
		r := all[len(all)-1]
		verifies := func(secret string) bool {
			h, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			return h.Verify([]byte(r.body), r.header) == nil
		}
		if got := len(strings.Fields(r.header.Get("webhook-signature"))); got != c.signatures {
			t.Errorf("%s: %d signatures", c.endpoint, got)
		}
		if !verifies(secretNew) || verifies(secretOld) != (c.signatures == 2) || verifies("whsec_AAAA") {
			t.Errorf("%s: verified by new %v, by old %v, by another %v", c.endpoint, verifies(secretNew), verifies(secretOld), verifies("whsec_AAAA"))
		}
		if got := r.header.Get("webhook-timestamp"); got != strconv.FormatInt(now.Std().Unix(), 10) {
			t.Errorf("timestamp %s", got)
		}
	}
	// Without a secret nothing is sent: a signature by an empty key says nothing.
	box.add(bursar.Webhook{ID: "bare", URL: rec.URL, Secret: "whsec_"})
	box.put("bare", "bare", bursar.EventTest, "{}")
	if d := box.attempted(t, "bare", 1); d.Status != store.DeliveryPending || d.Error != "the endpoint has no valid secret" || len(rec.requests()) != 3 {
		t.Errorf("%+v, %d requests", d, len(rec.requests()))
	}
}

// TestStall: a receiver that does not answer is left after the timeout, its connection
// closed; one that answered 2xx and stalls then has the message.
func TestStall(t *testing.T) {
	box := newShelf()
	left := make(chan struct{}, 2)
	silent := newReceiver(t, func(w http.ResponseWriter, r *http.Request, n int) {
		stall(w, r, n)
		left <- struct{}{}
	})
	half := newReceiver(t, func(w http.ResponseWriter, r *http.Request, n int) {
		_, _ = io.WriteString(w, "ok")
		_ = http.NewResponseController(w).Flush()
		stall(w, r, n)
		left <- struct{}{}
	})
	box.add(bursar.Webhook{ID: "silent", URL: silent.URL})
	box.add(bursar.Webhook{ID: "half", URL: half.URL})
	box.put("silent", "silent", bursar.EventTest, "{}")
	box.put("half", "half", bursar.EventTest, "{}")
	sender := newSender(t, box, local)
	if sender.timeout != 10*time.Second {
		t.Errorf("the timeout is %v", sender.timeout)
	}
	sender.timeout = 100 * time.Millisecond
	run(t, sender)
	if d := box.attempted(t, "silent", 1); d.Status != store.DeliveryPending || d.ResponseStatus != 0 || d.Error != "no reply within 100ms" {
		t.Errorf("%+v", d)
	}
	if d := box.attempted(t, "half", 1); d.Status != store.DeliverySucceeded || d.ResponseStatus != 200 {
		t.Errorf("%+v", d)
	}
	<-left
	<-left
}

func TestRedirects(t *testing.T) {
	box := newShelf()
	target := newReceiver(t, status(200))
	for _, code := range []int{301, 302, 303, 307, 308} {
		id := strconv.Itoa(code)
		rec := newReceiver(t, func(w http.ResponseWriter, r *http.Request, _ int) { http.Redirect(w, r, target.URL, code) })
		box.add(bursar.Webhook{ID: id, URL: rec.URL})
		box.put(id, id, bursar.EventTest, "{}")
	}
	run(t, newSender(t, box, local))
	for _, id := range []string{"301", "302", "303", "307", "308"} {
		if d := box.attempted(t, id, 1); d.Status != store.DeliveryPending || strconv.Itoa(d.ResponseStatus) != id || !strings.Contains(d.Error, "redirects are not followed") {
			t.Errorf("%+v", d)
		}
	}
	if n := len(target.requests()); n != 0 {
		t.Errorf("the target was contacted %d times", n)
	}
}

// TestGigabyte: of an endless reply 64 KB are read, then the connection is closed. What
// the server wrote beyond that is in the buffers of the two sockets.
func TestGigabyte(t *testing.T) {
	box := newShelf()
	var wrote atomic.Int64
	ended := make(chan bool, 2)
	rec := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n%2 == 1 {
			w.WriteHeader(500)
		}
		chunk := make([]byte, 64<<10)
		for range 1 << 14 {
			m, err := w.Write(chunk)
			wrote.Add(int64(m))
			if err != nil {
				ended <- true
				return
			}
		}
		ended <- false
	})
	box.add(bursar.Webhook{ID: "e", URL: rec.URL})
	sender := newSender(t, box, local)
	run(t, sender)
	for _, id := range []string{"a", "b"} {
		box.put(id, "e", bursar.EventTest, "{}")
		d := box.attempted(t, id, 1)
		if id == "a" && d.Status != store.DeliverySucceeded || id == "b" && d.Error != "status 500" {
			t.Errorf("%+v", d)
		}
		if !<-ended {
			t.Error("the whole reply was taken")
		}
	}
	if n := wrote.Load(); n > 2*(16<<20) {
		t.Errorf("the server could write %d bytes", n)
	}
}

// TestGone: 410 disables the endpoint; nothing more is sent to it.
func TestGone(t *testing.T) {
	box := newShelf()
	rec := newReceiver(t, status(410))
	other := newReceiver(t, status(200))
	box.add(bursar.Webhook{ID: "e", URL: rec.URL})
	box.add(bursar.Webhook{ID: "other", URL: other.URL})
	box.put("a", "e", bursar.EventTest, "{}")
	box.put("a waits", "e", bursar.EventTest, "{}")
	o := local
	o.PerEndpoint = 1
	run(t, newSender(t, box, o))
	if d := box.attempted(t, "a", 1); d.Status != store.DeliveryFailed || d.Attempts != 1 || d.ResponseStatus != 410 || d.NextAttempt != 0 {
		t.Errorf("%+v", d)
	}
	box.put("b", "e", bursar.EventTest, "{}")
	box.put("c", "no such", bursar.EventTest, "{}")
	box.put("d", "other", bursar.EventTest, "{}")
	for _, id := range []string{"a waits", "b", "c"} {
		if d := box.attempted(t, id, 1); d.Status != store.DeliveryFailed || d.Attempts != 0 || d.Error != "endpoint is disabled" || d.NextAttempt != 0 {
			t.Errorf("%+v", d)
		}
	}
	if d := box.attempted(t, "d", 1); d.Status != store.DeliverySucceeded {
		t.Errorf("%+v", d)
	}
	box.set(func() {
		if len(box.disabled) != 1 || box.disabled[0] != "e" || len(rec.requests()) != 1 {
			t.Errorf("disabled %v, %d requests", box.disabled, len(rec.requests()))
		}
	})
}

// TestDisabledBacklog: what waits for a disabled endpoint is given up at once, page by
// page without a pause.
func TestDisabledBacklog(t *testing.T) {
	box := newShelf()
	for i := range 2000 {
		box.put(strconv.Itoa(i), "no such", bursar.EventTest, "{}")
	}
	sender := newSender(t, box, Options{Poll: time.Hour})
	run(t, sender)
	box.await(t, "all are given up", func() bool { return box.written >= 2000 })
	if got := sender.Stats(); got != (Stats{0, 0, 2000}) || box.written != 2000 {
		t.Errorf("stats %+v, %d rows written", got, box.written)
	}
}

func TestSlack(t *testing.T) {
	box := newShelf()
	rec := newReceiver(t, status(200))
	box.add(bursar.Webhook{ID: "e", Kind: bursar.WebhookSlack, URL: rec.URL + "/services/T0/B0/SECRET"})
	box.put("d", "e", bursar.EventUsageExceeded, strings.ReplaceAll(exceeded, "team-search", "<!channel> a&b"))
	run(t, newSender(t, box, local))
	if d := box.attempted(t, "d", 1); d.Status != store.DeliverySucceeded {
		t.Fatalf("%+v", d)
	}
	r := rec.requests()[0]
	var got struct {
		Text   string
		Blocks []struct {
			Type     string
			Text     struct{ Type, Text string }
			Elements []struct{ Type, Text string }
		}
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		t.Fatal(err)
	}
	const want = "&lt;!channel&gt; a&amp;b (team) used 102.5 % of its credits limit: 512.5 of 500 · resets 2026-10-01"
	if got.Text != want || len(got.Blocks) != 2 || got.Blocks[0].Text.Text != want || got.Blocks[0].Text.Type != "mrkdwn" {
		t.Errorf("%s", r.body)
	}
	if about := got.Blocks[1].Elements[0].Text; about != "entity.entitlement.usage_exceeded · acme · 2026-09-14T10:22:31.418Z" {
		t.Errorf("%q", about)
	}
	for k := range r.header {
		if strings.HasPrefix(strings.ToLower(k), "webhook-") {
			t.Errorf("%s was sent", k)
		}
	}
}
