package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// TestWritesOfThingsThatExistKeepTheirKey: what is done to a reservation, a delivery or a
// rate card is done once for an Idempotency-Key; its repeat gets the first reply, and the
// key with another body, or on another of them, is refused.
func TestWritesOfThingsThatExistKeepTheirKey(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	reserve := func(key string) string {
		return "/api/v1/customers/acme/reservations/" + dataID(t, s.admin("POST", "/api/v1/customers/acme/reservations",
			`{"featureId":"tokens","amount":10,"dimensions":{"userId":"ann"},"idempotencyKey":"`+key+`"}`))
	}
	s.admin("POST", "/api/v1/credits/custom-currencies", `{"id":"credits","displayName":"Credits","prepaid":false}`)
	s.admin("POST", "/api/v1/rate-cards", `{"id":"prices","currencyId":"credits","displayName":"Prices","rates":[{"featureId":"tokens","amount":1}]}`)
	s.clock.advance(5e9)
	s.admin("POST", "/api/v1/usage", usageOf(`"value":3`))
	s.admin("POST", "/api/v1/rate-cards/prices/versions", `{"corrects":1,"rates":[{"featureId":"tokens","amount":2}]}`)
	hook := "/api/v1/webhooks/" + dataID(t, s.admin("POST", "/api/v1/webhooks", `{"url":"https://hooks.example"}`))
	delivery := hook + "/deliveries/" + dataID(t, s.admin("POST", hook+"/test", ""))
	s.attempt("FAILED 500 broken")
	cases := []struct{ path, body, other string }{
		{reserve("a") + "/commit", `{"amount":4}`, `{"amount":5}`},
		{reserve("b") + "/extend", `{"ttlSeconds":600}`, `{"ttlSeconds":700}`},
		{reserve("c") + "/release", "", "{}"},
		{delivery + "/redeliver", "", "{}"},
		{"/api/v1/rate-cards/prices/reprice", `{"from":"2026-09-01T00:00:00Z","apply":true}`, `{"from":"2026-09-02T00:00:00Z","apply":true}`},
	}
	for i, c := range cases {
		headers := []string{"X-API-KEY: " + testAdminKey, fmt.Sprintf("Idempotency-Key: key-%d", i)}
		first, reply := s.do("POST", c.path, c.body, headers...)
		if first.StatusCode != 200 || first.Header.Get("Idempotency-Replayed") != "" {
			t.Fatalf("%s: %d %s", c.path, first.StatusCode, reply)
		}
		s.clock.advance(2e9)
		again, repeated := s.do("POST", c.path, c.body, headers...)
		if again.StatusCode != 200 || again.Header.Get("Idempotency-Replayed") != "true" || !bytes.Equal(reply, repeated) {
			t.Errorf("%s again: %d %s\nfirst %s", c.path, again.StatusCode, repeated, reply)
		}
		if c.other != "{}" { // these take no body
			resp, reply := s.do("POST", c.path, c.other, headers...)
			refused(t, resp, reply, 409, "IdempotencyKeyReused")
		}
		if i > 2 {
			continue // keys of the environment are apart from those of a customer
		}
		resp, reply := s.do("POST", reserve(fmt.Sprint("other-", i))+"/release", "", headers...)
		refused(t, resp, reply, 409, "IdempotencyKeyReused")
	}
}

// TestAlertsOfACommitNameItsRequest: an alert that a commit fires has the trace id of the
// request, as that of a consumption has.
func TestAlertsOfACommitNameItsRequest(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	s.admin("POST", "/api/v1/webhooks", `{"url":"https://hooks.example","eventTypes":["entity.entitlement.usage_exceeded"]}`)
	made := s.admin("POST", "/api/v1/customers/acme/reservations", `{"featureId":"tokens","amount":90,"dimensions":{"userId":"ann"},"idempotencyKey":"k"}`)
	s.do("POST", "/api/v1/customers/acme/reservations/"+dataID(t, made)+"/commit", `{"amount":90}`, "X-API-KEY: "+testAdminKey, "X-Request-Id: the-commit")
	if trace := s.alertTrace(); trace != "the-commit" {
		t.Errorf("the alert's traceId is %q", trace)
	}
}

