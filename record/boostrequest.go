package record

import (
	"github.com/bursarhq/bursar"
)

// BoostAsked asks that a limit be raised for a time.
type BoostAsked struct {
	Ord     uint32 // the request's number
	Request BoostRequest
}

func (*BoostAsked) Kind() Kind { return kindBoostAsked }

func (r *BoostAsked) encode(e *Encoder) {
	q := &r.Request
	e.Ord(r.Ord)
	e.Hash(q.ID)
	e.Hash(q.RowID)
	e.Ord(q.Ent)
	e.Ord(q.Cap)
	e.ords(q.Scope)
	e.String(q.Label)
	e.Amount(q.Amount)
	e.Time(q.Created)
	e.Time(q.Expires)
	e.optString(q.Reason)
	e.String(q.By.Type)
	e.String(q.By.ID)
	e.String(q.By.Subject)
	e.String(q.By.Spend)
}

func (r *BoostAsked) decode(d *Decoder) {
	r.Ord = d.ord()
	r.Request = BoostRequest{ID: d.hash(), RowID: d.hash(), Ent: d.ord(), Cap: d.ord(), Scope: d.ords(), Label: d.string(), Amount: d.amount(),
		Created: d.time(), Expires: d.time(), Reason: d.optString(), By: Asker{d.string(), d.string(), d.string(), d.string()}}
}

// BoostAnswered says what became of a boost request.
type BoostAnswered struct {
	Ord    uint32
	Answer BoostAnswer
}

func (*BoostAnswered) Kind() Kind { return kindBoostAnswer }

func (r *BoostAnswered) encode(e *Encoder) {
	a := &r.Answer
	e.Ord(r.Ord)
	e.Byte(byte(a.Answer))
	e.Time(a.At)
	e.String(a.By)
	e.optString(a.Note)
	e.Hash(a.Boost)
	e.Amount(a.Amount)
	e.Time(a.Expires)
	e.Ord(a.Lender)
}

func (r *BoostAnswered) decode(d *Decoder) {
	r.Ord = d.ord()
	r.Answer = BoostAnswer{Answer: Answer(d.byte()), At: d.time(), By: d.string(), Note: d.optString(), Boost: d.hash(), Amount: d.amount(), Expires: d.time(), Lender: d.ord()}
}

// BoostRequest is what somebody asked for: more of the limit that an entity has of a capability,
// scope and label, by itself or by default.
type BoostRequest struct {
	ID               [16]byte
	RowID            [16]byte // the id of the limit as it was then
	Ent, Cap         uint32
	Scope            []uint32 // sorted
	Label            string
	Amount           bursar.Amount
	Created, Expires bursar.Time
	Reason           *string
	By               Asker
	Answer           *BoostAnswer // nil = there is none yet
}

// Asker is who asked.
type Asker struct {
	Type, ID string // of the key or token; of a spend token the ID is that of its root
	Subject  string // of an access token
	Spend    string // the id of the spend token itself
}

// Answer is what was said to a boost request.
type Answer uint8

const (
	Approved Answer = iota + 1
	Declined
	Withdrawn
)

// Known tells whether a is an answer that this version knows.
func (a Answer) Known() bool { return a >= Approved && a <= Withdrawn }

// BoostAnswer is what became of a boost request. Boost, Amount and Expires are of one that is
// approved.
type BoostAnswer struct {
	Answer  Answer
	At      bursar.Time
	By      string
	Note    *string
	Boost   [16]byte
	Amount  bursar.Amount
	Expires bursar.Time
	Lender  uint32 // the entity whose limit pays for it; 0 = none does
}
