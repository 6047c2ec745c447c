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

// Denials lists the last refusals of a customer, newest first; limit 0 is the server's
// choice.
func (c *Client) Denials(ctx context.Context, customer string, limit int) ([]Denial, error) {
	page, err := list[Denial](ctx, c, segments("customers", customer, "denials"), Paging{Limit: limit}.query())
	return page.Items, err
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
		Type    string `json:"type"` // API_KEY, ACCESS_TOKEN, SPEND_TOKEN or SYSTEM
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
