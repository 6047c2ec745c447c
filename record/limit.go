package record

import (
	"github.com/bursarhq/bursar"
)

// How many limits one piece of usage can meet is bounded twice. Writing a limit is refused
// where too many already stand beside it (roomFor): no path of a tree then has more than
// MaxRowsPerEvent, however entities are moved. Usage that meets more all the same, since it
// names several paths or the store is older than that rule, counts on the first
// MaxRowsPerEvent of them in an order that keeps what was set from above (RowsOn).

// Naming is a count of limits by one entity that they name and their capability.
type Naming struct{ Ent, Cap uint32 }

// EachNamed calls f for each entity that a limit with a scope names: its own and those of
// the scope.
func (def *Limit) EachNamed(f func(Naming)) {
	if len(def.Scope) == 0 {
		return
	}
	f(Naming{def.Ent, def.Cap})
	for _, s := range def.Scope {
		if s != def.Ent {
			f(Naming{s, def.Cap})
		}
	}
}

// Window is a counter's current window and the start of the one before it, which ends
// where this one starts; PrevStart = start when the one before is not tracked.
type Window struct{ PrevStart, Start, End bursar.Time }

// Follows tells that p is the window just before w.
func (w Window) Follows(p Window) bool { return p.End == w.Start }

func (w Window) encode(e *Encoder) {
	e.Time(w.Start)
	e.Uint(uint64(w.End - w.Start))
	e.Uint(uint64(w.Start - w.PrevStart))
}

func (w *Window) decode(d *Decoder) {
	w.Start = d.time()
	w.End = w.Start + bursar.Time(d.uint())
	w.PrevStart = w.Start - bursar.Time(d.uint())
}

// LimitPut creates the limit of a row, or gives it another definition.
type LimitPut struct {
	Row uint32
	ID  [16]byte
	Def Limit
	// Carry is set when the schedule of an existing row changed: what it had used in
	// its window is used in this window now.
	Carry  bool
	Used   bursar.Amount
	Window Window
}

func (*LimitPut) Kind() Kind { return kindRow }

func (r *LimitPut) encode(e *Encoder) {
	e.Ord(r.Row)
	e.Hash(r.ID)
	e.Ord(r.Def.Ent)
	e.Ord(r.Def.Cap)
	e.String(r.Def.Label)
	e.ords(r.Def.Scope)
	e.Bool(r.Def.Limited)
	e.Amount(r.Def.Limit)
	e.String(r.Def.Sched.Cadence.String())
	e.String(r.Def.Sched.Zone)
	e.Bool(r.Def.Sched.HasAnchor)
	e.Time(bursar.Time(r.Def.Sched.Anchor))
	e.Bool(r.Def.Soft)
	e.Bool(r.Def.Strict)
	e.Uint(uint64(len(r.Def.Thresholds)))
	for _, t := range r.Def.Thresholds {
		e.Uint(uint64(t))
	}
	e.Time(r.Def.Created)
	e.Time(r.Def.Updated)
	e.Bool(r.Carry)
	if r.Carry {
		e.Amount(r.Used)
		r.Window.encode(e)
	}
}

func (r *LimitPut) decode(d *Decoder) {
	r.Row, r.ID = d.ord(), d.hash()
	r.Def = Limit{Ent: d.ord(), Cap: d.ord(), Label: d.string(), Scope: d.ords(), Limited: d.bool(), Limit: d.amount()}
	cadence, zone, has, anchor := d.string(), d.string(), d.bool(), d.time()
	var err error
	if r.Def.Sched, err = NewSchedule(cadence, zone, has, anchor); err != nil && !d.Bad {
		d.fail()
	}
	r.Def.Soft, r.Def.Strict = d.bool(), d.bool()
	r.Def.Thresholds = make([]int, d.count())
	for i := range r.Def.Thresholds {
		r.Def.Thresholds[i] = int(d.uint())
	}
	r.Def.Created, r.Def.Updated = d.time(), d.time()
	if r.Carry = d.bool(); r.Carry {
		r.Used = d.amount()
		r.Window.decode(d)
	}
}

type LimitDeleted struct{ Row uint32 }

func (*LimitDeleted) Kind() Kind { return kindRowDelete }

func (r *LimitDeleted) encode(e *Encoder) { e.Ord(r.Row) }

func (r *LimitDeleted) decode(d *Decoder) { r.Row = d.ord() }

// A new limit may count the period so far: it begins with what its entity has used in
// the window that is running, by the usage series, in place of 0. Windows that do not
// begin on a quarter of an hour count from the quarter before.

// LimitStarted follows the LimitPut of a new limit: what it has used in its window already.
type LimitStarted struct {
	Row    uint32
	Used   bursar.Amount
	Window Window
}

func (*LimitStarted) Kind() Kind { return kindRowStart }

func (r *LimitStarted) encode(e *Encoder) {
	e.Ord(r.Row)
	e.Amount(r.Used)
	r.Window.encode(e)
}

func (r *LimitStarted) decode(d *Decoder) {
	r.Row, r.Used = d.ord(), d.amount()
	r.Window.decode(d)
}

// Limit is the definition of a limit, *def* in variables: how much of a capability an entity
// may use in a window. Its row is its number within the customer; the API calls it an
// assignment. Limit.Limit is the amount.
type Limit struct {
	Ent, Cap     uint32
	Label        string
	Scope        []uint32 // ascending; nil = node-wide
	Limit        bursar.Amount
	Limited      bool
	Soft, Strict bool
	Sched        *Schedule
	Thresholds   []int
	Created      bursar.Time
	Updated      bursar.Time
}

// Rule is a cadence with its zone as it was written.
type Rule struct {
	bursar.Schedule
	Zone string
}
