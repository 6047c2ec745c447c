package ledger

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

func (v *View) applyRow(r *record.LimitPut) error {
	def := r.Def
	switch {
	case int(r.Row) == v.NextRowOrd():
		v.newRow(r.Row, r.ID, &def)
	case r.Row > 0 && int(r.Row) < v.NextRowOrd() && v.Def(r.Row) != nil:
		if r.Carry {
			v.carry(r.Row, r.Window, r.Used)
		}
	default:
		return fmt.Errorf("%w: assignment number %d", record.ErrRecord, r.Row)
	}
	put(v, &v.defs, r.Row, &def)
	return nil
}

// carry lets a row that is given another schedule, or another limit, begin with what it had used.
func (v *View) carry(row uint32, w record.Window, used bursar.Amount) {
	c := v.Counter(row, v.Def(row))
	v.carryRowParts(row, w.Start)
	c.Window, c.Used, c.Prev = w, used, bursar.Amount{}
	put(v, &v.ctrs, row, &c)
}

func (v *View) applyRowDelete(r *record.LimitDeleted) {
	if def := v.rawDef(r.Row); def != nil {
		v.countNamed(def, -1)
	}
	put(v, &v.defs, r.Row, nil)
}

// emitRow writes the limit of a row, 0 = a new one, and gives its number. With another schedule,
// or in the place of a default, the limit begins with what had been used. The record says how much
// that was just before it in the log, so a Mender can work it out again.
func (d *Decider) emitRow(row uint32, def record.Limit) uint32 {
	r := &record.LimitPut{Row: row, Def: def}
	if row == 0 {
		r.Row, r.ID = uint32(d.NextRowOrd()), d.NextID()
	} else {
		r.ID = d.madeID(row)
		old := d.Def(row)
		if r.Carry = old.ByDefault && !d.untouched(row) || !old.ByDefault && old.Sched.Rule != def.Sched.Rule; r.Carry {
			r.Used, r.Window = d.carried(row, old), def.Sched.FirstWindow(d.Now)
		}
	}
	d.Emit(r)
	return r.Row
}

// carried is what a row has used when it is given another definition in the place of old.
func (v *View) carried(row uint32, old *record.Limit) bursar.Amount {
	if old.Idle() {
		return bursar.Amount{}
	}
	return v.Current(row, old).Used
}

func (v *View) newRow(row uint32, id [16]byte, def *record.Limit) {
	push(v, &v.newRowIDs, id)
	p := v.placeOf(def)
	put(v, &v.newRows, def.Ent, append(v.newRows[def.Ent], row))
	put(v, &v.newPlaces, p, append(v.newPlaces[p], row))
	v.countNamed(def, 1)
}

// charge applies what rows took.
func (v *View) charge(cs []record.Charge) error {
	v.Visits += len(cs)
	for i := range cs {
		c := &cs[i]
		def := v.Def(c.Row)
		if def == nil {
			return fmt.Errorf("%w: charge on assignment number %d", record.ErrRecord, c.Row)
		}
		if n := ours(v, v.ctrs, c.Row); n != nil {
			n.take(c)
			continue
		}
		n := v.Counter(c.Row, def)
		n.take(c)
		put(v, &v.ctrs, c.Row, &n)
	}
	return nil
}

// take changes the counter by a charge on it.
func (n *Counter) take(c *record.Charge) {
	if c.Rolled {
		*n = n.rolled(c.Window)
	}
	switch c.Slot {
	case record.SlotCurrent:
		n.Used = n.Used.Add(c.Delta)
	case record.SlotPrevious:
		n.Prev = n.Prev.Add(c.Delta)
	}
}

// mergeRowParts moves what limits have besides their counters into the state.
func (v *View) mergeRowParts() {
	if len(v.bsts)+len(v.lns) > 0 {
		v.ranks.odder++
	}
	mergeOnRows(v, partBoosts, v.boosts, v.bsts)
	v.mergeLoans()
	mergeOnRows(v, partFired, v.State.Fired, v.frd)
	mergeOnRows(v, partTold, v.State.told, v.tlds)
	for row := range v.tlds {
		v.State.noteOwed(row)
	}
	for row, def := range v.defs {
		if def == nil {
			v.dropRowParts(row)
		}
	}
	v.mergeUniques()
}

// mergeOnRows moves the changes of one sort of part into the state's map, of rows that are still there.
func mergeOnRows[V any](v *View, sort string, into, changes map[uint32]V) {
	for row, x := range changes {
		if v.Def(row) != nil {
			into[row] = x
			v.Dirty.part(sort, row, x)
		}
	}
}

// dropRowParts forgets what a deleted row had.
func (s *State) dropRowParts(row uint32) {
	if _, ok := s.boosts[row]; ok {
		delete(s.boosts, row)
		s.Dirty.part(partBoosts, row, []*record.Boost(nil))
	}
	s.dropLoans(row)
	if _, ok := s.Fired[row]; ok {
		delete(s.Fired, row)
		s.Dirty.part(partFired, row, (*record.Fired)(nil))
	}
	if _, ok := s.told[row]; ok {
		delete(s.told, row)
		s.noteOwed(row)
		s.Dirty.part(partTold, row, (*record.Told)(nil))
	}
	for _, start := range s.windows[row] {
		s.dropUnique(record.UniqueKey{Row: row, Start: start})
	}
	delete(s.windows, row)
}

