//go:build linux

package main

import (
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestTemplateFillsItsSlots(t *testing.T) {
	r := request{Method: "POST", Path: "/of/{leaf}/{id}", Key: "k", Body: `{"a":{"{leaf}":"{seq}"},"b":"{seq}"}`}
	c := compile(&r, "127.0.0.1:1")
	f := filler{rand: rand.New(rand.NewPCG(1, 2)), seq: 0xfe, leaves: 1}
	got := string(f.fill(c, []byte(strings.Repeat("x", idWidth))))
	path := "POST /of/0000000/" + strings.Repeat("x", idWidth) + " HTTP/1.1\r\n"
	body := `{"a":{"0000000":"00000000000000ff"},"b":"0000000000000100"}`
	if !strings.HasPrefix(got, path) || !strings.HasSuffix(got, "\r\n\r\n"+body) || !strings.Contains(got, "\r\nContent-Length: 59\r\n") {
		t.Errorf("filled to %q", got)
	}
}

func TestReply(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 201 Created\r\nContent-Length: 16\r\n\r\n" + `{"data":{"id":1}`,
		"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	} {
		r := newReply()
		for i := range len(text) {
			r.buf[r.n] = text[i]
			r.n++
			if ok, err := r.complete(); err != nil || ok != (i == len(text)-1) {
				t.Fatalf("%q: after %d bytes complete is %v, %v", text, i+1, ok, err)
			}
		}
		if r.status() != 201 {
			t.Errorf("%q: status %d", text, r.status())
		}
	}
	r := newReply()
	r.n = copy(r.buf, "HTTP/1.1 200 OK\r\n\r\n")
	if _, err := r.complete(); err == nil {
		t.Error("a reply without a length was taken")
	}
}

// TestIdleConnections: a server may close what a paced load does not use, and the load goes
// on.
func TestIdleConnections(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	var closed atomic.Int64
	s.Config.IdleTimeout = time.Millisecond
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	for closed.Load() < 10 {
		r, err := runLoad(&loadSpec{Addr: s.Listener.Addr().String(), PID: os.Getpid(), Conns: 8, Rate: 100, Seconds: 0.3, Units: 1,
			Requests: []request{{Method: "GET", Path: "/", Status: 200}}})
		if err != nil || r.Refused > 0 || r.Ops == 0 {
			t.Fatalf("%v: %+v", err, r)
		}
	}
}

func TestHist(t *testing.T) {
	var h hist
	for i := range int64(10_000) {
		h.add(i * 1000)
	}
	for q, want := range map[float64]float64{0: 0, .5: 5000, .99: 9900, .999: 9990} {
		if got := h.quantile(q); got > want || got < want*.984 {
			t.Errorf("quantile %v is %v, not %v", q, got, want)
		}
	}
}

func TestTreeWidths(t *testing.T) {
	for _, x := range []struct {
		tree tree
		want int
	}{
		{tree{Levels: 1, Leaves: 50}, 50},
		{tree{Levels: 5, Leaves: 100_000}, 100_000 + 10_000 + 1000 + 100 + 1},
		{tree{Levels: 10, Leaves: 100}, 100 + 10 + 8},
	} {
		if got := x.tree.entities(); got != x.want {
			t.Errorf("%+v has %d entities, not %d", x.tree, got, x.want)
		}
	}
}

func TestReportVerdicts(t *testing.T) {
	var r report
	for _, v := range []float64{3, 1, 2} {
		r.add("good", "", atLeast(2), v)
		r.add("bad", "µs", below(2), v)
		r.add("plain", "", goal{}, v)
	}
	var b strings.Builder
	if missed := r.print(&b); missed != 1 || !strings.Contains(b.String(), "2.00 [1.00–3.00] µs") {
		t.Errorf("missed %d in\n%s", missed, b.String())
	}
}
