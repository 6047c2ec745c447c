// Command envoy answers the rate limit service of Envoy and of the gateways that are built on it: whether
// a request may pass is what a Bursar server decides. It is a module of its own, so
// that Bursar itself needs no gRPC.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/bursarhq/bursar/client"
	ratelimit "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
)

const (
	stopping   = 20 * time.Second // how long requests may finish after SIGTERM
	maxStreams = 1000             // requests at a time of one connection
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], log)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		log.Error("cannot serve", "err", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, log *slog.Logger) error {
	flags := flag.NewFlagSet("bursar-envoy", flag.ContinueOnError)
	listen := flags.String("listen", or(os.Getenv("BURSAR_ENVOY_LISTEN"), "127.0.0.1:8081"), "`address` of the rate limit service, gRPC without TLS; BURSAR_ENVOY_LISTEN")
	server := flags.String("server", or(os.Getenv("BURSAR_URL"), "http://127.0.0.1:8080"), "`URL` of the Bursar server; BURSAR_URL")
	var by defaults
	flags.StringVar(&by.customer, "customer", os.Getenv("BURSAR_ENVOY_CUSTOMER"), "`id` of the customer whose budgets count where a descriptor has no entry "+customerEntry)
	flags.StringVar(&by.feature, "feature", os.Getenv("BURSAR_ENVOY_FEATURE"), "`id` of the feature that hits are of where a descriptor has neither "+featureEntry+" nor "+currencyEntry)
	flags.BoolVar(&by.strict, "strict", true, "a descriptor whose dimensions name no entity is denied, not asked of the customer alone")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	if u, err := url.Parse(*server); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("--server: %q is no URL of a server; write http://127.0.0.1:8080", *server)
	}
	key := os.Getenv("BURSAR_API_KEY")
	if key == "" {
		return errors.New("set BURSAR_API_KEY to an API key of scope runtime")
	}
	at, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	g, healthy := grpc.NewServer(grpc.MaxConcurrentStreams(maxStreams)), health.NewServer()
	ratelimit.RegisterRateLimitServiceServer(g, &service{server: client.New(*server, key), by: by, log: log})
	healthpb.RegisterHealthServer(g, healthy)
	reflection.Register(g)
	log.Info("listening", "addr", at.Addr().String())
	go func() {
		<-ctx.Done()
		healthy.Shutdown()
		late := time.AfterFunc(stopping, g.Stop)
		defer late.Stop()
		g.GracefulStop()
	}()
	return g.Serve(at)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
