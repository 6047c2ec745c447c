package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/mem"
)

// The tests start the real program: this test binary, which then runs main.
const runMain = "BURSAR_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program is a running bursar.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout output
	mu     sync.Mutex // of what follows
	stderr bytes.Buffer
	addrs  map[string]string // by log message
	ended  chan struct{}
}

// output is a buffer that may be read while it is written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func command(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(env, runMain+"=1", "PATH="+os.Getenv("PATH"))
	return cmd
}

// start runs bursar until it listens.
func start(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	if len(args) == 0 {
		args = []string{"serve"} // without a command or a flag it prints its help
	}
	p := &program{t: t, cmd: command(env, args...), addrs: map[string]string{}, ended: make(chan struct{})}
	p.cmd.Stdout = &p.stdout
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() })
	listening := make(chan struct{})
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			p.mu.Lock()
			p.stderr.WriteString(lines.Text() + "\n")
			var line struct{ Msg, Addr string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Addr != "" {
				p.addrs[line.Msg] = line.Addr
				if line.Msg == "listening" || line.Msg == "gateway listening" && args[0] == "gateway" {
					close(listening)
				}
			}
			p.mu.Unlock()
		}
	}()
	select {
	case <-listening:
	case <-p.ended:
		t.Fatalf("it ended: %s", p.log())
	case <-time.After(20 * time.Second):
		t.Fatalf("it does not listen: %s", p.log())
	}
	return p
}

func (p *program) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// stop sends SIGTERM and returns the exit code.
func (p *program) stop() int {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		p.t.Fatalf("it does not stop: %s", p.log())
	}
	p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func (p *program) do(method, path, key, body string) (int, string, error) {
	p.mu.Lock()
	addr := p.addrs["listening"]
	p.mu.Unlock()
	req, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-API-KEY", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(reply), err
}

// must is do for a request that succeeds.
func (p *program) must(method, path, key, body string) string {
	p.t.Helper()
	status, reply, err := p.do(method, path, key, body)
	if err != nil || status >= 300 {
		p.t.Fatalf("%s %s: %d %s %v\n%s", method, path, status, reply, err, p.log())
	}
	return reply
}

var keyRE = regexp.MustCompile(`bsk_[0-9a-f]+_[0-9a-f]+`)

