package ledger

import (
	"runtime"
	"testing"
)

// The bounds of a limit that comes move no others: that would take milliseconds under the customer's lock.
func TestRanksGrowInPlace(t *testing.T) {
	const rows = 1 << 19
	var k ranks
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for row := range uint32(rows) {
		k.set(row, nil, nil)
	}
	runtime.ReadMemStats(&after)
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 16*rows*5/4 {
		t.Errorf("%d limits took %d bytes", rows, bytes)
	}
}
