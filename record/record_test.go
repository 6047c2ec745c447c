package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// random makes records of every kind.
type random struct{ *rand.Rand }

func (r random) text() string { return strings.Repeat("x\x00é", r.IntN(4)) + fmt.Sprint(r.IntN(99)) }

func (r random) ord() uint32 { return r.Uint32() >> r.IntN(32) }

func (r random) bool() bool { return r.IntN(2) == 0 }

func (r random) bytes() []byte { return []byte(r.text()) }

func (r random) time() bursar.Time {
	return bursar.Time(r.Int64N(8e18)) * bursar.Time(1-2*r.IntN(2))
}

func (r random) amount() bursar.Amount {
	if r.bool() {
		return bursar.AmountFromInt(r.Int64N(2000) - 1000)
	}
	return bursar.AmountFromWords(int64(r.Uint64())>>20, r.Uint64())
}

func (r random) hash() (h [16]byte) {
	binary.BigEndian.PutUint64(h[:], r.Uint64())
	binary.BigEndian.PutUint64(h[8:], r.Uint64())
	return h
}

func (r random) ords() (out []uint32) {
	for range r.IntN(4) {
		out = append(out, r.ord())
	}
	return out
}

func (r random) window() Window {
	start := r.time() / 2
	return Window{PrevStart: start - bursar.Time(r.Int64N(1e15)), Start: start, End: start + bursar.Time(r.Int64N(1e15))}
}

func (r random) identity() Identity {
	if r.bool() {
		return Identity{}
	}
	k := Identity{Set: true, Hash: r.hash()}
	h := r.hash()
	copy(k.Content[:], h[:])
	return k
}

func (r random) dims() (out []bursar.Dimension) {
	for range r.IntN(4) {
		out = append(out, bursar.Dimension{Key: r.text(), Value: r.text(), Kind: bursar.DimensionKind(r.IntN(3))})
	}
	return out
}

func (r random) charges(amount bursar.Amount) []Charge {
	out := make([]Charge, r.IntN(4))
	for i := range out {
		out[i] = Charge{Row: r.ord(), Slot: slot(r.IntN(3)), Delta: amount}
		if out[i].Rolled = r.bool(); out[i].Rolled {
			out[i].Window = r.window()
		}
		if r.bool() {
			out[i].Delta = r.amount()
		}
	}
	return out
}

func (r random) path() []Hop {
	out := make([]Hop, r.IntN(4))
	for i := range out {
		out[i] = Hop{r.ord(), r.ord()}
	}
	return out
}

func (r random) closing() Closing {
	c := Closing{ID: r.hash(), At: r.time(), Amount: r.amount()}
	c.Charges = r.charges(c.Amount)
	return c
}

func (r random) holdOpen() *HoldOpened {
	created := r.time() / 2
	h := &HoldOpened{ID: r.hash(), Cap: r.ord(), Amount: r.amount(), Created: created, Expires: created + bursar.Time(r.Int64N(1e15)),
		Settle: r.bool(), Key: r.identity(), Dims: r.dims(), Combo: r.ord(), Path: r.path()}
	if r.bool() {
		h.Chains = make([][]uint32, r.IntN(3))
		for i := range h.Chains {
			h.Chains[i] = r.ords()
		}
	}
	return h
}

func (r random) heldEvent() *HeldEvent {
	x := &HeldEvent{Name: r.text(), Content: r.content(), Props: r.dims(), Parts: make([]HeldPart, 1+r.IntN(3))}
	for i := range x.Parts {
		x.Parts[i] = HeldPart{Cap: r.ord(), Amount: r.amount()}
		for range r.IntN(3) {
			x.Parts[i].Costs = append(x.Parts[i].Costs, HeldCost{Cap: r.ord(), Card: r.text(), Version: r.IntN(9),
				Rate: bursar.Rate{Amount: r.amount(), Per: 1000}, Held: r.amount()})
		}
	}
	if r.bool() {
		x.Used = r.eventUse()
	}
	return x
}

func (r random) eventUse() *EventUse {
	u := &EventUse{Estimated: r.bool(), Content: r.content(), Props: r.dims()}
	for range r.IntN(3) {
		p := UsedPart{Cap: r.ord(), Amount: r.amount()}
		for range r.IntN(3) {
			p.Costs = append(p.Costs, PaidCost{r.ord(), r.amount()})
		}
		u.Parts = append(u.Parts, p)
	}
	return u
}

func (r random) content() (c [8]byte) {
	binary.BigEndian.PutUint64(c[:], r.Uint64())
	return c
}

