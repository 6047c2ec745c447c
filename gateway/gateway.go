// Package gateway governs calls of language models on their way to a provider: it holds what
// a call may use, sends it, passes the reply on as it comes and records what was used. It
// decides nothing itself: a Bursar server does, which it asks through package client.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar/client"
)

// Options are what a gateway needs besides its configuration.
type Options struct {
	// Server asks the Bursar server; it is asked with each caller's key.
	Server *client.Client
	// Own asks the Bursar server with a key of the gateway's own, which calls by spend tokens need:
	// who holds one does not end what it holds. nil = spend tokens are refused.
	Own *client.Client
	// Ready tells why the server cannot answer now. nil = it is not asked.
	Ready func(context.Context) error
	// Log takes what operators should know. Default: discard.
	Log *slog.Logger
}

// Gateway is the handler of one listener. Its methods are safe for concurrent use.
type Gateway struct {
	config    *Config
	upstreams []*upstream
	server    *client.Client
	own       *client.Client // nil = none
	ready     func(context.Context) error
	log       *slog.Logger
	metrics   *metrics
	books     *books
	known     *knownKeys
	running   sync.Map // ids of holds whose calls are under way here
	replays   *replays
	guard     *guard
	memory    *memory
	send      http.RoundTripper

	calls    sync.WaitGroup
	draining atomic.Bool
	ended    context.Context // ends when calls may not go on
	end      context.CancelFunc
}

// New makes a gateway. c must have passed Check.
func New(c *Config, o Options) *Gateway {
	g := &Gateway{config: c, server: o.Server, own: o.Own, ready: o.Ready, log: o.Log, metrics: newMetrics(), known: newKnownKeys(), replays: newReplays(), guard: newGuard(), send: newTransport(c),
		memory: &memory{most: c.MaxMemoryBytes}}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	for i := range c.Upstreams {
		g.upstreams = append(g.upstreams, newUpstream(&c.Upstreams[i]))
	}
	g.ended, g.end = context.WithCancel(context.Background())
	g.books = newBooks(g)
	return g
}

// Limits of connections.
const (
	dialTimeout       = 10 * time.Second
	idleConnections   = 512 // to each upstream
	idleTimeout       = 90 * time.Second
	readHeaderTimeout = 10 * time.Second
	clientIdleTimeout = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	stallTimeout      = time.Minute // in which a caller takes a piece of the reply, and sends its request
)

func newTransport(c *Config) http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, idleConnections
	t.IdleConnTimeout = idleTimeout
	t.DisableCompression = true // what comes is passed on as it is
	t.ResponseHeaderTimeout = time.Duration(c.CallSeconds) * time.Second
	return t
}

// Server returns a server of g without a limit on how long a reply takes: each piece of it has one.
func (g *Gateway) Server() *http.Server {
	return &http.Server{Handler: g, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: clientIdleTimeout, MaxHeaderBytes: maxHeaderBytes}
}

// ServeHTTP answers one call.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).SetWriteDeadline(time.Time{}) // that of the last call on the connection
	switch r.URL.Path {
	case "/healthz":
		w.WriteHeader(http.StatusOK)
		return
	case "/readyz":
		g.serveReady(w, r)
		return
	}
	g.calls.Add(1)
	defer g.calls.Done()
	to, below, ok := g.route(r)
	if !ok {
		refuse(w, g.upstreams[0].Kind, &problem{status: http.StatusBadRequest, code: "InvalidPath", message: "the path must be plain: letters, digits and . _ ~ : - / with nothing encoded, and without .. or //; and the method in capitals"})
		g.metrics.refused(g.upstreams[0])
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, g.config.MaxBodyBytes)
	if endpoint := governed(r.Method, below); endpoint != "" {
		g.govern(w, r, to, below, endpoint)
	} else {
		g.pass(w, r, to, below)
	}
}

func (g *Gateway) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	reason := ""
	if g.draining.Load() {
		reason = "stopping"
	} else if g.ready != nil && g.config.Unavailable == policyDeny {
		if err := g.ready(ctx); err != nil {
			reason = "the Bursar server cannot answer"
		}
	}
	if reason != "" {
		http.Error(w, reason, http.StatusServiceUnavailable)
	}
}

// Drain makes /readyz answer 503. Calls are still served.
func (g *Gateway) Drain() { g.draining.Store(true) }

// Close ends calls that are still under way, and waits until what was used is recorded, as
// long as ctx lets it. What could not be recorded stays held, and is settled when its hold
// ends. The listener must be shut down before.
func (g *Gateway) Close(ctx context.Context) {
	g.end()
	done := make(chan struct{})
	go func() {
		g.calls.Wait()
		g.books.wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	if n := g.books.stop(); n > 0 {
		g.log.Error("usage could not be recorded before the gateway stopped; its holds will settle as estimates", "calls", n)
	}
}
