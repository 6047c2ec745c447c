package httpapi

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
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

// TestOpenAPIFunctions: whoever reads the document finds each function that a meter may have.
func TestOpenAPIFunctions(t *testing.T) {
	doc := buildDocument((&API{}).routes())
	got := fmt.Sprint(at(doc, "components", "schemas", "AggregationIn", "properties", "function", "enum"))
	if want := fmt.Sprint(catalogue.Functions); got != want {
		t.Errorf("a meter may take one of %s, and the document says %s", want, got)
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
		switch of, itself := strings.CutPrefix(r.pattern, customer+"/"); {
		case tagOf(r) == "":
			t.Errorf("%s %s is in no group: see tags", r.method, r.pattern)
		case itself && tagOf(r) == "Customers" && !slices.Contains([]string{"archive", "unarchive", "resources"}, of):
			t.Errorf("%s %s is about something of a customer: give the group of that a prefix in tags", r.method, r.pattern)
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
				"spendToken": object{"type": "http", "scheme": "bearer", "bearerFormat": "bst_…",
					"description": "A spend token. Who spends, it says: the server adds its dimensions, and refuses with 403 a request that says otherwise. Its holder may narrow it without asking."},
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
		var security []any
		if scopes := r.access.names(); scopes != "" {
			security = []any{object{"apiKey": []any{}}, object{"bearer": []any{}}}
			o["x-key-scopes"] = strings.Split(scopes, " or ")
		}
		if r.access&tokenSpend != 0 {
			security = append(security, object{"spendToken": []any{}})
		}
		o["security"] = security
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
	{"Governance", "The tree with its usage, over time and as expected, what was denied and why, who changed what.", customer + "/governance " + customer + "/denials " + customer + "/denials/summary " + customer + "/explain " + customer + "/activity " + customer + "/usage " + customer + "/forecast " + customer + "/freeze " + customer + "/thaw /overview"},
	{"Customers", "Your customers.", "/customers"},
	{"Entities", "Organisations, teams, users, agents: the nodes of a customer's tree.", customer + "/entities"},
	{"Limits", "Limits of entities, defaults for all of a type, raises for a time and requests for them, and what drafts would have done.", assignments + " " + entitlement + " " + defaults + " " + degrades + " " + boostRequests + " " + customer + "/allocation " + customer + "/coverage " + customer + "/simulate"},
	{"Entity types", "Kinds of entity, and which dimensions name one.", "/entity-types"},
	{"Settings", "What holds for the whole environment.", "/settings /governance"},
	{"Features", "What is counted.", "/features"},
	{"Currencies", "Credits that usage costs.", "/credits/custom-currencies"},
	{"Rate cards", "What usage costs.", "/rate-cards"},
	{"Credits", "Grants of credits, and what became of them.", "/credits"},
	{"Promotional entitlements", "Limits of a customer as a whole.", promotions},
	{"Access tokens", "For customers' own people.", customer + "/access-tokens"},
	{"Spend tokens", "For what spends: an agent, a run, a sub-agent. Who spends and how much at most is in the token, and its holder may narrow it.", customer + "/spend-tokens /spend-token"},
	{"API keys", "For your backend.", "/api-keys"},
	{"Notifications", "Who hears of what happens to limits: by mail and Slack, for customers' own people.", notifications},
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
