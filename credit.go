package bursar

// GrantType says where a grant's credits come from. An OVERDRAFT grant is made by the
// engine: it holds what was used beyond all grants until the next grant settles it.
type GrantType string

const (
	GrantPaid        GrantType = "PAID"
	GrantPromotional GrantType = "PROMOTIONAL"
	GrantOverdraft   GrantType = "OVERDRAFT"
)

// GrantStatus is where a grant stands at an instant.
type GrantStatus string

const (
	GrantScheduled GrantStatus = "SCHEDULED" // before EffectiveAt
	GrantActive    GrantStatus = "ACTIVE"
	GrantExpired   GrantStatus = "EXPIRED"
	GrantVoided    GrantStatus = "VOIDED"
)

// Money is an amount of an ISO 4217 currency, as the vendor notes it on a grant.
type Money struct {
	Amount   Amount `json:"amount"`
	Currency string `json:"currency"`
}

// GrantInput asks for a grant.
type GrantInput struct {
	CustomerID  string
	CurrencyID  string
	Amount      Amount // > 0
	DisplayName string
	Type        GrantType // PAID or PROMOTIONAL
	EffectiveAt Time      // 0 = now
	ExpireAt    Time      // 0 = never
	Priority    int       // lower burns first; 0 to 1000
	Comment     *string
	Cost        Money
	Metadata    map[string]string
}

// Grant is credits in a customer's pool of one currency. Grants burn by priority, then
// earliest expiry, PROMOTIONAL before PAID, earliest effective date, oldest.
type Grant struct {
	GrantInput
	ID        string
	Consumed  Amount // of an OVERDRAFT grant: the deficit
	Status    GrantStatus
	CreatedAt Time
	UpdatedAt Time
	VoidedAt  *Time
}

// Balance is a customer's pool of a currency. Limit − Used is what is left: Limit is all
// that was granted less what expired or was voided unused, Used all that was consumed.
type Balance struct {
	CurrencyID string
	Used       Amount
	Limit      Amount
	Held       Amount
	At         Time // of the last change
	// ExpiresAt is when the next active grant that has credits left expires; 0 = none does.
	ExpiresAt Time
	// Consumed is, in the reply to a usage, what that usage took; nil in other replies.
	Consumed *Amount
}

// LedgerType is the kind of an entry of the credit ledger.
type LedgerType string

const (
	LedgerGranted        LedgerType = "CREDITS_GRANTED"
	LedgerExpired        LedgerType = "CREDITS_EXPIRED"
	LedgerConsumed       LedgerType = "CREDITS_CONSUMED"
	LedgerVoided         LedgerType = "CREDITS_VOIDED"
	LedgerUpdated        LedgerType = "CREDITS_UPDATED" // an adjustment by re-pricing
	LedgerTransferSource LedgerType = "CREDITS_CONSUMPTION_TRANSFER_SOURCE"
	LedgerTransferTarget LedgerType = "CREDITS_CONSUMPTION_TRANSFER_TARGET"
)

// LedgerEntry is one movement of one grant.
type LedgerEntry struct {
	ID         string // place in the ledger: <commit>.<record>.<entry>, fixed width, grows with time
	Amount     Amount // signed: what the grant gained
	CurrencyID string
	GrantID    string
	EventID    string // of the usage that moved it; "" = none
	FeatureID  string // "" = the currency itself was consumed
	Type       LedgerType
	Timestamp  Time
}

// PromotionInput is a customer-wide limit of a feature.
type PromotionInput struct {
	FeatureID   string
	UsageLimit  *Amount // nil if Unlimited
	Unlimited   bool
	Soft        bool
	Visible     bool
	Period      string // 1 week, 1 month, 6 month, 1 year, lifetime, custom
	CustomEnd   Time   // for custom
	ResetPeriod string // YEAR, MONTH, WEEK, DAY, HOUR; "" = never
	AccordingTo string // SubscriptionStart (default), StartOfTheMonth, EverySunday … EverySaturday
}

// Promotion is a promotional entitlement: the customer's own limit of a feature, the
// gate before all others. A customer has at most one per feature.
type Promotion struct {
	PromotionInput
	ID        string
	StartDate Time
	EndDate   Time   // 0 = none
	Status    string // Active or Expired
	CreatedAt Time
	UpdatedAt Time
}

// BoostInput raises a limit for a time.
type BoostInput struct {
	Amount    Amount // > 0
	ExpiresAt Time   // 0 = the end of the limit's current window
	Reason    *string
	FundedBy  string // an entity above, whose limit has as much less while the boost lasts; "" = none
}

// Boost is a temporary raise of one assignment's limit. It counts in [CreatedAt, min of
// ExpiresAt and EndedAt).
type Boost struct {
	ID           string
	AssignmentID string
	Amount       Amount
	Reason       *string
	CreatedAt    Time
	ExpiresAt    Time
	EndedAt      *Time // when it was revoked
	CreatedBy    string
	FundedBy     string `json:",omitempty"` // the entity whose limit has as much less; "" = none
}
