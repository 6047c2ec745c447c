package engine

import (
	"context"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

// Allocations lists limits without a scope, with what the limits below them add up to, in order
// of assignment IDs; next is the After of the following page, "" at the end.
func (e *Engine) Allocations(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.AllocationQuery) (out []ledger.Allocation, next string, version uint64, err error) {
	l := ledger.AllocationList{Q: &q, Out: []ledger.Allocation{}}
	version, err = e.readTurn(ctx, o, customer, l.On)
	return l.Out, l.Next, version, err
}

// PutAssignments creates or updates assignments, all or none. Pointers of errors begin
// with /assignments/i.
func (e *Engine) PutAssignments(ctx context.Context, c catalogue.Caller, customer string, in []bursar.AssignmentInput) ([]bursar.Assignment, uint64, error) {
	return govern[[]bursar.Assignment](ctx, e, &c, customer, &ledger.PutAssignments{Caller: c, In: in})
}

// DeleteAssignment removes an assignment with its counter and returns what it was.
func (e *Engine) DeleteAssignment(ctx context.Context, c catalogue.Caller, customer, id string) (bursar.Assignment, uint64, error) {
	return govern[bursar.Assignment](ctx, e, &c, customer, &ledger.DeleteAssignment{Caller: c, ID: id})
}

// Assignment reads one assignment.
func (e *Engine) Assignment(ctx context.Context, o ledger.ReadOptions, customer, id string) (bursar.Assignment, uint64, error) {
	return answer(ctx, e, o, customer, func(v *ledger.View) (bursar.Assignment, error) { return v.AssignmentOf(id) })
}

// CreateBoost raises an assignment's limit for a time.
func (e *Engine) CreateBoost(ctx context.Context, c catalogue.Caller, customer, assignmentID string, in bursar.BoostInput) (bursar.Boost, uint64, error) {
	return govern[bursar.Boost](ctx, e, &c, customer, &ledger.CreateBoost{Caller: c, Row: assignmentID, In: in})
}

// Boosts lists an assignment's boosts, ended ones too, by ID.
func (e *Engine) Boosts(ctx context.Context, o ledger.ReadOptions, customer, assignmentID string) ([]bursar.Boost, uint64, error) {
	return answer(ctx, e, o, customer, func(v *ledger.View) ([]bursar.Boost, error) { return v.BoostsOn(assignmentID) })
}

// EndBoost ends a boost now; one that has ended stays as it is.
func (e *Engine) EndBoost(ctx context.Context, c catalogue.Caller, customer, assignmentID, boostID string) (bursar.Boost, uint64, error) {
	return govern[bursar.Boost](ctx, e, &c, customer, &ledger.EndBoost{Caller: c, Row: assignmentID, ID: boostID})
}

// Assignments lists a customer's assignments, in order of their IDs.
func (e *Engine) Assignments(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.AssignmentQuery) (ledger.Page[bursar.Assignment], uint64, error) {
	l := ledger.AssignmentList{Q: &q}
	version, err := e.readTurn(ctx, o, customer, l.On)
	return l.Page, version, err
}
