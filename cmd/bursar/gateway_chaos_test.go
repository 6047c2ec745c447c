package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	gatewayKills   = flag.Int("gatewaykills", 10, "how often TestGatewayChaos kills the gateway and the server")
	gatewayStreams = flag.Int("gatewaystreams", 200, "how many streams TestGatewayChaos has at once")
)

// TestGatewayChaos kills gateway and server while many callers stream, some of whom go, and a
// provider fails or breaks off. Each call that reached the provider is in the books once: with
// the tokens that the provider sent, or as an estimate that is marked, and that only where
// something went wrong.
func TestGatewayChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	c := newChaos(t)
	ctx, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for n := range *gatewayStreams {
		callers.Go(func() { c.call(ctx, n) })
	}
	for range *gatewayKills {
		time.Sleep(time.Duration(300+rand.IntN(700)) * time.Millisecond)
		if rand.IntN(2) == 0 {
			kill(c.server)
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
			c.startServer()
		} else {
			c.noteKill()
			kill(c.gateway)
			c.startGateway()
		}
	}
	time.Sleep(time.Second)
	stop()
	callers.Wait()
	if code := c.gateway.stop(); code != 0 {
		t.Errorf("the gateway ended with %d: %s", code, c.gateway.log())
	}
	eventually(t, "nothing is held", func() bool { return len(c.holds("OPEN")) == 0 })
	c.verify()
	if code := c.server.stop(); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
}

func kill(p *program) {
	p.cmd.Process.Kill()
	<-p.ended
	p.cmd.Wait()
}

// chaos is the test's own book.
type chaos struct {
	t               *testing.T
	provider        *httptest.Server
	server, gateway *program
	data, config    string
	at, front       string // addresses that stay

	mu    sync.Mutex
	calls map[string]*chaosCall // that reached the provider
	kills []time.Time           // of the gateway
}

// chaosCall is what the provider did about a call.
type chaosCall struct {
	input, output int64
	began, ended  time.Time
	failed, whole bool
	times         int
}

func newChaos(t *testing.T) *chaos {
	c := &chaos{t: t, data: t.TempDir(), calls: map[string]*chaosCall{}, at: freeAddress(t), front: freeAddress(t)}
	c.provider = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(func() { c.provider.CloseClientConnections(); c.provider.Close() })
	c.config = gatewayFile(t, `{"upstreams":[{"name":"openai","kind":"openai","baseUrl":"`+c.provider.URL+`/v1"},{"name":"anthropic","kind":"anthropic","baseUrl":"`+
		c.provider.URL+`"}],"customer":"acme","holdSeconds":25,"maxTokens":1000}`)
	c.startServer()
	c.server.furnishGateway()
	c.server.must("PUT", "/api/v1/customers/acme/assignments", rigKey, `{"assignments":[{"entityId":"a","featureId":"output","usageLimit":null,"cadence":"P100Y"},
		{"entityId":"a","featureId":"input","usageLimit":null,"cadence":"P100Y"}]}`)
	c.startGateway()
	return c
}

// freeAddress is one that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (c *chaos) startServer() {
	c.server = start(c.t, []string{"BURSAR_ADMIN_KEY=" + rigKey, "BURSAR_LISTEN=" + c.at, "BURSAR_DATA=" + c.data})
}

func (c *chaos) startGateway() {
	c.gateway = start(c.t, nil, "gateway", "--server", "http://"+c.at, "--listen", c.front, "--config", c.config)
}

func (c *chaos) noteKill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kills = append(c.kills, time.Now())
}

// serve is the provider.
func (c *chaos) serve(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	x := &chaosCall{input: 1 + rand.Int64N(200), output: 1 + rand.Int64N(200), began: time.Now()}
	id := r.Header.Get("X-Call")
	c.mu.Lock()
	if before := c.calls[id]; before != nil {
		before.times++
	}
	x.times = 1
	c.calls[id] = x
	c.mu.Unlock()
	whole, failed := false, false
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		x.whole, x.failed, x.ended = whole, failed, time.Now()
	}()
	chance := rand.IntN(100)
	if chance < 4 {
		failed = true
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	events := chaosStream(r.URL.Path, x)
	for i, e := range events {
		if chance < 8 && i == len(events)/2 {
			panic(http.ErrAbortHandler)
		}
		if _, err := io.WriteString(w, e+"\n\n"); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
	}
	whole = true
}

