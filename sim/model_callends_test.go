package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// recorded tells whether an event leaves anything in the log.
func (c *mCust) recorded(x bursar.EventInput) bool {
	return slices.ContainsFunc(c.m.metersOf(x), func(f *bursar.Feature) bool { return takes(f.Meter, x) })
}

// recordCall records what an event uses at an instant, at the prices of another.
func (m *model) recordCall(c *mCust, x bursar.EventInput, priced, at, now bursar.Time) (took []ask) {
	var features, money []ask
	dims := labelsOf(x.Dimensions)
	a := c.attribute(dims)
	for _, f := range m.metersOf(x) {
		if !takes(f.Meter, x) {
			continue
		}
		k := featureOf(f.ID)
		was := c.total(k).used
		costs := c.measure(f, x, fact{at: int64(at), route: a.route, dims: c.plain(dims)}, a, priced, now)
		features = more(features, ask{k, c.total(k).used.sub(was)})
		for _, p := range costs {
			money = more(money, ask{currencyOf(p.currency), p.cost})
		}
		c.log.wrote(now)
	}
	slices.SortFunc(money, func(a, b ask) int { return compareText(a.cap.ID, b.cap.ID) })
	return append(features, money...)
}

func callContent(name string, dims []bursar.Dimension) string {
	return fmt.Sprint(name, "|", sortedDims(dims))
}

// onto is over on top of the labels of under.
func onto(under, over []bursar.Dimension) []bursar.Dimension {
	out := slices.Clone(over)
	for _, d := range labelsOf(under) {
		if !slices.ContainsFunc(over, func(o bursar.Dimension) bool { return o.Key == d.Key }) {
			out = append(out, d)
		}
	}
	return out
}

// ending judges the end of a reservation with what was used; again tells that it ended so.
func (m *model) ending(p *problems, now bursar.Time, h *mHold, dims []bursar.Dimension) (x bursar.EventInput, again bool) {
	x = bursar.EventInput{CustomerID: h.CustomerID, EventName: h.Event.Name, Dimensions: onto(h.call.props, dims), Timestamp: h.CreatedAt}
	switch content := callContent(x.EventName, x.Dimensions); {
	case h.Status == bursar.HoldCommitted && h.call.content == content:
		return x, true
	case h.Status == bursar.HoldCommitted, h.Status == bursar.HoldReleased, h.Status == bursar.HoldExpired && now > h.CreatedAt+holdLife:
		p.at("/reservationId", bursar.CodeReservationClosed)
		return x, false
	}
	judgeCall(p, m.metersOf(x), x)
	return x, false
}

// endWith ends a reservation with what was used. What was settled is taken back.
func (m *model) endWith(c *mCust, now bursar.Time, h *mHold, x bursar.EventInput) []ask {
	if h.Status == bursar.HoldExpired {
		if h.Event.Used != nil {
			c.book(h, -1, now)
		}
		h.Status, h.ClosedAt, h.LateCommit = bursar.HoldCommitted, now, true
	} else {
		c.closeHold(h, bursar.HoldCommitted, now)
	}
	took := m.recordCall(c, x, h.CreatedAt, now, now)
	e := *h.Event
	e.Properties, e.Used, e.Estimated = sortedDims(x.Dimensions), shownAsks(took), false
	h.Event, h.Costs, h.call.content = &e, costsOfAsks(took), callContent(x.EventName, x.Dimensions)
	c.log.wrote(now)
	return took
}

// settleCall books what a reservation holds when its time is over.
func (c *mCust) settleCall(h *mHold) {
	c.book(h, 1, h.ExpiresAt)
	e := *h.Event
	e.Used, e.Estimated = e.Held, true
	h.Event = &e
	for _, x := range e.Used {
		if x.Kind == bursar.KindCurrency {
			h.Costs = append(h.Costs, bursar.Cost{CurrencyID: x.ID, Amount: x.Amount})
		}
	}
}

