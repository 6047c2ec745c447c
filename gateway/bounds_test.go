package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/gateway"
)

// TestNothingToUndo: what was never asked of the server is not taken back, and what may have been
// waits in few places, so that no call is lost for it.
func TestNothingToUndo(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.start(gateway.Remote("http://127.0.0.1:1"), nil)
	for range 3 {
		if got := w.post("/v1/chat/completions", chat); got.status != 503 {
			t.Errorf("%+v", got)
		}
	}
	w.stop()
	if n := w.count("ends_total"); n != 0 {
		t.Errorf("%v attempts to take back what was never asked for", n)
	}

	w = newWorld(t)
	w.away.Store(true)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			for range 10 {
				if got := w.post("/v1/chat/completions", chat); got.status != 503 {
					t.Errorf("%+v", got)
				}
			}
		})
	}
	wg.Wait()
	if dropped, pending := w.count("ends_total", "undo", "dropped"), w.count("pending"); dropped != 300-256 || pending != 0 {
		t.Errorf("%v are dropped, %v wait", dropped, pending)
	}
	w.away.Store(false)
	w.eventually("nothing is held", func() bool { return w.count("ends_total", "undo", "done") == 256 && len(w.holds(bursar.HoldOpen)) == 0 })
	if w.used() != [5]int64{} {
		t.Errorf("used are %v", w.used())
	}
}

// TestPlaces: no more calls go on without the server than can be recorded, and one whose usage
// is lost all the same is counted and said.
func TestPlaces(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Unavailable, c.MaxPending = "allow", 3 })
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":2}}`))
	w.post("/v1/chat/completions", chat)
	w.away.Store(true)
	for i, want := range []int{200, 200, 200, 503, 503} {
		if got := w.post("/v1/chat/completions", chat); got.status != want {
			t.Errorf("call %d: %+v", i, got)
		}
	}
	w.away.Store(false)
	w.eventually("all are recorded", func() bool { return w.used()[3] == 4*2 && w.count("pending") == 0 })
	for _, answer := range []http.HandlerFunc{says(500, `{}`), says(200, `{}`)} { // nothing was used; nobody knows
		w.away.Store(true)
		w.upstream.answer(answer)
		w.post("/v1/chat/completions", chat)
		w.away.Store(false)
		w.eventually("the places are free", func() bool { return w.count("pending") == 0 })
	}
	w.away.Store(true)
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":2}}`))
	w.post("/v1/chat/completions", chat)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	w.gateway.Close(ended)
	if w.count("ends_total", "commit", "uncounted") != 1 || !strings.Contains(w.log.String(), "counted nowhere") || strings.Contains(w.log.String(), "settle as estimates") {
		t.Errorf("it is not said: %s", w.log.String())
	}
}

// stalled begins a request of 400,000 bytes and sends n of them.
func (w *world) stalled(key string, n int) net.Conn {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.front.URL, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 400000\r\n\r\n%s", key, strings.Repeat(" ", n))
	return conn
}

// TestMemory: requests take no more memory than they may together, none for a key that nobody
// knows, and none once they are sent.
func TestMemory(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.MaxBodyBytes, c.MaxMemoryBytes = 500_000, 1_000_000 })
	unknown := w.stalled("bsk_00_wrong", 0)
	defer unknown.Close()
	if reply, err := http.ReadResponse(bufio.NewReader(unknown), nil); err != nil || reply.StatusCode != 401 {
		t.Errorf("%+v %v", reply, err)
	}
	big := `{"model":"gpt-5","stream":true,"x":"` + strings.Repeat("x", 400_000) + `"}`
	next := make(chan struct{})
	release := sync.OnceFunc(func() { close(next) })
	defer release()
	w.upstream.answer(func(rw http.ResponseWriter, r *http.Request) {
		streams("data: {}\n\n")(rw, r)
		<-next
		streams(chatStream(true))(rw, r)
	})
	var bodies []io.ReadCloser
	for range 5 { // that are under way
		reply, err := http.DefaultTransport.RoundTrip(w.request("/v1/chat/completions", big))
		if err != nil || reply.StatusCode != 200 {
			t.Fatalf("%+v %v", reply, err)
		}
		bodies = append(bodies, reply.Body)
	}
	release()
	for _, b := range bodies {
		if _, err := io.Copy(io.Discard, b); err != nil {
			t.Error(err)
		}
		b.Close()
	}
	one, two := w.stalled(w.key, 300_000), w.stalled(w.key, 300_000)
	w.eventually("the memory is full", func() bool { return w.count("memory_bytes") >= 800_000 })
	if got := w.post("/v1/chat/completions", big); got.status != 503 || got.header.Get("X-Should-Retry") != "true" || !strings.Contains(got.body, "maxMemoryBytes") {
		t.Errorf("%+v", got)
	}
	if got := w.post("/v1/chat/completions", chat); got.status != 200 {
		t.Errorf("a small one: %+v", got)
	}
	one.Close()
	two.Close()
	w.eventually("there is room", func() bool { return w.post("/v1/chat/completions", big).status == 200 })

	reply := `{"usage":{"prompt_tokens":1,"completion_tokens":2},"x":"` + strings.Repeat("x", 1_200_000) + `"}`
	w.upstream.answer(says(200, reply))
	if got := w.post("/v1/chat/completions", chat); got.status != 200 || got.body != reply {
		t.Errorf("a reply that is too large to read: %d %d %v", got.status, len(got.body), got.err)
	}
}

