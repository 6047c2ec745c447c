package webhook

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

func TestCheckTarget(t *testing.T) {
	strict, private, plain := Options{}, Options{AllowPrivate: true}, Options{AllowHTTP: true}
	lab := Options{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10")}}
	const web, slack, email = bursar.WebhookStandard, bursar.WebhookSlack, bursar.WebhookEmail
	for _, c := range []struct {
		kind   bursar.WebhookKind
		target string
		o      Options
		want   string // part of the error; "" = permitted
	}{
		{web, "https://example.com/hook?x=y", strict, ""},
		{web, "HTTPS://EXAMPLE.com:8443", strict, ""},
		{slack, "https://hooks.slack.com/services/T/B/x", strict, ""},
		{web, "https://8.8.8.8/", strict, ""},
		{web, "https://[2606:4700::1111]/", strict, ""},
		{web, "http://example.com", strict, "https"},
		{web, "http://example.com", plain, ""},
		{web, "ftp://example.com", plain, "https"},
		{web, "file:///etc/passwd", plain, "https"},
		{web, "gopher://example.com", plain, "https"},
		{web, "example.com", strict, "https"},
		{web, "https://", strict, "no host"},
		{web, "https:example.com", strict, "no host"},
		{web, "https://:443/x", strict, "no host"},
		{web, "https://u:p@example.com", strict, "password"},
		{web, "https://u@example.com", strict, "password"},
		{web, "https://example.com:0", strict, "port"},
		{web, "https://example.com:99999", strict, "port"},
		{web, "https://example.com:", strict, "port"},
		{web, "https://exa mple.com", strict, "not a URL"},
		{web, "https://example.com/\r\nX: y", strict, "not a URL"},
		{web, "https://example.com/" + strings.Repeat("x", 2048), strict, "2048"},
		{web, "https://127.0.0.1", strict, "not public"},
		{web, "https://127.0.0.1", private, ""},
		{web, "https://127.9.9.9:8443", strict, "not public"},
		{web, "https://10.1.2.3", strict, "not public"},
		{web, "https://10.1.2.3", private, ""},
		{web, "https://172.16.0.1", strict, "not public"},
		{web, "https://192.168.1.1", strict, "not public"},
		{web, "https://100.64.0.1", strict, "not public"},
		{web, "https://169.254.169.254/latest/meta-data", strict, "not public"},
		{web, "https://169.254.169.254/latest/meta-data", private, "not public"},
		{web, "https://169.254.169.254", lab, ""},
		{web, "https://0.0.0.0", strict, "not public"},
		{web, "https://0.0.0.0", private, "not public"},
		{web, "https://224.0.0.1", private, "not public"},
		{web, "https://255.255.255.255", private, "not public"},
		{web, "https://[::1]", strict, "not public"},
		{web, "https://[::1]", private, ""},
		{web, "https://[::]", private, "not public"},
		{web, "https://[fd00::1]", strict, "not public"},
		{web, "https://[fd00::1]", private, ""},
		{web, "https://[fe80::1]", private, "not public"},
		{web, "https://[fe80::1%25eth0]", lab, "not public"},
		{web, "https://[::ffff:127.0.0.1]", strict, "not public"},
		{web, "https://[::ffff:a9fe:a9fe]", private, "not public"},
		{web, "https://[::ffff:8.8.8.8]", strict, ""},
		{web, "https://[64:ff9b::7f00:1]", private, "not public"},
		{web, "https://[2002:7f00:1::]", private, "not public"},
		{web, "https://localhost/x", strict, "not public"},
		{web, "https://a.LOCALHOST./x", strict, "not public"},
		{web, "https://localhost/x", private, ""},
		{web, "https://2130706433", private, "neither"},
		{web, "https://0177.0.0.1", private, "neither"},
		{web, "https://0x7f.0x0.0x0.0x1", private, "neither"},
		{web, "https://127.1", private, "neither"},
		{web, "https://127.0.0.1.", private, "neither"},
		{web, "https://08.08", private, "neither"},
		{web, "https://.", strict, "neither"},
		{"carrier-pigeon", "https://example.com", strict, "kind"},
		{email, "mailto:a@x.example,b@y.example", strict, ""},
		{email, "MAILTO:a%2Bb@x.example", strict, ""},
		{email, "mailto:", strict, "not an email address"},
		{email, "mailto:a@x.example,", strict, "not an email address"},
		{email, "mailto:a@x.example?subject=x", strict, "subject"},
		{email, "mailto:a@x.example%0d%0aBcc:b@y.example", strict, "not an email address"},
		{email, "mailto:a@x.example%2Cb@y.example", strict, "not an email address"},
		{email, "mailto:Bob%20<a@x.example>", strict, "not an email address"},
		{email, "mailto:a@[127.0.0.1]", strict, "not an email address"},
		{email, "mailto:ä@x.example", strict, "not an email address"},
		{email, "mailto:nobody", strict, "not an email address"},
		{email, "mailto:a@x.example" + strings.Repeat(",a@x.example", 20), strict, "20 addresses"},
		{email, "https://example.com", strict, "mailto:"},
		{email, "a@x.example", strict, "mailto:"},
	} {
		err := CheckTarget(c.kind, c.target, c.o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.80s: %v, want %q", c.kind, c.target, err, c.want)
		}
	}
}

// trap is a listener that must not be contacted.
func trap(t *testing.T, addr string) (port string, contacts *atomic.Int32) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skip(err)
	}
	contacts = new(atomic.Int32)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			contacts.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, contacts
}

