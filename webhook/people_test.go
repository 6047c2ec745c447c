package webhook

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/store"
)

// tellPerson queues messages to the recipient of a notification: n limits have filled up.
func (s *shelf) tellPerson(notification, to string, from, n int) {
	for i := from; i < from+n; i++ {
		s.tell1(notification, to, fmt.Sprintf("d%04d", i), bursar.EventUsageExceeded, map[string]any{"entity": map[string]any{"id": fmt.Sprint("agent-", i)},
			"featureId": "calls", "usageLimit": 10, "currentUsage": 9, "usageUsedPercentage": 90})
	}
}

func (s *shelf) tell1(notification, to, id, event string, data map[string]any) {
	who := catalogue.Notified{ID: notification, Name: "Budgets", Recipients: []string{to}}
	data["customerId"] = "acme"
	body, _ := json.Marshal(map[string]any{"notification": who, "data": data})
	s.put(id, who.Endpoints()[0], event, string(body))
}

// sent awaits that n messages are delivered.
func (s *shelf) sent(t *testing.T, n int) {
	t.Helper()
	s.await(t, fmt.Sprint(n, " are delivered"), func() bool {
		done := 0
		for _, d := range s.rows {
			if d.Status == store.DeliverySucceeded {
				done++
			}
		}
		return done >= n
	})
}

// slackRig runs a Sender that may post to a receiver as to Slack.
func slackRig(t *testing.T, before func(s *shelf, hook string)) (*shelf, *receiver) {
	s := newShelf()
	r := newReceiver(t, status(200))
	o := local
	o.SlackHosts = []string{strings.TrimPrefix(r.URL, "http://")}
	before(s, r.URL+"/hook")
	run(t, newSender(t, s, o))
	return s, r
}

// TestManyAlertsAreFewMessages: what there is to tell a person is told in few messages, each of which shows
// all that it tells, requests first; after ten, there is one a minute.
func TestManyAlertsAreFewMessages(t *testing.T) {
	s, r := slackRig(t, func(s *shelf, hook string) {
		s.tellPerson("n1", hook, 0, 90)
		s.tell1("n1", hook, "d0090", bursar.EventBoostRequested, map[string]any{"boostRequest": map[string]any{"requestedBy": "zoe", "amount": 1}})
	})
	s.sent(t, 91)
	got := r.requests()
	if len(got) != 3 || !strings.Contains(got[0].body, "45 alerts, the first: zoe asks") {
		t.Fatalf("%d messages: %s", len(got), got[0].body)
	}
	shown := 0
	for _, m := range got {
		var slack struct{ Blocks []struct{ Type string } }
		if err := json.Unmarshal([]byte(m.body), &slack); err != nil || len(slack.Blocks) > 50 {
			t.Errorf("%d blocks, %v", len(slack.Blocks), err)
		}
		for i := range 90 {
			if strings.Contains(m.body, fmt.Sprintf(`"text":"agent-%d used`, i)) {
				shown++
			}
		}
	}
	if shown < 90 {
		t.Errorf("%d of 90 alerts are shown", shown)
	}
	for i := range addressRate.atOnce - 3 {
		s.tellPerson("n1", r.URL+"/hook", 100+i, 1)
		s.sent(t, 92+i)
	}
	s.tellPerson("n1", r.URL+"/hook", 400, 40)
	s.put("other", "w", "x", "{}") // goes through the outbox after the forty were looked at
	s.add(bursar.Webhook{ID: "w", URL: r.URL})
	s.attempted(t, "other", 1)
	if got := len(r.requests()); got != addressRate.atOnce+1 {
		t.Errorf("%d requests, of which one is a webhook's: the forty did not wait", got)
	}
	s.advance(time.Minute)
	s.sent(t, 91+addressRate.atOnce-3+40+1)
	if got := r.requests(); len(got) != addressRate.atOnce+2 || !strings.Contains(got[len(got)-1].body, "40 alerts") {
		t.Errorf("%d requests, the last %s", len(got), got[len(got)-1].body)
	}
}

