package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/gateway"
)

// TestRetry: what comes again with its idempotency key gets the same reply, and is neither
// sent nor recorded again, also while the first one runs.
func TestRetry(t *testing.T) {
	w := newWorld(t)
	w.upstream.answer(asOpenAI)
	ask := `{"model":"gpt-5","stream":true}`
	first := w.post("/v1/chat/completions", ask, "Idempotency-Key", "k")
	again := w.post("/v1/chat/completions", ask, "Idempotency-Key", "k")
	if first.body != again.body || again.status != 200 || again.header.Get("Bursar-Replayed") != "true" || again.header.Get("Bursar-Call") != first.header.Get("Bursar-Call") {
		t.Errorf("%+v\n%+v", first, again)
	}
	other := w.post("/v1/chat/completions", `{"model":"gpt-5","stream":true,"max_tokens":5}`, "Idempotency-Key", "k")
	if other.status != 409 || other.header.Get("X-Should-Retry") != "false" {
		t.Errorf("%+v", other)
	}
	if n := len(w.upstream.requests()); n != 1 {
		t.Errorf("the provider got %d", n)
	}

	release := make(chan struct{})
	w.upstream.answer(func(rw http.ResponseWriter, r *http.Request) {
		<-release
		says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`)(rw, r)
	})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if got := w.post("/v1/chat/completions", chat, "Idempotency-Key", "at-once"); got.status != 200 {
				t.Errorf("%+v", got)
			}
		})
	}
	w.eventually("one has come", func() bool { return len(w.upstream.requests()) == 2 })
	close(release)
	wg.Wait()
	w.eventually("all is recorded", func() bool { return len(w.holds(bursar.HoldCommitted)) == 2 })
	if n := len(w.upstream.requests()); n != 2 || w.used() != [5]int64{16, 5, 0, 10, 0} {
		t.Errorf("the provider got %d, recorded are %v", n, w.used())
	}
}

// TestRetryOfFailed: a call that failed at the provider is sent again.
func TestRetryOfFailed(t *testing.T) {
	w := newWorld(t)
	for _, answer := range []http.HandlerFunc{says(500, `{}`), says(429, `{}`), says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":2}}`)} {
		w.upstream.answer(answer)
		w.post("/v1/chat/completions", chat, "Idempotency-Key", "k")
	}
	w.eventually("all have ended", func() bool { return len(w.holds(bursar.HoldReleased)) == 2 })
	if len(w.upstream.requests()) != 3 || w.used() != [5]int64{1, 0, 0, 2, 0} {
		t.Errorf("the provider got %d, recorded are %v", len(w.upstream.requests()), w.used())
	}
}

// TestTakenOver: a call whose gateway was killed is counted once: by its retry, if there is
// one, else as an estimate.
func TestTakenOver(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.HoldSeconds = 2 })
	killed := make(chan struct{})
	w.upstream.answer(func(_ http.ResponseWriter, r *http.Request) { <-killed })
	var dead atomic.Bool // of the first gateway nothing comes any more: this is what a kill leaves
	old := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if dead.Load() {
			panic(http.ErrAbortHandler)
		}
		w.server.Config.Handler.ServeHTTP(rw, r)
	}))
	defer old.Close()
	w.stop()
	w.start(gateway.Remote(old.URL), nil)
	for _, key := range []string{"retried", "lost"} {
		go w.post("/v1/chat/completions", chat, "Idempotency-Key", key)
	}
	w.eventually("both are held", func() bool { return len(w.holds(bursar.HoldOpen)) == 2 })
	dead.Store(true)
	first, front := w.gateway, w.front
	defer func() {
		front.CloseClientConnections()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		first.Close(ended)
		front.Close()
	}()
	w.start(gateway.Remote(w.server.URL), nil)
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":2}}`))
	got := w.post("/v1/chat/completions", chat, "Idempotency-Key", "retried")
	if got.status != 200 {
		t.Fatalf("%+v", got)
	}
	close(killed)
	w.eventually("the other is estimated", func() bool { list := w.holds(bursar.HoldExpired); return len(list) == 1 && list[0].Estimated })
	if list := w.holds(bursar.HoldCommitted); len(list) != 1 || w.used()[3] != 102 {
		t.Errorf("recorded are %v, %+v", w.used(), list)
	}
}

