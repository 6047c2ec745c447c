package sim

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

func (m *model) reportEvents(in []bursar.EventInput) (out []bursar.EventResult, f *fail) {
	var p problems
	var items []keyed
	ends := make([]*endingOf, len(in))
	ended := map[*mHold]bursar.EventInput{}
	seen := map[string]bool{}
	again := make([]bool, len(in))   // within the request
	counted := make([]bool, len(in)) // before, by what ended no reservation
	differs := make([]bool, len(in)) // from what counted its call
	said := map[string]string{}      // by the first event of each call
	var named []func()               // forget what the request does of calls, which is done later
	begun := map[string]*mCust{}     // customers that it may enrol in
	warned := make([][]string, len(in))
	for i, x := range in {
		p.item = fmt.Sprintf("/events/%d", i)
		own := problems{item: p.item}
		m.judgeEvent(&own, x)
		items = append(items, keyed{x.CustomerID, "event " + x.EventName, x.IdempotencyKey, consumedContent(x), consumedContent(unruled(x))})
		c, now := m.customer(x.CustomerID)
		if c == nil {
			p.list = append(p.list, own.list...)
			continue
		}
		if begun[x.CustomerID] == nil {
			c.begins(false)
			begun[x.CustomerID] = c
		}
		warned[i] = m.warningsOf(x) // of one that is not new
		id := keyID{"event " + x.EventName, x.IdempotencyKey}
		k, stored := c.keys[id]
		place := fmt.Sprint(x.CustomerID, id)
		again[i] = seen[place]
		if seen[place] = true; again[i] || stored && k.hold == nil {
			if x.ReservationID == "" {
				m.judgeMeasures(&own, x)
			}
			p.list = append(p.list, own.judged(stored && k.hold == nil && (k.content == consumedContent(x) || k.content == consumedContent(unruled(x))))...)
			continue
		}
		call := fmt.Sprint("call ", x.CustomerID, x.EventName, "|", x.CallID)
		if again[i] = x.CallID != "" && seen[call] && x.ReservationID == "" && k.hold == nil; again[i] {
			differs[i] = said[call] != saidBy(x.Dimensions)
			m.judgeMeasures(&own, x)
			p.list = append(p.list, own.list...)
			continue
		}
		if !seen[call] {
			seen[call], said[call] = true, saidBy(x.Dimensions)
		}
		of := problems{item: p.item}
		if ends[i] = m.endsHold(&of, c, now, x, &k, ended); ends[i] == nil && x.ReservationID == "" && k.hold == nil {
			_, again[i] = c.doneOf(x)
			before := c.keys[keyID{"call " + x.EventName, x.CallID}].content
			differs[i] = again[i] && before != saidBy(x.Dimensions) && before != saidBy(unruled(x).Dimensions)
		}
		if ends[i] == nil && x.ReservationID == "" {
			m.judgeMeasures(&own, x)
		}
		p.list = append(append(p.list, own.list...), of.list...)
		if ends[i] == nil && x.ReservationID == "" && !again[i] {
			c.enrolEvent(x, now)
			warned[i] = m.warningsOf(x)
		}
		if end := ends[i]; end != nil {
			done, known := c.doneOf(end.x)
			if !end.known && !end.x.Illegible && (!known || done != nil) {
				c.enrolEnd(end.x, x.Dimensions, now)
			}
			warned[i] = m.warnedOfEnd(end, known && done == nil)
			if counted[i] = known && done == nil; end.x.Illegible {
				delete(seen, call)
			}
			named = append(named, c.nameForNow(x, end.hold, now))
		} else if !again[i] && x.ReservationID == "" && c.recorded(x) {
			if x.Illegible && m.measuresNothing(x) {
				delete(seen, call)
				continue
			}
			named = append(named, c.nameForNow(x, nil, now))
		}
	}
	for _, forget := range named {
		forget()
	}
	m.judgeKeys(&p, "/events", items)
	if f := p.err(); f != nil {
		for _, c := range begun {
			c.goes()
		}
		return nil, f
	}
	for _, c := range begun {
		c.done()
	}
	for i, x := range in { // as things are before the first is recorded
		r := bursar.EventResult{Warnings: warned[i]}
		if ends[i] == nil && x.ReservationID != "" {
			r.Warnings = nil
		}
		if ends[i] == nil && x.ReservationID == "" && differs[i] {
			r.Warnings = append(r.Warnings, "CALL_DIFFERS:"+x.CallID)
		}
		r.Warnings = sortedTexts(r.Warnings)
		out = append(out, r)
	}
	for i, x := range in {
		r := &out[i]
		if end := ends[i]; end != nil {
			warnings := r.Warnings
			*r = m.endByEvent(x, end)
			r.Warnings = warnings
			continue
		}
		if r.Duplicate = again[i]; again[i] {
			continue
		}
		took, duplicate := m.recordEvent(x)
		if r.Duplicate = duplicate; !duplicate {
			r.Used, r.Costs = shownAsks(took), costsOfAsks(took)
		}
	}
	return out, nil
}

