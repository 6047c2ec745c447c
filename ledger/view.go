package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// View is a state with the changes of a batch that is being decided laid over it. The
// state is not touched until merge. A view without changes costs nothing to read and
// is what queries read through.
type View struct {
	*State
	Now  bursar.Time
	Root uint32 // of what is shown, see LimitTo; 0 = everything
	// Unhinted says that answers hint at no name of the catalogue ("did you mean").
	Unhinted bool
	// Enrols says whom the request that is decided may enrol.
	Enrols       catalogue.Enroller
	mostEnrolled int // a customer with so many entities enrols nobody
	// Visits counts the things looked at through the view. Rested is what it was when the
	// slice began; see Tired.
	Visits, Rested int

	newCustomer *bursar.Customer
	newTypes    []string
	newCaps     []bursar.Capability
	newCombos   []string
	newPaths    []string
	newPathOrds map[string]uint32
	ents        map[uint32]*record.Entity
	newIDs      map[string]uint32
	newCased    map[string][]uint32 // as the state's cased
	newSimilar  map[uint64]bool     // as the state's similar, of ids that are new
	nears       map[typedID]string  // the known ids that unknown ids of this request are like
	likes       int                 // ids of this request that were compared with those of the catalogue
	looked      int                 // how many ids of this request were compared with those of entities
	enrolled    *enrolled           // whom this request enrols; nil = nobody
	kids        map[uint32][]uint32 // entities that came to a parent
	entCount    int
	defs        map[uint32]*record.Limit           // nil value = deleted
	newDefaults *defaultSet                        // nil = as the state has them
	unmade      *unmadeRows                        // limits by default that have no row; views of one snapshot share them
	frzs        map[uint32]*record.Freeze          // by entity; nil value = thawed
	dgrs        map[uint32][]*record.DegradePolicy // by entity; nil value = it has none left
	ntfs        map[uint32][]*record.Notification  // by entity, 0 = of the customer; nil value = it has none left
	hrd         map[uint32]*heard                  // of those entities; nil value = none tells
	lrn         map[uint32]*learned                // by entity
	reqs        map[uint32]*record.BoostRequest    // nil value = forgotten
	lastReq     uint32                             // the number of the last that is new; 0 = none is
	bsts        map[uint32][]*record.Boost
	lns         map[uint32][]*record.Loan
	prms        map[uint32]*promo // nil value = deleted
	frd         map[uint32]*record.Fired
	tlds        map[uint32]*record.Told
	ntus        map[uint32]*record.NotificationUse // by root
	unq         map[record.UniqueKey]*uniqueChange
	moved       map[uint32][2]bursar.Time // by row: the start of its window by its schedule before, and by the new one
	newRowIDs   [][16]byte
	newRows     map[uint32][]uint32   // by entity: rows that are new
	newPlaces   map[place][]uint32    // by where they are found
	newNamed    map[record.Naming]int // what is added to the state's named
	ctrs        map[uint32]*Counter
	tots        map[uint32]*Total
	lvls        map[record.LevelKey]*record.Level
	Hlds        map[[16]byte]*record.Hold
	recorded    map[endKey]*deadlines // of holds that have ended by time: what v has recorded
	NewKeys     map[[16]byte]KeyEntry
	Adds        []Addition // to the usage series, of which many may be of one bucket
	creditChanges
	Records int

	// undo restores what a request changed when a later part of it is refused.
	undoing bool
	undo    []func()
}

func NewView(s *State, now bursar.Time) *View {
	return &View{State: s, Now: now, entCount: s.Entities.Len(), mostEnrolled: bursar.MaxEnrolEntities}
}

