package ledger

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// What each entity that is limited by default has used is in a row of its own. Such a row is made
// when something first happens to it (LimitDefaulted). Until then it has a number in the view alone
// (unmade), so that all that reads or decides about limits finds it like any other.
//
// A row belongs to one entity, capability and label for good. What it says may come from another
// default after a move or a change, or from the entity's own limit. Its counter goes on while its
// windows are the same (View.at). A row that neither limits is idle.

// nearestDefault is the one of o that limits e: that of the closest entity above it, else
// the customer's. In one place the one with more conditions on metadata comes first, and of
// equally many the older one. An archived entity's defaults do not count. nil = none does.
func (v *View) nearestDefault(e *record.Entity, o *defaultsOf) *record.Default {
	up := e.Parent
	if _, all := o.at[0]; all && len(o.at) == 1 {
		up = 0
	}
	for ; ; up = v.Ent(up).Parent {
		if at := o.at[up]; len(at) > 0 && (up == 0 || v.Ent(up).Archived == 0) {
			for i, x := range at {
				if x.Applies(e) {
					v.Visits += i
					return x
				}
			}
			v.Visits += len(at)
		}
		if up == 0 {
			return nil
		}
	}
}

// defaultOf is the default that limits an entity's use of a capability under a label; nil = there is none.
func (v *View) defaultOf(ent, cap uint32, label string) *record.Default {
	of := v.defaultSet().of[v.Ent(ent).Typ]
	for i := range of {
		if of[i].cap == cap && of[i].label == label {
			return v.nearestDefault(v.Ent(ent), &of[i])
		}
	}
	return nil
}

var idleSchedule, _ = record.NewSchedule("P1D", "UTC", false, 0)

// byDefault is the definition of a row that is limited by default.
func (v *View) byDefault(ent, cap uint32, label string) *record.Limit {
	return limitBy(v.defaultOf(ent, cap, label), ent, cap, label)
}

func limitBy(x *record.Default, ent, cap uint32, label string) *record.Limit {
	if x == nil {
		return &record.Limit{Ent: ent, Terms: &record.Terms{Cap: cap, Label: label, Sched: idleSchedule, ByDefault: true}}
	}
	def := x.Terms
	def.Own()
	def.Ent, def.ByDefault, def.Default = ent, true, x
	return &def
}

// unmadeRow is a row that is limited by default and has not been made.
type unmadeRow struct {
	ent, cap uint32
	label    string
}

// unmadeBit is set in the numbers that a view gives to such rows.
const unmadeBit = 1 << 31

type unmadeRows struct {
	list []unmadeRow
	ords map[unmadeRow]uint32
}

func (u *unmadeRows) at(row uint32) unmadeRow { return u.list[row&^unmadeBit] }

// numbersUnmade are v's numbers of unmade rows. Copies of v that are made after the first call
// share them.
func (v *View) numbersUnmade() *unmadeRows {
	if v.unmade == nil {
		v.unmade = &unmadeRows{ords: map[unmadeRow]uint32{}}
	}
	return v.unmade
}

func (v *View) unmadeNumber(k unmadeRow) uint32 {
	u := v.numbersUnmade()
	n, ok := u.ords[k]
	if !ok {
		n = unmadeBit | uint32(len(u.list))
		u.list, u.ords[k] = append(u.list, k), n
	}
	return n
}

// made is the number of a row. An unmade row that was made meanwhile has another one by now.
func (v *View) made(row uint32) uint32 {
	if row&unmadeBit == 0 {
		return row
	}
	k := v.unmade.at(row)
	if r := v.FindRow(Target{Ent: k.ent}, k.cap, k.label); r != 0 {
		return r
	}
	return row
}

// ownRow is the row of an entity's own limit without a scope; 0 = none.
func (v *View) ownRow(ent, cap uint32, label string) uint32 {
	if row := v.FindRow(Target{Ent: ent}, cap, label); row != 0 && !v.rawDef(row).ByDefault {
		return row
	}
	return 0
}

// eachUnmade calls f with the unmade rows of an entity: those of one capability, or of all if cap
// is 0.
func (v *View) eachUnmade(ent, cap uint32, f func(row uint32, def *record.Limit)) {
	set := v.defaultSet()
	if len(set.list) == 0 || ent == 0 {
		return
	}
	of := set.of[v.Ent(ent).Typ]
	for i := range of {
		o := &of[i]
		if cap != 0 && o.cap != cap || v.FindRow(Target{Ent: ent}, o.cap, o.label) != 0 {
			continue
		}
		v.Visits++
		if x := v.nearestDefault(v.Ent(ent), o); x != nil {
			f(v.unmadeNumber(unmadeRow{ent, o.cap, o.label}), limitBy(x, ent, o.cap, o.label))
		}
	}
}

// makeRow makes a row that is limited by default, if that was not done before.
func (d *Decider) makeRow(row uint32) uint32 {
	if row = d.made(row); row&unmadeBit == 0 {
		return row
	}
	k := d.unmade.at(row)
	d.dropIdle(k.ent, k.cap)
	made := uint32(d.NextRowOrd())
	d.Emit(&record.LimitDefaulted{Row: made, ID: d.NextID(), Ent: k.ent, Cap: k.cap, Label: k.label})
	return made
}

