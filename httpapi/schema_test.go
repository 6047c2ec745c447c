package httpapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// schemas checks replies against openapi.json. It knows the part of JSON Schema that
// the document uses, and is stricter in one thing: a member that the document does not
// name is an error.
type schemas struct{ doc object }

func loadSchemas() (schemas, error) {
	var s schemas
	return s, json.Unmarshal(openAPI, &s.doc)
}

func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(object)
		v = m[name]
	}
	return v
}

// reply checks the body of a reply of a route.
func (s schemas) reply(method, pattern string, status int, contentType string, body []byte) error {
	responses, ok := at(s.doc, "paths", pattern, strings.ToLower(method), "responses").(object)
	if !ok {
		return fmt.Errorf("no responses for %s %s", method, pattern)
	}
	response, ok := responses[fmt.Sprint(status)]
	if !ok {
		if status < 300 {
			return fmt.Errorf("%s %s does not document status %d", method, pattern, status)
		}
		response = at(s.doc, "components", "responses", "Problem")
	}
	schema := at(response, "content", contentType, "schema")
	if schema == nil {
		return fmt.Errorf("%s %s does not document %s for status %d", method, pattern, contentType, status)
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	return s.check("", schema.(object), v)
}

func (s schemas) check(where string, schema object, v any) error {
	if name, ok := schema["$ref"].(string); ok {
		name = strings.TrimPrefix(name, "#/components/schemas/")
		target, ok := at(s.doc, "components", "schemas", name).(object)
		if !ok {
			return fmt.Errorf("%s: no schema %s", where, name)
		}
		return s.check(where, target, v)
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		if choices, ok := schema[word].([]any); ok {
			return s.choice(where, word, choices, v)
		}
	}
	if kinds := kindsOf(schema); kinds != nil && !slices.ContainsFunc(kinds, func(k string) bool { return isKind(k, v) }) {
		return fmt.Errorf("%s: %v is not %v", where, v, kinds)
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Errorf("%s: %v is none of %v", where, v, enum)
	}
	if text, ok := v.(string); ok && schema["format"] == "date-time" {
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", text); err != nil {
			return fmt.Errorf("%s: %v", where, err)
		}
	}
	switch v := v.(type) {
	case []any:
		items, _ := schema["items"].(object)
		for i, item := range v {
			if err := s.check(fmt.Sprintf("%s/%d", where, i), items, item); err != nil {
				return err
			}
		}
	case object:
		return s.members(where, schema, v)
	}
	return nil
}

func (s schemas) members(where string, schema, v object) error {
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Errorf("%s: %v is missing", where, name)
		}
	}
	properties, _ := schema["properties"].(object)
	rest, _ := schema["additionalProperties"].(object)
	for _, name := range slices.Sorted(maps.Keys(v)) {
		member, ok := properties[name].(object)
		if !ok {
			member = rest
		}
		if member == nil && (properties != nil || rest != nil) {
			return fmt.Errorf("%s: %s is not documented", where, name)
		}
		if err := s.check(where+"/"+name, member, v[name]); err != nil {
			return err
		}
	}
	return nil
}

func (s schemas) choice(where, word string, choices []any, v any) error {
	var errs []error
	for _, c := range choices {
		if err := s.check(where, c.(object), v); err != nil {
			errs = append(errs, err)
		}
	}
	switch fits := len(choices) - len(errs); {
	case fits == 0:
		return fmt.Errorf("%s: fits none: %v", where, errs)
	case fits > 1 && word == "oneOf":
		return fmt.Errorf("%s: fits %d of oneOf", where, fits)
	}
	return nil
}

func kindsOf(schema object) []string {
	switch kind := schema["type"].(type) {
	case string:
		return []string{kind}
	case []any:
		var kinds []string
		for _, k := range kind {
			kinds = append(kinds, k.(string))
		}
		return kinds
	}
	return nil
}

func isKind(kind string, v any) bool {
	switch v := v.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case float64:
		return kind == "number" || kind == "integer" && v == float64(int64(v))
	case []any:
		return kind == "array"
	}
	return kind == "object"
}
