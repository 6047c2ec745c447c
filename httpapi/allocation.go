package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type allocationQuery struct {
	customerPath
	freshness
	FeatureID  string  `query:"featureId" doc:"Exactly one of featureId and currencyId."`
	CurrencyID string  `query:"currencyId"`
	Label      *string `query:"label" is:"label" doc:"Of any label when left out."`
	EntityID   string  `query:"entityId" doc:"Only this entity's limits."`
	After      string  `query:"after" doc:"A cursor: the page behind it."`
	Limit      int     `query:"limit" is:"n=1-100,default=20" doc:"Rows per page."`
}

// allocationOut says how much of a limit without a scope the nearest limits below it give out.
type allocationOut struct {
	AssignmentID  string         `json:"assignmentId"`
	EntityID      string         `json:"entityId"`
	FeatureID     *string        `json:"featureId,omitempty"`
	CurrencyID    *string        `json:"currencyId,omitempty"`
	Label         string         `json:"label"`
	Allocation    string         `json:"allocation" is:"enum=none|strict"`
	UsageLimit    *bursar.Amount `json:"usageLimit"`
	Allocated     bursar.Amount  `json:"allocated" doc:"What the nearest limits below add up to."`
	Unallocated   *bursar.Amount `json:"unallocated"`
	OverCommitted bursar.Amount  `json:"overCommitted"`
	Children      int            `json:"children" doc:"Limits that allocated adds up, and those without a number."`
	Unlimited     int            `json:"unlimited" doc:"Limits among them without a number."`
}

type allocationsOut struct {
	Data       []allocationOut `json:"data"`
	Pagination treePagination  `json:"pagination"`
}

func (allocationsOut) envelope() {}

func viewAllocation(x ledger.Allocation) allocationOut {
	out := allocationOut{
		AssignmentID: x.AssignmentID, EntityID: x.EntityID, Label: x.Label, Allocation: "none", UsageLimit: x.UsageLimit, Allocated: x.Allocated,
		Unallocated: x.Unallocated, OverCommitted: x.OverCommitted, Children: x.Children, Unlimited: x.Unlimited,
	}
	if x.Strict {
		out.Allocation = "strict"
	}
	out.FeatureID, out.CurrencyID = capabilityIDs(x.Capability)
	return out
}

// allocation lists in order of assignments.
func (a *API) allocation(c call, in *allocationQuery) (out allocationsOut, _ uint64, _ error) {
	query := ledger.AllocationQuery{Label: in.Label, EntityID: in.EntityID, Limit: in.Limit}
	var ok bool
	if query.Capability, ok = capability(in.FeatureID, in.CurrencyID); !ok {
		return out, 0, bursar.ErrorAt("?featureId", bursar.CodeValidationFailed, errNotOneCapability)
	}
	if in.After != "" {
		after, err := c.unseal("after", in.After)
		if err != nil {
			return out, 0, err
		}
		query.After = string(after)
	}
	got, next, version, err := a.engine.Allocations(c.ctx, c.options(), in.CustomerID, query)
	if err == nil {
		err = a.known(query.Capability)
	}
	if err != nil {
		return out, version, err
	}
	out.Data = viewEach(viewAllocation)(got)
	if next != "" {
		cursor := c.seal([]byte(next))
		out.Pagination.Next = &cursor
	}
	return out, version, nil
}
