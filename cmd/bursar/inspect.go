package main

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// inspectCommand prints what a checkpoint counts.
type inspectCommand struct {
	storeFlags `embed:""`
	Customer   string `arg:"" help:"ID of the customer."`
}

func (*inspectCommand) Help() string {
	return `Prints a line for each limit of the customer's last checkpoint, most used first, with tabs between its columns: the
entity, the capability, the label, the limit ("-" for none, "default" where it is by default), what is used and what is held of it, the cadence, and the
current window's start and end. What came after the checkpoint is in the log and not counted; a server that stopped in
order has saved all. Of an embedded store the server must be stopped. Nothing is written.`
}

// inspected is what is told of a customer.
type inspected struct {
	at          store.Head
	entities    map[uint32]string
	assignments []store.AssignmentRow
	counters    map[uint32]store.CounterRow
}

func (c *inspectCommand) Run(p *process) (err error) {
	s, err := c.openStore(p, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closed(s)) }()
	i := inspected{entities: map[uint32]string{}, counters: map[uint32]store.CounterRow{}}
	if err := s.Load(p.ctx, c.Customer, i.add); err != nil {
		return exitf(exitStore, "the checkpoint of %q cannot be read: %w", c.Customer, err)
	}
	if i.at.Seq == 0 {
		return exitf(exitFailed, "There is no checkpoint of a customer %q.", c.Customer)
	}
	out := bufio.NewWriter(p.stdout)
	i.print(out)
	fmt.Fprintf(p.stderr, "%s limits of %s entities, as of commit %s at %s.\n",
		commas(len(i.assignments)), commas(len(i.entities)), commas(i.at.Seq), i.at.Now)
	return out.Flush()
}

func (i *inspected) add(cp *store.Checkpoint) error {
	i.at = cp.Head
	for _, e := range cp.Entities {
		i.entities[e.Ord] = e.ID
	}
	i.assignments = append(i.assignments, cp.Assignments...)
	for _, c := range cp.Counters {
		i.counters[c.Ord] = c
	}
	return nil
}

func (i *inspected) print(out *bufio.Writer) {
	slices.SortStableFunc(i.assignments, func(a, b store.AssignmentRow) int {
		return i.counters[b.Ord].Used.Cmp(i.counters[a.Ord].Used)
	})
	fmt.Fprintln(out, strings.Join([]string{"entity", "capability", "label", "limit", "used", "held", "cadence", "from", "to"}, "\t"))
	for k := range i.assignments {
		a := &i.assignments[k]
		c := i.counters[a.Ord]
		limit := "-"
		switch {
		case a.Cadence == "": // no own limit is without one
			limit = "default"
		case a.Limit != nil:
			limit = a.Limit.String()
		}
		entity := i.entities[a.EntityOrd]
		if a.EntityOrd == 0 {
			entity = "-" // the customer's own
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", entity, a.Capability, a.Label, limit, c.Used, c.Held, a.Cadence, bound(c.WindowStart), bound(c.WindowEnd))
	}
}

// bound is an end of a window; "-" for none.
func bound(t bursar.Time) string {
	if t == 0 || t == math.MaxInt64 {
		return "-"
	}
	return t.String()
}
