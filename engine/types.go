package engine

import (
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
)

// Caller is who asks for a write, for the audit listing and for replays.
type Caller struct {
	ActorType string // API_KEY, ACCESS_TOKEN or SYSTEM
	ActorID   string
	Subject   string
	RequestID string
	Token     *bursar.AccessToken // limits what is written; nil = nothing does
	Wrote     *atomic.Int64       // of a Token: told how many audit entries and webhook deliveries the request made
	// Key is set when the request came with an Idempotency-Key header on a route whose
	// body has no keys of its own.
	Key *RequestKey
	// IfMatch is the revision, of the one thing that the request changes, that it is based
	// on, or a word for it; "" = it does not say. Where a request changes several things,
	// each says its own.
	IfMatch string
}

// RequestKey makes a whole write request idempotent for 24 hours: the reply is kept
// with the write and given again to a request with the same key and content.
type RequestKey struct {
	Key     string
	Content [32]byte // hash of method, path and body
	// Render makes the reply that is kept, from what the method would return. It is
	// called while the write is decided: it must be quick and must not call the engine.
	Render func(result any) (status int, body []byte)
}

// Replay is returned as the error of a write whose RequestKey was seen before with the
// same content: the caller answers Status and Body and nothing was done.
type Replay struct {
	Status  int
	Body    []byte
	Version uint64
}

func (*Replay) Error() string { return "replayed" }

// ReadOptions bound how old an answer may be.
type ReadOptions struct {
	MinVersion   uint64              // never answer from an older version of the customer
	MaxStaleness time.Duration       // accept an answer of this age; 0 = the newest
	Token        *bursar.AccessToken // limits what is shown; nil = nothing does
	// Age, when not nil, is set to how old the answer may be, at most: how long ago it was
	// read or confirmed in a store that other processes write to, 0 in one of this process
	// alone. Of an answer that takes several reads it is the oldest's.
	Age *time.Duration
}

// EntityTypeInput creates or replaces an entity type; Description absent, null or ""
// clears it.
type EntityTypeInput struct {
	ID              string
	DisplayName     string
	AttributionKeys []string
	Description     bursar.Opt[string] // absent keeps it; null or "" clears it
	IfMatch         string             // the revision that this is based on, or a word for it; "" = does not say
}

// FeaturePatch updates a feature; absent members are kept.
type FeaturePatch struct {
	DisplayName        bursar.Opt[string]
	Description        bursar.Opt[string]
	FeatureUnits       bursar.Opt[string]
	FeatureUnitsPlural bursar.Opt[string]
	Metadata           map[string]string // merges; "" deletes a key
	Meter              bursar.Opt[bursar.Meter]
}

// CurrencyPatch updates a currency; absent members are kept, null and "" clear.
type CurrencyPatch struct {
	DisplayName bursar.Opt[string]
	Description bursar.Opt[string]
	Symbol      bursar.Opt[string]
	Units       bursar.Opt[bursar.Units]
	Metadata    map[string]string // merges; "" deletes a key
}

// ListPos is a place in a list ordered by (CreatedAt, ID); for assignments and
// reservations CreatedAt is ignored, their IDs grow with time.
type ListPos struct {
	CreatedAt bursar.Time
	ID        string
}

// ListPage bounds a list: at most Limit rows after After or just ahead of Before, of
// which at most one is set.
type ListPage struct {
	After, Before *ListPos
	Limit         int
}

// Page is one page of a list.
type Page[T any] struct {
	Items            []T
	HasNext, HasPrev bool
	// Rest is where the list goes on when the page is short since it took long to find what
	// is in it: behind it, or ahead of it when the page ahead of something was asked for.
	Rest *ListPos
}

// EntityQuery selects entities; zero members do not filter.
type EntityQuery struct {
	TypeID          string
	IncludeArchived bool
	ParentID        string
	Search          string // case-insensitive substring of id or display name
	ListPage
}

// AssignmentQuery selects assignments; zero members do not filter.
type AssignmentQuery struct {
	EntityID   string
	Capability bursar.Capability
	Label      *string
	ListPage
}

// ReservationQuery selects reservations of one status.
type ReservationQuery struct {
	Status   bursar.HoldStatus
	EntityID string // resolved by the reservation, itself or below it; "" = any
	ListPage
}

