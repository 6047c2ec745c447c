//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// latencies are of requests that were due at their own time: each counts from then,
// answered or not.
type latencies struct {
	Took    []time.Duration
	Refused int // other statuses than asked for
}

func (l *latencies) add(m *latencies) {
	l.Took = append(l.Took, m.Took...)
	l.Refused += m.Refused
}

func (l *latencies) quantile(q float64) float64 {
	if len(l.Took) == 0 {
		return 0
	}
	slices.Sort(l.Took)
	return l.Took[min(len(l.Took)-1, int(q*float64(len(l.Took))))].Seconds() * 1e3
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
			l.Took = append(l.Took, took)
			if !ok {
				l.Refused++
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
type quiet struct{ Checks, Writes *latencies }

// quietly measures from a process of its own, as the quiet customers' machines are not the
// attacker's: what the attacker computes would count as the server's.
func (s *server) quietly() (q quiet, err error) {
	self, err := os.Executable()
	if err != nil {
		return q, err
	}
	child := exec.CommandContext(s.ctx, self, "-quiet", s.addr)
	child.Stderr = os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	told, err := child.Output()
	if err != nil {
		return q, fmt.Errorf("the quiet customers: %w", err)
	}
	return q, json.Unmarshal(told, &q)
}

// measureQuietly is what the process of the quiet customers does. It prints a quiet.
func measureQuietly(ctx context.Context, addr string) error {
	// Without the right to go first it measures its own waits, too, alone as well as beside.
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, -10)
	s := &server{ctx: ctx, addr: addr}
	var q quiet
	var all sync.WaitGroup
	all.Go(func() {
		q.Checks = probe(quietChecks, quietTime, func(i int) bool {
			status, _, err := s.call(admin, "GET", fmt.Sprintf("/customers/quiet-%d/entitlements/check?featureId=tokens&dimensions[agentId]=agent-0-0", i%quietCustomers), nil)
			return err == nil && status == 200
		})
	})
	all.Go(func() {
		q.Writes = probe(quietWrites, quietTime, func(i int) bool {
			status, _, err := s.call(admin, "POST", "/usage", usage(fmt.Sprintf("quiet-%d", i%quietCustomers), "agent-0-0", 1))
			return err == nil && status == 201
		})
	})
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(q)
}

// beside measures the quiet customers alone and then beside n clients that do noise.
func (r *rig) beside(s *server, n int, noise func(i int) error) error {
	if err := s.quietCustomers(); err != nil {
		return err
	}
	if _, err := s.quietly(); err != nil { // warms up
		return err
	}
	alone, err := s.quietly()
	if err != nil {
		return err
	}
	began := time.Now()
	stop := crowd(n, noise)
	loud, err := s.quietly()
	took := time.Since(began)
	done, failed := stop()
	if err = errors.Join(err, failed); err != nil {
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
	r.add("checks p99 alone", alone.Checks.quantile(.99), "ms", goal{})
	r.add("checks p99 beside", loud.Checks.quantile(.99), "ms", goal{})
	r.add("checks p99, beside ÷ alone", loud.Checks.quantile(.99)/alone.Checks.quantile(.99), "", atMost(3))
	r.add("writes p50 alone", alone.Writes.quantile(.5), "ms", goal{})
	r.add("writes p50 beside", loud.Writes.quantile(.5), "ms", goal{})
	r.add("writes p50, beside ÷ alone", loud.Writes.quantile(.5)/alone.Writes.quantile(.5), "", atMost(3))
	r.add("writes p99 beside", loud.Writes.quantile(.99), "ms", atMost(20))
	r.add("quiet requests refused", float64(alone.Checks.Refused+alone.Writes.Refused+loud.Checks.Refused+loud.Writes.Refused), "", exactly(0))
}
