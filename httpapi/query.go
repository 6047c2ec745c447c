package httpapi

import (
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
)

// pair is one name and value of a query, decoded and taken apart: for k=v Name is k;
// for k[a]=v and k.a=v Sub is a. Pairs with an empty value (k=) are absent and left out.
type pair struct {
	name, sub, value string
	nested           bool
}

// parseQuery fills q.query from the URL.
func (q *request) parseQuery() error {
	raw := q.r.URL.RawQuery
	for raw != "" {
		var item string
		item, raw, _ = strings.Cut(raw, "&")
		name, value, given := strings.Cut(item, "=")
		if value == "" && given || item == "" {
			continue
		}
		name, err := unescape(name)
		if err != nil {
			return bursar.ErrorAt("?", bursar.CodeValidationFailed, "the query has a name with a bad percent-encoding")
		}
		p := splitName(name)
		if p.value, err = unescape(value); err != nil {
			return bursar.ErrorAt("?"+p.name, bursar.CodeValidationFailed, "has a bad percent-encoding")
		}
		if len(q.query) == maxQueryPairs {
			return bursar.ErrorAt("?", bursar.CodeValidationFailed, "the query has more than %d parameters", maxQueryPairs)
		}
		q.query = append(q.query, p)
	}
	return nil
}

func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, nil
	}
	return url.QueryUnescape(s)
}

func splitName(name string) pair {
	i := strings.IndexAny(name, "[.")
	if i <= 0 {
		return pair{name: name}
	}
	if name[i] == '.' {
		return pair{name: name[:i], sub: name[i+1:], nested: true}
	}
	if name[len(name)-1] != ']' {
		return pair{name: name}
	}
	return pair{name: name[:i], sub: name[i+1 : len(name)-1], nested: true}
}

// bind fills the parameters of v, of shape s, and notes bad ones.
func (q *request) bind(s *shape, v reflect.Value, problems *bursar.Problems) {
	segment := 0
	for i := range s.fields {
		f := &s.fields[i]
		switch f.place {
		case inBody:
			continue
		case inPath:
			v.FieldByIndex(f.index).SetString(q.path[segment])
			segment++
			continue
		case inHeader:
			q.bindHeader(f, v, problems)
			continue
		}
		b := binder{q: q, f: f, problems: problems}
		found := false
		for j := range q.query {
			if p := &q.query[j]; p.name == f.name {
				if !found {
					b.v, found = f.target(v), true
				}
				b.take(p)
			}
		}
		switch {
		case !found && f.required:
			problems.Add("?"+f.name, bursar.CodeValidationFailed, "is required")
		case !found && f.shape.rules.fallback != "":
			b.v = f.target(v)
			b.scalar(f.shape, b.v, f.shape.rules.fallback)
		case found && f.shape.kind == kindList && (b.n < f.shape.rules.lo || b.n > f.shape.rules.hi):
			b.bad(bursar.CodeValidationFailed, "takes %d to %d values, not %d", f.shape.rules.lo, f.shape.rules.hi, b.n)
		}
	}
}

// binder reads the pairs of one parameter.
type binder struct {
	q        *request
	f        *field
	v        reflect.Value
	n        int // values so far
	problems *bursar.Problems
}

func (b *binder) bad(code bursar.Code, format string, args ...any) {
	b.problems.Add("?"+b.f.name, code, format, args...)
}

func (b *binder) take(p *pair) {
	s := b.f.shape
	switch s.kind {
	case kindList:
		if _, err := strconv.Atoi(p.sub); p.nested && p.sub != "" && err != nil {
			b.bad(bursar.CodeValidationFailed, "is a list: write %s=a,b or repeat it", p.name)
			return
		}
		for item := range strings.SplitSeq(p.value, ",") {
			if item == "" {
				continue
			}
			if b.n++; b.n > s.rules.hi {
				continue // told once, by bind
			}
			b.v.Set(reflect.Append(b.v, reflect.Zero(b.v.Type().Elem())))
			b.scalar(s.elem, b.v.Index(b.n-1), item)
		}
	case kindDims:
		dims := b.v.Interface().([]bursar.Dimension)
		dims, err := addDims(dims, p)
		if err != nil {
			b.problems.Add(dimPointer(p), bursar.CodeValidationFailed, "%v", err)
		}
		b.v.Set(reflect.ValueOf(dims))
	case kindRange:
		b.bound(p)
	case kindUnsupported:
		b.bad(bursar.CodeUnsupportedField, "is not supported: leave it out")
	default:
		if b.n++; p.nested {
			b.bad(bursar.CodeValidationFailed, "takes one value: write %s=…", p.name)
		} else if b.n > 1 {
			b.bad(bursar.CodeValidationFailed, "is given twice")
		} else {
			b.scalar(s, b.v, p.value)
		}
	}
}

func (b *binder) scalar(s *shape, v reflect.Value, text string) {
	var code bursar.Code
	var err error
	switch s.kind {
	case kindBool:
		if text != "true" && text != "false" {
			b.bad(bursar.CodeValidationFailed, "must be true or false, not %.40q", text)
		}
		v.SetBool(text == "true")
	case kindInt, kindAmount:
		code, err = s.setNumber([]byte(text), v)
	default:
		code, err = s.setText(text, v)
	}
	if err != nil {
		b.bad(code, "%v", err)
	}
}

func (b *binder) bound(p *pair) {
	t, err := bursar.ParseTime(p.value)
	if err != nil {
		b.problems.Add("?"+p.name+"["+p.sub+"]", bursar.CodeValidationFailed, "%v", err)
		return
	}
	r := b.v.Addr().Interface().(*timeRange)
	switch p.sub {
	case "gt":
		r.gt = t
	case "gte":
		r.gte = t
	case "lt":
		r.lt = t
	case "lte":
		r.lte = t
	default:
		b.bad(bursar.CodeValidationFailed, "is a range: write %s[gt], [gte], [lt] or [lte]", p.name)
	}
}

// bounds are the range as [from, to), each 0 when open.
func (r timeRange) bounds() (from, to bursar.Time) {
	from, to = r.gte, r.lt
	if r.gt != 0 {
		from = max(from, r.gt+1)
	}
	if r.lte != 0 && (to == 0 || r.lte+1 < to) {
		to = r.lte + 1
	}
	return from, to
}
