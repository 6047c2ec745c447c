package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/bursarhq/bursar"
)

// History is usage over time, a series for each group.
type History struct {
	Series []struct {
		Points []struct {
			Timestamp bursar.Time   `json:"timestamp"`
			Value     bursar.Amount `json:"value"`
			Reset     bool          `json:"isResetPoint"`
		} `json:"points"`
		Tags []struct {
			Key   string `json:"key"`
			Value string `json:"value"`
		} `json:"tags"`
		// Untold: usage of which it is not known what entities it named.
		Untold bool `json:"untold"`
	} `json:"series"`
	Markers []struct {
		Timestamp bursar.Time `json:"timestamp"`
		Type      string      `json:"type"`
	} `json:"markers"`
	// Warnings: USAGE_NOT_TOLD_APART, DIMENSIONS_NOT_TOLD_APART.
	Warnings []string `json:"warnings"`
}

// HistoryQuery selects usage.
type HistoryQuery struct {
	FeatureID   string // of an entity's usage: exactly one of FeatureID and CurrencyID
	CurrencyID  string // of an entity's usage
	Start, End  *bursar.Time
	Granularity string   // HOUR, DAY (default), WEEK, MONTH
	Timezone    string   // of an entity's usage: IANA
	GroupBy     []string // keys that name entities, dimensions; of an entity's usage also $child and $featureId
}

func (in *HistoryQuery) query() url.Values {
	q := url.Values{}
	setTime(q, "startDate", in.Start)
	setTime(q, "endDate", in.End)
	setNonEmpty(q, "granularity", in.Granularity)
	addAll(q, "groupBy", in.GroupBy)
	return q
}

// UsageHistory reads a customer's usage of a feature, as a running total in its window.
func (c *Client) UsageHistory(ctx context.Context, customer string, in HistoryQuery) (History, error) {
	return ask[History](ctx, c, call{method: http.MethodGet, path: segments("usage", customer, "history", in.FeatureID), query: in.query()})
}

// EntityUsage reads what an entity and all below it used in each bucket of time.
func (c *Client) EntityUsage(ctx context.Context, customer, entity string, in HistoryQuery) (History, error) {
	q := in.query()
	setNonEmpty(q, "featureId", in.FeatureID)
	setNonEmpty(q, "currencyId", in.CurrencyID)
	setNonEmpty(q, "timezone", in.Timezone)
	return ask[History](ctx, c, call{method: http.MethodGet, path: segments("customers", customer, "entities", entity, "usage"), query: q})
}

// CustomerUsage reads what the whole customer used in each bucket of time. GroupBy takes no
// $child.
func (c *Client) CustomerUsage(ctx context.Context, customer string, in HistoryQuery) (History, error) {
	q := in.query()
	setNonEmpty(q, "featureId", in.FeatureID)
	setNonEmpty(q, "currencyId", in.CurrencyID)
	setNonEmpty(q, "timezone", in.Timezone)
	return ask[History](ctx, c, call{method: http.MethodGet, path: segments("customers", customer, "usage"), query: q})
}

// Denial is a request that was refused.
type Denial struct {
	ID         string        `json:"id"`
	Timestamp  bursar.Time   `json:"timestamp"`
	Kind       string        `json:"kind"`
	Reason     bursar.Code   `json:"reason"`
	FeatureID  string        `json:"featureId"`
	CurrencyID string        `json:"currencyId"`
	Requested  bursar.Amount `json:"requested"`
	// Dimensions are as they were sent: texts, numbers and booleans.
	Dimensions map[string]any `json:"dimensions"`
	RequestID  string         `json:"requestId"`
	Binding    *Binding       `json:"binding"`
	Frozen     *Frozen        `json:"frozen"`
	Chains     [][]Node       `json:"chains"`
}

// DenialQuery selects denials; zero members do not filter. Of FeatureID and CurrencyID at most one
// is set.
type DenialQuery struct {
	Start, End            *bursar.Time
	EntityID              string // those that named it, or an entity below it
	FeatureID, CurrencyID string
	AssignmentID          string // those that this limit denied
	Reason                bursar.Code
	Paging                // not of a summary
}