// put sets m[k], making the map when it is needed, and notes how to take it back.
func put[K comparable, V any](v *View, m *map[K]V, k K, val V) {
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

// Expect makes room for a batch of n items, of which many share entities. Room for more comes
// by itself.
func (v *View) Expect(n int) {
	if n > 1 {
		v.Adds, v.ctrs, v.NewKeys = make([]Addition, 0, 8*n), make(map[uint32]*Counter, 2*n), make(map[[16]byte]KeyEntry, n)
	}
}

// ours is the batch's own value of k, if it may be changed in place: nobody else has it until the
// batch is merged, and no change is to be taken back. nil = put a new one.
func ours[K comparable, V any](v *View, m map[K]*V, k K) *V {
	if v.undoing {
		return nil
	}
	return m[k]
}

func push[T any](v *View, s *[]T, x T) {
	if v.undoing {
		n := len(*s)
		v.undo = append(v.undo, func() { *s = (*s)[:n] })
	}
	*s = append(*s, x)
}

// rollback takes back everything since undoing was set.
func (v *View) rollback() {
	for _, f := range slices.Backward(v.undo) {
		f()
	}
	v.undo, v.undoing = nil, false
}

func (v *View) keep() { v.undo, v.undoing = nil, false }

func (v *View) Cust() *bursar.Customer {
	if v.newCustomer != nil {
		return v.newCustomer
	}
	return v.Customer
}

func (v *View) EntOrd(id string) uint32 {
	o := v.entOrd(id)
	if o == 0 {
		o = v.newIDs[id]
	}
	if v.Root != 0 && !v.Sees(o) {
		return 0
	}
	return o
}

func (v *View) Ent(ord uint32) *record.Entity {
	if e, ok := v.ents[ord]; ok {
		return e
	}
	return v.Entities.at(ord)
}

// Def is the definition of the limit with a row number; nil = it was deleted.
func (v *View) Def(row uint32) *record.Limit {
	if row&unmadeBit != 0 {
		if row = v.made(row); row&unmadeBit != 0 {
			k := v.unmade.at(row)
			return v.byDefault(k.ent, k.cap, k.label)
		}
	}
	def := v.rawDef(row)
	if def != nil && def.ByDefault {
		return v.byDefault(def.Ent, def.Cap, def.Label)
	}
	return def
}

// rawDef is Def, of a row by default without what the default says.
func (v *View) rawDef(row uint32) *record.Limit {
	if d, ok := v.defs[row]; ok {
		return d
	}
	if int(row) < v.Rows.Len() {
		return v.Rows.At(row)
	}
	return nil
}

// RowID is the id of the limit with a row number, as it is shown.
func (v *View) RowID(row uint32) [16]byte {
	if row = v.made(row); row&unmadeBit != 0 {
		k := v.unmade.at(row)
		if v.newcomer(k.ent) && !v.enrolled.sure { // the number may be another's next
			k.ent = 0
		}
		return v.defaultedID(k.ent, k.cap, k.label)
	}
	if def := v.rawDef(row); def != nil && def.ByDefault {
		return v.defaultedID(def.Ent, def.Cap, def.Label)
	}
	return v.madeID(row)
}

// madeID is the id that the row was made with: that of an own limit.
func (v *View) madeID(row uint32) [16]byte {
	if int(row) < v.RowIDs.len() {
		return v.RowIDs.At(row)
	}
	return v.newRowIDs[int(row)-v.RowIDs.len()]
}

func (v *View) NextRowOrd() int { return v.Rows.Len() + len(v.newRowIDs) }

// Counter is where the limit of a row stands: not rolled to now.
func (v *View) Counter(row uint32, def *record.Limit) Counter {
	row = v.made(row)
	if c, ok := v.ctrs[row]; ok {
		return *c
	}
	if c, ok := v.counters.at(row); ok {
		return c
	}
	return Counter{Window: def.Sched.FirstWindow(def.Created)}
}

// at is the counter c of def as it reads at now, and whether its window had to be
// rolled for that.
func (v *View) at(c Counter, def *record.Limit) (Counter, bool) {
	if def.Default != nil { // the default may have another schedule than when the row was charged last
		w := def.Sched.WindowAt(v.Now)
		if w.Start == c.Start && w.End == c.End {
			return c, false
		}
		return c.rolled(w), true
	}
	if v.Now < c.End {
		return c, false
	}
	return c.rolled(def.Sched.WindowAt(v.Now)), true
}

func (v *View) Current(row uint32, def *record.Limit) Counter {
	c, _ := v.at(v.Counter(row, def), def)
	return c
}

func (v *View) Total(cap uint32) Total {
	if t, ok := v.tots[cap]; ok {
		return *t
	}
	if t := v.Totals[cap]; t != nil {
		return *t
	}
	return Total{}
}

func (v *View) level(k record.LevelKey) record.Level {
	if l, ok := v.lvls[k]; ok {
		return *l
	}
	if l := v.Levels[k]; l != nil {
		return *l
	}
	return record.Level{}
}

// eachChild calls f with the direct children of parent (0: the roots).
func (v *View) eachChild(parent uint32, f func(ord uint32)) {
	v.Visits += len(v.children[parent])/16 + 1 // next to nothing, beside what f does
	for _, c := range v.children[parent] {
		if len(v.ents) == 0 || v.Ent(c).Parent == parent {
			f(c)
		}
	}
	for _, c := range v.kids[parent] {
		if v.Ent(c).Parent != parent {
			continue
		}
		if int(c) < v.Entities.Len() && v.Entities.at(c).Parent == parent {
			continue // came back; the state still lists it
		}
		f(c)
	}
}

// childList is the direct children of parent. It stays as it is when the customer changes.
func (v *View) childList(parent uint32) (list []uint32) {
	if len(v.ents) == 0 && !v.parents.has(parent) {
		return nil
	}
	if len(v.ents) == 0 {
		return v.children[parent]
	}
	v.eachChild(parent, func(c uint32) { list = append(list, c) })
	return list
}

// height is the number of levels of the subtree at ord, itself included.
func (v *View) height(ord uint32) int {
	h := 0
	v.eachChild(ord, func(c uint32) { h = max(h, v.height(c)) })
	return h + 1
}

// depth is the level of ord; a root's is 1.
func (v *View) depth(ord uint32) int {
	n := 0
	for ; ord != 0; ord = v.Ent(ord).Parent {
		n++
	}
	return n
}

// eachRow calls f with the live rows of one entity: all, or those of one capability.
func (v *View) eachRow(ent, cap uint32, f func(row uint32, def *record.Limit)) {
	visit := func(ord uint32) {
		v.Visits++
		if def := v.Def(ord); def != nil && (cap == 0 || def.Cap == cap) && !def.Idle() {
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
	v.eachUnmade(ent, cap, f)
}

// Merge moves the changes into the state. The caller holds the customer's lock.
func (v *View) Merge(head store.Head) {
	s := v.State
	if s.Feed != nil {
		s.Feed.note(v)
	}
	s.Entities.merging()
	s.Rows.merging()
	s.Head = head
	if v.newCustomer != nil {
		s.Customer = v.newCustomer
	}
	for _, t := range v.newTypes {
		s.Types.add(t)
	}
	for _, c := range v.newCaps {
		s.Caps.add(c)
	}
	for _, c := range v.newCombos {
		s.combos.add(c)
	}
	v.mergePaths()
	had := s.Entities.Len()
	for ord := had; ord < v.entCount; ord++ { // in order, so that each is the next
		s.setEntity(uint32(ord), v.ents[uint32(ord)])
	}
	for ord, e := range v.ents {
		if int(ord) < had {
			s.setEntity(ord, e)
		}
		s.Dirty.entities[ord] = e
	}
	v.mergeRows()
	v.mergeDefaults()
	mergeParts(s, partFreeze, s.freezes, v.frzs)
	v.mergeDegrades()
	v.mergeNotifications()
	v.mergeLearned()
	v.mergeRequests()
	mergeParts(s, partPromo, s.Promos, v.prms)
	v.mergeRowParts()
	v.mergeCredits(head)
	for k, t := range v.tots {
		s.Totals[k] = t
		s.Dirty.totals[k] = t
	}
	for k, l := range v.lvls {
		s.Levels[k] = l
		s.Dirty.levels[k] = l
	}
	for _, h := range v.Hlds {
		s.setHold(h)
		s.Dirty.Holds[h.ID] = h
	}
	s.Keys.add(v.NewKeys, head.Now)
	switch {
	case !s.Shared:
		s.series.addAll(eachOf(v.Adds))
	case len(v.Adds) > 0:
		s.additions = append(s.additions, seriesAddition{head.Seq, v.Adds})
		s.added += len(v.Adds)
	}
	s.Dirty.Records += v.Records
}

func (v *View) mergeRows() {
	s := v.State
	had := s.Rows.Len()
	for _, id := range v.newRowIDs {
		ord := uint32(s.Rows.Len())
		def := v.defs[ord]
		s.setRow(ord, id, def)
		s.Dirty.rows[ord] = def
	}
	for row, def := range v.defs {
		if int(row) < had {
			s.setRow(row, s.RowIDs.At(row), def)
		}
		s.Dirty.rows[row] = def
	}
	for ord, c := range v.ctrs {
		if def := s.Rows.At(ord); def != nil {
			s.counters.put(ord, c)
			s.ranks.set(ord, def, c)
			s.Dirty.counters[ord] = c
		}
	}
}
