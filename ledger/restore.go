package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// restoring is what a state needs while a checkpoint is read. A row mostly has the type, the
// capability and the schedule of the one before it, which are looked up once.
type restoring struct {
	rows    int      // how many assignments there were
	lastRow [16]byte // and the last one's id

	typeID   string
	typ      uint32
	capOf    bursar.Capability
	cap      uint32
	schedule store.AssignmentRow // its cadence, time zone and anchor
	sched    *record.Schedule

	idSlots, pathSlots []indexSlot // of the indexes

	paths map[uint32][]byte // parts that came before others that are to be before them
	path  []record.Hop
}

// Restore takes one part of a checkpoint in, and keeps none of its lists. Entities and assignments
// come in order.
func (s *State) Restore(cp *store.Checkpoint) error {
	if s.restoring == nil {
		s.restoring = &restoring{paths: map[uint32][]byte{}}
	}
	if cp.Meta != nil {
		var m Meta
		if err := json.Unmarshal(cp.Meta, &m); err != nil {
			return fmt.Errorf("checkpoint of %q: %w", cp.Stream, err)
		}
		s.Head, s.Customer, s.SeriesBase = cp.Head, m.Customer, cp.Head.Seq
		s.restoring.rows = m.Rows
		s.restoring.lastRow, _ = store.ParseID(m.LastRow)
		s.makeRoom(&m)
		for _, t := range m.Types {
			s.Types.add(t)
		}
		for _, c := range m.Caps {
			s.Caps.add(c)
		}
		for _, c := range m.Combos {
			s.combos.add(string(c))
		}
	}
	for i := range cp.Entities {
		if err := s.restoreEntity(&cp.Entities[i]); err != nil {
			return err
		}
	}
	for i := range cp.Assignments {
		if err := s.restoreRow(&cp.Assignments[i]); err != nil {
			return err
		}
	}
	for i := range cp.Counters {
		c := &cp.Counters[i]
		s.counters.put(c.Ord, &Counter{record.Window{PrevStart: c.PrevStart, Start: c.WindowStart, End: c.WindowEnd}, c.Previous, c.Used, c.Held})
	}
	for i := range cp.Totals {
		t := &cp.Totals[i]
		cap := s.Caps.Ord(t.Capability)
		if t.Level {
			s.Levels[record.LevelKey{Leaf: t.EntityOrd, Cap: cap}] = &record.Level{Value: t.Value, At: t.At}
		} else {
			s.Totals[cap] = &Total{t.Value, t.Held, t.At}
		}
	}
	for i := range cp.Holds {
		h, err := record.HoldFromRow(&cp.Holds[i])
		if err != nil {
			return err
		}
		s.Holds[h.ID] = h
	}
	for i := range cp.Parts {
		if err := s.restorePart(&cp.Parts[i]); err != nil {
			return err
		}
	}
	return s.restoreKeys(cp)
}

// makeRoom makes the room that what follows m needs, up to a bound: m may be wrong.
func (s *State) makeRoom(m *Meta) {
	const most = 1 << 22
	rows, entities, paths := min(max(m.Rows, 0), most), min(max(m.Entities, 0), most), min(max(m.Paths, 0), most)
	s.Rows.grow(rows)
	s.RowIDs.grow(rows)
	s.counters.grow(rows)
	s.Entities.grow(entities)
	s.nextRow, s.firstRow, s.inScope = slices.Grow(s.nextRow, rows), slices.Grow(s.firstRow, entities), slices.Grow(s.inScope, entities)
	s.paths.at = make([]uint32, 0, paths)
	s.restoring.idSlots, s.restoring.pathSlots = make([]indexSlot, 0, entities), make([]indexSlot, 0, paths)
}

