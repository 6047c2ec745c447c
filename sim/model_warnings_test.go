package sim

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// warnings are what a request is warned of, in order of the alphabet.
func (c *mCust) warnings(k bursar.Capability, prices []price, a attribution, now bursar.Time) []string {
	out := c.enrolmentWarnings(a)
	for _, x := range a.ignored {
		out = append(out, "DIMENSION_NOT_RESOLVED:"+x.key)
		if id := c.like(x.typ, x.id); id != "" {
			out = append(out, "DID_YOU_MEAN:"+x.key+"="+id)
		}
	}
	for _, x := range a.unclear {
		out = append(out, "DIMENSION_UNKNOWN:"+x.key, "DID_YOU_MEAN:"+x.key+"="+x.meant)
	}
	there := c.entities
	if c.enrolment != nil {
		there = c.enrolment.before
	}
	if len(a.chains) == 0 && len(a.ignored) == 0 && len(a.unclear) == 0 && len(there) > 0 {
		out = append(out, "NO_ENTITY_NAMED")
	}
	if unpriced(prices) {
		out = append(out, "RATE_NOT_FOUND")
	}
	if !c.governed(k, prices, a, now) && c.saysOf(a) != "allow" {
		out = append(out, "UNGOVERNED:"+k.ID)
	}
	slices.Sort(out)
	return out
}

// governed: something limits use of k, or of a currency that it costs.
func (c *mCust) governed(k bursar.Capability, prices []price, a attribution, now bursar.Time) bool {
	if len(c.applying(k, a)) > 0 {
		return true
	}
	if k.Kind == bursar.KindCurrency {
		return c.m.currencies[k.ID].Prepaid
	}
	if p := c.promos[k.ID]; p != nil && !p.ended(now) {
		return true
	}
	return slices.ContainsFunc(prices, func(p price) bool { return p.rate != nil && c.governed(currencyOf(p.currency), nil, a, now) })
}

// reportWarnings are those of an amount that is recorded; of nothing there is little to
// warn of.
func (c *mCust) reportWarnings(k bursar.Capability, d num, prices []price, a attribution, now bursar.Time) []string {
	out := c.warnings(k, prices, a, now)
	if d.sign() == 0 {
		out = slices.DeleteFunc(out, func(w string) bool {
			return !strings.HasPrefix(w, "DIMENSION") && !strings.HasPrefix(w, "DID") && w != "NO_ENTITY_NAMED" && !strings.Contains(w, "ENROL")
		})
	}
	return out
}

func (m *model) warningsOf(whole bursar.EventInput, bounded ...string) []string {
	x := whole
	c, now := m.customer(x.CustomerID)
	at := now
	if x.Timestamp != 0 {
		at = min(x.Timestamp, now)
	}
	dims := labelsOf(x.Dimensions)
	warned, read := map[string]bool{}, map[string]bool{}
	counted, costs, costing := false, false, map[string]bool{}
	for _, id := range sortedKeys(m.features) {
		f := m.features[id]
		if f.ArchivedAt != nil || f.Meter == nil || f.Meter.EventName != x.EventName {
			continue
		}
		x, _ := atMost(f, whole, bounded)
		if !takes(f.Meter, x) {
			continue
		}
		counted = true
		var unread problems
		if judgeMeasure(&unread, f, x); len(unread.list) > 0 {
			continue // it was recorded before that meter was
		}
		amount, prices := numOf(bursar.AmountFromInt(1)), []price(nil)
		switch f.Meter.Aggregation.Function {
		case "SUM":
			amount = numOf(parse(property(x, f.Meter.Aggregation.Field).Value))
			prices = m.pricesOf(id, dims, at)
		case "COUNT":
			prices = m.pricesOf(id, dims, at)
		}
		if f.Meter.Aggregation.Function != "COUNT" {
			read[f.Meter.Aggregation.Field] = true
		}
		if f.Meter.Aggregation.Function == "SUM" {
			costing[f.Meter.Aggregation.Field] = costing[f.Meter.Aggregation.Field] || len(prices) > 0
		}
		costs = costs || len(prices) > 0
		for _, w := range c.reportWarnings(featureOf(id), amount, prices, c.attribute(dims), now) {
			if w == "RATE_NOT_FOUND" {
				w += ":" + id
			}
			warned[w] = true
		}
	}
	if !counted {
		return []string{"UNMETERED:" + x.EventName}
	}
	for _, d := range x.Dimensions {
		order, number := compareDecimals(d.Value, "0")
		if !strings.HasPrefix(d.Key, "tokens.") || d.Kind != bursar.DimNumber || !number || order <= 0 {
			continue
		}
		if !read[d.Key] {
			warned["UNMETERED:"+d.Key] = true
		}
		if priced, counts := costing[d.Key]; costs && counts && !priced {
			of := d.Key
			if named := property(x, "model"); named != nil {
				of += "=" + named.Value
			}
			warned["NO_PRICE:"+of] = true
		}
	}
	return sortedKeys(warned)
}

// unheld are the warnings of a reservation that holds no tokens of a side that is counted,
// of which nobody said that there are none.
func (m *model) unheld(x bursar.EventInput, in bursar.SpendInput) (out []string) {
	for _, side := range []struct {
		kinds []string
		send  string
		said  bool
	}{{[]string{"tokens.input"}, "inputTokens", in.SaidInput}, {[]string{"tokens.output", "tokens.reasoning", "tokens.output_audio"}, "maxTokens", in.SaidOutput}} {
		counted, given := false, false
		for _, f := range m.metersOf(x) {
			counted = counted || f.Meter.Aggregation.Function == "SUM" && slices.Contains(side.kinds, f.Meter.Aggregation.Field) && takes(f.Meter, x)
		}
		for _, kind := range side.kinds {
			d := property(x, kind)
			given = given || d != nil && d.Kind == bursar.DimNumber && parse(d.Value).Sign() > 0
		}
		if counted && !given && !side.said {
			out = append(out, "NOTHING_HELD:"+side.kinds[0]+"="+side.send)
		}
	}
	return out
}
