//go:build linux

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// againstPart measures two programs beside one another: -against, the one from before, and
// the one of now. Each has a store of its own with the same tree, made over HTTP, since
// neither needs to read what the other one writes.
func (b *bench) againstPart() error {
	var sides [2]*server // before, after
	defer func() {
		for _, s := range sides {
			s.kill()
		}
	}()
	for i, binary := range []string{b.against, b.config.bursar} {
		var err error
		if sides[i], err = startBursar(b.ctx, binary, filepath.Join(b.tmp, fmt.Sprintf("side%d", i)), ""); err != nil {
			return err
		}
		if sides[i].key, err = b.seedOver(sides[i], &tree{ID: acme, Levels: standardLevels, Leaves: b.leaves}); err != nil {
			return fmt.Errorf("making the tree with %s: %w", binary, err)
		}
	}
	cells := func(s *server) []*cell {
		check, report := []request{checkOf(acme, s.key)}, []request{reportOf("/api/v1/usage", s.key, 1)}
		batch, pair := []request{reportOf("/api/v1/usage", s.key, batchItems)}, reserveAndCommit(s.key)
		return []*cell{
			{name: "check at 16 connections", server: s, requests: check, conns: 16},
			{name: "check at 64 connections", server: s, requests: check, conns: 64},
			{name: "check at 2,000/s", server: s, requests: check, conns: 64, rate: pacedRate},
			{name: "report at 16 connections", server: s, requests: report, conns: 16},
			{name: "report at 64 connections", server: s, requests: report, conns: 64},
			{name: "batches of 100 at 4 connections", server: s, requests: batch, units: batchItems, conns: 4},
			{name: "batches of 100 at 16 connections", server: s, requests: batch, units: batchItems, conns: 16},
			{name: "reserve+commit at 16 connections", server: s, requests: pair, conns: 16},
		}
	}
	all := [2][]*cell{cells(sides[0]), cells(sides[1])}
	for round := range b.rounds {
		for i, before := range all[0] {
			var r [2]loadResult
			order := []int{0, 1}
			if round%2 == 1 { // who comes second has the warmer machine
				slices.Reverse(order)
			}
			for _, side := range order {
				c := *all[side][i]
				c.name = []string{"before, ", "after, "}[side] + c.name
				var err error
				if r[side], err = b.measureBeside(&c, sides[1-side]); err != nil {
					return err
				}
			}
			b.compare(before, r)
		}
	}
	return nil
}

// measureBeside is measure of a server at rest while the other one stands still: else what
// either saves after an earlier cell would count in this one.
func (b *bench) measureBeside(c *cell, other *server) (r loadResult, err error) {
	if err := other.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return r, err
	}
	if err = b.rest(c.server); err == nil {
		r, err = b.measure(c)
	}
	return r, errors.Join(err, other.cmd.Process.Signal(syscall.SIGCONT))
}

// rest waits until a server has saved what it has to: until it uses less than 5 % of a core
// for half a second.
func (b *bench) rest(s *server) error {
	const look, enough = 500 * time.Millisecond, 0.05
	for at := time.Now(); time.Since(at) < time.Minute; {
		before := processCPU(s.pid())
		select {
		case <-b.ctx.Done():
			return b.ctx.Err()
		case <-time.After(look):
		}
		if processCPU(s.pid())-before < enough*look.Seconds() {
			return nil
		}
	}
	return fmt.Errorf("the server has not come to rest within a minute: %.0f s of CPU so far", processCPU(s.pid()))
}

// compare notes what the program of now did of one cell, by the one from before.
func (b *bench) compare(c *cell, r [2]loadResult) {
	if c.rate > 0 {
		b.report.add(c.name+", p50, after ÷ before", "", goal{}, r[1].P50/r[0].P50)
		b.report.add(c.name+", p99, after ÷ before", "", goal{}, r[1].P99/r[0].P99)
		return
	}
	b.report.add(c.name+", a second, after ÷ before", "", atLeast(0.97), r[1].PerSec/r[0].PerSec)
	b.report.add(c.name+", server CPU, after ÷ before", "", goal{}, r[1].MicrosPerUnit/r[0].MicrosPerUnit)
}

const overBatch = 100 // what one request may have

// seedOver makes a customer through a server's API, and gives a key for requests.
func (b *bench) seedOver(s *server, t *tree) (key string, err error) {
	api := client.New("http://"+s.addr, adminKey)
	_, err = api.PutEntityTypes(b.ctx,
		client.EntityTypeInput{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agentId"}},
		client.EntityTypeInput{ID: "node", DisplayName: "Node", AttributionKeys: []string{}})
	if err != nil {
		return "", err
	}
	if _, err = api.CreateFeature(b.ctx, client.FeatureInput{ID: feature, DisplayName: "Tokens"}); err != nil {
		return "", err
	}
	if _, err = api.CreateCustomer(b.ctx, client.CustomerInput{ID: t.ID}); err != nil {
		return "", err
	}
	for level := 1; level <= t.Levels; level++ {
		err := inBatches(t.width(level), overBatch, func(from, to int) error { return t.putOver(b, api, level, from, to) })
		if err != nil {
			return "", err
		}
	}
	made, err := api.CreateAPIKey(b.ctx, client.APIKeyInput{Name: "bench", Scope: string(bursar.ScopeRuntime)})
	return made.Key, err
}

// putOver makes entities of a level with a limit each.
func (t *tree) putOver(b *bench, api *client.Client, level, from, to int) error {
	entities := make([]client.EntityInput, 0, to-from)
	limits := make([]client.AssignmentInput, 0, to-from)
	for i := from; i < to; i++ {
		in := client.EntityInput{ID: t.entityID(level, i), EntityTypeID: "node"}
		if level == t.Levels {
			in.EntityTypeID = "agent"
		}
		if level > 1 {
			in.ParentID = client.Some(t.parentOf(level, i))
		}
		entities = append(entities, in)
		limits = append(limits, client.AssignmentInput{EntityID: in.ID, FeatureID: feature, UsageLimit: client.Some(bursar.AmountFromInt(1e12)), Cadence: "P1M"})
	}
	if _, err := api.PutEntities(b.ctx, t.ID, entities...); err != nil {
		return err
	}
	_, err := api.PutAssignments(b.ctx, t.ID, limits...)
	return err
}
