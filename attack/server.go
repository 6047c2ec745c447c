//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// rig is what an attack has: a binary, a place for files, and the figures that it fills.
type rig struct {
	ctx     context.Context
	binary  string
	tmp     string
	flips   int
	figures []figure
	servers []*server
	cleanup []func() error
}

func (r *rig) add(name string, value float64, unit string, g goal) {
	r.figures = append(r.figures, figure{name, value, unit, g})
}

// end kills what is left and removes it.
func (r *rig) end() (err error) {
	for _, s := range r.servers {
		s.kill()
	}
	for i := len(r.cleanup) - 1; i >= 0; i-- {
		err = errors.Join(err, r.cleanup[i]())
	}
	return err
}

// dataDir makes a directory that lives as long as the attack.
func (r *rig) dataDir() (string, error) {
	dir, err := os.MkdirTemp(r.tmp, "data-")
	r.cleanup = append(r.cleanup, func() error { return os.RemoveAll(dir) })
	return filepath.Join(dir, "data"), err
}

// adminKey is of full scope and no secret: servers listen on the loopback alone.
const adminKey = "attack-attack-attack-attack-attack"

// memoryBudget is what servers are told; memoryLimit is what their process may take.
const (
	memoryBudget = 1 << 30
	memoryLimit  = memoryBudget + 256<<20
)

// server is a process under attack.
type server struct {
	cmd  *exec.Cmd
	addr string
	ctx  context.Context

	mu      sync.Mutex
	logged  []string // its last lines
	exited  chan struct{}
	failure error // how it ended
}

// start runs a server on a new directory.
func (r *rig) start(flags ...string) (*server, error) {
	dir, err := r.dataDir()
	if err != nil {
		return nil, err
	}
	return r.startOn(dir, flags...)
}

// startOn returns when the server listens, or with an error when it ended before that.
func (r *rig) startOn(dir string, flags ...string) (*server, error) {
	args := append([]string{"serve", "--listen=127.0.0.1:0", "--data=" + dir, "--memory-budget=1GiB"}, flags...)
	s := &server{cmd: exec.CommandContext(r.ctx, r.binary, args...), ctx: r.ctx, exited: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), "BURSAR_ADMIN_KEY="+adminKey, "BURSAR_METRICS_TOKEN="+adminKey)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	logs, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	r.servers = append(r.servers, s)
	listens := make(chan string, 1)
	go s.follow(bufio.NewScanner(logs), listens)
	select {
	case s.addr = <-listens:
		return s, nil
	case <-s.exited:
		return s, fmt.Errorf("the server ended before it listened: %w: %s", s.failure, s.lastLine())
	case <-time.After(time.Minute):
		s.kill()
		return s, errors.New("the server did not listen within a minute")
	}
}

// follow reads the server's log until it ends.
func (s *server) follow(lines *bufio.Scanner, listens chan<- string) {
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Msg == "listening" {
			listens <- e.Addr
		}
		s.mu.Lock()
		s.logged = append(s.logged, lines.Text())
		s.logged = s.logged[max(0, len(s.logged)-200):]
		s.mu.Unlock()
	}
	s.failure = s.cmd.Wait()
	close(s.exited)
}

func (s *server) lastLine() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.logged) == 0 {
		return ""
	}
	return s.logged[len(s.logged)-1]
}

func (s *server) alive() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// kill ends the process as a crash would.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.exited
}

// stop lets the process end by itself.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-s.exited
	return s.failure
}

// memory reads a figure of the process in bytes, such as VmRSS or VmHWM, its peak.
func (s *server) memory(name string) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return n * 1024
		}
	}
	return 0
}

// cpu is the time the process has used.
func (s *server) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b)[strings.LastIndexByte(string(b), ')')+1:])
	ticks := 0
	for _, f := range fields[11:13] { // utime, stime
		n, _ := strconv.Atoi(f)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// metric reads a figure without labels that the server tells of itself.
func (s *server) metric(name string) (float64, error) {
	q, err := http.NewRequestWithContext(s.ctx, http.MethodGet, "http://"+s.addr+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	q.Header.Set("Authorization", "Bearer "+adminKey)
	res, err := client.Do(q)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(rest, 64)
		}
	}
	return 0, fmt.Errorf("the server tells no %s", name)
}

// peak notes how far the memory of the process rose.
func (r *rig) peak(s *server, before float64) {
	r.add("resident memory before", before/(1<<20), "MiB", goal{})
	r.add("resident memory at its peak", s.memory("VmHWM")/(1<<20), "MiB", atMost(memoryLimit/(1<<20)))
	alive := 0.0
	if s.alive() {
		alive = 1
	}
	r.add("the server is alive", alive, "", exactly(1))
}

// written is how many bytes the process has had written to the disk.
func (s *server) written() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "write_bytes:"); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			return n
		}
	}
	return 0
}
