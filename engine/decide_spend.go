package engine

import (
	"github.com/bursarhq/bursar"
)

// spend is a consume or a reservation that is asked for.
type spend struct {
	in  bursar.SpendInput // dimensions ordered by key
	key identity
}

// admit judges a spend. It returns its twin's place, or the rows it may charge.
func (d *decider) admit(o *spend) (*admitted, error) {
	c := d.cust()
	if c == nil {
		return nil, errNoCustomer
	}
	id := o.in.Capability.ID
	if o.in.Capability.Kind == bursar.KindCurrency {
		if d.cat.currencies[id] == nil {
			return nil, bursar.ErrorAt("/currencyId", bursar.CodeCurrencyNotFound, "there is no currency %q", id)
		}
	} else {
		f := d.cat.features[id]
		if f == nil {
			return nil, bursar.ErrorAt("/featureId", bursar.CodeFeatureNotFound, "there is no feature %q", id)
		}
		if f.Meter != nil && (f.Meter.Aggregation.Function == "MAX" || f.Meter.Aggregation.Function == "UNIQUE") {
			return nil, bursar.ErrorAt("/featureId", bursar.CodeValidationFailed,
				"the feature %q is a %s of events: it cannot be consumed or reserved", id, f.Meter.Aggregation.Function)
		}
	}
	e, err := d.known(o.key, d.now-keyMemory)
	if err != nil {
		return nil, err
	}
	if e != nil {
		if e.content != o.key.content {
			return nil, reused("/idempotencyKey", o.in.IdempotencyKey)
		}
		return nil, &seen{e.seq, e.index}
	}
	if c.ArchivedAt != nil {
		return nil, bursar.Errorf(bursar.CodeCustomerIsArchived, "the customer %q is archived", c.ID)
	}
	asks, unpriced, err := d.asksFor(d.cat, o.in.Capability, o.in.Amount, o.in.Dimensions, d.now)
	if err != nil {
		return nil, bursar.ErrorAt("/amount", bursar.CodeInvalidAmount, "%s", err.(*bursar.Error).Message)
	}
	if len(unpriced) > 0 {
		return nil, errNoRate(id, unpriced)
	}
	r := d.resolve(d.cat, o.in.Dimensions)
	chains, over := d.chains(&r, asks)
	j := d.judge(d.cat, asks, chains)
	j.Warnings = warnOver(asks, over, d.warnings(d.cat, &r, asks, nil, len(chains) > 0))
	if !j.Granted {
		return nil, &bursar.Error{Code: j.Reason, Message: denial(&j), Denial: &j}
	}
	if err := cannotCount(asks, over); err != nil {
		return nil, err
	}
	return &admitted{resolved: r, rows: d.withPromo(d.rowsOn(&r, asks[0].cap).rows, asks[0].cap), chains: chains, asks: asks, Decision: j}, nil
}

// admitted is a granted spend: what it is decided on.
type admitted struct {
	resolved
	rows   []uint32
	chains [][]uint32
	asks   []ask
	bursar.Decision
}

// denial explains a refusal in a sentence.
func denial(j *bursar.Decision) string {
	n := &j.Binding.Node
	where := "the customer's pool of " + n.Capability.String()
	switch j.Binding.Source {
	case bursar.BindingCustomer:
		where = "the customer's limit on " + n.Capability.String()
	case bursar.BindingEntity:
		where = "the limit of entity " + n.EntityID + " on " + n.Capability.String()
		if n.Label != "" {
			where += " (" + n.Label + ")"
		}
	}
	s := where + " is " + n.UsageLimit.String() + ", of which " + n.CurrentUsage.String() + " is used and " + n.Reserved.String() +
		" is held; " + n.Requested.String() + " more does not fit"
	if n.ResetsAt != 0 {
		s += " before it resets at " + n.ResetsAt.String()
	}
	return s
}

type consume struct{ spend }

func (o *consume) decide(d *decider) (any, error) {
	j, err := d.admit(&o.spend)
	if err != nil {
		return nil, err
	}
	cap := d.capFor(o.in.Capability)
	rec := &usageRec{op: opConsume, cap: cap, amount: o.in.Amount, timestamp: d.now, at: d.now, key: o.key, dims: o.in.Dimensions,
		combo: d.comboFor(o.in.Dimensions), path: j.path, delta: o.in.Amount, total: o.in.Amount}
	d.notePath(j.path)
	rec.charges = d.charges(j.rows, d.now, o.in.Amount, true)
	res := bursar.ConsumeResult{ID: formatID(d.nextID()), Capability: o.in.Capability, Amount: o.in.Amount, Timestamp: d.now, Costs: costsOf(j.asks)}
	of := len(d.recs)
	d.emit(rec)
	d.moveLevels(cap, rec.path, rec.delta)
	d.alertCharges(rec.charges)
	if c := o.in.Capability; c.Kind == bursar.KindCurrency && d.cat.prepaid(c.ID) {
		d.draw(cap, o.in.Amount, 0, of, drawConsumed, d.now)
	}
	d.chargeCosts(j.asks, of, cap, &j.resolved, o.in.Dimensions, d.now, true)
	for i := range j.asks {
		j.asks[i].cap = d.capOrd(j.asks[i].c) // it may be new
	}
	res.Decision = d.after(d.cat, j.asks, j.chains)
	res.Decision.Warnings = j.Warnings
	res.Credit = d.credit(d.cat, j.asks)
	return res, nil
}

