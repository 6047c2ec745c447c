package record

import (
	"github.com/bursarhq/bursar"
)

// TypeName, CapabilityName and ComboName give the next number of their sort.
type TypeName struct{ ID string }

func (*TypeName) Kind() Kind { return kindType }

func (r *TypeName) encode(e *Encoder) { e.String(r.ID) }

func (r *TypeName) decode(d *Decoder) { r.ID = d.string() }

type CapabilityName struct{ Capability bursar.Capability }

func (*CapabilityName) Kind() Kind { return kindCapability }

func (r *CapabilityName) encode(e *Encoder) {
	e.Byte(byte(r.Capability.Kind))
	e.String(r.Capability.ID)
}

func (r *CapabilityName) decode(d *Decoder) {
	r.Capability.Kind = bursar.CapabilityKind(d.byte())
	r.Capability.ID = d.string()
}

type ComboName struct{ Dims []bursar.Dimension }

func (*ComboName) Kind() Kind { return kindCombo }

func (r *ComboName) encode(e *Encoder) { e.Dims(r.Dims) }

func (r *ComboName) decode(d *Decoder) { r.Dims = d.dims() }