// chaosStream are the events of a reply that uses what x says.
func chaosStream(path string, x *chaosCall) []string {
	if strings.HasSuffix(path, "/messages") {
		return []string{
			fmt.Sprintf(`data: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":%d,"output_tokens":1}}}`, x.input),
			`data: {"type":"content_block_delta","delta":{"text":"a"}}`, `data: {"type":"content_block_delta","delta":{"text":"b"}}`,
			fmt.Sprintf(`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":%d}}`, x.output),
			`data: {"type":"message_stop"}`}
	}
	return []string{`data: {"choices":[{"delta":{"content":"a"}}],"usage":null}`, `data: {"choices":[{"delta":{"content":"b"}}],"usage":null}`,
		`data: {"choices":[{"delta":{}}],"usage":null}`,
		fmt.Sprintf(`data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, x.input, x.output), `data: [DONE]`}
}

// call makes calls, one after the other. Some are left in their midst.
func (c *chaos) call(ctx context.Context, caller int) {
	for n := 0; ctx.Err() == nil; n++ {
		path := "/v1/chat/completions"
		if n%2 == 0 {
			path = "/v1/messages"
		}
		one, leave := context.WithCancel(context.WithoutCancel(ctx))
		r, err := http.NewRequestWithContext(one, "POST", "http://"+c.front+path, strings.NewReader(`{"model":"m","stream":true}`))
		if err != nil {
			panic(err)
		}
		id := fmt.Sprintf("%d-%d", caller, n)
		r.Header.Set("Authorization", "Bearer "+rigKey)
		r.Header.Set("X-Call", id)
		r.Header.Set("Bursar-Dimensions", "agentId=a,call="+id)
		reply, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			if rand.IntN(10) == 0 {
				io.ReadFull(reply.Body, make([]byte, 1+rand.IntN(200)))
				leave()
			}
			io.Copy(io.Discard, reply.Body)
			reply.Body.Close()
		} else {
			time.Sleep(50 * time.Millisecond) // while the gateway is away
		}
		leave()
	}
}

// chaosHold is a reservation as the books have it.
type chaosHold struct {
	ID, Status string
	Estimated  bool
	Dimensions map[string]string
	Tokens     struct{ Input, Output int64 }
}

func (c *chaos) holds(status string) (all []chaosHold) {
	c.t.Helper()
	for after := ""; ; {
		var page struct {
			Data       []chaosHold
			Pagination struct{ Next *string }
		}
		if err := json.Unmarshal([]byte(c.server.must("GET", "/api/v1/customers/acme/reservations?limit=100&status="+status+after, rigKey, "")), &page); err != nil {
			c.t.Fatal(err)
		}
		all = append(all, page.Data...)
		if page.Pagination.Next == nil {
			return all
		}
		after = "&after=" + url.QueryEscape(*page.Pagination.Next)
	}
}

// disturbed tells that the gateway was killed while it had the call, or what the call used.
func (c *chaos) disturbed(x *chaosCall) bool {
	for _, at := range c.kills {
		if at.After(x.began.Add(-time.Second)) && at.Before(x.ended.Add(20*time.Second)) {
			return true
		}
	}
	return false
}

// verify compares the books with what the provider did.
func (c *chaos) verify() {
	c.t.Helper()
	var input, output int64
	counted, estimates, unsent := map[string]int{}, 0, 0
	for _, h := range append(c.holds("COMMITTED"), c.holds("EXPIRED")...) {
		id := h.Dimensions["call"]
		x := c.calls[id]
		input, output = input+h.Tokens.Input, output+h.Tokens.Output
		if counted[id]++; x == nil {
			if unsent++; h.Status == "COMMITTED" || !h.Estimated {
				c.t.Errorf("call %s is counted as %+v and was never sent", id, h)
			}
			continue
		}
		switch {
		case h.Status == "COMMITTED" && (h.Tokens.Input != x.input || h.Tokens.Output != x.output || h.Estimated):
			c.t.Errorf("call %s is counted as %+v, the provider sent %d and %d", id, h, x.input, x.output)
		case h.Status == "EXPIRED" && !h.Estimated:
			c.t.Errorf("call %s is an estimate that is not marked", id)
		case h.Status == "EXPIRED":
			estimates++
			if x.whole && !c.disturbed(x) {
				c.t.Errorf("call %s is an estimate, though all of it was there: %+v", id, x)
			}
		}
	}
	wholes := 0
	for id, x := range c.calls {
		if x.times != 1 || !x.failed && counted[id] != 1 || x.failed && !c.disturbed(x) && counted[id] != 0 {
			c.t.Errorf("call %s was sent %d times and is counted %d times: %+v", id, x.times, counted[id], x)
		}
		if x.whole {
			wholes++
		}
	}
	var tree struct {
		Data []struct {
			FeatureID    string
			CurrentUsage int64
		}
	}
	if err := json.Unmarshal([]byte(c.server.must("GET", "/api/v1/customers/acme/governance?featureIds=input,output", rigKey, "")), &tree); err != nil {
		c.t.Fatal(err)
	}
	for _, row := range tree.Data {
		if want := map[string]int64{"input": input, "output": output}[row.FeatureID]; row.CurrentUsage != want {
			c.t.Errorf("%s is %d in the books, the calls add up to %d", row.FeatureID, row.CurrentUsage, want)
		}
	}
	c.t.Logf("%d calls reached the provider, %d whole; %d of them are counted, of which %d as estimates; %d were held and not sent when the gateway was killed; it was killed %d times",
		len(c.calls), wholes, len(counted)-unsent, estimates, unsent, len(c.kills))
	if wholes < *gatewayStreams/10 || len(tree.Data) != 2 {
		c.t.Errorf("hardly anything was going on: %d calls", wholes)
	}
}
