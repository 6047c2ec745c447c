package transfer

import (
	"context"
	"errors"
	"fmt"

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
	f := ledger.NewRefold(stream)
	if err := f.Base(baseOf(ctx, s, stream), func(*store.Checkpoint) error { return nil }); err != nil {
		return err
	}
	from := f.Head()
	return s.Rewrite(ctx, stream, from, partsOf(ctx, s, f, from, heads[0], func(row *store.LogRow, p *store.BasePart) error {
		var c store.Commit
		if err := f.AddTo(row, &c); err != nil {
			return fmt.Errorf("its log: %w", err)
		}
		p.Log, p.Activity, p.Listing = append(p.Log, *row), append(p.Activity, c.Activity...), f.St.Customer
		return nil
	}))
}
