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
	reserves [8]byte         // the content that own is remembered with
}

// The content that the id of a call is remembered with, where that is not what its event said:
// callHeld if it has a hold, callCounted if a version counted it that did not keep what it said.
var callCounted, callHeld = ContentHash([]byte("counted")), ContentHash([]byte("held"))

// EventTarget is the target (KeyOf) of idempotency keys of an event: reports, consumptions and
// reservations of one event share their keys.
func EventTarget(name string) string { return "\x03" + name }

// CallOf is the call of an event name that has an id; "" = it has none.
func CallOf(secret *[32]byte, eventName, id string) (c Call) {
	if id == "" {
		return c
	}
	return Call{ID: id, Key: KeyOf(secret, "\x04"+eventName, id, nil), own: KeyOf(secret, EventTarget(eventName), id, nil), reserves: ReservesContent(eventName)}
}

// knownCall is what was done about a call.
type knownCall struct {
	named   bool     // its own id is remembered
	counted bool     // it was counted by what ended no hold
	said    *[8]byte // what was said when it was counted (saidBy); nil = nobody knows
	open    bool     // no item of this request has said yet what the call used; a later one may
	held    bool
	hold    [16]byte // if held
}

// knownCall finds what was done about c since oldest.
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

// nameCall records that a call has a hold.
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

// saidBy is what an event says of how much was used, and of which model. Reports of one call may
// differ in all other labels.
func saidBy(in *bursar.EventInput) [8]byte { return saidIn(in.Dimensions) }

func saidIn(dims []bursar.Dimension) [8]byte {
	labels := func(d bursar.Dimension) bool { return d.Kind != bursar.DimNumber && d.Key != bursar.ModelKey }
	return ContentHash(EventContent(&bursar.EventInput{Dimensions: slices.DeleteFunc(slices.Clone(dims), labels)}))
}

// differs tells whether an event says something else than what counted its call.
func (k *knownCall) differs(in *bursar.EventInput) bool {
	if k.said == nil || *k.said == saidBy(in) {
		return false
	}
	plain := Unruled(in)
	return plain == nil || *k.said != saidBy(plain)
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

// HeldBy is the hold that a record makes, or that it says a call has.
func HeldBy(r record.Record) (id [16]byte, err error) {
	switch r := r.(type) {
	case *record.EventHeld:
		return r.ID, nil
	case *record.CallNamed:
		return r.Hold, nil
	}
	return id, record.ErrRecord
}

// ReservedWith is the content of the request that made such a record (HeldBy).
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

// reservedCall is the hold that a call has: a reservation of the call is answered with it. nil =
// the call is new. It is an error if the call was counted already, or has a hold and is to be
// consumed.
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

// ofHold tells whether a call that is about to end h was counted before, without ending a hold. It
// is an error if the call has another hold.
func (k *knownCall) ofHold(c *Call, h *record.Hold) (counted bool, err *bursar.Error) {
	if k.held && k.hold != h.ID {
		return false, bursar.Errorf(bursar.CodeValidationFailed, "the call %q has the reservation %s", c.ID, store.FormatID(k.hold))
	}
	return k.counted, nil
}
