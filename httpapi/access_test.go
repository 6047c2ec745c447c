package httpapi

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
)

// tokenRoutes is every route that an access token is for, with the permission. A route
// that is not here must refuse tokens.
var tokenRoutes = map[string]string{
	"GET /entity-types": "read", "GET /features": "read", "GET /features/{featureId}": "read", "GET /credits/custom-currencies": "read",
	"GET " + customer: "read", "GET " + customer + "/entities": "read", "GET " + customer + "/entities/{entityId}": "read",
	"PATCH " + customer + "/entities/{entityId}": "manage", "GET " + customer + "/entities/{entityId}/usage": "read",
	"GET " + customer + "/usage": "read", "GET " + customer + "/forecast": "read",
	"GET " + assignments: "read", "PUT " + assignments: "manage", "GET " + assignments + "/{assignmentId}": "read", "DELETE " + assignments + "/{assignmentId}": "manage",
	"POST " + customer + "/entities/{entityId}/freeze": "manage", "POST " + customer + "/entities/{entityId}/thaw": "manage", "GET " + customer + "/freezes": "read",
	"POST " + assignments + boosts: "manage", "GET " + assignments + boosts: "read", "DELETE " + assignments + boosts + "/{boostId}": "manage",
	"GET " + entitlement: "read", "PUT " + entitlement: "manage", "GET " + entitlement + "/{assignmentId}": "read", "DELETE " + entitlement + "/{assignmentId}": "manage",
	"POST " + entitlement + boosts: "manage", "GET " + entitlement + boosts: "read", "DELETE " + entitlement + boosts + "/{boostId}": "manage",
	"GET " + degrades: "read", "PUT " + degrades: "manage", "DELETE " + degrades + "/{degradePolicyId}": "manage",
	"GET " + notifications: "read", "PUT " + notifications: "manage", "GET " + notification: "read", "DELETE " + notification: "manage", "POST " + notification + "/test": "manage",
	"GET " + notification + "/deliveries": "read", "POST " + notification + "/deliveries/{deliveryId}/redeliver": "manage",
	"GET " + defaults: "read", "PUT " + defaults: "manage", "DELETE " + defaults + "/{defaultId}": "manage",
	"GET " + customer + "/allocation": "read", "POST " + customer + "/simulate": "read", "GET " + customer + "/governance": "read",
	"POST " + boostRequests: "manage", "GET " + boostRequests: "read", "GET " + boostRequest: "read",
	"POST " + boostRequest + "/approve": "manage", "POST " + boostRequest + "/decline": "manage", "POST " + boostRequest + "/withdraw": "manage",
	"GET " + customer + "/activity": "read", "GET " + streamPattern: "read", "GET " + customer + "/denials": "read", "GET " + customer + "/denials/summary": "read", "POST " + customer + "/explain": "read", "GET " + customer + "/reservations": "read",
}

// tokenWorld is two customers with a tree, and tokens of every kind. What a token of the
// red team must not learn has names and figures that nothing else has.
type tokenWorld struct {
	*testServer
	limits, boosts map[string]string // by entity
	defaults       map[string]string
	requests       map[string]string
	degrades       map[string]string
	notifications  map[string]string
	sent           map[string]string // a delivery of each
	tokens         map[string]string
}

// unseen is what no reply to a token of the red team may hold. Its amounts are so large beside what the
// team may see that a sum which has one of them begins like it.
var unseen = regexp.MustCompile(`orgroot|blueteam|bobuser|oldblue|gonechild|Hidden|[: ](?:4444|5555)\d*\b|rival|key-owner|gold`)

const tokenDims = `{"orgId":"orgroot","userId":"annuser","agentId":"bobuser","model":"m"}`

