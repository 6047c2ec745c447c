package ledger

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/bursarhq/bursar/record"
)

// Grants that have ended are kept for listings, and to take in credits that usage gives back. A
// decision looks through them only if more is given back than the live grants gave. A checkpoint
// has no list of them, as each grant says whether it has ended.

// endedMark is a part of a checkpoint that says only that grants have ended. It keeps older versions
// from reading the checkpoint: they expect such grants in a list of their pool.
type endedMark struct{}

// addEnded takes in that grants have ended.
func (s *State) addEnded(ords []uint32) {
	s.overGrants = append(s.overGrants, ords...)
	s.markEnded()
}

func (s *State) markEnded() {
	if len(s.overGrants) > 0 && !s.endedMarked {
		s.endedMarked = true
		s.Dirty.part(partEnded, 0, endedMark{})
	}
}

// endedRestored finds the grants that have ended. Those that pools of older versions list come
// first, in the order of the lists.
func (s *State) endedRestored() {
	listed := make(map[uint32]bool, len(s.Grants))
	add := func(ord uint32) {
		if int(ord) < len(s.Grants) && !listed[ord] && s.Grants[ord] != nil && s.Grants[ord].ended() {
			listed[ord] = true
			s.overGrants = append(s.overGrants, ord)
		}
	}
	for _, ord := range s.poolsEnded {
		add(ord)
	}
	s.poolsEnded = nil
	for ord := range s.Grants {
		add(uint32(ord))
	}
	s.markEnded()
}

func (p *pool) part(ended []uint32) poolPart {
	return poolPart{p.Limit, p.Used, p.active, p.at, p.overdraft, p.Live, ended, p.Low}
}

// dumpPools writes each pool with its grants that have ended.
func (s *State) dumpPools(e *record.Encoder, inOrder bool) {
	list := s.overGrants
	if !inOrder {
		list = slices.Sorted(slices.Values(list))
	}
	ended := map[uint32][]uint32{}
	for _, ord := range list {
		g := s.Grants[ord]
		ended[g.cap] = append(ended[g.cap], ord)
	}
	for _, cap := range slices.Sorted(maps.Keys(s.Pools)) {
		b, _ := json.Marshal(s.Pools[cap].part(ended[cap])) // no type in it can fail
		e.Ord(cap)
		e.Bytes(b)
	}
}