// carryRowParts carries what a limit that is given another schedule knows of alerts and distinct
// values. An entity's own limit that takes the place of a default has sent no alerts.
func (v *View) carryRowParts(row uint32, to bursar.Time) {
	switch old := v.Def(row); {
	case !old.ByDefault:
		v.moveRowParts(row, v.Current(row, old).Start, to)
	default:
		if v.firedOf(row) != nil {
			put(v, &v.frd, row, &record.Fired{Start: to})
		}
		if v.toldOf(row) != nil {
			put(v, &v.tlds, row, &record.Told{Start: to})
		}
	}
}

// moveRowParts carries the alerts, what people were told and the distinct values of a row's current window to the window
// that takes its place when the schedule changes.
func (v *View) moveRowParts(row uint32, from, to bursar.Time) {
	if f := v.firedOf(row); f != nil {
		moved := &record.Fired{Start: to}
		if f.Start == from {
			moved.Levels = f.Levels
		}
		put(v, &v.frd, row, moved)
	}
	if t := v.toldOf(row); t != nil {
		moved := &record.Told{Start: to}
		if t.Start == from {
			moved.Levels, moved.Denied, moved.Owed = t.Levels, t.Denied, t.Owed
		}
		put(v, &v.tlds, row, moved)
	}
	if c := v.unq[record.UniqueKey{Row: row, Start: from}]; c != nil && from != to {
		put(v, &v.unq, record.UniqueKey{Row: row, Start: to}, c)
		put(v, &v.unq, record.UniqueKey{Row: row, Start: from}, &uniqueChange{})
	}
	if m, ok := v.moved[row]; ok {
		from = m[0]
	}
	put(v, &v.moved, row, [2]bursar.Time{from, to})
}

// keepWindows notes that the row has a set of distinct values for the window that begins at k.Start.
// It forgets the sets of windows before the previous one.
func (s *State) keepWindows(k record.UniqueKey) {
	kept := []bursar.Time{k.Start}
	oldest := k.Start
	if c, ok := s.counters.at(k.Row); ok {
		oldest = c.PrevStart
	}
	for _, start := range s.windows[k.Row] {
		if start >= oldest {
			kept = append(kept, start)
		} else {
			s.dropUnique(record.UniqueKey{Row: k.Row, Start: start})
		}
	}
	slices.Sort(kept)
	s.windows[k.Row] = kept
}

// Counter is a row's usage. Used is of the current window, Prev of the one before it.
type Counter struct {
	record.Window
	Prev, Used, Held bursar.Amount
}

// rolled is c in a later window w. What was used becomes the usage of the previous window, if c's
// window is that; else it is forgotten.
func (c Counter) rolled(w record.Window) Counter {
	r := Counter{Window: w, Held: c.Held}
	if w.Follows(c.Window) {
		r.Prev = c.Used
	}
	return r
}

// setRow puts def at row, which exists or is the next; nil deletes it.
func (s *State) setRow(row uint32, id [16]byte, def *record.Limit) {
	var old *record.Limit
	if int(row) == s.Rows.Len() {
		s.nextRow = append(s.nextRow, 0)
		s.RowIDs.add(id)
	} else if old = s.Rows.At(row); old != nil {
		was := *old
		old = &was
	}
	if def != nil && !def.ByDefault && def.Sched != s.intern(def.Sched) {
		def.Own()
		def.Sched = s.intern(def.Sched)
	}
	if def != nil {
		def.Terms = s.terms.share(def.Terms)
	}
	if old != nil {
		s.terms.release(old.Terms)
	}
	s.Rows.put(row, def)
	switch {
	case old == nil && def != nil:
		s.link(row, def)
		s.countNamed(def, 1)
	case old != nil && def == nil:
		s.unlink(row, old)
		s.countNamed(old, -1)
		s.counters.drop(row)
		s.untrackRow(row, old.Cap)
	}
	s.countOwn(row, old, -1)
	s.countOwn(row, def, 1)
	c, _ := s.counters.at(row)
	s.ranks.set(row, def, &c)
	s.ranks.place(row, def)
}

// countOwn notes that an own limit came (1) or went (-1).
func (s *State) countOwn(row uint32, def *record.Limit, n int) {
	if def == nil || def.ByDefault {
		return
	}
	s.liveCaps[def.Cap] += n
	switch {
	case def.Strict && n > 0:
		s.strict[row] = struct{}{}
	case def.Strict:
		delete(s.strict, row)
	}
}

// rowByID finds a live row. RowIDs ascend by place. A row that was deleted before the checkpoint
// was read has the ID of the row before it.
func (s *State) rowByID(id [16]byte) uint32 {
	row, ok := s.RowIDs.find(id)
	if ok && s.RowIDs.At(row) == id && s.Rows.At(row) != nil {
		return row
	}
	return 0
}
