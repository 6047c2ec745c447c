package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
)

func TestGuard(t *testing.T) {
	g, now := newGuard(), time.Unix(1e9, 0)
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range guardFailures {
		if wait := g.failed(one, now); wait != 0 {
			t.Fatalf("refused after %d failures", i+1)
		}
	}
	if wait := g.failed(one, now.Add(50*time.Second)); wait != 11*time.Second {
		t.Errorf("wait %v", wait)
	}
	if wait := g.failed(one, now); wait != retryAfterMax {
		t.Errorf("wait %v", wait)
	}
	if g.failed(other, now) != 0 {
		t.Error("another address is refused")
	}
	if g.failed(one, now.Add(guardWindow)) != 0 {
		t.Error("refused in the next minute")
	}
	for i := range 2 * guardAddresses {
		g.failed(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if len(g.counts) > guardAddresses {
		t.Errorf("%d addresses are remembered", len(g.counts))
	}
}

func TestClientIP(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:5": "192.0.2.1", "[::ffff:192.0.2.1]:5": "192.0.2.1", "[2001:db8:1:2:3:4:5:6]:5": "2001:db8:1:2::", "@": "invalid IP", "": "invalid IP",
	} {
		if got := bursar.PeerAddress(remote).String(); got != want {
			t.Errorf("%s: %s", remote, got)
		}
	}
}

func TestDeadline(t *testing.T) {
	parent, cancel := context.WithCancel(context.Background())
	d := &deadline{Context: parent, at: time.Now().Add(time.Hour)}
	if d.Err() != nil {
		t.Error("over at once")
	}
	child, stop := context.WithTimeout(d, time.Minute)
	defer stop()
	cancel()
	<-child.Done()
	if !errors.Is(child.Err(), context.Canceled) || !errors.Is(d.Err(), context.Canceled) {
		t.Errorf("%v %v", child.Err(), d.Err())
	}

	late := &deadline{Context: context.Background(), at: time.Now().Add(-time.Second)}
	if late.Err() != context.DeadlineExceeded {
		t.Errorf("%v", late.Err())
	}
	<-late.Done()

	ended := &deadline{Context: context.Background(), at: time.Now().Add(time.Hour)}
	ended.end()
	<-ended.Done()
	if ended.Err() != context.Canceled {
		t.Errorf("%v", ended.Err())
	}
}

func TestRequestIDs(t *testing.T) {
	a, b := newRequestIDs(), newRequestIDs()
	seen := map[string]bool{}
	for range 1000 {
		for _, g := range []requestIDs{a, b} {
			id := g.of(requestWith("X-Request-Id", "no spaces allowed"))
			if seen[id] || !validRequestID(id) {
				t.Fatalf("%q", id)
			}
			seen[id] = true
		}
	}
	for _, id := range []string{"a", "A.b_c-9", strings.Repeat("x", 128)} {
		if got := a.of(requestWith("X-Request-Id", id)); got != id {
			t.Errorf("%q is not echoed but %q", id, got)
		}
	}
	for _, id := range []string{"", strings.Repeat("x", 129), "a\r\nSet-Cookie: x", "é", "a/b"} {
		if got := a.of(requestWith("X-Request-Id", id)); got == id {
			t.Errorf("%q is echoed", id)
		}
	}
}

func TestTraceID(t *testing.T) {
	trace := "4bf92f3577b34da6a3ce929d0e0e4736"
	for header, want := range map[string]string{
		"00-" + trace + "-00f067aa0ba902b7-01": trace, "": "", trace: "", "00-" + strings.ToUpper(trace) + "-1-2": "", fmt.Sprintf("00-%s-1-2", trace[1:]): "",
	} {
		if got := traceID(header); got != want {
			t.Errorf("%q: %q", header, got)
		}
	}
}
