package sim

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/bursarhq/bursar"
)

// Calls: what an event would use is held for, consumed, or ends the reservation of it.

// heldPart is what of one feature a reservation of an event holds.
type heldPart struct {
	feature bursar.Capability
	amount  num
	costs   []heldCost
}

// mCall is what a reservation of an event has beside what every one has.
type mCall struct {
	kept    map[string]bursar.Time // unread usage that was to end it, by what was said
	props   []bursar.Dimension
	parts   []heldPart
	content string // of what it ended with
}

// part is what an event uses of one feature.
type part struct {
	feature *bursar.Feature
	amount  num
	costs   []charge
	prices  []price
	bounded bool // it is the most that there may be of a kind
}

func (m *model) metersOf(x bursar.EventInput) (list []*bursar.Feature) {
	for _, id := range sortedKeys(m.features) {
		if f := m.features[id]; f.ArchivedAt == nil && f.Meter != nil && f.Meter.EventName == x.EventName {
			list = append(list, f)
		}
	}
	return list
}

// partsOf is what of an event adds up, at the prices of an instant.
func (m *model) partsOf(all bursar.EventInput, priced bursar.Time, bounded ...string) (list []part) {
	for _, f := range m.metersOf(all) {
		x, most := atMost(f, all, bounded)
		if !takes(f.Meter, x) || extreme(f.Meter) || unreadable(f, x) {
			continue
		}
		p := part{feature: f, amount: numOf(bursar.AmountFromInt(1)), prices: m.pricesOf(f.ID, labelsOf(x.Dimensions), priced), bounded: most}
		if f.Meter.Aggregation.Function == "SUM" {
			p.amount = numOf(parse(property(x, f.Meter.Aggregation.Field).Value))
		}
		for _, pr := range p.prices {
			if pr.rate != nil {
				cost, _ := pr.cost(p.amount)
				p.costs = append(p.costs, charge{pr.currency, cost})
			}
		}
		list = append(list, p)
	}
	dearestOf(list)
	return list
}

// asksOfParts adds them up by capability, features before currencies; what is 0 is not asked.
func asksOfParts(list []part) []ask {
	var features, money []ask
	for _, p := range list {
		features = more(features, ask{featureOf(p.feature.ID), p.amount})
		for _, x := range p.costs {
			money = more(money, ask{currencyOf(x.currency), x.cost})
		}
	}
	slices.SortFunc(money, func(a, b ask) int { return compareText(a.cap.ID, b.cap.ID) })
	return append(features, money...)
}

func more(list []ask, x ask) []ask {
	if x.amount.sign() == 0 {
		return list
	}
	for i := range list {
		if list[i].cap == x.cap {
			list[i].amount = list[i].amount.add(x.amount)
			return list
		}
	}
	return append(list, x)
}

func shownAsks(list []ask) []bursar.CapabilityAmount {
	out := []bursar.CapabilityAmount{}
	for _, x := range list {
		out = append(out, bursar.CapabilityAmount{Capability: x.cap, Amount: x.amount.amount()})
	}
	return out
}

func costsOfAsks(list []ask) (out []bursar.Cost) {
	for _, x := range list {
		if x.cap.Kind == bursar.KindCurrency {
			out = append(out, bursar.Cost{CurrencyID: x.cap.ID, Amount: x.amount.amount()})
		}
	}
	return out
}

