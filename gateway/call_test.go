package gateway_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/gateway"
)

const chat = `{"model":"gpt-5","messages":[{"role":"user","content":"Hello"}],"max_completion_tokens":100}`

// TestReplies: what each endpoint's reply says is recorded, by kind, and the reply is the
// provider's.
func TestReplies(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		path, ask, reply string
		used             [5]int64
		cost             string
	}{
		{"/v1/chat/completions", chat,
			`{"id":"c","model":"gpt-5-2025-08-07","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":20},"completion_tokens_details":{"reasoning_tokens":10}}}`,
			[5]int64{80, 20, 0, 40, 10}, "0.15 credits"},
		{"/openai/v1/chat/completions", chat, `{"model":"dear","service_tier":"default","usage":{"prompt_tokens":10,"completion_tokens":10}}`,
			[5]int64{10, 0, 0, 10, 0}, "1.01 credits"},
		{"/v1/chat/completions", chat, `{"model":"gpt-5","service_tier":"priority","usage":{"prompt_tokens":10,"completion_tokens":10}}`,
			[5]int64{10, 0, 0, 10, 0}, "0.08 credits"},
		{"/v1/responses", `{"model":"gpt-5","input":"Hi","max_output_tokens":100}`,
			`{"object":"response","model":"gpt-5","output":[{"type":"message"}],"usage":{"input_tokens":30,"input_tokens_details":{"cached_tokens":10},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":39}}`,
			[5]int64{20, 10, 0, 5, 4}, "0.039 credits"},
		{"/v1/embeddings", `{"model":"text-embedding-3-small","input":"Hi"}`, `{"data":[],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}`,
			[5]int64{8, 0, 0, 0, 0}, "0.008 credits"},
		{"/v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":100,"messages":[{"role":"user","content":"Hi"}]}`,
			`{"type":"message","model":"claude-sonnet-4-5-20250929","content":[],"usage":{"input_tokens":12,"cache_creation_input_tokens":7,"cache_read_input_tokens":5,"output_tokens":3,"service_tier":"standard"}}`,
			[5]int64{12, 5, 7, 3, 0}, "0.027 credits"},
		{"/v1/images/generations", `{"prompt":"a cat","model":"gpt-image-1"}`, `{"data":[{"b64_json":"AAAA"}],"usage":{"input_tokens":10,"output_tokens":200,"total_tokens":210}}`,
			[5]int64{10, 0, 0, 200, 0}, "0.21 credits"},
	} {
		before := w.used()
		w.upstream.answer(says(200, c.reply))
		got := w.post(c.path, c.ask)
		if got.status != 200 || got.body != c.reply || got.err != nil {
			t.Errorf("%s: %d %s %v", c.path, got.status, got.body, got.err)
			continue
		}
		after := w.used()
		for i := range after {
			after[i] -= before[i]
		}
		if after != c.used || got.header.Get("Bursar-Cost") != c.cost || got.header.Get("X-Request-Id") != "req_of_the_provider" || got.header.Get("Bursar-Call") == "" {
			t.Errorf("%s: recorded are %v, the head is %v; want %v at %s", c.path, after, got.header, c.used, c.cost)
		}
	}
	if n := len(w.holds(bursar.HoldCommitted)); n != 7 {
		t.Errorf("%d calls are recorded", n)
	}
}

// TestForms: a form goes to the provider as it is, for the model that it names.
func TestForms(t *testing.T) {
	w := newWorld(t)
	w.upstream.answer(says(200, `{"text":"hello","usage":{"type":"tokens","input_tokens":14,"output_tokens":45,"total_tokens":59}}`))
	form := "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ndear\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\n\x00\x01\xff\r\n--B--\r\n"
	got := w.post("/v1/audio/transcriptions", form, "Content-Type", "multipart/form-data; boundary=B")
	if got.status != 200 || got.header.Get("Bursar-Cost") != "4.514 credits" {
		t.Errorf("%+v", got)
	}
	if sent := w.upstream.requests(); string(sent[0].body) != form {
		t.Errorf("the provider got %q", sent[0].body)
	}
	w.upstream.answer(says(200, `{"data":[]}`))
	form = "--B\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n3\r\n--B\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n\x00\r\n--B--\r\n"
	got = w.post("/v1/images/variations", form, "Content-Type", "multipart/form-data; boundary=B")
	if r, err := w.Reservation(t.Context(), "acme", got.header.Get("Bursar-Call")); err != nil || r.Tokens.Output != bursar.AmountFromInt(3*4096) {
		t.Errorf("%+v: held are %+v, %v", got, r.Tokens, err)
	}
}

// TestPricedAsSent: a caller cannot say in its headers as which model a call is priced, nor that
// its usage is an estimate.
func TestPricedAsSent(t *testing.T) {
	w := newWorld(t)
	w.upstream.answer(says(200, `{"usage":{"input_tokens":1,"output_tokens":1000}}`))
	got := w.post("/v1/images/generations", `{"prompt":"x"}`, "Bursar-Dimensions", "agentId=a,model=dear,estimated=true,provider=free")
	if got.status != 200 || got.header.Get("Bursar-Cost") != "1.001 credits" {
		t.Errorf("%+v", got)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", w.server.URL+"/api/v1/customers/acme/reservations/"+got.header.Get("Bursar-Call"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", adminKey)
	reservation := w.do(r)
	dims, _ := object(t, reservation.body)["data"].(map[string]any)["dimensions"].(map[string]any)
	if dims["agentId"] != "a" || dims["model"] != nil || dims["estimated"] != nil || dims["provider"] != "openai" {
		t.Errorf("%+v", reservation)
	}
}

// TestSentOn: the provider gets the call as it is, with its own key and without what is ours.
func TestSentOn(t *testing.T) {
	w := newWorld(t)
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`))
	w.post("/v1/chat/completions?x=1", chat, "Bursar-Customer", "acme", "OpenAI-Organization", "org", "Cookie", "a=b")
	w.post("/v1/messages?beta=true", `{"model":"c","max_tokens":5,"messages":[]}`, "Anthropic-Beta", "b1")
	sent := w.upstream.requests()
	if len(sent) != 2 {
		t.Fatalf("the provider got %d requests", len(sent))
	}
	for i, want := range []struct{ path, auth, key, header, value string }{
		{"/v1/chat/completions?x=1", "Bearer " + providerKey, "", "Openai-Organization", "org"},
		{"/v1/messages?beta=true", "", providerKey, "Anthropic-Beta", "b1"},
	} {
		h := sent[i].header
		if sent[i].path != want.path || h.Get("Authorization") != want.auth || h.Get("X-Api-Key") != want.key || h.Get(want.header) != want.value || h.Get("Cookie") != "" {
			t.Errorf("the provider got %s %v", sent[i].path, h)
		}
		for name := range h {
			if strings.HasPrefix(name, "Bursar") {
				t.Errorf("the provider got %s", name)
			}
		}
	}
	if string(sent[0].body) != chat {
		t.Errorf("the provider got %s", sent[0].body)
	}
}

