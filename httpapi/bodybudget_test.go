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
