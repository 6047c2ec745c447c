package engine

import "github.com/bursarhq/bursar"

type holdOpenRec struct {
	id      [16]byte
	cap     uint32
	amount  bursar.Amount
	created bursar.Time
	expires bursar.Time
	settle  bool
	key     identity
	dims    []bursar.Dimension
	combo   uint32
	path    []step
	chains  [][]uint32 // rows, as the decision showed them
}

func (*holdOpenRec) kind() recordKind { return kindHoldOpen }
func (r *holdOpenRec) encode(e *encoder) {
	e.hash(r.id)
	e.ord(r.cap)
	e.amount(r.amount)
	e.time(r.created)
	e.uint(uint64(r.expires - r.created))
	e.bool(r.settle)
	r.key.encode(e)
	e.dims(r.dims)
	e.ord(r.combo)
	encodeSteps(e, r.path)
	e.bool(r.chains != nil)
	e.uint(uint64(len(r.chains)))
	for _, c := range r.chains {
		e.ords(c)
	}
}
func (r *holdOpenRec) decode(d *decoder) {
	r.id, r.cap, r.amount, r.created = d.hash(), d.ord(), d.amount(), d.time()
	r.expires = r.created + bursar.Time(d.uint())
	r.settle = d.bool()
	r.key.decode(d)
	r.dims, r.combo, r.path = d.dims(), d.ord(), decodeSteps(d)
	has := d.bool()
	n := d.count()
	if has {
		r.chains = make([][]uint32, n)
	}
	for i := range r.chains {
		r.chains[i] = d.ords()
	}
}

// closing is what a hold's end charges.
type closing struct {
	id      [16]byte
	at      bursar.Time // effective time of the usage
	amount  bursar.Amount
	charges []charge
}

func (r *closing) encode(e *encoder) {
	e.hash(r.id)
	e.time(r.at)
	e.amount(r.amount)
	encodeCharges(e, r.charges, r.amount)
}
func (r *closing) decode(d *decoder) {
	r.id, r.at, r.amount = d.hash(), d.time(), d.amount()
	r.charges = decodeCharges(d, r.amount)
}

type holdCommitRec struct {
	closing
	late *hold // the hold when it had expired before, else nil
}

func (*holdCommitRec) kind() recordKind { return kindHoldCommit }
func (r *holdCommitRec) encode(e *encoder) {
	r.closing.encode(e)
	e.bool(r.late != nil)
	if r.late != nil {
		r.late.encode(e)
	}
}
func (r *holdCommitRec) decode(d *decoder) {
	r.closing.decode(d)
	if d.bool() {
		r.late = new(hold)
		r.late.decode(d)
	}
}

type holdFreeRec struct {
	id [16]byte
	at bursar.Time
}

func (*holdFreeRec) kind() recordKind { return kindHoldFree }
func (r *holdFreeRec) encode(e *encoder) {
	e.hash(r.id)
	e.time(r.at)
}
func (r *holdFreeRec) decode(d *decoder) { r.id, r.at = d.hash(), d.time() }

type holdExtendRec struct {
	id      [16]byte
	expires bursar.Time
}

func (*holdExtendRec) kind() recordKind { return kindHoldExtend }
func (r *holdExtendRec) encode(e *encoder) {
	e.hash(r.id)
	e.time(r.expires)
}
func (r *holdExtendRec) decode(d *decoder) { r.id, r.expires = d.hash(), d.time() }

// holdExpireRec ends a hold at its own expiry. With settle its amount is used.
type holdExpireRec struct {
	settle bool
	closing
}

func (*holdExpireRec) kind() recordKind { return kindHoldExpire }
func (r *holdExpireRec) encode(e *encoder) {
	e.bool(r.settle)
	r.closing.encode(e)
}
func (r *holdExpireRec) decode(d *decoder) {
	r.settle = d.bool()
	r.closing.decode(d)
}