func (s *State) restoreEntity(r *store.EntityRow) error {
	if int(r.Ord) != s.Entities.Len() {
		return fmt.Errorf("checkpoint: entity number %d after %d", r.Ord, s.Entities.Len()-1)
	}
	if b := s.restoring; b.typ == 0 || b.typeID != r.TypeID {
		b.typeID, b.typ = r.TypeID, s.Types.Ord(r.TypeID)
	}
	details := record.Details{Name: r.Name, Archived: r.ArchivedAt}
	if r.Metadata != nil {
		if err := json.Unmarshal(r.Metadata, &details.Meta); err != nil {
			return fmt.Errorf("checkpoint: metadata of entity %q: %w", r.ID, err)
		}
	}
	e := record.Entity{ID: r.ID, Typ: s.restoring.typ, Parent: r.ParentOrd, Created: r.CreatedAt, Updated: r.UpdatedAt}.With(details)
	s.addEntity(e)
	s.restoring.idSlots = append(s.restoring.idSlots, indexSlot{uint32(hashOf(e.ID)), r.Ord})
	return nil
}

func (s *State) restoreRow(r *store.AssignmentRow) error {
	id, ok := store.ParseID(r.ID)
	if !ok || int(r.Ord) < s.Rows.Len() {
		return fmt.Errorf("checkpoint: assignment number %d after %d", r.Ord, s.Rows.Len()-1)
	}
	for s.Rows.Len() < int(r.Ord) {
		s.skipRow(s.RowIDs.At(uint32(s.RowIDs.len() - 1)))
	}
	b := s.restoring
	if b.cap == 0 || b.capOf != r.Capability {
		b.capOf, b.cap = r.Capability, s.Caps.Ord(r.Capability)
	}
	if r.Cadence == "" {
		def := record.Limit{Ent: r.EntityOrd, Terms: s.terms.share(&record.Terms{Cap: b.cap, Label: r.Label, ByDefault: true})}
		s.addRow(id, &def)
		return nil
	}
	sched, err := s.restoreSchedule(r)
	if err != nil {
		return fmt.Errorf("checkpoint: assignment %s: %w", r.ID, err)
	}
	terms := record.Terms{Cap: b.cap, Label: r.Label, Scope: r.Scope, Soft: r.Soft, Strict: r.Strict, Sched: sched, Thresholds: r.Thresholds}
	if len(r.Scope) == 0 {
		terms.Scope = nil
	}
	if r.Limit != nil {
		terms.Limit, terms.Limited = *r.Limit, true
	}
	def := record.Limit{Ent: r.EntityOrd, Terms: s.terms.share(&terms), Created: r.CreatedAt, Updated: r.UpdatedAt}
	s.addRow(id, &def)
	return nil
}

func (s *State) restoreSchedule(r *store.AssignmentRow) (*record.Schedule, error) {
	b := s.restoring
	if was := &b.schedule; b.sched != nil && was.Cadence == r.Cadence && was.Timezone == r.Timezone &&
		(was.Anchor == r.Anchor || was.Anchor != nil && r.Anchor != nil && *was.Anchor == *r.Anchor) {
		return b.sched, nil
	}
	sched, err := record.NewSchedule(r.Cadence, r.Timezone, r.Anchor != nil, 0)
	if err != nil {
		return nil, err
	}
	if r.Anchor != nil {
		sched.Anchor = int64(*r.Anchor)
	}
	b.schedule, b.sched = store.AssignmentRow{Cadence: r.Cadence, Timezone: r.Timezone, Anchor: r.Anchor}, s.intern(sched)
	return b.sched, nil
}

func (s *State) addRow(id [16]byte, def *record.Limit) {
	s.RowIDs.add(id)
	s.Rows.put(uint32(s.Rows.Len()), def)
	s.nextRow = append(s.nextRow, 0)
}

// skipRow takes the number of a deleted assignment.
func (s *State) skipRow(id [16]byte) { s.addRow(id, nil) }

// Restored makes what follows from the rows once all parts are in, in whatever order
// their kinds came. It is an error if parts of them are missing.
func (s *State) Restored() error {
	tasks, last, err := s.RestoreTasks()
	if err != nil {
		return err
	}
	for _, task := range tasks {
		task()
	}
	last()
	return nil
}

