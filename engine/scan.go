package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/bursarhq/bursar"
)

// Reading logs again: what the ledger, backtests and re-pricing have in common. None of
// it holds a customer's lock while it reads.

// scanChunk is how many commits are read at a time, at most.
const scanChunk = 512

// scanBytes is after how many bytes of commits a reading ends: what has grown large is
// few commits, and they are not decoded before it is their turn.
const scanBytes = 256 << 10

// maxScans is how many logs are read again at one time in this process.
const maxScans = 4

// errChunkFull ends a reading.
var errChunkFull = errors.New("enough for one reading")

// readChunk reads the commits of a stream after a seq, up to another, as many as are read
// at a time. What was trimmed is left out.
func (e *Engine) readChunk(ctx context.Context, stream string, after, upTo uint64) (rows []LogRow, err error) {
	if upTo <= after {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	size := 0
	err = e.store.ReadLog(ctx, stream, after, int(min(scanChunk, upTo-after)), func(r LogRow) error {
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

// decodeRow decodes one commit of a stream.
func decodeRow(stream string, r *LogRow) (*logRow, error) {
	recs, err := decodePayload(r.Payload)
	if err != nil {
		return nil, fmt.Errorf("stream %q, commit %d: %w", stream, r.Head.Seq, err)
	}
	return &logRow{*r, recs}, nil
}

// scanLog calls f with the commits of a stream after a seq, up to another, in order, and
// progress, unless it is nil, now and then with how many were read, and of how many.
func (e *Engine) scanLog(ctx context.Context, stream string, after, upTo uint64, progress func(done, total uint64), f func(*logRow) error) error {
	if err := e.scans.take(ctx, stream); err != nil {
		return err
	}
	defer e.scans.give()
	for begin, done := after, false; !done; {
		err := e.share.turn(ctx, stream, func() error {
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
func eachRow(ctx context.Context, stream string, rows []LogRow, f func(*logRow) error) error {
	for i := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err := decodeRow(stream, &rows[i])
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
	at := func(after uint64) (h Head, err error) {
		err = e.store.ReadLog(ctx, stream, after, 1, func(r LogRow) error {
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

func errTrimmed(customer string, t bursar.Time) *bursar.Error {
	return bursar.Errorf(bursar.CodeHistoryTrimmed, "the log of customer %q does not reach back to %s any more", customer, t)
}

// recordTime makes the log of a customer say what time has done to it until now.
func (e *Engine) recordTime(ctx context.Context, o ReadOptions, customer string) error {
	passed := false
	_, err := e.readCustomer(ctx, o, customer, func(v *view) error {
		due := v.due()
		passed = due != 0 && due <= v.now
		return nil
	})
	if err == nil && passed {
		e.tick(customer)
	}
	return err
}

// act is one thing that used something: a usage or the end of a hold, with what it cost.
type act struct {
	record int // its number in the commit
	cap    uint32
	amount bursar.Amount // what every row took unless clamped; may be negative
	units  bursar.Amount // what was priced: of it, what the customer's total took
	at     bursar.Time   // effective
	priced bursar.Time   // when its price was taken; of a hold the price is the hold's
	dims   []bursar.Dimension
	combo  uint32
	path   []step
	hold   *hold // that it ended; nil = none
	ended  bool  // it ended a hold; with hold nil, one that the scan has not seen open
	costs  []*costRec
	event  int   // which event of the commit made it, from 1; 0 = none
	with   []act // what else the same event used, once oneByEvent has put it there
}

// oneByEvent makes one act of all that an event used.
func oneByEvent(acts []act) (out []act) {
	for _, a := range acts {
		if n := len(out) - 1; a.event != 0 && n >= 0 && out[n].event == a.event {
			out[n].with = append(out[n].with, a)
			continue
		}
		out = append(out, a)
	}
	return out
}

// openHolds are the holds that were open where a scan has got to. A hold ends, and is
// used, at most MaxHoldLife after it was made: a scan that begins that much earlier
// than what it asks for knows all that it needs.
type openHolds map[[16]byte]*hold

// actsOf lists the acts of a commit, in order, and follows the holds.
func (o openHolds) actsOf(row *logRow) []act {
	var acts []act
	var gone [][16]byte
	events := 0
	for i, r := range row.recs {
		switch r := r.(type) {
		case *usageRec:
			event := 0
			if r.op == opEvent {
				if r.key.set { // the first of each event has its key
					events++
				}
				event = events
			}
			if !r.delta.IsZero() {
				acts = append(acts, act{event: event, record: i, cap: r.cap, amount: r.delta, units: r.total, at: r.at, priced: min(r.timestamp, row.Head.Now),
					dims: r.dims, combo: r.combo, path: r.path})
			}
		case *holdOpenRec:
			o[r.id] = r.hold()
		case *holdCostRec:
			if h := o[r.id]; h != nil {
				h.costs = append(h.costs, r.cost)
			}
		case *holdFreeRec:
			gone = append(gone, r.id)
		case *holdCommitRec:
			if r.late != nil {
				late := *r.late
				late.costs = nil // they follow
				o[r.id] = &late
			}
			acts, gone = append(acts, o.ending(i, &r.closing)), append(gone, r.id)
		case *holdExpireRec:
			if gone = append(gone, r.id); r.settle {
				acts = append(acts, o.ending(i, &r.closing))
			}
		case *costRec:
			if n := len(acts) - 1; !r.correction && n >= 0 && acts[n].record == int(r.of) {
				acts[n].costs = append(acts[n].costs, r)
			}
		}
	}
	for _, id := range gone {
		delete(o, id)
	}
	return acts
}

func (o openHolds) ending(record int, c *closing) act {
	a := act{record: record, amount: c.amount, units: c.amount, at: c.at, ended: true, hold: o[c.id]}
	if h := a.hold; h != nil {
		a.cap, a.dims, a.combo, a.path = h.cap, h.dims, h.combo, h.path
	}
	return a
}
