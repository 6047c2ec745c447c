//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/httpapi"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/postgres"
)

// nodeSpec is a server in this program, for what the real one has no setting for.
type nodeSpec struct {
	URL   string
	Retry bool // decide again after a conflict, not under the row's lock
}

// retrying is a store that never decides again within an Append: who was not first
// reads what it missed, decides again and appends anew.
type retrying struct{ store.Store }

func (r retrying) Append(ctx context.Context, commits []store.Commit, _ store.Again) ([]store.Outcome, error) {
	return r.Store.Append(ctx, commits, nil)
}

// runNode serves until it is killed; its address is its first line.
func runNode() error {
	var s nodeSpec
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		return err
	}
	ctx := context.Background()
	log := slog.New(slog.DiscardHandler)
	opened, err := postgres.Open(ctx, s.URL, postgres.Options{Log: log})
	if err != nil {
		return err
	}
	var store store.Store = opened
	if s.Retry {
		store = retrying{store}
	}
	e, err := engine.Open(ctx, store, engine.Options{Log: log})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return httpapi.Server(httpapi.New(e, httpapi.Options{Log: log})).Serve(l)
}

func startRole(ctx context.Context, s nodeSpec) (*server, error) {
	cmd, err := roleCommand(ctx, "node")
	if err != nil {
		return nil, err
	}
	cmd.Stdin, cmd.Stderr = bytes.NewReader(encodeJSON(s)), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	n := &server{cmd: cmd, began: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	n.addr = strings.TrimSpace(line)
	return n, err
}

// queueing compares waiting for the stream's row and deciding again behind its lock with
// trying again after a conflict, on a customer that all nodes write to.
func (c *clusterBench) queueing() error {
	writes := c.writes()[:3]
	for range c.rounds {
		for _, retry := range []bool{false, true} {
			how := "queue"
			if retry {
				how = "retry"
			}
			if err := c.start(func() (*server, error) { return startRole(c.ctx, nodeSpec{c.url, retry}) }); err != nil {
				return err
			}
			for _, w := range writes {
				for _, n := range []int{1, clusterNodes} {
					one := w
					one.name = how + ": " + w.name + nodesText(n)
					r, each, err := c.spread(n, one)
					if err != nil {
						return err
					}
					c.report.add(one.name, "events/s", goal{}, r.PerSec)
					c.report.add(one.name+": p50", "ms", goal{}, r.P50/1e3)
					c.report.add(one.name+": p99", "ms", goal{}, r.P99/1e3)
					if n > 1 {
						c.report.add(one.name+": slowest node ÷ fastest", "", goal{}, slices.Min(each)/slices.Max(each))
						c.report.add(one.name+": refused (503)", "%", goal{}, 100*float64(r.Refused)/max(1, r.Ops))
					}
				}
			}
			c.kill()
		}
	}
	return nil
}
