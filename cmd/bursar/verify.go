package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/bursarhq/bursar/engine"
)

// verifyCommand checks a store.
type verifyCommand struct {
	storeFlags `embed:""`
	Customer   string `help:"Only this customer." env:"-" placeholder:"ID"`
}

func (*verifyCommand) Help() string {
	return `Reads everything: each log is chained from its first commit to its last, and what else the store has must be what
the log comes to: checkpoints, reservations, usage series, idempotency keys, the listing of customers and the activity.
Of an embedded store, whose server must be stopped, each page is compared with its checksum first. PostgreSQL can be
checked at any time. Each difference is one line; there is none, or the exit code is 1. Nothing is written.`
}

func (c *verifyCommand) Run(p *process) (err error) {
	began, differences := time.Now(), 0
	found := func(format string, args ...any) {
		differences++
		fmt.Fprintf(p.stdout, format+"\n", args...)
	}
	if c.Data != "" {
		err := checkEmbedded(c.Data, func(place string) { found("%s", place) })
		if err != nil {
			return exitf(exitStore, "the store in %s cannot be read: %w", c.Data, err)
		}
		if differences > 0 { // opening it would put aside what is damaged
			return exitf(exitFailed, "The store's files are not what was written: %d differences.", differences)
		}
	}
	s, err := c.openStore(p, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closed(s)) }()
	last := began
	done, err := engine.CheckStore(p.ctx, s, engine.CheckOptions{
		Customer: c.Customer,
		Found: func(stream, difference string) {
			found("%s: %s", ofStream(stream), difference)
		},
		Progress: func(k engine.Checked) {
			if now := time.Now(); now.Sub(last) >= 2*time.Second {
				last = now
				fmt.Fprintf(p.stderr, "checked so far: %s logs, %s commits\n", commas(k.Streams), commas(k.Commits))
			}
		},
	})
	if err != nil {
		return exitf(exitStore, "the store cannot be read: %w", err)
	}
	fmt.Fprintf(p.stderr, "Checked %s commits of %s logs and %s checkpoints in %.1f s: %d differences.\n",
		commas(done.Commits), commas(done.Streams), commas(done.Checkpoints), time.Since(began).Seconds(), differences)
	if differences > 0 {
		return exitf(exitFailed, "The store differs from its logs.")
	}
	return nil
}
