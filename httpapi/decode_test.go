package httpapi

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

func decodeFor[T any](t testing.TB, body string) (T, *bursar.Error) {
	var v T
	var problems bursar.Problems
	err := decodeBody([]byte(body), shapeOf(reflect.TypeFor[T]()), reflect.ValueOf(&v).Elem(), &problems)
	if err == nil {
		err = problems.Err()
	}
	if err == nil {
		return v, nil
	}
	e, ok := err.(*bursar.Error)
	if !ok {
		t.Fatalf("%s: an error that is not ours: %v", body, err)
	}
	return v, e
}

// places are an error's bad places, as "code pointer".
func places(e *bursar.Error) string {
	if e == nil {
		return ""
	}
	var list []string
	for _, f := range e.Fields {
		list = append(list, string(f.Code)+" "+f.Pointer)
	}
	return strings.Join(list, ", ")
}

func usageBody(member string) string {
	return `{"usages":[{"customerId":"acme","featureId":"tokens",` + member + `}]}`
}

func TestDecodeUsage(t *testing.T) {
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for _, c := range []struct{ body, want string }{
		{usageBody(`"value":5`), ""},
		{usageBody(`"value":1e-7`), ""},
		{usageBody(`"value":0.30000000000000004`), ""},
		{usageBody(`"value":-1`), ""}, // the engine knows whether the feature fluctuates
		{usageBody(`"value":5,"dimensions":{"a":"b","c":1.5,"d":true},"idempotencyKey":"k","createdAt":"2026-09-14T10:22:31+02:00"`), ""},
		{usageBody(`"value":5,"resourceId":null`), ""},
		{usageBody(`"value":5,"resourceId":""`), ""},
		{usageBody(`"value":5,"dimensions":null`), ""},
		{" \n\t" + usageBody(`"value":5`) + "\n", ""},

		{usageBody(`"value":"5"`), "InvalidAmount /usages/0/value"},
		{usageBody(`"value":null`), "InvalidAmount /usages/0/value"},
		{usageBody(`"value":NaN`), "InvalidAmount /usages/0/value"},
		{usageBody(`"value":-Infinity`), "InvalidAmount /usages/0/value"},
		{usageBody(`"value":1e400`), "InvalidAmount /usages/0/value"},
		{usageBody(`"value":1e15`), "InvalidAmount /usages/0/value"},
		{usageBody(`"value":[1]`), "InvalidAmount /usages/0/value"},
		{usageBody(`"value":01`), "ValidationFailed /usages/0"},
		{usageBody(`"value":1,"value":2`), "ValidationFailed /usages/0/value"},
		{usageBody(`"value":1,"dimensions":{"a":"b","a":"c"}`), "ValidationFailed /usages/0/dimensions/a"},
		{usageBody(`"Value":1`), "UnknownField /usages/0/Value, ValidationFailed /usages/0/value"},
		{usageBody(`"value":1,"amount":2,"x/y~":3`), "UnknownField /usages/0/amount, UnknownField /usages/0/x~1y~0"},
		{usageBody(`"value":1,"resourceId":"seat"`), "UnsupportedField /usages/0/resourceId"},
		{usageBody(`"value":1,"updateBehavior":"ADD"`), "ValidationFailed /usages/0/updateBehavior"},
		{usageBody(`"value":1,"createdAt":"yesterday"`), "ValidationFailed /usages/0/createdAt"},
		{usageBody(`"value":1,"createdAt":1700000000`), "ValidationFailed /usages/0/createdAt"},
		{usageBody(`"value":1,"idempotencyKey":""`), "ValidationFailed /usages/0/idempotencyKey"},
		{usageBody(`"value":1,"dimensions":{"a":null}`), "ValidationFailed /usages/0/dimensions/a"},
		{usageBody(`"value":1,"dimensions":{"a b":"c"}`), "ValidationFailed /usages/0/dimensions/a b"},
		{usageBody(`"value":1,"dimensions":[]`), "ValidationFailed /usages/0/dimensions"},
		{usageBody(`"value":1,"x":` + deep), "ValidationFailed /usages/0/x" + strings.Repeat("/0", 29)},
		{usageBody(`"value":` + deep), "ValidationFailed /usages/0/value" + strings.Repeat("/0", 29)},
		{`{"usages":[{"customerId":"a/b","featureId":"@","value":"x"},{},5]}`,
			"ValidationFailed /usages/0/customerId, ValidationFailed /usages/0/featureId, InvalidAmount /usages/0/value, " +
				"ValidationFailed /usages/1/customerId, ValidationFailed /usages/1/featureId, ValidationFailed /usages/1/value, ValidationFailed /usages/2"},
		{`{"usages":[]}`, "ValidationFailed /usages"},
		{`{"usages":[` + strings.Repeat(`{"customerId":"a","featureId":"b","value":1},`, 100) + `0]}`, "ValidationFailed /usages"},
		{`{"usages":{}}`, "ValidationFailed /usages"},
		{`{}`, "ValidationFailed /usages"},
		{``, "ValidationFailed "},
		{`null`, "ValidationFailed "},
		{`[]`, "ValidationFailed "},
		{`"usages"`, "ValidationFailed "},
		{usageBody(`"value":1`) + `{}`, "ValidationFailed "},
		{usageBody(`"value":1`) + `x`, "ValidationFailed "},
		{`{"usages":[{"customerId":"acme"`, "ValidationFailed /usages/0"},
		{"{\"usages\":\"\xff\"}", "ValidationFailed /usages"},
		{`{"\ud800":1}`, "ValidationFailed "},
	} {
		_, err := decodeFor[usageIn](t, c.body)
		if got := places(err); got != c.want {
			t.Errorf("%.200s\n got %s\nwant %s (%v)", c.body, got, c.want, err)
		}
	}
}

