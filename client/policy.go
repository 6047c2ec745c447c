package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/bursarhq/bursar"
)

// PromotionInput is a customer-wide limit of a feature, the gate before all others. It
// has a UsageLimit or is Unlimited.
type PromotionInput struct {
	FeatureID   string         `json:"featureId"`
	UsageLimit  *bursar.Amount `json:"usageLimit"`
	Unlimited   bool           `json:"hasUnlimitedUsage"`
	Soft        bool           `json:"hasSoftLimit"`            // never denies
	Period      string         `json:"period"`                  // 1 week, 1 month, 6 month, 1 year, lifetime, custom
	CustomEnd   *bursar.Time   `json:"customEndDate,omitempty"` // of a custom period
	ResetPeriod string         `json:"resetPeriod,omitempty"`   // YEAR, MONTH, WEEK, DAY, HOUR; "" = never
	Yearly      *Reset         `json:"yearlyResetPeriodConfiguration,omitempty"`
	Monthly     *Reset         `json:"monthlyResetPeriodConfiguration,omitempty"`
	Weekly      *Reset         `json:"weeklyResetPeriodConfiguration,omitempty"`
}

// Reset says where windows of a reset period begin: SubscriptionStart (default: when the
// entitlement was given), StartOfTheMonth, EverySunday … EverySaturday.
type Reset struct {
	AccordingTo string `json:"accordingTo"`
}

// Promotion is a promotional entitlement.
type Promotion struct {
	ID          string         `json:"id"`
	FeatureID   string         `json:"featureId"`
	UsageLimit  *bursar.Amount `json:"usageLimit"`
	Unlimited   bool           `json:"hasUnlimitedUsage"`
	Soft        bool           `json:"hasSoftLimit"`
	Period      string         `json:"period"`
	StartDate   bursar.Time    `json:"startDate"`
	EndDate     *bursar.Time   `json:"endDate"`
	Status      string         `json:"status"` // Active or Expired
	ResetPeriod string         `json:"resetPeriod"`
	Reset       *Reset         `json:"resetPeriodConfiguration"`
}

// PutPromotions gives a customer promotional entitlements: all or none, at most 100. One
// replaces the feature's last.
func (c *Client) PutPromotions(ctx context.Context, customer string, in ...PromotionInput) ([]Promotion, error) {
	body := map[string]any{"promotionalEntitlements": in}
	return ask[[]Promotion](ctx, c, call{
		method: http.MethodPost, path: segments("customers", customer, "promotional-entitlements"), in: body, key: keyFor(""),
	})
}

// Promotions lists a customer's promotional entitlements, expired ones too.
func (c *Client) Promotions(ctx context.Context, customer string, in Paging) (Page[Promotion], error) {
	return list[Promotion](ctx, c, segments("customers", customer, "promotional-entitlements"), in.query())
}

// DeletePromotion takes the promotional entitlement of a feature away.
func (c *Client) DeletePromotion(ctx context.Context, customer, feature string) (Promotion, error) {
	return ask[Promotion](ctx, c, call{
		method: http.MethodDelete, path: segments("customers", customer, "promotional-entitlements", feature), key: keyFor(""),
	})
}

// Entitlements is all that a customer may use. DeniedReason is "" unless the customer
// may use nothing at all.
type Entitlements struct {
	DeniedReason bursar.Code `json:"accessDeniedReason"`
	Entitlements []Decision  `json:"entitlements"`
}

// Entitlements asks about amount 0 of every feature and currency that the customer has
// to do with.
func (c *Client) Entitlements(ctx context.Context, customer string) (Entitlements, error) {
	return ask[Entitlements](ctx, c, call{method: http.MethodGet, path: segments("customers", customer, "entitlements")})
}

