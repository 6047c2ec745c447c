//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
)

// The customers of this part, besides those of the crowd.
const (
	small   = "small"
	middle  = "middle"
	limited = "limited"
	holding = "holding"
)

const (
	grownLeaves = 1000
	grownLimits = 46 // on each of them: about as many as one entity may have of one feature
)

// growPart tells what one more of each thing costs: each figure is the server's processor time of the
// same request among many, divided by that among few, in turns.
func (b *bench) growPart() error {
	b.bursar.kill() // its memory is wanted
	crowd, holds, mid := 100_000, 100_000, b.leaves
	if b.quick {
		crowd, holds = 1000, 1000
	}
	spec := seedSpec{Dir: filepath.Join(b.tmp, "grown"), Crowd: crowd, Customers: []tree{
		{ID: small, Levels: standardLevels, Leaves: 900}, {ID: middle, Levels: standardLevels, Leaves: mid * 9 / 10}, {ID: large, Levels: standardLevels, Leaves: b.million},
		{ID: flat, Levels: 1, Leaves: grownLeaves}, {ID: limited, Levels: 1, Leaves: grownLeaves, Limits: grownLimits}, {ID: holding, Levels: 1, Leaves: grownLeaves, Holds: holds},
	}}
	var seeded seedResult
	if err := call(b.ctx, "seed", spec, &seeded); err != nil {
		return err
	}
	s, err := startBursar(b.ctx, b.config.bursar, spec.Dir, seeded.Key)
	if err != nil {
		return err
	}
	defer s.kill()
	if err := warmCrowd(s, crowd); err != nil {
		return err
	}
	for range b.rounds {
		for _, g := range []growth{
			{"entities", "1,000", fmt.Sprint(mid), [2]grownCell{{small, 900}, {middle, mid * 9 / 10}}, goal{}},
			{"entities", "1,000", fmt.Sprint(b.million * 10 / 9), [2]grownCell{{small, 900}, {large, b.million}}, below(1.15)},
			{"customers", "1", "1,000", [2]grownCell{{crowdID, 1}, {crowdID, 1000}}, goal{}},
			{"customers", "1", fmt.Sprint(crowd), [2]grownCell{{crowdID, 1}, {crowdID, crowd}}, goal{}},
			{"limits of an entity", "1", fmt.Sprint(grownLimits), [2]grownCell{{flat, grownLeaves}, {limited, grownLeaves}}, goal{}},
			{"open holds", "none", fmt.Sprint(holds), [2]grownCell{{flat, grownLeaves}, {holding, grownLeaves}}, goal{}},
		} {
			if err := b.grow(s, &g); err != nil {
				return err
			}
		}
	}
	return nil
}

// growth is few of something and many of it.
type growth struct {
	of, few, many string
	cells         [2]grownCell
	check         goal // of the ratio of checks
}

// grownCell is a customer, and how many leaves of it are asked about; of the crowd, how many customers.
type grownCell struct {
	customer string
	leaves   int
}

// crowdID stands for the customers of one entity each, as [ofCrowd] names them.
const crowdID = ""

// grow measures checks, batches of usage and pairs of reservation and commit, few and many in turns.
func (b *bench) grow(s *server, g *growth) error {
	for _, kind := range []string{"check", "batch", "pair"} {
		if kind == "pair" && g.cells[0].customer == crowdID {
			continue // its two requests would be about two customers
		}
		var cpu [2]float64
		for i, of := range g.cells {
			c := cell{name: fmt.Sprintf("%s, %s %s", kind, []string{g.few, g.many}[i], g.of), server: s, conns: 16, leaves: of.leaves}
			switch kind {
			case "check":
				c.requests = []request{checkOf(acme, s.key)}
			case "batch":
				c.requests, c.units, c.conns = []request{reportOf("/api/v1/usage", s.key, batchItems)}, batchItems, 4
			case "pair":
				c.requests = reserveAndCommit(s.key)
			}
			for j, r := range c.requests {
				if of.customer == crowdID {
					r = ofCrowd(r)
				} else {
					r.Path, r.Body = strings.Replace(r.Path, customers+acme, customers+of.customer, 1), replaceCustomer(r.Body, of.customer)
				}
				c.requests[j] = r
			}
			r, err := b.measure(&c)
			if err != nil {
				return err
			}
			cpu[i] = r.MicrosPerUnit
			if i == 1 {
				if err := b.profiled(fmt.Sprintf("grow-%s-%s-%s", kind, g.many, strings.ReplaceAll(g.of, " ", "-")), &c); err != nil {
					return err
				}
			}
		}
		within := goal{}
		if kind == "check" {
			within = g.check
		}
		b.report.add(fmt.Sprintf("server CPU of a %s, %s %s ÷ %s", kind, g.many, g.of, g.few), "", within, cpu[1]/cpu[0])
	}
	return nil
}

// seedCrowd makes n customers of one entity with one limit each.
func seedCrowd(ctx context.Context, e *engine.Engine, n int) error {
	return inBatches(n, seedBatch, func(from, to int) error {
		for i := from; i < to; i++ {
			t := tree{ID: crowdMember(i), Levels: 1, Leaves: 1}
			if err := t.seedEntities(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// warmCrowd has each customer of the crowd in memory.
func warmCrowd(s *server, n int) error {
	return inBatches(n, seedBatch, func(from, to int) error {
		for i := from; i < to; i++ {
			if err := expectCheck(s, crowdMember(i), 1, (&tree{Levels: 1}).entityID(1, 0), nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// seedHolds makes n reservations that stay open for a day.
func (t *tree) seedHolds(ctx context.Context, e *engine.Engine) error {
	return inBatches(t.Holds, seedBatch, func(from, to int) error {
		for i := from; i < to; i++ {
			in := bursar.SpendInput{Capability: bursar.Capability{Kind: bursar.KindFeature, ID: feature}, Amount: bursar.AmountFromInt(1),
				Dimensions: []bursar.Dimension{{Key: "agentId", Value: t.entityID(t.Levels, i%t.Leaves)}}}
			if _, _, err := e.Reserve(ctx, seeder, t.ID, in, bursar.MaxHoldTTL, bursar.ExpireRelease); err != nil {
				return err
			}
		}
		return nil
	})
}
