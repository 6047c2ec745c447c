package ledger

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Mender rewrites the records of commits that were made while the clock was ahead: as they would
// have been at another instant. What was decided stays: who was charged, how much was asked,
// what was granted. What follows from the instant is decided again: in which window a row
// counts, and what time had ended.
type Mender struct {
	Cat   *catalogue.Catalogue
	At    bursar.Time          // the instant that takes the place of theirs
	was   bursar.Time          // that of the commit at hand
	Drawn map[uint32]bool      // grants that these commits drew on
	met   *record.ValueCounted // what takes the place of the next ValueCounted
}

// fixed is m.At for an instant after it that the wrong clock had reached. Any other instant
// stays: one that lay ahead even of the wrong clock was chosen by somebody.
func (m *Mender) fixed(t bursar.Time) bursar.Time {
	if t > m.At && t <= m.was {
		return m.At
	}
	return t
}

// NoteDrawn looks for grants that a commit draws on.
func (m *Mender) NoteDrawn(recs []record.Record) {
	for _, r := range recs {
		if r, ok := r.(*record.Draw); ok {
			for _, x := range r.Moves {
				m.Drawn[x.Grant] = true
			}
		}
	}
}

// Commit mends a commit's records, one after the other, each on what those before it left.
// Their number stays, and so do the ids and places that follow from it.
func (m *Mender) Commit(st *State, row *store.LogRow) (*Decider, error) {
	recs, err := record.DecodePayload(row.Payload)
	if err != nil {
		return nil, err
	}
	m.was, m.met = row.Head.Now, nil
	d := &Decider{View: NewView(st, m.At), Cat: m.Cat, CommitID: row.ID, Rehearsal: true}
	for i, r := range recs {
		if u, ok := r.(*record.Usage); ok {
			var met *record.ValueCounted
			if i+1 < len(recs) {
				met, _ = recs[i+1].(*record.ValueCounted)
			}
			m.usage(d, u, met)
		}
		if d.Emit(m.record(d, r)); d.Fault != nil {
			return nil, d.Fault
		}
	}
	return d, nil
}

// usage charges the rows of r anew, by the rule of its feature.
func (m *Mender) usage(d *Decider, r *record.Usage, met *record.ValueCounted) {
	rows := rowsCharged(r.Charges)
	r.Timestamp, r.At = min(r.Timestamp, m.At), min(r.At, m.At)
	function := ""
	events := r.Op == record.OpEvent || r.Op == record.OpHeldEvent || r.Op == record.OpReread
	if f := m.Cat.FeatureOf[d.Capability(r.Cap).ID]; events && f != nil && f.Meter != nil && !catalogue.Summing(f.Meter) {
		function = f.Meter.Aggregation.Function
	}
	switch {
	case function == "MAX":
		d.chargeHighest(rows, r.Amount, r)
	case met != nil:
		if m.met = d.chargeDistinct(rows, met.Value, r); m.met == nil {
			m.met = &record.ValueCounted{Cap: met.Cap, Value: met.Value}
		}
	case function == "UNIQUE": // everybody had met the value
		r.Charges = d.Charges(rows, r.At, bursar.Amount{}, false)
	case function == "":
		r.Charges = d.Charges(rows, r.At, r.Delta, r.Set)
	default:
		d.Fault = fmt.Errorf("no rule says what a %s charges", function)
	}
}

func rowsCharged(cs []record.Charge) []uint32 {
	rows := make([]uint32, len(cs))
	for i := range cs {
		rows[i] = cs[i].Row
	}
	return rows
}

