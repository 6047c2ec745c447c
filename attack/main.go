//go:build linux

// Command attack does to a Bursar server what a hostile or careless client, a full disk or
// a damaged file would do, and says whether the server held:
//
//	go run ./attack [-only evasion,bodies] [-bursar BIN] [-before BIN]
//
// Each attack starts servers of its own on 127.0.0.1 and in directories of its own, is
// bounded in requests and time, and ends them. With -before the same is done to another
// binary, and its figures stand beside. The exit status is 1 when a figure misses its goal.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// attack is one way to hurt a server.
type attack struct {
	name, what string
	run        func(*rig) error
}

var attacks = []attack{
	{"evasion", "limits written below a limit, to get round it", evasion},
	{"limits", "20,000 limits on one entity", manyLimits},
	{"bodies", "600 connections that announce 10 MB and send 11 bytes", announcedBodies},
	{"tokenbodies", "2,000 connections of one access token that announce 1 MB", announcedTokenBodies},
	{"dimensions", "16 events with 800,000 dimensions each", manyDimensions},
	{"history", "hourly history by 900 values, four at once", wideHistory},
	{"simulate", "eight backtests at once over 600,000 events", manySimulations},
	{"reports", "64 clients that report batches of 100", noisyReports},
	{"events", "16 clients that send 1,000 events at a time", noisyEvents},
	{"trees", "16 clients that read a tree of 20,000", noisyTrees},
	{"backtests", "8 clients that backtest", noisyBacktests},
	{"listings", "8 requests at a time of one token for its activity and hourly history", noisyListings},
	{"explain", "8 explains at a time of a customer with 50,000 holds", slowExplain},
	{"expiry", "100,000 holds that end together", endTogether},
	{"reservations", "pages of 100,000 open reservations", manyReservations},
	{"dead", "100,000 deliveries to an endpoint that refuses connections", deadEndpoint},
	{"deaf", "100,000 deliveries to an endpoint that never answers", deafEndpoint},
	{"residents", "100,000 idle customers in memory", idleResidents},
	{"tokens", "one token that opens 1,000 streams and asks without a pause", greedyToken},
	{"keys", "wrong keys", wrongKeys},
	{"disk", "a full disk", fullDisk},
	{"flips", "flipped bits in the embedded store's files", flippedBits},
	{"files", "missing and damaged files of the embedded store", damagedFiles},
}

func main() {
	var only, binary, before, dir string
	flag.StringVar(&only, "only", "", "names of attacks, separated by commas; all without")
	flag.StringVar(&binary, "bursar", "", "a bursar binary; without, one is built")
	flag.StringVar(&before, "before", "", "another bursar binary, whose figures stand beside")
	flag.StringVar(&dir, "dir", os.TempDir(), "where data directories are made")
	flips := flag.Int("flips", 300, "bits that the attack flips flips")
	quietAt := flag.String("quiet", "", "an address: measure the quiet customers of the server there, and nothing else")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	if *quietAt != "" {
		if err := measureQuietly(ctx, *quietAt); err != nil {
			fmt.Fprintln(os.Stderr, "attack:", err)
			os.Exit(2)
		}
		return
	}
	missed, err := runAll(ctx, only, binary, before, dir, *flips)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(2)
	}
	if missed > 0 {
		os.Exit(1)
	}
}

// runAll gives how many figures missed their goal.
func runAll(ctx context.Context, only, binary, before, dir string, flips int) (missed int, err error) {
	chosen := attacks
	if only != "" {
		chosen = nil
		for _, name := range strings.Split(only, ",") {
			i := slices.IndexFunc(attacks, func(a attack) bool { return a.name == name })
			if i < 0 {
				return 0, fmt.Errorf("no attack is named %q", name)
			}
			chosen = append(chosen, attacks[i])
		}
	}
	tmp, err := os.MkdirTemp(dir, "bursar-attack-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if binary == "" {
		binary = filepath.Join(tmp, "bursar")
		build := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/bursarhq/bursar/cmd/bursar")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return 0, fmt.Errorf("building bursar: %w", err)
		}
	}
	fmt.Printf("%s, %d processors, %s; latencies are of this machine, with the attacker on it\n",
		time.Now().UTC().Format("2006-01-02 15:04"), runtime.NumCPU(), runtime.Version())
	for _, a := range chosen {
		fmt.Printf("\n== %s: %s\n", a.name, a.what)
		now, err := run(ctx, a, binary, tmp, flips)
		if err != nil {
			return missed, fmt.Errorf("%s: %w", a.name, err)
		}
		var then []figure
		if before != "" {
			if then, err = run(ctx, a, before, tmp, flips); err != nil {
				fmt.Printf("   before: %v\n", err)
			}
		}
		missed += print(now, then, before != "")
	}
	fmt.Printf("\n%d figures missed their goal\n", missed)
	return missed, nil
}

// run does one attack on one binary.
func run(ctx context.Context, a attack, binary, tmp string, flips int) ([]figure, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	r := &rig{ctx: ctx, binary: binary, tmp: tmp, flips: flips}
	err := a.run(r)
	return r.figures, errors.Join(err, r.end())
}

// figure is something that was measured, and what it should be.
type figure struct {
	name  string
	value float64
	unit  string
	goal  goal
}

// goal is at most, at least or exactly a value; the zero goal is none.
type goal struct {
	is    string
	value float64
}

func atMost(v float64) goal  { return goal{"≤", v} }
func atLeast(v float64) goal { return goal{"≥", v} }
func exactly(v float64) goal { return goal{"=", v} }

func (g goal) met(v float64) bool {
	switch g.is {
	case "≤":
		return v <= g.value
	case "≥":
		return v >= g.value
	case "=":
		return v == g.value
	}
	return true
}

func print(now, then []figure, beside bool) (missed int) {
	for _, f := range now {
		verdict := ""
		if f.goal.is != "" {
			verdict = fmt.Sprintf("goal %s %s", f.goal.is, number(f.goal.value))
			if !f.goal.met(f.value) {
				verdict += "  MISSED"
				missed++
			}
		}
		old := ""
		if beside {
			old = "before –"
			if i := slices.IndexFunc(then, func(t figure) bool { return t.name == f.name }); i >= 0 {
				old = "before " + number(then[i].value)
			}
		}
		fmt.Printf("   %-58s %10s %-5s %-16s %s\n", f.name, number(f.value), f.unit, old, verdict)
	}
	return missed
}

func number(v float64) string {
	switch {
	case v == float64(int64(v)):
		return fmt.Sprintf("%d", int64(v))
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.1f", v)
}
