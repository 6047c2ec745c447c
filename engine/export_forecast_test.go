package engine

import (
	"context"

	"github.com/bursarhq/bursar/ledger"
)

// ForecastsUpTo is Forecasts with another bound on what is read for all together.
func (e *Engine) ForecastsUpTo(ctx context.Context, customer string, q ledger.TreeQuery, most int) ([]ForecastRow, error) {
	rows, _, err := e.forecasts(ctx, ledger.ReadOptions{}, customer, q, most)
	return rows, err
}
