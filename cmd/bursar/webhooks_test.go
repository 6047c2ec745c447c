package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	allowed   = "127.0.0.9" // the address that receivers may have
	forbidden = "127.0.0.1"
)

// unhappy are receivers that cannot be relied on.
type unhappy struct {
	good, flaky, stalling, redirecting, endless, lured *receiver

	streamed atomic.Int64 // bytes that the endless one got rid of
}

const gigabyte = 1 << 30

func newUnhappy(t *testing.T) *unhappy {
	u := &unhappy{}
	u.good = newReceiver(t, allowed+":0", answers(204))
	u.flaky = newReceiver(t, allowed+":0", func(w http.ResponseWriter, _ *http.Request, n int) {
		if n < 3 {
			w.WriteHeader(500)
		}
	})
	u.stalling = newReceiver(t, allowed+":0", stalls)
	u.lured = newReceiver(t, forbidden+":0", answers(204))
	u.redirecting = newReceiver(t, allowed+":0", func(w http.ResponseWriter, r *http.Request, _ int) {
		http.Redirect(w, r, u.lured.URL, http.StatusTemporaryRedirect)
	})
	u.endless = newReceiver(t, allowed+":0", func(w http.ResponseWriter, _ *http.Request, _ int) {
		block := make([]byte, 64<<10)
		for sent := 0; sent < gigabyte; {
			n, err := w.Write(block)
			u.streamed.Add(int64(n))
			if sent += n; err != nil {
				return
			}
		}
	})
	return u
}

// TestUnhappyReceivers: whatever receivers do, every alert reaches those that take it,
// checks are answered as ever, and nothing is sent to where nothing may be sent.
func TestUnhappyReceivers(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a retry")
	}
	u := newUnhappy(t)
	p := start(t, rigEnv(t.TempDir(), "BURSAR_WEBHOOK_ALLOW="+allowed+"/32", "BURSAR_WEBHOOK_ALLOW_HTTP=true", "BURSAR_METRICS_LISTEN=127.0.0.1:0"))
	const alerts = 60
	p.furnishAlerts(alerts)
	if status, reply, _ := p.do("POST", "/api/v1/webhooks", rigKey, `{"url":"`+u.lured.URL+`"}`); status != 400 || !strings.Contains(reply, "not public") {
		t.Errorf("a webhook to %s: %d %s", u.lured.URL, status, reply)
	}
	good, flaky, stalling := p.subscribe(u.good.URL), p.subscribe(u.flaky.URL), p.subscribe(u.stalling.URL)
	redirecting, endless := p.subscribe(u.redirecting.URL), p.subscribe(u.endless.URL)

	p.alarm(0, alerts/2)
	eventually(t, "a receiver stalls", func() bool { return len(u.stalling.messages()) > 0 })
	p.checksWaitForNobody(t)
	p.alarm(alerts/2, alerts)

	want := messageIDs(p.deliveries(good))
	if len(want) != alerts {
		t.Fatalf("%d messages for %d alerts", len(want), alerts)
	}
	for _, r := range []struct {
		name string
		hook hook
		*receiver
	}{{"good", good, u.good}, {"flaky", flaky, u.flaky}, {"endless", endless, u.endless}} {
		eventually(t, "the "+r.name+" receiver has all alerts", func() bool { return slices.Equal(r.ids(), want) })
		eventually(t, "all is delivered to the "+r.name+" receiver", func() bool {
			return !slices.ContainsFunc(p.deliveries(r.hook), func(d delivery) bool { return d.Status != "SUCCEEDED" })
		})
		r.hook.verify(t, r.receiver)
	}
	if n := len(u.good.messages()); n != alerts {
		t.Errorf("the good receiver got %d requests for %d alerts", n, alerts)
	}
	if n := len(u.flaky.messages()); n != alerts+3 {
		t.Errorf("the flaky receiver got %d requests for %d alerts, of which it failed 3", n, alerts)
	}
	if n := u.streamed.Load(); n > alerts*(32<<20) {
		t.Errorf("the endless receiver got rid of %d bytes in %d replies", n, alerts)
	}
	for _, d := range p.deliveries(redirecting) {
		if d.Status != "PENDING" || d.Attempts > 0 && !strings.Contains(d.Error, "redirects are not followed") {
			t.Errorf("to the redirecting receiver: %+v", d)
		}
	}
	if got := messageIDs(p.deliveries(stalling)); !slices.Equal(got, want) {
		t.Errorf("the stalling receiver's deliveries are %d of %d", len(got), len(want))
	}
	if got := u.lured.messages(); len(got) > 0 {
		t.Errorf("%d requests went to a forbidden address", len(got))
	}
	p.deliveriesAreCounted(t)
	began := time.Now()
	if code := p.stop(); code != 0 || time.Since(began) > patience {
		t.Errorf("stopping while a receiver stalls took %v, exit code %d: %s", time.Since(began), code, p.log())
	}
}