// decideCall judges all that an event asks for. A denial is about what denied.
func (c *mCust) decideCall(first bursar.Capability, asks []ask, a attribution, now bursar.Time) bursar.Decision {
	d := bursar.Decision{Granted: true, Capability: first}
	if d.Frozen = c.stopped(a.chains...); d.Frozen != nil {
		d.Granted, d.Reason = false, d.Frozen.Code
	} else if c.refused(a) {
		d.Granted, d.Reason = false, bursar.CodeEntityNotFound
	}
	for _, x := range asks {
		c.judgeGate(&d, c.gate(x, now))
	}
	d.Chains = c.chains(asks, a, now)
	d.Advice = c.advise(asks, d.Chains, a.model, now)
	for _, n := range slices.Concat(d.Chains...) {
		if n.Granted {
			continue
		}
		reason := bursar.CodeRequestedUsageExceeding
		if leftOf(numOf(*n.UsageLimit), numOf(n.CurrentUsage), numOf(n.Reserved), n.Highest).sign() == 0 {
			reason = bursar.CodeBudgetExceeded
		}
		deny(&d, reason, bursar.Binding{Source: bursar.BindingEntity, Node: n})
	}
	if len(asks) > 0 {
		d.Capability = asks[0].cap
	}
	if d.Binding != nil {
		d.Capability = d.Binding.Node.Capability
	}
	for _, x := range asks {
		if g := c.gate(x, now); x.cap == d.Capability {
			d.Gate = g
		} else if x.cap.Kind == bursar.KindCurrency {
			d.Costs = append(d.Costs, bursar.PricedGate{Cost: bursar.Cost{CurrencyID: x.cap.ID, Amount: x.amount.amount()}, Gate: g})
		}
	}
	return d
}

// tightest is the hard limit that has room for the fewest more of asks.
func (c *mCust) tightest(asks []ask, chains [][]bursar.Node, now bursar.Time) (least *bursar.Binding) {
	see := func(source bursar.BindingSource, n bursar.Node) {
		if n.UsageLimit == nil || n.Requested.Sign() <= 0 {
			return
		}
		left := numOf(*n.Remaining())
		if least == nil || product(left, numOf(least.Node.Requested)).Cmp(product(numOf(*least.Node.Remaining()), numOf(n.Requested))) < 0 {
			least = &bursar.Binding{Source: source, Node: n}
		}
	}
	for _, x := range asks {
		if g := c.gate(x, now); !g.Unlimited && !g.Soft {
			limit, source := g.UsageLimit, bursar.BindingCredits
			if x.cap.Kind == bursar.KindFeature {
				source = bursar.BindingCustomer
			}
			n := bursar.Node{Capability: x.cap, UsageLimit: &limit, CurrentUsage: g.CurrentUsage, Reserved: g.Reserved, Requested: g.Requested}
			if x.cap.Kind == bursar.KindFeature {
				n.ResetsAt = g.ResetsAt
			}
			see(source, n)
		}
	}
	for _, n := range slices.Concat(chains...) {
		if n.Enforcement == bursar.Hard {
			see(bursar.BindingEntity, n)
		}
	}
	return least
}

func product(a, b num) *big.Int { return new(big.Int).Mul(a.big(), b.big()) }

// called is an event that is to be reserved or consumed, judged.
type called struct {
	c     *mCust
	now   bursar.Time
	x     bursar.EventInput
	parts []part
	asks  []ask
	attribution
	before  bursar.Decision
	content string // of what was asked
	learned *bursar.Learned
}