func TestDecodeManyProblems(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"usages":0`)
	for i := range maxMembers - 1 {
		fmt.Fprintf(&body, `,"%d":0`, i)
	}
	_, err := decodeFor[usageIn](t, body.String()+"}")
	if err == nil || len(err.Fields) != maxProblems {
		t.Errorf("%d places are named, want %d", len(err.Fields), maxProblems)
	}
}

func TestDecodeTriState(t *testing.T) {
	in, err := decodeFor[assignmentsIn](t, `{"assignments":[
		{"entityId":"a","featureId":"f","usageLimit":null,"cadence":"P1M","parentId":null,"anchor":null,"alertThresholds":[]},
		{"entityId":"b","featureId":"f","usageLimit":0,"parentId":"a","alertThresholds":[100,80.0,5e1],"enforcement":"soft"},
		{"entityId":"c","currencyId":"c","scopeEntityIds":["x","y"],"alertThresholds":null,"enforcement":null}]}`)
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := in.Assignments[0], in.Assignments[1], in.Assignments[2]
	if !a.UsageLimit.Set || !a.UsageLimit.Null || !a.ParentID.Null || !a.Anchor.Null || a.Enforcement.Set || a.Timezone.Set {
		t.Errorf("null and absent: %+v", a)
	}
	if a.Cadence.Value != (bursar.Cadence{N: 1, Unit: bursar.UnitMonth}) || !a.AlertThresholds.Set || len(a.AlertThresholds.Value) != 0 {
		t.Errorf("values: %+v", a)
	}
	if !b.UsageLimit.Set || b.UsageLimit.Null || !b.UsageLimit.Value.IsZero() || b.ParentID.Value != "a" ||
		!reflect.DeepEqual(b.AlertThresholds.Value, []int{100, 80, 50}) || b.Enforcement.Value != bursar.Soft {
		t.Errorf("values: %+v", b)
	}
	if !c.AlertThresholds.Null || !c.Enforcement.Null || !reflect.DeepEqual(c.ScopeEntityIDs, []string{"x", "y"}) {
		t.Errorf("null: %+v", c)
	}
}

func TestDecodeAssignments(t *testing.T) {
	for member, want := range map[string]string{
		`"cadence":"P1M"`:                  "",
		`"cadence":null`:                   "", // the engine's to judge
		`"cadence":"monthly"`:              "InvalidCadence /assignments/0/cadence",
		`"cadence":30`:                     "InvalidCadence /assignments/0/cadence",
		`"usageLimit":-1`:                  "InvalidAmount /assignments/0/usageLimit",
		`"usageLimit":"10"`:                "InvalidAmount /assignments/0/usageLimit",
		`"alertThresholds":[80,0]`:         "ValidationFailed /assignments/0/alertThresholds/1",
		`"alertThresholds":[80.5]`:         "ValidationFailed /assignments/0/alertThresholds/0",
		`"alertThresholds":["80"]`:         "ValidationFailed /assignments/0/alertThresholds/0",
		`"scopeEntityIds":["a",null]`:      "ValidationFailed /assignments/0/scopeEntityIds/1",
		`"scopeEntityIds":["a b"]`:         "ValidationFailed /assignments/0/scopeEntityIds/0",
		`"scopeEntityIds":null`:            "ValidationFailed /assignments/0/scopeEntityIds",
		`"label":"daily/x"`:                "ValidationFailed /assignments/0/label",
		`"enforcement":"SOFT"`:             "ValidationFailed /assignments/0/enforcement",
		`"anchor":"2026-01-31T00:00:00Z"`:  "",
		`"parentId":"archive"`:             "ValidationFailed /assignments/0/parentId",
		`"usagelimit":1`:                   "UnknownField /assignments/0/usagelimit",
		`"allocation":"strict","label":""`: "",
	} {
		_, err := decodeFor[assignmentsIn](t, `{"assignments":[{"entityId":"a","featureId":"f",`+member+`}]}`)
		if got := places(err); got != want {
			t.Errorf("%s\n got %s\nwant %s (%v)", member, got, want, err)
		}
	}
}

func TestDecodeDimensions(t *testing.T) {
	in, err := decodeFor[usageIn](t, usageBody(`"value":1,"dimensions":{"s":"x","i":5,"big":9007199254740993,"f":1.50,"e":1e3,"tiny":1e-9,"zero":-0,"b":false}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []bursar.Dimension{
		{Key: "s", Value: "x"}, {Key: "i", Value: "5", Kind: bursar.DimNumber}, {Key: "big", Value: "9007199254740993", Kind: bursar.DimNumber},
		{Key: "f", Value: "1.5", Kind: bursar.DimNumber}, {Key: "e", Value: "1000", Kind: bursar.DimNumber}, {Key: "tiny", Value: "0.000000001", Kind: bursar.DimNumber},
		{Key: "zero", Value: "0", Kind: bursar.DimNumber}, {Key: "b", Value: "false", Kind: bursar.DimBool},
	}
	if !reflect.DeepEqual(in.Usages[0].Dimensions, want) {
		t.Errorf("got %+v", in.Usages[0].Dimensions)
	}
	if in, err := decodeFor[usageIn](t, usageBody(`"value":1,"dimensions":{}`)); err != nil || in.Usages[0].Dimensions == nil {
		t.Error("{} are dimensions, though none")
	}
	many := make([]string, bursar.MaxDimensions+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":1`, i)
	}
	_, err = decodeFor[usageIn](t, usageBody(`"value":1,"dimensions":{`+strings.Join(many, ",")+`}`))
	if got := places(err); got != "ValidationFailed /usages/0/dimensions" {
		t.Errorf("too many: %s", got)
	}
}

