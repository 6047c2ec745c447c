package engine

import (
	"context"
	"errors"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// Reprice recomputes what a corrected version of a rate card charged, as if the version
// that corrects it had been in force in its place. With Apply the differences are
// recorded: on the limits that the usage was charged on, where their windows are still
// open, on the customer's total and series, and on the pool.
//
// It needs no idempotency key and may be ended at any time: what was corrected already
// is found in the logs, so the same call once more does the rest and no part twice. In
// chains of corrections the last version holds. Usage that cost nothing, for its rate
// was 0 or there was none, is priced too.
func (e *Engine) Reprice(ctx context.Context, c catalogue.Caller, in ledger.RepriceInput) (ledger.Repricing, error) {
	rp, err := e.repricer(ctx, c, &in)
	if err != nil {
		return ledger.Repricing{}, err
	}
	if in.CustomerID != "" {
		err = e.repriceCustomer(ctx, rp, in.CustomerID)
	} else {
		err = e.repriceAll(ctx, rp, nil, func(store.CustomerPos) {})
	}
	return rp.Out, err
}

// repricer begins a repricing, or says what is wrong with the request.
func (e *Engine) repricer(ctx context.Context, c catalogue.Caller, in *ledger.RepriceInput) (*ledger.Repricer, error) {
	c.Key = nil // it is of all commits together
	rp, err := ledger.NewRepricer(e.cat.Load(), c, in, e.now())
	if err != nil || in.CustomerID == "" {
		return rp, err
	}
	_, err = e.readCustomer(ctx, ledger.ReadOptions{}, in.CustomerID, func(*ledger.View) error { return nil })
	if errors.Is(err, ledger.ErrNoCustomer) {
		err = bursar.ErrorAt("/customerId", bursar.CodeCustomerNotFound, "there is no customer %q", in.CustomerID)
	}
	return rp, err
}

// repriceAll reprices the customers after a place in the list of customers, and tells done
// of each.
func (e *Engine) repriceAll(ctx context.Context, rp *ledger.Repricer, after *store.CustomerPos, done func(store.CustomerPos)) error {
	const page = 100
	q := store.CustomerQuery{IncludeArchived: true, Limit: page, After: after}
	for {
		list, err := e.store.Customers(ctx, q)
		if err != nil {
			return e.unavailable(err)
		}
		for i := range list {
			if err := e.repriceCustomer(ctx, rp, list[i].ID); err != nil {
				return err
			}
			q.After = &store.CustomerPos{CreatedAt: list[i].CreatedAt, ID: list[i].ID}
			done(*q.After)
		}
		if len(list) < page {
			return nil
		}
	}
}

// repriceCustomer reprices one customer.
func (e *Engine) repriceCustomer(ctx context.Context, rp *ledger.Repricer, id string) error {
	effects := ledger.RepriceEffects{Rows: map[ledger.RowWindow]*ledger.RepricedRow{}}
	var first *ledger.RepricePlan
	for range 8 {
		plan, err := e.planRepricing(ctx, rp, id)
		if err != nil || plan == nil {
			return err
		}
		if first == nil || !effects.Any {
			first = plan
		}
		if err = e.repriceCarryOut(ctx, rp, id, plan, &effects); err == nil {
			rp.Report(id, first, &effects)
			return nil
		}
		if !errors.Is(err, ledger.ErrReplan) {
			return err
		}
	}
	return e.unavailable(errors.New("others keep repricing the customer"))
}

// repriceCarryOut records what was planned, one commit at a time. Without Apply it only
// rehearses that.
func (e *Engine) repriceCarryOut(ctx context.Context, rp *ledger.Repricer, id string, plan *ledger.RepricePlan, effects *ledger.RepriceEffects) error {
	upTo := plan.Head
	rehearsal := &ledger.Decider{View: ledger.NewView(plan.Snapshot, max(plan.Snapshot.Head.Now, e.now())), Cat: rp.Cat, Rehearsal: true}
	for todo := plan.Groups; len(todo) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, records := 0, 0
		for n < len(todo) && (n == 0 || records+todo[n].Records() <= ledger.MaxRepriceRecords) {
			records += todo[n].Records()
			n++
		}
		o := &ledger.RepriceOp{Rp: rp, State: plan.State, UpTo: upTo, Groups: todo[:n]}
		var reply any
		var err error
		if rp.Apply { // what is begun is waited for, so that the report has it
			reply, upTo, err = e.write(context.WithoutCancel(ctx), &rp.Caller, id, o)
		} else {
			reply, err = o.Record(rehearsal), rehearsal.Fault
		}
		if err != nil {
			return err
		}
		effects.Add(reply.(*ledger.RepriceEffects))
		todo = todo[n:]
	}
	return nil
}

// planRepricing reads a customer's log and plans the corrections. The plan is nil when the
// customer never used what the card prices.
func (e *Engine) planRepricing(ctx context.Context, rp *ledger.Repricer, id string) (*ledger.RepricePlan, error) {
	if err := e.recordTime(ctx, ledger.ReadOptions{}, id); err != nil {
		return nil, err
	}
	s := ledger.RepriceScan{Rp: rp, Customer: id, Holds: ledger.OpenHolds{}, Features: map[uint32]*catalogue.PricedBy{}, Groups: map[ledger.RepriceKey]*ledger.RepriceGroup{}}
	_, err := e.readCustomer(ctx, ledger.ReadOptions{}, id, func(v *ledger.View) error {
		for feature, p := range rp.Features {
			if cap := v.Caps.Ord(bursar.Capability{Kind: bursar.KindFeature, ID: feature}); cap != 0 {
				s.Features[cap] = p
			}
		}
		if len(s.Features) > 0 {
			s.Plan = &ledger.RepricePlan{State: v.State, Snapshot: v.State.Snapshot(), Head: v.Head.Seq}
		}
		return nil
	})
	if err != nil || s.Plan == nil {
		return nil, err
	}
	s.Cap = s.Plan.Snapshot.Caps.Ord(bursar.Capability{Kind: bursar.KindCurrency, ID: rp.Card.CurrencyID})
	if _, whole, err := e.logSince(ctx, id, s.Plan.Head, rp.From); err != nil {
		return nil, err
	} else if !whole {
		return nil, ledger.ErrTrimmed(id, rp.From)
	}
	// Usage is not later than its commit; holds that ended since were made at most so much
	// earlier; late usage and corrections may be anywhere after.
	after, _, err := e.logSince(ctx, id, s.Plan.Head, rp.From-bursar.MaxHoldLife)
	if err != nil {
		return nil, err
	}
	if err := e.scanLog(ctx, id, after, s.Plan.Head, rp.Progress, s.Row); err != nil {
		return nil, err
	}
	s.Finish()
	return s.Plan, nil
}
