package sqlite_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite"
)

const (
	childDir     = "BURSAR_TEST_FAULT_DIR" // set in the child process
	childCommits = 30
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		runtime.LockOSThread() // strace counts calls by thread
		faultChild(dir)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// faultChild appends commits with a message one by one and ends each one's delivery,
// again when that was certainly not written, and tells what it was told.
func faultChild(dir string) {
	s, err := sqlite.Open(dir, sqlite.Options{})
	if err != nil {
		fmt.Println("open", err)
		return
	}
	for step := 0; step < 2*childCommits; {
		n, did, refused := step/2+1, "acked", "refused"
		if step%2 == 0 {
			c := commit("acme", n, 0, noise(6000))
			c.Messages = []store.Message{message(fmt.Sprint(n), 3000)}
			_, err = s.Append(ctx, []store.Commit{c}, nil)
		} else {
			did, refused = "ended", "refused-end"
			err = s.SaveDeliveries(ctx, []store.Delivery{{ID: fmt.Sprint(n), Status: store.DeliverySucceeded}})
		}
		switch {
		case errors.Is(err, store.ErrPoisoned):
			_, again := s.Append(ctx, []store.Commit{commit("acme", n, 0, nil)}, nil)
			_, _, _, heads := s.Heads(ctx, nil, nil)
			_, due := s.DueDeliveries(ctx, 9, func(string) int { return 9 })
			for _, err := range []error{
				again, heads, due, s.Err(), s.Save(ctx, &store.Checkpoint{}),
				s.AddMessage(ctx, message("x", 1)), s.SaveDeliveries(ctx, nil), s.TrimOutbox(ctx, 9),
			} {
				if !errors.Is(err, store.ErrPoisoned) {
					fmt.Println("wrong: a poisoned store says", err)
				}
			}
			fmt.Println("poisoned", n)
			return
		case errors.Is(err, store.ErrNotCommitted):
			fmt.Println(refused, n)
		case err != nil:
			fmt.Println("wrong:", err)
			return
		default:
			fmt.Println(did, n)
			step++
		}
	}
	fmt.Println("done")
}

// TestFaults makes system calls on log.db and its write-ahead log fail, one at a time:
// what was acknowledged is there afterwards, what was refused is not, and after a
// failed sync nothing is acknowledged any more.
func TestFaults(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil || testing.Short() {
		t.Skip("needs strace and time")
	}
	if err := exec.Command(strace, "-f", "-o", "/dev/null", "true").Run(); err != nil {
		t.Skip("strace may not trace here:", err)
	}
	for _, fault := range []struct {
		call, inject string
		want         string // what must happen at some point; "" = the process dies
	}{
		{"fsync", "error=EIO", "poisoned"},
		{"pwrite64", "error=ENOSPC", "refused"},
		{"pwrite64", "error=EIO", "poisoned"},
		{"fsync", "signal=KILL", ""},
		{"pwrite64", "signal=KILL", ""},
	} {
		t.Run(fault.call+" "+fault.inject, func(t *testing.T) {
			hit := 0
			for when := 1; when <= 160; when += 1 + when/2 {
				dir := t.TempDir()
				closeStore(t, open(t, dir)) // faults begin with a database in place
				cmd := exec.Command(strace, "-f", "-o", "/dev/null", "-P", filepath.Join(dir, "log.db-wal"), "-P", filepath.Join(dir, "log.db"),
					"-e", "trace="+fault.call, "-e", fmt.Sprintf("inject=%s:%s:when=%d", fault.call, fault.inject, when), os.Args[0])
				cmd.Env = append(os.Environ(), childDir+"="+dir, "GOMAXPROCS=1")
				out, err := cmd.CombinedOutput()
				if fault.want == "" && err != nil || fault.want != "" && bytes.Contains(out, []byte(fault.want)) {
					hit++
				}
				if fault.want == "refused" && !bytes.HasSuffix(out, []byte("done\n")) {
					t.Errorf("when=%d: did not go on\n%s", when, out)
				}
				checkOutcome(t, dir, out, fmt.Sprintf("when=%d", when))
			}
			if hit == 0 {
				t.Error("no fault was met")
			}
			t.Logf("%d faults met", hit)
		})
	}
}

// checkOutcome compares what the child was told with what its files hold.
func checkOutcome(t *testing.T, dir string, out []byte, when string) {
	t.Helper()
	acked, ended, last, lastN := 0, 0, "", 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "wrong") {
			t.Errorf("%s: %s", when, line)
		}
		var what string
		var n int
		if k, _ := fmt.Sscan(line, &what, &n); k == 2 {
			last, lastN = what, n
			switch what {
			case "acked":
				acked = n
			case "ended":
				ended = n
			}
		}
	}
	s := open(t, dir)
	defer closeStore(t, s)
	heads, _, _, err := s.Heads(ctx, []string{"acme"}, nil)
	ok(t, err)
	found := int(heads[0].Seq)
	if found < acked || found > acked+1 || found > acked && last == "refused" && lastN == found {
		t.Errorf("%s: %d acknowledged, then %s %d, but %d found\n%s", when, acked, last, lastN, found, out)
	}
	for n := 1; n <= childCommits; n++ {
		got, want := status(t, s, fmt.Sprint(n)), store.DeliveryStatus("")
		switch {
		case n <= ended:
			want = store.DeliverySucceeded
		case n <= found:
			want = store.DeliveryPending
		}
		unknown := n == ended+1 && n <= acked && last != "refused-end"
		if got != want && !(unknown && got == store.DeliverySucceeded) {
			t.Errorf("%s: delivery %d is %q, want %q\n%s", when, n, got, want, out)
		}
	}
	n := 0
	ok(t, s.ReadLog(ctx, "acme", 0, 0, func(r store.LogRow) error {
		n++
		if c := commit("acme", n, 0, nil); r.Head != c.Head() {
			t.Errorf("%s: row %d is %v", when, n, r.Head)
		}
		return nil
	}))
	if n != found {
		t.Errorf("%s: %d rows at seq %d", when, n, found)
	}
}
