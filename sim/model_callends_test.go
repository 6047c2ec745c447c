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
	if it := c.rereading; it != nil {
		a, at = it.to, it.at
	}
	for _, f := range m.metersOf(x) {
		if !takes(f.Meter, x) || unreadable(f, x) || c.rereading.before(f) {
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

// ending judges the end of a reservation with what was used; again tells that it ended so,
// or with what was used of the call that is named.
// plain is dims before there was a rule for the usage. Where nothing can be told of what was used, x says so, and the reservation goes on.
func (m *model) ending(p *problems, c *mCust, now bursar.Time, h *mHold, dims, plain []bursar.Dimension, call string, illegible bool) (x bursar.EventInput, again bool) {
	x = bursar.EventInput{CustomerID: h.CustomerID, EventName: h.Event.Name, Dimensions: onto(h.call.props, dims), Timestamp: h.CreatedAt, CallID: call}
	done, known := c.doneOf(x)
	if done != nil && done != h {
		p.at("/callId", bursar.CodeValidationFailed)
		return x, false
	}
	silent := illegible && m.measuresNothing(x)
	switch content := callContent(x.EventName, x.Dimensions); {
	case h.Status == bursar.HoldCommitted && (known && done == h || h.call.content == content || h.call.content == callContent(x.EventName, onto(h.call.props, plain)) || silent):
		return x, true
	case h.Status == bursar.HoldCommitted, h.Status == bursar.HoldReleased, h.Status == bursar.HoldExpired && now > h.CreatedAt+holdLife:
		p.at("/reservationId", bursar.CodeReservationClosed)
		return x, false
	}
	if x.Illegible = silent && (done != nil || !known); !x.Illegible {
		m.judgeBegun(p, x)
	}
	return x, false
}

// unreadable: the event has not what the meter of a feature reads.
func unreadable(f *bursar.Feature, x bursar.EventInput) bool {
	d := property(x, f.Meter.Aggregation.Field)
	switch f.Meter.Aggregation.Function {
	case "COUNT":
		return false
	case "UNIQUE":
		return d == nil
	}
	return d == nil || d.Kind != bursar.DimNumber
}

// unreadOf are the warnings of what cannot be read of a call that was reserved, each once.
func (m *model) unreadOf(x bursar.EventInput) []string {
	fields := map[string]bool{}
	for _, f := range m.metersOf(x) {
		if takes(f.Meter, x) && unreadable(f, x) {
			fields["UNREAD_PROPERTY:"+f.Meter.Aggregation.Field] = true
		}
	}
	return sortedKeys(fields)
}

// judgeBegun: a call that was reserved takes nothing back, and what cannot be read of it counts
// nothing.
func (m *model) judgeBegun(p *problems, x bursar.EventInput) {
	for _, f := range m.metersOf(x) {
		a := f.Meter.Aggregation
		if takes(f.Meter, x) && !unreadable(f, x) && (a.Function == "SUM" || a.Function == "MAX") && parse(property(x, a.Field).Value).Sign() < 0 {
			p.at("/dimensions/"+a.Field, bursar.CodeInvalidAmount)
		}
	}
}

// measuresNothing: meters ask how much it was, and nothing above or below 0 is there to be read.
func (m *model) measuresNothing(x bursar.EventInput) bool {
	asked := false
	for _, f := range m.metersOf(x) {
		if !takes(f.Meter, x) || f.Meter.Aggregation.Function == "COUNT" {
			continue
		}
		d := property(x, f.Meter.Aggregation.Field)
		if f.Meter.Aggregation.Function == "UNIQUE" {
			asked = asked || d == nil
			continue
		}
		asked = true
		if d == nil || d.Kind != bursar.DimNumber {
			continue
		}
		if s := parse(d.Value).Sign(); s > 0 || s < 0 && f.Fluctuating() {
			return false
		}
	}
	return asked
}

// keep makes a reservation of which nobody can tell what was used one that is settled.
func (c *mCust) keep(h *mHold, x bursar.EventInput, u *bursar.UnreadReading, now bursar.Time) {
	if h.Status == bursar.HoldOpen && h.OnExpire != bursar.ExpireSettle {
		h.OnExpire = bursar.ExpireSettle
		c.log.wrote(now)
	}
	c.nameCall(x, h, now)
	x.CallID = ""
	c.keepUnread(x, u, h.CreatedAt, now, now, h, false)
}

// saidBy is how much an event says was used, and of which model.
func saidBy(dims []bursar.Dimension) string {
	return fmt.Sprint(sortedDims(slices.DeleteFunc(slices.Clone(dims), func(d bursar.Dimension) bool {
		return d.Kind != bursar.DimNumber && d.Key != "model"
	})))
}

// doneOf is the reservation of the call that an event is, nil when the call was counted
// without one; known tells whether there is either.
func (c *mCust) doneOf(x bursar.EventInput) (done *mHold, known bool) {
	if x.CallID == "" {
		return nil, false
	}
	if k, named := c.keys[keyID{"call " + x.EventName, x.CallID}]; named {
		return k.hold, true
	}
	own := c.keys[keyID{"event " + x.EventName, x.CallID}]
	return own.hold, own.hold != nil
}

// nameCall remembers the call that an event is; h is nil when it ends no reservation.
func (c *mCust) nameCall(x bursar.EventInput, h *mHold, now bursar.Time) {
	id := keyID{"call " + x.EventName, x.CallID}
	if _, named := c.keys[id]; x.CallID != "" && !named {
		c.keys[id] = mKey{at: now, hold: h, content: saidBy(x.Dimensions)}
	}
}

// nameForNow names the call that an event is until the function that it returns is called.
func (c *mCust) nameForNow(x bursar.EventInput, h *mHold, now bursar.Time) (forget func()) {
	id := keyID{"call " + x.EventName, x.CallID}
	if _, named := c.keys[id]; x.CallID == "" || named {
		return func() {}
	}
	c.nameCall(x, h, now)
	return func() { delete(c.keys, id) }
}

// warnedOfEnd is what the end of a reservation with an event warns of.
func (m *model) warnedOfEnd(end *endingOf, counted bool) []string {
	var list []string
	switch h := end.hold; {
	case end.mute:
	case end.x.Illegible && h.Status == bursar.HoldExpired && h.Event.Used == nil:
		list = append(list, "NOTHING_RECORDED")
	case end.x.Illegible:
		list = append(list, "HOLD_KEPT")
	default:
		list = append(m.warningsOf(end.x), m.unreadOf(end.x)...)
	}
	if counted {
		list = append(list, "CALL_COUNTED_BEFORE")
	}
	if end.differs {
		list = append(list, "CALL_DIFFERS:"+end.x.CallID)
	}
	return sortedTexts(list)
}

// endWith ends a reservation with what was used. What was settled is taken back.
func (m *model) endWith(c *mCust, now bursar.Time, h *mHold, x bursar.EventInput) []ask {
	booked := h.Status == bursar.HoldExpired && h.Event.Used != nil
	if h.Status == bursar.HoldExpired {
		if booked && c.rereading == nil {
			c.book(h, -1, now)
		}
		h.Status, h.ClosedAt, h.LateCommit = bursar.HoldCommitted, now, true
	} else {
		c.closeHold(h, bursar.HoldCommitted, now)
	}
	var took []ask
	if done, known := c.doneOf(x); !known || done != nil {
		took = m.recordCall(c, x, h.CreatedAt, now, now)
	}
	if booked && c.rereading != nil {
		c.book(h, -1, now)
	}
	c.nameCall(x, h, now)
	c.learn(h, x)
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
	e.Used, e.Estimated = shownAsks(h.asks(heldPart.standsAside)), true
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
		if p.standsAside() {
			continue
		}
		var costs []charge
		for _, x := range p.costs {
			costs = append(costs, charge{x.currency, x.held.times(times)})
		}
		c.spend(p.feature, p.amount.times(times), costs, live, fact{at: int64(h.ExpiresAt), route: h.route, dims: h.plain, back: times < 0}, now)
		c.moveLevels(p.feature, h.route, p.amount.times(times))
	}
}

func (m *model) commitCall(customer, id string, dims []bursar.Dimension, call string, illegible bool, u *bursar.UnreadReading) (bursar.Reservation, *fail) {
	c, now, h, f := m.findHold(customer, id)
	if f != nil {
		return bursar.Reservation{}, f
	}
	c.log.tried(now)
	if h.call == nil {
		return bursar.Reservation{}, failedAt("/amount", bursar.CodeValidationFailed)
	}
	var p problems
	x, again := m.ending(&p, c, now, h, dims, dims, call, illegible)
	for i, bad := range p.list {
		if bad.rest == "/reservationId" {
			return bursar.Reservation{}, failed(bad.code)
		}
		p.list[i].rest = strings.Replace(bad.rest, "/dimensions/", "/properties/", 1)
	}
	if f := p.err(); f != nil {
		return bursar.Reservation{}, f
	}
	switch {
	case again:
		c.nameCall(x, h, now)
	case x.Illegible:
		c.keep(h, x, u, now)
	default:
		if done, known := c.doneOf(x); !known || done != nil {
			c.begins(false)
			c.enrolEnd(x, dims, now)
			c.done()
		}
		done, known := c.doneOf(x)
		m.endWith(c, now, h, x)
		if !known || done != nil {
			c.keepUnread(x, u, h.CreatedAt, now, now, nil, false)
		}
	}
	return h.show(again), nil
}

// endingOf is the reservation that an event ends: the one that it names, or whose key it has.
type endingOf struct {
	hold    *mHold
	x       bursar.EventInput
	known   bool // it ended so before, or does by an event before this one
	differs bool // by one of its call that said something else
	mute    bool // there is nothing to warn of
}

// endsHold finds and judges that. key is what is stored under the event's key, if anything.
func (m *model) endsHold(p *problems, c *mCust, now bursar.Time, e bursar.EventInput, key *mKey, ended map[*mHold]bursar.EventInput) *endingOf {
	own := key != nil && key.hold != nil
	h, _ := c.doneOf(e)
	if own {
		h = key.hold
	} else if e.ReservationID == "" && h == nil {
		return nil
	} else if e.ReservationID != "" {
		h = nil
		if _, _, found, f := m.findHold(e.CustomerID, e.ReservationID); f == nil {
			h = found
		}
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
	x, again := m.ending(p, c, now, h, e.Dimensions, unruled(e).Dimensions, e.CallID, e.Illegible)
	if slices.ContainsFunc(p.list[bad:], func(b problem) bool { return b.code == bursar.CodeReservationClosed || b.rest == "/callId" }) {
		return nil // it ends nothing, so another event of the request may
	}
	first, before := ended[h]
	done, _ := c.doneOf(e)
	silent := e.Illegible && m.measuresNothing(x)
	if before && !silent && callContent(x.EventName, first.Dimensions) != callContent(x.EventName, x.Dimensions) && done == nil {
		p.at("/reservationId", bursar.CodeReservationClosed)
	}
	end := &endingOf{hold: h, x: x, known: again || before, mute: before && x.Illegible}
	end.differs = !silent && (before && saidBy(first.Dimensions) != saidBy(x.Dimensions) || again && h.call.content != callContent(x.EventName, onto(h.call.props, unruled(e).Dimensions)) && saidBy(h.Event.Properties) != saidBy(x.Dimensions))
	if end.x.Illegible = x.Illegible && !before; !before && !x.Illegible {
		ended[h] = x
	}
	return end
}

// endByEvent records the end of a reservation by an event.
func (m *model) endByEvent(e bursar.EventInput, end *endingOf) (r bursar.EventResult) {
	c, now := m.customer(e.CustomerID)
	r = bursar.EventResult{ReservationID: end.hold.ID, Duplicate: end.known}
	if end.known {
		c.nameCall(end.x, end.hold, now)
		return r
	}
	if end.x.Illegible {
		c.keep(end.hold, end.x, e.Unread, now)
		return r
	}
	done, known := c.doneOf(end.x)
	took := m.endWith(c, now, end.hold, end.x)
	if !known || done != nil {
		c.keepUnread(end.x, e.Unread, end.hold.CreatedAt, now, now, nil, false)
	}
	r.Used, r.Costs = shownAsks(took), costsOfAsks(took)
	if id := (keyID{"event " + e.EventName, e.IdempotencyKey}); id != (keyID{end.hold.ref.Target, end.hold.ref.Key}) {
		c.keys[id] = mKey{content: consumedContent(e), at: now, consume: bursar.ConsumeResult{Timestamp: now, Used: r.Used, Costs: r.Costs}}
	}
	return r
}

func sortedTexts(list []string) []string { return slices.Sorted(slices.Values(list)) }
