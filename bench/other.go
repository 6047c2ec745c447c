//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: the load generator and the figures of CPU and memory need Linux")
	os.Exit(2)
}
