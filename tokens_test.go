package bursar

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestGenAITokens(t *testing.T) {
	num := func(key, v string) Dimension { return Dimension{key, v, DimNumber} }
	str := func(key, v string) Dimension { return Dimension{key, v, DimString} }
	for _, c := range []struct {
		name string
		in   []Dimension
		want string // key=value in the order given
	}{
		{"nothing", nil, ""},
		{"other attributes", []Dimension{num("tokens", "5"), str("gen_ai.operation.name", "chat")}, ""},
		{"all", []Dimension{
			num(genAIInput, "1000"), num(genAICacheRead, "600"), num(genAICacheWrite, "150"), num(genAIOutput, "90"), num(genAIReasoning, "70"),
			str("gen_ai.request.model", "gpt-5"), str("gen_ai.response.model", "gpt-5-2025-08-07"), str("gen_ai.provider.name", "openai"),
		}, "tokens.input=250 tokens.cache_read=600 tokens.cache_write=150 tokens.cache_write_1h=0 tokens.output=20 tokens.reasoning=70 model=gpt-5-2025-08-07 provider=openai"},
		{"a later name", []Dimension{num(genAIInput, "10"), num(genAICacheWriteNew, "4")},
			"tokens.input=6 tokens.cache_read=0 tokens.cache_write=4 tokens.cache_write_1h=0 tokens.output=0 tokens.reasoning=0"},
		{"as strings, as exporters write integers", []Dimension{str(genAIInput, "10"), str(genAIOutput, "2"), str("gen_ai.request.model", "m")},
			"tokens.input=10 tokens.cache_read=0 tokens.cache_write=0 tokens.cache_write_1h=0 tokens.output=2 tokens.reasoning=0 model=m"},
		{"the caller's own count", []Dimension{num(genAIInput, "10"), num(genAIOutput, "2"), num(TokensOutput, "3"), str("gen_ai.request.model", "m"), str("model", "mine")},
			"tokens.input=10 tokens.cache_read=0 tokens.cache_write=0 tokens.cache_write_1h=0 tokens.reasoning=0"},
		{"a model alone", []Dimension{str("gen_ai.request.model", "m"), str("gen_ai.provider.name", "")}, "model=m"},
	} {
		before := fmt.Sprint(c.in)
		dims, err := GenAITokens(c.in)
		var got []string
		for _, d := range dims {
			got = append(got, d.Key+"="+d.Value)
		}
		if text := strings.Join(got, " "); err != nil || text != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, text, err, c.want)
		}
		if fmt.Sprint(c.in) != before {
			t.Errorf("%s: changed its argument", c.name)
		}
	}
	for _, c := range []struct {
		in  []Dimension
		key string
	}{
		{[]Dimension{num(genAIInput, "-1")}, genAIInput},
		{[]Dimension{num(genAIInput, "9"), num("gen_ai.usage.cache_read_input_tokens", "5")}, "gen_ai.usage.cache_read_input_tokens"},
		{[]Dimension{num("gen_ai.usage.prompt_tokens", "5")}, "gen_ai.usage.prompt_tokens"},
		{[]Dimension{num(genAIInput, "1.5")}, genAIInput},
		{[]Dimension{str(genAIOutput, "many")}, genAIOutput},
		{[]Dimension{{genAIOutput, "true", DimBool}}, genAIOutput},
		{[]Dimension{num(genAIInput, "10"), num(genAICacheRead, "6"), num(genAICacheWrite, "5")}, genAIInput},
		{[]Dimension{num(genAICacheRead, "6")}, genAIInput},
		{[]Dimension{num(genAIOutput, "1"), num(genAIReasoning, "2")}, genAIOutput},
	} {
		_, err := GenAITokens(c.in)
		var e *Error
		if !errors.As(err, &e) || len(e.Fields) != 1 || e.Fields[0].Pointer != "/dimensions/"+c.key || !strings.Contains(e.Message, c.key) {
			t.Errorf("%v: %v", c.in, err)
		}
	}
}