// TestDenial: a call that a budget stops is not sent, and gets the error that each SDK knows,
// with the budget.
func TestDenial(t *testing.T) {
	w := newWorld(t)
	w.limit(150)
	w.upstream.answer(says(200, `{"model":"gpt-5","usage":{"prompt_tokens":1,"completion_tokens":100}}`))
	if got := w.post("/v1/chat/completions", chat); got.status != 200 || got.header.Get("Bursar-Remaining") != "50" || got.header.Get("Bursar-Limit") != "a/output" || got.header.Get("Bursar-Advice") != "ok" {
		t.Errorf("%+v", got)
	}
	for path, ask := range map[string]string{"/v1/chat/completions": chat, "/v1/messages": `{"model":"c","max_tokens":100,"messages":[]}`} {
		got := w.post(path, ask)
		if got.status != 402 || got.header.Get("X-Should-Retry") != "false" || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %+v", path, got)
		}
		body := object(t, got.body)
		e := body["error"].(map[string]any)
		binding := e["bursar"].(map[string]any)["binding"].(map[string]any)
		if binding["entityId"] != "a" || binding["featureId"] != "output" || binding["remaining"] != 50.0 || e["code"] != "RequestedUsageExceedingLimit" || e["message"] == "" {
			t.Errorf("%s: %s", path, got.body)
		}
		if path == "/v1/messages" && (body["type"] != "error" || e["type"] != "billing_error") || path != "/v1/messages" && e["type"] != "insufficient_quota" {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	if n := len(w.upstream.requests()); n != 1 {
		t.Errorf("%d calls reached the provider", n)
	}
	for _, c := range []struct {
		tokens int
		advice string
	}{{20, "wind_down"}, {25, "stop"}} {
		w.upstream.answer(says(200, fmt.Sprintf(`{"usage":{"prompt_tokens":1,"completion_tokens":%d}}`, c.tokens)))
		if got := w.post("/v1/chat/completions", `{"model":"m","max_tokens":10}`); got.header.Get("Bursar-Advice") != c.advice {
			t.Errorf("%+v, want the advice %s", got, c.advice)
		}
	}
}

// TestOwnThresholds: the configuration's percentages stand in the place of the server's advice.
func TestOwnThresholds(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Advice = gateway.Advice{WindDown: 10, Stop: 50} })
	w.limit(1000)
	for _, c := range []struct {
		tokens int
		advice string
	}{{90, "ok"}, {20, "wind_down"}, {400, "stop"}} {
		w.upstream.answer(says(200, fmt.Sprintf(`{"usage":{"prompt_tokens":1,"completion_tokens":%d}}`, c.tokens)))
		if got := w.post("/v1/chat/completions", `{"model":"m","max_tokens":10}`); got.header.Get("Bursar-Advice") != c.advice {
			t.Errorf("%+v, want the advice %s", got, c.advice)
		}
	}
}

