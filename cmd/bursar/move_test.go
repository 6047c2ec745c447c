package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store/mem"
	"github.com/bursarhq/bursar/store/postgres/pgtest"
	"github.com/bursarhq/bursar/transfer"
)

var moveCommits = flag.Int("commits", 30_000, "commits that TestMoveTakesConstantMemory moves; 1000000 is what the figures in docs/operating.md are of")

var moveCustomers = flag.Int("customers", 1, "customers that -commits are of")

// bursarRun runs a command to its end and returns what it prints and how much memory it
// took at most, in bytes.
func bursarRun(t *testing.T, code int, in []byte, args ...string) (stdout, stderr string, memory int64) {
	t.Helper()
	cmd := command(nil, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	var exited *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("bursar %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, errs.String())
	}
	return out.String(), errs.String(), cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
}

// TestOneServerToADirectory: a directory has one server, also when its file lock is removed
// under that one.
func TestOneServerToADirectory(t *testing.T) {
	dir := t.TempDir()
	p := start(t, rigEnv(dir))
	for _, gone := range []bool{false, true} {
		if gone {
			if err := os.Remove(filepath.Join(dir, "lock")); err != nil {
				t.Fatal(err)
			}
		}
		_, out, _ := bursarRun(t, exitStore, nil, "serve", "--data", dir, "--listen", "127.0.0.1:0")
		says(t, out, `in use by another bursar`)
		p.must("POST", "/api/v1/customers", rigKey, fmt.Sprintf(`{"id":"c-%v"}`, gone))
	}
	if code := p.stop(); code != 0 {
		t.Fatal(p.log())
	}
	p = start(t, rigEnv(dir))
	p.must("GET", "/api/v1/customers/c-true", rigKey, "")
}

// TestMove moves a server's store with alerts that were not delivered: the other server
// gives the same answers, knows the keys that were used and delivers each alert, once.
func TestMove(t *testing.T) {
	const alerts = 5
	dir := t.TempDir()
	from, to, file := filepath.Join(dir, "from"), filepath.Join(dir, "to"), filepath.Join(dir, "all.jsonl")
	webhooks := []string{"BURSAR_WEBHOOK_ALLOW_HTTP=true", "BURSAR_WEBHOOK_ALLOW=" + forbidden + "/32"}
	var up atomic.Bool
	r := newReceiver(t, forbidden+":0", func(w http.ResponseWriter, _ *http.Request, _ int) {
		if !up.Load() {
			w.WriteHeader(503)
		}
	})
	p := start(t, rigEnv(from, webhooks...))
	p.furnishAlerts(alerts + 1)
	h := p.subscribe(r.URL)
	p.alarm(0, alerts)
	p.must("POST", "/api/v1/customers/acme/reservations", rigKey, `{"featureId":"tokens","amount":3,"dimensions":{"agent":"a5"},"ttlSeconds":3600,"idempotencyKey":"hold"}`)
	eventually(t, "each alert was tried", func() bool {
		return !slices.ContainsFunc(p.deliveries(h), func(d delivery) bool { return d.Attempts == 0 })
	})
	waiting := messageIDs(p.deliveries(h))
	_, out, _ := bursarRun(t, exitStore, nil, "export", "--data", from, "--out", file)
	says(t, out, `in use by another bursar \(process \d+\)`)
	reads := []string{"/customers/acme/governance?featureIds=tokens", "/customers/acme/entities", "/customers/acme/assignments", "/customers",
		"/customers/acme/activity", "/customers/acme/reservations?status=OPEN", "/features", "/entity-types", "/webhooks", "/webhooks/" + h.ID + "/deliveries?limit=100"}
	answers := map[string]string{}
	for _, path := range reads {
		answers[path] = p.must("GET", "/api/v1"+path, rigKey, "")
	}
	if code := p.stop(); code != 0 {
		t.Fatal(p.log())
	}

	_, out, _ = bursarRun(t, 0, nil, "export", "--data", from, "--out", file)
	says(t, out, `Exported \d+ commits of the catalogue and 1 customer, 5 undelivered messages; .* MB/s, \d+ commits/s`)
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("others may read the file: %v, %v", st.Mode(), err)
	}
	_, out, _ = bursarRun(t, 0, nil, "import", "--data", to, "--in", file)
	says(t, out, `Imported \d+ commits and 5 messages; 0 commits were there already`, `folds to the state that was exported`)
	again, _, _ := bursarRun(t, 0, nil, "export", "--data", to)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if afterHeader(again) != afterHeader(string(text)) {
		t.Error("what is exported from there is another file")
	}
	_, out, _ = bursarRun(t, 0, text, "import", "--data", to)
	says(t, out, `Imported 0 commits and 0 messages`)

	sent := len(r.ids())
	q := start(t, rigEnv(to, append(webhooks, "BURSAR_LOG_LEVEL=debug")...))
	defer q.stop()
	for _, path := range reads {
		if got := q.must("GET", "/api/v1"+path, rigKey, ""); timeless(got) != timeless(answers[path]) && !strings.Contains(path, "deliveries") {
			t.Errorf("GET %s\n was %s\n is  %s", path, answers[path], got)
		}
	}
	if reply := ask[[]struct{ Duplicate bool }](q, "POST", "/usage", `{"usages":[{"customerId":"acme","featureId":"tokens","value":85,"dimensions":{"agent":"a0"},"idempotencyKey":"alarm-0"}]}`); !reply[0].Duplicate {
		t.Error("a key that was used before is not known")
	}
	up.Store(true)
	for _, d := range q.deliveries(h) {
		q.must("POST", "/api/v1/webhooks/"+h.ID+"/deliveries/"+d.ID+"/redeliver", rigKey, "")
	}
	eventually(t, "all alerts are delivered", func() bool {
		return !slices.ContainsFunc(q.deliveries(h), func(d delivery) bool { return d.Status != "SUCCEEDED" })
	})
	if got := r.ids(); !slices.Equal(got, waiting) || sent != alerts {
		t.Errorf("the receiver has the messages %v, waiting were %v", got, waiting)
	}
	h.verify(t, r)
}

