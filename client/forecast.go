package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/bursarhq/bursar"
)

// ForecastQuery selects limits whose end is to be foreseen; zero members do not filter.
type ForecastQuery struct {
	FeatureID     string // exactly one of FeatureID and CurrencyID
	CurrencyID    string
	Cadence       string // such as P1M
	EntityTypeIDs []string
	RootEntityID  string
	Label         *string
	Limit         int // 0 = 20: those that are the fastest to use themselves up
}

// Forecast is a limit with what is expected of it.
type Forecast struct {
	TreeRow
	Forecast struct {
		Refused string         `json:"refused"` // why nothing is expected: HISTORY_TOO_SHORT, SCOPED …; "" = it is
		Step    string         `json:"step"`    // HOUR or DAY
		Steps   int            `json:"steps"`   // of how many whole ones the usage was known
		PerDay  *bursar.Amount `json:"perDay"`
		// When the period ends; of ten ends about one is below Low and one above High.
		Expected *bursar.Amount `json:"expected"`
		Low      *bursar.Amount `json:"low"`
		High     *bursar.Amount `json:"high"`
		// RunsOutAt is when nothing is expected to be left; nil = not in this period.
		RunsOutAt       *bursar.Time `json:"runsOutAt"`
		RunsOutEarliest *bursar.Time `json:"runsOutEarliest"`
		RunsOutLatest   *bursar.Time `json:"runsOutLatest"`
	} `json:"forecast"`
}

// Forecasts lists limits, those first that run out the soonest.
func (c *Client) Forecasts(ctx context.Context, customer string, in ForecastQuery) ([]Forecast, error) {
	tree := TreeQuery{EntityTypeIDs: in.EntityTypeIDs, RootEntityID: in.RootEntityID, Label: in.Label}
	q := tree.query()
	setNonEmpty(q, "featureId", in.FeatureID)
	setNonEmpty(q, "currencyId", in.CurrencyID)
	setNonEmpty(q, "cadence", in.Cadence)
	if in.Limit > 0 {
		q.Set("limit", strconv.Itoa(in.Limit))
	}
	return ask[[]Forecast](ctx, c, call{method: http.MethodGet, path: segments("customers", customer, "forecast"), query: q})
}
