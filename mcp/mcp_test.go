package mcp_test

import (
	"context"
	"encoding/json"
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

// TestRaise: an agent that is stopped asks for more, a person gives some of it, and the agent is
// told and goes on. What cannot be asked for is said.
func TestRaise(t *testing.T) {
	api, token := newServer(t)
	s, err := mcp.Server(api.WithKey(""), token, "test")
	if err != nil {
		t.Fatal(err)
	}
	here, there := sdk.NewInMemoryTransports()
	go s.Run(t.Context(), there)
	agent, err := sdk.NewClient(&sdk.Implementation{Name: "agent", Version: "1"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	call := func(tool string, args map[string]any) (string, bool) {
		got, err := agent.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: args})
		if err != nil {
			t.Fatal(tool, err)
		}
		return got.Content[0].(*sdk.TextContent).Text, got.IsError
	}
	for _, wrong := range []struct {
		args map[string]any
		want string
	}{
		{map[string]any{"featureId": "calls", "amount": 10, "reason": "r"}, "10 of it would be granted now"},
		{map[string]any{"featureId": "calls", "amount": 0, "reason": "r"}, "above 0"},
		{map[string]any{"featureId": "calls", "amount": 11, "reason": "r", "until": "soon"}, "until: "},
		{map[string]any{"featureId": "calls", "amount": 11, "reason": "r", "limitId": "0198c6a2-0000-7000-8000-000000000000"}, "AssignmentNotFound"},
		{map[string]any{"featureId": "none", "amount": 11, "reason": "r"}, "FeatureNotFound"},
	} {
		if text, failed := call("request_raise", wrong.args); !failed || !strings.Contains(text, wrong.want) {
			t.Errorf("%v: %s", wrong.args, text)
		}
	}
	if text, failed := call("my_requests", nil); failed || !strings.Contains(text, `"requests": []`) {
		t.Error(text)
	}
	text, failed := call("request_raise", map[string]any{"featureId": "calls", "amount": 11, "reason": "two files are left"})
	var made struct {
		RequestID string `json:"requestId"`
	}
	if err := json.Unmarshal([]byte(text), &made); failed || err != nil {
		t.Fatal(text, err)
	}
	one := bursar.AmountFromInt(1)
	if _, err := api.ApproveBoostRequest(t.Context(), "acme", made.RequestID, client.BoostApproval{Amount: &one, Note: "one file"}); err != nil {
		t.Fatal(err)
	}
	if text, failed := call("my_requests", nil); failed || !strings.Contains(text, `"status": "APPROVED"`) || !strings.Contains(text, `"given": 1`) || !strings.Contains(text, `"note": "one file"`) {
		t.Error(text)
	}
	if text, _ := call("estimate", map[string]any{"featureId": "calls", "amount": 11}); !strings.Contains(text, `"granted": true`) {
		t.Error(text)
	}
}

// TestRaiseOfAModel: an agent that the limit of a model stops asks for more of that one, and names
// no limit of something else than it says.
func TestRaiseOfAModel(t *testing.T) {
	api, token := newServer(t)
	ctx, none := t.Context(), bursar.AmountFromInt(0)
	for _, do := range []func() error{
		func() error {
			_, err := api.PutEntityTypes(ctx, client.EntityTypeInput{ID: "model", DisplayName: "Model", AttributionKeys: []string{"model"}})
			return err
		},
		func() error {
			_, err := api.PutEntities(ctx, "acme", client.EntityInput{ID: "big", EntityTypeID: "model"})
			return err
		},
		func() error {
			_, err := api.CreateFeature(ctx, client.FeatureInput{ID: "pages", DisplayName: "Pages"})
			return err
		},
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	put, err := api.PutAssignments(ctx, "acme", client.AssignmentInput{EntityID: "big", FeatureID: "calls", UsageLimit: client.Some(none), Cadence: "P1M"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := mcp.Server(api.WithKey(""), token, "test")
	if err != nil {
		t.Fatal(err)
	}
	here, there := sdk.NewInMemoryTransports()
	go s.Run(ctx, there)
	agent, err := sdk.NewClient(&sdk.Implementation{Name: "agent", Version: "1"}, nil).Connect(ctx, here, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	for _, ask := range []struct {
		args map[string]any
		want string
	}{
		{map[string]any{"featureId": "calls", "amount": 1, "reason": "r", "model": "big"}, `"limit": "big"`},
		{map[string]any{"featureId": "calls", "amount": 1, "reason": "r", "model": "big", "limitId": put[0].ID}, `"limit": "big"`},
		{map[string]any{"featureId": "pages", "amount": 1, "reason": "r", "model": "big", "limitId": put[0].ID}, "/featureId: the limit " + put[0].ID + " is of"},
	} {
		got, err := agent.CallTool(ctx, &sdk.CallToolParams{Name: "request_raise", Arguments: ask.args})
		if err != nil {
			t.Fatal(err)
		}
		if text := got.Content[0].(*sdk.TextContent).Text; !strings.Contains(text, ask.want) {
			t.Errorf("%v: %s, not %s", ask.args, text, ask.want)
		}
	}
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
		if err != nil || len(tools.Tools) != 6 {
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
			{"request_raise", map[string]any{"featureId": "calls", "amount": 11, "reason": "two files are left", "until": "2099-01-01T00:00:00Z"}, []string{`"requestId"`, `"status": "OPEN"`, `"amount": 11`, `"until": "2099-01-01T00:00:00.000Z"`}},
			{"my_requests", nil, []string{`"status": "OPEN"`, `"reason": "two files are left"`}},
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
	both, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	both.Header.Set("Authorization", "Bearer "+token)
	both.Header.Set("X-Api-Key", adminKey)
	got, err := http.DefaultClient.Do(both)
	if err != nil {
		t.Fatal(err)
	}
	if got.Body.Close(); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token and another key: %s", got.Status)
	}
}
