package record

import (
	"github.com/bursarhq/bursar"
)

// ValueCounted says that a UNIQUE counted a value, and in whose windows.
type ValueCounted struct {
	Cap   uint32
	Value uint64
	Sets  []UniqueKey
}

func (*ValueCounted) Kind() Kind { return kindCounted }

func (r *ValueCounted) encode(e *Encoder) {
	e.Ord(r.Cap)
	e.Uint(r.Value)
	e.Uint(uint64(len(r.Sets)))
	for _, k := range r.Sets {
		e.Ord(k.Row)
		e.Ord(k.Cap)
		e.Time(k.Start)
	}
}

func (r *ValueCounted) decode(d *Decoder) {
	r.Cap, r.Value = d.ord(), d.uint()
	r.Sets = make([]UniqueKey, d.count())
	for i := range r.Sets {
		r.Sets[i] = UniqueKey{d.ord(), d.ord(), d.time()}
	}
}

// UniqueKey names a set of values: of a row's window, or, with row 0, of all that the
// customer ever used of a feature.
type UniqueKey struct {
	Row, Cap uint32
	Start    bursar.Time
}