// after is the state of the limits once asks have been granted.
func (v *view) after(cat *Catalogue, asks []ask, chains [][]uint32) bursar.Decision {
	out := v.nodes(chains, nil)
	d := bursar.Decision{Granted: true, Capability: asks[0].c, Chains: out, Gate: v.gate(cat, &asks[0])}
	for _, chain := range out {
		for i := range chain {
			for j := range asks {
				if asks[j].c == chain[i].Capability {
					chain[i].Requested = asks[j].amount
				}
			}
			chain[i].Granted = true
		}
	}
	for i := range asks[1:] {
		a := &asks[i+1]
		d.Costs = append(d.Costs, bursar.PricedGate{Cost: bursar.Cost{CurrencyID: a.c.ID, Amount: a.amount}, Gate: v.gate(cat, a)})
	}
	return d
}

type reserve struct {
	spend
	ttl    int // seconds
	settle bool
}

func (o *reserve) decide(d *decider) (any, error) {
	j, err := d.admit(&o.spend)
	if err != nil {
		return nil, err
	}
	cap := d.capFor(o.in.Capability)
	combo := d.comboFor(o.in.Dimensions)
	d.notePath(j.path)
	rec := &holdOpenRec{id: d.nextID(), cap: cap, amount: o.in.Amount, created: d.now,
		expires: d.now + bursar.Time(o.ttl)*1e9, settle: o.settle, key: o.key, dims: o.in.Dimensions, combo: combo, path: j.path, chains: j.chains}
	d.emit(rec)
	for i := range j.asks[1:] {
		a := &j.asks[i+1]
		d.emit(&holdCostRec{rec.id, heldCost{cap: d.capFor(a.c), card: a.price.card.ID, version: a.price.version,
			rate: bursar.Rate{Amount: a.price.rate.Amount, Per: a.price.rate.Per}, held: a.amount}})
	}
	out := d.reservationOut(d.cat, d.hold(rec.id))
	out.Decision.Warnings = j.Warnings
	return out, nil
}

// holdRows are the rows that a hold's own amount is charged on when it ends.
func (v *view) holdRows(h *hold) []uint32 { return v.withPromo(v.heldRows(h, h.cap), h.cap) }

// settleCosts records what the amount that ended a hold costs, at the price that the
// hold froze. of is the index of the record that ended it.
func (d *decider) settleCosts(h *hold, of int, amount bursar.Amount, at bursar.Time, now bool) {
	if c := d.capability(h.cap); c.Kind == bursar.KindCurrency && d.cat.prepaid(c.ID) {
		d.draw(h.cap, amount, 0, of, drawConsumed, at)
	}
	var plain []bursar.Dimension // as they were when the hold began
	if h.combo != 0 {
		plain = decodeCombo(d.view.combo(h.combo))
	}
	for i := range h.costs {
		c := &h.costs[i]
		cost, _ := c.rate.Cost(amount) // checked when the amount came
		if cost.IsZero() {
			continue
		}
		rec := &costRec{cap: c.cap, feature: h.cap, of: uint32(of), card: c.card, version: c.version, units: amount, amount: cost, total: cost,
			at: at, combo: d.costCombo(plain, d.capability(h.cap).ID), path: h.path, held: true, hold: h.id, dims: h.dims}
		rec.charges = d.charges(d.heldRows(h, c.cap), at, cost, now)
		d.emit(rec)
		d.alertCharges(rec.charges)
		if d.cat.prepaid(d.capability(c.cap).ID) {
			d.draw(c.cap, cost, h.cap, of, drawConsumed, at)
		}
	}
}

// reservationOut shows a hold with its chains as they stand now.
func (v *view) reservationOut(cat *Catalogue, h *hold) bursar.Reservation {
	h = v.shown(h)
	out := bursar.Reservation{ID: formatID(h.id), CustomerID: v.cust().ID, Capability: v.capability(h.cap), Amount: h.amount,
		Dimensions: v.seenDims(cat, h.dims), Status: h.status, OnExpire: bursar.ExpireRelease, CreatedAt: h.created, ExpiresAt: h.expires,
		ClosedAt: h.closed, LateCommit: h.late}
	if h.settle {
		out.OnExpire = bursar.ExpireSettle
	}
	if h.status == bursar.HoldCommitted || h.status == bursar.HoldExpired && h.settle {
		a := h.recorded
		out.CommittedAmount = &a
	}
	for _, c := range h.costs {
		amount := c.charged
		if h.status == bursar.HoldOpen {
			amount = c.held
		} else if out.CommittedAmount == nil {
			continue
		}
		if amount.IsZero() {
			continue
		}
		out.Costs = append(out.Costs, bursar.Cost{CurrencyID: v.capability(c.cap).ID, Amount: amount})
	}
	live := h.chains
	if live != nil {
		live = make([][]uint32, 0, len(h.chains))
		for _, c := range h.chains {
			var chain []uint32
			for _, ord := range c {
				if def := v.def(ord); def != nil && v.seesRow(def) {
					chain = append(chain, ord)
				}
			}
			if len(chain) > 0 {
				live = append(live, chain)
			}
		}
	}
	asks := []ask{{c: out.Capability, cap: h.cap, amount: h.amount}}
	for _, c := range h.costs {
		asks = append(asks, ask{c: v.capability(c.cap), cap: c.cap, amount: c.held})
	}
	after := v.after(cat, asks, live)
	out.Decision = &after
	return out
}

