package httpapi

import (
	"errors"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/google/uuid"
)

// assignmentOut is a limit.
type assignmentOut struct {
	ID                  string             `json:"id"`
	EntityID            string             `json:"entityId"`
	ParentID            *string            `json:"parentId"`
	ScopeEntityIDs      []string           `json:"scopeEntityIds"`
	FeatureID           *string            `json:"featureId,omitempty"`
	CurrencyID          *string            `json:"currencyId,omitempty"`
	UsageLimit          *bursar.Amount     `json:"usageLimit"`
	Cadence             string             `json:"cadence"`
	CreatedAt           bursar.Time        `json:"createdAt"`
	UpdatedAt           bursar.Time        `json:"updatedAt"`
	Label               string             `json:"label"`
	Enforcement         bursar.Enforcement `json:"enforcement" is:"enum=hard|soft"`
	AlertThresholds     []int              `json:"alertThresholds"`
	Timezone            string             `json:"timezone"`
	Anchor              *bursar.Time       `json:"anchor"`
	Allocation          string             `json:"allocation" is:"enum=none|strict" doc:"strict: the nearest limits below may not add up to more."`
	EffectiveUsageLimit *bursar.Amount     `json:"effectiveUsageLimit" doc:"With active boosts."`
	DefaultOf           *defaultOf         `json:"defaultOf,omitempty" doc:"The default that the limit is by; absent when it is the entity's own. A PUT makes it the entity's own."`
	Start               *startOut          `json:"start,omitempty" doc:"Only in the reply that made it: where it begins."`
	withRevision
}

func viewAssignment(a bursar.Assignment) assignmentOut {
	out := assignmentOut{
		ID: a.ID, EntityID: a.EntityID, ParentID: a.ParentID, ScopeEntityIDs: a.ScopeEntityIDs, UsageLimit: a.UsageLimit,
		Cadence: a.Cadence.String(), CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt, Label: a.Label, Enforcement: a.Enforcement,
		AlertThresholds: a.AlertThresholds, Timezone: a.Timezone, Anchor: a.Anchor, Allocation: a.Allocation, EffectiveUsageLimit: a.EffectiveLimit,
		DefaultOf: viewDefaultOf(a.DefaultOf), withRevision: withRevision{a.Revision()},
	}
	out.FeatureID, out.CurrencyID = capabilityIDs(a.Capability)
	if s := a.Start; s != nil {
		out.Start = &startOut{s.From, s.Usage}
	}
	return out
}

// startOut is where a new limit begins.
type startOut struct {
	CountsFrom bursar.Time   `json:"countsFrom" doc:"Usage since then counts."`
	Usage      bursar.Amount `json:"usage" doc:"What it has used already."`
}

type assignmentList struct {
	customerPath
	paging
	freshness
	EntityID   string  `query:"entityId"`
	FeatureID  string  `query:"featureId" doc:"At most one of featureId and currencyId."`
	CurrencyID string  `query:"currencyId"`
	Label      *string `query:"label" is:"label"`
}

// listAssignments is not like the other lists: the cursor is the id of a row.
func (a *API) listAssignments(c call, in *assignmentList) (out page[assignmentOut], _ uint64, _ error) {
	query := ledger.AssignmentQuery{EntityID: in.EntityID, Label: in.Label, ListPage: ledger.ListPage{Limit: in.Limit}}
	if in.FeatureID != "" || in.CurrencyID != "" {
		var ok bool
		if query.Capability, ok = capability(in.FeatureID, in.CurrencyID); !ok {
			return out, 0, bursar.ErrorAt("?currencyId", bursar.CodeValidationFailed, "give featureId or currencyId, not both")
		}
	}
	err := in.check()
	if err == nil && in.After != "" {
		query.After, err = assignmentPos("after", in.After)
	}
	if err == nil && in.Before != "" {
		query.Before, err = assignmentPos("before", in.Before)
	}
	if err != nil {
		return out, 0, err
	}
	got, version, err := a.engine.Assignments(c.ctx, c.options(), in.CustomerID, query)
	if err != nil {
		return out, version, err
	}
	out.Data = viewEach(viewAssignment)(got.Items)
	if n := len(out.Data); n > 0 && got.HasNext {
		out.Pagination.Next = &out.Data[n-1].ID
	}
	if len(out.Data) > 0 && got.HasPrev {
		out.Pagination.Prev = &out.Data[0].ID
	}
	return out, version, nil
}

func assignmentPos(name, id string) (*ledger.ListPos, error) {
	parsed, err := uuid.Parse(id)
	if err != nil || parsed.String() != id {
		return nil, bursar.ErrorAt("?"+name, bursar.CodeInvalidCursor, "the cursor of this list is the id of an assignment")
	}
	return &ledger.ListPos{ID: id}, nil
}

