package ledger

import (
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// How a hold of an event ends with usage. That usage is recorded as the event's would be,
// and only then does the hold end, in the same commit.

func (v *View) applyEventHeld(r *record.EventHeld) {
	v.remember(r.Key)
	v.openHold(r.Hold())
}

func (v *View) applyEventUsed(r *record.EventUsed) error {
	v.remember(r.Key)
	use := r.Use
	if r.Late != nil {
		n := *r.Late
		n.Status, n.Closed, n.Late, n.Event = bursar.HoldCommitted, r.At, true, n.Event.With(&use)
		put(v, &v.Hlds, r.ID, &n)
		v.learn(&n, &use)
		return nil
	}
	if h := v.Hold(r.ID); h != nil && h.Event != nil && !use.Estimated {
		v.learn(h, &use)
	}
	return v.closeHold(r.ID, func(h *record.Hold) {
		h.Status, h.Closed = bursar.HoldCommitted, r.At
		if use.Estimated {
			h.Status, h.Closed = bursar.HoldExpired, h.Expires
		}
		h.Event = h.Event.With(&use)
	})
}

// UsedEvent is what the event of a hold really was.
type UsedEvent struct {
	Name string             // "" = that of the hold
	Dims []bursar.Dimension // in place of the hold's measures; its labels count where Dims have no such key
	// Derived are further dimensions, which were read from a reply. Of one
	// key, a label of the hold counts before them.
	Derived  []bursar.Dimension
	Unruled  []bursar.Dimension // as of an EventInput
	Warnings []string           // of how they were read
	// Illegible tells that dimensions were to be read from a usage object, and not all could be.
	Illegible bool
	Unread    *bursar.UnreadReading // nil = all could be
	Key       record.Identity       // of the event, where it has one that is not the hold's
	// CallOf gives the call of the hold's event, where the commit names one.
	CallOf func(eventName string) Call

	call     Call
	known    knownCall  // of call
	again    bool       // an earlier event of the same request ends the hold
	Unpriced []Unpriced // what no rate matched, once a commit is decided
}

// usingEvent is a hold of an event that is about to end with what was used.
type usingEvent struct {
	hold    *record.Hold
	item    EventItem
	content [8]byte
	plain   []bursar.Dimension // the item's as a reading without rules has them; nil = the same
	key     record.Identity
	repeat  bool // the hold ended so before
	differs bool // the hold ended before by another report of the call, which said something else
	mute    bool // the event was to say what was used, and nothing of that could be read
	keeps   bool // nothing says what was used: the hold goes on, and is settled when its time is over
	call    Call // the call to remember with the hold (nameCall); zero = none
	unread  *bursar.UnreadReading
	same    record.Identity // of unread, if the hold goes on
}

// ContentHash is what is remembered of the content of a request.
func ContentHash(content []byte) (h [8]byte) {
	sum := sha256.Sum256(content)
	copy(h[:], sum[:])
	return h
}

// ReservesContent is what every key of a reservation of an event is remembered with. Only a
// reservation has it, so an event that comes with the same key is known to be the
// reservation's own.
func ReservesContent(eventName string) [8]byte {
	e := record.Encoder{}
	e.Byte(byte(record.OpReserve))
	e.String(eventName)
	return ContentHash(e.B)
}

// useEvent judges the end of a hold with what was used. It adds to p what is wrong, with
// pointers that begin with at. Prices are those of when the hold began.
func (d *Decider) useEvent(h *record.Hold, u *UsedEvent, at string, p *bursar.Problems) *usingEvent {
	if u.Name != "" && u.Name != h.Event.Name {
		p.Add(at+"/eventName", bursar.CodeValidationFailed, "the reservation %s is of the event %q", store.FormatID(h.ID), h.Event.Name)
		return nil
	}
	counted, err := u.known.ofHold(&u.call, h)
	if err != nil {
		p.Add(at+"/callId", err.Code, "%s", err.Message)
		return nil
	}
	x := &usingEvent{hold: h, key: u.Key, unread: u.Unread}
	x.item.In = bursar.EventInput{CustomerID: d.Cust().ID, EventName: h.Event.Name, Dimensions: u.onto(labelsOf(h.Event.Props)), Warnings: u.Warnings}
	x.content = ContentHash(EventContent(&x.item.In))
	if u.Unruled != nil {
		plain := *u
		plain.Dims, plain.Derived = withoutDerived(u.Dims, u.Derived), u.Unruled
		x.plain = plain.onto(labelsOf(h.Event.Props))
	}
	x.item.begun = true
	var own bursar.Problems
	d.meterEvent(&x.item, at, h.Created, &own)
	x.mute = u.Illegible && x.item.saysNothing()
	if err := d.usable(x, u.known.held); err != nil {
		p.Add(at+"/reservationId", err.Code, "%s", err.Message)
		return nil
	}
	if !u.known.named {
		x.call = u.call
	}
	if x.keeps = x.mute && !x.repeat && !counted; x.keeps {
		w := bursar.WarnHoldKept
		if h.Status == bursar.HoldExpired && h.Event.Used == nil {
			w = bursar.WarnNothingRecorded
		}
		x.item.usages, x.item.warnings = nil, append(slices.Clip(u.Warnings), w)
		return x
	}
	if !x.repeat && !counted && !u.again && d.enrolAtEnd(h, u, &x.item.In) { // the usage counts on the newcomers, too
		own = bursar.Problems{}
		d.meterEvent(&x.item, at, h.Created, &own)
	}
	if !x.repeat { // what is recorded is not judged again
		noneNegative(x.item.usages, at, &own)
		p.Join(&own)
	}
	if counted {
		x.item.usages, x.item.warnings, x.unread = nil, append(x.item.warnings, bursar.WarnCallCounted), nil
	}
	return x
}

// keptBefore finds out whether a hold that goes on has kept the same unread usage already: then it
// keeps none. That is remembered as idempotency keys are.
func (d *Decider) keptBefore(x *usingEvent) error {
	if !x.keeps || x.unread == nil {
		return nil
	}
	sum := sha256.Sum256(slices.Concat(x.hold.ID[:], x.content[:], []byte(x.unread.Usage)))
	x.same = record.Identity{Set: true, Hash: [16]byte(sum[:16])}
	e, err := d.known(x.same, d.Now-record.KeyMemory)
	if e != nil {
		x.unread = nil
	}
	return err
}

// onto are the dimensions of the event with the labels of the hold, ordered by key. It leaves out
// the hold's Context: how long the prompt was follows from what was used.
func (u *UsedEvent) onto(labels []bursar.Dimension) []bursar.Dimension {
	derived := func(key string) bool {
		return slices.ContainsFunc(u.Derived, func(d bursar.Dimension) bool { return d.Key == key })
	}
	out := slices.DeleteFunc(slices.Clone(u.Dims), func(d bursar.Dimension) bool { return derived(d.Key) })
	add := func(d bursar.Dimension) {
		if !slices.ContainsFunc(out, func(have bursar.Dimension) bool { return have.Key == d.Key }) {
			out = append(out, d)
		}
	}
	for _, d := range labels {
		if d.Key != bursar.Context {
			add(d)
		}
	}
	for _, d := range u.Derived {
		add(d)
	}
	return record.SortDims(out)
}

// endedBy tells whether a hold ended with what x says, as it is read now or without rules.
func (x *usingEvent) endedBy(used *record.EventUse) bool {
	if used.Content == x.content || x.plain == nil {
		return used.Content == x.content
	}
	plain := x.item.In
	plain.Dimensions = x.plain
	return used.Content == ContentHash(EventContent(&plain))
}

// usable is an error when a hold cannot end with x any more. It notes in x if the hold ended so
// before. named tells that the call has this hold: then a committed hold ended so, whatever was said.
func (d *Decider) usable(x *usingEvent, named bool) *bursar.Error {
	h := x.hold
	switch h.Status {
	case bursar.HoldCommitted:
		if !named && !x.mute && !x.endedBy(h.Event.Used) {
			return bursar.Errorf(bursar.CodeReservationClosed, "the reservation %s was committed with other usage at %s; it is committed once", store.FormatID(h.ID), h.Closed)
		}
		x.repeat, x.differs = true, !x.mute && !x.endedBy(h.Event.Used) && saidIn(h.Event.Used.Props) != saidIn(x.item.In.Dimensions)
	case bursar.HoldReleased:
		return errClosed(h, "committed").(*bursar.Error)
	case bursar.HoldExpired:
		if d.Now > h.Created+bursar.MaxHoldLife {
			return errClosed(h, "committed").(*bursar.Error)
		}
	}
	return nil
}

// commitEvent ends a hold of an event with what u says; within is that of [ChangeHold]. It refuses
// what does not fit the hold: an amount for an event, or an event for an amount.
func (d *Decider) commitEvent(h *record.Hold, u *UsedEvent, within bool) (any, error) {
	switch {
	case u == nil:
		return nil, bursar.ErrorAt("/amount", bursar.CodeValidationFailed,
			"the reservation %s is of the event %q: commit it with usage, tokens or properties in place of an amount", store.FormatID(h.ID), h.Event.Name)
	case h.Event == nil:
		return nil, bursar.ErrorAt("/amount", bursar.CodeValidationFailed,
			"the reservation %s holds an amount of %s: commit it with amount; usage, tokens and properties are for a reservation of an event",
			store.FormatID(h.ID), d.Capability(h.Cap))
	}
	if u.call, u.known = u.CallOf(h.Event.Name), (knownCall{}); u.call.Key.Set {
		var err error
		if u.known, err = d.knownCall(&u.call, d.Now-record.KeyMemory); err != nil {
			return nil, err
		}
	}
	var p bursar.Problems
	x := d.useEvent(h, u, "", &p)
	if err := p.Err(); err != nil {
		return nil, withoutPlace(err)
	}
	if err := d.keptBefore(x); err != nil {
		return nil, err
	}
	if within {
		if err := d.eventHeldFor(h, &x.item); err != nil {
			return nil, err
		}
	}
	u.Unpriced = nil
	if !x.repeat {
		d.reached = nil
		d.recordUse(x)
		if n := d.Shown(d.Hold(h.ID)); n != nil { // a hold that goes on may be in the store alone
			h = n
		}
		u.Unpriced = d.unpricedOf(x.item.usages)
	} else {
		d.nameCall(&x.call, h) // the call may be reported with its own id next
	}
	out := d.ReservationOut(d.Cat, h)
	out.Duplicate = x.repeat
	if out.Decision.Warnings = x.item.warnings; x.differs {
		out.Decision.Warnings = append(slices.Clip(x.item.warnings), bursar.WarnCallDiffers+":"+u.call.ID)
	}
	if !x.repeat {
		out.Event.Alerts = d.reached
	}
	return out, nil
}

// withoutPlace is err with pointers as a commit has them: its path names the reservation, and its
// body has properties in place of dimensions.
func withoutPlace(err error) error {
	b, ok := err.(*bursar.Error)
	if !ok {
		return err
	}
	if len(b.Fields) == 1 && b.Fields[0].Pointer == "/reservationId" {
		return &bursar.Error{Code: b.Code, Message: b.Fields[0].Detail}
	}
	for i := range b.Fields {
		if rest, ok := strings.CutPrefix(b.Fields[i].Pointer, "/dimensions"); ok {
			b.Fields[i].Pointer = "/properties" + rest
		}
	}
	return b
}

// recordUse records what was used and ends the hold. What an estimate booked is taken back, of a correction at last.
func (d *Decider) recordUse(x *usingEvent) {
	h := x.hold
	if x.keeps {
		if _, again := d.NewKeys[x.same.Hash]; again && x.same.Set { // by another event of the same request
			x.unread = nil
		}
		if open := d.Hold(h.ID); h.Status == bursar.HoldOpen && open != nil && open.Status == bursar.HoldOpen && !open.Settle {
			d.Emit(&record.HoldKept{ID: h.ID})
		}
		d.nameCall(&x.call, h)
		d.keepUnread(&x.item.In, h.Created, x.unread, nil, x)
		return
	}
	rec := &record.EventUsed{ID: h.ID, At: d.Now, Key: x.key}
	takeBack := func() {}
	if h.Status == bursar.HoldExpired {
		h = d.recordedEnd(h)
		if rec.Late = h; h.Event.Used != nil {
			takeBack = (&booking{Decider: d, h: h, now: d.Now, back: true}).parts
		}
	}
	if d.whole == nil {
		takeBack()
	}
	rec.Use = record.EventUse{Content: x.content, Props: x.item.In.Dimensions}
	for i := range x.item.usages {
		u := &x.item.usages[i]
		d.recordUsage(u, record.OpHeldEvent)
		if u.took.IsZero() {
			continue
		}
		part := record.UsedPart{Cap: d.CapOrd(u.In.Capability()), Amount: u.took}
		for _, c := range u.Costs {
			part.Costs = append(part.Costs, record.PaidCost{Cap: d.CapOrd(bursar.Capability{Kind: bursar.KindCurrency, ID: c.CurrencyID}), Amount: c.Amount})
		}
		rec.Use.Parts = append(rec.Use.Parts, part)
	}
	if d.whole != nil {
		takeBack()
	}
	d.Emit(rec)
	d.nameCall(&x.call, h)
	d.keepUnread(&x.item.In, h.Created, x.unread, nil, nil)
}

// recordedEnd is a hold whose time is over, once its end is recorded: that comes before what comes late.
func (d *Decider) recordedEnd(h *record.Hold) *record.Hold {
	if open := d.Hold(h.ID); open != nil && open.Status == bursar.HoldOpen {
		d.expireHold(open)
		return d.Hold(h.ID)
	}
	return h
}

// settleEvent ends a hold whose time is over with what it holds, as used.
func (d *Decider) settleEvent(h *record.Hold) {
	(&booking{Decider: d, h: h, now: h.Expires}).parts()
	d.Emit(&record.EventUsed{ID: h.ID, At: h.Expires, Use: h.Event.Estimate()})
}

// booking records that a hold's amounts were used when its time was over, or takes that back. It
// does so on the limits that the hold is on, at the hold's prices.
type booking struct {
	*Decider
	h    *record.Hold
	now  bursar.Time
	back bool
}

// of is an amount of the hold as it is booked: negative when it is taken back.
func (b *booking) of(a bursar.Amount) bursar.Amount {
	if b.back {
		return a.Neg()
	}
	return a
}

func (b *booking) parts() {
	h := b.h
	for i := range h.Event.Parts {
		part := &h.Event.Parts[i]
		amount := b.of(part.Amount)
		if amount.IsZero() || !part.Books() {
			continue
		}
		rec := &record.Usage{Op: record.OpHeldEvent, Cap: part.Cap, Amount: amount, Timestamp: h.Created, At: h.Expires, Dims: h.Dims,
			Combo: h.Combo, Path: h.Path, Delta: amount, Total: b.clampTotal(part.Cap, amount)}
		rec.Charges = b.Charges(b.withPromo(b.heldRows(h, part.Cap), part.Cap), h.Expires, amount, false)
		of := len(b.Recs)
		b.Emit(rec)
		b.moveLevels(part.Cap, h.Path, amount)
		b.alertCharges(rec.Charges)
		for j := range part.Costs {
			b.cost(part.Cap, &part.Costs[j], rec.Total, of)
		}
	}
}

// cost records what a part costs in one currency.
func (b *booking) cost(feature uint32, c *record.HeldCost, units bursar.Amount, of int) {
	h, amount := b.h, b.of(c.Held)
	if amount.IsZero() {
		return
	}
	var plain []bursar.Dimension // as they were when the hold began
	if h.Combo != 0 {
		plain = record.DecodeCombo(b.View.combo(h.Combo))
	}
	rec := &record.Cost{Cap: c.Cap, Feature: feature, Of: uint32(of), Card: c.Card, Version: c.Version, Units: units, Amount: amount,
		Total: b.clampTotal(c.Cap, amount), At: h.Expires, Combo: b.costCombo(plain, b.Capability(feature).ID), Path: h.Path}
	if !b.back {
		rec.Held, rec.Hold, rec.Dims = true, h.ID, h.Dims
	}
	rec.Charges = b.Charges(b.heldRows(h, c.Cap), h.Expires, amount, false)
	b.Emit(rec)
	b.alertCharges(rec.Charges)
	if b.Cat.Prepaid(b.Capability(c.Cap).ID) {
		b.draw(c.Cap, rec.Total, feature, of, record.DrawConsumed, b.now)
	}
}
