package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/gateway"
	"github.com/bursarhq/bursar/spendtoken"
)

// outputCap caps a token at n tokens of output.
func outputCap(n int64) []spendtoken.Cap {
	return []spendtoken.Cap{{Capability: bursar.Capability{Kind: bursar.KindFeature, ID: "output"}, Amount: bursar.AmountFromInt(n)}}
}

// spendWorld is a world with an agent's token, the token of one of its runs, and the headers of a
// call with that.
func spendWorld(t *testing.T, change ...func(*gateway.Config)) (w *world, agent client.SpendToken, run string, headers []string) {
	t.Helper()
	w = newWorld(t, append(change, func(c *gateway.Config) { c.Customer, c.BodyDimensions = "", nil })...)
	agent, err := w.CreateSpendToken(t.Context(), "acme", client.SpendTokenInput{Entities: map[string]string{"agentId": "a"}, Models: []string{"gpt-5"}, Caps: []client.SpendCap{{FeatureID: "output", Amount: bursar.AmountFromInt(1000)}}})
	if err != nil {
		t.Fatal(err)
	}
	if run, err = client.NarrowSpendToken(agent.Token, spendtoken.Block{Label: "run", Caps: outputCap(500)}); err != nil {
		t.Fatal(err)
	}
	return w, agent, run, []string{"Authorization", "Bearer " + run, "Bursar-Customer", "", "Bursar-Dimensions", "", "Idempotency-Key", "k"}
}

const spendAsk = `{"model":"gpt-5","max_tokens":50,"messages":[{"role":"user","content":"Hi"}]}`

// TestAttackGatewayHolds: while a call runs, its caller, who it was made from and who has a token
// pinned alike can neither end what it holds nor have made that before; and what the call used is
// recorded in full, by the model that answered, although its token was revoked meanwhile.
func TestAttackGatewayHolds(t *testing.T) {
	w, agent, run, headers := spendWorld(t)
	alike, err := w.CreateSpendToken(t.Context(), "acme", client.SpendTokenInput{Entities: map[string]string{"agentId": "a"}})
	if err != nil {
		t.Fatal(err)
	}
	holders := map[string]*client.Client{"the caller": w.WithKey(run), "whom it was made from": w.WithKey(agent.Token), "one pinned alike": w.WithKey(alike.Token)}
	ends := map[string]string{} // by who made it: what each is told of a hold of its own, made as the gateway would
	for who, c := range holders {
		got, err := c.ReserveEvent(t.Context(), "acme", client.EventReserve{
			EventSpend: client.EventSpend{EventName: "llm", Dimensions: map[string]any{"provider": "openai", "model": "gpt-5"}, IdempotencyKey: "k"},
			MaxTokens:  50, InputCharacters: 2, TTLSeconds: 1, OnExpire: bursar.ExpireRelease})
		if err != nil {
			t.Fatal(who, err)
		}
		ends[who] = got.ID
	}
	w.upstream.answer(func(rw http.ResponseWriter, r *http.Request) {
		open := w.holds(bursar.HoldOpen)
		for _, h := range open {
			for who, c := range holders {
				ids := []string{h.ID, h.ID + ends[who][min(len(h.ID), len(ends[who])):]}
				for _, id := range ids {
					if id == ends[who] {
						continue // its own
					}
					_, err1 := c.CommitEvent(t.Context(), "acme", id, client.CallUsed{Used: client.Used{Tokens: &client.Tokens{}}})
					_, err2 := c.Release(t.Context(), "acme", id)
					_, err3 := c.Extend(t.Context(), "acme", id, 1)
					_, err4 := c.ReportEvents(t.Context(), client.EventInput{CustomerID: "acme", EventName: "llm", IdempotencyKey: "x", ReservationID: id})
					_, err5 := c.ReportEvents(t.Context(), client.EventInput{CustomerID: "acme", EventName: "llm", IdempotencyKey: "k"})
					for i, err := range []error{err1, err2, err3, err4, err5} {
						if err == nil {
							t.Errorf("%s ended it: %d", who, i)
						}
					}
				}
			}
		}
		if len(open) < 2 {
			t.Errorf("%d holds are open", len(open))
		}
		if _, err := w.RevokeSpendToken(t.Context(), "acme", agent.ID); err != nil {
			t.Error(err)
		}
		says(200, `{"model":"gpt-5-dear","usage":{"prompt_tokens":10,"completion_tokens":70}}`)(rw, r)
	})
	if got := w.post("/v1/chat/completions", spendAsk, headers...); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	w.eventually("it is recorded", func() bool { return w.used() == [5]int64{10, 0, 0, 70, 0} })
	if n := w.count("ends_total", "refused") + w.count("ends_total", "lost"); n != 0 {
		t.Errorf("%v ends were lost", n)
	}
	if got := w.post("/v1/chat/completions", spendAsk, headers...); got.status != 401 {
		t.Errorf("revoked: %d %s", got.status, got.body)
	}
}

