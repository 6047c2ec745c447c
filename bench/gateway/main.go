//go:build linux

// Command gateway measures what the gateway adds to a call of a model: beside
// httputil.ReverseProxy, in one run, on one machine, before one played provider. Leave the
// machine alone meanwhile:
//
//	go run ./bench/gateway
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

var (
	callers = flag.Int("callers", 64, "callers at once where the rate is measured")
	lasts   = flag.Duration("time", 5*time.Second, "how long each cell is measured")
	streams = flag.Int("streams", 1000, "streams at once where memory is measured")
	binary  = flag.String("bursar", "", "a built binary; built here by default")
)

const key = "a-key-for-the-benchmark"

func main() {
	if len(os.Args) == 3 && os.Args[1] == "-role" {
		role(os.Args[2])
		return
	}
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench/gateway:", err)
		os.Exit(1)
	}
}

// rig is the processes that are measured.
type rig struct {
	dir                      string
	provider, proxy, gateway string // addresses
	api                      string
	bursar                   int // pid
	started                  []*exec.Cmd
}

func run() error {
	dir, err := os.MkdirTemp("", "bursar-bench-gateway-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &rig{dir: dir}
	defer r.stop()
	if err := r.start(); err != nil {
		return err
	}
	if err := r.furnish(); err != nil {
		return err
	}
	for _, c := range []struct {
		name, ask string
	}{
		{"reply of 2 kB", `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"` + strings.Repeat("word ", 400) + `"}]}`},
		{"stream of 50 events", `{"model":"m","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("word ", 400) + `"}]}`},
	} {
		one := r.compare(c.ask, 1)
		many := r.compare(c.ask, *callers)
		fmt.Printf("%s\n  1 caller:    proxy p50 %v p99 %v · gateway p50 %v p99 %v · p50 +%v (goal ≤ +500µs)\n", c.name,
			one[0].at(50), one[0].at(99), one[1].at(50), one[1].at(99), one[1].at(50)-one[0].at(50))
		fmt.Printf("  %d callers: proxy %.0f/s p50 %v · gateway %.0f/s p50 %v · %.2f of its rate (goal ≥ 0.5)\n", *callers,
			many[0].rate(), many[0].at(50), many[1].rate(), many[1].at(50), many[1].rate()/many[0].rate())
		for i, s := range append(one, many...) {
			if s.failed > 0 {
				fmt.Printf("  %d calls through the %s failed, such as: %v\n", s.failed, []string{"proxy", "gateway"}[i%2], s.err)
			}
		}
	}
	return r.memory()
}

// start starts the provider, the proxy and the server with its gateway.
func (r *rig) start() (err error) {
	if *binary == "" {
		*binary = filepath.Join(r.dir, "bursar")
		if out, err := exec.Command("go", "build", "-o", *binary, "./cmd/bursar").CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	if r.provider, _, err = r.launch(nil, "listening", os.Args[0], "-role", "provider"); err != nil {
		return err
	}
	if r.proxy, _, err = r.launch([]string{"PROVIDER=" + r.provider}, "listening", os.Args[0], "-role", "proxy"); err != nil {
		return err
	}
	config := filepath.Join(r.dir, "gateway.json")
	text := `{"upstreams":[{"name":"openai","kind":"openai","baseUrl":"http://` + r.provider + `/v1"}],"customer":"acme"}`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	var all map[string]string
	if r.api, all, err = r.launch([]string{"BURSAR_ADMIN_KEY=" + key}, "listening", *binary, "serve", "--listen", "127.0.0.1:0",
		"--data", filepath.Join(r.dir, "data"), "--gateway-listen", "127.0.0.1:0", "--gateway-config", config); err != nil {
		return err
	}
	r.gateway, r.bursar = all["gateway listening"], r.started[len(r.started)-1].Process.Pid
	return nil
}

// launch starts a process and waits until it logs the message.
func (r *rig) launch(env []string, until, name string, args ...string) (string, map[string]string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	r.started = append(r.started, cmd)
	addrs := map[string]string{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var line struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Addr != "" {
			addrs[line.Msg] = line.Addr
		}
		if addrs[until] != "" {
			go io.Copy(io.Discard, out)
			return addrs[until], addrs, nil
		}
	}
	return "", nil, fmt.Errorf("%s ended", name)
}

func (r *rig) stop() {
	for _, cmd := range r.started {
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// furnish makes what calls are counted on: three levels with a limit each, by two kinds of
// tokens that have a price.
func (r *rig) furnish() error {
	for _, c := range [][3]string{
		{"PUT", "/entity-types", `{"types":[{"id":"org","displayName":"x","attributionKeys":["orgId"]},{"id":"team","displayName":"x","attributionKeys":["teamId"]},{"id":"agent","displayName":"x","attributionKeys":["agentId"]}]}`},
		{"POST", "/features", feature("input")}, {"POST", "/features", feature("output")},
		{"POST", "/credits/custom-currencies", `{"id":"credits","displayName":"x"}`},
		{"POST", "/rate-cards", `{"id":"llm","currencyId":"credits","displayName":"x","rates":[{"featureId":"input","amount":1,"per":1000000},{"featureId":"output","amount":4,"per":1000000}]}`},
		{"POST", "/customers", `{"id":"acme"}`},
		{"POST", "/credits/grants", `{"customerId":"acme","currencyId":"credits","amount":1000000,"displayName":"x","grantType":"PAID"}`},
		{"PUT", "/customers/acme/entities", `{"entities":[{"id":"o","entityTypeId":"org"},{"id":"t","entityTypeId":"team","parentId":"o"},{"id":"a","entityTypeId":"agent","parentId":"t"}]}`},
		{"PUT", "/customers/acme/assignments", `{"assignments":[` + limit("o") + "," + limit("t") + "," + limit("a") + `]}`},
	} {
		q, err := http.NewRequest(c[0], "http://"+r.api+"/api/v1"+c[1], strings.NewReader(c[2]))
		if err != nil {
			return err
		}
		q.Header.Set("X-API-KEY", key)
		q.Header.Set("Content-Type", "application/json")
		reply, err := http.DefaultClient.Do(q)
		if err != nil {
			return err
		}
		b, _ := io.ReadAll(reply.Body)
		reply.Body.Close()
		if reply.StatusCode > 299 {
			return fmt.Errorf("%s %s: %s", c[0], c[1], b)
		}
	}
	return nil
}

func feature(kind string) string {
	return `{"id":"` + kind + `","displayName":"x","featureType":"NUMBER","meter":{"eventName":"llm","aggregation":{"function":"SUM","field":"tokens.` + kind + `"},"filters":[]}}`
}

func limit(entity string) string {
	return `{"entityId":"` + entity + `","featureId":"output","usageLimit":1000000000000,"cadence":"P1M"},{"entityId":"` + entity + `","currencyId":"credits","usageLimit":1000000,"cadence":"P1M"}`
}

// sample is the times of one cell.
type sample struct {
	times  []time.Duration
	took   time.Duration
	failed int
	err    error // of one that failed
}

func (s *sample) at(percent int) time.Duration {
	if len(s.times) == 0 {
		return 0
	}
	return s.times[(len(s.times)-1)*percent/100].Round(time.Microsecond)
}

func (s *sample) rate() float64 { return float64(len(s.times)) / s.took.Seconds() }

// compare measures the proxy and the gateway in turns, ten of each.
func (r *rig) compare(ask string, n int) []*sample {
	both := []*sample{{}, {}}
	for turn := range 11 {
		for i, address := range []string{r.proxy, r.gateway} {
			s := load(address, ask, n, *lasts/10)
			if turn == 0 {
				continue // warms up
			}
			both[i].times = append(both[i].times, s.times...)
			both[i].took += s.took
			both[i].failed += s.failed
			both[i].err = cmp.Or(s.err, both[i].err)
		}
	}
	for _, s := range both {
		slices.Sort(s.times)
	}
	return both
}

var transport = &http.Transport{MaxIdleConnsPerHost: 4096}

// call makes one call and reads its reply.
func call(address, ask string) error {
	q, err := http.NewRequest("POST", "http://"+address+"/v1/chat/completions", strings.NewReader(ask))
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Bearer "+key)
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Bursar-Dimensions", "agentId=a")
	reply, err := transport.RoundTrip(q)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	b, err := io.ReadAll(reply.Body)
	if err != nil {
		return err
	}
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d %s: %s", reply.StatusCode, reply.Header.Get("Bursar-Error"), b)
	}
	return nil
}

// load has n callers call, one call after the other.
func load(address, ask string, n int, lasts time.Duration) *sample {
	s := &sample{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	began := time.Now()
	for range n {
		wg.Go(func() {
			var times []time.Duration
			var last error
			failed := 0
			for time.Since(began) < lasts {
				at := time.Now()
				if err := call(address, ask); err != nil {
					failed, last = failed+1, err
					continue
				}
				times = append(times, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			s.times, s.failed = append(s.times, times...), s.failed+failed
			s.err = cmp.Or(last, s.err)
		})
	}
	wg.Wait()
	s.took = time.Since(began)
	return s
}

// memory shows what many streams take: while they are open, and after each has passed more.
func (r *rig) memory() error {
	fmt.Printf("memory of the server with its gateway: %.0f MB", rss(r.bursar))
	var wg sync.WaitGroup
	failed := make(chan error, *streams)
	for range *streams {
		wg.Go(func() {
			if err := call(r.gateway, `{"model":"slow","max_tokens":100,"stream":true}`); err != nil {
				failed <- err
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	for n := 0; ; n++ {
		select {
		case <-time.After(2 * time.Second):
			fmt.Printf(" · %d streams, %d s: %.0f MB", *streams, 2*(n+1), rss(r.bursar))
			continue
		case <-ended:
		}
		break
	}
	fmt.Printf(" · after them: %.0f MB\n", rss(r.bursar))
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// rss is the memory of a process in MB.
func rss(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		var kb float64
		if _, err := fmt.Sscanf(string(line), "VmRSS: %f kB", &kb); err == nil {
			return kb / 1024
		}
	}
	return 0
}