func newTokenWorld(t testing.TB) *tokenWorld {
	w := &tokenWorld{testServer: newTestServer(t), limits: map[string]string{}, boosts: map[string]string{}, defaults: map[string]string{}, requests: map[string]string{}, degrades: map[string]string{}, notifications: map[string]string{}, sent: map[string]string{}, tokens: map[string]string{}}
	w.api.pace.poll = time.Millisecond
	w.api.uses.burst, w.api.uses.writes = 1e9, 1e9
	w.admin("PUT", "/api/v1/entity-types", `{"types":[{"id":"org","displayName":"Org","attributionKeys":["orgId"]},{"id":"team","displayName":"Team","attributionKeys":["teamId"]},{"id":"user","displayName":"User","attributionKeys":["userId","agentId"]}]}`)
	w.admin("POST", "/api/v1/features", `{"id":"calls","displayName":"Calls","featureType":"NUMBER"}`)
	for _, id := range []string{"acme", "rival"} {
		base := "/api/v1/customers/" + id
		w.admin("POST", "/api/v1/customers", `{"id":"`+id+`","name":"Corp","email":"key-owner@x","metadata":{"plan":"gold"}}`)
		w.admin("PUT", base+"/entities", `{"entities":[{"id":"orgroot","entityTypeId":"org","displayName":"Hidden"},{"id":"redteam","entityTypeId":"team","parentId":"orgroot"},
			{"id":"blueteam","entityTypeId":"team","parentId":"orgroot","displayName":"Hidden"},{"id":"annuser","entityTypeId":"user","parentId":"blueteam"},{"id":"oldann","entityTypeId":"user","parentId":"redteam"},
			{"id":"bobuser","entityTypeId":"user","parentId":"blueteam","displayName":"Hidden"},{"id":"oldblue","entityTypeId":"user","parentId":"blueteam"}]}`)
		w.admin("PATCH", base+"/entities/annuser", `{"parentId":"redteam"}`)
		w.admin("PUT", base+"/entities", `{"entities":[{"id":"gonechild","entityTypeId":"user","parentId":"redteam"}]}`)
		w.admin("POST", "/api/v1/usage", `{"usages":[{"customerId":"`+id+`","featureId":"calls","value":1,"dimensions":{"userId":"gonechild"}}]}`)
		w.admin("PATCH", base+"/entities/gonechild", `{"parentId":"blueteam"}`)
		for _, limit := range []string{`"orgroot","usageLimit":444400000`, `"redteam","usageLimit":100`, `"blueteam","usageLimit":555500000`, `"annuser","usageLimit":50`,
			`"oldann","usageLimit":50`, `"bobuser","usageLimit":555510000`, `"oldblue","usageLimit":55552`, `"annuser","usageLimit":55553,"scopeEntityIds":["bobuser"]`} {
			var out struct {
				Data []assignmentOut `json:"data"`
			}
			mustUnmarshal(t, w.admin("PUT", base+"/assignments", `{"assignments":[{"featureId":"calls","cadence":"P1M","entityId":`+limit+`}]}`), &out)
			if id == "acme" {
				name := out.Data[0].EntityID + strings.Join(out.Data[0].ScopeEntityIDs, "+")
				w.limits[name] = out.Data[0].ID
				var b struct {
					Data boostOut `json:"data"`
				}
				mustUnmarshal(t, w.admin("POST", base+"/assignments/"+out.Data[0].ID+"/boosts", `{"amount":1}`), &b)
				w.boosts[name] = b.Data.ID
				var r struct {
					Data boostRequestOut `json:"data"`
				}
				mustUnmarshal(t, w.admin("POST", base+"/boost-requests", `{"assignmentId":"`+out.Data[0].ID+`","amount":`+amountFor(name)+`,"reason":"`+reasonFor(name)+`"}`), &r)
				w.requests[name] = r.Data.ID
			}
		}
		for entity, limit := range map[string]string{"orgroot": "44441", "redteam": "71", "blueteam": "55554", "annuser": "72", "oldann": "73", "bobuser": "55555", "oldblue": "55556"} {
			var out struct {
				Data []defaultOut `json:"data"`
			}
			mustUnmarshal(t, w.admin("PUT", base+"/default-limits", `{"defaults":[{"featureId":"calls","cadence":"P1M","entityId":"`+entity+`","entityTypeId":"org","usageLimit":`+limit+`}]}`), &out)
			if id == "acme" {
				w.defaults[entity] = out.Data[0].ID
			}
		}
		for entity, at := range map[string]string{"orgroot": "441", "redteam": "71", "blueteam": "554", "annuser": "72", "oldann": "73", "bobuser": "555", "oldblue": "556"} {
			var out struct {
				Data []degradePolicyOut `json:"data"`
			}
			mustUnmarshal(t, w.admin("PUT", base+"/degrade-policies", `{"policies":[{"featureId":"calls","entityId":"`+entity+`","steps":[{"atPercent":`+at+`,"message":"of `+entity+`"}]}]}`), &out)
			if id == "acme" {
				w.degrades[entity] = out.Data[0].ID
			}
		}
		for entity, at := range map[string]string{"orgroot": "441", "redteam": "71", "blueteam": "554", "annuser": "72", "oldann": "73", "bobuser": "555", "oldblue": "556"} {
			var out struct {
				Data []notificationOut `json:"data"`
			}
			mustUnmarshal(t, w.admin("PUT", base+"/notifications", `{"notifications":[{"entityId":"`+entity+`","name":"Hidden of `+entity+`","emails":["key-owner@`+entity+`.example"],"thresholds":[`+at+`],"boostRequests":true}]}`), &out)
			if id == "acme" {
				w.notifications[entity] = out.Data[0].ID
			}
		}
		w.admin("POST", base+"/entities/archive", `{"ids":["oldann","oldblue"]}`)
		w.admin("POST", "/api/v1/usage", `{"usages":[{"customerId":"`+id+`","featureId":"calls","value":3,"dimensions":`+tokenDims+`},{"customerId":"`+id+`","featureId":"calls","value":44440000,"dimensions":{"userId":"bobuser"}}]}`)
		w.admin("POST", base+"/reservations", `{"featureId":"calls","amount":2,"dimensions":`+tokenDims+`,"idempotencyKey":"1"}`)
		w.admin("POST", base+"/reservations", `{"featureId":"calls","amount":44440000,"dimensions":{"userId":"bobuser"},"idempotencyKey":"2"}`)
	}
	var given struct {
		Data []defaultOut `json:"data"`
	}
	mustUnmarshal(t, w.admin("PUT", "/api/v1/customers/acme/default-limits", `{"defaults":[{"featureId":"calls","cadence":"P1M","entityId":"orgroot","entityTypeId":"user","usageLimit":74,"label":"given"}]}`), &given)
	for _, query := range []string{"dimensions[userId]=bobuser", "dimensions[userId]=annuser", "dimensions=" + url.QueryEscape(tokenDims)} {
		w.admin("GET", "/api/v1/customers/acme/entitlements/check?featureId=calls&requestedUsage=99999&"+query, "")
	}
	w.admin("DELETE", "/api/v1/customers/acme/default-limits/"+given.Data[0].ID, "") // the denials go on to say what denied
	w.defaults["missing"], w.defaults["annuserbobuser"] = "01a09f70-97fa-7000-8000-0014000378dd", "01a09f70-97fa-7000-8000-0014000378dd"
	w.requests["missing"] = "01a09f70-97fa-7000-8000-0014000378de"
	w.degrades["missing"], w.degrades["annuserbobuser"] = "01a09f70-97fa-7000-8000-0014000378de", "01a09f70-97fa-7000-8000-0014000378de"
	w.notifications["missing"], w.notifications["annuserbobuser"] = "01a09f70-97fa-7000-8000-0014000378df", "01a09f70-97fa-7000-8000-0014000378df"
	w.limits["missing"], w.boosts["missing"] = "01a09f70-97fa-7000-8000-0014000378db", "01a09f70-97fa-7000-8000-0014000378dc"
	w.makeTokens()
	for _, entity := range []string{"redteam", "annuser"} { // a token with a root sees those that such tokens made
		var made struct {
			Data []notificationOut `json:"data"`
		}
		_, reply := w.as("scoped", "PUT", "/api/v1/customers/acme/notifications", `{"notifications":[{"entityId":"`+entity+`","name":"own","emails":["a@b.example"],"thresholds":[777]}]}`)
		mustUnmarshal(t, []byte(reply), &made)
		w.notifications[entity] = made.Data[0].ID
		var sent struct {
			Data []notificationDeliveryOut `json:"data"`
		}
		_, reply = w.as("scoped", "POST", "/api/v1/customers/acme/notifications/"+made.Data[0].ID+"/test", "")
		mustUnmarshal(t, []byte(reply), &sent)
		w.sent[entity] = sent.Data[0].ID
	}
	return w
}

