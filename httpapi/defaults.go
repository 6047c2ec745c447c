package httpapi

import (
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// defaultOut is a default limit.
type defaultOut struct {
	ID              string             `json:"id"`
	EntityID        *string            `json:"entityId" doc:"It is for entities below this one; null: for those of the whole customer."`
	EntityTypeID    string             `json:"entityTypeId" doc:"It is for entities of this type."`
	Metadata        map[string]string  `json:"metadata" doc:"It is for entities whose metadata have all of this."`
	FeatureID       *string            `json:"featureId,omitempty"`
	CurrencyID      *string            `json:"currencyId,omitempty"`
	Label           string             `json:"label"`
	UsageLimit      *bursar.Amount     `json:"usageLimit" doc:"Of each entity by itself; null is unlimited."`
	Cadence         string             `json:"cadence"`
	Enforcement     bursar.Enforcement `json:"enforcement" is:"enum=hard|soft"`
	AlertThresholds []int              `json:"alertThresholds"`
	Timezone        string             `json:"timezone"`
	Anchor          *bursar.Time       `json:"anchor"`
	CreatedAt       bursar.Time        `json:"createdAt"`
	UpdatedAt       bursar.Time        `json:"updatedAt"`
	withRevision
}

func viewDefault(x bursar.Default) defaultOut {
	out := defaultOut{ID: x.ID, EntityID: orNil(&x.EntityID), EntityTypeID: x.EntityTypeID, Metadata: x.Metadata, Label: x.Label, UsageLimit: x.UsageLimit,
		Cadence: x.Cadence.String(), Enforcement: x.Enforcement, AlertThresholds: x.AlertThresholds, Timezone: x.Timezone, Anchor: x.Anchor,
		CreatedAt: x.CreatedAt, UpdatedAt: x.UpdatedAt, withRevision: withRevision{x.Revision()}}
	out.FeatureID, out.CurrencyID = capabilityIDs(x.Capability)
	return out
}

// defaultOf is where a limit comes from that is not an entity's own.
type defaultOf struct {
	DefaultID    string            `json:"defaultId"`
	EntityID     *string           `json:"entityId" doc:"Below this entity; null: the customer's default, or that of an entity which an access token may not see."`
	EntityTypeID string            `json:"entityTypeId" doc:"The type of the entities that the default is for."`
	Metadata     map[string]string `json:"metadata,omitempty" doc:"The metadata that the entity has and the default asks for."`
}

func viewDefaultOf(x *bursar.DefaultSource) *defaultOf {
	if x == nil {
		return nil
	}
	return &defaultOf{DefaultID: x.DefaultID, EntityID: orNil(&x.EntityID), EntityTypeID: x.EntityTypeID, Metadata: x.Metadata}
}

// appendDefaultOf appends it as a member where the limit is by default.
func appendDefaultOf(b []byte, x *bursar.DefaultSource) []byte {
	if x == nil {
		return b
	}
	b = appendID(append(b, `,"defaultOf":{"defaultId":`...), x.DefaultID)
	b = append(b, `,"entityId":`...)
	if x.EntityID == "" {
		b = append(b, "null"...)
	} else {
		b = appendID(b, x.EntityID)
	}
	b = appendID(append(b, `,"entityTypeId":`...), x.EntityTypeID)
	if len(x.Metadata) > 0 {
		b = appendTextMap(append(b, `,"metadata":`...), x.Metadata)
	}
	return append(b, '}')
}

type defaultIn struct {
	EntityID        *string                        `json:"entityId" is:"entityId" doc:"For entities below this one; left out or null: for those of the whole customer."`
	EntityTypeID    string                         `json:"entityTypeId" is:"required,id" doc:"For entities of this type."`
	Metadata        map[string]string              `json:"metadata" doc:"Only for entities whose metadata have all of this: a tier. Of those in one place that are meant for an entity, the one with most conditions wins."`
	FeatureID       *string                        `json:"featureId" is:"id" doc:"Exactly one of featureId and currencyId."`
	CurrencyID      *string                        `json:"currencyId" is:"id"`
	Label           *string                        `json:"label" is:"label"`
	UsageLimit      bursar.Opt[bursar.Amount]      `json:"usageLimit" is:"min=0" doc:"Of each entity by itself; null is unlimited, still counted. Required to create one."`
	Cadence         bursar.Opt[bursar.Cadence]     `json:"cadence" doc:"Required to create one."`
	Enforcement     bursar.Opt[bursar.Enforcement] `json:"enforcement" is:"enum=hard|soft"`
	AlertThresholds bursar.Opt[[]int]              `json:"alertThresholds" is:"n=0-10,each=1-1000" doc:"Percent of the limit."`
	Timezone        bursar.Opt[string]             `json:"timezone" is:"len=1-255"`
	Anchor          bursar.Opt[bursar.Time]        `json:"anchor"`
	basedItem
}

type defaultsIn struct {
	customerPath
	Defaults []defaultIn `json:"defaults" is:"required,n=1-100"`
}

func (a *API) putDefaults(c call, in *defaultsIn) ([]bursar.Default, uint64, error) {
	inputs, err := defaultInputs(in.Defaults)
	if err != nil {
		return nil, 0, err
	}
	return a.engine.PutDefaults(c.ctx, c.by, in.CustomerID, inputs)
}

// defaultInputs are the members of a list "defaults".
func defaultInputs(in []defaultIn) ([]bursar.DefaultInput, error) {
	var problems bursar.Problems
	inputs := make([]bursar.DefaultInput, len(in))
	for i := range in {
		x := &in[i]
		of, ok := capability(orZero(x.FeatureID), orZero(x.CurrencyID))
		if !ok {
			problems.Add("/defaults/"+strconv.Itoa(i), bursar.CodeValidationFailed, errNotOneCapability)
		}
		inputs[i] = bursar.DefaultInput{EntityID: orZero(x.EntityID), EntityTypeID: x.EntityTypeID, Metadata: x.Metadata, Capability: of, Label: orZero(x.Label),
			UsageLimit: x.UsageLimit, Cadence: x.Cadence, Enforcement: x.Enforcement, AlertThresholds: x.AlertThresholds, Timezone: x.Timezone, Anchor: x.Anchor,
			IfMatch: itemMatch(x.basedItem)}
	}
	return inputs, problems.Err()
}

type defaultList struct {
	customerPath
	paging
	freshness
}

func defaultAt(x *bursar.Default) ledger.ListPos { return ledger.ListPos{ID: x.ID} } // which grows with time

func (a *API) listDefaults(c call, in *defaultList) ([]*bursar.Default, uint64, error) {
	got, version, err := a.engine.Defaults(c.ctx, c.options(), in.CustomerID)
	return pointersTo(got), version, err
}

type defaultEnd struct {
	customerPath
	DefaultID string `path:"defaultId"`
	based
}

func (a *API) deleteDefault(c call, in *defaultEnd) (bursar.Default, uint64, error) {
	return a.engine.DeleteDefault(c.ctx, c.by, in.CustomerID, in.DefaultID)
}
