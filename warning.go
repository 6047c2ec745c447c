package bursar

// A warning tells that something in a request may not mean what its sender intended. A
// warning about one thing is the code, a colon and that thing:
// DIMENSION_NOT_RESOLVED:agentId.
const (
	// WarnNotResolved: a dimension's key is an attribution key, and its value is the id of no
	// entity of that type. So the dimension led to no limit.
	WarnNotResolved = "DIMENSION_NOT_RESOLVED"
	// WarnEnrolled: the id was new and is an entity from this request on; WarnWouldEnrol: it is
	// not, as the request only asks or is denied.
	WarnEnrolled   = "ENROLLED"
	WarnWouldEnrol = "WOULD_ENROL"
	// WarnNotEnrolled: the id is new and its type enrols, yet it cannot become an entity. What
	// asks for something is denied then.
	WarnNotEnrolled = "NOT_ENROLLED"
	// WarnDidYouMean: an id that named no entity, or is new, differs by case or by one character from one
	// of its type. The thing is the dimension's key, an equals sign and the entity's id. Of a
	// member of a usage object that was not understood it is that member, an equals sign and the
	// member that was probably meant.
	WarnDidYouMean = "DID_YOU_MEAN"
	// WarnUnknownKey: a dimension's key is no attribution key and nothing reads it, and it is
	// written nearly as an attribution key is. WarnDidYouMean then has that key behind the
	// equals sign.
	WarnUnknownKey = "DIMENSION_UNKNOWN"
	// WarnNoEntity: no dimension names an entity or seems meant to, though the customer has entities.
	WarnNoEntity = "NO_ENTITY_NAMED"
	// WarnUngoverned: nothing limits this use of the feature or currency: neither a limit of
	// an entity, nor a promotional entitlement, nor a pool; and the same is so of every
	// currency that it costs.
	WarnUngoverned = "UNGOVERNED"
	// WarnNoRate: the feature has a price, but not for these dimensions. What is recorded
	// costs nothing.
	WarnNoRate = "RATE_NOT_FOUND"
	// WarnNoPrice: a kind of token or of other usage is counted and has no price, though other
	// usage of the event has one. The thing is the kind and, behind an equals sign, the model
	// where the event names one.
	WarnNoPrice = "NO_PRICE"
	// WarnNothingHeld: nobody said how many tokens of a kind there may be, so a reservation of
	// an event holds none. The thing is the kind, an equals sign and the member to send.
	WarnNothingHeld = "NOTHING_HELD"
	// WarnUnmetered: no meter counts the event, or a kind of token in it.
	WarnUnmetered = "UNMETERED"
	// WarnUnread: a count in the usage object was not understood and is in no kind; without a
	// thing, nothing of it was.
	WarnUnread = "UNREAD_USAGE"
	// WarnUsageCut: the usage object is larger than what is kept of one that was not wholly
	// understood. Only the counts that were not are kept, or as many of them as there is room for.
	WarnUsageCut = "UNREAD_USAGE_CUT"
	// WarnUnreadProperty: of a call that was reserved, a meter reads this property, which is not
	// there or no number. So the call counts nothing there.
	WarnUnreadProperty = "UNREAD_PROPERTY"
	// WarnUsageTotal: a total in the usage object is not the sum of what it is of.
	WarnUsageTotal = "USAGE_TOTAL_DIFFERS"
	// WarnTooManyLimits: more limits of the feature or currency apply than MaxRowsPerEvent,
	// which is how many usage counts on.
	WarnTooManyLimits = "TOO_MANY_LIMITS"
	// WarnStaleSet: the SET is older than the last one and changed nothing.
	WarnStaleSet = "STALE_SET"
	// WarnCallCounted: the call was counted before, by an event that ended no reservation. So
	// the reservation ended without usage of its own.
	WarnCallCounted = "CALL_COUNTED_BEFORE"
	// WarnCallDiffers: the call was counted before, as something else. The first count stands, and
	// nothing was recorded now. The thing is the call's id.
	WarnCallDiffers = "CALL_DIFFERS"
	// WarnPossibleDouble: of a commit of an amount: while the reservation was there, an event that
	// ended none came with the same dimensions. It may have counted the same call.
	WarnPossibleDouble = "POSSIBLE_DOUBLE"
	// WarnHoldKept: nothing of the usage that was to end a reservation could be read. What it holds
	// is kept and booked when its time is over, unless a commit says until then what was used.
	WarnHoldKept = "HOLD_KEPT"
	// WarnNothingRecorded: the same of a reservation whose time was over and that held nothing any
	// more. Nothing is recorded until a commit says what was used.
	WarnNothingRecorded = "NOTHING_RECORDED"

	// WarnUntold: of some usage it is not known which entities it was charged to.
	WarnUntold = "USAGE_NOT_TOLD_APART"
	// WarnDimensions: the customer has more combinations of dimensions than are kept apart.
	WarnDimensions = "DIMENSIONS_NOT_TOLD_APART"

	// WarnNoFeature: there is no feature to estimate the cost of.
	WarnNoFeature = "FEATURE_NOT_FOUND"
	// WarnNotPriced: nothing in an estimate has a price; or, with a feature behind the colon,
	// that feature has none.
	WarnNotPriced = "FEATURE_NOT_CREDIT_BASED"
	// WarnAggregation: the feature's meter is a MAX or a UNIQUE, which have no price.
	WarnAggregation = "UNSUPPORTED_AGGREGATION"
)
