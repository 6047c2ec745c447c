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

// Default limits. An entity without a limit of its own of a capability and label has that
// of the nearest default: what the default says is said once, whatever the number of its
// entities, and what each has used is in a row of its own. Such a row is made when something
// first happens to it (LimitDefaulted); until then it has a number in the view alone
// (unmade), so that all that reads or decides about limits finds it like any other.
//
// A row is one entity's, capability's and label's for good, whoever says its limit: another
// default, after a move or a change, or the entity's own. Its counter goes on while its
// windows are the same (View.at). Where nothing says it, it is idle.

// defaultSet is all defaults of a customer. It never changes; another takes its place.
type defaultSet struct {
	list []*record.Default       // by id
	of   map[uint32][]defaultsOf // by entity type
}

// defaultsOf are the defaults of one type, capability and label, by id.
type defaultsOf struct {
	cap   uint32
	label string
	list  []*record.Default
}

func newDefaultSet(list []*record.Default) *defaultSet {
	s := &defaultSet{list: list, of: map[uint32][]defaultsOf{}}
	for _, x := range list {
		of := s.of[x.Typ]
		i := slices.IndexFunc(of, func(o defaultsOf) bool { return o.cap == x.Terms.Cap && o.label == x.Terms.Label })
		if i < 0 {
			i, of = len(of), append(of, defaultsOf{cap: x.Terms.Cap, label: x.Terms.Label})
		}
		of[i].list = append(of[i].list, x)
		s.of[x.Typ] = of
	}
	return s
}

// with is s with x, in the place of the one that has its id.
func (s *defaultSet) with(x *record.Default) *defaultSet {
	list := slices.Clone(s.list)
	at, found := slices.BinarySearchFunc(list, x.ID, func(d *record.Default, id [16]byte) int { return record.ComparePlaces(d.ID, id) })
	if found {
		list[at] = x
	} else {
		list = slices.Insert(list, at, x)
	}
	return newDefaultSet(list)
}

func (s *defaultSet) without(id [16]byte) *defaultSet {
	return newDefaultSet(slices.DeleteFunc(slices.Clone(s.list), func(d *record.Default) bool { return d.ID == id }))
}

func (v *View) defaultSet() *defaultSet {
	if v.newDefaults != nil {
		return v.newDefaults
	}
	return v.State.defaults
}

func (v *View) setDefaults(s *defaultSet) {
	if v.undoing {
		old := v.newDefaults
		v.undo = append(v.undo, func() { v.newDefaults = old })
	}
	v.newDefaults = s
}

// goBy tells whether the defaults of a type go by metadata.
func (s *defaultSet) goBy(typ uint32) bool {
	return slices.ContainsFunc(s.of[typ], func(o defaultsOf) bool {
		return slices.ContainsFunc(o.list, func(x *record.Default) bool { return len(x.When) > 0 })
	})
}

func (v *View) noDefaults() bool { return len(v.defaultSet().list) == 0 }

// nearestDefault is the one of list that limits an entity: that of the closest entity above it, else
// the customer's. In one place the one with more conditions on metadata comes first, and of
// equally many the older one. An archived entity's defaults do not count. nil = none does.
func (v *View) nearestDefault(ent uint32, list []*record.Default) (best *record.Default) {
	e, far := v.Ent(ent), 0
	for _, x := range list {
		if !x.Applies(e) {
			continue
		}
		n := v.levelsTo(ent, x.Node)
		if n != 0 && (best == nil || n < far || n == far && len(x.When) > len(best.When)) {
			best, far = x, n
		}
	}
	return best
}

// levelsTo is how far above an entity a default's place is; 0 = not above it.
func (v *View) levelsTo(ent, node uint32) (n int) {
	if node != 0 && v.Ent(node).Archived != 0 {
		return 0
	}
	for up := v.Ent(ent).Parent; ; up = v.Ent(up).Parent {
		if n++; up == node {
			return n
		}
		if up == 0 {
			return 0
		}
	}
}

