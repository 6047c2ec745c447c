package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/spendtoken"
)

// quickly is as without a connection.
func (w *spendWorld) quickly(t *spendtoken.Token, method, path, body string) int {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+t.String())
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	return rec.Code
}

// narrowedOfRival is a narrower token, with a cap, of the other customer.
func (w *spendWorld) narrowedOfRival() *spendtoken.Token {
	w.t.Helper()
	text := jsonAt(w.t.(*testing.T), w.admin("POST", "/api/v1/customers/rival/spend-tokens", `{"entities":{"agentId":"a1"}}`), "data", "token")
	parent, err := spendtoken.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.narrow(w.narrow(parent, spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 9)}}), spendtoken.Block{Label: "run"})
}

// TestAttackBranches: whoever makes narrower tokens without end stops none of another customer
// from beginning, and has a node keep little of them.
func TestAttackBranches(t *testing.T) {
	w := newSpendWorld(t)
	parent := w.make(`{"entities":{"agentId":"a1"}}`)
	var heavy []spendtoken.Cap // so that what it takes of an allowance is not soon there again
	for i := range 32 {
		heavy = append(heavy, capOn(fmt.Sprint("f", i), 1))
	}
	last := 0
	for i := range 2*bursar.MaxSpendTokens + 1 {
		last = w.quickly(w.narrow(parent, spendtoken.Block{Label: fmt.Sprint(i), Caps: heavy}), "GET", "/api/v1/spend-token", "")
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the last one: %d", last)
	}
	if status, reply := w.as(w.narrowedOfRival(), "GET", "/api/v1/spend-token", ""); status != 200 {
		t.Errorf("another customer's: %d %s", status, reply)
	}
}

// TestAttackFullList: where a node keeps as many branches as it will, others are let through.
func TestAttackFullList(t *testing.T) {
	w := newSpendWorld(t)
	turns := newTurns(400, 0.001)
	for i := range maxTurns {
		if turns.take([]string{fmt.Sprint("root", i), fmt.Sprint("branch", i)}, time.Now(), 1) > 0 {
			t.Fatal("refused")
		}
	}
	w.api.spendEntries = turns
	if status, reply := w.as(w.narrowedOfRival(), "GET", "/api/v1/spend-token", ""); status != 200 {
		t.Errorf("%d %s", status, reply)
	}
	if n := len(turns.of[1]); n > maxTurns {
		t.Errorf("%d are kept", n)
	}
}

// TestSpendTokenTooHeavy: a token for which more is to be made than can be at once is told so,
// and not to try again.
func TestSpendTokenTooHeavy(t *testing.T) {
	w := newSpendWorld(t)
	w.api.spendEntries = newTurns(8, 1)
	light := w.narrow(w.make(`{"entities":{"agentId":"a1"}}`), spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 3)}})
	heavy := w.narrow(w.narrow(light, spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 2)}}), spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 1)}})
	if status, reply := w.as(heavy, "GET", "/api/v1/spend-token", ""); status != 403 || !strings.Contains(reply, "cannot begin") {
		t.Errorf("%d %s", status, reply)
	}
	if status, reply := w.as(light, "GET", "/api/v1/spend-token", ""); status != 200 {
		t.Errorf("one above it: %d %s", status, reply)
	}
}

