package ledger

import (
	"fmt"
	"testing"

	"github.com/bursarhq/bursar/record"
)

// An index that is made takes in little under the customer's lock.
func TestTreeIndexLate(t *testing.T) {
	s := NewState()
	for i := range 200 * listChunk {
		s.Entities.add(record.Entity{ID: fmt.Sprint("e", i)}.With(record.Details{}))
	}
	x := s.TreeIndex()
	x.Make()
	for i := range uint32(100) {
		s.Entities.merging()
		s.Entities.put(i*listChunk+1, record.Entity{ID: s.Entities.at(i*listChunk + 1).ID}.With(record.Details{Name: new("Renamed")}))
	}
	if s.KeepTreeIndex(x) {
		t.Fatal("100 chunks were taken in under the lock")
	}
	x.Late(s.TreeIndex())
	if !s.KeepTreeIndex(x) {
		t.Error("an index that lacks nothing is not kept")
	}
}