// firstKey is the key that a first start prints. It is written before the program
// says that it listens, but may reach us later.
func (p *program) firstKey() string {
	p.t.Helper()
	for range 500 {
		if key := keyRE.FindString(p.stdout.String()); key != "" {
			return key
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatalf("no key: %s", p.stdout.String())
	return ""
}

// TestFirstStart: the first start prints a key, once; what it made is there after a
// restart.
func TestFirstStart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new", "data")
	p := start(t, nil, "--listen", "127.0.0.1:0", "--data", data, "--metrics-listen", "127.0.0.1:0", "--log-level", "debug")
	key := p.firstKey()
	p.must("GET", "/healthz", "", "")
	p.must("GET", "/readyz", "", "")
	p.must("POST", "/api/v1/customers", key, `{"id":"acme"}`)
	if status, _, _ := p.do("GET", "/metrics", key, ""); status != 404 {
		t.Errorf("metrics on the API's address: %d", status)
	}
	resp, err := http.Get("http://" + p.addrs["metrics listening"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !bytes.Contains(text, []byte("bursar_commits_total")) {
		t.Errorf("metrics: %d %.200s", resp.StatusCode, text)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.log())
	}
	if strings.Contains(p.log(), key) || !strings.Contains(p.log(), `"msg":"stopped"`) {
		t.Errorf("the key is in the log, or it did not stop: %s", p.log())
	}

	p = start(t, nil, "--listen", "127.0.0.1:0", "--data", data)
	p.must("GET", "/api/v1/customers/acme", key, "")
	if code := p.stop(); code != 0 || p.stdout.String() != "" {
		t.Errorf("exit code %d, printed %s", code, p.stdout.String())
	}
}

// TestTermUnderLoad: SIGTERM ends the process soon, and what was acknowledged is there.
func TestTermUnderLoad(t *testing.T) {
	const admin = "0123456789abcdef"
	env := []string{"BURSAR_ADMIN_KEY=" + admin, "BURSAR_LISTEN=127.0.0.1:0", "BURSAR_DATA=" + t.TempDir()}
	p := start(t, env)
	if p.stdout.String() != "" {
		t.Errorf("it printed %s", p.stdout.String())
	}
	p.must("POST", "/api/v1/features", admin, `{"id":"tokens","displayName":"Tokens","featureType":"NUMBER"}`)
	p.must("POST", "/api/v1/customers", admin, `{"id":"acme"}`)
	var acked atomic.Int64
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				status, _, err := p.do("POST", "/api/v1/usage", admin,
					fmt.Sprintf(`{"usages":[{"customerId":"acme","featureId":"tokens","value":1,"idempotencyKey":"%d-%d"}]}`, worker, i))
				if err != nil || status != 201 {
					return
				}
				acked.Add(1)
			}
		})
	}
	for acked.Load() < 200 {
		time.Sleep(5 * time.Millisecond)
	}
	began := time.Now()
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.log())
	}
	if took := time.Since(began); took > patience {
		t.Errorf("it took %v to stop", took)
	}
	wg.Wait()

	p = start(t, env)
	defer p.stop()
	var check struct{ Data struct{ CurrentUsage int64 } }
	if err := json.Unmarshal([]byte(p.must("GET", "/api/v1/customers/acme/entitlements/check?featureId=tokens", admin, "")), &check); err != nil {
		t.Fatal(err)
	}
	// A request that the connection cut off may have been recorded without its reply.
	if got, want := check.Data.CurrentUsage, acked.Load(); got < want || got > want+8 {
		t.Errorf("%d are recorded, %d were acknowledged", got, want)
	}
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	secret := filepath.Join(dir, "secret")
	for name, text := range map[string]string{file: "x", secret: "short"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	held := filepath.Join(dir, "held")
	running := start(t, nil, "--listen", "127.0.0.1:0", "--data", held)
	defer running.stop()
	fresh := filepath.Join(dir, "fresh")
	for _, c := range []struct {
		args string
		env  []string
		code int
		says string
	}{
		{args: "--help", code: 0, says: "Usage"},
		{args: "", code: 0, says: "Usage"},
		{args: "version", code: 0, says: "bursar"},
		{args: "--version", code: 0, says: "bursar"},
		{args: "--nope", code: 2, says: "--nope"},
		{args: "fly", code: 2, says: "fly"},
		{args: "--late-horizon soon", code: 2, says: "late-horizon"},
		{args: "--memory-budget lots", code: 2, says: "512MiB"},
		{args: "--late-horizon 1h", code: 3, says: "24h to 840h"},
		{args: "serve", env: []string{"BURSAR_DATABASE_URL=postgres://u:verysecret@127.0.0.1:1/db"}, code: 4, says: "the database cannot be used"},
		{args: "--retain-log 2000h", code: 3, says: "--database-url"},
		{args: "--retain-denials 1h", code: 3, says: "24h or more"},
		{args: "--database-max-conns 1", code: 3, says: "4 to 1000"},
		{args: "serve", env: []string{"BURSAR_ADMIN_KEY=short"}, code: 3, says: "16 to 256"},
		{args: "serve", env: []string{"BURSAR_ADMIN_KEY_FILE=" + secret}, code: 3, says: "16 to 256"},
		{args: "serve", env: []string{"BURSAR_ADMIN_KEY_FILE=" + dir + "/nosuch"}, code: 3, says: "nosuch"},
		{args: "--cors-origin https://a.example/path/", code: 3, says: "no origin"},
		{args: "--embed-origins https://a.example/path", code: 3, says: "no origin"},
		{args: "serve", env: []string{"BURSAR_EMBED_ORIGINS=https://a.example; script-src *"}, code: 3, says: "no origin"},
		{args: "--alert-thresholds 80,0", code: 3, says: `"0" is no whole percentage from 1 to 1000`},
		{args: "--alert-thresholds 1001", code: 3, says: "from 1 to 1000"},
		{args: "--alert-thresholds many", code: 3, says: "write 80,100, or none"},
		{args: "serve", env: []string{"BURSAR_ALERT_THRESHOLDS=1,2,3,4,5,6,7,8,9,10,11"}, code: 3, says: "at most 10"},
		{args: "--webhook-allow 10.0.0.1", code: 3, says: "10.1.2.3/32 for one address"},
		{args: "serve", env: []string{"BURSAR_WEBHOOK_ALLOW=10.0.0.0/8,10.1.2.3/16"}, code: 3, says: "write 10.1.0.0/16 for the network, or 10.1.2.3/32 for the address"},
		{args: "serve", env: []string{"BURSAR_SMTP_URL=https://mail.example"}, code: 3, says: "smtp://user:password@host"},
		{args: "serve", env: []string{"BURSAR_SMTP_URL=smtp://mail.example"}, code: 3, says: "sender's address"},
		{args: "serve", env: []string{"BURSAR_SMTP_FROM=alerts@example.com"}, code: 3, says: "BURSAR_SMTP_URL"},
		{args: "serve", env: []string{"BURSAR_SMTP_URL=smtp://u:verysecret@mail.example", "BURSAR_SMTP_URL_FILE=" + secret}, code: 3, says: "not both"},
		{args: "serve", env: []string{"BURSAR_SMTP_URL_FILE=" + dir + "/nosuch"}, code: 3, says: "nosuch"},
		{args: "--data " + fresh + " --listen 127.0.0.1:99999", code: 3, says: "--listen"},
		{args: "--data " + file, code: 4, says: file},
		{args: "--data " + held, code: 4, says: held},
	} {
		cmd := command(c.env, strings.Fields(c.args)...)
		out, err := cmd.CombinedOutput()
		var exited *exec.ExitError
		if err != nil && !errors.As(err, &exited) {
			t.Fatal(err)
		}
		if strings.Contains(string(out), "verysecret") {
			t.Errorf("bursar %s %v shows a password: %s", c.args, c.env, out)
		}
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("bursar %s %v: exit code %d, want %d\n%s", c.args, c.env, code, c.code, out)
		}
	}
}

