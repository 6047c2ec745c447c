package catalogue

import (
	"slices"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

// numbersOf are dimensions such as a=1 b=2, and the other way round.
func numbersOf(text string) (out []bursar.Dimension) {
	for _, f := range strings.Fields(text) {
		key, value, _ := strings.Cut(f, "=")
		out = append(out, bursar.Dimension{Key: key, Value: value, Kind: bursar.DimNumber})
	}
	return out
}

func numbersText(dims []bursar.Dimension) string {
	var out []string
	for _, d := range dims {
		out = append(out, d.Key+"="+d.Value)
	}
	return strings.Join(out, " ")
}

func summing(field string) *bursar.Feature {
	return &bursar.Feature{ID: field, Meter: &bursar.Meter{EventName: "call", Aggregation: bursar.Aggregation{Function: "SUM", Field: field}}}
}

// Tokens of a kind that no feature counts are among those that they are part of; of a kind
// that some feature counts they are not.
func TestCountable(t *testing.T) {
	for _, c := range []struct{ fields, dims, want string }{
		{"tokens.input", "tokens.input=1 tokens.input_audio=6 tokens.output=4 tokens.output_image=5.5", "tokens.input=7 tokens.output=9.5"},
		{"tokens.input tokens.input_audio", "tokens.input=1 tokens.input_audio=6 tokens.input_image=2", "tokens.input=3 tokens.input_audio=6"},
		{"tokens.input", "tokens.input_audio=6", "tokens.input_audio=6"}, // a caller's own, without what it is part of
		{"tokens.input", "tokens.input=1 tokens.reasoning=6 usage.seconds=2", "tokens.input=1 tokens.reasoning=6 usage.seconds=2"},
		{"tokens.input", "tokens.input=x tokens.input_audio=6", "tokens.input=x tokens.input_audio=6"},
	} {
		var features []*bursar.Feature
		for _, f := range strings.Fields(c.fields) {
			features = append(features, summing(f))
		}
		dims := numbersOf(c.dims)
		if got := numbersText(Countable(features, dims)); got != c.want {
			t.Errorf("%s by %s: %s, want %s", c.dims, c.fields, got, c.want)
		}
		if !slices.Equal(dims, numbersOf(c.dims)) {
			t.Errorf("%s is changed", c.dims)
		}
	}
}

// A meter of a kind has nothing to count of an event that tells of other kinds alone; of one
// that tells of none it misses its own.
func TestMeterOfAKindThatIsNotThere(t *testing.T) {
	for _, c := range []struct {
		field, dims string
		want        bool
	}{
		{"tokens.input_audio", "tokens.input_audio=1", true}, {"tokens.input_audio", "tokens.input=1", false}, {"usage.seconds", "tokens.input=1", false},
		{"size", "tokens.input=1", true}, {"usage.seconds", "size=1", true}, {"usage.seconds", "", true}, {"tokens.output", "tokens.input=1", true},
	} {
		if got := MeterAccepts(summing(c.field).Meter, "call", numbersOf(c.dims)); got != c.want {
			t.Errorf("%s of %q: %v", c.field, c.dims, got)
		}
	}
}
