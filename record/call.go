package record

// CallNamed says that a call has an id, or that a reservation of it has an idempotency key. If
// Held, the call is that of a hold. Else it was counted: a CallCounted is written for that.
type CallNamed struct {
	Key  Identity // of the id
	Held bool
	Hold [16]byte // if Held
	// Request is the content of the reservation that Key is the idempotency key of; zero of
	// the id of a call.
	Request [8]byte
}

func (*CallNamed) Kind() Kind { return kindCallNamed }

func (r *CallNamed) encode(e *Encoder) {
	r.Key.encode(e)
	if e.Bool(r.Held); r.Held {
		e.Hash(r.Hold)
	}
	e.B = append(e.B, r.Request[:]...)
}

func (r *CallNamed) decode(d *Decoder) {
	r.Key.decode(d)
	if r.Held = d.bool(); r.Held {
		r.Hold = d.hash()
	}
	d.content(&r.Request)
}

// CallCounted says that a call has an id and was counted by an event that ended no hold. The
// content of Key is what the event said.
type CallCounted struct{ Key Identity }

func (*CallCounted) Kind() Kind { return kindCallCounted }

func (r *CallCounted) encode(e *Encoder) { r.Key.encode(e) }

func (r *CallCounted) decode(d *Decoder) { r.Key.decode(d) }
