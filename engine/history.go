package engine

import (
	"context"
	"errors"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// History reads usage over time from the 15-minute buckets: of the customer or of one
// entity, in steps of the granularity in the zone.
func (e *Engine) History(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.HistoryQuery) (ledger.History, uint64, error) {
	h := ledger.NewHistory(e.cat.Load(), q)
	_, err := e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
		if q.EntityID != "" {
			if h.Ent = v.EntOrd(q.EntityID); h.Ent == 0 {
				return ledger.ErrNoEntity(q.EntityID)
			}
		} else if v.Root != 0 {
			return ledger.ErrNotForTokens
		}
		return h.Begin(v)
	})
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
	s := ledger.SeriesSource{Through: hs[0].Ent}
	at := map[uint32]*ledger.HistoryRun{} // by the number that buckets are under
	for _, h := range hs {
		for _, ent := range h.Sources() {
			at[ent] = h
			s.Queries = append(s.Queries, store.SeriesQuery{EntityOrd: ent, Capability: h.Q.Capability, From: h.From(), To: ledger.BucketOf(h.Q.To-1) + 1})
		}
	}
	rows, version, err := e.seriesRows(ctx, o, customer, &s)
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
	return version, err
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
		saved, seq, err := e.store.SeriesSum(ctx, customer, sq)
		if err != nil {
			return sum, e.unavailable(err)
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
		if q.Limit = ledger.MaxBuckets + 1 - len(rows); q.Children == nil || len(q.Children) > 0 {
			if saved, seq, err = e.store.Series(ctx, customer, q); err != nil {
				return nil, false, e.savedUnreadable(customer, err)
			}
		}
		more, ok := pending[i].Since(seq)
		if !ok {
			return nil, false, nil
		}
		if rows = append(append(rows, saved...), more...); len(rows) > ledger.MaxBuckets {
			return nil, false, bursar.ErrorAt("?startDate", bursar.CodeTooMuchToRead, "more than %d figures would have to be added up: take a shorter time", ledger.MaxBuckets)
		}
	}
	return rows, true, nil
}
