package ledger

import "hash/maphash"

// index finds numbers by the hashes of what they are the numbers of, where that is kept already: a
// map would keep it again, and take some five times the room. It is 256 tables, so that growing
// one is quick; a slot has half of the hash, so that what is looked for is hardly ever compared
// with something else, and nothing is hashed again when a table grows.
type index struct {
	count  int
	tables []indexTable // one, or tablesMany
}

type indexTable struct {
	n     int
	slots []indexSlot
}

// indexSlot is half of a hash and the number, which is above 0.
type indexSlot struct{ half, ord uint32 }

const (
	tablesMany = 256
	oneTable   = 1024 // numbers up to which there is one table
)

// seed is the process's. Nothing that anybody is told depends on it, as with Go's maps; with it
// nobody can name things so that they get into one another's way.
var seed = maphash.MakeSeed()

func hashOf(text string) uint64 { return maphash.String(seed, text) }

// fill puts in all numbers of an index that is empty: slots has them by number, and is used up.
// Each table is made by itself, while all of it is at hand for the processor: one by one they take
// several times as long.
func (x *index) fill(slots []indexSlot) {
	x.count = len(slots)
	x.tables = make([]indexTable, 1)
	if len(slots) > oneTable {
		x.tables = make([]indexTable, tablesMany)
	}
	for _, s := range slots {
		x.table(uint64(s.half)).n++
	}
	sorted := make([]indexSlot, len(slots))
	ends := make([]int, len(x.tables))
	for i, end := 0, 0; i < len(ends); i++ {
		ends[i], end = end, end+x.tables[i].n
	}
	for _, s := range slots {
		i := int(uint8(s.half)) & (len(x.tables) - 1)
		sorted[ends[i]] = s
		ends[i]++
	}
	for i := range x.tables {
		t := &x.tables[i]
		t.slots = make([]indexSlot, max(8, t.n*5/4))
		for _, s := range sorted[ends[i]-t.n : ends[i]] {
			t.occupy(s)
		}
	}
}

// find is the number with a hash of which is is true; 0 = none.
func (x *index) find(hash uint64, is func(ord uint32) bool) uint32 {
	if x.count == 0 {
		return 0
	}
	t, half := x.table(hash), uint32(hash)
	for at := t.place(half); t.slots[at].ord != 0; {
		if s := t.slots[at]; s.half == half && is(s.ord) {
			return s.ord
		}
		if at++; at == len(t.slots) {
			at = 0
		}
	}
	return 0
}

// add puts in a number that is not there.
func (x *index) add(hash uint64, ord uint32) {
	switch x.count++; {
	case x.tables == nil:
		x.tables = []indexTable{{slots: make([]indexSlot, 8)}}
	case len(x.tables) == 1 && x.count > oneTable:
		x.split()
	}
	t := x.table(hash)
	if t.n++; t.n*5 > len(t.slots)*4 {
		t.grow()
	}
	t.occupy(indexSlot{uint32(hash), ord})
}

// split makes many tables of the one.
func (x *index) split() {
	old := x.tables[0].slots
	x.tables = make([]indexTable, tablesMany)
	for i := range x.tables {
		x.tables[i].slots = make([]indexSlot, 2*oneTable/tablesMany*2)
	}
	for _, s := range old {
		if s.ord != 0 {
			t := x.table(uint64(s.half))
			if t.n++; t.n*5 > len(t.slots)*4 {
				t.grow()
			}
			t.occupy(s)
		}
	}
}

// table is the one for a hash: by the end of the half that slots have, as place goes by its
// beginning.
func (x *index) table(hash uint64) *indexTable { return &x.tables[int(uint8(hash))&(len(x.tables)-1)] }

func (t *indexTable) place(half uint32) int {
	return int(uint64(half) * uint64(len(t.slots)) >> 32)
}

func (t *indexTable) occupy(s indexSlot) {
	at := t.place(s.half)
	for t.slots[at].ord != 0 {
		if at++; at == len(t.slots) {
			at = 0
		}
	}
	t.slots[at] = s
}

func (t *indexTable) grow() {
	old := t.slots
	t.slots = make([]indexSlot, len(old)+len(old)/2)
	for _, s := range old {
		if s.ord != 0 {
			t.occupy(s)
		}
	}
}
