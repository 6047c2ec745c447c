package ledger

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// reportKeys judges the idempotency keys of the items of one report, in their order.
type reportKeys struct {
	byHash  map[[16]byte]reportKey
	missing Needs
	// reserves tells whether a content is that of a reservation with the key of item number i. nil =
	// no item has the key of a reservation.
	reserves func(i int, content [8]byte) bool
	// unruled tells whether a content is that of item number i as it was read before there were rules
	// for its usage. nil = no item has usage that is read.
	unruled func(i int, content [8]byte) bool
	of      map[int]*record.Place   // by number of the item: where that reservation was made
	calls   map[[16]byte]*knownCall // by call: what was done about it, by the items so far too
	said    map[[16]byte][8]byte    // by call: what its first item says (saidBy)
}

// reportKey is the first item of a report with a key.
type reportKey struct {
	place   int
	content [8]byte
	// The content that was recorded with the key before this report, and where. It may differ.
	stored   [8]byte
	storedAt *record.Place
}

func newReportKeys(items int) *reportKeys {
	return &reportKeys{byHash: make(map[[16]byte]reportKey, items)}
}

// judge tells whether item number i is new. If it was recorded before this report, twin is where.
// A key that came with other content is added to p, at pointer.
func (k *reportKeys) judge(d *Decider, i int, key record.Identity, text string, timestamp bursar.Time, pointer func() string, p *bursar.Problems) (twin *record.Place, fresh bool) {
	if !key.Set {
		return nil, true
	}
	if other, ok := k.byHash[key.Hash]; ok {
		if other.content != key.Content {
			p.Add(pointer(), bursar.CodeIdempotencyKeyReused, "the idempotency key %q is in this request with other content too", text)
		}
		if other.storedAt != nil && k.same(i, key.Content, other.stored) {
			return other.storedAt, false
		}
		return nil, false
	}
	k.byHash[key.Hash] = reportKey{place: i, content: key.Content}
	e, err := d.known(key, oldestReceipt(timestamp, d.Now))
	if n, ok := err.(*Needs); ok {
		k.missing.add(n)
		return nil, false
	}
	if e == nil {
		return nil, true
	}
	if e.content != key.Content && k.reserves != nil && k.reserves(i, e.content) {
		k.of[i] = &record.Place{Seq: e.Seq, Index: e.index}
		return nil, true
	}
	at := &record.Place{Seq: e.Seq, Index: e.index}
	if !k.same(i, key.Content, e.content) {
		err := Reused(pointer(), text)
		p.Add(err.Fields[0].Pointer, err.Code, "%s", err.Message)
	} else {
		twin = at
	}
	k.byHash[key.Hash] = reportKey{i, key.Content, e.content, at}
	return twin, false
}

// same tells whether item number i, whose content is given, is what was recorded with another one.
func (k *reportKeys) same(i int, content, stored [8]byte) bool {
	return content == stored || k.unruled != nil && k.unruled(i, stored)
}

// first is the number of the first item with the key of item number i.
func (k *reportKeys) first(i int, key record.Identity) int {
	if j, ok := k.byHash[key.Hash]; ok && key.Set {
		return j.place
	}
	return i
}

// call is what was done about the call of an event, by earlier items too. first tells that no
// earlier item is of that call, or that none of them said what it used.
func (k *reportKeys) call(d *Decider, it *EventItem) (known *knownCall, first bool, err error) {
	if !it.Call.Key.Set {
		return new(knownCall), true, nil
	}
	if known = k.calls[it.Call.Key.Hash]; known != nil {
		if known.open {
			k.said[it.Call.Key.Hash] = saidBy(&it.In)
		}
		return known, known.open, nil
	}
	if k.calls == nil {
		k.calls, k.said = map[[16]byte]*knownCall{}, map[[16]byte][8]byte{}
	}
	k.said[it.Call.Key.Hash] = saidBy(&it.In)
	done, err := d.knownCall(&it.Call, oldestReceipt(it.In.Timestamp, d.Now))
	k.calls[it.Call.Key.Hash] = &done
	return &done, true, err
}

// does notes what an item does about its call.
func (k *reportKeys) does(it *EventItem) {
	known := k.calls[it.Call.Key.Hash]
	switch {
	case known == nil:
	case it.ends != nil && it.ends.keeps:
		*known = knownCall{named: true, held: true, hold: it.ends.hold.ID, open: true}
	case it.ends != nil && known.open:
		known.open = false
	case known.named:
	case it.ends != nil:
		*known = knownCall{named: true, held: true, hold: it.ends.hold.ID}
	case len(it.usages) > 0 && it.mute:
		known.open = true
	case len(it.usages) > 0:
		*known = knownCall{named: true, counted: true}
	}
}

// add adds more to what is needed.
func (n *Needs) add(more *Needs) {
	n.Base, n.Keys, n.Holds, n.Held = more.Base, append(n.Keys, more.Keys...), append(n.Holds, more.Holds...), append(n.Held, more.Held...)
}

// unknown asks for the facts that keys could not be judged without; nil when all were.
func (k *reportKeys) unknown() error {
	return k.missing.orNil()
}

// orNil is n as an error, unless nothing is needed.
func (n *Needs) orNil() error {
	if len(n.Keys)+len(n.Holds)+len(n.Held) > 0 {
		return n
	}
	return nil
}