// book records what is held as used at the end of the time, or takes that back.
func (c *mCust) book(h *mHold, times int64, now bursar.Time) {
	live := func(k bursar.Capability) []*mRow {
		rows := slices.DeleteFunc(c.frozen(h, k), func(r *mRow) bool { return c.entities[r.entity].ArchivedAt != nil })
		return append(rows, c.own(k)...)
	}
	for _, p := range h.call.parts {
		var costs []charge
		for _, x := range p.costs {
			costs = append(costs, charge{x.currency, x.held.times(times)})
		}
		c.spend(p.feature, p.amount.times(times), costs, live, fact{at: int64(h.ExpiresAt), route: h.route, dims: h.plain}, now)
		c.moveLevels(p.feature, h.route, p.amount.times(times))
	}
}

func (m *model) commitCall(customer, id string, dims []bursar.Dimension) (bursar.Reservation, *fail) {
	c, now, h, f := m.findHold(customer, id)
	if f != nil {
		return bursar.Reservation{}, f
	}
	c.log.tried(now)
	if h.call == nil {
		return bursar.Reservation{}, failedAt("/amount", bursar.CodeValidationFailed)
	}
	var p problems
	x, again := m.ending(&p, now, h, dims)
	for i, bad := range p.list {
		if bad.rest == "/reservationId" {
			return bursar.Reservation{}, failed(bad.code)
		}
		p.list[i].rest = strings.Replace(bad.rest, "/dimensions/", "/properties/", 1)
	}
	if f := p.err(); f != nil {
		return bursar.Reservation{}, f
	}
	if !again {
		m.endWith(c, now, h, x)
	}
	return h.show(again), nil
}

// endingOf is the reservation that an event ends: the one that it names, or whose key it has.
type endingOf struct {
	hold  *mHold
	x     bursar.EventInput
	known bool // it ended so before, or does by an event before this one
}

// endsHold finds and judges that. key is what is stored under the event's key, if anything.
func (m *model) endsHold(p *problems, c *mCust, now bursar.Time, e bursar.EventInput, key *mKey, ended map[*mHold]string) *endingOf {
	own := key != nil && key.hold != nil
	if !own && e.ReservationID == "" {
		return nil
	}
	var h *mHold
	if own {
		h = key.hold
	} else if _, _, found, f := m.findHold(e.CustomerID, e.ReservationID); f == nil {
		h = found
	}
	switch {
	case h == nil:
		p.at("/reservationId", bursar.CodeReservationNotFound)
		return nil
	case e.ReservationID != "" && e.ReservationID != h.ID, h.call == nil:
		p.at("/reservationId", bursar.CodeValidationFailed)
		return nil
	case e.EventName != h.Event.Name:
		p.at("/eventName", bursar.CodeValidationFailed)
		return nil
	}
	bad := len(p.list)
	x, again := m.ending(p, now, h, e.Dimensions)
	if slices.ContainsFunc(p.list[bad:], func(b problem) bool { return b.code == bursar.CodeReservationClosed }) {
		return nil // it ends nothing, so another event of the request may
	}
	content := callContent(x.EventName, x.Dimensions)
	first, before := ended[h]
	if before && first != content {
		p.at("/reservationId", bursar.CodeReservationClosed)
	}
	if !before {
		ended[h] = content
	}
	return &endingOf{h, x, again || before}
}

// endByEvent records the end of a reservation by an event.
func (m *model) endByEvent(e bursar.EventInput, end *endingOf) (r bursar.EventResult) {
	c, now := m.customer(e.CustomerID)
	r = bursar.EventResult{ReservationID: end.hold.ID, Warnings: sortedTexts(m.warningsOf(end.x)), Duplicate: end.known}
	if end.known {
		return r
	}
	took := m.endWith(c, now, end.hold, end.x)
	r.Used, r.Costs = shownAsks(took), costsOfAsks(took)
	if id := (keyID{"event " + e.EventName, e.IdempotencyKey}); id != (keyID{end.hold.ref.Target, end.hold.ref.Key}) {
		c.keys[id] = mKey{content: eventContent(e), at: now}
	}
	return r
}

func sortedTexts(list []string) []string { return slices.Sorted(slices.Values(list)) }
