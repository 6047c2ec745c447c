package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var kills = flag.Int("kills", 20, "how often TestKill9 kills the server")

// crashKey is of this process alone, as are idempotency keys: another run on the machine
// may be given a port that a server of this one had.
var crashKey = fmt.Sprint("crash-test-admin-key-", os.Getpid())

const (
	crashClients = 50
	crashTenants = 3
	crashTeams   = 4
	crashUsers   = 5 // of a team
)

// TestKill9 kills the real program while 50 clients write, again and again, and looks
// whether what was acknowledged counts once on every level, and what was not counts
// once after it was sent again: design.md, invariant 2.
func TestKill9(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	c := &crash{t: t, bin: filepath.Join(t.TempDir(), "bursar"), data: t.TempDir(), holds: map[string]*crashHold{}}
	if out, err := exec.Command("go", "build", "-o", c.bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	c.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: crashClients}}
	began := time.Now()
	c.start()
	defer func() { c.kill() }()
	c.furnish()
	for round := range *kills {
		c.load(100*time.Millisecond + time.Duration(rand.IntN(500))*time.Millisecond)
		c.start()
		c.resend()
		c.verify(fmt.Sprintf("after kill %d", round+1))
		if t.Failed() {
			break
		}
	}
	c.repeat(500)
	c.verify("after repeats")
	t.Logf("%d kills, %d requests acknowledged, %d sent again (%d of those had been recorded), %d items, %d reservations, %v",
		*kills, c.acked, c.resent, c.recorded, c.items, len(c.holds), time.Since(began).Round(time.Millisecond))
	if c.acked < *kills*crashClients || c.resent < *kills {
		t.Errorf("hardly anything was going on: %d acknowledged, %d unacknowledged", c.acked, c.resent)
	}
}

// crash is the test's own book of what it was told.
type crash struct {
	t         *testing.T
	bin, data string
	client    *http.Client
	server    *exec.Cmd
	base      string

	serial atomic.Int64
	mu     sync.Mutex
	all    []*attempt
	open   []*attempt            // sent, not answered
	holds  map[string]*crashHold // by id

	acked, resent, recorded, items int
}

// attempt is one write request and what it does if it counts.
type attempt struct {
	path, body string
	effects    []effect
	hold       *crashHold // what it makes or ends
	ids        []string   // once it is acknowledged
}

// effect is an amount on one user of one customer.
type effect struct{ tenant, team, user, amount int }

type crashHold struct {
	effect
	id     string
	status string
}

func (c *crash) start() {
	c.t.Helper()
	c.server = exec.Command(c.bin, "--listen", "127.0.0.1:0", "--data", c.data)
	c.server.Env = append(os.Environ(), "BURSAR_ADMIN_KEY="+crashKey)
	stderr, err := c.server.StderrPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.server.Start(); err != nil {
		c.t.Fatal(err)
	}
	listening := make(chan string, 1)
	var log bytes.Buffer
	go func() {
		defer close(listening)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line struct{ Msg, Addr string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				listening <- line.Addr
			}
			log.WriteString(lines.Text() + "\n")
		}
	}()
	select {
	case addr, ok := <-listening:
		if !ok {
			c.t.Fatalf("the server ended: %s", log.String())
		}
		c.base = "http://" + addr + "/api/v1"
	case <-time.After(30 * time.Second):
		c.t.Fatal("the server does not listen within 30 s")
	}
}

// kill ends the server as a power cut of the process would.
func (c *crash) kill() {
	_ = c.server.Process.Kill()
	_ = c.server.Wait()
	c.client.CloseIdleConnections()
}

func (c *crash) do(method, path, body string, out any) (int, error) {
	req, err := http.NewRequest(method, c.base+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-API-KEY", crashKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if res.StatusCode >= 300 {
		return res.StatusCode, fmt.Errorf("%s %s: %d %.300s", method, path, res.StatusCode, text)
	}
	return res.StatusCode, json.Unmarshal(text, out)
}

