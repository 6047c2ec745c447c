package httpapi

import (
	"cmp"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
)

type forecastQuery struct {
	customerPath
	freshness
	FeatureID     string   `query:"featureId" doc:"Exactly one of featureId and currencyId."`
	CurrencyID    string   `query:"currencyId"`
	Cadence       string   `query:"cadence" is:"len=1-16" doc:"Only limits of this cadence, such as P1M."`
	EntityTypeIDs []string `query:"entityTypeIds" is:"n=0-100"`
	RootEntityID  string   `query:"rootEntityId" doc:"Only this subtree, itself included."`
	Depth         *int     `query:"depth" is:"n=0-9" doc:"Levels below the roots: 0 with rootEntityId is that entity alone."`
	Label         *string  `query:"label" is:"label"`
	Limit         int      `query:"limit" is:"n=1-100,default=20" doc:"So many limits: those that are the fastest to use themselves up, by what their windows have used so far; those with scope entities come last, those of 0 not at all."`
}

// forecastRow is a limit with what is expected of it.
type forecastRow struct {
	treeRow
	Forecast forecastOut `json:"forecast" doc:"What is expected until its period ends."`
}

type forecastOut struct {
	Refused       *string        `json:"refused" is:"enum=HISTORY_TOO_SHORT|WINDOW_TOO_SHORT|SCOPED|NOT_ADDITIVE|TOO_MUCH_TO_READ|LIMIT_GONE" doc:"Why nothing is expected; null: it is. A limit that is used up has runsOutAt all the same."`
	Step          *string        `json:"step" is:"enum=HOUR|DAY" doc:"What it is reckoned in."`
	Steps         int            `json:"steps" doc:"Of how many whole days or hours the usage was known."`
	PerDay        *bursar.Amount `json:"perDay" doc:"Expected usage for each day that is left."`
	Expected      *bursar.Amount `json:"expected" doc:"What is expected to be used when the period ends; null: it ends more than a year from now."`
	Low           *bursar.Amount `json:"low" doc:"The low end of what is expected: of ten ends, about one is below."`
	High          *bursar.Amount `json:"high" doc:"The high end: of ten ends, about one is above."`
	RunsOutAt     *bursar.Time   `json:"runsOutAt" doc:"When nothing is expected to be left: now, when nothing is; null: not in this period."`
	RunsOutEarly  *bursar.Time   `json:"runsOutEarliest" doc:"The same at the high end of what is expected."`
	RunsOutLatest *bursar.Time   `json:"runsOutLatest" doc:"The same at the low end of what is expected."`
}

type forecastsOut struct {
	Data []forecastRow `json:"data"`
	AsOf bursar.Time   `json:"asOf"`
}

func (forecastsOut) envelope() {}

func viewForecast(f *ledger.Forecast) forecastOut {
	step := string(f.Step)
	return forecastOut{
		Refused: orNil(&f.Refused), Step: orNil(&step), Steps: f.Steps, PerDay: f.PerDay, Expected: f.Expected, Low: f.Low, High: f.High,
		RunsOutAt: timeOrNil(f.RunsOut), RunsOutEarly: timeOrNil(f.Earliest), RunsOutLatest: timeOrNil(f.Latest),
	}
}

// forecasts lists the limits that run out first, then those of which most is expected.
func (a *API) forecasts(c call, in *forecastQuery) (out forecastsOut, _ uint64, _ error) {
	query := ledger.TreeQuery{TypeIDs: in.EntityTypeIDs, Scope: ledger.ScopeAll, RootEntityID: in.RootEntityID, Depth: in.Depth, Label: in.Label, Limit: in.Limit}
	on, ok := capability(in.FeatureID, in.CurrencyID)
	if !ok {
		return out, 0, bursar.ErrorAt("?featureId", bursar.CodeValidationFailed, errNotOneCapability)
	}
	query.Capabilities = []bursar.Capability{on}
	if in.Cadence != "" {
		cadence, err := bursar.ParseCadence(in.Cadence)
		if err != nil {
			return out, 0, bursar.ErrorAt("?cadence", bursar.CodeValidationFailed, "%v", err)
		}
		query.Cadence = cadence
	}
	rows, page, err := a.engine.Forecasts(c.ctx, c.options(), in.CustomerID, query)
	if err == nil {
		err = a.known(on)
	}
	if err != nil {
		return out, page.Version, err
	}
	slices.SortStableFunc(rows, soonest)
	out.AsOf, out.Data = page.AsOf, make([]forecastRow, len(rows))
	refusals, _ := a.observed.refusals(in.CustomerID, 0, seesAll)
	for i := range rows {
		out.Data[i] = forecastRow{viewTreeRow(&rows[i].TreeRow), viewForecast(&rows[i].Forecast)}
		out.Data[i].Refused = refusedBy(rows[i].Limit, refusals)
	}
	return out, page.Version, nil
}

// soonest orders by when nothing is left, then by the share of the limit that is expected.
func soonest(a, b engine.ForecastRow) int {
	never := bursar.Time(1<<63 - 1)
	share := func(r *engine.ForecastRow) float64 {
		if r.Expected == nil {
			return -1
		}
		return r.Expected.Ratio(*r.Limit.UsageLimit)
	}
	return cmp.Or(cmp.Compare(cmp.Or(a.RunsOut, never), cmp.Or(b.RunsOut, never)), cmp.Compare(share(&b), share(&a)))
}
