package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/bursarhq/bursar"
)

// Check answers questions, all from one snapshot of the customer. A customer, feature
// or currency that is missing or archived is a denial, not an error.
func (e *Engine) Check(ctx context.Context, o ReadOptions, customer string, in []CheckInput) ([]bursar.Decision, uint64, error) {
	out := make([]bursar.Decision, len(in))
	version, err := e.read(ctx, o, customer, func(v *view) error {
		cat := e.cat.Load()
		for i := range in {
			q := in[i]
			q.Dimensions = sortDims(q.Dimensions)
			out[i] = v.check(cat, &q)
		}
		return nil
	})
	return out, version, err
}

// ReportUsage records a report, whole or not at all for each customer, after all items
// of all customers were found good. It gives the versions of the customers.
func (e *Engine) ReportUsage(ctx context.Context, c Caller, in []bursar.UsageInput) ([]bursar.UsageResult, map[string]uint64, error) {
	return e.report(ctx, c, "/usages", opUsage, in)
}

// ReportConsumption records that currencies were consumed, without a gate, as ReportUsage
// does for features. base is where in the request the items are: "/consumptions", or ""
// when the body is the only item. Items have CurrencyID in place of FeatureID.
func (e *Engine) ReportConsumption(ctx context.Context, c Caller, base string, in []bursar.UsageInput) ([]bursar.UsageResult, map[string]uint64, error) {
	return e.report(ctx, c, base, opConsumption, in)
}

func (e *Engine) report(ctx context.Context, c Caller, base string, o operation, in []bursar.UsageInput) ([]bursar.UsageResult, map[string]uint64, error) {
	byCustomer := map[string]*reportUsage{}
	var order []string
	for i := range in {
		it := usageItem{index: i, in: in[i]}
		it.in.Dimensions = sortDims(it.in.Dimensions)
		it.in.Behavior = cmp.Or(it.in.Behavior, bursar.Delta)
		if it.in.IdempotencyKey != "" {
			c := it.in.Capability()
			it.key = keyOf(&e.secret, targetOf(c), it.in.IdempotencyKey, contentOf(o, c, it.in.Value, it.in.Behavior == bursar.Set, it.in.Dimensions))
		}
		r := byCustomer[it.in.CustomerID]
		if r == nil {
			r = &reportUsage{base: base, op: o}
			byCustomer[it.in.CustomerID] = r
			order = append(order, it.in.CustomerID)
		}
		r.items = append(r.items, it)
	}
	slices.Sort(order)
	if len(order) > 1 {
		if err := rehearseAll(ctx, e, order, byCustomer); err != nil {
			return nil, nil, err
		}
	}
	out := make([]bursar.UsageResult, len(in))
	versions := make(map[string]uint64, len(order))
	var mu sync.Mutex
	err := e.writeAll(order, func(id string) error {
		reply, version, err := e.write(ctx, &c, id, byCustomer[id])
		if err != nil {
			return err
		}
		mu.Lock()
		versions[id] = version
		mu.Unlock()
		e.noteUnpriced(byCustomer[id].unpriced)
		return e.fillUsage(ctx, id, byCustomer[id], reply.([]recorded), out)
	})
	if err != nil {
		return nil, nil, err
	}
	return out, versions, nil
}

// writeAll writes what a report has of several customers, at once, so that they share
// batches. A customer that refuses what was found good is another than it was a moment
// ago: sent again the report is checked again, and what was recorded is so once.
func (e *Engine) writeAll(order []string, write func(id string) error) error {
	errs := together(order, write)
	for i, err := range errs {
		if err != nil && len(order) > 1 && isRefusal(err) {
			err = e.unavailable(fmt.Errorf("customer %q changed after a report on several customers was checked: %w", order[i], err))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// together calls f for each id at once. A panic is the error of its id.
func together(ids []string, f func(id string) error) []error {
	errs := make([]error, len(ids))
	if len(ids) == 1 {
		errs[0] = f(ids[0])
		return errs
	}
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				}
			}()
			errs[i] = f(id)
		})
	}
	all.Wait()
	return errs
}

