package bursar

// CapabilityKind says what a limit or a charge is about.
type CapabilityKind uint8

const (
	KindFeature  CapabilityKind = 1
	KindCurrency CapabilityKind = 2
)

// Capability is what is limited and used: a metered feature or a credit currency.
type Capability struct {
	Kind CapabilityKind
	ID   string
}

func (c Capability) String() string {
	if c.Kind == KindCurrency {
		return "currency " + c.ID
	}
	return "feature " + c.ID
}

// EntityType is a kind of entity that the vendor defines for the environment: org,
// team, user, agent. An attribution key is the name of a dimension whose value is
// the id of an entity of this type; a key belongs to one live type.
type EntityType struct {
	ID              string   `json:"id"`
	DisplayName     string   `json:"displayName"`
	AttributionKeys []string `json:"attributionKeys"`
	Description     *string  `json:"description"`
	Strict          bool     `json:"strict,omitzero"` // an id that names none of its entities is denied
	// Ungoverned says what becomes of use by its entities that nothing limits; "" = what the environment says.
	Ungoverned Ungoverned `json:"ungoverned,omitzero"`
	// Enrolment says that an id which was never seen becomes an entity; nil = it does not.
	Enrolment  *Enrolment `json:"enrolment,omitzero"`
	CreatedAt  Time       `json:"createdAt"`
	UpdatedAt  Time       `json:"updatedAt"`
	ArchivedAt *Time      `json:"archivedAt"`
}

// Enrolment says which parent an entity gets that the first request made which named it. ParentKeys
// are attribution keys: the first of them by which that request names a live entity says the
// parent. Else the parent is ParentID. With ParentID "", and where neither is given, the entity is
// a root. Nobody is enrolled whose parent is not there.
type Enrolment struct {
	ParentKeys []string `json:"parentKeys"`
	ParentID   *string  `json:"parentId"`
}

// Bounds of enrolment.
const (
	MaxParentKeys    = 10
	MaxEnrolEntities = 250_000 // a customer that has as many entities, archived ones too, enrols no more
)

// Settings are what holds for the whole environment.
type Settings struct {
	Strict     bool       `json:"strict"`              // every entity type is
	Ungoverned Ungoverned `json:"ungoverned,omitzero"` // of types that say nothing, and of requests that name nobody; "" = UngovernedWarn
	UpdatedAt  *Time      `json:"updatedAt"`           // nil = nothing was ever set
	// AlertThresholds are the percentages at which limits warn that are made after this was set
	// and do not say their own; nil = as the server is configured.
	AlertThresholds *[]int       `json:"alertThresholds,omitempty"`
	UsageRules      *[]UsageRule `json:"usageRules,omitempty"` // nil = none
}

// RulesOfUsage are the rules by which usage objects are read beside those of the program.
func (s *Settings) RulesOfUsage() []UsageRule {
	if s.UsageRules == nil {
		return nil
	}
	return *s.UsageRules
}

// Feature is a metered capability of the vendor's product.
type Feature struct {
	ID                 string            `json:"id"`
	DisplayName        string            `json:"displayName"`
	FeatureType        string            `json:"featureType"` // always NUMBER
	MeterType          string            `json:"meterType"`   // INCREMENTAL or FLUCTUATING
	FeatureStatus      string            `json:"featureStatus"`
	Description        *string           `json:"description"`
	FeatureUnits       *string           `json:"featureUnits"`
	FeatureUnitsPlural *string           `json:"featureUnitsPlural"`
	Metadata           map[string]string `json:"metadata"`
	Meter              *Meter            `json:"meter"`
	CreatedAt          Time              `json:"createdAt"`
	UpdatedAt          Time              `json:"updatedAt"`
	ArchivedAt         *Time             `json:"archivedAt"`
}

// Fluctuating reports whether usage of the feature may also be taken back.
func (f *Feature) Fluctuating() bool { return f.MeterType == "FLUCTUATING" }

// Meter turns raw events into usage of its feature.
type Meter struct {
	EventName   string        `json:"eventName"`
	Aggregation Aggregation   `json:"aggregation"`
	Filters     []MeterFilter `json:"filters"`
}

// Aggregation is COUNT, or SUM, MAX or UNIQUE of a property.
type Aggregation struct {
	Function string `json:"function"`
	Field    string `json:"field,omitempty"`
}

// MeterFilter takes an event for which all its conditions hold. A meter takes an event that
// one of its filters takes.
type MeterFilter struct {
	Conditions []MeterCondition `json:"conditions"`
}

// MeterCondition compares one property of an event.
type MeterCondition struct {
	Field     string   `json:"field"`
	Operation string   `json:"operation"`
	Value     *string  `json:"value,omitempty"`
	Values    []string `json:"values,omitempty"`
}

// Units are the names of one and of several units of a currency.
type Units struct {
	Singular string `json:"singular"`
	Plural   string `json:"plural"`
}

// Currency is a custom credit currency. Use of a prepaid currency is bounded by a pool of
// each customer; use of another one is bounded by limits alone.
type Currency struct {
	ID          string            `json:"id"`
	DisplayName string            `json:"displayName"`
	Description *string           `json:"description"`
	Symbol      *string           `json:"symbol"`
	Units       *Units            `json:"units"`
	Metadata    map[string]string `json:"metadata"`
	Prepaid     bool              `json:"prepaid"`
	CreatedAt   Time              `json:"createdAt"`
	UpdatedAt   Time              `json:"updatedAt"`
	ArchivedAt  *Time             `json:"archivedAt"`
}

// KeyScope is what an API key may do.
type KeyScope string

const (
	ScopeFull    KeyScope = "full"    // everything
	ScopeRuntime KeyScope = "runtime" // check, ingest, consume, reservations
	ScopeRead    KeyScope = "read"    // GETs, checks and estimates
)

// APIKey is a credential of the environment. The secret itself is never stored, only
// its SHA-256.
type APIKey struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Scope     KeyScope `json:"scope"`
	Prefix    string   `json:"prefix"`
	Hash      []byte   `json:"hash"`
	CreatedAt Time     `json:"createdAt"`
	ExpiresAt *Time    `json:"expiresAt"`
	RevokedAt *Time    `json:"revokedAt"`
	// Of scope runtime: the only customer it is for, and the only types of entities that may
	// spend with it. Zero binds to nothing.
	CustomerID  string   `json:"customerId,omitempty"`
	EntityTypes []string `json:"entityTypes,omitempty"`
}

// Bound tells whether the key is for some customer or for some entities alone.
func (k *APIKey) Bound() bool { return k.CustomerID != "" || len(k.EntityTypes) > 0 }

// Live reports whether the key may be used at now.
func (k *APIKey) Live(now Time) bool {
	return k.RevokedAt == nil && (k.ExpiresAt == nil || now < *k.ExpiresAt)
}
