package httpapi

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func (d *document) parameter(f *field) object {
	in := [...]string{inQuery: "query", inPath: "path", inHeader: "header"}[f.place]
	p := object{"name": f.name, "in": in, "schema": d.value(f.shape)}
	if f.required || f.place == inPath {
		p["required"] = true
	}
	p["description"] = cmp.Or(f.doc, memberWords[f.name])
	switch f.shape.kind {
	case kindList:
		p["style"], p["explode"] = "form", false
	case kindDims, kindRange:
		p["style"], p["explode"] = "deepObject", true
	}
	return p
}

// input is the schema of a body, or of an object in it.
func (d *document) input(s *shape) object {
	name := exported(s.typ.Name())
	if _, ok := d.schemas[name]; !ok {
		d.schemas[name] = d.inputObject(s)
	}
	return ref(name)
}

func (d *document) inputObject(s *shape) object {
	properties, required := object{}, []any{}
	for i := range s.fields {
		f := &s.fields[i]
		if f.place != inBody || f.shape.kind == kindUnsupported {
			continue
		}
		schema := d.value(f.shape)
		text := cmp.Or(f.doc, memberWords[f.name])
		if v, ok := schema["default"]; ok { // some generators take a member with a default as one that must be there
			text = strings.TrimSpace(fmt.Sprintf("%s Default: %v.", text, v))
			delete(schema, "default")
		}
		if text != "" {
			schema["description"] = text
		}
		if f.opt {
			schema = nullable(schema)
		}
		if f.required {
			required = append(required, f.name)
		}
		properties[f.name] = schema
	}
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// value is the schema of an input value.
func (d *document) value(s *shape) object {
	var out object
	r := &s.rules
	switch s.kind {
	case kindText:
		out = object{"type": "string"}
		if r.hi > 0 {
			out["minLength"], out["maxLength"] = r.lo, r.hi
		}
		if r.enum != nil {
			out["enum"] = r.enum
		}
		if r.syntax != "" {
			out["pattern"] = patterns[r.syntax]
		}
	case kindBool:
		out = object{"type": "boolean"}
	case kindInt:
		out = object{"type": "integer"}
		if r.hi > 0 {
			out["minimum"], out["maximum"] = r.lo, r.hi
		}
		if r.enum != nil {
			var values []any
			for _, v := range r.enum {
				values = append(values, jsontext.Value(v))
			}
			out["enum"] = values
		}
	case kindAmount:
		out = object{"type": "number", "format": "double"}
		if r.min {
			out["minimum"] = 0
		}
		if r.positive {
			out["exclusiveMinimum"] = 0
		}
	case kindTime:
		out = object{"type": "string", "format": "date-time"}
	case kindCadence:
		out = object{"type": "string", "pattern": `^P(T[1-9][0-9]{0,3}[MH]|[1-9][0-9]{0,3}[DWMY])$`}
	case kindList:
		out = object{"type": "array", "items": d.value(s.elem), "maxItems": r.hi}
		if r.lo > 0 {
			out["minItems"] = r.lo
		}
	case kindTextMap:
		out = object{"type": "object", "additionalProperties": object{"type": "string", "maxLength": bursar.MaxMetadataLen}, "maxProperties": bursar.MaxMetadataKeys}
	case kindDims:
		out = object{"type": "object", "additionalProperties": anyOf("string", "number", "boolean"), "maxProperties": bursar.MaxDimensions}
	case kindMatch:
		text := object{"type": "string", "maxLength": bursar.MaxDimensionLen}
		out = object{"type": "object", "additionalProperties": object{"anyOf": []any{text, object{"type": "array", "items": text, "minItems": 1}}}}
	case kindJSON:
		out = object{"type": "object"}
	case kindRange:
		bound := object{"type": "string", "format": "date-time"}
		out = object{"type": "object", "properties": object{"gt": bound, "gte": bound, "lt": bound, "lte": bound}}
	case kindObject:
		return d.input(s)
	}
	if r.fallback != "" {
		var v any
		if json.Unmarshal([]byte(r.fallback), &v) != nil {
			v = r.fallback
		}
		out["default"] = v
	}
	return out
}

var patterns = map[string]string{
	"id":         `^[a-zA-Z0-9][a-zA-Z0-9_|.-]{0,254}$`,
	"customerId": `^[a-zA-Z0-9][a-zA-Z0-9_|.@-]{0,254}$`,
	"entityId":   `^[a-zA-Z0-9][a-zA-Z0-9_|.-]{0,254}$`,
	"key":        `^[ -~]{1,255}$`,
	"label":      `^[a-zA-Z0-9_.-]{0,64}$`,
}

// nullable says in the way that generators of clients understand that a value may be null.
func nullable(schema object) object {
	out := object{"anyOf": []any{schema, object{"type": "null"}}}
	for _, word := range []string{"description", "default"} { // they are of the whole
		if v, ok := schema[word]; ok {
			out[word] = v
			delete(schema, word)
		}
	}
	return out
}

// anyOf is a value of one of some kinds.
func anyOf(kinds ...string) object {
	var choices []any
	for _, kind := range kinds {
		choices = append(choices, object{"type": kind})
	}
	return object{"anyOf": choices}
}

// describe gives a schema and its members the words of their names, where they have none
// of their own.
func (d *document) describe(name string, schema object) {
	text := schemaWords[name]
	for _, form := range []struct{ prefix, suffix, text string }{{"PageOf", "", "A page of a list. "}, {"", "In", ""}, {"", "Patch", "What to change. "}} {
		of, ok := strings.CutPrefix(name, form.prefix)
		if !ok || text != "" {
			continue
		}
		if of, ok = strings.CutSuffix(of, form.suffix); ok && of != name && schemaWords[of] != "" {
			text = form.text + schemaWords[of]
		}
	}
	if text != "" {
		schema["description"] = text
	}
	properties, _ := schema["properties"].(object)
	for member, v := range properties {
		s := v.(object)
		if s["description"] == nil && memberWords[member] != "" {
			s = maps.Clone(s) // members may share it
			s["description"] = memberWords[member]
			properties[member] = s
		}
	}
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// output is the schema of what is answered.
func (d *document) output(t reflect.Type) object {
	switch t {
	case typeAmount, reflect.TypeFor[ratio]():
		return object{"type": "number", "format": "double"}
	case typeTime:
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[jsontext.Value]():
		return object{}
	case reflect.TypeFor[*nothing]():
		return object{"type": "null"}
	case reflect.TypeFor[dims]():
		return object{"type": "object", "additionalProperties": anyOf("string", "number", "boolean")}
	case reflect.TypeFor[rateMatch]():
		text := object{"type": "string"}
		return object{"type": "object", "additionalProperties": object{"anyOf": []any{text, object{"type": "array", "items": text}}}}
	case reflect.TypeFor[chains]():
		return d.output(reflect.TypeFor[[][]nodeReply]())
	case reflect.TypeFor[decisions]():
		return object{"type": "array", "items": d.output(reflect.TypeFor[decisionReply]())}
	case reflect.TypeFor[decisionReply]():
		return object{"oneOf": []any{d.output(reflect.TypeFor[featureCheck]()), d.output(reflect.TypeFor[creditCheck]())}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return nullable(d.output(t.Elem()))
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Slice:
		return object{"type": "array", "items": d.output(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.output(t.Elem())}
	case reflect.Struct:
		return d.component(t)
	}
	panic("no schema for " + t.String())
}

func (d *document) component(t reflect.Type) object {
	name := componentName(t)
	if _, ok := d.schemas[name]; !ok {
		schema := object{"type": "object"}
		d.schemas[name] = schema // before its members, which may be of the same type
		properties, required := object{}, []any{}
		d.members(t, properties, &required)
		schema["properties"] = properties
		if len(required) > 0 {
			schema["required"] = required
		}
	}
	return ref(name)
}

// componentName is "Feature" for featureOut, "PageOfCustomer" for page[bursar.Customer].
func componentName(t reflect.Type) string {
	name := t.Name()
	if outer, inner, ok := strings.Cut(name, "["); ok {
		inner = inner[strings.LastIndexAny(inner, "./")+1 : len(inner)-1]
		return exported(outer) + "Of" + exported(inner)
	}
	return exported(name)
}

func exported(name string) string {
	name = strings.TrimSuffix(strings.TrimSuffix(name, "Out"), "Reply")
	return strings.ToUpper(name[:1]) + name[1:]
}

func (d *document) members(t reflect.Type, properties object, required *[]any) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			d.members(f.Type, properties, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		rules := strings.Split(f.Tag.Get("is"), ",")
		ft := f.Type
		mayBeAbsent := options == "omitempty" || options == "omitzero"
		if mayBeAbsent && ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		var schema object
		for _, rule := range rules {
			if values, ok := strings.CutPrefix(rule, "enum="); ok {
				schema = object{"type": "string", "enum": strings.Split(values, "|")}
				if ft.Kind() == reflect.Pointer {
					schema = nullable(schema)
				}
			}
		}
		if schema == nil {
			schema = d.output(ft)
		}
		if doc := f.Tag.Get("doc"); doc != "" {
			schema["description"] = doc
		}
		properties[name] = schema
		if !mayBeAbsent {
			*required = append(*required, name)
		}
	}
}

// problem is the schema of every reply that is not 2xx.
func (d *document) problem() object {
	text := object{"type": "string"}
	return object{
		"type":     "object",
		"required": []any{"code", "message", "type", "title", "status", "detail", "instance", "retryable"},
		"properties": object{
			"code": object{"type": "string", "description": "Stable; branch on this."}, "message": object{"type": "string", "description": "The same as detail."},
			"type": object{"type": "string", "format": "uri"}, "title": text, "status": object{"type": "integer"}, "detail": text,
			"instance": object{"type": "string", "description": "Names the request, as X-Request-Id does."}, "retryable": object{"type": "boolean"},
			"errors": object{"type": "array", "items": object{
				"type": "object", "required": []any{"pointer", "code", "detail"},
				"properties": object{"pointer": object{"type": "string", "description": "A JSON pointer into the body, or ?name for a query parameter."}, "code": text, "detail": text},
			}},
			"binding":    object{"anyOf": []any{d.output(reflect.TypeFor[bindingReply]()), object{"type": "null"}}, "description": "The limit that refused (402)."},
			"advice":     object{"anyOf": []any{d.output(reflect.TypeFor[adviceOut]()), object{"type": "null"}}, "description": "Of a denial (402): how to go on all the same, such as with what fits. What was asked for does not count."},
			"frozen":     d.output(reflect.TypeFor[frozenOut]()),
			"resetsAt":   nullable(object{"type": "string", "format": "date-time"}),
			"chains":     d.output(reflect.TypeFor[chains]()),
			"warnings":   object{"type": "array", "items": text, "description": "With a denial (402): what of the request may be meant otherwise."},
			"allocation": d.output(reflect.TypeFor[allocationProblem]()),
			"conflicts": object{"type": "array", "description": "With RevisionMismatch: what is there now, as a read of it shows it, where the request named an older revision.", "items": object{
				"type": "object", "required": []any{"pointer", "current"},
				"properties": object{"pointer": object{"type": "string", "description": "Of the item's ifMatch; empty for the header If-Match."},
					"current": object{"anyOf": []any{object{"type": "object"}, object{"type": "null"}}, "description": "null: there is none any more."}},
			}},
		},
	}
}
