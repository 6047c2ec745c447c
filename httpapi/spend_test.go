package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/spendtoken"
)

// spendRoutes is every route that a spend token is for. A route that is not here must refuse
// spend tokens.
var spendRoutes = []string{
	"GET " + entitlements + "/check", "POST " + entitlements + "/checks", "POST /usage/estimate", "POST /events/estimate",
	"POST " + customer + "/consume", "POST " + customer + "/reservations", "GET " + reservation, "POST " + reservation + "/commit", "POST " + reservation + "/release",
	"POST " + reservation + "/extend", "POST " + customer + "/explain", "GET /spend-token",
	"POST " + boostRequests, "GET " + boostRequests, "GET " + boostRequest, "POST " + boostRequest + "/withdraw",
}

const acme = "/api/v1/customers/acme"

// spendWorld has two customers with a team of two agents each, a feature that is counted by
// itself, and one of events.
type spendWorld struct{ *testServer }

func newSpendWorld(t testing.TB) *spendWorld {
	w := &spendWorld{newTestServer(t)}
	w.admin("PUT", "/api/v1/entity-types", `{"types":[{"id":"team","displayName":"Team","attributionKeys":["teamId"]},{"id":"agent","displayName":"Agent","attributionKeys":["agentId"]},{"id":"user","displayName":"User","attributionKeys":["userId"]}]}`)
	w.admin("POST", "/api/v1/features", `{"id":"credits","displayName":"Credits","featureType":"NUMBER"}`)
	w.admin("POST", "/api/v1/features", `{"id":"other","displayName":"Other","featureType":"NUMBER"}`)
	w.admin("POST", "/api/v1/features", `{"id":"calls","displayName":"Calls","featureType":"NUMBER","meter":{"aggregation":{"function":"COUNT"},"filters":[{"conditions":[{"field":"eventName","operation":"EQUALS","value":"llm"}]}]}}`)
	for _, id := range []string{"acme", "rival"} {
		w.admin("POST", "/api/v1/customers", `{"id":"`+id+`"}`)
		w.admin("PUT", "/api/v1/customers/"+id+"/entities", `{"entities":[{"id":"search","entityTypeId":"team"},{"id":"a1","entityTypeId":"agent","parentId":"search"},{"id":"a2","entityTypeId":"agent","parentId":"search"},{"id":"ann","entityTypeId":"user","parentId":"a1"}]}`)
		w.admin("PUT", "/api/v1/customers/"+id+"/assignments", `{"assignments":[{"entityId":"search","featureId":"credits","cadence":"P1M","usageLimit":1000}]}`)
	}
	return w
}

// make makes a spend token of acme.
func (w *spendWorld) make(body string) *spendtoken.Token {
	w.t.Helper()
	var out struct {
		Data spendTokenOut `json:"data"`
	}
	mustUnmarshal(w.t, w.admin("POST", acme+"/spend-tokens", body), &out)
	t, err := spendtoken.Parse(out.Data.Token)
	if err != nil {
		w.t.Fatal(err)
	}
	t.IDs[len(t.IDs)-1] = out.Data.ID
	return t
}

func capOn(feature string, n int64) spendtoken.Cap {
	return spendtoken.Cap{Capability: bursar.Capability{Kind: bursar.KindFeature, ID: feature}, Amount: bursar.AmountFromInt(n)}
}

func (w *spendWorld) narrow(t *spendtoken.Token, b spendtoken.Block) *spendtoken.Token {
	w.t.Helper()
	n, err := t.Narrow(b)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *spendWorld) as(t *spendtoken.Token, method, path, body string) (int, string) {
	w.t.Helper()
	resp, reply := w.do(method, path, body, "Authorization: Bearer "+t.String())
	return resp.StatusCode, string(reply)
}

func (w *spendWorld) consume(t *spendtoken.Token, key string, n int) int {
	w.t.Helper()
	status, reply := w.as(t, "POST", acme+"/consume", fmt.Sprintf(`{"featureId":"credits","amount":%d,"idempotencyKey":%q}`, n, key))
	if status != 200 && status != 402 {
		w.t.Errorf("consume: %d %s", status, reply)
	}
	return status
}