func (r random) usage() *Usage {
	u := &Usage{Op: Operation(1 + r.IntN(2)), Cap: r.ord(), Amount: r.amount(), Timestamp: r.time() / 2, Key: r.identity(), Dims: r.dims(),
		Combo: r.ord(), Path: r.path(), Set: r.bool(), Stale: r.bool()}
	u.At = u.Timestamp - bursar.Time(r.Int64N(2)*3e11)
	u.Delta = u.Amount
	if r.bool() {
		u.Delta = r.amount()
	}
	if u.Total = u.Delta; r.bool() {
		u.Total = r.amount()
	}
	if u.Set {
		u.Leaf = r.ord()
	}
	u.Charges = r.charges(u.Delta)
	return u
}

func (r random) row() *LimitPut {
	sched, err := NewSchedule([]string{"P1M", "PT7M", "P100Y"}[r.IntN(3)], []string{"UTC", "Europe/Berlin"}[r.IntN(2)], r.bool(), r.time())
	if err != nil {
		panic(err)
	}
	rec := &LimitPut{Row: r.ord(), ID: r.hash(), Carry: r.bool(), Def: Limit{Ent: r.ord(), Terms: &Terms{Cap: r.ord(), Label: r.text(), Scope: r.ords(),
		Limit: r.amount(), Limited: r.bool(), Soft: r.bool(), Strict: r.bool(), Sched: sched, Thresholds: []int{1 + r.IntN(1000)}[:r.IntN(2)]},
		Created: r.time(), Updated: r.time()}}
	if rec.Carry {
		rec.Used, rec.Window = r.amount(), r.window()
	}
	return rec
}

func (r random) entity() *EntityPut {
	e := &EntityPut{Ord: r.ord(), Ent: Entity{ID: r.text(), Typ: r.ord(), Parent: r.ord(), Created: r.time(), Updated: r.time()}.With(Details{Archived: r.time()})}
	if r.bool() {
		s := r.text()
		e.Ent.Own()
		e.Ent.Name = &s
		e.Ent.Meta = map[string]string{r.text(): r.text(), "k": ""}
	}
	return e
}

func (r random) record(k Kind) Record {
	switch k {
	case kindCustomer:
		name := fmt.Sprint("名", r.IntN(99))
		t := r.time().Milli()
		return &Customer{bursar.Customer{ID: "c", Name: &name, Metadata: map[string]string{"a": "b"}, CreatedAt: t / 9e6 * 1e6, UpdatedAt: 0}}
	case kindType:
		return &TypeName{r.text()}
	case kindCapability:
		return &CapabilityName{bursar.Capability{Kind: bursar.CapabilityKind(1 + r.IntN(2)), ID: r.text()}}
	case kindCombo:
		return &ComboName{r.dims()}
	case kindPath:
		return &PathNamed{r.path()}
	case kindEntity:
		return r.entity()
	case kindRow:
		return r.row()
	case kindRowDelete:
		return &LimitDeleted{r.ord()}
	case kindUsage:
		return r.usage()
	case kindHoldOpen:
		return r.holdOpen()
	case kindHoldCommit:
		c := &HoldCommitted{Closing: r.closing()}
		if r.bool() {
			c.Late = r.holdOpen().Hold()
			c.Late.Status, c.Late.Closed, c.Late.Recorded = bursar.HoldExpired, r.time(), r.amount()
		}
		return c
	case kindHoldFree:
		return &HoldFreed{r.hash(), r.time()}
	case kindHoldExtend:
		return &HoldExtended{r.hash(), r.time()}
	case kindHoldExpire:
		return &HoldExpired{r.bool(), r.closing()}
	case kindKept:
		return &Kept{r.identity(), r.IntN(600), r.bytes()}
	case kindActivity:
		return &Activity{store.Activity{Timestamp: r.time(), ActorType: r.text(), ActorID: r.text(), Subject: r.text(), Action: r.text(),
			TargetType: r.text(), TargetID: r.text(), EntityID: r.text(), RequestID: r.text(), Before: r.bytes(), After: r.bytes()}}
	case kindCatalogue:
		return &Catalogue{r.text(), r.bytes()}
	case kindLevel:
		return &LevelSet{LevelKey{r.ord(), r.ord()}, Level{r.amount(), r.time()}}
	case kindEventHeld:
		return &EventHeld{*r.holdOpen(), *r.heldEvent()}
	case kindEventUsed:
		u := &EventUsed{ID: r.hash(), At: r.time(), Key: r.identity(), Use: *r.eventUse()}
		if r.bool() {
			u.Late = (&EventHeld{*r.holdOpen(), *r.heldEvent()}).Hold()
			u.Late.Status, u.Late.Closed = bursar.HoldExpired, r.time()
		}
		return u
	case kindEventRaised:
		return &EventRaised{r.hash(), *r.heldEvent(), r.holdOpen().Chains}
	case kindCallNamed:
		n := &CallNamed{Key: r.identity(), Held: r.bool()}
		if n.Held {
			n.Hold = r.hash()
		}
		return n
	case kindCallCounted:
		return &CallCounted{r.identity()}
	case kindHoldKept:
		return &HoldKept{r.hash()}
	case kindUnread:
		n := &UsageUnread{ID: r.hash(), Event: r.text(), At: r.time(), Priced: r.time(), Call: r.identity(), Own: r.identity(), Held: r.bool(), Given: r.dims(), Path: r.path(), Slot: r.ord(),
			Reading: bursar.UnreadReading{Names: []string{r.text(), r.text()}, Derived: r.dims(), Usage: r.text(), Cut: r.bool()}}
		if n.Held {
			n.Hold, n.Same = r.hash(), r.identity()
		}
		return n
	case kindReread:
		return &UsageReread{ID: r.hash(), Event: r.text(), Slot: r.ord(), Left: r.bool(), Now: r.ord(), Names: []string{r.text()}, Derived: r.dims(), Counted: r.bool(), Model: r.text()}
	}
	return r.moneyRecord(k)
}

