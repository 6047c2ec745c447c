package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/gateway"
	"github.com/bursarhq/bursar/httpapi"
	"github.com/bursarhq/bursar/mcp"
	"github.com/bursarhq/bursar/otlp"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/webui"
	"github.com/prometheus/client_golang/prometheus"
)

type serveCommand struct {
	config `embed:""`
}

// headroom is what a server with little in memory may allocate, at least, between two
// garbage collections: the fewer there are, the fewer checks wait for one. It is memory
// that is never written to, so that none is taken for it.
const headroom = 64 << 20

// threadsPerProcessor is how many threads run Go code for each processor. The Go runtime looks at the network only
// when one of them has nothing to do, or every 10 ms; and the system gives a thread that was woken its
// share at once. So there are more of them than long work ever takes.
const threadsPerProcessor = 4

// spareThreads makes room for them, unless the operator has set GOMAXPROCS, and returns how many processors there are.
func spareThreads(getenv func(string) string) (processors int) {
	processors = runtime.GOMAXPROCS(0)
	if getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(threadsPerProcessor * processors)
	}
	return processors
}

func (c *serveCommand) Run(p *process) error {
	reserve := make([]byte, headroom) // the next collection is due at twice what is there
	defer runtime.KeepAlive(reserve)
	if err := c.check(os.Getenv); err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(p.stderr, &slog.HandlerOptions{Level: c.LogLevel}))
	store, err := c.openStore(p.ctx, log)
	if err != nil {
		return err
	}
	s, err := openServer(p.ctx, &c.config, store, engine.Options{Log: log, Processors: spareThreads(os.Getenv)})
	if err != nil {
		return err
	}
	if err := s.listen(p.ctx); err != nil { // before a key is shown that a failed start would take along
		return errors.Join(err, s.stop())
	}
	if err := s.firstKey(p); err != nil {
		return errors.Join(err, s.stop())
	}
	s.announce()
	return s.wait(p.ctx)
}

// openStore opens the store that c names.
func (c *config) openStore(ctx context.Context, log *slog.Logger) (store.Store, error) {
	if c.DatabaseURL != "" {
		return openDatabase(ctx, c.DatabaseURL, databaseOptions{log: log, maxConns: c.DatabaseMaxConns})
	}
	return openEmbedded(c.Data, log)
}

// closeTimeout bounds the final checkpoint.
const closeTimeout = 30 * time.Second

// server is an engine with its API and what delivers its webhooks. It owns its store.
type server struct {
	config   *config
	log      *slog.Logger
	store    store.Store
	engine   *engine.Engine
	api      *httpapi.API
	webhooks *webhooks
	gateway  *gatewayServer // nil = none
	traces   *otlp.Handler
	servers  []*http.Server
	addr     net.Addr   // of the API
	failed   chan error // why it cannot go on
}

// openServer makes a server over store as c says, which does not listen yet. o.Log is
// the server's log too; o's Fatal and what c sets are filled in here. The server owns
// store; if there is none, store is closed.
func openServer(ctx context.Context, c *config, store store.Store, o engine.Options) (*server, error) {
	s := &server{config: c, log: o.Log, store: store, failed: make(chan error, 4)}
	o.LateHorizon, o.MemoryBudget, o.KeepLog = c.LateHorizon, int64(c.MemoryBudget), c.RetainLog
	if o.KeepDenials = c.RetainDenials; c.RetainDenials == 0 {
		o.KeepDenials = -1
	}
	o.Fatal = func(err error) {
		s.log.Error("the store failed in a way that only a restart can repair", "err", err)
		s.fail(exitf(exitStore, "the store failed: %w", err))
	}
	var err error
	if o.AlertThresholds, err = c.thresholds(); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	if s.engine, err = engine.Open(ctx, store, o); err != nil {
		return nil, exitf(exitStore, "the store cannot be opened: %w", errors.Join(err, store.Close()))
	}
	if s.webhooks, err = newWebhooks(s.engine, c, s.log); err != nil {
		return nil, errors.Join(err, s.engine.Close(ctx), store.Close())
	}
	api := gateway.InProcess(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.api.ServeHTTP(w, r) })) // which is made below
	var more []prometheus.Collector
	if c.GatewayListen != "" {
		if s.gateway, err = newGatewayServer(c.GatewayConfig, c.GatewayUnknown, gateway.Options{Log: s.log, Server: api, Own: gateway.InProcess(http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) { s.api.ForGateway().ServeHTTP(w, r) })), Ready: func(context.Context) error { return s.engine.Ready() }}); err != nil {
			return nil, errors.Join(err, s.engine.Close(ctx), store.Close())
		}
		more = append(more, s.gateway.gateway)
	}
	s.traces = otlp.New(api)
	more = append(more, s.traces)
	s.api = httpapi.New(s.engine, httpapi.Options{
		Metrics:  more,
		AdminKey: c.AdminKey, MetricsToken: c.MetricsToken, CORSOrigins: c.CORSOrigin, Log: s.log,
		CheckTarget: s.webhooks.check, CheckRecipient: s.webhooks.checkRecipient, WebhookStats: s.webhooks.stats, WebhookBacklog: store.PendingDeliveries,
	})
	return s, nil
}