// used is what of the limits of credits on acme's entities is used, by entity.
func (w *spendWorld) used() map[string]string {
	w.t.Helper()
	var out struct {
		Data []struct {
			EntityID     string          `json:"entityId"`
			CurrentUsage json.RawMessage `json:"currentUsage"`
		} `json:"data"`
	}
	mustUnmarshal(w.t, w.admin("GET", acme+"/governance?limit=100&featureIds=credits", ""), &out)
	got := map[string]string{}
	for _, row := range out.Data {
		got[row.EntityID] = string(row.CurrentUsage)
	}
	return got
}

// TestSpendRoutes: a route is open to spend tokens only if it is listed, and all refuse those
// that are not, or not any more, good.
func TestSpendRoutes(t *testing.T) {
	w := newSpendWorld(t)
	good := w.make(`{"entities":{"agentId":"a1"}}`)
	ended := w.make(`{"expiresInSeconds":60}`)
	revoked := w.make(`{}`)
	w.admin("DELETE", acme+"/spend-tokens/"+revoked.ID(), "")
	w.clock.advance(time.Minute)
	late := w.narrow(good, spendtoken.Block{Expires: w.clock.time()})
	paths := strings.NewReplacer("{customerId}", "acme", "{reservationId}", "01a09f70-97fa-7000-8000-0014000378db")
	for _, r := range (&API{}).routes() {
		name := r.method + " " + r.pattern
		listed := slices.Contains(spendRoutes, name)
		if got := r.access&tokenSpend != 0; got != listed {
			t.Errorf("%s: open to spend tokens: %v", name, got)
		}
		if r.access == open {
			continue
		}
		path := r.bases[0] + paths.Replace(r.pattern)
		status, reply := w.as(good, r.method, path, "{}")
		if listed && (status == 401 || status == 403) || !listed && status != 403 {
			t.Errorf("%s: %d %s", name, status, reply)
		}
		for what, token := range map[string]*spendtoken.Token{"ended": ended, "revoked": revoked, "made from a revoked one": w.narrow(revoked, spendtoken.Block{}), "narrowed to now": late} {
			w.api.guard = newGuard()
			if status, reply := w.as(token, r.method, path, "{}"); status != 401 {
				t.Errorf("%s with a token that is %s: %d %s", name, what, status, reply)
			}
		}
		if strings.Contains(r.pattern, "{customerId}") {
			path = strings.ReplaceAll(path, "acme", "rival")
			if status, reply := w.as(good, r.method, path, "{}"); status != 403 {
				t.Errorf("%s of another customer: %d %s", name, status, reply)
			}
		}
	}
	_, key := w.newKey("full")
	if resp, reply := w.do("GET", "/api/v1/spend-token", "", "X-API-KEY: "+key); resp.StatusCode != 403 {
		t.Errorf("a key has a budget: %d %s", resp.StatusCode, reply)
	}
}

