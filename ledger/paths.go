package ledger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"slices"

	"github.com/bursarhq/bursar/record"
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
	if d.pathOrd(path) == 0 && len(d.paths.List)+len(d.newPaths) < MaxPaths+PathsPerEntity*d.entCount {
		d.Emit(&record.PathNamed{Path: path})
	}
}

func (v *View) applyPath(r *record.PathNamed) {
	text := pathText(r.Path)
	push(v, &v.newPaths, text)
	put(v, &v.newPathOrds, text, uint32(len(v.paths.List)+len(v.newPaths)))
}

// pathOrd is the number of a path; 0 = it has none.
func (v *View) pathOrd(path []record.Hop) uint32 {
	var b [96]byte
	text := appendPath(b[:0], path) // which stays on the stack
	if o := v.paths.ords[string(text)]; o != 0 {
		return o
	}
	return v.newPathOrds[string(text)]
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
	if ord == 0 || int(ord) > len(v.paths.List)+len(v.newPaths) {
		return nil
	}
	return decodePath(nameAt(&v.paths, v.newPaths, ord))
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
	for int(*looked) < len(v.paths.List)+len(v.newPaths) {
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
		s.paths.add(p)
		s.notePathPart(uint32(len(s.paths.List)-1) / pathsInPart)
	}
}

// pathsInPart is how many paths one part of a checkpoint has. The key of a part says which part it
// is, from 0.
const pathsInPart = 256

func (s *State) notePathPart(n uint32) {
	end := min(int(n+1)*pathsInPart, len(s.paths.List))
	s.Dirty.part(partPaths, n, pathsPart(s.paths.List[n*pathsInPart:end:end]))
}

type pathsPart []string

// MarshalJSON writes each path as its entities, each with the child that it came through.
func (p pathsPart) MarshalJSON() ([]byte, error) {
	lists := make([][][2]uint32, len(p))
	for i, text := range p {
		lists[i] = [][2]uint32{}
		for _, s := range decodePath(text) {
			lists[i] = append(lists[i], [2]uint32{s.Ent, s.Child})
		}
	}
	return json.Marshal(lists)
}

// UnmarshalJSON reads the numbers and where a path ends, without reflection: a customer may
// have millions of paths. b is valid JSON.
func (p *pathsPart) UnmarshalJSON(b []byte) error {
	var path []record.Hop
	var hop [2]uint32
	depth, at := 0, 0
	text := make([]byte, 0, 64)
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '[' && depth < 3:
			if depth++; depth == 2 {
				path = path[:0]
			}
			at, hop = 0, [2]uint32{}
		case c == ']' && depth > 0:
			switch depth--; depth {
			case 2:
				path = append(path, record.Hop{Ent: hop[0], Child: hop[1]})
			case 1:
				text = appendPath(text[:0], path)
				*p = append(*p, string(text))
			}
		case '0' <= c && c <= '9' && depth == 3 && at < 2:
			if n := uint64(hop[at])*10 + uint64(c-'0'); n <= math.MaxUint32 {
				hop[at] = uint32(n)
				continue
			}
			return errPaths
		case c == ',':
			at++
		case c != ' ' && c != '\n' && c != '\t' && c != '\r':
			return errPaths
		}
	}
	return nil
}

var errPaths = errors.New("not paths as this program writes them")

// restorePaths takes in part n. Parts come in any order.
func (s *State) restorePaths(n uint32, p pathsPart) {
	if len(p) > pathsInPart || n > 1<<22 { // no store has so many
		return
	}
	for i, text := range p {
		ord := int(n)*pathsInPart + i
		for len(s.paths.List) <= ord {
			s.paths.List = append(s.paths.List, "")
		}
		s.paths.List[ord] = text
		s.paths.ords[text] = uint32(ord + 1)
	}
}

// soundPaths tells whether paths go through entities that are there.
func (s *State) soundPaths() bool {
	for _, text := range s.paths.List {
		d := record.Decoder{B: []byte(text)}
		for _, p := range record.DecodePath(&d) {
			d.Bad = d.Bad || p.Ent == 0 || int(p.Ent) >= len(s.Entities) || int(p.Child) >= len(s.Entities)
		}
		if d.Bad {
			return false
		}
	}
	return true
}