// TestDegrade: where the configuration says so, a call goes to the provider as the policy of an entity
// says, and is held for and recorded as the call that it then is. The rest of it stays as it is.
func TestDegrade(t *testing.T) {
	const tools = `{ "tools":[{"type":"function"}], "model" : "gpt-5", "max_tokens":500,"parallel_tool_calls":true,
 "messages":[{"role":"user","content":"h\u00e9"}],	"tool_choice":"auto" }`
	const less = `{ "model" : "gpt-5-mini", "max_tokens":100,
 "messages":[{"role":"user","content":"h\u00e9"}] }`
	const used = `{"model":"c","max_tokens":9,"tools":[{"name":"t"}],"messages":[{"role":"assistant","content":[{"type":"tool_use"}]}]}`
	for _, on := range []bool{true, false} {
		w := newWorld(t, func(c *gateway.Config) { c.Degrade = on })
		w.limit(10_000)
		if _, err := w.PutDegradePolicies(t.Context(), "acme", client.DegradePolicyInput{EntityID: "a", FeatureID: "output", Steps: []client.DegradeStep{
			{AtPercent: 30, Models: map[string]string{"gpt-5": "gpt-5-mini"}, MaxTokens: 100, Tools: new(false)}}}); err != nil {
			t.Fatal(err)
		}
		w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":3000}}`))
		if got := w.post("/v1/chat/completions", `{"model":"gpt-5","max_tokens":10}`); got.status != 200 || got.header.Get("Bursar-Degraded") != "" {
			t.Fatalf("%+v", got)
		}
		w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`))
		for _, c := range []struct{ path, body, sent, header string }{
			{"/v1/chat/completions", tools, less, "model=gpt-5-mini,maxTokens=100,tools=off"},
			{"/v1/chat/completions", `{"model":"x","messages":[]}`, `{"model":"x","messages":[],"max_completion_tokens":100}`, "maxTokens=100"},
			{"/v1/responses", `{"tools":[],"model":"x","max_output_tokens":1e3}`, `{"model":"x","max_output_tokens":100}`, "maxTokens=100,tools=off"},
			{"/v1/messages", used, used[:len(used)-1] + `,"tool_choice":{"type":"none"}}`, "tools=off"},
		} {
			want, header := c.sent, c.header
			if !on {
				want, header = c.body, ""
			}
			got := w.post(c.path, c.body)
			sent := w.upstream.requests()
			if got.status != 200 || got.header.Get("Bursar-Degraded") != header || string(sent[len(sent)-1].body) != want {
				t.Errorf("degrade %v: %s %s: %+v, sent %s", on, c.path, c.body, got, sent[len(sent)-1].body)
			}
			call, err := w.Reservation(t.Context(), "acme", got.header.Get("Bursar-Call"))
			if c.body == tools && (err != nil || call.Dimensions["model"] != map[bool]string{true: "gpt-5-mini", false: "gpt-5"}[on]) {
				t.Errorf("the hold: %+v, %v", call, err)
			}
		}
		want := map[bool]int{true: 200, false: 402}[on] // what does not fit may fit as it is then
		if got := w.post("/v1/completions", `{"model":"x","max_tokens":8000}`); got.status != want {
			t.Errorf("degrade %v: %+v", on, got)
		}
		if open, err := w.Reservations(t.Context(), "acme", client.ReservationQuery{}); err != nil || len(open.Items) != 0 {
			t.Errorf("still held: %+v, %v", open, err)
		}
	}
}

// TestRefusals: who or what is not in order gets an error that says so, in the SDK's form, and
// nothing is sent.
func TestRefusals(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.MaxBodyBytes = 1000 })
	w.upstream.answer(says(200, `{}`))
	const form = "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ncheap\r\n--B\r\nContent-Disposition: form-data; name=\"MODEL\"\r\n\r\ndear\r\n--B--\r\n"
	read, err := w.CreateAPIKey(t.Context(), client.APIKeyInput{Name: "reader", Scope: "read"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, body string
		headers    []string
		status     int
		says       string
	}{
		{"/v1/chat/completions", chat, []string{"Authorization", ""}, 401, "bsk_"},
		{"/v1/chat/completions", chat, []string{"Authorization", "Bearer bsk_00_wrong"}, 401, "not valid"},
		{"/v1/chat/completions", chat, []string{"Authorization", "Bearer " + read.Key}, 403, "scope"},
		{"/v1/chat/completions", chat, []string{"X-Api-Key", "bsk_another_key"}, 401, "one Bursar API key"},
		{"/v1/messages/count_tokens", "", []string{"X-Api-Key", read.Key}, 403, "scope"},
		{"/v1/messages/count_tokens", "", []string{"X-Api-Key", "nothing"}, 401, "not valid"},
		{"/v1/models", "", nil, 403, "allowPaths"},
		{"/v1/realtime", "", []string{"Upgrade", "websocket", "Connection", "Upgrade"}, 403, "WebSockets"},
		{"/v1/chat/completions", chat, []string{"Bursar-Customer", "nobody"}, 404, "customer"},
		{"/v1/chat/completions", chat, []string{"Bursar-Dimensions", "agentId"}, 400, "key=value"},
		{"/v1/chat/completions", chat, []string{"Bursar-Dimensions", `{"agentId":["a"]}`}, 400, "key=value"},
		{"/v1/chat/completions", `{"model":"m"`, nil, 400, "cannot be read"},
		{"/v1/chat/completions", `[]`, nil, 400, "JSON object"},
		{"/v1/chat/completions", `{"model":"m"} {"model":"n"}`, nil, 400, "more after"},
		{"/v1/chat/completions", `{"model":"m","model":"n"}`, nil, 400, "cannot be read"},
		{"/v1/chat/completions", `{"messages":[]}`, nil, 400, "model"},
		{"/v1/chat/completions", `{"model":"m","stream":"yes"}`, nil, 400, "stream"},
		{"/v1/chat/completions", `{"model":"m","max_tokens":"100000"}`, nil, 400, "max_tokens must be"},
		{"/v1/chat/completions", `{"model":"m","max_completion_tokens":1.5}`, nil, 400, "max_completion_tokens must be"},
		{"/v1/responses", `{"model":"m","max_output_tokens":[1]}`, nil, 400, "max_output_tokens must be"},
		{"/v1/chat/completions", `{"model":"m","n":"5"}`, nil, 400, "n must be"},
		{"/v1/audio/translations", strings.ReplaceAll(form, "MODEL", "model"), []string{"Content-Type", "multipart/form-data; boundary=B"}, 400, "once"},
		{"/v1/chat/completions", `{"model":"` + strings.Repeat("m", 2000) + `"}`, nil, 413, "larger"},
		{"/v1/x/../chat/completions", chat, nil, 400, "path"},
		{"/v1//chat/completions", chat, nil, 400, "path"},
		{"/v1/chat%2Fcompletions", chat, nil, 400, "path"},
	} {
		got := w.post(c.path, c.body, c.headers...)
		var e struct {
			Error struct{ Message, Type string }
		}
		if json.Unmarshal([]byte(got.body), &e); got.status != c.status || !strings.Contains(e.Error.Message, c.says) || e.Error.Type == "" || got.header.Get("X-Should-Retry") != "false" {
			t.Errorf("%s %s %v: %+v", c.path, c.body, c.headers, got)
		}
	}
	if n := len(w.upstream.requests()); n != 0 {
		t.Errorf("%d calls reached the provider", n)
	}
	if open := w.holds(bursar.HoldOpen); len(open) != 0 {
		t.Errorf("held are %+v", open)
	}
}

// TestGovernedHowever: a slash at the end, capitals and a provider's name in the path do not
// lead around the budget.
func TestGovernedHowever(t *testing.T) {
	w := newWorld(t)
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`))
	for i, path := range []string{"/v1/chat/completions/", "/V1/Chat/Completions", "/openai/v1/chat/completions", "/openai/chat/completions", "/anthropic/v1/messages"} {
		w.post(path, chat)
		if n := w.used()[0]; n != int64(i+1) {
			t.Errorf("%s: %d are recorded", path, n)
		}
	}
}

