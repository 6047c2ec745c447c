package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/bursarhq/bursar/gateway"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// gatewayCommand runs a gateway apart from the server.
type gatewayCommand struct {
	Server          string        `help:"The Bursar server; http://127.0.0.1:8080 by default." default:"http://127.0.0.1:8080" env:"BURSAR_URL" placeholder:"URL"`
	ServerKey       string        `help:"An API key of the server of scope runtime, with which the gateway makes and ends what calls by spend tokens hold; without one it takes no spend tokens." env:"BURSAR_GATEWAY_SERVER_KEY" placeholder:"KEY"`
	Listen          string        `help:"Address of the gateway; 127.0.0.1:8090 by default. Port 0 picks a free one." default:"127.0.0.1:8090" env:"BURSAR_GATEWAY_LISTEN" placeholder:"HOST:PORT"`
	Config          string        `help:"The configuration; by default it has the providers whose keys are in OPENAI_API_KEY and ANTHROPIC_API_KEY." type:"path" env:"BURSAR_GATEWAY_CONFIG" placeholder:"FILE"`
	Unknown         string        `help:"What becomes of paths that are not governed, allow or deny, in place of what the configuration says." env:"BURSAR_GATEWAY_UNKNOWN" placeholder:"POLICY"`
	MetricsListen   string        `help:"Address that serves /metrics to anybody who reaches it; none by default." env:"BURSAR_METRICS_LISTEN" placeholder:"HOST:PORT"`
	LogLevel        slog.Level    `help:"debug, info, warn or error; info by default." default:"info" env:"BURSAR_LOG_LEVEL" placeholder:"LEVEL"`
	ShutdownTimeout time.Duration `help:"How long calls may finish after SIGTERM; 10s by default." default:"10s" env:"BURSAR_SHUTDOWN_TIMEOUT" placeholder:"DURATION"`
}

func (c *gatewayCommand) Run(p *process) error {
	if u, err := url.Parse(c.Server); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return exitf(exitConfig, "--server: %q is no URL of a server; write http://127.0.0.1:8080", c.Server)
	}
	log := slog.New(slog.NewJSONHandler(p.stderr, &slog.HandlerOptions{Level: c.LogLevel}))
	server := gateway.Remote(c.Server)
	o := gateway.Options{Log: log, Server: server, Ready: readyAt(c.Server)}
	if c.ServerKey != "" {
		o.Own = server.WithKey(c.ServerKey)
	}
	g, err := newGatewayServer(c.Config, c.Unknown, o)
	if err != nil {
		return err
	}
	failed := make(chan error, 4)
	fail := func(err error) { failed <- err }
	if err := g.listen(p.ctx, c.Listen, log, fail); err != nil {
		return exitf(exitConfig, "--listen: %w", err)
	}
	if c.MetricsListen != "" {
		registry := prometheus.NewRegistry()
		registry.MustRegister(g.gateway, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		m := &gatewayServer{http: &http.Server{Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), ReadHeaderTimeout: closeTimeout}, name: "metrics"}
		if err := m.listen(p.ctx, c.MetricsListen, log, fail); err != nil {
			return exitf(exitConfig, "--metrics-listen: %w", err)
		}
		defer m.http.Close()
	}
	select {
	case <-p.ctx.Done():
		log.Info("stopping")
	case err = <-failed:
	}
	g.stop(c.ShutdownTimeout, log)
	log.Info("stopped")
	return err
}

// readyAt asks a server whether it may be used.
func readyAt(base string) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/readyz", nil)
		if err != nil {
			return err
		}
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer reply.Body.Close()
		io.Copy(io.Discard, io.LimitReader(reply.Body, 1<<10))
		if reply.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %d", reply.StatusCode)
		}
		return nil
	}
}

// gatewayServer is a gateway with its listener.
type gatewayServer struct {
	gateway *gateway.Gateway
	http    *http.Server
	name    string // in the log
}

// newGatewayServer makes a gateway as file says; "" is the usual providers.
func newGatewayServer(file, unknown string, o gateway.Options) (*gatewayServer, error) {
	c := gateway.Default(os.Getenv)
	if file != "" {
		var err error
		if c, err = gateway.Load(file); err != nil {
			return nil, exitf(exitConfig, "--gateway-config: %w", err)
		}
	}
	if unknown != "" {
		c.Unknown = unknown
	}
	if err := c.Check(os.Getenv); err != nil {
		return nil, exitf(exitConfig, "the gateway's configuration: %w", err)
	}
	g := gateway.New(c, o)
	return &gatewayServer{gateway: g, http: g.Server(), name: "gateway"}, nil
}

func (g *gatewayServer) listen(ctx context.Context, address string, log *slog.Logger, fail func(error)) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	g.http.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	log.Info(g.name+" listening", "addr", l.Addr().String())
	go func() {
		if err := g.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("serving %s: %w", address, err))
		}
	}()
	return nil
}

// stop lets calls finish, and then what they used be recorded.
func (g *gatewayServer) stop(within time.Duration, log *slog.Logger) {
	g.gateway.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := g.http.Shutdown(ctx); err != nil {
		log.Warn("calls were cut off", "err", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), gatewayCloseTimeout)
	defer cancel()
	g.gateway.Close(ctx)
	g.http.Close()
}

// gatewayCloseTimeout bounds how long what calls used is recorded for after the last one.
const gatewayCloseTimeout = 5 * time.Second
