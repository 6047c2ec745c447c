package record

import (
	"encoding/json"

	"github.com/bursarhq/bursar"
)

// Move is what one grant's consumed amount changes by.
type Move struct {
	Grant  uint32
	Amount bursar.Amount
	Ended  bool // the grant had ended: what it gets back has lapsed
}

type DrawReason uint8

const (
	DrawConsumed DrawReason = iota // usage, or its refund
	DrawTransfer                   // a new grant takes over the overdraft
	DrawCorrection
)

// Draw moves credits of the grants of one pool.
type Draw struct {
	Cap     uint32
	Feature uint32 // whose usage it was; 0 = none
	Of      uint32 // the index of the usage's record in this commit, when it was usage
	Reason  DrawReason
	At      bursar.Time // when: now, or the instant at which time did it
	Moves   []Move
}

func (*Draw) Kind() Kind { return kindDraw }

func (r *Draw) encode(e *Encoder) {
	e.Ord(r.Cap)
	e.Ord(r.Feature)
	e.Ord(r.Of)
	e.Byte(byte(r.Reason))
	e.Time(r.At)
	e.Uint(uint64(len(r.Moves)))
	for _, m := range r.Moves {
		e.Ord(m.Grant)
		e.Amount(m.Amount)
		e.Bool(m.Ended)
	}
}

func (r *Draw) decode(d *Decoder) {
	r.Cap, r.Feature, r.Of, r.Reason = d.ord(), d.ord(), d.ord(), DrawReason(d.byte())
	r.At = d.time()
	r.Moves = make([]Move, d.count())
	for i := range r.Moves {
		r.Moves[i] = Move{d.ord(), d.amount(), d.bool()}
	}
}

// GrantMade makes a grant.
type GrantMade struct {
	Ord    uint32 // the next number
	Cap    uint32
	ID     [16]byte
	Active bool
	Grant  bursar.Grant
}

func (*GrantMade) Kind() Kind { return kindGrant }

func (r *GrantMade) encode(e *Encoder) {
	e.Ord(r.Ord)
	e.Ord(r.Cap)
	e.Hash(r.ID)
	e.Bool(r.Active)
	b, _ := json.Marshal(&r.Grant) // no type in it can fail
	e.Bytes(b)
}

func (r *GrantMade) decode(d *Decoder) {
	r.Ord, r.Cap, r.ID, r.Active = d.ord(), d.ord(), d.hash(), d.bool()
	if json.Unmarshal(d.view(), &r.Grant) != nil {
		d.fail()
	}
}

// GrantBegun makes a scheduled grant active.
type GrantBegun struct {
	Ord uint32
	At  bursar.Time
}

func (*GrantBegun) Kind() Kind { return kindGrantBegin }

func (r *GrantBegun) encode(e *Encoder) {
	e.Ord(r.Ord)
	e.Time(r.At)
}

func (r *GrantBegun) decode(d *Decoder) { r.Ord, r.At = d.ord(), d.time() }

// GrantEnded ends a grant: what is left of it lapses.
type GrantEnded struct {
	Ord    uint32
	At     bursar.Time
	Voided bool          // else it expired
	Lapsed bursar.Amount // what was left of it
}

func (*GrantEnded) Kind() Kind { return kindGrantEnd }

func (r *GrantEnded) encode(e *Encoder) {
	e.Ord(r.Ord)
	e.Time(r.At)
	e.Bool(r.Voided)
	e.Amount(r.Lapsed)
}

func (r *GrantEnded) decode(d *Decoder) {
	r.Ord, r.At, r.Voided, r.Lapsed = d.ord(), d.time(), d.bool(), d.amount()
}
