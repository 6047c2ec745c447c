package bursar

// Opt is an input that may be absent, null or a value. Absent keeps what is stored;
// null clears it.
type Opt[T any] struct {
	Set   bool // present, as null or as a value
	Null  bool
	Value T
}

// Some is an Opt that holds v.
func Some[T any](v T) Opt[T] { return Opt[T]{Set: true, Value: v} }

// Null is an Opt that clears.
func Null[T any]() Opt[T] { return Opt[T]{Set: true, Null: true} }

// Customer is an enterprise customer of the vendor and the unit of consistency:
// everything that happens to one customer has one order.
type Customer struct {
	ID              string            `json:"id"`
	Name            *string           `json:"name"`
	Email           *string           `json:"email"`
	Metadata        map[string]string `json:"metadata"`
	Timezone        *string           `json:"timezone"`
	Language        *string           `json:"language"`
	BillingID       *string           `json:"billingId"`
	BillingCurrency *string           `json:"billingCurrency"`
	CreatedAt       Time              `json:"createdAt"`
	UpdatedAt       Time              `json:"updatedAt"`
	ArchivedAt      *Time             `json:"archivedAt"`
}

// CustomerInput creates or updates a customer; absent members are kept.
type CustomerInput struct {
	Name, Email, Timezone, Language, BillingID, BillingCurrency Opt[string]
	Metadata                                                    map[string]string // merges; "" deletes a key
}

// Entity is a node of a customer's tree: an instance of an entity type.
type Entity struct {
	ID           string            `json:"id"`
	EntityTypeID string            `json:"entityTypeId"`
	DisplayName  *string           `json:"displayName"`
	Metadata     map[string]string `json:"metadata"`
	CreatedAt    Time              `json:"createdAt"`
	UpdatedAt    Time              `json:"updatedAt"`
	ArchivedAt   *Time             `json:"archivedAt"`
	ParentID     *string           `json:"parentId"`
}

// EntityInput creates or updates one entity. ParentID null makes it a root; a value
// attaches it or moves it with its whole subtree.
type EntityInput struct {
	ID           string
	EntityTypeID string // "" keeps; required on create
	DisplayName  Opt[string]
	Metadata     map[string]string // merges; "" deletes a key
	ParentID     Opt[string]
	IfMatch      string // the revision that this is based on, AnyRevision or NoRevision; "" = not said
}

// Enforcement says what happens when a limit is reached.
type Enforcement string

const (
	Hard Enforcement = "hard" // denies
	Soft Enforcement = "soft" // grants, shows that it is exceeded, and alerts
)

// Assignment is a limit: how much of a capability an entity may use in each window,
// of all usage attributed to it or, with scope entities, of the usage that is
// attributed to all of those too. No two of a customer have the same entity, capability,
// scope (as a set) and label.
type Assignment struct {
	ID              string
	EntityID        string
	ParentID        *string // of the entity
	ScopeEntityIDs  []string
	Capability      Capability
	UsageLimit      *Amount // nil = unlimited, still counted
	EffectiveLimit  *Amount // UsageLimit with the boosts of this moment
	Cadence         Cadence
	Label           string
	Enforcement     Enforcement
	AlertThresholds []int // percent, 1 to 1000, ascending
	Timezone        string
	Anchor          *Time
	Allocation      string // none or strict
	CreatedAt       Time
	UpdatedAt       Time
	DefaultOf       *DefaultSource `json:",omitempty"` // nil = the limit is the entity's own
	Start           *Start         // only in the reply to the write that made the limit; else nil
}

// Start is where a new limit begins to count.
type Start struct {
	From  Time   // usage since then counts
	Usage Amount // how much of it there was already
}

// DefaultThresholds are the percentages at which a new limit warns where nobody says others.
var DefaultThresholds = []int{80, 100}

// AssignmentInput creates or updates the assignment with its entity, capability, scope and
// label. A new one needs UsageLimit and Cadence; absent members keep what is stored.
type AssignmentInput struct {
	EntityID        string
	Capability      Capability
	ScopeEntityIDs  []string
	Label           string
	UsageLimit      Opt[Amount]
	Cadence         Opt[Cadence]
	ParentID        Opt[string] // moves the entity, not the limit
	Enforcement     Opt[Enforcement]
	AlertThresholds Opt[[]int]
	Timezone        Opt[string]
	Anchor          Opt[Time]
	Allocation      Opt[string]
	CountFrom       string // of a new limit: now, which is the default, or periodStart
	IfMatch         string // the revision that this is based on, AnyRevision or NoRevision; "" = not said
}
