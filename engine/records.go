package engine

import (
	"encoding/json"

	"github.com/bursarhq/bursar"
)

// The records of a customer's log. They hold resolved facts (numbers of rows, amounts
// that each row really took, windows), so that a replay needs neither the catalogue
// nor the zone data of their time.

type customerRec struct{ customer bursar.Customer }

func (*customerRec) kind() recordKind { return kindCustomer }
func (r *customerRec) encode(e *encoder) {
	b, _ := json.Marshal(&r.customer) // no type in it can fail
	e.bytes(b)
}
func (r *customerRec) decode(d *decoder) {
	if json.Unmarshal(d.view(), &r.customer) != nil {
		d.fail()
	}
}

// typeRec, capabilityRec and comboRec give the next number of their sort.
type typeRec struct{ id string }

func (*typeRec) kind() recordKind    { return kindType }
func (r *typeRec) encode(e *encoder) { e.string(r.id) }
func (r *typeRec) decode(d *decoder) { r.id = d.string() }

type capabilityRec struct{ capability bursar.Capability }

func (*capabilityRec) kind() recordKind { return kindCapability }
func (r *capabilityRec) encode(e *encoder) {
	e.byte(byte(r.capability.Kind))
	e.string(r.capability.ID)
}
func (r *capabilityRec) decode(d *decoder) {
	r.capability.Kind = bursar.CapabilityKind(d.byte())
	r.capability.ID = d.string()
}

type comboRec struct{ dims []bursar.Dimension }

func (*comboRec) kind() recordKind    { return kindCombo }
func (r *comboRec) encode(e *encoder) { e.dims(r.dims) }
func (r *comboRec) decode(d *decoder) { r.dims = d.dims() }

type entityRec struct {
	ord uint32 // an existing number, or the next one
	ent entity
}

func (*entityRec) kind() recordKind { return kindEntity }
func (r *entityRec) encode(e *encoder) {
	e.ord(r.ord)
	e.string(r.ent.id)
	e.ord(r.ent.typ)
	e.ord(r.ent.parent)
	e.optString(r.ent.name)
	e.stringMap(r.ent.meta)
	e.time(r.ent.created)
	e.time(r.ent.updated)
	e.time(r.ent.archived)
}
func (r *entityRec) decode(d *decoder) {
	r.ord = d.ord()
	r.ent = entity{id: d.string(), typ: d.ord(), parent: d.ord(), name: d.optString(), meta: d.stringMap(),
		created: d.time(), updated: d.time(), archived: d.time()}
}

// window is a counter's current window and the start of the one before it, which ends
// where this one starts; prevStart = start when the one before is not tracked.
type window struct{ prevStart, start, end bursar.Time }

// follows tells that p is the window just before w.
func (w window) follows(p window) bool { return p.end == w.start }

func (w window) encode(e *encoder) {
	e.time(w.start)
	e.uint(uint64(w.end - w.start))
	e.uint(uint64(w.start - w.prevStart))
}
func (w *window) decode(d *decoder) {
	w.start = d.time()
	w.end = w.start + bursar.Time(d.uint())
	w.prevStart = w.start - bursar.Time(d.uint())
}

type rowRec struct {
	ord uint32
	id  [16]byte
	def rowDef
	// carry is set when the schedule of an existing row changed: what it had used in
	// its window is used in this window now.
	carry  bool
	used   bursar.Amount
	window window
}