type assignmentIn struct {
	EntityID        string                         `json:"entityId" is:"required,entityId"`
	FeatureID       *string                        `json:"featureId" is:"id" doc:"Exactly one of featureId and currencyId."`
	CurrencyID      *string                        `json:"currencyId" is:"id"`
	ScopeEntityIDs  []string                       `json:"scopeEntityIds" is:"n=0-10,entityId" doc:"Only usage that is attributed to all of these counts."`
	UsageLimit      bursar.Opt[bursar.Amount]      `json:"usageLimit" is:"min=0" doc:"null is unlimited, still counted. Required to create one."`
	Cadence         bursar.Opt[bursar.Cadence]     `json:"cadence" doc:"Required to create one."`
	ParentID        bursar.Opt[string]             `json:"parentId" is:"entityId" doc:"Moves the entity, not the row; null makes it a root."`
	Label           *string                        `json:"label" is:"label"`
	Enforcement     bursar.Opt[bursar.Enforcement] `json:"enforcement" is:"enum=hard|soft"`
	AlertThresholds bursar.Opt[[]int]              `json:"alertThresholds" is:"n=0-10,each=1-1000" doc:"Percent of the limit."`
	Timezone        bursar.Opt[string]             `json:"timezone" is:"len=1-255"`
	Anchor          bursar.Opt[bursar.Time]        `json:"anchor"`
	Allocation      bursar.Opt[string]             `json:"allocation" is:"enum=none|strict"`
	CountFrom       *string                        `json:"countFrom" is:"enum=now|periodStart,default=now" doc:"Of a new limit: whether it begins at 0 or with what the entity has used in the period that is running. One that exists goes on counting as it did."`
	basedItem
}

type assignmentsIn struct {
	customerPath
	Assignments []assignmentIn `json:"assignments" is:"required,n=1-100"`
}

// entitlementsIn is assignmentsIn under the older path, which has two names for it.
type entitlementsIn struct {
	customerPath
	Assignments  []assignmentIn `json:"assignments" is:"n=1-100"`
	Entitlements []assignmentIn `json:"entitlements" is:"n=1-100" doc:"The same as assignments; give one of them."`
}

func (a *API) putAssignments(c call, in *assignmentsIn) ([]bursar.Assignment, uint64, error) {
	return a.upsertAssignments(c, in.CustomerID, in.Assignments, "/assignments")
}

func (a *API) putEntitlements(c call, in *entitlementsIn) ([]bursar.Assignment, uint64, error) {
	switch {
	case (in.Assignments == nil) == (in.Entitlements == nil):
		return nil, 0, bursar.ErrorAt("/assignments", bursar.CodeValidationFailed, "give exactly one of assignments and entitlements")
	case in.Entitlements != nil:
		return a.upsertAssignments(c, in.CustomerID, in.Entitlements, "/entitlements")
	}
	return a.upsertAssignments(c, in.CustomerID, in.Assignments, "/assignments")
}

// assignmentInputs are items as the engine takes them; pointer is where they are.
func assignmentInputs(items []assignmentIn, pointer string) ([]bursar.AssignmentInput, error) {
	var problems bursar.Problems
	inputs := make([]bursar.AssignmentInput, len(items))
	for i := range items {
		item := &items[i]
		capability, ok := capability(orZero(item.FeatureID), orZero(item.CurrencyID))
		if !ok {
			problems.Add(pointer+"/"+strconv.Itoa(i), bursar.CodeValidationFailed, errNotOneCapability)
		}
		inputs[i] = bursar.AssignmentInput{
			EntityID: item.EntityID, Capability: capability, ScopeEntityIDs: item.ScopeEntityIDs, Label: orZero(item.Label),
			UsageLimit: item.UsageLimit, Cadence: item.Cadence, ParentID: item.ParentID, Enforcement: item.Enforcement,
			AlertThresholds: item.AlertThresholds, Timezone: item.Timezone, Anchor: item.Anchor, Allocation: item.Allocation, CountFrom: orZero(item.CountFrom), IfMatch: itemMatch(item.basedItem),
		}
	}
	return inputs, problems.Err()
}

func (a *API) upsertAssignments(c call, customer string, items []assignmentIn, pointer string) ([]bursar.Assignment, uint64, error) {
	inputs, err := assignmentInputs(items, pointer)
	if err != nil {
		return nil, 0, err
	}
	got, version, err := a.engine.PutAssignments(c.ctx, c.by, customer, inputs)
	return got, version, movePointers(err, "/assignments", pointer)
}

// movePointers makes an engine's error point into the body as it was named here.
func movePointers(err error, from, to string) error {
	var e *bursar.Error
	if from == to || !errors.As(err, &e) {
		return err
	}
	moved := *e
	moved.Fields = append([]bursar.FieldError(nil), e.Fields...)
	for i, f := range moved.Fields {
		if rest, ok := strings.CutPrefix(f.Pointer, from); ok {
			moved.Fields[i].Pointer = to + rest
		}
	}
	return &moved
}

type assignmentQuery struct {
	assignmentPath
	freshness
}

func (a *API) getAssignment(c call, in *assignmentQuery) (bursar.Assignment, uint64, error) {
	return a.engine.Assignment(c.ctx, c.options(), in.CustomerID, in.AssignmentID)
}

type assignmentEnd struct {
	assignmentPath
	based
}

func (a *API) deleteAssignment(c call, in *assignmentEnd) (bursar.Assignment, uint64, error) {
	return a.engine.DeleteAssignment(c.ctx, c.by, in.CustomerID, in.AssignmentID)
}
