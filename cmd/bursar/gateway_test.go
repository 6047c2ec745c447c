package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fakeProvider answers chats with 7 tokens of input and 5 of output.
func fakeProvider(t *testing.T) *httptest.Server {
	t.Helper()
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sk-of-the-provider" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"model":"m","usage":{"prompt_tokens":7,"completion_tokens":5}}`)
	}))
	t.Cleanup(p.Close)
	return p
}

// gatewayFile writes a configuration.
func gatewayFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// furnishGateway makes an agent whose calls are counted.
func (p *program) furnishGateway() {
	p.t.Helper()
	p.must("PUT", "/api/v1/entity-types", rigKey, `{"types":[{"id":"agent","displayName":"Agent","attributionKeys":["agentId"]}]}`)
	for _, kind := range []string{"input", "output"} {
		p.must("POST", "/api/v1/features", rigKey, `{"id":"`+kind+`","displayName":"x","featureType":"NUMBER","meter":{"eventName":"llm","aggregation":{"function":"SUM","field":"tokens.`+kind+`"},"filters":[]}}`)
	}
	p.must("POST", "/api/v1/customers", rigKey, `{"id":"acme"}`)
	p.must("PUT", "/api/v1/customers/acme/entities", rigKey, `{"entities":[{"id":"a","entityTypeId":"agent"}]}`)
	p.must("PUT", "/api/v1/customers/acme/assignments", rigKey, `{"assignments":[{"entityId":"a","featureId":"output","usageLimit":107,"cadence":"P100Y"}]}`)
}

// chat sends a chat to the gateway at address and returns the reply.
func chat(t *testing.T, address, key string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+address+"/v1/chat/completions", strings.NewReader(`{"model":"m","max_tokens":100}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Bursar-Dimensions", "agentId=a")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	b, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, reply.Header, string(b)
}

// TestGateway: the gateway runs in the server's process, and beside it; both end gracefully and
// show no secret.
func TestGateway(t *testing.T) {
	provider := fakeProvider(t)
	file := gatewayFile(t, `{"upstreams":[{"name":"openai","kind":"openai","baseUrl":"`+provider.URL+`/v1","keyEnv":"PROVIDER_KEY"}],"customer":"acme"}`)
	env := rigEnv(t.TempDir(), "PROVIDER_KEY=sk-of-the-provider")
	p := start(t, env, "serve", "--gateway-listen", "127.0.0.1:0", "--gateway-config", file, "--metrics-listen", "127.0.0.1:0", "--log-level", "debug")
	p.furnishGateway()
	status, head, body := chat(t, p.addrs["gateway listening"], rigKey)
	if status != 200 || head.Get("Bursar-Remaining") != "102" || !strings.Contains(body, "completion_tokens") {
		t.Errorf("%d %v %s", status, head, body)
	}

	beside := start(t, append(env, "BURSAR_URL=http://"+p.addrs["listening"]), "gateway", "--listen", "127.0.0.1:0", "--config", file, "--unknown", "deny",
		"--metrics-listen", "127.0.0.1:0", "--log-level", "debug")
	at := beside.addrs["gateway listening"]
	if status, head, body := chat(t, at, rigKey); status != 200 || head.Get("Bursar-Remaining") != "97" {
		t.Errorf("%d %v %s", status, head, body)
	}
	if status, head, body := chat(t, at, rigKey); status != 402 || head.Get("X-Should-Retry") != "false" {
		t.Errorf("%d %v %s", status, head, body)
	}
	for address, want := range map[string]string{
		p.addrs["metrics listening"]:      `bursar_gateway_ends_total{how="commit",result="done"} 1`,
		beside.addrs["metrics listening"]: `bursar_gateway_calls_total{outcome="denied",upstream="openai"} 1`,
	} {
		if _, text := fetch(t, "http://"+address+"/metrics"); !strings.Contains(text, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	for _, address := range []string{at, p.addrs["gateway listening"]} {
		if status, _ := fetch(t, "http://"+address+"/readyz"); status != 200 {
			t.Errorf("not ready: %d", status)
		}
	}
	if status, _ := fetch(t, "http://"+at+"/v1/models"); status != 401 {
		t.Errorf("who has no key gets %d", status)
	}
	for _, x := range []*program{p, beside} {
		if x == beside {
			if status, _ := fetch(t, "http://"+at+"/readyz"); status != 503 {
				t.Errorf("ready without a server: %d", status)
			}
		}
		if code := x.stop(); code != 0 || strings.Contains(x.log(), rigKey) || strings.Contains(x.log(), "sk-of") {
			t.Errorf("exit code %d, log %s", code, x.log())
		}
	}
}

// TestGatewayStops: a stream that runs at SIGTERM comes to its end, and is recorded before the
// process ends.
func TestGatewayStops(t *testing.T) {
	more := make(chan struct{})
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: {\"choices\":[{}]}\n\n")
		w.(http.Flusher).Flush()
		<-more
		io.WriteString(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(provider.Close)
	env := rigEnv(t.TempDir())
	args := []string{"serve", "--gateway-listen", "127.0.0.1:0", "--gateway-config", gatewayFile(t, `{"upstreams":[{"name":"openai","kind":"openai","baseUrl":"`+provider.URL+`/v1"}],"customer":"acme"}`)}
	p := start(t, env, args...)
	p.furnishGateway()
	at := "http://" + p.addrs["gateway listening"]
	r, err := http.NewRequestWithContext(t.Context(), "POST", at+"/v1/chat/completions", strings.NewReader(`{"model":"m","max_tokens":100,"stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+rigKey)
	r.Header.Set("Bursar-Dimensions", "agentId=a")
	reply, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	p.cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, "no more calls are taken", func() bool {
		other, err := http.Get(at + "/readyz")
		if err == nil {
			other.Body.Close()
		}
		return err != nil || other.StatusCode == http.StatusServiceUnavailable
	})
	close(more)
	if b, err := io.ReadAll(reply.Body); err != nil || string(b) != "data: {\"choices\":[{}]}\n\ndata: [DONE]\n\n" {
		t.Errorf("%q %v", b, err)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.log())
	}
	p = start(t, env, args...)
	defer p.stop()
	if list := ask[[]struct{ Tokens struct{ Input, Output int } }](p, "GET", "/customers/acme/reservations?status=COMMITTED", ""); len(list) != 1 || list[0].Tokens.Output != 5 {
		t.Errorf("recorded are %+v", list)
	}
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	reply, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	b, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(b)
}

