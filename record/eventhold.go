package record

import "github.com/bursarhq/bursar"

// EventHeld begins a hold of all that an event is expected to use. Cap and Amount of the hold
// are those of its first part.
type EventHeld struct {
	HoldOpened
	Event HeldEvent
}

func (*EventHeld) Kind() Kind { return kindEventHeld }

func (r *EventHeld) encode(e *Encoder) {
	r.HoldOpened.encode(e)
	r.Event.encode(e)
}

func (r *EventHeld) decode(d *Decoder) {
	r.HoldOpened.decode(d)
	r.Event.decode(d)
}

func (r *EventHeld) Hold() *Hold {
	h := r.HoldOpened.Hold()
	h.Event = &r.Event
	return h
}

// HeldEvent is what a hold of an event has beside what every hold has. It is immutable.
type HeldEvent struct {
	Name    string
	Content [8]byte            // of the request that made the hold
	Props   []bursar.Dimension // of the event, as it was expected
	Parts   []HeldPart         // at least one
	Used    *EventUse          // what was booked for it; nil = nothing
}

// HeldPart is what of one feature is held, with its frozen prices.
type HeldPart struct {
	Cap    uint32
	Amount bursar.Amount
	Costs  []HeldCost
}

// Books tells whether the part becomes usage when the hold is settled. It does not where it has a price
// and none of that is held: a dearer kind of what the two share is booked in its place.
func (p *HeldPart) Books() bool {
	priced := false
	for i := range p.Costs {
		if !p.Costs[i].Held.IsZero() {
			return true
		}
		price, ok := p.Costs[i].Rate.Cost(p.Amount)
		priced = priced || ok && !price.IsZero()
	}
	return !priced
}

// EventUse is what was recorded for a hold of an event.
type EventUse struct {
	Estimated bool // nobody said what was used: it is what was held
	Content   [8]byte
	Props     []bursar.Dimension
	Parts     []UsedPart
}

// UsedPart is what was used of one feature, and what that cost.
type UsedPart struct {
	Cap    uint32
	Amount bursar.Amount
	Costs  []PaidCost
}

type PaidCost struct {
	Cap    uint32
	Amount bursar.Amount
}

// EventUsed ends a hold of an event with what was used. The records of that usage are
// before it in the same commit.
type EventUsed struct {
	ID   [16]byte
	At   bursar.Time
	Key  Identity // of the event that ended it, where that has a key of its own
	Use  EventUse
	Late *Hold // the hold when it had expired before, else nil
}

func (*EventUsed) Kind() Kind { return kindEventUsed }

func (r *EventUsed) encode(e *Encoder) {
	e.Hash(r.ID)
	e.Time(r.At)
	r.Key.encode(e)
	r.Use.encode(e)
	e.Bool(r.Late != nil)
	if r.Late != nil {
		r.Late.encode(e)
		r.Late.Event.encode(e)
	}
}

func (r *EventUsed) decode(d *Decoder) {
	r.ID, r.At = d.hash(), d.time()
	r.Key.decode(d)
	r.Use.decode(d)
	if d.bool() {
		r.Late = new(Hold)
		r.Late.decode(d)
		r.Late.Event = new(HeldEvent)
		r.Late.Event.decode(d)
	}
}

func (x *HeldEvent) encode(e *Encoder) {
	e.String(x.Name)
	e.B = append(e.B, x.Content[:]...)
	e.Dims(x.Props)
	e.Uint(uint64(len(x.Parts)))
	for i := range x.Parts {
		p := &x.Parts[i]
		e.Ord(p.Cap)
		e.Amount(p.Amount)
		e.Uint(uint64(len(p.Costs)))
		for j := range p.Costs {
			p.Costs[j].encode(e)
		}
	}
	e.Bool(x.Used != nil)
	if x.Used != nil {
		x.Used.encode(e)
	}
}

