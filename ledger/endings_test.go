package ledger

import (
	"encoding/binary"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// The endings have each open hold once, however often it was extended, and none that is closed.
func TestEndingsHaveOpenHoldsOnce(t *testing.T) {
	for _, settle := range []bool{false, true} {
		s := NewState()
		hold := func(i int, expires bursar.Time, status bursar.HoldStatus) {
			h := &record.Hold{Cap: 1, Amount: bursar.AmountFromInt(1), Status: status, Settle: settle, Created: 1, Expires: expires}
			binary.BigEndian.PutUint64(h.ID[:], uint64(i))
			s.setHold(h)
		}
		for i := range 1000 {
			hold(i, 1e6+bursar.Time(i%3), bursar.HoldOpen)
		}
		for i := 1; i < 1000; i++ {
			if i%2 == 0 {
				hold(i, 2e6, bursar.HoldOpen)
			}
			hold(i, 2e6, bursar.HoldCommitted)
		}
		for i := range 100 {
			hold(0, 1e6+bursar.Time(i), bursar.HoldOpen)
		}
		sum := s.endings.sums[endKey{0, 1, settle}]
		if n := s.endings.of(settle).N; n != 1 || s.OpenHolds.N != 1 || len(s.endings.sums) != 1 || sum == nil || len(sum.chunks) != 1 || len(sum.chunks[0].list) != 1 {
			t.Fatalf("settled %v: %d of 1 holds are in the endings, %d are open, sums %v", settle, n, s.OpenHolds.N, s.endings.sums)
		}
		if at := s.endings.next(); at != 1e6+99 || sum.until(at) != bursar.AmountFromInt(1) {
			t.Errorf("settled %v: the next hold ends at %d, %s with it", settle, at, sum.until(at))
		}
		hold(0, 1e6+99, bursar.HoldReleased)
		if s.endings.of(settle).N != 0 || len(s.endings.sums) != 0 || s.endings.next() != 0 {
			t.Errorf("settled %v: %v is left of the endings", settle, s.endings)
		}
	}
}