// defaultsFor are the defaults that could be an entity's of a capability and label.
func (v *View) defaultsFor(ent, cap uint32, label string) []*record.Default {
	for _, o := range v.defaultSet().of[v.Ent(ent).Typ] {
		if o.cap == cap && o.label == label {
			return o.list
		}
	}
	return nil
}

var idleSchedule, _ = record.NewSchedule("P1D", "UTC", false, 0)

// byDefault is the definition of a row that is limited by default.
func (v *View) byDefault(ent, cap uint32, label string) *record.Limit {
	return limitBy(v.nearestDefault(ent, v.defaultsFor(ent, cap, label)), ent, cap, label)
}

func limitBy(x *record.Default, ent, cap uint32, label string) *record.Limit {
	if x == nil {
		return &record.Limit{Ent: ent, Cap: cap, Label: label, Sched: idleSchedule, ByDefault: true}
	}
	def := x.Terms
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

// numbersUnmade makes sure that copies of v give the same numbers.
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

// made is the number of a row, of one that was made meanwhile that of the state.
func (v *View) made(row uint32) uint32 {
	if row&unmadeBit == 0 {
		return row
	}
	k := v.unmade.at(row)
	if r := v.rowOf(k.ent, k.cap, k.label); r != 0 {
		return r
	}
	return row
}

// rowOf is the row of an entity without a scope that was made, own or by default, idle or
// not; 0 = none.
func (v *View) rowOf(ent, cap uint32, label string) (found uint32) {
	v.eachAt(place{ent: ent}, func(row uint32) bool {
		if def := v.rawDef(row); def != nil && def.Cap == cap && def.Label == label {
			found = row
		}
		return found == 0
	})
	return found
}

// eachUnmade calls f with the rows of an entity, of one capability or with 0 of all, that it
// has by default and that have not been made.
func (v *View) eachUnmade(ent, cap uint32, f func(row uint32, def *record.Limit)) {
	set := v.defaultSet()
	if len(set.list) == 0 || ent == 0 {
		return
	}
	for _, o := range set.of[v.Ent(ent).Typ] {
		if cap != 0 && o.cap != cap || v.rowOf(ent, o.cap, o.label) != 0 {
			continue
		}
		v.Visits++
		if x := v.nearestDefault(ent, o.list); x != nil {
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
	made := uint32(d.NextRowOrd())
	d.Emit(&record.LimitDefaulted{Row: made, ID: d.NextID(), Ent: k.ent, Cap: k.cap, Label: k.label})
	return made
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

func (v *View) applyDefault(r record.Record) error {
	switch r := r.(type) {
	case *record.DefaultPut:
		x := r.Default
		v.setDefaults(v.defaultSet().with(&x))
	case *record.DefaultDeleted:
		v.setDefaults(v.defaultSet().without(r.ID))
	case *record.LimitDefaulted:
		return v.applyDefaulted(r)
	}
	return nil
}

func (v *View) applyDefaulted(r *record.LimitDefaulted) error {
	def := &record.Limit{Ent: r.Ent, Cap: r.Cap, Label: r.Label, ByDefault: true}
	switch {
	case int(r.Row) == v.NextRowOrd():
		v.newRow(r.Row, r.ID, def)
	case r.Row == 0 || int(r.Row) > v.NextRowOrd() || v.rawDef(r.Row) == nil:
		return fmt.Errorf("%w: assignment number %d", record.ErrRecord, r.Row)
	}
	put(v, &v.defs, r.Row, def)
	return nil
}

// A limit by default has an id that says which entity's, capability's and label's it is, so
// that it is the same before the row is made and after.
//
//	0–3 a hash of the customer and the label, 6 and 8 the version and the variant of a UUIDv8,
//	9–11 the capability, 12–15 the entity
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
	look := func(row uint32, def *record.Limit) {
		if def.ByDefault && v.RowID(row) == id {
			found = row
		}
	}
	v.eachRow(ent, binary.BigEndian.Uint32(id[8:])&0xffffff, look)
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
	if x.Node != 0 && v.Sees(x.Node) {
		out.EntityID = v.Ent(x.Node).ID
	}
	return out
}