// TestOneAddressOfManyNotifications: an address gets ten messages at once, of however many notifications,
// and a customer sends a hundred, to whomever.
func TestOneAddressOfManyNotifications(t *testing.T) {
	for _, c := range []struct {
		what  string
		to    func(hook string, i int) string
		first int
	}{
		{"to one address", func(hook string, _ int) string { return hook }, 10},
		{"to many", func(hook string, i int) string { return fmt.Sprint(hook, i) }, 100},
	} {
		const all = 120
		s, r := slackRig(t, func(s *shelf, hook string) {
			for i := range all {
				s.tellPerson(fmt.Sprintf("n%03d", i), c.to(hook, i), i, 1)
			}
		})
		s.sent(t, c.first)
		s.add(bursar.Webhook{ID: "w", URL: r.URL})
		for i := range 2 { // each goes through the outbox after the others were looked at
			s.put(fmt.Sprint("other", i), "w", "x", "{}")
			s.attempted(t, fmt.Sprint("other", i), 1)
		}
		if got := len(r.requests()); got != c.first+2 {
			t.Errorf("%s: %d requests, of which two are a webhook's", c.what, got)
		}
	}
}

// TestAddressesOfCustomers: an address in other capitals is the same address, and what one customer sends to it takes
// no place of another's.
func TestAddressesOfCustomers(t *testing.T) {
	s := newShelf()
	w := peopleWork(t, s)
	to := func(customer, notification, address string) *lane {
		n := catalogue.Notified{ID: notification, Recipients: []string{address}}
		l := w.lane(n.Endpoints()[0])
		l.customer = customer
		return l
	}
	sent := func(l *lane, most int) (n int) {
		for ; n < most && w.hears(l, s.now); n++ {
			w.tell(l, nil)
		}
		return n
	}
	if n := sent(to("acme", "n1", "mailto:Ann@x.example"), 20) + sent(to("acme", "n2", "mailto:ann@x.example"), 20); n != addressRate.atOnce {
		t.Errorf("%d messages of one customer", n)
	}
	if n := sent(to("globex", "n3", "mailto:ann@x.example"), 5); n != 5 {
		t.Errorf("%d messages of another", n)
	}
	all := addressRate.atOnce + 5
	for i := range 10 {
		all += sent(to(fmt.Sprint("c", i), fmt.Sprint("m", i), "mailto:ann@x.example"), 20)
	}
	if all != mailboxRate.atOnce {
		t.Errorf("%d messages to one address", all)
	}
}

// peopleWork is the work of a Run over s.
func peopleWork(t *testing.T, s *shelf) *work {
	return &work{Sender: newSender(t, s, local), lanes: map[string]*lane{}, known: map[string]*lane{}, people: people{quotas: map[string]*quota{}}}
}

// TestSlowPersonIsToldInFewMessages: how long a message takes does not make it smaller, and none tells of more
// than it shows.
func TestSlowPersonIsToldInFewMessages(t *testing.T) {
	s := newShelf()
	s.tellPerson("n1", "mailto:a@x.example", 0, 150)
	w := peopleWork(t, s)
	l := w.lane(s.rows["d0000"].EndpointID)
	l.pace = 10 * time.Second
	w.fetch(t.Context())
	if len(l.waiting) != personRoom {
		t.Errorf("%d of 150 alerts wait for a slow one", len(l.waiting))
	}
	w.take([]store.DueDelivery{s.rows["d0149"]}) // as much waits as may
	if len(l.waiting) != personRoom {
		t.Errorf("%d alerts wait", len(l.waiting))
	}
	l.waiting = append(l.waiting, s.rows["d0148"], s.rows["d0149"])
	for kind, most := range map[bursar.WebhookKind]int{bursar.WebhookEmail: mailMost, bursar.WebhookSlack: slackMost} {
		if n := w.tell(l, &bursar.Webhook{Kind: kind}); n != most {
			t.Errorf("a message by %s tells of %d alerts, not %d", kind, n, most)
		}
	}
}