// resolve makes every name lead to the addresses, for as long as the test runs.
func resolve(t *testing.T, to ...netip.Addr) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(answer(b[:n], to), from)
		}
	}()
	old := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = old; _ = pc.Close(); <-ended })
}

// answer is the reply to a DNS query of one question (RFC 1035, 4.1).
func answer(query []byte, to []netip.Addr) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5
	out := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
	kind := binary.BigEndian.Uint16(query[end-4:])
	for _, a := range to {
		if kind == 1 && a.Is4() || kind == 28 && a.Is6() {
			out[7]++
			out = append(out, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(a.BitLen()/8))
			out = append(out, a.AsSlice()...)
		}
	}
	return out
}

// TestPrivateNames: a name that leads to private addresses is refused at the dial, and
// none of them is contacted; with AllowPrivate the same name is served.
func TestPrivateNames(t *testing.T) {
	port, contacts := trap(t, "127.0.0.1:0")
	rec := newReceiver(t, status(200))
	_, recPort, _ := net.SplitHostPort(rec.Listener.Addr().String())
	resolve(t, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("::1"))
	box := newShelf()
	box.add(bursar.Webhook{ID: "trap", URL: "http://hooks.example:" + port})
	box.add(bursar.Webhook{ID: "slack", Kind: bursar.WebhookSlack, URL: "http://hooks.example:" + port})
	box.add(bursar.Webhook{ID: "rec", URL: "http://hooks.example:" + recPort})
	run(t, newSender(t, box, Options{AllowHTTP: true, Poll: local.Poll}))
	for _, id := range []string{"trap", "slack"} {
		box.put(id, id, bursar.EventTest, "{}")
		if d := box.attempted(t, id, 1); d.Status != store.DeliveryPending || d.ResponseStatus != 0 || d.Error != "the host leads to an address that is not public" {
			t.Errorf("%+v", d)
		}
	}
	if n := contacts.Load(); n != 0 {
		t.Errorf("contacted %d times", n)
	}
	other := newShelf()
	other.add(*box.hooks["rec"])
	other.put("rec", "rec", bursar.EventTest, "{}")
	run(t, newSender(t, other, local))
	if d := other.attempted(t, "rec", 1); d.Status != store.DeliverySucceeded {
		t.Errorf("permitted, %+v", d)
	}
}

