package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar/spendtoken"
)

// What the holder of a spend token tries. Each test sends the requests that such a one would
// send, and looks at what is then used and held.

// reserve reserves with a token, and returns the id that its holder is told.
func (w *spendWorld) reserve(t *spendtoken.Token, body string) string {
	w.t.Helper()
	status, reply := w.as(t, "POST", acme+"/reservations", body)
	if status != 201 {
		w.t.Fatalf("%s: %d %s", body, status, reply)
	}
	return jsonAt(w.t.(*testing.T), []byte(reply), "data", "id")
}

// heldByKey is one reservation of agent a1 by a key.
func (w *spendWorld) heldByKey() string {
	return jsonAt(w.t.(*testing.T), w.admin("POST", acme+"/reservations", `{"featureId":"credits","amount":5,"dimensions":{"agentId":"a1"},"idempotencyKey":"of a key"}`), "data", "id")
}

// openHolds are those of acme, by id.
func (w *spendWorld) openHolds() (ids []string) {
	var out struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	mustUnmarshal(w.t, w.admin("GET", acme+"/reservations?limit=100", ""), &out)
	for _, r := range out.Data {
		ids = append(ids, r.ID)
	}
	return ids
}

var endings = map[string]string{"commit": `{"amount":0}`, "release": "", "extend": `{"ttlSeconds":1}`}

// TestAttackHoldsOfOthers: nobody but the token that made a reservation ends it: not the token
// that one was made from, nor one made from it, nor one pinned alike or to nothing, by whatever id.
func TestAttackHoldsOfOthers(t *testing.T) {
	w := newSpendWorld(t)
	victim := w.make(`{"entities":{"agentId":"a1"},"caps":[{"featureId":"credits","amount":50}]}`)
	run := w.narrow(victim, spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 20)}})
	told := []string{w.reserve(victim, `{"featureId":"credits","amount":5,"idempotencyKey":"1"}`), w.reserve(run, `{"featureId":"credits","amount":5,"idempotencyKey":"1"}`), w.heldByKey()}
	ids := append(w.openHolds(), told...)
	attackers := map[string]*spendtoken.Token{
		"pinned to nothing":            w.make(`{}`),
		"pinned alike":                 w.make(`{"entities":{"agentId":"a1"}}`),
		"pinned alike, with a cap":     w.make(`{"entities":{"agentId":"a1"},"caps":[{"featureId":"credits","amount":1}]}`),
		"made from the victim":         w.narrow(victim, spendtoken.Block{}),
		"made from the victim's run":   w.narrow(run, spendtoken.Block{}),
		"beside the run":               w.narrow(victim, spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 20)}}),
		"for another feature":          w.make(`{"features":["other"]}`),
		"the victim, ending its run's": victim,
		"the run, ending its parent's": run,
	}
	for who, token := range attackers {
		for _, id := range ids {
			if token == victim && id == told[0] || token == run && id == told[1] {
				continue
			}
			for what, body := range endings {
				if status, reply := w.as(token, "POST", acme+"/reservations/"+id+"/"+what, body); status != 404 && status != 403 {
					t.Errorf("%s: %s: %d %s", who, what, status, reply)
				}
			}
			if status, reply := w.as(token, "GET", acme+"/reservations/"+id, ""); status != 404 && status != 403 {
				t.Errorf("%s sees it: %d %s", who, status, reply)
			}
			if status, reply := w.as(token, "POST", "/api/v1/events", `{"events":[{"customerId":"acme","eventName":"llm","idempotencyKey":"e","reservationId":"`+id+`"}]}`); status != 403 {
				t.Errorf("%s: an event: %d %s", who, status, reply)
			}
		}
	}
	if n := len(w.openHolds()); n != 3 {
		t.Errorf("%d of 3 are open", n)
	}
	for i, token := range []*spendtoken.Token{victim, run} {
		for key := range 2 { // also again under one key
			resp, reply := w.do("POST", acme+"/reservations/"+told[i]+"/commit", `{"amount":4}`, "Authorization: Bearer "+token.String(), "Idempotency-Key: c")
			if resp.StatusCode != 200 || !strings.Contains(string(reply), told[i]) {
				t.Errorf("its own, %d: %d %s", key, resp.StatusCode, reply)
			}
		}
	}
	if used := w.used(); used["a1"] != "" && used["a1"] != "8" || used["search"] != "8" {
		t.Errorf("used: %v", used)
	}
}