// TestSpendTokenSaysWho: a body that says of who spends what the token does not is refused,
// with the place, and changes nothing.
func TestSpendTokenSaysWho(t *testing.T) {
	w := newSpendWorld(t)
	token := w.make(`{"entities":{"agentId":"a1"},"dimensions":{"env":"prod"},"features":["credits"],"events":["llm"],"models":["small"],"caps":[{"featureId":"credits","amount":50}]}`)
	other := w.make(`{"entities":{"agentId":"a2"},"caps":[{"featureId":"credits","amount":50}]}`)
	if w.consume(w.narrow(other, spendtoken.Block{}), "of the other", 1) != 200 {
		t.Fatal("the other token")
	}
	if status, reply := w.as(token, "GET", acme+"/entitlements/check?featureId=credits&dimensions[model]=small", ""); status != 200 || !strings.Contains(reply, `"isGranted":true`) && !strings.Contains(reply, `"granted":true`) && !strings.Contains(reply, `"accessDeniedReason":null`) {
		t.Fatalf("its own check: %d %s", status, reply)
	}
	before := w.version()
	saidWrong := []string{`"agentId":"a2"`, `"agentId":1`, `"userId":"ann"`, `"teamId":"search"`, `"env":"test"`, `"spendTokenId":"` + other.ID() + `"`, `"model":"large"`}
	n := 0
	refused := func(pointer, method, path, body string) {
		t.Helper()
		n++
		status, reply := w.as(token, method, path, body)
		if status != 403 || !strings.Contains(reply, `"pointer":"`+pointer) {
			t.Errorf("%s %s %s: %d %s, want %s", method, path, body, status, reply, pointer)
		}
	}
	for _, said := range saidWrong {
		key, value, _ := strings.Cut(strings.ReplaceAll(said, `"`, ""), ":")
		at := "/dimensions/" + key
		dims := `"dimensions":{` + said + `,"model":"small"}`
		if key == "model" {
			dims = `"dimensions":{` + said + `}`
		}
		refused("?dimensions["+key+"]", "GET", acme+"/entitlements/check?featureId=credits&dimensions["+key+"]="+value+map[bool]string{true: "", false: "&dimensions[model]=small"}[key == "model"], "")
		refused("/checks/0"+at, "POST", acme+"/entitlements/checks", `{"checks":[{"featureId":"credits",`+dims+`}]}`)
		refused(at, "POST", acme+"/explain", `{"featureId":"credits",`+dims+`}`)
		refused(at, "POST", acme+"/consume", `{"featureId":"credits","amount":1,"idempotencyKey":"k",`+dims+`}`)
		refused(at, "POST", acme+"/consume", `{"eventName":"llm","tokens":{"input":1},"idempotencyKey":"k",`+dims+`}`)
		refused(at, "POST", acme+"/reservations", `{"featureId":"credits","amount":1,"idempotencyKey":"k",`+dims+`}`)
		refused(at, "POST", acme+"/reservations", `{"eventName":"llm","maxTokens":1,"idempotencyKey":"k",`+dims+`}`)
		refused(at, "POST", "/api/v1/usage/estimate", `{"customerId":"acme","featureId":"credits","value":1,`+dims+`}`)
		refused(at, "POST", "/api/v1/events/estimate", `{"customerId":"acme","eventName":"llm",`+dims+`}`)
		if key != "model" { // properties are dimensions as well
			refused("/properties/"+key, "POST", acme+"/consume", `{"eventName":"llm","properties":{`+said+`},"idempotencyKey":"k","dimensions":{"model":"small"}}`)
		}
	}
	const model = `"dimensions":{"model":"small"}`
	refused("/customerId", "POST", "/api/v1/usage/estimate", `{"customerId":"rival","featureId":"credits","value":1,`+model+`}`)
	refused("/value", "POST", "/api/v1/usage/estimate", `{"customerId":"acme","featureId":"credits","value":-1,`+model+`}`)
	refused("/updateBehavior", "POST", "/api/v1/usage/estimate", `{"customerId":"acme","featureId":"credits","value":0,"updateBehavior":"SET",`+model+`}`)
	refused("/featureId", "POST", "/api/v1/usage/estimate", `{"customerId":"acme","featureId":"other","value":1,`+model+`}`)
	refused("/eventName", "POST", acme+"/consume", `{"eventName":"other","tokens":{"input":1},"idempotencyKey":"k",`+model+`}`)
	refused("?featureId", "GET", acme+"/entitlements/check?featureId=other&dimensions[model]=small", "")
	refused("/dimensions/model", "POST", acme+"/consume", `{"featureId":"credits","amount":1,"idempotencyKey":"k"}`)
	refused("/dimensions/model", "POST", "/api/v1/events/estimate", `{"customerId":"acme","eventName":"llm","usage":{"model":"large","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}}`)
	refused("/callId", "POST", acme+"/consume", `{"eventName":"llm","callId":"c","idempotencyKey":"k",`+model+`}`)
	if after := w.version(); after != before {
		t.Errorf("%d refusals changed something: version %d, then %d", n, before, after)
	}
}

func (w *spendWorld) version() uint64 {
	w.t.Helper()
	_, version, err := w.api.engine.Entity(context.Background(), ledger.ReadOptions{}, "acme", "a1")
	if err != nil {
		w.t.Fatal(err)
	}
	return version
}

