package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/store"
)

// tellPerson queues messages to the recipient of a notification: n limits have filled up.
func (s *shelf) tellPerson(to string, from, n int) {
	who := catalogue.Notified{ID: "n1", Name: "Budgets", Recipients: []string{to}}
	for i := from; i < from+n; i++ {
		body, _ := json.Marshal(map[string]any{"notification": who, "data": map[string]any{"customerId": "acme", "entity": map[string]any{"id": fmt.Sprint("agent-", i)},
			"featureId": "calls", "usageLimit": 10, "currentUsage": 9, "usageUsedPercentage": 90}})
		s.put(fmt.Sprintf("d%04d", i), who.Endpoints()[0], bursar.EventUsageExceeded, string(body))
	}
}

// TestManyAlertsAreFewMessages: what there is to tell a person is told in one message; after ten, there
// is one a minute.
func TestManyAlertsAreFewMessages(t *testing.T) {
	s := newShelf()
	r := newReceiver(t, status(200))
	o := local
	o.SlackHosts = []string{strings.TrimPrefix(r.URL, "http://")}
	s.tellPerson(r.URL+"/hook", 0, 300)
	run(t, newSender(t, s, o))
	sent := func(n int) func() bool {
		return func() bool {
			done := 0
			for _, d := range s.rows {
				if d.Status == store.DeliverySucceeded {
					done++
				}
			}
			return done == n
		}
	}
	s.await(t, "all are delivered", sent(300))
	if got := r.requests(); len(got) != 1 || !strings.Contains(got[0].body, "300 alerts, the first: agent-0 used 90 %") || strings.Count(got[0].body, "used 90 %") != 2+slackMost {
		t.Fatalf("%d messages: %s", len(got), got[0].body)
	}
	for i := range tellAtOnce - 1 {
		s.tellPerson(r.URL+"/hook", 300+i, 1)
		s.await(t, "one more is delivered", sent(301+i))
	}
	s.tellPerson(r.URL+"/hook", 400, 50)
	s.put("other", "w", "x", "{}") // goes through the outbox after the fifty were looked at
	s.add(bursar.Webhook{ID: "w", URL: r.URL})
	s.attempted(t, "other", 1)
	if got := len(r.requests()); got != tellAtOnce+1 {
		t.Errorf("%d requests, of which one is a webhook's: the fifty did not wait", got)
	}
	s.advance(tellEvery)
	s.await(t, "the fifty are delivered", sent(300+tellAtOnce-1+50+1))
	if got := r.requests(); len(got) != tellAtOnce+2 || !strings.Contains(got[len(got)-1].body, "50 alerts") {
		t.Errorf("%d requests, the last %s", len(got), got[len(got)-1].body)
	}
}

// TestRecipientOfTheMessage: a delivery goes to whom the message says, if that is who the delivery is
// for, and the operator lets it be posted to.
func TestRecipientOfTheMessage(t *testing.T) {
	s := newShelf()
	r := newReceiver(t, status(410))
	s.tellPerson(r.URL+"/hook", 0, 1)
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

// TestTells: a person gets ten messages at once, and then one a minute.
func TestTells(t *testing.T) {
	l, now := &lane{}, bursar.Time(1e18)
	count := func() (n int) {
		for ; l.tells(now); n++ {
			l.told++
		}
		return n
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, tellAtOnce}, {59 * time.Second, 0}, {time.Second, 1}, {3 * time.Minute, 3}, {time.Hour, tellAtOnce}} {
		now += bursar.Time(c.after)
		if got := count(); got != c.want {
			t.Errorf("%v later: %d messages, not %d", c.after, got, c.want)
		}
	}
}
