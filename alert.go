package bursar

import "slices"

// Webhook is an endpoint that is sent messages about events. It gets each message at least
// once, in no particular order.
type Webhook struct {
	ID          string      `json:"id"`
	Kind        WebhookKind `json:"kind"`
	URL         string      `json:"url"` // https://…, for email mailto:…
	Description *string     `json:"description"`
	EventTypes  []string    `json:"eventTypes"` // nil = all
	CustomerID  *string     `json:"customerId"` // nil = of all customers
	Enabled     bool        `json:"enabled"`
	// Secret, whsec_ and base64, is the key that messages are signed with. Until OldUntil
	// they are signed with OldSecret as well.
	Secret    string `json:"secret"`
	OldSecret string `json:"oldSecret,omitempty"`
	OldUntil  Time   `json:"oldUntil,omitempty"`
	CreatedAt Time   `json:"createdAt"`
	UpdatedAt Time   `json:"updatedAt"`
}

// WebhookKind is how an endpoint takes its events.
type WebhookKind string

const (
	WebhookStandard WebhookKind = "webhook" // Standard Webhooks: JSON, signed
	WebhookSlack    WebhookKind = "slack"   // a Slack-compatible incoming webhook
	WebhookEmail    WebhookKind = "email"
)

// Hears reports whether w is sent an event of that type about that customer; customerID is
// "" when the event is about none.
func (w *Webhook) Hears(eventType, customerID string) bool {
	if !w.Enabled || w.CustomerID != nil && *w.CustomerID != customerID {
		return false
	}
	if w.EventTypes == nil {
		return !slices.Contains(namedTypes, eventType)
	}
	for _, t := range w.EventTypes {
		if t == eventType {
			return true
		}
	}
	return false
}

// Types of webhook events.
const (
	EventEntityTypeUpdated  = "entity_type.updated"
	EventEntityCreated      = "entity.created"
	EventEntityUpdated      = "entity.updated"
	EventEntityArchived     = "entity.archived"
	EventEntityFrozen       = "entity.frozen"
	EventEntityThawed       = "entity.thawed"
	EventCustomerFrozen     = "customer.frozen"
	EventCustomerThawed     = "customer.thawed"
	EventEntitlementCreated = "entity.entitlement.created"
	EventEntitlementUpdated = "entity.entitlement.updated"
	EventEntitlementDeleted = "entity.entitlement.deleted"
	EventUsageExceeded      = "entity.entitlement.usage_exceeded"
	EventUsageRecovered     = "entity.entitlement.usage_recovered"
	EventCreditsGranted     = "credits.granted"
	EventCreditsExpired     = "credits.expired"
	EventGrantDepleted      = "credits.grant.depleted"
	EventCreditsLow         = "credits.usage_low"
	EventBalanceLow         = "credit_balance.low"
	EventBalanceDepleted    = "credit_balance.depleted"
	EventGrantLow           = "credit_grant.balance.low"
	EventReservationExpired = "reservation.expired"
	EventBoostRequested     = "boost_request.created"
	EventBoostApproved      = "boost_request.approved"
	EventBoostDeclined      = "boost_request.declined"
	EventTest               = "webhook.test"
	EventDenied             = "entity.entitlement.denied" // to people alone
)

// EventTypes lists the types that an endpoint can ask for.
var EventTypes = []string{EventEntityTypeUpdated, EventEntityCreated, EventEntityUpdated, EventEntityArchived,
	EventEntitlementCreated, EventEntitlementUpdated, EventEntitlementDeleted, EventUsageExceeded, EventUsageRecovered,
	EventCreditsGranted, EventCreditsExpired, EventGrantDepleted, EventCreditsLow, EventReservationExpired,
	EventEntityFrozen, EventEntityThawed, EventCustomerFrozen, EventCustomerThawed, EventBalanceLow, EventBalanceDepleted, EventGrantLow,
	EventBoostRequested, EventBoostApproved, EventBoostDeclined}

// namedTypes are sent only to endpoints that ask for them by name: they repeat in other words what
// other types tell.
var namedTypes = []string{EventBalanceLow, EventBalanceDepleted, EventGrantLow}
