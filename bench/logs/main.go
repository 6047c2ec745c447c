//go:build linux

// Command logs measures what another place for the log would bring: durable reports of usage, one by
// one and a hundred a request, with the embedded store as it is and with the same server on
// stores whose log is kept elsewhere. All else of those stores is in memory, and checkpoints are saved in
// SQLite, so each is faster here than a whole store made that way would be. Clients and server
// are one process, and talk HTTP by loopback.
//
//	sqlite   the embedded store
//	segment  a file whose space is written beforehand, and one fdatasync for each group of commits
//	bolt     go.etcd.io/bbolt, one transaction for each group of commits
//	pebble   cockroachdb/pebble, one synced batch for each group of commits
//	nothing  no log at all: what no place for it can beat
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

var (
	dir    = flag.String("dir", os.TempDir(), "where the logs are; its disk is what is measured")
	rounds = flag.Int("rounds", 3, "rounds; in each, all logs take turns")
	cell   = flag.Duration("cell", 3*time.Second, "measured time of a cell")
	logs   = flag.String("logs", "sqlite,segment,bolt,pebble,nothing", "which to measure")
)

func main() {
	flag.Parse()
	if err := run(strings.Split(*logs, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "logs:", err)
		os.Exit(1)
	}
}

// loads are what is measured: how many callers there are, and how many events a request has.
var loads = []struct {
	name           string
	callers, batch int
}{{"reports, 16 callers", 16, 1}, {"reports, 64 callers", 64, 1}, {"batches of 100, 16 callers", 16, 100}}

func run(names []string) error {
	fmt.Printf("%s, %d CPUs, %s, %s, %d rounds of %s\n\n", time.Now().UTC().Format(time.RFC3339), runtime.NumCPU(), runtime.Version(), *dir, *rounds, *cell)
	got := map[string][]float64{}
	for range *rounds {
		for _, name := range names {
			d, err := os.MkdirTemp(*dir, "bursar-logs-")
			if err != nil {
				return err
			}
			err = measure(name, filepath.Join(d, "data"), got)
			os.RemoveAll(d)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	fmt.Printf("%-28s %-9s %22s   ÷ %s\n", "", "log", "events/s [least–most]", names[0])
	for _, l := range loads {
		base := median(got[l.name+names[0]])
		for _, name := range names {
			x := got[l.name+name]
			fmt.Printf("%-28s %-9s %8.0f [%.0f–%.0f]   %.2f\n", l.name, name, median(x), slices.Min(x), slices.Max(x), median(x)/base)
		}
	}
	return nil
}

func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
