package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// effectiveOut is where an entity stands with all that limits it: its own limits, those
// above it and the customer's pools.
type effectiveOut struct {
	Status    string             `json:"status" is:"enum=ok|warning|exceeded|blocked" doc:"blocked: nothing more is granted now, by whichever limit or pool. Else the row's own status; warning also where another hard limit leaves less and warns."`
	Remaining *bursar.Amount     `json:"remaining" doc:"What is still granted at most, by the hard limits and the pool of the capability; null: no end. A token is told of what it may see."`
	By        *effectiveLimitOut `json:"by" doc:"What blocks, else what leaves least; null: nothing limits."`
}

// effectiveLimitOut is the limit or pool that decides what is effective.
type effectiveLimitOut struct {
	Source         bursar.BindingSource `json:"source" is:"enum=ENTITY|CUSTOMER|CREDITS|FROZEN|ABOVE" doc:"FROZEN: a freeze of the entity or, with entityId null, of the customer. ABOVE: something that a token may not see; all else is null then."`
	AssignmentID   *string              `json:"assignmentId"`
	EntityID       *string              `json:"entityId"`
	DisplayName    *string              `json:"displayName" doc:"Of the entity."`
	ScopeEntityIDs []string             `json:"scopeEntityIds"`
	FeatureID      *string              `json:"featureId,omitempty"`
	CurrencyID     *string              `json:"currencyId,omitempty"`
	Label          *string              `json:"label"`
	Cadence        *string              `json:"cadence"`
	ResetsAt       *bursar.Time         `json:"resetsAt"`
	Reason         *string              `json:"reason,omitempty" doc:"Of FROZEN: why."`
}

func viewEffective(e *ledger.Effective) *effectiveOut {
	if e == nil {
		return nil
	}
	out := &effectiveOut{Status: e.Status, Remaining: e.Remaining}
	l := e.By
	if l == nil {
		return out
	}
	out.By = &effectiveLimitOut{Source: l.Source, ScopeEntityIDs: []string{}}
	if l.Source == ledger.BindingAbove {
		return out
	}
	out.By.FeatureID, out.By.CurrencyID = capabilityIDs(l.Capability)
	if l.ResetsAt != 0 {
		out.By.ResetsAt = &l.ResetsAt
	}
	if l.Source == bursar.BindingFrozen {
		out.By.EntityID, out.By.DisplayName, out.By.Reason = orNil(&l.EntityID), l.DisplayName, &l.Reason
	}
	if l.Source == bursar.BindingEntity {
		out.By.AssignmentID, out.By.EntityID, out.By.DisplayName, out.By.ScopeEntityIDs = &l.AssignmentID, &l.EntityID, l.DisplayName, l.ScopeEntityIDs
		out.By.Label, out.By.Cadence = &l.Label, &l.Cadence
	}
	return out
}
