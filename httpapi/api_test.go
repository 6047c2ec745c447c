package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar/store"
)

// problemIn is a problem document as a client reads it.
type problemIn struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Errors  []struct {
		Pointer string `json:"pointer"`
		Code    string `json:"code"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

// refused checks that a reply is a problem with the code, and returns it.
func refused(t testing.TB, resp *http.Response, reply []byte, status int, code string) (p problemIn) {
	t.Helper()
	if resp.StatusCode != status || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d %s %s, want %d %s", resp.StatusCode, resp.Header.Get("Content-Type"), reply, status, code)
	}
	mustUnmarshal(t, reply, &p)
	if p.Code != code {
		t.Fatalf("%s, want %s", reply, code)
	}
	return p
}

// seed makes a feature, an entity type and the customer acme with one entity and limit.
func (s *testServer) seed() {
	s.t.Helper()
	s.admin("PUT", "/api/v1/entity-types", `{"types":[{"id":"user","displayName":"User","attributionKeys":["userId"]}]}`)
	s.admin("POST", "/api/v1/features", `{"id":"tokens","displayName":"Tokens","featureType":"NUMBER"}`)
	s.admin("POST", "/api/v1/customers", `{"id":"acme"}`)
	s.admin("PUT", "/api/v1/customers/acme/entities", `{"entities":[{"id":"ann","entityTypeId":"user"}]}`)
	s.admin("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[{"entityId":"ann","featureId":"tokens","usageLimit":100,"cadence":"P1M"}]}`)
}

// version is that of acme.
func (s *testServer) version() string {
	s.t.Helper()
	resp, _ := s.do("GET", "/api/v1/customers/acme", "", "X-API-KEY: "+testAdminKey)
	return resp.Header.Get("X-Bursar-Version")
}

