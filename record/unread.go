package record

import "github.com/bursarhq/bursar"

// UsageUnread keeps usage of an event that was not wholly understood, to be read again. What was
// counted of the event is before it in the same commit.
type UsageUnread struct {
	ID      [16]byte
	Event   string
	At      bursar.Time        // when it happened
	Priced  bursar.Time        // whose prices count
	Call    Identity           // of the event's call, which is not counted yet; not set = of none
	Own     Identity           // that a reservation of the call would have as its own key
	Held    bool               // the usage was to end Hold, which goes on
	Hold    [16]byte           // if Held
	Same    Identity           // if Held: of what was said of Hold; who says the same again keeps nothing
	Given   []bursar.Dimension // of the event, but for those that were read from the usage
	Path    []Hop
	Slot    uint32 // of the customer's list that it counts in
	Reading bursar.UnreadReading
}

func (*UsageUnread) Kind() Kind { return kindUnread }

func (r *UsageUnread) encode(e *Encoder) {
	e.Hash(r.ID)
	e.String(r.Event)
	e.Time(r.At)
	e.Time(r.Priced - r.At)
	r.Call.encode(e)
	r.Own.encode(e)
	if e.Bool(r.Held); r.Held {
		e.Hash(r.Hold)
		r.Same.encode(e)
	}
	e.Dims(r.Given)
	encodePath(e, r.Path)
	e.Ord(r.Slot)
	encodeTexts(e, r.Reading.Names)
	e.Dims(r.Reading.Derived)
	e.String(r.Reading.Usage)
	e.Bool(r.Reading.Cut)
}

func (r *UsageUnread) decode(d *Decoder) {
	r.ID, r.Event, r.At = d.hash(), d.string(), d.time()
	r.Priced = r.At + d.time()
	r.Call.decode(d)
	r.Own.decode(d)
	if r.Held = d.bool(); r.Held {
		r.Hold = d.hash()
		r.Same.decode(d)
	}
	r.Given, r.Path, r.Slot = d.dims(), DecodePath(d), d.ord()
	r.Reading = bursar.UnreadReading{Names: decodeTexts(d), Derived: d.dims(), Usage: d.string(), Cut: d.bool()}
}

// UsageReread says that what a UsageUnread keeps was read again. What that corrects is before it
// in the same commit.
type UsageReread struct {
	ID      [16]byte // of the UsageUnread
	Event   string
	Slot    uint32             // that it counted in
	Left    bool               // nothing of it is unread any more, or it is of no use
	Now     uint32             // the slot that it counts in from now on, unless it left
	Names   []string           // that are unread still
	Derived []bursar.Dimension // that are counted from now on
	Counted bool               // the event's call or hold has ended by this
	Model   string
}

func (*UsageReread) Kind() Kind { return kindReread }

func (r *UsageReread) encode(e *Encoder) {
	e.Hash(r.ID)
	e.String(r.Event)
	e.Ord(r.Slot)
	e.Bool(r.Left)
	e.Ord(r.Now)
	encodeTexts(e, r.Names)
	e.Dims(r.Derived)
	e.Bool(r.Counted)
	e.String(r.Model)
}

func (r *UsageReread) decode(d *Decoder) {
	r.ID, r.Event, r.Slot, r.Left, r.Now = d.hash(), d.string(), d.ord(), d.bool(), d.ord()
	r.Names, r.Derived, r.Counted, r.Model = decodeTexts(d), d.dims(), d.bool(), d.string()
}

func encodeTexts(e *Encoder, list []string) {
	e.Uint(uint64(len(list)))
	for _, s := range list {
		e.String(s)
	}
}

func decodeTexts(d *Decoder) []string {
	list := make([]string, d.count())
	for i := range list {
		list[i] = d.string()
	}
	return list
}
