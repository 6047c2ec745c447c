package ledger

import (
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// Cut drops the extra row that was read to learn whether there are more.
func (p *Page[T]) Cut(limit int, after, before bool) {
	more := len(p.Items) > limit
	if before {
		if more {
			p.Items = p.Items[1:]
		}
		p.HasPrev, p.HasNext = more, true
		return
	}
	if more {
		p.Items = p.Items[:limit]
	}
	p.HasNext, p.HasPrev = more, after
}

// Replay is returned as the error of a write whose RequestKey was used before with the
// same content: the caller answers Status and Body and nothing was done.
type Replay struct {
	Status  int
	Body    []byte
	Version uint64
}

func (*Replay) Error() string { return "replayed" }

// ReadOptions say how old an answer may be and who reads.
type ReadOptions struct {
	MinVersion   uint64              // never answer from an older version of the customer
	MaxStaleness time.Duration       // accept an answer of this age; 0 = the newest
	Token        *bursar.AccessToken // limits what is shown; nil = nothing does
	Unhinted     bool                // answers hint at no name of the catalogue
	Enrols       catalogue.Enroller  // whom a request with these dimensions would enrol
	// Age, when not nil, is set to how old the answer may be, at most: how long ago it was
	// read or confirmed in a store that other processes write to, 0 in one of this process
	// alone. Of an answer that takes several reads it is the oldest's.
	Age *time.Duration
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
	// Rest is where the list goes on when the page is short because finding its items took long:
	// behind it or, for a page that ends before something, ahead of it.
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
	Strict     bool               // what names no entity is denied
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
	SortPace         TreeSort = "pace" // what the window's end would bring at the pace so far, by the limit
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
	Cadence         bursar.Cadence // only limits of it; zero = of any
	After           []byte         // a page's Next; nil = from the beginning
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
	Limit        *TreeLimit     // nil in tree mode
	Frozen       *bursar.Freeze // of it, of what is above it or of the customer: the nearest
	Effective    *Effective     // of the limit's capability; in tree mode of the query's, if it names one
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
	Status         string                // ok, warning or exceeded; "" when unlimited
	DefaultOf      *bursar.DefaultSource // nil = the limit is the entity's own
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
	// Running asks for running totals instead of the amount of each interval: since the
	// beginning or, for a feature that the customer has a promotional entitlement of,
	// since the beginning of the entitlement's window that the end of the interval is in, to
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

// Point is one interval of a series.
type Point struct {
	Timestamp bursar.Time // start of the interval
	Value     bursar.Amount
	Reset     bool // of running totals: a window began in this interval
}

// GrantQuery selects the grants of one customer, in order of their IDs.
type GrantQuery struct {
	CustomerID             string
	CurrencyID             string      // "" = any
	CreatedFrom, CreatedTo bursar.Time // [From, To); 0 = unbounded
	ListPage
}

// LedgerQuery selects entries of one customer's ledger, newest first (by ID). Bounds are
// exclusive; with Above the entries just above it are meant, still newest first.
type LedgerQuery struct {
	CustomerID   string
	CurrencyID   string              // "" = any
	Types        []bursar.LedgerType // nil = any
	Below, Above string
	Limit        int
}

// CreditUsageQuery asks what a currency was spent on: one line per feature and value of
// the dimensions to group by, a point per day.
type CreditUsageQuery struct {
	CustomerID string
	CurrencyID string      // "" = the customer's first currency that was used
	From, To   bursar.Time // To 0 = now
	GroupBy    []string    // at most 3 keys that name entities or are dimensions
}

// CreditReport says what a currency was spent on. The currency is the customer's first
// when the query named none; "" when it has not used any.
type CreditReport struct {
	CurrencyID string
	Series     []CreditSeries
	Warnings   []string // as a History has
}

// CreditSeries is one line of a credit usage report. FeatureID "" = the currency itself
// was consumed.
type CreditSeries struct {
	FeatureID  string
	EventCount int64
	Total      bursar.Amount
	Tags       []Tag
	Untold     bool
	Points     []CreditPoint
}

// CreditPoint is one day of a CreditSeries, in the customer's time zone.
type CreditPoint struct {
	Timestamp  bursar.Time
	Value      bursar.Amount
	EventCount int64
}

// AllocationQuery selects limits whose share-out to the levels below is asked for.
type AllocationQuery struct {
	Capability bursar.Capability
	Label      *string // nil = any
	EntityID   string  // "" = any; else this entity's limits only
	After      string  // an assignment's ID: begin behind it
	Limit      int
}

// Allocation says how much of a node-wide limit is given out by the nearest node-wide
// limits of the same capability and label below it.
type Allocation struct {
	AssignmentID  string
	EntityID      string
	Capability    bursar.Capability
	Label         string
	Strict        bool
	UsageLimit    *bursar.Amount // nil = unlimited
	Allocated     bursar.Amount
	Unallocated   *bursar.Amount // UsageLimit − Allocated, not below 0; nil when unlimited
	OverCommitted bursar.Amount  // Allocated − UsageLimit, not below 0
	Children      int            // limits that Allocated adds up
	Unlimited     int            // limits below without a number, which it does not
}

// SimulateInput is a backtest: drafts of limits and a past interval [From, To); To 0 =
// now. Drafts name entities that exist; a draft with the natural key of an existing
// limit or default stands in for it.
type SimulateInput struct {
	From, To bursar.Time
	Drafts   []bursar.AssignmentInput
	Defaults []bursar.DefaultInput `json:",omitempty"`
}

// Simulation is what a policy would have done to the usage that was accepted in the
// interval. Requests that were denied at the time are not in the log and so not in it.
type Simulation struct {
	From, To bursar.Time
	Replayed int // usage records that the drafts applied to
	Drafts   []SimulatedDraft
	Stopped  []SimulatedStop   // the first 100, in order of time
	Entities []SimulatedEntity // the 100 that would have lost most records, most first
}

// SimulatedDraft is one draft's part; index is its place in the input, Drafts before Defaults.
type SimulatedDraft struct {
	Index         int
	Stopped       int           // usage records that it would have stopped
	StoppedUsage  bursar.Amount // and how much they were
	StoppedLimits int           // how many limits would have stopped them: of a default, one for each entity
	FirstStopped  bursar.Time   // 0 = never
	Peak          bursar.Amount // the highest use of a window of one limit that it would have allowed
}

// SimulatedStop is one usage record that would have been stopped.
type SimulatedStop struct {
	Timestamp bursar.Time
	EntityID  string // the lowest entity that the usage was attributed to; "" = none
	Draft     int
	Amount    bursar.Amount // that was asked for
	Used      bursar.Amount // of the draft's window before it
}

// SimulatedEntity sums up the stops of one lowest entity.
type SimulatedEntity struct {
	EntityID     string
	Draft        int // which stopped it first
	Stopped      int
	StoppedUsage bursar.Amount
	FirstStopped bursar.Time
}

// RepriceInput recomputes what a rate card's corrected version charged: usage of
// [From, To) that was priced by a version v, for which a version that corrects v exists.
// The interval is taken to whole 15-minute buckets, outwards; To 0 = now.
type RepriceInput struct {
	CardID     string
	CustomerID string // "" = all
	From, To   bursar.Time
	Apply      bool // else nothing is written
	Unread     bool // unread usage is read again, in place of what a card prices
}

// Repricing is what re-pricing changes, or changed.
type Repricing struct {
	CardID      string
	Version, By int // the wrong version, and the one that corrects it
	Records     int // charges that were looked at
	Unmatched   int // of these, usage that the correcting version has no rate for: it keeps its cost
	Was, Is     bursar.Amount
	Pool        bursar.Amount      // what pools lose (negative: get back)
	Changed     int                // customers for whom something changes
	Customers   []RepricedCustomer // the first 1,000 of them, with 10,000 rows at most
	Applied     bool
}

// RepricedCustomer is one customer's part.
type RepricedCustomer struct {
	CustomerID string
	Was, Is    bursar.Amount
	Rows       []RepricedRow // limits whose open windows change
	Pool       bursar.Amount // what the pool loses (negative: gets back)
}

// RepricedRow is the change of one limit's current or previous window.
type RepricedRow struct {
	AssignmentID string
	EntityID     string
	PeriodStart  bursar.Time
	Was, Is      bursar.Amount
}

// Unpriced is a combination for which usage came and no rate matched.
type Unpriced struct {
	FeatureID, CurrencyID string
	Dimensions            []bursar.Dimension // those that the card's rates match on
	Count                 int64
	Amount                bursar.Amount // of usage, in units of the feature
	FirstSeen, LastSeen   bursar.Time
}
