//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

const (
	clusterNodes  = 3
	clusterLevels = 6    // counters that an event moves
	clusterLeaves = 1000 // of the hot customer
	crowd         = 1000 // customers of one path each
	clusterConns  = 48   // in all, whatever the number of nodes
)

// clusterParts are the parts of -cluster: against a transaction per event, and how nodes
// take turns.
var clusterParts = []string{"compare", "queueing"}

// clusterBench is servers on one PostgreSQL, and beside them, in it, what they are
// compared with.
type clusterBench struct {
	*bench
	url   string
	key   string
	nodes []*server
	plain *plain
}

// clusterPart measures one and three servers against one transaction per event.
func (b *bench) clusterPart() (err error) {
	pg, stop, err := pgtest.Start(pgtest.Options{Settings: []string{"shared_buffers=256MB", "max_wal_size=4GB", "checkpoint_timeout=1h"}})
	if err != nil {
		return err
	}
	defer stop()
	c := &clusterBench{bench: b, url: pg.URL("bench")}
	if err := createDatabase(b.ctx, pg.URL("postgres"), "bench"); err != nil {
		return err
	}
	if b.config.bursar == "" {
		if b.config.bursar, err = buildBursar(b.ctx, b.tmp); err != nil {
			return err
		}
	}
	if err := c.seed(); err != nil {
		return err
	}
	defer c.kill()
	if slices.Contains(b.parts, "compare") {
		if err := c.compare(); err != nil {
			return err
		}
	}
	if !slices.Contains(b.parts, "queueing") {
		return nil
	}
	return c.queueing()
}

// compare measures all cells against one transaction per event.
func (c *clusterBench) compare() (err error) {
	b := c.bench
	if c.plain, err = openPlain(b.ctx, c.url); err != nil {
		return err
	}
	defer c.plain.close()
	if err := c.start(func() (*server, error) { return startNode(b.ctx, b.config.bursar, c.url, c.key) }); err != nil {
		return err
	}
	for range b.rounds { // before anything is written whose checkpoints and expiries go on beside
		if err := c.checkRound(); err != nil {
			return err
		}
	}
	for range b.rounds {
		if err := errors.Join(c.plainRound(), c.writeRound()); err != nil {
			return err
		}
	}
	c.ratios()
	if err := c.profile(); err != nil {
		return err
	}
	c.kill()
	return nil
}

func createDatabase(ctx context.Context, url, name string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name)
	return errors.Join(err, conn.Close(ctx))
}

func (c *clusterBench) seed() error {
	store, err := postgres.Open(c.ctx, c.url, postgres.Options{})
	if err != nil {
		return err
	}
	e, err := engine.Open(c.ctx, store, engine.Options{})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	trees := []tree{{ID: acme, Levels: clusterLevels, Leaves: clusterLeaves}}
	for i := range crowd {
		trees = append(trees, tree{ID: crowdMember(i), Levels: clusterLevels, Leaves: 1})
	}
	c.key, err = seed(c.ctx, e, trees)
	return errors.Join(err, e.Close(c.ctx), store.Close())
}

func (c *clusterBench) start(one func() (*server, error)) error {
	for range clusterNodes {
		s, err := one()
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, s)
		if err := c.warmUp(s); err != nil {
			return err
		}
	}
	return nil
}