func eventContent(x bursar.EventInput) string {
	return fmt.Sprint(x.EventName, "|", sortedDims(x.Dimensions), x.ReservationID, "|", x.CallID)
}

func (m *model) judgeEvent(p *problems, x bursar.EventInput) {
	c, now := m.customer(x.CustomerID)
	if c == nil {
		p.at("/customerId", bursar.CodeCustomerNotFound)
		now = m.clock
	}
	if x.Timestamp != 0 && (x.Timestamp < now-bursar.Time(m.horizon) || x.Timestamp > now+ahead) {
		p.at("/timestamp", bursar.CodeTimestampOutOfRange)
	}
	if len(m.metersOf(x)) == 0 {
		p.at("/eventName", bursar.CodeUnknownMeter)
	}
}

// judgeMeasures judges what an event that ends no reservation measures. Of another one it is
// judged with what the reservation knows.
func (m *model) judgeMeasures(p *problems, x bursar.EventInput) {
	for _, f := range m.metersOf(x) {
		if takes(f.Meter, x) {
			judgeMeasure(p, f, x)
		}
	}
}

func judgeMeasure(p *problems, f *bursar.Feature, x bursar.EventInput) {
	a := f.Meter.Aggregation
	d := property(x, a.Field)
	at := "/dimensions/" + a.Field
	switch a.Function {
	case "UNIQUE":
		if d == nil {
			p.at(at, bursar.CodeValidationFailed)
		}
	case "SUM", "MAX":
		if d == nil || d.Kind != bursar.DimNumber {
			p.at(at, bursar.CodeValidationFailed)
		} else if parse(d.Value).Sign() < 0 && !f.Fluctuating() {
			p.at(at, bursar.CodeInvalidAmount)
		}
	}
}

func property(x bursar.EventInput, field string) *bursar.Dimension {
	for i := range x.Dimensions {
		if x.Dimensions[i].Key == field {
			return &x.Dimensions[i]
		}
	}
	return nil
}

// takes: one of the filters accepts the event, or there is none. Of a kind that only some calls
// use it is no event that tells of tokens and of none of that kind.
func takes(m *bursar.Meter, x bursar.EventInput) bool {
	if a := m.Aggregation; a.Function == "SUM" && a.Field == "tokens.output_audio" && property(x, a.Field) == nil {
		if slices.ContainsFunc(x.Dimensions, func(d bursar.Dimension) bool { return strings.HasPrefix(d.Key, "tokens.") }) {
			return false
		}
	}
	return len(m.Filters) == 0 || slices.ContainsFunc(m.Filters, func(f bursar.MeterFilter) bool {
		return !slices.ContainsFunc(f.Conditions, func(c bursar.MeterCondition) bool { return !holds(c, x) })
	})
}

func holds(c bursar.MeterCondition, x bursar.EventInput) bool {
	d := property(x, c.Field)
	if c.Field == "eventName" {
		d = &bursar.Dimension{Value: x.EventName}
	}
	switch {
	case c.Operation == "IS_NULL":
		return d == nil
	case c.Operation == "IS_NOT_NULL":
		return d != nil
	case d == nil:
		return c.Operation == "NOT_EQUALS"
	case c.Operation == "IN":
		return slices.Contains(c.Values, d.Value)
	}
	order, numbers := compareDecimals(d.Value, *c.Value)
	switch c.Operation {
	case "EQUALS":
		return d.Value == *c.Value
	case "NOT_EQUALS":
		return d.Value != *c.Value
	case "CONTAINS":
		return strings.Contains(d.Value, *c.Value)
	case "STARTS_WITH":
		return strings.HasPrefix(d.Value, *c.Value)
	case "ENDS_WITH":
		return strings.HasSuffix(d.Value, *c.Value)
	case "GREATER_THAN":
		return numbers && order > 0
	case "GREATER_THAN_OR_EQUAL":
		return numbers && order >= 0
	case "LESS_THAN":
		return numbers && order < 0
	case "LESS_THAN_OR_EQUAL":
		return numbers && order <= 0
	}
	panic(c.Operation)
}