// closeHold is a commit, release or extension of one hold.
type closeHold struct {
	id     [16]byte
	action holdAction
	amount bursar.Amount // of a commit
	ttl    int           // seconds, of an extension
}

type holdAction uint8

const (
	holdCommit holdAction = iota
	holdRelease
	holdExtend
)

func (o *closeHold) decide(d *decider) (any, error) {
	if d.cust() == nil {
		return nil, errNoCustomer
	}
	h := d.shown(d.view.hold(o.id))
	if h == nil {
		var err error
		if h, err = d.savedHold(o.id); err != nil {
			return nil, err
		}
		if h == nil {
			return nil, errNoReservation(o.id)
		}
	}
	var err error
	var repeat bool
	switch o.action {
	case holdCommit:
		repeat, err = d.commitHold(h, o.amount)
	case holdRelease:
		repeat, err = d.releaseHold(h)
	default:
		err = d.extendHold(h, o.ttl)
	}
	if err != nil {
		return nil, err
	}
	if n := d.view.hold(o.id); n != nil {
		h = n
	}
	out := d.reservationOut(d.cat, h)
	out.Duplicate = repeat
	return out, nil
}

func errNoReservation(id [16]byte) error {
	return bursar.Errorf(bursar.CodeReservationNotFound, "there is no reservation %s", formatID(id))
}

func errClosed(h *hold, doing string) error {
	return bursar.Errorf(bursar.CodeReservationClosed, "the reservation %s is %s since %s: it cannot be %s", formatID(h.id), h.status, h.closed, doing)
}

func (d *decider) commitHold(h *hold, amount bursar.Amount) (repeat bool, err error) {
	switch h.status {
	case bursar.HoldCommitted:
		if h.recorded != amount {
			return false, bursar.Errorf(bursar.CodeReservationClosed, "the reservation %s was committed with %s; it cannot be committed again with %s",
				formatID(h.id), h.recorded, amount)
		}
		return true, nil
	case bursar.HoldReleased:
		return false, errClosed(h, "committed")
	case bursar.HoldExpired:
		if h.settle || d.now > h.created+bursar.MaxHoldLife {
			return false, errClosed(h, "committed")
		}
	}
	for _, c := range h.costs {
		if _, ok := c.rate.Cost(amount); !ok {
			return false, bursar.ErrorAt("/amount", bursar.CodeInvalidAmount, "%s would cost 10^15 %s or more", amount, d.capability(c.cap).ID)
		}
	}
	if open := d.view.hold(h.id); h.status == bursar.HoldExpired && open != nil && open.status == bursar.HoldOpen {
		d.expireHold(open) // its end is recorded before what comes late
	}
	rec := &holdCommitRec{closing: closing{id: h.id, at: d.now, amount: amount, charges: d.charges(d.holdRows(h), d.now, amount, true)}}
	if h.status == bursar.HoldExpired {
		rec.late = h
	}
	of := len(d.recs)
	d.emit(rec)
	d.moveLevels(h.cap, h.path, amount)
	d.alertCharges(rec.charges)
	if rec.late != nil {
		for _, c := range h.costs {
			d.emit(&holdCostRec{h.id, c})
		}
	}
	d.settleCosts(h, of, amount, d.now, true)
	return false, nil
}

func (d *decider) releaseHold(h *hold) (repeat bool, err error) {
	switch h.status {
	case bursar.HoldReleased, bursar.HoldExpired: // it holds nothing any more
		return true, nil
	case bursar.HoldOpen:
		d.emit(&holdFreeRec{h.id, d.now})
		return false, nil
	}
	return false, errClosed(h, "released")
}

func (d *decider) extendHold(h *hold, ttl int) error {
	if h.status != bursar.HoldOpen {
		return errClosed(h, "extended")
	}
	expires := d.now + bursar.Time(ttl)*1e9
	if expires > h.created+bursar.MaxHoldLife {
		return bursar.ErrorAt("/ttlSeconds", bursar.CodeValidationFailed, "a reservation lives at most 7 days from its creation, until %s", h.created+bursar.MaxHoldLife)
	}
	d.emit(&holdExtendRec{h.id, expires})
	return nil
}
