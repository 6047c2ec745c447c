package httpapi

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

func TestDecodeRates(t *testing.T) {
	rate := func(member string) string { return `{"rates":[{"featureId":"f","amount":1,` + member + `}]}` }
	for _, c := range []struct{ body, want string }{
		{rate(`"per":1`), ""},
		{rate(`"per":1e3`), ""},
		{rate(`"per":1000000.0`), ""},
		{rate(`"per":null,"match":null`), ""},
		{rate(`"match":{}`), ""},
		{rate(`"match":{"a":"","b":["x","y"],"c":[]}`), ""},
		{rate(`"per":2`), "ValidationFailed /rates/0/per"},
		{rate(`"per":"1"`), "ValidationFailed /rates/0/per"},
		{rate(`"per":1.5`), "ValidationFailed /rates/0/per"},
		{rate(`"match":"a"`), "ValidationFailed /rates/0/match"},
		{rate(`"match":{"a":1,"b":{},"c":null,"d":[["x"]]}`),
			"ValidationFailed /rates/0/match/a, ValidationFailed /rates/0/match/b, ValidationFailed /rates/0/match/c, ValidationFailed /rates/0/match/d/0"},
		{rate(`"match":{"a":"b","a":"c"}`), "ValidationFailed /rates/0/match/a"},
		{rate(`"match":{"a":"` + strings.Repeat("x", 1025) + `"}`), "ValidationFailed /rates/0/match/a"},
		{rate(`"match":{"a":["b"`), "ValidationFailed /rates/0/match/a"},
	} {
		_, err := decodeFor[rateVersionIn](t, c.body)
		if got := places(err); got != c.want {
			t.Errorf("%.200s\n got %s\nwant %s (%v)", c.body, got, c.want, err)
		}
	}
	in, err := decodeFor[rateVersionIn](t, rate(`"match":{"a":"x","b":["y","z"],"c":[]}`))
	if want := (map[string][]string{"a": {"x"}, "b": {"y", "z"}, "c": {}}); err != nil || !reflect.DeepEqual(in.Rates[0].Match, want) {
		t.Errorf("%+v %v", in, err)
	}
	if got := string(rateMatch(in.Rates[0].Match).appendTo(nil)); got != `{"a":"x","b":["y","z"],"c":[]}` {
		t.Error(got)
	}
}

// TestDecodeEventUsage: the usage object comes through as it was sent, and its memory is
// its own.
func TestDecodeEventUsage(t *testing.T) {
	event := func(member string) string { return `{"events":[{"customerId":"c","eventName":"e",` + member + `}]}` }
	for body, want := range map[string]string{
		event(`"usage":{"input_tokens": 5, "x":[{}]}`): "",
		event(`"usage":null`):                          "",
		event(`"usage":[]`):                            "ValidationFailed /events/0/usage",
		event(`"usage":"{}"`):                          "ValidationFailed /events/0/usage",
		event(`"usage":{"a":1,"a":2}`):                 "ValidationFailed /events/0/usage/a",
	} {
		if _, err := decodeFor[eventsIn](t, body); places(err) != want {
			t.Errorf("%s: %s, want %s", body, places(err), want)
		}
	}
	body := []byte(event(`"usage":{"input_tokens": 5}`))
	var in eventsIn
	if err := decodeBody(body, shapeOf(reflect.TypeFor[eventsIn]()), reflect.ValueOf(&in).Elem(), new(bursar.Problems)); err != nil {
		t.Fatal(err)
	}
	clear(body)
	if string(in.Events[0].Usage) != `{"input_tokens": 5}` {
		t.Errorf("%q", in.Events[0].Usage)
	}
}

// TestMeasured: what the caller gave stays, what a provider said comes before what
// gen_ai attributes say, and there are not too many dimensions in the end.
func TestMeasured(t *testing.T) {
	var warned []string
	read := func(body string) ([]bursar.Dimension, string) {
		in, err := decodeFor[eventFields](t, body)
		if err != nil {
			t.Fatal(err)
		}
		given := len(in.Dimensions)
		var p bursar.Problems
		out, usage := in.measured("/events/3", nil, &p)
		warned = usage.Warnings()
		if len(in.Dimensions) != given {
			t.Error("the input is changed")
		}
		e, _ := p.Err().(*bursar.Error)
		return out, places(e)
	}
	value := func(dims []bursar.Dimension, key string) string {
		for _, d := range dims {
			if d.Key == key {
				return d.Value
			}
		}
		return "none"
	}
	dims, bad := read(`{"customerId":"c","eventName":"e","dimensions":{"tokens.output":1,"gen_ai.usage.input_tokens":3,"gen_ai.usage.output_tokens":4},"usage":{"input_tokens":7,"output_tokens":9}}`)
	if bad != "" || value(dims, "tokens.output") != "1" || value(dims, "tokens.input") != "7" {
		t.Errorf("%+v %s", dims, bad)
	}
	dims, bad = read(`{"customerId":"c","eventName":"e","usage":{"input_tokens":-7,"output_tokens":9}}`)
	if bad != "" || value(dims, "tokens.output") != "9" || value(dims, "tokens.input") != "0" || !slices.Equal(warned, []string{"UNREAD_USAGE:input_tokens"}) {
		t.Errorf("%+v %s %q", dims, bad, warned)
	}
	dims, _ = read(`{"customerId":"c","eventName":"e","dimensions":{"tokens.input":200001}}`)
	if value(dims, "context") != ">200k" {
		t.Errorf("%+v", dims)
	}
	if dims, bad := read(`{"customerId":"c","eventName":"e"}`); len(dims) != 0 || bad != "" {
		t.Errorf("%+v %s", dims, bad)
	}
	var many []string
	for i := range bursar.MaxDimensions {
		many = append(many, `"d`+strings.Repeat("x", i)+`":1`)
	}
	dims, bad = read(`{"customerId":"c","eventName":"e","dimensions":{` + strings.Join(many, ",") + `},"usage":{"input_tokens":7,"output_tokens":9}}`)
	if bad != "" || value(dims, "tokens.output") != "9" {
		t.Errorf("what is read from usage leaves no room for dimensions: %s", bad)
	}
}
