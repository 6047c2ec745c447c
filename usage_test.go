package bursar

import (
	"encoding/json"
	"errors"
	"fmt"
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

// TestUsageIsBounded: what one usage object makes of memory, of warnings and of a sample does
// not grow with what a caller puts into it, and what is beyond the bounds is told.
func TestUsageIsBounded(t *testing.T) {
	long := strings.Repeat("k", 200_000)
	many := strings.Builder{}
	for i := range 50_000 {
		fmt.Fprintf(&many, `,"t%dtoken":1`, i)
	}
	for name, usage := range map[string]string{
		"a long name outside": `{"input_tokens":5,"output_tokens":1,"` + long + `":{"a":{"x":1,"y":2},"b":{"x":1}}}`,
		"a long name inside":  `{"input_tokens":5,"output_tokens":1,"more":{"` + long + `":1}}`,
		"many names":          `{"input_tokens":5,"output_tokens":1` + many.String() + `}`,
	} {
		r, err := ReadUsage([]byte(usage))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		warnings := r.Warnings()
		size := 0
		for _, w := range warnings {
			size += len(w)
		}
		if size > 10_000 || len(warnings) > 30 || !slices.Contains(warnings, WarnUnread+":…") {
			t.Errorf("%s: %d warnings of %d bytes: %.300q", name, len(warnings), size, warnings)
		}
		for path, m := range r.reader.members {
			if len(path)+len(m.name) > 2000 {
				t.Errorf("%s: a member of %d bytes", name, len(path)+len(m.name))
			}
		}
		if len(r.reader.members) > 2000 || len(r.kept) > MaxKeptUsage {
			t.Errorf("%s: %d members, %d bytes kept", name, len(r.reader.members), len(r.kept))
		}
	}
}

// TestKeptHasNoTexts: what people wrote is not kept.
func TestKeptHasNoTexts(t *testing.T) {
	r, err := ReadUsage([]byte(`{"message":{"content":"my secret"},"usage":{"input_tokens":5,"output_tokens":1,"smell_tokens":3,"note":"my secret"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.kept, `{"usage":{"input_tokens":5,"note":"…","output_tokens":1,"smell_tokens":3}}`; got != want {
		t.Errorf("kept is %s, not %s", got, want)
	}
}

// TestTwoSpellingsOfOneName: a count that comes in two spellings is one count.
func TestTwoSpellingsOfOneName(t *testing.T) {
	for range 20 { // the order of a map is none
		r, err := ReadUsage([]byte(`{"promptTokens":100,"prompt_tokens":100,"completionTokens":7,"completion_tokens":7,"totalTokens":107,"total_tokens":107}`))
		if err != nil {
			t.Fatal(err)
		}
		got := said(r.Dimensions)
		if got["tokens.input"] != json.Number("100") || got["tokens.output"] != json.Number("7") || len(r.Warnings()) > 0 {
			t.Fatalf("%v, %q", got, r.Warnings())
		}
	}
}

// TestCallsAreBounded: the sum of the calls of one request does not run over.
func TestCallsAreBounded(t *testing.T) {
	call := `{"input_tokens":900000000000000,"output_tokens":1}`
	r, err := ReadUsage([]byte(`{"input_tokens":5,"output_tokens":1,"iterations":[` + strings.Repeat(call+",", 20_000) + call + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := said(r.Dimensions); got["tokens.input"] != json.Number("5") || r.Total != "iterations" {
		t.Errorf("%v, a total that differs: %q", got, r.Total)
	}
	r, err = ReadUsage([]byte(`{"iterations":[{}]}`))
	if err != nil || !slices.Contains(r.Warnings(), WarnUnread) {
		t.Errorf("calls without counts: %v, %v", r.Warnings(), err)
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
