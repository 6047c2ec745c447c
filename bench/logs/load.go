//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/httpapi"
)

const (
	agents   = 10_000
	adminKey = "bsk_of_the_log_benchmark_0000000000"
)

var seeder = catalogue.Caller{ActorType: "SYSTEM", ActorID: "bench"}

// measure runs all loads on a server with a log, and adds the events of a second to got.
func measure(name, dir string, got map[string][]float64) (err error) {
	s, err := open(name, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ctx := context.Background()
	e, err := engine.Open(ctx, s, engine.Options{MemoryBudget: 8 << 30})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close(ctx)) }()
	if err := seed(ctx, e); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: httpapi.New(e, httpapi.Options{AdminKey: adminKey})}
	go server.Serve(listener) // until it is closed
	defer server.Close()
	for _, l := range loads {
		n, err := load(listener.Addr().String(), l.callers, l.batch, *cell)
		if err != nil {
			return err
		}
		got[l.name+name] = append(got[l.name+name], float64(n)/cell.Seconds())
	}
	return nil
}

// seed makes a tree of four levels above its agents, with a limit on each entity.
func seed(ctx context.Context, e *engine.Engine) error {
	_, err := e.PutEntityTypes(ctx, seeder, []catalogue.EntityTypeInput{{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agentId"}}, {ID: "node", DisplayName: "Node"}})
	if err == nil {
		_, err = e.CreateFeature(ctx, seeder, bursar.Feature{ID: "tokens", DisplayName: "Tokens"})
	}
	if err == nil {
		_, _, err = e.CreateCustomer(ctx, seeder, "acme", bursar.CustomerInput{})
	}
	if err != nil {
		return err
	}
	month, err := bursar.ParseCadence("P1M")
	if err != nil {
		return err
	}
	for level, width := range []int{1, 10, 100, 1000, agents} {
		for from := 0; from < width; from += 1000 {
			var entities []bursar.EntityInput
			var limits []bursar.AssignmentInput
			for i := from; i < min(width, from+1000); i++ {
				in := bursar.EntityInput{ID: fmt.Sprint("n", level, "-", i), EntityTypeID: "node"}
				if level == 4 {
					in.ID, in.EntityTypeID = fmt.Sprint("agent-", i), "agent"
				}
				if level > 0 {
					in.ParentID = bursar.Some(fmt.Sprint("n", level-1, "-", i/10))
				}
				entities = append(entities, in)
				limits = append(limits, bursar.AssignmentInput{EntityID: in.ID, Capability: bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"},
					UsageLimit: bursar.Some(bursar.AmountFromInt(1e12)), Cadence: bursar.Some(month)})
			}
			if _, _, err := e.PutEntities(ctx, seeder, "acme", entities); err != nil {
				return err
			}
			if _, _, err := e.PutAssignments(ctx, seeder, "acme", limits); err != nil {
				return err
			}
		}
	}
	return nil
}

// load has callers report events, batch a request, and gives how many were recorded in the time.
func load(address string, callers, batch int, within time.Duration) (int64, error) {
	var n, seq atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, callers)
	began := time.Now()
	for range callers {
		wg.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				failed <- err
				return
			}
			defer conn.Close()
			replies := bufio.NewReader(conn)
			var body, request []byte
			for time.Since(began) < within {
				body = append(body[:0], `{"usages":[`...)
				for i := range batch {
					if i > 0 {
						body = append(body, ',')
					}
					body = fmt.Appendf(body, `{"customerId":"acme","featureId":"tokens","value":%d,"idempotencyKey":"%d-%d","dimensions":{"agentId":"agent-%d"}}`,
						1+rand.IntN(1000), began.UnixNano(), seq.Add(1), rand.IntN(agents))
				}
				body = append(body, `]}`...)
				request = fmt.Appendf(request[:0], "POST /api/v1/usage HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", adminKey, len(body))
				if _, err = conn.Write(append(request, body...)); err == nil {
					err = recorded(replies)
				}
				if err != nil {
					failed <- err
					return
				}
				n.Add(int64(batch))
			}
		})
	}
	wg.Wait()
	close(failed)
	return n.Load(), <-failed
}

// recorded reads a reply, which is to say that all was recorded.
func recorded(r *bufio.Reader) error {
	status, length := "", 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if status == "" {
			status = string(line)
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(v)))
		}
		if len(line) == 2 {
			break
		}
	}
	if _, err := r.Discard(length); err != nil || strings.HasPrefix(status, "HTTP/1.1 20") && length > 0 {
		return err
	}
	return fmt.Errorf("the server answers %q", status)
}
