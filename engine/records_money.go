package engine

import (
	"encoding/json"

	"github.com/bursarhq/bursar"
)

// costRec is what usage cost in one currency. It follows the record of the usage in the
// same commit.
type costRec struct {
	cap     uint32 // the currency
	feature uint32 // whose usage it was
	of      uint32 // the index of the usage's record in this commit
	card    string
	version int
	units   bursar.Amount // that were priced
	amount  bursar.Amount // what each row takes unless clamped
	total   bursar.Amount // what the customer's total took
	at      bursar.Time
	combo   uint32
	path    []step
	charges []charge
	// correction is set when re-pricing made it: amount is the difference, for usage of
	// the bucket at, of what version by charges to what version charged.
	correction bool
	by         int
	// held is set when a hold of this id ended; dims are then the hold's.
	held bool
	hold [16]byte
	dims []bursar.Dimension
}

func (*costRec) kind() recordKind { return kindCost }
func (r *costRec) encode(e *encoder) {
	flags := byte(0)
	if r.correction {
		flags |= 1
	}
	if r.held {
		flags |= 2
	}
	if r.total != r.amount {
		flags |= 4
	}
	e.byte(flags)
	e.ord(r.cap)
	e.ord(r.feature)
	e.ord(r.of)
	e.string(r.card)
	e.uint(uint64(r.version))
	e.amount(r.units)
	e.amount(r.amount)
	if r.total != r.amount {
		e.amount(r.total)
	}
	e.time(r.at)
	e.ord(r.combo)
	encodeSteps(e, r.path)
	encodeCharges(e, r.charges, r.amount)
	if r.correction {
		e.uint(uint64(r.by))
	}
	if r.held {
		e.hash(r.hold)
		e.dims(r.dims)
	}
}
func (r *costRec) decode(d *decoder) {
	flags := d.byte()
	r.correction, r.held = flags&1 != 0, flags&2 != 0
	r.cap, r.feature, r.of = d.ord(), d.ord(), d.ord()
	r.card, r.version = d.string(), int(d.uint())
	r.units, r.amount = d.amount(), d.amount()
	if r.total = r.amount; flags&4 != 0 {
		r.total = d.amount()
	}
	r.at, r.combo, r.path = d.time(), d.ord(), decodeSteps(d)
	r.charges = decodeCharges(d, r.amount)
	if r.correction {
		r.by = int(d.uint())
	}
	if r.held {
		r.hold, r.dims = d.hash(), d.dims()
	}
}

// move is what one grant's consumed amount changes by.
type move struct {
	grant  uint32
	amount bursar.Amount
	ended  bool // the grant had ended: what it gets back has lapsed
}

type drawReason uint8

const (
	drawConsumed drawReason = iota // usage, or its refund
	drawTransfer                   // a new grant takes over the overdraft
	drawCorrection
)

// drawRec moves credits of the grants of one pool.
type drawRec struct {
	cap     uint32
	feature uint32 // whose usage it was; 0 = none
	of      uint32 // the index of the usage's record in this commit, when it was usage
	reason  drawReason
	at      bursar.Time // when: now, or the instant at which time did it
	moves   []move
}

func (*drawRec) kind() recordKind { return kindDraw }
func (r *drawRec) encode(e *encoder) {
	e.ord(r.cap)
	e.ord(r.feature)
	e.ord(r.of)
	e.byte(byte(r.reason))
	e.time(r.at)
	e.uint(uint64(len(r.moves)))
	for _, m := range r.moves {
		e.ord(m.grant)
		e.amount(m.amount)
		e.bool(m.ended)
	}
}
func (r *drawRec) decode(d *decoder) {
	r.cap, r.feature, r.of, r.reason = d.ord(), d.ord(), d.ord(), drawReason(d.byte())
	r.at = d.time()
	r.moves = make([]move, d.count())
	for i := range r.moves {
		r.moves[i] = move{d.ord(), d.amount(), d.bool()}
	}
}

// holdCostRec freezes the price of a hold in one currency, and holds what it would cost.
// For a hold that is not open any more it only says the price again.
type holdCostRec struct {
	id   [16]byte
	cost heldCost
}

func (*holdCostRec) kind() recordKind { return kindHoldCost }
func (r *holdCostRec) encode(e *encoder) {
	e.hash(r.id)
	r.cost.encode(e)
}
func (r *holdCostRec) decode(d *decoder) {
	r.id = d.hash()
	r.cost.decode(d)
}

// grantRec makes a grant.
type grantRec struct {
	ord    uint32 // the next number
	cap    uint32
	id     [16]byte
	active bool
	grant  bursar.Grant
}

func (*grantRec) kind() recordKind { return kindGrant }
func (r *grantRec) encode(e *encoder) {
	e.ord(r.ord)
	e.ord(r.cap)
	e.hash(r.id)
	e.bool(r.active)
	b, _ := json.Marshal(&r.grant) // no type in it can fail
	e.bytes(b)
}
func (r *grantRec) decode(d *decoder) {
	r.ord, r.cap, r.id, r.active = d.ord(), d.ord(), d.hash(), d.bool()
	if json.Unmarshal(d.view(), &r.grant) != nil {
		d.fail()
	}
}

