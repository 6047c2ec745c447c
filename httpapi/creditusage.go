package httpapi

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type creditUsageQuery struct {
	paging
	freshness
	CustomerID string      `query:"customerId" is:"required,customerId"`
	CurrencyID string      `query:"currencyId" doc:"The first that the customer used when left out."`
	StartDate  bursar.Time `query:"startDate" doc:"Outranks timeRange."`
	EndDate    bursar.Time `query:"endDate" doc:"Now when left out."`
	TimeRange  string      `query:"timeRange" is:"enum=LAST_DAY|LAST_WEEK|LAST_MONTH|LAST_YEAR,default=LAST_MONTH"`
	GroupBy    []string    `query:"groupBy" is:"n=0-3,len=1-128" doc:"Dimension keys and attribution keys."`
	ResourceID unsupported `query:"resourceId"`
}

// creditUsageOut says what a currency was spent on.
type creditUsageOut struct {
	Currency   *creditCurrency   `json:"currency"`
	Series     []creditSeriesOut `json:"series"`
	Warnings   []string          `json:"warnings" doc:"As of a usage history."`
	Pagination pagination        `json:"pagination"`
}

type creditCurrency struct {
	CurrencyID  string  `json:"currencyId"`
	DisplayName string  `json:"displayName"`
	Symbol      *string `json:"symbol"`
	Singular    *string `json:"singular"`
	Plural      *string `json:"plural"`
}

type creditSeriesOut struct {
	FeatureID    *string          `json:"featureId" doc:"null: the currency itself was consumed."`
	FeatureName  *string          `json:"featureName"`
	EventCount   int64            `json:"eventCount"`
	TotalCredits bursar.Amount    `json:"totalCredits"`
	Points       []creditPointOut `json:"points"`
	Tags         []tagOut         `json:"tags,omitempty" doc:"With groupBy."`
	Untold       bool             `json:"untold" doc:"Usage of which it is not known what entities it named: it was recorded before that was kept, or on more paths through the tree than are told apart."`
}

type creditPointOut struct {
	Timestamp  bursar.Time   `json:"timestamp"`
	Value      bursar.Amount `json:"value"`
	EventCount int64         `json:"eventCount"`
}

// timeRanges are how far back a time range goes, in years, months and days.
var timeRanges = map[string][3]int{"LAST_DAY": {0, 0, 1}, "LAST_WEEK": {0, 0, 7}, "LAST_MONTH": {0, 1, 0}, "LAST_YEAR": {1, 0, 0}}

// interval is [from, to) that the query asks for; to 0 is now.
func (in *creditUsageQuery) interval(now bursar.Time) (from, to bursar.Time, err error) {
	from, to = in.StartDate, in.EndDate
	end := cmp.Or(to, now)
	if from == 0 {
		back := timeRanges[in.TimeRange]
		from = bursar.TimeOf(end.Std().AddDate(-back[0], -back[1], -back[2]))
	}
	if from >= end {
		return 0, 0, bursar.ErrorAt("?endDate", bursar.CodeValidationFailed, "must be after startDate")
	}
	return from, to, nil
}

// creditUsage reports a page of lines, in order of feature and tags.
func (a *API) creditUsage(c call, in *creditUsageQuery) (out creditUsageOut, _ uint64, _ error) {
	from, to, err := in.interval(a.engine.Now())
	if err != nil {
		return out, 0, err
	}
	report, version, err := a.engine.CreditUsage(c.ctx, c.options(), ledger.CreditUsageQuery{
		CustomerID: in.CustomerID, CurrencyID: in.CurrencyID, From: from, To: to, GroupBy: in.GroupBy,
	})
	if err != nil {
		return out, version, err
	}
	lines := pointersTo(report.Series)
	slices.SortFunc(lines, func(a, b *ledger.CreditSeries) int { return comparePos(seriesAt(a), seriesAt(b)) })
	get := func(p ledger.ListPage) (ledger.Page[ledger.CreditSeries], error) {
		return pageOf(lines, p, seriesAt), nil
	}
	got, err := pageAt(c.request, in.paging, seriesAt, get, a.viewCreditSeries)
	return creditUsageOut{Currency: viewCreditCurrency(a.engine.Catalogue().Currency(report.CurrencyID)), Series: got.Data,
		Warnings: append([]string{}, report.Warnings...), Pagination: got.Pagination}, version, err
}

// seriesAt is the place of a line among the others: its feature and its tags.
func seriesAt(s *ledger.CreditSeries) ledger.ListPos {
	var id strings.Builder
	id.WriteString(s.FeatureID)
	for _, t := range s.Tags {
		id.WriteByte(1) // which neither an id nor a quoted text has
		id.WriteString(strconv.Quote(t.Value))
	}
	if s.Untold {
		id.WriteByte(2)
	}
	return ledger.ListPos{ID: id.String()}
}

func (a *API) viewCreditSeries(s ledger.CreditSeries) creditSeriesOut {
	out := creditSeriesOut{FeatureID: orNil(&s.FeatureID), EventCount: s.EventCount, TotalCredits: s.Total, Untold: s.Untold, Points: make([]creditPointOut, len(s.Points))}
	if f := a.engine.Catalogue().Feature(s.FeatureID); f != nil {
		out.FeatureName = &f.DisplayName
	}
	for i, p := range s.Points {
		out.Points[i] = creditPointOut(p)
	}
	for _, t := range s.Tags {
		out.Tags = append(out.Tags, tagOut(t))
	}
	return out
}

func viewCreditCurrency(c *bursar.Currency) *creditCurrency {
	if c == nil {
		return nil
	}
	out := &creditCurrency{CurrencyID: c.ID, DisplayName: c.DisplayName, Symbol: c.Symbol}
	if c.Units != nil {
		out.Singular, out.Plural = &c.Units.Singular, &c.Units.Plural
	}
	return out
}
