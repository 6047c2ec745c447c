package client

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/bursarhq/bursar"
)

// Dimensions describe a request. Those whose key is the attribution key of an entity
// type name an entity, whose limits and whose ancestors' limits then apply.
type Dimensions map[string]string

// EntityTypeInput creates or replaces an entity type.
type EntityTypeInput struct {
	ID              string      `json:"id"`
	DisplayName     string      `json:"displayName"`
	AttributionKeys []string    `json:"attributionKeys"`       // may be empty, not nil
	Description     *string     `json:"description,omitempty"` // nil keeps it, "" clears it
	Strict          *bool       `json:"strict,omitempty"`      // an id that names none of its entities is denied; nil keeps it
	Ungoverned      *Ungoverned `json:"ungoverned,omitempty"`  // what becomes of use by its entities that nothing limits; nil keeps it, "" is what the environment says
	// Enrolment says that ids which were never seen become entities; absent keeps it, null ends it.
	Enrolment Opt[bursar.Enrolment] `json:"enrolment,omitzero"`
}

// PutEntityTypes creates or replaces entity types: all or none, at most 100.
func (c *Client) PutEntityTypes(ctx context.Context, types ...EntityTypeInput) ([]bursar.EntityType, error) {
	types = slices.Clone(types)
	for i := range types {
		if x := &types[i].Enrolment; x.Set && !x.Null {
			x.Value.ParentKeys = append([]string{}, x.Value.ParentKeys...) // never null
		}
	}
	in := map[string]any{"types": types}
	return ask[[]bursar.EntityType](ctx, c, call{method: http.MethodPut, path: "/entity-types", in: in})
}