// warmUp has a node read the hot customer, which takes it a while after much was written.
func (c *clusterBench) warmUp(s *server) error {
	s.key = c.key
	r := checkOf(acme, c.key)
	r.Path = strings.ReplaceAll(r.Path, "{leaf}", strings.Repeat("0", leafWidth))
	for began := time.Now(); ; {
		status, body, err := s.send(&r)
		if err == nil && status == r.Status {
			return nil
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("a node does not answer within a minute: %d %s %w", status, body, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (c *clusterBench) kill() {
	for _, s := range c.nodes {
		s.kill()
	}
	c.nodes = nil
}

// crowdMember names customer i of the crowd, as ofCrowd does.
func crowdMember(i int) string { return fmt.Sprintf("c%0*d", leafWidth, i) }

// ofCrowd is a request about the hot customer, turned into one about any of the crowd.
func ofCrowd(r request) request {
	only := strings.NewReplacer(`"customerId":"acme"`, `"customerId":"c{leaf}"`, "/acme/", "/c{leaf}/", "agent-{leaf}", "agent-"+strings.Repeat("0", leafWidth))
	r.Path, r.Body = only.Replace(r.Path), only.Replace(r.Body)
	return r
}

func reserveOf(key string) request {
	return request{Method: "POST", Path: customers + acme + "/reservations", Key: key, Status: 201,
		Body: `{"featureId":"tokens","amount":1,"ttlSeconds":60,"idempotencyKey":"{seq}","dimensions":{"agentId":"agent-{leaf}"}}`}
}

// spread measures a cell on the first n nodes at once, with the connections shared out.
func (c *clusterBench) spread(n int, what cell) (sum loadResult, each []float64, err error) {
	results, errs := make([]loadResult, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			one := what
			one.server, one.conns = c.nodes[i], what.conns/n
			errs[i] = call(c.ctx, "load", c.spec(&one), &results[i])
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return sum, nil, err
	}
	for _, r := range results {
		sum.PerSec, sum.Ops, sum.Units = sum.PerSec+r.PerSec, sum.Ops+r.Ops, sum.Units+r.Units
		sum.P50, sum.P99, sum.P999, sum.Max = max(sum.P50, r.P50), max(sum.P99, r.P99), max(sum.P999, r.P999), max(sum.Max, r.Max)
		sum.Refused += r.Refused
		sum.Example = r.Example
		sum.Server, sum.Client = sum.Server+r.Server, sum.Client+r.Client
		each = append(each, r.PerSec)
	}
	fmt.Printf("%-44s %9.0f/s  p50 %7.0f  p99 %7.0f µs  cores: servers %.2f clients %.2f  refused %d\n", what.name, sum.PerSec, sum.P50, sum.P99, sum.Server, sum.Client, sum.Refused)
	return sum, each, nil
}

// writes are what is written: in batches, one by one, and as reservations.
func (c *clusterBench) writes() []cell {
	batch, single, reserve := reportOf("/api/v1/usage", c.key, batchItems), reportOf("/api/v1/usage", c.key, 1), reserveOf(c.key)
	return []cell{
		{name: "hot customer, batches of 100", requests: []request{batch}, units: batchItems, conns: clusterConns, leaves: clusterLeaves},
		{name: "hot customer, single", requests: []request{single}, conns: clusterConns, leaves: clusterLeaves},
		{name: "hot customer, reserve", requests: []request{reserve}, conns: clusterConns, leaves: clusterLeaves},
		{name: "1,000 customers, batches of 100", requests: []request{ofCrowd(batch)}, units: batchItems, conns: clusterConns, leaves: crowd},
		{name: "1,000 customers, single", requests: []request{ofCrowd(single)}, conns: clusterConns, leaves: crowd},
		{name: "1,000 customers, reserve", requests: []request{ofCrowd(reserve)}, conns: clusterConns, leaves: crowd},
	}
}

func nodesText(n int) string {
	if n == 1 {
		return ", 1 node"
	}
	return fmt.Sprintf(", %d nodes", n)
}

func (c *clusterBench) writeRound() error {
	for _, w := range c.writes() {
		for _, n := range []int{1, clusterNodes} {
			one := w
			one.name += nodesText(n)
			if !c.cells.MatchString(one.name) {
				continue
			}
			r, _, err := c.spread(n, one)
			if err == nil && r.Refused > 0 {
				err = fmt.Errorf("%s: %d replies were not as expected, such as\n%s", one.name, r.Refused, r.Example)
			}
			if err != nil {
				return err
			}
			c.report.add(one.name, "events/s", goal{}, r.PerSec)
			c.report.add(one.name+": p99", "ms", goal{}, r.P99/1e3)
		}
	}
	return nil
}

// clusterChecks is how many strong checks are asked for a second, open loop.
const clusterChecks = 1000

func (c *clusterBench) strongChecks() cell {
	return cell{name: "strong checks at 1,000/s", requests: []request{checkOf(acme, c.key)}, conns: clusterConns, rate: clusterChecks, leaves: clusterLeaves}
}

// checkRound measures strong checks alone, and while another node takes 5,000 events a
// second, beside a bare read of a row.
func (c *clusterBench) checkRound() error {
	if c.cells.MatchString(plainSelect) {
		if err := c.selects(); err != nil {
			return err
		}
	}
	for _, beside := range []bool{false, true} {
		done := make(chan error, 1)
		one := c.strongChecks()
		if beside {
			one.name += " beside ingest"
		}
		if !c.cells.MatchString(one.name) {
			continue
		}
		if beside {
			load := c.writes()[0]
			load.server, load.conns, load.rate = c.nodes[1], 8, 50
			s := c.spec(&load)
			go func() {
				var r loadResult
				done <- call(c.ctx, "load", s, &r)
			}()
		} else {
			done <- nil
		}
		r, _, err := c.spread(1, one)
		if err = errors.Join(err, <-done); err != nil {
			return err
		}
		c.report.add(one.name+": p50", "µs", goal{}, r.P50)
		c.report.add(one.name+": p99", "µs", below(1000), r.P99)
	}
	return nil
}

// ratios compares what was measured with one transaction per event.
func (c *clusterBench) ratios() {
	rounds := map[string][]float64{}
	for _, f := range c.report.figures {
		rounds[f.name] = f.rounds
	}
	for _, w := range c.writes() {
		base := plainHot
		if strings.HasPrefix(w.name, "1,000") {
			base = plainCrowd
		}
		for _, n := range []int{1, clusterNodes} {
			g := goal{}
			if w.name == c.writes()[0].name {
				g = atLeast(20)
			}
			for i, x := range rounds[w.name+nodesText(n)] {
				if i >= len(rounds[base]) {
					break // not measured
				}
				c.report.add(w.name+nodesText(n)+" ÷ transaction per event", "×", g, x/rounds[base][i])
			}
		}
	}
}

// profile takes CPU profiles of node 0 while it works alone.
func (c *clusterBench) profile() error {
	if c.profiles == "" {
		return nil
	}
	for i, w := range append(c.writes(), c.strongChecks()) {
		if !c.cells.MatchString(w.name) {
			continue
		}
		done := make(chan error, 1)
		path := filepath.Join(c.profiles, fmt.Sprintf("cluster-%d.pprof", i))
		go func() { done <- c.nodes[0].profile(path, c.cell) }()
		if _, _, err := c.spread(1, w); err != nil {
			return err
		}
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}
