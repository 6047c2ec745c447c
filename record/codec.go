package record

import (
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
)

const (
	kindCustomer        Kind = 1  // the customer's own record, whole
	kindType            Kind = 2  // an entity type gets a number
	kindCapability      Kind = 3  // a capability gets a number
	kindCombo           Kind = 4  // a combination of dimensions gets a number
	kindEntity          Kind = 5  // an entity, whole
	kindRow             Kind = 6  // an assignment, whole, and its window if that changes
	kindRowDelete       Kind = 7  // an assignment is gone
	kindUsage           Kind = 8  // usage was reported or consumed
	kindHoldOpen        Kind = 9  // a hold begins
	kindHoldCommit      Kind = 10 // a hold ends with what was used
	kindHoldFree        Kind = 11 // a hold ends, returned
	kindHoldExtend      Kind = 12 // a hold lives longer
	kindHoldExpire      Kind = 13 // a hold ended by time
	kindKept            Kind = 14 // the reply of a write with an Idempotency-Key
	kindActivity        Kind = 15 // an entry of the audit listing
	kindCatalogue       Kind = 16 // a thing of the catalogue, whole
	kindCost            Kind = 17 // what usage cost in a currency
	kindDraw            Kind = 18 // grants of a pool are consumed or refunded
	kindHoldCost        Kind = 19 // a hold's price is frozen and its cost held
	kindGrant           Kind = 20 // a grant is made
	kindGrantBegin      Kind = 21 // a grant becomes active
	kindGrantEnd        Kind = 22 // a grant expires or is voided
	kindBoost           Kind = 23 // a limit is raised for a time
	kindBoostEnd        Kind = 24 // and no longer
	kindPromotion       Kind = 25 // the customer's own limit of a feature
	kindFired           Kind = 26 // thresholds of a row that have fired
	kindLow             Kind = 27 // low-balance levels of a pool that have fired
	kindCounted         Kind = 28 // a UNIQUE counted a value
	kindLevel           Kind = 29 // the level of a leaf
	kindRowStart        Kind = 30 // a new assignment has used that in its window already
	kindPath            Kind = 31 // a way through the tree gets a number
	kindEventHeld       Kind = 32 // a hold of all that an event would use begins
	kindEventUsed       Kind = 33 // and ends with what was used
	kindFrozen          Kind = 34 // an entity, or the customer, is frozen
	kindThawed          Kind = 35 // and no longer
	kindDefault         Kind = 36 // a default limit, whole
	kindDefaultEnd      Kind = 37 // and it is gone
	kindRowDefault      Kind = 39 // a row is limited by default
	kindCallNamed       Kind = 40 // a call has an id
	kindEventRaised     Kind = 41 // a hold of what an event would use holds more
	kindCallCounted     Kind = 50 // a call has an id, and was counted by what ended no hold
	kindHoldKept        Kind = 51 // a hold is settled when it ends, as nobody could tell what was used
	kindBoostAsked      Kind = 52 // somebody asks that a limit be raised for a time
	kindBoostAnswer     Kind = 53 // and that is approved, declined or withdrawn
	kindBoostLent       Kind = 54 // a limit is raised for a time by what one above it has less
	kindDegrade         Kind = 55 // a degrade policy begins or gets other steps
	kindDegradeEnd      Kind = 56 // and ends
	kindNotification    Kind = 57 // people hear of what happens to limits
	kindNotificationEnd Kind = 58 // and no longer
	kindTold            Kind = 59 // what people were told of a row in its window
	kindNotificationUse Kind = 60 // what access tokens did with notifications in an hour
	kindUnread          Kind = 61 // usage of an event is kept, as it was not wholly understood
	kindReread          Kind = 62 // and was read again
)

var (
	Castagnoli = crc32.MakeTable(crc32.Castagnoli)
	ErrRecord  = errors.New("log record is damaged or from a newer version")
)

// ComparePlaces orders ids of one stream that IDAt made as the things that have them were made.
// Unlike the order of the ids themselves this order stays when a log is repaired.
func ComparePlaces(a, b [16]byte) int {
	x, y := PlaceOf(a), PlaceOf(b)
	return cmp.Or(cmp.Compare(x.Seq, y.Seq), cmp.Compare(x.Index, y.Index))
}

type Encoder struct{ B []byte }

func (e *Encoder) Byte(c byte) { e.B = append(e.B, c) }

func (e *Encoder) Uint(n uint64) { e.B = binary.AppendUvarint(e.B, n) }

func (e *Encoder) Ord(n uint32) { e.B = binary.AppendUvarint(e.B, uint64(n)) }