func isRefusal(err error) bool {
	var b *bursar.Error
	return errors.As(err, &b)
}

// rehearseAll gathers what is wrong with the items of all customers.
func rehearseAll[O op](ctx context.Context, e *Engine, order []string, reports map[string]O) error {
	var all bursar.Error
	for _, err := range together(order, func(id string) error { return e.rehearse(ctx, id, reports[id]) }) {
		var refused *bursar.Error
		switch {
		case err == nil:
		case errors.As(err, &refused) && len(refused.Fields) > 0:
			all.Fields = append(all.Fields, refused.Fields...)
		default:
			return err
		}
	}
	if len(all.Fields) == 0 {
		return nil
	}
	slices.SortStableFunc(all.Fields, func(a, b bursar.FieldError) int { return cmp.Compare(itemOf(a), itemOf(b)) })
	all.Code, all.Message = all.Fields[0].Code, all.Fields[0].Detail
	return &all
}

// itemOf is the index in a pointer such as /usages/12/value.
func itemOf(f bursar.FieldError) int {
	_, rest, _ := strings.Cut(f.Pointer[1:], "/")
	number, _, _ := strings.Cut(rest, "/")
	n, _ := strconv.Atoi(number)
	return n
}

// rehearse finds out what is wrong with a request, without recording it.
func (e *Engine) rehearse(ctx context.Context, customer string, o op) error {
	var f *facts
	for {
		var err error
		_, rerr := e.read(ctx, ReadOptions{}, customer, func(v *view) error {
			d := &decider{view: v, cat: e.cat.Load(), horizon: e.o.LateHorizon, facts: f, quiet: true}
			_, err = d.attempt(o)
			return nil
		})
		if rerr != nil {
			return rerr
		}
		var n *needs
		if !errors.As(err, &n) {
			return err
		}
		if f, err = e.fetch(ctx, customer, n, f); err != nil {
			return err
		}
	}
}

// fillUsage puts the replies in the order of the request, and into duplicates what was
// recorded the first time.
func (e *Engine) fillUsage(ctx context.Context, customer string, r *reportUsage, reply []recorded, out []bursar.UsageResult) error {
	var row *logRow // the one read last: a report that is sent again is in one commit
	for i := range reply {
		res := &reply[i].result
		if at := reply[i].seen; at != nil {
			if row == nil || row.Head.Seq != at.seq {
				var err error
				if row, err = e.readRow(ctx, customer, at.seq); err != nil {
					return err
				}
			}
			p, err := row.at(at)
			if err != nil {
				return err
			}
			rec, ok := p.record.(*usageRec)
			if !ok {
				return fmt.Errorf("%w: not a usage record", errRecord)
			}
			res.ID, res.Timestamp, res.CreatedAt = p.id(), rec.timestamp, p.row.Head.Now
			if err := e.fillCosts(ctx, customer, &p, res); err != nil {
				return err
			}
		}
		out[r.items[i].index] = *res
	}
	return nil
}

// fillCosts puts into a duplicate what it cost the first time, and the balance of the
// first prepaid currency among that.
func (e *Engine) fillCosts(ctx context.Context, customer string, p *placed, res *bursar.UsageResult) (err error) {
	if res.Costs, err = e.costsBefore(ctx, customer, p); err != nil {
		return err
	}
	cat := e.cat.Load()
	i := slices.IndexFunc(res.Costs, func(c bursar.Cost) bool { return cat.prepaid(c.CurrencyID) })
	if i < 0 {
		return nil
	}
	_, err = e.read(ctx, ReadOptions{}, customer, func(v *view) error {
		b := v.balance(bursar.Capability{Kind: bursar.KindCurrency, ID: res.Costs[i].CurrencyID})
		b.Consumed = &bursar.Amount{}
		res.Credit = &b
		return nil
	})
	return err
}