// TestBadInputChangesNothing: whatever is wrong is answered by a 4xx that names the
// place, and the customer stays as it was.
func TestBadInputChangesNothing(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	s.admin("POST", "/api/v1/usage", usageOf(`"value":1`))
	before := s.version()
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	entity := func(member string) string { return `{"entities":[{"id":"bob","entityTypeId":"user",` + member + `}]}` }
	limit := func(member string) string {
		return `{"assignments":[{"entityId":"ann","featureId":"tokens","cadence":"P1M",` + member + `}]}`
	}
	for _, c := range []struct{ method, path, body, place string }{
		{"POST", "/usage", usageOf(`"value":NaN`), "InvalidAmount /usages/0/value"},
		{"POST", "/usage", usageOf(`"value":1e400`), "InvalidAmount /usages/0/value"},
		{"POST", "/usage", usageOf(`"value":-1`), "InvalidAmount /usages/0/value"},
		{"POST", "/usage", usageOf(`"value":"5"`), "InvalidAmount /usages/0/value"},
		{"POST", "/usage", usageOf(`"value":1,"value":2`), "ValidationFailed /usages/0/value"},
		{"POST", "/usage", usageOf(`"value":1,"dimensions":` + deep), "ValidationFailed /usages/0/dimensions" + strings.Repeat("/a", 29)},
		{"POST", "/usage", usageOf(`"value":1,"color":"red"`), "UnknownField /usages/0/color"},
		{"POST", "/usage", usageOf(`"VALUE":1,"value":1`), "UnknownField /usages/0/VALUE"},
		{"PUT", "/customers/acme/assignments", limit(`"usageLimit":NaN`), "InvalidAmount /assignments/0/usageLimit"},
		{"PUT", "/customers/acme/assignments", limit(`"usageLimit":-0.000000001`), "InvalidAmount /assignments/0/usageLimit"},
		{"PUT", "/customers/acme/assignments", limit(`"usageLimit":1e15`), "InvalidAmount /assignments/0/usageLimit"},
		{"PUT", "/customers/acme/assignments", limit(`"usageLimit":1,"usageLimit":1`), "ValidationFailed /assignments/0/usageLimit"},
		{"PUT", "/customers/acme/entities", entity(`"parentId":"a/b"`), "ValidationFailed /entities/0/parentId"},
		{"PUT", "/customers/acme/entities", `{"entities":[{"id":"a/b","entityTypeId":"user"}]}`, "ValidationFailed /entities/0/id"},
		{"PUT", "/customers/acme/entities", entity(`"metadata":` + deep), "ValidationFailed /entities/0/metadata" + strings.Repeat("/a", 29)},
		{"PUT", "/customers/acme/entities", entity(`"metadata":{"k":1}`), "ValidationFailed /entities/0/metadata/k"},
		{"PATCH", "/customers/acme", `{"name":true}`, "ValidationFailed /name"},
		{"PATCH", "/customers/acme", "{\"name\":\"\xff\"}", "ValidationFailed /name"},
		{"POST", "/customers/acme/consume", `{"featureId":"tokens","amount":"1","idempotencyKey":"k"}`, "InvalidAmount /amount"},
		{"POST", "/customers/acme/consume", `{"featureId":"tokens","amount":1,"idempotencyKey":"` + strings.Repeat("k", 256) + `"}`, "ValidationFailed /idempotencyKey"},
		{"POST", "/customers/acme/reservations", `{"featureId":"tokens","amount":1,"ttlSeconds":1.5,"idempotencyKey":"k"}`, "ValidationFailed /ttlSeconds"},
		{"POST", "/customers/acme/promotional-entitlements", `{"promotionalEntitlements":[{"featureId":"tokens","usageLimit":1e400,"period":"lifetime"}]}`, "InvalidAmount /promotionalEntitlements/0/usageLimit"},
		{"POST", "/credits/grants", `{"customerId":"acme","currencyId":"c","amount":1e15,"displayName":"d","grantType":"PAID"}`, "InvalidAmount /amount"},
		{"POST", "/credits/consumption", `{"customerId":"acme","currencyId":"c","amount":-1,"idempotencyKey":"k"}`, "InvalidAmount /amount"},
		{"POST", "/events", `{"events":[{"customerId":"acme","eventName":"e","idempotencyKey":"k","usage":` + deep + `}]}`, "ValidationFailed /events/0/usage" + strings.Repeat("/a", 29)},
		{"POST", "/customers/acme/simulate", `{"startDate":"2026-09-14T00:00:00Z","assignments":[{"entityId":"ann","featureId":"tokens","usageLimit":-1,"cadence":"P1M"}]}`, "InvalidAmount /assignments/0/usageLimit"},
		{"GET", "/customers/acme/entities?after=AAAA", "", "InvalidCursor ?after"},
		{"GET", "/credits/ledger?customerId=acme&after=AAAA", "", "InvalidCursor ?after"},
		{"GET", "/customers/acme/allocation?featureId=tokens&after=AAAA", "", "InvalidCursor ?after"},
		{"GET", "/customers/acme/entities?limit=1000000000", "", "ValidationFailed ?limit"},
		{"GET", "/customers/acme/governance?depth=1e400", "", "ValidationFailed ?depth"},
	} {
		resp, reply := s.do(c.method, "/api/v1"+c.path, c.body, "X-API-KEY: "+testAdminKey)
		var p problemIn
		mustUnmarshal(t, reply, &p)
		got := ""
		if len(p.Errors) > 0 {
			got = p.Errors[0].Code + " " + p.Errors[0].Pointer
		}
		if resp.StatusCode != 400 || got != c.place {
			t.Errorf("%s %s %.100s: %d %s, want %s", c.method, c.path, c.body, resp.StatusCode, reply, c.place)
		}
	}
	if after := s.version(); after != before {
		t.Errorf("the version went from %s to %s", before, after)
	}
}

func usageOf(member string) string {
	return `{"usages":[{"customerId":"acme","featureId":"tokens","dimensions":{"userId":"ann"},` + member + `}]}`
}

