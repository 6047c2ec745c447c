package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/gateway"
	"github.com/bursarhq/bursar/httpapi"
	"github.com/bursarhq/bursar/otlp"
	"github.com/bursarhq/bursar/store/sqlite"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const adminKey = "a-key-for-the-tests-of-traces"

var kinds = []string{"input", "cache_read", "cache_write", "output", "reasoning"}

// world is a real server on SQLite in which agent a has a limit for each kind of token.
type world struct {
	*client.Client
	t   *testing.T
	url string
	key string // of scope runtime
	// reports is how many more reports the server takes before it is away.
	reports atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(t.Context(), st, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t}
	w.reports.Store(math.MaxInt64)
	api := httpapi.New(e, httpapi.Options{AdminKey: adminKey})
	traces := otlp.New(gateway.InProcess(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.reports.Add(-1) < 0 {
			http.Error(rw, "away", http.StatusServiceUnavailable)
			return
		}
		api.ServeHTTP(rw, r)
	})))
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == otlp.Path {
			traces.ServeHTTP(rw, r)
			return
		}
		api.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		server.Close()
		if err := errors.Join(e.Close(context.Background()), st.Close()); err != nil {
			t.Error(err)
		}
	})
	w.url, w.Client = server.URL, client.New(server.URL, adminKey)
	w.build()
	return w
}

func (w *world) build() {
	w.t.Helper()
	ctx := w.t.Context()
	var errs []error
	ok := func(_ any, err error) { errs = append(errs, err) }
	ok(w.PutEntityTypes(ctx, client.EntityTypeInput{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agentId"}}))
	limits := []client.AssignmentInput{}
	for _, kind := range kinds {
		ok(w.CreateFeature(ctx, client.FeatureInput{ID: kind, DisplayName: kind,
			Meter: &bursar.Meter{EventName: "llm", Aggregation: bursar.Aggregation{Function: "SUM", Field: "tokens." + kind}}}))
		limits = append(limits, client.AssignmentInput{EntityID: "a", FeatureID: kind, UsageLimit: client.Null[bursar.Amount](), Cadence: "P100Y"})
	}
	for _, id := range []string{"acme", "other"} {
		ok(w.CreateCustomer(ctx, client.CustomerInput{ID: id}))
		ok(w.PutEntities(ctx, id, client.EntityInput{ID: "a", EntityTypeID: "agent"}))
		ok(w.PutAssignments(ctx, id, limits...))
	}
	key, err := w.CreateAPIKey(ctx, client.APIKeyInput{Name: "exporter", Scope: "runtime"})
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		w.t.Fatal(err)
	}
	w.key = key.Key
}

// books are what agent a of a customer used of each kind.
func (w *world) books(customer string) string {
	w.t.Helper()
	var out []string
	for _, kind := range kinds {
		d, err := w.Check(w.t.Context(), customer, client.CheckInput{FeatureID: kind, Dimensions: client.Dimensions{"agentId": "a"}})
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, d.Chains[0][0].CurrentUsage.String())
	}
	return strings.Join(out, " ")
}

func (w *world) want(customer, books string) {
	w.t.Helper()
	if got := w.books(customer); got != books {
		w.t.Errorf("%s has used %s (%v), want %s", customer, got, kinds, books)
	}
}

// attrs are attributes of strings and integers.
func attrs(all ...any) (out []*common.KeyValue) {
	for i := 0; i < len(all); i += 2 {
		v := &common.AnyValue{}
		switch x := all[i+1].(type) {
		case string:
			v.Value = &common.AnyValue_StringValue{StringValue: x}
		case int:
			v.Value = &common.AnyValue_IntValue{IntValue: int64(x)}
		case float64:
			v.Value = &common.AnyValue_DoubleValue{DoubleValue: x}
		}
		out = append(out, &common.KeyValue{Key: all[i].(string), Value: v})
	}
	return out
}

// chat is a span of a call that just ended.
func chat(id byte, more ...any) *trace.Span {
	now := uint64(time.Now().UnixNano())
	return &trace.Span{TraceId: bytes.Repeat([]byte{0xab}, 16), SpanId: append(make([]byte, 7), id), Name: "chat gpt-5", StartTimeUnixNano: now - 1e9, EndTimeUnixNano: now,
		Attributes: append(attrs("gen_ai.operation.name", "chat", "gen_ai.provider.name", "openai", "gen_ai.request.model", "gpt-5"), attrs(more...)...)}
}

func request(of []*common.KeyValue, spans ...*trace.Span) *collector.ExportTraceServiceRequest {
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: of}, ScopeSpans: []*trace.ScopeSpans{{Spans: spans}}}}}
}

