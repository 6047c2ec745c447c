package catalogue

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

// propertiesOf reads "key=value …"; #key=value is a number and ?key=value a boolean.
func propertiesOf(text string) (dims []bursar.Dimension) {
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, "=")
		d := bursar.Dimension{Key: key, Value: value}
		switch key[0] {
		case '#':
			d.Key, d.Kind = key[1:], bursar.DimNumber
		case '?':
			d.Key, d.Kind = key[1:], bursar.DimBool
		}
		dims = append(dims, d)
	}
	return dims
}

func condition(field, operation, value string) bursar.MeterCondition {
	return bursar.MeterCondition{Field: field, Operation: operation, Value: &value}
}

func TestMeterConditions(t *testing.T) {
	const dims = "model=gpt-5 #n=10 #small=0.0000000001 #big=1e30 ?stream=true text=ten empty="
	for _, c := range []struct {
		field, operation, value string
		want                    bool
	}{
		{"model", "EQUALS", "gpt-5", true},
		{"model", "EQUALS", "gpt", false},
		{"none", "EQUALS", "gpt-5", false},
		{"empty", "EQUALS", "", true},
		{"none", "EQUALS", "", false},
		{"n", "EQUALS", "10", true},
		{"n", "EQUALS", "10.0", false}, // strings are compared
		{"stream", "EQUALS", "true", true},
		{"model", "NOT_EQUALS", "gpt-5", false},
		{"model", "NOT_EQUALS", "gpt", true},
		{"none", "NOT_EQUALS", "gpt", true},
		{"model", "CONTAINS", "pt", true},
		{"model", "CONTAINS", "PT", false},
		{"none", "CONTAINS", "", false},
		{"model", "STARTS_WITH", "gpt-", true},
		{"model", "STARTS_WITH", "5", false},
		{"model", "ENDS_WITH", "-5", true},
		{"model", "ENDS_WITH", "gpt", false},

		{"n", "GREATER_THAN", "9", true}, // as a string "10" would be less
		{"n", "GREATER_THAN", "10", false},
		{"n", "GREATER_THAN", "10.0", false},
		{"n", "GREATER_THAN_OR_EQUAL", "1e1", true},
		{"n", "GREATER_THAN_OR_EQUAL", "10.000000001", false},
		{"n", "LESS_THAN", "10.0000000000001", true},
		{"n", "LESS_THAN", "-11", false},
		{"n", "LESS_THAN_OR_EQUAL", "10", true},
		{"n", "LESS_THAN_OR_EQUAL", "9.9", false},
		{"small", "GREATER_THAN", "0", true}, // finer than an amount
		{"small", "LESS_THAN", "0.00000000011", true},
		{"big", "GREATER_THAN", "999999999999999999999999999999", true}, // more than an amount
		{"text", "GREATER_THAN", "1", false},
		{"text", "LESS_THAN", "1", false},
		{"n", "LESS_THAN", "eleven", false},
		{"empty", "LESS_THAN", "1", false},
		{"stream", "LESS_THAN_OR_EQUAL", "1", false},
		{"none", "LESS_THAN", "1", false},
		{"n", "LIKE", "1", false},

		{"eventName", "EQUALS", "call", true},
		{"eventName", "STARTS_WITH", "x", false},
	} {
		m := &bursar.Meter{EventName: "call", Filters: []bursar.MeterFilter{{Conditions: []bursar.MeterCondition{condition(c.field, c.operation, c.value)}}}}
		if got := MeterAccepts(m, "call", propertiesOf(dims+" eventName=other")); got != c.want {
			t.Errorf("%s %s %q: %v", c.field, c.operation, c.value, got)
		}
	}
	for _, c := range []struct {
		cond bursar.MeterCondition
		want bool
	}{
		{bursar.MeterCondition{Field: "model", Operation: "IN", Values: []string{"gpt-4", "gpt-5"}}, true},
		{bursar.MeterCondition{Field: "n", Operation: "IN", Values: []string{"10"}}, true},
		{bursar.MeterCondition{Field: "model", Operation: "IN", Values: []string{"gpt-4"}}, false},
		{bursar.MeterCondition{Field: "none", Operation: "IN", Values: []string{""}}, false},
		{bursar.MeterCondition{Field: "model", Operation: "IS_NULL"}, false},
		{bursar.MeterCondition{Field: "empty", Operation: "IS_NULL"}, false},
		{bursar.MeterCondition{Field: "none", Operation: "IS_NULL"}, true},
		{bursar.MeterCondition{Field: "empty", Operation: "IS_NOT_NULL"}, true},
		{bursar.MeterCondition{Field: "none", Operation: "IS_NOT_NULL"}, false},
		{bursar.MeterCondition{Field: "eventName", Operation: "IS_NULL"}, false},
		{bursar.MeterCondition{Field: "model", Operation: "EQUALS"}, false},
		{bursar.MeterCondition{Field: "model", Operation: "NOT_EQUALS"}, false},
		{bursar.MeterCondition{Field: "n", Operation: "GREATER_THAN"}, false},
	} {
		m := &bursar.Meter{EventName: "call", Filters: []bursar.MeterFilter{{Conditions: []bursar.MeterCondition{c.cond}}}}
		if got := MeterAccepts(m, "call", propertiesOf(dims)); got != c.want {
			t.Errorf("%+v: %v", c.cond, got)
		}
	}
}

