package engine

import (
	"context"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/record"
)

// Allocations lists node-wide limits with what the limits below them add up to, in order
// of assignment IDs; next is the After of the following page, "" at the end.
func (e *Engine) Allocations(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.AllocationQuery) (out []ledger.Allocation, next string, version uint64, err error) {
	l := ledger.AllocationList{Q: &q, At: -1, Out: []ledger.Allocation{}}
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
func (e *Engine) Assignment(ctx context.Context, o ledger.ReadOptions, customer, id string) (out bursar.Assignment, version uint64, err error) {
	version, err = e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
		ord := v.FindRowID(id)
		if ord == 0 {
			return ledger.ErrNoAssignment(id)
		}
		out = v.AssignmentOut(ord)
		return nil
	})
	return out, version, err
}

// CreateBoost raises an assignment's limit for a time.
func (e *Engine) CreateBoost(ctx context.Context, c catalogue.Caller, customer, assignmentID string, in bursar.BoostInput) (bursar.Boost, uint64, error) {
	return govern[bursar.Boost](ctx, e, &c, customer, &ledger.CreateBoost{Caller: c, Row: assignmentID, In: in})
}

// Boosts lists an assignment's boosts, ended ones too, by ID.
func (e *Engine) Boosts(ctx context.Context, o ledger.ReadOptions, customer, assignmentID string) ([]bursar.Boost, uint64, error) {
	out := []bursar.Boost{}
	version, err := e.readCustomer(ctx, o, customer, func(v *ledger.View) error {
		ord := v.FindRowID(assignmentID)
		if ord == 0 {
			return ledger.ErrNoAssignment(assignmentID)
		}
		for _, b := range v.BoostsOf(ord) {
			out = append(out, ledger.BoostOut(v.RowID(ord), b))
		}
		return nil
	})
	return out, version, err
}

// EndBoost ends a boost now; one that has ended stays as it is.
func (e *Engine) EndBoost(ctx context.Context, c catalogue.Caller, customer, assignmentID, boostID string) (bursar.Boost, uint64, error) {
	return govern[bursar.Boost](ctx, e, &c, customer, &ledger.EndBoost{Caller: c, Row: assignmentID, ID: boostID})
}

// Assignments lists a customer's assignments, in order of their IDs.
func (e *Engine) Assignments(ctx context.Context, o ledger.ReadOptions, customer string, q ledger.AssignmentQuery) (p ledger.Page[bursar.Assignment], version uint64, err error) {
	at, step := -1, 1
	p.Items = []bursar.Assignment{}
	version, err = e.readTurn(ctx, o, customer, func(v *ledger.View) error {
		ent, cap := v.EntOrd(q.EntityID), v.CapOrd(q.Capability)
		if q.EntityID != "" && ent == 0 || q.Capability.ID != "" && cap == 0 {
			return nil
		}
		ok := func(def *record.Limit) bool {
			return def != nil && def.Ent != 0 && (ent == 0 || def.Ent == ent) && (cap == 0 || def.Cap == cap) && (q.Label == nil || def.Label == *q.Label) && v.SeesRow(def)
		}
		if at < 0 {
			at, step = v.RowPosition(&q.ListPage)
		}
		for ; at >= 1 && at < len(v.Rows) && len(p.Items) <= q.Limit; at += step {
			if v.Tired() {
				return ledger.ErrGoOn
			}
			v.Visits++
			if ok(v.Rows[at]) {
				p.Items = append(p.Items, v.AssignmentOut(uint32(at)))
			}
		}
		if step < 0 {
			slices.Reverse(p.Items)
		}
		p.Cut(q.Limit, q.After != nil, q.Before != nil)
		return nil
	})
	return p, version, err
}