// amountFor and reasonFor are what is asked for in the world of tokens.
func amountFor(name string) string {
	if name == "redteam" || name == "annuser" || name == "oldann" {
		return "1"
	}
	return "55557"
}

func reasonFor(name string) string {
	if amountFor(name) == "1" {
		return "ours"
	}
	return "Hidden"
}

func (w *tokenWorld) makeTokens() {
	make := func(customer, body string) (token, id string) {
		var out struct {
			Data accessTokenOut `json:"data"`
		}
		mustUnmarshal(w.t, w.admin("POST", "/api/v1/customers/"+customer+"/access-tokens", body), &out)
		return out.Data.Token, out.Data.ID
	}
	w.tokens["expired"], _ = make("acme", `{"permissions":["manage"],"expiresInSeconds":60}`)
	w.clock.advance(time.Minute)
	w.tokens["read"], _ = make("acme", `{"permissions":["read"]}`)
	w.tokens["manage"], _ = make("acme", `{"permissions":["read","manage"]}`)
	w.tokens["scoped"], _ = make("acme", `{"permissions":["manage"],"rootEntityId":"redteam"}`)
	w.tokens["scoped read"], _ = make("acme", `{"permissions":["read"],"rootEntityId":"redteam"}`)
	revoked, id := make("acme", `{"permissions":["manage"]}`)
	w.admin("DELETE", "/api/v1/customers/acme/access-tokens/"+id, "")
	w.tokens["revoked"] = revoked
	parts := strings.Split(w.tokens["scoped"], ".")
	claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
	wider := base64.RawURLEncoding.EncodeToString(bytes.Replace(claims, []byte(`,"rootEntityId":"redteam"`), nil, 1))
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	w.tokens["tampered"] = parts[0] + "." + wider + "." + parts[2]
	w.tokens["alg none"] = none + "." + parts[1] + "."
	w.tokens["alg none, signed"] = none + "." + parts[1] + "." + parts[2]
	w.tokens["too long"] = parts[0] + "." + strings.Repeat("A", maxTokenBytes) + "." + parts[2]
}

