package ledger

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"slices"
	"strconv"

	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Entity numbers under which buckets are kept by path, with the path's number as the child:
// UsesByPath for amounts, CountsByPath for how often a currency was charged.
const (
	UsesByPath   = 1<<32 - 2
	CountsByPath = 1<<32 - 3
)

// namedNone is the child in the customer's buckets of usage that is known to have named no entity.
// The path of such usage is empty, so it has no buckets by path.
const namedNone = 1<<32 - 1

// MaxPaths bounds the paths of a customer that are told apart, with PathsPerEntity more
// for each entity that it ever had.
const (
	MaxPaths       = 10_000
	PathsPerEntity = 4
)

// notePath gives a path a number, if there is room for one more.
func (d *Decider) notePath(path []record.Hop) {
	if d.pathOrd(path) == 0 && d.paths.count()+len(d.newPaths) < MaxPaths+PathsPerEntity*d.entCount {
		d.Emit(&record.PathNamed{Path: path})
	}
}

func (v *View) applyPath(r *record.PathNamed) {
	text := pathText(r.Path)
	push(v, &v.newPaths, text)
	put(v, &v.newPathOrds, text, uint32(v.paths.count()+len(v.newPaths)))
}

// pathOrd is the number of a path; 0 = it has none.
func (v *View) pathOrd(path []record.Hop) uint32 {
	if o := v.paths.ord(path); o != 0 || len(v.newPathOrds) == 0 {
		return o
	}
	var b [96]byte
	return v.newPathOrds[string(appendPath(b[:0], path))] // which stays on the stack
}

// appendPath writes as encodeSteps does.
func appendPath(b []byte, path []record.Hop) []byte {
	b = binary.AppendUvarint(b, uint64(len(path)))
	for _, s := range path {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(s.Ent)), uint64(s.Child))
	}
	return b
}

// path is that of a number; nil when there is no such number.
func (v *View) path(ord uint32) []record.Hop {
	switch n := v.paths.count(); {
	case ord == 0 || int(ord) > n+len(v.newPaths):
		return nil
	case int(ord) > n:
		return decodePath(v.newPaths[int(ord)-n-1])
	}
	return v.paths.path(ord)
}

func pathText(path []record.Hop) string { return string(appendPath(nil, path)) }

func decodePath(s string) []record.Hop { return record.DecodePath(&record.Decoder{B: []byte(s)}) }

// chargedOf is the entity of a type that a path was charged to. One that usage named itself comes
// before those above it, and a lower one before a higher. Of several it is the first by its dimension.
func (v *View) chargedOf(path []record.Hop, typ string) (ent uint32) {
	for _, s := range path {
		if v.typeID(v.Ent(s.Ent).Typ) != typ {
			continue
		}
		if s.Child == 0 {
			return s.Ent
		}
		if ent == 0 {
			ent = s.Ent
		}
	}
	return ent
}

// pathsThrough goes on to find the paths that ent is on, in order of their numbers, and
// tells whether it has them all.
func (v *View) pathsThrough(ent uint32, found *[]uint32, looked *uint32) (done bool) {
	for int(*looked) < v.paths.count()+len(v.newPaths) {
		if v.Tired() {
			return false
		}
		v.Visits++
		*looked++
		if slices.ContainsFunc(v.path(*looked), func(s record.Hop) bool { return s.Ent == ent }) {
			*found = append(*found, *looked)
		}
	}
	return true
}

// mergePaths moves the new paths into the state.
func (v *View) mergePaths() {
	s := v.State
	for _, p := range v.newPaths {
		s.paths.add(decodePath(p))
		s.notePathPart(uint32(s.paths.count()-1) / pathsInPart)
	}
}

// pathsInPart is how many paths one part of a checkpoint has. The key of a part says which part it
// is, from 0.
const pathsInPart = 256

func (s *State) notePathPart(n uint32) {
	from := int(n) * pathsInPart
	s.Dirty.part(partPaths, n, pathsPart{s.paths.pathTexts, from, min(from+pathsInPart, s.paths.count())})
}

// pathsPart is paths of a set as it was when it had them: what is added later changes nothing of it.
type pathsPart struct {
	pathTexts
	from, to int
}

// MarshalJSON writes each path as its entities, each with the child that it came through.
func (p pathsPart) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i := p.from; i < p.to; i++ {
		if i > p.from {
			b = append(b, ',')
		}
		b = append(b, '[')
		for i, s := range p.path(uint32(i + 1)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendUint(append(b, '['), uint64(s.Ent), 10)
			b = append(strconv.AppendUint(append(b, ','), uint64(s.Child), 10), ']')
		}
		b = append(b, ']')
	}
	return append(b, ']'), nil
}

