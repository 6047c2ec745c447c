package ledger

import (
	"testing"

	"github.com/bursarhq/bursar/store"
)

// What commits added to the usage series and no checkpoint has counts as memory, on a store
// that several nodes share too, until one has it.
func TestUnsavedSeriesCountAsMemory(t *testing.T) {
	s := NewState()
	s.Shared = true
	empty := s.Memory()
	const n, buckets = 1000, 4
	for seq := uint64(1); seq <= n; seq++ {
		v := NewView(s, 0)
		for b := range uint32(buckets) {
			v.Adds = append(v.Adds, Addition{Bucket{At: uint32(seq), Ent: b}, oneUnit})
		}
		v.Merge(store.Head{Seq: seq})
	}
	if grew := s.Memory() - empty; grew < n*buckets*50 {
		t.Errorf("%d buckets that nobody saved count as %d bytes", n*buckets, grew)
	}
	s.forgetAdditions(n)
	if left := s.Memory() - empty; left != 0 {
		t.Errorf("what is saved counts as %d bytes", left)
	}
}
