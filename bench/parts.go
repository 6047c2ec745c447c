//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
)

const pacedRate = 2000 // checks per second

// checkPart compares checks with the floor, as fast as they go and paced.
func (b *bench) checkPart() error {
	key := b.bursar.key
	if err := expectCheck(b.bursar, acme, standardLevels, "agent-0000000", nil); err != nil {
		return err
	}
	check, floor := []request{checkOf(acme, key)}, []request{floorCheckRequest}
	for range b.rounds {
		for _, conns := range []int{16, 64} {
			f, err := b.measure(&cell{name: "floor", server: b.floor, requests: floor, conns: conns})
			if err != nil {
				return err
			}
			r, err := b.measure(&cell{name: "check", server: b.bursar, requests: check, conns: conns})
			if err != nil {
				return err
			}
			at := fmt.Sprintf(" at %d connections", conns)
			b.report.add("check ÷ floor"+at, "", atLeast(0.8), r.PerSec/f.PerSec)
			b.report.add("checks per second"+at, "", goal{}, r.PerSec)
			b.report.add("server CPU of a check ÷ floor's"+at, "", goal{}, r.MicrosPerUnit/f.MicrosPerUnit)
			b.report.add("server CPU of a check"+at, "µs", goal{}, r.MicrosPerUnit)
		}
		if err := b.pacedChecks(check, floor); err != nil {
			return err
		}
		r, err := b.measure(&cell{name: "check, batch", server: b.bursar, requests: []request{checksOf(acme, key)}, units: batchItems, conns: 4})
		if err != nil {
			return err
		}
		b.report.add("checks per second in batches of 100", "", goal{}, r.PerSec)
		b.report.add("server CPU of a check of a batch", "µs", goal{}, r.MicrosPerUnit)
	}
	return b.profiled("check", &cell{name: "check, profiled", server: b.bursar, requests: check, conns: 16})
}

func (b *bench) pacedChecks(check, floor []request) error {
	f, err := b.measure(&cell{name: "floor, paced", server: b.floor, requests: floor, conns: 64, rate: pacedRate, scale: 1.5})
	if err != nil {
		return err
	}
	r, err := b.measure(&cell{name: "check, paced", server: b.bursar, requests: check, conns: 64, rate: pacedRate, scale: 1.5})
	if err != nil {
		return err
	}
	b.report.add("check p50 at 2,000/s", "µs", goal{}, r.P50)
	b.report.add("check p99 at 2,000/s", "µs", below(1000), r.P99)
	b.report.add("check p99 ÷ floor's at 2,000/s", "", goal{}, r.P99/f.P99)
	b.report.add("check p99.9 at 2,000/s", "µs", goal{}, r.P999)
	b.report.add("floor p50 at 2,000/s", "µs", goal{}, f.P50)
	b.report.add("floor p99 at 2,000/s", "µs", goal{}, f.P99)
	b.report.add("floor p99.9 at 2,000/s", "µs", goal{}, f.P999)
	return nil
}

// expectCheck makes sure that what is measured is what is claimed: a granted check over
// so many levels, and the leaf's usage if it is known.
func expectCheck(s *server, customer string, levels int, leaf string, used *float64) error {
	r := checkOf(customer, "")
	r.Path = r.Path[:len(r.Path)-len("agent-{leaf}")] + leaf
	status, body, err := s.send(&r)
	if err != nil {
		return err
	}
	var out struct {
		Data struct {
			IsGranted bool
			Chains    [][]struct{ CurrentUsage float64 }
		}
	}
	if status != 200 || json.Unmarshal(body, &out) != nil || !out.Data.IsGranted || len(out.Data.Chains) != 1 || len(out.Data.Chains[0]) != levels {
		return fmt.Errorf("a check of %s of %s was answered with %d: %s", leaf, customer, status, body)
	}
	if used != nil && out.Data.Chains[0][0].CurrentUsage != *used {
		return fmt.Errorf("%s of %s used %v, not %v", leaf, customer, out.Data.Chains[0][0].CurrentUsage, *used)
	}
	return nil
}