// TestRequestsLeaveRoom: however many boost requests wait, what else there is has half of each message.
func TestRequestsLeaveRoom(t *testing.T) {
	for kind, most := range map[bursar.WebhookKind]int{bursar.WebhookEmail: mailMost, bursar.WebhookSlack: slackMost} {
		s := newShelf()
		for i := range 60 {
			s.tell1("n1", "mailto:a@x.example", fmt.Sprintf("d%04d", i), bursar.EventBoostRequested, map[string]any{})
		}
		s.tellPerson("n1", "mailto:a@x.example", 60, 40)
		w := peopleWork(t, s)
		w.fetch(t.Context())
		l := w.turn[0]
		requests := 0
		n := w.tell(l, &bursar.Webhook{Kind: kind})
		for _, d := range l.waiting[:n] {
			if d.EventType == bursar.EventBoostRequested {
				requests++
			}
		}
		others := min(40, most-most/2)
		if n != most || requests != most-others || l.waiting[0].EventType != bursar.EventBoostRequested || len(l.waiting) != 100 {
			t.Errorf("a message by %s tells of %d, %d of them requests; %d waited", kind, n, requests, len(l.waiting))
		}
	}
}

// TestCrowdOfPeople: however much waits for people, what waits for a webhook is read as before.
func TestCrowdOfPeople(t *testing.T) {
	s := newShelf()
	for i := range crowded / personRoom * 2 {
		s.tellPerson("n1", fmt.Sprintf("mailto:p%d@x.example", i), i*personRoom, personRoom)
	}
	w := peopleWork(t, s)
	w.fetch(t.Context())
	if n := len(w.known); n < crowded || n > crowded+personRoom {
		t.Errorf("%d messages to people are held", n)
	}
	for i := range 100 {
		s.put(fmt.Sprint("hook", i), "w", "x", "{}")
	}
	w.fetch(t.Context())
	if n := len(w.lane("w").waiting); n != 100 {
		t.Errorf("%d of 100 to a webhook wait", n)
	}
}

// TestPeopleAreForgotten: who has had enough for now is not asked for, and of whom there is nothing due nothing is
// kept.
func TestPeopleAreForgotten(t *testing.T) {
	s := newShelf()
	s.tellPerson("n1", "mailto:a@x.example", 0, 150)
	w := peopleWork(t, s)
	w.fetch(t.Context())
	l := w.turn[0]
	for range addressRate.atOnce {
		if !w.hears(l, s.Now()) {
			t.Fatal("who was sent nothing has had enough")
		}
		w.tell(l, nil)
	}
	w.fetch(t.Context())
	if l.asked > 0 || len(l.waiting) > 0 {
		t.Errorf("%d were asked for and %d wait for one who has had enough", l.asked, len(l.waiting))
	}
	clear(s.rows)
	w.fetch(t.Context())
	if len(w.turn)+len(w.lanes) > 0 || len(w.people.quotas) == 0 {
		t.Errorf("kept are %d lanes in turn, %d in all and %d quotas", len(w.turn), len(w.lanes), len(w.people.quotas))
	}
	s.advance(time.Hour)
	w.fetch(t.Context())
	if len(w.people.quotas) > 0 {
		t.Errorf("%d quotas are kept of what was an hour ago", len(w.people.quotas))
	}
}

// mailSomebody queues an alert to each of n people.
func (s *shelf) mailSomebody(n int) {
	for i := range n {
		s.tellPerson("n1", fmt.Sprintf("mailto:p%d@x.example", i), i, 1)
	}
}