// TestServerAway: while the server cannot be asked, calls are refused; and once it is back all
// that was used is recorded.
func TestServerAway(t *testing.T) {
	w := newWorld(t)
	w.upstream.answer(func(rw http.ResponseWriter, r *http.Request) {
		w.away.Store(true)
		says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":2}}`)(rw, r)
	})
	if got := w.post("/v1/chat/completions", chat); got.status != 200 || got.header.Get("Bursar-Cost") != "" {
		t.Errorf("%+v", got)
	}
	got := w.post("/v1/chat/completions", chat)
	if got.status != 503 || got.header.Get("X-Should-Retry") != "true" || len(w.upstream.requests()) != 1 || !strings.Contains(w.log.String(), "cannot be asked") {
		t.Errorf("%+v", got)
	}
	w.away.Store(false)
	w.eventually("it is recorded", func() bool { return w.used()[3] == 2 })
	w.eventually("nothing is held", func() bool { return len(w.holds(bursar.HoldOpen)) == 0 })
}

// TestGoOn: where the operator wants that, calls go on while the server is away, for keys that
// it took before; and all are recorded once it is back.
func TestGoOn(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Unavailable = "allow" })
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":2}}`))
	w.away.Store(true)
	if got := w.post("/v1/chat/completions", chat); got.status != 503 {
		t.Errorf("a key that nobody knows: %+v", got)
	}
	w.away.Store(false)
	w.post("/v1/chat/completions", chat)
	w.away.Store(true)
	for _, answer := range []http.HandlerFunc{says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":2}}`), says(200, `{}`), says(500, `{}`)} {
		w.upstream.answer(answer)
		got := w.post("/v1/chat/completions", chat)
		if got.status >= 501 || got.header.Get("Bursar-Governed") != "false" {
			t.Errorf("%+v", got)
		}
	}
	w.away.Store(false)
	w.eventually("all is recorded", func() bool { return w.used()[3] == 2+2+100 })
	w.eventually("nothing is held", func() bool { return len(w.holds(bursar.HoldOpen)) == 0 })
}

// TestApart: a gateway beside its server does the same over HTTP.
func TestApart(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.start(gateway.Remote(w.server.URL), nil)
	w.upstream.answer(asOpenAI)
	if got := w.post("/v1/chat/completions", `{"model":"gpt-5","stream":true}`); got.body != chatStream(false) {
		t.Errorf("%+v", got)
	}
	w.eventually("it is recorded", func() bool { return w.used() == [5]int64{15, 5, 0, 9, 0} })
	w.limit(10)
	if got := w.post("/v1/chat/completions", chat); got.status != 402 {
		t.Errorf("%+v", got)
	}
	w.server.Close()
	if got := w.post("/v1/chat/completions", chat); got.status != 503 {
		t.Errorf("%+v", got)
	}
}

// TestTakenOverDegraded: a degraded call whose gateway was killed is counted once, by its retry.
func TestTakenOverDegraded(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Degrade = true })
	w.degradeFromStart(client.DegradeStep{MaxTokens: 50})
	killed := make(chan struct{})
	w.upstream.answer(func(_ http.ResponseWriter, r *http.Request) { <-killed })
	var dead atomic.Bool // of the first gateway nothing comes any more: this is what a kill leaves
	old := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if dead.Load() {
			panic(http.ErrAbortHandler)
		}
		w.server.Config.Handler.ServeHTTP(rw, r)
	}))
	defer old.Close()
	w.stop()
	w.start(gateway.Remote(old.URL), nil)
	go w.post("/v1/chat/completions", chat, "Idempotency-Key", "k")
	w.eventually("it is sent", func() bool { return len(w.upstream.requests()) == 1 })
	dead.Store(true)
	first, front := w.gateway, w.front
	defer func() {
		front.CloseClientConnections()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		first.Close(ended)
		front.Close()
	}()
	w.start(gateway.Remote(w.server.URL), nil)
	w.upstream.answer(says(200, `{"usage":{"prompt_tokens":1,"completion_tokens":2}}`))
	got := w.post("/v1/chat/completions", chat, "Idempotency-Key", "k")
	if got.status != 200 || got.header.Get("Bursar-Degraded") != "maxTokens=50" {
		t.Errorf("%+v", got)
	}
	close(killed)
	w.eventually("it is recorded", func() bool { return len(w.holds(bursar.HoldCommitted)) == 1 })
	if open := w.holds(bursar.HoldOpen); len(open) != 0 {
		t.Errorf("the attempt that nobody ended is still held: %+v", open)
	}
}