func (c *crash) must(method, path, body string, out any) {
	c.t.Helper()
	if _, err := c.do(method, path, body, out); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crash) furnish() {
	var reply any
	c.must("PUT", "/entity-types", `{"types":[{"id":"org","displayName":"Org","attributionKeys":["org"]},{"id":"team","displayName":"Team","attributionKeys":["team"]},{"id":"user","displayName":"User","attributionKeys":["user"]}]}`, &reply)
	c.must("POST", "/features", `{"id":"tokens","displayName":"Tokens","featureType":"NUMBER"}`, &reply)
	for tenant := range crashTenants {
		path := fmt.Sprintf("/customers/c%d", tenant)
		entities, limits := `{"id":"o","entityTypeId":"org"}`, limitJSON("o")
		for team := range crashTeams {
			id := fmt.Sprint("t", team)
			entities += fmt.Sprintf(`,{"id":%q,"entityTypeId":"team","parentId":"o"}`, id)
			limits += "," + limitJSON(id)
			for user := range crashUsers {
				uid := userID(team, user)
				entities += fmt.Sprintf(`,{"id":%q,"entityTypeId":"user","parentId":%q}`, uid, id)
				limits += "," + limitJSON(uid)
			}
		}
		c.must("POST", "/customers", fmt.Sprintf(`{"id":"c%d"}`, tenant), &reply)
		c.must("PUT", path+"/entities", `{"entities":[`+entities+`]}`, &reply)
		c.must("PUT", path+"/assignments", `{"assignments":[`+limits+`]}`, &reply)
	}
}

func userID(team, user int) string { return fmt.Sprintf("t%d-u%d", team, user) }

func limitJSON(entity string) string {
	return fmt.Sprintf(`{"entityId":%q,"featureId":"tokens","usageLimit":1000000000,"cadence":"P100Y"}`, entity)
}

// load lets the clients write until the server is killed under them.
func (c *crash) load(d time.Duration) {
	var clients sync.WaitGroup
	for range crashClients {
		clients.Go(func() {
			for c.send(c.next()) {
			}
		})
	}
	time.Sleep(d) // the moment of the kill is what is random here; nothing waits for a result
	c.kill()
	clients.Wait()
}

// send sends an attempt for the first time; it is false when the server is gone.
func (c *crash) send(a *attempt) bool {
	c.mu.Lock()
	c.all = append(c.all, a)
	c.mu.Unlock()
	_, err := c.try(a)
	if err == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, a)
	return false
}

// crashReply is what replies of writes have in common.
type crashReply struct {
	ID        string
	Duplicate bool
}

// try sends an attempt and notes that it was acknowledged. known tells that it had been
// recorded before.
func (c *crash) try(a *attempt) (known bool, err error) {
	var reply struct{ Data json.RawMessage }
	status, err := c.do("POST", a.path, a.body, &reply)
	if err != nil {
		if status != 0 && status != 503 {
			c.t.Error(err)
		}
		return false, err
	}
	var list []crashReply
	if json.Unmarshal(reply.Data, &list) != nil {
		list = make([]crashReply, 1)
		if err := json.Unmarshal(reply.Data, &list[0]); err != nil {
			return false, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for _, r := range list {
		ids = append(ids, r.ID)
		known = known || r.Duplicate
	}
	if a.ids != nil && fmt.Sprint(a.ids) != fmt.Sprint(ids) {
		c.t.Errorf("%s %s: the ids were %v and are %v", a.path, a.body, a.ids, ids)
	}
	if a.ids == nil {
		c.acked++
		c.items += len(ids)
		if a.hold != nil && a.hold.id == "" {
			a.hold.id = ids[0]
			if c.holds[ids[0]] != nil {
				c.t.Errorf("two reservations have the id %s", ids[0])
			}
			c.holds[ids[0]] = a.hold
		}
	}
	a.ids = ids
	return known, nil
}
