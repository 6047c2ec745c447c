//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/sqlite"
)

// The customers of the standard data, and what they use.
const (
	acme           = "acme"
	flat           = "flat"
	deep           = "deep"
	large          = "large"
	feature        = "tokens"
	standardLevels = 5
)

// tree is a customer whose tree has a root, ten times as many entities on each level as
// on the one above where that leads to Leaves, and one limit on each entity.
type tree struct {
	ID     string
	Levels int
	Leaves int
	Used   bool // every leaf reports usage once, so that every limit has a counter
	Limits int  // on each entity: as many as may be apply to all it does, and each other to what it does in one scope; 0 = one
	Holds  int  // reservations that stay open
}

// width is how many entities are on a level; 1 is the root's unless leaves are all there
// is.
func (t *tree) width(level int) int {
	n := t.Leaves
	for range t.Levels - level {
		n = (n + 9) / 10
	}
	if level == 1 && t.Levels > 1 {
		return 1
	}
	return n
}

// entityID names entity i of a level; leaves are agents.
func (t *tree) entityID(level, i int) string {
	if level == t.Levels {
		return fmt.Sprintf("agent-%0*d", leafWidth, i)
	}
	return fmt.Sprintf("node%d-%0*d", level, leafWidth, i)
}

// parentOf is the id of the entity above entity i of a level.
func (t *tree) parentOf(level, i int) string {
	return t.entityID(level-1, i*t.width(level-1)/t.width(level))
}

func (t *tree) entities() (n int) {
	for level := 1; level <= t.Levels; level++ {
		n += t.width(level)
	}
	return n
}

type seedSpec struct {
	Dir       string
	Customers []tree
	Crowd     int // customers of one entity each, besides
}

type seedResult struct {
	Key      string
	Entities int
	Seconds  float64
}

// runSeed makes the data in a directory, through the engine as everybody else writes.
func runSeed(s *seedSpec) (r seedResult, err error) {
	began := time.Now()
	store, err := sqlite.Open(s.Dir, sqlite.Options{})
	if err != nil {
		return r, err
	}
	ctx := context.Background()
	// One checkpoint, at the end, makes what many would have made.
	e, err := engine.Open(ctx, store, engine.Options{MemoryBudget: 8 << 30, CheckpointEvery: time.Hour, CheckpointRecords: 1 << 40})
	if err != nil {
		return r, errors.Join(err, store.Close())
	}
	if r.Key, err = seed(ctx, e, s.Customers); err == nil {
		err = seedCrowd(ctx, e, s.Crowd)
	}
	for i := range s.Customers {
		r.Entities += s.Customers[i].entities()
	}
	err = errors.Join(err, e.Close(ctx), store.Close())
	r.Seconds = time.Since(began).Seconds()
	return r, err
}

var seeder = catalogue.Caller{ActorType: "SYSTEM", ActorID: "bench"}