func (*rowRec) kind() recordKind { return kindRow }
func (r *rowRec) encode(e *encoder) {
	e.ord(r.ord)
	e.hash(r.id)
	e.ord(r.def.ent)
	e.ord(r.def.cap)
	e.string(r.def.label)
	e.ords(r.def.scope)
	e.bool(r.def.limited)
	e.amount(r.def.limit)
	e.string(r.def.sched.Cadence.String())
	e.string(r.def.sched.zone)
	e.bool(r.def.sched.HasAnchor)
	e.time(bursar.Time(r.def.sched.Anchor))
	e.bool(r.def.soft)
	e.bool(r.def.strict)
	e.uint(uint64(len(r.def.thresholds)))
	for _, t := range r.def.thresholds {
		e.uint(uint64(t))
	}
	e.time(r.def.created)
	e.time(r.def.updated)
	e.bool(r.carry)
	if r.carry {
		e.amount(r.used)
		r.window.encode(e)
	}
}
func (r *rowRec) decode(d *decoder) {
	r.ord, r.id = d.ord(), d.hash()
	r.def = rowDef{ent: d.ord(), cap: d.ord(), label: d.string(), scope: d.ords(), limited: d.bool(), limit: d.amount()}
	cadence, zone, has, anchor := d.string(), d.string(), d.bool(), d.time()
	var err error
	if r.def.sched, err = newSchedule(cadence, zone, has, anchor); err != nil && !d.bad {
		d.fail()
	}
	r.def.soft, r.def.strict = d.bool(), d.bool()
	r.def.thresholds = make([]int, d.count())
	for i := range r.def.thresholds {
		r.def.thresholds[i] = int(d.uint())
	}
	r.def.created, r.def.updated = d.time(), d.time()
	if r.carry = d.bool(); r.carry {
		r.used = d.amount()
		r.window.decode(d)
	}
}

type rowDeleteRec struct{ ord uint32 }

func (*rowDeleteRec) kind() recordKind    { return kindRowDelete }
func (r *rowDeleteRec) encode(e *encoder) { e.ord(r.ord) }
func (r *rowDeleteRec) decode(d *decoder) { r.ord = d.ord() }

// charge is what one row took. delta is what it really took, after clamping.
type charge struct {
	row    uint32
	slot   slot
	rolled bool // window says where the row stands from now on
	window window
	delta  bursar.Amount
}

type slot uint8

const (
	slotNone slot = iota // older than the previous window: usage series only
	slotCurrent
	slotPrevious
)

func encodeCharges(e *encoder, cs []charge, amount bursar.Amount) {
	e.uint(uint64(len(cs)))
	for i := range cs {
		c := &cs[i]
		e.ord(c.row)
		flags := byte(c.slot)
		if c.rolled {
			flags |= 4
		}
		if c.delta != amount {
			flags |= 8
		}
		e.byte(flags)
		if c.rolled {
			c.window.encode(e)
		}
		if c.delta != amount {
			e.amount(c.delta)
		}
	}
}

func decodeCharges(d *decoder, amount bursar.Amount) []charge {
	cs := make([]charge, d.count())
	for i := range cs {
		c := &cs[i]
		c.row = d.ord()
		flags := d.byte()
		c.slot = slot(flags & 3)
		if c.rolled = flags&4 != 0; c.rolled {
			c.window.decode(d)
		}
		if c.delta = amount; flags&8 != 0 {
			c.delta = d.amount()
		}
	}
	return cs
}

// step is one entity of a path and the child through which the path reached it (0 when
// the usage was attributed to the entity itself).
type step struct{ ent, child uint32 }

func encodeSteps(e *encoder, ss []step) {
	e.uint(uint64(len(ss)))
	for _, s := range ss {
		e.ord(s.ent)
		e.ord(s.child)
	}
}

func decodeSteps(d *decoder) []step {
	ss := make([]step, d.count())
	for i := range ss {
		ss[i] = step{d.ord(), d.ord()}
	}
	return ss
}

type operation uint8

const (
	opUsage       operation = 1
	opConsume     operation = 2
	opReserve     operation = 3
	opRequest     operation = 4 // a whole request with an Idempotency-Key
	opConsumption operation = 5 // credits that were consumed, reported without a gate
	opEvent       operation = 6
)

// identity is an idempotency key as it is remembered: a keyed hash of (target, key) and
// a hash of the content.
type identity struct {
	set     bool
	hash    [16]byte
	content [8]byte
}

func (k *identity) encode(e *encoder) {
	e.bool(k.set)
	if k.set {
		e.hash(k.hash)
		e.b = append(e.b, k.content[:]...)
	}
}
func (k *identity) decode(d *decoder) {
	if k.set = d.bool(); !k.set {
		return
	}
	k.hash = d.hash()
	for i := range k.content {
		k.content[i] = d.byte()
	}
}

