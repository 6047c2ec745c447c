package record

import "github.com/bursarhq/bursar"

// Default is a default limit: the limit of every entity of a type, or of every one of them
// below an entity, that has no limit of its own of the same capability and label.
type Default struct {
	ID    [16]byte
	Ent   uint32 // 0 = the whole customer
	Typ   uint32
	When  map[string]string // metadata that an entity must have; nil = any
	Terms Limit             // without an entity and a scope
}

// Applies tells whether e, wherever it is, is one of those that x is for.
func (x *Default) Applies(e *Entity) bool {
	if e.Typ != x.Typ {
		return false
	}
	for k, want := range x.When {
		if has, ok := e.Meta[k]; !ok || has != want {
			return false
		}
	}
	return true
}

// DefaultPut makes a default limit, or gives an existing one other terms.
type DefaultPut struct{ Default Default }

func (*DefaultPut) Kind() Kind { return kindDefault }

func (r *DefaultPut) encode(e *Encoder) {
	e.Hash(r.Default.ID)
	e.Ord(r.Default.Ent)
	e.Ord(r.Default.Typ)
	e.stringMap(r.Default.When)
	r.Default.Terms.encode(e)
}

func (r *DefaultPut) decode(d *Decoder) {
	r.Default = Default{ID: d.hash(), Ent: d.ord(), Typ: d.ord(), When: d.stringMap()}
	r.Default.Terms.decode(d)
}

// DefaultDeleted takes a default limit away.
type DefaultDeleted struct{ ID [16]byte }

func (*DefaultDeleted) Kind() Kind { return kindDefaultEnd }

func (r *DefaultDeleted) encode(e *Encoder) { e.Hash(r.ID) }

func (r *DefaultDeleted) decode(d *Decoder) { r.ID = d.hash() }

// LimitDefaulted makes the row of an entity that is limited by default, the first time that
// something happens to it, or gives a row whose own limit was deleted back to the defaults.
// The record does not have the limit itself: at each moment the defaults say what it is.
type LimitDefaulted struct {
	Row      uint32 // an existing number, or the next one
	ID       [16]byte
	Ent, Cap uint32
	Label    string

	// Carry tells that what the own limit had used counts in a window of the default's schedule.
	Carry  bool
	Used   bursar.Amount
	Window Window
}

func (*LimitDefaulted) Kind() Kind { return kindRowDefault }

func (r *LimitDefaulted) encode(e *Encoder) {
	e.Ord(r.Row)
	e.Hash(r.ID)
	e.Ord(r.Ent)
	e.Ord(r.Cap)
	e.String(r.Label)
	e.Bool(r.Carry)
	if r.Carry {
		e.Amount(r.Used)
		r.Window.encode(e)
	}
}

func (r *LimitDefaulted) decode(d *Decoder) {
	*r = LimitDefaulted{Row: d.ord(), ID: d.hash(), Ent: d.ord(), Cap: d.ord(), Label: d.string()}
	if r.Carry = d.bool(); r.Carry {
		r.Used = d.amount()
		r.Window.decode(d)
	}
}