// grantBeginRec makes a scheduled grant active.
type grantBeginRec struct {
	ord uint32
	at  bursar.Time
}

func (*grantBeginRec) kind() recordKind { return kindGrantBegin }
func (r *grantBeginRec) encode(e *encoder) {
	e.ord(r.ord)
	e.time(r.at)
}
func (r *grantBeginRec) decode(d *decoder) { r.ord, r.at = d.ord(), d.time() }

// grantEndRec ends a grant: what is left of it lapses.
type grantEndRec struct {
	ord    uint32
	at     bursar.Time
	voided bool          // else it expired
	lapsed bursar.Amount // what was left of it
}

func (*grantEndRec) kind() recordKind { return kindGrantEnd }
func (r *grantEndRec) encode(e *encoder) {
	e.ord(r.ord)
	e.time(r.at)
	e.bool(r.voided)
	e.amount(r.lapsed)
}
func (r *grantEndRec) decode(d *decoder) {
	r.ord, r.at, r.voided, r.lapsed = d.ord(), d.time(), d.bool(), d.amount()
}

// boostRec makes a boost of a row.
type boostRec struct {
	row   uint32
	boost boost
}

func (*boostRec) kind() recordKind { return kindBoost }
func (r *boostRec) encode(e *encoder) {
	b := &r.boost
	e.ord(r.row)
	e.hash(b.id)
	e.amount(b.amount)
	e.time(b.created)
	e.time(b.expires)
	e.optString(b.reason)
	e.string(b.by)
}
func (r *boostRec) decode(d *decoder) {
	r.row = d.ord()
	r.boost = boost{id: d.hash(), amount: d.amount(), created: d.time(), expires: d.time(), reason: d.optString(), by: d.string()}
}

// boostEndRec ends a boost before its time.
type boostEndRec struct {
	row uint32
	id  [16]byte
	at  bursar.Time
}

func (*boostEndRec) kind() recordKind { return kindBoostEnd }
func (r *boostEndRec) encode(e *encoder) {
	e.ord(r.row)
	e.hash(r.id)
	e.time(r.at)
}
func (r *boostEndRec) decode(d *decoder) { r.row, r.id, r.at = d.ord(), d.hash(), d.time() }

// promotionRec says what the customer's own row of a feature is; deleted, that there is
// none any more.
type promotionRec struct {
	cap, row  uint32
	deleted   bool
	promotion bursar.Promotion
}

func (*promotionRec) kind() recordKind { return kindPromotion }
func (r *promotionRec) encode(e *encoder) {
	e.ord(r.cap)
	e.ord(r.row)
	e.bool(r.deleted)
	b, _ := json.Marshal(&r.promotion) // no type in it can fail
	e.bytes(b)
}
func (r *promotionRec) decode(d *decoder) {
	r.cap, r.row, r.deleted = d.ord(), d.ord(), d.bool()
	if json.Unmarshal(d.view(), &r.promotion) != nil {
		d.fail()
	}
}

// firedRec says which thresholds of a row have fired in the window that began at start.
type firedRec struct {
	row   uint32
	fired fired
}

func (*firedRec) kind() recordKind { return kindFired }
func (r *firedRec) encode(e *encoder) {
	e.ord(r.row)
	e.time(r.fired.start)
	e.ints(r.fired.levels)
}
func (r *firedRec) decode(d *decoder) {
	r.row = d.ord()
	r.fired = fired{d.time(), d.ints()}
}

// lowRec says which of the low-balance levels of a pool have fired.
type lowRec struct {
	cap    uint32
	levels []int
}

func (*lowRec) kind() recordKind { return kindLow }
func (r *lowRec) encode(e *encoder) {
	e.ord(r.cap)
	e.ints(r.levels)
}
func (r *lowRec) decode(d *decoder) { r.cap, r.levels = d.ord(), d.ints() }

// seenRec says that a UNIQUE counted a value, and in whose windows.
type seenRec struct {
	cap   uint32
	value uint64
	sets  []uniqueKey
}

func (*seenRec) kind() recordKind { return kindSeen }
func (r *seenRec) encode(e *encoder) {
	e.ord(r.cap)
	e.uint(r.value)
	e.uint(uint64(len(r.sets)))
	for _, k := range r.sets {
		e.ord(k.row)
		e.ord(k.cap)
		e.time(k.start)
	}
}
func (r *seenRec) decode(d *decoder) {
	r.cap, r.value = d.ord(), d.uint()
	r.sets = make([]uniqueKey, d.count())
	for i := range r.sets {
		r.sets[i] = uniqueKey{d.ord(), d.ord(), d.time()}
	}
}

func (e *encoder) ints(s []int) {
	e.uint(uint64(len(s)))
	for _, n := range s {
		e.uint(uint64(n))
	}
}

func (d *decoder) ints() []int {
	n := d.count()
	if n == 0 {
		return nil
	}
	s := make([]int, n)
	for i := range s {
		s[i] = int(d.uint())
	}
	return s
}