type usageRec struct {
	op        operation
	cap       uint32
	amount    bursar.Amount // what was asked: the value, or the new level of a SET
	timestamp bursar.Time   // as given
	at        bursar.Time   // effective: never after the commit
	key       identity
	dims      []bursar.Dimension
	combo     uint32
	path      []step
	delta     bursar.Amount // what each row takes unless clamped
	total     bursar.Amount // what the customer's total took
	set       bool          // a SET: leaf's level becomes amount, unless stale
	stale     bool
	leaf      uint32
	charges   []charge
}

func (*usageRec) kind() recordKind { return kindUsage }
func (r *usageRec) encode(e *encoder) {
	e.byte(byte(r.op))
	e.ord(r.cap)
	e.amount(r.amount)
	e.time(r.at)
	e.time(r.timestamp - r.at)
	r.key.encode(e)
	e.dims(r.dims)
	e.ord(r.combo)
	encodeSteps(e, r.path)
	flags := byte(0)
	if r.set {
		flags |= 1
	}
	if r.stale {
		flags |= 2
	}
	if r.delta != r.amount {
		flags |= 4
	}
	if r.total != r.delta {
		flags |= 8
	}
	e.byte(flags)
	if r.set {
		e.ord(r.leaf)
	}
	if r.delta != r.amount {
		e.amount(r.delta)
	}
	if r.total != r.delta {
		e.amount(r.total)
	}
	encodeCharges(e, r.charges, r.delta)
}
func (r *usageRec) decode(d *decoder) {
	r.op = operation(d.byte())
	r.cap, r.amount, r.at = d.ord(), d.amount(), d.time()
	r.timestamp = r.at + d.time()
	r.key.decode(d)
	r.dims, r.combo, r.path = d.dims(), d.ord(), decodeSteps(d)
	flags := d.byte()
	r.set, r.stale = flags&1 != 0, flags&2 != 0
	if r.set {
		r.leaf = d.ord()
	}
	if r.delta = r.amount; flags&4 != 0 {
		r.delta = d.amount()
	}
	if r.total = r.delta; flags&8 != 0 {
		r.total = d.amount()
	}
	r.charges = decodeCharges(d, r.delta)
}

type keptRec struct {
	key    identity
	status int
	body   []byte
}

func (*keptRec) kind() recordKind { return kindKept }
func (r *keptRec) encode(e *encoder) {
	r.key.encode(e)
	e.uint(uint64(r.status))
	e.bytes(r.body)
}
func (r *keptRec) decode(d *decoder) {
	r.key.decode(d)
	r.status, r.body = int(d.uint()), d.bytes()
}

type activityRec struct{ entry Activity }

func (*activityRec) kind() recordKind { return kindActivity }
func (r *activityRec) encode(e *encoder) {
	a := &r.entry
	e.time(a.Timestamp)
	for _, s := range []string{a.ActorType, a.ActorID, a.Subject, a.Action, a.TargetType, a.TargetID, a.EntityID, a.RequestID} {
		e.string(s)
	}
	e.bytes(a.Before)
	e.bytes(a.After)
}
func (r *activityRec) decode(d *decoder) {
	a := &r.entry
	a.Timestamp = d.time()
	for _, s := range []*string{&a.ActorType, &a.ActorID, &a.Subject, &a.Action, &a.TargetType, &a.TargetID, &a.EntityID, &a.RequestID} {
		*s = d.string()
	}
	a.Before, a.After = d.bytes(), d.bytes()
}

// catalogueRec replaces one thing of the catalogue, or keeps a reply.
type catalogueRec struct {
	sort string // entityType, feature, currency, apiKey, secret or reply
	body []byte // JSON
}

func (*catalogueRec) kind() recordKind { return kindCatalogue }
func (r *catalogueRec) encode(e *encoder) {
	e.string(r.sort)
	e.bytes(r.body)
}
func (r *catalogueRec) decode(d *decoder) { r.sort, r.body = d.string(), d.bytes() }
