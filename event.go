package bursar

// EventInput is one raw event; meters turn it into usage. Token counts that a provider
// gave are in Dimensions already (see ReadUsage and GenAITokens); Warnings tell what
// in its usage could not be read or does not add up.
type EventInput struct {
	CustomerID     string
	EventName      string
	IdempotencyKey string
	Dimensions     []Dimension
	Timestamp      Time   // 0 = when the server received it
	ReservationID  string // whose usage the event is; "" = of none
	CallID         string // of the call that the event is; "" = it has none
	// Derived are those of Dimensions that were read from usage: they give way to what the
	// reservation says.
	Derived []Dimension
	// Unruled are what would be Derived without the environment's rules of usage; nil = the same. It
	// tells a report that comes again although rules came meanwhile.
	Unruled  []Dimension
	Warnings []string
	// Illegible tells that not all could be read of the usage object that says what was used.
	Illegible bool
	Unread    *UnreadReading // nil = all of its usage was read
}

// UnreadUsage is usage that was not understood, or not all of it: the events of one name and
// model that have the same such counts, and were not read again since.
type UnreadUsage struct {
	EventName string
	Model     string   // "" = not told
	Names     []string // of the counts; "" alone = nothing was understood
	Sample    string   // what is kept of the first, at most MaxSample bytes of it
	Count     int64    // events
	FirstSeen Time     // when they were recorded
	LastSeen  Time
}

// EstimateInput asks what usage or an event would cost. EventName or FeatureID is set.
type EstimateInput struct {
	CustomerID string
	FeatureID  string
	EventName  string
	Value      Amount
	Behavior   UpdateBehavior
	Dimensions []Dimension
	Warnings   []string // as of an EventInput
}

// Estimate is what usage would cost in one currency, and what that does to the pool.
type Estimate struct {
	CurrencyID string
	Cost       Amount
	Balance    Balance
	Prepaid    bool // the currency is: beyond its balance use is denied or overdraws
	Breakdown  []EstimateItem
}

// EstimateItem is one feature's part of an estimate. Warning is "" or
// UNSUPPORTED_AGGREGATION (MAX and UNIQUE cannot be priced).
type EstimateItem struct {
	FeatureID string
	Cost      Amount
	Warning   string
}

// Limits of events.
const (
	MaxEvents      = 1000
	MaxConsumption = 1000
	MaxSample      = 2000 // bytes of a sample of usage
)

// CapabilityAmount is an amount of one feature or currency.
type CapabilityAmount struct {
	Capability
	Amount Amount
}

// ReservedEvent is what a reservation of an event has in place of one amount.
type ReservedEvent struct {
	Name       string
	Properties []Dimension        // as expected, then as used
	Held       []CapabilityAmount // until it ended
	Used       []CapabilityAmount // nil = nothing was recorded
	Estimated  bool               // nobody said what was used: Used is what was held
	Learned    *Learned           // in the reply to the reservation, where it asked for that
	Tightest   *Binding           // the limit with room for the fewest more of such events
	Alerts     []AlertReached     // thresholds that the usage reached
}

// Learned is what a reservation took from calls before it.
type Learned struct {
	Quantile int    // of 100 calls, so many stayed within Tokens
	Samples  int    // calls that it is taken from; 0 = there were too few, and Tokens is what the request said
	EntityID string // whose calls they were; "" = the customer's
	Tokens   int64  // of output
	Capped   bool   // there was room for no more than Tokens
}

// AlertReached tells that a limit reached thresholds, in percent.
type AlertReached struct {
	AssignmentID string
	EntityID     string
	Capability   Capability
	Label        string
	Thresholds   []int
}

// EventResult is what one event of a report did.
type EventResult struct {
	ReservationID string             // that it ended; "" = none
	Used          []CapabilityAmount // recorded now
	Costs         []Cost             // of that
	Warnings      []string
	Duplicate     bool
}