// TestSpendTokenPins: what is counted is counted where the token says, whatever the body leaves out.
func TestSpendTokenPins(t *testing.T) {
	w := newSpendWorld(t)
	token := w.make(`{"entities":{"agentId":"a1"},"dimensions":{"env":"prod"}}`)
	status, reply := w.as(token, "POST", acme+"/reservations", `{"featureId":"credits","amount":5,"idempotencyKey":"r"}`)
	if status != 201 || !strings.Contains(reply, `"agentId":"a1"`) || !strings.Contains(reply, `"env":"prod"`) || strings.Contains(reply, "spendTokenId") {
		t.Fatalf("%d %s", status, reply)
	}
	id := jsonAt(t, []byte(reply), "data", "id")
	// A reservation is its own: not that of another attribution, nor one of a key.
	other := w.make(`{"entities":{"agentId":"a2"}}`)
	for what, body := range map[string]string{"commit": `{"amount":1}`, "release": "", "extend": `{"ttlSeconds":9}`} {
		if status, reply := w.as(other, "POST", acme+"/reservations/"+id+"/"+what, body); status != 404 {
			t.Errorf("%s of another's: %d %s", what, status, reply)
		}
	}
	if status, _ := w.as(other, "GET", acme+"/reservations/"+id, ""); status != 404 {
		t.Errorf("another's is shown: %d", status)
	}
	// Keys of other tokens are apart.
	if status, reply := w.as(other, "POST", acme+"/reservations", `{"featureId":"credits","amount":7,"idempotencyKey":"r"}`); status != 201 || strings.Contains(reply, id) {
		t.Errorf("the same key of another agent: %d %s", status, reply)
	}
	if status, reply := w.as(w.narrow(token, spendtoken.Block{}), "POST", acme+"/reservations", `{"featureId":"credits","amount":5,"idempotencyKey":"r"}`); status != 201 || strings.Contains(reply, id) {
		t.Errorf("the same key of a token made from it: %d %s", status, reply)
	}
	if status, reply := w.as(token, "POST", acme+"/reservations/"+id+"/commit", `{"amount":3}`); status != 200 {
		t.Errorf("%d %s", status, reply)
	}
	if used := w.used(); used["search"] != "3" {
		t.Errorf("used: %v", used)
	}
	// Below what it is pinned to a holder may pin further, not beside it.
	if status, reply := w.as(w.narrow(token, spendtoken.Block{Entities: []spendtoken.Pin{{Key: "userId", Value: "ann"}}}), "POST", acme+"/consume", `{"featureId":"credits","amount":1,"idempotencyKey":"c"}`); status != 200 {
		t.Errorf("below: %d %s", status, reply)
	}
	for _, pin := range []spendtoken.Pin{{Key: "teamId", Value: "search"}, {Key: "userId", Value: "nobody"}, {Key: "run", Value: "3"}} {
		if status, reply := w.as(w.narrow(token, spendtoken.Block{Entities: []spendtoken.Pin{pin}}), "POST", acme+"/consume", `{"featureId":"credits","amount":1,"idempotencyKey":"d"}`); status != 403 {
			t.Errorf("%v: %d %s", pin, status, reply)
		}
	}
	w.admin("POST", acme+"/entities/archive", `{"ids":["a2"]}`)
	if status, _ := w.as(other, "GET", acme+"/entitlements/check?featureId=credits", ""); status != 403 {
		t.Errorf("an archived agent spends: %d", status)
	}
	if !strings.Contains(string(w.admin("GET", acme+"/activity?limit=100", "")), `"spend_token.created"`) {
		t.Error("no activity")
	}
}

// TestSpendCapsRace: of many who spend at once with tokens made from one, exactly each cap is
// granted, and of all of them together exactly that of the token that they were made from.
func TestSpendCapsRace(t *testing.T) {
	w := newSpendWorld(t)
	parent := w.make(`{"entities":{"agentId":"a1"},"label":"agents","caps":[{"featureId":"credits","amount":30}]}`)
	children := []*spendtoken.Token{
		w.narrow(parent, spendtoken.Block{Label: "run 1", Caps: []spendtoken.Cap{capOn("credits", 20)}}),
		w.narrow(parent, spendtoken.Block{Label: "run 2", Caps: []spendtoken.Cap{capOn("credits", 20)}}),
		w.narrow(w.narrow(parent, spendtoken.Block{}), spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 5)}}),
	}
	granted := w.race(children, "first")
	sum := granted[0] + granted[1] + granted[2]
	if sum != 30 || granted[0] > 20 || granted[1] > 20 || granted[2] > 5 {
		t.Errorf("granted %v", granted)
	}
	// After a restart everything is as it was.
	w.testServer = w.restarted()
	if again := w.race(children, "second"); again != [3]int64{} {
		t.Errorf("after a restart %v more are granted", again)
	}
	if used := w.used(); used["search"] != "30" || used[parent.ID()] != "30" {
		t.Errorf("used: %v", used)
	}
	one := w.make(`{"entities":{"agentId":"a2"}}`)
	run := w.narrow(one, spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 17)}})
	if granted := w.race([]*spendtoken.Token{run, run, run}, "third"); granted[0]+granted[1]+granted[2] != 17 {
		t.Errorf("of a cap of 17: %v", granted)
	}
	if w.consume(one, "without the cap", 1) != 200 {
		t.Error("the token that has no cap is held by that of one made from it")
	}
}

