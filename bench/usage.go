//go:build linux

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// usage is CPU time spent so far, in seconds.
type usage struct{ server, self, machine float64 }

func readUsage(pid int) usage {
	return usage{processCPU(pid), selfCPU(), machineCPU()}
}

// since is how many cores the server, this process and the rest kept busy.
func (u usage) since(before usage, seconds float64) (server, self, other float64) {
	server = (u.server - before.server) / seconds
	self = (u.self - before.self) / seconds
	return server, self, max(0, (u.machine-before.machine)/seconds-server-self)
}

const ticks = 100 // of the kernel's accounting, a second

func processCPU(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name before it may have spaces
	return sumFields(strings.Fields(rest), 11, 12)
}

func sumFields(fields []string, which ...int) (sum float64) {
	for _, i := range which {
		if i < len(fields) {
			v, _ := strconv.ParseFloat(fields[i], 64)
			sum += v / ticks
		}
	}
	return sum
}

func selfCPU() float64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}

// machineCPU is the busy time of all cores.
func machineCPU() float64 {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	if len(f) < 9 {
		return 0
	}
	return sumFields(f, 1, 2, 3, 6, 7) // user, nice, system, interrupts; not idle, iowait and steal
}

// memory reads a figure of /proc/PID/status, such as VmRSS, in bytes.
func memory(pid int, name string) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024
		}
	}
	return 0
}
