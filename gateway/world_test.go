package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/gateway"
	"github.com/bursarhq/bursar/httpapi"
	"github.com/bursarhq/bursar/store/sqlite"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	adminKey    = "a-key-for-the-tests-of-the-gateway"
	providerKey = "sk-of-the-provider"
)

// world is a real server on SQLite, a gateway before it and a provider that is played.
type world struct {
	*client.Client
	t        *testing.T
	key      string // of scope runtime
	server   *httptest.Server
	away     atomic.Bool // the server cannot be asked
	asked    atomic.Int64
	from     atomic.Value // the address that it was asked from last
	upstream *provider
	config   gateway.Config
	gateway  *gateway.Gateway
	front    *httptest.Server
	log      *lockedBuffer
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

// provider plays OpenAI and Anthropic.
type provider struct {
	*httptest.Server
	mu      sync.Mutex
	got     []sent
	answers http.HandlerFunc
}

// sent is a request that reached the provider.
type sent struct {
	path   string
	header http.Header
	body   []byte
}

func (p *provider) requests() []sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]sent(nil), p.got...)
}

func (p *provider) answer(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = h
}

func newProvider(t *testing.T) *provider {
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.got = append(p.got, sent{r.URL.RequestURI(), r.Header.Clone(), body})
		h := p.answers
		p.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		h(w, r)
	}))
	t.Cleanup(func() { p.CloseClientConnections(); p.Close() })
	return p
}

// newWorld has an agent a whose tokens are counted by kind and priced in credits, of which
// acme has 1,000.
func newWorld(t *testing.T, change ...func(*gateway.Config)) *world {
	t.Helper()
	w := &world{t: t, upstream: newProvider(t), log: &lockedBuffer{}}
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(t.Context(), st, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	api := httpapi.New(e, httpapi.Options{AdminKey: adminKey})
	serve := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		w.from.Store(r.RemoteAddr)
		if w.away.Load() {
			http.Error(rw, "away", http.StatusBadGateway)
			return
		}
		if r.Context().Value(ownKey{}) != nil {
			api.ForGateway().ServeHTTP(rw, r)
			return
		}
		api.ServeHTTP(rw, r)
	})
	own := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		serve(rw, r.WithContext(context.WithValue(r.Context(), ownKey{}, true)))
	})
	w.server = httptest.NewServer(serve)
	w.Client = client.New(w.server.URL, adminKey)
	w.build()
	w.config = gateway.Config{Upstreams: []gateway.Upstream{
		{Name: "openai", Kind: "openai", BaseURL: w.upstream.URL + "/v1", KeyEnv: "PROVIDER"},
		{Name: "anthropic", Kind: "anthropic", BaseURL: w.upstream.URL, KeyEnv: "PROVIDER"},
		{Name: "away", Kind: "openai", BaseURL: "http://127.0.0.1:1/v1"},
	}, Customer: "acme", BodyDimensions: map[string]string{"user": "agentId"}}
	for _, f := range change {
		f(&w.config)
	}
	if err := w.config.Check(func(string) string { return providerKey }); err != nil {
		t.Fatal(err)
	}
	w.start(gateway.InProcess(serve), gateway.InProcess(own))
	t.Cleanup(func() {
		w.stop()
		w.server.Close()
		err := errors.Join(e.Close(context.Background()), st.Close())
		if err != nil {
			t.Error(err)
		}
		if log := w.log.String(); strings.Contains(log, w.key) || strings.Contains(log, providerKey) {
			t.Errorf("a secret is in the log: %s", log)
		}
	})
	return w
}

// ownKey marks what the gateway asks for itself.
type ownKey struct{}

// start starts the gateway; own is what it asks with for the holders of spend tokens.
func (w *world) start(server, own *client.Client) {
	w.gateway = gateway.New(&w.config, gateway.Options{Server: server, Own: own, Log: slog.New(slog.NewJSONHandler(w.log, nil))})
	w.front = httptest.NewUnstartedServer(w.gateway)
	w.front.Config = w.gateway.Server()
	w.front.Start()
}

func (w *world) stop() {
	w.front.CloseClientConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	w.gateway.Close(ctx)
	w.front.Close()
}

var kinds = []string{"input", "cache_read", "cache_write", "output", "reasoning"}

