package engine

import (
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/bursarhq/bursar"
)

// Usage series tell usage apart by the entities that it was charged to. Each way through
// the tree, with all its chains and as it was when the usage came, is a path with a
// number; beside the buckets of each entity there is one of the whole path, under
// usesByPath, whose child is that number. Usage of a path without a number is in the
// buckets of the entities alone: what was recorded before there were numbers, and what
// came when there was no room for another one. What of an entity's usage was told apart
// is the sum of its paths; the rest is the difference.

// pathRec gives the next number to a path; usage that follows it is told apart by it.
type pathRec struct{ path []step }

func (*pathRec) kind() recordKind    { return kindPath }
func (r *pathRec) encode(e *encoder) { encodeSteps(e, r.path) }
func (r *pathRec) decode(d *decoder) { r.path = decodeSteps(d) }

// Numbers in place of an entity's, under which buckets are those of paths: usesByPath of
// what was used, countsByPath of how many times a currency was charged.
const (
	usesByPath   = 1<<32 - 2
	countsByPath = 1<<32 - 3
)

// namedNone is, in place of a child, the mark of the customer's buckets of usage that was
// told apart and named no entity: its path has no steps and needs no bucket of its own.
const namedNone = 1<<32 - 1

// maxPaths bounds the paths of a customer that are told apart, with pathsPerEntity more
// for each entity that it ever had.
const (
	maxPaths       = 10_000
	pathsPerEntity = 4
)

// notePath gives a path a number, if there is room for one more.
func (d *decider) notePath(path []step) {
	if d.pathOrd(path) == 0 && len(d.paths.list)+len(d.newPaths) < maxPaths+pathsPerEntity*d.entCount {
		d.emit(&pathRec{path})
	}
}

func (v *view) applyPath(r *pathRec) {
	text := pathText(r.path)
	push(v, &v.newPaths, text)
	put(v, &v.newPathOrds, text, uint32(len(v.paths.list)+len(v.newPaths)))
}

// pathOrd is the number of a path; 0 = it has none.
func (v *view) pathOrd(path []step) uint32 {
	var b [96]byte
	text := appendPath(b[:0], path) // which stays on the stack
	if o := v.paths.ords[string(text)]; o != 0 {
		return o
	}
	return v.newPathOrds[string(text)]
}

// appendPath writes as encodeSteps does.
func appendPath(b []byte, path []step) []byte {
	b = binary.AppendUvarint(b, uint64(len(path)))
	for _, s := range path {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(s.ent)), uint64(s.child))
	}
	return b
}

// path is that of a number; nil when there is no such number.
func (v *view) path(ord uint32) []step {
	if ord == 0 || int(ord) > len(v.paths.list)+len(v.newPaths) {
		return nil
	}
	return decodePath(nameAt(&v.paths, v.newPaths, ord))
}

func pathText(path []step) string { return string(appendPath(nil, path)) }

func decodePath(s string) []step { return decodeSteps(&decoder{b: []byte(s)}) }

// chargedOf is the entity of a type that a path was charged to: one that was named itself
// rather than one above another, the lowest, and of several the first by its dimension.
func (v *view) chargedOf(path []step, typ string) (ent uint32) {
	for _, s := range path {
		if v.typeID(v.ent(s.ent).typ) != typ {
			continue
		}
		if s.child == 0 {
			return s.ent
		}
		if ent == 0 {
			ent = s.ent
		}
	}
	return ent
}

// pathsThrough goes on to find the paths that ent is on, in order of their numbers, and
// tells whether it has them all.
func (v *view) pathsThrough(ent uint32, found *[]uint32, looked *uint32) (done bool) {
	for int(*looked) < len(v.paths.list)+len(v.newPaths) {
		if v.tired() {
			return false
		}
		v.visits++
		*looked++
		if slices.ContainsFunc(v.path(*looked), func(s step) bool { return s.ent == ent }) {
			*found = append(*found, *looked)
		}
	}
	return true
}

// mergePaths moves the new paths into the state.
func (v *view) mergePaths() {
	s := v.state
	for _, p := range v.newPaths {
		s.paths.add(p)
		s.notePathPart(uint32(len(s.paths.list)-1) / pathsInPart)
	}
}

// pathsInPart is how many paths one part of a checkpoint has; its key is the number of
// the first one by that.
const pathsInPart = 256

func (s *state) notePathPart(n uint32) {
	end := min(int(n+1)*pathsInPart, len(s.paths.list))
	s.dirty.part(partPaths, n, pathsPart(s.paths.list[n*pathsInPart:end:end]))
}

type pathsPart []string

// MarshalJSON writes each path as its entities, each with the child that it came through.
func (p pathsPart) MarshalJSON() ([]byte, error) {
	lists := make([][][2]uint32, len(p))
	for i, text := range p {
		lists[i] = [][2]uint32{}
		for _, s := range decodePath(text) {
			lists[i] = append(lists[i], [2]uint32{s.ent, s.child})
		}
	}
	return json.Marshal(lists)
}

func (p *pathsPart) UnmarshalJSON(b []byte) error {
	var lists [][][2]uint32
	err := json.Unmarshal(b, &lists)
	for _, l := range lists {
		var path []step
		for _, s := range l {
			path = append(path, step{s[0], s[1]})
		}
		*p = append(*p, pathText(path))
	}
	return err
}

// restorePaths takes in part n. Parts come in any order.
func (s *state) restorePaths(n uint32, p pathsPart) {
	if len(p) > pathsInPart || n > 1<<22 { // no store has so many
		return
	}
	for i, text := range p {
		ord := int(n)*pathsInPart + i
		for len(s.paths.list) <= ord {
			s.paths.list = append(s.paths.list, "")
		}
		s.paths.list[ord] = text
		s.paths.ords[text] = uint32(ord + 1)
	}
}

// soundPaths tells whether paths go through entities that are there.
func (s *state) soundPaths() bool {
	for _, text := range s.paths.list {
		d := decoder{b: []byte(text)}
		for _, p := range decodeSteps(&d) {
			d.bad = d.bad || p.ent == 0 || int(p.ent) >= len(s.entities) || int(p.child) >= len(s.entities)
		}
		if d.bad {
			return false
		}
	}
	return true
}

// track adds to the 15-minute buckets of the customer, of each entity of a path and of
// the path itself; counted says that it is one more use of a currency.
func (v *view) track(cap uint32, at bursar.Time, combo uint32, path []step, a bursar.Amount, counted bool) {
	if a.IsZero() {
		return
	}
	told := v.pathOrd(path)
	k := bucket{at: bucketOf(at), cap: cap, combo: combo}
	add := func(ent, child uint32, a bursar.Amount) {
		k.ent, k.child = ent, child
		put(v, &v.adds, k, v.adds[k].Add(a))
	}
	whole := uint32(0)
	if told != 0 && len(path) == 0 {
		whole, told = namedNone, 0
	}
	add(0, whole, a)
	for _, s := range path {
		add(s.ent, s.child, a)
	}
	if told != 0 {
		add(usesByPath, told, a)
	}
	if counted = counted && v.capability(cap).Kind == bursar.KindCurrency; counted {
		add(countsOfCustomer, whole, oneUnit)
	}
	if counted && told != 0 {
		add(countsByPath, told, oneUnit)
	}
}

// countsOfCustomer is the entity number under which the buckets of a currency count how
// many times it was charged.
const countsOfCustomer = 1<<32 - 1

var oneUnit = bursar.AmountFromInt(1)

const bucketWidth = 15 * 60 * 1e9

func bucketOf(t bursar.Time) uint32 { return uint32(max(0, int64(t)/bucketWidth)) }