func (e *Encoder) Time(t bursar.Time) { e.B = binary.AppendVarint(e.B, int64(t)) }

func (e *Encoder) Amount(a bursar.Amount) { e.B = a.AppendBinary(e.B) }

func (e *Encoder) Hash(h [16]byte) { e.B = append(e.B, h[:]...) }

// Record writes the fields of r, without its kind.
func (e *Encoder) Record(r Record) { r.encode(e) }

func (e *Encoder) Window(w Window) { w.encode(e) }

func (e *Encoder) Bool(v bool) {
	if v {
		e.Byte(1)
	} else {
		e.Byte(0)
	}
}

func (e *Encoder) String(s string) {
	e.Uint(uint64(len(s)))
	e.B = append(e.B, s...)
}

func (e *Encoder) Bytes(s []byte) {
	e.Uint(uint64(len(s)))
	e.B = append(e.B, s...)
}

func (e *Encoder) ords(s []uint32) {
	e.Uint(uint64(len(s)))
	for _, n := range s {
		e.Ord(n)
	}
}

func (e *Encoder) Dims(dims []bursar.Dimension) {
	e.Uint(uint64(len(dims)))
	for _, d := range dims {
		e.String(d.Key)
		e.Byte(byte(d.Kind))
		e.String(d.Value)
	}
}

func (e *Encoder) optString(s *string) {
	e.Bool(s != nil)
	if s != nil {
		e.String(*s)
	}
}

func (e *Encoder) stringMap(m map[string]string) {
	e.Uint(uint64(len(m)))
	for _, k := range SortedKeys(m) {
		e.String(k)
		e.String(m[k])
	}
}

// Decoder reads what Encoder wrote; bad is set, and stays, at the first thing that
// does not fit.
type Decoder struct {
	B   []byte
	Bad bool
}

func (d *Decoder) fail() {
	d.Bad = true
	d.B = nil
}

func (d *Decoder) byte() byte {
	if len(d.B) == 0 {
		d.fail()
		return 0
	}
	c := d.B[0]
	d.B = d.B[1:]
	return c
}

func (d *Decoder) bool() bool { return d.byte() == 1 }

func (d *Decoder) uint() uint64 {
	n, k := binary.Uvarint(d.B)
	if k <= 0 {
		d.fail()
		return 0
	}
	d.B = d.B[k:]
	return n
}

func (d *Decoder) ord() uint32 {
	n := d.uint()
	if n > 1<<32-1 {
		d.fail()
	}
	return uint32(n)
}

func (d *Decoder) time() bursar.Time {
	n, k := binary.Varint(d.B)
	if k <= 0 {
		d.fail()
		return 0
	}
	d.B = d.B[k:]
	return bursar.Time(n)
}

func (d *Decoder) amount() bursar.Amount {
	a, k := bursar.DecodeAmount(d.B)
	if k <= 0 {
		d.fail()
		return a
	}
	d.B = d.B[k:]
	return a
}

// count reads a length whose items have at least one byte each.
func (d *Decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.B)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *Decoder) view() []byte {
	n := d.count()
	s := d.B[:n]
	d.B = d.B[n:]
	return s
}

func (d *Decoder) string() string { return string(d.view()) }

func (d *Decoder) bytes() []byte { return append([]byte(nil), d.view()...) }

func (d *Decoder) hash() (h [16]byte) {
	if len(d.B) < 16 {
		d.fail()
		return h
	}
	copy(h[:], d.B)
	d.B = d.B[16:]
	return h
}

func (d *Decoder) ords() []uint32 {
	n := d.count()
	if n == 0 {
		return nil
	}
	s := make([]uint32, n)
	for i := range s {
		s[i] = d.ord()
	}
	return s
}

func (d *Decoder) dims() []bursar.Dimension {
	n := d.count()
	if n == 0 {
		return nil
	}
	s := make([]bursar.Dimension, n)
	for i := range s {
		s[i].Key = d.string()
		s[i].Kind = bursar.DimensionKind(d.byte())
		s[i].Value = d.string()
	}
	return s
}

func (d *Decoder) optString() *string {
	if !d.bool() {
		return nil
	}
	s := d.string()
	return &s
}

func (d *Decoder) stringMap() map[string]string {
	n := d.count()
	if n == 0 {
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		k := d.string()
		m[k] = d.string()
	}
	return m
}

func CompareID(a, b [16]byte) int { return slices.Compare(a[:], b[:]) }

func SortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func SortedOrds[V any](m map[uint32]V) []uint32 { return slices.Sorted(maps.Keys(m)) }