// costsBefore is what a usage that was recorded before cost at the time.
func (e *Engine) costsBefore(ctx context.Context, customer string, p *placed) (out []bursar.Cost, err error) {
	_, err = e.read(ctx, ReadOptions{}, customer, func(v *view) error {
		for _, r := range p.row.recs[p.index+1:] {
			if c, ok := r.(*costRec); ok && int(c.of) == p.index {
				out = append(out, bursar.Cost{CurrencyID: v.capability(c.cap).ID, Amount: c.amount})
			}
		}
		return nil
	})
	return out, err
}

func (e *Engine) spendOf(o operation, in bursar.SpendInput) spend {
	in.Dimensions = sortDims(in.Dimensions)
	s := spend{in: in}
	if in.IdempotencyKey != "" {
		s.key = keyOf(&e.secret, targetOf(in.Capability), in.IdempotencyKey, contentOf(o, in.Capability, in.Amount, false, in.Dimensions))
	}
	return s
}

// Consume checks and records in one step. A denial is a *bursar.Error with Denial set.
func (e *Engine) Consume(ctx context.Context, c Caller, customer string, in bursar.SpendInput) (res bursar.ConsumeResult, version uint64, err error) {
	if in.Amount.Sign() < 0 {
		return res, 0, bursar.ErrorAt("/amount", bursar.CodeInvalidAmount, "an amount is 0 or more")
	}
	s := e.spendOf(opConsume, in)
	reply, version, err := e.write(ctx, &c, customer, &consume{s})
	var twin *seen
	if errors.As(err, &twin) {
		return e.consumedBefore(ctx, customer, &s, twin)
	}
	if err != nil {
		return res, version, err
	}
	return reply.(bursar.ConsumeResult), version, nil
}

func (e *Engine) consumedBefore(ctx context.Context, customer string, s *spend, twin *seen) (res bursar.ConsumeResult, version uint64, err error) {
	p, err := e.recordAt(ctx, customer, twin)
	if err != nil {
		return res, 0, err
	}
	rec, ok := p.record.(*usageRec)
	if !ok {
		return res, 0, fmt.Errorf("%w: not a consumption", errRecord)
	}
	res = bursar.ConsumeResult{ID: p.id(), Capability: s.in.Capability, Amount: rec.amount, Timestamp: rec.timestamp, Duplicate: true}
	if res.Costs, err = e.costsBefore(ctx, customer, &p); err != nil {
		return res, 0, err
	}
	version, err = e.readCustomer(ctx, ReadOptions{}, customer, func(v *view) error {
		cat := e.cat.Load()
		asks, unpriced, err := v.asksFor(cat, s.in.Capability, rec.amount, s.in.Dimensions, rec.timestamp)
		if err != nil {
			return err
		}
		for i := range asks[1:] { // as they were charged
			asks[i+1].amount = bursar.Amount{}
			for _, cost := range res.Costs {
				if cost.CurrencyID == asks[i+1].c.ID {
					asks[i+1].amount = cost.Amount
				}
			}
		}
		r := v.resolve(cat, s.in.Dimensions)
		chains, over := v.chains(&r, asks)
		res.Decision = v.after(cat, asks, chains)
		res.Decision.Warnings = warnOver(asks, over, v.warnings(cat, &r, asks, unpriced, len(chains) > 0))
		if res.Credit = v.credit(cat, asks); res.Credit != nil {
			res.Credit.Consumed = &bursar.Amount{}
		}
		return nil
	})
	return res, version, err
}

