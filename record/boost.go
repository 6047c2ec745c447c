package record

import (
	"github.com/bursarhq/bursar"
)

// BoostMade makes a boost of a row.
type BoostMade struct {
	Row   uint32
	Boost Boost
}

func (*BoostMade) Kind() Kind { return kindBoost }

func (r *BoostMade) encode(e *Encoder) {
	b := &r.Boost
	e.Ord(r.Row)
	e.Hash(b.ID)
	e.Amount(b.Amount)
	e.Time(b.Created)
	e.Time(b.Expires)
	e.optString(b.Reason)
	e.String(b.By)
}

func (r *BoostMade) decode(d *Decoder) {
	r.Row = d.ord()
	r.Boost = Boost{ID: d.hash(), Amount: d.amount(), Created: d.time(), Expires: d.time(), Reason: d.optString(), By: d.string()}
}

// BoostLent makes a boost of a row, for as long as which another row has less.
type BoostLent struct{ Loan }

func (*BoostLent) Kind() Kind { return kindBoostLent }

func (r *BoostLent) encode(e *Encoder) {
	e.Ord(r.Lender)
	e.Ord(r.LenderEnt)
	(&BoostMade{r.Row, r.Boost}).encode(e)
}

func (r *BoostLent) decode(d *Decoder) {
	r.Lender, r.LenderEnt = d.ord(), d.ord()
	var made BoostMade
	made.decode(d)
	r.Row, r.Boost = made.Row, made.Boost
}

// Loan is a boost of a row that another one, of the entity LenderEnt, pays for.
type Loan struct {
	Row, Lender, LenderEnt uint32
	Boost
}

// BoostEnded ends a boost before its time.
type BoostEnded struct {
	Row uint32
	ID  [16]byte
	At  bursar.Time
}

func (*BoostEnded) Kind() Kind { return kindBoostEnd }

func (r *BoostEnded) encode(e *Encoder) {
	e.Ord(r.Row)
	e.Hash(r.ID)
	e.Time(r.At)
}

func (r *BoostEnded) decode(d *Decoder) { r.Row, r.ID, r.At = d.ord(), d.hash(), d.time() }

type Boost struct {
	ID               [16]byte
	Amount           bursar.Amount
	Created, Expires bursar.Time
	Ended            bursar.Time // 0 = not before expires
	Reason           *string
	By               string
}

func (b *Boost) ActiveAt(t bursar.Time) bool {
	return b.Created <= t && t < b.Expires && (b.Ended == 0 || t < b.Ended)
}