func (w *world) build() {
	w.t.Helper()
	ctx := w.t.Context()
	var errs []error
	ok := func(_ any, err error) { errs = append(errs, err) }
	ok(w.PutEntityTypes(ctx, client.EntityTypeInput{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agentId"}}))
	var rates []client.Rate
	for _, kind := range kinds {
		ok(w.CreateFeature(ctx, client.FeatureInput{ID: kind, DisplayName: kind,
			Meter: &bursar.Meter{EventName: "llm", Aggregation: bursar.Aggregation{Function: "SUM", Field: "tokens." + kind}}}))
		rates = append(rates, client.Rate{FeatureID: kind, Amount: bursar.AmountFromInt(1), Per: 1000})
	}
	rates = append(rates, client.Rate{FeatureID: "output", Amount: bursar.AmountFromInt(100), Per: 1000, Match: map[string]client.Texts{"model": {"dear"}}},
		client.Rate{FeatureID: "output", Amount: bursar.AmountFromInt(7), Per: 1000, Match: map[string]client.Texts{"model": {"gpt-5"}, "service_tier": {"priority"}}})
	ok(w.CreateCurrency(ctx, client.CurrencyInput{ID: "credits", DisplayName: "Credits"}))
	ok(w.CreateRateCard(ctx, client.RateCardInput{ID: "llm", CurrencyID: "credits", DisplayName: "LLM", Rates: rates}))
	ok(w.CreateCustomer(ctx, client.CustomerInput{ID: "acme"}))
	ok(w.GrantCredits(ctx, client.GrantInput{CustomerID: "acme", CurrencyID: "credits", Amount: bursar.AmountFromInt(1000), DisplayName: "Start", Type: bursar.GrantPaid}))
	ok(w.PutEntities(ctx, "acme", client.EntityInput{ID: "a", EntityTypeID: "agent"}))
	limits := []client.AssignmentInput{}
	for _, kind := range kinds {
		limits = append(limits, client.AssignmentInput{EntityID: "a", FeatureID: kind, UsageLimit: client.Null[bursar.Amount](), Cadence: "P100Y"})
	}
	ok(w.PutAssignments(ctx, "acme", limits...))
	key, err := w.CreateAPIKey(ctx, client.APIKeyInput{Name: "app", Scope: "runtime"})
	ok(nil, err)
	if err := errors.Join(errs...); err != nil {
		w.t.Fatal(err)
	}
	w.key = key.Key
}

// count is what a counter or gauge of the gateway says, with all of these values of labels.
func (w *world) count(name string, labels ...string) (n float64) {
	w.t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(w.gateway)
	families, err := registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			has := f.GetName() == "bursar_gateway_"+name
			for _, want := range labels {
				found := false
				for _, l := range m.Label {
					found = found || l.GetValue() == want
				}
				has = has && found
			}
			if has {
				n += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return n
}

// limit lets agent a use n tokens of output.
func (w *world) limit(n int64) {
	w.t.Helper()
	if _, err := w.PutAssignments(w.t.Context(), "acme", client.AssignmentInput{EntityID: "a", FeatureID: "output", UsageLimit: client.Some(bursar.AmountFromInt(n)), Cadence: "P100Y"}); err != nil {
		w.t.Fatal(err)
	}
}

// used is what agent a has used of each kind, in the order of kinds.
func (w *world) used() (out [5]int64) {
	w.t.Helper()
	page, err := w.Tree(w.t.Context(), "acme", client.TreeQuery{FeatureIDs: kinds})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, row := range page.Rows {
		for i, kind := range kinds {
			if row.FeatureID == kind {
				out[i] = int64(row.CurrentUsage.Float64())
			}
		}
	}
	return out
}

// holds are the customer's reservations with a status.
func (w *world) holds(status bursar.HoldStatus) []client.Reservation {
	w.t.Helper()
	page, err := w.Reservations(w.t.Context(), "acme", client.ReservationQuery{Status: status})
	if err != nil {
		w.t.Fatal(err)
	}
	return page.Items
}

// eventually waits until ok holds.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			w.t.Fatalf("waited in vain until %s; log: %s", what, w.log.String())
		}
	}
}

// request is a call as an SDK makes it.
func (w *world) request(path, body string, headers ...string) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.front.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if strings.Contains(path, "messages") {
		r.Header.Set("X-Api-Key", w.key)
		r.Header.Set("Anthropic-Version", "2023-06-01")
	} else {
		r.Header.Set("Authorization", "Bearer "+w.key)
	}
	r.Header.Set("Bursar-Dimensions", "agentId=a")
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return r
}

// outcome is a reply, read to its end.
type outcome struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

func (w *world) do(r *http.Request) outcome {
	w.t.Helper()
	reply, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return outcome{err: err}
	}
	defer reply.Body.Close()
	b, err := io.ReadAll(reply.Body)
	return outcome{reply.StatusCode, reply.Header, string(b), err}
}

func (w *world) post(path, body string, headers ...string) outcome {
	w.t.Helper()
	return w.do(w.request(path, body, headers...))
}

// says answers with JSON.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "req_of_the_provider")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// streams answers with events, each flushed by itself.
func streams(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
			io.WriteString(w, lines.Text()+"\n")
			w.(http.Flusher).Flush()
		}
	}
}

// object reads JSON into a map.
func object(t *testing.T, text string) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return out
}
