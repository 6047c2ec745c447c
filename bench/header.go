//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// printHeader says what ran where: figures mean nothing without it.
func printHeader(dir string, c *config) {
	fmt.Printf("command  bench %s\n", strings.Join(os.Args[1:], " "))
	fmt.Printf("date     %s\n", time.Now().UTC().Format(time.RFC3339))
	fmt.Printf("machine  %d cores, %s, %s of memory\n", runtime.NumCPU(), procField("/proc/cpuinfo", "model name"), procField("/proc/meminfo", "MemTotal"))
	fmt.Printf("system   %s/%s, Linux %s, %s, load before %s\n", runtime.GOOS, runtime.GOARCH, firstWord("/proc/sys/kernel/osrelease"), runtime.Version(), firstWord("/proc/loadavg"))
	fmt.Printf("data on  %s\n", filesystem(dir))
	fmt.Printf("rounds   %d of %v after %v of warm-up; client and server share the cores\n", c.rounds, c.cell, c.warm)
	if c.quick {
		fmt.Println("QUICK    short cells: whether it works, not how fast")
	}
}

// procField is the value of the first line of a file that begins with name.
func procField(path, name string) string {
	b, _ := os.ReadFile(path)
	for line := range strings.SplitSeq(string(b), "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func firstWord(path string) string {
	b, _ := os.ReadFile(path)
	word, _, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	return word
}

// filesystem is the type and the options of the mount that dir is on.
func filesystem(dir string) string {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "unknown"
	}
	b, _ := os.ReadFile("/proc/self/mounts")
	best, found := "", "unknown"
	for line := range strings.SplitSeq(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) < 4 || len(f[1]) < len(best) {
			continue
		}
		if prefix := strings.TrimSuffix(f[1], "/"); dir == prefix || strings.HasPrefix(dir, prefix+"/") {
			best, found = f[1], f[2]+" ("+f[3]+")"
		}
	}
	return found
}
