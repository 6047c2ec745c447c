package httpapi

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var update = flag.Bool("update", false, "rewrite openapi.json and testdata")

// TestOpenAPICurrent holds the committed document to the route table and the types.
func TestOpenAPICurrent(t *testing.T) {
	want, err := json.Marshal(buildDocument((&API{}).routes()), json.Deterministic(true), jsontext.Multiline(true), jsontext.WithIndent(" "))
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(openAPI, want) {
		t.Error("openapi.json is not what the routes say; run: go test ./httpapi -run TestOpenAPICurrent -update")
	}
}

// TestOpenAPIRoutes: every route is in the document, and nothing else is.
func TestOpenAPIRoutes(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]jsontext.Value `json:"paths"`
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, r := range (&API{}).routes() {
		for _, base := range r.bases {
			if id := operationID(r, base); ids[id] {
				t.Errorf("%s %s has the operationId of another route, %s", r.method, r.pattern, id)
			} else {
				ids[id] = true
			}
			methods := doc.Paths[base+r.pattern]
			if methods[strings.ToLower(r.method)] == nil {
				t.Errorf("%s %s%s is not in the document", r.method, base, r.pattern)
			}
			delete(methods, strings.ToLower(r.method))
		}
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			t.Errorf("the document has %s %s, which is no route", method, path)
		}
	}
}

// TestOpenAPIWords: every schema, member and parameter says what it is, and every route is
// in a group.
func TestOpenAPIWords(t *testing.T) {
	routes := (&API{}).routes()
	doc := buildDocument(routes)
	for name, s := range at(doc, "components", "schemas").(object) {
		schema := s.(object)
		if schema["description"] == nil {
			t.Errorf("schema %s has no description: say what it is in schemaWords", name)
		}
		properties, _ := schema["properties"].(object)
		for member, v := range properties {
			if m := v.(object); m["description"] == nil {
				t.Errorf("%s.%s has no description: say what it means in a doc tag or, if it means that everywhere, in memberWords", name, member)
			}
		}
	}
	for _, r := range routes {
		if tagOf(r) == "" {
			t.Errorf("%s %s is in no group: see tags", r.method, r.pattern)
		}
		for _, base := range r.bases {
			parameters, _ := at(doc, "paths", base+r.pattern, strings.ToLower(r.method), "parameters").([]any)
			for _, p := range parameters {
				if text, _ := p.(object)["description"].(string); text == "" {
					t.Errorf("%s %s: %v has no description", r.method, r.pattern, p.(object)["name"])
				}
			}
		}
	}
}

type object = map[string]any

// document builds an OpenAPI 3.1 document; schemas gathers the components.
type document struct{ schemas object }

func buildDocument(routes []*route) object {
	d := &document{schemas: object{}}
	paths := object{}
	for _, r := range routes {
		for _, base := range r.bases {
			item, _ := paths[base+r.pattern].(object)
			if item == nil {
				item = object{}
				paths[base+r.pattern] = item
			}
			item[strings.ToLower(r.method)] = d.operation(r, base)
		}
	}
	d.schemas["Problem"] = d.problem()
	for name, schema := range d.schemas {
		d.describe(name, schema.(object))
	}
	var groups []any
	for _, tag := range tags {
		if slices.ContainsFunc(routes, func(r *route) bool { return tagOf(r) == tag.name }) {
			groups = append(groups, object{"name": tag.name, "description": tag.description})
		}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Bursar", "version": "1",
			"description": "Open, self-hosted governance of AI usage. Every reply that is not 2xx is a problem document.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers": []any{object{"url": "{origin}", "description": "Where your server listens.",
			"variables": object{"origin": object{"default": "http://127.0.0.1:8080", "description": "Scheme, host and port."}}}},
		"tags":  groups,
		"paths": paths,
		"components": object{
			"schemas": d.schemas,
			"responses": object{"Problem": object{
				"description": "What went wrong.",
				"content":     object{"application/problem+json": object{"schema": ref("Problem")}},
			}},
			"securitySchemes": object{
				"apiKey": object{"type": "apiKey", "in": "header", "name": "X-API-KEY"},
				"bearer": object{"type": "http", "scheme": "bearer"},
			},
		},
	}
}

func (d *document) operation(r *route, base string) object {
	o := object{
		"operationId": operationID(r, base),
		"summary":     r.summary,
		"tags":        []any{tagOf(r)},
		"security":    []any{},
		"responses": object{
			fmt.Sprint(r.status): d.success(r),
			"4XX":                object{"$ref": "#/components/responses/Problem"},
			"default":            object{"$ref": "#/components/responses/Problem"},
		},
	}
	if r.jobs {
		job := *r
		job.out = reflect.TypeFor[jobOut]()
		later := d.success(&job)
		later["description"] = "It takes longer, and goes on as this job: follow it at /api/v1/jobs/{jobId}."
		o["responses"].(object)["202"] = later
	}
	var parameters []any
	for _, f := range r.shape.fields {
		if f.place != inBody && f.shape.kind != kindUnsupported {
			parameters = append(parameters, d.parameter(&f))
		}
	}
	if r.changes() {
		parameters = append(parameters, object{
			"name": "Idempotency-Key", "in": "header", "description": "Makes it safe to send the request again.",
			"schema": object{"type": "string", "minLength": 1, "maxLength": bursar.MaxKeyLen},
		})
	}
	if parameters != nil {
		o["parameters"] = parameters
	}
	if r.method != "GET" && r.shape.hasAny {
		o["requestBody"] = object{"required": r.shape.requires(), "content": object{"application/json": object{"schema": d.input(r.shape)}}}
	}
	if r.access != open {
		o["security"] = []any{object{"apiKey": []any{}}, object{"bearer": []any{}}}
		o["x-key-scopes"] = strings.Split(r.access.names(), " or ")
		switch {
		case r.access&tokenRead != 0:
			o["x-token-permission"] = "read"
		case r.access&tokenManage != 0:
			o["x-token-permission"] = "manage"
		}
	}
	return o
}

