package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/bursarhq/bursar"
)

// CurrencyInput creates a credit currency.
type CurrencyInput struct {
	ID          string            `json:"id"`
	DisplayName string            `json:"displayName"`
	Description string            `json:"description,omitempty"`
	Symbol      string            `json:"symbol,omitempty"`
	Units       *bursar.Units     `json:"units,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Prepaid     *bool             `json:"prepaid,omitempty"` // nil = true: a pool of grants gates
}

// CreateCurrency creates a currency; one that exists is AlreadyExists.
func (c *Client) CreateCurrency(ctx context.Context, in CurrencyInput) (bursar.Currency, error) {
	return ask[bursar.Currency](ctx, c, call{method: http.MethodPost, path: "/credits/custom-currencies", in: in, key: keyFor("")})
}

// Rate is the price of Per units of a feature, for usage whose dimensions have one of
// the values under every key of Match. The matching rate with most keys applies.
type Rate struct {
	FeatureID string           `json:"featureId"`
	Amount    bursar.Amount    `json:"amount"`
	Per       int64            `json:"per,omitempty"` // 1 (default), 1000 or 1000000
	Match     map[string]Texts `json:"match,omitempty"`
}

// Texts are strings, of which a single one may stand for itself on the wire.
type Texts []string

// UnmarshalJSON reads a string or a list of them.
func (t *Texts) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*t = Texts{""}
		return json.Unmarshal(b, &(*t)[0])
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// RateCardInput creates a rate card. EffectiveFrom nil = now.
type RateCardInput struct {
	ID            string       `json:"id"`
	CurrencyID    string       `json:"currencyId"`
	DisplayName   string       `json:"displayName"`
	EffectiveFrom *bursar.Time `json:"effectiveFrom,omitempty"`
	Rates         []Rate       `json:"rates"`
}

// RateCard prices features in a currency. Rates, EffectiveFrom and Version are those of
// its newest version.
type RateCard struct {
	ID            string       `json:"id"`
	CurrencyID    string       `json:"currencyId"`
	DisplayName   string       `json:"displayName"`
	EffectiveFrom bursar.Time  `json:"effectiveFrom"`
	Rates         []Rate       `json:"rates"`
	Version       int          `json:"version"`
	CreatedAt     bursar.Time  `json:"createdAt"`
	ArchivedAt    *bursar.Time `json:"archivedAt"`
}

// CreateRateCard creates a rate card with its first version.
func (c *Client) CreateRateCard(ctx context.Context, in RateCardInput) (RateCard, error) {
	return ask[RateCard](ctx, c, call{method: http.MethodPost, path: "/rate-cards", in: in, key: keyFor("")})
}

// RateCard reads a rate card.
func (c *Client) RateCard(ctx context.Context, id string) (RateCard, error) {
	return ask[RateCard](ctx, c, call{method: http.MethodGet, path: segments("rate-cards", id)})
}

// RateCardQuery selects rate cards; zero members do not filter.
type RateCardQuery struct {
	Paging
	CurrencyID      string
	FeatureID       string // that the newest version prices
	IncludeArchived bool
}

// RateCards lists rate cards.
func (c *Client) RateCards(ctx context.Context, in RateCardQuery) (Page[RateCard], error) {
	q := in.query()
	setNonEmpty(q, "currencyId", in.CurrencyID)
	setNonEmpty(q, "featureId", in.FeatureID)
	if in.IncludeArchived {
		q.Set("includeArchived", "true")
	}
	return list[RateCard](ctx, c, "/rate-cards", q)
}

// RateVersionInput adds a version to a rate card. EffectiveFrom nil = now; it is after
// that of the version before.
type RateVersionInput struct {
	EffectiveFrom *bursar.Time `json:"effectiveFrom,omitempty"`
	Rates         []Rate       `json:"rates"`
	Corrects      int          `json:"corrects,omitempty"` // the version whose charges re-pricing replaces by this one's
}

// RateVersion is one price list of a card; it never changes.
type RateVersion struct {
	Version       int         `json:"version"`
	EffectiveFrom bursar.Time `json:"effectiveFrom"`
	Rates         []Rate      `json:"rates"`
	Corrects      int         `json:"corrects"` // 0 = none
	CreatedAt     bursar.Time `json:"createdAt"`
}

// AddRateVersion gives a rate card new prices.
func (c *Client) AddRateVersion(ctx context.Context, card string, in RateVersionInput) (RateVersion, error) {
	return ask[RateVersion](ctx, c, call{method: http.MethodPost, path: segments("rate-cards", card, "versions"), in: in, key: keyFor("")})
}

// RateVersions lists the versions of a rate card, the first one first.
func (c *Client) RateVersions(ctx context.Context, card string, in Paging) (Page[RateVersion], error) {
	return list[RateVersion](ctx, c, segments("rate-cards", card, "versions"), in.query())
}

// ArchiveRateCard ends a card's pricing from now on.
func (c *Client) ArchiveRateCard(ctx context.Context, id string) (RateCard, error) {
	return post[RateCard](ctx, c, segments("rate-cards", id, "archive"))
}

// Unpriced is a combination for which usage came and no rate matched.
type Unpriced struct {
	FeatureID  string         `json:"featureId"`
	CurrencyID string         `json:"currencyId"`
	Dimensions map[string]any `json:"dimensions"`
	Count      int64          `json:"count"`
	Amount     bursar.Amount  `json:"amount"` // of usage, in units of the feature
	FirstSeen  bursar.Time    `json:"firstSeen"`
	LastSeen   bursar.Time    `json:"lastSeen"`
}

// Unpriced lists usage that no rate matched, the most frequent first, since the server
// started.
func (c *Client) Unpriced(ctx context.Context) ([]Unpriced, error) {
	return ask[[]Unpriced](ctx, c, call{method: http.MethodGet, path: "/rate-cards/unpriced"})
}

// UnreadUsage is usage that was not understood, or not all of it, and was not read again since.
type UnreadUsage struct {
	EventName string      `json:"eventName"` // "" = of sorts beyond the 50 of a customer that are told apart
	Model     string      `json:"model"`     // "" = not told
	Members   []string    `json:"members"`   // the counts; none = nothing was understood
	Sample    string      `json:"sample"`    // the first such usage object, or its beginning
	Count     int64       `json:"count"`     // events
	FirstSeen bursar.Time `json:"firstSeen"`
	LastSeen  bursar.Time `json:"lastSeen"`
}

// UnreadUsage lists usage that was not understood and is kept, the most frequent first, of one
// customer or, with "", of all: then of the first 100 that have any.
func (c *Client) UnreadUsage(ctx context.Context, customer string) ([]UnreadUsage, error) {
	q := url.Values{}
	if customer != "" {
		q.Set("customerId", customer)
	}
	return ask[[]UnreadUsage](ctx, c, call{method: http.MethodGet, path: "/events/unread", query: q})
}

// UsageRule says what a member of usage objects counts that no version of the server knows.
type UsageRule = bursar.UsageRule

type usageRules struct {
	Rules []UsageRule `json:"rules"`
}

// UsageRules are those of the environment.
func (c *Client) UsageRules(ctx context.Context) ([]UsageRule, error) {
	got, err := ask[usageRules](ctx, c, call{method: http.MethodGet, path: "/usage-rules"})
	return got.Rules, err
}

// ReplaceUsageRules puts rules in the place of all that there are.
func (c *Client) ReplaceUsageRules(ctx context.Context, rules ...UsageRule) ([]UsageRule, error) {
	got, err := ask[usageRules](ctx, c, call{method: http.MethodPut, path: "/usage-rules", in: usageRules{append([]UsageRule{}, rules...)}})
	return got.Rules, err
}

// Rereading is what another reading of unread usage changes or, when applied, changed.
type Rereading struct {
	Reread
	Customers []RereadCustomer `json:"customers"` // the first 1,000 that have unread usage
	Applied   bool             `json:"applied"`
}

// Reread is what becomes of unread usage.
type Reread struct {
	Events    int                `json:"events"`    // read again
	Read      int                `json:"read"`      // of these, events of which nothing is unread any more
	Changed   int                `json:"changed"`   // of these, events that count something else
	Lost      int                `json:"lost"`      // events whose log was cut: they stay as they are
	Uncounted int                `json:"uncounted"` // events that no meter can count as they are read now: they stay as they are
	Changes   []CapabilityAmount `json:"changes"`   // of totals
}

// RereadCustomer is one customer's part.
type RereadCustomer struct {
	CustomerID string `json:"customerId"`
	Reread
}

// RepriceInput asks what a corrected version of a rate card changes for the usage of
// [From, To). To nil = now, CustomerID "" = all. Without Apply nothing is written.
type RepriceInput struct {
	From       bursar.Time  `json:"from"`
	To         *bursar.Time `json:"to,omitempty"`
	CustomerID string       `json:"customerId,omitempty"`
	Apply      bool         `json:"apply"`
}

// Repricing is what re-pricing changes or, when applied, changed.
type Repricing struct {
	RateCardID string `json:"rateCardId"`
	Version    int    `json:"version"` // that was wrong
	By         int    `json:"by"`      // that corrects it
	Records    int    `json:"records"` // charges that were looked at
	// Unmatched of them have no rate in the version that corrects: they keep their cost.
	Unmatched int                `json:"unmatched"`
	Was       bursar.Amount      `json:"was"`
	Is        bursar.Amount      `json:"is"`
	Pool      bursar.Amount      `json:"pool"`             // what the pools lose; below 0 they get back
	Changed   int                `json:"changedCustomers"` // customers for whom something changes
	Customers []RepricedCustomer `json:"customers"`        // the first 1,000 of them
	Applied   bool               `json:"applied"`
}

// RepricedCustomer is one customer's part.
type RepricedCustomer struct {
	CustomerID string        `json:"customerId"`
	Was        bursar.Amount `json:"was"`
	Is         bursar.Amount `json:"is"`
	Pool       bursar.Amount `json:"pool"` // what the pool loses; below 0 it gets back
	Rows       []RepricedRow `json:"rows"`
}

// RepricedRow is the change of one limit's current or previous window.
type RepricedRow struct {
	AssignmentID string        `json:"assignmentId"`
	EntityID     string        `json:"entityId"`
	PeriodStart  bursar.Time   `json:"usagePeriodStart"`
	Was          bursar.Amount `json:"was"`
	Is           bursar.Amount `json:"is"`
}