// TestGuardAtDial: the client itself refuses, whatever CheckTarget would have said.
func TestGuardAtDial(t *testing.T) {
	port, contacts := trap(t, ":0")
	strict := newSender(t, newShelf(), Options{})
	for _, host := range []string{"127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "localhost"} {
		resp, err := strict.client.Get("http://" + net.JoinHostPort(strings.Trim(host, "[]"), port))
		if err == nil {
			_ = resp.Body.Close()
		}
		if err == nil || strict.explain(err) != "the host leads to an address that is not public" {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := contacts.Load(); n != 0 {
		t.Errorf("contacted %d times", n)
	}
	if strict.client.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would dial unguarded")
	}
}

// TestTLS: the certificate is checked and nothing older than TLS 1.2 is spoken.
func TestTLS(t *testing.T) {
	for name, c := range map[string]struct {
		max     uint16
		trusted bool
		want    string
	}{
		"unknown": {0, false, "the host's TLS certificate is not valid"},
		"old":     {tls.VersionTLS11, true, "the TLS handshake failed"},
		"good":    {0, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.TLS = &tls.Config{MaxVersion: c.max, MinVersion: tls.VersionTLS10}
			server.StartTLS()
			defer server.Close()
			box := newShelf()
			box.add(bursar.Webhook{ID: "e", URL: server.URL})
			box.put("d", "e", bursar.EventTest, "{}")
			sender := newSender(t, box, Options{AllowPrivate: true, Poll: local.Poll})
			if c.trusted {
				sender.client.Transport.(*http.Transport).TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			}
			run(t, sender)
			if d := box.attempted(t, "d", 1); d.Error != c.want {
				t.Errorf("%+v", d)
			}
		})
	}
}

// TestNoSecretsShown: neither logs nor recorded errors have the path, query or user of a
// URL, however an attempt fails.
func TestNoSecretsShown(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	garbage, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := garbage.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			fmt.Fprint(c, "SECRET what is this\r\n\r\n")
			_ = c.Close()
		}
	}()
	defer func() { _ = garbage.Close(); <-ended }()
	resolve(t)
	box := newShelf()
	stalls, fails, moved := newReceiver(t, stall), newReceiver(t, status(500)), newReceiver(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		http.Redirect(w, r, "http://127.0.0.1/SECRET", http.StatusFound)
	})
	hosts := []string{stalls.URL, fails.URL, moved.URL, "http://" + closed.Addr().String(), "http://" + garbage.Addr().String(),
		"http://nowhere.example", "https://" + fails.Listener.Addr().String(), "http://SECRET:SECRET@" + fails.Listener.Addr().String(),
		"http://10.0.0.1 SECRET", "http://169.254.1.1"}
	for i, h := range hosts {
		id := fmt.Sprint(i)
		box.add(bursar.Webhook{ID: id, Kind: bursar.WebhookSlack, URL: h + "/services/SECRET?k=SECRET"})
		box.put(id, id, bursar.EventTest, "{}")
		box.rows[id] = func(d store.DueDelivery) store.DueDelivery { d.Attempts = 7; return d }(box.rows[id])
	}
	o, log := logged(local)
	sender := newSender(t, box, o)
	sender.timeout = 300 * time.Millisecond
	run(t, sender)
	seen := map[string]bool{}
	for i := range hosts {
		d := box.attempted(t, fmt.Sprint(i), 8)
		if d.Status != store.DeliveryFailed || d.Error == "" || strings.Contains(d.Error, "SECRET") || len(d.Error) > 120 {
			t.Errorf("%s: %+v", hosts[i], d)
		}
		seen[d.Error] = true
	}
	if len(seen) < 8 {
		t.Errorf("too few different explanations: %v", seen)
	}
	if strings.Contains(log.String(), "SECRET") || strings.Contains(log.String(), "whsec_") || !strings.Contains(log.String(), "given up") {
		t.Errorf("logged:\n%s", log)
	}
}
