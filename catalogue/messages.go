package catalogue

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// envelope is the body of a webhook message (api.md, Webhooks).
type envelope struct {
	Type      string      `json:"type"`
	MessageID string      `json:"messageId"`
	TraceID   string      `json:"traceId"`
	Timestamp bursar.Time `json:"timestamp"`
	Data      any         `json:"data"`
	// Of a message to people: whose it is.
	Notification *Notified `json:"notification,omitempty"`
}

// Notified is the notification that a message is sent by, and who to.
type Notified struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Recipients []string `json:"recipients"` // mailto:… or https://…; the message has a delivery to each
}

// endpoint is what deliveries to a recipient of a notification have in the place of a webhook's id.
func (n *Notified) endpoint(recipient string) string {
	sum := sha256.Sum256([]byte(bursar.RecipientKey(recipient)))
	return n.ID + "." + hex.EncodeToString(sum[:8])
}

// Endpoints are those of all recipients.
func (n *Notified) Endpoints() []string {
	out := make([]string, len(n.Recipients))
	for i, to := range n.Recipients {
		out[i] = n.endpoint(to)
	}
	return out
}

// Recipient is who a delivery to people is for; "" = it is for a webhook, or for nobody who is in the body.
func Recipient(endpoint string, body []byte) (n Notified, to string) {
	if !ToPeople(endpoint) {
		return n, ""
	}
	var m struct {
		Notification Notified `json:"notification"`
	}
	if json.Unmarshal(body, &m) != nil {
		return n, ""
	}
	for _, r := range m.Notification.Recipients {
		if m.Notification.endpoint(r) == endpoint {
			return m.Notification, r
		}
	}
	return n, ""
}

// AddressOf is what endpoints of one address have in common, whichever notifications they are of.
func AddressOf(endpoint string) string {
	_, address, _ := strings.Cut(endpoint, ".")
	return address
}

// ToPeople tells whether a delivery is to a recipient of a notification.
func ToPeople(endpoint string) bool { return strings.IndexByte(endpoint, '.') >= 0 }

// Outgoing are the messages of one commit that is being decided.
type Outgoing struct {
	Messages   []store.Message
	Deliveries int
	ToPeople   int // of the deliveries
}

// Add queues a message for each of the endpoints that hear of it.
func (o *Outgoing) Add(cat *Catalogue, now bursar.Time, seq uint64, commit [16]byte, traceID, typ, customer string, data any) {
	var to []string
	for _, id := range record.SortedKeys(cat.WebhookOf) {
		if cat.WebhookOf[id].Hears(typ, customer) {
			to = append(to, id)
		}
	}
	if len(to) > 0 {
		o.AddTo(to, now, seq, commit, traceID, typ, customer, data)
	}
}

func (o *Outgoing) AddTo(endpoints []string, now bursar.Time, seq uint64, commit [16]byte, traceID, typ, customer string, data any) {
	o.add(nil, endpoints, now, seq, commit, traceID, typ, customer, data)
}

// Tell queues a message for each recipient of a notification.
func (o *Outgoing) Tell(n *Notified, now bursar.Time, seq uint64, commit [16]byte, traceID, typ, customer string, data any) {
	o.add(n, n.Endpoints(), now, seq, commit, traceID, typ, customer, data)
	o.ToPeople += len(n.Recipients)
}

func (o *Outgoing) add(n *Notified, endpoints []string, now bursar.Time, seq uint64, commit [16]byte, traceID, typ, customer string, data any) {
	m := store.Message{ID: store.FormatID(GlobalID(now, seq, commit, 'm', len(o.Messages))), Type: typ, CustomerID: customer, CreatedAt: now.Milli()}
	m.Body, _ = json.Marshal(envelope{typ, m.ID, traceID, m.CreatedAt, data, n}) // no type in it can fail
	for _, id := range endpoints {
		m.Deliveries = append(m.Deliveries, store.Delivery{ID: store.FormatID(GlobalID(now, seq, commit, 'd', o.Deliveries)), EndpointID: id, MessageID: m.ID,
			EventType: typ, CustomerID: customer, Status: store.DeliveryPending, CreatedAt: m.CreatedAt, NextAttempt: m.CreatedAt})
		o.Deliveries++
	}
	o.Messages = append(o.Messages, m)
}

// GlobalID is a UUIDv7 that no other commit of any stream makes. Ids of one millisecond are in
// order of seq, then of n, while each of these spans no more than 4096 values.
func GlobalID(now bursar.Time, seq uint64, commit [16]byte, sort byte, n int) (u [16]byte) {
	var b [25]byte
	copy(b[:], commit[:])
	b[16] = sort
	binary.BigEndian.PutUint64(b[17:], uint64(n))
	sum := sha256.Sum256(b[:])
	copy(u[8:], sum[:8])
	binary.BigEndian.PutUint64(u[:], uint64(now)/1e6<<16|0x7000|seq&0xfff)
	u[8], u[9] = 0x80|byte(n>>6)&0x3f, byte(n<<2)|u[9]&3
	return u
}

