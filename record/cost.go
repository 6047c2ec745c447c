package record

import (
	"github.com/bursarhq/bursar"
)

// Cost is what usage cost in one currency. It follows the record of the usage in the
// same commit.
type Cost struct {
	Cap     uint32 // the currency
	Feature uint32 // whose usage it was
	Of      uint32 // the index of the usage's record in this commit
	Card    string
	Version int
	Units   bursar.Amount // that were priced
	Amount  bursar.Amount // what each row takes unless clamped
	Total   bursar.Amount // what the customer's total took
	At      bursar.Time
	Combo   uint32
	Path    []Hop
	Charges []Charge
	// Correction tells that re-pricing made this: Amount is what version By charges for usage
	// of the bucket at At, less what was charged for it by Version.
	Correction bool
	By         int
	// Held tells that this is the cost of a hold that ended: Hold is its id, Dims are its own.
	Held bool
	Hold [16]byte
	Dims []bursar.Dimension
}

func (*Cost) Kind() Kind { return kindCost }

func (r *Cost) encode(e *Encoder) {
	flags := byte(0)
	if r.Correction {
		flags |= 1
	}
	if r.Held {
		flags |= 2
	}
	if r.Total != r.Amount {
		flags |= 4
	}
	e.Byte(flags)
	e.Ord(r.Cap)
	e.Ord(r.Feature)
	e.Ord(r.Of)
	e.String(r.Card)
	e.Uint(uint64(r.Version))
	e.Amount(r.Units)
	e.Amount(r.Amount)
	if r.Total != r.Amount {
		e.Amount(r.Total)
	}
	e.Time(r.At)
	e.Ord(r.Combo)
	encodePath(e, r.Path)
	encodeCharges(e, r.Charges, r.Amount)
	if r.Correction {
		e.Uint(uint64(r.By))
	}
	if r.Held {
		e.Hash(r.Hold)
		e.Dims(r.Dims)
	}
}

func (r *Cost) decode(d *Decoder) {
	flags := d.byte()
	r.Correction, r.Held = flags&1 != 0, flags&2 != 0
	r.Cap, r.Feature, r.Of = d.ord(), d.ord(), d.ord()
	r.Card, r.Version = d.string(), int(d.uint())
	r.Units, r.Amount = d.amount(), d.amount()
	if r.Total = r.Amount; flags&4 != 0 {
		r.Total = d.amount()
	}
	r.At, r.Combo, r.Path = d.time(), d.ord(), DecodePath(d)
	r.Charges = decodeCharges(d, r.Amount)
	if r.Correction {
		r.By = int(d.uint())
	}
	if r.Held {
		r.Hold, r.Dims = d.hash(), d.dims()
	}
}
