package store

import (
	"encoding/binary"
	"errors"
	"math"
)

// Parts of sort "paths" are JSON, of which a customer may have tens of megabytes: a list of paths,
// each the list of its hops, [entity, child]. A store may keep such a part packed, and give it back
// so: a 0, and for each path in turn the number of its hops and, for each of these, the entity less
// that of the same hop of the path before, with a bit that tells whether the child is the entity
// of the hop before, and else the child.
const (
	SortPaths = "paths"
	packed    = 0
)

var errPaths = errors.New("not paths as this program writes them")

// ReadPaths calls f with each path of a part, JSON or packed, and its index: entity and child of
// each hop in turn, which f must not keep.
func ReadPaths(body []byte, f func(hops []uint32)) error {
	if len(body) > 0 && body[0] == packed {
		return readPacked(body[1:], f)
	}
	return readPathsJSON(body, f)
}

// PackPaths is a part in its packed form; what is not JSON of paths stays as it is.
func PackPaths(body []byte) []byte {
	out := []byte{packed}
	var before []uint32
	var zigzag [binary.MaxVarintLen64]byte
	err := readPathsJSON(body, func(hops []uint32) {
		out = binary.AppendUvarint(out, uint64(len(hops)/2))
		var last uint32
		for i := 0; i < len(hops); i += 2 {
			var base uint32
			if i < len(before) {
				base = before[i]
			}
			n, _ := binary.Uvarint(binary.AppendVarint(zigzag[:0], int64(hops[i])-int64(base)))
			if hops[i+1] == last {
				out = binary.AppendUvarint(out, n<<1)
			} else {
				out = binary.AppendUvarint(binary.AppendUvarint(out, n<<1|1), uint64(hops[i+1]))
			}
			last = hops[i]
		}
		before = append(before[:0], hops...)
	})
	if err != nil {
		return body
	}
	return out
}

func readPacked(b []byte, f func(hops []uint32)) error {
	next := func() (n uint64) {
		if len(b) > 0 && b[0] < 0x80 { // mostly
			n, b = uint64(b[0]), b[1:]
			return n
		}
		n, k := binary.Uvarint(b)
		if k <= 0 {
			b = nil
			return math.MaxUint64
		}
		b = b[k:]
		return n
	}
	var before, hops []uint32
	for len(b) > 0 {
		n := next()
		if n > uint64(len(b)) {
			return errPaths
		}
		hops = hops[:0]
		var last uint32
		for i := 0; i < 2*int(n); i += 2 {
			var base uint32
			if i < len(before) {
				base = before[i]
			}
			x := next()
			step := x >> 1
			ent := int64(base) + (int64(step>>1) ^ -int64(step&1))
			child := uint64(last)
			if x&1 != 0 {
				child = next()
			}
			if x == math.MaxUint64 || ent < 0 || ent > math.MaxUint32 || child > math.MaxUint32 {
				return errPaths
			}
			last = uint32(ent)
			hops = append(hops, last, uint32(child))
		}
		f(hops)
		before, hops = hops, before
	}
	return nil
}

// readPathsJSON reads the numbers and where a path ends, without reflection.
func readPathsJSON(b []byte, f func(hops []uint32)) error {
	var hops []uint32
	var hop [2]uint32
	depth, at, digits, lists := 0, 0, 0, 0
	for _, c := range b {
		switch {
		case c == '[' && depth < 3 && lists == 0:
			if depth++; depth == 2 {
				hops = hops[:0]
			}
			at, digits, hop = 0, 0, [2]uint32{}
		case c == ']' && depth == 3 && at == 1 && digits > 0:
			depth, hops = 2, append(hops, hop[0], hop[1])
		case c == ']' && depth == 2:
			depth = 1
			f(hops)
		case c == ']' && depth == 1:
			depth, lists = 0, 1
		case '0' <= c && c <= '9' && depth == 3 && at < 2:
			n := uint64(hop[at])*10 + uint64(c-'0')
			if n > math.MaxUint32 {
				return errPaths
			}
			hop[at], digits = uint32(n), digits+1
		case c == ',' && depth > 0 && (depth < 3 || at == 0 && digits > 0):
			if depth == 3 {
				at, digits = 1, 0
			}
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
		default:
			return errPaths
		}
	}
	if lists == 0 {
		return errPaths
	}
	return nil
}
