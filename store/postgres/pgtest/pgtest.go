// Package pgtest starts a private PostgreSQL for tests, from the machine's binaries, on a
// free port of the loopback interface with its data in a temporary directory. Nothing of
// it outlives the test binary, however that ends.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options are what a server is for.
type Options struct {
	NoSync   bool     // fsync off: for suites that do not need what they write to last
	Settings []string // more of postgresql.conf, as name=value
}

// Server is a private PostgreSQL, to which everybody on this machine may connect.
type Server struct {
	bin, dir string
	port     int
	as       *syscall.Credential // nil: as this process
	settings []string
	lifeline *os.File // its end ends the server
	made     atomic.Int64
}

// shared is the server of Database.
var shared = sync.OnceValues(func() (*Server, error) { return start(Options{}) })

// Database makes an empty database on a server that the test binary's tests share, and
// gives its URL. It is gone when the test has ended.
func Database(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s.Database(t)
}

// New starts a server for one test, which stops with it.
func New(t testing.TB, opts Options) *Server {
	t.Helper()
	s, err := start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.lifeline.Close() })
	return s
}

// Start starts a server for a program, such as a benchmark; stop ends it.
func Start(opts Options) (s *Server, stop func(), err error) {
	if s, err = start(opts); err != nil {
		return nil, nil, err
	}
	return s, func() { _ = s.lifeline.Close() }, nil
}

const portTries = 5

func start(opts Options) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	if s.as, err = notRoot(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "bursar-postgres-"); err != nil {
		return nil, err
	}
	if s.as != nil {
		if err := os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return nil, err
		}
	}
	if err := s.watch(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.run("initdb", "-D", s.data(), "-U", "bursar", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return nil, errors.Join(err, s.lifeline.Close())
	}
	s.settings = []string{"max_connections=200", "shared_buffers=64MB", "listen_addresses=127.0.0.1", "unix_socket_directories="}
	if opts.NoSync {
		s.settings = append(s.settings, "fsync=off", "full_page_writes=off")
	}
	s.settings = append(s.settings, opts.Settings...)
	for range portTries {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.start(); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, s.lifeline.Close())
}

// watch starts the process that stops the server and removes its directory as soon as
// this process closes the lifeline or ends, in whatever way. It is in a session of its
// own, so that what is sent to the terminal's processes does not reach it.
func (s *Server) watch() error {
	const script = `read _
"$0/pg_ctl" -D "$1/data" -m immediate -w stop
cd / && rm -rf "$1"`
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", "-c", script, s.bin, s.dir)
	cmd.Stdin, cmd.Dir = r, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Setsid: true}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, w.Close(), r.Close())
	}
	s.lifeline = w
	go func() { _ = cmd.Wait() }()
	return r.Close()
}

// binaries is the directory of the newest PostgreSQL.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil && exists(filepath.Join(filepath.Dir(path), "pg_ctl")) {
			return filepath.Dir(path), nil
		}
	}
	newest, dir := 0, ""
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	for _, path := range found {
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))); err == nil && v > newest {
			newest, dir = v, filepath.Dir(path)
		}
	}
	if dir == "" {
		return "", errors.New("pgtest: PostgreSQL's initdb and pg_ctl are not on this machine: apt-get install postgresql")
	}
	return dir, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// notRoot is whom the server runs as: PostgreSQL refuses to run as root.
func notRoot() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("pgtest: PostgreSQL does not run as root, and there is no user postgres or nobody")
}

// run runs one of PostgreSQL's programs to its end.
func (s *Server) run(name string, args ...string) error {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Setsid: true}
	out, err := os.CreateTemp(s.dir, "out-") // a pipe would stay open in the server
	if err != nil {
		return err
	}
	defer func() { _, _ = out.Close(), os.Remove(out.Name()) }()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		log, _ := os.ReadFile(s.log())
		return fmt.Errorf("pgtest: %s: %w\n%s%s", name, err, said, log)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }
func (s *Server) log() string  { return filepath.Join(s.dir, "log") }

func (s *Server) start() error {
	opts := []string{"-p " + strconv.Itoa(s.port)}
	for _, set := range s.settings {
		opts = append(opts, "-c '"+set+"'")
	}
	return s.run("pg_ctl", "-D", s.data(), "-l", s.log(), "-o", strings.Join(opts, " "), "-w", "start")
}

// Start starts the server again that Stop has stopped.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// Stop stops the server: at once, as a crash would, or once it has rolled back what its
// clients are doing.
func (s *Server) Stop(t testing.TB, immediate bool) {
	t.Helper()
	mode := "fast"
	if immediate {
		mode = "immediate"
	}
	if err := s.run("pg_ctl", "-D", s.data(), "-m", mode, "-w", "stop"); err != nil {
		t.Fatal(err)
	}
}

// URL is of a database that may not exist.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://bursar@127.0.0.1:%d/%s", s.port, database)
}

// Addr is where the server listens.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Database makes an empty database, which is gone when the test has ended.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return s.Copy(t, s.URL("template1"))
}

// Copy makes a database with all that another one has, to which nobody is connected. It
// is faster than to fill an empty one.
func (s *Server) Copy(t testing.TB, url string) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.made.Add(1))
	s.Exec(t, "CREATE DATABASE "+name+" TEMPLATE "+url[strings.LastIndexByte(url, '/')+1:])
	t.Cleanup(func() {
		_ = s.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)") // the server may be stopped
	})
	return s.URL(name)
}

// Exec runs a statement as the server's owner, in none of the tests' databases.
func (s *Server) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if err := s.exec(sql, args...); err != nil {
		t.Fatal(err)
	}
}

const execTimeout = time.Minute

func (s *Server) exec(sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), execTimeout)
	defer cancel()
	c, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, sql, args...)
	return errors.Join(err, c.Close(ctx))
}

// Terminate ends the sessions of bursar in all databases, as an administrator may.
func (s *Server) Terminate(t testing.TB) {
	t.Helper()
	s.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bursar'")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Demote makes the server a replica that follows nobody.
func (s *Server) Demote(t testing.TB) {
	t.Helper()
	s.Stop(t, false)
	if err := os.WriteFile(filepath.Join(s.data(), "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if s.as != nil {
		if err := os.Chown(filepath.Join(s.data(), "standby.signal"), int(s.as.Uid), int(s.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s.Start(t)
}

// Promote makes a replica the primary.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	if err := s.run("pg_ctl", "-D", s.data(), "-w", "promote"); err != nil {
		t.Fatal(err)
	}
}

// Dir is where the server's data and log are.
func (s *Server) Dir() string { return s.dir }
