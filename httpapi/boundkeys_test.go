package httpapi

import (
	"strings"
	"testing"
)

// TestBoundKeys: a runtime key that is bound to a customer and to entity types spends for
// these alone, in every request that it may send.
func TestBoundKeys(t *testing.T) {
	w := newSpendWorld(t)
	key := jsonAt(t, w.admin("POST", "/api/v1/api-keys", `{"name":"agents","scope":"runtime","customerId":"acme","entityTypes":["agent"]}`), "data", "key")
	for _, body := range []string{`{"name":"x","scope":"full","customerId":"acme"}`, `{"name":"x","scope":"runtime","entityTypes":["none"]}`} {
		if resp, reply := w.do("POST", "/api/v1/api-keys", body, "X-API-KEY: "+testAdminKey); resp.StatusCode != 400 && resp.StatusCode != 404 {
			t.Errorf("%s: %d %s", body, resp.StatusCode, reply)
		}
	}
	user := w.admin("POST", acme+"/reservations", `{"featureId":"credits","amount":1,"dimensions":{"userId":"ann"},"idempotencyKey":"of a user"}`)
	reserved := jsonAt(t, user, "data", "id")
	w.admin("POST", "/api/v1/credits/custom-currencies", `{"id":"gold","displayName":"Gold"}`)
	before := w.version()
	for _, c := range []struct{ method, path, body, pointer string }{
		{"GET", "/customers/rival/entitlements/check?featureId=credits&dimensions[agentId]=a1", "", ""},
		{"GET", "/customers/acme/entitlements/check?featureId=credits", "", "?dimensions"},
		{"GET", "/customers/acme/entitlements/check?featureId=credits&dimensions[agentId]=a1&dimensions[teamId]=search", "", "?dimensions[teamId]"},
		{"POST", "/customers/rival/consume", `{"featureId":"credits","amount":1,"idempotencyKey":"k","dimensions":{"agentId":"a1"}}`, ""},
		{"POST", "/customers/acme/consume", `{"featureId":"credits","amount":1,"idempotencyKey":"k","dimensions":{"userId":"ann"}}`, "/dimensions/userId"},
		{"POST", "/customers/acme/consume", `{"eventName":"llm","tokens":{"input":1},"properties":{"userId":"ann"},"idempotencyKey":"k","dimensions":{"agentId":"a1"}}`, "/properties/userId"},
		{"POST", "/customers/acme/reservations", `{"featureId":"credits","amount":1,"idempotencyKey":"k"}`, "/dimensions"},
		{"POST", "/usage", `{"usages":[{"customerId":"rival","featureId":"credits","value":1,"dimensions":{"agentId":"a1"}}]}`, "/usages/0/customerId"},
		{"POST", "/usage", `{"usages":[{"customerId":"acme","featureId":"credits","value":1,"dimensions":{"teamId":"search"}}]}`, "/usages/0/dimensions/teamId"},
		{"POST", "/usage/estimate", `{"customerId":"rival","featureId":"credits","value":1}`, "/customerId"},
		{"POST", "/events", `{"events":[{"customerId":"rival","eventName":"llm","idempotencyKey":"k","dimensions":{"agentId":"a1"}}]}`, "/events/0/customerId"},
		{"POST", "/events", `{"events":[{"customerId":"acme","eventName":"llm","idempotencyKey":"k"}]}`, "/events/0/dimensions"},
		{"POST", "/events/estimate", `{"customerId":"rival","eventName":"llm"}`, "/customerId"},
		{"POST", "/credits/consumption", `{"customerId":"rival","currencyId":"gold","amount":1,"idempotencyKey":"k","dimensions":{"agentId":"a1"}}`, "/customerId"},
		{"POST", "/credits/consumption/async", `{"consumptions":[{"customerId":"acme","currencyId":"gold","amount":1,"idempotencyKey":"k"}]}`, "/consumptions/0/dimensions"},
	} {
		resp, reply := w.do(c.method, "/api/v1"+c.path, c.body, "X-API-KEY: "+key)
		if resp.StatusCode != 403 || c.pointer != "" && !strings.Contains(string(reply), `"pointer":"`+c.pointer+`"`) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, resp.StatusCode, reply)
		}
	}
	for _, end := range []string{"", "/commit", "/release", "/extend"} {
		method := map[bool]string{true: "GET", false: "POST"}[end == ""]
		if resp, reply := w.do(method, acme+"/reservations/"+reserved+end, "", "X-API-KEY: "+key); resp.StatusCode != 404 {
			t.Errorf("%s of a user's reservation: %d %s", end, resp.StatusCode, reply)
		}
	}
	if after := w.version(); after != before {
		t.Errorf("refusals changed something: version %d, then %d", before, after)
	}
	for _, body := range []string{
		`{"featureId":"credits","amount":1,"idempotencyKey":"a","dimensions":{"agentId":"a1","env":"prod","model":"m"}}`,
		`{"eventName":"llm","tokens":{"input":1},"idempotencyKey":"b","dimensions":{"agentId":"a1"}}`,
	} {
		if resp, reply := w.do("POST", acme+"/consume", body, "X-API-KEY: "+key); resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", body, resp.StatusCode, reply)
		}
	}
	resp, reply := w.do("POST", acme+"/reservations", `{"featureId":"credits","amount":2,"idempotencyKey":"r","dimensions":{"agentId":"a1"}}`, "X-API-KEY: "+key)
	if resp.StatusCode != 201 {
		t.Fatalf("%d %s", resp.StatusCode, reply)
	}
	if resp, reply := w.do("POST", acme+"/reservations/"+jsonAt(t, reply, "data", "id")+"/commit", `{"amount":1}`, "X-API-KEY: "+key); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, reply)
	}
	listed := string(w.admin("GET", "/api/v1/api-keys", ""))
	if !strings.Contains(listed, `"customerId":"acme","entityTypes":["agent"]`) {
		t.Errorf("listed: %s", listed)
	}
}
