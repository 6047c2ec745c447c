package record

import (
	"slices"

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
	r.Def.encode(e)
	e.Bool(r.Carry)
	if r.Carry {
		e.Amount(r.Used)
		r.Window.encode(e)
	}
}

func (r *LimitPut) decode(d *Decoder) {
	r.Row, r.ID = d.ord(), d.hash()
	r.Def.decode(d)
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
	*Terms
	Ent     uint32
	Created bursar.Time
	Updated bursar.Time
}

// Terms are what limits of many entities may say alike. Those that do share them, so terms are
// changed in a copy of one's own: see Limit.Own.
type Terms struct {
	Cap          uint32
	Label        string
	Scope        []uint32 // ascending; nil = it counts whatever is named
	Limit        bursar.Amount
	Limited      bool
	Soft, Strict bool
	Sched        *Schedule
	Thresholds   []int
	// ByDefault tells that the row is limited by the nearest default, not by a limit of its
	// own. In the state such a row has its entity, capability and label alone; View.Def adds
	// what Default says. That is nil while no default applies: nothing counts on the row then.
	ByDefault bool
	Default   *Default
}

// Own gives def terms that no other limit has, to be changed.
func (def *Limit) Own() {
	t := *def.Terms
	def.Terms = &t
}

// Memory is about how many bytes t takes.
func (t *Terms) Memory() int64 {
	return 128 + int64(len(t.Label)+4*len(t.Scope)+8*len(t.Thresholds))
}

// Same tells whether a and b say the same.
func (a *Terms) Same(b *Terms) bool {
	return a == b || a.Cap == b.Cap && a.Label == b.Label && a.Limit == b.Limit && a.Limited == b.Limited && a.Soft == b.Soft && a.Strict == b.Strict &&
		a.Sched == b.Sched && a.ByDefault == b.ByDefault && a.Default == b.Default && slices.Equal(a.Scope, b.Scope) && slices.Equal(a.Thresholds, b.Thresholds) &&
		(a.Scope == nil) == (b.Scope == nil) && (a.Thresholds == nil) == (b.Thresholds == nil)
}

// Idle tells that the row has no limit at present.
func (def *Limit) Idle() bool { return def.ByDefault && def.Default == nil }

func (def *Limit) encode(e *Encoder) {
	e.Ord(def.Ent)
	e.Ord(def.Cap)
	e.String(def.Label)
	e.ords(def.Scope)
	e.Bool(def.Limited)
	e.Amount(def.Limit)
	e.String(def.Sched.Cadence.String())
	e.String(def.Sched.Zone)
	e.Bool(def.Sched.HasAnchor)
	e.Time(bursar.Time(def.Sched.Anchor))
	e.Bool(def.Soft)
	e.Bool(def.Strict)
	e.Uint(uint64(len(def.Thresholds)))
	for _, t := range def.Thresholds {
		e.Uint(uint64(t))
	}
	e.Time(def.Created)
	e.Time(def.Updated)
}

func (def *Limit) decode(d *Decoder) {
	*def = Limit{Ent: d.ord(), Terms: &Terms{Cap: d.ord(), Label: d.string(), Scope: d.ords(), Limited: d.bool(), Limit: d.amount()}}
	cadence, zone, has, anchor := d.string(), d.string(), d.bool(), d.time()
	var err error
	if def.Sched, err = NewSchedule(cadence, zone, has, anchor); err != nil && !d.Bad {
		d.fail()
	}
	def.Soft, def.Strict = d.bool(), d.bool()
	def.Thresholds = make([]int, d.count())
	for i := range def.Thresholds {
		def.Thresholds[i] = int(d.uint())
	}
	def.Created, def.Updated = d.time(), d.time()
}

// Rule is a cadence with its zone as it was written.
type Rule struct {
	bursar.Schedule
	Zone string
}
