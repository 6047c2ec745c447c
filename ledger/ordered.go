package ledger

import (
	"slices"
	"sort"
)

// ordered is a sorted list of distinct values, in chunks: taking one in or out anywhere
// costs a search and a move within one chunk, and walking on from anywhere costs what is
// walked.
type ordered[T any] struct {
	compare func(a, b T) int
	chunks  [][]T // none is empty
	N       int
}

// chunkSize bounds a chunk of a sorted list.
const chunkSize = 512

func newOrdered[T any](compare func(a, b T) int) ordered[T] { return ordered[T]{compare: compare} }

// place is where x is, or belongs.
func (o *ordered[T]) place(x T) (chunk, at int, found bool) {
	chunk, _ = slices.BinarySearchFunc(o.chunks, x, func(c []T, x T) int { return o.compare(c[len(c)-1], x) })
	if chunk == len(o.chunks) {
		return chunk, 0, false
	}
	at, found = slices.BinarySearchFunc(o.chunks[chunk], x, o.compare)
	return chunk, at, found
}

func (o *ordered[T]) insert(x T) {
	i, at, found := o.place(x)
	if found {
		return
	}
	o.N++
	if i == len(o.chunks) { // behind all
		if i == 0 || len(o.chunks[i-1]) >= chunkSize {
			o.chunks = append(o.chunks, append(make([]T, 0, chunkSize), x))
			return
		}
		i, at = i-1, len(o.chunks[i-1])
	}
	o.chunks[i] = slices.Insert(o.chunks[i], at, x)
	if c := o.chunks[i]; len(c) > chunkSize {
		half := len(c) / 2
		o.chunks = slices.Insert(o.chunks, i+1, slices.Clone(c[half:]))
		o.chunks[i] = slices.Clone(c[:half])
	}
}

// fill makes sorted the list, which was empty.
func (o *ordered[T]) fill(sorted []T) {
	o.N = len(sorted)
	for chunk := range slices.Chunk(sorted, chunkSize) {
		o.chunks = append(o.chunks, slices.Clone(chunk))
	}
}

func (o *ordered[T]) remove(x T) {
	i, at, found := o.place(x)
	if !found {
		return
	}
	o.N--
	if o.chunks[i] = slices.Delete(o.chunks[i], at, at+1); len(o.chunks[i]) == 0 {
		o.chunks = slices.Delete(o.chunks, i, i+1)
	}
}

// first is the least value.
func (o *ordered[T]) first() (x T, ok bool) {
	if len(o.chunks) == 0 {
		return x, false
	}
	return o.chunks[0][0], true
}

// ascend calls f with the values, the least first, from the first of which from is true; with all
// when from is nil. from must be true of all behind that one, too. It ends when f is false.
func (o *ordered[T]) ascend(from func(T) bool, f func(T) bool) {
	i, at := o.search(from)
	for ; i < len(o.chunks); i, at = i+1, 0 {
		for _, x := range o.chunks[i][at:] {
			if !f(x) {
				return
			}
		}
	}
}

// descend calls f with the values of which from is false, the greatest first; with all
// when from is nil. It ends when f is false.
func (o *ordered[T]) descend(from func(T) bool, f func(T) bool) {
	i, at := len(o.chunks), 0
	if from != nil {
		i, at = o.search(from)
	}
	for {
		if i < len(o.chunks) {
			for _, x := range slices.Backward(o.chunks[i][:at]) {
				if !f(x) {
					return
				}
			}
		}
		if i--; i < 0 {
			return
		}
		at = len(o.chunks[i])
	}
}

// search is the place of the first value of which from is true.
func (o *ordered[T]) search(from func(T) bool) (chunk, at int) {
	if from == nil {
		return 0, 0
	}
	chunk = sort.Search(len(o.chunks), func(i int) bool { return from(o.chunks[i][len(o.chunks[i])-1]) })
	if chunk < len(o.chunks) {
		at = sort.Search(len(o.chunks[chunk]), func(i int) bool { return from(o.chunks[chunk][i]) })
	}
	return chunk, at
}