var acme = attrs("bursar.customer.id", "acme", "bursar.dimensions.agentId", "a", "service.name", "bot")

// post sends a body, and gives the status and what the reply says.
func (w *world) post(kind string, body []byte, headers ...string) (int, *collector.ExportTracePartialSuccess) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+otlp.Path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Authorization", "Bearer "+w.key)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if got := res.Header.Get("Content-Type"); got != kind && strings.HasPrefix(kind, "application/x-protobuf") {
		w.t.Errorf("the reply is %s, the request was %s", got, kind)
	}
	out := &collector.ExportTraceServiceResponse{}
	switch {
	case res.StatusCode != http.StatusOK:
		return res.StatusCode, &collector.ExportTracePartialSuccess{ErrorMessage: string(b)}
	case kind == "application/json":
		err = protojson.Unmarshal(b, out)
	default:
		err = proto.Unmarshal(b, out)
	}
	if err != nil {
		w.t.Fatalf("%q: %v", b, err)
	}
	return res.StatusCode, out.PartialSuccess
}

// send sends spans as protobuf.
func (w *world) send(in *collector.ExportTraceServiceRequest, headers ...string) (int, *collector.ExportTracePartialSuccess) {
	w.t.Helper()
	b, err := proto.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.post("application/x-protobuf", b, headers...)
}

// all sends spans of which nothing is to be said.
func (w *world) all(in *collector.ExportTraceServiceRequest, headers ...string) {
	w.t.Helper()
	if status, said := w.send(in, headers...); status != http.StatusOK || said.GetErrorMessage() != "" {
		w.t.Errorf("status %d, %v", status, said)
	}
}

// TestSpansAreCountedOnce: the calls of models among spans are counted by kind of token, with
// both spellings of what was cached; spans around them and others are not; what is sent again
// counts once.
func TestSpansAreCountedOnce(t *testing.T) {
	w := newWorld(t)
	in := request(acme,
		chat(1, "gen_ai.usage.input_tokens", 100, "gen_ai.usage.output_tokens", 20, "gen_ai.usage.cache_read.input_tokens", 30,
			"gen_ai.usage.cache_creation.input_tokens", 10, "gen_ai.usage.reasoning.output_tokens", 5, "gen_ai.input.messages", "a secret prompt"),
		chat(2, "gen_ai.usage.input_tokens", 1000, "gen_ai.usage.output_tokens", 0, "gen_ai.usage.cache_write.input_tokens", 400),
		chat(3, "gen_ai.usage.prompt_tokens", 7, "gen_ai.usage.completion_tokens", 3.0, "gen_ai.usage.total_tokens", 10),
		&trace.Span{TraceId: make([]byte, 16), SpanId: make([]byte, 8), Name: "GET /", Attributes: attrs("http.request.method", "GET")},
		&trace.Span{TraceId: bytes.Repeat([]byte{1}, 16), SpanId: make([]byte, 8), Name: "invoke_agent", Attributes: attrs("gen_ai.operation.name", "invoke_agent", "gen_ai.usage.input_tokens", 1107)},
	)
	w.all(in)
	w.want("acme", "667 30 410 18 5")
	w.all(in)
	w.want("acme", "667 30 410 18 5")
	w.want("other", "0 0 0 0 0")
}