// call judges an event. What was done under its key before is old.
func (m *model) call(customer string, in bursar.SpendInput, text func(bursar.EventInput) string, consumes bool) (o called, old *mKey, f *fail) {
	c, now := m.customer(customer)
	if c == nil {
		return o, nil, failed(bursar.CodeCustomerNotFound)
	}
	o = called{c: c, now: now, x: bursar.EventInput{CustomerID: customer, EventName: in.EventName, Dimensions: in.Dimensions, IdempotencyKey: in.IdempotencyKey, CallID: in.CallID}}
	c.log.tried(now)
	o.content = fmt.Sprint(text(o.x), in.Percentile)
	if k, known := c.keys[keyID{"event " + in.EventName, in.IdempotencyKey}]; known && in.IdempotencyKey != "" {
		if k.content != o.content {
			return o, nil, failed(bursar.CodeIdempotencyKeyReused)
		}
		return o, &k, nil
	}
	meters := m.metersOf(o.x)
	if len(meters) == 0 {
		return o, nil, failedAt("/eventName", bursar.CodeUnknownMeter)
	}
	switch done, known := c.doneOf(o.x); {
	case known && (done == nil || consumes):
		return o, nil, failedAt("/callId", bursar.CodeIdempotencyKeyReused)
	case known:
		return o, &mKey{hold: done}, nil
	}
	if c.info.ArchivedAt != nil {
		return o, nil, failed(bursar.CodeCustomerIsArchived)
	}
	var p problems
	m.judgeCall(&p, o.x, now, in.Bounded...)
	if f := p.err(); f != nil {
		return o, nil, f
	}
	c.begins(false)
	defer func() {
		if f != nil {
			c.goes()
		}
	}()
	if in.Percentile != 0 { // it will have some output, which is learned of those above a newcomer, too
		counted := o.x
		counted.Dimensions = append(slices.DeleteFunc(slices.Clone(in.Dimensions), func(d bursar.Dimension) bool { return d.Key == "tokens.output" }),
			bursar.Dimension{Key: "tokens.output", Value: "1", Kind: bursar.DimNumber})
		c.enrolEvent(counted, now)
	}
	o.attribution = c.attribute(labelsOf(in.Dimensions))
	o.learned, f = c.learnt(&o.x, in, o.attribution)
	if slices.ContainsFunc(meters, func(m *bursar.Feature) bool {
		x, _ := atMost(m, o.x, in.Bounded)
		return takes(m.Meter, x)
	}) {
		c.enrol(labelsOf(in.Dimensions), now)
		o.attribution = c.attribute(labelsOf(in.Dimensions))
	}
	for _, d := range in.Dimensions { // a number is no id
		if typ := m.typeNamed(d.Key); typ != "" && d.Kind == bursar.DimNumber {
			o.ignored = append(o.ignored, unnamed{d.Key, typ, d.Value, true})
		}
	}
	o.parts = m.partsOf(o.x, now, in.Bounded...)
	if without := withoutRate(o.parts, "/dimensions"); without != nil {
		return o, nil, without
	}
	if f != nil {
		return o, nil, f
	}
	o.strict = in.Strict
	o.asks = asksOfParts(o.parts)
	o.before = c.decideCall(featureOf(meters[0].ID), o.asks, o.attribution, now)
	c.denyUngoverned(&o.before, c.governsCall(o.x, o.attribution, now, in.Bounded...), o.attribution)
	c.enrolment.asks = !o.before.Granted
	o.before.Warnings = m.warningsOf(o.x, in.Bounded...)
	for _, part := range o.parts {
		if part.bounded {
			o.x = withKind(o.x, part.feature.Meter.Aggregation.Field, part.amount)
		}
	}
	if !o.before.Granted {
		return o, nil, denied(o.before)
	}
	c.done()
	return o, nil, nil
}

// judgeCall: an event that is held for or consumed takes nothing back.
func (m *model) judgeCall(p *problems, all bursar.EventInput, priced bursar.Time, bounded ...string) {
	for _, f := range m.metersOf(all) {
		x, _ := atMost(f, all, bounded)
		if !takes(f.Meter, x) {
			continue
		}
		judgeMeasure(p, f, x)
		if a := f.Meter.Aggregation; a.Function == "SUM" || a.Function == "MAX" {
			if d := property(x, a.Field); d != nil && d.Kind == bursar.DimNumber && parse(d.Value).Sign() < 0 {
				p.at("/dimensions/"+a.Field, bursar.CodeInvalidAmount)
			}
		}
	}
}

// withoutRate: nothing is held or consumed of what has a price, but none for what it is of.
func withoutRate(parts []part, at string) *fail {
	var p problems
	for _, x := range parts {
		if x.amount.sign() != 0 && !x.bounded && unpriced(x.prices) {
			p.at(at, bursar.CodeRateNotFound)
		}
	}
	return p.err()
}

func reserveContent(x bursar.EventInput) string { return "reserve " + eventContent(x) }