// timeless is a reply without the instant that it is of.
func timeless(reply string) string {
	return regexp.MustCompile(`"asOf":"[^"]*"`).ReplaceAllString(reply, "")
}

// What cannot be moved is refused, with an exit code that says whose fault it is, and
// leaves nothing.
func TestMoveRefused(t *testing.T) {
	dir := t.TempDir()
	from, to, file := filepath.Join(dir, "from"), filepath.Join(dir, "to"), filepath.Join(dir, "file")
	p := start(t, rigEnv(from))
	p.furnishAlerts(3)
	p.alarm(0, 3)
	p.stop()
	whole, _, _ := bursarRun(t, 0, nil, "export", "--data", from)
	nothingIn := func(data string) {
		t.Helper()
		if out, _, _ := bursarRun(t, 0, nil, "export", "--data", data); strings.Count(out, "\n") != 4 {
			t.Errorf("something was written:\n%s", out)
		}
	}
	lines := strings.SplitAfter(whole, "\n")
	swapped := slices.Clone(lines)
	swapped[8], swapped[9] = swapped[9], swapped[8]
	for what, text := range map[string]string{
		"cut off":      whole[:len(whole)*2/3],
		"changed":      strings.Replace(whole, `"payload":"AQ`, `"payload":"AR`, 1),
		"reordered":    strings.Join(swapped, ""),
		"other scope":  strings.Replace(whole, `"version":`, `"customer":"beta","version":`, 1),
		"another file": "{}\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, out, _ := bursarRun(t, exitFailed, nil, "import", "--data", to, "--in", file)
		says(t, out, "no whole, unchanged export: line \\d+", "Nothing was written")
		if t.Failed() {
			t.Fatal(what)
		}
		nothingIn(to)
		_, out, _ = bursarRun(t, exitFailed, nil, "import", "--data", to, "--in", file, "--dry-run")
		says(t, out, "no whole, unchanged export")
	}
	_, out, _ := bursarRun(t, exitFailed, []byte(whole[:len(whole)*2/3]), "import", "--data", to)
	says(t, out, "the file is cut off here", "the same command does the rest", `Imported \d+ commits`)
	_, out, _ = bursarRun(t, 0, []byte(whole), "import", "--data", to)
	says(t, out, `[1-9]\d* commits were there already`)

	other := filepath.Join(dir, "other")
	q := start(t, rigEnv(other))
	q.must("POST", "/api/v1/customers", rigKey, `{"id":"beta"}`)
	q.stop()
	_, out, _ = bursarRun(t, exitFailed, []byte(whole), "import", "--data", other)
	says(t, out, "environment of its own", "no server was started on")
	acme, _, _ := bursarRun(t, 0, nil, "export", "--data", from, "--customer", "acme")
	_, out, _ = bursarRun(t, exitFailed, []byte(acme), "import", "--data", other)
	says(t, out, "another secret")

	link, target := filepath.Join(dir, "link"), filepath.Join(dir, "target")
	if err := errors.Join(os.WriteFile(target, []byte("mine"), 0o600), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{link, dir, "/dev/null"} {
		_, out, _ = bursarRun(t, exitConfig, nil, "export", "--data", from, "--out", place)
		says(t, out, "no regular file")
	}
	if text, err := os.ReadFile(link); string(text) != "mine" {
		t.Errorf("what a link led to is %q, %v", text, err)
	}
	bursarRun(t, exitFailed, nil, "export", "--data", from, "--customer", "nobody", "--out", filepath.Join(dir, "nothing"))
	if left, _ := filepath.Glob(filepath.Join(dir, "nothing*")); len(left) > 0 {
		t.Errorf("an export that failed left %v", left)
	}
	bursarRun(t, exitConfig, nil, "export", "--data", filepath.Join(dir, "nowhere"))
	bursarRun(t, exitConfig, nil, "import", "--data", to, "--in", filepath.Join(dir, "nowhere"))
	bursarRun(t, exitUsage, nil, "export")
	bursarRun(t, exitUsage, nil, "export", "--data", from, "--database-url", "postgres://localhost/bursar")
}

// A log of any length moves in the memory that its state takes.
func TestMoveTakesConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a long log")
	}
	dir := t.TempDir()
	file, data := longExport(t), filepath.Join(dir, "data")
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	_, out, used := bursarRun(t, 0, nil, "import", "--data", data, "--in", file)
	t.Logf("import: %d MB of memory; %s", used>>20, out)
	if bound := int64(450 << 20); used > bound { // the most of it SQLite's page caches, once they are full
		t.Errorf("an import of %d MB took %d MB of memory", st.Size()>>20, used>>20)
	}
	_, out, used = bursarRun(t, 0, nil, "export", "--data", data, "--out", filepath.Join(dir, "again"))
	t.Logf("export: %d MB of memory; %s", used>>20, out)
	if bound := int64(200 << 20); used > bound {
		t.Errorf("an export of %d MB took %d MB of memory", st.Size()>>20, used>>20)
	}
}

