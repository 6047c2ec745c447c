package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Call is the id that a caller gives to one call of an event name. Reservations, commits,
// consumptions and events that give the same one are of one call, which counts once.
type Call struct {
	ID       string
	Key      record.Identity // of the id
	own      record.Identity // of a reservation that was made with the id as its idempotency key
	reserves [8]byte         // what that is remembered with
}

// What the id of a call is remembered with, unless that is what its event said; callCounted by
// versions that did not keep that.
var callCounted, callHeld = ContentHash([]byte("counted")), ContentHash([]byte("held"))

// EventTarget is what the keys of an event's calls are about: reports, consumptions and
// reservations of one event share them.
func EventTarget(name string) string { return "\x03" + name }

// CallOf is the call of an event name that has an id; "" = it has none.
func CallOf(secret *[32]byte, eventName, id string) (c Call) {
	if id == "" {
		return c
	}
	return Call{ID: id, Key: KeyOf(secret, "\x04"+eventName, id, nil), own: KeyOf(secret, EventTarget(eventName), id, nil), reserves: ReservesContent(eventName)}
}

// knownCall is what was done of a call.
type knownCall struct {
	named   bool     // something was, under its own id
	counted bool     // by what ended no hold
	said    *[8]byte // what counted it, as saidBy has it; nil = nobody knows
	open    bool     // what came of it in this request says nothing: the next item may be the first that does
	held    bool
	hold    [16]byte // if held
}

// knownCall finds what was done of c since oldest.
func (d *Decider) knownCall(c *Call, oldest bursar.Time) (k knownCall, err error) {
	e, err := d.known(c.Key, oldest)
	if err != nil || e != nil && e.content == callCounted {
		return knownCall{named: true, counted: true}, err
	}
	if e != nil && e.content != callHeld {
		return knownCall{named: true, counted: true, said: &e.content}, nil
	}
	if k.named = e != nil; !k.named {
		if e, err = d.known(c.own, oldest); err != nil || e == nil || e.content != c.reserves {
			return k, err
		}
	}
	k.held = true
	k.hold, err = d.heldAt(&record.Place{Seq: e.Seq, Index: e.index})
	return k, err
}

// nameCall records that a call is a hold's.
func (d *Decider) nameCall(c *Call, h *record.Hold) {
	if c.Key.Set {
		r := &record.CallNamed{Key: c.Key, Held: true, Hold: h.ID}
		r.Key.Content = callHeld
		d.Emit(r)
	}
}

// countCall records that a call was counted by an event that ended no hold.
func (d *Decider) countCall(c *Call, in *bursar.EventInput) {
	if c.Key.Set {
		r := &record.CallCounted{Key: c.Key}
		r.Key.Content = saidBy(in)
		d.Emit(r)
	}
}

// saidBy is what an event says of how much was used, and of which model. Who reports may label
// a call otherwise.
func saidBy(in *bursar.EventInput) [8]byte { return saidIn(in.Dimensions) }

func saidIn(dims []bursar.Dimension) [8]byte {
	labels := func(d bursar.Dimension) bool { return d.Kind != bursar.DimNumber && d.Key != "model" }
	return ContentHash(EventContent(&bursar.EventInput{Dimensions: slices.DeleteFunc(slices.Clone(dims), labels)}))
}

// differs tells whether an event says something else than what counted its call.
func (k *knownCall) differs(in *bursar.EventInput) bool {
	return k.said != nil && *k.said != saidBy(in)
}

// heldAt is the hold that was made, or named, at a place.
func (d *Decider) heldAt(p *record.Place) (id [16]byte, err error) {
	if p.Seq == d.Head.Seq+1 {
		if int(p.Index) >= len(d.Recs) {
			return id, record.ErrRecord
		}
		return HeldBy(d.Recs[p.Index])
	}
	if d.Facts != nil {
		if id, ok := d.Facts.Held[*p]; ok {
			return id, nil
		}
	}
	return id, &Needs{Base: d.SeriesBase, Held: []record.Place{*p}}
}

// HeldBy is the hold that a record makes, or says that a call has.
func HeldBy(r record.Record) (id [16]byte, err error) {
	switch r := r.(type) {
	case *record.EventHeld:
		return r.ID, nil
	case *record.CallNamed:
		return r.Hold, nil
	}
	return id, record.ErrRecord
}

// ReservedWith is the content of the request that such a record is of.
func ReservedWith(r record.Record) [8]byte {
	switch r := r.(type) {
	case *record.EventHeld:
		return r.Event.Content
	case *record.CallNamed:
		return r.Request
	}
	return [8]byte{}
}

// holdNow is a hold as it stands; nil = there is none.
func (d *Decider) holdNow(id [16]byte) (*record.Hold, error) {
	if h := d.Shown(d.View.Hold(id)); h != nil {
		return h, nil
	}
	return d.savedHold(id)
}

// reservedCall is the hold that a call has, which a reservation of it is answered with; nil
// when nothing was done of the call. One that was counted, or that a consumption finds
// held, is refused.
func (d *Decider) reservedCall(c *Call, consumes bool) (*record.Hold, error) {
	if !c.Key.Set {
		return nil, nil
	}
	k, err := d.knownCall(c, d.Now-record.KeyMemory)
	if err != nil {
		return nil, err
	}
	switch {
	case k.counted:
		return nil, bursar.ErrorAt("/callId", bursar.CodeIdempotencyKeyReused, "the call %q was counted already: it counts once", c.ID)
	case k.held && consumes:
		return nil, bursar.ErrorAt("/callId", bursar.CodeIdempotencyKeyReused,
			"the call %q has the reservation %s: commit that in place of consuming", c.ID, store.FormatID(k.hold))
	case k.held:
		return d.holdNow(k.hold)
	}
	return nil, nil
}

// ofHold tells whether a call that ends h was counted before, by what ended no hold. A call
// that has another hold is an error.
func (k *knownCall) ofHold(c *Call, h *record.Hold) (counted bool, err *bursar.Error) {
	if k.held && k.hold != h.ID {
		return false, bursar.Errorf(bursar.CodeValidationFailed, "the call %q has the reservation %s", c.ID, store.FormatID(k.hold))
	}
	return k.counted, nil
}
