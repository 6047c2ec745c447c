package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type historyQuery struct {
	customerFeaturePath
	freshness
	StartDate   bursar.Time        `query:"startDate" is:"required"`
	EndDate     bursar.Time        `query:"endDate" doc:"Now when left out."`
	GroupBy     []string           `query:"groupBy" is:"n=0-3,len=1-128" doc:"Dimension keys, and attribution keys, which stand for the entity of their type that the usage was charged to, at that time: teamId with model."`
	Granularity ledger.Granularity `query:"granularity" is:"enum=HOUR|DAY|WEEK|MONTH,default=DAY"`
	ResourceID  unsupported        `query:"resourceId"`
}

type historyOut struct {
	Series   []seriesOut `json:"series"`
	Markers  []markerOut `json:"markers"`
	Warnings []string    `json:"warnings" doc:"USAGE_NOT_TOLD_APART: a series has untold. DIMENSIONS_NOT_TOLD_APART: the customer has more combinations of dimensions than the 1,000 that are told apart; usage with further ones is in the series without them."`
}

func (o historyOut) rows() (n int) {
	for _, s := range o.Series {
		n += len(s.Points)
	}
	return n
}

type seriesOut struct {
	Points []pointOut `json:"points"`
	Tags   []tagOut   `json:"tags"`
	Untold bool       `json:"untold" doc:"Usage of which it is not known what entities it named: it was recorded before that was kept, or on more paths through the tree than are told apart."`
}

type pointOut struct {
	Timestamp    bursar.Time   `json:"timestamp"`
	Value        bursar.Amount `json:"value"`
	IsResetPoint bool          `json:"isResetPoint"`
}

type tagOut struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type markerOut struct {
	Timestamp bursar.Time `json:"timestamp"`
	Type      string      `json:"type" is:"enum=PERIODIC_RESET|SUBSCRIPTION_CHANGE_RESET"`
}

func (a *API) history(c call, customer string, query ledger.HistoryQuery) (got ledger.History, version uint64, err error) {
	if query.To != 0 && query.To <= query.From {
		return got, 0, bursar.ErrorAt("?endDate", bursar.CodeValidationFailed, "must be after startDate")
	}
	if got, version, err = a.engine.History(c.ctx, c.options(), customer, query); err == nil {
		err = a.known(query.Capability)
	}
	return got, version, err
}

func viewHistory(got ledger.History) historyOut {
	out := historyOut{Series: make([]seriesOut, len(got.Series)), Markers: markersOf(got.Series), Warnings: got.Warnings}
	for i, s := range got.Series {
		points := make([]pointOut, len(s.Points))
		for j, p := range s.Points {
			points[j] = pointOut{Timestamp: p.Timestamp, Value: p.Value, IsResetPoint: p.Reset}
		}
		tags := make([]tagOut, len(s.Tags))
		for j, t := range s.Tags {
			tags[j] = tagOut(t)
		}
		out.Series[i] = seriesOut{Points: points, Tags: tags, Untold: s.Untold}
	}
	return out
}

// markersOf are the instants at which running totals begin anew, which all series share.
func markersOf(series []ledger.Series) []markerOut {
	out := []markerOut{}
	if len(series) == 0 {
		return out
	}
	for _, p := range series[0].Points {
		if p.Reset {
			out = append(out, markerOut{Timestamp: p.Timestamp, Type: "PERIODIC_RESET"})
		}
	}
	return out
}

// usageHistory is the running total of a feature over the whole customer.
func (a *API) usageHistory(c call, in *historyQuery) (ledger.History, uint64, error) {
	return a.history(c, in.CustomerID, ledger.HistoryQuery{
		Capability: bursar.Capability{Kind: bursar.KindFeature, ID: in.FeatureID},
		From:       in.StartDate, To: in.EndDate, Granularity: in.Granularity, GroupBy: in.GroupBy, Running: true,
	})
}

// usageSpan is what usage is read of, over what time.
type usageSpan struct {
	FeatureID   string             `query:"featureId" doc:"Exactly one of featureId and currencyId."`
	CurrencyID  string             `query:"currencyId"`
	StartDate   bursar.Time        `query:"startDate" is:"required"`
	EndDate     bursar.Time        `query:"endDate" doc:"Now when left out."`
	Granularity ledger.Granularity `query:"granularity" is:"enum=HOUR|DAY|WEEK|MONTH,default=DAY"`
	Timezone    string             `query:"timezone" is:"len=1-255" doc:"IANA name; the customer's when left out."`
}

type entityUsageQuery struct {
	entityPath
	freshness
	usageSpan
	GroupBy []string `query:"groupBy" is:"n=0-3,len=1-128" doc:"Dimension keys, attribution keys, $child, $featureId."`
}

type customerUsageQuery struct {
	customerPath
	freshness
	usageSpan
	GroupBy []string `query:"groupBy" is:"n=0-3,len=1-128" doc:"Dimension keys, attribution keys, $featureId."`
}

// customerUsage is what the whole customer used in each interval of time; to an access token
// with a root, what its subtree did.
func (a *API) customerUsage(c call, in *customerUsageQuery) (got ledger.History, _ uint64, _ error) {
	return a.entityUsage(c, &entityUsageQuery{entityPath{customerPath: in.customerPath}, in.freshness, in.usageSpan, in.GroupBy})
}

// entityUsage is what one entity used in each interval of time.
func (a *API) entityUsage(c call, in *entityUsageQuery) (got ledger.History, _ uint64, _ error) {
	capability, ok := capability(in.FeatureID, in.CurrencyID)
	if !ok {
		return got, 0, bursar.ErrorAt("?featureId", bursar.CodeValidationFailed, errNotOneCapability)
	}
	return a.history(c, in.CustomerID, ledger.HistoryQuery{
		EntityID: in.EntityID, Capability: capability, From: in.StartDate, To: in.EndDate,
		Granularity: in.Granularity, Timezone: in.Timezone, GroupBy: in.GroupBy,
	})
}
