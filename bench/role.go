//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// This program runs itself again for every role. A role reads its spec from the
// standard input and writes its result to the standard output, both JSON.
const roleFlag = "-role"

func runRole(name string) {
	var err error
	switch name {
	case "load":
		err = answer(runLoad)
	case "seed":
		err = answer(runSeed)
	case "engine":
		err = answer(runEngine)
	case "floor":
		err = runFloor()
	case "node":
		err = runNode()
	default:
		err = fmt.Errorf("no role %q", name)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench %s: %v\n", name, err)
		os.Exit(1)
	}
}

func answer[S, R any](f func(*S) (R, error)) error {
	spec := new(S)
	if err := json.NewDecoder(os.Stdin).Decode(spec); err != nil {
		return err
	}
	r, err := f(spec)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(encodeJSON(r))
	return err
}

// command is a process that dies with this one.
func command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func roleCommand(ctx context.Context, role string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return command(ctx, self, roleFlag, role), nil
}

// call runs a role to its end.
func call(ctx context.Context, role string, spec, result any) error {
	cmd, err := roleCommand(ctx, role)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(encodeJSON(spec)), &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", role, err)
	}
	return json.Unmarshal(out.Bytes(), result)
}
