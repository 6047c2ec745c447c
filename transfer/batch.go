package transfer

import (
	"errors"
	"fmt"
	"sync"

	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// importBatch bounds what one transaction of an import writes: commits, and about how
// many bytes of them.
const (
	importBatch      = 512
	importBatchBytes = 1 << 20
)

// A batch is of several customers when their logs are short. Those that have ended wait for
// it, with their states, and are then finished side by side.
const (
	importWaiting = 64    // logs that wait
	importRecords = 5_000 // that have changed a state that waits
	importSide    = 8
)

// batch is what an import is going to write at once.
type batch struct {
	commits []store.Commit
	of      []*incoming // of each commit
	bytes   int
	ended   []*incoming // logs that have all their commits in it, or written
}

// put adds a commit to the batch, which is written when it is large.
func (im *importer) put(in *incoming, c store.Commit) error {
	b := &im.batch
	b.commits, b.of = append(b.commits, c), append(b.of, in)
	if b.bytes += len(c.Payload); len(b.commits) < importBatch && b.bytes < importBatchBytes {
		return nil
	}
	return im.flush()
}

// ends notes that a log has all its commits.
func (im *importer) ends(in *incoming) error {
	im.batch.ended = append(im.batch.ended, in)
	if len(im.batch.ended) < importWaiting && in.st != nil && in.st.Dirty.Records < importRecords {
		return nil
	}
	return im.flush()
}

// flush writes the batch and finishes the logs that have ended.
func (im *importer) flush() error {
	b := im.batch
	im.batch = batch{}
	if len(b.commits) > 0 {
		if err := im.append(&b); err != nil {
			return err
		}
	}
	errs := make([]error, len(b.ended))
	room := make(chan struct{}, importSide)
	var all sync.WaitGroup
	for i, in := range b.ended {
		room <- struct{}{}
		all.Go(func() {
			errs[i] = in.finish()
			<-room
		})
	}
	all.Wait()
	for i, in := range b.ended {
		if errors.Is(errs[i], ErrMismatch) {
			im.mismatches = append(im.mismatches, errs[i])
		} else if errs[i] != nil {
			im.t.Stream, im.t.Seq = in.name, in.had.Seq
			return errs[i]
		}
	}
	return nil
}

func (im *importer) append(b *batch) error {
	at := func(i int) { im.t.Stream, im.t.Seq = b.commits[i].Stream, b.commits[i].After.Seq }
	outcomes, err := im.s.Append(im.ctx, b.commits, nil)
	if err != nil {
		at(0)
		return fmt.Errorf("writing %s after commit %d: %w", streamTitle(im.t.Stream), im.t.Seq, err)
	}
	for i, o := range outcomes {
		if o != store.Committed {
			at(i)
			return fmt.Errorf("%s was written by somebody else at commit %d; stop what uses the store", streamTitle(im.t.Stream), im.t.Seq+1)
		}
		im.t.Written++
		b.of[i].had = b.commits[i].Head()
		if b.of[i] == im.in {
			im.t.Seq = im.in.had.Seq
		}
	}
	return nil
}

// finish saves what a log came to, reads it back and compares its state with the one that
// was exported.
func (in *incoming) finish() error {
	if in.st != nil {
		if err := in.save(); err != nil {
			return err
		}
	}
	in.st = nil // the memory is wanted for the other one
	same, err := in.readBack()
	if err != nil {
		return fmt.Errorf("reading %s back: %w", streamTitle(in.name), err)
	}
	if !same {
		return in.mismatch()
	}
	return nil
}

func (in *incoming) mismatch() error { return fmt.Errorf("%s: %w", streamTitle(in.name), ErrMismatch) }

// readBack tells whether the store's log folds to what was exported. A log that has gone
// on since, so far that its base is behind that, tells nothing.
func (in *incoming) readBack() (same bool, err error) {
	f := ledger.NewRefold(in.name)
	if err := f.Base(baseOf(in.im.ctx, in.im.s, f.Stream), func(*store.Checkpoint) error { return nil }); err != nil || f.Head().Seq > in.ends.Seq {
		return true, err
	}
	if err := store.ReadLogTo(in.im.ctx, in.im.s, in.name, f.Head(), in.ends, f.Add); err != nil {
		return false, err
	}
	return !f.Sums().Differ(in.exported), nil
}