// race has three spend 40 times each, at once.
func (w *spendWorld) race(tokens []*spendtoken.Token, name string) (granted [3]int64) {
	var wg sync.WaitGroup
	var counts [3]atomic.Int64
	for g := range 12 {
		wg.Go(func() {
			for i := range 10 {
				if w.consume(tokens[g%3], fmt.Sprintf("%s %d %d", name, g, i), 1) == 200 {
					counts[g%3].Add(1)
				}
			}
		})
	}
	wg.Wait()
	for i := range counts {
		granted[i] = counts[i].Load()
	}
	return granted
}

// TestSpendTokenEnds: a revoked token, and all made from it, are refused at once, here and on
// a server that begins later; what they were counted on is archived.
func TestSpendTokenEnds(t *testing.T) {
	w := newSpendWorld(t)
	parent := w.make(`{"entities":{"agentId":"a1"},"caps":[{"featureId":"credits","amount":30}]}`)
	child := w.narrow(parent, spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 20)}})
	sibling := w.narrow(parent, spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 20)}})
	for i, token := range []*spendtoken.Token{parent, child, sibling} {
		if w.consume(token, fmt.Sprint(i), 1) != 200 {
			t.Fatal("a good one")
		}
	}
	status := func(token *spendtoken.Token) int {
		w.api.guard = newGuard()
		status, _ := w.as(token, "GET", "/api/v1/spend-token", "")
		return status
	}
	w.admin("POST", acme+"/spend-tokens/revoke", `{"token":"`+child.String()+`"}`)
	grandchild := w.narrow(child, spendtoken.Block{})
	for i := range 2 {
		if a, b, c, d := status(parent), status(sibling), status(child), status(grandchild); a != 200 || b != 200 || c != 401 || d != 401 {
			t.Errorf("one that its holder made was revoked, restarts %d: %d %d %d %d", i, a, b, c, d)
		}
		w.testServer = w.restarted()
	}
	w.admin("DELETE", acme+"/spend-tokens/"+parent.ID(), "")
	for i := range 2 {
		for _, token := range []*spendtoken.Token{parent, child, sibling, grandchild} {
			if got := status(token); got != 401 {
				t.Errorf("restarts %d: %d", i, got)
			}
		}
		w.testServer = w.restarted()
	}
	var out struct {
		Data []spendTokenOut `json:"data"`
	}
	mustUnmarshal(t, w.admin("GET", acme+"/spend-tokens", ""), &out)
	if len(out.Data) != 2 || out.Data[0].RevokedAt == nil || out.Data[1].RevokedAt == nil || out.Data[0].Token != "" {
		t.Errorf("listed: %+v", out.Data)
	}
	if live := string(w.admin("GET", acme+"/entities?limit=100", "")); strings.Contains(live, "spend-token") {
		t.Errorf("live entities: %s", live)
	}
	if resp, reply := w.do("DELETE", acme+"/spend-tokens/tok-none", "", "X-API-KEY: "+testAdminKey); resp.StatusCode != 404 {
		t.Errorf("an unknown one: %d %s", resp.StatusCode, reply)
	}
	if strings.Contains(w.logs.String(), spendtoken.Prefix) {
		t.Error("a token is in the log")
	}
}

