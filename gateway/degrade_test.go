package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/gateway"
)

// degradeFromStart has a limit of agent a, of which some is used, and a step that is reached with it.
func (w *world) degradeFromStart(s client.DegradeStep) {
	w.t.Helper()
	w.limit(10_000)
	s.AtPercent = 1
	if _, err := w.PutDegradePolicies(w.t.Context(), "acme", client.DegradePolicyInput{EntityID: "a", FeatureID: "output", Steps: []client.DegradeStep{s}}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.ReportEvents(w.t.Context(), client.EventInput{CustomerID: "acme", EventName: "llm", IdempotencyKey: "before",
		Dimensions: map[string]any{"agentId": "a"}, Usage: []byte(`{"output_tokens":3000}`)}); err != nil {
		w.t.Fatal(err)
	}
}

// TestDegradedBodies: what is sent in the place of a body.
func TestDegradedBodies(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Degrade = true })
	w.degradeFromStart(client.DegradeStep{Model: "small", MaxTokens: 2000, Tools: new(false)})
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`))
	const tooMuch = `"max_tokens":5000,"thinking":{"budget_tokens":4000,"type":`
	for _, c := range []struct{ path, body, sent, header string }{
		{"chat/completions", `{"model":"big","\ud800":0,"tools":[1],"max_tokens":9}`, `{"model":"small","\ud800":0,"max_tokens":9}`, "model=small,tools=off"},
		{"chat/completions", "{\"\xff\":0,\"model\":\"big\",\"max_tokens\":9}", "{\"\xff\":0,\"model\":\"small\",\"max_tokens\":9}", "model=small"},
		{"chat/completions", `{"model":"small",` + tooMuch + `"disabled"}}`, `{"model":"small","max_tokens":2000,"thinking":{"budget_tokens":4000,"type":"disabled"}}`, "maxTokens=2000"},
		{"chat/completions", `{"web_search_options":{}, "tool_choice":"auto", "model":"small","max_tokens":9,"functions":[] }`, `{"model":"small","max_tokens":9 }`, "tools=off"},
		{"messages", `{"model":"small",` + tooMuch + `"enabl\u0065d"}}`, `{"model":"small","max_tokens":2000,"thinking":{"budget_tokens":1999,"type":"enabl\u0065d"}}`, "maxTokens=2000"},
		{"messages", `{"model":"small",` + tooMuch + `"disabled"}}`, `{"model":"small","max_tokens":2000,"thinking":{"budget_tokens":4000,"type":"disabled"}}`, "maxTokens=2000"},
		{"messages", `{"model":"small","max_tokens":9,"mcp_servers":[{}],"messages":[]}`, `{"model":"small","max_tokens":9,"messages":[]}`, "tools=off"},
		{"responses", `{"model":"small","max_tokens":5}`, `{"model":"small","max_tokens":5,"max_output_tokens":2000}`, "maxTokens=2000"},
		{"embeddings", `{"model":"big","max_tokens":5000,"tools":[]}`, `{"model":"big","max_tokens":5000,"tools":[]}`, ""},
	} {
		got := w.post("/v1/"+c.path, c.body)
		sent := w.upstream.requests()
		if got.status != 200 || got.header.Get("Bursar-Degraded") != c.header || string(sent[len(sent)-1].body) != c.sent {
			t.Errorf("%s %s: %d %s %q, sent %s", c.path, c.body, got.status, got.body, got.header.Get("Bursar-Degraded"), sent[len(sent)-1].body)
		}
	}
}

// TestThinkingOff: where fewer tokens are let than a budget of thinking has at least, there is none.
// A long idempotency key keeps no call from being degraded.
func TestThinkingOff(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Degrade = true })
	w.degradeFromStart(client.DegradeStep{MaxTokens: 1024})
	w.upstream.answer(says(200, `{"usage":{"input_tokens":1,"output_tokens":1}}`))
	w.post("/v1/messages", `{"model":"c","max_tokens":5000,"thinking":{"type":"enabled","budget_tokens":4000}}`)
	w.post("/v1/messages", `{"model":"c","max_tokens":5000}`, "Idempotency-Key", strings.Repeat("k", 250))
	if sent := w.upstream.requests(); len(sent) != 2 || string(sent[1].body) != `{"model":"c","max_tokens":1024}` || string(sent[0].body) != `{"model":"c","max_tokens":1024,"thinking":{"type":"disabled"}}` {
		t.Errorf("sent %s", sent)
	}
}

// TestDegradeDeniesNothing: a call that may not be made as the policy says is made as it was.
func TestDegradeDeniesNothing(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Degrade, c.Customer = true, "nobody" })
	w.degradeFromStart(client.DegradeStep{Model: "other"})
	made, err := w.CreateSpendToken(t.Context(), "acme", client.SpendTokenInput{Entities: map[string]string{"agentId": "a"}, Models: []string{"gpt-5"}})
	if err != nil {
		t.Fatal(err)
	}
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`))
	for range 2 {
		got := w.post("/v1/chat/completions", `{"model":"gpt-5","max_tokens":9}`, "Authorization", "Bearer "+made.Token, "Bursar-Customer", "", "Bursar-Dimensions", "")
		if got.status != 200 || got.header.Get("Bursar-Degraded") != "" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if sent := w.upstream.requests(); len(sent) != 2 || !strings.Contains(string(sent[1].body), "gpt-5") {
		t.Errorf("sent %s", sent)
	}
	w.eventually("nothing is held", func() bool { return len(w.holds(bursar.HoldOpen)) == 0 })
}

// TestFrozenIsNotDegraded: no other call may pass, so the denial is asked for once.
func TestFrozenIsNotDegraded(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Degrade = true })
	w.degradeFromStart(client.DegradeStep{MaxTokens: 5})
	if _, err := w.FreezeEntity(t.Context(), "acme", "a", "x"); err != nil {
		t.Fatal(err)
	}
	before := w.asked.Load()
	if got := w.post("/v1/chat/completions", chat); got.status != http.StatusPaymentRequired || w.asked.Load() != before+1 {
		t.Errorf("asked %d times: %+v", w.asked.Load()-before, got)
	}
}

// TestManyMembers: memory for a changed body is accounted for, and members that stay take none.
func TestManyMembers(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Degrade, c.MaxMemoryBytes = true, 3<<20 })
	w.degradeFromStart(client.DegradeStep{MaxTokens: 5})
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`))
	var many strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&many, `,"%d":0`, i)
	}
	ask := `{"model":"m","max_tokens":9` + many.String() + `}`
	if got := w.post("/v1/chat/completions", ask); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "GatewayBusy") {
		t.Errorf("a body and its copy do not fit: %d %s", got.status, got.body)
	}
	w.eventually("nothing is held", func() bool { return len(w.holds(bursar.HoldOpen)) == 0 })
	if got := w.post("/v1/chat/completions", chat); got.status != 200 || got.header.Get("Bursar-Degraded") == "" {
		t.Errorf("the next one: %+v", got)
	}
}
