package engine

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"

	"github.com/bursarhq/bursar"
)

// envelope is the body of a webhook message (api.md, Webhooks).
type envelope struct {
	Type      string      `json:"type"`
	MessageID string      `json:"messageId"`
	TraceID   string      `json:"traceId"`
	Timestamp bursar.Time `json:"timestamp"`
	Data      any         `json:"data"`
}

// outgoing are the messages of one commit that is being decided.
type outgoing struct {
	messages   []Message
	deliveries int
}

// add queues a message for each of the endpoints that hear of it.
func (o *outgoing) add(cat *Catalogue, now bursar.Time, seq uint64, commit [16]byte, traceID, typ, customer string, data any) {
	var to []string
	for _, id := range sortedKeys(cat.webhooks) {
		if cat.webhooks[id].Hears(typ, customer) {
			to = append(to, id)
		}
	}
	if len(to) > 0 {
		o.addTo(to, now, seq, commit, traceID, typ, customer, data)
	}
}

func (o *outgoing) addTo(endpoints []string, now bursar.Time, seq uint64, commit [16]byte, traceID, typ, customer string, data any) {
	m := Message{ID: formatID(globalID(now, seq, commit, 'm', len(o.messages))), Type: typ, CustomerID: customer, CreatedAt: now.Milli()}
	m.Body, _ = json.Marshal(envelope{typ, m.ID, traceID, m.CreatedAt, data}) // no type in it can fail
	for _, id := range endpoints {
		m.Deliveries = append(m.Deliveries, Delivery{ID: formatID(globalID(now, seq, commit, 'd', o.deliveries)), EndpointID: id, MessageID: m.ID,
			EventType: typ, CustomerID: customer, Status: DeliveryPending, CreatedAt: m.CreatedAt, NextAttempt: m.CreatedAt})
		o.deliveries++
	}
	o.messages = append(o.messages, m)
}

// globalID is a UUIDv7 that no other commit makes, of whatever stream. Those of a
// millisecond are in order of seq, then n, each up to 4096 of them.
func globalID(now bursar.Time, seq uint64, commit [16]byte, sort byte, n int) (u [16]byte) {
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

// notify queues a message about the customer. Nothing is queued by reads.
func (d *decider) notify(typ string, data any) {
	if d.quiet || len(d.cat.webhooks) == 0 {
		return
	}
	d.out.add(d.cat, d.now, d.head.Seq, d.commit, d.trace, typ, d.cust().ID, data)
}

type entityData struct {
	CustomerID string        `json:"customerId"`
	Entity     bursar.Entity `json:"entity"`
}

type entitlementData struct {
	CustomerID  string         `json:"customerId"`
	Entitlement map[string]any `json:"entitlement"`
}

type entityRef struct {
	ID     string `json:"id"`
	TypeID string `json:"entityTypeId"`
}

// usageData is the data of usage_exceeded and usage_recovered.
type usageData struct {
	CustomerID   string             `json:"customerId"`
	Entity       entityRef          `json:"entity"`
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

type creditData struct {
	CustomerID string         `json:"customerId"`
	CurrencyID string         `json:"currencyId"`
	GrantID    string         `json:"grantId,omitempty"`
	Amount     *bursar.Amount `json:"amount,omitempty"` // granted, or lapsed
	Levels     []int          `json:"levels,omitempty"` // percent
	Balance    bursar.Amount  `json:"balance"`
}

type reservationData struct {
	CustomerID    string          `json:"customerId"`
	ReservationID string          `json:"reservationId"`
	FeatureID     string          `json:"featureId,omitempty"`
	CurrencyID    string          `json:"currencyId,omitempty"`
	Amount        bursar.Amount   `json:"amount"`
	OnExpire      bursar.OnExpire `json:"onExpire"`
	ExpiresAt     bursar.Time     `json:"expiresAt"`
}

// capabilityIDs are c as the two members of a message.
func capabilityIDs(c bursar.Capability) (feature, currency string) {
	if c.Kind == bursar.KindCurrency {
		return "", c.ID
	}
	return c.ID, ""
}

// secretText is a webhook's secret as Standard Webhooks writes it.
func secretText(random []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(random) }
