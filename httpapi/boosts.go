package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type boostIn struct {
	based
	Amount    bursar.Amount `json:"amount" is:"required,positive"`
	ExpiresAt *bursar.Time  `json:"expiresAt" doc:"The end of the limit's current window when left out."`
	Reason    *string       `json:"reason" is:"len=0-500"`
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
	withRevision
}

func viewBoost(b bursar.Boost) boostOut {
	return boostOut{b.ID, b.AssignmentID, b.Amount, b.Reason, b.CreatedAt, b.ExpiresAt, b.EndedAt, b.CreatedBy, withRevision{b.Revision()}}
}

func (a *API) createBoost(q *request, in *boostIn) (boostOut, error) {
	c, err := caller(q, viewBoost)
	if err != nil {
		return boostOut{}, err
	}
	b, err := versioned[bursar.Boost](q)(a.engine.CreateBoost(q.ctx, c, q.path[0], q.path[1],
		bursar.BoostInput{Amount: in.Amount, ExpiresAt: orZero(in.ExpiresAt), Reason: orNil(in.Reason)}))
	return viewBoost(b), err
}

type boostList struct {
	paging
	freshness
}

// listBoosts tells ended ones, too.
func (a *API) listBoosts(q *request, in *boostList) (page[boostOut], error) {
	got, err := versioned[[]bursar.Boost](q)(a.engine.Boosts(q.ctx, q.options(in.freshness), q.path[0], q.path[1]))
	if err != nil {
		return page[boostOut]{}, err
	}
	rows := make([]*bursar.Boost, len(got))
	for i := range got {
		rows[i] = &got[i]
	}
	at := func(b *bursar.Boost) ledger.ListPos { return ledger.ListPos{ID: b.ID} } // which grows with time
	get := func(p ledger.ListPage) (ledger.Page[bursar.Boost], error) {
		return pageOf(rows, p, at, func(*bursar.Boost) bool { return true }), nil
	}
	return list(q, in.paging, at, get, viewBoost)
}

func (a *API) endBoost(q *request, _ *basedOnly) (boostOut, error) {
	c, err := caller(q, viewBoost)
	if err != nil {
		return boostOut{}, err
	}
	b, err := versioned[bursar.Boost](q)(a.engine.EndBoost(q.ctx, c, q.path[0], q.path[1], q.path[2]))
	return viewBoost(b), err
}
