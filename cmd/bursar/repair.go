package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/transfer"
)

// repairCommand mends what was written while the clock was ahead.
type repairCommand struct {
	storeFlags `embed:""`
	Write      bool   `help:"Mend; else it is only told what would be." env:"-"`
	At         string `help:"The instant that what was written under the wrong clock gets, such as 2026-11-29T03:00:00Z; now by default." env:"-" placeholder:"TIME"`
}

func (*repairCommand) Help() string {
	return `What a server wrote while its clock was ahead keeps a customer in the future until that time has come: usage with a
true timestamp is refused, reservations do not end. This finds such customers, and the environment's own log, and with
--write gives what was written in the future another instant: totals, ids and idempotency keys stay, windows are counted
anew. Set the clock right first, stop the server (all nodes), and take a backup. Exit code 1: something was found and
not mended.`
}

func (c *repairCommand) Run(p *process) (err error) {
	var at bursar.Time
	if c.At != "" {
		t, err := time.Parse(time.RFC3339Nano, c.At)
		if err != nil {
			return exitf(exitUsage, "--at: %q is no instant like 2026-11-29T03:00:00Z", c.At)
		}
		at = bursar.TimeOf(t)
	}
	s, err := c.openStore(p, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closed(s)) }()
	would := ""
	if !c.Write {
		would = "would be "
	}
	done, err := transfer.Repair(p.ctx, s, transfer.RepairOptions{Write: c.Write, At: at, Now: bursar.TimeOf(time.Now()),
		Found: func(a transfer.Ahead, err error) {
			what := fmt.Sprintf("%s: commits %d to %d are of the future, up to %s", ofStream(a.Stream), a.First, a.First+a.Commits-1, a.Until)
			if err != nil {
				fmt.Fprintf(p.stdout, "%s, and stay so: %v\n", what, err)
				return
			}
			fmt.Fprintf(p.stdout, "%s; they %sof %s now\n", what, cmp.Or(would, "are "), a.At)
		}})
	switch {
	case errors.Is(err, store.ErrServed):
		return exitf(exitStore, "nodes use the store, or an import does; stop them, and repair again")
	case err != nil && s.Err() != nil:
		return exitf(exitStore, "%w", err)
	case err != nil:
		return exitf(exitFailed, "%w", err)
	}
	fmt.Fprintf(p.stderr, "%s logs have commits of the future, %s in all; %s deliveries wait for it.\n",
		commas(uint64(done.Streams)), commas(done.Commits), commas(uint64(done.Deliveries)))
	switch {
	case done.Failed > 0:
		return exitf(exitFailed, "%d of them cannot be mended.", done.Failed)
	case !c.Write && done.Streams+done.Deliveries > 0:
		return exitf(exitFailed, "Nothing was written; --write mends.")
	}
	return nil
}