// TestGatewayConfig: what a configuration gets wrong is named, and no key is shown.
func TestGatewayConfig(t *testing.T) {
	for text, says := range map[string]string{
		`{}`: "there is none",
		`{"upstreams":[{"name":"v1","kind":"openai","baseUrl":"http://x"}]}`:                                       "upstreams[0]: name",
		`{"upstreams":[{"name":"x","kind":"other","baseUrl":"http://x"}]}`:                                         "kind",
		`{"upstreams":[{"name":"x","kind":"openai","baseUrl":"http://u:verysecret@x"}]}`:                           "baseUrl",
		`{"upstreams":[{"name":"x","kind":"openai","baseUrl":"http://x","keyEnv":"NO_SUCH"}]}`:                     "NO_SUCH is not set",
		`{"upstreams":[{"name":"x","kind":"openai","baseUrl":"http://x","keyFile":"/no/such"}]}`:                   "/no/such",
		`{"upstreams":[{"name":"x","kind":"openai","baseUrl":"http://x"}],"unknown":"maybe"}`:                      "neither deny nor allow",
		`{"upstreams":[{"name":"x","kind":"openai","baseUrl":"http://x"}],"allowPaths":["/"]}`:                     "allowPaths",
		`{"upstreams":[{"name":"x","kind":"openai","baseUrl":"http://x"}],"allowPaths":["/v1/../x"]}`:              "allowPaths",
		`{"upstreams":[{"name":"x","kind":"openai","baseUrl":"http://x"}],"onDisconect":"abort"}`:                  "onDisconect",
		`{"upstreams":[{"name":"x","kind":"openai","baseUrl":"http://x"}],"advice":{"windDown":90,"stop":80}}`:     "windDown",
		`{"upstreams":[{"name":"x","kind":"openai","baseUrl":"http://x"}],"bodyDimensions":{"messages":"userId"}}`: "metadata.NAME",
		`{"upstreams":[{"name":"x","kind":"openai","baseUrl":"http://x"}],"holdSeconds":-1}`:                       "holdSeconds",
	} {
		cmd := command(nil, "gateway", "--config", gatewayFile(t, text), "--listen", "127.0.0.1:0")
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(string(out), says) || strings.Contains(string(out), "verysecret") {
			t.Errorf("%s: exit code %d, %s", text, code, out)
		}
	}
}
