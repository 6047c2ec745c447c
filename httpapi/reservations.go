package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type reserveIn struct {
	spendIn
	Amount     bursar.Amount    `json:"amount" is:"required,positive"`
	TTLSeconds *int             `json:"ttlSeconds" is:"n=1-86400,default=300"`
	OnExpire   *bursar.OnExpire `json:"onExpire" is:"enum=release|settle,default=release" doc:"What becomes of the amount when nobody closes the reservation in time."`
}

type reservationOut struct {
	ID              string            `json:"id"`
	CustomerID      string            `json:"customerId"`
	FeatureID       *string           `json:"featureId,omitempty"`
	CurrencyID      *string           `json:"currencyId,omitempty"`
	Amount          bursar.Amount     `json:"amount"`
	Dimensions      dims              `json:"dimensions"`
	Status          bursar.HoldStatus `json:"status" is:"enum=OPEN|COMMITTED|RELEASED|EXPIRED"`
	OnExpire        bursar.OnExpire   `json:"onExpire" is:"enum=release|settle"`
	CreatedAt       bursar.Time       `json:"createdAt"`
	ExpiresAt       bursar.Time       `json:"expiresAt"`
	ClosedAt        *bursar.Time      `json:"closedAt"`
	CommittedAmount *bursar.Amount    `json:"committedAmount"`
	Overshoot       bursar.Amount     `json:"overshoot" doc:"How much more was committed than held."`
	LateCommit      bool              `json:"lateCommit"`
	Cost            []cost            `json:"cost" doc:"Held while it is open, then charged; none after a release."`
	Chains          chains            `json:"chains" doc:"The limits on its path, and their figures when this was answered."`
	Duplicate       bool              `json:"duplicate"`
	Warnings        []string          `json:"warnings,omitempty" doc:"Of the request that made it; in the reply to that alone."`
}

func viewReservation(r bursar.Reservation) reservationOut {
	out := reservationOut{
		ID: r.ID, CustomerID: r.CustomerID, Amount: r.Amount, Dimensions: r.Dimensions, Status: r.Status, OnExpire: r.OnExpire,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, CommittedAmount: r.CommittedAmount, Overshoot: r.Overshoot(),
		LateCommit: r.LateCommit, Cost: viewCosts(r.Costs), Duplicate: r.Duplicate,
	}
	out.FeatureID, out.CurrencyID = capabilityIDs(r.Capability)
	out.ClosedAt = timeOrNil(r.ClosedAt)
	if r.Decision != nil {
		out.Chains, out.Warnings = r.Decision.Chains, r.Decision.Warnings
	}
	return out
}

// reservationReply answers what an engine call returned.
func (q *request) reservationReply(r bursar.Reservation, version uint64, err error) (reservationOut, error) {
	q.version = version
	if err != nil {
		return reservationOut{}, err
	}
	q.replayed = r.Duplicate
	return viewReservation(r), nil
}

func (a *API) reserve(q *request, in *reserveIn) (reservationOut, error) {
	spend, c, err := q.spend(&in.spendIn, in.Amount)
	if err != nil {
		return reservationOut{}, err
	}
	got, version, err := a.engine.Reserve(q.ctx, c, q.path[0], spend, or(in.TTLSeconds, bursar.DefaultHoldTTL), or(in.OnExpire, bursar.ExpireRelease))
	q.spent(kindReserve, &spend, got.Decision, err, got.Duplicate)
	return q.reservationReply(got, version, err)
}

type commitIn struct {
	Amount bursar.Amount `json:"amount" is:"required,min=0" doc:"All of it is recorded, even above the hold."`
}

func (a *API) commitReservation(q *request, in *commitIn) (reservationOut, error) {
	c, err := caller(q, viewReservation)
	if err != nil {
		return reservationOut{}, err
	}
	got, version, err := a.engine.CommitReservation(q.ctx, c, q.path[0], q.path[1], in.Amount)
	if err == nil && !got.Duplicate {
		a.observed.used(q.now, 1)
	}
	return q.reservationReply(got, version, err)
}

func (a *API) releaseReservation(q *request, _ *nothing) (reservationOut, error) {
	c, err := caller(q, viewReservation)
	if err != nil {
		return reservationOut{}, err
	}
	return q.reservationReply(a.engine.ReleaseReservation(q.ctx, c, q.path[0], q.path[1]))
}

type extendIn struct {
	TTLSeconds int `json:"ttlSeconds" is:"required,n=1-86400" doc:"From now."`
}

func (a *API) extendReservation(q *request, in *extendIn) (reservationOut, error) {
	c, err := caller(q, viewReservation)
	if err != nil {
		return reservationOut{}, err
	}
	return q.reservationReply(a.engine.ExtendReservation(q.ctx, c, q.path[0], q.path[1], in.TTLSeconds))
}

func (a *API) getReservation(q *request, in *readOnly) (reservationOut, error) {
	return q.reservationReply(a.engine.Reservation(q.ctx, q.options(in.freshness), q.path[0], q.path[1]))
}

type reservationList struct {
	paging
	freshness
	Status   bursar.HoldStatus `query:"status" is:"enum=OPEN|COMMITTED|RELEASED|EXPIRED,default=OPEN"`
	EntityID string            `query:"entityId" doc:"Only those of this entity and below it."`
}

func (a *API) listReservations(q *request, in *reservationList) (page[reservationOut], error) {
	at := func(r *bursar.Reservation) ledger.ListPos {
		return ledger.ListPos{CreatedAt: r.CreatedAt, ID: r.ID}
	}
	get := func(p ledger.ListPage) (ledger.Page[bursar.Reservation], error) {
		return versioned[ledger.Page[bursar.Reservation]](q)(a.engine.Reservations(q.ctx, q.options(in.freshness), q.path[0],
			ledger.ReservationQuery{Status: in.Status, EntityID: in.EntityID, ListPage: p}))
	}
	return list(q, in.paging, at, get, viewReservation)
}
