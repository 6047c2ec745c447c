package client

import (
	"context"
	"net/http"

	"github.com/bursarhq/bursar"
)

// DefaultInput creates or changes a default limit: that of each entity of a type which has no
// limit of its own of the capability and label. It is the one of its EntityID, EntityTypeID,
// Metadata, capability and Label.
type DefaultInput struct {
	EntityID        string             `json:"entityId,omitempty"` // for those below it; "" = for those of the whole customer
	EntityTypeID    string             `json:"entityTypeId"`
	Metadata        map[string]string  `json:"metadata,omitempty"`  // only for those that have all of this
	FeatureID       string             `json:"featureId,omitempty"` // exactly one of FeatureID and CurrencyID
	CurrencyID      string             `json:"currencyId,omitempty"`
	Label           string             `json:"label,omitempty"`
	UsageLimit      Opt[bursar.Amount] `json:"usageLimit,omitzero"` // null = unlimited
	Cadence         string             `json:"cadence,omitempty"`
	Enforcement     bursar.Enforcement `json:"enforcement,omitempty"`
	AlertThresholds []int              `json:"alertThresholds,omitempty"`
	Timezone        string             `json:"timezone,omitempty"`
	Anchor          *bursar.Time       `json:"anchor,omitempty"`
	IfMatch         string             `json:"ifMatch,omitempty"` // the revision that this is based on
}

// Default is a default limit.
type Default struct {
	ID              string             `json:"id"`
	EntityID        string             `json:"entityId"` // "" = the whole customer
	EntityTypeID    string             `json:"entityTypeId"`
	Metadata        map[string]string  `json:"metadata"`
	FeatureID       string             `json:"featureId"`
	CurrencyID      string             `json:"currencyId"`
	Label           string             `json:"label"`
	UsageLimit      *bursar.Amount     `json:"usageLimit"` // nil = unlimited
	Cadence         string             `json:"cadence"`
	Enforcement     bursar.Enforcement `json:"enforcement"`
	AlertThresholds []int              `json:"alertThresholds"`
	Timezone        string             `json:"timezone"`
	Anchor          *bursar.Time       `json:"anchor"`
	CreatedAt       bursar.Time        `json:"createdAt"`
	UpdatedAt       bursar.Time        `json:"updatedAt"`
	Revision        string             `json:"revision"`
}

// DefaultOf says which default a limit is by.
type DefaultOf struct {
	DefaultID    string            `json:"defaultId"`
	EntityID     string            `json:"entityId"` // below which it is; "" = the whole customer, or what the reader does not see
	EntityTypeID string            `json:"entityTypeId"`
	Metadata     map[string]string `json:"metadata"`
}

// PutDefaults creates or updates default limits: all or none, at most 100.
func (c *Client) PutDefaults(ctx context.Context, customer string, defaults ...DefaultInput) ([]Default, error) {
	in := map[string]any{"defaults": defaults}
	return ask[[]Default](ctx, c, call{method: http.MethodPut, path: segments("customers", customer, "default-limits"), in: in})
}

// Defaults lists the default limits of a customer.
func (c *Client) Defaults(ctx context.Context, customer string, in Paging) (Page[Default], error) {
	return list[Default](ctx, c, segments("customers", customer, "default-limits"), in.query())
}

// DeleteDefault deletes a default limit.
func (c *Client) DeleteDefault(ctx context.Context, customer, id string) (Default, error) {
	return ask[Default](ctx, c, call{method: http.MethodDelete, path: segments("customers", customer, "default-limits", id), key: keyFor("")})
}
