package engine

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/bursarhq/bursar"
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
func (e *Engine) Reprice(ctx context.Context, c Caller, in RepriceInput) (Repricing, error) {
	rp, err := e.repricer(ctx, c, &in)
	if err != nil {
		return Repricing{}, err
	}
	if in.CustomerID != "" {
		err = rp.customer(ctx, e, in.CustomerID)
	} else {
		err = rp.all(ctx, e, nil, func(CustomerPos) {})
	}
	return rp.out, err
}

// repricer begins a repricing, or says what is wrong with the request.
func (e *Engine) repricer(ctx context.Context, c Caller, in *RepriceInput) (*repricer, error) {
	c.Key = nil // it is of all commits together
	rp, err := newRepricer(e.cat.Load(), c, in, e.now())
	if err != nil || in.CustomerID == "" {
		return rp, err
	}
	_, err = e.readCustomer(ctx, ReadOptions{}, in.CustomerID, func(*view) error { return nil })
	if errors.Is(err, errNoCustomer) {
		err = bursar.ErrorAt("/customerId", bursar.CodeCustomerNotFound, "there is no customer %q", in.CustomerID)
	}
	return rp, err
}

// all reprices the customers after a place in their list, and tells of each that is done.
func (rp *repricer) all(ctx context.Context, e *Engine, after *CustomerPos, done func(CustomerPos)) error {
	const page = 100
	q := CustomerQuery{IncludeArchived: true, Limit: page, After: after}
	for {
		list, err := e.store.Customers(ctx, q)
		if err != nil {
			return e.unavailable(err)
		}
		for i := range list {
			if err := rp.customer(ctx, e, list[i].ID); err != nil {
				return err
			}
			q.After = &CustomerPos{list[i].CreatedAt, list[i].ID}
			done(*q.After)
		}
		if len(list) < page {
			return nil
		}
	}
}

// repricer is one run of Reprice.
type repricer struct {
	caller   Caller
	cat      *Catalogue
	card     *bursar.RateCard
	features map[string]*pricedBy // what the card prices
	instead  map[int]int          // by version that is corrected: the one that holds
	from, to bursar.Time          // [from, to), whole buckets
	apply    bool
	progress func(done, total uint64) // of the log of the customer being read; nil = nobody asks
	out      Repricing
	rows     int // of the customers in out
}

func newRepricer(cat *Catalogue, c Caller, in *RepriceInput, now bursar.Time) (*repricer, error) {
	rp := &repricer{caller: c, cat: cat, card: cat.cards[in.CardID], apply: in.Apply, from: in.From, to: in.To,
		features: map[string]*pricedBy{}, instead: map[int]int{}}
	if rp.card == nil {
		return nil, errNoCard(in.CardID)
	}
	if rp.to == 0 || rp.to > now {
		rp.to = now + 1 // now itself belongs to it
	}
	if rp.from >= rp.to {
		return nil, bursar.ErrorAt("/from", bursar.CodeValidationFailed, "from, %s, is not before to, %s", rp.from, rp.to)
	}
	rp.out = Repricing{CardID: in.CardID, Customers: []RepricedCustomer{}, Applied: in.Apply}
	earliest := rp.to
	for i := range slices.Backward(rp.card.Versions) { // what corrects comes later: it is known already
		v := &rp.card.Versions[i]
		if v.Corrects == 0 {
			continue
		}
		by := v.Version
		if last := rp.instead[by]; last != 0 {
			by = last
		}
		rp.instead[v.Corrects] = by
		if v.Corrects > rp.out.Version {
			rp.out.Version, rp.out.By = v.Corrects, by
		}
		earliest = min(earliest, rp.card.Versions[v.Corrects-1].EffectiveFrom)
	}
	if len(rp.instead) == 0 {
		return nil, bursar.Errorf(bursar.CodeValidationFailed, "no version of the rate card %q corrects another one; add a version with corrects first", in.CardID)
	}
	rp.from = bucketStart(max(rp.from, earliest)) // nothing was priced by the versions before that
	rp.to = bucketStart(rp.to + bucketWidth - 1)
	for feature, list := range cat.prices {
		for i := range list {
			if list[i].card == rp.card {
				rp.features[feature] = &list[i]
			}
		}
	}
	return rp, nil
}

// What a repricing shows of each customer ends with that many; sums go on.
const (
	maxRepricedCustomers = 1_000
	maxRepricedRows      = 10_000
)

func bucketStart(t bursar.Time) bursar.Time { return bursar.Time(bucketOf(t)) * bucketWidth }

// errReplan tells that the customer was repriced since the plan was made.
var errReplan = errors.New("repriced meanwhile")

// customer reprices one customer.
func (rp *repricer) customer(ctx context.Context, e *Engine, id string) error {
	effects := repriceEffects{rows: map[rowWindow]*RepricedRow{}}
	var first *repricePlan
	for range 8 {
		plan, err := rp.plan(ctx, e, id)
		if err != nil || plan == nil {
			return err
		}
		if first == nil || !effects.any {
			first = plan
		}
		if err = rp.carryOut(ctx, e, id, plan, &effects); err == nil {
			rp.report(id, first, &effects)
			return nil
		}
		if !errors.Is(err, errReplan) {
			return err
		}
	}
	return e.unavailable(errors.New("others keep repricing the customer"))
}

// maxRepriceRecords bounds what one commit of a repricing records.
const maxRepriceRecords = 2000

