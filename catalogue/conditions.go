package catalogue

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// eventNameField is the field by which conditions compare the event's name.
const eventNameField = "eventName"

// MeterAccepts tells whether m counts an event with a name and properties: all conditions of
// one of its filters hold, or it has no filters. A meter of a kind of tokens that only some
// calls use does not count an event that has other kinds and not that one.
func MeterAccepts(m *bursar.Meter, eventName string, dims []bursar.Dimension) bool {
	if m.EventName != eventName || m.Aggregation.Function == "SUM" && lacksKind(m.Aggregation.Field, dims) {
		return false
	}
	return len(m.Filters) == 0 || slices.ContainsFunc(m.Filters, func(f bursar.MeterFilter) bool {
		for i := range f.Conditions {
			c := &f.Conditions[i]
			value, ok := eventName, true
			if c.Field != eventNameField {
				value, ok = property(dims, c.Field)
			}
			if !conditionHolds(c, value, ok) {
				return false
			}
		}
		return true
	})
}

// lacksKind tells whether field is a kind that only some calls use, and dims have others and
// not that one.
func lacksKind(field string, dims []bursar.Dimension) bool {
	if !bursar.IsKind(field) || bursar.IsUsualKind(field) {
		return false
	}
	others := false
	for i := range dims {
		if dims[i].Key == field {
			return false
		}
		others = others || bursar.IsKind(dims[i].Key)
	}
	return others
}

func property(dims []bursar.Dimension, key string) (value string, ok bool) {
	for i := range dims {
		if dims[i].Key == key {
			return dims[i].Value, true
		}
	}
	return "", false
}

// conditionHolds compares a property, which may be absent. Only IS_NULL and NOT_EQUALS hold of
// an absent one. Values are compared as strings. GREATER… and LESS… compare numbers, to the
// last digit, and never hold of what is not a number. A condition that lacks the value to
// compare with never holds.
func conditionHolds(c *bursar.MeterCondition, value string, there bool) bool {
	switch c.Operation {
	case "IS_NULL":
		return !there
	case "IS_NOT_NULL":
		return there
	case "IN":
		return there && slices.Contains(c.Values, value)
	}
	if c.Value == nil {
		return false
	}
	if c.Operation == "NOT_EQUALS" {
		return !there || value != *c.Value
	}
	if !there {
		return false
	}
	switch c.Operation {
	case "EQUALS":
		return value == *c.Value
	case "CONTAINS":
		return strings.Contains(value, *c.Value)
	case "STARTS_WITH":
		return strings.HasPrefix(value, *c.Value)
	case "ENDS_WITH":
		return strings.HasSuffix(value, *c.Value)
	}
	a, ok := ParseDecimal(value)
	b, too := ParseDecimal(*c.Value)
	if !ok || !too {
		return false
	}
	switch c.Operation {
	case "GREATER_THAN":
		return a.cmp(b) > 0
	case "GREATER_THAN_OR_EQUAL":
		return a.cmp(b) >= 0
	case "LESS_THAN":
		return a.cmp(b) < 0
	case "LESS_THAN_OR_EQUAL":
		return a.cmp(b) <= 0
	}
	return false
}

// MeterValue is what an event that m accepts counts: of COUNT 1, of SUM and MAX the
// property as a number, of UNIQUE its text. A property that is absent or no number is a
// *bursar.Error that points at /dimensions/<field>.
func MeterValue(m *bursar.Meter, dims []bursar.Dimension) (value bursar.Amount, text string, err error) {
	fn, field := m.Aggregation.Function, m.Aggregation.Field
	if fn == "COUNT" {
		return bursar.AmountFromInt(1), "", nil
	}
	bad := func(format string, args ...any) error {
		return bursar.ErrorAt("/dimensions/"+EscapePointer(field), bursar.CodeValidationFailed, format, args...)
	}
	i := slices.IndexFunc(dims, func(d bursar.Dimension) bool { return d.Key == field })
	if i < 0 {
		return bursar.Amount{}, "", bad("the event has no property %q, of which the meter takes the %s", field, fn)
	}
	d := &dims[i]
	if fn == "UNIQUE" {
		return bursar.Amount{}, d.Value, nil
	}
	if d.Kind == bursar.DimBool {
		return bursar.Amount{}, "", bad("the property %q is %s, not a number, of which the meter takes the %s", field, d.Value, fn)
	}
	value, err = bursar.ParseAmount([]byte(d.Value))
	if err != nil {
		return bursar.Amount{}, "", bad("the property %q is %.40q, of which the meter takes the %s: %v", field, d.Value, fn, err)
	}
	return value, "", nil
}

// Decimal is the exact value of a JSON number: 0.digits × 10^point, or 0 without digits.
// An Amount would not do: conditions may compare what is finer or larger.
type Decimal struct {
	neg    bool
	digits string // neither begins nor ends with 0
	point  int64
}

// decimalPointMax bounds exponents. No property has so many digits that they make up for it.
const decimalPointMax = 1 << 40

// ParseDecimal reads a JSON number (RFC 8259, all of s).
func ParseDecimal(s string) (d Decimal, ok bool) {
	rest, neg := strings.CutPrefix(s, "-")
	ints, rest := cutDigits(rest)
	if ints == "" || len(ints) > 1 && ints[0] == '0' {
		return d, false
	}
	fracs := ""
	if after, has := strings.CutPrefix(rest, "."); has {
		if fracs, rest = cutDigits(after); fracs == "" {
			return d, false
		}
	}
	exp := int64(0)
	if rest != "" {
		if exp, ok = parseExponent(rest); !ok {
			return d, false
		}
	}
	digits := strings.TrimLeft(ints+fracs, "0")
	point := int64(len(ints)-(len(ints)+len(fracs)-len(digits))) + exp
	digits = strings.TrimRight(digits, "0")
	if digits == "" {
		return Decimal{}, true
	}
	return Decimal{neg, digits, point}, true
}

func cutDigits(s string) (digits, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	return s[:len(s)-len(rest)], rest
}

// parseExponent reads all of s as the exponent of a number, bounded by decimalPointMax.
func parseExponent(s string) (exp int64, ok bool) {
	if s[0] != 'e' && s[0] != 'E' {
		return 0, false
	}
	s = s[1:]
	neg := strings.HasPrefix(s, "-")
	if neg || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	digits, rest := cutDigits(s)
	if digits == "" || rest != "" {
		return 0, false
	}
	for _, c := range digits {
		exp = min(exp*10+int64(c-'0'), decimalPointMax)
	}
	if neg {
		exp = -exp
	}
	return exp, true
}

// cmp is -1, 0 or +1 as d is less than, equal to or greater than o.
func (d Decimal) cmp(o Decimal) int {
	if s := d.Sign() - o.Sign(); s != 0 {
		return min(max(s, -1), 1)
	}
	c := strings.Compare(d.digits, o.digits)
	switch {
	case d.point > o.point:
		c = 1
	case d.point < o.point:
		c = -1
	}
	if d.neg {
		return -c
	}
	return c
}

func (d Decimal) Sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.neg:
		return -1
	}
	return 1
}
