package ledger

import "testing"

// Every number is found by its hash and what it is the number of, as the tables grow and where
// hashes are alike.
func TestIndex(t *testing.T) {
	for _, expected := range []int{-1, 0, 10, 5000} {
		var x index
		if expected >= 0 {
			x.expect(expected)
		}
		hash := func(i uint32) uint64 { return uint64(i/3) * 0x9e3779b97f4a7c15 >> 8 } // three of each
		for i := uint32(1); i <= 20_000; i++ {
			if found := x.find(hash(i), func(o uint32) bool { return o == i }); found != 0 {
				t.Fatalf("%d of %d is there before it was added", i, expected)
			}
			x.add(hash(i), i)
			if i%500 != 0 && i != 1024 && i != 1025 {
				continue
			}
			for j := uint32(1); j <= i; j++ {
				if found := x.find(hash(j), func(o uint32) bool { return o == j }); found != j {
					t.Fatalf("%d of %d: %d is found as %d", i, expected, j, found)
				}
			}
		}
	}
}