func TestDecodeMetadata(t *testing.T) {
	long := strings.Repeat("é", bursar.MaxMetadataLen)
	for value, want := range map[string]string{
		`{"a":"b","c":""}`:       "",
		`null`:                   "",
		`{"a":"` + long + `"}`:   "",
		`{"a":"` + long + `x"}`:  "ValidationFailed /metadata/a",
		`{"a":1}`:                "ValidationFailed /metadata/a",
		`{"a":null,"b":{"c":1}}`: "ValidationFailed /metadata/a, ValidationFailed /metadata/b",
		`{"":"x"}`:               "ValidationFailed /metadata/",
		`[]`:                     "ValidationFailed /metadata",
	} {
		_, err := decodeFor[customerIn](t, `{"id":"acme","metadata":`+value+`}`)
		if got := places(err); got != want {
			t.Errorf("%.80s: got %s, want %s", value, got, want)
		}
	}
}

func TestDecodeUnsupported(t *testing.T) {
	for value, want := range map[string]string{
		`null`: "", `""`: "", `[]`: "", `{}`: "", `[ ]`: "", "{\n}": "",
		`"x"`: "UnsupportedField /integrations", `[[]]`: "UnsupportedField /integrations", `0`: "UnsupportedField /integrations", `false`: "UnsupportedField /integrations",
		`{"a":null}`: "UnsupportedField /integrations", `[null]`: "UnsupportedField /integrations",
	} {
		_, err := decodeFor[customerIn](t, `{"id":"acme","integrations":`+value+`}`)
		if got := places(err); got != want {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
}

// bodies are the inputs of every route that has a body.
func bodies() []*shape {
	var list []*shape
	for _, r := range (&API{}).routes() {
		if r.method != "GET" && r.shape.hasAny {
			list = append(list, r.shape)
		}
	}
	return list
}

// FuzzBody: whatever is sent to whichever route is taken, or refused with a code and
// places, and never changes what a second reading finds.
func FuzzBody(f *testing.F) {
	all := bodies()
	for i := range all {
		f.Add(i, []byte(`{}`))
	}
	f.Add(0, []byte(`{"types":[{"id":"org","displayName":"Org","attributionKeys":["orgId"]}]}`))
	f.Add(1, []byte(`{"ids":["a","b"]}`))
	for _, member := range []string{`"value":5,"dimensions":{"a":1e9}`, `"value":1,"x":[[[{}]]]`, `"value":NaN`, `"value":"5","value":1`} {
		f.Add(len(all)-1, []byte(usageBody(member)))
	}
	f.Fuzz(func(t *testing.T, route int, body []byte) {
		if route < 0 {
			route = -(route + 1)
		}
		s := all[route%len(all)]
		read := func() (any, error) {
			var problems bursar.Problems
			v := reflect.New(s.typ).Elem()
			if err := decodeBody(body, s, v, &problems); err != nil {
				return v.Interface(), err
			}
			return v.Interface(), problems.Err()
		}
		v1, err1 := read()
		v2, err2 := read()
		if !reflect.DeepEqual(v1, v2) || fmt.Sprint(err1) != fmt.Sprint(err2) {
			t.Fatal("two readings differ")
		}
		if err1 == nil {
			return
		}
		e, ok := err1.(*bursar.Error)
		if !ok || len(e.Fields) == 0 || len(e.Fields) > maxProblems || statusOf(e.Code) != 400 {
			t.Fatalf("%v is no answer", err1)
		}
		for _, f := range e.Fields {
			if f.Pointer != "" && f.Pointer[0] != '/' {
				t.Fatalf("%q is no pointer", f.Pointer)
			}
		}
	})
}