// TestSpendTokenOwnBudget: a token is told what it may spend.
func TestSpendTokenOwnBudget(t *testing.T) {
	w := newSpendWorld(t)
	parent := w.make(`{"entities":{"agentId":"a1"},"label":"agents","caps":[{"featureId":"credits","amount":30}]}`)
	child := w.narrow(parent, spendtoken.Block{Label: "run", Models: []string{"small"}, Caps: []spendtoken.Cap{capOn("credits", 2)}})
	ask := func() (out ownBudgetOut) {
		status, reply := w.as(child, "GET", "/api/v1/spend-token", "")
		var in struct {
			Data struct {
				CustomerID string            `json:"customerId"`
				Label      string            `json:"label"`
				Entities   map[string]string `json:"entities"`
				Models     []string          `json:"models"`
				Chain      []spendLinkOut    `json:"chain"`
				Limits     []nodeReply       `json:"limits"`
				Closed     []closedBudgetOut `json:"closed"`
			} `json:"data"`
		}
		if status != 200 {
			t.Fatalf("%d %s", status, reply)
		}
		mustUnmarshal(t, []byte(reply), &in)
		if in.Data.CustomerID != "acme" || in.Data.Label != "run" || in.Data.Entities["agentId"] != "a1" || len(in.Data.Models) != 1 || len(in.Data.Chain) != 2 {
			t.Errorf("%s", reply)
		}
		out.Limits, out.Closed = in.Data.Limits, in.Data.Closed
		return out
	}
	left := func(out ownBudgetOut) (s []string) {
		for _, n := range out.Limits {
			s = append(s, n.Remaining.String())
		}
		return s
	}
	if got := left(ask()); !slices.Equal(got, []string{"1000", "2", "30"}) && !slices.Equal(got, []string{"2", "30", "1000"}) {
		t.Errorf("left: %v", got)
	}
	if status, reply := w.as(child, "POST", acme+"/consume", `{"featureId":"credits","amount":2,"idempotencyKey":"k","dimensions":{"model":"small"}}`); status != 200 {
		t.Fatal(reply)
	}
	out := ask()
	if len(out.Closed) != 1 || *out.Closed[0].FeatureID != "credits" || out.Closed[0].Reason != bursar.CodeBudgetExceeded {
		t.Errorf("closed: %+v", out.Closed)
	}
	// The highest value that came is at its limit: as high a one may come again.
	w.admin("POST", "/api/v1/features", `{"id":"peak","displayName":"Peak","featureType":"NUMBER","meter":{"eventName":"peak","aggregation":{"function":"MAX","field":"size"}}}`)
	w.admin("PUT", acme+"/assignments", `{"assignments":[{"entityId":"a1","featureId":"peak","usageLimit":8,"cadence":"P1M"}]}`)
	w.admin("POST", "/api/v1/events", `{"events":[{"customerId":"acme","eventName":"peak","idempotencyKey":"p","dimensions":{"agentId":"a1","size":8}}]}`)
	if again := ask(); len(again.Closed) != len(out.Closed) || len(again.Limits) != len(out.Limits)+1 {
		t.Errorf("a MAX at its limit: closed %+v, limits %+v", again.Closed, again.Limits)
	}
	status, reply := w.as(child, "POST", acme+"/explain", `{"featureId":"credits","dimensions":{"model":"small"}}`)
	if status != 200 || !strings.Contains(reply, child.Customer()) && !strings.Contains(reply, `"BudgetExceeded"`) {
		t.Errorf("why: %d %s", status, reply)
	}
}

// TestSpendTokenForgeries: none of many texts made from good tokens is taken by the server.
func TestSpendTokenForgeries(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 4000
	}
	w := newSpendWorld(t)
	parent := w.make(`{"entities":{"agentId":"a1"},"caps":[{"featureId":"credits","amount":30}]}`)
	child := w.narrow(parent, spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 2)}})
	revoked, ended := w.make(`{}`), w.make(`{"expiresInSeconds":60}`)
	w.admin("DELETE", acme+"/spend-tokens/"+revoked.ID(), "")
	w.clock.advance(time.Minute)
	now := w.clock.time()
	r := rand.New(rand.NewPCG(1, 14))
	good, bad := []string{parent.String(), child.String()}, []*spendtoken.Token{revoked, ended}
	for i := range n {
		var text string
		switch i % 4 {
		case 0: // one byte of it
			b := []byte(good[r.IntN(2)])
			at := len(spendtoken.Prefix) + r.IntN(len(b)-len(spendtoken.Prefix))
			for was := b[at]; b[at] == was; {
				b[at] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[r.IntN(64)]
			}
			text = string(b)
		case 1: // the beginning of one, with the end of another
			a, b := good[r.IntN(2)], good[r.IntN(2)]
			cut := len(spendtoken.Prefix) + 1 + r.IntN(len(a)-len(spendtoken.Prefix)-1)
			if text = a[:cut] + b[len(b)-r.IntN(len(b)):]; slices.Contains(good, text) {
				continue
			}
		case 2: // replayed after it was revoked or ended, also narrowed since
			text = w.narrow(bad[r.IntN(2)], spendtoken.Block{Label: fmt.Sprint(i)}).String()
		case 3: // of another environment
			other, err := spendtoken.NewKey([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}).Make(spendtoken.Block{Customer: "acme", Expires: now + 1e15})
			if err != nil {
				t.Fatal(err)
			}
			text = other.String()
		}
		if p, ok := w.api.identify(text, now); ok {
			t.Fatalf("%d: %s is %s", i, text, p.id)
		}
		if i < 40 { // as callers show it
			w.api.guard = newGuard()
			if resp, reply := w.do("POST", acme+"/consume", `{"featureId":"credits","amount":1,"idempotencyKey":"f"}`, "Authorization: Bearer "+text); resp.StatusCode != http.StatusUnauthorized || strings.Contains(string(reply), text) {
				t.Fatalf("%d: %d %s", i, resp.StatusCode, reply)
			}
		}
	}
	for _, text := range good {
		if _, ok := w.api.identify(text, now); !ok {
			t.Error("a good one is refused")
		}
	}
}

