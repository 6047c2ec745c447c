package ledger

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/bursarhq/bursar/record"
)

// Grants that have ended stay to be listed, and to get back what usage gives back. No
// decision walks them but one that gives back more than the live ones gave, and a checkpoint
// writes only what is new of their list: parts of endedInPart numbers, each under the number
// of the first by that.
const endedInPart = 256

type endedPart []uint32

// addEnded takes in that grants have ended.
func (s *State) addEnded(ords []uint32) {
	if len(ords) == 0 {
		return
	}
	from := len(s.overGrants)
	s.overGrants = append(s.overGrants, ords...)
	s.noteEnded(from)
}

// noteEnded notes the parts that have what is new in the list, from that place on.
func (s *State) noteEnded(from int) {
	for n := from / endedInPart; n*endedInPart < len(s.overGrants); n++ {
		end := min((n+1)*endedInPart, len(s.overGrants))
		s.Dirty.part(partEnded, uint32(n), endedPart(s.overGrants[n*endedInPart:end:end]))
	}
}

// restoreEnded takes in part n. Parts come in any order.
func (s *State) restoreEnded(n uint32, p endedPart) {
	if len(p) > endedInPart || n > 1<<22 { // no store has so many
		return
	}
	from := int(n) * endedInPart
	for len(s.overGrants) < from+len(p) {
		s.overGrants = append(s.overGrants, 0)
	}
	copy(s.overGrants[from:], p)
}

// endedRestored adds to overGrants the ended grants that no part lists: an older version
// listed them in pools, or nowhere. The next checkpoint writes them as parts.
func (s *State) endedRestored() {
	listed := make(map[uint32]bool, len(s.overGrants))
	for _, ord := range s.overGrants {
		listed[ord] = true
	}
	from := len(s.overGrants)
	add := func(ord uint32) {
		if !listed[ord] {
			listed[ord] = true
			s.overGrants = append(s.overGrants, ord)
		}
	}
	for _, ord := range s.poolsEnded {
		add(ord)
	}
	s.poolsEnded = nil
	for ord, g := range s.Grants {
		if g != nil && g.ended() {
			add(uint32(ord))
		}
	}
	if from < len(s.overGrants) {
		s.noteEnded(from)
	}
}

func (p *pool) part(ended []uint32) poolPart {
	return poolPart{p.Limit, p.Used, p.active, p.at, p.overdraft, p.Live, ended, p.Low}
}

// dumpPools writes each pool with its grants that have ended: sums of states have them so.
func (s *State) dumpPools(e *record.Encoder) {
	ended := map[uint32][]uint32{}
	for _, ord := range s.overGrants {
		g := s.Grants[ord]
		ended[g.cap] = append(ended[g.cap], ord)
	}
	for _, cap := range slices.Sorted(maps.Keys(s.Pools)) {
		b, _ := json.Marshal(s.Pools[cap].part(ended[cap])) // no type in it can fail
		e.Ord(cap)
		e.Bytes(b)
	}
}
