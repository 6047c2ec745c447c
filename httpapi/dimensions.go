package httpapi

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bursarhq/bursar"
	"github.com/go-json-experiment/json/jsontext"
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

// addDims adds the dimensions that one pair says: k[a]=v, k.a=v, or k=<JSON object>.
// The result is never nil: dimensions were given.
func addDims(dims []bursar.Dimension, p *pair) ([]bursar.Dimension, error) {
	if dims == nil {
		dims = make([]bursar.Dimension, 0, 4)
	}
	if !utf8.ValidString(p.value) {
		return dims, fmt.Errorf("is not UTF-8")
	}
	if p.nested {
		return addDim(dims, bursar.Dimension{Key: p.sub, Value: p.value})
	}
	d := jsontext.NewDecoder(bytes.NewBufferString(p.value))
	if d.PeekKind() != '{' {
		return dims, fmt.Errorf("write %s[key]=value, or %s=<a JSON object>", p.name, p.name)
	}
	var wrong error
	more, err := readDims(d, func(why error) {
		if wrong == nil {
			wrong = why
		}
	})
	if err == nil {
		err = wrong
	} else {
		err = fmt.Errorf("is not one JSON object")
	}
	if _, end := d.ReadToken(); err == nil && end == nil {
		err = fmt.Errorf("is not one JSON object")
	}
	for _, dim := range more {
		if err == nil {
			dims, err = addDim(dims, dim)
		}
	}
	return dims, err
}

func addDim(dims []bursar.Dimension, dim bursar.Dimension) ([]bursar.Dimension, error) {
	for _, d := range dims {
		if d.Key == dim.Key {
			return dims, fmt.Errorf("the dimension %.100q is given twice", dim.Key)
		}
	}
	if len(dims) == bursar.MaxDimensions {
		return dims, fmt.Errorf("at most %d dimensions", bursar.MaxDimensions)
	}
	dims = append(dims, dim)
	_, err := bursar.CheckDimensions(dims[len(dims)-1:])
	return dims, err
}

func dimPointer(p *pair) string {
	if p.nested {
		return "?" + p.name + "[" + p.sub + "]"
	}
	return "?" + p.name
}
