package record

import (
	"github.com/bursarhq/bursar"
)

// Charge is what one row took. Delta is what it really took, after clamping.
type Charge struct {
	Row    uint32
	Slot   slot
	Rolled bool // Window says where the row stands from now on
	Window Window
	Delta  bursar.Amount
}

type slot uint8

const (
	SlotNone slot = iota // older than the previous window: usage series only
	SlotCurrent
	SlotPrevious
)

func encodeCharges(e *Encoder, cs []Charge, amount bursar.Amount) {
	e.Uint(uint64(len(cs)))
	for i := range cs {
		c := &cs[i]
		e.Ord(c.Row)
		flags := byte(c.Slot)
		if c.Rolled {
			flags |= 4
		}
		if c.Delta != amount {
			flags |= 8
		}
		e.Byte(flags)
		if c.Rolled {
			c.Window.encode(e)
		}
		if c.Delta != amount {
			e.Amount(c.Delta)
		}
	}
}

func decodeCharges(d *Decoder, amount bursar.Amount) []Charge {
	cs := make([]Charge, d.count())
	for i := range cs {
		c := &cs[i]
		c.Row = d.ord()
		flags := d.byte()
		c.Slot = slot(flags & 3)
		if c.Rolled = flags&4 != 0; c.Rolled {
			c.Window.decode(d)
		}
		if c.Delta = amount; flags&8 != 0 {
			c.Delta = d.amount()
		}
	}
	return cs
}

// Hop is one entity of a path and the child through which the path reached it (0 when
// the usage was attributed to the entity itself).
type Hop struct{ Ent, Child uint32 }

func encodePath(e *Encoder, ss []Hop) {
	e.Uint(uint64(len(ss)))
	for _, s := range ss {
		e.Ord(s.Ent)
		e.Ord(s.Child)
	}
}

func DecodePath(d *Decoder) []Hop {
	ss := make([]Hop, d.count())
	for i := range ss {
		ss[i] = Hop{d.ord(), d.ord()}
	}
	return ss
}

type Operation uint8

const (
	OpUsage       Operation = 1
	OpConsume     Operation = 2
	OpReserve     Operation = 3
	OpRequest     Operation = 4 // a whole request with an Idempotency-Key
	OpConsumption Operation = 5 // credits that were consumed, reported without a gate
	OpEvent       Operation = 6
	OpHeldEvent   Operation = 7 // what ended a hold of an event; its EventUsed is after it in the commit
	OpReread      Operation = 8 // usage of an event that was read again, or what was counted of it taken back
)

type Usage struct {
	Op        Operation
	Cap       uint32
	Amount    bursar.Amount // what was asked: the value, or the new level of a SET
	Timestamp bursar.Time   // as given
	At        bursar.Time   // effective: never after the commit
	Key       Identity
	Dims      []bursar.Dimension
	Combo     uint32
	Path      []Hop
	Delta     bursar.Amount // what each row takes unless clamped
	Total     bursar.Amount // what the customer's total took
	Set       bool          // a SET: the level of Leaf becomes Amount, unless Stale
	Stale     bool
	Leaf      uint32
	Charges   []Charge
}

func (*Usage) Kind() Kind { return kindUsage }

func (r *Usage) encode(e *Encoder) {
	e.Byte(byte(r.Op))
	e.Ord(r.Cap)
	e.Amount(r.Amount)
	e.Time(r.At)
	e.Time(r.Timestamp - r.At)
	r.Key.encode(e)
	e.Dims(r.Dims)
	e.Ord(r.Combo)
	encodePath(e, r.Path)
	flags := byte(0)
	if r.Set {
		flags |= 1
	}
	if r.Stale {
		flags |= 2
	}
	if r.Delta != r.Amount {
		flags |= 4
	}
	if r.Total != r.Delta {
		flags |= 8
	}
	e.Byte(flags)
	if r.Set {
		e.Ord(r.Leaf)
	}
	if r.Delta != r.Amount {
		e.Amount(r.Delta)
	}
	if r.Total != r.Delta {
		e.Amount(r.Total)
	}
	encodeCharges(e, r.Charges, r.Delta)
}

func (r *Usage) decode(d *Decoder) {
	r.Op = Operation(d.byte())
	r.Cap, r.Amount, r.At = d.ord(), d.amount(), d.time()
	r.Timestamp = r.At + d.time()
	r.Key.decode(d)
	r.Dims, r.Combo, r.Path = d.dims(), d.ord(), DecodePath(d)
	flags := d.byte()
	r.Set, r.Stale = flags&1 != 0, flags&2 != 0
	if r.Set {
		r.Leaf = d.ord()
	}
	if r.Delta = r.Amount; flags&4 != 0 {
		r.Delta = d.amount()
	}
	if r.Total = r.Delta; flags&8 != 0 {
		r.Total = d.amount()
	}
	r.Charges = decodeCharges(d, r.Delta)
}
