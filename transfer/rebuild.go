package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// Rebuild makes anew what a store has beside the log of a customer: the listing, the entries of the activity since
// the log begins, and what the customer uses. The checkpoint is forgotten, and made again when the customer is next read. No
// engine uses the store meanwhile. A log that is damaged is an error, and then nothing changes.
func Rebuild(ctx context.Context, s store.Store, stream string) error {
	heads, _, _, err := s.Heads(ctx, []string{stream}, nil)
	if err != nil {
		return err
	}
	if heads[0].Seq == 0 {
		return errors.New("it has no log")
	}
	whole := ledger.NewRefold(stream) // a log that is not whole is found before anything is written
	if err := whole.Base(baseOf(ctx, s, stream), func(*store.Checkpoint) error { return nil }); err != nil {
		return err
	}
	if err := store.ReadLogTo(ctx, s, stream, whole.Head(), heads[0], whole.Add); err != nil {
		return fmt.Errorf("its log: %w", err)
	}
	b := rebuilding{ctx: ctx, s: s, f: ledger.NewRefold(stream), end: heads[0]}
	if err := b.f.Base(baseOf(ctx, s, stream), func(*store.Checkpoint) error { return nil }); err != nil {
		return err
	}
	return s.Rewrite(ctx, stream, b.f.Head(), b.parts())
}

type rebuilding struct {
	ctx context.Context
	s   store.LogReader
	f   *ledger.Refold
	end store.Head
}

// parts are the rows of the log as they are, with what the listings show of them.
func (b *rebuilding) parts() iter.Seq2[*store.BasePart, error] {
	return func(yield func(*store.BasePart, error) bool) {
		p, size := new(store.BasePart), 0
		err := store.ReadLogTo(b.ctx, b.s, b.f.Stream, b.f.Head(), b.end, func(row *store.LogRow) error {
			var c store.Commit
			if err := b.f.AddTo(row, &c); err != nil {
				return err
			}
			p.Log, p.Activity = append(p.Log, *row), append(p.Activity, c.Activity...)
			if size += len(row.Payload); len(p.Log) < importBatch && size < importBatchBytes {
				return nil
			}
			if !yield(p, nil) {
				return errStopped
			}
			p, size = new(store.BasePart), 0
			return nil
		})
		switch {
		case errors.Is(err, errStopped):
		case err != nil:
			yield(nil, fmt.Errorf("its log: %w", err))
		default:
			p.Listing, p.Uses = b.f.St.Customer, b.f.St.AllUses()
			yield(p, nil)
		}
	}
}

var errStopped = errors.New("stopped")
