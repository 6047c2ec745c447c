package main

import (
	"errors"
	"fmt"

	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/transfer"
)

// rebuildCommand makes anew what a store derives from its logs.
type rebuildCommand struct {
	storeFlags `embed:""`
	Write      bool `help:"Make it anew; else it is only told what would be." env:"-"`
}

func (*rebuildCommand) Help() string {
	return `Checks the store as "bursar verify" does. With --write the listing of customers, the activity, what customers use and their
checkpoints are made anew, from their logs, for each customer where one of them differs. Where pages of log.db are not what was
written a new file gets what can be read, and the damaged one is kept as log.db.damaged. The logs themselves must be whole; else
nothing is made anew, and a backup helps. Denials, messages, deliveries and jobs are in no log, nor is activity from before a log was
trimmed: what cannot be read of them is told, and lost. Stop the server (all nodes) first, and run this as the server's user. Exit
code 1: something differs still, or --write is missing.`
}

func (c *rebuildCommand) Run(p *process) (err error) {
	if c.Data != "" {
		if err := c.pages(p); err != nil {
			return err
		}
	}
	s, err := c.open(p, false, openUnfinished)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closed(s)) }()
	streams, err := c.differing(p, s)
	if err != nil {
		return err
	}
	switch {
	case len(streams) > 0 && !c.Write:
		return exitf(exitFailed, "%d logs differ from what is stored beside them. Nothing was written; --write makes it anew.", len(streams))
	case len(streams) > 0:
		if err := c.rebuild(p, s, streams); err != nil {
			return err
		}
		if streams, err = c.differing(p, s); err != nil {
			return err
		}
		if len(streams) > 0 {
			return exitf(exitFailed, "%d logs differ still. Where a checkpoint of an embedded store does, remove state.db*: the next start makes it anew.", len(streams))
		}
	default:
		fmt.Fprintln(p.stderr, "The store is what its logs come to.")
	}
	if c.Data != "" && c.Write {
		return finishEmbedded(c.Data)
	}
	return nil
}

// pages looks for pages of the files that are not what was written, and makes the files anew.
func (c *rebuildCommand) pages(p *process) error {
	differences := 0
	told := func(place string) {
		differences++
		fmt.Fprintln(p.stdout, place)
	}
	if err := checkEmbedded(c.Data, told); err != nil {
		return exitf(exitStore, "the store in %s cannot be read: %w", c.Data, err)
	}
	if differences == 0 {
		return nil
	}
	if !c.Write {
		return exitf(exitFailed, "The store's files are not what was written: %d differences. Nothing was written; --write makes anew what can be.", differences)
	}
	if err := salvageEmbedded(c.Data, func(what string) { fmt.Fprintln(p.stdout, what) }); err != nil {
		return exitf(exitFailed, "the store's files cannot be made anew: %w", err)
	}
	return nil
}

// differing tells of each difference, and returns the logs that have one.
func (c *rebuildCommand) differing(p *process, s store.Store) (streams []string, err error) {
	_, err = engine.CheckStore(p.ctx, s, engine.CheckOptions{Found: func(stream, difference string) {
		fmt.Fprintf(p.stdout, "%s: %s\n", ofStream(stream), difference)
		if len(streams) == 0 || streams[len(streams)-1] != stream {
			streams = append(streams, stream)
		}
	}})
	if err != nil {
		return nil, exitf(exitStore, "the store cannot be read: %w", err)
	}
	return streams, nil
}

func (c *rebuildCommand) rebuild(p *process, s store.Store, streams []string) error {
	s, release, err := store.TakeStore(p.ctx, s)
	if errors.Is(err, store.ErrServed) {
		return exitf(exitStore, "nodes use the store, or an import does; stop them, and try again")
	}
	if err != nil {
		return exitf(exitStore, "%w", err)
	}
	defer release()
	for _, stream := range streams {
		if stream == store.CatalogueStream {
			continue // nothing is derived of it
		}
		if err := transfer.Rebuild(p.ctx, s, stream); err != nil && (s.Err() != nil || p.ctx.Err() != nil) {
			return exitf(exitStore, "%s: %w; run bursar rebuild --write again", ofStream(stream), err)
		} else if err != nil {
			fmt.Fprintf(p.stdout, "%s cannot be made anew: %v\n", ofStream(stream), err)
			continue
		}
		fmt.Fprintf(p.stdout, "%s: made anew from its log\n", ofStream(stream))
	}
	return nil
}