func (x *HeldEvent) decode(d *Decoder) {
	x.Name = d.string()
	d.content(&x.Content)
	x.Props = d.dims()
	x.Parts = make([]HeldPart, d.count())
	for i := range x.Parts {
		p := &x.Parts[i]
		p.Cap, p.Amount = d.ord(), d.amount()
		if n := d.count(); n > 0 {
			p.Costs = make([]HeldCost, n)
		}
		for j := range p.Costs {
			p.Costs[j].decode(d)
		}
	}
	if len(x.Parts) == 0 {
		d.fail()
	}
	if d.bool() {
		x.Used = new(EventUse)
		x.Used.decode(d)
	}
}

func (u *EventUse) encode(e *Encoder) {
	e.Bool(u.Estimated)
	e.B = append(e.B, u.Content[:]...)
	e.Dims(u.Props)
	e.Uint(uint64(len(u.Parts)))
	for i := range u.Parts {
		p := &u.Parts[i]
		e.Ord(p.Cap)
		e.Amount(p.Amount)
		e.Uint(uint64(len(p.Costs)))
		for _, c := range p.Costs {
			e.Ord(c.Cap)
			e.Amount(c.Amount)
		}
	}
}

func (u *EventUse) decode(d *Decoder) {
	u.Estimated = d.bool()
	d.content(&u.Content)
	u.Props = d.dims()
	if n := d.count(); n > 0 {
		u.Parts = make([]UsedPart, n)
	}
	for i := range u.Parts {
		p := &u.Parts[i]
		p.Cap, p.Amount = d.ord(), d.amount()
		if n := d.count(); n > 0 {
			p.Costs = make([]PaidCost, n)
		}
		for j := range p.Costs {
			p.Costs[j] = PaidCost{d.ord(), d.amount()}
		}
	}
}

func (d *Decoder) content(c *[8]byte) {
	for i := range c {
		c[i] = d.byte()
	}
}

// EachHeld calls f with each amount that h holds, of features and of currencies; with one
// capability perhaps more than once.
func (h *Hold) EachHeld(f func(cap uint32, held bursar.Amount)) {
	h.EachEnding(func(cap uint32, held bursar.Amount, _ bool) { f(cap, held) })
}

// EachEnding is EachHeld, and tells of each amount whether it becomes usage when the time of h is over.
func (h *Hold) EachEnding(f func(cap uint32, held bursar.Amount, settled bool)) {
	if h.Event == nil {
		f(h.Cap, h.Amount, h.Settle)
		for i := range h.Costs {
			f(h.Costs[i].Cap, h.Costs[i].Held, h.Settle)
		}
		return
	}
	for i := range h.Event.Parts {
		p := &h.Event.Parts[i]
		settled := h.Settle && p.Books()
		f(p.Cap, p.Amount, settled)
		for j := range p.Costs {
			f(p.Costs[j].Cap, p.Costs[j].Held, settled)
		}
	}
}

// Estimate is what of an event's hold becomes usage when nobody says what was used.
func (x *HeldEvent) Estimate() EventUse {
	u := EventUse{Estimated: true, Content: x.Content, Props: x.Props}
	for _, p := range x.Parts {
		if p.Amount.IsZero() || !p.Books() {
			continue
		}
		part := UsedPart{Cap: p.Cap, Amount: p.Amount}
		for _, c := range p.Costs {
			part.Costs = append(part.Costs, PaidCost{c.Cap, c.Held})
		}
		u.Parts = append(u.Parts, part)
	}
	return u
}

// With is x with what was booked.
func (x *HeldEvent) With(u *EventUse) *HeldEvent {
	n := *x
	n.Used = u
	return &n
}

// EventRaised makes an open hold of an event hold more: Event and Chains are all that it has
// from then on.
type EventRaised struct {
	ID     [16]byte
	Event  HeldEvent
	Chains [][]uint32
}

func (*EventRaised) Kind() Kind { return kindEventRaised }

func (r *EventRaised) encode(e *Encoder) {
	e.Hash(r.ID)
	r.Event.encode(e)
	encodeChains(e, r.Chains)
}

func (r *EventRaised) decode(d *Decoder) {
	r.ID = d.hash()
	r.Event.decode(d)
	r.Chains = decodeChains(d)
}
