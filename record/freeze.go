package record

import "github.com/bursarhq/bursar"

// Frozen stops what would be granted to an entity and below it. An existing freeze of the
// entity gives way to it.
type Frozen struct {
	Ent    uint32 // 0 = the customer
	Freeze Freeze
}

func (*Frozen) Kind() Kind { return kindFrozen }

func (r *Frozen) encode(e *Encoder) {
	e.Ord(r.Ent)
	e.String(r.Freeze.Reason)
	e.Time(r.Freeze.At)
	e.Bool(r.Freeze.ByToken)
	e.Ord(r.Freeze.Root)
}

func (r *Frozen) decode(d *Decoder) {
	r.Ent = d.ord()
	r.Freeze = Freeze{Reason: d.string(), At: d.time(), ByToken: d.bool(), Root: d.ord()}
}

// Thawed ends the freeze of an entity.
type Thawed struct{ Ent uint32 }

func (*Thawed) Kind() Kind { return kindThawed }

func (r *Thawed) encode(e *Encoder) { e.Ord(r.Ent) }

func (r *Thawed) decode(d *Decoder) { r.Ent = d.ord() }

// Freeze is why an entity is frozen, and who may end that: an API key any, an access token
// those of tokens whose root is its own or below it.
type Freeze struct {
	Reason  string
	At      bursar.Time
	ByToken bool
	Root    uint32 // of the token; 0 = the whole customer
}
