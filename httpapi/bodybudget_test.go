package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

// TestBodyRoomFollowsBytes: what a request says of the length of its body reserves
// nothing; what arrives is counted, and given back at the end.
func TestBodyRoomFollowsBytes(t *testing.T) {
	a := &API{bodies: newBodyBudget()}
	q := &request{api: a, actor: "key", r: &http.Request{ContentLength: 10_000_000}}
	if err := q.fill(strings.NewReader("eleven byte")); err != nil || cap(q.body) > firstBody || a.bodies.all != 0 {
		t.Errorf("11 of 10,000,000 bytes take %d, and %d of the budget; %v", cap(q.body), a.bodies.all, err)
	}
	text := strings.Repeat("x", 1_000_000)
	q = &request{api: a, actor: "key", r: &http.Request{ContentLength: int64(len(text))}}
	if err := q.fill(strings.NewReader(text)); err != nil || string(q.body) != text || cap(q.body) > len(text)+1<<16 || a.bodies.all < int64(len(text))-firstBody {
		t.Errorf("%d bytes take %d, and %d of the budget; %v", len(text), cap(q.body), a.bodies.all, err)
	}
	a.bodies.give(q)
	if a.bodies.all != 0 || len(a.bodies.by) != 0 {
		t.Errorf("afterwards %d are taken, by %v", a.bodies.all, a.bodies.by)
	}
}

// TestBodiesHaveABudget: beyond it large bodies are 503 with Retry-After, of the key that
// has used up its own; small ones and those of others are served.
func TestBodiesHaveABudget(t *testing.T) {
	s := newTestServer(t)
	id, key := s.newKey("full")
	_, other := s.newKey("full")
	body := func(n int) string {
		return `{"types":[{"id":"team","displayName":"Team","attributionKeys":["team"],"description":"` + strings.Repeat("x", n) + `"}]}`
	}
	greedy := &request{api: s.api, actor: id}
	if !s.api.bodies.take(greedy, maxKeyBodies) {
		t.Fatal("a key may not have all of its budget")
	}
	put := func(key string, n int) (*http.Response, []byte) {
		return s.do("PUT", "/api/v1/entity-types", body(n), "X-API-KEY: "+key)
	}
	resp, reply := put(key, 6000)
	refused(t, resp, reply, 503, string(bursar.CodeOverloaded))
	if resp.Header.Get("Retry-After") == "" || resp.Header.Get("X-Should-Retry") != "true" {
		t.Errorf("headers %v", resp.Header)
	}
	if resp, reply := put(key, 100); resp.StatusCode != 200 {
		t.Errorf("a small one: %d %s", resp.StatusCode, reply)
	}
	if resp, reply := put(other, 6000); resp.StatusCode == 503 {
		t.Errorf("another key's: %d %s", resp.StatusCode, reply)
	}
	s.api.bodies.give(greedy)
	if resp, reply := put(key, 6000); resp.StatusCode == 503 {
		t.Errorf("once there is room: %d %s", resp.StatusCode, reply)
	}
	if s.api.bodies.all != 0 {
		t.Errorf("%d bytes are taken for ever", s.api.bodies.all)
	}
}

// TestBodiesOfAllHaveABudget: beyond that of the process large bodies are refused whoever sends
// them, while small ones are served; and one customer's access token has a small budget of its own.
func TestBodiesOfAllHaveABudget(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	var token struct {
		Data accessTokenOut `json:"data"`
	}
	mustUnmarshal(t, s.admin("POST", "/api/v1/customers/acme/access-tokens", `{"permissions":["manage"]}`), &token)
	auth := map[string]string{"a key": "X-API-KEY: " + testAdminKey, "the token": "Authorization: Bearer " + token.Data.Token}
	put := func(who string, n int) (*http.Response, []byte) {
		return s.do("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[{"entityId":"ann","featureId":"tokens","usageLimit":100,"cadence":"P1M"}]`+strings.Repeat(" ", n)+`}`, auth[who])
	}
	take := func(actor string, token *bursar.AccessToken, n int64) *request {
		q := &request{api: s.api, actor: actor, token: token}
		if !s.api.bodies.take(q, n) {
			t.Fatalf("%s may not have %d bytes", actor, n)
		}
		return q
	}
	for _, x := range []struct {
		what    string
		taken   []*request
		refused map[string]bool // who may send no large body meanwhile
	}{
		{"the process's is used up", []*request{take("one", nil, maxKeyBodies), take("another", nil, maxBodies-maxKeyBodies)}, map[string]bool{"a key": true, "the token": true}},
		{"the token's is used up", []*request{nil}, map[string]bool{"the token": true}},
		{"nothing is used", nil, nil},
	} {
		if x.taken != nil && x.taken[0] == nil {
			x.taken[0] = take(token.Data.ID, &bursar.AccessToken{}, maxTokenBodies)
		}
		for who := range auth {
			resp, reply := put(who, 500_000)
			if x.refused[who] {
				refused(t, resp, reply, 503, string(bursar.CodeOverloaded))
			} else if resp.StatusCode != 200 {
				t.Errorf("while %s, a large body of %s: %d %s", x.what, who, resp.StatusCode, reply)
			}
			if resp, reply := put(who, 10); resp.StatusCode != 200 {
				t.Errorf("while %s, a small body of %s: %d %s", x.what, who, resp.StatusCode, reply)
			}
		}
		for _, q := range x.taken {
			s.api.bodies.give(q)
		}
	}
	if s.api.bodies.all != 0 || len(s.api.bodies.by) != 0 {
		t.Errorf("%d bytes are taken for ever, by %v", s.api.bodies.all, s.api.bodies.by)
	}
}

// TestCrowdedObjects: an object of very many members is refused before any is built.
func TestCrowdedObjects(t *testing.T) {
	s := newTestServer(t)
	var dims strings.Builder
	for i := range maxMembers + 1 {
		fmt.Fprintf(&dims, `,"d%d":1`, i)
	}
	resp, reply := s.do("POST", "/api/v1/events", `{"events":[{"customerId":"acme","eventName":"x","idempotencyKey":"k","dimensions":{`+dims.String()[1:]+`}}]}`,
		"X-API-KEY: "+testAdminKey)
	refused(t, resp, reply, 400, string(bursar.CodeValidationFailed))
	if !strings.Contains(string(reply), "more than 1000 members") {
		t.Errorf("%s", reply)
	}
}
