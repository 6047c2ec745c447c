package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// testClock is a clock that tests move.
type testClock struct{ now atomic.Int64 }

func newTestClock() *testClock {
	c := &testClock{}
	c.now.Store(int64(bursar.TimeOf(time.Date(2026, 9, 14, 10, 22, 28, 418e6, time.UTC))))
	return c
}

func (c *testClock) time() bursar.Time       { return bursar.Time(c.now.Load()) }
func (c *testClock) advance(d time.Duration) { c.now.Add(int64(d)) }

// patience is for what would never come, however slow the machine is.
const patience = 5 * time.Minute

const testAdminKey = "an admin key for tests"

// testServer serves an engine on the reference store.
type testServer struct {
	*httptest.Server
	t     testing.TB
	api   *API
	clock *testClock
	logs  *bytes.Buffer
	store *mem.Store
	fault atomic.Pointer[func(op string) error] // what mem.Store.Fail does

	stop     func()
	poisoned bool // Close need not succeed
}

func newTestServer(t testing.TB) *testServer {
	s := &testServer{t: t, clock: newTestClock(), logs: &bytes.Buffer{}, store: mem.New()}
	s.store.Fail = func(op string) error {
		if f := s.fault.Load(); f != nil {
			return (*f)(op)
		}
		return nil
	}
	return s.open()
}

// restarted is another server over the same store.
func (s *testServer) restarted() *testServer {
	s.stop()
	return (&testServer{t: s.t, clock: s.clock, logs: &bytes.Buffer{}, store: s.store}).open()
}

func (s *testServer) open() *testServer {
	t := s.t
	e, err := engine.Open(context.Background(), s.store, engine.Options{Clock: s.clock.time})
	if err != nil {
		t.Fatal(err)
	}
	s.api = New(e, Options{
		AdminKey: testAdminKey, MetricsToken: "a metrics token", CORSOrigins: []string{"https://console.example"}, Log: slog.New(slog.NewJSONHandler(s.logs, nil)),
		CheckTarget:    checkTestTarget,
		WebhookBacklog: s.store.PendingDeliveries,
		WebhookStats:   func() WebhookStats { return WebhookStats{Succeeded: 2, Failed: 1} },
	})
	s.Server = httptest.NewServer(s.api)
	s.stop = sync.OnceFunc(func() {
		s.api.Drain()
		s.Server.Close()
		if err := e.Close(context.Background()); err != nil && !s.poisoned {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

func checkTestTarget(kind bursar.WebhookKind, url string) error {
	if scheme, _, _ := strings.Cut(url, ":"); scheme != "https" && (kind != bursar.WebhookEmail || scheme != "mailto") {
		return fmt.Errorf("a %s is not sent to %s", kind, url)
	}
	return nil
}

// attempt makes up what became of every delivery that is due: "FAILED 500 text".
func (s *testServer) attempt(outcome string) {
	s.t.Helper()
	var status store.DeliveryStatus
	var response int
	if _, err := fmt.Sscan(outcome, &status, &response); err != nil {
		s.t.Fatal(err)
	}
	due, err := s.api.engine.DueDeliveries(context.Background(), func(string) int { return 100 })
	if err != nil {
		s.t.Fatal(err)
	}
	var done []store.Delivery
	for _, d := range due {
		d.Status, d.ResponseStatus, d.NextAttempt, d.Error = status, response, 0, ""
		d.Attempts++
		if parts := strings.SplitN(outcome, " ", 3); len(parts) == 3 {
			d.Error = parts[2]
		}
		if status == store.DeliveryPending {
			d.NextAttempt = s.clock.time() + 5e9
		}
		done = append(done, d.Delivery)
	}
	if err := s.api.engine.SaveDeliveries(context.Background(), done); err != nil {
		s.t.Fatal(err)
	}
}

// do sends one request and reads the reply. Headers are "Name: value".
func (s *testServer) do(method, path, body string, headers ...string) (*http.Response, []byte) {
	s.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, s.URL, r)
	if err != nil {
		s.t.Fatal(err)
	}
	req.URL.Opaque = path // sent exactly as it is written
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		if req.Header.Add(name, strings.TrimSpace(value)); name == "Content-Type" {
			req.Header.Set(name, strings.TrimSpace(value))
		}
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, reply
}

// admin sends a request with the admin key, which must succeed, and returns the reply.
func (s *testServer) admin(method, path, body string) []byte {
	s.t.Helper()
	resp, reply := s.do(method, path, body, "X-API-KEY: "+testAdminKey)
	if resp.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, reply)
	}
	return reply
}

// newKey makes a key.
func (s *testServer) newKey(scope string) (id, key string) {
	s.t.Helper()
	reply := s.admin("POST", "/api/v1/api-keys", `{"name":"test","scope":"`+scope+`"}`)
	var out struct {
		Data apiKeyOut `json:"data"`
	}
	mustUnmarshal(s.t, reply, &out)
	return out.Data.ID, out.Data.Key
}