// TestAlertsOfARepricingNameItsRequest: so it is with what a repricing fires, which is a job,
// and with its entry in the activity of the customer.
func TestAlertsOfARepricingNameItsRequest(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	s.admin("POST", "/api/v1/webhooks", `{"url":"https://hooks.example","eventTypes":["entity.entitlement.usage_exceeded"]}`)
	s.admin("POST", "/api/v1/credits/custom-currencies", `{"id":"credits","displayName":"Credits","prepaid":false}`)
	s.admin("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[{"entityId":"ann","currencyId":"credits","usageLimit":5,"cadence":"P1M"}]}`)
	s.admin("POST", "/api/v1/rate-cards", `{"id":"prices","currencyId":"credits","displayName":"Prices","rates":[{"featureId":"tokens","amount":1}]}`)
	s.clock.advance(5e9)
	s.admin("POST", "/api/v1/usage", usageOf(`"value":3`))
	s.admin("POST", "/api/v1/rate-cards/prices/versions", `{"corrects":1,"rates":[{"featureId":"tokens","amount":2}]}`)
	if resp, reply := s.do("POST", "/api/v1/rate-cards/prices/reprice", `{"from":"2026-09-01T00:00:00Z","apply":true}`, "X-API-KEY: "+testAdminKey, "X-Request-Id: the-repricing"); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, reply)
	}
	if trace := s.alertTrace(); trace != "the-repricing" {
		t.Errorf("the alert's traceId is %q", trace)
	}
	activity := s.admin("GET", "/api/v1/customers/acme/activity?action=rateCard.repriced", "")
	if !bytes.Contains(activity, []byte(`"requestId":"the-repricing"`)) {
		t.Errorf("the activity is %s", activity)
	}
}

// TestDeniedExtensionsNameTheirRequest: a denial of what a reservation of an event is raised by
// has the id of the request.
func TestDeniedExtensionsNameTheirRequest(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	s.admin("POST", "/api/v1/features", `{"id":"words","displayName":"Words","featureType":"NUMBER","meter":{"eventName":"llm","aggregation":{"function":"SUM","field":"tokens.output"},"filters":[]}}`)
	s.admin("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[{"entityId":"ann","featureId":"words","usageLimit":10,"cadence":"P1M"}]}`)
	made := s.admin("POST", "/api/v1/customers/acme/reservations", `{"eventName":"llm","dimensions":{"userId":"ann"},"tokens":{"output":8},"idempotencyKey":"k"}`)
	resp, reply := s.do("POST", "/api/v1/customers/acme/reservations/"+dataID(t, made)+"/extend", `{"tokens":{"output":5}}`, "X-API-KEY: "+testAdminKey, "X-Request-Id: the-extension")
	refused(t, resp, reply, 402, "RequestedUsageExceedingLimit")
	if denials := s.admin("GET", "/api/v1/customers/acme/denials", ""); !bytes.Contains(denials, []byte(`"requestId":"the-extension"`)) {
		t.Errorf("the denials are %s", denials)
	}
}

// alertTrace is the traceId of the one message that is to be delivered.
func (s *testServer) alertTrace() string {
	s.t.Helper()
	due, err := s.api.engine.DueDeliveries(s.t.Context(), func(string) int { return 10 })
	if err != nil || len(due) != 1 {
		s.t.Fatalf("%d deliveries, %v", len(due), err)
	}
	var body struct {
		TraceID string `json:"traceId"`
	}
	mustUnmarshal(s.t, due[0].Body, &body)
	return body.TraceID
}

// dataID is the id of what a reply is about.
func dataID(t testing.TB, reply []byte) string {
	t.Helper()
	var out struct{ Data struct{ ID string } }
	if err := json.Unmarshal(reply, &out); err != nil || out.Data.ID == "" {
		t.Fatalf("no id in %s", reply)
	}
	return out.Data.ID
}