// BenchmarkSpendToken is what finding out who holds a spend token costs, of two blocks.
func BenchmarkSpendToken(b *testing.B) {
	w := newSpendWorld(b)
	text := w.narrow(w.make(`{"entities":{"agentId":"a1"},"caps":[{"featureId":"credits","amount":30}]}`), spendtoken.Block{Caps: []spendtoken.Cap{capOn("credits", 2)}}).String()
	now := w.clock.time()
	for b.Loop() {
		if _, ok := w.api.identify(text, now); !ok {
			b.Fatal("refused")
		}
	}
}

// jsonAt is a text within a JSON text.
func jsonAt(t *testing.T, text []byte, path ...string) string {
	t.Helper()
	for _, name := range path {
		var members map[string]json.RawMessage
		mustUnmarshal(t, text, &members)
		text = members[name]
	}
	return strings.Trim(string(text), `"`)
}

// TestSpendTokenLearnsNoNames: who holds one is not told what features and events there are by asking for
// others. Keys are, for as many ids of a request as are looked up, and only of what is not archived.
func TestSpendTokenLearnsNoNames(t *testing.T) {
	w := newSpendWorld(t)
	token := w.make(`{"entities":{"agentId":"a1"}}`)
	byKey := func(path, body string) string {
		_, reply := w.do("POST", path, body, "X-API-KEY: "+testAdminKey)
		return string(reply)
	}
	const hint, dims = "did you mean", `"dimensions":{"agentId":"a1"}`
	asked := []struct{ path, body string }{
		{acme + "/entitlements/checks", `{"checks":[{"featureId":"creditz"}]}`},
		{acme + "/explain", `{"featureId":"creditz"}`},
		{acme + "/explain", `{"eventName":"lm","maxTokens":1}`},
		{acme + "/consume", `{"featureId":"creditz","amount":1,"idempotencyKey":"a"}`},
		{acme + "/reservations", `{"eventName":"lm","maxTokens":1,"idempotencyKey":"b"}`},
		{"/api/v1/events/estimate", `{"customerId":"acme","eventName":"lm"}`},
	}
	for _, x := range asked {
		if status, reply := w.as(token, "POST", x.path, x.body); strings.Contains(reply, hint) || status == 403 {
			t.Errorf("the token, %s: %d %s", x.path, status, reply)
		}
		if reply := byKey(x.path, x.body); !strings.Contains(reply, hint) {
			t.Errorf("a key, %s: %s", x.path, reply)
		}
	}
	var many strings.Builder
	for i := range 40 {
		fmt.Fprintf(&many, `,{"customerId":"acme","eventName":"lm%d","idempotencyKey":"e%d",%s}`, i%10, i, dims)
	}
	_, each, _ := strings.Cut(byKey("/api/v1/events", `{"events":[`+many.String()[1:]+`]}`), `"errors":`)
	if n := strings.Count(each, `; did you mean \"llm\"?; give`); n != 32 {
		t.Errorf("%d ids of a request were looked up", n)
	}
	w.admin("POST", "/api/v1/features/other/archive", "")
	if reply := byKey(acme+"/explain", `{"featureId":"othe"}`); strings.Contains(reply, hint) {
		t.Errorf("an archived feature is meant: %s", reply)
	}
}