type EntityData struct {
	CustomerID string        `json:"customerId"`
	Entity     bursar.Entity `json:"entity"`
}

// FreezeData is the data of entity.frozen, customer.frozen and the two of a thaw.
type FreezeData struct {
	CustomerID string         `json:"customerId"`
	Entity     *bursar.Entity `json:"entity,omitempty"`
	Reason     string         `json:"reason"`
	FrozenAt   bursar.Time    `json:"frozenAt"`
}

type EntitlementData struct {
	CustomerID  string         `json:"customerId"`
	Entitlement map[string]any `json:"entitlement"`
}

type EntityRef struct {
	ID     string `json:"id"`
	TypeID string `json:"entityTypeId"`
}

// UsageData is the data of usage_exceeded and usage_recovered.
type UsageData struct {
	CustomerID   string             `json:"customerId"`
	Entity       EntityRef          `json:"entity"`
	AssignmentID string             `json:"assignmentId"`
	FeatureID    string             `json:"featureId,omitempty"`
	CurrencyID   string             `json:"currencyId,omitempty"`
	Scope        []string           `json:"scopeEntityIds"`
	Label        string             `json:"label"`
	Thresholds   []int              `json:"thresholds"`
	Percentage   *json.Number       `json:"usageUsedPercentage"` // null when unlimited or of limit 0
	CurrentUsage bursar.Amount      `json:"currentUsage"`
	UsageLimit   *bursar.Amount     `json:"usageLimit"`
	Enforcement  bursar.Enforcement `json:"enforcement"`
	PeriodStart  bursar.Time        `json:"usagePeriodStart"`
	PeriodEnd    bursar.Time        `json:"usagePeriodEnd"`
}

// BoostRequestData is the data of boost_request.created, .approved and .declined. The limit is as
// it is then, with the boost that was approved.
type BoostRequestData struct {
	CustomerID   string         `json:"customerId"`
	Entity       EntityRef      `json:"entity"`
	Request      map[string]any `json:"boostRequest"`
	AssignmentID string         `json:"assignmentId"`
	FeatureID    string         `json:"featureId,omitempty"`
	CurrencyID   string         `json:"currencyId,omitempty"`
	Scope        []string       `json:"scopeEntityIds"`
	Label        string         `json:"label"`
	CurrentUsage bursar.Amount  `json:"currentUsage"`
	UsageLimit   *bursar.Amount `json:"usageLimit"`
	PeriodStart  bursar.Time    `json:"usagePeriodStart"`
	PeriodEnd    bursar.Time    `json:"usagePeriodEnd"`
	// Of a message to people: its recipients may not decide the request.
	MayNotDecide bool `json:"mayNotDecide,omitempty"`
}

// DenialData is the data of entity.entitlement.denied: the limit as it was when people were told.
type DenialData struct {
	UsageData
	DeniedIDs []string      `json:"deniedEntityIds"` // whom the request named
	Requested bursar.Amount `json:"requestedUsage"`
}

// TestData is the data of a message that is sent for a test.
type TestData struct {
	CustomerID  string `json:"customerId,omitempty"`
	Description string `json:"description"`
}

type CreditData struct {
	CustomerID string         `json:"customerId"`
	CurrencyID string         `json:"currencyId"`
	GrantID    string         `json:"grantId,omitempty"`
	Amount     *bursar.Amount `json:"amount,omitempty"` // granted, or lapsed
	Levels     []int          `json:"levels,omitempty"` // percent
	Balance    bursar.Amount  `json:"balance"`
}

// BalanceData is the data of credit_balance.low, credit_balance.depleted and credit_grant.balance.low.
type BalanceData struct {
	CustomerID string        `json:"customerId"`
	Currency   string        `json:"creditCurrency"`
	GrantID    string        `json:"creditGrantId,omitempty"`
	Threshold  int           `json:"thresholdPercentage"`
	Remaining  bursar.Amount `json:"remainingBalance"`
	Percentage *json.Number  `json:"remainingBalancePercentage"` // of the amounts of active grants, or of the grant; nil while none is active
}

type ReservationData struct {
	CustomerID    string          `json:"customerId"`
	ReservationID string          `json:"reservationId"`
	FeatureID     string          `json:"featureId,omitempty"`
	CurrencyID    string          `json:"currencyId,omitempty"`
	EventName     string          `json:"eventName,omitempty"`
	Amount        bursar.Amount   `json:"amount"`
	OnExpire      bursar.OnExpire `json:"onExpire"`
	ExpiresAt     bursar.Time     `json:"expiresAt"`
}

// CapabilityIDs are c as the two members of a message.
func CapabilityIDs(c bursar.Capability) (feature, currency string) {
	if c.Kind == bursar.KindCurrency {
		return "", c.ID
	}
	return c.ID, ""
}
