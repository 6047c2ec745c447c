package bursar

// BoostRequestStatus tells what became of a boost request.
type BoostRequestStatus string

const (
	BoostRequestOpen      BoostRequestStatus = "OPEN"
	BoostRequestApproved  BoostRequestStatus = "APPROVED"
	BoostRequestDeclined  BoostRequestStatus = "DECLINED"
	BoostRequestWithdrawn BoostRequestStatus = "WITHDRAWN" // by who asked, or its limit is gone
	BoostRequestExpired   BoostRequestStatus = "EXPIRED"   // nobody decided in time
)

// Bounds of boost requests.
const (
	BoostRequestLife       = Time(7 * 24 * 3600e9) // for so long one that nobody decides is open
	MaxOpenBoostRequests   = 1000                  // open ones of a customer
	MaxEntityBoostRequests = 10                    // open ones for limits of one entity
	MaxTokenBoostRequests  = 3                     // of a spend token and all that were made from it: open ones and those of the last TokenBoostRequestSpan
	TokenBoostRequestSpan  = Time(3600e9)          // for so long one counts for its spend token, whatever became of it
	MaxRootedBoostRequests = 60                    // within TokenBoostRequestSpan, of one subject of access tokens with a root, or of one such token
	KeptBoostRequests      = 1000                  // of a customer, of those that are not open any more
)

// BoostRequestInput asks that a limit be raised for a time. The limit is named by its id, or by
// its entity and capability and, where that leaves several, by what tells them apart.
type BoostRequestInput struct {
	AssignmentID   string
	EntityID       string
	Capability     Capability
	Cadence        Cadence  // zero = any
	ScopeEntityIDs []string // nil = any
	Label          *string  // nil = any
	Amount         Amount   // > 0
	ExpiresAt      Time     // until when more is asked for; 0 = the end of the limit's current window
	Reason         *string
}

// BoostRequestDecision decides a boost request. What is left out is as was asked.
type BoostRequestDecision struct {
	Amount    *Amount
	ExpiresAt Time
	Note      *string
	FundedBy  string // see BoostInput
}

// BoostRequest is what somebody asked for, and what became of it.
type BoostRequest struct {
	ID                string
	Status            BoostRequestStatus
	AssignmentID      string
	EntityID          string
	Capability        Capability
	Amount            Amount
	ExpiresAt         Time
	Reason            *string
	RequestedBy       string // the subject of an access token, else the id of the key or token
	CreatedAt         Time
	DecidedAt         *Time
	DecidedBy         *string
	Note              *string // of who decided
	BoostID           *string // of one that is approved
	ApprovedAmount    *Amount
	ApprovedExpiresAt *Time
	FundedBy          string // of an approval: the entity whose limit has as much less; "" = none
}