// TestSpendCallReported: a call of which somebody with the operator's key has ended the hold is
// recorded as an event of whom the token said, although the token is over.
func TestSpendCallReported(t *testing.T) {
	w, agent, _, headers := spendWorld(t)
	w.upstream.answer(func(rw http.ResponseWriter, r *http.Request) {
		for _, h := range w.holds(bursar.HoldOpen) {
			if _, err := w.Release(t.Context(), "acme", h.ID); err != nil {
				t.Error(err)
			}
		}
		if _, err := w.RevokeSpendToken(t.Context(), "acme", agent.ID); err != nil {
			t.Error(err)
		}
		says(200, `{"model":"gpt-5","usage":{"prompt_tokens":10,"completion_tokens":70}}`)(rw, r)
	})
	if got := w.post("/v1/chat/completions", spendAsk, headers...); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	w.eventually("it is recorded of the agent", func() bool { return w.used() == [5]int64{10, 0, 0, 70, 0} })
}

// TestSpendTokensNeedTheServer: nothing is called with a spend token while the server cannot be
// asked, nor by a gateway that has no key of its own.
func TestSpendTokensNeedTheServer(t *testing.T) {
	w, _, _, headers := spendWorld(t, func(c *gateway.Config) { c.Unavailable = "allow" })
	w.upstream.answer(says(200, `{"model":"gpt-5","usage":{"prompt_tokens":1,"completion_tokens":1}}`))
	headers = headers[:6]
	if got := w.post("/v1/chat/completions", spendAsk, headers...); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	w.away.Store(true)
	if got := w.post("/v1/chat/completions", spendAsk, headers...); got.status != 503 {
		t.Errorf("the server is away: %d %s", got.status, got.body)
	}
	w.away.Store(false)
	w.stop()
	w.start(client.New(w.server.URL, ""), nil)
	if got := w.post("/v1/chat/completions", spendAsk, headers...); got.status != 403 {
		t.Errorf("a gateway without a key: %d %s", got.status, got.body)
	}
	if got := w.post("/v1/chat/completions", spendAsk, "Bursar-Customer", "acme"); got.status != 200 {
		t.Errorf("a key at a gateway without one: %d %s", got.status, got.body)
	}
	if n := len(w.upstream.requests()); n != 2 {
		t.Errorf("%d calls reached the provider", n)
	}
}

// TestSpendRetries: two tokens pinned alike that send one idempotency key are two callers: none
// gets the other's reply, and each call is recorded.
func TestSpendRetries(t *testing.T) {
	w, agent, run, headers := spendWorld(t)
	w.upstream.answer(says(200, `{"model":"gpt-5","usage":{"prompt_tokens":1,"completion_tokens":5}}`))
	other, err := client.NarrowSpendToken(agent.Token, spendtoken.Block{Label: "run", Caps: outputCap(500)})
	if err != nil {
		t.Fatal(err)
	}
	for i, token := range []string{run, other, run} {
		headers[1] = "Bearer " + token
		got := w.post("/v1/chat/completions", spendAsk, headers...)
		if got.status != 200 || (got.header.Get("Bursar-Replayed") == "true") != (i == 2) {
			t.Errorf("%d: %d %v", i, got.status, got.header)
		}
	}
	w.eventually("both are recorded", func() bool { return w.used() == [5]int64{2, 0, 0, 10, 0} })
}

// TestAttackTwoGateways: a caller frees nothing of its running call by sending it to another
// gateway, where the provider refuses it; and the same call that is answered by both is counted twice.
func TestAttackTwoGateways(t *testing.T) {
	w, _, _, headers := spendWorld(t)
	other := httptest.NewServer(gateway.New(&w.config, gateway.Options{Server: client.New(w.server.URL, ""), Own: client.New(w.server.URL, adminKey)}))
	defer other.Close()
	elsewhere := func(ask string) outcome {
		r := w.request("/v1/chat/completions", ask, headers...)
		at, err := url.Parse(other.URL + "/v1/chat/completions")
		if err != nil {
			t.Fatal(err)
		}
		r.URL, r.Host = at, at.Host
		return w.do(r)
	}
	const ask = `{"model":"gpt-5","max_tokens":400,"temperature":1,"messages":[{"role":"user","content":"Hi"}]}`
	first, second := true, true
	w.upstream.answer(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case first:
			first = false
			held := len(w.holds(bursar.HoldOpen))
			if got := elsewhere(strings.Replace(ask, `"temperature":1`, `"temperature":9`, 1)); got.status != http.StatusPaymentRequired {
				t.Errorf("room for two of 400 within 500: %d %s", got.status, got.body)
			}
			if n := len(w.holds(bursar.HoldOpen)); held != 1 || n != 1 {
				t.Errorf("%d were held, then %d", held, n)
			}
			says(200, `{"model":"gpt-5","usage":{"prompt_tokens":1,"completion_tokens":100}}`)(rw, r)
		case second:
			second = false
			if got := elsewhere(strings.Replace(ask, `400`, `150`, 1)); got.status != 200 {
				t.Errorf("the same call at the other gateway: %d %s", got.status, got.body)
			}
			says(200, `{"model":"gpt-5","usage":{"prompt_tokens":1,"completion_tokens":100}}`)(rw, r)
		default:
			says(200, `{"model":"gpt-5","usage":{"prompt_tokens":1,"completion_tokens":100}}`)(rw, r)
		}
	})
	if got := w.post("/v1/chat/completions", ask, headers...); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	headers[len(headers)-1] = "another"
	if got := w.post("/v1/chat/completions", strings.Replace(ask, `400`, `150`, 1), headers...); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	w.eventually("three calls are recorded", func() bool { return w.used() == [5]int64{3, 0, 0, 300, 0} })
}