// longExport is the file that TestWriteLong writes, in a process of its own: what this one
// once took of memory, its children would have taken, too.
func longExport(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "long.jsonl")
	writer := exec.Command(os.Args[0], "-test.run=^TestWriteLong$", fmt.Sprint("-commits=", *moveCommits), fmt.Sprint("-customers=", *moveCustomers))
	writer.Env = append(os.Environ(), longFile+"="+file)
	if out, err := writer.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// A long log goes to PostgreSQL and comes back; with -v it tells how fast.
func TestMoveLongToPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a long log, and starts PostgreSQL")
	}
	url, file := pgtest.Database(t), longExport(t)
	_, in, _ := bursarRun(t, 0, nil, "import", "--database-url", url, "--in", file)
	says(t, in, "folds to the state that was exported")
	again := filepath.Join(t.TempDir(), "again.jsonl")
	_, out, _ := bursarRun(t, 0, nil, "export", "--database-url", url, "--out", again)
	t.Logf("in: %s\nout: %s", in, out)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(again); err != nil || afterHeader(string(text)) != afterHeader(string(whole)) {
		t.Errorf("what is exported from PostgreSQL is another file (%v)", err)
	}
}

// There and back: what PostgreSQL has between is served, and the embedded store that it
// comes back to is the one that it left. A database that is served from is no target.
func TestMoveToPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("starts PostgreSQL")
	}
	dir, url := t.TempDir(), pgtest.Database(t)
	from, back := filepath.Join(dir, "from"), filepath.Join(dir, "back")
	p := start(t, rigEnv(from))
	p.furnishAlerts(20)
	p.subscribe("https://hooks.example.com/")
	p.alarm(0, 20)
	p.stop()
	whole, _, _ := bursarRun(t, 0, nil, "export", "--data", from)
	_, out, _ := bursarRun(t, 0, []byte(whole), "import", "--database-url", url)
	says(t, out, `Imported \d+ commits and \d+ messages`, "folds to the state that was exported")
	there, _, _ := bursarRun(t, 0, nil, "export", "--database-url", url)
	bursarRun(t, 0, []byte(there), "import", "--data", back)
	again, _, _ := bursarRun(t, 0, nil, "export", "--data", back)
	for where, file := range map[string]string{"PostgreSQL": there, "the other directory": again} {
		if afterHeader(file) != afterHeader(whole) {
			t.Errorf("what is exported from %s is another file", where)
		}
	}
	_, out, _ = bursarRun(t, 0, []byte(whole), "import", "--database-url", url)
	says(t, out, "Imported 0 commits and 0 messages")

	q := start(t, []string{"BURSAR_ADMIN_KEY=" + rigKey, "BURSAR_LISTEN=127.0.0.1:0", "BURSAR_DATABASE_URL=" + url})
	defer q.stop()
	if reply := ask[[]struct{ Duplicate bool }](q, "POST", "/usage", `{"usages":[{"customerId":"acme","featureId":"tokens","value":85,"dimensions":{"agent":"a0"},"idempotencyKey":"alarm-0"}]}`); !reply[0].Duplicate {
		t.Error("a key that was used before is not known")
	}
	q.must("POST", "/api/v1/usage", rigKey, `{"usages":[{"customerId":"acme","featureId":"tokens","value":1,"dimensions":{"agent":"a0"},"idempotencyKey":"new"}]}`)
	live, _, _ := bursarRun(t, 0, nil, "export", "--database-url", url, "--customer", "acme")
	says(t, live, `"type":"total"`)
}

