package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/client"
	"github.com/bursarhq/bursar/engine"
)

// demoCommand shows what Bursar does, to somebody who has just cloned it.
type demoCommand struct {
	Listen   string  `help:"Address of the API; by default 127.0.0.1:8080, or a free port if that is taken." env:"-" placeholder:"HOST:PORT"`
	Data     string  `help:"Directory of the demo, by default one in the user's cache. What an earlier demo left there is deleted." env:"-" type:"path" placeholder:"DIR"`
	Speed    float64 `help:"How many times faster than it happened the trace is replayed." env:"-" default:"60"`
	Seed     uint64  `help:"Another seed makes another organisation and other traffic." env:"-" default:"1"`
	Requests int     `help:"Replay so many of the trace's 8,819 requests, spread over it." env:"-" default:"8819"`
	Once     bool    `help:"Exit after the replay." env:"-" aliases:"exit"`
}

const (
	demoListen   = "127.0.0.1:8080"
	demoMaxSpeed = 100_000
)

func (c *demoCommand) Run(p *process) error {
	if c.Speed < 1 || c.Speed > demoMaxSpeed || c.Requests < 1 {
		return exitf(exitUsage, "--speed is 1 to %d, --requests 1 or more", demoMaxSpeed)
	}
	rows, err := readDemoTrace(demoTraceCSV, c.Requests)
	if err != nil {
		return err
	}
	store, err := c.prepare()
	if err != nil {
		return exitf(exitStore, "%w", err)
	}
	clock := newDemoClock(demoSpan(rows), c.Speed)
	s, err := c.start(p, clock, store)
	if err != nil {
		return err
	}
	receiver, err := newDemoReceiver(clock)
	if err != nil {
		return errors.Join(err, s.stop())
	}
	defer receiver.close()
	if err := c.show(p, s, clock, receiver, rows); err != nil || c.Once || p.ctx.Err() != nil {
		if p.ctx.Err() != nil {
			err = nil // stopped by the user
		}
		return errors.Join(err, s.stop())
	}
	return s.wait(p.ctx)
}

// demoMarker is the file that tells a directory of the demo from any other.
const demoMarker = "made-by-bursar-demo"

// prepare returns the directory for an empty store. It deletes only what an earlier demo
// made: the store in a directory with the marker.
func (c *demoCommand) prepare() (store string, err error) {
	dir := c.Data
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			cache = os.TempDir()
		}
		dir = filepath.Join(cache, "bursar-demo")
	}
	store, marker := filepath.Join(dir, "store"), filepath.Join(dir, demoMarker)
	if _, err := os.Stat(marker); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
		if found, err := os.ReadDir(dir); err != nil || len(found) > 0 {
			return "", errors.Join(fmt.Errorf("%s is not a directory of the demo and is not empty; name another with --data", dir), err)
		}
		return store, os.WriteFile(marker, []byte("bursar demo deletes the store beside this file when it starts.\n"), 0o600)
	} else if err != nil {
		return "", err
	}
	if _, err := os.Stat(store); err == nil {
		// Opening takes the lock of the store: it must not be deleted under a server.
		s, err := openEmbedded(store, nil)
		if err != nil {
			return "", fmt.Errorf("the store of an earlier demo cannot be taken over; end that demo, or delete %s: %w", store, err)
		}
		if err := s.Close(); err != nil {
			return "", err
		}
	}
	return store, os.RemoveAll(store)
}

