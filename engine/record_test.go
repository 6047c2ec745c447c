package engine

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
)

// random makes records of every kind.
type random struct{ *rand.Rand }

func (r random) text() string  { return strings.Repeat("x\x00é", r.IntN(4)) + fmt.Sprint(r.IntN(99)) }
func (r random) ord() uint32   { return r.Uint32() >> r.IntN(32) }
func (r random) bool() bool    { return r.IntN(2) == 0 }
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
func (r random) window() window {
	start := r.time() / 2
	return window{prevStart: start - bursar.Time(r.Int64N(1e15)), start: start, end: start + bursar.Time(r.Int64N(1e15))}
}
func (r random) identity() identity {
	if r.bool() {
		return identity{}
	}
	k := identity{set: true, hash: r.hash()}
	h := r.hash()
	copy(k.content[:], h[:])
	return k
}
func (r random) dims() (out []bursar.Dimension) {
	for range r.IntN(4) {
		out = append(out, bursar.Dimension{Key: r.text(), Value: r.text(), Kind: bursar.DimensionKind(r.IntN(3))})
	}
	return out
}
func (r random) charges(amount bursar.Amount) []charge {
	out := make([]charge, r.IntN(4))
	for i := range out {
		out[i] = charge{row: r.ord(), slot: slot(r.IntN(3)), delta: amount}
		if out[i].rolled = r.bool(); out[i].rolled {
			out[i].window = r.window()
		}
		if r.bool() {
			out[i].delta = r.amount()
		}
	}
	return out
}
func (r random) path() []step {
	out := make([]step, r.IntN(4))
	for i := range out {
		out[i] = step{r.ord(), r.ord()}
	}
	return out
}
func (r random) closing() closing {
	c := closing{id: r.hash(), at: r.time(), amount: r.amount()}
	c.charges = r.charges(c.amount)
	return c
}

func (r random) holdOpen() *holdOpenRec {
	created := r.time() / 2
	h := &holdOpenRec{id: r.hash(), cap: r.ord(), amount: r.amount(), created: created, expires: created + bursar.Time(r.Int64N(1e15)),
		settle: r.bool(), key: r.identity(), dims: r.dims(), combo: r.ord(), path: r.path()}
	if r.bool() {
		h.chains = make([][]uint32, r.IntN(3))
		for i := range h.chains {
			h.chains[i] = r.ords()
		}
	}
	return h
}

func (r random) usage() *usageRec {
	u := &usageRec{op: operation(1 + r.IntN(2)), cap: r.ord(), amount: r.amount(), timestamp: r.time() / 2, key: r.identity(), dims: r.dims(),
		combo: r.ord(), path: r.path(), set: r.bool(), stale: r.bool()}
	u.at = u.timestamp - bursar.Time(r.Int64N(2)*3e11)
	u.delta = u.amount
	if r.bool() {
		u.delta = r.amount()
	}
	if u.total = u.delta; r.bool() {
		u.total = r.amount()
	}
	if u.set {
		u.leaf = r.ord()
	}
	u.charges = r.charges(u.delta)
	return u
}

func (r random) row() *rowRec {
	sched, err := newSchedule([]string{"P1M", "PT7M", "P100Y"}[r.IntN(3)], []string{"UTC", "Europe/Berlin"}[r.IntN(2)], r.bool(), r.time())
	if err != nil {
		panic(err)
	}
	rec := &rowRec{ord: r.ord(), id: r.hash(), carry: r.bool(), def: rowDef{ent: r.ord(), cap: r.ord(), label: r.text(), scope: r.ords(),
		limit: r.amount(), limited: r.bool(), soft: r.bool(), strict: r.bool(), sched: sched, thresholds: []int{1 + r.IntN(1000)}[:r.IntN(2)],
		created: r.time(), updated: r.time()}}
	if rec.carry {
		rec.used, rec.window = r.amount(), r.window()
	}
	return rec
}

