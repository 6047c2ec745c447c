package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	ratelimit "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const adminKey = "key-of-the-envoy-test-0123456789"

// bursarBinary is the server, built once.
var bursarBinary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bursar-envoy")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bursarBinary = filepath.Join(dir, "bursar")
	build := exec.Command("go", "build", "-o", bursarBinary, "./cmd/bursar")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// world is a real Bursar server, the rate limit service beside it, and Envoy's own client of that.
type world struct {
	t      *testing.T
	server *client.Client
	stop   func() // of the server
	envoy  ratelimit.RateLimitServiceClient
	conn   *grpc.ClientConn
}

// listening reads a log until something listens, and gives the address.
func listening(t *testing.T, log io.Reader) string {
	t.Helper()
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
			go io.Copy(io.Discard, log)
			return line.Addr
		}
	}
	t.Fatal("nothing listens")
	return ""
}

func newWorld(t *testing.T) *world {
	cmd := exec.Command(bursarBinary, "serve", "--listen=127.0.0.1:0", "--data="+t.TempDir())
	cmd.Env = append(os.Environ(), "BURSAR_ADMIN_KEY="+adminKey)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { cmd.Process.Kill(); cmd.Wait() }
	t.Cleanup(end)
	base := "http://" + listening(t, log)

	t.Setenv("BURSAR_API_KEY", adminKey)
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--listen=127.0.0.1:0", "--server=" + base, "--customer=acme", "--feature=requests"}, slog.New(slog.NewJSONHandler(w, nil)))
	}()
	conn, err := grpc.NewClient(listening(t, r), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	x := &world{t: t, stop: end, server: client.New(base, adminKey), envoy: ratelimit.NewRateLimitServiceClient(conn), conn: conn}
	x.seed()
	return x
}

