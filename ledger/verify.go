package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Dump is everything that follows from the log alone, in one order, as bytes.
func (s *State) Dump() []byte { return s.dump(false) }

// dump is Dump. With inOrder, grants that have ended are in the order in which they ended, as sums of
// exports have them. A checkpoint does not tell that order.
func (s *State) dump(inOrder bool) []byte {
	var e record.Encoder
	e.Uint(s.Head.Seq)
	e.Hash(s.Head.Hash)
	if s.Customer != nil {
		e.Record(&record.Customer{Customer: *s.Customer})
	}
	for _, t := range s.Types.List {
		e.String(t)
	}
	for _, c := range s.combos.List {
		e.String(c)
	}
	for ord := range s.paths.count() {
		e.String(pathText(s.paths.path(uint32(ord + 1))))
	}
	for ord := uint32(1); int(ord) < s.Entities.Len(); ord++ {
		e.Record(&record.EntityPut{Ord: ord, Ent: *s.Entities.at(ord)})
	}
	for row := range uint32(s.Rows.Len()) {
		def := s.Rows.At(row)
		if def == nil {
			continue
		}
		if def.ByDefault {
			e.Record(&record.LimitDefaulted{Row: row, ID: s.RowIDs.At(row), Ent: def.Ent, Cap: def.Cap, Label: def.Label})
		} else {
			e.Record(&record.LimitPut{Row: row, ID: s.RowIDs.At(row), Def: *def})
		}
		if c, ok := s.counters.at(row); ok {
			e.Window(c.Window)
			for _, a := range []bursar.Amount{c.Prev, c.Used, c.Held} {
				e.Amount(a)
			}
		}
	}
	for _, r := range s.defaults.records() {
		e.Record(r)
	}
	for _, cap := range slices.Sorted(maps.Keys(s.Totals)) {
		t := s.Totals[cap]
		e.Ord(cap)
		e.Amount(t.Value)
		e.Amount(t.Held)
		e.Time(t.At)
	}
	levels := slices.SortedFunc(maps.Keys(s.Levels), func(a, b record.LevelKey) int { return cmp.Or(cmp.Compare(a.Leaf, b.Leaf), cmp.Compare(a.Cap, b.Cap)) })
	for _, k := range levels {
		e.Ord(k.Leaf)
		e.Ord(k.Cap)
		e.Amount(s.Levels[k].Value)
		e.Time(s.Levels[k].At)
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.Holds), record.CompareID) {
		s.Holds[id].Dump(&e)
	}
	s.dumpParts(&e, inOrder)
	return e.B
}

// CheckHeld tells whether rows and totals hold what the open holds add up to.
func (s *State) CheckHeld() error {
	rows, caps := map[uint32]bursar.Amount{}, map[uint32]bursar.Amount{}
	for _, h := range s.Holds {
		if h.Status != bursar.HoldOpen {
			continue
		}
		add := func(cap uint32, held bursar.Amount) {
			caps[cap] = caps[cap].Add(held)
			for _, r := range NewView(s, s.Head.Now).heldRows(h, cap) {
				rows[r] = rows[r].Add(held)
			}
		}
		h.EachHeld(add)
	}
	for ord := range uint32(s.Rows.Len()) {
		if c, ok := s.counters.at(ord); ok && s.Rows.At(ord) != nil && c.Held != rows[ord] {
			return fmt.Errorf("assignment %s holds %s, its open reservations %s", store.FormatID(s.RowIDs.At(ord)), c.Held, rows[ord])
		}
	}
	for cap, t := range s.Totals {
		if t.Held != caps[cap] {
			return fmt.Errorf("%s holds %s, its open reservations %s", s.Caps.At(cap), t.Held, caps[cap])
		}
	}
	return nil
}

// CheckSeries tells, of a state that was folded from its whole log, whether every
// entity's buckets add up: what came through each child is what the entity has.
func (s *State) CheckSeries() error {
	customer := map[uint32]bursar.Amount{}
	for k, a := range s.series.all() {
		if k.Ent == 0 {
			customer[k.cap] = customer[k.cap].Add(a)
		}
	}
	for cap, t := range s.Totals {
		// A correction that was clamped took less from the total than from the series.
		if sum := customer[cap]; t.Value.Less(sum) {
			return fmt.Errorf("%s has a total of %s and usage series of %s", s.Caps.At(cap), t.Value, sum)
		}
	}
	return nil
}
