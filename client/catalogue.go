package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/bursarhq/bursar"
)

// EntityTypes lists the kinds of entity.
func (c *Client) EntityTypes(ctx context.Context, archivedToo bool, in Paging) (Page[bursar.EntityType], error) {
	return list[bursar.EntityType](ctx, c, "/entity-types", withArchived(in.query(), archivedToo))
}

// ArchiveEntityTypes archives entity types, of which no entity may be left.
func (c *Client) ArchiveEntityTypes(ctx context.Context, ids ...string) error {
	return postIDs(ctx, c, "/entity-types/archive", ids)
}

// UnarchiveEntityTypes restores archived entity types.
func (c *Client) UnarchiveEntityTypes(ctx context.Context, ids ...string) error {
	return postIDs(ctx, c, "/entity-types/unarchive", ids)
}

// SettingsPatch changes what holds for the whole environment; nil members are kept.
type SettingsPatch struct {
	Strict     *bool       `json:"strict,omitempty"`     // as if every entity type were strict
	Ungoverned *Ungoverned `json:"ungoverned,omitempty"` // what becomes of use that nothing limits; "" is warn
}

// Ungoverned is allow, warn or deny; "" is what it is where nobody says anything.
type Ungoverned bursar.Ungoverned

// MarshalJSON writes "" as null.
func (u Ungoverned) MarshalJSON() ([]byte, error) {
	if u == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(u))
}

// Settings are what holds for the whole environment.
func (c *Client) Settings(ctx context.Context) (bursar.Settings, error) {
	return ask[bursar.Settings](ctx, c, call{method: http.MethodGet, path: "/settings"})
}

// UpdateSettings changes what holds for the whole environment.
func (c *Client) UpdateSettings(ctx context.Context, in SettingsPatch) (bursar.Settings, error) {
	return ask[bursar.Settings](ctx, c, call{method: http.MethodPatch, path: "/settings", in: in})
}

// ThresholdConfig is what limits warn at that are made from now on and do not say.
type ThresholdConfig struct {
	Thresholds []int        `json:"thresholds"` // percent; none = they do not warn
	UpdatedAt  *bursar.Time `json:"updatedAt"`  // of all settings; nil = nothing was ever set
}

// ThresholdConfig are the thresholds of new limits that do not say.
func (c *Client) ThresholdConfig(ctx context.Context) (ThresholdConfig, error) {
	return ask[ThresholdConfig](ctx, c, call{method: http.MethodGet, path: "/governance/threshold-config"})
}

// SetThresholds sets them.
func (c *Client) SetThresholds(ctx context.Context, percent []int) (ThresholdConfig, error) {
	return ask[ThresholdConfig](ctx, c, call{method: http.MethodPatch, path: "/governance/threshold-config", in: map[string]any{"thresholds": percent}})
}

// FeatureQuery selects features; zero members do not filter.
type FeatureQuery struct {
	IDs      []string
	Statuses []string // NEW, SUSPENDED, ACTIVE
	Paging
}

// Features lists features.
func (c *Client) Features(ctx context.Context, in FeatureQuery) (Page[bursar.Feature], error) {
	q := in.query()
	addAll(q, "id[]", in.IDs)
	addAll(q, "status[]", in.Statuses)
	return list[bursar.Feature](ctx, c, "/features", q)
}

// Feature reads a feature.
func (c *Client) Feature(ctx context.Context, id string) (bursar.Feature, error) {
	return ask[bursar.Feature](ctx, c, call{method: http.MethodGet, path: segments("features", id)})
}

// FeaturePatch changes a feature; absent members are kept, null clears.
type FeaturePatch struct {
	DisplayName Opt[string]       `json:"displayName,omitzero"`
	Description Opt[string]       `json:"description,omitzero"`
	Units       Opt[string]       `json:"featureUnits,omitzero"`
	UnitsPlural Opt[string]       `json:"featureUnitsPlural,omitzero"`
	Metadata    map[string]string `json:"metadata,omitempty"` // merges; "" deletes a key
	Meter       Opt[bursar.Meter] `json:"meter,omitzero"`     // null: usage is reported from now on
}

// UpdateFeature changes a feature.
func (c *Client) UpdateFeature(ctx context.Context, id string, in FeaturePatch) (bursar.Feature, error) {
	return ask[bursar.Feature](ctx, c, call{method: http.MethodPatch, path: segments("features", id), in: in, key: keyFor("")})
}

// ArchiveFeature archives a feature: its limits go on, new ones are refused.
func (c *Client) ArchiveFeature(ctx context.Context, id string) (bursar.Feature, error) {
	return post[bursar.Feature](ctx, c, segments("features", id, "archive"))
}

// UnarchiveFeature restores a feature.
func (c *Client) UnarchiveFeature(ctx context.Context, id string) (bursar.Feature, error) {
	return post[bursar.Feature](ctx, c, segments("features", id, "unarchive"))
}

// Currencies lists currencies of a status, ACTIVE (the default) or ARCHIVED.
func (c *Client) Currencies(ctx context.Context, status string, in Paging) (Page[bursar.Currency], error) {
	q := in.query()
	setNonEmpty(q, "status[]", status)
	return list[bursar.Currency](ctx, c, currencies, q)
}

const currencies = "/credits/custom-currencies"

// CurrencyPatch changes a currency; absent members are kept, null clears.
type CurrencyPatch struct {
	DisplayName Opt[string]       `json:"displayName,omitzero"`
	Description Opt[string]       `json:"description,omitzero"`
	Symbol      Opt[string]       `json:"symbol,omitzero"`
	Units       Opt[bursar.Units] `json:"units,omitzero"`
	Metadata    map[string]string `json:"metadata,omitempty"` // merges; "" deletes a key
}

// UpdateCurrency changes a currency.
func (c *Client) UpdateCurrency(ctx context.Context, id string, in CurrencyPatch) (bursar.Currency, error) {
	return ask[bursar.Currency](ctx, c, call{method: http.MethodPatch, path: currencies + segments(id), in: in, key: keyFor("")})
}

// ArchiveCurrency archives a currency that nothing live uses.
func (c *Client) ArchiveCurrency(ctx context.Context, id string) (bursar.Currency, error) {
	return post[bursar.Currency](ctx, c, currencies+segments(id, "archive"))
}

// UnarchiveCurrency restores a currency.
func (c *Client) UnarchiveCurrency(ctx context.Context, id string) (bursar.Currency, error) {
	return post[bursar.Currency](ctx, c, currencies+segments(id, "unarchive"))
}

// CurrencyUse is something that uses a currency.
type CurrencyUse struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	Type        string `json:"type"` // RateCard, Assignment or Grant
}

// CurrencyUses lists what uses a currency.
func (c *Client) CurrencyUses(ctx context.Context, id string) ([]CurrencyUse, error) {
	return ask[[]CurrencyUse](ctx, c, call{method: http.MethodGet, path: currencies + segments(id, "associated-entities")})
}
