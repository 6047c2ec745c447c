package engine

import (
	"slices"

	"github.com/bursarhq/bursar"
)

// view is a state with the changes of a batch that is being decided laid over it. The
// state is not touched until merge. A view without changes costs nothing to read and
// is what queries read through.
type view struct {
	*state
	now  bursar.Time
	root uint32 // of what is shown, see limitTo; 0 = everything
	// visits counts what was looked at, and rested is that count when a reader began, see tired.
	visits, rested int

	newCustomer *bursar.Customer
	newTypes    []string
	newCaps     []bursar.Capability
	newCombos   []string
	newPaths    []string
	newPathOrds map[string]uint32
	ents        map[uint32]*entity
	newIDs      map[string]uint32
	kids        map[uint32][]uint32 // entities that came to a parent
	entCount    int
	defs        map[uint32]*rowDef // nil value = deleted
	newRowIDs   [][16]byte
	newRows     map[uint32][]uint32 // by entity: rows that are new
	newPlaces   map[place][]uint32  // by where they are found
	newNamed    map[naming]int      // what comes to the state's named
	ctrs        map[uint32]*counter
	tots        map[uint32]*total
	lvls        map[levelKey]*level
	hlds        map[[16]byte]*hold
	recorded    map[endKey]*deadlines // of holds that have ended by time: what v has recorded
	newKeys     map[[16]byte]keyEntry
	adds        map[bucket]bursar.Amount
	moneyChanges
	records int

	// undo restores what a request changed when a later part of it is refused.
	undoing bool
	undo    []func()
}

func newView(s *state, now bursar.Time) *view {
	return &view{state: s, now: now, entCount: len(s.entities)}
}

// put sets m[k], making the map when it is needed, and notes how to take it back.
func put[K comparable, V any](v *view, m *map[K]V, k K, val V) {
	if *m == nil {
		*m = map[K]V{}
	}
	if v.undoing {
		old, had := (*m)[k]
		v.undo = append(v.undo, func() {
			if had {
				(*m)[k] = old
			} else {
				delete(*m, k)
			}
		})
	}
	(*m)[k] = val
}

func push[T any](v *view, s *[]T, x T) {
	if v.undoing {
		n := len(*s)
		v.undo = append(v.undo, func() { *s = (*s)[:n] })
	}
	*s = append(*s, x)
}

// rollback takes back everything since undoing was set.
func (v *view) rollback() {
	for _, f := range slices.Backward(v.undo) {
		f()
	}
	v.undo, v.undoing = nil, false
}

func (v *view) keep() { v.undo, v.undoing = nil, false }

func (v *view) cust() *bursar.Customer {
	if v.newCustomer != nil {
		return v.newCustomer
	}
	return v.customer
}

func (v *view) typeOrd(id string) uint32 {
	return ordIn(&v.types, v.newTypes, id)
}
func (v *view) capOrd(c bursar.Capability) uint32 { return ordIn(&v.caps, v.newCaps, c) }
func (v *view) comboOrd(s string) uint32          { return ordIn(&v.combos, v.newCombos, s) }

func ordIn[T comparable](n *names[T], added []T, val T) uint32 {
	if o := n.ord(val); o != 0 {
		return o
	}
	if i := slices.Index(added, val); i >= 0 {
		return uint32(len(n.list) + i + 1)
	}
	return 0
}

func nameAt[T comparable](n *names[T], added []T, ord uint32) T {
	if int(ord) <= len(n.list) {
		return n.at(ord)
	}
	return added[int(ord)-len(n.list)-1]
}

func (v *view) typeID(ord uint32) string                { return nameAt(&v.types, v.newTypes, ord) }
func (v *view) capability(ord uint32) bursar.Capability { return nameAt(&v.caps, v.newCaps, ord) }
func (v *view) combo(ord uint32) string                 { return nameAt(&v.combos, v.newCombos, ord) }

func (v *view) entOrd(id string) uint32 {
	o := v.byID[id]
	if o == 0 {
		o = v.newIDs[id]
	}
	if v.root != 0 && !v.sees(o) {
		return 0
	}
	return o
}

func (v *view) ent(ord uint32) *entity {
	if e, ok := v.ents[ord]; ok {
		return e
	}
	return v.entities[ord]
}

func (v *view) def(ord uint32) *rowDef {
	if d, ok := v.defs[ord]; ok {
		return d
	}
	if int(ord) < len(v.rows) {
		return v.rows[ord]
	}
	return nil
}

func (v *view) rowID(ord uint32) [16]byte {
	if int(ord) < len(v.rowIDs) {
		return v.rowIDs[ord]
	}
	return v.newRowIDs[int(ord)-len(v.rowIDs)]
}

func (v *view) nextRowOrd() int { return len(v.rows) + len(v.newRowIDs) }

// counter is where a row stands: not rolled to now.
func (v *view) counter(ord uint32, def *rowDef) counter {
	if c, ok := v.ctrs[ord]; ok {
		return *c
	}
	if int(ord) < len(v.counters) {
		if c := v.counters[ord]; c != nil {
			return *c
		}
	}
	return counter{window: def.sched.firstWindow(def.created)}
}