// TestProvidersErrors: an error of the provider is passed on as it is, and nothing is held or
// recorded for it.
func TestProvidersErrors(t *testing.T) {
	w := newWorld(t)
	for _, status := range []int{400, 401, 404, 429, 500, 529} {
		body := fmt.Sprintf(`{"error":{"message":"%d"}}`, status)
		w.upstream.answer(says(status, body))
		if got := w.post("/v1/chat/completions", chat); got.status != status || got.body != body {
			t.Errorf("%+v", got)
		}
	}
	if got := w.post("/away/v1/chat/completions", chat); got.status != 502 || got.header.Get("X-Should-Retry") != "true" {
		t.Errorf("%+v", got)
	}
	w.eventually("all is released", func() bool { return len(w.holds(bursar.HoldReleased)) == 7 })
	if open := w.holds(bursar.HoldOpen); len(open) != 0 || w.used() != [5]int64{} {
		t.Errorf("held are %+v, used %v", open, w.used())
	}
}

// TestNoUsage: a reply without usage is recorded as an estimate, and marked as one.
func TestNoUsage(t *testing.T) {
	w := newWorld(t)
	for path, answer := range map[string]http.HandlerFunc{
		"/v1/chat/completions": says(200, `{"choices":[]}`),
		"/v1/responses":        says(200, `{"status":"queued","usage":null}`),
		"/v1/audio/speech": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "audio/mpeg")
			w.Write([]byte{0, 1, 2})
		},
	} {
		w.upstream.answer(answer)
		if got := w.post(path, chat); got.status != 200 || got.err != nil {
			t.Errorf("%s: %+v", path, got)
		}
	}
	w.eventually("all are estimated", func() bool {
		n := 0
		for _, r := range w.holds(bursar.HoldExpired) {
			if r.Estimated && r.Tokens.Output == bursar.AmountFromInt(100) {
				n++
			}
		}
		return n == 3
	})
}

