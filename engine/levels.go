package engine

import (
	"slices"

	"github.com/bursarhq/bursar"
)

// The level of a leaf is its own usage of a FLUCTUATING feature, as SETs and all that was
// used since have left it: a SET charges what is missing to it. It is kept for a leaf, or
// for the customer (0) where nothing resolves, and never goes below 0, as usage does not.

// levelRec gives a leaf a level. Before it there was none: a SET's usageRec gave the leaf
// the amount as it came, at its timestamp.
type levelRec struct {
	key levelKey
	level
}

func (*levelRec) kind() recordKind { return kindLevel }
func (r *levelRec) encode(e *encoder) {
	e.ord(r.key.leaf)
	e.ord(r.key.cap)
	e.amount(r.value)
	e.time(r.at)
}
func (r *levelRec) decode(d *decoder) {
	r.key.leaf, r.key.cap = d.ord(), d.ord()
	r.value, r.at = d.amount(), d.time()
}

// moved is l after usage of an amount, which may be negative. A level below 0 was SET by
// a version that took it as it came.
func (l level) moved(by bursar.Amount) level {
	v := l.value.Add(by)
	if least := bursar.MinAmount(l.value, bursar.Amount{}); v.Less(least) {
		v = least
	}
	return level{v, l.at}
}

// moveLevels records that usage of an amount moved the levels of the leaves of its path.
func (d *decider) moveLevels(cap uint32, path []step, by bursar.Amount) {
	if by.IsZero() || !d.levelled(d.capability(cap)) {
		return
	}
	for _, leaf := range d.lowest(path) {
		k := levelKey{leaf, cap}
		if old := d.level(k); old.moved(by) != old {
			d.emit(&levelRec{k, old.moved(by)})
		}
	}
}

// levelled tells whether leaves have levels of what c is.
func (d *decider) levelled(c bursar.Capability) bool {
	f := d.cat.features[c.ID]
	return c.Kind == bursar.KindFeature && f != nil && f.Fluctuating() && (f.Meter == nil || summing(f.Meter))
}

// lowest are the entities that a path was resolved for and that have no other such below
// them in today's tree: usage came from them. 0 alone stands for the customer.
func (v *view) lowest(path []step) []uint32 {
	if len(path) == 0 {
		return []uint32{0}
	}
	var matched []uint32
	for _, s := range path {
		if s.child == 0 {
			matched = append(matched, s.ent)
		}
	}
	if len(matched) == 1 {
		return matched
	}
	above := map[uint32]bool{}
	for _, m := range matched {
		for up := v.ent(m).parent; up != 0 && !above[up]; up = v.ent(up).parent {
			above[up] = true
		}
	}
	return slices.DeleteFunc(matched, func(m uint32) bool { return above[m] })
}
