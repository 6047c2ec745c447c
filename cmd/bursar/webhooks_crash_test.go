package main

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
)

// TestKill9BeforeDelivery kills the server between the commit of alerts and their
// delivery: while the receiver holds the first of them without an answer. After the
// restart every one is delivered, under the id that it had.
func TestKill9BeforeDelivery(t *testing.T) {
	const alerts = 40
	data := t.TempDir()
	env := rigEnv(data, "BURSAR_WEBHOOK_ALLOW_HTTP=true", "BURSAR_WEBHOOK_ALLOW="+forbidden+"/32")
	var up atomic.Bool
	r := newReceiver(t, forbidden+":0", func(w http.ResponseWriter, q *http.Request, n int) {
		if !up.Load() {
			stalls(w, q, n)
		}
	})
	p := start(t, env)
	p.furnishAlerts(alerts)
	h := p.subscribe(r.URL)
	p.alarm(0, alerts)
	want := messageIDs(p.deliveries(h))
	eventually(t, "the receiver stalls", func() bool { return len(r.messages()) > 0 })
	p.kill9()
	before := r.ids()
	if len(want) != alerts || len(before) == 0 || len(before) == alerts {
		t.Fatalf("%d messages were committed for %d alerts, %d were on their way", len(want), alerts, len(before))
	}
	up.Store(true)

	p = start(t, env)
	defer p.stop()
	eventually(t, "all alerts are delivered", func() bool {
		return !slices.ContainsFunc(p.deliveries(h), func(d delivery) bool { return d.Status != "SUCCEEDED" })
	})
	if got := r.ids(); !slices.Equal(got, want) {
		t.Errorf("the receiver has the messages %v, committed were %v", got, want)
	}
	for _, id := range before { // these were not acknowledged: they come again, the same
		if n := len(slices.DeleteFunc(r.messages(), func(m message) bool { return m.id != id })); n < 2 {
			t.Errorf("message %s was on its way when the server was killed and came %d times", id, n)
		}
	}
	h.verify(t, r)
}

// TestKill9AtOnce kills the server right after the usage is acknowledged, again and
// again, while the receiver is down: what was acknowledged has warned.
func TestKill9AtOnce(t *testing.T) {
	const rounds, alerts = 5, 8
	data := t.TempDir()
	env := rigEnv(data, "BURSAR_WEBHOOK_ALLOW_HTTP=true", "BURSAR_WEBHOOK_ALLOW="+forbidden+"/32")
	var up atomic.Bool
	r := newReceiver(t, forbidden+":0", func(w http.ResponseWriter, _ *http.Request, _ int) {
		if !up.Load() {
			w.WriteHeader(503)
		}
	})
	p := start(t, env)
	p.furnishAlerts(rounds * alerts)
	h := p.subscribe(r.URL)
	for round := range rounds {
		p.alarm(round*alerts, (round+1)*alerts)
		p.kill9()
		if round == rounds-1 {
			up.Store(true)
		}
		p = start(t, env)
	}
	defer p.stop()
	want := messageIDs(p.deliveries(h))
	if len(want) != rounds*alerts {
		t.Fatalf("%d messages for %d alerts", len(want), rounds*alerts)
	}
	for _, d := range p.deliveries(h) {
		if d.Attempts > 1 { // its next attempt is minutes away
			ask[delivery](p, "POST", "/webhooks/"+h.ID+"/deliveries/"+d.ID+"/redeliver", "")
		}
	}
	eventually(t, "all alerts are delivered", func() bool {
		return !slices.ContainsFunc(p.deliveries(h), func(d delivery) bool { return d.Status != "SUCCEEDED" })
	})
	if got := r.ids(); !slices.Equal(got, want) {
		t.Errorf("the receiver has the messages %v, committed were %v", got, want)
	}
	h.verify(t, r)
}

// kill9 ends the program as a power cut of the process would.
func (p *program) kill9() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	<-p.ended
	_ = p.cmd.Wait()
}
