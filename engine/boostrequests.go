package engine

import (
	"context"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
)

// BoostAsk is who asks for a boost, and of which limit. Dimensions and Allows are of a spend
// token: those of what it is used for, and what it may be used for.
type BoostAsk struct {
	In         bursar.BoostRequestInput
	Dimensions []bursar.Dimension
	Allows     func(bursar.Capability) bool
}

// AskBoost asks that a limit be raised for a time.
func (e *Engine) AskBoost(ctx context.Context, c catalogue.Caller, customer string, a BoostAsk) (bursar.BoostRequest, uint64, error) {
	return govern[bursar.BoostRequest](ctx, e, &c, customer, &ledger.AskBoost{Caller: c, In: a.In, Dimensions: a.Dimensions, Allows: a.Allows})
}

// ApproveBoost makes the boost that was asked for, or a larger or smaller one.
func (e *Engine) ApproveBoost(ctx context.Context, c catalogue.Caller, customer, id string, in bursar.BoostRequestDecision) (bursar.BoostRequest, uint64, error) {
	return govern[bursar.BoostRequest](ctx, e, &c, customer, &ledger.AnswerBoost{Caller: c, ID: id, Answer: record.Approved, In: in})
}

// DeclineBoost refuses what was asked for.
func (e *Engine) DeclineBoost(ctx context.Context, c catalogue.Caller, customer, id string, note *string) (bursar.BoostRequest, uint64, error) {
	return govern[bursar.BoostRequest](ctx, e, &c, customer, &ledger.AnswerBoost{Caller: c, ID: id, Answer: record.Declined, In: bursar.BoostRequestDecision{Note: note}})
}

// WithdrawBoost takes back what the caller asked for.
func (e *Engine) WithdrawBoost(ctx context.Context, c catalogue.Caller, customer, id string) (bursar.BoostRequest, uint64, error) {
	return govern[bursar.BoostRequest](ctx, e, &c, customer, &ledger.AnswerBoost{Caller: c, ID: id, Answer: record.Withdrawn})
}

// BoostRequest reads one that c sees.
func (e *Engine) BoostRequest(ctx context.Context, o ledger.ReadOptions, c catalogue.Caller, customer, id string) (bursar.BoostRequest, uint64, error) {
	return answer(ctx, e, o, customer, func(v *ledger.View) (bursar.BoostRequest, error) { return v.BoostRequest(id, &c) })
}

// BoostRequests lists those that q.By sees, the newest first.
func (e *Engine) BoostRequests(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.BoostRequestQuery) (ledger.Page[bursar.BoostRequest], uint64, error) {
	return answer(ctx, e, o, customer, func(v *ledger.View) (ledger.Page[bursar.BoostRequest], error) { return v.BoostRequests(&q), nil })
}
