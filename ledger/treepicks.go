package ledger

import "github.com/bursarhq/bursar"

// selectEntities begins to find the entities of a subtree or of one level.
func (s *TreeScan) selectEntities(v *View) error {
	q := s.Q
	if v.Root != 0 && q.RootEntityID == "" { // a token gets its root as if it had asked for that
		if v.Root == seesNone {
			return nil
		}
		limited := *q
		limited.RootEntityID = v.Ent(v.Root).ID
		q, s.Q = &limited, &limited
	}
	if q.RootEntityID == "" && q.ParentID == nil && q.Depth == nil {
		s.all = true
		return nil
	}
	parent := uint32(0)
	if orEmpty(q.ParentID) != "" {
		if parent = v.EntOrd(*q.ParentID); parent == 0 {
			return v.errNoEntity(*q.ParentID)
		}
	}
	if q.RootEntityID != "" {
		if s.root = v.EntOrd(q.RootEntityID); s.root == 0 {
			return v.errNoEntity(q.RootEntityID)
		}
	}
	depth := bursar.MaxDepth
	if q.Depth != nil {
		depth = *q.Depth
	}
	switch {
	case q.ParentID != nil:
		s.pickBelow(v, parent, 0, true)
	case q.RootEntityID != "":
		s.picks = []pick{{ords: []uint32{s.root}, depth: depth}}
	default:
		s.pickBelow(v, 0, depth, false)
	}
	return nil
}

// pick is entities that are to be selected: with level they alone, else also what is below
// them, down to a depth.
type pick struct {
	ords  []uint32
	depth int
	level bool
}

func (s *TreeScan) pickBelow(v *View, parent uint32, depth int, level bool) {
	if list := v.childList(parent); len(list) > 0 {
		s.picks = append(s.picks, pick{list, depth, level})
	}
}

// pickOn goes on to select entities, and tells whether it has them all. An archived one
// that is not shown is no level: what is below it takes its place.
func (s *TreeScan) pickOn(v *View) (done bool) {
	for len(s.picks) > 0 {
		if v.Tired() {
			return false
		}
		v.Visits++
		n := len(s.picks) - 1
		p := s.picks[n]
		// Children mostly have ascending ids: those that are first on the page are best looked at first.
		ord, rest := p.ords[0], p.ords[1:]
		if s.walksBack() {
			ord, rest = p.ords[len(p.ords)-1], p.ords[:len(p.ords)-1]
		}
		if s.picks[n].ords = rest; len(rest) == 0 {
			s.picks = s.picks[:n]
		}
		shown := v.Ent(ord).Archived == 0 || s.Q.IncludeArchived
		if shown && s.belowRoot(v, ord) {
			s.ents = append(s.ents, ord)
		}
		switch {
		case p.level && !shown:
			s.pickBelow(v, ord, 0, true)
		case p.level:
		case !shown:
			s.pickBelow(v, ord, p.depth, false)
		case p.depth > 0:
			s.pickBelow(v, ord, p.depth-1, false)
		}
	}
	return true
}

func (s *TreeScan) belowRoot(v *View, ord uint32) bool {
	for s.root != 0 && ord != s.root {
		if ord = v.Ent(ord).Parent; ord == 0 {
			return false
		}
	}
	return true
}
