//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

const customers = "/api/v1/customers/"

// checkOf asks about a random agent of a customer.
func checkOf(customer, key string) request {
	return request{Method: "GET", Key: key, Status: 200,
		Path: customers + customer + "/entitlements/check?featureId=" + feature + "&dimensions[agentId]=agent-{leaf}"}
}

// checksOf asks about a hundred of them at once.
func checksOf(customer, key string) request {
	one := `{"featureId":"` + feature + `","dimensions":{"agentId":"agent-{leaf}"}}`
	return request{Method: "POST", Key: key, Status: 200, Path: customers + customer + "/entitlements/checks",
		Body: `{"checks":[` + strings.TrimSuffix(strings.Repeat(one+",", batchItems), ",") + `]}`}
}

var floorCheckRequest = request{Method: "POST", Path: "/check", Status: 200,
	Body: `{"customerId":"acme","featureId":"tokens","dimensions":{"agentId":"agent-{leaf}"},"amount":1}`}

// reportOf reports n items of usage.
func reportOf(path, key string, n int) request {
	item := `{"customerId":"acme","featureId":"tokens","value":1,"idempotencyKey":"{seq}","dimensions":{"agentId":"agent-{leaf}"}}`
	return request{Method: "POST", Path: path, Key: key, Status: 201,
		Body: `{"usages":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `]}`}
}

// reserveAndCommit holds an amount and commits a part of it.
func reserveAndCommit(key string) []request {
	return []request{
		{Method: "POST", Path: customers + acme + "/reservations", Key: key, Status: 201,
			Body: `{"featureId":"tokens","amount":10,"idempotencyKey":"{seq}","dimensions":{"agentId":"agent-{leaf}"}}`},
		{Method: "POST", Path: customers + acme + "/reservations/{id}/commit", Key: key, Status: 200, Body: `{"amount":7}`},
	}
}

// cell is one measurement.
type cell struct {
	name     string
	server   *server
	requests []request
	units    int // of an operation
	conns    int
	rate     float64
	scale    float64 // of the measured time; 0 = 1
	leaves   int     // 0 = the standard ones
}

func (b *bench) spec(c *cell) *loadSpec {
	s := &loadSpec{Addr: c.server.addr, PID: c.server.pid(), Conns: c.conns, Rate: c.rate, Requests: c.requests, Units: max(1, c.units),
		Seconds: b.cell.Seconds(), Warm: b.warm.Seconds(), Leaves: c.leaves}
	if c.scale > 0 {
		s.Seconds *= c.scale
	}
	if s.Leaves == 0 {
		s.Leaves = b.leaves
	}
	return s
}

// measure runs one cell and prints its line. A reply of the wrong status spoils it.
func (b *bench) measure(c *cell) (r loadResult, err error) {
	if err = call(b.ctx, "load", b.spec(c), &r); err != nil {
		return r, err
	}
	b.report.others = append(b.report.others, r.Other)
	return r, c.print(&r)
}

func (c *cell) print(r *loadResult) error {
	if r.Refused > 0 {
		return fmt.Errorf("%s: %d replies were not as expected, such as\n%s", c.name, r.Refused, r.Example)
	}
	how := fmt.Sprintf("c=%d", c.conns)
	if c.rate > 0 {
		how = fmt.Sprintf("%.0f/s", c.rate)
	}
	fmt.Printf("%-22s %-7s %9.0f/s  p50 %6.0f  p99 %6.0f  p99.9 %6.0f  max %7.0f µs  CPU %6.2f µs each  cores: server %.2f client %.2f other %.2f\n",
		c.name, how, r.PerSec, r.P50, r.P99, r.P999, r.Max, r.MicrosPerUnit, r.Server, r.Client, r.Other)
	if c.rate > 0 && r.Unsent > int(c.rate/10) {
		fmt.Printf("%-22s the server fell behind: %d operations were due and not begun\n", "", r.Unsent)
	}
	return nil
}

// profiled runs the cell again while the server's CPU profile is taken, if that is asked for. The
// profile is of a cell of its own, so that it costs the figures nothing.
func (b *bench) profiled(name string, c *cell) error {
	if b.profiles == "" {
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- c.server.profile(filepath.Join(b.profiles, name+".pprof"), b.cell) }()
	_, err := b.measure(c)
	if perr := <-done; err == nil {
		err = perr
	}
	return err
}

func replaceCustomer(body, customer string) string {
	return strings.ReplaceAll(body, `"customerId":"acme"`, `"customerId":"`+customer+`"`)
}
