package client

import (
	"context"
	"net/http"
	"strings"

	"github.com/bursarhq/bursar"
)

// GrantInput adds credits to a customer's pool.
type GrantInput struct {
	CustomerID  string            `json:"customerId"`
	CurrencyID  string            `json:"currencyId"`
	Amount      bursar.Amount     `json:"amount"`
	DisplayName string            `json:"displayName"`
	Type        bursar.GrantType  `json:"grantType"`             // PAID or PROMOTIONAL
	EffectiveAt *bursar.Time      `json:"effectiveAt,omitempty"` // nil = now
	ExpireAt    *bursar.Time      `json:"expireAt,omitempty"`    // nil = never
	Priority    int               `json:"priority,omitempty"`    // lower burns first
	Comment     string            `json:"comment,omitempty"`
	Cost        *bursar.Money     `json:"cost,omitempty"` // what was paid for it
	Metadata    map[string]string `json:"metadata,omitempty"`
}

// Grant is credits in a pool.
type Grant struct {
	ID          string             `json:"id"`
	CustomerID  string             `json:"customerId"`
	CurrencyID  string             `json:"currencyId"`
	Amount      bursar.Amount      `json:"amount"`
	Consumed    bursar.Amount      `json:"consumedAmount"` // of an OVERDRAFT grant: the deficit
	DisplayName string             `json:"displayName"`
	Type        bursar.GrantType   `json:"grantType"`
	Status      bursar.GrantStatus `json:"status"`
	EffectiveAt bursar.Time        `json:"effectiveAt"`
	ExpireAt    *bursar.Time       `json:"expireAt"`
	Priority    int                `json:"priority"`
	Comment     string             `json:"comment"`
	Cost        bursar.Money       `json:"cost"`
	Metadata    map[string]string  `json:"metadata"`
	CreatedAt   bursar.Time        `json:"createdAt"`
	UpdatedAt   bursar.Time        `json:"updatedAt"`
	VoidedAt    *bursar.Time       `json:"voidedAt"`
}

// GrantCredits adds credits to a customer's pool; they settle its overdraft first.
func (c *Client) GrantCredits(ctx context.Context, in GrantInput) (Grant, error) {
	return ask[Grant](ctx, c, call{method: http.MethodPost, path: "/credits/grants", in: in, key: keyFor("")})
}

// VoidGrant takes back what is left of an ACTIVE or SCHEDULED grant.
func (c *Client) VoidGrant(ctx context.Context, id string) (Grant, error) {
	return post[Grant](ctx, c, segments("credits", "grants", id, "void"))
}

// GrantQuery selects grants of one customer. CurrencyID "" = of any currency.
type GrantQuery struct {
	Paging
	CustomerID string
	CurrencyID string
}

// Grants lists a customer's grants.
func (c *Client) Grants(ctx context.Context, in GrantQuery) (Page[Grant], error) {
	q := in.query()
	q.Set("customerId", in.CustomerID)
	setNonEmpty(q, "currencyId", in.CurrencyID)
	return list[Grant](ctx, c, "/credits/grants", q)
}

// LedgerQuery selects entries of one customer's ledger; zero members do not filter.
type LedgerQuery struct {
	Paging
	CustomerID string
	CurrencyID string
	Types      []bursar.LedgerType
}

// LedgerEntry is one movement of one grant.
type LedgerEntry struct {
	Amount     bursar.Amount     `json:"amount"` // signed: what the grant gained
	CurrencyID string            `json:"creditCurrencyId"`
	GrantID    string            `json:"creditGrantId"`
	EventID    string            `json:"eventId"` // of the usage that moved it; "" = none
	Type       bursar.LedgerType `json:"eventType"`
	FeatureID  string            `json:"featureId"` // "" = the currency itself was consumed
	Timestamp  bursar.Time       `json:"timestamp"`
}