func (r random) entity() *entityRec {
	e := &entityRec{ord: r.ord(), ent: entity{id: r.text(), typ: r.ord(), parent: r.ord(), created: r.time(), updated: r.time(), archived: r.time()}}
	if r.bool() {
		s := r.text()
		e.ent.name = &s
		e.ent.meta = map[string]string{r.text(): r.text(), "k": ""}
	}
	return e
}

func (r random) record(k recordKind) record {
	switch k {
	case kindCustomer:
		name := fmt.Sprint("名", r.IntN(99))
		t := r.time().Milli()
		return &customerRec{bursar.Customer{ID: "c", Name: &name, Metadata: map[string]string{"a": "b"}, CreatedAt: t / 9e6 * 1e6, UpdatedAt: 0}}
	case kindType:
		return &typeRec{r.text()}
	case kindCapability:
		return &capabilityRec{bursar.Capability{Kind: bursar.CapabilityKind(1 + r.IntN(2)), ID: r.text()}}
	case kindCombo:
		return &comboRec{r.dims()}
	case kindPath:
		return &pathRec{r.path()}
	case kindEntity:
		return r.entity()
	case kindRow:
		return r.row()
	case kindRowDelete:
		return &rowDeleteRec{r.ord()}
	case kindUsage:
		return r.usage()
	case kindHoldOpen:
		return r.holdOpen()
	case kindHoldCommit:
		c := &holdCommitRec{closing: r.closing()}
		if r.bool() {
			c.late = r.holdOpen().hold()
			c.late.status, c.late.closed, c.late.recorded = bursar.HoldExpired, r.time(), r.amount()
		}
		return c
	case kindHoldFree:
		return &holdFreeRec{r.hash(), r.time()}
	case kindHoldExtend:
		return &holdExtendRec{r.hash(), r.time()}
	case kindHoldExpire:
		return &holdExpireRec{r.bool(), r.closing()}
	case kindKept:
		return &keptRec{r.identity(), r.IntN(600), r.bytes()}
	case kindActivity:
		return &activityRec{Activity{Timestamp: r.time(), ActorType: r.text(), ActorID: r.text(), Subject: r.text(), Action: r.text(),
			TargetType: r.text(), TargetID: r.text(), EntityID: r.text(), RequestID: r.text(), Before: r.bytes(), After: r.bytes()}}
	case kindCatalogue:
		return &catalogueRec{r.text(), r.bytes()}
	case kindLevel:
		return &levelRec{levelKey{r.ord(), r.ord()}, level{r.amount(), r.time()}}
	}
	return r.moneyRecord(k)
}

// Every record is read back as it was written, alone and beside others. A kind that
// newRecord knows and this test does not fails it.
func TestPayloadRoundTrip(t *testing.T) {
	r := random{rand.New(rand.NewPCG(1, 2))}
	kinds := 0
	for k := range recordKind(255) {
		if newRecord(k) == nil {
			continue
		}
		kinds++
		for range 300 {
			in := []record{r.record(k), r.record(recordKind(1 + r.IntN(28))), r.record(k)}
			b := encodePayload(nil, in)
			out, err := decodePayload(b)
			if err != nil {
				t.Fatalf("kind %d: %v", k, err)
			}
			if !reflect.DeepEqual(in, out) {
				t.Fatalf("kind %d:\n in %+v\nout %+v", k, in[0], out[0])
			}
			if again := encodePayload(nil, out); !bytes.Equal(b, again) {
				t.Fatalf("kind %d is written in two ways", k)
			}
		}
	}
	if kinds != 30 {
		t.Errorf("%d kinds of records are known", kinds)
	}
}

