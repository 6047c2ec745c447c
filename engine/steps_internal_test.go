package engine

import (
	"testing"

	"github.com/bursarhq/bursar"
)

// What commits added to the usage series and no checkpoint has counts as memory, on a store
// that several nodes share too, until one has it.
func TestUnsavedSeriesCountAsMemory(t *testing.T) {
	s := newState()
	s.shared = true
	empty := s.memory()
	const n, buckets = 1000, 4
	for seq := uint64(1); seq <= n; seq++ {
		v := newView(s, 0)
		v.adds = map[bucket]bursar.Amount{}
		for b := range uint32(buckets) {
			v.adds[bucket{at: uint32(seq), ent: b}] = oneUnit
		}
		v.merge(Head{Seq: seq})
	}
	if grew := s.memory() - empty; grew < n*buckets*50 {
		t.Errorf("%d buckets that nobody saved count as %d bytes", n*buckets, grew)
	}
	s.forgetSteps(n)
	if left := s.memory() - empty; left != 0 {
		t.Errorf("what is saved counts as %d bytes", left)
	}
}
