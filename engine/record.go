package engine

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/bursarhq/bursar"
)

// A payload is a version byte, the records one after the other, and a CRC-32C of all
// that (4 bytes, little-endian). A record is its kind byte and its fields.
//
// Record kinds and their fields never change their meaning: a new meaning is a new
// kind. A reader that meets an unknown kind refuses the whole stream.
const payloadVersion = 1

type recordKind uint8

const (
	kindCustomer   recordKind = 1  // the customer's own record, whole
	kindType       recordKind = 2  // an entity type gets a number
	kindCapability recordKind = 3  // a capability gets a number
	kindCombo      recordKind = 4  // a combination of dimensions gets a number
	kindEntity     recordKind = 5  // an entity, whole
	kindRow        recordKind = 6  // an assignment, whole, and its window if that changes
	kindRowDelete  recordKind = 7  // an assignment is gone
	kindUsage      recordKind = 8  // usage was reported or consumed
	kindHoldOpen   recordKind = 9  // a hold begins
	kindHoldCommit recordKind = 10 // a hold ends with what was used
	kindHoldFree   recordKind = 11 // a hold ends, returned
	kindHoldExtend recordKind = 12 // a hold lives longer
	kindHoldExpire recordKind = 13 // a hold ended by time
	kindKept       recordKind = 14 // the reply of a write with an Idempotency-Key
	kindActivity   recordKind = 15 // an entry of the audit listing
	kindCatalogue  recordKind = 16 // a thing of the catalogue, whole
	kindCost       recordKind = 17 // what usage cost in a currency
	kindDraw       recordKind = 18 // grants of a pool are consumed or refunded
	kindHoldCost   recordKind = 19 // a hold's price is frozen and its cost held
	kindGrant      recordKind = 20 // a grant is made
	kindGrantBegin recordKind = 21 // a grant becomes active
	kindGrantEnd   recordKind = 22 // a grant expires or is voided
	kindBoost      recordKind = 23 // a limit is raised for a time
	kindBoostEnd   recordKind = 24 // and no longer
	kindPromotion  recordKind = 25 // the customer's own limit of a feature
	kindFired      recordKind = 26 // thresholds of a row that have fired
	kindLow        recordKind = 27 // low-balance levels of a pool that have fired
	kindSeen       recordKind = 28 // a UNIQUE counted a value
	kindLevel      recordKind = 29 // the level of a leaf
	kindRowStart   recordKind = 30 // a new assignment has used that in its window already
	kindPath       recordKind = 31 // a way through the tree gets a number
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errRecord  = errors.New("log record is damaged or from a newer version")
)

type record interface {
	kind() recordKind
	encode(e *encoder)
	decode(d *decoder)
}

func newRecord(k recordKind) record {
	switch k {
	case kindCustomer:
		return new(customerRec)
	case kindType:
		return new(typeRec)
	case kindCapability:
		return new(capabilityRec)
	case kindCombo:
		return new(comboRec)
	case kindEntity:
		return new(entityRec)
	case kindRow:
		return new(rowRec)
	case kindRowDelete:
		return new(rowDeleteRec)
	case kindUsage:
		return new(usageRec)
	case kindHoldOpen:
		return new(holdOpenRec)
	case kindHoldCommit:
		return new(holdCommitRec)
	case kindHoldFree:
		return new(holdFreeRec)
	case kindHoldExtend:
		return new(holdExtendRec)
	case kindHoldExpire:
		return new(holdExpireRec)
	case kindKept:
		return new(keptRec)
	case kindActivity:
		return new(activityRec)
	case kindCatalogue:
		return new(catalogueRec)
	case kindLevel:
		return new(levelRec)
	case kindPath:
		return new(pathRec)
	}
	return newMoneyRecord(k)
}

