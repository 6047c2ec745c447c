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
checkpoints are made anew, from their logs, for each customer where one of them differs. Pages of log.db that are not what was written
are left behind: a new file gets what can be read, and the old one stays as log.db.damaged. The logs themselves must be whole; else
nothing is written, and a backup helps. Activity from before a log's beginning, denials and deliveries are in no log: what cannot
be read of them is told, and lost. Stop the server (all nodes) first. Exit code 1: something differs still, or --write is missing.`
}

func (c *rebuildCommand) Run(p *process) (err error) {
	differences := 0
	if c.Data != "" {
		if differences, err = c.pages(p); err != nil || differences > 0 && !c.Write {
			return err
		}
	}
	s, err := c.openStore(p, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closed(s)) }()
	streams, err := c.differing(p, s)
	if err != nil {
		return err
	}
	if len(streams) == 0 {
		fmt.Fprintln(p.stderr, "The store is what its logs come to.")
		return nil
	}
	if !c.Write {
		return exitf(exitFailed, "%d logs differ from what is stored beside them. Nothing was written; --write makes it anew.", len(streams))
	}
	if err := c.rebuild(p, s, streams); err != nil {
		return err
	}
	if streams, err = c.differing(p, s); err == nil && len(streams) > 0 {
		err = exitf(exitFailed, "%d logs differ still.", len(streams))
	}
	return err
}

// pages looks for pages of the files that are not what was written, and makes log.db anew if it has some.
func (c *rebuildCommand) pages(p *process) (differences int, err error) {
	told := func(place string) {
		differences++
		fmt.Fprintln(p.stdout, place)
	}
	if err := checkEmbedded(c.Data, told); err != nil {
		return 0, exitf(exitStore, "the store in %s cannot be read: %w", c.Data, err)
	}
	if differences == 0 {
		return 0, nil
	}
	if !c.Write {
		return differences, exitf(exitFailed, "The store's files are not what was written: %d differences. Nothing was written; --write makes anew what can be.", differences)
	}
	if err := salvageEmbedded(c.Data, func(what string) { fmt.Fprintln(p.stdout, what) }); err != nil {
		return 0, exitf(exitFailed, "log.db cannot be made anew, and is as it was: %w; restore it from a backup", err)
	}
	return differences, nil
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
		if err := transfer.Rebuild(p.ctx, s, stream); err != nil && s.Err() != nil {
			return exitf(exitStore, "%s: %w", ofStream(stream), err)
		} else if err != nil {
			fmt.Fprintf(p.stdout, "%s cannot be made anew: %v\n", ofStream(stream), err)
			continue
		}
		fmt.Fprintf(p.stdout, "%s: made anew from its log\n", ofStream(stream))
	}
	return nil
}
