package httpapi

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/spendtoken"
)

// boostRequestOut is what somebody asked for, and what became of it.
type boostRequestOut struct {
	ID                string                    `json:"id"`
	Status            bursar.BoostRequestStatus `json:"status" is:"enum=OPEN|APPROVED|DECLINED|WITHDRAWN|EXPIRED" doc:"WITHDRAWN also while the limit is gone or its entity archived; EXPIRED at expiresAt, or 7 days after it was made."`
	AssignmentID      string                    `json:"assignmentId"`
	EntityID          string                    `json:"entityId"`
	FeatureID         *string                   `json:"featureId,omitempty"`
	CurrencyID        *string                   `json:"currencyId,omitempty"`
	Amount            bursar.Amount             `json:"amount" doc:"By how much the limit is to be raised."`
	ExpiresAt         bursar.Time               `json:"expiresAt" doc:"Until when."`
	Reason            *string                   `json:"reason"`
	RequestedBy       string                    `json:"requestedBy" doc:"Who asked: the subject of the access token, else the id of the key or token."`
	CreatedAt         bursar.Time               `json:"createdAt"`
	DecidedAt         *bursar.Time              `json:"decidedAt" doc:"When it was approved, declined or withdrawn by who asked; else null."`
	DecidedBy         *string                   `json:"decidedBy" doc:"Who did that, as requestedBy says it."`
	Note              *string                   `json:"note" doc:"What they said to it."`
	BoostID           *string                   `json:"boostId" doc:"The boost that was made of it."`
	ApprovedAmount    *bursar.Amount            `json:"approvedAmount" doc:"By how much that raises the limit."`
	ApprovedExpiresAt *bursar.Time              `json:"approvedExpiresAt" doc:"Until when it does, unless the boost is ended before."`
	FundedBy          *string                   `json:"fundedBy" doc:"The entity whose limit has as much less for it; null: none, or one that an access token does not see."`
	withRevision
}

func viewBoostRequest(r bursar.BoostRequest) boostRequestOut {
	out := boostRequestOut{
		ID: r.ID, Status: r.Status, AssignmentID: r.AssignmentID, EntityID: r.EntityID, Amount: r.Amount, ExpiresAt: r.ExpiresAt, Reason: r.Reason,
		RequestedBy: r.RequestedBy, CreatedAt: r.CreatedAt, DecidedAt: r.DecidedAt, DecidedBy: r.DecidedBy, Note: r.Note, BoostID: r.BoostID,
		ApprovedAmount: r.ApprovedAmount, ApprovedExpiresAt: r.ApprovedExpiresAt, FundedBy: orNil(&r.FundedBy), withRevision: withRevision{r.Revision()},
	}
	out.FeatureID, out.CurrencyID = capabilityIDs(r.Capability)
	return out
}

type boostRequestIn struct {
	customerPath
	based
	AssignmentID   *string         `json:"assignmentId" is:"id" doc:"The limit; or say entityId with featureId or currencyId."`
	EntityID       *string         `json:"entityId" is:"entityId" doc:"Whose limit. A spend token may leave it out: then it is one of those that it meets."`
	FeatureID      *string         `json:"featureId" is:"id" doc:"The feature. Excludes currencyId. Beside assignmentId it is that of the limit, else 400."`
	CurrencyID     *string         `json:"currencyId" is:"id" doc:"The credit currency. Excludes featureId. The same beside assignmentId."`
	Model          *string         `json:"model" is:"len=1-255" doc:"With a spend token: the model that would be called, whose limits it meets, too."`
	Cadence        *bursar.Cadence `json:"cadence" doc:"Where several limits are like that: of which cadence. The only one that is used up is taken; else 400 names them."`
	ScopeEntityIDs *[]string       `json:"scopeEntityIds" is:"n=0-10,entityId" doc:"Where several limits are like that: of which scope; [] is that without one."`
	Label          *string         `json:"label" is:"label" doc:"Where several limits are like that: of which label."`
	Amount         bursar.Amount   `json:"amount" is:"required,positive" doc:"By how much the limit is to be raised."`
	ExpiresAt      *bursar.Time    `json:"expiresAt" doc:"Until when. The end of the limit's current window when left out."`
	Reason         *string         `json:"reason" is:"len=0-500"`
}

// ask is what the input asks for.
func (in *boostRequestIn) ask(spends bool) (out bursar.BoostRequestInput, err error) {
	out = bursar.BoostRequestInput{AssignmentID: orZero(in.AssignmentID), EntityID: orZero(in.EntityID), Cadence: orZero(in.Cadence), Label: in.Label,
		Amount: in.Amount, ExpiresAt: orZero(in.ExpiresAt), Reason: orNil(in.Reason)}
	if in.ScopeEntityIDs != nil {
		out.ScopeEntityIDs = append([]string{}, *in.ScopeEntityIDs...)
	}
	var p bursar.Problems
	feature, currency := orZero(in.FeatureID), orZero(in.CurrencyID)
	if in.Model != nil && !spends {
		p.Add("/model", bursar.CodeValidationFailed, "model is for who holds a spend token: name the limit of a model by its assignmentId, or its entityId")
	}
	if in.AssignmentID != nil {
		if feature+currency != "" {
			var ok bool
			if out.Capability, ok = capability(feature, currency); !ok {
				p.Add("/featureId", bursar.CodeValidationFailed, "a limit is of one of featureId and currencyId")
			}
		}
		if out.EntityID != "" || in.Cadence != nil || in.ScopeEntityIDs != nil || in.Label != nil {
			p.Add("/assignmentId", bursar.CodeValidationFailed, "assignmentId names the limit: leave out entityId, cadence, scopeEntityIds and label")
		}
		return out, p.Err()
	}
	var ok bool
	if out.Capability, ok = capability(feature, currency); !ok {
		p.Add("/featureId", bursar.CodeValidationFailed, "name the limit: give its assignmentId, or its entityId with exactly one of featureId and currencyId")
	} else if out.EntityID == "" && !spends {
		p.Add("/entityId", bursar.CodeValidationFailed, "say whose limit: give entityId, or the assignmentId of the limit")
	}
	return out, p.Err()
}