// Every record is read back as it was written, alone and beside others. A kind that
// newRecord knows and this test does not fails it.
func TestPayloadRoundTrip(t *testing.T) {
	r := random{rand.New(rand.NewPCG(1, 2))}
	kinds := 0
	for k := range Kind(255) {
		if newRecord(k) == nil {
			continue
		}
		kinds++
		for range 300 {
			in := []Record{r.record(k), r.record(Kind(1 + r.IntN(33))), r.record(k)}
			b := EncodePayload(nil, in)
			out, err := DecodePayload(b)
			if err != nil {
				t.Fatalf("kind %d: %v", k, err)
			}
			if !reflect.DeepEqual(in, out) {
				t.Fatalf("kind %d:\n in %+v\nout %+v", k, in[0], out[0])
			}
			if again := EncodePayload(nil, out); !bytes.Equal(b, again) {
				t.Fatalf("kind %d is written in two ways", k)
			}
		}
	}
	if kinds != 53 {
		t.Errorf("%d kinds of records are known", kinds)
	}
}

// A payload with any byte changed, any end cut off, another version or an unknown kind
// is refused: never a shorter or another list of records.
func TestPayloadDamageIsRefused(t *testing.T) {
	r := random{rand.New(rand.NewPCG(3, 4))}
	b := EncodePayload(nil, []Record{r.usage(), r.holdOpen(), r.entity()})
	for i := range b {
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << bit
			if _, err := DecodePayload(bad); !errors.Is(err, ErrRecord) {
				t.Fatalf("bit %d of byte %d changed: %v", bit, i, err)
			}
		}
		if _, err := DecodePayload(b[:i]); !errors.Is(err, ErrRecord) {
			t.Fatalf("cut after %d bytes: %v", i, err)
		}
	}
	for what, body := range map[string][]byte{
		"another version": {payloadVersion + 1}, "unknown kind": {payloadVersion, 200}, "kind 0": {payloadVersion, 0},
		"a record that ends early": {payloadVersion, byte(kindHoldFree), 1, 2}, "a length beyond the end": {payloadVersion, byte(kindType), 0xff, 0xff, 0xff, 0xff, 0x0f},
		"an overlong number": {payloadVersion, byte(kindRowDelete), 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	} {
		if recs, err := DecodePayload(sealed(body)); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %v, %v", what, recs, err)
		}
	}
}

// sealed appends the checksum, as somebody who is not damaged but from the future does.
func sealed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(b), crc32.Checksum(b, Castagnoli))
}

// What decodes without an error encodes and decodes to the same; nothing panics or
// takes memory that the input does not have.
func FuzzDecodePayload(f *testing.F) {
	r := random{rand.New(rand.NewPCG(5, 6))}
	for k := range Kind(29) {
		if rec := r.record(k); rec != nil {
			b := EncodePayload(nil, []Record{rec})
			f.Add(b[:len(b)-4])
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		recs, err := DecodePayload(sealed(body))
		if err != nil {
			return
		}
		b := EncodePayload(nil, recs)
		again, err := DecodePayload(b)
		if err != nil {
			t.Fatalf("what was decoded does not decode again: %v", err)
		}
		if !bytes.Equal(b, EncodePayload(nil, again)) {
			t.Fatal("written in two ways")
		}
	})
}