// start listens and serves until stop.
func (s *server) start(ctx context.Context) error {
	if err := s.listen(ctx); err != nil {
		return err
	}
	s.announce()
	return nil
}

// announce says that the server is up, and begins to deliver what waits in the outbox.
func (s *server) announce() {
	s.webhooks.start()
	s.log.Info("listening", "addr", s.addr.String(), "store", storeName(s.config.DatabaseURL, s.config.Data), "version", version())
}

func (s *server) listen(ctx context.Context) error {
	pages := webui.Handler(webui.Options{EmbedOrigins: s.config.EmbedOrigins, NoConsole: s.config.NoConsole}, s.api)
	tools := mcp.Handler(gateway.InProcess(s.api), version())
	addr, err := s.serve(ctx, s.config.Listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == otlp.Path:
			s.traces.ServeHTTP(w, r)
		case strings.HasPrefix(path, httpapi.DecidePath):
			s.api.DecidePage(w, r)
		case path == "/mcp":
			tools.ServeHTTP(w, r.WithContext(gateway.From(r.Context(), r.RemoteAddr)))
		default:
			pages.ServeHTTP(w, r)
		}
	}))
	if err != nil {
		return exitf(exitConfig, "--listen: %w", err)
	}
	s.addr = addr
	if s.gateway != nil {
		if err := s.gateway.listen(ctx, s.config.GatewayListen, s.log, s.fail); err != nil {
			return exitf(exitConfig, "--gateway-listen: %w", err)
		}
	}
	if s.config.MetricsListen == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.api.MetricsHandler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	if addr, err = s.serve(ctx, s.config.MetricsListen, mux); err != nil {
		return exitf(exitConfig, "--metrics-listen: %w", err)
	}
	s.log.Info("metrics listening", "addr", addr.String())
	return nil
}

func (s *server) serve(ctx context.Context, address string, h http.Handler) (net.Addr, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	hs := httpapi.Server(h)
	hs.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelDebug) // broken connections; ours are logged by the API
	s.servers = append(s.servers, hs)
	go func() {
		if err := hs.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("serving %s: %w", address, err))
		}
	}()
	return l.Addr(), nil
}

// fail notes why the server cannot go on; the first reasons count.
func (s *server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// firstKey makes a key of full scope and prints it, when nobody could have one.
func (s *server) firstKey(p *process) error {
	if s.config.AdminKey != "" {
		return nil
	}
	key, err := s.engine.FirstAPIKey(p.ctx, catalogue.Caller{ActorType: "SYSTEM", ActorID: "first-start"}, "first key")
	switch {
	case err != nil:
		return exitf(exitStore, "the first API key cannot be stored: %w", err)
	case key == "":
		return nil
	}
	fmt.Fprintf(p.stdout, "This is the first API key, of full scope. It is shown only now:\n\n    %s\n\n", key)
	return nil
}

// wait serves until ctx ends or the server fails, and stops it.
func (s *server) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		s.log.Info("stopping")
		return s.stop()
	case err := <-s.failed:
		var e *exit
		if errors.As(err, &e) && e.code == exitStore {
			return err // nothing in memory can be trusted: no checkpoint
		}
		return errors.Join(err, s.stop())
	}
}

// stop lets requests finish, saves the state and closes the store.
func (s *server) stop() error {
	if s.gateway != nil {
		s.gateway.stop(s.config.ShutdownTimeout, s.log)
	}
	s.api.Drain()
	delivered := s.webhooks.stop() // meanwhile; what is committed from here on waits for the next start
	ctx, cancel := context.WithTimeout(context.Background(), s.config.ShutdownTimeout)
	defer cancel()
	for _, hs := range s.servers {
		if err := hs.Shutdown(ctx); err != nil {
			s.log.Warn("requests were cut off", "err", err)
			hs.Close()
		}
	}
	<-delivered
	ctx, cancel = context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := errors.Join(s.engine.Close(ctx), s.store.Close())
	if err != nil {
		return exitf(exitStore, "closing the store: %w", err)
	}
	s.log.Info("stopped")
	return nil
}
