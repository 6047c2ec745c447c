package mcp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/httpapi"
	"github.com/bursarhq/bursar/mcp"
	"github.com/bursarhq/bursar/spendtoken"
	"github.com/bursarhq/bursar/store/mem"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const adminKey = "a-key-for-the-tests-of-mcp"

// newServer is a real server with an agent a that may make 100 calls, and a token of a's for 10.
func newServer(t *testing.T) (api *client.Client, token string) {
	t.Helper()
	e, err := engine.Open(t.Context(), mem.New(), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(httpapi.New(e, httpapi.Options{AdminKey: adminKey}))
	t.Cleanup(func() {
		server.Close()
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	api = client.New(server.URL, adminKey)
	ctx := t.Context()
	ten := bursar.AmountFromInt(10)
	for _, do := range []func() error{
		func() error {
			_, err := api.PutEntityTypes(ctx, client.EntityTypeInput{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agentId"}})
			return err
		},
		func() error {
			_, err := api.CreateFeature(ctx, client.FeatureInput{ID: "calls", DisplayName: "Calls"})
			return err
		},
		func() error { _, err := api.CreateCustomer(ctx, client.CustomerInput{ID: "acme"}); return err },
		func() error {
			_, err := api.PutEntities(ctx, "acme", client.EntityInput{ID: "a", EntityTypeID: "agent"})
			return err
		},
		func() error {
			_, err := api.PutAssignments(ctx, "acme", client.AssignmentInput{EntityID: "a", FeatureID: "calls", UsageLimit: client.Some(bursar.AmountFromInt(100)), Cadence: "P1M"})
			return err
		},
		func() error {
			made, err := api.CreateSpendToken(ctx, "acme", client.SpendTokenInput{Label: "run 3", Entities: map[string]string{"agentId": "a"}, Caps: []client.SpendCap{{FeatureID: "calls", Amount: ten}}})
			token = made.Token
			return err
		},
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	return api, token
}

// shown shows a token with each request.
type shown struct{ token string }

func (s shown) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+s.token)
	return http.DefaultTransport.RoundTrip(r)
}

// TestTools: an agent learns of its budget by each of the tools, over streamable HTTP as over
// pipes, and nobody without a token learns anything.
func TestTools(t *testing.T) {
	api, token := newServer(t)
	front := httptest.NewServer(mcp.Handler(api.WithKey(""), "test"))
	defer front.Close()
	overHTTP := func(token string) sdk.Transport {
		return &sdk.StreamableClientTransport{Endpoint: front.URL, HTTPClient: &http.Client{Transport: shown{token}}, MaxRetries: -1}
	}
	pipe := func() sdk.Transport {
		s, err := mcp.Server(api.WithKey(""), token, "test")
		if err != nil {
			t.Fatal(err)
		}
		here, there := sdk.NewInMemoryTransports()
		go s.Run(t.Context(), there)
		return here
	}
	for name, transport := range map[string]sdk.Transport{"http": overHTTP(token), "pipe": pipe()} {
		c, err := sdk.NewClient(&sdk.Implementation{Name: "agent", Version: "1"}, nil).Connect(t.Context(), transport, nil)
		if err != nil {
			t.Fatal(name, err)
		}
		tools, err := c.ListTools(t.Context(), nil)
		if err != nil || len(tools.Tools) != 4 {
			t.Errorf("%s: %+v %v", name, tools, err)
		}
		for _, ask := range []struct {
			tool string
			args map[string]any
			want []string
		}{
			{"my_budget", nil, []string{`"spendsAs"`, `"agentId": "a"`, `"limit": "run 3"`, `"left": 10`, `"left": 100`}},
			{"list_limits", nil, []string{`"usageLimit": 10`, `"usageLimit": 100`}},
			{"estimate", map[string]any{"featureId": "calls", "amount": 3}, []string{`"granted": true`}},
			{"estimate", map[string]any{"featureId": "calls", "amount": 11}, []string{`"granted": false`, `RequestedUsageExceedingLimit`}},
			{"why_denied", map[string]any{"featureId": "calls", "amount": 11}, []string{`"wouldNeed": 1`, `spend-token`}},
			{"why_denied", map[string]any{"featureId": "none"}, []string{`FeatureNotFound`}},
		} {
			got, err := c.CallTool(t.Context(), &sdk.CallToolParams{Name: ask.tool, Arguments: ask.args})
			if err != nil {
				t.Fatal(name, ask.tool, err)
			}
			text := got.Content[0].(*sdk.TextContent).Text
			for _, want := range ask.want {
				if got.IsError || !strings.Contains(text, want) {
					t.Errorf("%s: %s %v: no %s in %s", name, ask.tool, ask.args, want, text)
				}
			}
			if strings.Contains(text, spendtoken.Prefix) {
				t.Errorf("%s tells the token: %s", ask.tool, text)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(name, err)
		}
	}
	for _, wrong := range []string{"", adminKey, token[:len(token)-1]} {
		if c, err := sdk.NewClient(&sdk.Implementation{Name: "agent", Version: "1"}, nil).Connect(t.Context(), overHTTP(wrong), nil); err == nil {
			t.Errorf("%q is taken", wrong)
			c.Close()
		}
	}
}