// seed makes the catalogue, an API key for requests and the customers.
func seed(ctx context.Context, e *engine.Engine, customers []tree) (key string, err error) {
	_, err = e.PutEntityTypes(ctx, seeder, []catalogue.EntityTypeInput{
		{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agentId"}}, {ID: "node", DisplayName: "Node"}})
	if err != nil {
		return "", err
	}
	if _, err = e.CreateFeature(ctx, seeder, bursar.Feature{ID: feature, DisplayName: "Tokens"}); err != nil {
		return "", err
	}
	if err = seedPrices(ctx, e); err != nil {
		return "", err
	}
	if _, key, err = e.CreateAPIKey(ctx, seeder, "bench", bursar.ScopeRuntime, nil); err != nil {
		return "", err
	}
	for i := range customers {
		if err := customers[i].seed(ctx, e); err != nil {
			return "", err
		}
	}
	return key, nil
}

const (
	seedBatch   = 1000
	seedWriters = 8 // enough for the engine to make groups of their writes
)

func (t *tree) seed(ctx context.Context, e *engine.Engine) error {
	if err := t.seedEntities(ctx, e); err != nil {
		return err
	}
	if err := t.seedBudget(ctx, e); err != nil {
		return err
	}
	if err := t.seedHolds(ctx, e); err != nil {
		return err
	}
	if !t.Used {
		return nil
	}
	return inBatches(t.Leaves, seedBatch, func(from, to int) error {
		items := make([]ledger.UsageItem, 0, to-from)
		for i := from; i < to; i++ {
			items = append(items, ledger.UsageItem{In: bursar.UsageInput{CustomerID: t.ID, FeatureID: feature, Value: bursar.AmountFromInt(1),
				Dimensions: []bursar.Dimension{{Key: "agentId", Value: t.entityID(t.Levels, i)}}}})
		}
		_, err := e.ReportUsage(ctx, seeder, items)
		return err
	})
}

// seedEntities makes the customer, its entities and their limits.
func (t *tree) seedEntities(ctx context.Context, e *engine.Engine) error {
	if _, _, err := e.CreateCustomer(ctx, seeder, t.ID, bursar.CustomerInput{}); err != nil {
		return err
	}
	if err := t.seedScopes(ctx, e); err != nil {
		return err
	}
	for level := 1; level <= t.Levels; level++ {
		err := inBatches(t.width(level), seedBatch/max(1, t.Limits), func(from, to int) error { return t.seedLevel(ctx, e, level, from, to) })
		if err != nil {
			return err
		}
	}
	return nil
}

func scopeID(i int) string { return fmt.Sprint("scope-", i) }

// seedScopes makes the entities that some of the limits are scoped to.
func (t *tree) seedScopes(ctx context.Context, e *engine.Engine) error {
	var scopes []bursar.EntityInput
	for l := bursar.MaxPlainLimits; l < t.Limits; l++ {
		scopes = append(scopes, bursar.EntityInput{ID: scopeID(l), EntityTypeID: "node"})
	}
	if scopes == nil {
		return nil
	}
	_, _, err := e.PutEntities(ctx, seeder, t.ID, scopes)
	return err
}

func (t *tree) seedLevel(ctx context.Context, e *engine.Engine, level, from, to int) error {
	month, err := bursar.ParseCadence("P1M")
	if err != nil {
		return err
	}
	entities := make([]bursar.EntityInput, 0, to-from)
	limits := make([]bursar.AssignmentInput, 0, to-from)
	for i := from; i < to; i++ {
		in := bursar.EntityInput{ID: t.entityID(level, i), EntityTypeID: "node"}
		if level == t.Levels {
			in.EntityTypeID = "agent"
		}
		if level > 1 {
			in.ParentID = bursar.Some(t.parentOf(level, i))
		}
		entities = append(entities, in)
		limit := bursar.AssignmentInput{EntityID: in.ID, Capability: bursar.Capability{Kind: bursar.KindFeature, ID: feature},
			UsageLimit: bursar.Some(bursar.AmountFromInt(1e12)), Cadence: bursar.Some(month)}
		limits = append(limits, limit)
		for l := 1; l < t.Limits; l++ {
			if l < bursar.MaxPlainLimits {
				limit.Label = fmt.Sprint("l", l)
			} else {
				limit.Label, limit.ScopeEntityIDs = "", []string{scopeID(l)}
			}
			limits = append(limits, limit)
		}
	}
	err = untilKnown(func() error {
		_, _, err := e.PutEntities(ctx, seeder, t.ID, entities)
		return err
	})
	if err != nil {
		return err
	}
	return untilKnown(func() error {
		_, _, err := e.PutAssignments(ctx, seeder, t.ID, limits)
		return err
	})
}

// untilKnown repeats what may be repeated while a shared store is too slow to answer.
func untilKnown(write func() error) (err error) {
	for range 20 {
		var e *bursar.Error
		if err = write(); !errors.As(err, &e) || e.Code != bursar.CodeGovernanceUnavailable {
			return err
		}
	}
	return err
}

// inBatches covers 0 to n by calls of f for so many at once, several calls at a time.
func inBatches(n, size int, f func(from, to int) error) error {
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	next := make(chan int)
	for range seedWriters {
		wg.Go(func() {
			for from := range next {
				if err := f(from, min(from+size, n)); err != nil {
					once.Do(func() { failed = err })
				}
			}
		})
	}
	for from := 0; from < n; from += size {
		next <- from
	}
	close(next)
	wg.Wait()
	return failed
}