func (w *tokenWorld) as(token, method, path, body string) (*http.Response, string) {
	w.t.Helper()
	resp, reply := w.do(method, path, body, "Authorization: Bearer "+w.tokens[token], "X-Request-Id: test")
	return resp, string(reply)
}

// bodyFor is a good body for a write that names an entity.
func bodyFor(r *route, entity string) string {
	switch {
	case strings.HasSuffix(r.pattern, "/boosts") && r.method == "POST":
		return `{"amount":1}`
	case r.pattern == boostRequests:
		return `{"entityId":"` + entity + `","featureId":"calls","label":"","amount":1,"scopeEntityIds":[]}`
	case strings.HasPrefix(r.pattern, boostRequest):
		return ""
	case strings.HasSuffix(r.pattern, "/freeze"):
		return `{"reason":"a test"}`
	case strings.HasSuffix(r.pattern, "/thaw"):
		return ""
	case r.method == "PATCH":
		return `{"metadata":{"a":"b"}}`
	case r.pattern == defaults && r.method == "PUT":
		return `{"defaults":[{"featureId":"calls","cadence":"P1M","usageLimit":7,"label":"new","entityTypeId":"user","entityId":"` + entity + `"}]}`
	case r.pattern == degrades && r.method == "PUT":
		return `{"policies":[{"entityId":"` + entity + `","steps":[{"atPercent":80,"tools":false}]}]}`
	case r.pattern == notifications && r.method == "PUT":
		return `{"notifications":[{"entityId":"` + entity + `","name":"new","emails":["a@b.example"],"thresholds":[777]}]}`
	case strings.HasPrefix(r.pattern, notification):
		return ""
	case r.method == "PUT":
		return `{"assignments":[{"featureId":"calls","cadence":"P1M","usageLimit":7,"label":"new","entityId":"` + entity + `"}]}`
	case strings.HasSuffix(r.pattern, "/explain"):
		return `{"featureId":"calls","dimensions":{"orgId":"` + entity + `","teamId":"` + entity + `","userId":"` + entity + `"}}`
	case r.method == "POST":
		return `{"startDate":"2026-09-01T00:00:00Z","assignments":[{"featureId":"calls","cadence":"P1M","usageLimit":1,"entityId":"` + entity + `"}]}`
	}
	return ""
}

// targets are the requests of a route about one entity of a customer.
func (w *tokenWorld) targets(r *route, base, customer, entity string) []string {
	path := base + strings.NewReplacer("{customerId}", customer, "{entityId}", entity, "{assignmentId}", w.limits[entity], "{boostId}", w.boosts[entity], "{defaultId}", w.defaults[entity], "{boostRequestId}", w.requests[entity], "{degradePolicyId}", w.degrades[entity], "{notificationId}", w.notifications[entity],
		"{featureId}", "calls", "{currencyId}", "c", "{rateCardId}", "c", "{grantId}", w.limits["missing"], "{reservationId}", w.limits["missing"],
		"{keyId}", "k", "{webhookId}", "w", "{deliveryId}", cmp.Or(w.sent[entity], "d"), "{tokenId}", w.limits["missing"]).Replace(r.pattern)
	switch r.pattern {
	case assignments, entitlement:
		if r.method == "GET" {
			return []string{path + "?entityId=" + entity}
		}
	case "/customers/{customerId}/entities":
		return []string{path + "?parentId=" + entity, path + "?includeArchived=true&search=" + entity}
	case "/customers/{customerId}/entities/{entityId}/usage":
		return []string{path + "?featureId=calls&startDate=2026-09-01T00:00:00Z&groupBy=$child,model"}
	case "/customers/{customerId}/usage":
		return []string{path + "?featureId=calls&startDate=2026-09-01T00:00:00Z&groupBy=userId,model"}
	case "/customers/{customerId}/denials/summary":
		return []string{path + "?startDate=2026-09-01T00:00:00Z&endDate=2027-09-01T00:00:00Z&granularity=DAY&entityId=" + entity}
	case "/customers/{customerId}/forecast":
		return []string{path + "?featureId=calls&rootEntityId=" + entity, path + "?featureId=calls"}
	case "/customers/{customerId}/allocation":
		return []string{path + "?featureId=calls&entityId=" + entity}
	case "/customers/{customerId}/governance", streamPattern:
		return []string{path + "?featureIds=calls&rootEntityId=" + entity, path + "?featureIds=calls&parentId=" + entity, path + "?includeArchived=true&entityIdSearch=" + entity}
	case boostRequests:
		if r.method == "GET" {
			return []string{path + "?entityId=" + entity, path + "?status=OPEN&entityId=" + entity}
		}
	case "/customers/{customerId}/activity", "/customers/{customerId}/reservations", "/customers/{customerId}/denials":
		return []string{path + "?entityId=" + entity}
	}
	return []string{path}
}

