package record

// CallNamed says that a call has an id: it was counted, or what it uses is a hold's.
type CallNamed struct {
	Key  Identity // of the id
	Held bool
	Hold [16]byte // if Held
}

func (*CallNamed) Kind() Kind { return kindCallNamed }

func (r *CallNamed) encode(e *Encoder) {
	r.Key.encode(e)
	if e.Bool(r.Held); r.Held {
		e.Hash(r.Hold)
	}
}

func (r *CallNamed) decode(d *Decoder) {
	r.Key.decode(d)
	if r.Held = d.bool(); r.Held {
		r.Hold = d.hash()
	}
}
