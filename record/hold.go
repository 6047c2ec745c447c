package record

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

func (h *Hold) Row(caps []bursar.Capability) store.HoldRow {
	var e Encoder
	h.encode(&e)
	e.Uint(uint64(len(h.Costs)))
	for i := range h.Costs {
		h.Costs[i].encode(&e)
	}
	if h.Event != nil {
		h.Event.encode(&e)
	}
	r := store.HoldRow{ID: store.FormatID(h.ID), Capability: caps[h.Cap-1], Status: h.Status, CreatedAt: h.Created, ExpiresAt: h.Expires,
		ClosedAt: h.Closed, Amount: h.Amount, Detail: e.B}
	for _, s := range h.Path {
		r.Entities = append(r.Entities, s.Ent)
	}
	return r
}

func HoldFromRow(r *store.HoldRow) (*Hold, error) {
	h := new(Hold)
	d := Decoder{B: r.Detail}
	h.decode(&d)
	h.Costs = make([]HeldCost, d.count())
	for i := range h.Costs {
		h.Costs[i].decode(&d)
	}
	if len(d.B) > 0 {
		h.Event = new(HeldEvent)
		h.Event.decode(&d)
	}
	if d.Bad {
		return nil, fmt.Errorf("%w: saved hold %s", ErrRecord, r.ID)
	}
	return h, nil
}

type HoldOpened struct {
	ID      [16]byte
	Cap     uint32
	Amount  bursar.Amount
	Created bursar.Time
	Expires bursar.Time
	Settle  bool
	Key     Identity
	Dims    []bursar.Dimension
	Combo   uint32
	Path    []Hop
	Chains  [][]uint32 // rows, as the decision showed them
}

func (*HoldOpened) Kind() Kind { return kindHoldOpen }

func (r *HoldOpened) encode(e *Encoder) {
	e.Hash(r.ID)
	e.Ord(r.Cap)
	e.Amount(r.Amount)
	e.Time(r.Created)
	e.Uint(uint64(r.Expires - r.Created))
	e.Bool(r.Settle)
	r.Key.encode(e)
	e.Dims(r.Dims)
	e.Ord(r.Combo)
	encodePath(e, r.Path)
	encodeChains(e, r.Chains)
}

func encodeChains(e *Encoder, chains [][]uint32) {
	e.Bool(chains != nil)
	e.Uint(uint64(len(chains)))
	for _, c := range chains {
		e.ords(c)
	}
}

func decodeChains(d *Decoder) (chains [][]uint32) {
	has := d.bool()
	n := d.count()
	if has {
		chains = make([][]uint32, n)
	}
	for i := range chains {
		chains[i] = d.ords()
	}
	return chains
}

func (r *HoldOpened) decode(d *Decoder) {
	r.ID, r.Cap, r.Amount, r.Created = d.hash(), d.ord(), d.amount(), d.time()
	r.Expires = r.Created + bursar.Time(d.uint())
	r.Settle = d.bool()
	r.Key.decode(d)
	r.Dims, r.Combo, r.Path = d.dims(), d.ord(), DecodePath(d)
	r.Chains = decodeChains(d)
}

// Closing is what a hold's end charges.
type Closing struct {
	ID      [16]byte
	At      bursar.Time // effective time of the usage
	Amount  bursar.Amount
	Charges []Charge
}

func (r *Closing) encode(e *Encoder) {
	e.Hash(r.ID)
	e.Time(r.At)
	e.Amount(r.Amount)
	encodeCharges(e, r.Charges, r.Amount)
}

func (r *Closing) decode(d *Decoder) {
	r.ID, r.At, r.Amount = d.hash(), d.time(), d.amount()
	r.Charges = decodeCharges(d, r.Amount)
}

type HoldCommitted struct {
	Closing
	Late *Hold // the hold when it had expired before, else nil
}

func (*HoldCommitted) Kind() Kind { return kindHoldCommit }

func (r *HoldCommitted) encode(e *Encoder) {
	r.Closing.encode(e)
	e.Bool(r.Late != nil)
	if r.Late != nil {
		r.Late.encode(e)
	}
}

func (r *HoldCommitted) decode(d *Decoder) {
	r.Closing.decode(d)
	if d.bool() {
		r.Late = new(Hold)
		r.Late.decode(d)
	}
}

type HoldFreed struct {
	ID [16]byte
	At bursar.Time
}

func (*HoldFreed) Kind() Kind { return kindHoldFree }

func (r *HoldFreed) encode(e *Encoder) {
	e.Hash(r.ID)
	e.Time(r.At)
}

func (r *HoldFreed) decode(d *Decoder) { r.ID, r.At = d.hash(), d.time() }

type HoldExtended struct {
	ID      [16]byte
	Expires bursar.Time
}

func (*HoldExtended) Kind() Kind { return kindHoldExtend }

func (r *HoldExtended) encode(e *Encoder) {
	e.Hash(r.ID)
	e.Time(r.Expires)
}