// record mends a record, but for what usage has mended already.
func (m *Mender) record(d *Decider, r record.Record) record.Record {
	switch r := r.(type) {
	case *record.Customer:
		m.times(&r.Customer)
	case *record.EntityPut:
		r.Ent.Own()
		r.Ent.Created, r.Ent.Updated, r.Ent.Archived = m.fixed(r.Ent.Created), m.fixed(r.Ent.Updated), m.fixed(r.Ent.Archived)
	case *record.LimitPut:
		m.row(d, r)
	case *record.DefaultPut:
		r.Default.Terms.Created, r.Default.Terms.Updated = m.fixed(r.Default.Terms.Created), m.fixed(r.Default.Terms.Updated)
	case *record.LimitDefaulted:
		if old := d.Def(r.Row); r.Carry && old != nil {
			r.Used, r.Window = d.carried(r.Row, old), d.byDefault(r.Ent, r.Cap, r.Label).Sched.FirstWindow(m.At)
		}
	case *record.LimitStarted:
		if def := d.Def(r.Row); def != nil {
			r.Window = d.Counter(r.Row, def).Window
		}
	case *record.ValueCounted:
		if m.met != nil {
			r, m.met = m.met, nil
		}
		return r
	case *record.LevelSet:
		r.Level.At = min(r.Level.At, m.At)
	case *record.Activity:
		r.Entry.Timestamp = m.fixed(r.Entry.Timestamp)
	case *record.AlertFired:
		return m.fired(d, r)
	case *record.Frozen:
		r.Freeze.At = m.fixed(r.Freeze.At)
	case *record.DegradePut:
		r.Policy.Created, r.Policy.Updated = m.fixed(r.Policy.Created), m.fixed(r.Policy.Updated)
	case *record.NotificationPut:
		r.Notification.Created, r.Notification.Updated = m.fixed(r.Notification.Created), m.fixed(r.Notification.Updated)
	case *record.NotificationsUsed:
		r.Use.Hour = m.fixed(r.Use.Hour)
	case *record.LimitTold:
		return m.told(d, r)
	case *record.DefaultDeleted, *record.Thawed, *record.DegradeDeleted, *record.NotificationDeleted, *record.CallNamed, *record.CallCounted, *record.EventRaised, *record.HoldKept, *record.UsageReread:
	case *record.Promotion:
		m.times(&r.Promotion)
	case *record.BoostMade:
		r.Boost.Created = m.fixed(r.Boost.Created)
	case *record.BoostLent:
		r.Created = m.fixed(r.Created)
	case *record.BoostAsked:
		m.begun(&r.Request.Created, &r.Request.Expires)
	case *record.BoostAnswered:
		r.Answer.At = m.fixed(r.Answer.At)
	case *record.BoostEnded:
		r.At = m.fixed(r.At)
	case *record.UsageUnread:
		r.At, r.Priced = min(r.At, m.At), min(r.Priced, m.At)
	case *record.HoldOpened:
		m.begun(&r.Created, &r.Expires)
	case *record.EventHeld:
		m.begun(&r.Created, &r.Expires)
	case *record.EventUsed:
		m.used(r)
	case *record.HoldCommitted, *record.HoldFreed, *record.HoldExtended, *record.HoldExpired:
		m.ending(d, r)
	default:
		return m.credit(d, r)
	}
	return r
}

func (m *Mender) used(r *record.EventUsed) {
	if r.At = min(r.At, m.At); r.Late != nil {
		m.begun(&r.Late.Created, &r.Late.Expires)
		r.Late.Closed = min(r.Late.Closed, m.At)
	}
}

func (m *Mender) row(d *Decider, r *record.LimitPut) {
	r.Def.Created, r.Def.Updated = m.fixed(r.Def.Created), m.fixed(r.Def.Updated)
	if old := d.Def(r.Row); r.Carry && old != nil {
		r.Used, r.Window = d.carried(r.Row, old), r.Def.Sched.FirstWindow(m.At)
	}
}

// fired says which thresholds have fired in a row's window at the mended instant: those of r and
// those that had fired in the window before, as far as they are reached.
func (m *Mender) fired(d *Decider, r *record.AlertFired) record.Record {
	def := d.Def(r.Row)
	if def == nil {
		return r
	}
	c, limit := d.Current(r.Row, def), d.LimitNow(r.Row, def)
	levels := slices.Clone(r.Fired.Levels)
	if had := d.firedOf(r.Row); had != nil && had.Start == c.Start {
		levels = append(levels, had.Levels...)
	}
	slices.Sort(levels)
	levels = slices.DeleteFunc(slices.Compact(levels), func(percent int) bool {
		return !def.Limited || c.Used.Sign() <= 0 || !c.Used.AtLeastPercent(int64(percent), limit)
	})
	return &record.AlertFired{Row: r.Row, Fired: record.Fired{Start: c.Start, Levels: levels}}
}

// told says what people were told of a row in its window at the mended instant.
func (m *Mender) told(d *Decider, r *record.LimitTold) record.Record {
	if def := d.Def(r.Row); def != nil {
		r.Told.Start = d.Current(r.Row, def).Start
	}
	return r
}

// begun moves the life of a hold that began after m.At: it begins at m.At and lasts as long as before.
func (m *Mender) begun(created, ends *bursar.Time) {
	if life := *ends - *created; *created > m.At {
		*created, *ends = m.At, m.At+life
	}
}

