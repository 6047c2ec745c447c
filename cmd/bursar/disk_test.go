package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk fills a real file system under a server: writes are answered 503, reads go
// on, a killed server starts there again, and with room everything goes on by itself; what
// was acknowledged is there once.
func TestFullDisk(t *testing.T) {
	data := t.TempDir()
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("a file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	env := rigEnv(filepath.Join(data, "store"))
	p := start(t, env)
	p.must("PUT", "/api/v1/entity-types", rigKey, `{"types":[{"id":"agent","displayName":"Agent","attributionKeys":["agent"]}]}`)
	p.must("POST", "/api/v1/features", rigKey, `{"id":"tokens","displayName":"Tokens","featureType":"NUMBER"}`)
	p.must("POST", "/api/v1/customers", rigKey, `{"id":"acme"}`)
	acked, sent := 0, 0
	report := func() int {
		sent++
		status, reply, err := p.do("POST", "/api/v1/usage", rigKey, fmt.Sprintf(
			`{"usages":[{"customerId":"acme","featureId":"tokens","value":1,"idempotencyKey":"%d","dimensions":{"pad":"%s"}}]}`, sent, strings.Repeat("x", 200)))
		if err != nil || status != 201 && status != 503 {
			t.Fatalf("report %d: %d %s %v\n%s", sent, status, reply, err, p.log())
		}
		if status == 201 {
			acked++
		}
		return status
	}
	reads := func(when string) {
		t.Helper()
		got := ask[struct{ CurrentUsage int }](p, "GET", "/customers/acme/entitlements/check?featureId=tokens", "").CurrentUsage
		if got < acked || got > sent {
			t.Errorf("%s: usage is %d, acknowledged %d of %d", when, got, acked, sent)
		}
	}
	report()
	filler := filepath.Join(data, "filler")
	fillDisk(t, filler)
	refused := 0
	for ; refused < 5 && sent < 20_000; fillDisk(t, filler) {
		for range 200 {
			if report() == 503 {
				refused++
			}
		}
	}
	if refused < 5 {
		t.Fatalf("the disk is not full after %d reports", sent)
	}
	reads("on the full disk")

	p.cmd.Process.Kill()
	<-p.ended
	p.cmd.Wait()
	fillDisk(t, filler)
	p = start(t, env)
	reads("started on the full disk")

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if status := report(); status != 201 {
		t.Errorf("with room again: %d\n%s", status, p.log())
	}
	reads("with room again")
	if code := p.stop(); code != 0 {
		t.Errorf("it ended with %d: %s", code, p.log())
	}
}

// fillDisk makes the file as long as there is room.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, n := range []int{1 << 20, 4096, 1} {
		for err = nil; err == nil; {
			_, err = io.WriteString(f, strings.Repeat("x", n))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}
