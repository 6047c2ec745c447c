package pgtest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bursarhq/bursar/store/postgres/pgtest"
)

// TestMain is also the process that TestNothingIsLeft kills.
func TestMain(m *testing.M) {
	if os.Getenv("PGTEST_VICTIM") == "" {
		os.Exit(m.Run())
	}
	s, _, err := pgtest.Start(pgtest.Options{NoSync: true})
	fmt.Println(s.Dir(), s.Addr(), err)
	select {}
}

// A server and its files are gone when the process that started it was killed.
func TestNothingIsLeft(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PGTEST_VICTIM=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	dir, _, _ := strings.Cut(line, " ")
	if _, err2 := os.Stat(dir); err != nil || err2 != nil {
		t.Errorf("no server: %q, %v, %v", line, err, err2)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as it should be
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s is still there", dir)
		}
	}
}

func TestDatabasesAreFresh(t *testing.T) {
	if a, b := pgtest.Database(t), pgtest.Database(t); a == b {
		t.Errorf("one database for two: %s", a)
	}
}
