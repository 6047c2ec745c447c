package httpapi

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/bursarhq/bursar"
	"github.com/go-json-experiment/json/jsontext"
)

// decoder reads one body. It goes on after a bad value, so that all of them are named.
type decoder struct {
	json     *jsontext.Decoder
	buf      bytes.Buffer
	problems *bursar.Problems
	count    int
	amount   bool // the value being read is an amount
}

var decoders = sync.Pool{New: func() any { return &decoder{json: new(jsontext.Decoder)} }}

// decodeBody reads body into v, of shape s, and adds what is wrong with its values to
// problems. The error, if any, says why it could not be read to the end.
func decodeBody(body []byte, s *shape, v reflect.Value, problems *bursar.Problems) error {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 {
		if s.requires() {
			return bursar.ErrorAt("", bursar.CodeValidationFailed, "this request needs a body, one JSON object")
		}
		return nil
	}
	if body[0] != '{' {
		return bursar.ErrorAt("", bursar.CodeValidationFailed, "the body must be one JSON object")
	}
	switch deep, crowded := outgrows(body); {
	case deep:
		return bursar.ErrorAt(deepest(body), bursar.CodeValidationFailed, "the body is nested deeper than %d levels", maxBodyDepth)
	case crowded:
		return bursar.ErrorAt("", bursar.CodeValidationFailed, "an object of the body has more than %d members", maxMembers)
	}
	d := decoders.Get().(*decoder)
	d.buf = *bytes.NewBuffer(body)
	d.json.Reset(&d.buf)
	d.problems, d.count, d.amount = problems, 0, false
	err := d.object(s, v)
	if err == nil {
		if _, end := d.json.ReadToken(); end == nil {
			err = bursar.ErrorAt("", bursar.CodeValidationFailed, "the body must be one JSON object, with nothing behind it")
		} else if end != io.EOF {
			err = end
		}
	}
	if err != nil {
		err = d.syntax(err)
	}
	d.problems, d.buf = nil, bytes.Buffer{}
	decoders.Put(d)
	return err
}

func (s *shape) requires() bool {
	for _, f := range s.fields {
		if f.required && f.place == inBody {
			return true
		}
	}
	return false
}

// outgrows reports whether brackets nest deeper than maxBodyDepth, or an object has more
// than maxMembers: whoever reads it remembers the names of all of them.
func outgrows(body []byte) (deep, crowded bool) {
	depth, quoted := 0, false
	var members [maxBodyDepth + 1]int
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxBodyDepth {
				return true, false
			}
			members[max(0, depth)] = 0
		case c == '}' || c == ']':
			depth--
		case c == ':':
			if members[max(0, depth)]++; members[max(0, depth)] > maxMembers {
				return false, true
			}
		}
	}
	return false, false
}

// deepest points at the first place of body that is nested too deep.
func deepest(body []byte) string {
	d := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	for d.StackDepth() <= maxBodyDepth {
		if _, err := d.ReadToken(); err != nil {
			break
		}
	}
	return string(d.StackPointer())
}

// syntax turns a reading error into the answer.
func (d *decoder) syntax(err error) error {
	var known *bursar.Error
	if errors.As(err, &known) {
		return err
	}
	var syntax *jsontext.SyntacticError
	if !errors.As(err, &syntax) {
		return bursar.ErrorAt("", bursar.CodeValidationFailed, "the body is not complete JSON")
	}
	pointer := string(syntax.JSONPointer)
	switch {
	case errors.Is(syntax.Err, jsontext.ErrDuplicateName):
		return bursar.ErrorAt(pointer, bursar.CodeValidationFailed, "the member %.100q is given twice", syntax.JSONPointer.LastToken())
	case errors.Is(syntax.Err, io.ErrUnexpectedEOF):
		return bursar.ErrorAt(pointer, bursar.CodeValidationFailed, "the body is not complete JSON")
	case d.amount && notANumber(d.json.UnreadBuffer()):
		return bursar.ErrorAt(pointer, bursar.CodeInvalidAmount, "an amount is a JSON number; NaN and Infinity are none")
	}
	return bursar.ErrorAt(pointer, bursar.CodeValidationFailed, "the body is not JSON at byte %d: %v", syntax.ByteOffset, syntax.Err)
}

// notANumber reports whether the unread JSON goes on with what JavaScript or Python
// print for a number that JSON does not have.
func notANumber(rest []byte) bool {
	rest = bytes.TrimLeft(rest, " \t\r\n:,[+-")
	return bytes.HasPrefix(rest, []byte("NaN")) || bytes.HasPrefix(rest, []byte("Inf")) || bytes.HasPrefix(rest, []byte("nan"))
}

// bad notes that the value read last is wrong.
func (d *decoder) bad(code bursar.Code, format string, args ...any) {
	d.badAt(string(d.json.StackPointer()), code, format, args...)
}

func (d *decoder) badAt(pointer string, code bursar.Code, format string, args ...any) {
	if d.count++; d.count <= maxProblems {
		d.problems.Add(pointer, code, format, args...)
	}
}

func (d *decoder) wrongKind(s *shape, got jsontext.Kind) {
	code := bursar.CodeValidationFailed
	switch s.kind {
	case kindAmount:
		code = bursar.CodeInvalidAmount
	case kindCadence:
		code = bursar.CodeInvalidCadence
	}
	d.bad(code, "must be %v, not %s", s.kind, kindName(got))
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '[':
		return "an array"
	}
	return "an object"
}

