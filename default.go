package bursar

// Bounds of default limits. With MaxPlainLimits and MaxScopedLimits the number of labels
// keeps what applies on a path of MaxDepth entities within MaxRowsPerEvent.
const (
	MaxDefaults      = 200 // of a customer
	MaxDefaultLabels = 3   // of one entity type and capability
	MaxConditions    = 10  // of one default, on metadata
)

// Default is a default limit: each entity of a type, or each that is below EntityID, has it
// unless it has a limit of its own of that capability and label. Several may be meant for one
// entity: the closest above it wins, then the one with more conditions on Metadata, then the
// older one. No two of a customer have the same entity, type, metadata, capability and label.
type Default struct {
	ID              string
	EntityID        string // "" = the whole customer
	EntityTypeID    string
	Metadata        map[string]string // that an entity must have
	Capability      Capability
	Label           string
	UsageLimit      *Amount // nil = unlimited, still counted
	Cadence         Cadence
	Enforcement     Enforcement
	AlertThresholds []int
	Timezone        string
	Anchor          *Time
	CreatedAt       Time
	UpdatedAt       Time
}

// DefaultInput creates or updates the default with its entity, type, metadata, capability
// and label. A new one needs UsageLimit and Cadence; absent members keep what is stored.
type DefaultInput struct {
	EntityID        string
	EntityTypeID    string
	Metadata        map[string]string
	Capability      Capability
	Label           string
	UsageLimit      Opt[Amount]
	Cadence         Opt[Cadence]
	Enforcement     Opt[Enforcement]
	AlertThresholds Opt[[]int]
	Timezone        Opt[string]
	Anchor          Opt[Time]
	IfMatch         string // the revision that this is based on, AnyRevision or NoRevision; "" = not said
}

// DefaultSource is the default that a limit is by.
type DefaultSource struct {
	DefaultID    string
	EntityID     string // below which it is; "" = the whole customer, or an entity that the reader does not see
	EntityTypeID string
	Metadata     map[string]string // conditions; nil = none
}