// operationID is what the summary says up to its first comma or colon, in camel case and
// without articles, told apart where a path or a base is another name of the same.
func operationID(r *route, base string) string {
	id := ""
	for word := range strings.FieldsSeq(heading(r)) {
		switch word {
		case "a", "an", "the":
		case strings.ToUpper(word): // an abbreviation
			id += word[:1] + strings.ToLower(word[1:])
		default:
			id += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	id = strings.ToLower(id[:1]) + id[1:]
	if strings.Contains(r.pattern, "/entities/entitlements") {
		id += "Alias"
	}
	if strings.HasSuffix(base, "beta") {
		id += "Beta"
	}
	return id
}

func heading(r *route) string {
	if i := strings.IndexAny(r.summary, ",:"); i >= 0 {
		return r.summary[:i]
	}
	return r.summary
}

// tags are the groups of routes, each with how its patterns begin; the longest wins.
var tags = []struct{ name, description, prefixes string }{
	{"Checks", "May this be used? Answered from memory.", entitlements},
	{"Usage", "What was used: reports, raw events, consumption, and check and record in one step.", "/usage /events /credits/consumption " + customer + "/consume"},
	{"Reservations", "Amounts that are held until what was used is known.", customer + "/reservations"},
	{"Governance", "The tree with its usage, what was denied and why, who changed what.", customer + "/governance " + customer + "/denials " + customer + "/explain " + customer + "/activity /overview"},
	{"Customers", "Your customers.", "/customers"},
	{"Entities", "Organisations, teams, users, agents: the nodes of a customer's tree.", customer + "/entities"},
	{"Limits", "Limits of entities, raises for a time, and what drafts would have done.", assignments + " " + entitlement + " " + customer + "/allocation " + customer + "/simulate"},
	{"Entity types", "Kinds of entity, and which dimensions name one.", "/entity-types"},
	{"Features", "What is counted.", "/features"},
	{"Currencies", "Credits that usage costs.", "/credits/custom-currencies"},
	{"Rate cards", "What usage costs.", "/rate-cards"},
	{"Credits", "Grants of credits, and what became of them.", "/credits"},
	{"Promotional entitlements", "Limits of a customer as a whole.", promotions},
	{"Access tokens", "For customers' own people.", customer + "/access-tokens"},
	{"API keys", "For your backend.", "/api-keys"},
	{"Webhooks", "Messages to you and your customers.", "/webhooks"},
	{"Jobs", "Work that takes longer than a request.", "/jobs"},
	{"Operations", "For operators and their tools.", "/healthz /readyz /metrics /openapi.json"},
}

func tagOf(r *route) string {
	name, longest := "", 0
	for _, tag := range tags {
		for prefix := range strings.FieldsSeq(tag.prefixes) {
			if strings.HasPrefix(r.pattern, prefix) && len(prefix) > longest {
				name, longest = tag.name, len(prefix)
			}
		}
	}
	return name
}

func (d *document) success(r *route) object {
	kind, schema := "application/json", any(object{})
	switch {
	case r.pattern == "/metrics":
		kind, schema = "text/plain", object{"type": "string"}
	case r.pattern == "/openapi.json":
		schema = object{"type": "object"}
	case r.pattern == streamPattern:
		kind, schema = "text/event-stream", object{"type": "string", "description": "Events node (data: a row of the tree), removed ({assignmentId}), entity (an entity), refused (a hard limit refused: {assignmentId, at, requested}) and resync (read the tree again). " +
			"Last-Event-ID goes on where an earlier stream ended, or yields resync."}
	default:
		schema = d.output(r.out)
		if !r.out.Implements(reflect.TypeFor[enveloped]()) {
			schema = object{"type": "object", "required": []any{"data"}, "properties": object{"data": schema}}
		}
	}
	reply := object{"description": "Done.", "content": object{kind: object{"schema": schema}}}
	headers := object{}
	if r.out.Implements(reflect.TypeFor[revised]()) {
		headers["ETag"] = object{"description": "The revision of what is shown, for If-Match.", "schema": object{"type": "string"}}
	}
	if r.customer {
		headers["X-Bursar-Version"] = object{"description": "The version of the customer that the reply is true at.", "schema": object{"type": "integer"}}
	}
	if len(headers) > 0 {
		reply["headers"] = headers
	}
	return reply
}

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
