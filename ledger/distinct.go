package ledger

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// uniqueChange is what a batch adds to a set.
type uniqueChange struct {
	added map[uint64]bool
	full  *uniqueSet // a copy of the set with added, once that does not count exactly
}

// uniqueHas tells whether a set has a value, the batch's additions among them.
func (v *View) uniqueHas(k record.UniqueKey, value uint64) bool {
	if c := v.unq[k]; c != nil {
		if c.full != nil {
			return c.full.has(value)
		}
		if c.added[value] {
			return true
		}
	}
	s := v.baseSet(k)
	return s != nil && s.has(value)
}

// baseSet is the set of a key before the batch's additions; nil = there is none.
func (v *View) baseSet(k record.UniqueKey) *uniqueSet {
	if m, ok := v.moved[k.Row]; ok && m[1] == k.Start {
		k.Start = m[0]
	}
	return v.Uniques[k]
}

// uniqueGrowth is by how much a value would raise the count of a set.
func (v *View) uniqueGrowth(k record.UniqueKey, value uint64) uint64 {
	if v.uniqueHas(k, value) {
		return 0
	}
	c, s := v.unq[k], v.baseSet(k)
	if c != nil && c.full != nil {
		return c.full.clone().add(value)
	}
	n := uint64(0)
	if c != nil {
		n = uint64(len(c.added))
	}
	if s == nil || s.Count()+n < maxExact {
		return 1
	}
	return v.uniqueCopy(k).add(value)
}

// uniqueCopy is a new set with all values of the set of k, the batch's additions among them.
func (v *View) uniqueCopy(k record.UniqueKey) *uniqueSet {
	s := newUniqueSet()
	if old := v.baseSet(k); old != nil {
		s = old.clone()
	}
	if c := v.unq[k]; c != nil {
		for _, x := range sortedValues(c.added) {
			s.add(x)
		}
	}
	return s
}

func (v *View) addUnique(k record.UniqueKey, value uint64) {
	c := v.unq[k]
	if c == nil {
		c = &uniqueChange{added: map[uint64]bool{}}
		put(v, &v.unq, k, c)
	}
	n := uint64(len(c.added))
	if s := v.baseSet(k); s != nil {
		n += s.Count()
	}
	if c.full == nil && n >= maxExact {
		c.full = v.uniqueCopy(k)
	}
	if c.full != nil {
		c.full.add(value)
		return
	}
	c.added[value] = true
}

func sortedValues(m map[uint64]bool) []uint64 {
	out := make([]uint64, 0, len(m))
	for x := range m {
		out = append(out, x)
	}
	slices.Sort(out)
	return out
}

func (s *State) dropUnique(k record.UniqueKey) {
	delete(s.Uniques, k)
	s.Dirty.uniques[k] = nil
}

func (s *State) setUnique(k record.UniqueKey, set *uniqueSet) {
	s.Uniques[k] = set
	s.Dirty.uniques[k] = set
}

func (v *View) mergeUniques() {
	s := v.State
	for row, m := range v.moved {
		from, to := record.UniqueKey{Row: row, Start: m[0]}, record.UniqueKey{Row: row, Start: m[1]}
		set := s.Uniques[from]
		for _, start := range s.windows[row] {
			s.dropUnique(record.UniqueKey{Row: row, Start: start})
		}
		delete(s.windows, row)
		if set != nil {
			s.setUnique(to, set)
			s.windows[row] = []bursar.Time{to.Start}
		}
	}
	for k, c := range v.unq {
		if k.Row != 0 && v.Def(k.Row) == nil || len(c.added) == 0 && c.full == nil {
			continue
		}
		set := c.full
		if set == nil {
			if set = newUniqueSet(); s.Uniques[k] != nil {
				set = s.Uniques[k].clone()
			}
			for x := range c.added {
				set.add(x)
			}
		}
		s.setUnique(k, set)
		if k.Row != 0 && !slices.Contains(s.windows[k.Row], k.Start) {
			s.keepWindows(k)
		}
	}
}

func uniqueParts(sets map[record.UniqueKey]*uniqueSet) (parts []store.PartRow) {
	for key, set := range sets {
		p := store.PartRow{Sort: partUnique, Key: fmt.Sprintf("%010d/%d/%d", key.Row, key.Cap, key.Start)}
		if set != nil {
			p.Body = set.Encode()
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b store.PartRow) int { return strings.Compare(a.Key, b.Key) })
	return parts
}

func (s *State) restoreUnique(p *store.PartRow) error {
	var k record.UniqueKey
	if _, err := fmt.Sscanf(p.Key, "%d/%d/%d", &k.Row, &k.Cap, (*int64)(&k.Start)); err != nil {
		return fmt.Errorf("checkpoint: unique %q: %w", p.Key, err)
	}
	set, err := decodeUniqueSet(p.Body)
	if err != nil {
		return fmt.Errorf("checkpoint: unique %q: %w", p.Key, err)
	}
	s.Uniques[k] = set
	if k.Row != 0 {
		s.windows[k.Row] = append(s.windows[k.Row], k.Start)
		slices.Sort(s.windows[k.Row])
	}
	return nil
}