func TestMeterFilters(t *testing.T) {
	yes, no := condition("model", "EQUALS", "gpt-5"), condition("model", "EQUALS", "o3")
	filter := func(c ...bursar.MeterCondition) bursar.MeterFilter { return bursar.MeterFilter{Conditions: c} }
	for _, c := range []struct {
		filters []bursar.MeterFilter
		want    bool
	}{
		{nil, true},
		{[]bursar.MeterFilter{filter()}, true},
		{[]bursar.MeterFilter{filter(yes)}, true},
		{[]bursar.MeterFilter{filter(yes, no)}, false},
		{[]bursar.MeterFilter{filter(yes, yes)}, true},
		{[]bursar.MeterFilter{filter(no), filter(yes)}, true},
		{[]bursar.MeterFilter{filter(no), filter(yes, no)}, false},
	} {
		m := &bursar.Meter{EventName: "call", Filters: c.filters}
		if got := MeterAccepts(m, "call", propertiesOf("model=gpt-5")); got != c.want {
			t.Errorf("%+v: %v", c.filters, got)
		}
		if MeterAccepts(m, "other", propertiesOf("model=gpt-5")) {
			t.Errorf("%+v takes an event of another name", c.filters)
		}
	}
}

func TestMeterValue(t *testing.T) {
	const dims = "#n=12.5 s=7 user=u-1 ?ok=true word=ten empty= #neg=-3 #exp=1e-9 #fine=0.0000000005 #big=1e15 a/b~c=x"
	for _, c := range []struct{ fn, field, want, text, says string }{
		{"COUNT", "", "1", "", ""},
		{"SUM", "n", "12.5", "", ""},
		{"MAX", "n", "12.5", "", ""},
		{"SUM", "s", "7", "", ""},
		{"SUM", "neg", "-3", "", ""},
		{"SUM", "exp", "0.000000001", "", ""},
		{"SUM", "fine", "0", "", ""}, // as every amount, half-even to 9 decimals
		{"UNIQUE", "user", "0", "u-1", ""},
		{"UNIQUE", "n", "0", "12.5", ""},
		{"UNIQUE", "ok", "0", "true", ""},
		{"UNIQUE", "empty", "0", "", ""},

		{"SUM", "none", "", "/dimensions/none", "no property"},
		{"MAX", "none", "", "/dimensions/none", "no property"},
		{"UNIQUE", "none", "", "/dimensions/none", "no property"},
		{"SUM", "ok", "", "/dimensions/ok", "not a number"},
		{"SUM", "word", "", "/dimensions/word", "not a JSON number"},
		{"MAX", "empty", "", "/dimensions/empty", "not a JSON number"},
		{"SUM", "big", "", "/dimensions/big", "below 10^15"},
		{"MAX", "a/b~c", "", "/dimensions/a~1b~0c", "not a JSON number"},
	} {
		m := &bursar.Meter{EventName: "call", Aggregation: bursar.Aggregation{Function: c.fn, Field: c.field}}
		value, text, err := MeterValue(m, propertiesOf(dims))
		if c.says == "" {
			if err != nil || value.String() != c.want || text != c.text {
				t.Errorf("%s %s: %s, %q, %v", c.fn, c.field, value, text, err)
			}
			continue
		}
		var e *bursar.Error
		if !errors.As(err, &e) || e.Code != bursar.CodeValidationFailed || len(e.Fields) != 1 || e.Fields[0].Pointer != c.text || !strings.Contains(e.Message, c.says) {
			t.Errorf("%s %s: %v", c.fn, c.field, err)
		}
	}
}

// TestDecimal compares numbers as big.Rat does.
func TestDecimal(t *testing.T) {
	texts := []string{"0", "-0", "0.0", "0e9", "1", "-1", "10", "1e1", "0.1e2", "100e-1", "9.99", "0.5", "0.50", "5e-1", "-0.5", "1E+3", "1000", "999.9999999999999999", "1e-20", "123456789012345678901234567890"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		texts = append(texts, strconv.FormatFloat(float64(r.IntN(2000)-1000)/float64(r.IntN(7)+1), "eEfg"[r.IntN(4)], -1, 64))
	}
	for _, a := range texts {
		x, ok := ParseDecimal(a)
		if !ok {
			t.Fatalf("%q is a number", a)
		}
		ra, _ := new(big.Rat).SetString(a)
		for _, b := range texts {
			y, _ := ParseDecimal(b)
			rb, _ := new(big.Rat).SetString(b)
			if got, want := x.cmp(y), ra.Cmp(rb); got != want {
				t.Errorf("%s against %s: %d, want %d", a, b, got, want)
			}
		}
	}
	for _, bad := range []string{"", "-", "+1", "01", ".5", "1.", "1e", "1e+", "e5", "1x", " 1", "1 ", "0x1", "NaN", "1_0", "--1", "1e1.5"} {
		if _, ok := ParseDecimal(bad); ok {
			t.Errorf("%q is no number", bad)
		}
	}
	huge, _ := ParseDecimal("1e999999999999999999999")
	tiny, _ := ParseDecimal("1e-999999999999999999999")
	one, _ := ParseDecimal("1")
	if huge.cmp(one) != 1 || tiny.cmp(one) != -1 || tiny.cmp(Decimal{}) != 1 {
		t.Error("exponents beyond measure")
	}
}
