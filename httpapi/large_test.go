package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestLargeBodiesTakeTurns: while as many large bodies are decoded as may be, another one
// waits; small requests do not.
func TestLargeBodiesTakeTurns(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	for range cap(s.api.large) {
		s.api.large <- struct{}{}
	}
	item := `{"customerId":"acme","featureId":"tokens","value":1,"dimensions":{"userId":"ann"}}`
	large := `{"usages":[` + strings.Repeat(item+",", largeBody/len(item)) + item + `]}`
	done := make(chan int, 1)
	go func() {
		resp, _ := s.do("POST", "/api/v1/usage", large, "X-API-KEY: "+testAdminKey)
		done <- resp.StatusCode
	}()
	for range 20 {
		if resp, reply := s.do("POST", "/api/v1/usage", usageOf(`"value":1`), "X-API-KEY: "+testAdminKey); resp.StatusCode != 201 {
			t.Fatalf("a small request: %d %s", resp.StatusCode, reply)
		}
	}
	select {
	case status := <-done:
		t.Fatalf("a large body was decoded out of turn: %d", status)
	default:
	}
	<-s.api.large
	select {
	case status := <-done:
		if status != 201 {
			t.Errorf("the large body was answered %d", status)
		}
	case <-time.After(requestTimeout + 10*time.Second):
		t.Error("the large body waits though there is room")
	}
}

// TestLargeRepliesTakeTurns: while as much that is large is under way as may be, a reply of many rows waits
// until it may be made; one of few does not.
func TestLargeRepliesTakeTurns(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	for i := range largePage + 1 {
		s.admin("PUT", "/api/v1/customers/acme/entities", fmt.Sprintf(`{"entities":[{"id":"n%d","entityTypeId":"user"}]}`, i))
		s.admin("PUT", "/api/v1/customers/acme/assignments", fmt.Sprintf(`{"assignments":[{"entityId":"n%d","featureId":"tokens","usageLimit":100,"cadence":"P1M"}]}`, i))
	}
	tree := func(limit int) int {
		resp, _ := s.do("GET", fmt.Sprintf("/api/v1/customers/acme/governance?featureIds=tokens&limit=%d", limit), "", "X-API-KEY: "+testAdminKey, "Accept-Encoding: identity")
		return resp.StatusCode
	}
	for range cap(s.api.large) {
		s.api.large <- struct{}{}
	}
	done := make(chan int, 1)
	go func() { done <- tree(largePage + 1) }()
	for range 20 {
		if status := tree(10); status != 200 {
			t.Fatalf("a small page: %d", status)
		}
	}
	select {
	case status := <-done:
		t.Fatalf("a large page was made out of turn: %d", status)
	default:
	}
	<-s.api.large
	select {
	case status := <-done:
		if status != 200 {
			t.Errorf("the large page was answered %d", status)
		}
	case <-time.After(requestTimeout + 10*time.Second):
		t.Error("the large page waits though there is room")
	}
}
