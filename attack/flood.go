//go:build linux

package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// idleResidents has 100,000 customers in memory that nobody asks about.
func idleResidents(r *rig) error {
	s, err := r.prepared(1, 1)
	if err != nil {
		return err
	}
	check := func() float64 { // the median of three: one alone is as far from the next as from the goal
		var p99 [3]float64
		for i := range p99 {
			p99[i] = probe(500, 8*time.Second, func(int) bool {
				status, _, err := s.call(admin, "GET", "/customers/acme/entitlements/check?featureId=tokens&dimensions[agentId]=agent-0-0", nil)
				return err == nil && status == 200
			}).quantile(.99)
		}
		slices.Sort(p99[:])
		return p99[1]
	}
	idle := func() float64 { // over two minutes: an idle Go program collects its garbage once in that time
		used, began := s.cpu(), time.Now()
		time.Sleep(2 * time.Minute)
		return 100 * (s.cpu() - used).Seconds() / time.Since(began).Seconds()
	}
	make := func(from, to int) error {
		return each(to-from, 16, func(i int) error {
			return s.must("POST", "/customers", object{"id": fmt.Sprintf("idle-%d", from+i)}, nil)
		})
	}
	if err := make(0, 100); err != nil {
		return err
	}
	check() // warms up
	few := check()
	if err := make(100, 100_000); err != nil {
		return err
	}
	if err := s.settled(100_000); err != nil {
		return err
	}
	r.add("processor while idle", idle(), "%", atMost(1))
	many := check()
	r.add("checks p99 with 100", few, "ms", goal{})
	r.add("checks p99 with 100,000", many, "ms", goal{})
	r.add("100,000 ÷ 100", many/few, "", atMost(1.1))
	return nil
}

// settled waits until what the writes left to do is done: n checkpoints are saved and no more.
func (s *server) settled(n float64) error {
	for began, last := time.Now(), -1.0; ; time.Sleep(3 * time.Second) {
		saved, err := s.metric("bursar_checkpoints_total")
		if err != nil {
			return err
		}
		if saved >= n && saved == last {
			return nil
		}
		if time.Since(began) > 10*time.Minute {
			return fmt.Errorf("only %v of %v checkpoints are saved after 10 minutes", saved, n)
		}
		last = saved
	}
}

// greedyToken opens streams until none is given, and then asks from 8 connections.
func greedyToken(r *rig) error {
	s, err := r.prepared(10, 10)
	if err != nil {
		return err
	}
	token, err := s.token("acme", "team-0", "read")
	if err != nil {
		return err
	}
	streams := 0.0
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for range 1000 {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			return err
		}
		open = append(open, c)
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintf(c, "GET /api/v1/customers/acme/governance/stream?featureIds=tokens HTTP/1.1\r\nHost: bursar\r\nAuthorization: Bearer %s\r\n\r\n", token)
		head := [16]byte{}
		if n, _ := c.Read(head[:]); strings.Contains(string(head[:n]), " 200") {
			streams++
		}
	}
	r.add("streams that one token has", streams, "", atMost(100))
	status, _, err := s.call(admin, "GET", "/customers/acme/governance?featureIds=tokens", nil)
	r.add("status of somebody else's request beside them", float64(status), "", exactly(200))
	if err != nil {
		return err
	}
	return r.beside(s, 8, func(int) error {
		return s.noise(token, "POST", "/customers/acme/explain", object{"featureId": "tokens", "requestedUsage": 1, "dimensions": object{"agentId": "agent-0-0"}})
	})
}

// wrongKeys tries keys as fast as it can.
func wrongKeys(r *rig) error {
	s, err := r.prepared(1, 1)
	if err != nil {
		return err
	}
	limited, tried := 0.0, 0.0
	for i := range 500 {
		status, _, err := s.call(as(fmt.Sprintf("bsk_wrong_%032d", i)), "GET", "/features", nil)
		if err != nil {
			return err
		}
		tried++
		if status == 429 {
			limited++
		}
	}
	r.add("wrong keys that were answered 401 of 500", tried-limited, "", atMost(60))
	status, _, err := s.call(admin, "GET", "/features", nil)
	r.add("status of the right key after them", float64(status), "", exactly(200))
	return err
}
