package ledger

import "testing"

// Every number is found by its hash and what it is the number of, as the tables grow and where
// hashes are alike.
func TestIndex(t *testing.T) {
	for _, filled := range []uint32{0, 1, 10, 1024, 1025, 5000} {
		var x index
		hash := func(i uint32) uint64 { return uint64(i/3) * 0x9e3779b97f4a7c15 >> 8 } // three of each
		var slots []indexSlot
		for i := range filled {
			slots = append(slots, indexSlot{uint32(hash(i + 1)), i + 1})
		}
		x.fill(slots)
		for i := filled + 1; i <= 20_000; i++ {
			if found := x.find(hash(i), func(o uint32) bool { return o == i }); found != 0 {
				t.Fatalf("%d is there before it was added to %d", i, filled)
			}
			x.add(hash(i), i)
			if i%500 != 0 && i != 1024 && i != 1025 {
				continue
			}
			for j := uint32(1); j <= i; j++ {
				if found := x.find(hash(j), func(o uint32) bool { return o == j }); found != j {
					t.Fatalf("%d on %d: %d is found as %d", i, filled, j, found)
				}
			}
		}
	}
}
