package ledger

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// What a customer is said to take is near what it takes, whether its entities have names and
// metadata and its limits are alike or not; what is taken back counts no more.
func TestMemoryIsWhatIsTaken(t *testing.T) {
	const n = 30_000
	sched, err := record.NewSchedule("P1M", "UTC", false, 0)
	if err != nil {
		t.Fatal(err)
	}
	limit := func(ent uint32, terms record.Terms) *record.Limit {
		terms.Cap, terms.Limited, terms.Sched = 1, true, sched
		return &record.Limit{Ent: ent, Terms: &terms}
	}
	put := func(s *State, details func(i int) record.Details, terms func(i int) record.Terms) {
		s.Entities.merging()
		s.Rows.merging()
		for i := 1; i <= n; i++ {
			e := record.Entity{ID: fmt.Sprintf("agent-%07d", i), Typ: 1}.With(details(i))
			s.setEntity(uint32(i), &e)
			s.setRow(uint32(i), store.IDAt(1, 1, i, [16]byte{1}), limit(uint32(i), terms(i)))
			s.counters.put(uint32(i), &Counter{Used: oneUnit})
		}
	}
	none, alike := func(int) record.Details { return record.Details{} }, func(int) record.Terms { return record.Terms{Limit: oneUnit} }
	detailed := func(i int) record.Details {
		name := fmt.Sprintf("%s %d", strings.Repeat("n", 40), i)
		return record.Details{Name: &name, Meta: map[string]string{"team": fmt.Sprint("team ", i), "mail": fmt.Sprintf("%d@%s", i, strings.Repeat("m", 50))}}
	}
	own := func(i int) record.Terms {
		return record.Terms{Limit: bursar.AmountFromInt(int64(i)), Label: fmt.Sprint("label ", i), Thresholds: []int{50, 80, i}}
	}
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, x := range []struct {
		name    string
		details func(int) record.Details
		terms   func(int) record.Terms
	}{{"alike", none, alike}, {"names and metadata", detailed, alike}, {"limits of their own", none, own}, {"both", detailed, own}} {
		before := heap()
		s := NewState()
		put(s, x.details, x.terms)
		took, says := heap()-before, s.Memory()
		t.Logf("%s: %d bytes an entity, said to be %d", x.name, took/n, says/n)
		if says < took*3/4 || says > took*3/2 {
			t.Errorf("%s: %d bytes an entity are said to be %d", x.name, took/n, says/n)
		}
		plain := NewState()
		put(plain, none, alike)
		put(s, none, alike)
		if s.Memory() != plain.Memory() {
			t.Errorf("%s: once all are alike, they count as %d bytes, not %d", x.name, s.Memory(), plain.Memory())
		}
		for i := range uint32(n) {
			s.setRow(i+1, [16]byte{}, nil)
		}
		if s.terms.memory != 0 || len(s.terms.many) != 0 {
			t.Errorf("%s: without limits their terms count as %d bytes", x.name, s.terms.memory)
		}
		runtime.KeepAlive(s)
	}
}