// TestEncodings: JSON, in which ids are hexadecimal, and gzip are the same spans.
func TestEncodings(t *testing.T) {
	w := newWorld(t)
	s := chat(1, "gen_ai.usage.input_tokens", 100, "gen_ai.usage.output_tokens", 20)
	json := fmt.Sprintf(`{"resourceSpans":[{"resource":{"attributes":[{"key":"bursar.customer.id","value":{"stringValue":"acme"}},{"key":"bursar.dimensions.agentId","value":{"stringValue":"a"}}]},
		"scopeSpans":[{"scope":{"name":"x"},"spans":[{"traceId":"%s","spanId":"%s","name":"chat","kind":3,"flags":257,"endTimeUnixNano":"%d","newMember":1,"attributes":[
		{"key":"gen_ai.request.model","value":{"stringValue":"gpt-5"}},{"key":"gen_ai.provider.name","value":{"stringValue":"openai"}},{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},
		{"key":"gen_ai.usage.input_tokens","value":{"intValue":"100"}},{"key":"gen_ai.usage.output_tokens","value":{"intValue":20}}]}]}]}]}`,
		strings.ToUpper(hex.EncodeToString(s.TraceId)), hex.EncodeToString(s.SpanId), s.EndTimeUnixNano)
	if status, said := w.post("application/json", []byte(json)); status != http.StatusOK || said != nil {
		t.Fatalf("JSON: status %d, %v", status, said)
	}
	w.want("acme", "100 0 0 20 0")
	plain, err := proto.Marshal(request(acme, s, chat(2, "gen_ai.usage.input_tokens", 1, "gen_ai.usage.output_tokens", 0)))
	if err != nil {
		t.Fatal(err)
	}
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	_, _ = z.Write(plain)
	z.Close()
	if status, said := w.post("application/x-protobuf", small.Bytes(), "Content-Encoding", "gzip"); status != http.StatusOK || said != nil {
		t.Fatalf("gzip: status %d, %v", status, said)
	}
	w.want("acme", "101 0 0 20 0") // the first is the one that came as JSON
}

// TestWhoseSpans: what a span says outranks its resource, and that the exporter's headers.
func TestWhoseSpans(t *testing.T) {
	w := newWorld(t)
	use := []any{"gen_ai.usage.input_tokens", 1, "gen_ai.usage.output_tokens", 0}
	headers := []string{"bursar-customer", "acme", "bursar-attributes", "agentId=gen_ai.agent.id"}
	w.all(request(nil, chat(1, append(use, "gen_ai.agent.id", "a")...)), headers...)
	w.want("acme", "1 0 0 0 0")
	w.all(request(nil, chat(2, append(use, "bursar.customer.id", "other", "gen_ai.agent.id", "nobody", "bursar.dimensions.agentId", "a")...)), headers...)
	w.want("other", "1 0 0 0 0")
	w.all(request(nil, chat(3, use...)), "bursar-customer", "acme", "bursar-dimensions", "agentId=a")
	w.want("acme", "2 0 0 0 0")
	status, said := w.send(request(nil, chat(4, use...), chat(5, append(use, "bursar.customer.id", "acme", "bursar.dimensions.agentId", "a")...)))
	if status != http.StatusOK || said.GetRejectedSpans() != 1 || !strings.Contains(said.GetErrorMessage(), "bursar.customer.id") {
		t.Errorf("a span of nobody: status %d, %v", status, said)
	}
	w.want("acme", "3 0 0 0 0")
	if status, said = w.send(request(acme, chat(6, append(use, "bursar.dimensions.agentId", "nobody")...))); status != http.StatusOK || !strings.Contains(said.GetErrorMessage(), "NOT_RESOLVED") || said.GetRejectedSpans() != 0 {
		t.Errorf("a dimension that names nobody: status %d, %v", status, said)
	}
}

