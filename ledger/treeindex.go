package ledger

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/bursarhq/bursar/record"
)

// The index of a tree is made when a page first needs it, and kept from then on: opening a customer does
// not wait for it, and most are never asked for such a page.

// ErrNoTreeIndex tells whoever runs a reader to make the index of the customer's tree (State.TreeIndex) and
// to ask again.
var ErrNoTreeIndex = errors.New("the index of the tree is not made yet")

// TreeIndex is the order of entities by id, and what there is in their ids and names. To make it takes no lock.
type TreeIndex struct {
	ents  list[record.Entity] // that are in it, as they were then
	order ordered[uint32]
	grams grams
}

// TreeIndex begins to make the index; nil = the state has it.
func (s *State) TreeIndex() *TreeIndex {
	if s.hasTreeIndex() {
		return nil
	}
	return &TreeIndex{ents: s.Entities.clone()}
}

func (s *State) hasTreeIndex() bool { return s.idOrder.N == s.Entities.Len()-1 }

// Make does what takes long: some 0.3 s for a million entities.
func (x *TreeIndex) Make() {
	keys := make([]idKey, 0, x.ents.Len()-1)
	for ord := uint32(1); int(ord) < x.ents.Len(); ord++ {
		e := x.ents.at(ord)
		keys = append(keys, newIDKey(e.ID, ord))
		x.grams.note(ord, e)
	}
	slices.SortFunc(keys, func(a, b idKey) int {
		if n := cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.second, b.second)); n != 0 {
			return n
		}
		return strings.Compare(x.ents.at(a.ord).ID, x.ents.at(b.ord).ID)
	})
	order := make([]uint32, len(keys))
	for i := range keys {
		order[i] = keys[i].ord
	}
	x.order = newOrdered(func(a, b uint32) int { return strings.Compare(x.ents.at(a).ID, x.ents.at(b).ID) })
	x.order.fill(order)
}

// idKey is the beginning of an id, so that hardly any two ids are compared where they lie, and the
// entity's number.
type idKey struct {
	first, second uint64
	ord           uint32
}

func newIDKey(id string, ord uint32) idKey {
	var b [16]byte
	copy(b[:], id)
	return idKey{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:]), ord}
}

// Late takes in what has changed until next was begun.
func (x *TreeIndex) Late(next *TreeIndex) { x.takeIn(next.ents) }

// maxLate is how much may have changed since an index was made, for it to be kept: entities that came
// and chunks of others that changed, each of which takes some microseconds under the customer's lock.
const maxLate = 50

// KeepTreeIndex keeps an index that is made, unless much has changed since: it is to take that in first.
func (s *State) KeepTreeIndex(x *TreeIndex) bool {
	if s.hasTreeIndex() {
		return true
	}
	if s.Entities.Len()-x.ents.Len()+len(x.changed(&s.Entities)) > maxLate {
		return false
	}
	x.takeIn(s.Entities)
	s.idOrder.chunks, s.idOrder.N, s.grams = x.order.chunks, x.order.N, x.grams
	return true
}

// changed are the chunks whose entities were other ones when the index was made.
func (x *TreeIndex) changed(now *list[record.Entity]) (chunks []int) {
	for i, c := range x.ents.chunks {
		if &c[0] != &now.chunks[i][0] {
			chunks = append(chunks, i)
		}
	}
	return chunks
}

func (x *TreeIndex) takeIn(now list[record.Entity]) {
	for _, i := range x.changed(&now) {
		for j := range now.chunks[i] {
			x.grams.note(uint32(i*listChunk+j), &now.chunks[i][j])
		}
	}
	from := x.ents.Len()
	x.ents = now
	for ord := uint32(from); int(ord) < now.Len(); ord++ {
		x.order.insert(ord)
		x.grams.note(ord, now.at(ord))
	}
}

// indexEntity keeps the index, if it is made, when an entity came or changed.
func (s *State) indexEntity(ord uint32, e *record.Entity, isNew bool) {
	if s.idOrder.N == 0 {
		return
	}
	if isNew {
		s.idOrder.insert(ord)
	}
	s.grams.note(ord, e)
}

// grams tell of each chunk of entities which three bytes follow one another in their ids and names, in lower
// case: by a hash, so they may tell too much, and what was there before. A search passes over chunks
// that lack what it looks for.
type grams []gramSet

type gramSet [16]uint64

// gram is where in a set three bytes are noted.
func gram(text string, i int) (word int, bit uint64) {
	h := (uint32(text[i])<<16 | uint32(text[i+1])<<8 | uint32(text[i+2])) * 0x9e3779b1
	return int(h >> 28), 1 << (h >> 22 & 63)
}

func (g *grams) note(ord uint32, e *record.Entity) {
	for int(ord/listChunk) >= len(*g) {
		*g = append(*g, gramSet{})
	}
	set := &(*g)[ord/listChunk]
	set.note(e.ID)
	if e.Name != nil {
		set.note(*e.Name)
	}
}

func (s *gramSet) note(text string) {
	text = strings.ToLower(text)
	for i := range len(text) - 2 {
		word, bit := gram(text, i)
		s[word] |= bit
	}
}

// find are the chunks that may have what is looked for, which is lower case.
func (g grams) find(text string) (chunks []int) {
	var want gramSet
	want.note(text)
	for i := range g {
		if g[i].has(&want) {
			chunks = append(chunks, i)
		}
	}
	return chunks
}

func (s *gramSet) has(want *gramSet) bool {
	for i, w := range want {
		if s[i]&w != w {
			return false
		}
	}
	return true
}

// mayMatch tells of an entity whether a look at it can show that it is what is searched for.
func (s *TreeScan) mayMatch(ord uint32) bool { return s.found == nil || s.found.has(ord/listChunk) }

// foundShare is the share of all chunks that a search may find, for their entities to be looked at one by one.
const foundShare = 3

// findEntities lets the scan pass over entities that cannot match, and look at nothing but the others if they
// are few.
func (s *TreeScan) findEntities(v *View) error {
	if s.Whole || len(s.search) < 3 || v.Entities.Len() <= SmallTree {
		return nil
	}
	if !v.hasTreeIndex() {
		if s.all {
			return ErrNoTreeIndex
		}
		return nil
	}
	v.Visits += len(v.grams) / keysALook
	chunks := v.grams.find(s.search)
	s.found = make(numberSet, len(v.grams)/64+1)
	for _, c := range chunks {
		s.found.add(uint32(c))
	}
	if !s.all || len(chunks) > len(v.grams)/foundShare {
		return nil
	}
	for _, c := range chunks {
		for ord := max(1, c*listChunk); ord < min((c+1)*listChunk, v.Entities.Len()); ord++ {
			if s.tooMany(v, uint32(ord)) {
				s.ents = nil
				return nil
			}
			s.ents = append(s.ents, uint32(ord))
		}
	}
	s.all = false
	return nil
}
