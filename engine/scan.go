package engine

import (
	"context"
	"errors"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// scanBytes ends a reading of the log after so many bytes. Large commits are then read a
// few at a time, and are decoded only in their turn.
const scanBytes = 256 << 10

// maxScans is how many logs are read again at one time in this process.
const maxScans = 4

// errChunkFull ends a reading.
var errChunkFull = errors.New("enough for one reading")

// readChunk reads the commits of a stream after a seq, up to another, as many as are read
// at a time. What was trimmed is left out.
func (e *Engine) readChunk(ctx context.Context, stream string, after, upTo uint64) (rows []store.LogRow, err error) {
	if upTo <= after {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	size := 0
	err = e.store.ReadLog(ctx, stream, after, int(min(ledger.ScanChunk, upTo-after)), func(r store.LogRow) error {
		if r.Head.Seq > upTo {
			return errChunkFull
		}
		rows = append(rows, r)
		if size += len(r.Payload); size >= scanBytes {
			return errChunkFull
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && !errors.Is(err, errChunkFull) {
		return nil, e.unavailable(err)
	}
	return rows, nil
}

// scanLog calls f with the commits of a stream after a seq, up to another, in order, and
// progress, unless it is nil, now and then with how many were read, and of how many.
func (e *Engine) scanLog(ctx context.Context, stream string, after, upTo uint64, progress func(done, total uint64), f func(*record.Row) error) error {
	if err := e.scans.take(ctx, stream); err != nil {
		return err
	}
	defer e.scans.give()
	for begin, done := after, false; !done; {
		err := e.share.turn(ctx, stream, func(ctx context.Context) error {
			rows, err := e.readChunk(ctx, stream, after, upTo)
			if done = len(rows) == 0; err != nil || done {
				return err
			}
			after = rows[len(rows)-1].Head.Seq
			return eachRow(ctx, stream, rows, f)
		})
		if err != nil {
			return err
		}
		if progress != nil {
			progress(after-begin, upTo-begin)
		}
	}
	return nil
}

// eachRow decodes one commit after the other for f.
func eachRow(ctx context.Context, stream string, rows []store.LogRow, f func(*record.Row) error) error {
	for i := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err := record.DecodeRow(stream, &rows[i])
		if err != nil {
			return err
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return nil
}

// logSince finds the seq after which the commits of a stream with now ≥ t are; whole
// tells that none of them has been trimmed. The instants of a log never go back, so it
// looks at few commits only.
func (e *Engine) logSince(ctx context.Context, stream string, head uint64, t bursar.Time) (after uint64, whole bool, err error) {
	at := func(after uint64) (h store.Head, err error) {
		err = e.store.ReadLog(ctx, stream, after, 1, func(r store.LogRow) error {
			h = r.Head
			return nil
		})
		if err != nil {
			err = e.unavailable(err)
		}
		return h, err
	}
	first, err := at(0)
	if err != nil || first.Seq == 0 {
		return head, true, err
	}
	if first.Now >= t {
		return first.Seq - 1, first.Seq == 1, nil
	}
	before, since := first.Seq, head+1 // the commit before is too early, since is not
	for since-before > 1 {
		mid := before + (since-before)/2
		h, err := at(mid - 1)
		if err != nil {
			return 0, false, err
		}
		if h.Seq == 0 || h.Now >= t {
			since = mid
		} else {
			before = mid
		}
	}
	return before, true, nil
}

// recordTime makes the log of a customer say what time has done to it until now.
func (e *Engine) recordTime(ctx context.Context, o ledger.ReadOptions, customer string) error {
	passed := false
	_, err := e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
		due := v.Ends()
		passed = due != 0 && due <= v.Now
		return nil
	})
	if err == nil && passed {
		e.tick(customer, ledger.TickOp{TimeAlone: true})
	}
	return err
}