func compareDecimals(a, b string) (order int, ok bool) {
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	if !ok1 || !ok2 {
		return 0, false
	}
	return x.Cmp(y), true
}

// labelsOf drops the measures: what attribution, prices and series see of an event.
func labelsOf(dims []bursar.Dimension) []bursar.Dimension {
	return slices.DeleteFunc(slices.Clone(dims), func(d bursar.Dimension) bool { return d.Kind == bursar.DimNumber })
}

// consumedContent is what an event, and a consumption of it, are remembered with.
func consumedContent(x bursar.EventInput) string { return fmt.Sprint(eventContent(x), 0) }

// recordEvent records an event that ends no reservation, unless it was recorded before.
func (m *model) recordEvent(x bursar.EventInput) (took []ask, duplicate bool) {
	c, now := m.customer(x.CustomerID)
	id := keyID{"event " + x.EventName, x.IdempotencyKey}
	if _, known := c.keys[id]; known {
		return nil, true
	}
	at := min(cmp.Or(x.Timestamp, now), now)
	took = m.recordCall(c, x, at, at, now)
	counted := c.recorded(x) && (!x.Illegible || !m.measuresNothing(x))
	defer func() { c.keepUnread(x, x.Unread, at, at, now, nil, !counted && x.CallID != "") }()
	if c.recorded(x) {
		r := bursar.ConsumeResult{Timestamp: now, Used: shownAsks(took), Costs: costsOfAsks(took)}
		c.keys[id] = mKey{content: consumedContent(x), at: now, consume: r}
		if !x.Illegible || !m.measuresNothing(x) {
			c.nameCall(x, nil, now)
		}
	}
	return took, false
}

// measure records what an event is for one feature, at the prices of an instant.
func (c *mCust) measure(f *bursar.Feature, x bursar.EventInput, at fact, a attribution, priced, now bursar.Time) (costs []charge) {
	k, d := featureOf(f.ID), property(x, f.Meter.Aggregation.Field)
	switch f.Meter.Aggregation.Function {
	case "COUNT":
		return c.spendMeasured(k, numOf(bursar.AmountFromInt(1)), at, a, priced, now)
	case "SUM":
		return c.spendMeasured(k, numOf(parse(d.Value)), at, a, priced, now)
	case "MAX":
		c.recordHighest(k, numOf(parse(d.Value)), c.counting(a)(k), at, now)
	case "UNIQUE":
		c.recordDistinct(k, d.Value, c.counting(a)(k), at, now)
	}
	return nil
}

func (c *mCust) spendMeasured(k bursar.Capability, d num, at fact, a attribution, priced, now bursar.Time) []charge {
	costs, _ := c.charges(k, d, c.m.pricesOf(k.ID, at.dims, priced))
	c.spend(k, d, costs, c.counting(a), at, now)
	c.moveLevels(k, at.route, d)
	return costs
}

// recordHighest: a maximum is raised, wherever it is lower.
func (c *mCust) recordHighest(k bursar.Capability, v num, rows []*mRow, at fact, now bursar.Time) {
	for _, r := range rows {
		if r.idle() {
			continue
		}
		r.turn(now)
		w := r.window(at.at)
		if r.charge(notBelowZero(v.sub(r.used[w.start])), bursar.Time(at.at), now) {
			c.alert(r, now)
		}
	}
	c.tookOf(k, notBelowZero(v.sub(c.total(k).used)), at, now)
}

// recordDistinct: a value counts once in each window, and once in all.
func (c *mCust) recordDistinct(k bursar.Capability, v string, rows []*mRow, at fact, now bursar.Time) {
	one := numOf(bursar.AmountFromInt(1))
	for _, r := range rows {
		w := r.window(at.at)
		d := one
		if r.values[w.start][v] {
			d = num{}
		}
		changed := r.charge(d, bursar.Time(at.at), now)
		if _, counts := r.used[w.start]; counts {
			if r.values[w.start] == nil {
				r.values[w.start] = map[string]bool{}
			}
			r.values[w.start][v] = true
		}
		if changed {
			c.alert(r, now)
		}
	}
	d := one
	if c.distinct[k.ID+" "+v] {
		d = num{}
	}
	c.distinct[k.ID+" "+v] = true
	c.tookOf(k, d, at, now)
}

// tookOf adds to the customer's total what it took, and that to the series.
func (c *mCust) tookOf(k bursar.Capability, d num, at fact, now bursar.Time) {
	if d.sign() == 0 {
		return
	}
	t := c.total(k)
	t.used, t.at = t.used.add(d), c.changedAt(k, d, now)
	at.cap, at.amount = k, d
	c.note(at)
}