// A payload with any byte changed, any end cut off, another version or an unknown kind
// is refused: never a shorter or another list of records.
func TestPayloadDamageIsRefused(t *testing.T) {
	r := random{rand.New(rand.NewPCG(3, 4))}
	b := encodePayload(nil, []record{r.usage(), r.holdOpen(), r.entity()})
	for i := range b {
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << bit
			if _, err := decodePayload(bad); !errors.Is(err, errRecord) {
				t.Fatalf("bit %d of byte %d changed: %v", bit, i, err)
			}
		}
		if _, err := decodePayload(b[:i]); !errors.Is(err, errRecord) {
			t.Fatalf("cut after %d bytes: %v", i, err)
		}
	}
	for what, body := range map[string][]byte{
		"another version": {payloadVersion + 1}, "unknown kind": {payloadVersion, 200}, "kind 0": {payloadVersion, 0},
		"a record that ends early": {payloadVersion, byte(kindHoldFree), 1, 2}, "a length beyond the end": {payloadVersion, byte(kindType), 0xff, 0xff, 0xff, 0xff, 0x0f},
		"an overlong number": {payloadVersion, byte(kindRowDelete), 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	} {
		if recs, err := decodePayload(sealed(body)); !errors.Is(err, errRecord) {
			t.Errorf("%s: %v, %v", what, recs, err)
		}
	}
}

// sealed appends the checksum, as somebody who is not damaged but from the future does.
func sealed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(b), crc32.Checksum(b, castagnoli))
}

// What decodes without an error encodes and decodes to the same; nothing panics or
// takes memory that the input does not have.
func FuzzDecodePayload(f *testing.F) {
	r := random{rand.New(rand.NewPCG(5, 6))}
	for k := range recordKind(29) {
		if rec := r.record(k); rec != nil {
			b := encodePayload(nil, []record{rec})
			f.Add(b[:len(b)-4])
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		recs, err := decodePayload(sealed(body))
		if err != nil {
			return
		}
		b := encodePayload(nil, recs)
		again, err := decodePayload(b)
		if err != nil {
			t.Fatalf("what was decoded does not decode again: %v", err)
		}
		if !bytes.Equal(b, encodePayload(nil, again)) {
			t.Fatal("written in two ways")
		}
	})
}

// The chain covers the commit before, the id, the instant, the number and the payload.
func TestChainBreaksAreFound(t *testing.T) {
	r := random{rand.New(rand.NewPCG(7, 8))}
	var rows []LogRow
	head := Head{}
	for i := range 5 {
		row := LogRow{ID: r.hash(), Payload: encodePayload(nil, []record{&typeRec{fmt.Sprint(i)}})}
		row.Head = Head{Seq: head.Seq + 1, Now: bursar.Time(i + 1)}
		row.Head.Hash = chain(head, row.ID, row.Head.Now, row.Payload)
		rows, head = append(rows, row), row.Head
	}
	fold := func(rows []LogRow) error {
		s := newState()
		for i := range rows {
			if err := s.fold("acme", &rows[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := fold(rows); err != nil {
		t.Fatal(err)
	}
	other := encodePayload(nil, []record{&typeRec{"other"}})
	for what, damage := range map[string]func(r []LogRow) []LogRow{
		"another payload":  func(r []LogRow) []LogRow { r[2].Payload = other; return r },
		"another id":       func(r []LogRow) []LogRow { r[2].ID[0] ^= 1; return r },
		"another instant":  func(r []LogRow) []LogRow { r[2].Head.Now++; return r },
		"another hash":     func(r []LogRow) []LogRow { r[2].Head.Hash[15] ^= 1; return r },
		"a missing commit": func(r []LogRow) []LogRow { return append(r[:2], r[3:]...) },
		"a repeated one":   func(r []LogRow) []LogRow { return append(r[:3], r[2:]...) },
		"two in exchange":  func(r []LogRow) []LogRow { r[1], r[2] = r[2], r[1]; return r },
	} {
		if err := fold(damage(append([]LogRow(nil), rows...))); err == nil {
			t.Errorf("%s is not found", what)
		}
	}
}
