//go:build linux

package main

import (
	"fmt"
	"sync"
	"time"
)

// hold opens n holds of acme that end at about the same instant.
func (s *server) hold(n int, end time.Time) error {
	return each(n, 48, func(i int) error {
		ttl := max(1, int(time.Until(end).Seconds()))
		return s.must("POST", "/customers/acme/reservations", object{"featureId": "tokens", "amount": 1, "ttlSeconds": ttl,
			"dimensions": object{"agentId": fmt.Sprintf("agent-%d-%d", i%10, i/10%10)}, "idempotencyKey": fmt.Sprintf("h%d", serial.Add(1))}, nil)
	})
}

// slowExplain asks for explanations of a customer with many holds, beside another
// customer's writes.
func slowExplain(r *rig) error {
	s, err := r.prepared(10, 10)
	if err != nil {
		return err
	}
	if err := s.hold(50_000, time.Now().Add(time.Hour)); err != nil {
		return err
	}
	token, err := s.token("acme", "", "read")
	if err != nil {
		return err
	}
	return r.beside(s, 8, func(int) error {
		return s.noise(token, "POST", "/customers/acme/explain", object{"featureId": "tokens", "requestedUsage": 1, "dimensions": object{"agentId": "agent-0-0"}})
	})
}

// endTogether opens holds that end at one instant, and asks about their customer and
// writes for another through that instant.
func endTogether(r *rig) error {
	s, err := r.prepared(10, 10)
	if err != nil {
		return err
	}
	if err := s.customer("other", 1, 1); err != nil {
		return err
	}
	end := time.Now().Add(75 * time.Second)
	if err := s.hold(100_000, end); err != nil {
		return err
	}
	if time.Until(end) < 2*time.Second {
		return fmt.Errorf("opening the holds took too long on this machine: they end since %v", time.Since(end))
	}
	time.Sleep(time.Until(end.Add(-2 * time.Second)))
	var checks, writes *latencies
	var all sync.WaitGroup
	all.Go(func() {
		checks = probe(100, 20*time.Second, func(int) bool {
			status, _, err := s.call(admin, "GET", "/customers/acme/entitlements/check?featureId=tokens&dimensions[agentId]=agent-0-0", nil)
			return err == nil && status == 200
		})
	})
	all.Go(func() {
		writes = probe(50, 20*time.Second, func(int) bool {
			status, _, err := s.call(admin, "POST", "/usage", usage("other", "agent-0-0", 1))
			return err == nil && status == 201
		})
	})
	all.Wait()
	r.add("checks of the customer p50", checks.quantile(.5), "ms", atMost(5))
	r.add("checks of the customer p99", checks.quantile(.99), "ms", atMost(50))
	r.add("checks of the customer at most", checks.quantile(1), "ms", atMost(250))
	r.add("writes of another p99", writes.quantile(.99), "ms", atMost(50))
	r.add("writes of another at most", writes.quantile(1), "ms", atMost(250))
	r.add("refused", float64(checks.Refused+writes.Refused), "", exactly(0))
	return nil
}

func manyReservations(r *rig) error {
	s, err := r.prepared(10, 10)
	if err != nil {
		return err
	}
	if err := s.hold(100_000, time.Now().Add(time.Hour)); err != nil {
		return err
	}
	page := probe(4, 5*time.Second, func(int) bool {
		status, _, err := s.call(admin, "GET", "/customers/acme/reservations?limit=100", nil)
		return err == nil && status == 200
	})
	r.add("a page of reservations p50", page.quantile(.5), "ms", atMost(10))
	stop := crowd(4, func(int) error {
		return s.noise(admin, "GET", "/customers/acme/reservations?limit=100", nil)
	})
	checks := probe(100, 5*time.Second, func(int) bool {
		status, _, err := s.call(admin, "GET", "/customers/acme/entitlements/check?featureId=tokens&dimensions[agentId]=agent-0-0", nil)
		return err == nil && status == 200
	})
	_, err = stop()
	r.add("checks of the customer p99 beside four that page", checks.quantile(.99), "ms", atMost(20))
	return err
}