// CheckInput is one question.
type CheckInput struct {
	Capability bursar.Capability
	Requested  bursar.Amount
	Dimensions []bursar.Dimension // nil = none given
}

// TreeSort orders the governance tree.
type TreeSort string

const (
	SortUtilization  TreeSort = "utilization"
	SortCurrentUsage TreeSort = "currentUsage"
	SortUsageLimit   TreeSort = "usageLimit"
	SortScopeSize    TreeSort = "scopeSize"
	SortID           TreeSort = "id"
	SortCreatedAt    TreeSort = "createdAt"
)

// TreeScope filters limits by whether they have scope entities.
type TreeScope string

const (
	ScopeAll      TreeScope = "all"
	ScopeNodeWide TreeScope = "nodeWide"
	ScopeScoped   TreeScope = "scoped"
)

// TreeQuery selects rows of the governance tree. Without capabilities it gives one row
// per entity, without limits (tree mode).
type TreeQuery struct {
	Capabilities    []bursar.Capability
	TypeIDs         []string
	Scope           TreeScope
	MinUtilization  *bursar.Amount
	Search          string
	SortBy          TreeSort
	Desc            bool
	RootEntityID    string  // only this subtree, itself included
	Depth           *int    // levels below the roots of the selection
	ParentID        *string // only direct children; "" = the customer's roots
	IncludeArchived bool
	Label           *string
	After           []byte // a page's Next; nil = from the beginning
	Limit           int
	// Effective, in tree mode: of which capability rows tell what is effective.
	Effective bursar.Capability
}

// TreeRow is one entity, or one limit of it.
type TreeRow struct {
	EntityID     string
	EntityTypeID string
	DisplayName  *string
	ParentID     *string
	ChildCount   int
	ArchivedAt   *bursar.Time
	Limit        *TreeLimit // nil in tree mode
	Effective    *Effective // of the limit's capability; in tree mode of the query's, if it names one
}

// TreeLimit is the limit of a TreeRow.
type TreeLimit struct {
	AssignmentID   string
	Capability     bursar.Capability
	Label          string
	ScopeEntityIDs []string
	Enforcement    bursar.Enforcement
	UsageLimit     *bursar.Amount
	CurrentUsage   bursar.Amount
	Reserved       bursar.Amount
	Remaining      *bursar.Amount
	Utilization    *float64 // used ÷ limit; 1 for limit 0; nil when unlimited
	Cadence        bursar.Cadence
	PeriodStart    bursar.Time
	PeriodEnd      bursar.Time
	Status         string // ok, warning or exceeded; "" when unlimited
}

// TreePage is one page of the tree, true at AsOf.
type TreePage struct {
	Rows    []TreeRow
	Next    []byte // nil when this is the last page
	AsOf    bursar.Time
	Version uint64
}

// Granularity is the width of a point of a usage series.
type Granularity string

const (
	Hour  Granularity = "HOUR"
	Day   Granularity = "DAY"
	Week  Granularity = "WEEK"
	Month Granularity = "MONTH"
)

// HistoryQuery asks for usage over time. EntityID "" means the whole customer.
type HistoryQuery struct {
	EntityID    string
	Capability  bursar.Capability
	From, To    bursar.Time // To 0 = now
	Granularity Granularity
	Timezone    string   // IANA; "" = the customer's, else UTC
	GroupBy     []string // keys that name entities or are dimensions, $child, $featureId
	// Running asks for running totals instead of the amount of each step: since the
	// beginning or, for a feature that the customer has a promotional entitlement of,
	// since the beginning of the entitlement's window that the end of the step is in, to
	// the quarter of an hour.
	Running bool
}

// History is usage over time, a line for each group.
type History struct {
	Series   []Series
	Warnings []string // USAGE_NOT_TOLD_APART, DIMENSIONS_NOT_TOLD_APART
}

// Series is one line of a history. Untold: it is usage of which it is not known what
// entities it named, since it was recorded before that was kept, or on more paths through
// the tree than are told apart.
type Series struct {
	Tags   []Tag // in the order of GroupBy
	Untold bool
	Points []Point
}

// Tag is the value of one group-by key; Value "" when the usage had none.
type Tag struct{ Key, Value string }

// Point is one step of a series.
type Point struct {
	Timestamp bursar.Time // start of the step
	Value     bursar.Amount
	Reset     bool // of running totals: a window began in this step
}
