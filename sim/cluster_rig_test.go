package sim

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	clusterKey     = "key-of-the-cluster-test"
	clusterNodes   = 3
	clusterClients = 48
)

// node is one bursar process on the cluster's database.
type node struct {
	cmd  *exec.Cmd
	base string
	log  logTail
	done chan struct{} // closed once it has ended
}

// logTail keeps the end of what a process writes.
type logTail struct {
	mu   sync.Mutex
	text []byte
}

func (l *logTail) add(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(append(l.text, line...), '\n')
	if len(l.text) > 1<<16 {
		l.text = bytes.Clone(l.text[len(l.text)-1<<15:])
	}
}

func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// cluster is real processes that share a PostgreSQL, and what speaks to them.
type cluster struct {
	t    *testing.T
	bin  string
	http *http.Client

	mu    sync.Mutex
	nodes []*node
}

// node is number n, round and round.
func (c *cluster) node(n int) *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[n%len(c.nodes)]
}

// program builds bursar once for all tests, in a directory that TestMain removes.
var (
	programDir string
	program    = sync.OnceValues(func() (bin string, err error) {
		if programDir, err = os.MkdirTemp("", "bursar-cluster-"); err != nil {
			return "", err
		}
		bin = filepath.Join(programDir, "bursar")
		if out, err := exec.Command("go", "build", "-o", bin, "../cmd/bursar").CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build: %w\n%s", err, out)
		}
		return bin, nil
	})
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // worlds keep all they did, to find a shorter script that fails
	code := m.Run()
	if programDir != "" {
		_ = os.RemoveAll(programDir) // the system's to tidy otherwise
	}
	os.Exit(code)
}

// newCluster starts a node for each URL of the database.
func newCluster(t *testing.T, urls ...string) *cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and starts processes")
	}
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, bin: bin}
	c.http = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * clusterClients}}
	for _, url := range urls {
		n, err := c.start(url)
		if err != nil {
			t.Fatal(err)
		}
		c.nodes = append(c.nodes, n)
	}
	return c
}

// start starts a node and waits until it listens.
func (c *cluster) start(url string) (*node, error) {
	n := &node{cmd: exec.Command(c.bin, "--listen", "127.0.0.1:0"), done: make(chan struct{})}
	n.cmd.Env = append(os.Environ(), "BURSAR_ADMIN_KEY="+clusterKey, "BURSAR_DATABASE_URL="+url)
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := n.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	listening := make(chan string, 1)
	go func() {
		defer close(n.done)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line struct{ Msg, Addr string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				listening <- line.Addr
			}
			n.log.add(lines.Bytes())
		}
		_ = n.cmd.Wait()
	}()
	c.t.Cleanup(func() { n.kill() })
	select {
	case addr := <-listening:
		n.base = "http://" + addr
		return n, nil
	case <-n.done:
		return nil, fmt.Errorf("the node ended: %s", n.log.String())
	case <-time.After(60 * time.Second):
		return nil, fmt.Errorf("the node does not listen within 60 s: %s", n.log.String())
	}
}

// kill ends the node as a power cut of its machine would.
func (n *node) kill() {
	_ = n.cmd.Process.Signal(syscall.SIGCONT)
	_ = n.cmd.Process.Kill()
	<-n.done
}

// answer is a reply of a node; status 0 when there was none.
type answer struct {
	status  int
	version uint64
	body    []byte
	header  http.Header
}

// call is a request: id is its own, which the log keeps, key its Idempotency-Key, and
// credential whose it is, the administrator's when empty.
type call struct {
	method, path string
	body         []byte
	id, key      string
	credential   string
}

// send sends one request to a node.
func (c *cluster) send(ctx context.Context, n *node, what call) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, what.method, n.base+"/api/v1"+what.path, bytes.NewReader(what.body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("X-API-KEY", cmp.Or(what.credential, clusterKey))
	req.Header.Set("Content-Type", "application/json")
	if what.id != "" {
		req.Header.Set("X-Request-Id", what.id)
	}
	if what.key != "" {
		req.Header.Set("Idempotency-Key", what.key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	text, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return answer{}, err
	}
	a := answer{status: res.StatusCode, body: text, header: res.Header}
	a.version, _ = strconv.ParseUint(res.Header.Get("X-Bursar-Version"), 10, 64)
	return a, nil
}

// must sends a request that succeeds.
func (c *cluster) must(method, path, body string) answer {
	c.t.Helper()
	a, err := c.send(context.Background(), c.nodes[0], call{method: method, path: path, body: []byte(body)})
	if err != nil || a.status >= 300 {
		c.t.Fatalf("%s %s: %d %v %s", method, path, a.status, err, a.body)
	}
	return a
}

// dataOf reads the data of a reply.
func dataOf[T any](body []byte) (v T, err error) {
	var reply struct{ Data T }
	err = json.Unmarshal(body, &reply)
	return reply.Data, err
}

// again tells that nobody knows whether a request counted: it is to be sent once more.
func (a answer) again(err error) bool {
	return err != nil || a.status >= 500
}

// insist sends a request until it is answered, to one node after the other.
func (c *cluster) insist(ctx context.Context, n int, what call) (a answer, tries int, err error) {
	for {
		a, err = c.send(ctx, c.node(n+tries), what)
		tries++
		if !a.again(err) || ctx.Err() != nil {
			return a, tries, err
		}
		pause := time.NewTimer(50 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}
