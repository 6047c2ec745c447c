package httpapi

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/bursarhq/bursar"
	"github.com/go-json-experiment/json/jsontext"
)

// A shape is what an input type accepts, read from the type once. The tags are:
//
//	json:"name"   a member of the body
//	query:"name"  a parameter of the query
//	path:"name"   a parameter of the path, of all those of the pattern, in their order
//	header:"Name" a header
//	is:"…"        rules, separated by commas: required, id, customerId, entityId, key,
//	              label, eventType; len=lo-hi (characters), n=lo-hi (items, or an integer),
//	              enum=A|B (integers, too), min=0 and positive (amounts),
//	              default=x (for the document)
//	doc:"…"       a description
//
// A *T may be absent; a bursar.Opt[T] may be absent or null.
type shape struct {
	kind   kind
	typ    reflect.Type
	elem   *shape // of a list
	fields []field
	names  map[string]int // of body members, to fields
	hasAny bool           // has body members
	paths  []string       // names of path parameters, in their order
	rules  rules
}

type kind uint8

const (
	kindText kind = iota + 1
	kindBool
	kindInt
	kindAmount
	kindTime
	kindCadence
	kindList
	kindTextMap     // map[string]string
	kindDims        // []bursar.Dimension
	kindMatch       // map[string][]string
	kindJSON        // jsontext.Value
	kindRange       // timeRange
	kindUnsupported // unsupported
	kindObject
)

func (k kind) String() string {
	return [...]string{"", "a string", "true or false", "an integer", "a number", "an RFC 3339 timestamp", "a cadence such as \"P1M\"",
		"an array", "an object of strings", "an object of strings, numbers and booleans", "an object of strings and arrays of strings", "an object",
		"a range of times", "empty", "an object"}[k]
}

// place is where in a request a field is.
type place uint8

const (
	inBody place = iota
	inQuery
	inPath
	inHeader
)

// field is one member of an object or one parameter.
type field struct {
	name     string
	doc      string
	index    []int
	place    place
	pointer  bool // *T
	opt      bool // bursar.Opt[T]
	required bool
	shape    *shape
}

// rules bound a value beyond its kind.
type rules struct {
	check    func(string) error
	syntax   string // name of check
	lo, hi   int    // of len or n, when hi > 0
	enum     []string
	min      bool // amount ≥ 0
	positive bool // amount > 0
	fallback string
}

// unsupported is an input that the reference API knows and this one does not: null,
// "", [] and {} pass.
type unsupported struct{}

// timeRange is a range of instants, each bound 0 when absent.
type timeRange struct{ gt, gte, lt, lte bursar.Time }

var (
	typeAmount      = reflect.TypeFor[bursar.Amount]()
	typeTime        = reflect.TypeFor[bursar.Time]()
	typeCadence     = reflect.TypeFor[bursar.Cadence]()
	typeDims        = reflect.TypeFor[[]bursar.Dimension]()
	typeTextMap     = reflect.TypeFor[map[string]string]()
	typeMatch       = reflect.TypeFor[map[string][]string]()
	typeJSON        = reflect.TypeFor[jsontext.Value]()
	typeRange       = reflect.TypeFor[timeRange]()
	typeUnsupported = reflect.TypeFor[unsupported]()
)

var shapes sync.Map // reflect.Type to *shape, of objects

// shapeOf is the shape of a struct type. It panics when a tag or a type makes no
// sense, which every start and every test would show.
func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := &shape{kind: kindObject, typ: t, names: map[string]int{}}
	s.addFields(t, nil)
	for i, f := range s.fields {
		switch f.place {
		case inBody:
			s.names[f.name] = i
			s.hasAny = true
		case inPath:
			s.paths = append(s.paths, f.name)
		}
	}
	if len(s.fields) > 64 {
		panic("httpapi: " + t.String() + " has more than 64 fields")
	}
	shapes.Store(t, s)
	return s
}

func (s *shape) addFields(t reflect.Type, at []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(at[:len(at):len(at)], i)
		if sf.Anonymous {
			s.addFields(sf.Type, index)
			continue
		}
		f := field{index: index, doc: sf.Tag.Get("doc")}
		f.name, f.place = nameOf(sf.Tag)
		if f.name == "" || f.place == inPath && sf.Type.Kind() != reflect.String {
			panic(fmt.Sprintf("httpapi: %v.%s has no name, or is not the text that a path has", t, sf.Name))
		}
		ft := sf.Type
		switch {
		case ft.Kind() == reflect.Pointer:
			f.pointer, ft = true, ft.Elem()
		case ft.PkgPath() == typeAmount.PkgPath() && strings.HasPrefix(ft.Name(), "Opt["):
			f.opt, ft = true, ft.Field(2).Type
		}
		f.shape, f.required = ruledShape(ft, sf.Tag.Get("is"))
		s.fields = append(s.fields, f)
	}
}