func newMoneyRecord(k recordKind) record {
	switch k {
	case kindCost:
		return new(costRec)
	case kindDraw:
		return new(drawRec)
	case kindHoldCost:
		return new(holdCostRec)
	case kindGrant:
		return new(grantRec)
	case kindGrantBegin:
		return new(grantBeginRec)
	case kindGrantEnd:
		return new(grantEndRec)
	case kindBoost:
		return new(boostRec)
	case kindBoostEnd:
		return new(boostEndRec)
	case kindPromotion:
		return new(promotionRec)
	case kindFired:
		return new(firedRec)
	case kindLow:
		return new(lowRec)
	case kindSeen:
		return new(seenRec)
	case kindRowStart:
		return new(rowStartRec)
	}
	return nil
}

func encodePayload(b []byte, recs []record) []byte {
	e := encoder{append(b, payloadVersion)}
	for _, r := range recs {
		e.b = append(e.b, byte(r.kind()))
		r.encode(&e)
	}
	return binary.LittleEndian.AppendUint32(e.b, crc32.Checksum(e.b, castagnoli))
}

func decodePayload(b []byte) ([]record, error) {
	if len(b) < 5 || b[0] != payloadVersion {
		return nil, fmt.Errorf("%w: payload version", errRecord)
	}
	n := len(b) - 4
	if crc32.Checksum(b[:n], castagnoli) != binary.LittleEndian.Uint32(b[n:]) {
		return nil, fmt.Errorf("%w: checksum", errRecord)
	}
	d := decoder{b: b[1:n]}
	var recs []record
	for len(d.b) > 0 {
		r := newRecord(recordKind(d.byte()))
		if r == nil {
			return nil, fmt.Errorf("%w: unknown record kind", errRecord)
		}
		r.decode(&d)
		if d.bad {
			return nil, fmt.Errorf("%w: record of kind %d", errRecord, r.kind())
		}
		recs = append(recs, r)
	}
	return recs, nil
}

// chain is the Hash of a head after a commit on prev.
func chain(prev Head, id [16]byte, now bursar.Time, payload []byte) (h [16]byte) {
	s := sha256.New()
	var fixed [48]byte
	copy(fixed[:16], prev.Hash[:])
	copy(fixed[16:32], id[:])
	binary.BigEndian.PutUint64(fixed[32:], uint64(now))
	binary.BigEndian.PutUint64(fixed[40:], prev.Seq+1)
	s.Write(fixed[:])
	s.Write(payload)
	copy(h[:], s.Sum(nil))
	return h
}

// idAt is the id of what record number index of a commit made: a UUIDv7 of the
// commit's millisecond, its seq and the index, so that within a stream ids are in order
// of creation and an id leads back to its record.
func idAt(now bursar.Time, seq uint64, index int, commit [16]byte) (u [16]byte) {
	ms := uint64(now) / 1e6
	binary.BigEndian.PutUint64(u[:], ms<<16|0x7000|seq>>28&0xfff)
	rnd := uint64(binary.BigEndian.Uint32(commit[:])) & 0x3ffff
	binary.BigEndian.PutUint64(u[8:], 1<<63|(seq&0xfffffff)<<34|uint64(index&0xffff)<<18|rnd)
	return u
}

// placeOf is where the record that made an id is: idAt backwards.
func placeOf(id [16]byte) *seen {
	hi, lo := binary.BigEndian.Uint64(id[:]), binary.BigEndian.Uint64(id[8:])
	return &seen{seq: hi&0xfff<<28 | lo>>34&0xfffffff, index: uint32(lo >> 18 & 0xffff)}
}

// LastID is above all ids of what a stream's commits up to at made, and below all of later
// ones.
func LastID(at Head) string {
	var last [16]byte
	for i := range last {
		last[i] = 0xff
	}
	return formatID(idAt(at.Now, at.Seq, maxRecords, last))
}

// comparePlaces is the order in which the things of one stream were made that have ids by
// idAt. Unlike the order of the ids it stays when a log is repaired.
func comparePlaces(a, b [16]byte) int {
	x, y := placeOf(a), placeOf(b)
	return cmp.Or(cmp.Compare(x.seq, y.seq), cmp.Compare(x.index, y.index))
}

const maxRecords = 0xffff // in one commit, so that idAt stays unique

