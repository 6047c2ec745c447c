package bursar

// Dimension is one property of an event or a request. Value is its string form, which
// attribution compares; Kind keeps what it was on the wire.
type Dimension struct {
	Key   string
	Value string
	Kind  DimensionKind
}

// DimensionKind is the JSON kind that a dimension's value had.
type DimensionKind uint8

const (
	DimString DimensionKind = iota
	DimNumber
	DimBool
)

// Node is one limit on the path of a request, with its state at the decision.
type Node struct {
	AssignmentID   string
	EntityID       string
	EntityTypeID   string
	ScopeEntityIDs []string
	Capability     Capability
	Label          string
	Enforcement    Enforcement
	UsageLimit     *Amount // nil = unlimited
	CurrentUsage   Amount
	Requested      Amount
	Reserved       Amount
	ResetsAt       Time // end of the current window
	// Granted is false only for a hard node without room. Exceeded tells that
	// used + held + requested is above the limit, hard or soft.
	Granted   bool
	Exceeded  bool
	Highest   bool           // what is used is the highest value, not a sum: a MAX
	DefaultOf *DefaultSource // nil = the limit is the entity's own
}

// Remaining is what may still be granted, never below zero; nil when unlimited.
func (n *Node) Remaining() *Amount {
	if n.UsageLimit == nil {
		return nil
	}
	r := LeftOf(*n.UsageLimit, n.CurrentUsage, n.Reserved, n.Highest)
	return &r
}

// Refusal is why a node refuses: because nothing is left, or because less is left than was asked for.
func (n *Node) Refusal() Code {
	if left := n.Remaining(); left != nil && left.IsZero() {
		return CodeBudgetExceeded
	}
	return CodeRequestedUsageExceeding
}

// LeftOf is what a limit still lets through, never below zero. Where what is used is the highest
// value, any value up to the limit passes, unless a higher one came already.
func LeftOf(limit, used, held Amount, highest bool) Amount {
	if highest && !limit.Less(used.Add(held)) {
		used = Amount{}
	}
	return MaxAmount(Amount{}, limit.Sub(used).Sub(held))
}

// BindingSource says which kind of limit decided.
type BindingSource string

const (
	BindingEntity   BindingSource = "ENTITY"
	BindingCustomer BindingSource = "CUSTOMER"
	BindingCredits  BindingSource = "CREDITS"
	BindingFrozen   BindingSource = "FROZEN" // no limit: a freeze, in what is effective
)

// Binding is the limit that denied. For ENTITY it is a node of the chains; for
// CREDITS and CUSTOMER, Node holds the pool's figures and no entity.
type Binding struct {
	Source BindingSource
	Node   Node
}

// Gate is the customer's own pool of a capability: of a feature its promotional
// entitlement, of a prepaid currency its credits.
type Gate struct {
	Capability Capability
	// Unlimited tells that the customer has no pool and no limit of its own.
	Unlimited    bool
	Soft         bool // above UsageLimit it still grants
	UsageLimit   Amount
	CurrentUsage Amount
	Reserved     Amount
	Requested    Amount
	UpdatedAt    Time // of the last change of CurrentUsage; creation of the customer if none
	ResetsAt     Time // end of the window of CurrentUsage, or when the next grant expires; 0 = none
	Promotion    *Promotion
	PeriodStart  Time // of the promotion's window, whose end is ResetsAt; 0 when it never resets
}

// Decision is the outcome of a check, or the reason of a refusal: a value, not an
// error. Reason is "" when granted.
type Decision struct {
	Granted    bool
	Reason     Code
	Capability Capability
	// Feature or Currency is the capability in the catalogue that decided; nil when it is not
	// there.
	Feature  *Feature
	Currency *Currency
	Gate     Gate
	// Costs are what the request costs in each currency that its feature is priced in,
	// with the pool that pays.
	Costs []PricedGate
	// Unpriced are the currencies that the feature has a price in, but not for these
	// dimensions: the reason of CodeUnknown.
	Unpriced []string
	// Chains has one chain for each dimension that resolved to an entity with at
	// least one limit, ordered by dimension key, each from the leaf to the root; nil
	// when the request had no dimensions.
	Chains  [][]Node
	Binding *Binding
	// Named are the entities that a denied request named, the lowest in the tree first; at most MaxNamed.
	Named []string
	// Frozen is the freeze that denies, whatever the limits say; Binding is nil then.
	Frozen *Freeze
	// Because says why it was denied, where neither a limit nor a freeze did.
	Because string
	// Advice says how to go on: of a check, as it stands without what was asked for; of what was
	// granted, with it.
	Advice Advice
	// Warnings tell what in the request may not mean what was intended, see WarnNotResolved.
	Warnings []string
}

// MaxNamed bounds the entities that a denial tells to have been named.
const MaxNamed = 16