// TestMailThatHangsHoldsUpNoWebhook: mail to many people leaves slots for what else there is.
func TestMailThatHangsHoldsUpNoWebhook(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open, most atomic.Int64
	var serving sync.WaitGroup
	serving.Go(func() { // says nothing to anybody
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			most.Store(max(most.Load(), open.Add(1)))
			serving.Go(func() { _, _ = io.Copy(io.Discard, c); open.Add(-1); _ = c.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	s, r := newShelf(), newReceiver(t, status(200))
	s.mailSomebody(40)
	o := local
	o.SMTPURL, o.MailFrom = "smtp://"+l.Addr().String(), "a@x.example"
	run(t, newSender(t, s, o))
	s.add(bursar.Webhook{ID: "w", URL: r.URL})
	for i := range 2 { // the second time after all slots are taken that may be
		s.put(fmt.Sprint("other", i), "w", "x", "{}")
		s.attempted(t, fmt.Sprint("other", i), 1)
	}
	if n := most.Load(); n > 4 {
		t.Errorf("%d of 16 requests under way were mail", n)
	}
}

// TestMailServerThatDoesNotWork: it is one server for all recipients, of whom few are tried while it does not work.
func TestMailServerThatDoesNotWork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	s, r := newShelf(), newReceiver(t, status(200))
	s.mailSomebody(90)
	o := local
	o.SMTPURL, o.MailFrom = "smtp://"+l.Addr().String(), "a@x.example"
	run(t, newSender(t, s, o))
	attempts := func() (n int) {
		for _, d := range s.rows {
			n += d.Attempts
		}
		return n
	}
	s.await(t, "many have failed", func() bool { return attempts() >= downAfter })
	s.add(bursar.Webhook{ID: "w", URL: r.URL})
	for i := range 2 {
		s.put(fmt.Sprint("other", i), "w", "x", "{}")
		s.attempted(t, fmt.Sprint("other", i), 1)
	}
	s.set(func() {
		if n := attempts(); n > downAfter+16+2 {
			t.Errorf("%d were tried", n)
		}
	})
}

// TestRecipientOfTheMessage: a delivery goes to whom the message says, if that is who the delivery is
// for, and the operator lets it be posted to.
func TestRecipientOfTheMessage(t *testing.T) {
	s := newShelf()
	r := newReceiver(t, status(410))
	s.tellPerson("n1", r.URL+"/hook", 0, 1)
	s.put("forged", "n1.0123456789abcdef", bursar.EventUsageExceeded, s.bodyOf("d0000"))
	run(t, newSender(t, s, local))
	if d := s.attempted(t, "d0000", 1); d.Status != store.DeliveryPending || !strings.Contains(d.Error, "--slack-hosts") {
		t.Errorf("to a host that is not named: %+v", d)
	}
	if d := s.attempted(t, "forged", 1); d.Status != store.DeliveryFailed {
		t.Errorf("to nobody of the message: %+v", d)
	}
	if len(r.requests()) > 0 {
		t.Error("it was sent")
	}
}

func (s *shelf) bodyOf(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.rows[id].Body)
}

// TestHostsInCapitals: capitals of a host make no other host.
func TestHostsInCapitals(t *testing.T) {
	if err := CheckRecipient(bursar.WebhookSlack, "https://Hooks.Slack.com/services/T/B/x", Options{}); err != nil {
		t.Error(err)
	}
}

// TestRecipientsByMail: a recipient's host has a name with a dot.
func TestRecipientsByMail(t *testing.T) {
	for to, ok := range map[string]bool{"a@x.example": true, "a+1@mail.x.example": true, "x@127.0.0.1": false, "x@127.1": false, "a@b": false, "a@localhost": false, "a": false} {
		if err := CheckRecipient(bursar.WebhookEmail, to, Options{SMTPURL: "smtp://mail.example"}); (err == nil) != ok {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// TestQuota: so many at once, and then one in every.
func TestQuota(t *testing.T) {
	q, now := &quota{rate: addressRate}, bursar.Time(1e18)
	count := func() (n int) {
		for ; q.open(now); n++ {
			q.used++
		}
		return n
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 10}, {59 * time.Second, 0}, {time.Second, 1}, {3 * time.Minute, 3}, {time.Hour, 10}} {
		now += bursar.Time(c.after)
		if got := count(); got != c.want {
			t.Errorf("%v later: %d messages, not %d", c.after, got, c.want)
		}
	}
}
