package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// demoOutput collects what the demo prints and tells when a text has appeared.
type demoOutput struct {
	mu     sync.Mutex
	text   bytes.Buffer
	until  string
	signal chan struct{}
}

func (o *demoOutput) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	if o.signal != nil && strings.Contains(o.text.String(), o.until) {
		close(o.signal)
		o.signal = nil
	}
	return len(b), nil
}

func (o *demoOutput) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// find returns what the group of a pattern matches in the output.
func (o *demoOutput) find(t *testing.T, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(o.String())
	if found == nil {
		t.Fatalf("the output has no %s:\n%s", pattern, o)
	}
	return found[1]
}

// TestDemo runs the command, asks the server that it leaves running what was used, and
// runs the commands that it prints.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := filepath.Join(t.TempDir(), "demo")
	ready := make(chan struct{})
	out := &demoOutput{until: `"idempotencyKey":"try-2"}'`, signal: ready}
	ended := make(chan int, 1)
	go func() {
		ended <- run(&process{ctx: ctx, stdout: out, stderr: out}, []string{"demo", "--listen", "127.0.0.1:0", "--data", dir, "--speed", "800", "--requests", "600"})
	}()
	select {
	case <-ready:
	case code := <-ended:
		t.Fatalf("exit %d:\n%s", code, out)
	}

	url, key := out.find(t, `URL  (\S+)`), out.find(t, `key  (\S+)`)
	spent := strings.ReplaceAll(out.find(t, `Spent ([\d,]+) credits`), ",", "")
	if denied := out.find(t, `stopped ([\d,]+) requests`); denied == "0" {
		t.Error("nobody was stopped")
	}
	out.find(t, `(?m)^  \d\d:\d\d:\d\d +(agent|user|team|department|model) .* / (15 min|hour|day|month) `)
	checkDemoAlerts(t, out)

	label := "contract" // the budget that counts everything and never ends in a test
	page, err := client.New(url, key).Tree(ctx, demoCustomer, client.TreeQuery{CurrencyIDs: []string{demoCurrency}, Label: &label})
	if err != nil || len(page.Rows) != 1 {
		t.Fatalf("the tree is %+v, %v", page, err)
	}
	if got := strings.ReplaceAll(wholeCredits(*page.Rows[0].CurrentUsage), ",", ""); got != spent || spent == "0" {
		t.Errorf("the tree has %s credits, the agents reckon %s", got, spent)
	}
	if used := strings.ReplaceAll(out.find(t, `(?m)^  balance +[\d,]+ +([\d,]+) `), ",", ""); used != spent {
		t.Errorf("the pool lost %s credits, the agents reckon %s", used, spent)
	}
	checkDemoCommands(t, out.String())

	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// checkDemoAlerts: budgets and the pool warned over the webhook, every message was
// signed, and what people did about them happened.
func checkDemoAlerts(t *testing.T, out *demoOutput) {
	if n := out.find(t, `(\d+) alerts received, all with a valid signature`); n == "0" {
		t.Error("no alert came")
	}
	out.find(t, `(?m)^  [\d:]{8}  alert    ((department|team|model|user|agent|org) .*: \d+ % of .*)$`)
	out.find(t, `(?m)^  [\d:]{8}  alert    prepaid pool: (grant Welcome credits is used up)`)
	out.find(t, `(?m)^  [\d:]{8}  alert    prepaid pool: (10 % left)`)
	out.find(t, `(?m)^  [\d:]{8}  boost    (department .* \(pilot\): \+)`)
	out.find(t, `(?m)^  [\d:]{8}  grant    (prepaid pool: \+)`)
}

// checkDemoCommands runs what the demo invites its user to paste.
func checkDemoCommands(t *testing.T, output string) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("no curl here")
		return
	}
	// At this speed all traffic meets the same short windows: perhaps nobody has room.
	wants := []string{`"isGranted":false`, `"utilization":`, `^{`, `"status":("OPEN"|402)`}
	for line := range strings.SplitSeq(output, "\n") {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "curl ") || len(wants) == 0 {
			continue
		}
		reply, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output()
		if err != nil || !json.Valid(reply) || !regexp.MustCompile(wants[0]).Match(reply) {
			t.Errorf("%s\nanswers %s, %v; want %s", line, reply, err, wants[0])
		}
		wants = wants[1:]
	}
	if len(wants) > 0 {
		t.Errorf("commands are missing in:\n%s", output)
	}
}

// TestDemoStartsFresh: a second run does not see the first, whose catalogue would be in
// its way, and nothing but a directory
// of the demo is ever emptied.
func TestDemoStartsFresh(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	args := []string{"demo", "--exit", "--listen", "127.0.0.1:0", "--data", dir, "--speed", "5000", "--requests", "20"}
	for range 2 {
		out := &demoOutput{}
		if code := run(&process{ctx: t.Context(), stdout: out, stderr: out}, args); code != 0 {
			t.Fatalf("exit %d:\n%s", code, out)
		}
		out.find(t, `Spent ([\d,]+) credits on [\d,]+ requests, `)
	}

	foreign := t.TempDir()
	file := filepath.Join(foreign, "store")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &demoOutput{}
	if code := run(&process{ctx: t.Context(), stdout: out, stderr: out}, []string{"demo", "--exit", "--data", foreign}); code != exitStore {
		t.Errorf("exit %d in a directory that is not the demo's:\n%s", code, out)
	}
	if text, err := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("it touched %s: %q %v", file, text, err)
	}
}

func TestDemoClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		span := time.Hour
		c := newDemoClock(span, 60)
		real := func() bursar.Time { return bursar.TimeOf(time.Now()) }
		if behind := time.Duration(real() - c.now()); behind != 59*time.Minute {
			t.Fatalf("it starts %v behind", behind)
		}
		<-time.After(time.Second) // by the bubble's clock: nothing waits
		if behind := time.Duration(real() - c.now()); behind != 59*time.Minute {
			t.Errorf("it is %v behind before it starts", behind)
		}
		from := c.start()
		last := from
		for step := range 120 {
			if err := c.wait(t.Context(), time.Duration(step)*span/120); err != nil {
				t.Fatal(err)
			}
			now := c.now()
			if want := from + bursar.Time(time.Duration(step)*span/120); now < last || max(now-want, want-now) > bursar.Time(time.Millisecond) {
				t.Fatalf("step %d: %v, want %v after %v", step, now, want, last)
			}
			last = now
		}
		for range 3 {
			if err := c.wait(t.Context(), span); err != nil {
				t.Fatal(err)
			}
			if now := c.now(); now != real() {
				t.Errorf("it shows %v at %v, after it caught up", now, real())
			}
			<-time.After(time.Minute)
		}
	})
}

// TestDemoPlan: the same seed makes the same demo, another seed another one.
func TestDemoPlan(t *testing.T) {
	rows, err := readDemoTrace(demoTraceCSV, 1<<20)
	if err != nil || len(rows) != 8819 {
		t.Fatal(len(rows), err)
	}
	one, same, other := demoPlanText(rows, 1), demoPlanText(rows, 1), demoPlanText(rows, 2)
	if one != same {
		t.Error("the same seed plans otherwise")
	}
	if one == other {
		t.Error("another seed plans the same")
	}
}

func demoPlanText(rows []demoRow, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 0))
	org := newDemoOrg(r)
	var b strings.Builder
	for _, q := range planDemo(r, org, rows) {
		fmt.Fprintln(&b, q.at, q.agent.path(), q.model.id, q.cost())
	}
	return b.String()
}
