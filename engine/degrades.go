package engine

import (
	"context"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// PutDegradePolicies creates degrade policies or gives them other steps, all or none. Pointers of
// errors begin with /policies/i.
func (e *Engine) PutDegradePolicies(ctx context.Context, c catalogue.Caller, customer string, in []bursar.DegradePolicyInput) ([]bursar.DegradePolicy, uint64, error) {
	return govern[[]bursar.DegradePolicy](ctx, e, &c, customer, &ledger.PutDegrades{Caller: c, In: in})
}

// DeleteDegradePolicy removes a degrade policy and returns what it was.
func (e *Engine) DeleteDegradePolicy(ctx context.Context, c catalogue.Caller, customer, id string) (bursar.DegradePolicy, uint64, error) {
	return govern[bursar.DegradePolicy](ctx, e, &c, customer, &ledger.DeleteDegrade{Caller: c, ID: id})
}

// DegradePolicies lists a customer's degrade policies, in order of creation.
func (e *Engine) DegradePolicies(ctx context.Context, o ledger.ReadOptions, customer string) ([]bursar.DegradePolicy, uint64, error) {
	return answer(ctx, e, o, customer, func(v *ledger.View) ([]bursar.DegradePolicy, error) { return v.DegradePolicies(), nil })
}
