package client

import (
	"context"
	"net/http"

	"github.com/bursarhq/bursar"
)

// CheckItem is one of several questions.
type CheckItem struct {
	FeatureID  string         `json:"featureId,omitempty"` // exactly one of FeatureID and CurrencyID
	CurrencyID string         `json:"currencyId,omitempty"`
	Requested  *bursar.Amount `json:"requestedUsage,omitempty"` // nil = 1
	Dimensions Dimensions     `json:"dimensions,omitempty"`
	Strict     bool           `json:"strict,omitempty"` // what names no entity is denied
}

// Checks asks several questions of one snapshot, each as if it were alone; at most 100.
func (c *Client) Checks(ctx context.Context, customer string, items ...CheckItem) ([]Decision, error) {
	in := map[string]any{"checks": items}
	return ask[[]Decision](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "entitlements", "checks"), in: in})
}

// ReservationQuery selects reservations.
type ReservationQuery struct {
	Status   bursar.HoldStatus // "" = OPEN
	EntityID string            // only those of it and of what is below it
	Paging
}

// Reservations lists reservations.
func (c *Client) Reservations(ctx context.Context, customer string, in ReservationQuery) (Page[Reservation], error) {
	q := in.query()
	setNonEmpty(q, "status", string(in.Status))
	setNonEmpty(q, "entityId", in.EntityID)
	return list[Reservation](ctx, c, segments("customers", customer, "reservations"), q)
}

// Reservation reads a reservation.
func (c *Client) Reservation(ctx context.Context, customer, id string) (Reservation, error) {
	return ask[Reservation](ctx, c, call{method: http.MethodGet, path: segments("customers", customer, "reservations", id)})
}

// Extend keeps a hold for ttlSeconds from now on, at most for 7 days after it was made.
func (c *Client) Extend(ctx context.Context, customer, reservation string, ttlSeconds int) (Reservation, error) {
	in := map[string]any{"ttlSeconds": ttlSeconds}
	return ask[Reservation](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "reservations", reservation, "extend"), in: in, key: keyFor("")})
}

// ExtendTokens holds more tokens for the event of a reservation, on every limit of its path;
// or nothing is changed, and Denied tells by what. The hold expires ttlSeconds from now on;
// 0 = when it would anyway.
func (c *Client) ExtendTokens(ctx context.Context, customer, reservation string, more Tokens, ttlSeconds int) (Reservation, error) {
	in := map[string]any{"tokens": more}
	if ttlSeconds != 0 {
		in["ttlSeconds"] = ttlSeconds
	}
	return ask[Reservation](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "reservations", reservation, "extend"), in: in, key: keyFor("")})
}
