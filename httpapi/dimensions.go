package httpapi

import (
	"strconv"

	"github.com/bursarhq/bursar"
)

// dims are dimensions as they were sent.
type dims []bursar.Dimension

func (ds dims) appendTo(b []byte) []byte {
	b = append(b, '{')
	for i, d := range ds {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, d.Key)
		b = append(b, ':')
		b = appendDimension(b, d)
	}
	return append(b, '}')
}

func appendDimension(b []byte, d bursar.Dimension) []byte {
	if d.Kind == bursar.DimBool {
		return strconv.AppendBool(b, d.Value == "true")
	}
	if d.Kind == bursar.DimNumber {
		return append(b, d.Value...)
	}
	return appendString(b, d.Value)
}
