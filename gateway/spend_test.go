package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/gateway"
	"github.com/bursarhq/bursar/spendtoken"
)

// TestSpendTokenCalls: a spend token in place of a key says whose a call is, whatever the
// request says, up to its cap and no further; and it is for nothing that is not governed.
func TestSpendTokenCalls(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) {
		c.Customer, c.BodyDimensions, c.Unknown = "nobody", map[string]string{"user": "agentId"}, "allow"
	})
	made, err := w.CreateSpendToken(t.Context(), "acme", client.SpendTokenInput{Entities: map[string]string{"agentId": "a"}, Models: []string{"gpt-5"}})
	if err != nil {
		t.Fatal(err)
	}
	run, err := client.NarrowSpendToken(made.Token, spendtoken.Block{Label: "run", Caps: []spendtoken.Cap{{Capability: bursar.Capability{Kind: bursar.KindFeature, ID: "output"}, Amount: bursar.AmountFromInt(60)}}})
	if err != nil {
		t.Fatal(err)
	}
	w.upstream.answer(says(200, `{"model":"gpt-5-2025-08-07","usage":{"prompt_tokens":10,"completion_tokens":50}}`))
	const ask = `{"model":"gpt-5","max_tokens":50,"user":"somebody else","messages":[{"role":"user","content":"Hi"}]}`
	bearer := []string{"Authorization", "Bearer " + run, "Bursar-Customer", "", "Bursar-Dimensions", ""}
	if got := w.post("/v1/chat/completions", ask, bearer...); got.status != 200 || got.header.Get("Bursar-Limit") == "" {
		t.Fatalf("%d %s %v", got.status, got.body, got.header)
	}
	if used := w.used(); used != [5]int64{10, 0, 0, 50, 0} {
		t.Errorf("agent a used %v", used)
	}
	for i, again := range []string{"", "one"} { // and a kept reply is not given again once the token is dead
		headers := append([]string{"Idempotency-Key", again}, bearer...)
		if got := w.post("/v1/chat/completions", ask, headers...); got.status != http.StatusPaymentRequired || !strings.Contains(got.body, "insufficient_quota") {
			t.Errorf("%d: above the cap: %d %s", i, got.status, got.body)
		}
	}
	sent := len(w.upstream.requests())
	for _, c := range []struct {
		path, body string
		headers    []string
		status     int
	}{
		{"/v1/chat/completions", ask, []string{"Bursar-Customer", "rival"}, 403},
		{"/v1/chat/completions", ask, []string{"Bursar-Dimensions", "agentId=a"}, 403},
		{"/v1/chat/completions", strings.Replace(ask, "gpt-5", "dear", 1), nil, 403},
		{"/v1/files", ask, nil, 403},
		{"/v1/chat/completions", ask, []string{"Authorization", "Bearer " + made.Token[:len(made.Token)-2] + "AA"}, 401},
		{"/v1/chat/completions", ask, []string{"Authorization", "Bearer bst_none"}, 401},
	} {
		headers := append([]string{"Authorization", "Bearer " + made.Token, "Bursar-Customer", "", "Bursar-Dimensions", ""}, c.headers...)
		if got := w.post(c.path, c.body, headers...); got.status != c.status {
			t.Errorf("%s %v: %d %s", c.path, c.headers, got.status, got.body)
		}
	}
	kept := []string{"Authorization", "Bearer " + made.Token, "Bursar-Customer", "", "Bursar-Dimensions", "", "Idempotency-Key", "kept"}
	if got := w.post("/v1/chat/completions", ask, kept...); got.status != 200 {
		t.Fatalf("without a cap: %d %s", got.status, got.body)
	}
	if got := w.post("/v1/chat/completions", ask, kept...); got.status != 200 || got.header.Get("Bursar-Replayed") != "true" {
		t.Errorf("sent again: %d %v", got.status, got.header)
	}
	if _, err := w.RevokeSpendToken(t.Context(), "acme", made.ID); err != nil {
		t.Fatal(err)
	}
	for _, headers := range [][]string{kept, kept[:6], bearer} {
		if got := w.post("/v1/chat/completions", ask, headers...); got.status != 401 {
			t.Errorf("revoked: %d %s", got.status, got.body)
		}
	}
	if n := len(w.upstream.requests()); n != sent+1 {
		t.Errorf("%d calls reached the provider besides", n-sent-1)
	}
	if log := w.log.String(); strings.Contains(log, spendtoken.Prefix) {
		t.Errorf("a token is in the log: %s", log)
	}
}
