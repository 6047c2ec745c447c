package sim

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

var (
	faultFlag = flag.Duration("fault", 3*time.Second, "how long each fault of TestChaos lasts")
	lockFlag  = flag.Duration("lock", 6*time.Second, "how long somebody else holds locks in TestChaos")
)

const (
	chaosClients = 24
	probeEvery   = 20 * time.Millisecond
	// answerWithin and readyWithin are the promise; patience is what a machine that runs
	// other tests may add to it.
	answerWithin = 2 * time.Second
	readyWithin  = 5 * time.Second
	patience     = time.Second
	// chaosConnections is what PostgreSQL has: enough for the nodes, soon spent by others.
	chaosConnections = 60
)

// chaos is nodes under load while everything around them fails.
type chaos struct {
	*load
	pg      *pgtest.Server
	db      string
	proxies []*proxy
	stopped [clusterNodes]atomic.Bool // nodes that cannot answer
	probes  sync.WaitGroup
	slowest struct {
		mu   sync.Mutex
		took time.Duration // of all answers of a probe since it was reset
		bad  []string      // what no client should see
		n    map[int]int   // answers by status
	}
}

// Under faults of the network, of PostgreSQL and of nodes, clients that repeat what was
// not answered lose nothing and are granted nothing twice; while the database is away
// they hear so within 2 s, and are served again within 5 s of its return.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts processes")
	}
	c := newChaos(t)
	customers := []string{hotCustomer}
	for i := range coldCustomers {
		customers = append(customers, fmt.Sprintf("c%d", i))
	}
	for _, id := range customers {
		c.furnish(id)
	}
	stop := c.clients()
	for _, f := range c.faults() {
		c.suffer(f)
	}
	stop()
	for i := range 40 * clusterNodes { // what every node says in the end is compared, too
		s := (&asker{load: c.load, r: newRand(uint64(i))}).spend(hotCustomer)
		c.do(i, hotCustomer, newAskCheck(hotCustomer, spendOf(s).Capability, s.Amount, s.Dimensions))
	}
	t.Logf("%d requests acknowledged; of %d the first answer was none or 503, all answered by sending them again: %s", c.asked(), c.unsure.Load(), c.counts())
	if t.Failed() {
		return
	}
	replayAll(c.ctx, t, c.db, customers, c.exchanges)
	verifyLogs(c.ctx, t, c.db, customers)
}

// asked is how many requests have their answer.
func (c *chaos) asked() (n int) {
	c.load.mu.Lock()
	defer c.load.mu.Unlock()
	for _, list := range c.exchanges {
		n += len(list)
	}
	return n
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	c := &chaos{pg: pgtest.New(t, pgtest.Options{Settings: []string{fmt.Sprintf("max_connections=%d", chaosConnections)}})}
	c.slowest.n = map[int]int{}
	c.db = c.pg.Database(t)
	var urls []string
	for range clusterNodes {
		p := newProxy(t, c.pg)
		c.proxies, urls = append(c.proxies, p), append(urls, p.through(c.db))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	t.Cleanup(cancel)
	c.load = newLoad(ctx, t, newCluster(t, urls...))
	c.keyed = true
	c.furnishCatalogue()
	return c
}

// clients ask until stop is called.
func (c *chaos) clients() (stop func()) {
	var all sync.WaitGroup
	end := make(chan struct{})
	for i := range chaosClients {
		all.Go(func() {
			a := &asker{load: c.load, r: newRand(uint64(i))}
			for {
				select {
				case <-end:
					return
				default:
					a.ask()
				}
			}
		})
	}
	stop = sync.OnceFunc(func() {
		close(end)
		all.Wait()
	})
	c.t.Cleanup(stop)
	return stop
}

// fault is something that goes wrong for a while.
type fault struct {
	name  string
	begin func() (end func())
	gone  bool // nobody can be served while it lasts: whoever asks must hear 503
}

func (c *chaos) faults() []fault {
	each := func(do func(p *proxy)) {
		for _, p := range c.proxies {
			do(p)
		}
	}
	return []fault{
		{"30 ms of latency", func() func() {
			each(func(p *proxy) { p.slow(30 * time.Millisecond) })
			return func() { each(func(p *proxy) { p.slow(0) }) }
		}, false},
		{"1 s of latency", func() func() {
			each(func(p *proxy) { p.slow(time.Second) })
			return func() { each(func(p *proxy) { p.slow(0) }) }
		}, false},
		{"cut connections", c.repeat(func() { each(func(p *proxy) { p.cut(false) }) }), false},
		{"reset connections", c.repeat(func() { each(func(p *proxy) { p.cut(true) }) }), false},
		{"half-open connections", func() func() {
			each((*proxy).swallow)
			return func() { each((*proxy).heal) }
		}, true},
		{"half-open connections of one node", func() func() {
			c.proxies[0].swallow()
			return c.proxies[0].heal
		}, false},
		{"pg_terminate_backend", c.repeat(func() { c.pg.Terminate(c.t) }), false},
		{"PostgreSQL stopped at once", func() func() {
			c.pg.Stop(c.t, true)
			return func() { c.pg.Start(c.t) }
		}, true},
		{"all connections taken by others", c.takeConnections, false},
		{"tables locked by somebody", c.lockFor("LOCK TABLE bursar.streams IN ACCESS EXCLUSIVE MODE"), true},
		{"a customer locked by somebody", c.lockFor("SELECT FROM bursar.streams WHERE name = '" + hotCustomer + "' FOR UPDATE"), false},
		{"a node paused", c.pause, false},
		{"a node killed", c.killNode, false},
	}
}

// repeat does something every 200 ms.
func (c *chaos) repeat(do func()) func() func() {
	return func() func() {
		var all sync.WaitGroup
		end := make(chan struct{})
		all.Go(func() {
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-end:
					return
				case <-tick.C:
					do()
				}
			}
		})
		return func() {
			close(end)
			all.Wait()
		}
	}
}