// Ledger lists what moved a customer's grants, newest first.
func (c *Client) Ledger(ctx context.Context, in LedgerQuery) (Page[LedgerEntry], error) {
	q := in.query()
	q.Set("customerId", in.CustomerID)
	setNonEmpty(q, "currencyId", in.CurrencyID)
	for _, t := range in.Types {
		q.Add("eventType[]", string(t))
	}
	return list[LedgerEntry](ctx, c, "/credits/ledger", q)
}

// CreditUsageQuery asks what a currency was spent on in [From, To): the last month when
// both are nil.
type CreditUsageQuery struct {
	Paging
	CustomerID string
	CurrencyID string // "" = the first that the customer used
	From, To   *bursar.Time
	GroupBy    []string // at most 3 keys that name entities or are dimensions
}

// CreditUsage is a page of lines, one for each feature and combination of tags.
type CreditUsage struct {
	Currency *struct {
		ID          string `json:"currencyId"`
		DisplayName string `json:"displayName"`
	} `json:"currency"` // nil when the customer has used none
	Series     []CreditSeries `json:"series"`
	Warnings   []string       `json:"warnings"` // as a History has
	Pagination struct {
		Next string `json:"next"`
		Prev string `json:"prev"`
	} `json:"pagination"`
}

// CreditSeries is one line of a credit usage report.
type CreditSeries struct {
	FeatureID  string        `json:"featureId"` // "" = the currency itself was consumed
	EventCount int64         `json:"eventCount"`
	Total      bursar.Amount `json:"totalCredits"`
	Points     []struct {
		Timestamp  bursar.Time   `json:"timestamp"` // the beginning of a day of the customer
		Value      bursar.Amount `json:"value"`
		EventCount int64         `json:"eventCount"`
	} `json:"points"`
	Tags []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"tags"`
	Untold bool `json:"untold"` // it is not known what entities the usage named
}

// CreditUsage reports what a currency was spent on.
func (c *Client) CreditUsage(ctx context.Context, in CreditUsageQuery) (CreditUsage, error) {
	q := in.query()
	q.Set("customerId", in.CustomerID)
	setNonEmpty(q, "currencyId", in.CurrencyID)
	setNonEmpty(q, "groupBy", strings.Join(in.GroupBy, ","))
	setTime(q, "startDate", in.From)
	setTime(q, "endDate", in.To)
	return ask[CreditUsage](ctx, c, call{method: http.MethodGet, path: "/credits/usage", query: q})
}

// ConsumptionInput says that credits were consumed.
type ConsumptionInput struct {
	CustomerID     string        `json:"customerId"`
	CurrencyID     string        `json:"currencyId"`
	Amount         bursar.Amount `json:"amount"`
	IdempotencyKey string        `json:"idempotencyKey,omitempty"` // "" = one for this call
	Dimensions     Dimensions    `json:"dimensions,omitempty"`
	CreatedAt      *bursar.Time  `json:"createdAt,omitempty"`
}

// CreditConsumption is what a direct consumption of credits did.
type CreditConsumption struct {
	Amount    bursar.Amount `json:"amount"`
	Timestamp bursar.Time   `json:"timestamp"`
	Credit    *Credit       `json:"credit"`   // nil when the currency is not prepaid
	Warnings  []string      `json:"warnings"` // see bursar.WarnNotResolved
}

// ConsumeCredits records that credits were consumed; no limit refuses it.
func (c *Client) ConsumeCredits(ctx context.Context, in ConsumptionInput) (CreditConsumption, error) {
	return ask[CreditConsumption](ctx, c, call{method: http.MethodPost, path: "/credits/consumption", in: in, key: keyFor(in.IdempotencyKey)})
}

// ConsumeCreditsAsync is ConsumeCredits for at most 1,000 at once, without their pools.
func (c *Client) ConsumeCreditsAsync(ctx context.Context, items ...ConsumptionInput) (Report, error) {
	in := map[string]any{"consumptions": items}
	return ask[Report](ctx, c, call{method: http.MethodPost, path: "/credits/consumption/async", in: in, key: keyFor("")})
}
