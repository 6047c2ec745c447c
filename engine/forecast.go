package engine

import (
	"context"
	"errors"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// ForecastRow is a limit with what is expected of it.
type ForecastRow struct {
	ledger.TreeRow
	ledger.Forecast
}

// forecastBuckets bounds what is read for the forecasts of one query together.
const forecastBuckets = 2 * ledger.MaxBuckets

// Forecasts foresees the limits of a query that are used up the fastest, those first, and no
// limit of 0. Rows are as of one moment; histories are read after it, one by one.
func (e *Engine) Forecasts(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.TreeQuery) ([]ForecastRow, ledger.TreePage, error) {
	return e.forecasts(ctx, o, customer, q, forecastBuckets)
}

// forecasts is Forecasts that reads at most so many buckets: what would take more is not foreseen.
func (e *Engine) forecasts(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.TreeQuery, most int) ([]ForecastRow, ledger.TreePage, error) {
	q.SortBy, q.Desc = ledger.SortPace, true
	page, err := e.Tree(ctx, o, customer, q)
	if err != nil {
		return nil, page, err
	}
	out := make([]ForecastRow, 0, len(page.Rows))
	for i := range page.Rows {
		r := &page.Rows[i]
		if r.Limit == nil || r.Limit.UsageLimit == nil || r.Limit.UsageLimit.Sign() <= 0 {
			continue
		}
		f, err := e.forecast(ctx, o, customer, r.Limit.AssignmentID, &most)
		if err != nil {
			return nil, page, err
		}
		out = append(out, ForecastRow{*r, f})
	}
	return out, page, nil
}

// forecast foresees one limit, and takes what it reads off what may be read.
func (e *Engine) forecast(ctx context.Context, o ledger.ReadOptions, customer, id string, left *int) (ledger.Forecast, error) {
	f := ledger.NewForecast(e.cat.Load(), id)
	reads := false
	if _, err := e.readCustomer(ctx, o, customer, func(v *ledger.View) (err error) {
		reads, err = f.Begin(v)
		return err
	}); err != nil {
		return ledger.Forecast{}, err
	}
	if reads && *left <= 0 {
		f.TooMuch()
	} else if reads {
		most := min(*left, ledger.MaxBuckets)
		err := e.share.turn(ctx, customer, func(ctx context.Context) error {
			read, _, err := e.gatherUpTo(ctx, o, customer, most, f.History)
			*left -= read
			return err
		})
		var problem *bursar.Error
		switch {
		case errors.As(err, &problem) && problem.Code == bursar.CodeTooMuchToRead:
			*left -= most
			f.TooMuch()
		case err != nil:
			return ledger.Forecast{}, err
		}
	}
	return f.End()
}
