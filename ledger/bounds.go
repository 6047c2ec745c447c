package ledger

import (
	"cmp"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// countNamed notes that def, if it has a scope, came (1) or went (-1).
func (s *State) countNamed(def *record.Limit, n int) {
	def.EachNamed(func(k record.Naming) {
		if s.named[k] += n; s.named[k] == 0 {
			delete(s.named, k)
		}
	})
}

// countNamed does the same for what the view lays over the state.
func (v *View) countNamed(def *record.Limit, n int) {
	def.EachNamed(func(k record.Naming) { put(v, &v.newNamed, k, v.newNamed[k]+n) })
}

// roomFor refuses a new limit where there are too many of its capability already. One without
// a scope is refused if its entity has MaxPlainLimits without a scope. One with a scope is refused
// if each entity that it names, its own or one of the scope, is named by MaxScopedLimits limits
// with a scope. So a path of MaxDepth
// entities has at most MaxDepth × (MaxPlainLimits + MaxScopedLimits).
func (d *Decider) roomFor(t Target, c bursar.Capability, at string, p *bursar.Problems) bool {
	cap := d.CapOrd(c)
	if cap == 0 {
		return true
	}
	if len(t.scope) == 0 {
		if n := d.plainLimits(t.Ent, cap); n >= bursar.MaxPlainLimits {
			p.Add(at+"/entityId", bursar.CodeTooManyLimits,
				"the entity %q has %d limits of %s without a scope, and may have %d: delete one, or change one by sending its label", d.Ent(t.Ent).ID, n, c, bursar.MaxPlainLimits)
			return false
		}
		return true
	}
	least := record.Naming{Ent: t.Ent, Cap: cap}
	for _, s := range t.scope {
		if k := (record.Naming{Ent: s, Cap: cap}); d.namedBy(k) < d.namedBy(least) {
			least = k
		}
	}
	if n := d.namedBy(least); n >= bursar.MaxScopedLimits {
		p.Add(at+"/scopeEntityIds", bursar.CodeTooManyLimits,
			"each entity that this limit names is named by %d or more limits of %s with a scope (%q by %d); one of these entities has to be named by fewer than %d: delete a limit",
			bursar.MaxScopedLimits, c, d.Ent(least.Ent).ID, n, bursar.MaxScopedLimits)
		return false
	}
	return true
}

// plainLimits counts the limits of one capability on an entity that have no scope.
func (v *View) plainLimits(ent, cap uint32) (n int) {
	v.eachAt(place{ent: ent}, func(ord uint32) bool {
		if def := v.rawDef(ord); def != nil && def.Cap == cap && !def.ByDefault {
			n++
		}
		return true
	})
	return n
}

func (v *View) namedBy(k record.Naming) int { return v.named[k] + v.newNamed[k] }

// Applied is the limits of one capability that usage counts on.
type Applied struct {
	Rows []uint32 // each once, at most MaxRowsPerEvent
	cut  int      // how many more apply
	hard bool     // one of those that are cut could have refused it
}

// RowsOn lists the limits that usage of cap on r counts on. Where more than
// MaxRowsPerEvent apply, it keeps those that can refuse usage before the others, those of
// entities nearer to their root before those below, and older ones before newer: nobody who
// writes limits below an entity can take usage from the limits above.
func (v *View) RowsOn(r *Resolved, cap uint32) Applied {
	a := Applied{Rows: make([]uint32, 0, usualPath)}
	add := func(row uint32, _ *record.Limit) { a.Rows = append(a.Rows, row) }
	for i := range r.Path {
		v.rowsOf(r, r.Path[i].Ent, cap, add)
	}
	if a.cut = len(a.Rows) - bursar.MaxRowsPerEvent; a.cut <= 0 {
		a.cut = 0
		return a
	}
	refuses := func(row uint32) bool { def := v.Def(row); return def.Limited && !def.Soft }
	depths := map[uint32]int{}
	for i := range r.Path {
		depths[r.Path[i].Ent] = v.depth(r.Path[i].Ent)
	}
	slices.SortFunc(a.Rows, func(x, y uint32) int {
		if b := refuses(x); b != refuses(y) {
			if b {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(depths[v.Def(x).Ent], depths[v.Def(y).Ent]), cmp.Compare(x, y))
	})
	a.hard = refuses(a.Rows[bursar.MaxRowsPerEvent])
	a.Rows = a.Rows[:bursar.MaxRowsPerEvent]
	return a
}

// cutChains leaves in chains only the limits that usage counts on.
func (v *View) cutChains(r *Resolved, asks []Ask, chains [][]uint32) (out [][]uint32, over []Applied) {
	kept, cut := map[uint32]bool{}, false
	for i := range asks {
		a := v.RowsOn(r, asks[i].Cap)
		for _, ord := range a.Rows {
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

// cannotCount is the refusal for the first of over that cuts a hard limit; nil = none does.
func cannotCount(asks []Ask, over []Applied) *bursar.Error {
	for i := range over {
		if over[i].hard {
			return errCut(asks[i].C, &over[i])
		}
	}
	return nil
}

// errCut refuses usage that more limits apply to than it can count on, where some that it cannot
// count on are hard.
func errCut(c bursar.Capability, a *Applied) *bursar.Error {
	return bursar.ErrorAt("/dimensions", bursar.CodeTooManyLimits,
		"%d limits of %s apply to these dimensions and usage counts on %d; some of the others are hard, so nothing can be granted: delete some limits",
		len(a.Rows)+a.cut, c, bursar.MaxRowsPerEvent)
}