// PricedGate is a cost and the pool that it is drawn from.
type PricedGate struct {
	Cost
	Gate Gate
}

// UpdateBehavior says how a usage report's value is meant.
type UpdateBehavior string

const (
	Delta UpdateBehavior = "DELTA" // add the value
	Set   UpdateBehavior = "SET"   // the level is now the value
)

// UsageInput is one item of a usage report, or a consumption of credits.
type UsageInput struct {
	CustomerID     string
	FeatureID      string // "" of a consumption
	CurrencyID     string // of a consumption, else ""
	Value          Amount
	Behavior       UpdateBehavior
	Dimensions     []Dimension
	IdempotencyKey string // "" = none
	Timestamp      Time   // 0 = when the server received it
}

// Capability is what the item is usage of.
func (in *UsageInput) Capability() Capability {
	if in.CurrencyID != "" {
		return Capability{KindCurrency, in.CurrencyID}
	}
	return Capability{KindFeature, in.FeatureID}
}

// UsageResult is what one recorded item did. Duplicate tells that it was recorded
// before and that nothing was recorded now.
type UsageResult struct {
	ID           string
	Timestamp    Time
	CreatedAt    Time
	CurrentUsage Amount
	// Window of CurrentUsage when the customer has a promotional entitlement that resets,
	// else 0.
	PeriodStart, PeriodEnd Time
	Credit                 *Balance // of the first currency that the feature is priced in
	Costs                  []Cost
	Duplicate              bool
	Warnings               []string // see WarnNotResolved
}

// SpendInput asks to consume or to reserve: an amount of a capability, or all that an event
// would use.
type SpendInput struct {
	Capability     Capability
	Amount         Amount
	EventName      string // in place of Capability and Amount; Dimensions are then its properties
	CallID         string // of the call that the event is; "" = it has none
	Dimensions     []Dimension
	IdempotencyKey string
	Strict         bool           // what names no entity is denied
	Percentile     int            // a reservation holds the output that so many of 100 calls before stayed within; 0 = it says how much
	MostSaid       bool           // the output tokens in Dimensions are the most that there can be
	SaidInput      bool           // who reserves for an event said how many tokens of input there may be, be it none
	SaidOutput     bool           // and of output
	Bounded        []string       // kinds that share the number of tokens.output with it: nobody knows how many will be of which
	Warnings       []string       // of how the event's usage was read
	Unread         *UnreadReading // nil = all of it was
	Derived        []Dimension    // as of an EventInput
	Unruled        []Dimension    // as of an EventInput
}

// ConsumeResult is a granted consume.
type ConsumeResult struct {
	ID         string
	Capability Capability
	Amount     Amount
	Timestamp  Time
	Costs      []Cost
	Credit     *Balance // of the currency, or of the first that the feature is priced in
	Decision   Decision // after the consumption
	Duplicate  bool
	EventName  string // of an event; then there is no Capability
	Used       []CapabilityAmount
	Properties []Dimension
	Tightest   *Binding
	Alerts     []AlertReached
}

// HoldStatus is where a reservation stands.
type HoldStatus string

const (
	HoldOpen      HoldStatus = "OPEN"
	HoldCommitted HoldStatus = "COMMITTED"
	HoldReleased  HoldStatus = "RELEASED"
	HoldExpired   HoldStatus = "EXPIRED"
)

// OnExpire says what becomes of a hold that nobody closed in time.
type OnExpire string

const (
	ExpireRelease OnExpire = "release" // the amount is returned
	ExpireSettle  OnExpire = "settle"  // the amount is recorded as used
)

// Hold limits.
const (
	MinHoldTTL     = 1           // seconds
	MaxHoldTTL     = 86400       // seconds
	DefaultHoldTTL = 300         // seconds
	MaxHoldLife    = 7 * 86400e9 // nanoseconds from creation, for extensions and late commits
)

// Reservation is a hold: an amount set aside on every limit of its path.
type Reservation struct {
	ID              string
	CustomerID      string
	Capability      Capability
	Amount          Amount
	Dimensions      []Dimension
	Status          HoldStatus
	OnExpire        OnExpire
	CreatedAt       Time
	ExpiresAt       Time
	ClosedAt        Time // 0 while open
	CommittedAmount *Amount
	LateCommit      bool
	Costs           []Cost    // held while open, then charged; none after a release
	Decision        *Decision // the limits it is on, as they stand when it is answered
	Duplicate       bool
	Event           *ReservedEvent // of a reservation of an event; then there is no Capability and no Amount
}

// Overshoot is how much more was committed than held, never below zero.
func (r *Reservation) Overshoot() Amount {
	if r.CommittedAmount == nil {
		return Amount{}
	}
	return MaxAmount(Amount{}, r.CommittedAmount.Sub(r.Amount))
}