// TestAttackCaps: whatever a holder says, no more is recorded than its caps, and nothing that
// was recorded is taken back.
func TestAttackCaps(t *testing.T) {
	w := newSpendWorld(t)
	for _, f := range []string{
		`{"id":"seats","displayName":"Seats","featureType":"NUMBER","meterType":"FLUCTUATING","meter":{"aggregation":{"function":"SUM","field":"seats"},"filters":[{"conditions":[{"field":"eventName","operation":"EQUALS","value":"llm"}]}]}}`,
		`{"id":"peak","displayName":"Peak","featureType":"NUMBER","meter":{"aggregation":{"function":"MAX","field":"peak"},"filters":[{"conditions":[{"field":"eventName","operation":"EQUALS","value":"top"}]}]}}`,
	} {
		w.admin("POST", "/api/v1/features", f)
	}
	w.admin("PUT", acme+"/assignments", `{"assignments":[{"entityId":"search","featureId":"seats","cadence":"P1M","usageLimit":1000},{"entityId":"search","featureId":"peak","cadence":"P1M","usageLimit":1000}]}`)
	w.admin("POST", "/api/v1/events", `{"events":[{"customerId":"acme","eventName":"llm","idempotencyKey":"before","dimensions":{"agentId":"a1","seats":9}}]}`)
	token := w.narrow(w.make(`{"entities":{"agentId":"a1"},"caps":[{"featureId":"credits","amount":30}]}`), spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 1), capOn("seats", 2)}})
	hold := w.reserve(token, `{"featureId":"credits","amount":1,"idempotencyKey":"h"}`)
	event := w.reserve(token, `{"eventName":"llm","properties":{"seats":1},"idempotencyKey":"e"}`)
	top := w.reserve(token, `{"eventName":"top","properties":{"peak":1},"idempotencyKey":"t"}`)
	refused := func(what, path, body string, statuses ...int) {
		t.Helper()
		status, reply := w.as(token, "POST", path, body)
		for _, want := range statuses {
			if status == want {
				return
			}
		}
		t.Errorf("%s: %d %s", what, status, reply)
	}
	refused("reported beyond the cap", "/api/v1/usage", `{"usages":[{"customerId":"acme","featureId":"credits","value":900000000}]}`, 403)
	refused("reported", "/api/v1/usage", `{"usages":[{"customerId":"acme","featureId":"seats","value":1}]}`, 403)
	refused("told", "/api/v1/events", `{"events":[{"customerId":"acme","eventName":"llm","idempotencyKey":"1","dimensions":{"seats":900000}}]}`, 403)
	refused("taken back by an event", "/api/v1/events", `{"events":[{"customerId":"acme","eventName":"llm","idempotencyKey":"2","dimensions":{"seats":-9}}]}`, 403)
	refused("taken back by a commit", acme+"/reservations/"+event+"/commit", `{"properties":{"seats":-9}}`, 400, 403)
	refused("taken back by a consume", acme+"/consume", `{"eventName":"llm","properties":{"seats":-9},"idempotencyKey":"3"}`, 400, 403)
	refused("committed beyond the hold", acme+"/reservations/"+hold+"/commit", `{"amount":900000000}`, 403)
	refused("committed an event beyond its hold", acme+"/reservations/"+event+"/commit", `{"properties":{"seats":900000}}`, 403)
	refused("a peak that stops others", acme+"/reservations/"+top+"/commit", `{"properties":{"peak":900000}}`, 403)
	refused("a peak that stops others", acme+"/consume", `{"eventName":"top","properties":{"peak":900000},"idempotencyKey":"4"}`, 403)
	refused("consumed beyond the cap", acme+"/consume", `{"featureId":"credits","amount":2,"idempotencyKey":"5"}`, 402)
	if used := w.used(); used["search"] != "0" {
		t.Errorf("used: %v", used)
	}
	if seats := string(w.admin("GET", acme+"/governance?limit=100&featureIds=seats", "")); !strings.Contains(seats, `"currentUsage":9`) {
		t.Errorf("seats: %s", seats)
	}
	if peak := string(w.admin("GET", acme+"/governance?limit=100&featureIds=peak", "")); strings.Contains(peak, `900000`) {
		t.Errorf("peak: %s", peak)
	}
	if status, reply := w.as(token, "POST", acme+"/reservations/"+event+"/commit", `{"properties":{"seats":1}}`); status != 200 {
		t.Errorf("as held: %d %s", status, reply)
	}
	// What expired was freed; a holder does not say afterwards that it was used after all.
	w.clock.advance(301 * time.Second)
	refused("committed late", acme+"/reservations/"+hold+"/commit", `{"amount":1}`, 409)
	// A cap on what does not add up would bound nothing.
	if resp, reply := w.do("POST", acme+"/spend-tokens", `{"caps":[{"featureId":"peak","amount":3}]}`, "X-API-KEY: "+testAdminKey); resp.StatusCode != 400 {
		t.Errorf("a cap on a MAX: %d %s", resp.StatusCode, reply)
	}
	if status, reply := w.as(w.narrow(token, spendtoken.Block{Caps: []spendtoken.Cap{capOn("peak", 3)}}), "POST", acme+"/consume", `{"featureId":"seats","amount":1,"idempotencyKey":"6"}`); status != 403 {
		t.Errorf("a holder's cap on a MAX: %d %s", status, reply)
	}
}

