package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const rigKey = "0123456789abcdef"

// rigEnv is the environment of a server whose key is rigKey, over data.
func rigEnv(data string, more ...string) []string {
	return append([]string{"BURSAR_ADMIN_KEY=" + rigKey, "BURSAR_LISTEN=127.0.0.1:0", "BURSAR_DATA=" + data}, more...)
}

// ask sends a request that succeeds and reads the data of its reply.
func ask[T any](p *program, method, path, body string) T {
	p.t.Helper()
	var reply struct{ Data T }
	text := p.must(method, "/api/v1"+path, rigKey, body)
	if err := json.Unmarshal([]byte(text), &reply); err != nil {
		p.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return reply.Data
}

// patience is for what would never come, however slow the machine is.
const patience = 5 * time.Minute

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// message is a request that a receiver got.
type message struct {
	id   string // its webhook-id
	body []byte
	head http.Header
}

// receiver is an endpoint. It keeps every request, and answers the n-th, from 0, with
// answer.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []message
}

func newReceiver(t *testing.T, address string, answer func(w http.ResponseWriter, r *http.Request, n int)) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("this host has no %s: %v", address, err)
	}
	rec := &receiver{}
	rec.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender was killed
		}
		rec.mu.Lock()
		n := len(rec.got)
		rec.got = append(rec.got, message{r.Header.Get("webhook-id"), body, r.Header.Clone()})
		rec.mu.Unlock()
		answer(w, r, n)
	})}}
	rec.Start()
	t.Cleanup(func() {
		rec.CloseClientConnections()
		rec.Close()
	})
	return rec
}

func (r *receiver) messages() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// ids are the messages that came, each once.
func (r *receiver) ids() []string {
	var ids []string
	for _, m := range r.messages() {
		ids = append(ids, m.id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// answers with a status and nothing else.
func answers(status int) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(status) }
}

// stalls until the sender gives up.
func stalls(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() }

// hook is a webhook as the API shows it.
type hook struct{ ID, Secret string }

// subscribe makes a webhook that hears of reached thresholds.
func (p *program) subscribe(url string) hook {
	p.t.Helper()
	return ask[hook](p, "POST", "/webhooks", fmt.Sprintf(`{"url":%q,"eventTypes":["entity.entitlement.usage_exceeded"]}`, url))
}

// verify fails the test for messages that the webhook's secret did not sign.
func (h hook) verify(t *testing.T, r *receiver) {
	t.Helper()
	v, err := standardwebhooks.NewWebhook(h.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.messages() {
		if err := v.Verify(m.body, m.head); err != nil {
			t.Errorf("message %s: %v", m.id, err)
		}
		var body struct{ MessageID, Type string }
		if err := json.Unmarshal(m.body, &body); err != nil || body.MessageID != m.id || body.Type != "entity.entitlement.usage_exceeded" {
			t.Errorf("message %s says %s, %v", m.id, m.body, err)
		}
	}
}

// delivery is one as the API shows it.
type delivery struct {
	ID, MessageID, Status, Error string
	Attempts, ResponseStatus     int
}

func (p *program) deliveries(h hook) []delivery {
	p.t.Helper()
	return ask[[]delivery](p, "GET", "/webhooks/"+h.ID+"/deliveries?limit=100", "")
}

// messageIDs are those of deliveries, in order.
func messageIDs(ds []delivery) []string {
	var ids []string
	for _, d := range ds {
		ids = append(ids, d.MessageID)
	}
	slices.Sort(ids)
	return ids
}

// furnishAlerts makes agents a0… with a limit of 100 tokens each, which warns at 80.
func (p *program) furnishAlerts(agents int) {
	p.t.Helper()
	p.must("PUT", "/api/v1/entity-types", rigKey, `{"types":[{"id":"agent","displayName":"Agent","attributionKeys":["agent"]}]}`)
	p.must("POST", "/api/v1/features", rigKey, `{"id":"tokens","displayName":"Tokens","featureType":"NUMBER"}`)
	p.must("POST", "/api/v1/customers", rigKey, `{"id":"acme"}`)
	var entities, limits []string
	for i := range agents {
		entities = append(entities, fmt.Sprintf(`{"id":"a%d","entityTypeId":"agent"}`, i))
		limits = append(limits, fmt.Sprintf(`{"entityId":"a%d","featureId":"tokens","usageLimit":100,"cadence":"P100Y","alertThresholds":[80]}`, i))
	}
	p.must("PUT", "/api/v1/customers/acme/entities", rigKey, `{"entities":[`+strings.Join(entities, ",")+`]}`)
	p.must("PUT", "/api/v1/customers/acme/assignments", rigKey, `{"assignments":[`+strings.Join(limits, ",")+`]}`)
}

// alarm lets agents [from, to) reach their thresholds, in one request.
func (p *program) alarm(from, to int) {
	p.t.Helper()
	var items []string
	for i := from; i < to; i++ {
		items = append(items, fmt.Sprintf(`{"customerId":"acme","featureId":"tokens","value":85,"dimensions":{"agent":"a%d"},"idempotencyKey":"alarm-%d"}`, i, i))
	}
	p.must("POST", "/api/v1/usage", rigKey, `{"usages":[`+strings.Join(items, ",")+`]}`)
}