// seed makes a customer whose agents a-1 and a-2, of team t, may each make 3 requests, and the team 5.
func (x *world) seed() {
	ctx, c := x.t.Context(), x.server
	must := func(_ any, err error) {
		x.t.Helper()
		if err != nil {
			x.t.Fatal(err)
		}
	}
	must(c.PutEntityTypes(ctx, client.EntityTypeInput{ID: "team", DisplayName: "Team", AttributionKeys: []string{"teamId"}},
		client.EntityTypeInput{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agentId"}}))
	must(c.CreateFeature(ctx, client.FeatureInput{ID: "requests", DisplayName: "Requests", MeterType: "FLUCTUATING"}))
	must(c.CreateFeature(ctx, client.FeatureInput{ID: "tokens", DisplayName: "Tokens"}))
	must(c.CreateCustomer(ctx, client.CustomerInput{ID: "acme"}))
	must(c.PutEntities(ctx, "acme", client.EntityInput{ID: "t", EntityTypeID: "team"},
		client.EntityInput{ID: "a-1", EntityTypeID: "agent", ParentID: client.Some("t")}, client.EntityInput{ID: "a-2", EntityTypeID: "agent", ParentID: client.Some("t")}))
	limit := func(entity, feature string, n int64) client.AssignmentInput {
		return client.AssignmentInput{EntityID: entity, FeatureID: feature, UsageLimit: client.Some(bursar.AmountFromInt(n)), Cadence: "P1M"}
	}
	must(c.PutAssignments(ctx, "acme", limit("a-1", "requests", 3), limit("a-2", "requests", 3), limit("t", "requests", 5), limit("a-1", "tokens", 1000)))
}

func descriptor(entries ...string) *common.RateLimitDescriptor {
	d := &common.RateLimitDescriptor{}
	for i := 0; i < len(entries); i += 2 {
		d.Entries = append(d.Entries, &common.RateLimitDescriptor_Entry{Key: entries[i], Value: entries[i+1]})
	}
	return d
}

func hits(d *common.RateLimitDescriptor, n uint64, refund bool) *common.RateLimitDescriptor {
	d.HitsAddend, d.IsNegativeHits = wrapperspb.UInt64(n), refund
	return d
}

func (x *world) ask(d ...*common.RateLimitDescriptor) *ratelimit.RateLimitResponse {
	x.t.Helper()
	r, err := x.envoy.ShouldRateLimit(x.t.Context(), &ratelimit.RateLimitRequest{Domain: "any", Descriptors: d})
	if err != nil {
		x.t.Fatal(err)
	}
	return r
}

func (x *world) used(entity, feature string, want string) {
	x.t.Helper()
	one := bursar.AmountFromNanos(1)
	d, err := x.server.Check(x.t.Context(), "acme", client.CheckInput{FeatureID: feature, Requested: &one, Dimensions: client.Dimensions{"agentId": entity, "teamId": entity}})
	if err != nil {
		x.t.Fatal(err)
	}
	for _, chain := range d.Chains {
		for _, n := range chain {
			if n.EntityID == entity {
				if n.CurrentUsage.String() != want || !n.Reserved.IsZero() {
					x.t.Errorf("%s has used %s of %s, and %s is held; want %s and nothing", entity, n.CurrentUsage, feature, n.Reserved, want)
				}
				return
			}
		}
	}
	x.t.Errorf("%s has no limit of %s", entity, feature)
}

const (
	passes = ratelimit.RateLimitResponse_OK
	denied = ratelimit.RateLimitResponse_OVER_LIMIT
)

func TestRequestsPassUntilALimit(t *testing.T) {
	x := newWorld(t)
	a1, a2 := []string{"agentId", "a-1"}, []string{"agentId", "a-2"}
	for i := range 3 {
		r := x.ask(descriptor(a1...))
		if s := r.Statuses[0]; r.OverallCode != passes || s.LimitRemaining != uint32(2-i) || s.CurrentLimit.GetRequestsPerUnit() != 3 || s.DurationUntilReset.AsDuration() <= 0 {
			t.Errorf("request %d: %v", i, r)
		}
	}
	r := x.ask(descriptor(a1...))
	var said struct {
		Code    string
		Binding struct{ EntityID string }
	}
	headers := map[string]string{}
	for _, h := range r.ResponseHeadersToAdd {
		headers[h.Key] = h.Value
	}
	if headers["bursar-denied"] != "BudgetExceeded" || headers["bursar-denied-by"] != "a-1" || headers["x-should-retry"] != "false" {
		t.Errorf("headers of a denial: %v", headers)
	}
	if err := json.Unmarshal(r.RawBody, &said); err != nil || r.OverallCode != denied || r.Statuses[0].LimitRemaining != 0 || said.Code != "BudgetExceeded" || said.Binding.EntityID != "a-1" {
		t.Errorf("the fourth of three: %v, %v", r, err)
	}
	x.used("a-1", "requests", "3")

	// A further descriptor that is denied takes nothing of the first.
	if r := x.ask(descriptor(a2...), descriptor(a1...)); r.OverallCode != denied || r.Statuses[0].Code != passes || r.Statuses[1].Code != denied {
		t.Errorf("one of two: %v", r)
	}
	x.used("a-2", "requests", "0")
	if r := x.ask(descriptor(a2...), descriptor(append(a2, "bursar.feature", "tokens")...)); r.OverallCode != passes {
		t.Errorf("both of two: %v", r)
	}
	x.used("a-2", "requests", "1")
	x.used("t", "requests", "4")

	// What is given back may be used again; a question uses nothing.
	x.ask(hits(descriptor(a1...), 2, true))
	x.used("a-1", "requests", "1")
	x.ask(hits(descriptor(a1...), 0, false))
	x.used("a-1", "requests", "1")
	if r := x.ask(hits(descriptor(a1...), 3, false)); r.OverallCode != denied {
		t.Errorf("three of two: %v", r)
	}
	x.used("t", "requests", "2")
}

func TestWhatHappenedIsRecorded(t *testing.T) {
	x := newWorld(t)
	tokens := []string{"agentId", "a-1", "bursar.feature", "tokens", "bursar.record", "used"}
	if r := x.ask(hits(descriptor(tokens...), 999, false)); r.OverallCode != passes || r.Statuses[0].LimitRemaining != 1 {
		t.Errorf("within the limit: %v", r)
	}
	if r := x.ask(hits(descriptor(tokens...), 501, false)); r.OverallCode != denied {
		t.Errorf("beyond the limit: %v", r)
	}
	x.used("a-1", "tokens", "1500")
	x.ask(hits(descriptor(append(tokens, "bursar.unit", "0.25")...), 2, false))
	x.used("a-1", "tokens", "1500.5")
	// What used nothing adds nothing, and gives nothing back.
	x.ask(hits(descriptor(tokens...), 0, false), hits(descriptor("agentId", "a-1"), 0, true))
	x.used("a-1", "tokens", "1500.5")
	x.used("a-1", "requests", "0")
	// It is recorded beside what is denied, though nothing of that is counted.
	x.ask(hits(descriptor(tokens...), 1, false), hits(descriptor("agentId", "a-2"), 4, false))
	x.used("a-1", "tokens", "1501.5")
	x.used("a-2", "requests", "0")
}

// Whoever sends the request may choose what it says of itself, but not that it passes.
func TestUnknownIsDenied(t *testing.T) {
	x := newWorld(t)
	for _, id := range []string{"a-9", "a-1,a-2", strings.Repeat("x", maxValue+1), ""} {
		if r := x.ask(descriptor("agentId", id)); r.OverallCode != denied {
			t.Errorf("%.10q passes: %v", id, r)
		}
	}
	if r := x.ask(descriptor("agentId", "a-1"), descriptor("agentId", "a-9")); r.OverallCode != denied || len(r.ResponseHeadersToAdd) == 0 {
		t.Errorf("beside one that is known: %v", r)
	}
	x.used("a-1", "requests", "0")
}

// Without a server nothing is decided, and Envoy is told so.
func TestServerIsAway(t *testing.T) {
	x := newWorld(t)
	x.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := x.envoy.ShouldRateLimit(ctx, &ratelimit.RateLimitRequest{Descriptors: []*common.RateLimitDescriptor{descriptor("agentId", "a-1")}})
	if c := status.Code(err); c != codes.DeadlineExceeded && c != codes.Unavailable {
		t.Errorf("%v: %v", c, err)
	}
	if err := statusOf(errors.New("connection refused")); status.Code(err) != codes.Unavailable {
		t.Error(err)
	}
}

// Many at once for the last requests: as many pass as there are.
func TestLastRequests(t *testing.T) {
	x := newWorld(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	for i := range 40 {
		all.Go(func() {
			d := []*common.RateLimitDescriptor{descriptor("agentId", []string{"a-1", "a-2"}[i%2])}
			if i%4 == 3 { // which holds both first
				d = append(d, hits(descriptor("agentId", "a-1", "bursar.feature", "tokens"), 1, false))
			}
			r, err := x.envoy.ShouldRateLimit(t.Context(), &ratelimit.RateLimitRequest{Descriptors: d})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			} else if r.OverallCode == passes {
				passed++
			}
		})
	}
	all.Wait()
	for range 3 { // what two of one moment kept from one another is there still
		for _, a := range []string{"a-1", "a-2"} {
			if x.ask(descriptor("agentId", a)).OverallCode == passes {
				passed++
			}
		}
	}
	if passed != 5 {
		t.Errorf("%d requests passed of the 5 that the team has", passed)
	}
	x.used("t", "requests", bursar.AmountFromInt(int64(passed)).String())
}

func TestWrongDescriptors(t *testing.T) {
	x := newWorld(t)
	many := make([]*common.RateLimitDescriptor, maxDescriptors+1)
	for i := range many {
		many[i] = descriptor("agentId", "a-1")
	}
	for says, d := range map[string][]*common.RateLimitDescriptor{
		"1 to 16 descriptors, not 0":                           {},
		"1 to 16 descriptors, not 17":                          many,
		"descriptors[1]: the entry \"agentId\" is there twice": {descriptor(), descriptor("agentId", "a-1", "agentId", "a-2")},
		"both bursar.feature and bursar.currency":              {descriptor("bursar.feature", "tokens", "bursar.currency", "usd")},
		"bursar.unit is \"-1\"":                                {descriptor("bursar.unit", "-1")},
		"bursar.record is \"yes\"":                             {descriptor("bursar.record", "yes")},
		"are too many":                                         {hits(descriptor(), 1<<60, false)},
		"there is no entry \"bursar.custmer\"":                 {descriptor("bursar.custmer", "acme")},
		"the entry \"bursar.feature\" is empty":                {descriptor("bursar.feature", "")},
		"only a FLUCTUATING feature takes negative":            {hits(descriptor("bursar.feature", "tokens"), 1, true)},
		"CustomerNotFound":                                     {descriptor("bursar.customer", "nobody", "agentId", "a-1")},
		"FeatureNotFound":                                      {descriptor("bursar.feature", "nothing", "agentId", "a-1")},
	} {
		_, err := x.envoy.ShouldRateLimit(t.Context(), &ratelimit.RateLimitRequest{Descriptors: d})
		if s := status.Convert(err); s.Code() != codes.InvalidArgument || !strings.Contains(s.Message(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	x.used("t", "requests", "0")
	if r, err := healthpb.NewHealthClient(x.conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil || r.Status != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", r, err)
	}
}
