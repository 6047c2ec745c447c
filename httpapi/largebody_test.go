package httpapi

import (
	"strings"
	"testing"
	"time"
)

// TestLargeBodiesTakeTurns: while as many large bodies are decoded as may be, another one
// waits; small requests do not.
func TestLargeBodiesTakeTurns(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	for range cap(s.api.decoding) {
		s.api.decoding <- struct{}{}
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
	<-s.api.decoding
	select {
	case status := <-done:
		if status != 201 {
			t.Errorf("the large body was answered %d", status)
		}
	case <-time.After(requestTimeout + 10*time.Second):
		t.Error("the large body waits though there is room")
	}
}
