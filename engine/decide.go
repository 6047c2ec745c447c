package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bursarhq/bursar"
)

// decider decides the requests of one customer's batch, one after the other: each sees
// what those before it did. It is pure: no I/O, no clock.
type decider struct {
	*view
	cat     *Catalogue
	horizon time.Duration
	commit  [16]byte // the commit's random id
	recs    []record
	facts   *facts
	out     outgoing
	trace   string          // id of the request that is being decided
	touched map[uint32]bool // entities whose place or limits the request changed
	ours    *int            // of a token's request: its first record
	quiet   bool            // the decision is for reading: nobody is told
	behind  bool            // more holds have ended than were recorded
	fault   error           // apply refused a record that was just decided: a bug
}

// op is a write request.
type op interface {
	// decide returns the reply, or an error: *bursar.Error, *needs, *seen. After an
	// error nothing of the request is in the batch.
	decide(d *decider) (any, error)
}

// settled is an op that emits nothing before it is sure to succeed, so that there is
// never anything to take back.
type settled interface{ settled() }

func (*reportUsage) settled()  {}
func (*reportEvents) settled() {}
func (*consume) settled()      {}
func (*reserve) settled()      {}
func (*closeHold) settled()    {}

// facts is what decide may need from the store beside the state, fetched beforehand.
//
// A closed generation of keys never changes. A hold does: what the store has of one that
// is not in memory is true for as long as memory goes by the checkpoint at base, since a
// hold leaves memory only with a checkpoint that has it.
type facts struct {
	keys   map[[16]byte]map[int64]*keyEntry // by hash and generation; nil = not in it
	base   uint64                           // the checkpoint that holds are true with
	holds  map[[16]byte]*hold               // nil = there is none
	series map[seriesKey]seriesFact
}

// needs is returned when a decision takes facts that are not in memory: the caller
// fetches them and asks again.
type needs struct {
	keys   []keyProbe
	base   uint64 // the checkpoint that memory goes by
	holds  [][16]byte
	series map[seriesKey]SeriesQuery
}

func (*needs) Error() string { return "facts of the store are needed" }

// seen is returned when a request was recorded before, by record index of commit seq.
type seen struct {
	seq   uint64
	index uint32
}

func (*seen) Error() string { return "recorded before" }

func (d *decider) emit(r record) {
	d.recs = append(d.recs, r)
	if err := d.apply(r); err != nil && d.fault == nil {
		d.fault = fmt.Errorf("deciding: %w", err)
	}
}

// nextID is the id of what the record that is emitted next makes.
func (d *decider) nextID() [16]byte { return idAt(d.now, d.head.Seq+1, len(d.recs), d.commit) }

// errTooLarge refuses a request that would record more than one may.
var errTooLarge = bursar.Errorf(bursar.CodeValidationFailed,
	"the request would make more than %d records, which is the most for one: with their costs, limits and alerts its items are too many; send fewer at once", maxRequestRecords)

// attempt runs one request; if it fails the batch is as if it had not been, but for
// errTooLarge: then what is decided must be decided without that request.
func (d *decider) attempt(o op) (reply any, err error) {
	from, recs, out := len(d.recs), d.records, d.out
	if _, ok := o.(settled); ok {
		if reply, err = o.decide(d); len(d.recs)-from > maxRequestRecords {
			return nil, errTooLarge
		}
		return reply, err
	}
	d.undoing = true
	if reply, err = o.decide(d); len(d.recs)-from > maxRequestRecords {
		err = errTooLarge
	}
	if err != nil {
		d.rollback()
		d.recs, d.records, d.out, d.touched = d.recs[:from], recs, out, nil
		return nil, err
	}
	d.view.keep()
	return reply, nil
}

// capFor is the number of a capability, given one if it has none.
func (d *decider) capFor(c bursar.Capability) uint32 {
	if o := d.capOrd(c); o != 0 {
		return o
	}
	d.emit(&capabilityRec{c})
	return d.capOrd(c)
}

func (d *decider) typeFor(id string) uint32 {
	if o := d.typeOrd(id); o != 0 {
		return o
	}
	d.emit(&typeRec{id})
	return d.typeOrd(id)
}

// maxCombos bounds the combinations of dimensions that usage series tell apart in one
// customer; usage with further ones is in the series without dimensions.
const maxCombos = 1000

// comboFor is the number of the dimensions that are no attribution keys, by which
// series can be grouped; 0 when there are none.
func (d *decider) comboFor(dims []bursar.Dimension) uint32 {
	plain := d.plain(dims)
	if len(plain) == 0 {
		return 0
	}
	return d.comboOf(plain, maxCombos)
}

// plain are the dimensions that are no attribution keys.
func (d *decider) plain(dims []bursar.Dimension) (out []bursar.Dimension) {
	for _, x := range dims {
		if _, ok := d.cat.attribution[x.Key]; !ok {
			out = append(out, x)
		}
	}
	return out
}

// featureKey is the dimension that usage series of a currency have beside those of the
// usage: the feature whose cost it was.
const featureKey = "$featureId"

