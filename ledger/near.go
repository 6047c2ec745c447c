package ledger

import (
	"fmt"
	mathbits "math/bits"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// maxNear bounds how many unknown ids of one request are compared with those that are
// known: each takes some thousand look-ups.
const maxNear = 32

// Ids of these lengths are compared by their characters, and others by case alone.
const nearFrom, nearTo = 4, 64

// idChars are the characters of ids, in lower case.
const idChars = "abcdefghijklmnopqrstuvwxyz0123456789_|.-"

type typedID struct{ typ, id string }

// missing says that an id names nothing of the catalogue, and which may be meant.
func (v *View) missing(cat *catalogue.Catalogue, n catalogue.Named, id string) string {
	return n.Missing(id, v.likeName(cat, n, id))
}

// likeName is the id of the catalogue that may be meant by one that names nothing; "" = none. It is
// looked for only for the first maxNear ids of a request, and never where v is Unhinted.
func (v *View) likeName(cat *catalogue.Catalogue, n catalogue.Named, id string) string {
	if v.Unhinted || v.likes == maxNear {
		return ""
	}
	v.likes++
	return cat.Like(n, id)
}

// noEntity says that there is no entity of an id, and which may be meant.
func (v *View) noEntity(id string) string {
	return fmt.Sprintf("there is no entity %q%s", id, v.meant(id))
}

// meant is the end of a sentence that says there is no such entity: which one may be meant.
func (v *View) meant(id string) string {
	if near := v.near("", id); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// near is the live entity of a type whose id is most like an unknown one; "" = none. With the type ""
// it is of any type but that of spend tokens. First come ids that differ by case alone. Then come
// those that differ, but for case, by a character that is left out, added, replaced, or swapped with
// its neighbour. Of several it is the first.
func (v *View) near(typ, id string) string {
	k := typedID{typ, id}
	if found, ok := v.nears[k]; ok || v.looked == maxNear {
		return found
	}
	v.looked++
	if v.nears == nil {
		v.nears = map[typedID]string{}
	}
	v.nears[k] = v.nearest(typ, id)
	return v.nears[k]
}

// fits tells whether an entity of a type may be meant where one of typ is asked for.
func fits(of, typ string) bool { return of == typ || typ == "" && of != bursar.SpendTokenType }

func (v *View) nearest(typ, id string) (best string) {
	take := func(ord uint32) {
		if e := v.Ent(ord); e.Archived == 0 && fits(v.typeID(e.Typ), typ) && (v.Root == 0 || v.Sees(ord)) && (best == "" || e.ID < best) {
			best = e.ID
		}
	}
	try := func(hash uint64, spell func() []byte) {
		known := v.similar.has(hash)
		if !known && !v.newSimilar[hash] {
			return
		}
		folded := string(spell())
		if ord := v.entOrd(folded); known && ord != 0 {
			take(ord)
		} else if ord := v.newIDs[folded]; ord != 0 {
			take(ord)
		}
		for _, ord := range v.cased[folded] {
			take(ord)
		}
		for _, ord := range v.newCased[folded] {
			take(ord)
		}
	}
	q := strings.ToLower(id)
	if try(foldHash(q), func() []byte { return []byte(q) }); best == "" && nearFrom <= len(q) && len(q) <= nearTo {
		eachNear(q, try)
	}
	return best
}

// eachNear calls f with all that differ from q by one character: with the hash, and how it
// is spelled.
func eachNear(q string, f func(uint64, func() []byte)) {
	n := len(q)
	var b [nearTo + 1]byte
	var before, after, pow [nearTo + 2]uint64 // the hashes of q[:i] and q[i:], and hashBase to the i-th
	pow[0] = 1
	for i := range n + 1 {
		pow[i+1] = pow[i] * hashBase
	}
	for i := range n {
		before[i+1] = before[i]*hashBase + uint64(q[i])
		after[n-1-i] = after[n-i] + uint64(q[n-1-i])*pow[i]
	}
	for i := range n { // one is left out
		f(before[i]*pow[n-1-i]+after[i+1], func() []byte { return append(append(b[:0], q[:i]...), q[i+1:]...) })
	}
	for i := range n - 1 { // two neighbours are swapped
		x, y := q[i], q[i+1]
		f((before[i]*hashBase+uint64(y))*pow[n-1-i]+uint64(x)*pow[n-2-i]+after[i+2], func() []byte {
			return append(append(append(b[:0], q[:i]...), y, x), q[i+2:]...)
		})
	}
	for i := range n + 1 {
		for j := range len(idChars) {
			c := idChars[j]
			f((before[i]*hashBase+uint64(c))*pow[n-i]+after[i], func() []byte { return append(append(append(b[:0], q[:i]...), c), q[i:]...) })
			if i < n { // one is replaced; above, one was added
				f((before[i]*hashBase+uint64(c))*pow[n-1-i]+after[i+1], func() []byte { return append(append(append(b[:0], q[:i]...), c), q[i+1:]...) })
			}
		}
	}
}

// hashBase is the base of the hashes of ids. The hash of a similar id follows from an id's in a few
// steps.
const hashBase = 0x9e3779b97f4a7c15 | 1

func foldHash(folded string) (h uint64) {
	for i := range len(folded) {
		h = h*hashBase + uint64(folded[i])
	}
	return h
}

// similar is a filter for known ids: it rarely takes an unknown id for a known one. It has a bit for
// the hash of each known id in lower case, among at least 16 bits for each.
type similar struct {
	bits  []uint64
	count int
}

func (s *similar) place(hash uint64) (word int, bit uint64) {
	hash ^= hash >> 32
	hash *= 0xd6e8feb86659fd93
	hash ^= hash >> 32
	return int(hash >> 6 & uint64(len(s.bits)-1)), 1 << (hash & 63)
}

func (s *similar) has(hash uint64) bool {
	if len(s.bits) == 0 {
		return false
	}
	word, bit := s.place(hash)
	return s.bits[word]&bit != 0
}

// note adds an id to the bits. all are the entities so far, for when there have to be more bits.
func (s *similar) note(id string, all *list[record.Entity]) {
	if s.count++; s.count > 4*len(s.bits) {
		s.bits = make([]uint64, max(16, 2*len(s.bits)))
		for ord := 1; ord < all.Len(); ord++ {
			s.set(all.at(uint32(ord)).ID)
		}
	}
	s.set(id)
}

// fill adds the ids of all entities to bits that are empty. Their places are put in order first,
// as far as it takes for what is set next to be at hand for the processor.
func (s *similar) fill(all *list[record.Entity]) {
	const parts = 256
	words := 16
	for all.Len()-1 > 4*words {
		words *= 2
	}
	s.bits, s.count = make([]uint64, words), all.Len()-1
	type bit struct{ word, bit uint32 }
	bits, sorted := make([]bit, s.count), make([]bit, s.count)
	var ends [parts + 1]int
	for i := range bits {
		word, mask := s.place(foldHash(strings.ToLower(all.at(uint32(i + 1)).ID)))
		bits[i] = bit{uint32(word), uint32(mathbits.TrailingZeros64(mask))}
		ends[word*parts/words+1]++
	}
	for i := range parts {
		ends[i+1] += ends[i]
	}
	for _, b := range bits {
		end := &ends[int(b.word)*parts/words]
		sorted[*end] = b
		*end++
	}
	for _, b := range sorted {
		s.bits[b.word] |= 1 << b.bit
	}
}

func (s *similar) set(id string) {
	word, bit := s.place(foldHash(strings.ToLower(id)))
	s.bits[word] |= bit
}

// noteCased keeps an id findable without regard to case.
func (s *State) noteCased(id string, ord uint32) {
	s.similar.note(id, &s.Entities)
	s.noteCapitals(id, ord)
}

func (s *State) noteCapitals(id string, ord uint32) {
	if folded := strings.ToLower(id); folded != id {
		s.cased[folded] = append(s.cased[folded], ord)
	}
}

// noteNewCased is noteCased for an entity that is new in the view.
func (v *View) noteNewCased(id string, ord uint32) {
	folded := strings.ToLower(id)
	v.nears = nil // it may be what one of them means
	put(v, &v.newSimilar, foldHash(folded), true)
	if folded != id {
		list := v.newCased[folded]
		put(v, &v.newCased, folded, append(list[:len(list):len(list)], ord))
	}
}
