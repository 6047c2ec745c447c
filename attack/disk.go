//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// fullDisk runs the embedded store on a file system that somebody else fills.
func fullDisk(r *rig) error {
	mount, err := os.MkdirTemp(r.tmp, "disk-")
	if err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=96m"); err != nil {
		fmt.Printf("   skipped: mounting a small file system needs root: %v\n", err)
		return nil
	}
	r.cleanup = append(r.cleanup, func() error { return syscall.Unmount(mount, syscall.MNT_DETACH) })
	dir := filepath.Join(mount, "data")
	s, err := r.startOn(dir)
	if err != nil {
		return err
	}
	if err := s.catalogue(); err != nil {
		return err
	}
	if err := s.customer("acme", 10, 10); err != nil {
		return err
	}
	ballast := filepath.Join(mount, "ballast")
	if err := fill(ballast); err != nil {
		return err
	}
	full := s.whileFull()
	acknowledged := full.acknowledged
	r.add("writes answered 503", full.refused, "", atLeast(1))
	r.add("writes answered otherwise, or not at all", full.other, "", exactly(0))
	r.add("reads answered of 50 while it is full", full.reads, "", exactly(50))
	starts := 1.0
	s.kill()
	if s, err = r.startOn(dir); err != nil {
		starts = 0
	}
	r.add("starts while it is full", starts, "", exactly(1))
	if err := os.Remove(ballast); err != nil {
		return err
	}
	if starts == 0 {
		if s, err = r.startOn(dir); err != nil {
			return err
		}
	}
	healed, began := 0.0, time.Now()
	for time.Since(began) < 20*time.Second && healed == 0 {
		if status, _, err := s.call(admin, "POST", "/usage", usage("acme", "agent-0-0", 100)); err == nil && status == 201 {
			healed, acknowledged = 1, acknowledged+100
		}
	}
	r.add("writes again when there is room", healed, "", exactly(1))
	used, err := s.used("acme")
	r.add("acknowledged and not counted, or counted twice", max(0, acknowledged-used["org"]), "units", exactly(0))
	return err
}

// answered is what a server did while its disk was full.
type answered struct{ acknowledged, refused, other, reads float64 }

// whileFull writes until writes are refused, and then reads.
func (s *server) whileFull() (a answered) {
	for range 3000 {
		status, _, err := s.call(admin, "POST", "/usage", usage("acme", "agent-0-0", 100))
		switch {
		case err == nil && status == 201:
			a.acknowledged += 100
		case err == nil && status == 503:
			a.refused++
		default:
			a.other++
		}
		if a.refused+a.other > 50 {
			break
		}
	}
	for range 50 {
		if status, _, err := s.call(admin, "GET", "/customers/acme/entitlements/check?featureId=tokens&dimensions[agentId]=agent-0-0", nil); err == nil && status == 200 {
			a.reads++
		}
	}
	return a
}

// fill writes a file until the file system is full.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; size /= 4 {
		block := bytes.Repeat([]byte{1}, size)
		for {
			if _, err := f.Write(block); err != nil {
				break
			}
		}
	}
	return nil
}
