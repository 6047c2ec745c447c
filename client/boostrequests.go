package client

import (
	"context"
	"net/http"

	"github.com/bursarhq/bursar"
)

// BoostRequestInput asks that a limit be raised for a time. The limit is named by AssignmentID,
// or by EntityID and one of FeatureID and CurrencyID and, where several limits are like that, by
// what tells them apart; else the only one that is used up is meant. The holder of a spend token
// may leave EntityID out; it meets the limits of Model, too.
type BoostRequestInput struct {
	AssignmentID   string        `json:"assignmentId,omitempty"`
	EntityID       string        `json:"entityId,omitempty"`
	FeatureID      string        `json:"featureId,omitempty"`
	CurrencyID     string        `json:"currencyId,omitempty"`
	Model          string        `json:"model,omitempty"` // of a spend token: that would be called
	Cadence        string        `json:"cadence,omitempty"`
	ScopeEntityIDs *[]string     `json:"scopeEntityIds,omitempty"` // nil = any; empty = that without a scope
	Label          *string       `json:"label,omitempty"`          // nil = any
	Amount         bursar.Amount `json:"amount"`
	ExpiresAt      *bursar.Time  `json:"expiresAt,omitempty"` // nil = the end of the limit's current window
	Reason         string        `json:"reason,omitempty"`
}

// BoostRequest is what somebody asked for, and what became of it.
type BoostRequest struct {
	ID                string                    `json:"id"`
	Status            bursar.BoostRequestStatus `json:"status"`
	AssignmentID      string                    `json:"assignmentId"`
	EntityID          string                    `json:"entityId"`
	FeatureID         string                    `json:"featureId"`
	CurrencyID        string                    `json:"currencyId"`
	Amount            bursar.Amount             `json:"amount"`
	ExpiresAt         bursar.Time               `json:"expiresAt"`
	Reason            string                    `json:"reason"`
	RequestedBy       string                    `json:"requestedBy"` // the subject of an access token, else the id of the key or token
	CreatedAt         bursar.Time               `json:"createdAt"`
	DecidedAt         *bursar.Time              `json:"decidedAt"`
	DecidedBy         string                    `json:"decidedBy"`
	Note              string                    `json:"note"`
	BoostID           string                    `json:"boostId"` // of one that is approved
	ApprovedAmount    *bursar.Amount            `json:"approvedAmount"`
	ApprovedExpiresAt *bursar.Time              `json:"approvedExpiresAt"`
	FundedBy          string                    `json:"fundedBy"`
}

// BoostApproval is the boost that is made of a request. What is left out is as was asked.
type BoostApproval struct {
	Amount    *bursar.Amount `json:"amount,omitempty"`
	ExpiresAt *bursar.Time   `json:"expiresAt,omitempty"`
	Note      string         `json:"note,omitempty"`
	FundedBy  string         `json:"fundedBy,omitempty"` // an entity above, whose limit has as much less while the boost lasts
}

// BoostRequestQuery selects boost requests; empty members do not filter.
type BoostRequestQuery struct {
	Status   bursar.BoostRequestStatus
	EntityID string
	Paging
}

// CreateBoostRequest asks that a limit be raised for a time.
func (c *Client) CreateBoostRequest(ctx context.Context, customer string, in BoostRequestInput) (BoostRequest, error) {
	return ask[BoostRequest](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "boost-requests"), in: in, key: keyFor("")})
}

// BoostRequests lists them, the newest first. The holder of a spend token sees its own.
func (c *Client) BoostRequests(ctx context.Context, customer string, in BoostRequestQuery) (Page[BoostRequest], error) {
	q := in.query()
	setNonEmpty(q, "status", string(in.Status))
	setNonEmpty(q, "entityId", in.EntityID)
	return list[BoostRequest](ctx, c, segments("customers", customer, "boost-requests"), q)
}

// BoostRequest reads one.
func (c *Client) BoostRequest(ctx context.Context, customer, id string) (BoostRequest, error) {
	return ask[BoostRequest](ctx, c, call{method: http.MethodGet, path: segments("customers", customer, "boost-requests", id)})
}

// ApproveBoostRequest makes the boost that was asked for, or another one.
func (c *Client) ApproveBoostRequest(ctx context.Context, customer, id string, in BoostApproval) (BoostRequest, error) {
	return c.answerBoostRequest(ctx, customer, id, "approve", in)
}

// DeclineBoostRequest refuses it, with a note for who asked.
func (c *Client) DeclineBoostRequest(ctx context.Context, customer, id, note string) (BoostRequest, error) {
	return c.answerBoostRequest(ctx, customer, id, "decline", struct {
		Note string `json:"note,omitempty"`
	}{note})
}

// WithdrawBoostRequest takes back what the same key or token has asked for.
func (c *Client) WithdrawBoostRequest(ctx context.Context, customer, id string) (BoostRequest, error) {
	return c.answerBoostRequest(ctx, customer, id, "withdraw", nil)
}

func (c *Client) answerBoostRequest(ctx context.Context, customer, id, answer string, in any) (BoostRequest, error) {
	return ask[BoostRequest](ctx, c, call{method: http.MethodPost, path: segments("customers", customer, "boost-requests", id, answer), in: in, key: keyFor("")})
}
