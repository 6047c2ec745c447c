package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/gateway"
)

// chatStream is what OpenAI sends of a chat with a call of a tool in it. With usage each chunk
// has a member more, and there is one chunk more.
func chatStream(withUsage bool) string {
	null, last := "", ""
	if withUsage {
		null = `,"usage":null`
		last = `data: {"id":"c","model":"gpt-5","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":5}}}` + "\n\n"
	}
	return `data: {"id":"c","model":"gpt-5","choices":[{"delta":{"role":"assistant","content":"He said \"usage\":null, {"}}]` + null + "}\n\n" +
		": a comment\n\n" +
		`data: {"id":"c","model":"gpt-5","choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"usage\":null}"}}]}}]` + null + `,"obfuscation":"xx"}` + "\n\n" +
		`data: {"choices":[],"prompt_filter_results":[]` + null + "}\n\n" +
		`data: {"id":"c","model":"gpt-5","choices":[{"delta":{},"finish_reason":"tool_calls"}]` + null + "}\n\n" + last + "data: [DONE]\n\n"
}

const (
	claudeStream = "event: message_start\n" +
		`data: {"type":"message_start","message":{"model":"claude-sonnet-4-5","usage":{"input_tokens":25,"cache_creation_input_tokens":4,"cache_read_input_tokens":3,"output_tokens":1}}}` + "\n\n" +
		"event: ping\ndata: {\"type\": \"ping\"}\n\n" +
		"event: content_block_start\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"usage","input":{}}}` + "\n\n" +
		"event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"usage\": {\"output_tokens\": 999}}"}}` + "\n\n" +
		"event: message_delta\n" + `data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":15}}` + "\n\n" +
		"event: message_stop\n" + `data: {"type":"message_stop"}` + "\n\n"
	responsesStream = "event: response.created\n" + `data: {"type":"response.created","response":{"id":"r","model":"gpt-5","usage":null}}` + "\n\n" +
		"event: response.output_text.delta\n" + `data: {"type":"response.output_text.delta","delta":"usage"}` + "\n\n" +
		"event: response.completed\n" + `data: {"type":"response.completed","response":{"id":"r","model":"gpt-5","service_tier":"default","output":[],"usage":{"input_tokens":11,"output_tokens":6,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":17}}}` + "\n\n"
)

// asOpenAI streams a chat, with usage if it is asked for.
func asOpenAI(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	streams(chatStream(strings.Contains(string(b), `"include_usage":true`)))(w, r)
}

// TestStreams: a caller gets the very bytes that the provider would send without a gateway,
// and the usage is recorded.
func TestStreams(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, path, ask string
		answer          http.HandlerFunc
		want            string
		used            [5]int64
	}{
		{"chat, usage not asked for", "/v1/chat/completions", `{"model":"gpt-5","stream":true,"max_tokens":50}`, asOpenAI, chatStream(false), [5]int64{15, 5, 0, 9, 0}},
		{"chat, no other member", "/v1/chat/completions", `{"stream":true,"model":"gpt-5","stream_options":null}`, asOpenAI, chatStream(false), [5]int64{15, 5, 0, 9, 0}},
		{"chat, other options", "/v1/chat/completions", `{"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":false},"model":"gpt-5"}`, asOpenAI, chatStream(false), [5]int64{15, 5, 0, 9, 0}},
		{"chat, usage asked for", "/v1/chat/completions", `{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true}}`, asOpenAI, chatStream(true), [5]int64{15, 5, 0, 9, 0}},
		{"messages", "/v1/messages", `{"model":"claude-sonnet-4-5","stream":true,"max_tokens":50}`, streams(claudeStream), claudeStream, [5]int64{25, 3, 4, 15, 0}},
		{"responses", "/v1/responses", `{"model":"gpt-5","stream":true,"input":"x"}`, streams(responsesStream), responsesStream, [5]int64{11, 0, 0, 4, 2}},
		{"lines of Windows", "/v1/chat/completions", `{"model":"gpt-5","stream":true}`, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, strings.ReplaceAll(chatStream(true), "\n", "\r\n"))
		}, strings.ReplaceAll(chatStream(false), "\n", "\r\n"), [5]int64{15, 5, 0, 9, 0}},
		{"compressed", "/v1/chat/completions", `{"model":"gpt-5","stream":true}`, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(zipped(t, chatStream(true)))
		}, chatStream(false), [5]int64{15, 5, 0, 9, 0}},
	} {
		before := w.used()
		w.upstream.answer(c.answer)
		got := w.post(c.path, c.ask)
		if got.status != 200 || got.err != nil || got.body != c.want {
			t.Errorf("%s: %d %v\n%s\nwant\n%s", c.name, got.status, got.err, got.body, c.want)
		}
		w.eventually(c.name+" is recorded", func() bool { return w.used() != before })
		after := w.used()
		for i := range after {
			after[i] -= before[i]
		}
		if after != c.used {
			t.Errorf("%s: recorded are %v, want %v", c.name, after, c.used)
		}
	}
	if n := len(w.holds(bursar.HoldCommitted)); n != 8 {
		t.Errorf("%d are recorded as they were", n)
	}
}