// takeConnections takes all that PostgreSQL has, and ends those of the nodes.
func (c *chaos) takeConnections() func() {
	first, err := pgx.Connect(c.ctx, c.db)
	if err != nil {
		c.t.Fatal(err)
	}
	taken := []*pgx.Conn{first}
	for range 3 {
		if _, err := first.Exec(c.ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bursar'"); err != nil {
			c.t.Error(err)
		}
		for {
			conn, err := pgx.Connect(c.ctx, c.db)
			if err != nil {
				break
			}
			taken = append(taken, conn)
		}
	}
	return func() {
		for _, conn := range taken {
			_ = conn.Close(c.ctx)
		}
	}
}

// lockFor holds a lock as an operator's forgotten session does.
func (c *chaos) lockFor(sql string) func() func() {
	return func() func() {
		conn, err := pgx.Connect(c.ctx, c.db)
		if err == nil {
			_, err = conn.Exec(c.ctx, "BEGIN")
		}
		if err == nil {
			_, err = conn.Exec(c.ctx, sql)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		<-time.After(max(0, *lockFlag-*faultFlag)) // the rest of the fault's time comes after this
		return func() { _ = conn.Close(c.ctx) }
	}
}

// pause stops node 1 in the middle of what it does.
func (c *chaos) pause() func() {
	c.stopped[1].Store(true)
	_ = c.node(1).cmd.Process.Signal(syscall.SIGSTOP)
	return func() {
		_ = c.node(1).cmd.Process.Signal(syscall.SIGCONT)
		c.stopped[1].Store(false)
	}
}

// killNode kills node 2 and puts a new one in its place.
func (c *chaos) killNode() func() {
	c.stopped[2].Store(true)
	c.node(2).kill()
	return func() {
		n, err := c.start(c.proxies[2].through(c.db))
		if err != nil {
			c.t.Fatal(err)
		}
		c.cluster.mu.Lock()
		c.nodes[2] = n
		c.cluster.mu.Unlock()
		c.stopped[2].Store(false)
	}
}

// suffer lets a fault last for a while, during which each node is asked all the time and
// must answer in time.
func (c *chaos) suffer(f fault) {
	before, unsure := c.asked(), c.unsure.Load()
	c.slowest.took, c.slowest.bad, c.slowest.n = 0, nil, map[int]int{}
	stop := c.probe()
	end := f.begin()
	<-time.After(*faultFlag)
	stop()
	end()
	at := time.Now()
	for i := range c.proxies {
		c.ready(f, i)
	}
	ready := time.Since(at)
	c.t.Logf("%-34s %6d requests, %4d sent again; probes: slowest answer %5d ms, %v; ready after %d ms", f.name+":", c.asked()-before,
		c.unsure.Load()-unsure, c.slowest.took.Milliseconds(), c.slowest.n, ready.Milliseconds())
	if c.slowest.took > answerWithin+patience {
		c.t.Errorf("%s: an answer took %v", f.name, c.slowest.took)
	}
	if ready > readyWithin+patience {
		c.t.Errorf("%s: ready after %v", f.name, ready)
	}
	if f.gone && c.slowest.n[503] == 0 {
		c.t.Errorf("%s: nobody heard that the database is away: %v", f.name, c.slowest.n)
	}
	for _, text := range slices.Compact(slices.Sorted(slices.Values(c.slowest.bad))) {
		c.t.Errorf("%s: %s", f.name, text)
	}
}

// probe asks each node that can answer for a check and a consumption, over and over.
func (c *chaos) probe() (stop func()) {
	end := make(chan struct{})
	for i := range c.proxies {
		for _, a := range []string{"check", "consume"} {
			c.probes.Go(func() {
				tick := time.NewTicker(probeEvery)
				defer tick.Stop()
				for {
					select {
					case <-end:
						return
					case <-tick.C:
						c.probeOnce(i, a)
					}
				}
			})
		}
	}
	return func() {
		close(end)
		c.probes.Wait()
	}
}

// probeOnce asks and notes how long the answer took. What is asked changes nothing: the
// amount never fits.
func (c *chaos) probeOnce(i int, what string) {
	if c.stopped[i].Load() {
		return
	}
	ask := call{method: "GET", path: "/customers/" + hotCustomer + "/entitlements/check?featureId=tokens&requestedUsage=1e9&dimensions%5BagentId%5D=t0-u0-a0"}
	if what == "consume" {
		ask = call{method: "POST", path: "/customers/" + hotCustomer + "/consume",
			body: []byte(`{"featureId":"tokens","amount":1000000000,"dimensions":{"agentId":"t0-u0-a0"},"idempotencyKey":"never"}`)}
	}
	began := time.Now()
	a, err := c.send(c.ctx, c.node(i), ask)
	took := time.Since(began)
	if c.stopped[i].Load() {
		return
	}
	s := &c.slowest
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = max(s.took, took)
	s.n[a.status]++
	switch {
	case err != nil:
		s.bad = append(s.bad, "no answer: "+err.Error()[strings.LastIndex(err.Error(), ":")+1:])
	case a.status == http.StatusServiceUnavailable:
		if a.header.Get("Retry-After") == "" {
			s.bad = append(s.bad, "503 without Retry-After")
		}
	case what == "check" && a.status != 200, what == "consume" && a.status != 402:
		s.bad = append(s.bad, fmt.Sprintf("a %s was answered %d %s", what, a.status, a.body))
	}
}

// ready waits until a node says that it is, and serves.
func (c *chaos) ready(f fault, i int) {
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		res, err := c.http.Get(c.node(i).base + "/readyz")
		if err == nil {
			_ = res.Body.Close()
		}
		if err == nil && res.StatusCode == 200 {
			a, err := c.send(c.ctx, c.node(i), call{method: "GET", path: "/customers/" + hotCustomer + "/entitlements/check?featureId=tokens"})
			if err == nil && a.status == 200 {
				return
			}
		}
		<-time.After(20 * time.Millisecond)
	}
	c.t.Errorf("%s: node %d is not ready within a minute:\n%s", f.name, i, c.node(i).log.String())
}

// verifyLogs opens the database with an engine of its own, which folds each log again
// and compares.
func verifyLogs(ctx context.Context, t *testing.T, db string, customers []string) {
	store, err := postgres.Open(ctx, db, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(ctx, store, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range customers {
		if _, _, err := e.Customer(ctx, ledger.ReadOptions{}, id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := e.VerifyAll(ctx); err != nil {
		t.Error(err)
	}
	if err := cmp.Or(e.Close(ctx), store.Close()); err != nil {
		t.Error(err)
	}
}
