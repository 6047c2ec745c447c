package sim

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

var (
	seedFlag   = flag.Uint64("seed", 1, "seed of the first world; each further world adds 1")
	opsFlag    = flag.Int("ops", 400_000, "operations on store/mem")
	nodesFlag  = flag.Int("nodesops", 100_000, "operations on store/mem that several engines share")
	sqliteFlag = flag.Int("sqliteops", 100_000, "operations on store/sqlite")
	pgFlag     = flag.Int("pgops", 20_000, "operations on store/postgres that several engines share")
	worldFlag  = flag.Int("worldops", 50_000, "operations of one world")
	shrinkFlag = flag.Duration("shrink", time.Minute, "time to look for a smaller failing script")
	fileFlag   = flag.String("script", "", "file to write the whole failing script to")
)

// Every tree is looked through as a large one is.
func init() { ledger.SmallTree = 0 }

func TestEngineAgreesWithModelOnMem(t *testing.T) {
	runWorlds(t, *opsFlag, func() (backing, error) { return newMemBacking(), nil })
}

func TestNodesAgreeWithModel(t *testing.T) {
	runWorlds(t, *nodesFlag, func() (backing, error) { return newSharedBacking(), nil })
}

func TestEngineAgreesWithModelOnSQLite(t *testing.T) {
	runWorlds(t, *sqliteFlag, func() (backing, error) { return newSQLiteBacking(t.TempDir()) })
}

func TestNodesAgreeWithModelOnPostgres(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{NoSync: true, Settings: []string{"allow_system_table_mods=on"}})
	if testing.Short() {
		*pgFlag = min(*pgFlag, 4000)
	}
	t.Run("worlds", func(t *testing.T) {
		runWorlds(t, *pgFlag, func() (backing, error) { return newPGBacking(server, t) })
	})
}

// runWorlds makes as many worlds as the operations need, each with its own options.
func runWorlds(t *testing.T, total int, back func() (backing, error)) {
	t.Parallel()
	if testing.Short() {
		total = min(total, 20_000)
	}
	for seed := *seedFlag; total > 0; seed++ {
		n := min(total, *worldFlag)
		total -= n
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runWorld(t, seed, n, back) })
		if t.Failed() {
			return
		}
	}
}

// optionsOf varies what decides where the engine keeps things.
func optionsOf(seed uint64) engine.Options {
	r := rand.New(rand.NewPCG(seed, 11))
	o := engine.Options{CheckpointEvery: time.Hour}
	if chance(r, 2) {
		o.CheckpointEvery = 20 * time.Millisecond
	}
	if chance(r, 2) {
		o.CheckpointRecords = 50 + r.IntN(2000)
	}
	if chance(r, 2) {
		o.KeysInMemory = 8 + r.IntN(300)
	}
	if chance(r, 3) {
		o.MemoryBudget = 1 << 16
	}
	return o
}

func runWorld(t *testing.T, seed uint64, n int, back func() (backing, error)) {
	open := func() (*world, error) {
		b, err := back()
		if err != nil {
			return nil, err
		}
		return newWorld(b, optionsOf(seed))
	}
	w, err := open()
	if err != nil {
		t.Fatal(err)
	}
	g := newGen(seed, w.model)
	ops := g.setup()
	defer func() { w.close() }()
	began := time.Now()
	for i := 0; i < n; i++ {
		if i >= len(ops) {
			ops = append(ops, g.nextOrControl())
		}
		if d := w.do(ops[i]); d != "" {
			w.close()
			report(t, seed, n, open, ops[:i+1], d)
			return
		}
	}
	if d := w.do(op{g.now, verify{}}); d != "" {
		t.Errorf("seed %d: %s", seed, d)
	}
	t.Logf("seed %d: %d operations in %v, until %s", seed, n, time.Since(began).Round(time.Millisecond), instant(g.now))
}

// nextOrControl now and then ends the engine, or has it check itself.
func (g *gen) nextOrControl() op {
	switch n := g.r.IntN(20_000); {
	case n < 9:
		return op{g.now, reopen{[]ending{closed, crashed, rebuilt}[n/3]}}
	case n < 12:
		return op{g.now, verify{}}
	case n < 30:
		return op{g.now, readOutbox{}}
	}
	return g.next()
}

func report(t *testing.T, seed uint64, n int, open func() (*world, error), ops []op, difference string) {
	t.Errorf("-seed=%d -worldops=%d (options %s), operation %d:\n%s\n\nthe last operations:\n%s",
		seed, n, options(seed), len(ops)-1, difference, describe(ops[max(0, len(ops)-30):]))
	if *fileFlag != "" {
		if err := os.WriteFile(*fileFlag, []byte(describe(ops)), 0o600); err != nil {
			t.Error(err)
		}
	}
	s := shrinker{open: open, until: time.Now().Add(*shrinkFlag), ops: ops, text: difference, kind: kind(ops, len(ops)-1, difference)}
	s.run()
	t.Errorf("a script of %d operations that fails:\n%s\n%s", len(s.ops), describe(s.ops), s.text)
}

func options(seed uint64) string {
	o := optionsOf(seed)
	return strings.TrimSpace(fmt.Sprintf("checkpoints every %v or %d records, %d keys and %d bytes in memory",
		o.CheckpointEvery, o.CheckpointRecords, o.KeysInMemory, o.MemoryBudget))
}
