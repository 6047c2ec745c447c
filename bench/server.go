//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// server is a process that is measured.
type server struct {
	cmd     *exec.Cmd
	addr    string
	metrics string // address of the profiler; Bursar only
	key     string // API key; Bursar only
	began   time.Time
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// kill ends the process as a crash would. It may be called on nil and twice.
func (s *server) kill() {
	if s != nil && s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// stop lets the process end by itself.
func (s *server) stop() error {
	err := s.cmd.Process.Signal(syscall.SIGTERM)
	if err == nil {
		err = s.cmd.Wait()
	}
	s.cmd = nil
	return err
}

func buildBursar(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "bursar")
	cmd := command(ctx, "go", "build", "-o", path, "github.com/bursarhq/bursar/cmd/bursar")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building bursar: %w", err)
	}
	return path, nil
}

func startFloor(ctx context.Context, wal string) (*server, error) {
	cmd, err := roleCommand(ctx, "floor")
	if err != nil {
		return nil, err
	}
	cmd.Stdin, cmd.Stderr = bytes.NewReader(encodeJSON(floorSpec{wal})), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, began: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	s.addr = strings.TrimSpace(line)
	return s, err
}

// adminKey keeps the server from printing a first key, and may read what the stored key may
// not. Checks and reports carry the stored key, which costs a server what it costs it in earnest.
const adminKey = "bench-bench-bench-bench-bench"

// startBursar returns as soon as the server listens.
func startBursar(ctx context.Context, binary, dir, key string) (*server, error) {
	return startServing(command(ctx, binary, "serve", "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--data="+dir), key)
}

// startNode is startBursar for one of the servers of a database.
func startNode(ctx context.Context, binary, url, key string) (*server, error) {
	cmd := command(ctx, binary, "serve", "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0")
	cmd.Env = append(os.Environ(), "BURSAR_DATABASE_URL="+url)
	return startServing(cmd, key)
}

func startServing(cmd *exec.Cmd, key string) (*server, error) {
	cmd.Env = append(cmd.Environ(), "BURSAR_ADMIN_KEY="+adminKey)
	logs, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, key: key, began: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(logs)
	for s.addr == "" || s.metrics == "" {
		if !lines.Scan() {
			s.kill()
			return nil, fmt.Errorf("bursar serve ended before it listened")
		}
		s.note(lines.Bytes())
	}
	go func() {
		for lines.Scan() {
			var e struct{ Level string }
			if json.Unmarshal(lines.Bytes(), &e) != nil || e.Level != "INFO" {
				fmt.Fprintf(os.Stderr, "bursar: %s\n", lines.Bytes())
			}
		}
	}()
	return s, nil
}

// note takes the addresses from the server's log.
func (s *server) note(line []byte) {
	var e struct{ Msg, Addr string }
	if json.Unmarshal(line, &e) != nil {
		fmt.Fprintf(os.Stderr, "bursar: %s\n", line)
	}
	switch e.Msg {
	case "listening":
		s.addr = e.Addr
	case "metrics listening":
		s.metrics = e.Addr
	}
}

// send does one request, to look at its reply.
func (s *server) send(r *request) (status int, body []byte, err error) {
	q, err := http.NewRequest(r.Method, "http://"+s.addr+r.Path, strings.NewReader(r.Body))
	if err != nil {
		return 0, nil, err
	}
	q.Header.Set("X-API-KEY", s.key)
	q.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

// profile writes a CPU profile of the next d to path.
func (s *server) profile(path string, d time.Duration) error {
	return fetch(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.metrics, max(1, int(d.Seconds()))), path)
}

func fetch(url, path string) error {
	res, err := http.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %w", url, res.Status, err)
	}
	return os.WriteFile(path, b, 0o600)
}

// liveHeap is what the server's heap holds after a collection, in bytes.
func (s *server) liveHeap() (float64, error) {
	res, err := http.Get("http://" + s.metrics + "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	var n float64
	_, rest, _ := strings.Cut(string(b), "# HeapAlloc = ")
	_, err = fmt.Sscan(rest, &n)
	return n, err
}
