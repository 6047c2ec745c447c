package bursar

// EventInput is one raw event; meters turn it into usage. Token counts that a provider
// gave are in Dimensions already (see ReadUsage and GenAITokens); Warnings are what its
// usage could not be read for.
type EventInput struct {
	CustomerID     string
	EventName      string
	IdempotencyKey string
	Dimensions     []Dimension
	Timestamp      Time // 0 = when the server received it
	Warnings       []string
	Unread         *UnreadUsage // nil = all of its usage was read
}

// UnreadUsage is usage that was not understood, or not all of it.
type UnreadUsage struct {
	EventName string
	Model     string   // "" = not told
	Names     []string // of the counts; "" alone = nothing was understood
	Sample    string   // the first such usage object, at most MaxSample bytes of it
	Count     int64    // events since the process started
	FirstSeen Time
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
