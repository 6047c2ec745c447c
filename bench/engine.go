//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
	"github.com/bursarhq/bursar/store/sqlite"
)

// engineSpec asks what a check costs without HTTP.
type engineSpec struct {
	Dir     string // with the customer Tree; "" makes it in memory
	Tree    tree
	Seconds float64
	Rounds  int
}

// engineResult is what each round cost per check: CPU of the whole process, so that
// other load on the machine does not count and garbage collection does.
type engineResult struct{ Nanos, Allocs []float64 }

func runEngine(s *engineSpec) (r engineResult, err error) {
	ctx := context.Background()
	var store store.Store = mem.New()
	if s.Dir != "" {
		if store, err = sqlite.Open(s.Dir, sqlite.Options{}); err != nil {
			return r, err
		}
	}
	e, err := engine.Open(ctx, store, engine.Options{MemoryBudget: 8 << 30})
	if err != nil {
		return r, errors.Join(err, store.Close())
	}
	if s.Dir == "" {
		_, err = seed(ctx, e, []tree{s.Tree})
	}
	if err == nil {
		r, err = measureChecks(ctx, e, s)
	}
	return r, errors.Join(err, e.Close(ctx), store.Close())
}

func measureChecks(ctx context.Context, e *engine.Engine, s *engineSpec) (r engineResult, err error) {
	ids := make([]string, min(s.Tree.Leaves, 1<<16)) // made before the clock runs
	for i := range ids {
		ids[i] = s.Tree.entityID(s.Tree.Levels, rand.IntN(s.Tree.Leaves))
	}
	check := func(i int) error {
		in := ledger.CheckInput{Capability: bursar.Capability{Kind: bursar.KindFeature, ID: feature}, Requested: bursar.AmountFromInt(1),
			Dimensions: []bursar.Dimension{{Key: "agentId", Value: ids[i%len(ids)]}}}
		out, _, err := e.Check(ctx, ledger.ReadOptions{}, s.Tree.ID, []ledger.CheckInput{in})
		if err == nil && (!out[0].Granted || len(out[0].Chains) != 1 || len(out[0].Chains[0]) != s.Tree.Levels) {
			err = fmt.Errorf("a check of %q was answered wrongly: %+v", ids[i%len(ids)], out[0])
		}
		return err
	}
	for i := range ids {
		if err := check(i); err != nil {
			return r, err
		}
	}
	for range s.Rounds {
		nanos, allocs, err := timeCalls(s.Seconds, check)
		if err != nil {
			return r, err
		}
		r.Nanos, r.Allocs = append(r.Nanos, nanos), append(r.Allocs, allocs)
	}
	return r, nil
}

func timeCalls(seconds float64, f func(i int) error) (nanos, allocs float64, err error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, spent, began := 0, selfCPU(), time.Now()
	for ; n%1000 != 0 || time.Since(began).Seconds() < seconds; n++ {
		if err := f(n); err != nil {
			return 0, 0, err
		}
	}
	nanos = (selfCPU() - spent) / float64(n) * 1e9
	runtime.ReadMemStats(&after)
	return nanos, float64(after.Mallocs-before.Mallocs) / float64(n), nil
}
