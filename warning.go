package bursar

// Warnings say what of a request may be meant otherwise than it was understood. One that is
// about something is the code, a colon and what that is: DIMENSION_NOT_RESOLVED:agentId.
const (
	// WarnNotResolved: a dimension's key is an attribution key, and its value names no
	// entity of that type. No limit was found by it.
	WarnNotResolved = "DIMENSION_NOT_RESOLVED"
	// WarnUngoverned: nothing limits this use of the feature or currency: no limit of an
	// entity, no promotional entitlement, no pool, nor any of a currency that it costs.
	WarnUngoverned = "UNGOVERNED"
	// WarnNoRate: the feature has a price, but not for these dimensions. What is recorded
	// costs nothing.
	WarnNoRate = "RATE_NOT_FOUND"
	// WarnUnmetered: no meter counts the event, or a kind of token in it.
	WarnUnmetered = "UNMETERED"
	// WarnTooManyLimits: of the feature or currency more limits apply than usage counts on.
	WarnTooManyLimits = "TOO_MANY_LIMITS"
	// WarnStaleSet: the SET is older than the last one and changed nothing.
	WarnStaleSet = "STALE_SET"

	// WarnUntold: of some usage it is not known what entities it named.
	WarnUntold = "USAGE_NOT_TOLD_APART"
	// WarnDimensions: there are more combinations of dimensions than are told apart.
	WarnDimensions = "DIMENSIONS_NOT_TOLD_APART"

	// WarnNoFeature: there is no feature to estimate the cost of.
	WarnNoFeature = "FEATURE_NOT_FOUND"
	// WarnNotPriced: nothing in an estimate has a price, or not the feature that is named.
	WarnNotPriced = "FEATURE_NOT_CREDIT_BASED"
	// WarnAggregation: the feature's meter is a MAX or a UNIQUE, which have no price.
	WarnAggregation = "UNSUPPORTED_AGGREGATION"
)