// TestAttackModels: a commit moves nothing to another model's limits, nor to a model that the
// token is not for; a reply that names the model more exactly is taken.
func TestAttackModels(t *testing.T) {
	w := newSpendWorld(t)
	w.admin("PUT", "/api/v1/entity-types", `{"types":[{"id":"model","displayName":"Model","attributionKeys":["model"]}]}`)
	w.admin("PUT", acme+"/entities", `{"entities":[{"id":"small","entityTypeId":"model"},{"id":"large","entityTypeId":"model"}]}`)
	w.admin("PUT", acme+"/assignments", `{"assignments":[{"entityId":"large","featureId":"calls","cadence":"P1M","usageLimit":0}]}`)
	for name, token := range map[string]*spendtoken.Token{"any": w.make(`{"entities":{"agentId":"a1"}}`), "small": w.make(`{"entities":{"agentId":"a1"},"models":["small"]}`)} {
		id := w.reserve(token, `{"eventName":"llm","maxTokens":9,"dimensions":{"model":"small"},"idempotencyKey":"h"}`)
		for _, body := range []string{`{"tokens":{"output":1},"model":"large"}`, `{"properties":{"model":"large"}}`} {
			if status, reply := w.as(token, "POST", acme+"/reservations/"+id+"/commit", body); status != 403 {
				t.Errorf("%s: %s: %d %s", name, body, status, reply)
			}
		}
		if status, reply := w.as(token, "POST", acme+"/reservations/"+id+"/commit", `{"usage":{"model":"small-2026","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}}`); status != 200 {
			t.Errorf("%s: %d %s", name, status, reply)
		}
	}
}

// TestAttackEndedEntities: a token does not spend on once what it is pinned to or counted on is
// archived, moved or without its cap: not by an open reservation either, and no cap comes back full.
func TestAttackEndedEntities(t *testing.T) {
	w := newSpendWorld(t)
	token := w.make(`{"entities":{"agentId":"a1"},"caps":[{"featureId":"credits","amount":10},{"featureId":"calls","amount":10}]}`)
	plain := w.reserve(token, `{"featureId":"credits","amount":9,"idempotencyKey":"h"}`)
	event := w.reserve(token, `{"eventName":"llm","maxTokens":1,"idempotencyKey":"e"}`)
	spends := func() (denied int) {
		t.Helper()
		for path, body := range map[string]string{
			"/consume": `{"featureId":"credits","amount":1,"idempotencyKey":"c"}`, "/reservations": `{"featureId":"credits","amount":1,"idempotencyKey":"d"}`,
			"/reservations/" + plain + "/extend": `{"ttlSeconds":600}`, "/reservations/" + event + "/extend": `{"tokens":{"output":1}}`,
		} {
			if status, _ := w.as(token, "POST", acme+path, body); status == 403 {
				denied++
			}
		}
		return denied
	}
	var out struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	mustUnmarshal(t, w.admin("GET", acme+"/assignments?entityId="+token.ID(), ""), &out)
	if len(out.Data) != 2 {
		t.Fatalf("%d caps", len(out.Data))
	}
	for _, limit := range out.Data {
		if resp, reply := w.do("DELETE", acme+"/assignments/"+limit.ID, "", "X-API-KEY: "+testAdminKey); resp.StatusCode != 400 {
			t.Errorf("a cap is deleted: %d %s", resp.StatusCode, reply)
		}
	}
	for _, id := range []string{token.ID(), "a1"} {
		w.admin("POST", acme+"/entities/archive", `{"ids":["`+id+`"]}`)
		if n := spends(); n != 4 {
			t.Errorf("%s is archived: %d of 4 refused", id, n)
		}
		w.admin("POST", acme+"/entities/unarchive", `{"ids":["`+id+`"]}`)
	}
	w.admin("PUT", acme+"/entities", `{"entities":[{"id":"`+token.ID()+`","parentId":"a2"}]}`)
	if n := spends(); n != 4 {
		t.Errorf("moved: %d of 4 refused", n)
	}
	w.admin("PUT", acme+"/entities", `{"entities":[{"id":"`+token.ID()+`","parentId":"a1"}]}`)
	// What was held while it lived is ended as it was used, also then.
	w.admin("POST", acme+"/entities/archive", `{"ids":["`+token.ID()+`"]}`)
	if status, reply := w.as(token, "POST", acme+"/reservations/"+plain+"/commit", `{"amount":9}`); status != 200 {
		t.Errorf("a commit of what was held: %d %s", status, reply)
	}
}

