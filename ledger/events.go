package ledger

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

func (*ReportEvents) failsEarly() {}

// EventItem is one event of a report, with its place in the request.
type EventItem struct {
	Index       int
	In          bursar.EventInput // dimensions ordered by key
	Key         record.Identity
	Reservation *[16]byte // that it ends; nil = none
	Call        Call

	ends     *usingEvent
	differs  bool        // its call was counted, and what counted it said something else
	mute     bool        // it was to say what was used, and nothing of that could be read
	on       *Resolved   // where it counts, on features as old as its limits; nil = where its labels say
	begun    bool        // the call goes on or is over: a property that a meter cannot read counts nothing
	unread   bool        // there is a property that a meter cannot read
	bounded  []string    // kinds that share the number of tokens.output with it, see SpendEvent
	usages   []UsageItem // one for each feature that it feeds
	warnings []string
}

type ReportEvents struct {
	Items    []EventItem
	Unpriced []Unpriced
}

// Decide judges all events before it records the first. The reply is what each did.
func (o *ReportEvents) Decide(d *Decider) (any, error) {
	var p bursar.Problems
	if d.Cust() == nil {
		for i := range o.Items {
			p.Add(fmt.Sprintf("/events/%d/customerId", o.Items[i].Index), bursar.CodeCustomerNotFound, "there is no customer %q", o.Items[i].In.CustomerID)
		}
		return nil, p.Err()
	}
	o.Unpriced = nil
	skip := make([]bool, len(o.Items))
	keys := o.keys()
	ended := map[[16]byte]*usingEvent{}
	for i := range o.Items {
		it := &o.Items[i]
		it.ends, it.usages, it.warnings, it.differs, it.mute = nil, nil, nil, false, false
		at := fmt.Sprintf("/events/%d", it.Index)
		pointer := func() string { return at + "/idempotencyKey" }
		var bad, of bursar.Problems
		if len(d.Cat.Meters[it.In.EventName]) == 0 {
			bad.Add(at+"/eventName", bursar.CodeUnknownMeter, "%s; give one a meter, or it would be lost silently", d.missing(d.Cat, catalogue.OfMeter, it.In.EventName))
		}
		d.checkTime(it.In.Timestamp, func() string { return at + "/timestamp" }, &of)
		twin, fresh := keys.judge(d, i, it.Key, it.In.IdempotencyKey, it.In.Timestamp, pointer, &of)
		skip[i] = !fresh || d.endsHold(it, keys, i, ended, at, &of)
		if it.ends == nil && it.Reservation == nil {
			var own bursar.Problems
			if !skip[i] {
				d.enrolCounted(&it.In)
			}
			d.meterEvent(it, at, 0, &own)
			it.mute = it.In.Illegible && it.saysNothing()
			bad.Join(&own)
		}
		keys.does(it)
		if twin == nil { // what was recorded before is not judged again
			p.Join(&bad)
		}
		p.Join(&of)
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
	out := make([]bursar.EventResult, len(o.Items))
	for i := range o.Items {
		out[i] = o.record(d, &o.Items[i], skip[i])
	}
	return out, nil
}

// record records an event that was found good, unless it is not new.
func (o *ReportEvents) record(d *Decider, it *EventItem, known bool) bursar.EventResult {
	res := bursar.EventResult{Warnings: it.warnings, Duplicate: known}
	usages := it.usages
	if x := it.ends; x != nil {
		res.ReservationID, usages = store.FormatID(x.hold.ID), x.item.usages
		if res.Warnings = x.item.warnings; !known {
			d.recordUse(x)
		}
	}
	if it.differs {
		res.Warnings = append(slices.Clip(res.Warnings), bursar.WarnCallDiffers+":"+it.In.CallID)
	}
	if known {
		if it.ends != nil {
			d.nameCall(&it.ends.call, it.ends.hold)
		}
		return res
	}
	for j := range usages {
		if it.ends == nil {
			d.recordUsage(&usages[j], record.OpEvent)
		}
	}
	if it.ends == nil {
		call := &it.Call
		if len(usages) > 0 && !it.mute {
			d.countCall(&it.Call, &it.In)
			call = nil
		}
		d.keepUnread(&it.In, 0, it.In.Unread, call, nil)
	}
	o.Unpriced = append(o.Unpriced, d.unpricedOf(usages)...)
	res.Used, res.Costs = d.usedBy(usages)
	return res
}

// keys judges the keys of the events. A key that a reservation was made with names the reservation.
func (o *ReportEvents) keys() *reportKeys {
	keys := newReportKeys(len(o.Items))
	keys.of = map[int]*record.Place{}
	keys.unruled = func(i int, content [8]byte) bool {
		plain := Unruled(&o.Items[i].In)
		return plain != nil && content == ContentHash(EventContent(plain))
	}
	keys.reserves = func(i int, content [8]byte) bool { return content == ReservesContent(o.Items[i].In.EventName) }
	return keys
}

// endsHold finds the reservation that an event ends, if any, and judges that end. known tells that
// the event is not new: its call was counted, or the reservation ended so before, or an earlier
// event of the request ends it.
func (d *Decider) endsHold(it *EventItem, keys *reportKeys, i int, ended map[[16]byte]*usingEvent, at string, p *bursar.Problems) (known bool) {
	call, first, err := keys.call(d, it)
	if !first && it.Reservation == nil && keys.of[i] == nil {
		it.differs = keys.said[it.Call.Key.Hash] != saidBy(&it.In)
		return true
	}
	var id [16]byte
	key := it.Key
	switch {
	case err != nil:
	case keys.of[i] != nil:
		id, err = d.heldAt(keys.of[i])
		key = record.Identity{} // the key is the reservation's, not the event's own
	case it.Reservation != nil:
		id = *it.Reservation
	case call.held:
		id = call.hold
	default:
		it.differs = call.differs(&it.In)
		return call.counted
	}
	var h *record.Hold
	if err == nil {
		h, err = d.holdNow(id)
	}
	if n, ok := err.(*Needs); ok {
		keys.missing.add(n)
		return false
	}
	switch {
	case err != nil || h == nil:
		p.Add(at+"/reservationId", bursar.CodeReservationNotFound, "there is no reservation %s", store.FormatID(id))
		return false
	case it.Reservation != nil && *it.Reservation != id:
		p.Add(at+"/reservationId", bursar.CodeValidationFailed, "the idempotency key is that of the reservation %s", store.FormatID(id))
		return false
	case h.Event == nil:
		p.Add(at+"/reservationId", bursar.CodeValidationFailed,
			"the reservation %s holds an amount of %s, not an event: commit it with amount, and report no event", store.FormatID(id), d.Capability(h.Cap))
		return false
	}
	x := d.useEvent(h, &UsedEvent{Name: it.In.EventName, Dims: it.In.Dimensions, Derived: it.In.Derived, Unruled: it.In.Unruled, Warnings: it.In.Warnings,
		Illegible: it.In.Illegible, Unread: it.In.Unread, Key: key, call: it.Call, known: *call, again: ended[id] != nil}, at, p)
	if x == nil {
		return false
	}
	if n, ok := d.keptBefore(x).(*Needs); ok {
		keys.missing.add(n)
		return false
	}
	it.ends, it.differs = x, x.differs
	if first := ended[id]; first != nil {
		switch {
		case x.keeps:
			x.keeps, x.item.warnings = false, it.In.Warnings
		case x.mute || first.content == x.content:
		case call.held:
			it.differs = saidIn(first.item.In.Dimensions) != saidIn(x.item.In.Dimensions)
		default:
			p.Add(at+"/reservationId", bursar.CodeReservationClosed, "another event of this request ends the reservation %s with other usage", store.FormatID(id))
		}
		return true
	}
	if !x.keeps {
		ended[id] = x
	}
	return x.repeat
}

// saysNothing tells whether an event says nothing of how much was used, though some meter asks for
// that.
func (it *EventItem) saysNothing() bool {
	asked := it.unread
	for i := range it.usages {
		if u := &it.usages[i]; u.field != "" && u.aggregate != "UNIQUE" {
			if asked = true; !u.In.Value.IsZero() {
				return false
			}
		}
	}
	return asked
}

// maxFed bounds the usage that one request's events make.
const maxFed = 8000

func (o *ReportEvents) fed() (n int) {
	for i := range o.Items {
		it := &o.Items[i]
		n += len(it.usages)
		if x := it.ends; x != nil { // and the usage of taking the estimate back
			n += len(x.item.usages) + len(x.hold.Event.Parts)
		}
	}
	return n
}

// meterEvent finds the usage that an event makes, at the prices of the instant priced; 0 = when the
// event happened. It adds to p what is wrong with the usage.
func (d *Decider) meterEvent(it *EventItem, at string, priced bursar.Time, p *bursar.Problems) {
	it.usages, it.warnings, it.unread = nil, nil, false
	features, lost := d.Cat.Meters[it.In.EventName], []string(nil)
	labels, in := labelsOf(it.In.Dimensions), it.In
	path := d.Resolve(d.Cat, labels)
	if it.on != nil {
		path = *it.on
	}
	in.Dimensions = catalogue.Countable(features, in.Dimensions)
	for _, f := range features {
		if it.on != nil && f.CreatedAt > it.on.made {
			continue
		}
		of, bounded := in, false
		of.Dimensions, bounded = it.atMost(f, in.Dimensions)
		if !catalogue.MeterAccepts(f.Meter, in.EventName, of.Dimensions) {
			continue
		}
		u, err := d.meter(f, &of, labels, path, priced)
		u.bounded = bounded
		if err != nil {
			pointer := at + "/dimensions"
			if len(err.Fields) > 0 {
				pointer = at + err.Fields[0].Pointer
			}
			none := u.In.FeatureID == "" // the property that it measures cannot be read
			if it.unread = it.unread || none; none && it.begun && err.Code == bursar.CodeValidationFailed {
				lost = append(lost, bursar.WarnUnreadProperty+":"+f.Meter.Aggregation.Field)
				continue
			}
			p.Add(pointer, err.Code, "feature %q: %s", f.ID, err.Message)
			if none {
				continue
			}
		}
		if len(it.usages) == 0 {
			u.Key = it.Key // the first usage has the key for all that the event makes
		}
		it.usages = append(it.usages, u)
	}
	it.dearest()
	slices.Sort(lost)
	it.warnings = append(eventWarnings(&in, it.usages, it.unread || len(it.usages) > 0), slices.Compact(lost)...)
}

// labelsOf are the dimensions of an event that say what it is about. Its numbers are
// measures: meters read them, nothing else does.
func labelsOf(dims []bursar.Dimension) []bursar.Dimension {
	return slices.DeleteFunc(slices.Clone(dims), func(x bursar.Dimension) bool { return x.Kind == bursar.DimNumber })
}

// meter is the usage of one feature that an event makes, whose labels are resolved as path.
func (d *Decider) meter(f *bursar.Feature, in *bursar.EventInput, labels []bursar.Dimension, path Resolved, priced bursar.Time) (u UsageItem, err *bursar.Error) {
	value, text, merr := catalogue.MeterValue(f.Meter, in.Dimensions)
	if merr != nil {
		return u, merr.(*bursar.Error)
	}
	if value.Sign() < 0 && !f.Fluctuating() {
		return u, bursar.ErrorAt("/dimensions/"+catalogue.EscapePointer(f.Meter.Aggregation.Field), bursar.CodeInvalidAmount, "only a FLUCTUATING feature takes negative values")
	}
	u = UsageItem{In: bursar.UsageInput{CustomerID: in.CustomerID, FeatureID: f.ID, Value: value, Behavior: bursar.Delta,
		Dimensions: labels, Timestamp: in.Timestamp}, text: text, priced: priced}
	if f.Meter.Aggregation.Function != "COUNT" {
		u.field = f.Meter.Aggregation.Field
	}
	if !catalogue.Summing(f.Meter) {
		u.aggregate = f.Meter.Aggregation.Function
	}
	u.path = path
	return u, d.chargeable(&u, value)
}

// chargeHighest makes rec what a MAX charges: each row, and the customer, the amount by
// which the value is above the highest one so far.
func (d *Decider) chargeHighest(rows []uint32, value bursar.Amount, rec *record.Usage) {
	above := func(had bursar.Amount) bursar.Amount {
		return bursar.MaxAmount(bursar.Amount{}, value.Sub(had))
	}
	rec.Total = above(d.Total(rec.Cap).Value)
	rec.Delta = rec.Total
	rec.Charges = d.Charges(rows, rec.At, bursar.Amount{}, false)
	for i := range rec.Charges {
		ch := &rec.Charges[i]
		c := d.Current(ch.Row, d.Def(ch.Row))
		switch ch.Slot {
		case record.SlotCurrent:
			ch.Delta = above(c.Used)
		case record.SlotPrevious:
			ch.Delta = above(c.Prev)
		}
	}
}

// chargeDistinct makes rec what a UNIQUE charges: one on each row, and the customer,
// that has not met the value yet. It returns what they have met with that, nil when it
// is new to none.
func (d *Decider) chargeDistinct(rows []uint32, value uint64, rec *record.Usage) *record.ValueCounted {
	met := &record.ValueCounted{Cap: rec.Cap, Value: value}
	grow := func(k record.UniqueKey) bursar.Amount {
		n := d.uniqueGrowth(k, met.Value)
		if !d.uniqueHas(k, met.Value) {
			met.Sets = append(met.Sets, k)
		}
		return bursar.AmountFromInt(int64(n))
	}
	rec.Amount = oneUnit
	rec.Total = grow(record.UniqueKey{Cap: rec.Cap})
	rec.Delta = rec.Total
	rec.Charges = d.Charges(rows, rec.At, bursar.Amount{}, false)
	for i := range rec.Charges {
		ch := &rec.Charges[i]
		c := d.Current(ch.Row, d.Def(ch.Row))
		switch ch.Slot {
		case record.SlotCurrent:
			ch.Delta = grow(record.UniqueKey{Row: ch.Row, Start: c.Start})
		case record.SlotPrevious:
			ch.Delta = grow(record.UniqueKey{Row: ch.Row, Start: c.PrevStart})
		}
	}
	if len(met.Sets) == 0 {
		return nil
	}
	return met
}

// Unruled is an event as a reading of its usage without the environment's rules has it; nil = the same.
func Unruled(in *bursar.EventInput) *bursar.EventInput {
	if in.Unruled == nil {
		return nil
	}
	plain := *in
	plain.Dimensions = record.SortDims(append(withoutDerived(in.Dimensions, in.Derived), in.Unruled...))
	return &plain
}

// withoutDerived is dims without those that were read from usage.
func withoutDerived(dims, derived []bursar.Dimension) []bursar.Dimension {
	return slices.DeleteFunc(slices.Clone(dims), func(d bursar.Dimension) bool { return slices.Contains(derived, d) })
}

// EventContent is what must be equal for two events with one key to be the same event.
func EventContent(in *bursar.EventInput) []byte {
	e := record.Encoder{B: make([]byte, 0, 256)}
	e.Byte(byte(record.OpEvent))
	e.String(in.EventName)
	e.Dims(in.Dimensions)
	if in.ReservationID != "" {
		e.String(in.ReservationID)
	}
	if in.CallID != "" {
		e.String("")
		e.String(in.CallID)
	}
	return e.B
}

func (o *ReportEvents) Size() int { return len(o.Items) }
