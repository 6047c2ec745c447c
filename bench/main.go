//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// config is what one run does.
type config struct {
	parts    []string
	dir      string // below which the data directories are made
	rounds   int
	cell     time.Duration // measured time of one cell
	warm     time.Duration
	leaves   int // of the customer that is checked and reported on
	million  int // leaves of the large customer
	quick    bool
	strict   bool
	bursar   string         // a built binary; "" builds it
	against  string         // a binary from before, to be measured beside, and nothing else
	profiles string         // where CPU profiles of the server go; "" takes none
	cells    *regexp.Regexp // of -cluster that are measured
	cluster  bool           // measure servers that share a PostgreSQL, and nothing else
}

// part is one group of figures.
type part struct {
	name string
	run  func(*bench) error
}

var allParts = []part{
	{"check", (*bench).checkPart},
	{"ingest", (*bench).ingestPart},
	{"batch", (*bench).batchPart},
	{"reserve", (*bench).reservePart},
	{"call", (*bench).callPart},
	{"mixed", (*bench).mixedPart},
	{"depth", (*bench).depthPart},
	{"sustained", (*bench).sustainedPart},
	{"grow", (*bench).growPart},
	{"start", (*bench).startPart},
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == roleFlag {
		runRole(os.Args[2])
		return
	}
	c := parseFlags()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	missed, err := runBench(ctx, c)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if missed > 0 && c.strict {
		os.Exit(1)
	}
}

func parseFlags() *config {
	c := new(config)
	var names []string
	for _, p := range allParts {
		names = append(names, p.name)
	}
	parts := flag.String("parts", strings.Join(names, ","), "what to measure")
	flag.StringVar(&c.dir, "dir", os.TempDir(), "where data directories are made; its disk is what is measured")
	flag.IntVar(&c.rounds, "rounds", 3, "rounds of every cell")
	flag.DurationVar(&c.cell, "cell", 3*time.Second, "measured time of a cell")
	flag.IntVar(&c.million, "entities", 1_000_000, "entities of the large customer, about")
	flag.BoolVar(&c.quick, "quick", false, "short cells and a smaller tree: a smoke test, no measurement")
	flag.BoolVar(&c.strict, "strict", false, "exit with 1 when a goal is missed")
	flag.BoolVar(&c.cluster, "cluster", false, "measure servers that share a PostgreSQL instead: starts a private one")
	cells := flag.String("cells", "", "with -cluster, a regular expression of the cells to measure; all without")
	flag.StringVar(&c.bursar, "bursar", "", "a bursar binary to measure instead of building one")
	flag.StringVar(&c.against, "against", "", "a bursar binary from before: measure it and the present one in turns, and nothing else")
	flag.StringVar(&c.profiles, "profiles", "", "directory for CPU profiles of the server, one a part")
	flag.Parse()
	var err error
	if c.cells, err = regexp.Compile(*cells); err != nil {
		fmt.Fprintln(os.Stderr, "bench: -cells:", err)
		os.Exit(2)
	}
	c.leaves, c.warm = 100_000, 500*time.Millisecond
	if c.quick {
		c.leaves, c.warm = 10_000, 150*time.Millisecond
		given := map[string]bool{}
		flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
		if !given["cell"] {
			c.cell = 500 * time.Millisecond
		}
		if !given["entities"] {
			c.million = 100_000
		}
	}
	c.million = c.million * 9 / 10 // a tree of fan-out 10 has a ninth of its leaves above them
	c.parts = strings.Split(*parts, ",")
	if c.cluster {
		if *parts == strings.Join(names, ",") {
			c.parts = clusterParts
		}
		names = clusterParts
	}
	for _, p := range c.parts {
		if !slices.Contains(names, p) {
			fmt.Fprintf(os.Stderr, "bench: no part %q; there are %s\n", p, strings.Join(names, ", "))
			os.Exit(2)
		}
	}
	if c.rounds < 1 || c.cell <= 0 || c.cell > time.Minute || c.million < 1000 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	return c
}

// bench is one run.
type bench struct {
	*config
	ctx    context.Context
	tmp    string
	report report
	floor  *server // shared by all parts
	bursar *server // on the standard data; shared likewise
}

// runBench returns how many goals were missed.
func runBench(ctx context.Context, c *config) (missed int, err error) {
	b := &bench{config: c, ctx: ctx}
	if b.tmp, err = os.MkdirTemp(c.dir, "bursar-bench-"); err != nil {
		return 0, err
	}
	defer func() {
		b.bursar.kill()
		b.floor.kill()
		err = errors.Join(err, os.RemoveAll(b.tmp))
	}()
	printHeader(b.tmp, c)
	began := time.Now()
	if c.cluster {
		err := b.clusterPart()
		return b.report.print(os.Stdout), err
	}
	if c.against != "" {
		err := b.build()
		if err == nil {
			err = b.againstPart()
		}
		return b.report.print(os.Stdout), err
	}
	if err := b.prepare(); err != nil {
		return 0, err
	}
	for _, p := range allParts {
		if !slices.Contains(c.parts, p.name) {
			continue
		}
		fmt.Printf("\n== %s\n", p.name)
		if err := p.run(b); err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	fmt.Printf("\nall of it took %.0f s\n", time.Since(began).Seconds())
	return b.report.print(os.Stdout), nil
}

// build makes the server's program, unless one was given.
func (b *bench) build() (err error) {
	if b.config.bursar == "" {
		b.config.bursar, err = buildBursar(b.ctx, b.tmp)
	}
	return err
}

// prepare builds the server and the standard data, and starts both servers.
func (b *bench) prepare() (err error) {
	if err := b.build(); err != nil {
		return err
	}
	if b.floor, err = startFloor(b.ctx, filepath.Join(b.tmp, "floor.wal")); err != nil {
		return err
	}
	s := seedSpec{Dir: b.standardData(), Customers: []tree{
		{ID: acme, Levels: standardLevels, Leaves: b.leaves}, {ID: flat, Levels: 1, Leaves: 10_000}, {ID: deep, Levels: 10, Leaves: 10_000},
	}}
	var seeded seedResult
	if err := call(b.ctx, "seed", s, &seeded); err != nil {
		return err
	}
	fmt.Printf("%d entities made in %.1f s\n", seeded.Entities, seeded.Seconds)
	b.bursar, err = startBursar(b.ctx, b.config.bursar, s.Dir, seeded.Key)
	return err
}

// standardData is the directory of the customers that all parts but the last use.
func (b *bench) standardData() string { return filepath.Join(b.tmp, "data") }

func encodeJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only our own specs and results
	}
	return b
}
