package ledger

import (
	"slices"

	"github.com/bursarhq/bursar/record"
)

// place is where limits with a scope are found: at their entity, by one entity of the
// scope. That is the one that had the fewest such limits when the limit was made, and of several
// the youngest. So where each of many users has a limit for one model, it is found by the user.
type place struct{ ent, by uint32 }

// scopedRows are the rows of a place: the first of a list, and how many rows it has.
type scopedRows struct {
	first uint32
	n     int
}

// placeOf is the place that a new row gets; without a scope it is that of its entity alone.
func (v *View) placeOf(def *record.Limit) (p place) {
	p.ent = def.Ent
	least := 0
	for _, by := range def.Scope { // ascending, so the youngest is the last
		k := place{def.Ent, by}
		if n := v.scoped[k].n + len(v.newPlaces[k]); p.by == 0 || n <= least {
			p, least = k, n
		}
	}
	return p
}

// eachAt calls f with the rows of a place, until f is false.
func (v *View) eachAt(p place, f func(ord uint32) bool) {
	first := v.scoped[p].first
	if p.by == 0 && int(p.ent) < len(v.firstRow) {
		first = v.firstRow[p.ent]
	}
	for o := first; o != 0; o = v.nextRow[o] {
		if v.Visits++; !f(o) {
			return
		}
	}
	for _, o := range v.newPlaces[p] {
		if v.Visits++; !f(o) {
			return
		}
	}
}

func (s *State) link(row uint32, def *record.Limit) {
	p := place{ent: def.Ent}
	if len(def.Scope) > 0 {
		p = (&View{State: s}).placeOf(def)
	}
	if p.by == 0 {
		s.nextRow[row] = s.firstRow[def.Ent]
		s.firstRow[def.Ent] = row
		return
	}
	rows := s.scoped[p]
	s.nextRow[row] = rows.first
	s.scoped[p] = scopedRows{row, rows.n + 1}
	s.scopedOf[def.Ent] = append(s.scopedOf[def.Ent], row)
	s.inScope[def.Ent] |= ownsScoped
	s.inScope[p.by] |= isScope
}

func (s *State) unlink(row uint32, def *record.Limit) {
	p := s.placedAt(row, def)
	if p.by == 0 {
		s.firstRow[def.Ent] = s.without(s.firstRow[def.Ent], row)
		return
	}
	list := s.scopedOf[def.Ent]
	i := slices.Index(list, row)
	s.scopedOf[def.Ent] = slices.Delete(list, i, i+1)
	rows := s.scoped[p]
	if rows.n--; rows.n == 0 {
		delete(s.scoped, p)
		return
	}
	rows.first = s.without(rows.first, row)
	s.scoped[p] = rows
}

// placedAt is where a row is found.
func (s *State) placedAt(row uint32, def *record.Limit) place {
	for _, by := range def.Scope {
		p := place{def.Ent, by}
		for at := s.scoped[p].first; at != 0; at = s.nextRow[at] {
			if at == row {
				return p
			}
		}
	}
	return place{ent: def.Ent}
}

// without takes a row out of the list that begins with first, and gives the new first.
func (s *State) without(first, ord uint32) uint32 {
	if first == ord {
		return s.nextRow[ord]
	}
	at := first
	for s.nextRow[at] != ord {
		at = s.nextRow[at]
	}
	s.nextRow[at] = s.nextRow[ord]
	return first
}
