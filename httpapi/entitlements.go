package httpapi

import (
	"github.com/bursarhq/bursar"
)

// entitlementsOut is all that a customer may use, and why it may not.
type entitlementsOut struct {
	AccessDeniedReason *bursar.Code    `json:"accessDeniedReason"`
	Entitlements       []decisionReply `json:"entitlements" doc:"Checks of amount 0, without chains."`
}

type entitlementsQuery struct {
	customerPath
	freshness
	ResourceID string `query:"resourceId" doc:"There are no resources: denied when not empty."`
}

// entitlements answers for an unknown customer as a check does: it is denied.
func (a *API) entitlements(c call, in *entitlementsQuery) (entitlementsOut, uint64, error) {
	if bursar.CheckCustomerID(in.CustomerID) != nil {
		return entitlementsOut{AccessDeniedReason: new(bursar.CodeCustomerNotFound)}, 0, nil
	}
	customer, version, err := a.engine.Customer(c.ctx, c.options(), in.CustomerID)
	switch {
	case hasCode(err, bursar.CodeCustomerNotFound):
		return entitlementsOut{AccessDeniedReason: new(bursar.CodeCustomerNotFound)}, version, nil
	case err != nil:
		return entitlementsOut{}, version, err
	case customer.ArchivedAt != nil:
		return entitlementsOut{AccessDeniedReason: new(bursar.CodeCustomerIsArchived)}, version, nil
	case in.ResourceID != "":
		return entitlementsOut{AccessDeniedReason: new(bursar.CodeCustomerResourceNotFound)}, version, nil
	}
	got, version, err := a.engine.Entitlements(c.ctx, c.options(), in.CustomerID)
	out := entitlementsOut{Entitlements: make([]decisionReply, len(got))}
	for i := range got {
		out.Entitlements[i] = viewDecision(&got[i], c.now)
	}
	return out, version, err
}
