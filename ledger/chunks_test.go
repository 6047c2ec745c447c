package ledger

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// A list has what was put into it last; a pointer to a value, and a copy of the list, have what was
// there before the merge.
func TestList(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var l list[int]
	var want []int
	for merge := range 300 {
		before, copied := slices.Clone(want), l.clone()
		var pointers []*int
		for i := range want {
			pointers = append(pointers, l.at(uint32(i)))
		}
		l.merging()
		for range r.IntN(20) {
			if i := r.IntN(len(want) + 5); i < len(want) {
				want[i] = r.Int()
				l.put(uint32(i), want[i])
			} else {
				want = append(want, merge)
				l.add(merge)
			}
		}
		if l.Len() != len(want) || copied.Len() != len(before) {
			t.Fatalf("%d values, a copy has %d; %d, %d are right", l.Len(), copied.Len(), len(want), len(before))
		}
		for i := range want {
			if *l.at(uint32(i)) != want[i] {
				t.Fatalf("value %d is wrong", i)
			}
		}
		for i := range before {
			if *pointers[i] != before[i] || *copied.at(uint32(i)) != before[i] {
				t.Fatalf("value %d of before the merge has changed", i)
			}
		}
	}
}

// Counters are as they were put, in however many windows they are, and copies as they were then.
func TestCounterList(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var l counterList
	want := map[uint32]Counter{}
	same := func(l *counterList, want map[uint32]Counter) {
		t.Helper()
		for row := range uint32(300) {
			c, ok := l.at(row)
			if w, has := want[row]; ok != has || c != w {
				t.Fatalf("counter %d is %+v %v, not %+v %v", row, c, ok, w, has)
			}
		}
	}
	for range 200 {
		copied, before := l.clone(), map[uint32]Counter{}
		for row, c := range want {
			before[row] = c
		}
		for range 100 {
			row := uint32(r.IntN(200))
			if r.IntN(10) == 0 {
				delete(want, row)
				l.drop(row)
				continue
			}
			start := bursar.Time(r.IntN(1000))
			c := Counter{Window: record.Window{PrevStart: start - 1, Start: start, End: start + 1}, Used: bursar.AmountFromInt(int64(r.IntN(3)))}
			if r.IntN(3) == 0 {
				c.Prev, c.Held = bursar.AmountFromInt(int64(r.IntN(3))), bursar.AmountFromInt(int64(r.IntN(3)))
			}
			want[row] = c
			l.put(row, &c)
		}
		same(&l, want)
		same(&copied, before)
	}
}

// Readers make copies of one state side by side: with -race, they change nothing of it that is not
// guarded. What is put into it afterwards is in none of them.
func TestSnapshotsSideBySide(t *testing.T) {
	s := NewState()
	s.counters.put(1, &Counter{Used: oneUnit})
	var copies [4]*State
	var readers sync.WaitGroup
	for i := range copies {
		readers.Go(func() { copies[i] = s.Snapshot() })
	}
	readers.Wait()
	s.counters.put(1, &Counter{})
	for _, c := range copies {
		if kept, ok := c.counters.at(1); !ok || kept.Used != oneUnit {
			t.Errorf("a copy has %+v, %v", kept, ok)
		}
		c.counters.put(1, &Counter{Held: oneUnit})
	}
	if now, _ := s.counters.at(1); now != (Counter{}) {
		t.Errorf("what was put into a copy is in the state: %+v", now)
	}
}

// Ids come back as they were added, of whatever commits, and are found by their places.
func TestIDList(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ids := [][16]byte{{}}
	for seq := uint64(1); len(ids) < 2000; seq += uint64(1 + r.IntN(3)) {
		commit := [16]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
		for index := r.IntN(5); index < store.MaxRecords && r.IntN(10) > 0; index += 1 + r.IntN(1000) {
			ids = append(ids, store.IDAt(bursar.Time(seq*1e9), seq, index, commit))
			for r.IntN(20) == 0 { // a row that is gone repeats the id before it
				ids = append(ids, ids[len(ids)-1])
			}
		}
	}
	var l idList
	for _, id := range ids {
		l.add(id)
	}
	for row, id := range ids {
		if l.At(uint32(row)) != id {
			t.Fatalf("id %d is %x, not %x", row, l.At(uint32(row)), id)
		}
		if found, ok := l.find(id); row > 0 && (!ok || int(found) != slices.Index(ids, id)) {
			t.Fatalf("id %d is found at %d, %v", row, found, ok)
		}
	}
	if _, ok := l.find(store.IDAt(1, 1<<39, 0, [16]byte{})); ok {
		t.Error("an id is found that is not there")
	}
}