func formatID(u [16]byte) string {
	const hex = "0123456789abcdef"
	var b [36]byte
	j := 0
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b[j] = '-'
			j++
		}
		b[j], b[j+1] = hex[c>>4], hex[c&15]
		j += 2
	}
	return string(b[:])
}

// parseID reads the form that formatID writes, and no other.
func parseID(s string) (u [16]byte, ok bool) {
	if len(s) != 36 {
		return u, false
	}
	j := 0
	for i := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			if s[j] != '-' {
				return u, false
			}
			j++
		}
		hi, lo := unhex(s[j]), unhex(s[j+1])
		if hi > 15 || lo > 15 {
			return u, false
		}
		u[i] = hi<<4 | lo
		j += 2
	}
	return u, true
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

type encoder struct{ b []byte }

func (e *encoder) byte(c byte)            { e.b = append(e.b, c) }
func (e *encoder) uint(n uint64)          { e.b = binary.AppendUvarint(e.b, n) }
func (e *encoder) ord(n uint32)           { e.b = binary.AppendUvarint(e.b, uint64(n)) }
func (e *encoder) time(t bursar.Time)     { e.b = binary.AppendVarint(e.b, int64(t)) }
func (e *encoder) amount(a bursar.Amount) { e.b = a.AppendBinary(e.b) }
func (e *encoder) hash(h [16]byte)        { e.b = append(e.b, h[:]...) }
func (e *encoder) bool(v bool) {
	if v {
		e.byte(1)
	} else {
		e.byte(0)
	}
}
func (e *encoder) string(s string) {
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}
func (e *encoder) bytes(s []byte) {
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}
func (e *encoder) ords(s []uint32) {
	e.uint(uint64(len(s)))
	for _, n := range s {
		e.ord(n)
	}
}
func (e *encoder) dims(dims []bursar.Dimension) {
	e.uint(uint64(len(dims)))
	for _, d := range dims {
		e.string(d.Key)
		e.byte(byte(d.Kind))
		e.string(d.Value)
	}
}
func (e *encoder) optString(s *string) {
	e.bool(s != nil)
	if s != nil {
		e.string(*s)
	}
}
func (e *encoder) stringMap(m map[string]string) {
	e.uint(uint64(len(m)))
	for _, k := range sortedKeys(m) {
		e.string(k)
		e.string(m[k])
	}
}

// decoder reads what encoder wrote; bad is set, and stays, at the first thing that
// does not fit.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) fail() {
	d.bad = true
	d.b = nil
}
func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}
func (d *decoder) bool() bool { return d.byte() == 1 }
func (d *decoder) uint() uint64 {
	n, k := binary.Uvarint(d.b)
	if k <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[k:]
	return n
}
func (d *decoder) ord() uint32 {
	n := d.uint()
	if n > 1<<32-1 {
		d.fail()
	}
	return uint32(n)
}
func (d *decoder) time() bursar.Time {
	n, k := binary.Varint(d.b)
	if k <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[k:]
	return bursar.Time(n)
}
func (d *decoder) amount() bursar.Amount {
	a, k := bursar.DecodeAmount(d.b)
	if k <= 0 {
		d.fail()
		return a
	}
	d.b = d.b[k:]
	return a
}

// count reads a length whose items have at least one byte each.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}
func (d *decoder) view() []byte {
	n := d.count()
	s := d.b[:n]
	d.b = d.b[n:]
	return s
}
func (d *decoder) string() string { return string(d.view()) }
func (d *decoder) bytes() []byte  { return append([]byte(nil), d.view()...) }
func (d *decoder) hash() (h [16]byte) {
	if len(d.b) < 16 {
		d.fail()
		return h
	}
	copy(h[:], d.b)
	d.b = d.b[16:]
	return h
}
func (d *decoder) ords() []uint32 {
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
func (d *decoder) dims() []bursar.Dimension {
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
func (d *decoder) optString() *string {
	if !d.bool() {
		return nil
	}
	s := d.string()
	return &s
}
func (d *decoder) stringMap() map[string]string {
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