// Reserve holds an amount on every limit of its path for ttlSeconds. A denial is a
// *bursar.Error with Denial set and holds nothing.
func (e *Engine) Reserve(ctx context.Context, c Caller, customer string, in bursar.SpendInput, ttlSeconds int, onExpire bursar.OnExpire) (res bursar.Reservation, version uint64, err error) {
	if in.Amount.Sign() <= 0 {
		return res, 0, bursar.ErrorAt("/amount", bursar.CodeInvalidAmount, "a reservation is of more than 0")
	}
	if ttlSeconds < bursar.MinHoldTTL || ttlSeconds > bursar.MaxHoldTTL {
		return res, 0, bursar.ErrorAt("/ttlSeconds", bursar.CodeValidationFailed, "ttlSeconds is %d to %d", bursar.MinHoldTTL, bursar.MaxHoldTTL)
	}
	reply, version, err := e.write(ctx, &c, customer, &reserve{e.spendOf(opReserve, in), ttlSeconds, onExpire == bursar.ExpireSettle})
	var twin *seen
	if errors.As(err, &twin) {
		p, err := e.recordAt(ctx, customer, twin)
		if err != nil {
			return res, 0, err
		}
		rec, ok := p.record.(*holdOpenRec)
		if !ok {
			return res, 0, fmt.Errorf("%w: not a reservation", errRecord)
		}
		res, version, err = e.Reservation(ctx, ReadOptions{}, customer, formatID(rec.id))
		if err == nil {
			err = e.warnAgain(ctx, customer, &in, &res)
		}
		res.Duplicate = true
		return res, version, err
	}
	if err != nil {
		return res, version, err
	}
	return reply.(bursar.Reservation), version, nil
}

// warnAgain puts into a reservation that was made before what would be warned of now: its
// first reply may have been lost.
func (e *Engine) warnAgain(ctx context.Context, customer string, in *bursar.SpendInput, res *bursar.Reservation) error {
	dims := sortDims(in.Dimensions)
	_, err := e.readCustomer(ctx, ReadOptions{}, customer, func(v *view) error {
		cat := e.cat.Load()
		asks, unpriced, err := v.asksFor(cat, in.Capability, in.Amount, dims, v.now)
		if err != nil {
			return err
		}
		r := v.resolve(cat, dims)
		chains, over := v.chains(&r, asks)
		res.Decision.Warnings = warnOver(asks, over, v.warnings(cat, &r, asks, unpriced, len(chains) > 0))
		return nil
	})
	return err
}

// CommitReservation records what was used, even above the hold, and frees the rest.
func (e *Engine) CommitReservation(ctx context.Context, c Caller, customer, id string, amount bursar.Amount) (bursar.Reservation, uint64, error) {
	if amount.Sign() < 0 {
		return bursar.Reservation{}, 0, bursar.ErrorAt("/amount", bursar.CodeInvalidAmount, "an amount is 0 or more")
	}
	return e.changeHold(ctx, &c, customer, id, closeHold{action: holdCommit, amount: amount})
}

// ReleaseReservation frees what is held. One that was released or has expired holds
// nothing: it stays as it is.
func (e *Engine) ReleaseReservation(ctx context.Context, c Caller, customer, id string) (bursar.Reservation, uint64, error) {
	return e.changeHold(ctx, &c, customer, id, closeHold{action: holdRelease})
}

// ExtendReservation lets an open hold expire ttlSeconds from now, at most 7 days from
// its creation.
func (e *Engine) ExtendReservation(ctx context.Context, c Caller, customer, id string, ttlSeconds int) (bursar.Reservation, uint64, error) {
	if ttlSeconds < bursar.MinHoldTTL || ttlSeconds > bursar.MaxHoldTTL {
		return bursar.Reservation{}, 0, bursar.ErrorAt("/ttlSeconds", bursar.CodeValidationFailed, "ttlSeconds is %d to %d", bursar.MinHoldTTL, bursar.MaxHoldTTL)
	}
	return e.changeHold(ctx, &c, customer, id, closeHold{action: holdExtend, ttl: ttlSeconds})
}

func (e *Engine) changeHold(ctx context.Context, c *Caller, customer, id string, o closeHold) (res bursar.Reservation, version uint64, err error) {
	u, ok := parseID(id)
	if !ok {
		return res, 0, bursar.Errorf(bursar.CodeReservationNotFound, "there is no reservation %.64q", id)
	}
	o.id = u
	return govern[bursar.Reservation](ctx, e, c, customer, &o)
}
