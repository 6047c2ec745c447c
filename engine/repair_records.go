package engine

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/bursarhq/bursar"
)

// mender makes of the records of commits under a clock that was ahead what they would have
// been at another instant. What was decided stays: who was charged, how much was asked,
// what was granted. What follows from the instant is decided again: in which window a row
// counts, and what time had ended.
type mender struct {
	cat   *Catalogue
	at    bursar.Time     // the instant that takes the place of theirs
	was   bursar.Time     // that of the commit at hand
	drawn map[uint32]bool // grants that these commits drew on
	met   *seenRec        // what takes the place of the next seenRec
}

// fixed is an instant that was taken from the clock, or had passed by it. What lies ahead
// of that too was meant to.
func (m *mender) fixed(t bursar.Time) bursar.Time {
	if t > m.at && t <= m.was {
		return m.at
	}
	return t
}

// noteDrawn looks for grants that a commit draws on.
func (m *mender) noteDrawn(recs []record) {
	for _, r := range recs {
		if r, ok := r.(*drawRec); ok {
			for _, x := range r.moves {
				m.drawn[x.grant] = true
			}
		}
	}
}

// commit mends a commit's records, one after the other, each on what those before it left.
// Their number stays, and so do the ids and places that were made of it.
func (m *mender) commit(st *state, row *LogRow) (*decider, error) {
	recs, err := decodePayload(row.Payload)
	if err != nil {
		return nil, err
	}
	m.was, m.met = row.Head.Now, nil
	d := &decider{view: newView(st, m.at), cat: m.cat, commit: row.ID, quiet: true}
	for i, r := range recs {
		if u, ok := r.(*usageRec); ok {
			var met *seenRec
			if i+1 < len(recs) {
				met, _ = recs[i+1].(*seenRec)
			}
			m.usage(d, u, met)
		}
		if d.emit(m.record(d, r)); d.fault != nil {
			return nil, d.fault
		}
	}
	return d, nil
}

// usage charges the rows of r anew, by the rule of its feature.
func (m *mender) usage(d *decider, r *usageRec, met *seenRec) {
	rows := rowsOf(r.charges)
	r.timestamp, r.at = min(r.timestamp, m.at), min(r.at, m.at)
	function := ""
	if f := m.cat.features[d.capability(r.cap).ID]; r.op == opEvent && f != nil && f.Meter != nil {
		function = f.Meter.Aggregation.Function
	}
	switch {
	case function == "MAX":
		d.chargeHighest(rows, r.amount, r)
	case met != nil:
		if m.met = d.chargeDistinct(rows, met.value, r); m.met == nil {
			m.met = &seenRec{cap: met.cap, value: met.value}
		}
	case function == "UNIQUE": // everybody had met the value
		r.charges = d.charges(rows, r.at, bursar.Amount{}, false)
	default:
		r.charges = d.charges(rows, r.at, r.delta, r.set)
	}
}

func rowsOf(cs []charge) []uint32 {
	rows := make([]uint32, len(cs))
	for i := range cs {
		rows[i] = cs[i].row
	}
	return rows
}

// record mends what has no part in usage.
func (m *mender) record(d *decider, r record) record {
	switch r := r.(type) {
	case *customerRec:
		m.times(&r.customer)
	case *entityRec:
		r.ent.created, r.ent.updated, r.ent.archived = m.fixed(r.ent.created), m.fixed(r.ent.updated), m.fixed(r.ent.archived)
	case *rowRec:
		m.row(d, r)
	case *rowStartRec:
		if def := d.def(r.ord); def != nil {
			r.window = d.counter(r.ord, def).window
		}
	case *seenRec:
		if m.met != nil {
			r, m.met = m.met, nil
		}
		return r
	case *levelRec:
		r.level.at = min(r.level.at, m.at)
	case *activityRec:
		r.entry.Timestamp = m.fixed(r.entry.Timestamp)
	case *firedRec:
		return m.fired(d, r)
	case *promotionRec:
		m.times(&r.promotion)
	case *boostRec:
		r.boost.created = m.fixed(r.boost.created)
	case *boostEndRec:
		r.at = m.fixed(r.at)
	case *holdOpenRec:
		m.begun(&r.created, &r.expires)
	case *holdCommitRec, *holdFreeRec, *holdExtendRec, *holdExpireRec:
		m.ending(d, r)
	default:
		return m.money(d, r)
	}
	return r
}

func (m *mender) row(d *decider, r *rowRec) {
	r.def.created, r.def.updated = m.fixed(r.def.created), m.fixed(r.def.updated)
	if old := d.def(r.ord); r.carry && old != nil {
		r.used, r.window = d.current(r.ord, old).used, r.def.sched.firstWindow(m.at)
	}
}

// fired says of a row's window at the mended instant which thresholds have fired: those
// that did before and now, as far as they are reached.
func (m *mender) fired(d *decider, r *firedRec) record {
	def := d.def(r.row)
	if def == nil {
		return r
	}
	c, limit := d.current(r.row, def), d.limitNow(r.row, def)
	levels := slices.Clone(r.fired.levels)
	if had := d.firedOf(r.row); had != nil && had.start == c.start {
		levels = append(levels, had.levels...)
	}
	slices.Sort(levels)
	levels = slices.DeleteFunc(slices.Compact(levels), func(percent int) bool {
		return !def.limited || c.used.Sign() <= 0 || !c.used.AtLeastPercent(int64(percent), limit)
	})
	return &firedRec{r.row, fired{c.start, levels}}
}