// costCombo is the number of the dimensions of a cost: the plain ones of the usage and
// the feature, or the feature alone when there are too many combinations.
func (d *decider) costCombo(plain []bursar.Dimension, featureID string) uint32 {
	feature := bursar.Dimension{Key: featureKey, Value: featureID}
	all := []bursar.Dimension{feature}
	for _, x := range plain {
		if x.Key != featureKey {
			all = append(all, x)
		}
	}
	if o := d.comboOf(sortDims(all), maxCombos); o != 0 {
		return o
	}
	return d.comboOf(all[:1], 2*maxCombos)
}

func (d *decider) comboOf(dims []bursar.Dimension, most int) uint32 {
	o := d.comboOrd(encodeCombo(dims))
	if o == 0 && len(d.combos.list)+len(d.newCombos) < most {
		d.emit(&comboRec{dims})
		o = d.comboOrd(encodeCombo(dims))
	}
	return o
}

// known finds out whether an idempotency key was seen. oldest is the earliest receipt
// that the request's twin can have had.
func (d *decider) known(k identity, oldest bursar.Time) (*keyEntry, error) {
	if !k.set {
		return nil, nil
	}
	if e, ok := d.newKeys[k.hash]; ok {
		return &e, nil
	}
	e, probes := d.keys.find(k.hash, oldest, d.now)
	if e != nil {
		return e, nil
	}
	var missing []keyProbe
	for _, p := range probes {
		got, ok := d.facts.key(p)
		if got != nil {
			return got, nil
		}
		if !ok {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		return nil, &needs{base: d.seriesBase, keys: missing}
	}
	return nil, nil
}

// savedHold is what the store has of a hold that is not in memory; nil = nothing.
func (d *decider) savedHold(id [16]byte) (*hold, error) {
	if d.facts != nil && d.facts.base == d.seriesBase {
		if h, known := d.facts.holds[id]; known {
			return h, nil
		}
	}
	return nil, &needs{base: d.seriesBase, holds: [][16]byte{id}}
}

func (f *facts) key(p keyProbe) (*keyEntry, bool) {
	if f == nil {
		return nil, false
	}
	e, ok := f.keys[p.hash][p.gen]
	return e, ok
}

// keyMemory is how long a key without a timestamp of its own is recognised.
const keyMemory = bursar.Time(24 * time.Hour)

// maxAhead is how far ahead of now a timestamp may be.
const maxAhead = bursar.Time(5 * time.Minute)

// oldestReceipt is the earliest receipt that the twin of an item can have had: with the
// same timestamp not before that less maxAhead, and with another one, or none, we
// remember it for keyMemory.
func oldestReceipt(timestamp, now bursar.Time) bursar.Time {
	if timestamp == 0 {
		return now - keyMemory
	}
	return min(timestamp-maxAhead, now-keyMemory)
}

// keyOf is the identity of a keyed item. secret is the environment's, so that hashes
// cannot be aimed at.
func keyOf(secret *[32]byte, target, key string, content []byte) identity {
	var b [192]byte
	h := append(append(append(append(b[:0], secret[:]...), target...), 0), key...)
	k := identity{set: true}
	sum := sha256.Sum256(h)
	copy(k.hash[:], sum[:])
	sum = sha256.Sum256(content)
	copy(k.content[:], sum[:])
	return k
}

// contentOf is what must be equal for two items with one key to be the same item.
func contentOf(o operation, c bursar.Capability, amount bursar.Amount, set bool, dims []bursar.Dimension) []byte {
	e := encoder{make([]byte, 0, 128)}
	e.byte(byte(o))
	e.byte(byte(c.Kind))
	e.string(c.ID)
	e.amount(amount)
	e.bool(set)
	e.dims(dims)
	return e.b
}

func targetOf(c bursar.Capability) string {
	var b [1]byte
	b[0] = byte(c.Kind)
	return string(b[:]) + c.ID
}

// reused is the error for a key that came with other content.
func reused(pointer, key string) *bursar.Error {
	return bursar.ErrorAt(pointer, bursar.CodeIdempotencyKeyReused,
		"the idempotency key %q was used before with other content; send a new key for a new request", key)
}

// expire records what time has done, up to limit holds and grants of it, in the order of
// their instants: holds that ended, grants that became active or expired. It tells
// whether all is recorded that something may depend on. Holds that are returned are
// recorded with the rest as far as the limit allows: they are looked up (endings). For
// reading, it is all or nothing.
func (d *decider) expire(limit int) bool {
	holds, grants := d.ended(true, d.now, limit+1), d.timedGrants()
	done := len(holds)+len(grants) <= limit
	if d.quiet && !done {
		return false
	}
	if done && !d.quiet {
		room := limit - len(holds) - len(grants)
		returned := d.ended(false, d.now, room+1)
		d.behind = len(returned) > room
		holds = append(holds, returned[:min(room, len(returned))]...)
		slices.SortFunc(holds, func(a, b *hold) int { return compareExpiring(expiring{a.expires, a.id}, expiring{b.expires, b.id}) })
	}
	for n := 0; n < limit && len(holds)+len(grants) > 0; n++ {
		if d.full() && !d.quiet {
			return false
		}
		if len(grants) == 0 || len(holds) > 0 && holds[0].expires <= grants[0].at {
			d.expireHold(d.hold(holds[0].id))
			holds = holds[1:]
			continue
		}
		d.passTime(grants[0])
		grants = grants[1:]
	}
	return done
}

func (d *decider) expireHold(h *hold) {
	r := &holdExpireRec{settle: h.settle, closing: closing{id: h.id, at: h.expires}}
	if h.settle {
		r.amount = h.amount
		r.charges = d.charges(d.holdRows(h), h.expires, h.amount, false)
	}
	of := len(d.recs)
	d.emit(r)
	if h.settle {
		d.moveLevels(h.cap, h.path, h.amount)
		d.alertCharges(r.charges)
		d.settleCosts(h, of, h.amount, h.expires, false)
	}
	data := reservationData{CustomerID: d.cust().ID, ReservationID: formatID(h.id), Amount: h.amount, OnExpire: bursar.ExpireRelease, ExpiresAt: h.expires}
	if h.settle {
		data.OnExpire = bursar.ExpireSettle
	}
	data.FeatureID, data.CurrencyID = capabilityIDs(d.capability(h.cap))
	d.notify(bursar.EventReservationExpired, data)
}

// charges is what delta, of effective time at, does to each of rows that still exists
// and whose entity is live. now charges the current window whatever at is.
func (d *decider) charges(rows []uint32, at bursar.Time, delta bursar.Amount, now bool) []charge {
	cs := make([]charge, 0, len(rows))
	for _, ord := range rows {
		def := d.def(ord)
		if def == nil || def.ent != 0 && d.ent(def.ent).archived != 0 {
			continue
		}
		c, rolled := d.at(d.counter(ord, def), def)
		ch := charge{row: ord, rolled: rolled || d.untouched(ord), window: c.window}
		has := c.used
		switch {
		case now || at >= c.start:
			ch.slot = slotCurrent
		case at >= c.prevStart:
			ch.slot, has = slotPrevious, c.prev
		}
		if ch.slot != slotNone {
			if ch.delta = delta; delta.Sign() < 0 {
				ch.delta = bursar.MaxAmount(delta, has.Neg())
			}
		}
		cs = append(cs, ch)
	}
	return cs
}

// untouched tells that a row has no counter yet, so that its window must be recorded.
func (v *view) untouched(ord uint32) bool {
	if _, ok := v.ctrs[ord]; ok {
		return false
	}
	return int(ord) >= len(v.counters) || v.counters[ord] == nil
}

// audit notes a governance write.
func (d *decider) audit(c *Caller, action, targetType, targetID, entityID string, before, after any) {
	d.emit(&activityRec{Activity{Timestamp: d.now.Milli(), ActorType: c.ActorType, ActorID: c.ActorID, Subject: c.Subject,
		Action: action, TargetType: targetType, TargetID: targetID, EntityID: entityID, RequestID: c.RequestID,
		Before: asJSON(before), After: asJSON(after)}})
}

func asJSON(v any) []byte {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

// keptAt is seen, of a whole request by its Idempotency-Key.
type keptAt struct{ seen }

// keyed wraps a write that came with an Idempotency-Key: its reply is kept beside it.
type keyed struct {
	op
	key    identity
	text   string
	render func(any) (int, []byte)
}

func (k *keyed) decide(d *decider) (any, error) {
	e, err := d.known(k.key, d.now-keyMemory)
	if err != nil {
		return nil, err
	}
	if e != nil {
		if e.content != k.key.content {
			return nil, reused("", k.text)
		}
		return nil, &keptAt{seen{e.seq, e.index}}
	}
	reply, err := k.op.decide(d)
	if err != nil {
		return nil, err
	}
	status, body := k.render(reply)
	d.emit(&keptRec{k.key, status, body})
	return reply, nil
}

// withKey confines o to what the caller's token allows, and makes it idempotent if the
// caller asked for it: among those of the same reach, as replies show what it shows.
func (e *Engine) withKey(c *Caller, o op) op {
	reach := ""
	if c.Token != nil {
		o, reach = &confinedOp{o, c.Token, c.Wrote}, c.Token.RootEntityID
	}
	if c.Key == nil {
		return o
	}
	var content [33]byte
	content[0] = byte(opRequest)
	copy(content[1:], c.Key.Content[:])
	return &keyed{o, keyOf(&e.secret, "\x00"+reach, c.Key.Key, content[:]), c.Key.Key, c.Key.Render}
}

// commitIDs makes ids that cannot be guessed and do not repeat.
type commitIDs struct {
	seed [32]byte
	n    atomic.Uint64
}

func (c *commitIDs) next() (id [16]byte) {
	var b [40]byte
	copy(b[:], c.seed[:])
	binary.BigEndian.PutUint64(b[32:], c.n.Add(1))
	sum := sha256.Sum256(b[:])
	copy(id[:], sum[:])
	return id
}