// TestGuessing: an address with many wrong keys is refused without asking the server, but for
// keys that it took; and the server in the same process learns who calls.
func TestGuessing(t *testing.T) {
	w := newWorld(t)
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":2}}`))
	w.post("/v1/chat/completions", chat)
	if from, _ := w.from.Load().(string); !strings.HasPrefix(from, "127.0.0.1:") || from == "127.0.0.1:0" {
		t.Errorf("the server was asked from %s", from)
	}
	w.stop()
	w.start(gateway.Remote(w.server.URL), nil)
	w.post("/v1/chat/completions", chat)
	before := w.asked.Load()
	for i := range 40 {
		path := []string{"/v1/chat/completions", "/v1/responses"}[i%2]
		want := 401
		if i >= 20 {
			want = 429
		}
		if got := w.post(path, chat, "Authorization", fmt.Sprintf("Bearer bsk_00_wrong%d", i)); got.status != want {
			t.Errorf("guess %d: %+v", i, got)
		}
	}
	if n := w.asked.Load() - before; n != 20 {
		t.Errorf("the server was asked %d times", n)
	}
	if got := w.post("/v1/chat/completions", chat); got.status != 200 {
		t.Errorf("a key that is known: %+v", got)
	}
}

// TestPieces: a caller has its time for each piece of a reply, whatever was before.
func TestPieces(t *testing.T) {
	w := newWorld(t)
	reply := `{"usage":{"prompt_tokens":1,"completion_tokens":2},"x":"` + strings.Repeat("x", 200_000) + `"}`
	w.upstream.answer(says(200, reply))
	for _, c := range []struct{ key, status string }{{"k", "200"}, {"k", "200"}, {"", "400"}} {
		r := w.request("/v1/chat/completions", chat, "Idempotency-Key", c.key)
		if c.status == "400" {
			r = w.request("/v1//chat", chat)
		}
		p := &piecewise{ResponseRecorder: httptest.NewRecorder(), t: t}
		w.gateway.ServeHTTP(p, r)
		if fmt.Sprint(p.Code) != c.status || c.status == "200" && p.Body.String() != reply || !p.cleared {
			t.Errorf("%+v: %d, %d bytes, %v", c, p.Code, p.Body.Len(), p.cleared)
		}
	}
}

// piecewise notes what has no time of its own.
type piecewise struct {
	*httptest.ResponseRecorder
	t              *testing.T
	cleared, given bool
}

func (p *piecewise) SetReadDeadline(time.Time) error { return nil }

func (p *piecewise) SetWriteDeadline(at time.Time) error {
	p.cleared = p.cleared || at.IsZero()
	p.given = !at.IsZero()
	return nil
}

func (p *piecewise) Write(b []byte) (int, error) {
	if len(b) > 32<<10 || !p.given {
		p.t.Errorf("%d bytes at once, with a time: %v", len(b), p.given)
	}
	p.given = false // the next piece needs its own
	return p.ResponseRecorder.Write(b)
}

// TestBlame: who breaks a call off is counted, and so is each estimate.
func TestBlame(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.OnDisconnect = "abort" })
	leaves(t, w)
	w.eventually("the caller is counted", func() bool {
		return w.count("calls_total", "caller_gone") == 1 && w.count("calls_total", "estimated") == 1
	})
	w.upstream.answer(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "audio/mpeg")
		rw.Write([]byte{0, 1, 2})
	})
	w.post("/v1/audio/speech", chat)
	w.upstream.answer(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	w.post("/v1/chat/completions", chat)
	if gone, broken, estimated := w.count("calls_total", "caller_gone"), w.count("calls_total", "broken"), w.count("calls_total", "estimated"); gone != 1 || broken != 1 || estimated != 3 {
		t.Errorf("%v callers are gone, %v replies broken, %v estimated", gone, broken, estimated)
	}
}

// TestNotReplayed: a stream that told no usage, and a call of another entity or to another
// provider, are not answered with what was kept.
func TestNotReplayed(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) {
		c.Upstreams = append(c.Upstreams, gateway.Upstream{Name: "other", Kind: "openai", BaseURL: w0(c), KeyEnv: "PROVIDER"})
	})
	w.upstream.answer(streams("data: {\"error\":{\"message\":\"overloaded\"}}\n\n"))
	w.post("/v1/chat/completions", `{"model":"m","stream":true}`, "Idempotency-Key", "failed")
	w.upstream.answer(asOpenAI)
	if got := w.post("/v1/chat/completions", `{"model":"m","stream":true}`, "Idempotency-Key", "failed"); got.body != chatStream(false) || got.header.Get("Bursar-Replayed") != "" {
		t.Errorf("%+v", got)
	}
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":2}}`))
	w.post("/v1/chat/completions", chat, "Idempotency-Key", "k")
	for _, got := range []outcome{
		w.post("/v1/chat/completions", chat, "Idempotency-Key", "k", "Bursar-Dimensions", "agentId=b"),
		w.post("/other/v1/chat/completions", chat, "Idempotency-Key", "k"),
		w.post("/v1/chat/completions?x=1", chat, "Idempotency-Key", "k"),
	} {
		if got.header.Get("Bursar-Replayed") != "" {
			t.Errorf("%+v", got)
		}
	}
}
