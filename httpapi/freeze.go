package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// frozenOut is a freeze: what stops everything that would be granted below it.
type frozenOut struct {
	EntityID *string     `json:"entityId" doc:"The frozen entity; null: the customer is frozen, or an entity that an access token may not see."`
	Reason   string      `json:"reason" doc:"Why it was frozen, as who froze it said."`
	FrozenAt bursar.Time `json:"frozenAt"`
}

func viewFrozen(z *bursar.Freeze) *frozenOut {
	if z == nil {
		return nil
	}
	return &frozenOut{EntityID: orNil(&z.EntityID), Reason: z.Reason, FrozenAt: z.FrozenAt}
}

// appendFrozen appends a freeze as a member where there is one.
func appendFrozen(b []byte, z *bursar.Freeze) []byte {
	if z == nil {
		return b
	}
	b = append(b, `,"frozen":{"entityId":`...)
	if z.EntityID == "" {
		b = append(b, "null"...)
	} else {
		b = appendID(b, z.EntityID)
	}
	b = appendString(append(b, `,"reason":`...), z.Reason)
	return append(appendTime(append(b, `,"frozenAt":`...), z.FrozenAt), '}')
}

// freezingOut is where an entity or a customer stands after a freeze or a thaw.
type freezingOut struct {
	EntityID *string    `json:"entityId" doc:"null: the customer."`
	Frozen   *frozenOut `json:"frozen" doc:"null: it is not frozen itself. Below a frozen entity it is stopped all the same."`
}

func viewFreezing(x bursar.Freezing) freezingOut {
	return freezingOut{EntityID: orNil(&x.EntityID), Frozen: viewFrozen(x.Freeze)}
}

type entityFreeze struct {
	entityPath
	Reason string `json:"reason" is:"required,len=1-500" doc:"Why. Every denial below shows it."`
}

func (a *API) freezeEntity(c call, in *entityFreeze) (bursar.Freezing, uint64, error) {
	return a.engine.Freeze(c.ctx, c.by, in.CustomerID, in.EntityID, in.Reason)
}

// entityChange changes an entity without a body.
type entityChange struct{ entityPath }

func (a *API) thawEntity(c call, in *entityChange) (bursar.Freezing, uint64, error) {
	return a.engine.Thaw(c.ctx, c.by, in.CustomerID, in.EntityID)
}

type customerFreeze struct {
	customerPath
	Reason string `json:"reason" is:"required,len=1-500" doc:"Why. Every denial of the customer shows it."`
}

func (a *API) freezeCustomer(c call, in *customerFreeze) (bursar.Freezing, uint64, error) {
	return a.engine.Freeze(c.ctx, c.by, in.CustomerID, "", in.Reason)
}

type customerThaw struct{ customerPath }

func (a *API) thawCustomer(c call, in *customerThaw) (bursar.Freezing, uint64, error) {
	return a.engine.Thaw(c.ctx, c.by, in.CustomerID, "")
}

type freezeList struct {
	customerPath
	paging
	freshness
}

func freezeAt(z *bursar.Freeze) ledger.ListPos {
	return ledger.ListPos{CreatedAt: z.FrozenAt, ID: z.EntityID}
}

func (a *API) listFreezes(c call, in *freezeList) ([]*bursar.Freeze, uint64, error) {
	got, version, err := a.engine.Freezes(c.ctx, c.options(), in.CustomerID)
	return pointersTo(got), version, err
}

func viewListedFreeze(z bursar.Freeze) frozenOut { return *viewFrozen(&z) }
