package engine

import (
	"cmp"
	"slices"

	"github.com/bursarhq/bursar"
)

// How many limits one piece of usage can meet is bounded twice. Writing a limit is refused
// where too many already stand beside it (roomFor): no path of a tree then has more than
// MaxRowsPerEvent, however entities are moved. Usage that meets more all the same, since it
// names several paths or the store is older than that rule, counts on the first
// MaxRowsPerEvent of them in an order that keeps what was set from above (rowsOn).

// naming is a count of limits by one entity that they name and their capability.
type naming struct{ ent, cap uint32 }

// eachNamed calls f for each entity that a limit with a scope names: its own and those of
// the scope.
func (def *rowDef) eachNamed(f func(naming)) {
	if len(def.scope) == 0 {
		return
	}
	f(naming{def.ent, def.cap})
	for _, s := range def.scope {
		if s != def.ent {
			f(naming{s, def.cap})
		}
	}
}

// countNamed notes that def came (1) or went (-1).
func (s *state) countNamed(def *rowDef, n int) {
	def.eachNamed(func(k naming) {
		if s.named[k] += n; s.named[k] == 0 {
			delete(s.named, k)
		}
	})
}

// countNamed is the same in what is laid over the state.
func (v *view) countNamed(def *rowDef, n int) {
	def.eachNamed(func(k naming) { put(v, &v.newNamed, k, v.newNamed[k]+n) })
}

// roomFor refuses a new limit that too many of its capability stand beside: of one without
// a scope, those of its entity without one; of one with a scope, those with a scope that
// name an entity, for each of the entities that it names. A limit that is admitted is thus
// one of the first MaxScopedLimits of some entity of its own, so no path of MaxDepth
// entities has more than MaxDepth × (MaxPlainLimits + MaxScopedLimits).
func (d *decider) roomFor(t target, c bursar.Capability, at string, p *bursar.Problems) bool {
	cap := d.capOrd(c)
	if cap == 0 {
		return true
	}
	if len(t.scope) == 0 {
		if n := d.plainLimits(t.ent, cap); n >= bursar.MaxPlainLimits {
			p.Add(at+"/entityId", bursar.CodeTooManyLimits,
				"the entity %q has %d limits of %s without a scope, and may have %d: delete one, or change one by its label", d.ent(t.ent).id, n, c, bursar.MaxPlainLimits)
			return false
		}
		return true
	}
	least := naming{t.ent, cap}
	for _, s := range t.scope {
		if k := (naming{s, cap}); d.namedBy(k) < d.namedBy(least) {
			least = k
		}
	}
	if n := d.namedBy(least); n >= bursar.MaxScopedLimits {
		p.Add(at+"/scopeEntityIds", bursar.CodeTooManyLimits,
			"each of the entities that this limit names is named by %d limits of %s with a scope or more, %q by %d, and one of them has to be named by fewer than %d: delete one",
			bursar.MaxScopedLimits, c, d.ent(least.ent).id, n, bursar.MaxScopedLimits)
		return false
	}
	return true
}

// plainLimits counts the limits of one capability on an entity that have no scope.
func (v *view) plainLimits(ent, cap uint32) (n int) {
	v.eachAt(place{ent: ent}, func(ord uint32) bool {
		if def := v.def(ord); def != nil && def.cap == cap {
			n++
		}
		return true
	})
	return n
}

func (v *view) namedBy(k naming) int { return v.named[k] + v.newNamed[k] }

// applied is the limits of one capability that usage counts on.
type applied struct {
	rows []uint32 // each once, at most MaxRowsPerEvent
	cut  int      // how many more apply
	hard bool     // one of those could have refused it
}

// rowsOn lists the limits that usage of cap on r counts on. Where more than
// MaxRowsPerEvent apply, it keeps those that can refuse usage before the others, those of
// entities nearer to their root before those below, and older ones before newer: nobody who
// writes limits below an entity can take usage from the limits above.
func (v *view) rowsOn(r *resolved, cap uint32) applied {
	var a applied
	for i := range r.path {
		v.rowsOf(r, r.path[i].ent, cap, func(ord uint32, _ *rowDef) { a.rows = append(a.rows, ord) })
	}
	if a.cut = len(a.rows) - bursar.MaxRowsPerEvent; a.cut <= 0 {
		a.cut = 0
		return a
	}
	refuses := func(ord uint32) bool { def := v.def(ord); return def.limited && !def.soft }
	depths := map[uint32]int{}
	for i := range r.path {
		depths[r.path[i].ent] = v.depth(r.path[i].ent)
	}
	slices.SortFunc(a.rows, func(x, y uint32) int {
		if b := refuses(x); b != refuses(y) {
			if b {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(depths[v.def(x).ent], depths[v.def(y).ent]), cmp.Compare(x, y))
	})
	a.hard = refuses(a.rows[bursar.MaxRowsPerEvent])
	a.rows = a.rows[:bursar.MaxRowsPerEvent]
	return a
}

// cutChains leaves in chains the limits that usage counts on.
func (v *view) cutChains(r *resolved, asks []ask, chains [][]uint32) (out [][]uint32, over []applied) {
	kept, cut := map[uint32]bool{}, false
	for i := range asks {
		a := v.rowsOn(r, asks[i].cap)
		for _, ord := range a.rows {
			kept[ord] = true
		}
		over, cut = append(over, a), cut || a.cut > 0
	}
	if !cut {
		return chains, nil
	}
	for _, c := range chains {
		if c = slices.DeleteFunc(c, func(ord uint32) bool { return !kept[ord] }); len(c) > 0 {
			out = append(out, c)
		}
	}
	return out, over
}

// cannotCount is the first of over that has a hard limit which usage cannot count on.
func cannotCount(asks []ask, over []applied) *bursar.Error {
	for i := range over {
		if over[i].hard {
			return errCut(asks[i].c, &over[i])
		}
	}
	return nil
}

// errCut refuses what limits would have to be asked for that usage cannot count on.
func errCut(c bursar.Capability, a *applied) *bursar.Error {
	return bursar.ErrorAt("/dimensions", bursar.CodeTooManyLimits,
		"%d limits of %s apply to these dimensions and usage counts on %d; among the others are hard ones, so nothing can be granted: delete some",
		len(a.rows)+a.cut, c, bursar.MaxRowsPerEvent)
}