// TestAttackTurns: a sub-agent that asks without end leaves turns to its siblings and to the
// token that it was made from; and what is held can be ended also when none are left.
func TestAttackTurns(t *testing.T) {
	w := newSpendWorld(t)
	w.api.spendTurns = newTurns(40, 0.001)
	parent := w.make(`{"entities":{"agentId":"a1"}}`)
	greedy := w.narrow(parent, spendtoken.Block{Label: "greedy", Caps: []spendtoken.Cap{capOn("credits", 0)}})
	sibling := w.narrow(parent, spendtoken.Block{Label: "sibling"})
	asks := func(t *spendtoken.Token) int { return w.quickly(t, "POST", acme+"/consume", `{}`) }
	for i := range 41 {
		asks(w.narrow(greedy, spendtoken.Block{Label: fmt.Sprint(i)}))
	}
	if status := asks(greedy); status != http.StatusTooManyRequests {
		t.Errorf("the greedy one: %d", status)
	}
	var held []string
	for i := range 4 {
		held = append(held, w.reserve(sibling, fmt.Sprintf(`{"featureId":"credits","amount":5,"idempotencyKey":"%d"}`, i)))
	}
	if w.consume(parent, "c", 1) != 200 {
		t.Error("the token that it was made from is refused")
	}
	for range 41 {
		asks(parent)
	}
	end := func(id, what, body string) int {
		status, _ := w.as(sibling, "POST", acme+"/reservations/"+id+"/"+what, body)
		return status
	}
	if status := end(held[0], "extend", `{"ttlSeconds":600}`); status != http.StatusTooManyRequests {
		t.Errorf("with no turns left an extension is %d", status)
	}
	for i, status := range []int{end(held[0], "commit", `{"amount":4}`), end(held[1], "release", ""), end(held[2], "commit", `{"amount":9}`), end(held[2], "commit", `{"amount":5}`)} {
		if want := []int{200, 200, 403, 200}[i]; status != want {
			t.Errorf("end %d: %d", i, status)
		}
	}
	limited := 0
	for range 9 { // over and over it counts as others do
		if end(held[2], "commit", `{"amount":5}`) == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited != 7 {
		t.Errorf("%d of 9 repeats are refused", limited)
	}
}

// TestAttackCombinations: dimensions that holders make up leave half of what usage is told apart
// by to others: those of what is consumed, of what that costs, and of what is held and settled later.
func TestAttackCombinations(t *testing.T) {
	w := newSpendWorld(t)
	w.api.spendTurns = newTurns(10_000, 1)
	w.admin("POST", "/api/v1/credits/custom-currencies", `{"id":"usd","displayName":"Dollars","prepaid":false}`)
	w.admin("POST", "/api/v1/rate-cards", `{"id":"prices","currencyId":"usd","displayName":"Prices","rates":[{"featureId":"credits","amount":1},{"featureId":"other","amount":1},{"featureId":"calls","amount":1}]}`)
	token := w.make(`{"entities":{"agentId":"a2"}}`)
	ask := func(path, body string) {
		t.Helper()
		if status := w.quickly(token, "POST", acme+path, body); status/100 != 2 {
			t.Fatalf("%s: %d", body, status)
		}
	}
	for i := range 300 {
		ask("/reservations", fmt.Sprintf(`{"eventName":"llm","dimensions":{"x":"e%d"},"idempotencyKey":"e%d","onExpire":"settle"}`, i, i))
		ask("/reservations", fmt.Sprintf(`{"featureId":"other","amount":0.001,"dimensions":{"x":"e%d"},"idempotencyKey":"h%d","onExpire":"settle"}`, i, i))
	}
	for i := range 600 {
		ask("/consume", fmt.Sprintf(`{"featureId":"credits","amount":0.001,"dimensions":{"x":"e%d"},"idempotencyKey":"c%d"}`, i, i))
	}
	w.clock.advance(301 * time.Second)
	for i := range 240 {
		w.admin("POST", acme+"/consume", fmt.Sprintf(`{"featureId":"credits","amount":1,"dimensions":{"agentId":"a1","y":"v%d"},"idempotencyKey":"k%d"}`, i, i))
	}
	for of, used := range map[string]string{"credits": "", "other": `"value":0.3`, "calls": `"value":300`} {
		reply := string(w.admin("GET", acme+"/usage?featureId="+of+"&startDate=2026-09-14T00:00:00Z&groupBy=y", ""))
		if strings.Contains(reply, "NOT_TOLD_APART") {
			t.Errorf("%s: usage is not told apart", of)
		}
		if n := strings.Count(reply, `"value":"v`); of == "credits" && n != 240 {
			t.Errorf("%d of 240 are told apart", n)
		}
		if of != "credits" && !strings.Contains(reply, used) {
			t.Errorf("%s was not settled: %s", of, reply)
		}
	}
}

// TestSpendTokenBesideDefaults: the limits of a spend token's own entity are its caps, whatever the
// defaults say, and what it spends for has its limits by default as ever.
func TestSpendTokenBesideDefaults(t *testing.T) {
	w := newSpendWorld(t)
	token := w.make(`{"entities":{"agentId":"a1"},"caps":[{"featureId":"credits","amount":10}]}`)
	w.admin("PUT", acme+"/default-limits", `{"defaults":[{"entityTypeId":"agent","featureId":"credits","label":"spend-token","cadence":"P1M","usageLimit":7},{"entityId":"a1","entityTypeId":"user","featureId":"credits","cadence":"P1M","usageLimit":1}]}`)
	for _, where := range []string{``, `"entityId":"a1",`} {
		resp, reply := w.do("PUT", acme+"/default-limits", `{"defaults":[{`+where+`"entityTypeId":"spend-token","featureId":"credits","label":"spend-token","cadence":"P1M","usageLimit":99}]}`, "X-API-KEY: "+testAdminKey)
		if resp.StatusCode != 400 || !strings.Contains(string(reply), "/defaults/0/entityTypeId") {
			t.Errorf("a default of tokens: %d %s", resp.StatusCode, reply)
		}
	}
	if status := w.consume(token, "1", 8); status != 402 {
		t.Errorf("beyond the agent's default: %d", status)
	}
	if status := w.consume(token, "2", 6); status != 200 {
		t.Errorf("within all: %d", status)
	}
	w.admin("PUT", acme+"/default-limits", `{"defaults":[{"entityTypeId":"agent","featureId":"credits","label":"spend-token","cadence":"P1M","usageLimit":70}]}`)
	if status := w.consume(token, "3", 5); status != 402 {
		t.Errorf("beyond its cap: %d", status)
	}
	var limits struct {
		Data []struct {
			UsageLimit float64 `json:"usageLimit"`
			DefaultOf  any     `json:"defaultOf"`
		} `json:"data"`
	}
	mustUnmarshal(t, w.admin("GET", acme+"/assignments?entityId="+token.ID(), ""), &limits)
	if len(limits.Data) != 1 || limits.Data[0].UsageLimit != 10 || limits.Data[0].DefaultOf != nil {
		t.Errorf("its limits: %+v", limits.Data)
	}
	entity := w.admin("GET", acme+"/entities/"+token.ID(), "")
	meta := string(entity[strings.Index(string(entity), `"metadata":`):])
	meta = meta[:strings.Index(meta, "}")+1]
	w.admin("PUT", acme+"/entities", `{"entities":[{"id":"`+token.ID()+`",`+meta+`}]}`)
}