// FeatureInput creates a metered feature.
type FeatureInput struct {
	ID          string            `json:"id"`
	DisplayName string            `json:"displayName"`
	MeterType   string            `json:"meterType,omitempty"` // INCREMENTAL (default) or FLUCTUATING
	Description string            `json:"description,omitempty"`
	Units       string            `json:"featureUnits,omitempty"`
	UnitsPlural string            `json:"featureUnitsPlural,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Meter       *bursar.Meter     `json:"meter,omitempty"` // with one, events feed the feature
}

// CreateFeature creates a feature; one that exists is AlreadyExists.
func (c *Client) CreateFeature(ctx context.Context, f FeatureInput) (bursar.Feature, error) {
	if f.Meter != nil && f.Meter.Filters == nil {
		m := *f.Meter
		m.Filters = []bursar.MeterFilter{}
		f.Meter = &m
	}
	in := struct {
		FeatureInput
		FeatureType string `json:"featureType"`
	}{f, "NUMBER"}
	return ask[bursar.Feature](ctx, c, call{method: http.MethodPost, path: "/features", in: in, key: keyFor("")})
}

// CustomerInput creates a customer.
type CustomerInput struct {
	ID       string            `json:"id"`
	Name     string            `json:"name,omitempty"`
	Email    string            `json:"email,omitempty"`
	Timezone string            `json:"timezone,omitempty"` // IANA; the default of its limits
	Metadata map[string]string `json:"metadata,omitempty"`
}

// CreateCustomer creates a customer; one that exists is AlreadyExists.
func (c *Client) CreateCustomer(ctx context.Context, in CustomerInput) (bursar.Customer, error) {
	return ask[bursar.Customer](ctx, c, call{method: http.MethodPost, path: "/customers", in: in, key: keyFor("")})
}

// EntityInput creates or updates an entity; absent members are kept.
type EntityInput struct {
	ID           string            `json:"id"`
	EntityTypeID string            `json:"entityTypeId,omitempty"` // required to create
	DisplayName  string            `json:"displayName,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"` // merges; "" deletes a key
	ParentID     Opt[string]       `json:"parentId,omitzero"`  // null = root; a value attaches or moves with the subtree
}

// PutEntities creates, updates or moves entities: all or none, at most 100. A parent
// may come earlier in the list.
func (c *Client) PutEntities(ctx context.Context, customer string, entities ...EntityInput) ([]bursar.Entity, error) {
	in := map[string]any{"entities": entities}
	return ask[[]bursar.Entity](ctx, c, call{method: http.MethodPut, path: segments("customers", customer, "entities"), in: in})
}

// AssignmentInput creates or updates a limit, known by (entity, capability, scope set,
// label); absent members are kept. A new one needs UsageLimit and Cadence.
type AssignmentInput struct {
	EntityID        string             `json:"entityId"`
	FeatureID       string             `json:"featureId,omitempty"` // exactly one of FeatureID and CurrencyID
	CurrencyID      string             `json:"currencyId,omitempty"`
	ScopeEntityIDs  []string           `json:"scopeEntityIds,omitempty"`
	Label           string             `json:"label,omitempty"`
	UsageLimit      Opt[bursar.Amount] `json:"usageLimit,omitzero"` // null = unlimited, still counted
	Cadence         string             `json:"cadence,omitempty"`   // PT15M, PT1H, P1D, P1M …
	Enforcement     bursar.Enforcement `json:"enforcement,omitempty"`
	AlertThresholds []int              `json:"alertThresholds,omitempty"` // percent
	Timezone        string             `json:"timezone,omitempty"`
	Anchor          *bursar.Time       `json:"anchor,omitempty"` // where windows are counted from
	// Allocation strict: the nearest limits below may not add up to more.
	Allocation string `json:"allocation,omitempty"`
}

// Assignment is a limit.
type Assignment struct {
	ID              string             `json:"id"`
	EntityID        string             `json:"entityId"`
	ScopeEntityIDs  []string           `json:"scopeEntityIds"`
	FeatureID       string             `json:"featureId"`
	CurrencyID      string             `json:"currencyId"`
	Label           string             `json:"label"`
	UsageLimit      *bursar.Amount     `json:"usageLimit"`          // nil = unlimited
	EffectiveLimit  *bursar.Amount     `json:"effectiveUsageLimit"` // with the boosts of this moment
	Cadence         string             `json:"cadence"`
	Enforcement     bursar.Enforcement `json:"enforcement"`
	AlertThresholds []int              `json:"alertThresholds"`
	Allocation      string             `json:"allocation"` // none or strict
	Timezone        string             `json:"timezone"`
	Anchor          *bursar.Time       `json:"anchor"`
	CreatedAt       bursar.Time        `json:"createdAt"`
	UpdatedAt       bursar.Time        `json:"updatedAt"`
	DefaultOf       *DefaultOf         `json:"defaultOf"` // nil = the limit is the entity's own
}

// PutAssignments creates or updates limits: all or none, at most 100.
func (c *Client) PutAssignments(ctx context.Context, customer string, limits ...AssignmentInput) ([]Assignment, error) {
	in := map[string]any{"assignments": limits}
	return ask[[]Assignment](ctx, c, call{method: http.MethodPut, path: segments("customers", customer, "assignments"), in: in})
}

// CheckInput is a question: would this be granted?
type CheckInput struct {
	FeatureID  string // exactly one of FeatureID and CurrencyID
	CurrencyID string
	Requested  *bursar.Amount // nil = 1
	Dimensions Dimensions
	Strict     bool // what names no entity is denied
}

// Check asks whether usage would be granted and changes nothing. A denial is an answer,
// not an error.
func (c *Client) Check(ctx context.Context, customer string, in CheckInput) (Decision, error) {
	q := url.Values{}
	setNonEmpty(q, "featureId", in.FeatureID)
	setNonEmpty(q, "currencyId", in.CurrencyID)
	if in.Requested != nil {
		q.Set("requestedUsage", in.Requested.String())
	}
	if in.Strict {
		q.Set("strict", "true")
	}
	for k, v := range in.Dimensions {
		q.Set("dimensions["+k+"]", v)
	}
	return ask[Decision](ctx, c, call{method: http.MethodGet, path: segments("customers", customer, "entitlements", "check"), query: q})
}

// UsageInput is one item of a usage report.
type UsageInput struct {
	CustomerID     string                `json:"customerId"`
	FeatureID      string                `json:"featureId"`
	Value          bursar.Amount         `json:"value"`
	Behavior       bursar.UpdateBehavior `json:"updateBehavior,omitempty"`
	Dimensions     Dimensions            `json:"dimensions,omitempty"`
	IdempotencyKey string                `json:"idempotencyKey,omitempty"`
	// CreatedAt is when it happened. With it a duplicate is recognised for good.
	CreatedAt *bursar.Time `json:"createdAt,omitempty"`
}

// UsageResult is what one item did.
type UsageResult struct {
	ID           string         `json:"id"`
	Timestamp    bursar.Time    `json:"timestamp"`
	CurrentUsage *bursar.Amount `json:"currentUsage"`
	PeriodStart  *bursar.Time   `json:"usagePeriodStart"` // of CurrentUsage, with a promotional entitlement
	PeriodEnd    *bursar.Time   `json:"usagePeriodEnd"`
	Credit       *Credit        `json:"credit"` // the pool that a priced feature drew on
	Duplicate    bool           `json:"duplicate"`
	Warnings     []string       `json:"warnings"` // see bursar.WarnNotResolved
}

// ReportUsage records what was used; no limit refuses it. At most 100 items.
func (c *Client) ReportUsage(ctx context.Context, usages ...UsageInput) ([]UsageResult, error) {
	in := map[string]any{"usages": usages}
	return ask[[]UsageResult](ctx, c, call{method: http.MethodPost, path: "/usage", in: in, key: keyFor("")})
}

// SpendInput asks to consume or to reserve.
type SpendInput struct {
	FeatureID      string        `json:"featureId,omitempty"` // exactly one of FeatureID and CurrencyID
	CurrencyID     string        `json:"currencyId,omitempty"`
	Amount         bursar.Amount `json:"amount"`
	Dimensions     Dimensions    `json:"dimensions,omitempty"`
	Strict         bool          `json:"strict,omitempty"`         // what names no entity is denied
	IdempotencyKey string        `json:"idempotencyKey,omitempty"` // "" = one for this call
}

// Consume checks and records in one step. See Denied for a refusal.
func (c *Client) Consume(ctx context.Context, customer string, in SpendInput) (Consumption, error) {
	return ask[Consumption](ctx, c, call{
		method: http.MethodPost, path: segments("customers", customer, "consume"), in: in, key: keyFor(in.IdempotencyKey),
	})
}

// ReserveInput asks to hold an amount for a while.
type ReserveInput struct {
	SpendInput
	TTLSeconds int             `json:"ttlSeconds,omitempty"` // 0 = 300
	OnExpire   bursar.OnExpire `json:"onExpire,omitempty"`
}

// Reserve holds an amount on every limit of its path. See Denied for a refusal, which
// holds nothing.
func (c *Client) Reserve(ctx context.Context, customer string, in ReserveInput) (Reservation, error) {
	return ask[Reservation](ctx, c, call{
		method: http.MethodPost, path: segments("customers", customer, "reservations"), in: in, key: keyFor(in.IdempotencyKey),
	})
}

// Commit records what was used, even above the hold, and frees the rest. Repeating it
// with the same amount gives the same answer.
func (c *Client) Commit(ctx context.Context, customer, reservation string, used bursar.Amount) (Reservation, error) {
	in := map[string]any{"amount": used}
	return ask[Reservation](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "reservations", reservation, "commit"), in: in})
}

// Release frees a hold. One that was released or has expired stays as it is; so Release may
// be deferred whatever became of the hold, but for one that was committed.
func (c *Client) Release(ctx context.Context, customer, reservation string) (Reservation, error) {
	return ask[Reservation](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "reservations", reservation, "release")})
}

// TreeQuery selects rows of the governance tree; zero members do not filter.
type TreeQuery struct {
	FeatureIDs     []string // without features and currencies: one row per entity, without limits
	CurrencyIDs    []string
	EntityTypeIDs  []string
	RootEntityID   string
	MinUtilization *bursar.Amount
	Label          *string
	SortBy         string // utilization (default), currentUsage, usageLimit, scopeSize, id, createdAt
	Ascending      bool
	After          string // the Next of a page
	Limit          int    // 0 = 100
}

// Tree reads one page of the governance tree.
func (c *Client) Tree(ctx context.Context, customer string, in TreeQuery) (TreePage, error) {
	var page TreePage
	err := c.do(ctx, call{method: http.MethodGet, path: segments("customers", customer, "governance"), query: in.query()}, &page)
	return page, err
}

func (in *TreeQuery) query() url.Values {
	q := url.Values{}
	addAll(q, "featureIds[]", in.FeatureIDs)
	addAll(q, "currencyIds[]", in.CurrencyIDs)
	addAll(q, "entityTypeIds[]", in.EntityTypeIDs)
	setNonEmpty(q, "rootEntityId", in.RootEntityID)
	setNonEmpty(q, "sortBy", in.SortBy)
	setNonEmpty(q, "after", in.After)
	if in.MinUtilization != nil {
		q.Set("minUtilization", in.MinUtilization.String())
	}
	if in.Label != nil {
		q.Set("label", *in.Label)
	}
	if in.Ascending {
		q.Set("order", "asc")
	}
	if in.Limit > 0 {
		q.Set("limit", strconv.Itoa(in.Limit))
	}
	return q
}

func setNonEmpty(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func addAll(q url.Values, name string, values []string) {
	for _, v := range values {
		q.Add(name, v)
	}
}

func setTime(q url.Values, name string, t *bursar.Time) {
	if t != nil {
		q.Set(name, t.String())
	}
}