func (m *model) reserveCall(customer string, in bursar.SpendInput, ttl int, onExpire bursar.OnExpire) (bursar.Reservation, *fail) {
	if f := badTTL(ttl); f != nil {
		return bursar.Reservation{}, f
	}
	o, old, f := m.call(customer, in, reserveContent, false)
	if f != nil {
		return bursar.Reservation{}, f
	}
	c, now := o.c, o.now
	if old != nil {
		if id := (keyID{"event " + in.EventName, in.IdempotencyKey}); in.IdempotencyKey != "" && c.keys[id].hold == nil {
			c.keys[id] = mKey{content: o.content, at: now, hold: old.hold} // it is a key of that reservation too
			c.log.wrote(now)
		}
		return old.hold.show(true), nil
	}
	dims := labelsOf(in.Dimensions)
	h := &mHold{
		Reservation: bursar.Reservation{ID: m.newID("r"), CustomerID: customer, Dimensions: dims, Status: bursar.HoldOpen, OnExpire: onExpire,
			CreatedAt: now, ExpiresAt: now + bursar.Time(ttl)*1e9, Costs: costsOfAsks(o.asks),
			Event: &bursar.ReservedEvent{Name: in.EventName, Properties: sortedDims(o.x.Dimensions), Held: shownAsks(o.asks)}},
		ref: holdRef{"event " + in.EventName, in.IdempotencyKey}, route: o.route, plain: c.plain(dims), call: &mCall{props: o.x.Dimensions},
	}
	for _, p := range o.parts {
		if p.amount.sign() == 0 {
			continue
		}
		h.call.parts = append(h.call.parts, p.held())
	}
	for _, x := range o.asks {
		for _, r := range c.applying(x.cap, o.attribution) {
			h.rows = append(h.rows, r)
		}
	}
	c.hold(h, 1)
	c.holds, c.open = append(c.holds, h), append(c.open, h)
	c.log.wrote(now)
	if in.IdempotencyKey != "" {
		c.keys[keyID{"event " + in.EventName, in.IdempotencyKey}] = mKey{content: o.content, at: now, hold: h}
	}
	c.nameCall(o.x, h, now)
	shown := h.show(false)
	e := *shown.Event
	shown.Event, e.Learned = &e, o.learned
	after := o.after()
	after.Warnings = sortedTexts(append(after.Warnings, m.unheld(o.x, in)...))
	e.Tightest = c.tightest(o.asks, after.Chains, now)
	shown.Decision = &after
	return shown, nil
}

// after shows the limits once the event was granted.
func (o *called) after() bursar.Decision {
	chains := o.c.chains(o.asks, o.attribution, o.now)
	return verdict(o.before, bursar.Decision{Chains: chains, Advice: o.c.advise(o.asks, chains, o.model, o.now)})
}

func (m *model) consumeCall(customer string, in bursar.SpendInput) (bursar.ConsumeResult, *fail) {
	if in.Amount.Sign() < 0 {
		return bursar.ConsumeResult{}, failedAt("/amount", bursar.CodeInvalidAmount)
	}
	o, old, f := m.call(customer, in, eventContent, true)
	if f != nil {
		return bursar.ConsumeResult{}, f
	}
	if old != nil {
		r := old.consume
		r.Duplicate, r.EventName = true, in.EventName
		return r, nil
	}
	r := bursar.ConsumeResult{ID: m.newID("u"), EventName: in.EventName, Timestamp: o.now}
	asks := m.recordCall(o.c, o.x, o.now, o.now, o.now)
	r.Used, r.Costs = shownAsks(asks), costsOfAsks(asks)
	r.Decision = o.after()
	r.Tightest = o.c.tightest(o.asks, r.Decision.Chains, o.now)
	if !o.c.recorded(o.x) {
		r.ID = ""
	}
	counted := r.ID != "" && (in.Unread == nil || !m.measuresNothing(o.x))
	if counted {
		o.c.nameCall(o.x, nil, o.now)
	}
	o.c.keepUnread(o.x, in.Unread, o.now, o.now, o.now, nil, !counted && in.CallID != "")
	if in.IdempotencyKey != "" && r.ID != "" {
		o.c.keys[keyID{"event " + in.EventName, in.IdempotencyKey}] = mKey{content: o.content, at: o.now, consume: r}
	}
	return r, nil
}
