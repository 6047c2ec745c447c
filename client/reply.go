package client

import (
	"encoding/json"

	"github.com/bursarhq/bursar"
)

// Opt is a member that is absent, null or a value; the zero Opt is absent. Absent keeps
// what the server has, null clears it.
type Opt[T any] bursar.Opt[T]

// Some is an Opt that holds v.
func Some[T any](v T) Opt[T] { return Opt[T](bursar.Some(v)) }

// Null is an Opt that clears.
func Null[T any]() Opt[T] { return Opt[T](bursar.Null[T]()) }

// IsZero reports whether o is absent, for the JSON option omitzero.
func (o Opt[T]) IsZero() bool { return !o.Set }

// MarshalJSON writes the value or null.
func (o Opt[T]) MarshalJSON() ([]byte, error) {
	if !o.Set || o.Null {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}

// Node is one limit on the path of a request, with its state at the decision.
type Node struct {
	AssignmentID   string             `json:"assignmentId"`
	EntityID       string             `json:"entityId"`
	EntityTypeID   string             `json:"entityTypeId"`
	ScopeEntityIDs []string           `json:"scopeEntityIds"`
	FeatureID      string             `json:"featureId"`
	CurrencyID     string             `json:"currencyId"`
	Label          string             `json:"label"`
	Enforcement    bursar.Enforcement `json:"enforcement"`
	UsageLimit     *bursar.Amount     `json:"usageLimit"` // nil = unlimited
	CurrentUsage   bursar.Amount      `json:"currentUsage"`
	Requested      bursar.Amount      `json:"requested"`
	Reserved       bursar.Amount      `json:"reserved"`
	Remaining      *bursar.Amount     `json:"remaining"`
	ResetsAt       *bursar.Time       `json:"resetsAt"`
	IsGranted      bool               `json:"isGranted"`
	Exceeded       bool               `json:"exceeded"`
	DefaultOf      *DefaultOf         `json:"defaultOf"` // nil = the limit is the entity's own
}

// Binding is the limit that denied. Unless Source is ENTITY it is the customer's own
// and names no entity.
type Binding struct {
	Source bursar.BindingSource `json:"source"`
	Node
}

// Decision is the answer to a check. Chains are the limits on the path, one list for
// each dimension that named an entity, each from the leaf to the root.
type Decision struct {
	Type    string      `json:"type"` // FEATURE or CREDIT
	Granted bool        `json:"isGranted"`
	Reason  bursar.Code `json:"accessDeniedReason"` // "" when granted
	Detail  string      `json:"accessDeniedDetail"` // of EntityNotFound and Ungoverned: who was named, and what to do
	// The whole customer's: of a feature in the window of its promotional entitlement, of
	// a currency of its pool. UsageLimit nil = unlimited.
	CurrentUsage bursar.Amount  `json:"currentUsage"`
	UsageLimit   *bursar.Amount `json:"usageLimit"`
	Reserved     bursar.Amount  `json:"reserved"`  // of a currency
	Remaining    *bursar.Amount `json:"remaining"` // of a currency; nil when no pool gates
	Unlimited    bool           `json:"hasUnlimitedUsage"`
	ResetPeriod  string         `json:"resetPeriod"` // "" = never
	PeriodStart  *bursar.Time   `json:"usagePeriodStart"`
	PeriodEnd    *bursar.Time   `json:"usagePeriodEnd"`
	ValidUntil   *bursar.Time   `json:"validUntil"` // when time alone changes the answer next
	Feature      struct {
		ID string `json:"id"`
	} `json:"feature"`
	Currency struct {
		ID string `json:"currencyId"`
	} `json:"currency"`
	Costs    []Cost   `json:"costs"`    // of a priced feature
	Unpriced []string `json:"unpriced"` // with the reason Unknown: currencies without a rate for it
	Chains   [][]Node `json:"chains"`
	Binding  *Binding `json:"binding"`
	Advice   *Advice  `json:"advice"`   // by what is used and held without this request; nil = no hard limit counts
	Frozen   *Frozen  `json:"frozen"`   // what denied where a freeze did; Binding is nil then
	Warnings []string `json:"warnings"` // see bursar.WarnNotResolved
}

// Advice says how to go on, by the hard limit that has room for the fewest more of what was
// decided about. It denies nothing.
type Advice struct {
	Level       bursar.AdviceLevel `json:"level"`
	Left        bursar.Amount      `json:"left"`
	UsedPercent int64              `json:"usedPercent"` // used and held, rounded down
	Limit       AdviceLimit        `json:"limit"`
	Degrade     *Degrade           `json:"degrade"` // nil = no step of a policy on the path was reached
}

// AdviceLimit names the limit that an advice is by. Unless Source is ENTITY, it is the
// customer's own and names no entity.
type AdviceLimit struct {
	Source       bursar.BindingSource `json:"source"`
	AssignmentID string               `json:"assignmentId"`
	EntityID     string               `json:"entityId"`
	FeatureID    string               `json:"featureId"`
	CurrencyID   string               `json:"currencyId"`
	Label        string               `json:"label"`
	UsageLimit   bursar.Amount        `json:"usageLimit"`
	ResetsAt     *bursar.Time         `json:"resetsAt"`
}

// Cost is an amount of a currency.
type Cost struct {
	CurrencyID string        `json:"currencyId"`
	Amount     bursar.Amount `json:"amount"`
}

// Credit is a pool after a charge: UsageLimit − CurrentUsage is left.
type Credit struct {
	CurrencyID   string         `json:"currencyId"`
	Consumed     *bursar.Amount `json:"consumed"` // by this charge
	CurrentUsage bursar.Amount  `json:"currentUsage"`
	UsageLimit   bursar.Amount  `json:"usageLimit"`
	Timestamp    bursar.Time    `json:"timestamp"`
	PeriodEnd    *bursar.Time   `json:"usagePeriodEnd"` // when the next grant that has credits left expires
}

// Consumption is a granted consume. Chains are as they are after it.
type Consumption struct {
	ID         string        `json:"id"`
	FeatureID  string        `json:"featureId"`
	CurrencyID string        `json:"currencyId"`
	Amount     bursar.Amount `json:"amount"`
	Timestamp  bursar.Time   `json:"timestamp"`
	Cost       []Cost        `json:"cost"`
	EventParts               // of an event
	Credit     *Credit       `json:"credit"` // the pool that was drawn on
	Chains     [][]Node      `json:"chains"`
	Advice     *Advice       `json:"advice"` // with what was consumed; nil = no hard limit counts
	Duplicate  bool          `json:"duplicate"`
	Warnings   []string      `json:"warnings"` // see bursar.WarnNotResolved
}

// Reservation is a hold. Warnings are there only in the reply to Reserve.
type Reservation struct {
	ID              string            `json:"id"`
	CustomerID      string            `json:"customerId"`
	FeatureID       string            `json:"featureId"`
	CurrencyID      string            `json:"currencyId"`
	Amount          bursar.Amount     `json:"amount"`
	Dimensions      map[string]any    `json:"dimensions"` // strings, numbers and booleans
	Status          bursar.HoldStatus `json:"status"`
	OnExpire        bursar.OnExpire   `json:"onExpire"`
	CreatedAt       bursar.Time       `json:"createdAt"`
	ExpiresAt       bursar.Time       `json:"expiresAt"`
	ClosedAt        *bursar.Time      `json:"closedAt"`
	CommittedAmount *bursar.Amount    `json:"committedAmount"`
	EventParts                        // of an event, in place of FeatureID, CurrencyID and Amount
	Overshoot       bursar.Amount     `json:"overshoot"` // committed above the hold
	LateCommit      bool              `json:"lateCommit"`
	Cost            []Cost            `json:"cost"` // held while open, then charged
	Chains          [][]Node          `json:"chains"`
	Advice          *Advice           `json:"advice"` // with what it holds or used; nil = no hard limit counts
	Duplicate       bool              `json:"duplicate"`
	Warnings        []string          `json:"warnings"` // see bursar.WarnNotResolved
}

// TreePage is one page of the governance tree, true at AsOf.
type TreePage struct {
	Rows       []TreeRow `json:"data"`
	Pagination struct {
		Next string `json:"next"` // "" on the last page
	} `json:"pagination"`
	AsOf bursar.Time `json:"asOf"`
}

// TreeRow is one entity with one limit of it; without a limit, in tree mode, the members
// from FeatureID to Status are zero.
type TreeRow struct {
	EntityID       string             `json:"entityId"`
	EntityTypeID   string             `json:"entityTypeId"`
	DisplayName    string             `json:"displayName"`
	ParentID       string             `json:"parentId"` // "" = a root
	ChildCount     int                `json:"childCount"`
	FeatureID      string             `json:"featureId"`
	CurrencyID     string             `json:"currencyId"`
	AssignmentID   string             `json:"assignmentId"`
	ScopeEntityIDs []string           `json:"scopeEntityIds"`
	Label          string             `json:"label"`
	Enforcement    bursar.Enforcement `json:"enforcement"`
	UsageLimit     *bursar.Amount     `json:"usageLimit"` // nil = unlimited
	CurrentUsage   *bursar.Amount     `json:"currentUsage"`
	Reserved       *bursar.Amount     `json:"reserved"`
	Remaining      *bursar.Amount     `json:"remaining"`
	Utilization    *float64           `json:"utilization"` // nil when unlimited
	Cadence        string             `json:"cadence"`
	PeriodStart    *bursar.Time       `json:"usagePeriodStart"`
	PeriodEnd      *bursar.Time       `json:"usagePeriodEnd"`
	Status         string             `json:"status"`    // ok, warning or exceeded
	DefaultOf      *DefaultOf         `json:"defaultOf"` // nil = the limit is the entity's own
	Frozen         *Frozen            `json:"frozen"`    // by its own freeze, the nearest above or the customer's
}
