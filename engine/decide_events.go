package engine

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
)

// indexMeters finds the live features that an event feeds, in order of their ids.
func indexMeters(features map[string]*bursar.Feature) map[string][]*bursar.Feature {
	out := map[string][]*bursar.Feature{}
	for _, id := range sortedKeys(features) {
		if f := features[id]; f.Meter != nil && f.ArchivedAt == nil {
			out[f.Meter.EventName] = append(out[f.Meter.EventName], f)
		}
	}
	return out
}

// eventItem is one event of a report, with its place in the request.
type eventItem struct {
	index int
	in    bursar.EventInput // dimensions ordered by key
	key   identity

	usages   []usageItem // one for each feature that it feeds
	warnings []string
}

type reportEvents struct {
	items    []eventItem
	unpriced []Unpriced
}

// decide judges all events before it records the first. The reply is the warnings of each.
func (o *reportEvents) decide(d *decider) (any, error) {
	var p bursar.Problems
	if d.cust() == nil {
		for i := range o.items {
			p.Add(fmt.Sprintf("/events/%d/customerId", o.items[i].index), bursar.CodeCustomerNotFound, "there is no customer %q", o.items[i].in.CustomerID)
		}
		return nil, p.Err()
	}
	o.unpriced = nil
	skip := make([]bool, len(o.items))
	keys := newReportKeys(len(o.items))
	for i := range o.items {
		it := &o.items[i]
		at := fmt.Sprintf("/events/%d", it.index)
		d.checkEvent(it, at, &p)
		pointer := func() string { return at + "/idempotencyKey" }
		_, fresh := keys.look(d, i, it.key, it.in.IdempotencyKey, it.in.Timestamp, pointer, &p)
		skip[i] = !fresh
	}
	if n := o.fed(); n > maxFed {
		p.Add("/events", bursar.CodeValidationFailed, "the events feed features %d times; one request may do so %d times: send fewer events at once", n, maxFed)
	}
	if err := keys.unknown(); err != nil {
		return nil, err
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	for i := range o.items {
		if skip[i] {
			continue
		}
		for j := range o.items[i].usages {
			u := &o.items[i].usages[j]
			d.recordUsage(u, opEvent)
			o.unpriced = append(o.unpriced, d.unpriced(&u.in, u.unpriced)...)
		}
	}
	out := make([][]string, len(o.items))
	for i := range o.items {
		out[i] = o.items[i].warnings
	}
	return out, nil
}

// maxFed bounds the usage that one request's events make.
const maxFed = 8000

func (o *reportEvents) fed() (n int) {
	for i := range o.items {
		n += len(o.items[i].usages)
	}
	return n
}

// checkEvent adds to p what is wrong with an event, and finds the usage that it makes.
func (d *decider) checkEvent(it *eventItem, at string, p *bursar.Problems) {
	features := d.cat.meters[it.in.EventName]
	if len(features) == 0 {
		p.Add(at+"/eventName", bursar.CodeUnknownMeter, "no feature has a meter of the event %q; give one a meter, or it would be lost silently", it.in.EventName)
		return
	}
	if t := it.in.Timestamp; t != 0 && (t > d.now+maxAhead || t < d.now-bursar.Time(d.horizon)) {
		p.Add(at+"/timestamp", bursar.CodeTimestampOutOfRange,
			"the timestamp is %s; it may lie at most %v back and 5 minutes ahead of %s", t, d.horizon, d.now)
	}
	it.usages, it.warnings = nil, nil
	labels := labelsOf(it.in.Dimensions)
	for _, f := range features {
		if !meterAccepts(f.Meter, it.in.EventName, it.in.Dimensions) {
			continue
		}
		u, err := d.meter(f, &it.in, labels)
		if err != nil {
			pointer := at + "/dimensions"
			if len(err.Fields) > 0 {
				pointer = at + err.Fields[0].Pointer
			}
			p.Add(pointer, err.Code, "feature %q: %s", f.ID, err.Message)
			continue
		}
		if len(it.usages) == 0 {
			u.key = it.key // one key for all that the event makes
		}
		it.usages = append(it.usages, u)
	}
	it.warnings = eventWarnings(&it.in, it.usages)
}

// labelsOf are the dimensions of an event that say what it is about. Its numbers are
// measures: meters read them, nothing else does.
func labelsOf(dims []bursar.Dimension) []bursar.Dimension {
	return slices.DeleteFunc(slices.Clone(dims), func(x bursar.Dimension) bool { return x.Kind == bursar.DimNumber })
}

// meter is the usage of one feature that an event makes.
func (d *decider) meter(f *bursar.Feature, in *bursar.EventInput, labels []bursar.Dimension) (u usageItem, err *bursar.Error) {
	value, text, merr := meterValue(f.Meter, in.Dimensions)
	if merr != nil {
		return u, merr.(*bursar.Error)
	}
	if value.Sign() < 0 && !f.Fluctuating() {
		return u, bursar.ErrorAt("/dimensions/"+escapePointer(f.Meter.Aggregation.Field), bursar.CodeInvalidAmount, "only a FLUCTUATING feature takes negative values")
	}
	u = usageItem{in: bursar.UsageInput{CustomerID: in.CustomerID, FeatureID: f.ID, Value: value, Behavior: bursar.Delta,
		Dimensions: labels, Timestamp: in.Timestamp}, text: text}
	if f.Meter.Aggregation.Function != "COUNT" {
		u.field = f.Meter.Aggregation.Field
	}
	if !summing(f.Meter) {
		u.aggregate = f.Meter.Aggregation.Function
	}
	u.path = d.resolve(d.cat, labels)
	return u, d.chargeable(&u, value)
}

// chargeHighest makes rec what a MAX charges: each row, and the customer, the amount by
// which the value is above the highest one so far.
func (d *decider) chargeHighest(rows []uint32, value bursar.Amount, rec *usageRec) {
	above := func(had bursar.Amount) bursar.Amount {
		return bursar.MaxAmount(bursar.Amount{}, value.Sub(had))
	}
	rec.total = above(d.total(rec.cap).value)
	rec.delta = rec.total
	rec.charges = d.charges(rows, rec.at, bursar.Amount{}, false)
	for i := range rec.charges {
		ch := &rec.charges[i]
		c := d.current(ch.row, d.def(ch.row))
		switch ch.slot {
		case slotCurrent:
			ch.delta = above(c.used)
		case slotPrevious:
			ch.delta = above(c.prev)
		}
	}
}

// chargeDistinct makes rec what a UNIQUE charges: one on each row, and the customer,
// that has not met the value yet. It returns what they have met with that, nil when it
// is new to none.
func (d *decider) chargeDistinct(rows []uint32, value uint64, rec *usageRec) *seenRec {
	met := &seenRec{cap: rec.cap, value: value}
	grow := func(k uniqueKey) bursar.Amount {
		n := d.uniqueGrowth(k, met.value)
		if !d.uniqueHas(k, met.value) {
			met.sets = append(met.sets, k)
		}
		return bursar.AmountFromInt(int64(n))
	}
	rec.amount = oneUnit
	rec.total = grow(uniqueKey{cap: rec.cap})
	rec.delta = rec.total
	rec.charges = d.charges(rows, rec.at, bursar.Amount{}, false)
	for i := range rec.charges {
		ch := &rec.charges[i]
		c := d.current(ch.row, d.def(ch.row))
		switch ch.slot {
		case slotCurrent:
			ch.delta = grow(uniqueKey{row: ch.row, start: c.start})
		case slotPrevious:
			ch.delta = grow(uniqueKey{row: ch.row, start: c.prevStart})
		}
	}
	if len(met.sets) == 0 {
		return nil
	}
	return met
}

// eventContent is what must be equal for two events with one key to be the same event.
func eventContent(in *bursar.EventInput) []byte {
	e := encoder{make([]byte, 0, 256)}
	e.byte(byte(opEvent))
	e.string(in.EventName)
	e.dims(in.Dimensions)
	return e.b
}