// begun moves a life that began under the wrong clock.
func (m *mender) begun(created, ends *bursar.Time) {
	if life := *ends - *created; *created > m.at {
		*created, *ends = m.at, m.at+life
	}
}

// ending mends what ends or extends a reservation. One that the wrong clock ended stays
// ended: it may have been committed late.
func (m *mender) ending(d *decider, r record) {
	again := func(c *closing) {
		c.at = min(c.at, m.at)
		c.charges = d.charges(rowsOf(c.charges), c.at, c.amount, false)
	}
	switch r := r.(type) {
	case *holdCommitRec:
		if h := r.late; h != nil {
			m.begun(&h.created, &h.expires)
			h.closed = min(h.closed, m.at)
		}
		again(&r.closing)
	case *holdFreeRec:
		r.at = m.fixed(r.at)
	case *holdExtendRec:
		if r.expires > m.was {
			r.expires -= m.was - m.at
		}
	case *holdExpireRec:
		again(&r.closing)
	}
}

func (m *mender) money(d *decider, r record) record {
	switch r := r.(type) {
	case *costRec:
		r.at = min(r.at, m.at)
		if !r.correction {
			r.charges = d.charges(rowsOf(r.charges), r.at, r.amount, false)
			return r
		}
		var cs []charge
		for _, c := range r.charges {
			cs = append(cs, d.charges([]uint32{c.row}, r.at, c.delta, false)...)
		}
		r.charges = cs
	case *drawRec:
		r.at = min(r.at, m.at)
		for i := range r.moves {
			if g := d.grant(r.moves[i].grant); g != nil {
				r.moves[i].ended = g.ended()
			}
		}
	case *grantRec:
		m.times(&r.grant)
	case *grantBeginRec:
		if g := d.grant(r.ord); g != nil && g.EffectiveAt > m.at && !m.drawn[r.ord] {
			return nothing(d, g.cap) // its time is yet to come
		}
		r.at = min(r.at, m.at)
	case *grantEndRec:
		if g := d.grant(r.ord); g != nil && !r.voided && g.ExpireAt > m.at {
			return nothing(d, g.cap)
		}
		r.at = min(r.at, m.at)
	}
	return r
}

// nothing is a record that changes nothing, in the place of one that was not to be: it says
// of a pool what holds already.
func nothing(d *decider, cap uint32) record { return &lowRec{cap, slices.Clone(d.pool(cap).low)} }

// catalogue mends a commit of the environment's own log.
func (m *mender) catalogue(c *Catalogue, row *LogRow) (payload []byte, err error) {
	recs, err := decodePayload(row.Payload)
	if err != nil {
		return nil, err
	}
	m.was = row.Head.Now
	c = c.clone()
	for _, r := range recs {
		rec, ok := r.(*catalogueRec)
		if !ok {
			return nil, fmt.Errorf("%w: kind %d in the catalogue", errRecord, r.kind())
		}
		if err := m.thing(c, rec); err != nil {
			return nil, err
		}
		if err := c.apply(rec); err != nil {
			return nil, err
		}
	}
	return encodePayload(nil, recs), nil
}

// things are the bodies of the catalogue's records that have instants.
var things = map[string]func() any{
	"entityType":       func() any { return new(bursar.EntityType) },
	"feature":          func() any { return new(bursar.Feature) },
	"currency":         func() any { return new(bursar.Currency) },
	"apiKey":           func() any { return new(bursar.APIKey) },
	"rateCard":         func() any { return new(bursar.RateCard) },
	"rateVersion":      func() any { return new(cardVersion) },
	"rateCardArchived": func() any { return new(cardEnd) },
	"webhook":          func() any { return new(bursar.Webhook) },
	"tokenRevoked":     func() any { return new(revokedToken) },
	"reply":            func() any { return new(keptReply) },
}

func (m *mender) thing(c *Catalogue, rec *catalogueRec) (err error) {
	fresh := things[rec.sort]
	if fresh == nil {
		return nil
	}
	v := fresh()
	if err := json.Unmarshal(rec.body, v); err != nil {
		return fmt.Errorf("%w: %v", errRecord, err)
	}
	m.times(v)
	if v, ok := v.(*cardVersion); ok && c.cards[v.CardID] != nil { // each is in force after the one before
		if old := c.cards[v.CardID].Versions; len(old) > 0 {
			v.Version.EffectiveFrom = max(v.Version.EffectiveFrom, old[len(old)-1].EffectiveFrom+1e6)
		}
	}
	rec.body, err = json.Marshal(v)
	return err
}

// times mends every instant of what v points to.
func (m *mender) times(v any) { m.eachTime(reflect.ValueOf(v).Elem()) }

var timeType = reflect.TypeFor[bursar.Time]()

func (m *mender) eachTime(v reflect.Value) {
	if v.Type() == timeType {
		v.SetInt(int64(m.fixed(bursar.Time(v.Int()))))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			m.eachTime(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				m.eachTime(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			m.eachTime(v.Index(i))
		}
	}
}
