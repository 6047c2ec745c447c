// Package record is what a log says: each fact about a customer or about the environment
// that was decided, as it is written into a commit and read again. What a record means
// never changes; a new meaning is a new kind of record.
package record

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// A payload is a version byte, the records one after the other, and a CRC-32C of all
// that (4 bytes, little-endian). A record is its kind byte and its fields.
//
// Record kinds and their fields never change their meaning: a new meaning is a new
// kind. A reader that meets an unknown kind refuses the whole stream.
const payloadVersion = 1

type Kind uint8

type Record interface {
	Kind() Kind
	encode(e *Encoder)
	decode(d *Decoder)
}

func newRecord(k Kind) Record {
	switch k {
	case kindCustomer:
		return new(Customer)
	case kindType:
		return new(TypeName)
	case kindCapability:
		return new(CapabilityName)
	case kindCombo:
		return new(ComboName)
	case kindEntity:
		return new(EntityPut)
	case kindUsage:
		return new(Usage)
	case kindHoldOpen:
		return new(HoldOpened)
	case kindHoldCommit:
		return new(HoldCommitted)
	case kindHoldFree:
		return new(HoldFreed)
	case kindHoldExtend:
		return new(HoldExtended)
	case kindHoldExpire:
		return new(HoldExpired)
	case kindKept:
		return new(Kept)
	case kindActivity:
		return new(Activity)
	case kindCatalogue:
		return new(Catalogue)
	case kindLevel:
		return new(LevelSet)
	case kindPath:
		return new(PathNamed)
	case kindEventHeld:
		return new(EventHeld)
	case kindEventUsed:
		return new(EventUsed)
	case kindEventRaised:
		return new(EventRaised)
	case kindCallNamed:
		return new(CallNamed)
	case kindCallCounted:
		return new(CallCounted)
	case kindHoldKept:
		return new(HoldKept)
	case kindUnread:
		return new(UsageUnread)
	case kindReread:
		return new(UsageReread)
	}
	return newCreditRecord(k)
}

func newCreditRecord(k Kind) Record {
	switch k {
	case kindCost:
		return new(Cost)
	case kindDraw:
		return new(Draw)
	case kindHoldCost:
		return new(HoldCost)
	case kindGrant:
		return new(GrantMade)
	case kindGrantBegin:
		return new(GrantBegun)
	case kindGrantEnd:
		return new(GrantEnded)
	case kindLow:
		return new(BalanceLow)
	}
	return newLimitRecord(k)
}

func newLimitRecord(k Kind) Record {
	switch k {
	case kindRow:
		return new(LimitPut)
	case kindRowDelete:
		return new(LimitDeleted)
	case kindBoost:
		return new(BoostMade)
	case kindBoostEnd:
		return new(BoostEnded)
	case kindBoostLent:
		return new(BoostLent)
	case kindBoostAsked:
		return new(BoostAsked)
	case kindBoostAnswer:
		return new(BoostAnswered)
	case kindPromotion:
		return new(Promotion)
	case kindFired:
		return new(AlertFired)
	case kindCounted:
		return new(ValueCounted)
	case kindRowStart:
		return new(LimitStarted)
	case kindFrozen:
		return new(Frozen)
	case kindThawed:
		return new(Thawed)
	case kindDegrade:
		return new(DegradePut)
	case kindDegradeEnd:
		return new(DegradeDeleted)
	case kindNotification:
		return new(NotificationPut)
	case kindNotificationEnd:
		return new(NotificationDeleted)
	case kindNotificationUse:
		return new(NotificationsUsed)
	case kindTold:
		return new(LimitTold)
	case kindDefault:
		return new(DefaultPut)
	case kindDefaultEnd:
		return new(DefaultDeleted)
	case kindRowDefault:
		return new(LimitDefaulted)
	}
	return nil
}

func EncodePayload(b []byte, recs []Record) []byte {
	e := Encoder{append(b, payloadVersion)}
	for _, r := range recs {
		e.B = append(e.B, byte(r.Kind()))
		r.encode(&e)
	}
	return binary.LittleEndian.AppendUint32(e.B, crc32.Checksum(e.B, Castagnoli))
}

func DecodePayload(b []byte) ([]Record, error) {
	if len(b) < 5 || b[0] != payloadVersion {
		return nil, fmt.Errorf("%w: payload version", ErrRecord)
	}
	n := len(b) - 4
	if crc32.Checksum(b[:n], Castagnoli) != binary.LittleEndian.Uint32(b[n:]) {
		return nil, fmt.Errorf("%w: checksum", ErrRecord)
	}
	d := Decoder{B: b[1:n]}
	var recs []Record
	for len(d.B) > 0 {
		r := newRecord(Kind(d.byte()))
		if r == nil {
			return nil, fmt.Errorf("%w: unknown record kind", ErrRecord)
		}
		r.decode(&d)
		if d.Bad {
			return nil, fmt.Errorf("%w: record of kind %d", ErrRecord, r.Kind())
		}
		recs = append(recs, r)
	}
	return recs, nil
}

// Chain is the Hash of a head after a commit on prev.
func Chain(prev store.Head, id [16]byte, now bursar.Time, payload []byte) (h [16]byte) {
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

// CheckRow tells that row is the one after head, and decodes it.
func CheckRow(head store.Head, stream string, row *store.LogRow) ([]Record, error) {
	if row.Head.Seq != head.Seq+1 || Chain(head, row.ID, row.Head.Now, row.Payload) != row.Head.Hash {
		return nil, fmt.Errorf("the log of %q breaks after commit %d: it was restored or damaged", stream, head.Seq)
	}
	recs, err := DecodePayload(row.Payload)
	if err != nil {
		return nil, fmt.Errorf("stream %q, commit %d: %w", stream, row.Head.Seq, err)
	}
	return recs, nil
}
