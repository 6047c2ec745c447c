package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// History reads usage over time from the 15-minute buckets: of the customer or of one
// entity, in intervals of the granularity in the zone.
func (e *Engine) History(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.HistoryQuery) (ledger.History, uint64, error) {
	h := ledger.NewHistory(e.cat.Load(), q)
	_, err := e.readCustomer(ctx, o, customer, h.BeginOf)
	if err != nil {
		return ledger.History{}, 0, err
	}
	var out ledger.History
	var version uint64
	err = e.share.turn(ctx, customer, func(ctx context.Context) (err error) {
		if version, err = e.gather(ctx, o, customer, h); err != nil {
			return err
		}
		out.Series, err = h.Series()
		return err
	})
	out.Warnings = h.Warnings()
	return out, version, err
}

// gather reads the buckets of histories of one customer, all as of one moment.
func (e *Engine) gather(ctx context.Context, o ledger.ReadOptions, customer string, hs ...*ledger.HistoryRun) (uint64, error) {
	_, version, err := e.gatherUpTo(ctx, o, customer, ledger.MaxBuckets, hs...)
	return version, err
}

// gatherUpTo is gather of so many buckets at most, and tells how many there were.
func (e *Engine) gatherUpTo(ctx context.Context, o ledger.ReadOptions, customer string, most int, hs ...*ledger.HistoryRun) (read int, version uint64, err error) {
	s := ledger.SeriesSource{Through: hs[0].Ent, Most: most}
	at := map[uint32]*ledger.HistoryRun{} // by the number that buckets are under
	for _, h := range hs {
		for _, ent := range h.Sources() {
			at[ent] = h
			s.Queries = append(s.Queries, store.SeriesQuery{EntityOrd: ent, Capability: h.Q.Capability, From: h.From(), To: ledger.BucketOf(h.Q.To-1) + 1})
		}
	}
	rows, version, err := e.seriesRows(ctx, o, customer, &s)
	read = len(rows)
	for len(rows) > 0 && err == nil {
		some := rows[:min(len(rows), addSlice)]
		rows = rows[len(some):]
		if err = ctx.Err(); err != nil {
			break
		}
		_, err = e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
			for i := range some {
				if err := at[some[i].EntityOrd].Add(v, &some[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return read, version, err
}

// addSlice is how many buckets are added up before the customer's lock is let go.
const addSlice = 2048

// seriesSum is the sum of buckets: of what checkpoints have saved, and what came since.
func (e *Engine) seriesSum(ctx context.Context, customer string, sq store.SeriesQuery) (sum bursar.Amount, err error) {
	for range 100 { // a checkpoint may come between the two looks
		var pending ledger.PendingSeries
		if _, err = e.readCustomer(ctx, ledger.ReadOptions{}, customer, func(v *ledger.View) error {
			pending = v.PendingSeries(&sq)
			return nil
		}); err != nil {
			return sum, err
		}
		saved, seq, err := e.savedSum(ctx, customer, sq)
		if err != nil {
			return sum, err
		}
		if more, ok := pending.Since(seq); ok {
			for i := range more {
				saved = saved.Add(more[i].Amount)
			}
			return saved, nil
		}
	}
	return sum, e.unavailable(errors.New("checkpoints kept coming while a series was read"))
}

// sumPage bounds the buckets that are in memory at once while they are added up, but for those
// of one quarter of an hour.
const sumPage = 1 << 15

// savedSum is the sum of the buckets that the checkpoint at seq has. It reads them in spans of
// time that have few enough, and begins anew when a checkpoint comes in between.
func (e *Engine) savedSum(ctx context.Context, customer string, q store.SeriesQuery) (sum bursar.Amount, seq uint64, err error) {
	from, span, begun := q.From, max(q.To, q.From)-q.From, false
	for anew := 0; !begun || from < q.To; {
		piece := q
		piece.From, piece.To = from, from+min(span, q.To-from)
		if span > 1 {
			piece.Limit = sumPage + 1
		}
		rows, at, err := e.store.Series(ctx, customer, piece)
		switch {
		case err != nil:
			return sum, 0, e.savedUnreadable(customer, err)
		case begun && at != seq:
			if anew++; anew > maxAsked {
				return sum, 0, e.unavailable(fmt.Errorf("%w: of %q", errMoving, customer))
			}
			from, begun = q.From, false
			continue
		case span > 1 && len(rows) > sumPage:
			span /= 2
			continue
		case !begun:
			begun, seq, sum = true, at, bursar.Amount{}
		}
		for i := range rows {
			sum = sum.Add(rows[i].Amount)
		}
		from = piece.To
	}
	return sum, seq, nil
}

// seriesRows reads buckets: what checkpoints have saved, and what came since.
func (e *Engine) seriesRows(ctx context.Context, o ledger.ReadOptions, customer string, s *ledger.SeriesSource) ([]store.SeriesRow, uint64, error) {
	for range 100 { // a checkpoint may come between the looks
		var pending []ledger.PendingSeries
		version, err := e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
			var done bool
			if pending, done = s.Pending(v); !done {
				return ledger.ErrGoOn
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		rows, ok, err := e.savedSeries(ctx, customer, s, pending)
		if err != nil || ok {
			return rows, version, err
		}
	}
	return nil, 0, e.unavailable(errors.New("checkpoints kept coming while a series was read"))
}

// savedSeries reads what checkpoints have and adds what is pending; not ok when one came
// in between.
func (e *Engine) savedSeries(ctx context.Context, customer string, s *ledger.SeriesSource, pending []ledger.PendingSeries) (rows []store.SeriesRow, ok bool, err error) {
	for i, q := range s.Queries {
		var saved []store.SeriesRow
		seq := pending[i].Base
		if q.Limit = s.AtMost() + 1 - len(rows); q.Children == nil || len(q.Children) > 0 {
			if saved, seq, err = e.store.Series(ctx, customer, q); err != nil {
				return nil, false, e.savedUnreadable(customer, err)
			}
		}
		more, ok := pending[i].Since(seq)
		if !ok {
			return nil, false, nil
		}
		if rows = append(append(rows, saved...), more...); len(rows) > s.AtMost() {
			return nil, false, bursar.ErrorAt("?startDate", bursar.CodeTooMuchToRead, "more than %d figures would have to be added up: take a shorter time", s.AtMost())
		}
	}
	return rows, true, nil
}
