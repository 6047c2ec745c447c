package ledger

import (
	"encoding/binary"
	"slices"
	"sync/atomic"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// Entities, limits and counters lie in chunks of values, by number: a pointer for each would take
// as much as a number of their members.

// listChunk is how many values a chunk has: with what Go puts before them, 63 of 32 or of 48 bytes
// fill what it gives. The first chunk grows to that: most customers are small.
const listChunk = 63

// list is values by number. What is put in the place of one goes into a copy of its chunk, so who
// has a pointer to a value has that value, whatever the list comes to: between one merge and the
// next, that is, as a merge copies a chunk once.
type list[T any] struct {
	chunks [][]T
	copied map[uint32]struct{} // by this merge
}

func (l *list[T]) Len() int {
	n := len(l.chunks)
	if n == 0 {
		return 0
	}
	return (n-1)*listChunk + len(l.chunks[n-1])
}

func (l *list[T]) at(i uint32) *T { return &l.chunks[i/listChunk][i%listChunk] }

func (l *list[T]) add(x T) {
	last := len(l.chunks) - 1
	switch {
	case last < 0:
		l.chunks, last = [][]T{nil}, 0
	case len(l.chunks[last]) == listChunk:
		l.chunks, last = append(l.chunks, make([]T, 0, listChunk)), last+1
	}
	l.chunks[last] = append(l.chunks[last], x)
}

func (l *list[T]) put(i uint32, x T) {
	n := i / listChunk
	if _, ours := l.copied[n]; !ours {
		l.chunks[n] = append(make([]T, 0, cap(l.chunks[n])), l.chunks[n]...)
		if l.copied == nil {
			l.copied = map[uint32]struct{}{}
		}
		l.copied[n] = struct{}{}
	}
	l.chunks[n][i%listChunk] = x
}

// merging begins a merge.
func (l *list[T]) merging() { l.copied = nil }

// grow makes room for n values.
func (l *list[T]) grow(n int) { l.chunks = slices.Grow(l.chunks, n/listChunk+1) }

func (l *list[T]) clone() list[T] { return list[T]{chunks: slices.Clone(l.chunks)} }

// rowList is the limits by row.
type rowList struct{ list[record.Limit] }

// At is the definition of a row; nil = it was deleted.
func (l *rowList) At(row uint32) *record.Limit {
	if def := l.at(row); def.Terms != nil {
		return def
	}
	return nil
}

func (l *rowList) put(row uint32, def *record.Limit) {
	if def == nil {
		def = &record.Limit{}
	}
	if int(row) == l.Len() {
		l.add(*def)
	} else {
		l.list.put(row, *def)
	}
}

// idList is the ids of limits by row. Those of one commit differ by the index alone, so what else
// there is in them is kept once.
type idList struct {
	commits [][16]byte // each without the index
	first   []uint32   // by commit: its first row
	index   []uint16   // by row
}

const idIndexAt = 18 // see store.IDAt

func (l *idList) len() int { return len(l.index) }

func (l *idList) At(row uint32) [16]byte {
	commit, found := slices.BinarySearch(l.first, row)
	if !found {
		commit--
	}
	id := l.commits[commit]
	lo := binary.BigEndian.Uint64(id[8:])
	binary.BigEndian.PutUint64(id[8:], lo|uint64(l.index[row])<<idIndexAt)
	return id
}

func (l *idList) add(id [16]byte) {
	lo := binary.BigEndian.Uint64(id[8:])
	index := uint16(lo >> idIndexAt)
	binary.BigEndian.PutUint64(id[8:], lo&^(0xffff<<idIndexAt))
	if n := len(l.commits); n == 0 || l.commits[n-1] != id {
		l.commits, l.first = append(l.commits, id), append(l.first, uint32(len(l.index)))
	}
	l.index = append(l.index, index)
}

func (l *idList) grow(n int) { l.index = slices.Grow(l.index, n) }

// find is the first row, from 1, whose id is at or behind the place of id, and whether that row has id.
// Rows ascend by place.
func (l *idList) find(id [16]byte) (row uint32, found bool) {
	from, to := 1, l.len()
	for from < to {
		mid := (from + to) / 2
		if c := record.ComparePlaces(l.At(uint32(mid)), id); c < 0 {
			from = mid + 1
		} else {
			to = mid
		}
	}
	return uint32(from), from < l.len() && record.ComparePlaces(l.At(uint32(from)), id) == 0
}

// counterList is the counters by row. Unlike values of a list they change where they are.
type counterList struct {
	chunks []*counterChunk
	epoch  uint32 // of chunks that no copy has
}

const counterChunkLen = 64

// counterChunk has members that as a rule are 0 for all only where they are not.
type counterChunk struct {
	epoch      uint32
	windows    []record.Window // that counters are in, and maybe that some were in
	window     []uint8         // by counter: its number in windows, from 1; 0 = there is no counter
	used       []bursar.Amount
	prev, held []bursar.Amount // nil = all are 0
}

func (l *counterList) has(row uint32) bool {
	i := int(row / counterChunkLen)
	return i < len(l.chunks) && l.chunks[i] != nil && int(row%counterChunkLen) < len(l.chunks[i].window) && l.chunks[i].window[row%counterChunkLen] != 0
}

// at is the counter of a row, if it has one.
func (l *counterList) at(row uint32) (c Counter, ok bool) {
	if !l.has(row) {
		return c, false
	}
	h, i := l.chunks[row/counterChunkLen], row%counterChunkLen
	c.Window, c.Used = h.windows[h.window[i]-1], h.used[i]
	if h.prev != nil {
		c.Prev = h.prev[i]
	}
	if h.held != nil {
		c.Held = h.held[i]
	}
	return c, true
}

// ended tells whether the window that a row's counter is in has ended at now.
func (l *counterList) ended(row uint32, now bursar.Time) bool {
	if !l.has(row) {
		return false
	}
	h := l.chunks[row/counterChunkLen]
	return h.windows[h.window[row%counterChunkLen]-1].End <= now
}

func (l *counterList) put(row uint32, c *Counter) {
	h, i := l.chunk(row), int(row%counterChunkLen)
	h.window[i] = h.windowNumber(c.Window)
	h.used[i] = c.Used
	h.prev, h.held = putMember(h.prev, i, c.Prev), putMember(h.held, i, c.Held)
}

func putMember(list []bursar.Amount, i int, a bursar.Amount) []bursar.Amount {
	if list == nil && a.IsZero() {
		return nil
	}
	if list == nil {
		list = make([]bursar.Amount, counterChunkLen)
	}
	list[i] = a
	return list
}

func (l *counterList) drop(row uint32) {
	if l.has(row) {
		h := l.chunk(row)
		h.window[row%counterChunkLen] = 0
		h.used[row%counterChunkLen] = bursar.Amount{}
		h.prev, h.held = putMember(h.prev, int(row%counterChunkLen), bursar.Amount{}), putMember(h.held, int(row%counterChunkLen), bursar.Amount{})
	}
}

// chunk is the one with a row, to be changed.
func (l *counterList) chunk(row uint32) *counterChunk {
	n, i := int(row/counterChunkLen), int(row%counterChunkLen)
	for n >= len(l.chunks) {
		l.chunks = append(l.chunks, nil)
	}
	h := l.chunks[n]
	switch {
	case h == nil:
		h = &counterChunk{epoch: l.epoch}
	case h.epoch != l.epoch:
		h = &counterChunk{l.epoch, slices.Clone(h.windows), slices.Clone(h.window), slices.Clone(h.used), slices.Clone(h.prev), slices.Clone(h.held)}
	}
	l.chunks[n] = h
	switch {
	case i < len(h.window):
	case n == 0:
		h.window = append(h.window, make([]uint8, i+1-len(h.window))...)
		h.used = append(h.used, make([]bursar.Amount, i+1-len(h.used))...)
	default:
		h.window, h.used = make([]uint8, counterChunkLen), make([]bursar.Amount, counterChunkLen)
	}
	return h
}

// windowNumber is the number that w has, or gets, in h. Windows that no counter is in any more go
// once there is no number left.
func (h *counterChunk) windowNumber(w record.Window) uint8 {
	i := slices.Index(h.windows, w)
	if i < 0 && len(h.windows) >= 2*counterChunkLen {
		var kept []record.Window
		for c, n := range h.window {
			if n == 0 {
				continue
			}
			k := slices.Index(kept, h.windows[n-1])
			if k < 0 {
				k, kept = len(kept), append(kept, h.windows[n-1])
			}
			h.window[c] = uint8(k + 1)
		}
		h.windows = kept
	}
	if i < 0 {
		i, h.windows = len(h.windows), append(h.windows, w)
	}
	return uint8(i + 1)
}

func (l *counterList) grow(n int) { l.chunks = slices.Grow(l.chunks, n/counterChunkLen+1) }

// clone is a copy: chunks that are changed from now on are copied first. Readers may make copies of
// one list at a time, as long as nobody changes it meanwhile.
func (l *counterList) clone() counterList {
	return counterList{slices.Clone(l.chunks), atomic.AddUint32(&l.epoch, 1)}
}

// numberSet is a set of numbers that are dense.
type numberSet []uint64

func (s *numberSet) add(n uint32) {
	for int(n/64) >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[n/64] |= 1 << (n % 64)
}

func (s numberSet) has(n uint32) bool { return int(n/64) < len(s) && s[n/64]&(1<<(n%64)) != 0 }