// restorePaths takes in part n. Parts come in any order: one that others have yet to come before
// waits for them.
func (s *State) restorePaths(n uint32, body []byte) error {
	r := s.restoring
	if int(n)*pathsInPart != s.paths.count() {
		if r.paths[n] = bytes.Clone(body); n > 1<<22 { // no store has so many
			return errMissingPaths
		}
		return nil
	}
	for more := true; more; body, more = r.paths[n] {
		delete(r.paths, n)
		err := store.ReadPaths(body, func(hops []uint32) {
			r.path = r.path[:0]
			for i := 0; i < len(hops); i += 2 {
				r.path = append(r.path, record.Hop{Ent: hops[i], Child: hops[i+1]})
			}
			r.pathSlots = append(r.pathSlots, indexSlot{uint32(s.paths.put(r.path)), uint32(s.paths.count())})
		})
		if n++; err != nil || s.paths.count() > int(n)*pathsInPart {
			return cmp.Or(err, errMissingPaths)
		}
	}
	return nil
}

var errMissingPaths = errors.New("paths are missing, or too many in a part")

// pathSet numbers paths from 1.
type pathSet struct {
	pathTexts
	used  int // bytes of the last chunk
	index index
}

// pathTexts are paths as appendShort writes them, one behind the other. A chunk is never changed,
// only added to, and each path ends where it says.
type pathTexts struct {
	chunks [][]byte
	at     []uint32 // where each begins: the number of its chunk, and 16 bits for its place there
}

// appendShort writes a path shorter than appendPath does: most hops come through the one before.
func appendShort(b []byte, path []record.Hop) []byte {
	b = binary.AppendUvarint(b, uint64(len(path)))
	var last uint32
	for _, s := range path {
		if s.Child == last {
			b = binary.AppendUvarint(b, uint64(s.Ent)<<1)
		} else {
			b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(s.Ent)<<1|1), uint64(s.Child))
		}
		last = s.Ent
	}
	return b
}

const shortChunk, longChunk = 256, 1 << 16

func (t *pathTexts) count() int { return len(t.at) }

// rest is the chunk from path ord on.
func (t *pathTexts) rest(ord uint32) []byte {
	at := t.at[ord-1]
	return t.chunks[at>>16][at&0xffff:]
}

func (t *pathTexts) path(ord uint32) []record.Hop {
	b := t.rest(ord)
	next := func() uint64 {
		n, k := binary.Uvarint(b)
		b = b[k:]
		return n
	}
	path := make([]record.Hop, next())
	var last uint32
	for i := range path {
		x := next()
		path[i] = record.Hop{Ent: uint32(x >> 1), Child: last}
		if x&1 != 0 {
			path[i].Child = uint32(next())
		}
		last = path[i].Ent
	}
	return path
}

// ord is the number of a path; 0 = it has none.
func (p *pathSet) ord(path []record.Hop) uint32 {
	var b [96]byte
	text := appendShort(b[:0], path) // which stays on the stack
	return p.index.find(maphash.Bytes(seed, text), func(ord uint32) bool { return bytes.HasPrefix(p.rest(ord), text) })
}

func (p *pathSet) add(path []record.Hop) {
	hash := p.put(path)
	p.index.add(hash, uint32(p.count()))
}

// put is add of a path that is not to be found yet, and gives its hash.
func (p *pathSet) put(path []record.Hop) (hash uint64) {
	var b [96]byte
	text := appendShort(b[:0], path)
	last := len(p.chunks) - 1
	if last < 0 || p.used+len(text) > len(p.chunks[last]) {
		size := shortChunk
		if last >= 0 {
			size = min(2*len(p.chunks[last]), longChunk)
		}
		p.chunks, p.used = append(p.chunks, make([]byte, max(size, len(text)))), 0
		last++
	}
	p.at = append(p.at, uint32(last)<<16|uint32(p.used))
	p.used += copy(p.chunks[last][p.used:], text)
	return maphash.Bytes(seed, text)
}

// soundPaths tells whether paths go through entities that are there.
func (s *State) soundPaths() bool {
	for ord := range s.paths.count() {
		for _, p := range s.paths.path(uint32(ord + 1)) {
			if p.Ent == 0 || int(p.Ent) >= s.Entities.Len() || int(p.Child) >= s.Entities.Len() {
				return false
			}
		}
	}
	return true
}
