//go:build linux

package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// latencies are of requests that were due at their own time: each counts from then,
// answered or not.
type latencies struct {
	took    []time.Duration
	refused int // other statuses than asked for
}

func (l *latencies) add(m *latencies) {
	l.took = append(l.took, m.took...)
	l.refused += m.refused
}

func (l *latencies) quantile(q float64) float64 {
	if len(l.took) == 0 {
		return 0
	}
	slices.Sort(l.took)
	return l.took[min(len(l.took)-1, int(q*float64(len(l.took))))].Seconds() * 1e3
}

// probe does requests at a rate for a time.
func probe(perSecond int, d time.Duration, do func(i int) bool) *latencies {
	l := new(latencies)
	var mu sync.Mutex
	var all sync.WaitGroup
	began, gap := time.Now(), time.Second/time.Duration(perSecond)
	for i := 0; ; i++ {
		due := began.Add(time.Duration(i) * gap)
		if due.Sub(began) >= d {
			break
		}
		time.Sleep(time.Until(due))
		all.Go(func() {
			ok := do(i)
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			l.took = append(l.took, took)
			if !ok {
				l.refused++
			}
		})
	}
	all.Wait()
	return l
}

const (
	quietCustomers = 50
	quietChecks    = 100 // a second, of all quiet customers together
	quietWrites    = 50
	quietTime      = 8 * time.Second
)

// quiet is what customers that do nothing wrong see of the server.
type quiet struct{ checks, writes *latencies }

func (s *server) quietly() quiet {
	var q quiet
	var all sync.WaitGroup
	all.Go(func() {
		q.checks = probe(quietChecks, quietTime, func(i int) bool {
			status, _, err := s.call(admin, "GET", fmt.Sprintf("/customers/quiet-%d/entitlements/check?featureId=tokens&dimensions[agentId]=agent-0-0", i%quietCustomers), nil)
			return err == nil && status == 200
		})
	})
	all.Go(func() {
		q.writes = probe(quietWrites, quietTime, func(i int) bool {
			status, _, err := s.call(admin, "POST", "/usage", usage(fmt.Sprintf("quiet-%d", i%quietCustomers), "agent-0-0", 1))
			return err == nil && status == 201
		})
	})
	all.Wait()
	return q
}

// beside measures the quiet customers alone and then beside n clients that do noise.
func (r *rig) beside(s *server, n int, noise func(i int) error) error {
	if err := s.quietCustomers(); err != nil {
		return err
	}
	s.quietly() // warms up
	alone := s.quietly()
	began := time.Now()
	stop := crowd(n, noise)
	loud := s.quietly()
	took := time.Since(began)
	done, err := stop()
	if err != nil {
		return err
	}
	r.compare(alone, loud)
	r.add("requests of the noisy ones", float64(done)/took.Seconds(), "/s", goal{})
	return nil
}

func (s *server) quietCustomers() error {
	return each(quietCustomers, 4, func(i int) error { return s.customer(fmt.Sprintf("quiet-%d", i), 1, 1) })
}

func (r *rig) compare(alone, loud quiet) {
	r.add("checks p99 alone", alone.checks.quantile(.99), "ms", goal{})
	r.add("checks p99 beside", loud.checks.quantile(.99), "ms", goal{})
	r.add("checks p99, beside ÷ alone", loud.checks.quantile(.99)/alone.checks.quantile(.99), "", atMost(3))
	r.add("writes p50 alone", alone.writes.quantile(.5), "ms", goal{})
	r.add("writes p50 beside", loud.writes.quantile(.5), "ms", goal{})
	r.add("writes p50, beside ÷ alone", loud.writes.quantile(.5)/alone.writes.quantile(.5), "", atMost(3))
	r.add("writes p99 beside", loud.writes.quantile(.99), "ms", atMost(20))
	r.add("quiet requests refused", float64(alone.checks.refused+alone.writes.refused+loud.checks.refused+loud.writes.refused), "", exactly(0))
}