// nameOf is the name of a field in requests, "" for none, and where it is.
func nameOf(tag reflect.StructTag) (string, place) {
	for _, at := range []struct {
		tag   string
		place place
	}{{"query", inQuery}, {"path", inPath}, {"header", inHeader}} {
		if name := tag.Get(at.tag); name != "" {
			return name, at.place
		}
	}
	name, _, _ := strings.Cut(tag.Get("json"), ",")
	return name, inBody
}

func ruledShape(t reflect.Type, tag string) (s *shape, required bool) {
	if t.Kind() == reflect.Struct && kindOf(t) == kindObject {
		return shapeOf(t), tag == "required"
	}
	s = &shape{kind: kindOf(t), typ: t}
	if s.kind == kindList {
		// Rules on text are those of the items; n is the list's own.
		s.elem, _ = ruledShape(t.Elem(), itemRules(tag))
	}
	for rule := range strings.SplitSeq(tag, ",") {
		if s.kind == kindList && !strings.HasPrefix(rule, "n=") && rule != "required" {
			continue
		}
		required = s.rules.add(rule) || required
	}
	return s, required
}

func itemRules(tag string) string {
	var items []string
	for rule := range strings.SplitSeq(tag, ",") {
		if !strings.HasPrefix(rule, "n=") && rule != "required" {
			items = append(items, strings.Replace(rule, "each=", "n=", 1))
		}
	}
	return strings.Join(items, ",")
}

func (r *rules) add(rule string) (required bool) {
	name, value, _ := strings.Cut(rule, "=")
	switch name {
	case "":
	case "required":
		return true
	case "id":
		r.check, r.syntax = bursar.CheckID, name
	case "customerId":
		r.check, r.syntax = bursar.CheckCustomerID, name
	case "entityId":
		r.check, r.syntax = bursar.CheckEntityID, name
	case "key":
		r.check, r.syntax = bursar.CheckKey, name
	case "label":
		r.check, r.syntax = bursar.CheckLabel, name
	case "eventType":
		r.enum = bursar.EventTypes
	case "len", "n":
		lo, hi, _ := strings.Cut(value, "-")
		r.lo, _ = strconv.Atoi(lo)
		r.hi, _ = strconv.Atoi(hi)
		if r.hi == 0 {
			panic("httpapi: bad rule " + rule)
		}
	case "enum":
		r.enum = strings.Split(value, "|")
	case "min":
		r.min = true
	case "positive":
		r.positive = true
	case "default":
		r.fallback = value
	default:
		panic("httpapi: unknown rule " + rule)
	}
	return false
}

func kindOf(t reflect.Type) kind {
	switch t {
	case typeAmount:
		return kindAmount
	case typeTime:
		return kindTime
	case typeCadence:
		return kindCadence
	case typeDims:
		return kindDims
	case typeTextMap:
		return kindTextMap
	case typeMatch:
		return kindMatch
	case typeJSON:
		return kindJSON
	case typeRange:
		return kindRange
	case typeUnsupported:
		return kindUnsupported
	}
	switch t.Kind() {
	case reflect.String:
		return kindText
	case reflect.Bool:
		return kindBool
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return kindInt
	case reflect.Slice:
		return kindList
	case reflect.Struct:
		return kindObject
	}
	panic("httpapi: no wire form for " + t.String())
}

// target is where a value of the field's shape is put. A pointer is made to point at a new
// value, an Opt is noted as set.
func (f *field) target(v reflect.Value) reflect.Value {
	v = v.FieldByIndex(f.index)
	switch {
	case f.pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return v.Elem()
	case f.opt:
		v.Field(0).SetBool(true)
		return v.Field(2)
	}
	return v
}

// setNull notes a null; it reports false when the field does not take one.
func (f *field) setNull(v reflect.Value) bool {
	switch {
	case f.opt:
		v = v.FieldByIndex(f.index)
		v.Field(0).SetBool(true)
		v.Field(1).SetBool(true)
		return true
	case f.pointer:
		return !f.required
	}
	switch f.shape.kind {
	case kindTextMap, kindDims, kindMatch, kindJSON, kindUnsupported:
		return !f.required
	}
	return false
}
