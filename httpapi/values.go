package httpapi

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/go-json-experiment/json/jsontext"
)

// setText puts a string, from the body or the query, into v. The error says what is
// wrong with it.
func (s *shape) setText(text string, v reflect.Value) (bursar.Code, error) {
	switch s.kind {
	case kindTime:
		t, err := bursar.ParseTime(text)
		v.SetInt(int64(t))
		return bursar.CodeValidationFailed, err
	case kindCadence:
		c, err := bursar.ParseCadence(text)
		v.Set(reflect.ValueOf(c))
		return bursar.CodeInvalidCadence, err
	}
	v.SetString(text)
	return bursar.CodeValidationFailed, s.rules.text(text)
}

func (r *rules) text(text string) error {
	switch {
	case r.check != nil:
		return r.check(text)
	case r.enum != nil && !slices.Contains(r.enum, text):
		return fmt.Errorf("must be one of %s, not %.100q", strings.Join(r.enum, ", "), text)
	case r.hi > 0:
		if n := bursar.Length(text); n < r.lo || n > r.hi {
			return fmt.Errorf("must have %d to %d characters, not %d", r.lo, r.hi, n)
		}
	}
	return nil
}

// setNumber puts a number literal, from the body or the query, into v.
func (s *shape) setNumber(raw []byte, v reflect.Value) (bursar.Code, error) {
	if s.kind == kindInt {
		n, err := wholeNumber(raw)
		switch {
		case err != nil:
		case s.rules.hi > 0 && (n < int64(s.rules.lo) || n > int64(s.rules.hi)):
			err = fmt.Errorf("must be %d to %d, not %d", s.rules.lo, s.rules.hi, n)
		case s.rules.enum != nil:
			err = s.rules.text(strconv.FormatInt(n, 10))
		}
		if err != nil {
			return bursar.CodeValidationFailed, err
		}
		if v.CanUint() {
			v.SetUint(uint64(n))
		} else {
			v.SetInt(n)
		}
		return "", nil
	}
	amount, err := bursar.ParseAmount(raw)
	switch {
	case err != nil:
	case s.rules.positive && amount.Sign() <= 0:
		err = fmt.Errorf("must be greater than 0, not %v", amount)
	case s.rules.min && amount.Sign() < 0:
		err = fmt.Errorf("must be 0 or more, not %v", amount)
	}
	if err != nil {
		return bursar.CodeInvalidAmount, err
	}
	v.Set(reflect.ValueOf(amount))
	return "", nil
}

// wholeNumber reads a JSON number that is an integer, however it is written.
func wholeNumber(raw []byte) (int64, error) {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, nil
	}
	a, err := bursar.ParseAmount(raw)
	if err == nil {
		if n, err := strconv.ParseInt(a.String(), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("must be an integer, not %.40s", raw)
}

// readDims reads an object of dimensions. What is wrong with the value read last is told
// to bad.
func readDims(d *jsontext.Decoder, bad func(why error)) ([]bursar.Dimension, error) {
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	dims := make([]bursar.Dimension, 0, 4)
	n := 0
	for ; d.PeekKind() != '}'; n++ {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		dim := bursar.Dimension{Key: name.String()}
		next := d.PeekKind()
		raw, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		switch next {
		case '"':
			text, _ := jsontext.AppendUnquote(nil, raw)
			dim.Value = string(text)
		case '0':
			dim.Kind, dim.Value = bursar.DimNumber, numberText(raw)
		case 't', 'f':
			dim.Kind, dim.Value = bursar.DimBool, string(raw)
		default:
			bad(fmt.Errorf("must be a string, a number or a boolean, not %s", kindName(next)))
			continue
		}
		if n < bursar.MaxDimensions { // what is more than that is refused, and not built
			if _, err := bursar.CheckDimensions([]bursar.Dimension{dim}); err != nil {
				bad(err)
				continue
			}
			dims = append(dims, dim)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	if n > bursar.MaxDimensions {
		bad(fmt.Errorf("at most %d dimensions, here are %d", bursar.MaxDimensions, n))
		return nil, nil
	}
	return dims, nil
}

// readMatch reads an object whose members are strings or lists of strings. What is wrong
// with the value read last is told to bad.
func readMatch(d *jsontext.Decoder, bad func(why error)) (map[string][]string, error) {
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	m := map[string][]string{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if m[key], err = readTexts(d, bad); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return m, err
}

// readTexts reads a string, as a list of one, or a list of strings.
func readTexts(d *jsontext.Decoder, bad func(why error)) ([]string, error) {
	if d.PeekKind() != '[' {
		text, err := readText(d, bad)
		return []string{text}, err
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	list := []string{}
	for d.PeekKind() != ']' {
		text, err := readText(d, bad)
		if err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	_, err := d.ReadToken()
	return list, err
}

func readText(d *jsontext.Decoder, bad func(why error)) (string, error) {
	next := d.PeekKind()
	raw, err := d.ReadValue()
	if err != nil {
		return "", err
	}
	if next != '"' {
		bad(fmt.Errorf("must be a string, not %s", kindName(next)))
		return "", nil
	}
	text, _ := jsontext.AppendUnquote(nil, raw)
	if len(text) > bursar.MaxDimensionLen {
		bad(fmt.Errorf("a dimension value has at most %d bytes, this one %d", bursar.MaxDimensionLen, len(text)))
	}
	return string(text), nil
}

// maxPlainNumber is how long a number may be in plain notation to be put in it.
const maxPlainNumber = 64

// numberText is the string form of a number: exact, in plain notation without trailing
// zeros, so that 1.50, 15e-1 and 1.5 are one value; as it is written where that would be
// longer than maxPlainNumber.
func numberText(raw []byte) string {
	text, neg := strings.CutPrefix(string(raw), "-")
	mantissa, exp, hasExp := strings.Cut(strings.ToLower(text), "e")
	shift := 0
	if hasExp {
		var err error
		if shift, err = strconv.Atoi(exp); err != nil || shift > maxPlainNumber || shift < -maxPlainNumber {
			return string(raw)
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	point := len(whole) + shift
	if point < 0 {
		digits, point = strings.Repeat("0", -point)+digits, 0
	}
	if point > len(digits) {
		digits += strings.Repeat("0", point-len(digits))
	}
	whole, fraction = strings.TrimLeft(digits[:point], "0"), strings.TrimRight(digits[point:], "0")
	if len(whole)+len(fraction) > maxPlainNumber {
		return string(raw)
	}
	out := cmp.Or(whole, "0")
	if fraction != "" {
		out += "." + fraction
	}
	if neg && out != "0" {
		out = "-" + out
	}
	return out
}