// checksWaitForNobody holds 300 checks, one after the other, to a bound that they would miss by
// far if each waited for a receiver, which takes 10 s.
func (p *program) checksWaitForNobody(t *testing.T) {
	t.Helper()
	began := time.Now()
	for range 300 {
		p.must("GET", "/api/v1/customers/acme/entitlements/check?featureId=tokens&dimensions[agent]=a0", rigKey, "")
	}
	if took := time.Since(began); took > patience {
		t.Errorf("300 checks took %v while receivers stall", took)
	}
}

// deliveriesAreCounted looks at the metrics.
func (p *program) deliveriesAreCounted(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	addr := p.addrs["metrics listening"]
	p.mu.Unlock()
	rec := httptest.NewRecorder()
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	rec.Body.ReadFrom(resp.Body)
	for _, line := range strings.Split(rec.Body.String(), "\n") {
		if strings.HasPrefix(line, `bursar_webhook_deliveries_total{result="succeeded"}`) && !strings.HasSuffix(line, " 0") {
			return
		}
	}
	t.Errorf("the metrics count no deliveries: %s", rec.Body)
}

// TestPrivateName: a name that leads to a private address is refused where it is
// dialled, and permitted by name of the network alone.
func TestPrivateName(t *testing.T) {
	name, address := privateName(t)
	r := newReceiver(t, net.JoinHostPort(address, "0"), answers(204))
	_, port, err := net.SplitHostPort(r.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	p := start(t, rigEnv(data, "BURSAR_WEBHOOK_ALLOW_HTTP=1", "BURSAR_WEBHOOK_ALLOW="+allowed+"/32"))
	p.furnishAlerts(1)
	h := p.subscribe("http://" + net.JoinHostPort(name, port) + "/hook")
	p.alarm(0, 1)
	var refused []delivery
	eventually(t, "the delivery is refused", func() bool {
		refused = p.deliveries(h)
		return len(refused) == 1 && refused[0].Attempts > 0
	})
	if !strings.Contains(refused[0].Error, "not public") || len(r.messages()) > 0 {
		t.Errorf("%+v; %d requests came to %s", refused[0], len(r.messages()), address)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	p = start(t, rigEnv(data, "BURSAR_WEBHOOK_ALLOW_HTTP=1", "BURSAR_WEBHOOK_ALLOW="+allowed+"/32,"+address+"/32"))
	defer p.stop()
	ask[delivery](p, "POST", "/webhooks/"+h.ID+"/deliveries/"+refused[0].ID+"/redeliver", "")
	eventually(t, "it is delivered once that is allowed", func() bool { return len(r.messages()) == 1 })
	if got := r.messages()[0].id; got != refused[0].MessageID {
		t.Errorf("the message is %s, was %s", got, refused[0].MessageID)
	}
	h.verify(t, r)
}

// privateName finds a name, other than localhost, that leads to an IPv4 address of this
// host that is not public.
func privateName(t *testing.T) (name, address string) {
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	ips, err := net.DefaultResolver.LookupIP(t.Context(), "ip4", host)
	if err != nil || len(ips) == 0 || !ips[0].IsLoopback() && !ips[0].IsPrivate() {
		t.Skipf("the name of this host, %s, leads to no private address: %v %v", host, ips, err)
	}
	return host, ips[0].String()
}

// TestAlertSettings: what limits warn at when they do not say comes from the
// configuration, and so does whether mail can be asked for.
func TestAlertSettings(t *testing.T) {
	for setting, want := range map[string]string{"": "[80,100]", "95,50,50": "[50,95]", "none": "[]"} {
		env := rigEnv(t.TempDir())
		if setting != "" {
			env = append(env, "BURSAR_ALERT_THRESHOLDS="+setting)
		}
		p := start(t, env)
		p.furnishAlerts(1)
		reply := p.must("PUT", "/api/v1/customers/acme/assignments", rigKey,
			`{"assignments":[{"entityId":"a0","featureId":"tokens","label":"other","usageLimit":1,"cadence":"P1D"}]}`)
		if !strings.Contains(reply, `"alertThresholds":`+want) {
			t.Errorf("with %q: no %s in %s", setting, want, reply)
		}
		if status, reply, _ := p.do("POST", "/api/v1/webhooks", rigKey, `{"kind":"email","url":"mailto:ops@example.com"}`); status != 400 || !strings.Contains(reply, "--smtp-url") {
			t.Errorf("mail without a server: %d %s", status, reply)
		}
		p.stop()
	}
	p := start(t, rigEnv(t.TempDir(), "BURSAR_SMTP_URL=smtp://mail.example", "BURSAR_SMTP_FROM=Bursar <alerts@example.com>"))
	p.must("POST", "/api/v1/webhooks", rigKey, `{"kind":"email","url":"mailto:ops@example.com"}`)
	p.stop()
}