// TestOneBadSpanHarmsNoOther: spans that the server refuses are told, and all others counted.
func TestOneBadSpanHarmsNoOther(t *testing.T) {
	w := newWorld(t)
	use := []any{"gen_ai.usage.input_tokens", 1, "gen_ai.usage.output_tokens", 0}
	old := chat(9, use...)
	old.EndTimeUnixNano -= uint64(90 * 24 * time.Hour)
	spans := []*trace.Span{chat(1, use...), old, chat(2, use...), chat(3, append(use, "bursar.event.name", "unheard-of")...), chat(4, append(use, "gen_ai.usage.strange_tokens", 4)...), chat(5), chat(12, append(use, "bursar.dimensions.score", math.NaN())...), chat(6, use...)}
	unnamed := chat(7, use...)
	unnamed.SpanId = nil
	status, said := w.send(request(acme, append(spans, unnamed)...))
	if status != http.StatusOK || said.GetRejectedSpans() != 3 {
		t.Errorf("status %d, %v", status, said)
	}
	for _, part := range []string{"strange_tokens", "unheard-of", "spanId", "1 × a call of a model has no gen_ai.usage attributes"} {
		if !strings.Contains(said.GetErrorMessage(), part) {
			t.Errorf("%q is not in %q", part, said.GetErrorMessage())
		}
	}
	w.want("acme", "5 0 0 0 0") // what is not read of a span keeps nothing else from being counted
	status, said = w.send(request(nil, chat(8, append(use, "bursar.customer.id", "nobody")...), chat(10, append(use, "bursar.customer.id", "acme", "bursar.dimensions.agentId", "a")...)))
	if status != http.StatusOK || said.GetRejectedSpans() != 1 || !strings.Contains(said.GetErrorMessage(), "nobody") {
		t.Errorf("a customer that is not there: status %d, %v", status, said)
	}
	w.want("acme", "6 0 0 0 0")
	// Input that leaves out what was cached, as some send it, is told.
	if status, said = w.send(request(acme, chat(11, "gen_ai.usage.input_tokens", 10, "gen_ai.usage.cache_read.input_tokens", 90))); status != http.StatusOK || said.GetRejectedSpans() != 0 || !strings.Contains(said.GetErrorMessage(), "beside") {
		t.Errorf("cached tokens beside: status %d, %v", status, said)
	}
	w.want("acme", "16 90 0 0 0")
	many := []*trace.Span{}
	for i := range 1500 { // more than the server takes at once, and some that it refuses
		s := chat(0, use...)
		s.SpanId = []byte{1, 0, 0, 0, 0, 0, byte(i >> 8), byte(i)}
		if i%500 == 7 {
			s.EndTimeUnixNano -= uint64(90 * 24 * time.Hour)
		}
		many = append(many, s)
	}
	if status, said = w.send(request(acme, many...)); status != http.StatusOK || said.GetRejectedSpans() != 3 {
		t.Errorf("1,500 spans: status %d, %v", status, said)
	}
	w.want("acme", "1513 90 0 0 0")
}

// TestNamesOfInstrumentations: counts are read under names that were in use before the
// conventions', and what a detail says again is not counted twice.
func TestNamesOfInstrumentations(t *testing.T) {
	w := newWorld(t)
	w.all(request(acme,
		chat(1, "gen_ai.usage.input_tokens", 10, "gen_ai.usage.output_tokens", 8, "gen_ai.usage.details.reasoning_tokens", 3, "gen_ai.usage.details.cached_tokens", 4, "gen_ai.usage.details.input_tokens", 10),
		chat(2, "gen_ai.usage.prompt_tokens", "20", "gen_ai.usage.completion_tokens", 5, "gen_ai.usage.cache_read_input_tokens", 6, "gen_ai.usage.cache_creation_input_tokens", 7)))
	w.want("acme", "13 10 7 10 3")
}