// BoostInput raises a limit for a time. ExpiresAt nil = the end of its current window.
type BoostInput struct {
	Amount    bursar.Amount `json:"amount"`
	ExpiresAt *bursar.Time  `json:"expiresAt,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	FundedBy  string        `json:"fundedBy,omitempty"` // an entity above, whose limit has as much less while the boost lasts
}

// Boost is a temporary raise of a limit.
type Boost struct {
	ID           string        `json:"id"`
	AssignmentID string        `json:"assignmentId"`
	Amount       bursar.Amount `json:"amount"`
	Reason       string        `json:"reason"`
	CreatedAt    bursar.Time   `json:"createdAt"`
	ExpiresAt    bursar.Time   `json:"expiresAt"`
	EndedAt      *bursar.Time  `json:"endedAt"` // when it was ended before its time
	CreatedBy    string        `json:"createdBy"`
	FundedBy     string        `json:"fundedBy"`
}

// CreateBoost raises a limit for a time.
func (c *Client) CreateBoost(ctx context.Context, customer, assignment string, in BoostInput) (Boost, error) {
	return ask[Boost](ctx, c, call{
		method: http.MethodPost, path: segments("customers", customer, "assignments", assignment, "boosts"), in: in, key: keyFor(""),
	})
}

// Boosts lists the boosts of a limit, ended ones too, and those of other limits that it funds.
func (c *Client) Boosts(ctx context.Context, customer, assignment string, in Paging) (Page[Boost], error) {
	return list[Boost](ctx, c, segments("customers", customer, "assignments", assignment, "boosts"), in.query())
}

// EndBoost ends a boost now.
func (c *Client) EndBoost(ctx context.Context, customer, assignment, boost string) (Boost, error) {
	return ask[Boost](ctx, c, call{
		method: http.MethodDelete, path: segments("customers", customer, "assignments", assignment, "boosts", boost), key: keyFor(""),
	})
}

// AllocationProblem says how a write would have broken a strict allocation.
type AllocationProblem struct {
	AssignmentID string         `json:"assignmentId"` // the strict limit
	EntityID     string         `json:"entityId"`
	UsageLimit   *bursar.Amount `json:"usageLimit"`
	Allocated    bursar.Amount  `json:"allocated"` // what the limits below it would add up to
	Available    bursar.Amount  `json:"available"` // what would fit
}

// AllocationQuery selects limits without a scope, of one capability.
type AllocationQuery struct {
	FeatureID  string // exactly one of FeatureID and CurrencyID
	CurrencyID string
	Label      *string // nil = any
	EntityID   string  // "" = of any entity
	After      string  // the Next of a page
	Limit      int     // 0 = 20
}

// Allocation says how much of a limit the nearest limits below it give out.
type Allocation struct {
	AssignmentID  string         `json:"assignmentId"`
	EntityID      string         `json:"entityId"`
	FeatureID     string         `json:"featureId"`
	CurrencyID    string         `json:"currencyId"`
	Label         string         `json:"label"`
	Allocation    string         `json:"allocation"` // none or strict
	UsageLimit    *bursar.Amount `json:"usageLimit"` // nil = unlimited
	Allocated     bursar.Amount  `json:"allocated"`
	Unallocated   *bursar.Amount `json:"unallocated"`
	OverCommitted bursar.Amount  `json:"overCommitted"`
	Children      int            `json:"children"`
	Unlimited     int            `json:"unlimited"` // of Children
}

// Allocations reads how limits are shared out. Pages have no Prev.
func (c *Client) Allocations(ctx context.Context, customer string, in AllocationQuery) (Page[Allocation], error) {
	q := Paging{After: in.After, Limit: in.Limit}.query()
	setNonEmpty(q, "featureId", in.FeatureID)
	setNonEmpty(q, "currencyId", in.CurrencyID)
	setNonEmpty(q, "entityId", in.EntityID)
	if in.Label != nil {
		q.Set("label", *in.Label)
	}
	return list[Allocation](ctx, c, segments("customers", customer, "allocation"), q)
}

// SimulateInput is a backtest of drafts of limits over [StartDate, EndDate); EndDate nil
// = now. A draft with the natural key of an existing limit or default stands in for it.
type SimulateInput struct {
	StartDate   bursar.Time       `json:"startDate"`
	EndDate     *bursar.Time      `json:"endDate,omitempty"`
	Assignments []AssignmentInput `json:"assignments,omitempty"` // at most 100
	Defaults    []DefaultInput    `json:"defaults,omitempty"`    // at most 100
}

// Simulation is what drafts would have done to the usage that was accepted. Note says
// what is not in it.
type Simulation struct {
	StartDate bursar.Time `json:"startDate"`
	EndDate   bursar.Time `json:"endDate"`
	Replayed  int         `json:"replayed"`
	Note      string      `json:"note"`
	Drafts    []struct {
		Index          int           `json:"index"`
		Stopped        int           `json:"stopped"`
		StoppedUsage   bursar.Amount `json:"stoppedUsage"`
		StoppedLimits  int           `json:"stoppedLimits"` // of a default, one for each entity
		FirstStoppedAt *bursar.Time  `json:"firstStoppedAt"`
		PeakUsage      bursar.Amount `json:"peakUsage"`
	} `json:"drafts"`
	Stopped []struct {
		Timestamp bursar.Time   `json:"timestamp"`
		EntityID  string        `json:"entityId"`
		Draft     int           `json:"draft"`
		Amount    bursar.Amount `json:"amount"`
		Used      bursar.Amount `json:"used"`
	} `json:"stopped"` // the first 100
	Entities []struct {
		EntityID       string        `json:"entityId"`
		Draft          int           `json:"draft"`
		Stopped        int           `json:"stopped"`
		StoppedUsage   bursar.Amount `json:"stoppedUsage"`
		FirstStoppedAt bursar.Time   `json:"firstStoppedAt"`
	} `json:"entities"` // the 100 that would have lost most
}

// Simulate backtests drafts of limits and writes nothing. What takes longer than a request
// is a job, whose end it waits for.
func (c *Client) Simulate(ctx context.Context, customer string, in SimulateInput) (Simulation, error) {
	got, err := ask[struct {
		Simulation
		ID string `json:"id"` // of the job that it became
	}](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "simulate"), in: in})
	if err != nil || got.ID == "" {
		return got.Simulation, err
	}
	j, err := c.succeeded(ctx, got.ID, nil)
	if err != nil {
		return Simulation{}, err
	}
	return *j.Simulation, nil
}

// Coverage is what of a customer is under no limit, by the limits as they are now.
type Coverage struct {
	AsOf      bursar.Time    `json:"asOf"`
	StartDate bursar.Time    `json:"startDate"` // since when usage is looked at
	Types     []CoveredType  `json:"types"`
	Usage     []CoveredUsage `json:"usage"`
}

// CoveredType is the live entities of a type, and how many have no limit on them or above them.
type CoveredType struct {
	EntityTypeID string            `json:"entityTypeId"`
	Ungoverned   bursar.Ungoverned `json:"ungoverned"` // what becomes of use by them that nothing limits
	Entities     int               `json:"entities"`
	WithoutLimit int               `json:"withoutLimit"`
	Examples     []string          `json:"examples"` // at most 10
}

// CoveredUsage is what was used of a feature or currency.
type CoveredUsage struct {
	FeatureID  string         `json:"featureId"`
	CurrencyID string         `json:"currencyId"`
	Used       bursar.Amount  `json:"used"`
	Ungoverned bursar.Amount  `json:"ungovernedUsage"` // of it: nothing limits such use
	Untold     bursar.Amount  `json:"untold"`          // of it: nobody knows who was named
	Types      []CoveredShare `json:"types"`
}

// CoveredShare is what of it named entities of a type; nil: what named nobody.
type CoveredShare struct {
	EntityTypeID *string            `json:"entityTypeId"`
	Used         bursar.Amount      `json:"used"`
	Ungoverned   bursar.Amount      `json:"ungovernedUsage"`
	Examples     []UngovernedEntity `json:"examples"` // the 10 that used most
}

// UngovernedEntity is what an entity used under no limit.
type UngovernedEntity struct {
	EntityID   string        `json:"entityId"`
	Ungoverned bursar.Amount `json:"ungovernedUsage"`
}

// Coverage tells what of a customer is under no limit, of usage since from; 0 = in this month.
func (c *Client) Coverage(ctx context.Context, customer string, from bursar.Time) (Coverage, error) {
	q := url.Values{}
	if from != 0 {
		q.Set("startDate", from.String())
	}
	return ask[Coverage](ctx, c, call{method: http.MethodGet, path: segments("customers", customer, "coverage"), query: q})
}
