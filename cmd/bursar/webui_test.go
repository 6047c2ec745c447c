package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func (p *program) get(path string, headers ...string) *http.Response {
	p.t.Helper()
	p.mu.Lock()
	addr := p.addrs["listening"]
	p.mu.Unlock()
	req, err := http.NewRequest("GET", "http://"+addr+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// TestWebUI: the real program serves the pages beside the API, to whom its flags say.
func TestWebUI(t *testing.T) {
	p := start(t, rigEnv(t.TempDir(), "BURSAR_EMBED_ORIGINS=https://app.example.com,https://*.example.org"))
	defer p.stop()
	for path, frames := range map[string]string{"/": "'none'", "/console/customers": "'none'", "/embed": "https://app.example.com https://*.example.org"} {
		resp := p.get(path)
		if csp := resp.Header.Get("Content-Security-Policy"); resp.StatusCode != 200 || !strings.HasSuffix(csp, "frame-ancestors "+frames) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, csp)
		}
	}
	if resp := p.get("/embed.js"); resp.StatusCode != 200 || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("/embed.js: %d %v", resp.StatusCode, resp.Header)
	}
	if resp := p.get("/nothing"); resp.StatusCode != 404 || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("/nothing: %d %v", resp.StatusCode, resp.Header)
	}

	without := start(t, rigEnv(t.TempDir()), "--no-console")
	defer without.stop()
	if resp := without.get("/"); resp.StatusCode != 404 {
		t.Errorf("there is a console: %d", resp.StatusCode)
	}
	if resp := without.get("/embed"); !strings.HasSuffix(resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("/embed: %v", resp.Header)
	}
}

// TestStreamAndTokens: a token is good after a restart, a revoked one is not, and streams
// do not keep the program from stopping.
func TestStreamAndTokens(t *testing.T) {
	env := rigEnv(t.TempDir())
	p := start(t, env)
	p.must("POST", "/api/v1/customers", rigKey, `{"id":"acme"}`)
	p.must("PUT", "/api/v1/entity-types", rigKey, `{"types":[{"id":"user","displayName":"User","attributionKeys":["userId"]}]}`)
	p.must("PUT", "/api/v1/customers/acme/entities", rigKey, `{"entities":[{"id":"ann","entityTypeId":"user"}]}`)
	type token struct{ ID, Token string }
	var tokens [2]token
	for i := range tokens {
		tokens[i] = ask[token](p, "POST", "/customers/acme/access-tokens", `{"permissions":["manage"],"rootEntityId":"ann"}`)
	}
	p.must("DELETE", "/api/v1/customers/acme/access-tokens/"+tokens[1].ID, rigKey, "")
	stream := p.get("/api/v1/customers/acme/governance/stream?access_token=" + tokens[0].Token)
	lines := bufio.NewScanner(stream.Body)
	p.must("PATCH", "/api/v1/customers/acme/entities/ann", rigKey, `{"displayName":"Ann"}`)
	var entity struct{ DisplayName string }
	for entity.DisplayName == "" && lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			json.Unmarshal([]byte(data), &entity)
		}
	}
	if entity.DisplayName != "Ann" {
		t.Errorf("the stream told %+v, %v", entity, lines.Err())
	}
	began := time.Now()
	if code := p.stop(); code != 0 || time.Since(began) > patience {
		t.Errorf("it stopped with %d after %v: %s", code, time.Since(began), p.log())
	}
	for lines.Scan() {
	}
	if lines.Err() != nil {
		t.Errorf("the stream was cut off: %v", lines.Err())
	}
	if strings.Contains(p.log(), tokens[0].Token) || strings.Contains(p.log(), "access_token=") {
		t.Error("a token is in the log")
	}

	p = start(t, env)
	defer p.stop()
	for i, want := range []int{200, 401} {
		if resp := p.get("/api/v1/customers/acme/entities/ann", "Authorization", "Bearer "+tokens[i].Token); resp.StatusCode != want {
			t.Errorf("token %d: %d", i, resp.StatusCode)
		}
	}
}