// TestLargeBodies: a body over its limit is refused, and neither memory nor the
// connection suffers.
func TestLargeBodies(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	before := s.version()
	for _, size := range []int{maxBodyBytes + 1, 10 << 20} {
		resp, reply := s.do("POST", "/api/v1/usage", usageOf(`"value":1,"x":"`+strings.Repeat("a", size)+`"`), "X-API-KEY: "+testAdminKey)
		refused(t, resp, reply, 413, "TooLarge")
	}
	var low, high runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&low)
	for range 20 { // of unknown length
		req, _ := http.NewRequest("POST", s.URL+"/api/v1/usage", io.LimitReader(endless{}, 10<<20))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-API-KEY", testAdminKey)
		resp, err := s.Client().Do(req)
		if err != nil {
			continue // the server may end the connection while we write
		}
		reply, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		refused(t, resp, reply, 413, "TooLarge")
	}
	runtime.GC()
	runtime.ReadMemStats(&high)
	if grown := int64(high.HeapInuse) - int64(low.HeapInuse); grown > 50<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if after := s.version(); after != before {
		t.Errorf("the version went from %s to %s", before, after)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// TestLargeEvents: a report of events may be larger than other bodies, one event may not.
func TestLargeEvents(t *testing.T) {
	s := newTestServer(t)
	s.admin("POST", "/api/v1/features", `{"id":"calls","displayName":"Calls","featureType":"NUMBER","meter":{"eventName":"call","aggregation":{"function":"COUNT"}}}`)
	s.admin("POST", "/api/v1/customers", `{"id":"acme"}`)
	events := func(n, size int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"customerId":"acme","eventName":"call","idempotencyKey":"%d-%d"%s}`, size, i, strings.Repeat(" ", size)))
		}
		return `{"events":[` + strings.Join(list, ",") + `]}`
	}
	s.admin("POST", "/api/v1/events", events(1000, 9<<10))
	resp, reply := s.do("POST", "/api/v1/events", events(1000, 11<<10), "X-API-KEY: "+testAdminKey)
	refused(t, resp, reply, 413, "TooLarge")
	resp, reply = s.do("POST", "/api/v1/events", events(2, 1<<20), "X-API-KEY: "+testAdminKey)
	if p := refused(t, resp, reply, 413, "TooLarge"); len(p.Errors) != 2 || p.Errors[1].Pointer != "/events/1" {
		t.Errorf("%s", reply)
	}
	resp, reply = s.do("POST", "/api/v1/events", events(1001, 0), "X-API-KEY: "+testAdminKey)
	refused(t, resp, reply, 400, "ValidationFailed")
	if reply := s.admin("GET", "/api/v1/customers/acme/entitlements/check?featureId=calls", ""); !bytes.Contains(reply, []byte(`"currentUsage":1000,`)) {
		t.Errorf("%s", reply)
	}
}

// TestUnreadBodiesKeepAlive: requests that are answered without reading their bodies
// leave the connection usable.
func TestUnreadBodiesKeepAlive(t *testing.T) {
	s := newTestServer(t)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(conn)
	body := strings.Repeat("x", 100_000)
	for i, head := range []string{
		"GET /api/v1/nosuch", "POST /api/v1/features", "DELETE /api/v1/features", "GET /api/v1/features", "GET /healthz", "POST /api/v1/usage",
	} {
		key := ""
		if i%2 == 1 {
			key = "X-API-KEY: wrong\r\n"
		}
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", head, key, len(body), body)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != resp.ContentLength || resp.Close {
			t.Fatalf("request %d: %d of %d bytes, close %v, %v", i, n, resp.ContentLength, resp.Close, err)
		}
	}
}

// TestSlowBody: a body that does not arrive ends the request.
func TestSlowBody(t *testing.T) {
	slow := httptest.NewUnstartedServer(newTestServer(t).api)
	slow.Config.ReadTimeout = 100 * time.Millisecond
	slow.Start()
	defer slow.Close()
	conn, err := net.Dial("tcp", slow.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "POST /api/v1/features HTTP/1.1\r\nHost: x\r\nX-API-KEY: %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", testAdminKey)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, _ := io.ReadAll(resp.Body)
	refused(t, resp, reply, 408, "RequestTimeout")
}

// TestServerLimits: the limits that a server is set up with.
func TestServerLimits(t *testing.T) {
	hs := Server(nil)
	if hs.ReadHeaderTimeout != 5*time.Second || hs.MaxHeaderBytes != 16<<10 || hs.ReadTimeout == 0 || hs.WriteTimeout <= requestTimeout || hs.IdleTimeout == 0 {
		t.Errorf("%+v", hs)
	}
}

// TestStuckStore: a store that does not answer makes a 503 by the deadline.
func TestStuckStore(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	release := make(chan struct{})
	stuck := func(op string) error {
		if op == "append" {
			<-release
		}
		return nil
	}
	s.fault.Store(&stuck)
	q := newRequest(s.api, &discardWriter{header: http.Header{}}, mustRequest("POST", "/api/v1/usage", usageOf(`"value":1`)))
	q.ctx.at = time.Now().Add(20 * time.Millisecond)
	if err := q.serve(); err == nil {
		t.Fatal("it was recorded")
	} else {
		q.fail(err)
	}
	w := q.w.(*discardWriter)
	if w.status != 503 || w.header.Get("Retry-After") != "1" || w.header.Get("X-Should-Retry") != "false" {
		t.Errorf("%d %v: without a key it must not be sent again", w.status, w.header)
	}
	q.end()
	close(release)
}

// TestStoreDown: writes are refused while reads go on; a poisoned store is not ready.
func TestStoreDown(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	var mu sync.Mutex
	var fail error
	down := func(op string) error {
		mu.Lock()
		defer mu.Unlock()
		if op == "append" {
			return fail
		}
		return nil
	}
	s.fault.Store(&down)
	set := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		fail = err
	}
	set(fmt.Errorf("disk full: %w", store.ErrNotCommitted))
	resp, reply := s.do("POST", "/api/v1/usage", usageOf(`"value":1,"idempotencyKey":"k"`), "X-API-KEY: "+testAdminKey)
	refused(t, resp, reply, 503, "GovernanceUnavailable")
	if resp.Header.Get("X-Should-Retry") != "true" || resp.Header.Get("Retry-After") != "1" || bytes.Contains(reply, []byte("disk")) {
		t.Errorf("%v %s", resp.Header, reply)
	}
	s.admin("GET", "/api/v1/customers/acme/entitlements/check?featureId=tokens", "")
	set(nil)
	s.admin("POST", "/api/v1/usage", usageOf(`"value":1,"idempotencyKey":"k"`))

	set(fmt.Errorf("fsync: %w", store.ErrPoisoned))
	resp, reply = s.do("POST", "/api/v1/usage", usageOf(`"value":1,"idempotencyKey":"l"`), "X-API-KEY: "+testAdminKey)
	refused(t, resp, reply, 503, "GovernanceUnavailable")
	resp, reply = s.do("GET", "/readyz", "")
	if resp.StatusCode != 503 || !bytes.Contains(reply, []byte(`"store":"unavailable"`)) || bytes.Contains(reply, []byte("fsync")) {
		t.Errorf("%d %s", resp.StatusCode, reply)
	}
	s.fault.Store(nil)
	s.poisoned = true
}

func mustRequest(method, path, body string) *http.Request {
	r, err := http.NewRequest(method, path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("X-API-KEY", testAdminKey)
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = "192.0.2.1:1"
	return r
}

// discardWriter is a ResponseWriter that keeps the head only.
type discardWriter struct {
	header http.Header
	status int
}

func (w *discardWriter) Header() http.Header         { return w.header }
func (w *discardWriter) WriteHeader(status int)      { w.status = status }
func (w *discardWriter) Write(b []byte) (int, error) { return len(b), nil }

// TestPanic: a panic is answered, logged with its stack, and tells nothing.
func TestPanic(t *testing.T) {
	s := newTestServer(t)
	r, err := s.api.router.route(&request{r: mustRequest("GET", "/healthz", "")})
	if err != nil {
		t.Fatal(err)
	}
	r.run = func(*request) error { panic("the canary") }
	resp, reply := s.do("GET", "/healthz", "")
	refused(t, resp, reply, 500, "Internal")
	if bytes.Contains(reply, []byte("canary")) || !bytes.Contains(s.logs.Bytes(), []byte("the canary")) || !bytes.Contains(s.logs.Bytes(), []byte("TestPanic")) {
		t.Errorf("%s\n%s", reply, s.logs)
	}
	if resp.Header.Get("X-Should-Retry") != "false" {
		t.Error("it should not be retried")
	}
}

func TestDraining(t *testing.T) {
	s := newTestServer(t)
	s.api.Drain()
	resp, reply := s.do("GET", "/readyz", "")
	if resp.StatusCode != 503 || !bytes.Contains(reply, []byte(`"status":"draining"`)) {
		t.Errorf("%d %s", resp.StatusCode, reply)
	}
	s.admin("GET", "/api/v1/features", "")
}

func TestCORS(t *testing.T) {
	s := newTestServer(t)
	const allowed = "Origin: https://console.example"
	resp, _ := s.do("OPTIONS", "/api/v1/customers", "", allowed, "Access-Control-Request-Method: POST")
	h := resp.Header
	if resp.StatusCode != 204 || h.Get("Access-Control-Allow-Origin") != "https://console.example" ||
		!strings.Contains(h.Get("Access-Control-Allow-Headers"), "X-API-KEY") || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "PATCH") {
		t.Errorf("%d %v", resp.StatusCode, h)
	}
	resp, _ = s.do("GET", "/api/v1/customers", "", allowed)
	if resp.StatusCode != 401 || resp.Header.Get("Access-Control-Allow-Origin") == "" || resp.Header.Get("Vary") != "Origin" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	for _, origin := range []string{"Origin: https://evil.example", "Origin: null", "Origin: https://console.example.evil.example"} {
		resp, reply := s.do("OPTIONS", "/api/v1/customers", "", origin, "Access-Control-Request-Method: POST")
		refused(t, resp, reply, 405, "MethodNotAllowed")
		if resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is allowed", origin)
		}
	}
}

// TestMetricsOfUsage: what is warned of usage objects is counted, in events and in the end of a reservation.
func TestMetricsOfUsage(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	s.admin("POST", "/api/v1/features", `{"id":"out","displayName":"Output","featureType":"NUMBER","meter":{"eventName":"llm","aggregation":{"function":"SUM","field":"tokens.output"}}}`)
	s.admin("POST", "/api/v1/events", `{"events":[{"customerId":"acme","eventName":"llm","idempotencyKey":"e","usage":{"completion_tokens":1,"odd_tokens":2}}]}`)
	var held struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	mustUnmarshal(t, s.admin("POST", "/api/v1/customers/acme/reservations", `{"eventName":"llm","maxTokens":9,"inputTokens":1,"idempotencyKey":"h"}`), &held)
	for range 2 { // the second one is a duplicate
		s.admin("POST", "/api/v1/customers/acme/reservations/"+held.Data.ID+"/commit", `{"usage":{"completion_tokens":1,"odd_tokens":2}}`)
	}
	_, reply := s.do("GET", "/metrics", "", "Authorization: Bearer a metrics token")
	if line := `bursar_warnings_total{code="UNREAD_USAGE"} 2`; !strings.Contains(string(reply), line+"\n") {
		t.Errorf("no %s", line)
	}
}

func TestMetrics(t *testing.T) {
	s := newTestServer(t)
	s.admin("POST", "/api/v1/webhooks", `{"url":"https://example.com","eventTypes":["entity.created"]}`)
	s.seed()
	s.admin("GET", "/api/v1/customers/acme/entitlements/check?featureId=tokens", "")
	s.admin("GET", "/api/v1/customers/nosuch/entitlements/check?featureId=tokens", "")
	s.admin("POST", "/api/v1/usage", usageOf(`"value":1`))
	for range 2 { // one of them is recorded
		s.admin("POST", "/api/v1/usage", strings.Replace(usageOf(`"value":1,"idempotencyKey":"m"`), "ann", "mistyped", 1))
		s.admin("POST", "/api/v1/customers/acme/consume", `{"featureId":"tokens","amount":1,"dimensions":{"userId":"mistyped"},"idempotencyKey":"c"}`)
	}
	resp, reply := s.do("GET", "/metrics", "", "Authorization: Bearer a metrics token")
	text := string(reply)
	for _, line := range []string{
		`bursar_checks_total{reason="",result="granted"} 1`, `bursar_checks_total{reason="CustomerNotFound",result="denied"} 1`,
		`bursar_warnings_total{code="DIMENSION_NOT_RESOLVED"} 2`, `bursar_warnings_total{code="UNGOVERNED"} 3`, `bursar_ungoverned_total{entity_type="user"} 2`, `bursar_ungoverned_total{entity_type=""} 1`, `bursar_warnings_total{code="STALE_SET"} 0`,
		`bursar_ingest_events_total{result="recorded"} 2`, "bursar_check_duration_seconds_count 2", "bursar_customers_resident 1", "bursar_ready 1",
		`bursar_http_requests_total{class="2xx",method="POST",route="/usage"} 3`, "bursar_holds_open 0", "bursar_unpriced_total 0",
		"bursar_webhook_backlog 1", `bursar_webhook_deliveries_total{result="succeeded"} 2`, `bursar_webhook_deliveries_total{result="failed"} 1`,
		`bursar_webhook_deliveries_total{result="dead"} 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	if resp.StatusCode != 200 || strings.Contains(text, "acme") || strings.Contains(text, "ann") && strings.Contains(text, `"ann"`) {
		t.Errorf("%d, or a customer in a label", resp.StatusCode)
	}
	resp, reply = s.do("GET", "/metrics", "", "Authorization: Bearer "+testAdminKey)
	refused(t, resp, reply, 401, "Unauthenticated")
}

func TestHeaders(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	resp, _ := s.do("GET", "/api/v1/customers/acme", "", "X-API-KEY: "+testAdminKey, "X-Request-Id: bad id")
	if id := resp.Header.Get("X-Request-Id"); id == "" || id == "bad id" {
		t.Errorf("X-Request-Id %q", id)
	}
	if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("X-Bursar-Version") == "" {
		t.Errorf("%v", resp.Header)
	}
	resp, reply := s.do("HEAD", "/api/v1/customers/acme", "", "X-API-KEY: "+testAdminKey)
	if resp.StatusCode != 200 || len(reply) != 0 || resp.ContentLength < 100 {
		t.Errorf("HEAD: %d, %d bytes of %d", resp.StatusCode, len(reply), resp.ContentLength)
	}
	resp, reply = s.do("GET", "/openapi.json", "")
	if resp.StatusCode != 200 || !bytes.Equal(reply, openAPI) {
		t.Errorf("openapi.json: %d, %d bytes", resp.StatusCode, len(reply))
	}
	s.do("GET", "/api/v1/customers/acme/nosuch", "", "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
}

// TestCancelled: a client that goes away is no error of the server.
func TestCancelled(t *testing.T) {
	s := newTestServer(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	q := newRequest(s.api, &discardWriter{header: http.Header{}}, mustRequest("GET", "/api/v1/features", "").WithContext(ctx))
	defer q.end()
	if e := q.hide(errors.New("secret")); e.Code != "GovernanceUnavailable" || strings.Contains(e.Message, "secret") {
		t.Error(e)
	}
}

// TestConcurrent: many clients on few customers, with what the pools share.
func TestConcurrent(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 50 {
				who := fmt.Sprintf("w%d-%d", worker, i)
				reply := s.admin("POST", "/api/v1/usage", `{"usages":[{"customerId":"acme","featureId":"tokens","value":1,"dimensions":{"who":"`+who+`"},"idempotencyKey":"`+who+`"}]}`)
				if !bytes.Contains(reply, []byte(`"duplicate":false`)) {
					t.Errorf("%s", reply)
				}
				reply = s.admin("GET", "/api/v1/customers/acme/entitlements/check?featureId=tokens&dimensions[userId]=ann&requestedUsage="+strconv.Itoa(i), "")
				if !bytes.Contains(reply, []byte(`"requested":`+strconv.Itoa(i)+",")) {
					t.Errorf("%s", reply)
				}
				resp, bad := s.do("POST", "/api/v1/customers", `{"id":"`+who+`","x":1}`, "X-API-KEY: "+testAdminKey, "X-Request-Id: "+who)
				if resp.Header.Get("X-Request-Id") != who || !bytes.Contains(bad, []byte("urn:bursar:request:"+who+`"`)) {
					t.Errorf("%s", bad)
				}
			}
		})
	}
	wg.Wait()
	if reply := s.admin("GET", "/api/v1/customers/acme/entitlements/check?featureId=tokens", ""); !bytes.Contains(reply, []byte(`"currentUsage":400,`)) {
		t.Errorf("%s", reply)
	}
}