// RestoreTasks are what Restored does: tasks of which none touches what another one changes, so
// that they may be done side by side, and what comes after all of them.
func (s *State) RestoreTasks() (tasks []func(), last func(), err error) {
	if b := s.restoring; b != nil {
		if len(b.paths) > 0 {
			return nil, nil, fmt.Errorf("checkpoint: %w", errMissingPaths)
		}
		for s.Rows.Len() < b.rows {
			s.skipRow(b.lastRow)
		}
		tasks = []func(){
			func() { s.byID.fill(b.idSlots) },
			func() { s.paths.index.fill(b.pathSlots) },
		}
	}
	tasks = append(tasks, s.restoredRows, s.restoredEntities, s.restoredNames)
	return tasks, func() {
		for _, id := range slices.SortedFunc(maps.Keys(s.Holds), record.CompareID) {
			s.indexHold(s.Holds[id])
		}
		s.endedRestored()
		s.setGrants()
		s.Keys.restored()
		s.restoring = nil
	}, nil
}

func (s *State) restoredRows() {
	s.ranks = newRanks()
	for row, loans := range s.loans {
		if lends(row, loans) {
			s.ranks.lends[row] = true
		}
	}
	for row := range uint32(s.Rows.Len()) {
		def := s.Rows.At(row)
		c, _ := s.counters.at(row)
		s.ranks.set(row, def, &c)
		s.ranks.place(row, def)
		if def != nil {
			s.link(row, def)
			s.countNamed(def, 1)
			s.countOwn(row, def, 1)
		}
	}
}

func (s *State) restoredNames() {
	s.similar.fill(&s.Entities)
	for ord := uint32(1); int(ord) < s.Entities.Len(); ord++ {
		s.noteCapitals(s.Entities.at(ord).ID, ord)
	}
}

// restoredEntities makes the lists of entities.
func (s *State) restoredEntities() {
	counts := make([]uint32, s.Entities.Len())
	live := make([]int, len(s.Types.List)+1)
	order := make([]uint32, 0, s.Entities.Len())
	for ord := uint32(1); int(ord) < s.Entities.Len(); ord++ {
		e := s.Entities.at(ord)
		order = append(order, ord)
		if counts[e.Parent]++; e.Archived == 0 {
			live[e.Typ]++
		} else {
			s.archivedKids[e.Parent]++
		}
	}
	for typ, n := range live {
		if n > 0 {
			s.liveTypes[uint32(typ)] = n
		}
	}
	// A list is cut out of one array, and copied when it grows.
	all, at := make([]uint32, len(order)), uint32(0)
	for parent, n := range counts {
		if n > 0 {
			s.children[uint32(parent)] = all[at : at : at+n]
			s.parents.add(uint32(parent))
		}
		counts[parent], at = at, at+n
	}
	for _, ord := range order {
		parent := s.Entities.at(ord).Parent
		all[counts[parent]] = ord
		counts[parent]++
	}
	for parent, list := range s.children {
		s.children[parent] = list[:cap(list)]
	}
	less := func(a, b uint32) int {
		x, y := s.Entities.at(a), s.Entities.at(b)
		return cmp.Or(cmp.Compare(x.Created, y.Created), cmp.Compare(x.ID, y.ID))
	}
	if !slices.IsSortedFunc(order, less) {
		slices.SortFunc(order, less)
	}
	s.entOrder.fill(order)
}

func (s *State) restoreKeys(cp *store.Checkpoint) error {
	for _, g := range cp.Generations {
		s.Keys.closed = append(s.Keys.closed, closedKeyGen{gen: g.Gen, end: g.End, count: g.Count, filter: g.Filter})
	}
	for _, seg := range cp.Segments {
		if len(seg.Data)%store.KeyEntrySize != 0 {
			return fmt.Errorf("checkpoint: damaged idempotency keys")
		}
		s.Keys.Gen, s.Keys.Last = seg.Gen, max(s.Keys.Last, s.Head.Now)
		for at := 0; at < len(seg.Data); at += store.KeyEntrySize {
			entry := seg.Data[at : at+store.KeyEntrySize]
			if s.Keys.lookup([16]byte(entry)) == nil { // two processes may have saved it
				s.Keys.insert(entry)
			}
		}
	}
	return nil
}
