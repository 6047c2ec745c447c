package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// requestWorld is a customer acme with a tree, a feature calls and limits on each entity:
// org 1000, red 100, ann and bob 10 a month each. ann is below red, bob below blue.
type requestWorld struct {
	*testServer
	limits map[string]string // by entity
}

func newRequestWorld(t *testing.T) *requestWorld {
	w := &requestWorld{testServer: newTestServer(t), limits: map[string]string{}}
	w.admin("PUT", "/api/v1/entity-types", `{"types":[{"id":"team","displayName":"Team","attributionKeys":["teamId"]},{"id":"user","displayName":"User","attributionKeys":["userId"]}]}`)
	for _, id := range []string{"calls", "tokens"} {
		w.admin("POST", "/api/v1/features", `{"id":"`+id+`","displayName":"`+id+`","featureType":"NUMBER"}`)
	}
	w.admin("POST", "/api/v1/customers", `{"id":"acme"}`)
	w.admin("PUT", "/api/v1/customers/acme/entities", `{"entities":[{"id":"org","entityTypeId":"team"},{"id":"red","entityTypeId":"team","parentId":"org"},{"id":"blue","entityTypeId":"team","parentId":"org"},
		{"id":"ann","entityTypeId":"user","parentId":"red"},{"id":"bob","entityTypeId":"user","parentId":"blue"}]}`)
	for entity, limit := range map[string]string{"org": "1000", "red": "100", "ann": "10", "bob": "10"} {
		var out struct {
			Data []assignmentOut `json:"data"`
		}
		mustUnmarshal(t, w.admin("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[{"featureId":"calls","cadence":"P1M","entityId":"`+entity+`","usageLimit":`+limit+`}]}`), &out)
		w.limits[entity] = out.Data[0].ID
	}
	return w
}

// token makes an access token, or a spend token where at is that of spend tokens.
func (w *requestWorld) token(at, body string) string {
	var out struct {
		Data struct {
			Token string `json:"token"`
		} `json:"data"`
	}
	mustUnmarshal(w.t, w.admin("POST", strings.Replace(at, "{customerId}", "acme", 1), body), &out)
	return out.Data.Token
}

const (
	tokensAt = "/api/v1" + accessTokens
	spendAt  = "/api/v1" + spendTokens
	askAt    = "/api/v1/customers/acme/boost-requests"
)

// ask asks with a key or token and gives what came.
func (w *requestWorld) ask(key, method, path, body string) (string, boostRequestOut) {
	w.t.Helper()
	resp, b := w.do(method, path, body, "Authorization: Bearer "+key)
	var out struct {
		Data boostRequestOut `json:"data"`
	}
	if resp.StatusCode < 300 && !strings.Contains(string(b), `"data":[`) {
		mustUnmarshal(w.t, b, &out)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(b)), out.Data
}

func (w *requestWorld) wants(got, want string) {
	w.t.Helper()
	if !strings.HasPrefix(got, want[:3]) || !strings.Contains(got, want[4:]) {
		w.t.Errorf("%s, not %s", got, want)
	}
}

// TestTokenAsksForItsRoot: who has an access token asks for the limit of its root, which it may
// not raise, and by no decision of a request does it raise it. What is below it decides.
func TestTokenAsksForItsRoot(t *testing.T) {
	w := newRequestWorld(t)
	const lead = `{"permissions":["manage"],"rootEntityId":"red","subject":"lead@acme"}`
	token := w.token(tokensAt, lead)
	got, mine := w.ask(token, "POST", askAt, `{"assignmentId":"`+w.limits["red"]+`","amount":5,"reason":"a launch"}`)
	w.wants(got, `201 "requestedBy":"lead@acme"`)
	for _, limit := range []string{"org", "bob"} {
		got, _ := w.ask(token, "POST", askAt, `{"assignmentId":"`+w.limits[limit]+`","amount":5}`)
		w.wants(got, "404 AssignmentNotFound")
		got, _ = w.ask(token, "POST", askAt, `{"entityId":"`+limit+`","featureId":"calls","amount":5}`)
		w.wants(got, "404 EntityNotFound")
	}
	refused, _ := w.ask(token, "POST", "/api/v1/customers/acme/assignments/"+w.limits["red"]+"/boosts", `{"amount":5}`)
	w.wants(refused, "403 not the root, whose limits are set from above")
	for _, answer := range []string{"approve", "decline"} {
		got, _ := w.ask(token, "POST", askAt+"/"+mine.ID+"/"+answer, "")
		w.wants(got, "403 not the root, whose limits are set from above")
	}
	_, anns := w.ask(testAdminKey, "POST", askAt, `{"assignmentId":"`+w.limits["ann"]+`","amount":5}`)
	_, bobs := w.ask(testAdminKey, "POST", askAt, `{"assignmentId":"`+w.limits["bob"]+`","amount":5}`)
	got, _ = w.ask(token, "POST", askAt+"/"+bobs.ID+"/approve", "")
	w.wants(got, "404 BoostRequestNotFound")
	got, _ = w.ask(token, "POST", askAt+"/"+anns.ID+"/withdraw", "")
	w.wants(got, "403 withdrawn by who asked")
	got, _ = w.ask(token, "POST", askAt+"/"+anns.ID+"/approve", "")
	w.wants(got, `200 "decidedBy":"lead@acme"`)
	got, _ = w.ask(token, "GET", askAt, "")
	if strings.Contains(got, bobs.ID) || !strings.Contains(got, anns.ID) || !strings.Contains(got, mine.ID) {
		t.Errorf("a token of red sees %s", got)
	}
	got, _ = w.ask(w.token(tokensAt, strings.Replace(lead, "lead@", "other@", 1)), "POST", askAt+"/"+mine.ID+"/withdraw", "")
	w.wants(got, "403 withdrawn by who asked")
	got, _ = w.ask(w.token(tokensAt, lead), "POST", askAt+"/"+mine.ID+"/withdraw", "") // a later token of the same person
	w.wants(got, `200 "status":"WITHDRAWN"`)
	got, _ = w.ask(w.token(tokensAt, strings.Replace(lead, "manage", "read", 1)), "POST", askAt, `{"assignmentId":"`+w.limits["red"]+`","amount":5}`)
	w.wants(got, "403 may only read")
}

// TestSpendTokenAsks: who holds a spend token asks for more of the limits that it meets, three
// at a time, and sees what became of what it asked for, and of nothing else.
func TestSpendTokenAsks(t *testing.T) {
	w := newRequestWorld(t)
	token := w.token(spendAt, `{"entities":{"userId":"ann"},"features":["calls"],"caps":[{"featureId":"calls","amount":3}]}`)
	other := w.token(spendAt, `{"entities":{"userId":"ann"},"features":["tokens"]}`)
	_, admins := w.ask(testAdminKey, "POST", askAt, `{"assignmentId":"`+w.limits["ann"]+`","amount":5}`)

	// Of several limits the one that is used up is meant; then it is that of the token itself.
	got, _ := w.ask(token, "POST", askAt, `{"featureId":"calls","amount":2}`)
	w.wants(got, "400 4 limits are like that")
	if resp, b := w.do("POST", "/api/v1/customers/acme/consume", `{"featureId":"calls","amount":3,"idempotencyKey":"1"}`, "Authorization: Bearer "+token); resp.StatusCode != 200 {
		t.Fatal(string(b))
	}
	got, own := w.ask(token, "POST", askAt, `{"featureId":"calls","amount":2,"reason":"not done yet"}`)
	w.wants(got, `201 "status":"OPEN"`)
	got, _ = w.ask(token, "POST", askAt, `{"assignmentId":"`+w.limits["org"]+`","amount":2}`)
	w.wants(got, `201 "entityId":"org"`)
	for _, body := range []string{`"assignmentId":"` + w.limits["bob"] + `"`, `"entityId":"bob","featureId":"calls"`, `"entityId":"nobody","featureId":"calls"`} {
		got, _ := w.ask(token, "POST", askAt, `{`+body+`,"amount":2}`)
		w.wants(got, "404 AssignmentNotFound")
	}
	got, _ = w.ask(other, "POST", askAt, `{"assignmentId":"`+w.limits["ann"]+`","amount":2}`) // it is not for calls
	w.wants(got, "404 AssignmentNotFound")
	got, _ = w.ask(token, "POST", askAt, `{"entityId":"ann","featureId":"calls","amount":2}`)
	w.wants(got, `201 "entityId":"ann"`)
	got, _ = w.ask(token, "POST", askAt, `{"entityId":"ann","featureId":"calls","amount":2}`)
	w.wants(got, "409 3 boost requests of this spend token and those made from the same one are open or were made within the last hour, at most 3 may be")

	got, _ = w.ask(token, "GET", askAt, "")
	if strings.Contains(got, admins.ID) || strings.Count(got, `"status":"OPEN"`) != 3 {
		t.Errorf("the token sees %s", got)
	}
	for _, path := range []string{"/" + admins.ID, "/" + admins.ID + "/withdraw", "/" + own.ID + "/approve"} {
		method := "POST"
		if strings.Count(path, "/") == 1 {
			method = "GET"
		}
		got, _ := w.ask(token, method, askAt+path, "")
		if !strings.HasPrefix(got, "404") && !strings.HasPrefix(got, "403") {
			t.Errorf("%s %s: %s", method, path, got)
		}
	}
	got, _ = w.ask(other, "GET", askAt+"/"+own.ID, "")
	w.wants(got, "404 BoostRequestNotFound")

	// What is approved is granted.
	got, _ = w.ask(testAdminKey, "POST", askAt+"/"+own.ID+"/approve", `{"amount":1}`)
	w.wants(got, `200 "approvedAmount":1`)
	got, _ = w.ask(token, "GET", askAt+"/"+own.ID, "")
	w.wants(got, `200 "status":"APPROVED"`)
	for i, want := range []int{200, 402} {
		if resp, b := w.do("POST", "/api/v1/customers/acme/consume", fmt.Sprintf(`{"featureId":"calls","amount":1,"idempotencyKey":"2%d"}`, i), "Authorization: Bearer "+token); resp.StatusCode != want {
			t.Errorf("consume %d: %d %s", i, resp.StatusCode, b)
		}
	}
}

// TestTokenLends: with an access token a raise is funded from below its root alone, as it lowers the
// limit that pays; and who above funds one is not told.
func TestTokenLends(t *testing.T) {
	w := newRequestWorld(t)
	w.admin("PUT", "/api/v1/customers/acme/entities", `{"entities":[{"id":"bot","entityTypeId":"user","parentId":"ann"}]}`)
	var out struct {
		Data []assignmentOut `json:"data"`
	}
	mustUnmarshal(t, w.admin("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[{"featureId":"calls","cadence":"P1M","entityId":"bot","usageLimit":1}]}`), &out)
	boosts := "/api/v1/customers/acme/assignments/" + out.Data[0].ID + "/boosts"
	token := w.token(tokensAt, `{"permissions":["manage"],"rootEntityId":"red"}`)
	for from, want := range map[string]string{"org": "404 EntityNotFound", "blue": "404 EntityNotFound", "red": "403 not the root", "ann": `201 "fundedBy":"ann"`} {
		got, _ := w.ask(token, "POST", boosts, `{"amount":1,"fundedBy":"`+from+`"}`)
		w.wants(got, want)
	}
	_, bots := w.ask(testAdminKey, "POST", askAt, `{"assignmentId":"`+out.Data[0].ID+`","amount":5}`)
	got, _ := w.ask(token, "POST", askAt+"/"+bots.ID+"/approve", `{"fundedBy":"red"}`)
	w.wants(got, "403 not the root")
	got, _ = w.ask(token, "POST", askAt+"/"+bots.ID+"/approve", `{"amount":500,"fundedBy":"ann"}`)
	w.wants(got, `409 has 9 left of 9, less than the 500`)
	got, _ = w.ask(testAdminKey, "POST", askAt+"/"+bots.ID+"/approve", `{"fundedBy":"org"}`)
	w.wants(got, `200 "fundedBy":"org"`)
	for _, path := range []string{askAt + "/" + bots.ID, askAt, boosts, "/api/v1/customers/acme/activity"} {
		if got, _ := w.ask(token, "GET", path, ""); strings.Contains(got, `"org"`) || !strings.HasPrefix(got, "200") {
			t.Errorf("%s tells who pays: %s", path, got)
		}
	}
	got, _ = w.ask(testAdminKey, "GET", "/api/v1/customers/acme/assignments/"+w.limits["org"], "")
	w.wants(got, `200 "effectiveUsageLimit":995`)
}

// TestBoundKeyAsks: a runtime key for some types of entities asks for more of their limits
// alone, and sees no other requests.
func TestBoundKeyAsks(t *testing.T) {
	w := newRequestWorld(t)
	var made struct {
		Data struct {
			Key string `json:"key"`
		} `json:"data"`
	}
	mustUnmarshal(t, w.admin("POST", "/api/v1/api-keys", `{"scope":"runtime","name":"k","customerId":"acme","entityTypes":["user"]}`), &made)
	got, anns := w.ask(made.Data.Key, "POST", askAt, `{"assignmentId":"`+w.limits["ann"]+`","amount":5}`)
	w.wants(got, `201 "entityId":"ann"`)
	got, _ = w.ask(made.Data.Key, "POST", askAt, `{"assignmentId":"`+w.limits["red"]+`","amount":5}`)
	w.wants(got, "403 this API key is for entities of other types")
	_, reds := w.ask(testAdminKey, "POST", askAt, `{"assignmentId":"`+w.limits["red"]+`","amount":5}`)
	got, _ = w.ask(made.Data.Key, "GET", askAt, "")
	if strings.Contains(got, reds.ID) || !strings.Contains(got, anns.ID) {
		t.Errorf("a key for users sees %s", got)
	}
	w.clock.advance(8 * 24 * time.Hour)
	got, _ = w.ask(made.Data.Key, "POST", askAt+"/"+anns.ID+"/withdraw", "")
	w.wants(got, "409 has expired")
}

// TestHiddenRequestsStayHidden: a token does not learn of a request for a limit that is hidden
// from it, whose scope names what is outside, neither once its entity is archived nor once the
// limit is gone, decided or not.
func TestHiddenRequestsStayHidden(t *testing.T) {
	const base = "/api/v1/customers/acme"
	for _, decided := range []bool{false, true} {
		w := newTokenWorld(t)
		hidden, own := w.requests["annuserbobuser"], w.requests["annuser"]
		if decided {
			w.admin("POST", base+"/boost-requests/"+hidden+"/decline", "")
		}
		same := func(when string) {
			t.Helper()
			for _, token := range []string{"scoped", "scoped read"} {
				if resp, reply := w.as(token, "GET", base+"/boost-requests/"+hidden, ""); resp.StatusCode != 404 {
					t.Errorf("%s reads it %s: %d %s", token, when, resp.StatusCode, reply)
				}
				if resp, reply := w.as(token, "GET", base+"/boost-requests/"+own, ""); resp.StatusCode != 200 {
					t.Errorf("%s does not read its own %s: %d %s", token, when, resp.StatusCode, reply)
				}
				if _, reply := w.as(token, "GET", base+"/boost-requests", ""); strings.Contains(reply, hidden) || unseen.MatchString(reply) || !strings.Contains(reply, own) {
					t.Errorf("%s lists %s: %s", token, when, reply)
				}
			}
		}
		same("as it is")
		w.admin("POST", base+"/entities/archive", `{"ids":["annuser"]}`)
		same("once its entity is archived")
		w.admin("POST", base+"/entities/unarchive", `{"ids":["annuser"]}`)
		w.admin("DELETE", base+"/assignments/"+w.limits["annuserbobuser"], "")
		same("once it is gone")
	}
}

// TestSpendTokenAsksOfAModel: an agent asks for more of a limit that it meets by the model which it
// calls, and of no other model than it may call.
func TestSpendTokenAsksOfAModel(t *testing.T) {
	w := newRequestWorld(t)
	w.admin("PUT", "/api/v1/entity-types", `{"types":[{"id":"model","displayName":"Model","attributionKeys":["model"]}]}`)
	w.admin("PUT", "/api/v1/customers/acme/entities", `{"entities":[{"id":"big","entityTypeId":"model"},{"id":"small","entityTypeId":"model"}]}`)
	for _, model := range []string{"big", "small"} {
		var out struct {
			Data []assignmentOut `json:"data"`
		}
		mustUnmarshal(t, w.admin("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[{"featureId":"calls","cadence":"P1M","entityId":"`+model+`","usageLimit":0}]}`), &out)
		w.limits[model] = out.Data[0].ID
	}
	token := w.token(spendAt, `{"entities":{"userId":"ann"},"features":["calls"],"models":["big"]}`)
	for body, want := range map[string]string{
		`"assignmentId":"` + w.limits["big"] + `"`:                                `404 AssignmentNotFound`,
		`"assignmentId":"` + w.limits["small"] + `","model":"big"`:                `404 AssignmentNotFound`,
		`"assignmentId":"` + w.limits["small"] + `","model":"small"`:              `403 "pointer":"/model"`,
		`"assignmentId":"` + w.limits["big"] + `","model":"big"`:                  `201 "entityId":"big"`,
		`"featureId":"calls","model":"big"`:                                       `201 "entityId":"big"`, // the one that is used up
		`"entityId":"small","featureId":"calls","model":"big"`:                    `404 AssignmentNotFound`,
		`"assignmentId":"` + w.limits["ann"] + `","featureId":"tokens"`:           `400 "pointer":"/featureId"`,
		`"assignmentId":"` + w.limits["ann"] + `","featureId":"calls","label":""`: `400 leave out`,
	} {
		got, _ := w.ask(token, "POST", askAt, `{`+body+`,"amount":2}`)
		w.wants(got, want)
	}
	got, _ := w.ask(w.token(spendAt, `{"entities":{"userId":"ann","model":"big"},"features":["calls"]}`), "POST", askAt, `{"assignmentId":"`+w.limits["small"]+`","model":"small","amount":2}`)
	w.wants(got, `403 "pointer":"/model"`)
	got, _ = w.ask(testAdminKey, "POST", askAt, `{"entityId":"ann","featureId":"calls","model":"big","amount":2}`)
	w.wants(got, `400 "pointer":"/model"`)
}

// TestSpendTokenAsksSeldom: what a spend token has taken back counts for an hour, so that it does
// not ask without end.
func TestSpendTokenAsksSeldom(t *testing.T) {
	w := newRequestWorld(t)
	token := w.token(spendAt, `{"entities":{"userId":"ann"},"features":["calls"],"expiresInSeconds":86400}`)
	again := func(want string) (id string) {
		got, out := w.ask(token, "POST", askAt, `{"assignmentId":"`+w.limits["ann"]+`","amount":2}`)
		w.wants(got, want)
		return out.ID
	}
	for range 3 {
		got, _ := w.ask(token, "POST", askAt+"/"+again(`201 "status":"OPEN"`)+"/withdraw", "")
		w.wants(got, `200 "status":"WITHDRAWN"`)
		w.clock.advance(10 * time.Minute)
	}
	again("409 3 boost requests of this spend token and those made from the same one are open or were made within the last hour, at most 3 may be")
	w.clock.advance(31 * time.Minute)
	again(`201 "status":"OPEN"`)
	again("409 TooManyBoostRequests")
}

// TestAskersLearnNoLimits: who may not read a limit is told nothing of it by a question for more.
func TestAskersLearnNoLimits(t *testing.T) {
	w := newRequestWorld(t)
	w.admin("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[{"featureId":"calls","cadence":"P1D","entityId":"red","usageLimit":7,"label":"secret"}]}`)
	key := func(body string) string {
		var made struct {
			Data struct {
				Key string `json:"key"`
			} `json:"data"`
		}
		mustUnmarshal(t, w.admin("POST", "/api/v1/api-keys", body), &made)
		return made.Data.Key
	}
	users := key(`{"scope":"runtime","name":"k","customerId":"acme","entityTypes":["user"]}`)
	got, _ := w.ask(users, "POST", askAt, `{"entityId":"red","featureId":"calls","amount":5}`)
	w.wants(got, "403 this API key is for entities of other types")
	if strings.Contains(got, "secret") {
		t.Errorf("a key for users is told %s", got)
	}
	runtime := key(`{"scope":"runtime","name":"r"}`)
	spends := w.token(spendAt, `{"entities":{"userId":"ann"},"features":["calls"]}`)
	full := key(`{"scope":"full","name":"f"}`)
	for _, c := range []struct{ who, want string }{{users, "403 If-Match"}, {runtime, "403 If-Match"}, {spends, "403 If-Match"}, {full, `409 "conflicts"`}, {testAdminKey, `409 "conflicts"`}} {
		resp, b := w.do("POST", askAt, `{"assignmentId":"`+w.limits["ann"]+`","amount":5}`, "Authorization: Bearer "+c.who, "If-Match: r0123456789abcdef")
		w.wants(fmt.Sprint(resp.StatusCode, " ", string(b)), c.want)
		if strings.HasPrefix(c.want, "403") && strings.Contains(string(b), "usageLimit") {
			t.Errorf("who may not read limits is shown %s", b)
		}
	}
}

// TestTokenEndsWhatIsLentFromAbove: what an alert above its root has told does not keep a token from
// ending a boost that is funded there, and the answer does not tell of it.
func TestTokenEndsWhatIsLentFromAbove(t *testing.T) {
	w := newRequestWorld(t)
	boosts := "/api/v1/customers/acme/assignments/" + w.limits["ann"] + "/boosts"
	var made struct {
		Data boostOut `json:"data"`
	}
	mustUnmarshal(t, w.admin("POST", boosts, `{"amount":900,"fundedBy":"org"}`), &made)
	w.admin("POST", "/api/v1/usage", `{"usages":[{"customerId":"acme","featureId":"calls","value":85,"dimensions":{"userId":"ann"}}]}`) // 85 of the 100 that are left to org
	token := w.token(tokensAt, `{"permissions":["manage"],"rootEntityId":"red"}`)
	got, _ := w.ask(token, "DELETE", boosts+"/"+made.Data.ID, "")
	w.wants(got, `200 "endedAt":"2`)
	got, _ = w.ask(testAdminKey, "GET", "/api/v1/customers/acme/assignments/"+w.limits["org"], "")
	w.wants(got, `200 "effectiveUsageLimit":1000`)
}

// TestTokenIsNotToldWhatIsLentOutside: to whom a limit lends is told only of limits that a token sees.
func TestTokenIsNotToldWhatIsLentOutside(t *testing.T) {
	w := newRequestWorld(t)
	var made struct {
		Data boostOut `json:"data"`
	}
	mustUnmarshal(t, w.admin("POST", "/api/v1/customers/acme/assignments/"+w.limits["ann"]+"/boosts", `{"amount":9,"fundedBy":"red","reason":"Hidden"}`), &made)
	w.admin("PATCH", "/api/v1/customers/acme/entities/ann", `{"parentId":"blue"}`)
	path := "/api/v1/customers/acme/assignments/" + w.limits["red"] + "/boosts"
	got, _ := w.ask(testAdminKey, "GET", path, "")
	w.wants(got, "200 Hidden")
	got, _ = w.ask(w.token(tokensAt, `{"permissions":["manage"],"rootEntityId":"red"}`), "GET", path, "")
	if strings.Contains(got, "Hidden") || strings.Contains(got, w.limits["ann"]) || strings.Contains(got, "admin") {
		t.Errorf("a token of red is told %s", got)
	}
}