// TestCompressed: a request and a reply that are compressed are read all the same.
func TestCompressed(t *testing.T) {
	w := newWorld(t)
	reply := `{"model":"gpt-5","usage":{"prompt_tokens":3,"completion_tokens":4}}`
	w.upstream.answer(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Content-Encoding", "gzip")
		rw.Write(zipped(t, reply))
	})
	got := w.post("/v1/chat/completions", string(zipped(t, chat)), "Content-Encoding", "gzip", "Accept-Encoding", "gzip")
	if got.status != 200 || got.body != reply || got.header.Get("Content-Encoding") != "" {
		t.Errorf("%+v", got)
	}
	if sent := w.upstream.requests()[0]; string(sent.body) != chat || sent.header.Get("Content-Encoding") != "" {
		t.Errorf("the provider got %s", sent.body)
	}
	if used := w.used(); used[0] != 3 || used[3] != 4 {
		t.Errorf("recorded are %v", used)
	}
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestHeldFor: what a call may use is told from its request.
func TestHeldFor(t *testing.T) {
	w := newWorld(t)
	w.upstream.answer(says(200, `{"choices":[]}`))
	picture := strings.Repeat("A", 300_000)
	for _, c := range []struct {
		path, body           string
		atLeast, atMost, out int64
	}{
		{"/v1/chat/completions", `{"model":"m","messages":[{"content":"` + strings.Repeat("word ", 600) + `"}]}`, 1000, 1010, 4096},
		{"/v1/chat/completions", `{"model":"m","max_tokens":7,"n":3}`, 1, 10, 21},
		{"/v1/chat/completions", `{"model":"m","max_tokens":-1}`, 1, 10, 4096},
		{"/v1/chat/completions", `{"model":"m","max_tokens":1e5}`, 1, 10, 100_000},
		{"/v1/chat/completions", `{"model":"m","max_tokens":100000.0,"max_completion_tokens":null}`, 1, 10, 100_000},
		{"/v1/chat/completions", `{"model":"m","max_completion_tokens":5,"max_tokens":70,"max_output_tokens":6}`, 1, 10, 70},
		{"/v1/chat/completions", `{"model":"m","n":2}`, 1, 10, 8192},
		{"/v1/completions", `{"model":"m","max_tokens":7,"best_of":4,"n":2}`, 1, 10, 28},
		{"/v1/completions", `{"model":"m","max_tokens":7,"n":2,"prompt":["a","b","c"]}`, 1, 10, 42},
		{"/v1/completions", `{"model":"m","max_tokens":7,"prompt":[[1,2],[3]]}`, 3, 10, 14},
		{"/v1/embeddings", `{"model":"m","input":[` + strings.Repeat("1234,", 2999) + `-5e1]}`, 3000, 3010, 0},
		{"/v1/chat/completions", `{"model":"m","max_tokens":7,"messages":[{"content":[{"type":"image_url","image_url":{"url":"https:\/\/x/a.png"}},{"type":"image_url","image_url":{"url":"https://x/b.png"}}]}]}`, 3000, 3040, 7},
		{"/v1/responses", `{"model":"m","max_output_tokens":7,"input":[{"content":[{"type":"input_image","image_url":"https://x/a.png"},{"type":"input_image","file_id":"f"}]}]}`, 3000, 3040, 7},
		{"/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"content":[{"type":"image","source":{"type":"url","\u0075rl":"https://x/a.png"}}]}]}`, 1500, 1540, 9},
		{"/v1/chat/completions", `{"model":"m","max_tokens":7,"messages":[{"content":"data:x;base64,` + strings.Repeat("x", 9000) + `"}]}`, 3000, 3020, 7},
		{"/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"content":[{"type":"document","source":{"type":"text","data":"data:` + strings.Repeat("x", 9000) + `"}}]}]}`, 3000, 3040, 9},
		{"/v1/chat/completions", `{"model":"m","max_tokens":7,"messages":[{"content":[{"image_url":{"url":"data:image/png;base64,` + picture + `"}}]}]}`, 1500, 1520, 7},
		{"/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"content":[{"type":"image","source":{"data":"` + picture + `"}}]}]}`, 1500, 1520, 9},
		{"/v1/chat/completions", `{"model":"m","max_tokens":7,"messages":[{"content":"data:` + strings.Repeat("x", 1000) + `"}]}`, 330, 350, 7},
		{"/v1/embeddings", `{"model":"m","input":["` + strings.Repeat("x", 300) + `"]}`, 100, 105, 0},
	} {
		got := w.post(c.path, c.body)
		r, err := w.Reservation(t.Context(), "acme", got.header.Get("Bursar-Call"))
		if err != nil {
			t.Fatalf("%v: %+v", err, got)
		}
		if in := r.Tokens.Input.Float64(); in < float64(c.atLeast) || in > float64(c.atMost) || r.Tokens.Output != bursar.AmountFromInt(c.out) {
			t.Errorf("%.80s: held are %+v", c.body, r.Tokens)
		}
	}
	for _, bound := range []string{"1e300", "99999999999999999999", "999999999"} {
		if got := w.post("/v1/chat/completions", `{"model":"m","max_tokens":`+bound+`}`); got.status != 402 {
			t.Errorf("%s: %+v", bound, got)
		}
	}
}
