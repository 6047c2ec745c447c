package postgres

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bursarhq/bursar"
)

// row is one row of an answer, each value in its binary form. Its methods read the types
// that the schema has; another one is a mistake of the program and panics.
type row [][]byte

func (r row) null(i int) bool { return r[i] == nil }

func (r row) int(i int) int64 { return int64(binary.BigEndian.Uint64(r[i])) }

// ord is a number of 32 bits; one that is larger is not what was written, nor is 0.
func (r row) ord(i int) uint32 {
	if v := r.int(i); v == int64(uint32(v)) {
		return uint32(v)
	}
	return 0
}

func (r row) time(i int) bursar.Time { return bursar.Time(r.int(i)) }

func (r row) optTime(i int) *bursar.Time {
	if r.null(i) {
		return nil
	}
	t := r.time(i)
	return &t
}

func (r row) bool(i int) bool { return r[i][0] != 0 }

func (r row) text(i int) string { return readText(r[i]) }

func (r row) optText(i int) *string {
	if r.null(i) {
		return nil
	}
	s := r.text(i)
	return &s
}

// blob is the caller's own; nil for NULL.
func (r row) blob(i int) []byte { return bytes.Clone(r[i]) }

// json is a text's bytes; nil for NULL.
func (r row) json(i int) []byte {
	if r.null(i) {
		return nil
	}
	return []byte(r.text(i))
}

func (r row) id(i int) (id [16]byte) {
	copy(id[:], r[i])
	return id
}

// instant is a timestamptz: microseconds since 2000.
func (r row) instant(i int) bursar.Time {
	const epoch = 946_684_800 * bursar.Time(time.Second)
	return epoch + bursar.Time(r.int(i))*bursar.Time(time.Microsecond)
}

func (r row) capability(kind, id int) bursar.Capability {
	c := bursar.Capability{ID: r.text(id)}
	switch string(r[kind]) {
	case kindNames[bursar.KindFeature]:
		c.Kind = bursar.KindFeature
	case kindNames[bursar.KindCurrency]:
		c.Kind = bursar.KindCurrency
	}
	return c
}

var kindNames = map[bursar.CapabilityKind]string{bursar.KindFeature: "feature", bursar.KindCurrency: "currency"}

// ints is a bigint[]; nil for NULL.
func ints[T int | uint32](b []byte) []T {
	if b == nil {
		return nil
	}
	const head, perDim, each = 12, 8, 4 + 8 // dimensions, flags, type; length, bound; length, value
	if binary.BigEndian.Uint32(b) == 0 {
		return []T{}
	}
	vals := make([]T, binary.BigEndian.Uint32(b[head:]))
	for i := range vals {
		vals[i] = T(binary.BigEndian.Uint64(b[head+perDim+i*each+4:]))
	}
	return vals
}

var errAmount = errors.New("an amount is not a number that this program wrote")

// amount is a numeric: how many digits of base 10,000 follow, the power of the first,
// the sign, the decimals that are shown, and the digits.
func (r row) amount(i int) (bursar.Amount, error) {
	const head, negative = 8, 0x4000
	b := r[i]
	digits, weight := int(binary.BigEndian.Uint16(b)), int(int16(binary.BigEndian.Uint16(b[2:])))
	sign := binary.BigEndian.Uint16(b[4:])
	digit := func(power int) uint64 {
		if n := weight - power; n >= 0 && n < digits {
			return uint64(binary.BigEndian.Uint16(b[head+2*n:]))
		}
		return 0
	}
	last := digit(-3) // of it the first decimal place counts
	if sign&^negative != 0 || weight > 8 || last%1000 != 0 || weight-digits+1 < -3 {
		return bursar.Amount{}, errAmount
	}
	var hi, lo uint64
	for power := max(weight, -2); power >= -2; power-- {
		hi, lo = muladd(hi, lo, 10_000, digit(power))
	}
	hi, lo = muladd(hi, lo, 10, last/1000)
	if sign == negative {
		hi, lo = negate(hi, lo)
	}
	return bursar.AmountFromWords(int64(hi), lo), nil
}

func (r row) optAmount(i int) (*bursar.Amount, error) {
	if r.null(i) {
		return nil, nil
	}
	a, err := r.amount(i)
	return &a, err
}

func optText(s *string) *string {
	if s == nil {
		return nil
	}
	t := text(*s)
	return &t
}

// jsonText stores JSON as text, for people to read; nil as NULL.
func jsonText(b []byte) *string {
	if b == nil {
		return nil
	}
	t := text(string(b))
	return &t
}

func texts(names []string) []string {
	out := make([]string, len(names))
	for i, s := range names {
		out[i] = text(s)
	}
	return out
}

func metadataText(m map[string]string) (*string, error) {
	if m == nil {
		return nil, nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return jsonText(b), nil
}

// rowLimit is PostgreSQL's limit for ours, where 0 means all.
func rowLimit(limit int) *int64 {
	if limit <= 0 {
		return nil
	}
	n := int64(limit)
	return &n
}