// start runs a server as "bursar serve" does, but on the demo's clock.
func (c *demoCommand) start(p *process, clock *demoClock, dir string) (*server, error) {
	conf := &config{Listen: c.Listen, Data: dir, RetainDenials: 90 * 24 * time.Hour, LateHorizon: 7 * 24 * time.Hour, MemoryBudget: 1 << 30, ShutdownTimeout: 5 * time.Second,
		AlertThresholds: []string{"none"}, WebhookAllow: []string{"127.0.0.1/32"}, WebhookAllowHTTP: true} // its receiver is on this host
	if conf.Listen == "" {
		conf.Listen = demoListen
		if l, err := net.Listen("tcp", demoListen); err != nil {
			conf.Listen = "127.0.0.1:0"
		} else if err := l.Close(); err != nil {
			return nil, err
		}
	}
	log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := openEmbedded(dir, log)
	if err != nil {
		return nil, err
	}
	s, err := openServer(p.ctx, conf, store, engine.Options{Log: log, Clock: clock.now})
	if err != nil {
		return nil, err
	}
	if err := s.start(p.ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// show builds the organisation, replays the trace and tells what came of it.
func (c *demoCommand) show(p *process, s *server, clock *demoClock, receiver *demoReceiver, rows []demoRow) error {
	_, key, err := s.engine.CreateAPIKey(p.ctx, catalogue.Caller{ActorType: "SYSTEM", ActorID: "demo"}, "demo", bursar.ScopeFull, nil)
	if err != nil {
		return exitf(exitStore, "the API key cannot be stored: %w", err)
	}
	url := demoURL(s.addr)
	api := client.New(url, key)
	defer api.HTTP.CloseIdleConnections() // a server that stops waits for them
	random := rand.New(rand.NewPCG(c.Seed, 0))
	org := newDemoOrg(random)
	plan := planDemo(random, org, rows)
	screen := newDemoScreen(p.stdout)
	people := newDemoPeople(api, clock, screen, org)
	receiver.heard = people.hear

	fmt.Fprintf(p.stdout, "Bursar demo: Acme Corp governs what its agents spend on language models.\n\n")
	fmt.Fprintf(p.stdout, "  server     %s, store in %s\n", url, s.config.Data)
	hook, err := c.furnish(p, people, receiver, clock, plan)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "  replaying  %s requests of a real hour (Azure LLM inference trace, CC-BY-4.0) at %gx: each\n", commas(len(plan)), c.Speed)
	fmt.Fprintf(p.stdout, "             holds what it may cost, reports its tokens as one event and lets the hold go\n\n")

	replay := newDemoReplay(api, clock, plan, people.limits)
	if err := c.replay(p, screen, replay); err != nil {
		return err
	}
	if err := people.windDown(p.ctx, hook); err != nil {
		return err
	}
	report := &demoReport{out: p.stdout, org: org, client: api}
	if err := report.print(p.ctx, &replay.tally, receiver); err != nil || c.Once {
		return err
	}
	return report.invite(p.ctx, &replay.tally, url, key, s.config.Data)
}

// furnish makes all that is there before the first request, and says so. It returns the
// id of the webhook.
func (c *demoCommand) furnish(p *process, people *demoPeople, receiver *demoReceiver, clock *demoClock, plan []demoRequest) (hook string, err error) {
	org, forecast := people.org, forecastDemo(plan)
	anchor := bursar.TimeOf(clock.now().Std().Truncate(time.Minute))
	limits := demoLimits(org, forecast, anchor)
	people.expected = forecast.total[org.org]
	fmt.Fprintf(p.stdout, "  building   %d departments, %d teams, %d users, %d agents, %d models, %d budgets",
		len(org.departments), len(org.teams), len(org.users), len(org.agents), len(org.models), len(limits))
	began := time.Now()
	if people.limits, err = org.build(p.ctx, people.client, limits); err != nil {
		return "", err
	}
	if people.grants, err = demoGrants(p.ctx, people.client, clock.now(), people.expected); err != nil {
		return "", err
	}
	if hook, err = receiver.subscribe(p.ctx, people.client); err != nil {
		return "", err
	}
	fmt.Fprintf(p.stdout, " in %v\n", time.Since(began).Round(time.Millisecond))
	fmt.Fprintf(p.stdout, "  prices     credits per million tokens, input/output:")
	for _, m := range demoModels {
		fmt.Fprintf(p.stdout, " %s %s/%s", m.name, commas(int(m.input)), commas(int(m.output)))
	}
	fmt.Fprintf(p.stdout, "\n  pool       %s welcome and %s paid credits, prepaid\n", commas(budgetOf(people.expected*demoWelcome)), commas(budgetOf(people.expected*demoPaid)))
	fmt.Fprintf(p.stdout, "  alerts     to %s, signed\n", receiver.url)
	return hook, nil
}

// demoURL is where clients on this machine reach a server at addr.
func demoURL(addr net.Addr) string {
	if a, ok := addr.(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", a.Port)
	}
	return "http://" + addr.String()
}

// replay runs d and shows its progress meanwhile.
func (c *demoCommand) replay(p *process, screen *demoScreen, d *demoReplay) error {
	done := make(chan struct{})
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		screen.follow(d, done)
	}()
	err := d.run(p.ctx)
	close(done)
	<-shown
	return err
}
