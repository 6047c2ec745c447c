package webhook

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ Outbox = (*engine.Engine)(nil)

// shelf is an outbox in memory whose clock moves when told.
type shelf struct {
	mu       sync.Mutex
	now      bursar.Time
	began    time.Time // not zero: the clock goes on by itself since then
	hooks    map[string]*bursar.Webhook
	rows     map[string]store.DueDelivery
	refuse   error // what SaveDeliveries returns
	written  int   // deliveries in all SaveDeliveries
	saves    int
	disabled []string
	changed  chan struct{} // closed at the next change
}

func newShelf() *shelf {
	return &shelf{now: bursar.TimeOf(time.Now()).Milli(), hooks: map[string]*bursar.Webhook{},
		rows: map[string]store.DueDelivery{}, changed: make(chan struct{})}
}

func (s *shelf) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *shelf) Catalogue() *catalogue.Catalogue { return nil } // Sender.endpoint is replaced

func (s *shelf) Now() bursar.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock()
}

func (s *shelf) clock() bursar.Time {
	if s.began.IsZero() {
		return s.now
	}
	return s.now + bursar.Time(time.Since(s.began))
}

func (s *shelf) DueDeliveries(ctx context.Context, limit func(string) int) ([]store.DueDelivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	due, now := map[string][]*store.Delivery{}, s.clock()
	for _, d := range s.rows {
		if d.Status == store.DeliveryPending && d.NextAttempt <= now {
			due[d.EndpointID] = append(due[d.EndpointID], &d.Delivery)
		}
	}
	var out []store.DueDelivery
	for _, endpoint := range slices.Sorted(maps.Keys(due)) {
		its := due[endpoint]
		slices.SortFunc(its, func(a, b *store.Delivery) int {
			return cmp.Or(cmp.Compare(a.NextAttempt, b.NextAttempt), cmp.Compare(a.ID, b.ID))
		})
		for _, d := range its[:min(max(limit(endpoint), 0), len(its))] {
			out = append(out, s.rows[d.ID])
		}
	}
	return out, ctx.Err()
}

func (s *shelf) SaveDeliveries(ctx context.Context, ds []store.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.tell()
	s.saves++
	if err := cmp.Or(s.refuse, ctx.Err()); err != nil {
		return err
	}
	s.written += len(ds)
	for _, d := range ds {
		r := s.rows[d.ID]
		r.Status, r.Attempts, r.ResponseStatus, r.Error, r.NextAttempt = d.Status, d.Attempts, d.ResponseStatus, d.Error, d.NextAttempt
		s.rows[d.ID] = r
	}
	return nil
}

func (s *shelf) DisableWebhook(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := *s.hooks[id]
	h.Enabled = false
	s.hooks[id] = &h
	s.disabled = append(s.disabled, id)
	return nil
}

func (s *shelf) hook(id string) *bursar.Webhook {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hooks[id]
}

const (
	secretNew = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretOld = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

func (s *shelf) add(h bursar.Webhook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.Enabled = true
	h.Kind = cmp.Or(h.Kind, bursar.WebhookStandard)
	h.Secret = cmp.Or(h.Secret, secretNew)
	s.hooks[h.ID] = &h
}

// put queues a delivery of the body, due now.
func (s *shelf) put(id, endpoint, eventType, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[id] = store.DueDelivery{Body: []byte(body), Delivery: store.Delivery{ID: id, EndpointID: endpoint, MessageID: "m-" + id,
		EventType: eventType, CustomerID: "acme", Status: store.DeliveryPending, CreatedAt: s.now, NextAttempt: s.now}}
}

func (s *shelf) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now += bursar.Time(d)
}

func (s *shelf) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// await waits until ok holds, which is asked after each save.
func (s *shelf) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		s.mu.Lock()
		held, changed := ok(), s.changed
		s.mu.Unlock()
		if held {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// attempted waits until a delivery was attempted n times and recorded, and gives it.
func (s *shelf) attempted(t *testing.T, id string, n int) store.Delivery {
	t.Helper()
	s.await(t, fmt.Sprintf("%s was attempted %d times", id, n), func() bool {
		r := s.rows[id]
		return r.Attempts >= n || r.Status == store.DeliveryFailed
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[id].Delivery
}

// local permits what test servers are.
var local = Options{AllowPrivate: true, AllowHTTP: true, Poll: 2 * time.Millisecond}

func newSender(t *testing.T, s *shelf, o Options) *Sender {
	t.Helper()
	sender, err := New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	sender.endpoint, sender.grace = s.hook, 50*time.Millisecond
	return sender
}

// run runs sender until the test ends or the returned func is called.
func run(t *testing.T, sender *Sender) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sender.Run(ctx)
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

// request is one that a receiver got.
type request struct {
	header http.Header
	body   string
	at     time.Time
}

// receiver is an endpoint over real TCP.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []request
}

// newReceiver answers the n-th request, counted from 0, with answer.
func newReceiver(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *receiver {
	rec := &receiver{}
	rec.Server = httptest.NewServer(rec.handler(answer))
	t.Cleanup(rec.Close)
	return rec
}

func (r *receiver) handler(answer func(w http.ResponseWriter, r *http.Request, n int)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		n := len(r.got)
		r.got = append(r.got, request{req.Header.Clone(), string(body), time.Now()})
		r.mu.Unlock()
		answer(w, req, n)
	})
}

func (r *receiver) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func status(code int) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(code) }
}

// stall answers nothing until the client goes away.
func stall(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() }

// logged collects what is logged.
func logged(o Options) (Options, *lockedBuffer) {
	var b lockedBuffer
	o.Log = slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return o, &b
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var errDisk = errors.New("disk full")
