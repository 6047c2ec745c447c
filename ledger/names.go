package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// CapFor is the number of a capability, given one if it has none.
func (d *Decider) CapFor(c bursar.Capability) uint32 {
	if o := d.CapOrd(c); o != 0 {
		return o
	}
	d.Emit(&record.CapabilityName{Capability: c})
	return d.CapOrd(c)
}

func (d *Decider) TypeFor(id string) uint32 {
	if o := d.TypeOrd(id); o != 0 {
		return o
	}
	d.Emit(&record.TypeName{ID: id})
	return d.TypeOrd(id)
}

// maxCombos bounds the combinations of dimensions that usage series tell apart in one
// customer; usage with further ones is in the series without dimensions.
const maxCombos = 1000

// ComboFor is the number of the dimensions that are no attribution keys, by which
// series can be grouped; 0 when there are none.
func (d *Decider) ComboFor(dims []bursar.Dimension) uint32 {
	plain := d.plain(dims)
	if len(plain) == 0 {
		return 0
	}
	if d.guarded { // the other half is for the combinations of the costs
		return d.comboOf(plain, d.comboRoom()/2)
	}
	return d.comboOf(plain, d.comboRoom())
}

// comboRoom is how many combinations may have numbers: half of maxCombos for who is not trusted,
// which leaves the rest to others.
func (d *Decider) comboRoom() int {
	if d.guarded {
		return maxCombos / 2
	}
	return maxCombos
}

// holdCombo is ComboFor of what a hold holds. The hold's costs may be booked when its time is over,
// without regard to who made it. So for who is not trusted the combinations of the costs get
// numbers at once. Where there is no room for one, the hold has no combination.
func (d *Decider) holdCombo(dims []bursar.Dimension, priced []uint32) uint32 {
	combo := d.ComboFor(dims)
	if combo == 0 || !d.guarded {
		return combo
	}
	for _, feature := range priced {
		if cost := d.costCombo(d.plain(dims), d.Capability(feature).ID); cost == 0 || len(record.DecodeCombo(d.View.combo(cost))) == 1 {
			return 0
		}
	}
	return combo
}

func (d *Decider) comboOf(dims []bursar.Dimension, most int) uint32 {
	o := d.comboOrd(record.EncodeCombo(dims))
	if o == 0 && len(d.combos.List)+len(d.newCombos) < most {
		d.Emit(&record.ComboName{Dims: dims})
		o = d.comboOrd(record.EncodeCombo(dims))
	}
	return o
}

// names numbers values from 1.
type names[T comparable] struct {
	List []T // list[i] has number i+1
	ords map[T]uint32
}

func (n *names[T]) Ord(v T) uint32 { return n.ords[v] }

func (n *names[T]) At(i uint32) T { return n.List[i-1] }

func (n *names[T]) add(v T) {
	n.List = append(n.List, v)
	n.ords[v] = uint32(len(n.List))
}

func (v *View) TypeOrd(id string) uint32 {
	return ordIn(&v.Types, v.newTypes, id)
}

func (v *View) CapOrd(c bursar.Capability) uint32 { return ordIn(&v.Caps, v.newCaps, c) }

func (v *View) comboOrd(s string) uint32 { return ordIn(&v.combos, v.newCombos, s) }

func ordIn[T comparable](n *names[T], added []T, val T) uint32 {
	if o := n.Ord(val); o != 0 {
		return o
	}
	if i := slices.Index(added, val); i >= 0 {
		return uint32(len(n.List) + i + 1)
	}
	return 0
}

func nameAt[T comparable](n *names[T], added []T, ord uint32) T {
	if int(ord) <= len(n.List) {
		return n.At(ord)
	}
	return added[int(ord)-len(n.List)-1]
}

func (v *View) typeID(ord uint32) string { return nameAt(&v.Types, v.newTypes, ord) }

func (v *View) Capability(ord uint32) bursar.Capability { return nameAt(&v.Caps, v.newCaps, ord) }

func (v *View) combo(ord uint32) string { return nameAt(&v.combos, v.newCombos, ord) }