// value reads the next value into v.
func (d *decoder) value(s *shape, v reflect.Value) error {
	next := d.json.PeekKind()
	switch {
	case s.kind == kindObject && next == '{':
		return d.object(s, v)
	case s.kind == kindList && next == '[':
		return d.list(s, v)
	case s.kind == kindTextMap && next == '{':
		return d.textMap(v)
	case s.kind == kindDims && next == '{':
		return d.dims(v)
	case s.kind == kindMatch && next == '{':
		return d.match(v)
	}
	d.amount = s.kind == kindAmount
	raw, err := d.json.ReadValue()
	if err != nil {
		return err
	}
	d.amount = false
	switch {
	case s.kind == kindUnsupported:
		if text := string(raw); text != "null" && text != `""` && !emptyContainer(raw) {
			d.bad(bursar.CodeUnsupportedField, "is not supported: leave it out")
		}
	case next == '"' && (s.kind == kindText || s.kind == kindTime || s.kind == kindCadence):
		text, _ := jsontext.AppendUnquote(nil, raw)
		d.text(s, string(text), v)
	case next == '0' && (s.kind == kindAmount || s.kind == kindInt):
		d.number(s, raw, v)
	case (next == 't' || next == 'f') && s.kind == kindBool:
		v.SetBool(next == 't')
	case next == '{' && s.kind == kindJSON:
		v.SetBytes(bytes.Clone(raw)) // the body's memory is used again
	default:
		d.wrongKind(s, next)
	}
	return nil
}

func emptyContainer(raw []byte) bool {
	return (raw[0] == '[' || raw[0] == '{') && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
}

func (d *decoder) text(s *shape, text string, v reflect.Value) {
	if code, err := s.setText(text, v); err != nil {
		d.bad(code, "%v", err)
	}
}

func (d *decoder) number(s *shape, raw []byte, v reflect.Value) {
	if code, err := s.setNumber(raw, v); err != nil {
		d.bad(code, "%v", err)
	}
}

func (d *decoder) object(s *shape, v reflect.Value) error {
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	var given uint64
	for d.json.PeekKind() != '}' {
		name, err := d.json.ReadToken()
		if err != nil {
			return err
		}
		i, known := s.names[name.String()]
		if !known {
			d.unknown(s, name.String())
			if err := d.json.SkipValue(); err != nil {
				return err
			}
			continue
		}
		given |= 1 << i
		f := &s.fields[i]
		if d.json.PeekKind() == 'n' && f.setNull(v) {
			if _, err := d.json.ReadToken(); err != nil {
				return err
			}
			continue
		}
		if err := d.value(f.shape, f.target(v)); err != nil {
			return err
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for i := range s.fields {
		if f := &s.fields[i]; f.required && f.place == inBody && given&(1<<i) == 0 {
			d.badAt(string(d.json.StackPointer())+"/"+f.name, bursar.CodeValidationFailed, "is required")
		}
	}
	return nil
}

func (d *decoder) unknown(s *shape, name string) {
	hint := ""
	for known := range s.names {
		if strings.EqualFold(known, name) {
			hint = "; did you mean " + strconv.Quote(known) + "?"
		}
	}
	d.bad(bursar.CodeUnknownField, "there is no member %.100q here%s", name, hint)
}

func (d *decoder) list(s *shape, v reflect.Value) error {
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	list, n := reflect.MakeSlice(v.Type(), 0, 4), 0
	zero := reflect.Zero(v.Type().Elem())
	for ; d.json.PeekKind() != ']'; n++ {
		if n >= s.rules.hi { // too many: told below
			if err := d.json.SkipValue(); err != nil {
				return err
			}
			continue
		}
		list = reflect.Append(list, zero)
		from := d.json.InputOffset()
		if err := d.value(s.elem, list.Index(n)); err != nil {
			return err
		}
		if size := d.json.InputOffset() - from; size > maxItemBytes {
			d.bad(bursar.CodeTooLarge, "is larger than %d bytes", maxItemBytes)
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	if n < s.rules.lo || n > s.rules.hi {
		d.bad(bursar.CodeValidationFailed, "must have %d to %d items, not %d", s.rules.lo, s.rules.hi, n)
	}
	v.Set(list)
	return nil
}

func (d *decoder) textMap(v reflect.Value) error {
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	m, n := map[string]string{}, 0
	for ; d.json.PeekKind() != '}'; n++ {
		name, err := d.json.ReadToken()
		if err != nil {
			return err
		}
		key, next := name.String(), d.json.PeekKind()
		raw, err := d.json.ReadValue()
		if err != nil {
			return err
		}
		if next != '"' {
			d.bad(bursar.CodeValidationFailed, "must be a string, not %s", kindName(next))
			continue
		}
		text, _ := jsontext.AppendUnquote(nil, raw)
		switch {
		case n >= bursar.MaxMetadataKeys:
		default:
			if err := bursar.CheckMetadata(key, string(text)); err != nil {
				d.bad(bursar.CodeValidationFailed, "%v", err)
				continue
			}
			m[key] = string(text)
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	if n > bursar.MaxMetadataKeys {
		d.bad(bursar.CodeValidationFailed, "has at most %d keys, not %d", bursar.MaxMetadataKeys, n)
	}
	v.Set(reflect.ValueOf(m))
	return nil
}

func (d *decoder) dims(v reflect.Value) error {
	dims, err := readDims(d.json, func(why error) { d.bad(bursar.CodeValidationFailed, "%v", why) })
	if err != nil {
		return err
	}
	v.Set(reflect.ValueOf(dims))
	return nil
}

func (d *decoder) match(v reflect.Value) error {
	m, err := readMatch(d.json, func(why error) { d.bad(bursar.CodeValidationFailed, "%v", why) })
	if err != nil {
		return err
	}
	v.Set(reflect.ValueOf(m))
	return nil
}
