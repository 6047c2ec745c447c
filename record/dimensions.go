package record

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// EncodeCombo is the canonical text of a combination of dimensions.
func EncodeCombo(dims []bursar.Dimension) string {
	var e Encoder
	e.Dims(dims)
	return string(e.B)
}

func DecodeCombo(s string) []bursar.Dimension { return (&Decoder{B: []byte(s)}).dims() }

// SortDims orders dims by key, which is how they are kept, hashed and resolved.
func SortDims(dims []bursar.Dimension) []bursar.Dimension {
	if slices.IsSortedFunc(dims, compareDims) {
		return dims
	}
	dims = slices.Clone(dims)
	slices.SortFunc(dims, compareDims)
	return dims
}

func compareDims(a, b bursar.Dimension) int { return strings.Compare(a.Key, b.Key) }