// TestAttackManyTokens: tokens without end that a holder makes write entities up to a bound, and
// those of one chain count one by one.
func TestAttackManyTokens(t *testing.T) {
	w := newSpendWorld(t)
	parent := w.make(`{"entities":{"agentId":"a1"}}`)
	limited := 0
	for i := range 300 {
		status, _ := w.as(w.narrow(parent, spendtoken.Block{Label: fmt.Sprint(i), Caps: []spendtoken.Cap{capOn("credits", 1)}}), "GET", acme+"/entitlements/check?featureId=credits", "")
		if status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited < 50 {
		t.Errorf("%d of 300 were refused", limited)
	}
	// However slowly they come, of one token so many are counted and no more.
	old := w.make(`{"entities":{"agentId":"a1"}}`)
	w.admin("PUT", acme+"/entities", `{"entities":[{"id":"`+old.ID()+`","entityTypeId":"spend-token","parentId":"a1","metadata":{"made":"9997"}}]}`)
	if resp, reply := w.do("PUT", acme+"/entities", `{"entities":[{"id":"`+old.ID()+`","metadata":{"made":"-9"}}]}`, "X-API-KEY: "+testAdminKey); resp.StatusCode != 400 {
		t.Errorf("the count is changed: %d %s", resp.StatusCode, reply)
	}
	for i, want := range []int{200, 403, 403} {
		status, reply := w.as(w.narrow(old, spendtoken.Block{Label: "late", Caps: []spendtoken.Cap{capOn("credits", 1)}}), "GET", acme+"/entitlements/check?featureId=credits", "")
		if status != want {
			t.Errorf("%d after 9,997: %d %s", i, status, reply)
		}
	}
	deep := w.make(`{"entities":{"agentId":"a2"}}`)
	made := 0
	for i := range 60 {
		token := deep
		for range 8 {
			token = w.narrow(token, spendtoken.Block{Label: fmt.Sprint(i), Caps: []spendtoken.Cap{capOn("credits", 1)}})
		}
		if status, _ := w.as(token, "GET", acme+"/entitlements/check?featureId=credits", ""); status == 200 {
			made += 8
		}
	}
	if made > 250 {
		t.Errorf("%d entities of chains were made at once", made)
	}
}

// TestAttackOnBehalf: only a key that may spend as anybody asks for the holder of a token, and
// what it makes so is not the holder's to end, nor to make before.
func TestAttackOnBehalf(t *testing.T) {
	w := newSpendWorld(t)
	token := w.make(`{"entities":{"agentId":"a1"},"features":["credits"],"caps":[{"featureId":"credits","amount":50}]}`)
	const body = `{"featureId":"credits","amount":5,"idempotencyKey":"k"}`
	own := w.reserve(token, body)
	_, runtime := w.newKey("runtime")
	_, read := w.newKey("read")
	bound := jsonAt(t, w.admin("POST", "/api/v1/api-keys", `{"name":"agents","scope":"runtime","customerId":"acme"}`), "data", "key")
	ask := func(key, token, path, body string) (int, string) {
		resp, reply := w.do("POST", acme+path, body, "X-API-KEY: "+key, "Bursar-Spend-Token: "+token)
		return resp.StatusCode, string(reply)
	}
	status, reply := ask(runtime, token.String(), "/reservations", body)
	if status != 201 || !strings.Contains(reply, `"agentId":"a1"`) || !strings.Contains(reply, token.ID()) {
		t.Fatalf("%d %s", status, reply)
	}
	id := jsonAt(t, []byte(reply), "data", "id")
	if strings.HasPrefix(own, id) {
		t.Error("it took over what the holder had made before")
	}
	for _, said := range []string{id, id + own[len(id):]} {
		for what, end := range endings {
			if status, reply := w.as(token, "POST", acme+"/reservations/"+said+"/"+what, end); status != 404 {
				t.Errorf("the holder: %s: %d %s", what, status, reply)
			}
		}
	}
	for name, c := range map[string]struct {
		key, token, path, body string
		status                 int
	}{
		"a read key":              {read, token.String(), "/reservations", body, 403},
		"a bound key":             {bound, token.String(), "/reservations", body, 403},
		"a token as the key":      {token.String(), token.String(), "/reservations", body, 403},
		"a forged token":          {runtime, token.String()[:40] + "AAAA", "/reservations", body, 401},
		"an API key as token":     {runtime, runtime, "/reservations", body, 401},
		"another route":           {runtime, token.String(), "/consume", body, 403},
		"a commit":                {runtime, token.String(), "/reservations/" + id + "/commit", `{"amount":5}`, 403},
		"another feature":         {runtime, token.String(), "/reservations", `{"featureId":"other","amount":5,"idempotencyKey":"x"}`, 403},
		"another agent":           {runtime, token.String(), "/reservations", `{"featureId":"credits","amount":5,"idempotencyKey":"x","dimensions":{"agentId":"a2"}}`, 403},
		"beyond the cap":          {runtime, token.String(), "/reservations", `{"featureId":"credits","amount":500,"idempotencyKey":"x"}`, 402},
		"the key, as the gateway": {runtime, "", "/reservations/" + id + "/extend", `{"ttlSeconds":9}`, 403},
	} {
		if status, reply := ask(c.key, c.token, c.path, c.body); status != c.status && !(c.token == "" && status == 401) {
			t.Errorf("%s: %d %s", name, status, reply)
		}
	}
	w.admin("DELETE", acme+"/spend-tokens/"+token.ID(), "")
	if status, reply := ask(runtime, token.String(), "/reservations", `{"featureId":"credits","amount":1,"idempotencyKey":"late"}`); status != 401 {
		t.Errorf("after its end: %d %s", status, reply)
	}
	if resp, reply := w.do("POST", acme+"/reservations/"+id+"/commit", `{"amount":5}`, "X-API-KEY: "+runtime); resp.StatusCode != 200 {
		t.Errorf("the key commits after the token's end: %d %s", resp.StatusCode, reply)
	}
	// A request without a credential is the gateway's only where the gateway asks.
	if resp, _ := w.do("POST", acme+"/reservations", body); resp.StatusCode != 401 {
		t.Errorf("without a key: %d", resp.StatusCode)
	}
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("DELETE", acme+"/spend-tokens/x", nil)
	w.api.ForGateway().ServeHTTP(rec, r)
	if rec.Code != 403 {
		t.Errorf("the gateway governs: %d", rec.Code)
	}
}

// TestAttackKeysOfTypes: a key for some types of entities ends nothing of others, by no id of
// theirs: of a reservation, of a call, or an idempotency key.
func TestAttackKeysOfTypes(t *testing.T) {
	w := newSpendWorld(t)
	key := jsonAt(t, w.admin("POST", "/api/v1/api-keys", `{"name":"agents","scope":"runtime","customerId":"acme","entityTypes":["agent"]}`), "data", "key")
	id := jsonAt(t, w.admin("POST", acme+"/reservations", `{"eventName":"llm","maxTokens":1,"callId":"call-1","dimensions":{"userId":"ann"},"idempotencyKey":"secret"}`), "data", "id")
	for i, event := range []string{`"idempotencyKey":"1","reservationId":"` + id + `"`, `"idempotencyKey":"2","callId":"call-1"`, `"idempotencyKey":"3","callId":"secret"`, `"idempotencyKey":"secret"`} {
		w.do("POST", "/api/v1/events", `{"events":[{"customerId":"acme","eventName":"llm","dimensions":{"agentId":"a1"},`+event+`}]}`, "X-API-KEY: "+key)
		if n := len(w.openHolds()); n != 1 {
			t.Fatalf("event %d ended it", i)
		}
	}
	if resp, reply := w.do("GET", acme+"/reservations", "", "X-API-KEY: "+key); resp.StatusCode != 403 {
		t.Errorf("it lists all: %d %s", resp.StatusCode, reply)
	}
}

// TestSpendTokenListed: a token is in the list once its creation is answered, and a repeat with
// its Idempotency-Key is answered as the first time.
func TestSpendTokenListed(t *testing.T) {
	w := newSpendWorld(t)
	var first json.RawMessage
	for i := range 2 {
		resp, reply := w.do("POST", acme+"/spend-tokens", `{"label":"one"}`, "X-API-KEY: "+testAdminKey, "Idempotency-Key: k")
		if resp.StatusCode != 201 {
			t.Fatalf("%d %s", resp.StatusCode, reply)
		}
		id := jsonAt(t, reply, "data", "id")
		if w.api.engine.Catalogue().SpendToken(id) == nil {
			t.Error("it is not listed")
		}
		if i == 0 {
			first = json.RawMessage(id)
		} else if id != string(first) {
			t.Error("a repeat made another one")
		}
	}
}