// ingestPart compares single durable reports with the floor's durable append.
func (b *bench) ingestPart() error {
	report, floor := []request{reportOf("/api/v1/usage", b.bursar.key, 1)}, []request{reportOf("/append", "", 1)}
	for range b.rounds {
		for _, conns := range []int{16, 64} {
			f, err := b.measure(&cell{name: "floor append", server: b.floor, requests: floor, conns: conns})
			if err != nil {
				return err
			}
			r, err := b.measure(&cell{name: "usage", server: b.bursar, requests: report, conns: conns})
			if err != nil {
				return err
			}
			at := fmt.Sprintf(" at %d connections", conns)
			b.report.add("durable report ÷ floor"+at, "", atLeast(0.8), r.PerSec/f.PerSec)
			b.report.add("durable reports per second"+at, "", goal{}, r.PerSec)
			b.report.add("durable report p99"+at, "µs", goal{}, r.P99)
			b.report.add("server CPU of a durable report ÷ floor's"+at, "", goal{}, r.MicrosPerUnit/f.MicrosPerUnit)
			b.report.add("server CPU of a durable report"+at, "µs", goal{}, r.MicrosPerUnit)
		}
	}
	return b.profiled("ingest", &cell{name: "usage, profiled", server: b.bursar, requests: report, conns: 16})
}

const batchItems = 100

// batchPart does the same with a hundred items a request.
func (b *bench) batchPart() error {
	report, floor := []request{reportOf("/api/v1/usage", b.bursar.key, batchItems)}, []request{reportOf("/append", "", batchItems)}
	for range b.rounds {
		for _, conns := range []int{4, 16} {
			f, err := b.measure(&cell{name: "floor append, batch", server: b.floor, requests: floor, units: batchItems, conns: conns})
			if err != nil {
				return err
			}
			r, err := b.measure(&cell{name: "usage, batch", server: b.bursar, requests: report, units: batchItems, conns: conns})
			if err != nil {
				return err
			}
			at := fmt.Sprintf(" at %d connections", conns)
			b.report.add("events per second in batches of 100"+at, "", atLeast(200_000), r.PerSec)
			b.report.add("batch ÷ floor"+at, "", goal{}, r.PerSec/f.PerSec)
			b.report.add("server CPU of an event of a batch"+at, "µs", below(5), r.MicrosPerUnit)
		}
	}
	return b.profiled("batch", &cell{name: "usage, batch, profiled", server: b.bursar, requests: report, units: batchItems, conns: 4})
}

// reservePart holds and commits; a pair is two durable requests.
func (b *bench) reservePart() error {
	c := &cell{name: "reserve+commit", server: b.bursar, requests: reserveAndCommit(b.bursar.key), conns: 16}
	for range b.rounds {
		r, err := b.measure(c)
		if err != nil {
			return err
		}
		b.report.add("reserve+commit pairs per second at 16 connections", "", goal{}, r.PerSec)
		b.report.add("server CPU of a pair", "µs", goal{}, r.MicrosPerUnit)
	}
	return b.profiled("reserve", c)
}

// mixedPart paces checks beside ingest that takes what it gets.
func (b *bench) mixedPart() error {
	for range b.rounds {
		f, err := b.mixed("floor", b.floor, floorCheckRequest, reportOf("/append", "", 1))
		if err != nil {
			return err
		}
		r, err := b.mixed("bursar", b.bursar, checkOf(acme, b.bursar.key), reportOf("/api/v1/usage", b.bursar.key, 1))
		if err != nil {
			return err
		}
		b.report.add("check p50 at 2,000/s beside saturating ingest", "µs", goal{}, r.P50)
		b.report.add("check p99 at 2,000/s beside saturating ingest", "µs", goal{}, r.P99)
		b.report.add("check p99 ÷ floor's in the same mix", "", below(1.5), r.P99/f.P99)
		b.report.add("floor p50 in the same mix", "µs", goal{}, f.P50)
		b.report.add("floor p99 in the same mix", "µs", goal{}, f.P99)
	}
	return nil
}

// mixed returns what the checks saw.
func (b *bench) mixed(name string, s *server, check, report request) (r loadResult, err error) {
	reports := &cell{name: name + " ingest, mixed", server: s, requests: []request{report}, conns: 16}
	done := make(chan error, 1)
	var beside loadResult
	go func() { done <- call(b.ctx, "load", b.spec(reports), &beside) }()
	c := &cell{name: name + " check, mixed", server: s, requests: []request{check}, conns: 64, rate: pacedRate}
	err = call(b.ctx, "load", b.spec(c), &r)
	if err = errors.Join(err, <-done); err != nil {
		return r, err
	}
	return r, errors.Join(reports.print(&beside), c.print(&r))
}
