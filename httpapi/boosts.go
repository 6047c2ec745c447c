package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type boostIn struct {
	assignmentPath
	based
	Amount    bursar.Amount `json:"amount" is:"required,positive"`
	ExpiresAt *bursar.Time  `json:"expiresAt" doc:"The end of the limit's current window when left out."`
	Reason    *string       `json:"reason" is:"len=0-500"`
	FundedBy  *string       `json:"fundedBy" is:"entityId" doc:"An entity above, whose limit of the same capability, cadence, label and scope has as much less while the boost lasts: the sum stays."`
}

// boostOut is a temporary raise of a limit.
type boostOut struct {
	ID           string        `json:"id"`
	AssignmentID string        `json:"assignmentId"`
	Amount       bursar.Amount `json:"amount"`
	Reason       *string       `json:"reason"`
	CreatedAt    bursar.Time   `json:"createdAt"`
	ExpiresAt    bursar.Time   `json:"expiresAt"`
	EndedAt      *bursar.Time  `json:"endedAt" doc:"When it was ended before its time."`
	CreatedBy    string        `json:"createdBy"`
	FundedBy     *string       `json:"fundedBy" doc:"The entity whose limit has as much less; null: none, or one that an access token does not see."`
	withRevision
}

func viewBoost(b bursar.Boost) boostOut {
	return boostOut{b.ID, b.AssignmentID, b.Amount, b.Reason, b.CreatedAt, b.ExpiresAt, b.EndedAt, b.CreatedBy, orNil(&b.FundedBy), withRevision{b.Revision()}}
}

func (a *API) createBoost(c call, in *boostIn) (bursar.Boost, uint64, error) {
	return a.engine.CreateBoost(c.ctx, c.by, in.CustomerID, in.AssignmentID,
		bursar.BoostInput{Amount: in.Amount, ExpiresAt: orZero(in.ExpiresAt), Reason: orNil(in.Reason), FundedBy: orZero(in.FundedBy)})
}

type boostList struct {
	assignmentPath
	paging
	freshness
}

func boostAt(b *bursar.Boost) ledger.ListPos { return ledger.ListPos{ID: b.ID} } // which grows with time

// listBoosts tells ended ones, too, and those of other limits that the limit funds.
func (a *API) listBoosts(c call, in *boostList) ([]*bursar.Boost, uint64, error) {
	got, version, err := a.engine.Boosts(c.ctx, c.options(), in.CustomerID, in.AssignmentID)
	return pointersTo(got), version, err
}

type boostEnd struct {
	boostPath
	based
}

func (a *API) endBoost(c call, in *boostEnd) (bursar.Boost, uint64, error) {
	return a.engine.EndBoost(c.ctx, c.by, in.CustomerID, in.AssignmentID, in.BoostID)
}
