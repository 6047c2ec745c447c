package bursar

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// usageShapes are usage objects and replies as providers and libraries send them, from
// their public documentation, with what each means: kinds at 0 are left out.
func usageShapes(t testing.TB) map[string]usageShape {
	b, err := os.ReadFile("testdata/usage_shapes.json")
	if err != nil {
		t.Fatal(err)
	}
	var shapes map[string]usageShape
	if err := json.Unmarshal(b, &shapes); err != nil {
		t.Fatal(err)
	}
	return shapes
}

type usageShape struct {
	Usage    json.RawMessage `json:"usage"`
	Means    map[string]any  `json:"means"`
	Warnings []string        `json:"warnings"`
}

// said is what a reading says, without kinds at 0.
func said(dims []Dimension) map[string]any {
	out := map[string]any{}
	for _, d := range dims {
		switch {
		case d.Kind == DimString:
			out[d.Key] = d.Value
		case d.Value != "0":
			out[d.Key] = json.Number(d.Value)
		}
	}
	return out
}

func TestUsageShapes(t *testing.T) {
	for name, s := range usageShapes(t) {
		r, err := ReadUsage(s.Usage)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, _ := json.Marshal(said(r.Dimensions))
		want, _ := json.Marshal(s.Means)
		if string(got) != string(want) {
			t.Errorf("%s:\n  %s\n  %s, it should be", name, got, want)
		}
		if w := r.Warnings(); !slices.Equal(w, s.Warnings) {
			t.Errorf("%s: warnings %q, want %q", name, w, s.Warnings)
		}
		for i, k := range kinds[:usualKinds] {
			if r.Dimensions[i].Key != k {
				t.Errorf("%s: no %s", name, k)
			}
		}
	}
}

// A usage object means the same wherever a reply has it.
func TestUsageOfWholeReplies(t *testing.T) {
	for name, s := range usageShapes(t) {
		alone, err := ReadUsage(s.Usage)
		if err != nil || len(s.Warnings) > 0 {
			continue
		}
		for _, reply := range []string{`{"id":"x","usage":%}`, `{"usageMetadata":%,"candidates":[]}`, `{"response":{"usage":%}}`, `{"type":"message_start","message":{"usage":%}}`, `{"metadata":{"usage":%}}`} {
			r, err := ReadUsage([]byte(strings.Replace(reply, "%", string(s.Usage), 1)))
			if err != nil {
				t.Errorf("%s in %s: %v", name, reply, err)
			} else if a, b := said(r.Dimensions), said(alone.Dimensions); !maps.Equal(a, b) {
				t.Errorf("%s in %s: %v, alone it means %v", name, reply, a, b)
			}
		}
	}
}

func TestUsageRefused(t *testing.T) {
	for _, usage := range []string{``, `null`, `[1]`, `7`} {
		if _, err := ReadUsage([]byte(usage)); err == nil || !strings.Contains(err.Error(), "not a JSON object") {
			t.Errorf("%s: %v", usage, err)
		}
	}
	for usage, says := range map[string]string{
		`{}`:                                "no known count",
		`{"prompt_tokens":null}`:            "no known count",
		`{"prompt_tokens":-1}`:              "prompt_tokens is -1",
		`{"prompt_tokens":1.5}`:             "is 1.5",
		`{"prompt_tokens":1e3}`:             "is 1e3",
		`{"prompt_tokens":"7"}`:             `is "7"`,
		`{"prompt_tokens":true}`:            "is true",
		`{"input_tokens":1000000000000000}`: "not a whole number of tokens",
		`{"seconds":-1}`:                    "0 or more",
	} {
		r, err := ReadUsage([]byte(usage))
		if err != nil {
			t.Errorf("%s: %v", usage, err)
			continue
		}
		var e *Error
		if err := r.Err(); !errors.As(err, &e) || e.Code != CodeValidationFailed || !strings.Contains(e.Message, says) || len(r.Unread) == 0 {
			t.Errorf("%s: %v with %q unread, want it to say %q", usage, err, r.Unread, says)
		}
	}
}

func TestPromptContext(t *testing.T) {
	num := func(key, v string) Dimension { return Dimension{key, v, DimNumber} }
	for _, c := range []struct {
		dims []Dimension
		want string
	}{
		{nil, ""},
		{[]Dimension{num(TokensInput, "32000")}, ""},
		{[]Dimension{num(TokensInput, "32001"), num(TokensOutput, "1000000")}, ">32k"},
		{[]Dimension{num(TokensInput, "1"), num(TokensCacheRead, "100000"), num(TokensCacheWrite1h, "100000")}, ">200k"},
		{[]Dimension{num(TokensInputAudio, "272001")}, ">272k"},
		{[]Dimension{num(TokensInput, "1e9"), {Key: "model", Value: "m"}}, ">512k"},
		{[]Dimension{{Key: TokensInput, Value: "999999"}}, ""},
	} {
		if d, ok := PromptContext(c.dims); d.Value != c.want || ok != (c.want != "") {
			t.Errorf("%v: %v", c.dims, d)
		}
	}
}

// FuzzReadUsage: no object makes it panic; no kind is below 0; and where nothing is warned
// of, the kinds add up to the total that the object itself has.
func FuzzReadUsage(f *testing.F) {
	for _, s := range usageShapes(f) {
		f.Add([]byte(s.Usage))
	}
	f.Add([]byte(`{"prompt_tokens":5,"a/b":1,"prompt_tokens_details":{"x":{"y":[1]}},"iterations":[{}]}`))
	f.Fuzz(func(t *testing.T, usage []byte) {
		r, err := ReadUsage(usage)
		if err != nil {
			return
		}
		var sum int64
		for _, d := range r.Dimensions {
			if d.Kind != DimNumber {
				continue
			}
			a, err := ParseAmount([]byte(d.Value))
			if err != nil || a.Sign() < 0 {
				t.Fatalf("%s: %s is %s", usage, d.Key, d.Value)
			}
			if n, ok := parseTokens(d.Value); ok && strings.HasPrefix(d.Key, "tokens.") && d.Key != TokensCitation {
				sum += n
			}
		}
		var flat map[string]json.RawMessage
		if json.Unmarshal(usage, &flat) != nil || flat["iterations"] != nil || len(r.Warnings()) > 0 {
			return
		}
		for _, holder := range slices.Concat(usageHolders, usageAround) {
			for key := range flat {
				if snakeCase(key) == holder {
					return
				}
			}
		}
		if total, ok := parseTokens(string(flat["total_tokens"])); ok && flat["totalTokens"] == nil && flat["tokens"] == nil && flat["billed_units"] == nil && flat["billedUnits"] == nil && total != sum {
			t.Errorf("%s: the kinds add up to %d", usage, sum)
		}
	})
}