func (a *API) createBoostRequest(c call, in *boostRequestIn) (r bursar.BoostRequest, _ uint64, err error) {
	if c.by.IfMatch != "" && c.access&shows == 0 {
		return r, 0, bursar.Errorf(bursar.CodeForbidden, "If-Match is for who may read the limit: leave it out")
	}
	var ask engine.BoostAsk
	if ask.In, err = in.ask(c.spend != nil); err != nil {
		return r, 0, err
	}
	if of := ask.In.Capability; of.ID != "" {
		if err := a.known(of); err != nil {
			return r, 0, err
		}
	}
	if c.spend != nil {
		t := c.spend.token
		if ask.Dimensions, err = c.withModel(in.Model); err != nil {
			return r, 0, err
		}
		ask.Allows = func(of bursar.Capability) bool { return spendsOn(t, spendName(of)) }
	}
	return a.engine.AskBoost(c.ctx, c.by, in.CustomerID, ask)
}

// withModel are the dimensions that a spend token is pinned to, with a model that it may be used for.
func (q *request) withModel(model *string) ([]bursar.Dimension, error) {
	pins := q.spend.pins
	if model == nil {
		return pins, nil
	}
	i := slices.IndexFunc(pins, func(p bursar.Dimension) bool { return p.Key == bursar.ModelKey })
	if !q.spend.token.AllowsModel(*model) || i >= 0 && pins[i].Value != *model {
		return nil, errNotTheTokens("/model", "this spend token is not for the model %q", *model)
	}
	return withMissing([]bursar.Dimension{{Key: bursar.ModelKey, Kind: bursar.DimString, Value: *model}}, pins), nil
}

// spendsOn tells whether a token may use what has a name, by itself or by an event.
func spendsOn(t *spendtoken.Token, n spendtoken.Name) bool {
	for i := range t.Blocks {
		for _, only := range t.Blocks[i].Only {
			if only.Event != "" {
				return true // an event uses what its meters feed
			}
		}
	}
	return t.Allows(n)
}

type boostRequestList struct {
	customerPath
	paging
	freshness
	Status   *bursar.BoostRequestStatus `query:"status" is:"enum=OPEN|APPROVED|DECLINED|WITHDRAWN|EXPIRED"`
	EntityID string                     `query:"entityId"`
}

func boostRequestAt(r *bursar.BoostRequest) ledger.ListPos {
	return ledger.ListPos{CreatedAt: r.CreatedAt, ID: r.ID}
}

// listBoostRequests lists newest first.
func (a *API) listBoostRequests(c call, in *boostRequestList, p ledger.ListPage) (ledger.Page[bursar.BoostRequest], uint64, error) {
	q := ledger.BoostRequestQuery{Status: orZero(in.Status), EntityID: in.EntityID, By: c.by, ListPage: p}
	return a.engine.BoostRequests(c.ctx, c.options(), in.CustomerID, q)
}

type boostRequestGet struct {
	boostRequestPath
	freshness
}

func (a *API) getBoostRequest(c call, in *boostRequestGet) (bursar.BoostRequest, uint64, error) {
	return a.engine.BoostRequest(c.ctx, c.options(), c.by, in.CustomerID, in.RequestID)
}

type boostApproval struct {
	boostRequestPath
	based
	Amount    *bursar.Amount `json:"amount" is:"positive" doc:"By how much the limit is raised. What was asked for when left out."`
	ExpiresAt *bursar.Time   `json:"expiresAt" doc:"Until when. As was asked for when left out."`
	Note      *string        `json:"note" is:"len=0-500" doc:"What who asked is told."`
	FundedBy  *string        `json:"fundedBy" is:"entityId" doc:"An entity above, whose limit of the same capability, cadence, label and scope has as much less while the boost lasts: the sum stays."`
}

func (a *API) approveBoostRequest(c call, in *boostApproval) (bursar.BoostRequest, uint64, error) {
	return a.engine.ApproveBoost(c.ctx, c.by, in.CustomerID, in.RequestID,
		bursar.BoostRequestDecision{Amount: in.Amount, ExpiresAt: orZero(in.ExpiresAt), Note: orNil(in.Note), FundedBy: orZero(in.FundedBy)})
}

type boostDecline struct {
	boostRequestPath
	based
	Note *string `json:"note" is:"len=0-500" doc:"What who asked is told."`
}

func (a *API) declineBoostRequest(c call, in *boostDecline) (bursar.BoostRequest, uint64, error) {
	return a.engine.DeclineBoost(c.ctx, c.by, in.CustomerID, in.RequestID, orNil(in.Note))
}

type boostWithdrawal struct {
	boostRequestPath
	based
}

func (a *API) withdrawBoostRequest(c call, in *boostWithdrawal) (bursar.BoostRequest, uint64, error) {
	return a.engine.WithdrawBoost(c.ctx, c.by, in.CustomerID, in.RequestID)
}
