package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// The files of testdata are the specification of limits, scopes, windows and holds: what
// is done, one operation a line, and below ---- what comes of it, up to an empty line.
// Lines that begin with # are comments. testdata/README.md describes the language.
var update = flag.Bool("update", false, "write the outcomes of testdata/*.txt again; review the diff")

// TestScripts runs every script in three ways that must look the same from outside: in
// one go, with an orderly restart after every block and with a crash after every block.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) { t.Parallel(); runFile(t, file, "") })
		if *update {
			continue
		}
		t.Run(name+"/restarted", func(t *testing.T) { t.Parallel(); runFile(t, file, "restart") })
		t.Run(name+"/crashed", func(t *testing.T) { t.Parallel(); runFile(t, file, "crash") })
	}
}

// block is operations and their outcome.
type block struct {
	line int
	ops  []string
	want string
}

func runFile(t *testing.T, file, between string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	defer func() { w.close() }()
	var out bytes.Buffer
	for _, part := range splitScript(string(text)) {
		if part.block == nil {
			out.WriteString(part.text)
			continue
		}
		b := part.block
		got := w.runBlock(b)
		if err := w.engine.VerifyAll(t.Context()); err != nil {
			t.Errorf("%s:%d: the state is not what its log says: %v", file, b.line, err)
		}
		if got != b.want && !*update {
			t.Errorf("%s:%d: %s\n--- got\n%s--- want\n%s", file, b.line, strings.Join(b.ops, "\n"), got, b.want)
		}
		fmt.Fprintf(&out, "%s\n----\n%s", strings.Join(b.ops, "\n"), got)
		switch between {
		case "restart":
			w.restart()
		case "crash":
			w.crash()
		}
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

type scriptPart struct {
	text  string // comments and empty lines
	block *block
}

func splitScript(text string) (parts []scriptPart) {
	lines := bufio.NewScanner(strings.NewReader(text))
	var b *block
	outcome := false
	for n := 1; lines.Scan(); n++ {
		l := lines.Text()
		switch {
		case outcome && l != "":
			b.want += l + "\n"
		case b != nil && l == "----":
			outcome = true
		case l == "" || strings.HasPrefix(l, "#"):
			if b != nil {
				parts = append(parts, scriptPart{block: b})
				b, outcome = nil, false
			}
			parts = append(parts, scriptPart{text: l + "\n"})
		default:
			if b == nil {
				b = &block{line: n}
			}
			b.ops = append(b.ops, l)
		}
	}
	if b != nil {
		parts = append(parts, scriptPart{block: b})
	}
	return parts
}

// world is an engine with a clock of its own.
type world struct {
	t      *testing.T
	store  *mem.Store
	engine *engine.Engine
	now    atomic.Int64
	holds  map[string]string // reservations by the names that the script gives them
	page   *ledger.TreeQuery // the last page of the tree, for "more"
	out    strings.Builder
}

var scriptStart = mustTime("2026-01-15T12:00:00Z")

func mustTime(s string) bursar.Time {
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return bursar.TimeOf(v)
}

func newWorld(t *testing.T) *world {
	w := &world{t: t}
	w.begin()
	return w
}

func (w *world) begin() {
	w.store, w.holds = mem.New(), map[string]string{}
	w.now.Store(int64(scriptStart))
	w.open()
	w.furnish()
}

func (w *world) clock() bursar.Time { return bursar.Time(w.now.Load()) }

func (w *world) open() {
	e, err := engine.Open(context.Background(), w.store, engine.Options{Clock: w.clock})
	if err != nil {
		w.t.Fatal(err)
	}
	w.engine = e
}

func (w *world) close() {
	if err := w.engine.Close(context.Background()); err != nil {
		w.t.Error(err)
	}
}

// restart stops the engine in order: checkpoints are saved.
func (w *world) restart() {
	w.close()
	w.open()
}

// crash goes on with what a killed process would have left.
func (w *world) crash() {
	left := w.store.CrashClone()
	w.close()
	w.store = left
	w.open()
}

var tester = catalogue.Caller{ActorType: "SYSTEM", ActorID: "test"}

// furnish makes the catalogue and the customer that every script begins with.
func (w *world) furnish() {
	ctx := context.Background()
	var types []catalogue.EntityTypeInput
	for _, id := range []string{"org", "team", "user", "agent", "model"} {
		types = append(types, catalogue.EntityTypeInput{ID: id, DisplayName: id, AttributionKeys: []string{id}})
	}
	_, err := w.engine.PutEntityTypes(ctx, tester, types)
	w.must(err)
	for _, f := range []bursar.Feature{
		{ID: "tokens", DisplayName: "Tokens"},
		{ID: "calls", DisplayName: "Calls"},
		{ID: "seats", DisplayName: "Seats", MeterType: "FLUCTUATING"},
		{ID: "peak", DisplayName: "Peak", Meter: &bursar.Meter{EventName: "sample", Aggregation: bursar.Aggregation{Function: "MAX", Field: "n"}}},
	} {
		_, err := w.engine.CreateFeature(ctx, tester, f)
		w.must(err)
	}
	for _, c := range []bursar.Currency{{ID: "credits", DisplayName: "Credits"}, {ID: "coins", DisplayName: "Coins", Prepaid: true}} {
		_, err := w.engine.CreateCurrency(ctx, tester, c)
		w.must(err)
	}
	_, _, err = w.engine.CreateCustomer(ctx, tester, "acme", bursar.CustomerInput{})
	w.must(err)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// runBlock runs the operations of b and returns what they said.
func (w *world) runBlock(b *block) string {
	w.out.Reset()
	for i, line := range b.ops {
		op := parseOp(line)
		run := operations[op.name]
		if run == nil {
			w.t.Fatalf("line %d: there is no operation %q", b.line+i, op.name)
		}
		if err := run(w, op); err != nil {
			w.printError(err)
		}
		if op.bad != "" {
			w.t.Fatalf("line %d: %s", b.line+i, op.bad)
		}
	}
	if w.out.Len() == 0 {
		return "ok\n"
	}
	return w.out.String()
}