// TestStreamsComeAtOnce: each piece reaches the caller before the next one is there.
func TestStreamsComeAtOnce(t *testing.T) {
	w := newWorld(t)
	next := make(chan bool)
	w.upstream.answer(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		for i := 0; <-next; i++ {
			fmt.Fprintf(rw, "data: {\"n\":%d,\"usage\":null}\n\n", i)
			rw.(http.Flusher).Flush()
		}
	})
	go func() { next <- true }()
	reply, err := http.DefaultTransport.RoundTrip(w.request("/v1/chat/completions", `{"model":"m","stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	lines := bufio.NewReader(reply.Body)
	for i := range 5 {
		if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("data: {\"n\":%d}\n", i) {
			t.Fatalf("%q %v", line, err)
		}
		lines.ReadString('\n')
		next <- i < 4
	}
}

// TestProviderDies: a stream that breaks off is broken for the caller, too, and is recorded by
// what is known: its usage, if that has come, or an estimate that is marked.
func TestProviderDies(t *testing.T) {
	w := newWorld(t)
	dies := func(text string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			streams(text)(rw, r)
			panic(http.ErrAbortHandler)
		}
	}
	half := claudeStream[:strings.Index(claudeStream, "event: message_delta")]
	for _, c := range []struct{ path, ask, text string }{
		{"/v1/messages", `{"model":"c","stream":true,"max_tokens":77}`, half},
		{"/v1/chat/completions", `{"model":"c","stream":true,"max_tokens":77}`, chatStream(false)[:200]},
	} {
		w.upstream.answer(dies(c.text))
		if got := w.post(c.path, c.ask); got.err == nil || got.body == "" {
			t.Errorf("%s: %+v", c.path, got)
		}
	}
	w.upstream.answer(dies(claudeStream)) // after all was said
	if got := w.post("/v1/messages", `{"model":"c","stream":true,"max_tokens":77}`); got.err == nil || got.body != claudeStream {
		t.Errorf("%+v", got)
	}
	w.upstream.answer(func(rw http.ResponseWriter, _ *http.Request) { // a reply that is no stream
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Content-Length", "1000")
		io.WriteString(rw, `{"usage"`)
	})
	if got := w.post("/v1/chat/completions", chat); got.status != 502 {
		t.Errorf("%+v", got)
	}
	w.upstream.answer(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }) // sent, and no reply
	if got := w.post("/v1/chat/completions", chat); got.status != 502 {
		t.Errorf("%+v", got)
	}
	w.eventually("all are ended", func() bool { return len(w.holds(bursar.HoldExpired)) == 4 && len(w.holds(bursar.HoldCommitted)) == 1 })
	for _, r := range w.holds(bursar.HoldExpired) {
		if !r.Estimated || r.Tokens.Output != bursar.AmountFromInt(77) && r.Tokens.Output != bursar.AmountFromInt(100) {
			t.Errorf("%+v", r)
		}
	}
	if used := w.used(); used[3] != 2*77+2*100+15 {
		t.Errorf("recorded are %v", used)
	}
}

// leaves has a caller go in the middle of a stream, whose rest the provider sends then, and
// tells whether the gateway hung up on the provider.
func leaves(t *testing.T, w *world) (hungUp bool) {
	t.Helper()
	gone, seen := make(chan struct{}), make(chan bool, 1)
	w.upstream.answer(func(rw http.ResponseWriter, r *http.Request) {
		half := strings.Index(claudeStream, "event: content_block_start")
		streams(claudeStream[:half])(rw, r)
		<-gone
		if w.config.OnDisconnect == "abort" {
			<-r.Context().Done()
			seen <- true
			return
		}
		streams(claudeStream[half:])(rw, r)
		seen <- false
	})
	ctx, leave := context.WithCancel(t.Context())
	reply, err := http.DefaultTransport.RoundTrip(w.request("/v1/messages", `{"model":"c","stream":true,"max_tokens":77}`).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(reply.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	leave()
	reply.Body.Close()
	close(gone)
	return <-seen
}

// TestCallerGoes: the gateway reads on to learn the usage, or hangs up and has it estimated.
func TestCallerGoes(t *testing.T) {
	w := newWorld(t)
	if leaves(t, w) {
		t.Error("the provider was hung up on")
	}
	w.eventually("it is recorded", func() bool { return w.used() == [5]int64{25, 3, 4, 15, 0} })

	w = newWorld(t, func(c *gateway.Config) { c.OnDisconnect = "abort" })
	if !leaves(t, w) {
		t.Error("the provider was not hung up on")
	}
	w.eventually("it is estimated", func() bool { list := w.holds(bursar.HoldExpired); return len(list) == 1 && list[0].Estimated })
	if used := w.used(); used[3] != 77 {
		t.Errorf("recorded are %v", used)
	}
}