// ending mends what ends or extends a reservation. One that the wrong clock ended stays
// ended: it may have been committed late.
func (m *Mender) ending(d *Decider, r record.Record) {
	again := func(c *record.Closing) {
		c.At = min(c.At, m.At)
		c.Charges = d.Charges(rowsCharged(c.Charges), c.At, c.Amount, false)
	}
	switch r := r.(type) {
	case *record.HoldCommitted:
		if h := r.Late; h != nil {
			m.begun(&h.Created, &h.Expires)
			h.Closed = min(h.Closed, m.At)
		}
		again(&r.Closing)
	case *record.HoldFreed:
		r.At = m.fixed(r.At)
	case *record.HoldExtended:
		if r.Expires > m.was {
			r.Expires -= m.was - m.At
		}
	case *record.HoldExpired:
		again(&r.Closing)
	}
}

// credit mends what is about costs and grants.
func (m *Mender) credit(d *Decider, r record.Record) record.Record {
	switch r := r.(type) {
	case *record.Cost:
		r.At = min(r.At, m.At)
		if !r.Correction {
			r.Charges = d.Charges(rowsCharged(r.Charges), r.At, r.Amount, false)
			return r
		}
		var cs []record.Charge
		for _, c := range r.Charges {
			cs = append(cs, d.Charges([]uint32{c.Row}, r.At, c.Delta, false)...)
		}
		r.Charges = cs
	case *record.Draw:
		r.At = min(r.At, m.At)
		for i := range r.Moves {
			if g := d.grant(r.Moves[i].Grant); g != nil {
				r.Moves[i].Ended = g.ended()
			}
		}
	case *record.GrantMade:
		m.times(&r.Grant)
	case *record.GrantBegun:
		if g := d.grant(r.Ord); g != nil && g.EffectiveAt > m.At && !m.Drawn[r.Ord] {
			return nothing(d, g.cap) // the grant's time is yet to come
		}
		r.At = min(r.At, m.At)
	case *record.GrantEnded:
		if g := d.grant(r.Ord); g != nil && !r.Voided && g.ExpireAt > m.At {
			return nothing(d, g.cap)
		}
		r.At = min(r.At, m.At)
	}
	return r
}

// nothing is a record without effect: it sets a pool's low levels to what they are. It takes the
// place of a record that must not be there, so that the number of records stays.
func nothing(d *Decider, cap uint32) record.Record {
	return &record.BalanceLow{Cap: cap, Levels: slices.Clone(d.pool(cap).Low)}
}

// Catalogue mends a commit of the environment's own log.
func (m *Mender) Catalogue(c *catalogue.Catalogue, row *store.LogRow) (payload []byte, err error) {
	recs, err := record.DecodePayload(row.Payload)
	if err != nil {
		return nil, err
	}
	m.was = row.Head.Now
	c = c.Clone()
	for _, r := range recs {
		rec, ok := r.(*record.Catalogue)
		if !ok {
			return nil, fmt.Errorf("%w: kind %d in the catalogue", record.ErrRecord, r.Kind())
		}
		if err := m.thing(c, rec); err != nil {
			return nil, err
		}
		if err := c.Apply(rec); err != nil {
			return nil, err
		}
	}
	return record.EncodePayload(nil, recs), nil
}

// things are the bodies of the catalogue's records that have instants.
var things = map[string]func() any{
	"entityType":       func() any { return new(bursar.EntityType) },
	"feature":          func() any { return new(bursar.Feature) },
	"currency":         func() any { return new(bursar.Currency) },
	"apiKey":           func() any { return new(bursar.APIKey) },
	"rateCard":         func() any { return new(bursar.RateCard) },
	"rateVersion":      func() any { return new(catalogue.CardVersion) },
	"rateCardArchived": func() any { return new(catalogue.CardEnd) },
	"webhook":          func() any { return new(bursar.Webhook) },
	"tokenRevoked":     func() any { return new(catalogue.RevokedToken) },
	"reply":            func() any { return new(catalogue.KeptReply) },
}

func (m *Mender) thing(c *catalogue.Catalogue, rec *record.Catalogue) (err error) {
	fresh := things[rec.Sort]
	if fresh == nil {
		return nil
	}
	v := fresh()
	if err := json.Unmarshal(rec.Body, v); err != nil {
		return fmt.Errorf("%w: %v", record.ErrRecord, err)
	}
	m.times(v)
	if v, ok := v.(*catalogue.CardVersion); ok && c.CardOf[v.CardID] != nil { // each is in force after the one before
		if old := c.CardOf[v.CardID].Versions; len(old) > 0 {
			v.Version.EffectiveFrom = max(v.Version.EffectiveFrom, old[len(old)-1].EffectiveFrom+1e6)
		}
	}
	rec.Body, err = json.Marshal(v)
	return err
}

// times mends every instant of what v points to.
func (m *Mender) times(v any) { m.eachTime(reflect.ValueOf(v).Elem()) }

var timeType = reflect.TypeFor[bursar.Time]()

func (m *Mender) eachTime(v reflect.Value) {
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