// TestTokenRoutes: a route is open to tokens only if it is listed, and every route
// refuses tokens that are no longer, or never were, good.
func TestTokenRoutes(t *testing.T) {
	w := newTokenWorld(t)
	for _, r := range (&API{}).routes() {
		name := r.method + " " + r.pattern
		takes := tokenRoutes[name]
		if got := r.access & tokens; got == tokenRead != (takes == "read") || got == tokenManage != (takes == "manage") || got == tokens {
			t.Errorf("%s: tokens with %b may call it, listed is %q", name, got, takes)
		}
		if r.access == open {
			continue
		}
		for _, base := range r.bases {
			for _, customer := range []string{"acme", "rival", "nosuch"} {
				path := w.targets(r, base, customer, "annuser")[0]
				for _, token := range []string{"expired", "revoked", "tampered", "alg none", "alg none, signed", "too long"} {
					w.api.guard = newGuard()
					resp, reply := w.as(token, r.method, path, bodyFor(r, "annuser"))
					if resp.StatusCode != 401 || !strings.Contains(reply, "is not valid: it may be mistyped") {
						t.Errorf("%s with a token that is %s: %d %s", name, token, resp.StatusCode, reply)
					}
				}
				var valid []string
				if takes == "" {
					valid = []string{"read", "manage", "scoped", "scoped read"}
				} else if takes == "manage" {
					valid = []string{"read", "scoped read"}
				}
				for _, token := range valid {
					if resp, reply := w.as(token, r.method, path, bodyFor(r, "annuser")); resp.StatusCode != 403 || strings.Contains(reply, customer) {
						t.Errorf("%s with %s: %d %s", name, token, resp.StatusCode, reply)
					}
				}
			}
		}
	}
}

// TestTokensSeeTheirOwn: what a token may not see answers exactly as what does not
// exist, whatever the route and the kind of id, and nothing of it is in any reply.
func TestTokensSeeTheirOwn(t *testing.T) {
	for _, r := range (&API{}).routes() {
		takes := tokenRoutes[r.method+" "+r.pattern]
		if takes == "" || r.pattern == streamPattern {
			continue
		}
		t.Run(r.method+r.pattern, func(t *testing.T) {
			t.Parallel()
			w := newTokenWorld(t)
			for _, token := range []string{"scoped read", "scoped", "read", "manage"} {
				if takes == "manage" && strings.HasSuffix(token, "read") {
					continue
				}
				w.compare(r, token)
			}
		})
	}
}