func (in *DenialQuery) filter() url.Values {
	q := in.query()
	setTime(q, "startDate", in.Start)
	setTime(q, "endDate", in.End)
	setNonEmpty(q, "entityId", in.EntityID)
	setNonEmpty(q, "featureId", in.FeatureID)
	setNonEmpty(q, "currencyId", in.CurrencyID)
	setNonEmpty(q, "assignmentId", in.AssignmentID)
	setNonEmpty(q, "reason", string(in.Reason))
	return q
}

// Denials lists the last refusals of a customer, newest first; limit 0 is the server's default.
func (c *Client) Denials(ctx context.Context, customer string, limit int) ([]Denial, error) {
	page, err := c.DenialPage(ctx, customer, DenialQuery{Paging: Paging{Limit: limit}})
	return page.Items, err
}

// DenialPage lists requests of a customer that were denied, newest first. Of many that are alike only
// some are kept: DenialSummary counts all.
func (c *Client) DenialPage(ctx context.Context, customer string, in DenialQuery) (Page[Denial], error) {
	return list[Denial](ctx, c, segments("customers", customer, "denials"), in.filter())
}

// DenialSummary is how many requests were denied. Of Denied there are samples of Sampled, and none of
// NotKept.
type DenialSummary struct {
	StartDate bursar.Time `json:"startDate"`
	EndDate   bursar.Time `json:"endDate"`
	Denied    int64       `json:"denied"`
	Sampled   int64       `json:"sampled"`
	NotKept   int64       `json:"notKept"`
	Other     *int64      `json:"other"` // of which nothing else is known; nil = the token may not learn it
	Points    []struct {
		Timestamp bursar.Time `json:"timestamp"`
		Denied    int64       `json:"denied"`
		Sampled   int64       `json:"sampled"`
	} `json:"points"`
	Groups  []DenialGroup `json:"groups"`
	LeftOut int64         `json:"leftOut"` // further groups
}

// DenialGroup is how many requests were denied that have the same in common.
type DenialGroup struct {
	EntityID   string      `json:"entityId"` // the lowest that they named
	FeatureID  string      `json:"featureId"`
	CurrencyID string      `json:"currencyId"`
	Reason     bursar.Code `json:"reason"`
	Binding    *struct {
		Source         bursar.BindingSource `json:"source"`
		AssignmentID   string               `json:"assignmentId"`
		EntityID       string               `json:"entityId"`
		ScopeEntityIDs []string             `json:"scopeEntityIds"`
		FeatureID      string               `json:"featureId"`
		CurrencyID     string               `json:"currencyId"`
		Label          string               `json:"label"`
	} `json:"binding"`
	Denied  int64       `json:"denied"`
	Sampled int64       `json:"sampled"`
	LastAt  bursar.Time `json:"lastAt"`
}

// DenialSummary counts denials by hour, or by day of the customer's time zone; of the last 24 hours
// without a Start.
func (c *Client) DenialSummary(ctx context.Context, customer string, in DenialQuery, byDay bool) (DenialSummary, error) {
	in.Paging = Paging{}
	q := in.filter()
	if byDay {
		q.Set("granularity", "DAY")
	}
	return ask[DenialSummary](ctx, c, call{method: http.MethodGet, path: segments("customers", customer, "denials", "summary"), query: q})
}

// ExplainedNode is a limit on the path, and what it would take to be granted by it.
type ExplainedNode struct {
	Node
	Fit
}

// Fit tells whether a request fits on a limit, hard or soft.
type Fit struct {
	Fits      bool          `json:"fits"`
	WouldNeed bursar.Amount `json:"wouldNeed"` // by how much the limit would have to be higher
}

// ExplainedGate is a limit of the customer as a whole.
type ExplainedGate struct {
	Binding
	Fit
}

// Explanation is a decision, limit by limit.
type Explanation struct {
	Decision     Decision          `json:"decision"`
	Gates        []ExplainedGate   `json:"gates"`
	Chains       [][]ExplainedNode `json:"chains"`
	GrantedAfter *bursar.Time      `json:"grantedAfter"` // nil: time alone does not help
	RootEntityID string            `json:"rootEntityId"` // of an access token that sees, and asked, only what is below it
}

