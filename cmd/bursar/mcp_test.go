package main

import (
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// bearing shows a token with each request.
type bearing string

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// TestMCP: an agent that starts `bursar mcp`, and one that calls /mcp, learn of their budget.
func TestMCP(t *testing.T) {
	p := start(t, rigEnv(t.TempDir()))
	defer p.stop()
	p.must("POST", "/api/v1/features", rigKey, `{"id":"calls","displayName":"Calls","featureType":"NUMBER"}`)
	p.must("POST", "/api/v1/customers", rigKey, `{"id":"acme"}`)
	made := p.must("POST", "/api/v1/customers/acme/spend-tokens", rigKey, `{"label":"run 3","caps":[{"featureId":"calls","amount":7}]}`)
	token := regexp.MustCompile(`bst_[\w-]+`).FindString(made)
	p.mu.Lock()
	url := "http://" + p.addrs["listening"]
	p.mu.Unlock()
	for name, transport := range map[string]sdk.Transport{
		"pipes": &sdk.CommandTransport{Command: command([]string{"BURSAR_URL=" + url, "BURSAR_SPEND_TOKEN=" + token}, "mcp")},
		"http":  &sdk.StreamableClientTransport{Endpoint: url + "/mcp", HTTPClient: &http.Client{Transport: bearing(token)}, MaxRetries: -1},
	} {
		c, err := sdk.NewClient(&sdk.Implementation{Name: "agent", Version: "1"}, nil).Connect(t.Context(), transport, nil)
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := c.CallTool(t.Context(), &sdk.CallToolParams{Name: "my_budget"})
		if err != nil || got.IsError || !strings.Contains(got.Content[0].(*sdk.TextContent).Text, `"left": 7`) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		if err := c.Close(); err != nil {
			t.Error(name, err)
		}
	}
	if resp := p.get("/mcp"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", resp.StatusCode)
	}
	if strings.Contains(p.log(), token) {
		t.Error("the token is in the log")
	}
}

// TestMCPGuesses: wrong tokens that are shown to /mcp are counted by the address that they came
// from, as wrong keys are: they shut nobody else out, and who makes them is shut out.
func TestMCPGuesses(t *testing.T) {
	p := start(t, rigEnv(t.TempDir()))
	defer p.stop()
	p.must("POST", "/api/v1/customers", rigKey, `{"id":"acme"}`)
	token := regexp.MustCompile(`bst_[\w-]+`).FindString(p.must("POST", "/api/v1/customers/acme/spend-tokens", rigKey, `{}`))
	wrong := token[:len(token)-3] + strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return 'A'
	}, token[len(token)-3:len(token)-2]) + token[len(token)-2:]
	p.mu.Lock()
	url := "http://" + p.addrs["listening"]
	p.mu.Unlock()
	ask := func(from, path, token string) int {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		reply, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		return reply.StatusCode
	}
	for i := range 25 {
		if got := ask("127.0.0.2", "/mcp", wrong); got != http.StatusUnauthorized && got != http.StatusTooManyRequests {
			t.Fatalf("guess %d: %d", i, got)
		}
	}
	if got := ask("127.0.0.2", "/api/v1/customers", "bsk_wrong_wrong"); got != http.StatusTooManyRequests {
		t.Errorf("who guessed: %d", got)
	}
	if got := ask("127.0.0.1", "/api/v1/customers", "bsk_wrong_wrong"); got != http.StatusUnauthorized {
		t.Errorf("somebody else: %d", got)
	}
}
