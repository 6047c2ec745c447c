package engine

import "slices"

// place is where limits with a scope are found: at their entity, by one entity of the
// scope. That is the one which had the fewest of them when the limit came, and of several
// the youngest: a limit for each of many users and one model is found by the user.
type place struct{ ent, by uint32 }

// scopedRows are the rows of a place: the first of a list, and how many they are.
type scopedRows struct {
	first uint32
	n     int
}

// placeOf is the place that a new row gets; without a scope it is that of its entity alone.
func (v *view) placeOf(def *rowDef) (p place) {
	p.ent = def.ent
	least := 0
	for _, by := range def.scope { // ascending, so the youngest is the last
		k := place{def.ent, by}
		if n := v.scoped[k].n + len(v.newPlaces[k]); p.by == 0 || n <= least {
			p, least = k, n
		}
	}
	return p
}

// eachAt calls f with the rows of a place, until f is false.
func (v *view) eachAt(p place, f func(ord uint32) bool) {
	first := v.scoped[p].first
	if p.by == 0 && int(p.ent) < len(v.firstRow) {
		first = v.firstRow[p.ent]
	}
	for o := first; o != 0; o = v.nextRow[o] {
		if v.visits++; !f(o) {
			return
		}
	}
	for _, o := range v.newPlaces[p] {
		if v.visits++; !f(o) {
			return
		}
	}
}

func (s *state) link(ord uint32, def *rowDef) {
	p := (&view{state: s}).placeOf(def)
	s.under[ord] = p.by
	if p.by == 0 {
		s.nextRow[ord] = s.firstRow[def.ent]
		s.firstRow[def.ent] = ord
		return
	}
	rows := s.scoped[p]
	s.nextRow[ord] = rows.first
	s.scoped[p] = scopedRows{ord, rows.n + 1}
	s.scopedOf[def.ent] = append(s.scopedOf[def.ent], ord)
	s.inScope[def.ent] |= ownsScoped
	s.inScope[p.by] |= isScope
}

func (s *state) unlink(ord uint32, def *rowDef) {
	p := place{def.ent, s.under[ord]}
	if p.by == 0 {
		s.firstRow[def.ent] = s.without(s.firstRow[def.ent], ord)
		return
	}
	list := s.scopedOf[def.ent]
	i := slices.Index(list, ord)
	s.scopedOf[def.ent] = slices.Delete(list, i, i+1)
	rows := s.scoped[p]
	if rows.n--; rows.n == 0 {
		delete(s.scoped, p)
		return
	}
	rows.first = s.without(rows.first, ord)
	s.scoped[p] = rows
}

// without takes a row out of the list that begins with first, and gives the new first.
func (s *state) without(first, ord uint32) uint32 {
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