// TestOneAttributeForTwoDimensions: what a span says does not depend on how often it is sent.
func TestOneAttributeForTwoDimensions(t *testing.T) {
	w := newWorld(t)
	in := request(attrs("bursar.customer.id", "acme"), chat(1, "gen_ai.usage.input_tokens", 1, "gen_ai.usage.output_tokens", 0, "user.id", "a"))
	for range 20 {
		if status, said := w.send(in, "bursar-attributes", "agentId=user.id,userId=user.id"); status != http.StatusOK || said.GetRejectedSpans() != 0 {
			t.Fatalf("status %d, %v", status, said)
		}
	}
	w.want("acme", "1 0 0 0 0")
}

// TestServerGoesAwayInBetween: spans of which some were counted when the server went away are
// sent again, and count once.
func TestServerGoesAwayInBetween(t *testing.T) {
	w := newWorld(t)
	use := []any{"gen_ai.usage.input_tokens", 1, "gen_ai.usage.output_tokens", 0, "bursar.dimensions.agentId", "a"}
	in := request(nil, chat(1, append(use, "bursar.customer.id", "acme")...), chat(2, append(use, "bursar.customer.id", "other")...))
	w.reports.Store(2) // the one that shows the key, and acme's
	if status, _ := w.send(in); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
	w.want("acme", "1 0 0 0 0")
	w.want("other", "0 0 0 0 0")
	w.reports.Store(math.MaxInt64)
	w.all(in)
	w.want("acme", "1 0 0 0 0")
	w.want("other", "1 0 0 0 0")
}