// giveBack lets a default take the place of a row's own limit. The row begins with what it had
// used, as a limit that is given another schedule does.
func (d *Decider) giveBack(row uint32, own, given *record.Limit) {
	d.dropIdle(own.Ent, own.Cap)
	r := &record.LimitDefaulted{Row: row, ID: d.madeID(row), Ent: own.Ent, Cap: own.Cap, Label: own.Label}
	if r.Carry = own.Sched.Rule != given.Sched.Rule; r.Carry {
		r.Used, r.Window = d.carried(row, own), given.Sched.FirstWindow(d.Now)
	}
	d.Emit(r)
	d.alertOn(row)
}

// dropIdle deletes the idle rows of an entity and capability once there are many: else rows with
// labels that no default has any more would be looked through for ever. A row that holds something
// stays.
func (d *Decider) dropIdle(ent, cap uint32) {
	var idle []uint32
	d.eachAt(place{ent: ent}, func(row uint32) bool {
		if def := d.rawDef(row); def != nil && def.ByDefault && def.Cap == cap {
			if def = d.Def(row); def.Idle() && d.Counter(row, def).Held.IsZero() {
				idle = append(idle, row)
			}
		}
		return true
	})
	if len(idle) < bursar.MaxPlainLimits {
		return
	}
	slices.Sort(idle)
	for _, row := range idle {
		d.Emit(&record.LimitDeleted{Row: row})
	}
}

func (d *Decider) makeRows(rows []uint32) []uint32 {
	if !slices.ContainsFunc(rows, func(row uint32) bool { return row&unmadeBit != 0 }) {
		return rows
	}
	out := make([]uint32, len(rows))
	for i, row := range rows {
		out[i] = d.makeRow(row)
	}
	return out
}

func (d *Decider) makeChains(chains [][]uint32) [][]uint32 {
	for i := range chains {
		chains[i] = d.makeRows(chains[i])
	}
	return chains
}

func (v *View) applyDefaulted(r *record.LimitDefaulted) error {
	def := &record.Limit{Ent: r.Ent, Terms: &record.Terms{Cap: r.Cap, Label: r.Label, ByDefault: true}}
	switch {
	case int(r.Row) == v.NextRowOrd():
		v.newRow(r.Row, r.ID, def)
	case r.Row == 0 || int(r.Row) > v.NextRowOrd() || v.rawDef(r.Row) == nil:
		return fmt.Errorf("%w: assignment number %d", record.ErrRecord, r.Row)
	case r.Carry:
		v.carry(r.Row, r.Window, r.Used)
	}
	put(v, &v.defs, r.Row, def)
	return nil
}

// defaultedID is the id of a limit by default. It follows from the entity, capability and label, so
// it is the same before the row is made and after. Its bytes:
//
//	0–3 a hash of the customer and the label, 6 and 8 the version and the variant of a UUIDv8,
//	9–11 the capability, 12–15 the entity; 0 = one that is not enrolled: its limit is found by no id
func (v *View) defaultedID(ent, cap uint32, label string) (id [16]byte) {
	h := fnv.New32a()
	h.Write([]byte(v.Cust().ID + "\x00" + label))
	binary.BigEndian.PutUint32(id[:], h.Sum32())
	binary.BigEndian.PutUint32(id[8:], cap)
	binary.BigEndian.PutUint32(id[12:], ent)
	id[6], id[8] = 0x80, 0x80
	return id
}

// rowByDefaultedID is the row that is limited by default and has an id; 0 = none is.
func (v *View) rowByDefaultedID(id [16]byte) (found uint32) {
	ent := binary.BigEndian.Uint32(id[12:])
	if id[6] != 0x80 || ent == 0 || int(ent) >= v.entCount {
		return 0
	}
	match := func(row uint32, def *record.Limit) {
		if def.ByDefault && v.RowID(row) == id {
			found = row
		}
	}
	v.eachRow(ent, binary.BigEndian.Uint32(id[8:])&0xffffff, match)
	return found
}

// defaultSource says which default a limit is by; nil = it is the entity's own. A default of
// an entity that is not seen looks like the customer's.
func (v *View) defaultSource(def *record.Limit) *bursar.DefaultSource {
	x := def.Default
	if x == nil {
		return nil
	}
	out := &bursar.DefaultSource{DefaultID: store.FormatID(x.ID), EntityTypeID: v.typeID(x.Typ), Metadata: x.When}
	if x.Ent != 0 && v.Sees(x.Ent) {
		out.EntityID = v.Ent(x.Ent).ID
	}
	return out
}

// defaultHere is the limit that the target of a write has by default; nil = none.
func (d *Decider) defaultHere(t *Target, in *bursar.AssignmentInput) *record.Limit {
	cap := d.CapOrd(in.Capability)
	if t.Ent == 0 || cap == 0 || len(t.scope) > 0 || d.noDefaults() {
		return nil
	}
	if d.ownRow(t.Ent, cap, in.Label) != 0 {
		return nil
	}
	if def := d.byDefault(t.Ent, cap, in.Label); !def.Idle() {
		return def
	}
	return nil
}
