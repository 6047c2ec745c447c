package sim

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursarhq/bursar/store/postgres"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

var clusterOps = flag.Int("clusterops", 60_000, "requests that TestClusterReplays sends")

// Three processes on one database, many clients.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts processes")
	}
	db := pgtest.New(t, pgtest.Options{}).Database(t)
	c := newCluster(t, db, db, db)
	c.furnishCatalogue()
	t.Run("last unit", func(t *testing.T) { raceOnCluster(t, c) })
	t.Run("linearizable", func(t *testing.T) { linearizable(t, c) })
	t.Run("replay", func(t *testing.T) { replayOnCluster(t, c, db) })
}

// What each client was answered is what one server would have answered, had it got the
// requests in the order of the versions.
func replayOnCluster(t *testing.T, c *cluster, db string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	l := newLoad(ctx, t, c)
	customers := []string{hotCustomer}
	for i := range coldCustomers {
		customers = append(customers, fmt.Sprintf("c%d", i))
	}
	for _, id := range customers {
		l.furnish(id)
	}
	began := time.Now()
	l.run(clusterClients, *clusterOps)
	took := time.Since(began)
	if t.Failed() {
		return
	}
	t.Logf("%d requests in %v (%.0f/s), %d sent more than once: %s", *clusterOps, took.Round(time.Millisecond),
		float64(*clusterOps)/took.Seconds(), l.unsure.Load(), l.counts())
	replayAll(ctx, t, db, customers, l.exchanges)
	catchesLies(ctx, t, db, l.exchanges)
}

// catchesLies replays exchanges of a customer with a reply that was tampered with, once
// for each sort of lie: the replay must see it.
func catchesLies(ctx context.Context, t *testing.T, db string, exchanges map[string][]*exchange) {
	store, err := postgres.Open(ctx, db, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	told := 0
	for _, lie := range [][2]string{
		{`"isGranted":true,"accessDeniedReason":null`, `"isGranted":false,"accessDeniedReason":"BudgetExceeded"`},
		{`"currentUsage":`, `"currentUsage":1`}, {`"reserved":0`, `"reserved":1`}, {`"status":"OPEN"`, `"status":"COMMITTED"`}, {`"duplicate":true`, `"duplicate":false`},
	} {
		for _, id := range sortedKeys(exchanges) {
			i := slices.IndexFunc(exchanges[id], func(x *exchange) bool { return x.status < 300 && bytes.Contains(x.body, []byte(lie[0])) })
			if id == hotCustomer || i < 0 {
				continue
			}
			rows, err := readCommits(ctx, store, id)
			if err != nil {
				t.Fatal(err)
			}
			x := *exchanges[id][i]
			x.body = bytes.Replace(x.body, []byte(lie[0]), []byte(lie[1]), 1)
			all := slices.Clone(exchanges[id])
			all[i] = &x
			if told++; newReplayer(id, rows).run(all) == "" {
				t.Errorf("the replay did not see that %s was made %s in %v", lie[0], lie[1], exchanges[id][i])
			}
			break
		}
	}
	if told < 4 {
		t.Errorf("only %d lies were told", told)
	}
}

// replayAll replays each customer's exchanges.
func replayAll(ctx context.Context, t *testing.T, db string, customers []string, exchanges map[string][]*exchange) {
	began := time.Now()
	store, err := postgres.Open(ctx, db, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	var all sync.WaitGroup
	var mu sync.Mutex
	commits, most := 0, 0
	work := make(chan string)
	for range 2 {
		all.Go(func() {
			for id := range work {
				rows, err := readCommits(ctx, store, id)
				if err != nil {
					t.Error(err)
					continue
				}
				mu.Lock()
				commits, most = commits+len(rows), max(most, len(rows))
				mu.Unlock()
				if d := first(backInTime(exchanges[id]), newReplayer(id, rows).run(exchanges[id])); d != "" {
					t.Errorf("%s: %s", id, d)
				}
			}
		})
	}
	for _, id := range customers {
		work <- id
	}
	close(work)
	all.Wait()
	t.Logf("replayed %d commits, %d of one customer, in %v", commits, most, time.Since(began).Round(time.Millisecond))
}

// counts says how many requests of each sort there were, and how many were refused.
func (l *load) counts() string {
	asked, refused := map[string]int{}, map[string]int{}
	for _, list := range l.exchanges {
		for _, x := range list {
			name := brieflyOf(x.asking)
			asked[name]++
			if x.refused() {
				refused[fmt.Sprintf("%s %d", name, x.status)]++
			}
		}
	}
	var parts []string
	for _, m := range []map[string]int{asked, refused} {
		for _, name := range sortedKeys(m) {
			parts = append(parts, fmt.Sprintf("%s %d", name, m[name]))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
