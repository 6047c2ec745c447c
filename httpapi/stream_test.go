package httpapi

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// follower reads one stream.
type follower struct {
	t      testing.TB
	resp   *http.Response
	r      *bufio.Reader
	id     string // the last one
	cancel func()
}

// follow opens a stream. Headers are "Name: value".
func (s *testServer) follow(query string, headers ...string) *follower {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/api/v1/customers/acme/governance/stream?"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	f := &follower{t: s.t, resp: resp, r: bufio.NewReader(resp.Body), cancel: func() { cancel(); resp.Body.Close() }}
	s.t.Cleanup(f.cancel)
	if resp.StatusCode == 200 {
		if got := f.next(); got != "" || f.id == "" {
			s.t.Fatalf("the stream begins with %q, id %q", got, f.id)
		}
	}
	return f
}

// next is the next event as "name data", ": text" for a comment, "" for one without data
// and "end" when the stream is over.
func (f *follower) next() (event string) {
	f.t.Helper()
	var data string
	for {
		line, err := f.r.ReadString('\n')
		if err != nil {
			if f.resp.Request.Context().Err() != nil {
				f.t.Fatal("nothing came")
			}
			return "end"
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			return strings.TrimSpace(event + " " + data)
		case name == "":
			event = line
		case name == "id":
			f.id = value
		case name == "event":
			event = value
		case name == "data":
			data = value
		}
	}
}

// expect is the next event, which must begin like this and hold the rest.
func (f *follower) expect(parts ...string) string {
	f.t.Helper()
	got := f.next()
	for i, part := range parts {
		if i == 0 && !strings.HasPrefix(got, part) || !strings.Contains(got, part) {
			f.t.Fatalf("%s, want %s", got, parts)
		}
	}
	return got
}

const admin = "X-API-KEY: " + testAdminKey

func (w *tokenWorld) use(entity, value string) {
	w.t.Helper()
	w.admin("POST", "/api/v1/usage", `{"usages":[{"customerId":"acme","featureId":"calls","value":`+value+`,"dimensions":{"userId":"`+entity+`"}}]}`)
}

// TestStream: a token's stream tells of its subtree, and of nothing else.
func TestStream(t *testing.T) {
	w := newTokenWorld(t)
	f := w.follow("featureIds=calls&access_token=" + w.tokens["scoped read"])
	if f.resp.Header.Get("Content-Type") != "text/event-stream" || f.resp.Header.Get("Cache-Control") != "no-store" || f.resp.Header.Get("X-Bursar-Version") == "" {
		t.Errorf("%v", f.resp.Header)
	}
	const base = "/api/v1/customers/acme"
	w.use("bobuser", "1") // no event is about it
	w.use("annuser", "1")
	f.expect("node {", `"entityId":"redteam"`, `"parentId":null`, `"currentUsage":4`, `"assignmentId":"`+w.limits["redteam"])
	f.expect("node {", `"entityId":"annuser"`, `"parentId":"redteam"`, `"currentUsage":4`)
	w.admin("PATCH", base+"/entities/bobuser", `{"displayName":"Hidden Bob"}`)
	w.admin("PATCH", base+"/entities/annuser", `{"displayName":"Ann"}`)
	f.expect("entity {", `"id":"annuser"`, `"displayName":"Ann"`)
	w.admin("POST", base+"/assignments/"+w.limits["bobuser"]+"/boosts", `{"amount":2}`)
	w.admin("POST", base+"/assignments/"+w.limits["annuser"]+"/boosts", `{"amount":2}`)
	f.expect("node {", `"entityId":"annuser"`, `"usageLimit":53`)
	w.admin("DELETE", base+"/assignments/"+w.limits["bobuser"], "")
	w.admin("DELETE", base+"/assignments/"+w.limits["annuserbobuser"], "")
	w.admin("DELETE", base+"/assignments/"+w.limits["annuser"], "")
	f.expect(`removed {"assignmentId":"` + w.limits["annuser"] + `"}`)
	w.admin("PATCH", base+"/entities/bobuser", `{"parentId":"orgroot"}`)
	w.admin("PATCH", base+"/entities/annuser", `{"displayName":"Anna"}`)
	f.expect("entity {", `"displayName":"Anna"`)
	w.admin("PATCH", base+"/entities/annuser", `{"parentId":"blueteam"}`)
	f.expect("resync {}")

	// Where it ended it goes on; what it does not know makes it begin anew.
	from := f.id
	w.use("annuser", "1") // not below the root any more
	w.admin("PATCH", base+"/entities/redteam", `{"metadata":{"seen":"later"}}`)
	f.cancel()
	f = w.follow("access_token="+w.tokens["scoped read"], "Last-Event-ID: "+from)
	f.expect("entity {", `"id":"redteam"`, `"parentId":null`, "later")
	for _, id := range []string{"nosuch", "nosuch-0", f.id[:strings.Index(f.id, "-")] + "-zzzzz", strings.Replace(f.id, "-", "-!", 1)} {
		g := w.follow("access_token="+w.tokens["scoped read"], "Last-Event-ID: "+id)
		g.expect("resync {}")
		g.cancel()
	}
	if strings.Contains(w.logs.String(), w.tokens["scoped read"]) {
		t.Error("the token is in the log")
	}
}

// TestStreamCoalesces: however often a row is charged between two looks, it is sent once.
func TestStreamCoalesces(t *testing.T) {
	w := newTokenWorld(t)
	f := w.follow("featureIds=calls&rootEntityId=annuser&scope=nodeWide", admin)
	from := f.id
	f.cancel()
	for range 100 {
		w.use("annuser", "0.25")
	}
	f = w.follow("featureIds=calls&rootEntityId=annuser&scope=nodeWide", admin, "Last-Event-ID: "+from)
	f.expect("node {", `"currentUsage":28`)
	w.use("annuser", "1")
	f.expect("node {", `"currentUsage":29`)
}