// carryOut does what was planned, a commit at a time, or a rehearsal of it.
func (rp *repricer) carryOut(ctx context.Context, e *Engine, id string, plan *repricePlan, effects *repriceEffects) error {
	upTo := plan.head
	rehearsal := &decider{view: newView(plan.frozen, max(plan.frozen.head.Now, e.now())), cat: rp.cat, quiet: true}
	for todo := plan.groups; len(todo) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, records := 0, 0
		for n < len(todo) && (n == 0 || records+todo[n].records() <= maxRepriceRecords) {
			records += todo[n].records()
			n++
		}
		o := &repriceOp{rp: rp, state: plan.state, upTo: upTo, groups: todo[:n]}
		var reply any
		var err error
		if rp.apply { // what is begun is waited for, so that the report has it
			reply, upTo, err = e.write(context.WithoutCancel(ctx), &rp.caller, id, o)
		} else {
			reply, err = o.record(rehearsal), rehearsal.fault
		}
		if err != nil {
			return err
		}
		effects.add(reply.(*repriceEffects))
		todo = todo[n:]
	}
	return nil
}

func (rp *repricer) report(id string, p *repricePlan, effects *repriceEffects) {
	rp.out.Records += p.records
	rp.out.Unmatched += p.unmatched
	rp.out.Was, rp.out.Is = rp.out.Was.Add(p.was), rp.out.Is.Add(p.is)
	if len(p.groups) == 0 {
		return
	}
	rp.out.Changed++
	rp.out.Pool = rp.out.Pool.Add(effects.pool)
	if len(rp.out.Customers) == maxRepricedCustomers {
		return
	}
	c := RepricedCustomer{CustomerID: id, Was: p.was, Is: p.is, Pool: effects.pool}
	for _, r := range effects.rows {
		if r.Was != r.Is {
			c.Rows = append(c.Rows, *r)
		}
	}
	slices.SortFunc(c.Rows, func(a, b RepricedRow) int {
		return cmp.Or(cmp.Compare(a.AssignmentID, b.AssignmentID), cmp.Compare(a.PeriodStart, b.PeriodStart))
	})
	if rp.rows += len(c.Rows); rp.rows <= maxRepricedRows {
		rp.out.Customers = append(rp.out.Customers, c)
	}
}

// repriceEffects is what corrections did to limits and the pool.
type repriceEffects struct {
	any  bool
	rows map[rowWindow]*RepricedRow
	pool bursar.Amount
}

type rowWindow struct {
	row   uint32
	start bursar.Time
}

func (x *repriceEffects) add(y *repriceEffects) {
	x.any = true
	x.pool = x.pool.Add(y.pool)
	for k, r := range y.rows {
		if old := x.rows[k]; old != nil {
			old.Is = r.Is
		} else {
			x.rows[k] = r
		}
	}
}

// repriceOp records corrections.
//
// It is decided only if no other repricing came after the plan was made. The state says
// which commit was the last to correct anything, but only of those applied since it was
// loaded: a checkpoint does not keep that. So the plan names the state, as it is in
// memory, that it was made from: everything that was in it when it was loaded is no
// later than the head up to which the plan has read the log.
type repriceOp struct {
	rp     *repricer
	state  *state
	upTo   uint64 // corrections up to this commit are known
	groups []repriceGroup
}

func (o *repriceOp) decide(d *decider) (any, error) {
	if d.state != o.state || d.corrected > o.upTo || d.correct {
		return nil, errReplan
	}
	return o.record(d), nil
}

func (o *repriceOp) record(d *decider) *repriceEffects {
	x := &repriceEffects{rows: map[rowWindow]*RepricedRow{}}
	cur := bursar.Capability{Kind: bursar.KindCurrency, ID: o.rp.card.CurrencyID}
	cap := d.capFor(cur)
	left := d.pool(cap).left()
	var change bursar.Amount
	for i := range o.groups {
		g := &o.groups[i]
		combo := uint32(0)
		if g.combo != "" {
			combo = d.comboOf(decodeCombo(g.combo), math.MaxInt)
		}
		rec := &costRec{cap: cap, feature: g.feature, card: o.rp.card.ID, version: g.version, amount: g.diff, at: g.at,
			combo: combo, path: g.steps(), correction: true, by: o.rp.instead[g.version]}
		for _, ord := range sortedOrds(g.rows) {
			for _, ch := range d.charges([]uint32{ord}, g.at, g.rows[ord], false) { // none if it is gone
				if ch.slot != slotNone && !ch.delta.IsZero() {
					rec.charges = append(rec.charges, ch)
				}
			}
		}
		rec.total = d.clampTotal(cap, g.diff)
		for j := range rec.charges {
			x.charge(d, &rec.charges[j])
		}
		d.emit(rec)
		d.alertCharges(rec.charges)
		if d.cat.prepaid(cur.ID) {
			d.draw(cap, rec.total, g.feature, 0, drawCorrection, d.now)
		}
		change = change.Add(g.diff)
	}
	x.pool = left.Sub(d.pool(cap).left())
	d.audit(&o.rp.caller, "rateCard.repriced", "rateCard", o.rp.card.ID, "", nil,
		map[string]any{"version": o.rp.out.Version, "by": o.rp.out.By, "from": o.rp.from, "to": o.rp.to, "corrections": len(o.groups), "change": change})
	return x
}

// charge notes what a charge is about to do.
func (x *repriceEffects) charge(d *decider, ch *charge) {
	def := d.def(ch.row)
	c := d.current(ch.row, def)
	k, used := rowWindow{ch.row, c.start}, c.used
	if ch.slot == slotPrevious {
		k.start, used = c.prevStart, c.prev
	}
	r := x.rows[k]
	if r == nil {
		r = &RepricedRow{AssignmentID: formatID(d.rowID(ch.row)), EntityID: d.ent(def.ent).id, PeriodStart: k.start, Was: used}
		x.rows[k] = r
	}
	r.Is = used.Add(ch.delta)
}
