package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bursarhq/bursar/gateway"
)

// raw sends a request as it is written, and returns the status of the reply.
func (w *world) raw(method, path string, body string, headers ...string) int {
	w.t.Helper()
	at, err := url.Parse(w.front.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := net.Dial("tcp", at.Host)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\nBursar-Dimensions: agentId=a\r\n", method, path, w.key)
	for i := 0; i+1 < len(headers); i += 2 {
		fmt.Fprintf(conn, "%s: %s\r\n", headers[i], headers[i+1])
	}
	fmt.Fprintf(conn, "Content-Length: %d\r\n\r\n%s", len(body), body)
	reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer reply.Body.Close()
	io.Copy(io.Discard, reply.Body)
	return reply.StatusCode
}

func allowing(c *gateway.Config) { c.Unknown = "allow" }

// TestNoWayAround: also where other paths pass, no way to write a path or a method leads a call
// that is governed around the budget.
func TestNoWayAround(t *testing.T) {
	w := newWorld(t, allowing, func(c *gateway.Config) {
		c.Upstreams = append(c.Upstreams, gateway.Upstream{Name: "ds", Kind: "openai", BaseURL: w0(c), KeyEnv: "PROVIDER"})
	})
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`))
	for _, c := range []struct{ method, path string }{
		{"POST", "/v1/chat/completions%0A"}, {"POST", "/v1/chat/completions%20"}, {"POST", "/v1/chat%09/completions"}, {"POST", "/v1/chat/completions%00"},
		{"POST", "/v1/chat/completions;a=b"}, {"POST", "/v1/chat/completions%3Fa"}, {"POST", "/v1/chat/completions%23"}, {"POST", "/v1/%63hat/completions%c2%a0"},
		{"post", "/v1/chat/completions"}, {"PoST", "/v1/chat/completions"},
	} {
		if status := w.raw(c.method, c.path, chat); status != 400 {
			t.Errorf("%s %s: %d", c.method, c.path, status)
		}
	}
	if sent := w.upstream.requests(); len(sent) != 0 {
		t.Errorf("the provider got %+v", sent)
	}
	for i, c := range []struct{ method, path string }{
		{"POST", "/ds/v1/v1/chat/completions"}, {"POST", "/ds/beta/chat/completions"}, {"POST", "/ds/openai/deployments/gpt-5/chat/completions"},
		{"POST", "/v1/engines/m/completions"}, {"PUT", "/v1/chat/completions"}, {"PATCH", "/v1/responses"}, {"POST", "/ds/v2/Messages/"},
	} {
		if status := w.raw(c.method, c.path, chat); status != 200 {
			t.Errorf("%s %s: %d", c.method, c.path, status)
		}
		if n := w.used()[0]; n != int64(i+1) {
			t.Errorf("%s %s: %d are recorded", c.method, c.path, n)
		}
	}
	w.raw("GET", "/v1/chat/completions", "", "X-HTTP-Method-Override", "POST")
	sent := w.upstream.requests()
	if last := sent[len(sent)-1]; last.header.Get("X-Http-Method-Override") != "" {
		t.Errorf("the provider got %v", last.header)
	}
	if status := w.raw("POST", "/v1/threads/t_1/messages", `{"role":"user","content":"Hi"}`); status != 200 {
		t.Errorf("a message of a conversation: %d", status)
	}
}

// w0 is the address of the provider without a version.
func w0(c *gateway.Config) string { return strings.TrimSuffix(c.Upstreams[0].BaseURL, "/v1") }

// TestUnknownPaths: what is not governed is refused, but for what costs nothing and what the
// configuration names; and all of it passes untouched where the operator wants that.
func TestUnknownPaths(t *testing.T) {
	secrets := []struct{ method, path string }{
		{"GET", "/v1/files"}, {"GET", "/v1/responses/resp_1"}, {"GET", "/v1/chat/completions"}, {"POST", "/v1/batches"}, {"DELETE", "/v1/models/ft:gpt-4o:org"},
		{"GET", "/modelsx"}, {"POST", "/v1/x/messages/count_tokens"},
	}
	sessions := []struct{ method, path string }{
		{"POST", "/v1/realtime/client_secrets"}, {"POST", "/v1/Realtime/sessions"}, {"POST", "/openai/realtime/calls"}, {"GET", "/v1/models/realtime"},
	}
	free := []struct{ method, path string }{
		{"GET", "/v1/models"}, {"GET", "/v1/models/ft:gpt-4o:org::id"}, {"GET", "/openai/models/"}, {"POST", "/v1/messages/count_tokens"},
	}
	w := newWorld(t, func(c *gateway.Config) { c.AllowPaths = []string{"/v1/files/"} })
	w.upstream.answer(says(200, `{"input_tokens":7}`))
	body := `{ "model":"c" , "messages":[] }`
	got := w.post("/v1/messages/count_tokens", body)
	if got.status != 200 || got.body != `{"input_tokens":7}` || got.header.Get("Bursar-Governed") != "false" || string(w.upstream.requests()[0].body) != body {
		t.Errorf("%+v", got)
	}
	for _, c := range free {
		if status := w.raw(c.method, c.path, ""); status != 200 {
			t.Errorf("%s %s: %d", c.method, c.path, status)
		}
	}
	for _, c := range append(secrets[1:], sessions...) {
		if status := w.raw(c.method, c.path, ""); status != 403 {
			t.Errorf("%s %s: %d", c.method, c.path, status)
		}
	}
	for path, want := range map[string]int{"/v1/files": 200, "/v1/files/f_1/content": 200, "/v1/filesystem": 403} {
		if status := w.raw("GET", path, ""); status != want {
			t.Errorf("%s, where /v1/files/ is allowed: %d", path, status)
		}
	}
	if n := w.used()[0]; n != 0 {
		t.Errorf("%d are recorded", n)
	}
	w = newWorld(t, allowing)
	w.upstream.answer(says(200, `{}`))
	for _, c := range append(secrets, free...) {
		if status := w.raw(c.method, c.path, ""); status != 200 {
			t.Errorf("%s %s: %d", c.method, c.path, status)
		}
	}
	reached := len(w.upstream.requests())
	for _, c := range sessions {
		if status := w.raw(c.method, c.path, ""); status != 403 {
			t.Errorf("%s %s: %d", c.method, c.path, status)
		}
	}
	if n := len(w.upstream.requests()); n != reached {
		t.Errorf("%d sessions were opened", n-reached)
	}
}

// TestPassedTooLarge: what passes ungoverned and is too large is refused for good, also where its
// size is not said.
func TestPassedTooLarge(t *testing.T) {
	w := newWorld(t, allowing, func(c *gateway.Config) { c.MaxBodyBytes = 1000 })
	w.upstream.answer(says(200, `{}`))
	big := strings.Repeat("x", 100_000)
	chunked := w.request("/v1/files", "")
	chunked.Body, chunked.ContentLength = io.NopCloser(strings.NewReader(big)), -1
	for _, got := range []outcome{w.post("/v1/files", big), w.do(chunked)} {
		if got.status != 413 || got.header.Get("X-Should-Retry") != "false" {
			t.Errorf("%+v", got)
		}
	}
}

// TestUpgrade: what a client would rather speak is not asked of the provider, and no reason to
// refuse the call; only WebSockets are.
func TestUpgrade(t *testing.T) {
	w := newWorld(t)
	w.upstream.answer(says(200, `{}`))
	if status := w.raw("GET", "/v1/models", "", "Upgrade", "h2c"); status != 200 {
		t.Errorf("h2c: %d", status)
	}
	if status := w.raw("GET", "/v1/responses", "", "Upgrade", "WebSocket"); status != 403 {
		t.Errorf("a WebSocket: %d", status)
	}
}