// TestSpanAndEventOfOneCall: a call that is traced and reported, both with its id, counts once.
func TestSpanAndEventOfOneCall(t *testing.T) {
	w := newWorld(t)
	w.all(request(acme, chat(1, "gen_ai.usage.input_tokens", 10, "gen_ai.usage.output_tokens", 5, "bursar.call.id", "call-1")))
	_, err := w.ReportEvents(t.Context(), client.EventInput{CustomerID: "acme", EventName: "llm", CallID: "call-1", IdempotencyKey: "own",
		Dimensions: map[string]any{"agentId": "a", "gen_ai.request.model": "gpt-5", "gen_ai.provider.name": "openai", "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}})
	if err != nil {
		t.Fatal(err)
	}
	w.want("acme", "10 0 0 5 0")
}

// TestSpanOfAHeldCall: the span of a call that was reserved and committed counts nothing more.
func TestSpanOfAHeldCall(t *testing.T) {
	w := newWorld(t)
	held, err := w.ReserveEvent(t.Context(), "acme", client.EventReserve{MaxTokens: 50,
		EventSpend: client.EventSpend{EventName: "llm", CallID: "call-2", Dimensions: map[string]any{"agentId": "a", "model": "gpt-5"}}})
	if err != nil {
		t.Fatal(err)
	}
	span := request(acme, chat(1, "gen_ai.usage.input_tokens", 10, "gen_ai.usage.output_tokens", 5, "bursar.call.id", "call-2"))
	if _, err := w.CommitEvent(t.Context(), "acme", held.ID, client.CallUsed{Used: client.Used{Usage: []byte(`{"input_tokens":10,"output_tokens":5}`)}}); err != nil {
		t.Fatal(err)
	}
	w.want("acme", "10 0 0 5 0")
	if status, said := w.send(span); status != http.StatusOK || said.GetRejectedSpans() != 0 {
		t.Errorf("status %d, %v", status, said)
	}
	w.want("acme", "10 0 0 5 0")
}

// TestWhoMayTrace: wrong keys, methods, encodings and sizes are refused before anything is
// counted, and what may succeed later is answered so that exporters send it again.
func TestWhoMayTrace(t *testing.T) {
	w := newWorld(t)
	one := request(acme, chat(1, "gen_ai.usage.input_tokens", 1, "gen_ai.usage.output_tokens", 0))
	if status, said := w.send(one, "Authorization", "Bearer bsk_wrong"); status != http.StatusUnauthorized || !strings.Contains(said.GetErrorMessage(), "key") {
		t.Errorf("a wrong key: %d %v", status, said)
	}
	if status, said := w.send(one, "Authorization", ""); status != http.StatusUnauthorized || !strings.Contains(said.GetErrorMessage(), "authorization") {
		t.Errorf("no key: %d %v", status, said)
	}
	for _, other := range []string{"Bearer bsk_other", "Basic eDp5"} {
		if status, said := w.send(one, "X-Api-Key", w.key, "Authorization", other); status != http.StatusUnauthorized || !strings.Contains(said.GetErrorMessage(), "no other") {
			t.Errorf("a key and %s: %d %v", other, status, said)
		}
	}
	reader, err := w.CreateAPIKey(t.Context(), client.APIKeyInput{Name: "reader", Scope: "read"})
	if err != nil {
		t.Fatal(err)
	}
	spends, err := w.CreateSpendToken(t.Context(), "acme", client.SpendTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	if status, said := w.send(one, "Authorization", "Bearer "+spends.Token); status != http.StatusForbidden {
		t.Errorf("a spend token: %d %v", status, said)
	}
	if status, said := w.send(one, "Authorization", "Bearer "+reader.Key); status != http.StatusForbidden {
		t.Errorf("a key that reads: %d %v", status, said)
	}
	if status, _ := w.post("text/plain", []byte("x")); status != http.StatusUnsupportedMediaType {
		t.Errorf("another type: %d", status)
	}
	if status, _ := w.post("application/x-protobuf", []byte("nonsense")); status != http.StatusBadRequest {
		t.Errorf("nonsense: %d", status)
	}
	for _, body := range []string{`{"resource_spans":[]}`, `{"resourceSpans":[{"scope_spans":[]}]}`} { // which would be passed over as members that are not known
		if status, said := w.post("application/json", []byte(body)); status != http.StatusBadRequest || !strings.Contains(said.GetErrorMessage(), "resourceSpans") {
			t.Errorf("%s: %d %v", body, status, said)
		}
	}
	if status, _ := w.post("application/json", []byte("{")); status != http.StatusBadRequest {
		t.Errorf("half of JSON: %d", status)
	}
	if status, _ := w.send(one, "Content-Encoding", "br"); status != http.StatusUnsupportedMediaType {
		t.Errorf("another compression: %d", status)
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 17 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	z.Close()
	if status, _ := w.post("application/x-protobuf", bomb.Bytes(), "Content-Encoding", "gzip"); status != http.StatusRequestEntityTooLarge {
		t.Errorf("17 MiB in %d bytes: %d", bomb.Len(), status)
	}
	empty := bytes.Repeat([]byte{0x12, 0}, 100_000) // spans of nothing
	scope := protowire.AppendBytes([]byte{0x12}, empty)
	if status, _ := w.post("application/x-protobuf", protowire.AppendBytes([]byte{0x0a}, scope)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("100,000 spans: %d", status)
	}
	if status, _ := w.post("application/json", []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[`+strings.Repeat("{},", 250_000)+`{}]}]}]}`)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("250,000 objects: %d", status)
	}
	if status, said := w.send(one, "bursar-attributes", "agentId"); status != http.StatusBadRequest {
		t.Errorf("a bad header: %d %v", status, said)
	}
	w.want("acme", "0 0 0 0 0")
	w.reports.Store(0)
	if status, _ := w.send(one); status != http.StatusServiceUnavailable {
		t.Errorf("while the server is away: %d", status)
	}
	w.reports.Store(math.MaxInt64)
	w.all(one)
	w.want("acme", "1 0 0 0 0")
}