func (w *tokenWorld) compare(r *route, token string) {
	scoped := strings.HasPrefix(token, "scoped")
	for _, base := range r.bases {
		ask := func(customer, entity string) (replies []string) {
			for _, path := range w.targets(r, base, customer, entity) {
				resp, reply := w.as(token, r.method, path, bodyFor(r, entity))
				for _, id := range []string{entity, w.limits[entity], w.boosts[entity], w.defaults[entity], w.requests[entity], w.degrades[entity], w.notifications[entity], w.sent[entity]} {
					if id != "" {
						reply = strings.ReplaceAll(reply, id, "ID")
					}
				}
				reply = fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Bursar-Version"), " ", regexp.MustCompile(`"asOf":"[^"]*"`).ReplaceAllString(reply, ""))
				if leak := unseen.FindString(reply); scoped && leak != "" {
					w.t.Errorf("%s %s with %s of %s: %q in %s", r.method, path, token, entity, leak, reply)
				}
				replies = append(replies, reply)
			}
			return replies
		}
		missing := ask("acme", "missing")
		if scoped {
			for _, foreign := range []string{"orgroot", "blueteam", "bobuser", "oldblue", "annuser" + "bobuser"} {
				if w.boosts[foreign] == "" || foreign == "annuserbobuser" && !strings.Contains(r.pattern, "{assignmentId}") && !strings.Contains(r.pattern, "{boostRequestId}") {
					continue
				}
				if got := ask("acme", foreign); !slices.Equal(got, missing) {
					w.t.Errorf("%s with %s of %s\n%s, of a missing one\n%s", r.pattern, token, foreign, got, missing)
				}
			}
		}
		if r.customer {
			none := ask("nosuch", "annuser")
			if got := ask("rival", "annuser"); !slices.Equal(got, none) || !strings.Contains(got[0], "404 ") {
				w.t.Errorf("%s of another customer\n%s, of a missing one\n%s", r.pattern, got, none)
			}
		}
		if scoped {
			want := "20"
			if tokenRoutes[r.method+" "+r.pattern] == "manage" && !strings.HasPrefix(r.pattern, defaults) && !strings.HasPrefix(r.pattern, notifications) && r.pattern != boostRequests { // those are about what is below, or change no limit
				want = "403 "
			}
			if strings.HasSuffix(r.pattern, "/redeliver") { // it is seen, and has not failed
				want = "403 "
			}
			if got := ask("acme", "redteam"); !strings.HasPrefix(got[0], want) {
				w.t.Errorf("%s on the root: %s", r.pattern, got)
			}
			if path := w.targets(r, base, "acme", "redteam")[0]; strings.Contains(path, "entityId=") {
				if _, reply := w.as(token, r.method, strings.Replace(path, "entityId=redteam", "", 1), ""); unseen.MatchString(reply) {
					w.t.Errorf("%s, all of it: %s", path, reply)
				}
			}
		}
		if strings.HasPrefix(token, "scoped") || !strings.Contains(r.method, "DELETE") {
			for _, got := range ask("acme", "annuser") {
				others := r.pattern == boostRequest+"/withdraw" && strings.HasPrefix(got, "403 ") // an API key has asked
				others = others || strings.HasSuffix(r.pattern, "/redeliver") && strings.Contains(got, "sends again what has failed")
				if !strings.HasPrefix(got, "20") && !(strings.HasPrefix(got, "404") && r.method == "DELETE") && !others {
					w.t.Errorf("%s on what is its own: %s", r.pattern, got)
				}
			}
		}
	}
}

// TestTokensBeyondPaths: ids in bodies, and moves, reach no further than those in paths;
// what is shown of a reservation and of the past names nothing outside.
func TestTokensBeyondPaths(t *testing.T) {
	w := newTokenWorld(t)
	const base = "/api/v1/customers/acme"
	row := func(member string) string {
		return `{"assignments":[{"entityId":"annuser","featureId":"calls","cadence":"P1M","usageLimit":7,` + member + `}]}`
	}
	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/assignments", row(`"scopeEntityIds":["%s"]`)},
		{"PUT", "/assignments", row(`"parentId":"%s"`)},
		{"PATCH", "/entities/annuser", `{"parentId":"%s"}`},
		{"POST", "/simulate", strings.Replace(row(`"scopeEntityIds":["%s"]`), "{", `{"startDate":"2026-09-01T00:00:00Z",`, 1)},
		{"POST", "/simulate", strings.Replace(row(`"parentId":"%s"`), "{", `{"startDate":"2026-09-01T00:00:00Z",`, 1)},
	} {
		var missing string
		for _, id := range []string{"nosuch", "orgroot", "blueteam", "bobuser", "oldblue"} {
			resp, reply := w.as("scoped", c.method, base+c.path, fmt.Sprintf(c.body, id))
			reply = fmt.Sprint(resp.StatusCode, strings.ReplaceAll(reply, id, "ID"))
			if id == "nosuch" {
				missing = reply
			}
			if reply != missing || !strings.Contains(reply, "NotFound") {
				t.Errorf("%s %s with %s: %s, missing: %s", c.method, c.path, id, reply, missing)
			}
		}
	}
	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/assignments", row(`"parentId":null`)}, {"PATCH", "/entities/annuser", `{"parentId":null}`}, {"PATCH", "/entities/redteam", `{"parentId":null}`},
	} {
		if resp, reply := w.as("scoped", c.method, base+c.path, c.body); resp.StatusCode != 403 {
			t.Errorf("%s %s moves out: %d %s", c.method, c.path, resp.StatusCode, reply)
		}
	}
	_, reply := w.as("scoped", "GET", base+"/reservations", "")
	if !strings.Contains(reply, `"dimensions":{"model":"m","userId":"annuser"}`) || strings.Count(reply, `"status":"OPEN"`) != 1 || strings.Count(reply, `"assignmentId"`) != 3 || unseen.MatchString(reply) {
		t.Errorf("reservations: %s", reply)
	}
	_, reply = w.as("scoped", "GET", base+"/denials", "")
	if strings.Count(reply, `"kind":"CHECK"`) != 2 || strings.Count(reply, `"binding":null`) != 0 || strings.Count(reply, `"entityId":"redteam"`) != 2 || unseen.MatchString(reply) {
		t.Errorf("denials: %s", reply)
	}
	_, reply = w.as("scoped", "GET", base+"/activity?limit=100", "")
	if !strings.Contains(reply, `"parentId":null`) || unseen.MatchString(reply) {
		t.Errorf("activity: %s", reply)
	}
	_, all := w.as("read", "GET", base+"/activity?limit=100", "")
	if !strings.Contains(all, "blueteam") || strings.Contains(all, "key-owner") {
		t.Errorf("activity for a token of the customer: %s", all)
	}
	// Page by page it is the same list.
	var paged struct {
		Data       []activityOut `json:"data"`
		Pagination pagination    `json:"pagination"`
	}
	var first struct {
		Data []activityOut `json:"data"`
	}
	mustUnmarshal(t, []byte(reply), &first)
	var ids []string
	for after := ""; ; after = "&after=" + *paged.Pagination.Next {
		_, reply := w.as("scoped", "GET", base+"/activity?limit=2"+after, "")
		paged.Pagination = pagination{}
		paged.Data = nil
		mustUnmarshal(t, []byte(reply), &paged)
		for _, a := range paged.Data {
			ids = append(ids, a.ID)
		}
		if paged.Pagination.Next == nil {
			break
		}
	}
	if want := idsOf(first.Data); !slices.Equal(ids, want) {
		t.Errorf("paged %v, whole %v", ids, want)
	}
}

// TestTokensExplainEvents: so is a question about an event.
func TestTokensExplainEvents(t *testing.T) {
	w := newTokenWorld(t)
	const base = "/api/v1/customers/acme"
	w.admin("POST", "/api/v1/features", `{"id":"asked","displayName":"Asked","featureType":"NUMBER","meter":{"eventName":"ask","aggregation":{"function":"SUM","field":"tokens.output"},"filters":[]}}`)
	w.admin("PUT", base+"/assignments", `{"assignments":[{"featureId":"asked","cadence":"P1M","entityId":"redteam","usageLimit":100}]}`)
	ask := func(token, more, dims string) string {
		resp, reply := w.as(token, "POST", base+"/explain", `{"eventName":"ask",`+more+`,"dimensions":`+dims+`}`)
		return fmt.Sprint(resp.StatusCode, " ", reply)
	}
	fits, not := ask("scoped", `"maxTokens":100`, tokenDims), ask("scoped", `"maxTokens":101`, tokenDims)
	if !strings.Contains(fits, `"isGranted":true`) || !strings.Contains(not, `"wouldNeed":1`) || !strings.Contains(not, `"gates":[]`) || unseen.MatchString(fits+not) {
		t.Errorf("%s\n%s", fits, not)
	}
	w.admin("PUT", base+"/assignments", `{"assignments":[{"featureId":"asked","cadence":"P1M","entityId":"orgroot","usageLimit":0}]}`)
	w.admin("POST", base+"/promotional-entitlements", `{"promotionalEntitlements":[{"featureId":"asked","usageLimit":1,"period":"lifetime"}]}`)
	if got := ask("scoped", `"maxTokens":100`, tokenDims); got != fits {
		t.Errorf("with nothing left above it is %s, before it was %s", got, fits)
	}
	if got := ask("read", `"maxTokens":100`, tokenDims); !strings.Contains(got, `"isGranted":false`) {
		t.Errorf("who sees all limits is told %s", got)
	}
	if got := ask("scoped", `"maxTokens":1`, `{"orgId":"orgroot"}`); !strings.HasPrefix(got, "404 ") {
		t.Errorf("about what is above: %s", got)
	}
	if got := ask("scoped", `"hold":"p95"`, tokenDims); !strings.HasPrefix(got, "400 ") || !strings.Contains(got, "/hold") {
		t.Errorf("what calls above had: %s", got)
	}
}

// TestTokensExplain: a question of a token with a root is answered of its subtree alone,
// whatever is above it, so that asking for more and more finds nothing out.
func TestTokensExplain(t *testing.T) {
	w := newTokenWorld(t)
	const base = "/api/v1/customers/acme"
	about := func(feature, token, amount, dims string) string {
		resp, reply := w.as(token, "POST", base+"/explain", `{"featureId":"`+feature+`","requestedUsage":`+amount+`,"dimensions":`+dims+`}`)
		return fmt.Sprint(resp.StatusCode, " ", reply)
	}
	ask := func(token, amount, dims string) string { return about("calls", token, amount, dims) }
	// Whether nothing limits a request is known to who sees all limits.
	w.admin("POST", "/api/v1/features", `{"id":"loose","displayName":"Loose","featureType":"NUMBER"}`)
	for token, warns := range map[string]bool{"scoped": false, "read": true} {
		if reply := about("loose", token, "1", tokenDims); strings.Contains(reply, "UNGOVERNED:loose") != warns || !strings.Contains(reply, `"isGranted":true`) {
			t.Errorf("%s: %s", token, reply)
		}
	}
	var before []string
	amounts := []string{"1", "40", "99", "30000", "99999"}
	for _, amount := range amounts {
		reply := ask("scoped", amount, tokenDims)
		before = append(before, reply)
		if strings.Count(reply, `"assignmentId"`) < 2 || !strings.Contains(reply, `"gates":[]`) || !strings.Contains(reply, `"rootEntityId":"redteam"`) ||
			!strings.Contains(reply, `"currentUsage":0,"usageLimit":null`) || unseen.MatchString(reply) {
			t.Errorf("%s: %s", amount, reply)
		}
	}
	if !strings.Contains(before[0], `"isGranted":true`) || !strings.Contains(before[2], `"accessDeniedReason":"RequestedUsageExceedingLimit"`) ||
		!strings.Contains(before[2], `"source":"ENTITY"`) || strings.Contains(before[2], `"grantedAfter":"`) || !strings.Contains(before[1], `"grantedAfter":null`) {
		t.Errorf("%s", before)
	}
	w.admin("PUT", base+"/assignments", `{"assignments":[{"featureId":"calls","entityId":"orgroot","usageLimit":0},{"featureId":"calls","entityId":"annuser","scopeEntityIds":["bobuser"],"usageLimit":0}]}`)
	w.admin("POST", base+"/promotional-entitlements", `{"promotionalEntitlements":[{"featureId":"calls","usageLimit":1,"period":"lifetime"}]}`)
	for i, amount := range amounts {
		if got := ask("scoped", amount, tokenDims); got != before[i] {
			t.Errorf("%s: with nothing left above it is %s, before it was %s", amount, got, before[i])
		}
	}
	for _, token := range []string{"read", "manage"} { // all of the customer is theirs
		reply := ask(token, "1", tokenDims)
		if !strings.Contains(reply, `"isGranted":false`) || !strings.Contains(reply, `"binding":{"source":"CUSTOMER"`) || !strings.Contains(reply, `"entityId":"orgroot"`) || !strings.Contains(reply, `"rootEntityId":null`) {
			t.Errorf("%s: %s", token, reply)
		}
	}
	for _, dims := range []string{`{"orgId":"orgroot","userId":"bobuser"}`, `{"userId":"redteam"}`, `{"model":"m"}`, `{}`} {
		if reply := ask("scoped", "1", dims); !strings.HasPrefix(reply, "404 ") || !strings.Contains(reply, `"pointer":"/dimensions","code":"EntityNotFound"`) || unseen.MatchString(reply) {
			t.Errorf("%s: %s", dims, reply)
		}
	}
}

func idsOf(list []activityOut) (ids []string) {
	for _, a := range list {
		ids = append(ids, a.ID)
	}
	return ids
}

// TestTokenSurvivesRestart: a revocation does, too.
func TestTokenSurvivesRestart(t *testing.T) {
	w := newTokenWorld(t)
	again := w.restarted()
	for token, status := range map[string]int{"read": 200, "revoked": 401, "expired": 401, "tampered": 401} {
		resp, reply := again.do("GET", "/api/v1/customers/acme", "", "Authorization: Bearer "+w.tokens[token])
		if resp.StatusCode != status {
			t.Errorf("%s: %d %s", token, resp.StatusCode, reply)
		}
	}
}

// TestTokenKey: a token of another environment is not good here, and no key is.
func TestTokenKey(t *testing.T) {
	k, other := newTokenKey([32]byte{1}), newTokenKey([32]byte{2})
	token := &bursar.AccessToken{ID: "i", CustomerID: "c", Permissions: []bursar.Permission{"read"}, ExpiresAt: 1e9}
	text, err := k.sign(token)
	if err != nil || !looksLikeToken(text) {
		t.Fatal(text, err)
	}
	if got := k.verify(text, 0); got == nil || got.ID != "i" || got.CustomerID != "c" || got.ExpiresAt != 1e9 || got.Manages() {
		t.Errorf("%+v", got)
	}
	if k.verify(text, 1e9) != nil || other.verify(text, 0) != nil || k.verify("eyJ.a.b", 0) != nil || k.verify("", 0) != nil {
		t.Error("it is good where it should not be")
	}
	// One that was made under a clock that was ahead does not outlive that clock.
	token.CreatedAt, token.ExpiresAt = 3600e9, 7200e9
	if text, err = k.sign(token); err != nil || k.verify(text, 3600e9-maxIssuedAhead) == nil || k.verify(text, 3600e9-maxIssuedAhead-1) != nil {
		t.Error("a token of the future", err)
	}
}

func FuzzTokenVerify(f *testing.F) {
	k := newTokenKey([32]byte{1})
	text, _ := k.sign(&bursar.AccessToken{ID: "i", CustomerID: "c", ExpiresAt: 1e9})
	f.Add(text)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, other string) {
		if got := k.verify(other, 0); got != nil && (got.ID != "i" || got.CustomerID != "c") {
			t.Fatalf("%+v", got)
		}
	})
}