// TestVersion: a binary says which commit it is of, also when it was built without the
// repository beside it.
func TestVersion(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: "true"}}}
	if v := versionOf(info, ""); v != "v1.2.3 (commit 0123456789ab, with changes)" {
		t.Error(v)
	}
	if v := versionOf(&debug.BuildInfo{}, "fedcba9876543210"); v != "(devel) (commit fedcba987654)" {
		t.Error(v)
	}
	if v := versionOf(&debug.BuildInfo{}, ""); v != "(devel)" {
		t.Error(v)
	}
}

// TestPoisoned: a store that cannot be trusted any more ends the server with its own
// exit code and without a checkpoint.
func TestPoisoned(t *testing.T) {
	st := mem.New()
	var fail atomic.Bool
	st.Fail = func(op string) error {
		if op == "append" && fail.Load() {
			return store.ErrPoisoned
		}
		return nil
	}
	c := &config{Listen: "127.0.0.1:0", AdminKey: "0123456789abcdef", LateHorizon: 24 * time.Hour, MemoryBudget: 1 << 30}
	s, err := openServer(t.Context(), c, st, engine.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, addrs: map[string]string{"listening": s.addr.String()}}
	p.must("POST", "/api/v1/customers", c.AdminKey, `{"id":"acme"}`)
	fail.Store(true)
	if status, reply, err := p.do("POST", "/api/v1/customers", c.AdminKey, `{"id":"other"}`); status != 503 {
		t.Errorf("%d %s %v", status, reply, err)
	}
	var e *exit
	if err := s.wait(t.Context()); !errors.As(err, &e) || e.code != exitStore {
		t.Errorf("%v", err)
	}
	s.stop()
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{"0": 0, "1048576": 1 << 20, "512MiB": 512 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40, "1KiB": 1 << 10} {
		var b byteSize
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s: %d %v", text, b, err)
		}
	}
	for _, text := range []string{"", "-1", "1MB", "1.5GiB", "99999999999GiB", "GiB"} {
		if err := new(byteSize).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
