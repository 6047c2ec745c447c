package httpapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar/store/mem"
)

// tooMany checks that a reply refuses for a time that it tells.
func tooMany(t *testing.T, resp *http.Response, reply string) {
	t.Helper()
	refused(t, resp, []byte(reply), 429, "RateLimited")
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || n < 1 {
		t.Errorf("Retry-After: %q", resp.Header.Get("Retry-After"))
	}
}

// One token takes its share of a node and no more; other tokens and keys do not notice.
func TestATokenTakesItsShare(t *testing.T) {
	w := newTokenWorld(t)
	uses := w.api.uses
	const path = "/api/v1/customers/acme/entities"
	uses.burst, uses.rate = 3, 1e-6
	uses.of = map[string]*tokenUse{}
	for i := range 5 {
		resp, reply := w.as("read", "GET", path, "")
		if i < 3 && resp.StatusCode != 200 {
			t.Errorf("request %d: %d %s", i, resp.StatusCode, reply)
		} else if i >= 3 {
			tooMany(t, resp, reply)
		}
	}
	if resp, reply := w.as("manage", "GET", path, ""); resp.StatusCode != 200 {
		t.Errorf("another token: %d %s", resp.StatusCode, reply)
	}
	w.admin("GET", path, "")

	// Writes are paid for by what they made, webhook deliveries too.
	uses.burst, uses.writes, uses.writeRate = 1e9, 100, 1e-6
	uses.of = map[string]*tokenUse{}
	for i := range 10 {
		w.admin("POST", "/api/v1/webhooks", fmt.Sprintf(`{"url":"https://e.example/%d","eventTypes":["entity.entitlement.updated","entity.entitlement.created"]}`, i))
	}
	var many []string
	for i := range 10 {
		many = append(many, fmt.Sprintf(`{"entityId":"annuser","featureId":"calls","usageLimit":9,"cadence":"P1M","label":"w%d"}`, i))
	}
	put := func(body string) (*http.Response, string) {
		return w.as("scoped", "PUT", "/api/v1/customers/acme/assignments", `{"assignments":[`+body+`]}`)
	}
	if resp, reply := put(many[0]); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, reply)
	}
	if resp, reply := put(strings.Join(many, ",")); resp.StatusCode != 200 { // 120 of what 88 are left of
		t.Fatalf("%d %s", resp.StatusCode, reply)
	}
	resp, reply := put(many[0])
	tooMany(t, resp, reply)
	if resp, reply := w.as("scoped", "GET", path, ""); resp.StatusCode != 200 {
		t.Errorf("reading: %d %s", resp.StatusCode, reply)
	}
}

// Requests of one token beyond those that may run at a time wait, and not for ever.
func TestATokensRequestsTakeTurns(t *testing.T) {
	w := newTokenWorld(t)
	uses := w.api.uses
	uses.wait = time.Millisecond
	uses.of = map[string]*tokenUse{} // of no other token
	if resp, reply := w.as("read", "GET", "/api/v1/customers/acme", ""); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, reply)
	}
	var u *tokenUse
	for _, u = range uses.of {
	}
	for range tokenRunning {
		u.turns <- struct{}{}
	}
	resp, reply := w.as("read", "GET", "/api/v1/customers/acme", "")
	tooMany(t, resp, reply)
	uses.wait = time.Minute
	done := make(chan int)
	go func() {
		resp, _ := w.as("read", "GET", "/api/v1/customers/acme", "")
		done <- resp.StatusCode
	}()
	for waiting := 0; waiting == 0; time.Sleep(time.Millisecond) {
		uses.mu.Lock()
		waiting = u.waiting
		uses.mu.Unlock()
	}
	<-u.turns
	if status := <-done; status != 200 {
		t.Errorf("in its turn: %d", status)
	}
}

func TestATokenHasFewStreams(t *testing.T) {
	w := newTokenWorld(t)
	open := func(token string) *follower {
		return w.follow("featureIds=calls", "Authorization: Bearer "+w.tokens[token])
	}
	var streams []*follower
	for range tokenStreams {
		streams = append(streams, open("read"))
	}
	if f := open("read"); f.resp.StatusCode != 429 {
		t.Errorf("a stream too many: %d", f.resp.StatusCode)
	}
	if f := open("manage"); f.resp.StatusCode != 200 {
		t.Errorf("another token's: %d", f.resp.StatusCode)
	}
	streams[0].cancel()
	for open("read").resp.StatusCode != 200 { // once the server has noticed
		time.Sleep(time.Millisecond)
	}
}

// Tokens that take nothing are forgotten; those that do are not.
func TestIdleTokensAreForgotten(t *testing.T) {
	now := time.Unix(1e9, 0)
	uses := newTokenUses()
	uses.get("busy", now).running = 1
	uses.get("spent", now).writes.left = -1e6
	for i := range 2 * tokensForget {
		uses.get(fmt.Sprint(i), now)
	}
	if len(uses.of) > tokensForget || uses.of["busy"] == nil || uses.of["spent"] == nil {
		t.Errorf("%d tokens are remembered", len(uses.of))
	}
}

// The admin key, which a person chose, cannot be guessed from an address that failed too
// often; where it was used before, others' failures do not lock it out.
func TestTheAdminKeyIsNotGuessed(t *testing.T) {
	for _, used := range []bool{false, true} {
		s := newTestServer(t)
		if used {
			s.admin("GET", "/api/v1/features", "")
		}
		for range guardFailures {
			s.do("GET", "/api/v1/features", "", "X-API-KEY: wrong")
		}
		resp, reply := s.do("GET", "/api/v1/features", "", "X-API-KEY: "+testAdminKey)
		if used && resp.StatusCode != 200 {
			t.Errorf("where it was used before: %d %s", resp.StatusCode, reply)
		} else if !used {
			tooMany(t, resp, string(reply))
		}
	}
}

// A request that says its length twice ends its connection: whoever believes the other
// length sees another request in its body.
func TestTwoLengthsEndTheConnection(t *testing.T) {
	s := newTestServer(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience)) // of a server that keeps it
	const inner = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	fmt.Fprintf(c, "POST /api/v1/usage HTTP/1.1\r\nHost: x\r\nX-API-KEY: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", testAdminKey, 5+len(inner), inner)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	if rest, err := io.ReadAll(r); !resp.Close || len(rest) > 0 {
		t.Errorf("after %s (close: %v): %q %v", resp.Status, resp.Close, rest, err)
	}
}

// Beyond the limit of an address, wrong keys cost the database nothing: no node is asked
// whether it made them a moment ago.
func TestWrongKeysBeyondTheLimitAskNobody(t *testing.T) {
	s := &testServer{t: t, clock: newTestClock(), logs: &bytes.Buffer{}, store: mem.New()}
	s.store.Clock = s.clock.time
	var looks atomic.Int64
	s.store.Fail = func(op string) error {
		if op == "heads" {
			looks.Add(1)
		}
		return nil
	}
	s.open()
	const tries = 500
	for i := range guardFailures + tries {
		if i == guardFailures {
			looks.Store(0)
		}
		s.do("GET", "/api/v1/features", "", "X-API-KEY: wrong")
	}
	if n := looks.Load(); n > tries/2 { // a poll looks now and then
		t.Errorf("%d wrong keys cost %d looks", tries, n)
	}
}
