package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// severalLeaves refuses a SET that does not say whose level it is.
const severalLeaves = "SET needs one entity below all others that the dimensions name; here are several"

// moveLevels records that usage of an amount moved the levels of the leaves of its path.
func (d *Decider) moveLevels(cap uint32, path []record.Hop, by bursar.Amount) {
	if by.IsZero() || !d.levelled(d.Capability(cap)) {
		return
	}
	for _, leaf := range d.lowest(path) {
		k := record.LevelKey{Leaf: leaf, Cap: cap}
		if old := d.level(k); old.Moved(by) != old {
			d.Emit(&record.LevelSet{Key: k, Level: old.Moved(by)})
		}
	}
}

// levelled tells whether c has levels: it is a FLUCTUATING feature whose usage adds up.
func (d *Decider) levelled(c bursar.Capability) bool {
	f := d.Cat.FeatureOf[c.ID]
	return c.Kind == bursar.KindFeature && f != nil && f.Fluctuating() && (f.Meter == nil || catalogue.Summing(f.Meter))
}

// lowest are the entities of a path that were named, but for those that are above another of these in
// today's tree: usage came from them. 0 alone stands for the customer.
func (v *View) lowest(path []record.Hop) []uint32 {
	if len(path) == 0 {
		return []uint32{0}
	}
	var matched []uint32
	for _, s := range path {
		if s.Child == 0 {
			matched = append(matched, s.Ent)
		}
	}
	if len(matched) == 1 {
		return matched
	}
	above := map[uint32]bool{}
	for _, m := range matched {
		for up := v.Ent(m).Parent; up != 0 && !above[up]; up = v.Ent(up).Parent {
			above[up] = true
		}
	}
	return slices.DeleteFunc(matched, func(m uint32) bool { return above[m] })
}
