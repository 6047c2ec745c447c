package engine

import "github.com/bursarhq/bursar"

// RateCardInput creates a rate card with its first version, in force from EffectiveFrom
// (0 = now).
type RateCardInput struct {
	ID, CurrencyID, DisplayName string
	RateVersionInput
}

// RateVersionInput adds a version to a rate card. EffectiveFrom (0 = now) is not in the
// past and after the last version's.
type RateVersionInput struct {
	EffectiveFrom bursar.Time
	Rates         []bursar.Rate // Per 0 = 1
	Corrects      int           // 0 = none
}

// WebhookInput creates an endpoint. Kind "" = webhook.
type WebhookInput struct {
	Kind        bursar.WebhookKind
	URL         string
	Description *string
	EventTypes  []string // nil = all
	CustomerID  *string
}

// WebhookPatch updates an endpoint; absent members are kept, null clears.
type WebhookPatch struct {
	URL         bursar.Opt[string]
	Description bursar.Opt[string]
	EventTypes  bursar.Opt[[]string]
	CustomerID  bursar.Opt[string]
	Enabled     bursar.Opt[bool]
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
// limit stands in for it.
type SimulateInput struct {
	From, To bursar.Time
	Drafts   []bursar.AssignmentInput
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

// SimulatedDraft is one draft's part; index is its place in the input.
type SimulatedDraft struct {
	Index        int
	Stopped      int           // usage records that it would have stopped
	StoppedUsage bursar.Amount // and how much they were
	FirstStopped bursar.Time   // 0 = never
	Peak         bursar.Amount // the highest use of a window that it would have allowed
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
