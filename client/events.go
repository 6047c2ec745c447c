package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/bursarhq/bursar"
)

// EventInput is a raw event; the meters of its name turn it into usage.
type EventInput struct {
	CustomerID     string         `json:"customerId"`
	EventName      string         `json:"eventName"`
	IdempotencyKey string         `json:"idempotencyKey,omitempty"` // "" = one for this call
	Dimensions     map[string]any `json:"dimensions,omitempty"`     // strings, numbers and booleans
	// Usage is the usage object of a model provider's reply, as it came. Its token counts
	// become the dimensions tokens.input, tokens.output and so on.
	Usage json.RawMessage `json:"usage,omitempty"`
	// ReservationID is the reservation that was made for this event: it ends with what the
	// event used.
	ReservationID string `json:"reservationId,omitempty"`
	// CallID is your id of the call that the event is: with a reservation, commit or event that
	// gave the same one it counts once.
	CallID string `json:"callId,omitempty"`
	// Timestamp is when it happened. With it a duplicate is recognised for good.
	Timestamp *bursar.Time `json:"timestamp,omitempty"`
}

// Report tells what of many items may be meant otherwise than it was understood: a kind of
// token that no meter reads, a model without a price, a dimension that names no entity, a
// feature that nothing limits. See bursar.WarnNotResolved.
type Report struct {
	Warnings []string `json:"warnings"` // each once
	// Events is what each event did, in their order; nil for consumptions.
	Events []EventResult `json:"events"`
}

// EventResult is what one event of a report did.
type EventResult struct {
	Used          []CapabilityAmount `json:"used"`   // recorded now
	Tokens        *TokensByKind      `json:"tokens"` // by kind, as the event says; nil of a duplicate
	Cost          []Cost             `json:"cost"`
	Duplicate     bool               `json:"duplicate"`
	ReservationID string             `json:"reservationId"` // that it ended
	Warnings      []string           `json:"warnings"`
}

// ReportEvents records events, which no limit refuses: all or none of one customer's. At
// most 1,000.
func (c *Client) ReportEvents(ctx context.Context, events ...EventInput) (Report, error) {
	in := map[string]any{"events": events}
	return ask[Report](ctx, c, call{method: http.MethodPost, path: "/events", in: in, key: keyFor("")})
}

// EstimateUsageInput asks what usage would cost.
type EstimateUsageInput struct {
	CustomerID string                `json:"customerId"`
	FeatureID  string                `json:"featureId"`
	Value      bursar.Amount         `json:"value"`
	Behavior   bursar.UpdateBehavior `json:"updateBehavior,omitempty"`
	Dimensions Dimensions            `json:"dimensions,omitempty"`
}

// EstimateEventInput asks what an event would cost.
type EstimateEventInput struct {
	CustomerID string          `json:"customerId"`
	EventName  string          `json:"eventName"`
	Dimensions map[string]any  `json:"dimensions,omitempty"`
	Usage      json.RawMessage `json:"usage,omitempty"`
}

// Estimates are what usage would cost in each currency. The first of Warnings is
// FEATURE_NOT_FOUND or FEATURE_NOT_CREDIT_BASED when nothing is priced; the others are what
// the report would have.
type Estimates struct {
	Estimates []Estimate `json:"estimates"`
	Warnings  []string   `json:"warnings"`
}

// Estimate is a cost, and what it would do to the pool.
type Estimate struct {
	CurrencyID     string        `json:"currencyId"`
	Cost           bursar.Amount `json:"estimatedCost"`
	Balance        bursar.Amount `json:"currentBalance"`
	BalanceAfter   bursar.Amount `json:"balanceAfterEstimate"`
	WouldOverdraft bool          `json:"wouldOverdraft"`
	Breakdown      []struct {
		FeatureID string        `json:"featureId"`
		Cost      bursar.Amount `json:"cost"`
		Warning   string        `json:"warningCode"` // "" or UNSUPPORTED_AGGREGATION
	} `json:"breakdown"`
}

// EstimateUsage tells what usage would cost and records nothing.
func (c *Client) EstimateUsage(ctx context.Context, in EstimateUsageInput) (Estimates, error) {
	return ask[Estimates](ctx, c, call{method: http.MethodPost, path: "/usage/estimate", in: in})
}

// EstimateEvent tells what an event would cost and records nothing.
func (c *Client) EstimateEvent(ctx context.Context, in EstimateEventInput) (Estimates, error) {
	return ask[Estimates](ctx, c, call{method: http.MethodPost, path: "/events/estimate", in: in})
}