// Explain says why a request would be granted or denied, and changes nothing.
func (c *Client) Explain(ctx context.Context, customer string, in CheckItem) (Explanation, error) {
	return ask[Explanation](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "explain"), in: in})
}

// ExplainEvent says why a reservation of an event would be granted or denied, and makes none.
func (c *Client) ExplainEvent(ctx context.Context, customer string, in EventReserve) (Explanation, error) {
	in.IdempotencyKey, in.CallID, in.TTLSeconds, in.OnExpire = "", "", 0, ""
	return ask[Explanation](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "explain"), in: in})
}

// ActivityQuery selects changes; zero members do not filter.
type ActivityQuery struct {
	EntityID   string
	Action     string // such as assignment.updated
	ActorID    string // an API key or access token
	Start, End *bursar.Time
	Paging
}

// Activity is a change, and who made it.
type Activity struct {
	ID        string      `json:"id"`
	Timestamp bursar.Time `json:"timestamp"`
	Actor     struct {
		Type    string `json:"type"` // API_KEY, ACCESS_TOKEN, SPEND_TOKEN, NOTIFICATION or SYSTEM
		ID      string `json:"id"`
		Subject string `json:"subject"`
	} `json:"actor"`
	Action string `json:"action"`
	Target struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"target"`
	EntityID  string          `json:"entityId"`
	Before    json.RawMessage `json:"before"` // null: it is new
	After     json.RawMessage `json:"after"`  // null: it is gone
	RequestID string          `json:"requestId"`
}

// Activity lists changes to a customer's governance, newest first.
func (c *Client) Activity(ctx context.Context, customer string, in ActivityQuery) (Page[Activity], error) {
	q := in.query()
	setNonEmpty(q, "entityId", in.EntityID)
	setNonEmpty(q, "action", in.Action)
	setNonEmpty(q, "actorId", in.ActorID)
	setTime(q, "startDate", in.Start)
	setTime(q, "endDate", in.End)
	return list[Activity](ctx, c, segments("customers", customer, "activity"), q)
}

// Overview is what the node that answers has decided.
type Overview struct {
	AsOf      bursar.Time `json:"asOf"`
	Since     bursar.Time `json:"since"`
	Customers int         `json:"customers"`
	HoldsOpen int         `json:"holdsOpen"`
	Checks    struct {
		Granted int `json:"granted"`
		Denied  int `json:"denied"`
	} `json:"checks"`
	Closest []struct {
		CustomerID string `json:"customerId"`
		TreeRow
	} `json:"closest"`
	Binding []struct {
		Source       bursar.BindingSource `json:"source"`
		CustomerID   string               `json:"customerId"`
		AssignmentID string               `json:"assignmentId"`
		EntityID     string               `json:"entityId"`
		FeatureID    string               `json:"featureId"`
		CurrencyID   string               `json:"currencyId"`
		Label        string               `json:"label"`
		Denials      int                  `json:"denials"`
		LastAt       bursar.Time          `json:"lastAt"`
	} `json:"binding"`
	Minutes []struct {
		Timestamp   bursar.Time `json:"timestamp"`
		Granted     int         `json:"granted"`
		Denied      int         `json:"denied"`
		UsageEvents int         `json:"usageEvents"`
	} `json:"minutes"`
	Spend []struct {
		CurrencyID  string        `json:"currencyId"`
		DisplayName string        `json:"displayName"`
		Last24Hours bursar.Amount `json:"last24Hours"`
	} `json:"spend"`
	// Pools last for less than 7 days if these are like the 7 before.
	Pools []struct {
		CustomerID string        `json:"customerId"`
		CurrencyID string        `json:"currencyId"`
		Left       bursar.Amount `json:"left"`
		PerDay     bursar.Amount `json:"perDay"`
	} `json:"pools"`
}

// Overview reads what the node that answers has decided.
func (c *Client) Overview(ctx context.Context) (Overview, error) {
	return ask[Overview](ctx, c, call{method: http.MethodGet, path: "/overview"})
}
