package ledger

import (
	"slices"

	"github.com/bursarhq/bursar/record"
)

// heard is at which percentages the notifications of one entity, or of the customer, tell. Each charge asks for it, so
// it is made when they change.
type heard struct {
	lowest int
	levels []int                  // of those without a root, each once and ascending
	rooted []*record.Notification // those with a root that have any
}

// heardBy is nil where none tells of any.
func heardBy(list []*record.Notification) *heard {
	h := &heard{}
	for _, n := range list {
		if len(n.Thresholds) == 0 {
			continue
		}
		if h.lowest == 0 || n.Thresholds[0] < h.lowest {
			h.lowest = n.Thresholds[0]
		}
		if n.Root != 0 {
			h.rooted = append(h.rooted, n)
		} else {
			h.levels = append(h.levels, n.Thresholds...)
		}
	}
	if h.lowest == 0 {
		return nil
	}
	slices.Sort(h.levels)
	h.levels = slices.Compact(h.levels)
	return h
}

func (v *View) heardOf(ent uint32) *heard {
	if h, ok := v.hrd[ent]; ok {
		return h
	}
	return v.State.heard[ent]
}

// lowestHeard is the lowest percentage at which some notification of an entity or of what is above it tells, whether it may tell of
// all limits there or not; 0 = none does.
func (v *View) lowestHeard(ent uint32) (lowest int) {
	for ; ; ent = v.Ent(ent).Parent {
		if h := v.heardOf(ent); h != nil && (lowest == 0 || h.lowest < lowest) {
			lowest = h.lowest
		}
		if ent == 0 {
			return lowest
		}
	}
}

// levelsHeard are the percentages at which somebody hears of a limit, in no order.
func (v *View) levelsHeard(def *record.Limit) (levels []int) {
	for ent := def.Ent; ; ent = v.Ent(ent).Parent {
		if h := v.heardOf(ent); h != nil {
			levels = append(levels, h.levels...)
			for _, n := range h.rooted {
				if v.Visits++; v.mayTell(n, def) {
					levels = append(levels, n.Thresholds...)
				}
			}
		}
		if ent == 0 {
			return levels
		}
	}
}

// noteHeard keeps up with the notifications of an entity.
func (s *State) noteHeard(ent uint32) {
	if h := heardBy(s.notifications[ent]); h != nil {
		s.heard[ent] = h
	} else {
		delete(s.heard, ent)
	}
}