func (r *HoldExtended) decode(d *Decoder) { r.ID, r.Expires = d.hash(), d.time() }

// HoldKept makes an open hold one that is settled when it ends: who committed it said what was
// used, and nothing of that could be read.
type HoldKept struct{ ID [16]byte }

func (*HoldKept) Kind() Kind { return kindHoldKept }

func (r *HoldKept) encode(e *Encoder) { e.Hash(r.ID) }

func (r *HoldKept) decode(d *Decoder) { r.ID = d.hash() }

// HoldExpired ends a hold at its own expiry. With settle its amount is used.
type HoldExpired struct {
	Settle bool
	Closing
}

func (*HoldExpired) Kind() Kind { return kindHoldExpire }

func (r *HoldExpired) encode(e *Encoder) {
	e.Bool(r.Settle)
	r.Closing.encode(e)
}

func (r *HoldExpired) decode(d *Decoder) {
	r.Settle = d.bool()
	r.Closing.decode(d)
}

// HoldCost freezes the price of a hold in one currency, and holds what it would cost.
// A hold that is not open any more gets the price alone: nothing is held.
type HoldCost struct {
	ID   [16]byte
	Cost HeldCost
}

func (*HoldCost) Kind() Kind { return kindHoldCost }

func (r *HoldCost) encode(e *Encoder) {
	e.Hash(r.ID)
	r.Cost.encode(e)
}

func (r *HoldCost) decode(d *Decoder) {
	r.ID = d.hash()
	r.Cost.decode(d)
}

// Dump writes all of h.
func (h *Hold) Dump(e *Encoder) {
	h.encode(e)
	for i := range h.Costs {
		h.Costs[i].encode(e)
	}
	if h.Event != nil {
		h.Event.encode(e)
	}
}

func (h *Hold) OnEntity(ent uint32) bool {
	return ent == 0 || slices.ContainsFunc(h.Path, func(s Hop) bool { return s.Ent == ent })
}

// Hold is a reservation. The rows it charges are those of its chains.
type Hold struct {
	ID       [16]byte
	Cap      uint32
	Amount   bursar.Amount
	Status   bursar.HoldStatus
	Settle   bool
	Created  bursar.Time
	Expires  bursar.Time
	Closed   bursar.Time
	Recorded bursar.Amount // when COMMITTED or settled
	Late     bool
	Dims     []bursar.Dimension
	Combo    uint32
	Path     []Hop
	Chains   [][]uint32
	Costs    []HeldCost
	Event    *HeldEvent // of a hold of an event: all that it is on; then Costs has none
}

var statusCodes = []bursar.HoldStatus{bursar.HoldOpen, bursar.HoldCommitted, bursar.HoldReleased, bursar.HoldExpired}

// encode writes all of h.
func (h *Hold) encode(e *Encoder) {
	(&HoldOpened{ID: h.ID, Cap: h.Cap, Amount: h.Amount, Created: h.Created, Expires: h.Expires, Settle: h.Settle,
		Dims: h.Dims, Combo: h.Combo, Path: h.Path, Chains: h.Chains}).encode(e)
	e.Byte(byte(slices.Index(statusCodes, h.Status)))
	e.Time(h.Closed)
	e.Amount(h.Recorded)
	e.Bool(h.Late)
}

func (h *Hold) decode(d *Decoder) {
	var r HoldOpened
	r.decode(d)
	*h = *r.Hold()
	c := d.byte()
	if int(c) >= len(statusCodes) {
		d.fail()
		return
	}
	h.Status, h.Closed, h.Recorded, h.Late = statusCodes[c], d.time(), d.amount(), d.bool()
}

func (r *HoldOpened) Hold() *Hold {
	return &Hold{ID: r.ID, Cap: r.Cap, Amount: r.Amount, Status: bursar.HoldOpen, Settle: r.Settle, Created: r.Created,
		Expires: r.Expires, Dims: r.Dims, Combo: r.Combo, Path: r.Path, Chains: r.Chains}
}

// HeldCost is the frozen price of a hold in one currency.
type HeldCost struct {
	Cap     uint32
	Card    string
	Version int
	Rate    bursar.Rate // Amount and Per only
	Held    bursar.Amount
	// Charged is what the hold's end cost; while it is open, and after a release, 0.
	Charged bursar.Amount
}

func (c *HeldCost) encode(e *Encoder) {
	e.Ord(c.Cap)
	e.String(c.Card)
	e.Uint(uint64(c.Version))
	e.Amount(c.Rate.Amount)
	e.Uint(uint64(c.Rate.Per))
	e.Amount(c.Held)
	e.Amount(c.Charged)
}

func (c *HeldCost) decode(d *Decoder) {
	c.Cap, c.Card, c.Version = d.ord(), d.string(), int(d.uint())
	c.Rate.Amount, c.Rate.Per = d.amount(), int64(d.uint())
	c.Held, c.Charged = d.amount(), d.amount()
}