// at is the counter c of def as it reads at now, and whether its window had to be
// rolled for that.
func (v *view) at(c counter, def *rowDef) (counter, bool) {
	if v.now < c.end {
		return c, false
	}
	return c.rolled(def.sched.windowAt(v.now)), true
}

func (v *view) current(ord uint32, def *rowDef) counter {
	c, _ := v.at(v.counter(ord, def), def)
	return c
}

func (v *view) total(cap uint32) total {
	if t, ok := v.tots[cap]; ok {
		return *t
	}
	if t := v.totals[cap]; t != nil {
		return *t
	}
	return total{}
}

func (v *view) level(k levelKey) level {
	if l, ok := v.lvls[k]; ok {
		return *l
	}
	if l := v.levels[k]; l != nil {
		return *l
	}
	return level{}
}

func (v *view) hold(id [16]byte) *hold {
	if h, ok := v.hlds[id]; ok {
		return h
	}
	return v.holds[id]
}

// eachChild calls f with the direct children of parent (0: the roots).
func (v *view) eachChild(parent uint32, f func(ord uint32)) {
	v.visits += len(v.children[parent])/16 + 1 // next to nothing, beside what f does
	for _, c := range v.children[parent] {
		if len(v.ents) == 0 || v.ent(c).parent == parent {
			f(c)
		}
	}
	for _, c := range v.kids[parent] {
		if v.ent(c).parent != parent {
			continue
		}
		if int(c) < len(v.entities) && v.entities[c].parent == parent {
			continue // came back; the state still lists it
		}
		f(c)
	}
}

// childList is the direct children of parent. It stays as it is when the customer changes.
func (v *view) childList(parent uint32) (list []uint32) {
	if len(v.ents) == 0 {
		return v.children[parent]
	}
	v.eachChild(parent, func(c uint32) { list = append(list, c) })
	return list
}

// height is the number of levels of the subtree at ord, itself included.
func (v *view) height(ord uint32) int {
	h := 0
	v.eachChild(ord, func(c uint32) { h = max(h, v.height(c)) })
	return h + 1
}

// depth is the level of ord; a root's is 1.
func (v *view) depth(ord uint32) int {
	n := 0
	for ; ord != 0; ord = v.ent(ord).parent {
		n++
	}
	return n
}

// eachRow calls f with the live rows of one entity: all, or those of one capability.
func (v *view) eachRow(ent, cap uint32, f func(ord uint32, def *rowDef)) {
	visit := func(ord uint32) {
		v.visits++
		if def := v.def(ord); def != nil && (cap == 0 || def.cap == cap) {
			f(ord, def)
		}
	}
	if int(ent) < len(v.firstRow) {
		for r := v.firstRow[ent]; r != 0; r = v.nextRow[r] {
			visit(r)
		}
		for _, r := range v.scopedOf[ent] {
			visit(r)
		}
	}
	for _, r := range v.newRows[ent] {
		visit(r)
	}
}

// merge moves the changes into the state. The caller holds the customer's lock.
func (v *view) merge(head Head) {
	s := v.state
	if s.feed != nil {
		s.feed.note(v)
	}
	s.head = head
	if v.newCustomer != nil {
		s.customer = v.newCustomer
	}
	for _, t := range v.newTypes {
		s.types.add(t)
	}
	for _, c := range v.newCaps {
		s.caps.add(c)
	}
	for _, c := range v.newCombos {
		s.combos.add(c)
	}
	v.mergePaths()
	for ord := len(s.entities); ord < v.entCount; ord++ { // in order, so that each is the next
		s.setEntity(uint32(ord), v.ents[uint32(ord)])
	}
	for ord, e := range v.ents {
		if s.entities[ord] != e {
			s.setEntity(ord, e)
		}
		s.dirty.entities[ord] = e
	}
	v.mergeRows()
	v.mergeMoney(head)
	for k, t := range v.tots {
		s.totals[k] = t
		s.dirty.totals[k] = t
	}
	for k, l := range v.lvls {
		s.levels[k] = l
		s.dirty.levels[k] = l
	}
	for _, h := range v.hlds {
		s.setHold(h)
		s.dirty.holds[h.id] = h
	}
	s.keys.add(v.newKeys, head.Now)
	switch {
	case !s.shared:
		addUp(s.series, v.adds)
	case len(v.adds) > 0:
		s.steps = append(s.steps, seriesStep{head.Seq, v.adds})
		s.added += len(v.adds)
	}
	s.dirty.records += v.records
}

func (v *view) mergeRows() {
	s := v.state
	for _, id := range v.newRowIDs {
		ord := uint32(len(s.rows))
		def := v.defs[ord]
		s.setRow(ord, id, def)
		s.dirty.rows[ord] = def
	}
	for ord, def := range v.defs {
		if s.rows[ord] != def {
			s.setRow(ord, s.rowIDs[ord], def)
		}
		s.dirty.rows[ord] = def
	}
	for ord, c := range v.ctrs {
		if s.rows[ord] != nil {
			s.counters[ord] = c
			s.dirty.counters[ord] = c
		}
	}
}
