package sim

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// raiseCall holds what a reservation of an event is expected to use more. Of what it holds
// already the limits are those that it is on, of all else those that apply now.
func (m *model) raiseCall(customer, id string, plus []bursar.Dimension, ttl int) (bursar.Reservation, *fail) {
	if ttl != 0 && badTTL(ttl) != nil {
		return bursar.Reservation{}, badTTL(ttl)
	}
	c, now, h, f := m.findHold(customer, id)
	if f != nil {
		return bursar.Reservation{}, f
	}
	c.log.tried(now)
	until := now + bursar.Time(ttl)*1e9
	switch {
	case h.Status != bursar.HoldOpen:
		return bursar.Reservation{}, failed(bursar.CodeReservationClosed)
	case ttl != 0 && until > h.CreatedAt+holdLife:
		return bursar.Reservation{}, failedAt("/ttlSeconds", bursar.CodeValidationFailed)
	case h.call == nil:
		return bursar.Reservation{}, failedAt("/tokens", bursar.CodeValidationFailed)
	case c.info.ArchivedAt != nil:
		return bursar.Reservation{}, failed(bursar.CodeCustomerIsArchived)
	}
	x := bursar.EventInput{CustomerID: customer, EventName: h.Event.Name}
	if len(m.metersOf(x)) == 0 {
		return bursar.Reservation{}, failedAt("/tokens", bursar.CodeUnknownMeter)
	}
	var adds bool
	if x.Dimensions, adds = withMore(h.call.props, plus); !adds {
		return bursar.Reservation{}, failedAt("/tokens", bursar.CodeValidationFailed)
	}
	var p problems
	m.judgeBegun(&p, x)
	for i := range p.list {
		p.list[i].rest = strings.Replace(p.list[i].rest, "/dimensions/", "/tokens/", 1)
	}
	if f := p.err(); f != nil {
		return bursar.Reservation{}, f
	}
	grown := h.grown(m.partsOf(x, h.CreatedAt))
	if f := withoutRate(grown, "/tokens"); f != nil {
		return bursar.Reservation{}, f
	}
	asks, had := asksOfParts(grown), h.asks()
	if !c.fitsMore(h, asks, had, now) {
		return bursar.Reservation{}, denied(bursar.Decision{})
	}
	c.hold(h, -1)
	for _, k := range asks {
		if !holdsOf(had, k.cap) {
			for _, r := range c.applying(k.cap, c.attribute(h.Dimensions)) {
				h.rows = append(h.rows, r)
			}
		}
	}
	for _, g := range m.partsOf(x, h.CreatedAt) {
		h.grow(g)
	}
	c.hold(h, 1)
	e := *h.Event
	h.call.props, e.Properties, e.Held = x.Dimensions, sortedDims(x.Dimensions), shownAsks(h.asks())
	h.Event, h.Costs = &e, costsOfAsks(h.asks())
	if ttl != 0 {
		h.ExpiresAt = until
	}
	c.log.wrote(now)
	return h.show(false), nil
}

// withMore is dims with measures that are more by those of plus; not ok if one is no number.
func withMore(dims, plus []bursar.Dimension) (out []bursar.Dimension, ok bool) {
	out = slices.Clone(dims)
	for _, p := range plus {
		i := slices.IndexFunc(out, func(d bursar.Dimension) bool { return d.Key == p.Key })
		if i < 0 {
			out = append(out, p)
			continue
		}
		if _, err := bursar.ParseAmount([]byte(out[i].Value)); err != nil {
			return nil, false
		}
		out[i].Value = numOf(parse(out[i].Value)).add(numOf(parse(p.Value))).amount().String()
	}
	return out, true
}

func (p *part) held() heldPart {
	h := heldPart{feature: featureOf(p.feature.ID), amount: p.amount}
	i := 0
	for _, pr := range p.prices {
		if pr.rate != nil {
			h.costs = append(h.costs, heldCost{pr.currency, pr, p.costs[i].cost})
			i++
		}
	}
	return h
}

// part is what h holds of a feature, nothing if nothing.
func (h *mHold) part(feature string) (at int, p heldPart) {
	at = slices.IndexFunc(h.call.parts, func(x heldPart) bool { return x.feature.ID == feature })
	if at >= 0 {
		p = h.call.parts[at]
	}
	return at, p
}

// grow takes a part in where it is more than what is held.
func (h *mHold) grow(p part) {
	switch at, had := h.part(p.feature.ID); {
	case p.amount.cmp(had.amount) <= 0:
	case at >= 0:
		h.call.parts = slices.Clone(h.call.parts)
		h.call.parts[at] = p.held()
		for i, c := range h.call.parts[at].costs { // where another kind stands for it, that goes on
			for _, old := range had.costs {
				if old.currency == c.currency {
					before, _ := old.price.cost(had.amount)
					h.call.parts[at].costs[i].held = notBelowZero(old.held.add(c.held.sub(before)))
				}
			}
		}
	default:
		h.call.parts = append(h.call.parts, p.held())
	}
}

// grown is by how much the parts are more than what is held.
func (h *mHold) grown(parts []part) (list []part) {
	for _, p := range parts {
		_, had := h.part(p.feature.ID)
		if p.amount.cmp(had.amount) <= 0 {
			continue
		}
		plus := part{feature: p.feature, amount: p.amount.sub(had.amount), prices: p.prices}
		for _, x := range p.costs {
			for _, c := range had.costs {
				if c.currency == x.currency {
					before, _ := c.price.cost(had.amount)
					x.cost = notBelowZero(x.cost.sub(before))
				}
			}
			plus.costs = append(plus.costs, x)
		}
		list = append(list, plus)
	}
	return list
}

// asks is what a reservation of an event holds by capability.
func (h *mHold) asks(without ...func(heldPart) bool) []ask {
	var list []part
	for _, p := range h.call.parts {
		if len(without) > 0 && without[0](p) {
			continue
		}
		x := part{feature: &bursar.Feature{ID: p.feature.ID}, amount: p.amount}
		for _, c := range p.costs {
			x.costs = append(x.costs, charge{c.currency, c.held})
		}
		list = append(list, x)
	}
	return asksOfParts(list)
}

func holdsOf(had []ask, k bursar.Capability) bool {
	return slices.ContainsFunc(had, func(x ask) bool { return x.cap == k })
}

// fitsMore tells whether there is room for that, too.
func (c *mCust) fitsMore(h *mHold, asks, had []ask, now bursar.Time) bool {
	a := c.attribute(h.Dimensions)
	d := bursar.Decision{Granted: c.stopped(a.chains...) == nil}
	for _, x := range asks {
		c.judgeGate(&d, c.gate(x, now))
		rows := slices.DeleteFunc(c.frozen(h, x.cap), func(r *mRow) bool { return r.idle() || c.entities[r.entity].ArchivedAt != nil })
		if !holdsOf(had, x.cap) {
			rows = c.applying(x.cap, a)
		}
		for _, r := range rows {
			d.Granted = d.Granted && c.node(r, x.amount, now).Granted
		}
	}
	return d.Granted
}