// TestStreamEnds when its caller may not see it any more, and when the server stops.
func TestStreamEnds(t *testing.T) {
	w := newTokenWorld(t)
	id, key := w.newKey("read")
	var out struct {
		Data accessTokenOut `json:"data"`
	}
	mustUnmarshal(t, w.admin("POST", "/api/v1/customers/acme/access-tokens", `{"permissions":["read"],"expiresInSeconds":60}`), &out)
	short := w.follow("access_token=" + out.Data.Token)
	mustUnmarshal(t, w.admin("POST", "/api/v1/customers/acme/access-tokens", `{"permissions":["read"]}`), &out)
	revoked := w.follow("access_token=" + out.Data.Token)
	keyed := w.follow("", "Authorization: Bearer "+key)
	rest := w.follow("", admin)
	w.clock.advance(time.Minute)
	short.expect("end")
	w.admin("DELETE", "/api/v1/customers/acme/access-tokens/"+out.Data.ID, "")
	revoked.expect("end")
	w.admin("DELETE", "/api/v1/api-keys/"+id, "")
	keyed.expect("end")
	w.api.Drain()
	rest.expect("end")
}

func TestStreamBeats(t *testing.T) {
	w := newTokenWorld(t)
	w.api.pace.beat = time.Nanosecond
	f := w.follow("", admin)
	f.expect(": alive")
	f.expect(": alive")
}

// TestStreamRefuses: who may not, and what is not there; a query carries tokens only, and
// only to streams.
func TestStreamRefuses(t *testing.T) {
	w := newTokenWorld(t)
	const path = "/api/v1/customers/acme/governance/stream"
	token := "Authorization: Bearer " + w.tokens["scoped"]
	_, key := w.newKey("full")
	for _, c := range []struct {
		path, header string
		status       int
		code         string
	}{
		{path, "", 401, "Unauthenticated"},
		{path + "?access_token=" + key, "", 401, "Unauthenticated"},
		{path + "?access_token=" + w.tokens["tampered"], "", 401, "Unauthenticated"},
		{path + "?access_token=" + w.tokens["revoked"], "", 401, "Unauthenticated"},
		{"/api/v1/customers/acme/governance?access_token=" + w.tokens["read"], "", 401, "Unauthenticated"},
		{strings.Replace(path, "acme", "rival", 1), token, 404, "CustomerNotFound"},
		{strings.Replace(path, "acme", "nosuch", 1), token, 404, "CustomerNotFound"},
		{strings.Replace(path, "acme", "nosuch", 1), admin, 404, "CustomerNotFound"},
		{path + "?rootEntityId=nosuch", token, 404, "EntityNotFound"},
		{path + "?rootEntityId=blueteam", token, 404, "EntityNotFound"},
		{path + "?parentId=orgroot", token, 404, "EntityNotFound"},
		{path + "?depth=x", token, 400, "ValidationFailed"},
	} {
		var headers []string
		if c.header != "" {
			headers = append(headers, c.header)
		}
		resp, reply := w.do("GET", c.path, "", headers...)
		refused(t, resp, reply, c.status, c.code)
	}
	resp, reply := w.do("HEAD", path, "", token)
	if resp.StatusCode != 200 || len(reply) != 0 {
		t.Errorf("HEAD: %d %s", resp.StatusCode, reply)
	}
	w.api.streams.Store(2 * maxStreams)
	resp, reply = w.do("GET", path, "", token)
	refused(t, resp, reply, 429, "RateLimited")
	w.api.streams.Store(0)
}

// TestStreamTellsRefusals: a hard limit that refuses says so in the stream, once, to those
// who see the limit and asked for its capability; nobody needs to poll denials.
func TestStreamTellsRefusals(t *testing.T) {
	s := newTestServer(t)
	s.seed()
	s.admin("PUT", "/api/v1/customers/acme/entities", `{"entities":[{"id":"eve","entityTypeId":"user"}]}`)
	s.admin("PUT", "/api/v1/customers/acme/assignments", `{"assignments":[{"entityId":"eve","featureId":"tokens","usageLimit":5,"cadence":"P1M"}]}`)
	var token struct {
		Data struct {
			Token string `json:"token"`
		} `json:"data"`
	}
	mustUnmarshal(t, s.admin("POST", "/api/v1/customers/acme/access-tokens", `{"rootEntityId":"ann","permissions":["read"]}`), &token)
	all, anns := s.follow("featureIds=tokens", "X-API-KEY: "+testAdminKey), s.follow("", "Authorization: Bearer "+token.Data.Token)
	other := s.follow("featureIds=other", "X-API-KEY: "+testAdminKey)
	ask := func(user, amount string) {
		s.admin("GET", "/api/v1/customers/acme/entitlements/check?featureId=tokens&requestedUsage="+amount+"&dimensions[userId]="+user, "")
	}
	ask("eve", "6")
	all.expect(`refused {"assignmentId":"`, `"requested":6}`)
	ask("ann", "101")
	all.expect(`refused {"assignmentId":"`, `"requested":101}`)
	anns.expect(`refused {"assignmentId":"`, `"requested":101}`) // nothing of eve's
	s.admin("POST", "/api/v1/usage", usageOf(`"value":1`))
	all.expect("node ", `"currentUsage":1`)
	anns.expect("node ", `"currentUsage":1`)
	s.admin("PATCH", "/api/v1/customers/acme/entities/eve", `{"displayName":"Eve"}`)
	other.expect("entity ", `"displayName":"Eve"`) // and nothing of another capability before
}
