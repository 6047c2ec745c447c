package sqlite

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/bursarhq/bursar"
)

var kindNames = map[bursar.CapabilityKind]string{bursar.KindFeature: "feature", bursar.KindCurrency: "currency"}

func capability(kind, id string) bursar.Capability {
	c := bursar.Capability{ID: id}
	switch kind {
	case kindNames[bursar.KindFeature]:
		c.Kind = bursar.KindFeature
	case kindNames[bursar.KindCurrency]:
		c.Kind = bursar.KindCurrency
	}
	return c
}

// jsonText stores JSON as text, for people to read; nil as NULL.
func jsonText(b []byte) any {
	if b == nil {
		return nil
	}
	return string(b)
}

// intsText is a JSON array of ints, NULL for nil.
func intsText[T int | uint32](ints []T) any {
	if ints == nil {
		return nil
	}
	b := []byte{'['}
	for i, v := range ints {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(v), 10)
	}
	return string(append(b, ']'))
}

var errInts = errors.New("not a JSON array of numbers as this program writes them")

// parseInts reads what intsText wrote; text is "" for NULL.
func parseInts[T int | uint32](text string) ([]T, error) {
	if text == "" {
		return nil, nil
	}
	ints := []T{}
	num, digits := int64(0), 0
	for i := range len(text) {
		switch c := text[i]; {
		case i == 0 && c == '[':
		case c >= '0' && c <= '9' && num <= math.MaxUint32:
			num, digits = num*10+int64(c-'0'), digits+1
		case (c == ',' || c == ']' && i == len(text)-1) && digits > 0:
			ints = append(ints, T(num))
			num, digits = 0, 0
		case text == "[]":
		default:
			return nil, fmt.Errorf("%.64q: %w", text, errInts)
		}
	}
	return ints, nil
}

// decoder reads values that may be malformed, and keeps the first error.
type decoder struct{ err error }

func (d *decoder) amount(text string) bursar.Amount {
	a, err := bursar.AmountFromString(text)
	if err != nil && d.err == nil {
		d.err = err
	}
	return a
}

func ints[T int | uint32](d *decoder, text string) []T {
	v, err := parseInts[T](text)
	if err != nil && d.err == nil {
		d.err = err
	}
	return v
}

func optText(r columns, i int) *string {
	if r.null(i) {
		return nil
	}
	s := r.text(i)
	return &s
}

func optTime(r columns, i int) *bursar.Time {
	if r.null(i) {
		return nil
	}
	t := bursar.Time(r.int(i))
	return &t
}