func afterHeader(file string) string {
	_, rest, _ := strings.Cut(file, "\n")
	return rest
}

const longFile = "BURSAR_TEST_LONG_FILE"

// TestWriteLong exports customers with so many commits, ten a second of their clock: a
// third consume, the others hold and commit. It is the other test's process.
func TestWriteLong(t *testing.T) {
	file, commits := os.Getenv(longFile), *moveCommits
	if file == "" {
		t.Skip("of TestMoveTakesConstantMemory")
	}
	now := bursar.TimeOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	var clock atomic.Int64
	clock.Store(int64(now))
	s, ctx, by := mem.New(), context.Background(), catalogue.Caller{ActorType: "SYSTEM", ActorID: "test"}
	e, err := engine.Open(ctx, s, engine.Options{Clock: func() bursar.Time { return bursar.Time(clock.Load()) }})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	_, err = e.PutEntityTypes(ctx, by, []catalogue.EntityTypeInput{{ID: "agent", DisplayName: "Agent", AttributionKeys: []string{"agent"}}})
	must(err)
	_, err = e.CreateFeature(ctx, by, bursar.Feature{ID: "tokens", DisplayName: "Tokens"})
	must(err)
	tokens := bursar.Capability{Kind: bursar.KindFeature, ID: "tokens"}
	agents := max(100 / *moveCustomers, 1)
	name := func(i int) string { return fmt.Sprint("acme-", i%*moveCustomers) }
	for c := range *moveCustomers {
		_, _, err = e.CreateCustomer(ctx, by, name(c), bursar.CustomerInput{})
		must(err)
		for i := range agents {
			id := fmt.Sprint("agent-", i)
			_, _, err = e.PutEntities(ctx, by, name(c), []bursar.EntityInput{{ID: id, EntityTypeID: "agent"}})
			must(err)
			_, _, err = e.PutAssignments(ctx, by, name(c), []bursar.AssignmentInput{{EntityID: id, Capability: tokens, UsageLimit: bursar.Some(bursar.AmountFromInt(1e12)),
				Cadence: bursar.Some(bursar.Cadence{N: 1, Unit: bursar.UnitDay})}})
			must(err)
		}
	}
	for i := 0; i < commits; i += 3 {
		in := bursar.SpendInput{Capability: tokens, Amount: bursar.AmountFromInt(100), IdempotencyKey: fmt.Sprint("consume-", i),
			Dimensions: []bursar.Dimension{{Key: "agent", Value: fmt.Sprint("agent-", i/3 / *moveCustomers % agents)}, {Key: "model", Value: "gpt-5"}}}
		clock.Add(int64(300 * time.Millisecond))
		_, _, err = e.Consume(ctx, by, name(i/3), in)
		must(err)
		in.IdempotencyKey = fmt.Sprint("hold-", i)
		h, _, err := e.Reserve(ctx, by, name(i/3), in, 60, "")
		must(err)
		_, _, err = e.CommitReservation(ctx, by, name(i/3), h.ID, bursar.AmountFromInt(90))
		must(err)
	}
	must(e.Close(ctx))
	f, err := os.Create(file)
	must(err)
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = transfer.Export(ctx, s, w, transfer.ExportOptions{Version: "test"})
	must(errors.Join(err, w.Flush(), f.Close()))
}
