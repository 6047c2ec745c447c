package bursar

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tokenKinds are the six kinds in the order in which they are given.
var tokenKinds = []string{TokensInput, TokensCacheRead, TokensCacheWrite, TokensCacheWrite1h, TokensOutput, TokensReasoning}

// kindsText is what six kinds of tokens are, as numbers in the order of tokenKinds.
func kindsText(t testing.TB, dims []Dimension) string {
	t.Helper()
	var out []string
	for i, d := range dims {
		if i >= len(tokenKinds) || d.Key != tokenKinds[i] || d.Kind != DimNumber {
			t.Fatalf("dimension %d is %+v", i, d)
		}
		out = append(out, d.Value)
	}
	return strings.Join(out, " ")
}

var providerTokens = []struct{ name, usage, want string }{
	// input, cache read, cache write 5 m, cache write 1 h, output, reasoning
	{"OpenAI chat", `{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,
		"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},
		"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`,
		"19 0 0 0 10 0"},
	{"OpenAI chat, cached and reasoning", `{"prompt_tokens":2006,"completion_tokens":1500,"total_tokens":3506,
		"prompt_tokens_details":{"cached_tokens":1920},"completion_tokens_details":{"reasoning_tokens":1216}}`,
		"86 1920 0 0 284 1216"},
	{"OpenAI chat, cache writes that are charged", `{"prompt_tokens":14333,"completion_tokens":40,"total_tokens":14373,
		"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":14329}}`,
		"2 2 14329 0 40 0"},
	{"OpenAI audio counts as input and output", `{"prompt_tokens":1117,"completion_tokens":46,"total_tokens":1163,
		"prompt_tokens_details":{"text_tokens":1117,"audio_tokens":12,"image_tokens":0,"cached_tokens":0},
		"completion_tokens_details":{"text_tokens":16,"audio_tokens":30,"reasoning_tokens":0}}`,
		"1117 0 0 0 46 0"},
	{"embeddings", `{"prompt_tokens":8,"total_tokens":8}`, "8 0 0 0 0 0"},
	{"Mistral", `{"prompt_tokens":16,"completion_tokens":34,"total_tokens":50}`, "16 0 0 0 34 0"},
	{"details that are null", `{"prompt_tokens":16,"completion_tokens":34,"prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":null}}`,
		"16 0 0 0 34 0"},
	{"DeepSeek", `{"prompt_tokens":1200,"completion_tokens":300,"total_tokens":1500,"prompt_cache_hit_tokens":1024,"prompt_cache_miss_tokens":176,
		"completion_tokens_details":{"reasoning_tokens":200}}`, "176 1024 0 0 100 200"},
	{"xAI has reasoning beside", `{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,
		"prompt_tokens_details":{"text_tokens":32,"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":94}}`,
		"26 6 0 0 9 94"},

	{"OpenAI responses", `{"input_tokens":328,"input_tokens_details":{"cached_tokens":128},"output_tokens":152,
		"output_tokens_details":{"reasoning_tokens":100},"total_tokens":480}`, "200 128 0 0 52 100"},
	{"OpenAI responses, cache writes", `{"input_tokens":6000,"input_tokens_details":{"cached_tokens":1000,"cache_write_tokens":4800},"output_tokens":10,
		"output_tokens_details":{"reasoning_tokens":0},"total_tokens":6010}`, "200 1000 4800 0 10 0"},
	{"neither, without a cache", `{"input_tokens":10,"output_tokens":25}`, "10 0 0 0 25 0"},
	{"an image", `{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}`, "50 0 0 0 50 0"},

	{"Anthropic", `{"input_tokens":2095,"output_tokens":503,"cache_creation_input_tokens":2051,"cache_read_input_tokens":18051,
		"cache_creation":{"ephemeral_5m_input_tokens":2051,"ephemeral_1h_input_tokens":0},
		"server_tool_use":{"web_search_requests":1},"service_tier":"standard","inference_geo":"us"}`, "2095 18051 2051 0 503 0"},
	{"Anthropic, both times to live", `{"input_tokens":5,"output_tokens":3,"cache_creation_input_tokens":556,"cache_read_input_tokens":0,
		"cache_creation":{"ephemeral_5m_input_tokens":456,"ephemeral_1h_input_tokens":100}}`, "5 0 456 100 3 0"},
	{"Anthropic, parts only", `{"input_tokens":5,"output_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":456,"ephemeral_1h_input_tokens":100}}`,
		"5 0 456 100 3 0"},
	{"Anthropic, no parts", `{"input_tokens":5,"output_tokens":3,"cache_creation_input_tokens":556,"cache_read_input_tokens":7}`, "5 7 556 0 3 0"},
	{"Anthropic, what no part names", `{"input_tokens":5,"output_tokens":3,"cache_creation_input_tokens":556,"cache_creation":{"ephemeral_1h_input_tokens":100}}`,
		"5 0 456 100 3 0"},
	{"Anthropic, thinking", `{"input_tokens":21,"cache_creation_input_tokens":null,"cache_read_input_tokens":0,"cache_creation":null,"output_tokens":305,
		"output_tokens_details":{"thinking_tokens":214},"server_tool_use":null}`, "21 0 0 0 91 214"},

	{"Gemini", `{"promptTokenCount":4009,"cachedContentTokenCount":4000,"candidatesTokenCount":20,"thoughtsTokenCount":300,"totalTokenCount":4329,
		"promptTokensDetails":[{"modality":"TEXT","tokenCount":4009}],"cacheTokensDetails":[{"modality":"TEXT","tokenCount":4000}]}`, "9 4000 0 0 20 300"},
	{"Gemini, tools", `{"promptTokenCount":10,"toolUsePromptTokenCount":90,"candidatesTokenCount":20,"totalTokenCount":120}`, "100 0 0 0 20 0"},
	{"Gemini, thoughts inside by its total", `{"promptTokenCount":10,"candidatesTokenCount":320,"thoughtsTokenCount":300,"totalTokenCount":330}`, "10 0 0 0 20 300"},
	{"Gemini, blocked", `{"promptTokenCount":10,"totalTokenCount":10}`, "10 0 0 0 0 0"},
	{"Gemini Live", `{"promptTokenCount":10,"responseTokenCount":5,"totalTokenCount":15}`, "10 0 0 0 5 0"},
}

func TestProviderTokens(t *testing.T) {
	for _, c := range providerTokens {
		dims, err := ProviderTokens([]byte(c.usage))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := kindsText(t, dims); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestProviderTokensRefused(t *testing.T) {
	for _, c := range []struct{ usage, pointer, says string }{
		{``, "", "not a JSON object"},
		{`null`, "", "not a JSON object"},
		{`[1]`, "", "not a JSON object"},
		{`{}`, "", "no known count"},
		{`{"usage":{"input_tokens":1,"output_tokens":2}}`, "", "the reply's usage"},
		{`{"inputTokens":1,"outputTokens":2}`, "", "no known count"},
		{`{"total_tokens":3}`, "", "no known count"},
		{`{"prompt_tokens_details":{"cached_tokens":0}}`, "", "no known count"},
		{`{"prompt_tokens":null,"completion_tokens":null}`, "", "no known count"},

		{`{"input_tokens":9,"output_tokens":2,"cache_read_input_tokens":0,"input_tokens_details":{"cached_tokens":0}}`, "/cache_read_input_tokens", "OpenAI's Responses but for cache_read_input_tokens"},
		{`{"input_tokens":9,"output_tokens":2,"cache_creation_input_tokens":1,"cache_read_input_tokens":1,"input_tokens_details":{}}`, "/input_tokens_details", "Anthropic's Messages but for input_tokens_details"},
		{`{"input_tokens":9,"output_tokens":2,"cache_creation":{},"output_tokens_details":{"reasoning_tokens":1}}`, "", "another API"},
		{`{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":3},"cache_read_input_tokens":3}`, "/cache_read_input_tokens", "OpenAI's Chat Completions but for"},
		{`{"prompt_tokens":9,"completion_tokens":2,"input_tokens":9}`, "/input_tokens", "another API"},
		{`{"promptTokenCount":9,"candidatesTokenCount":2,"prompt_tokens":9}`, "/prompt_tokens", "Gemini but for"},

		{`{"prompt_tokens":-1,"completion_tokens":2}`, "/prompt_tokens", "prompt_tokens is -1"},
		{`{"prompt_tokens":1.5,"completion_tokens":2}`, "/prompt_tokens", "is 1.5"},
		{`{"prompt_tokens":1e3,"completion_tokens":2}`, "/prompt_tokens", "is 1e3"},
		{`{"prompt_tokens":"7","completion_tokens":2}`, "/prompt_tokens", `is "7"`},
		{`{"prompt_tokens":true}`, "/prompt_tokens", "is true"},
		{`{"prompt_tokens":1000000000000000}`, "/prompt_tokens", "not a whole number of tokens"},
		{`{"prompt_tokens":1,"prompt_tokens_details":[]}`, "/prompt_tokens_details", "not a JSON object"},
		{`{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":{}}}`, "/prompt_tokens_details/cached_tokens", "prompt_tokens_details.cached_tokens is {}"},

		{`{"prompt_tokens":5,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":6}}`, "/prompt_tokens_details/cached_tokens", "is 6, more than prompt_tokens (5)"},
		{`{"input_tokens":5,"input_tokens_details":{"cached_tokens":3,"cache_write_tokens":3}}`, "/input_tokens_details/cache_write_tokens", "uncached part of input_tokens (2)"},
		{`{"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":3}}`, "/completion_tokens_details/reasoning_tokens", "is 3, more than completion_tokens (2)"},
		{`{"input_tokens":5,"output_tokens":2,"output_tokens_details":{"reasoning_tokens":3}}`, "/output_tokens_details/reasoning_tokens", "more than output_tokens"},
		{`{"input_tokens":5,"output_tokens":2,"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":5}}`, "/cache_creation", "are 10, more than cache_creation_input_tokens (9)"},
		{`{"promptTokenCount":5,"cachedContentTokenCount":6}`, "/cachedContentTokenCount", "more than promptTokenCount"},
	} {
		_, err := ProviderTokens([]byte(c.usage))
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeValidationFailed || !strings.Contains(e.Message, c.says) {
			t.Errorf("%s: %v, want it to say %q", c.usage, err, c.says)
			continue
		}
		if c.pointer != "" && (len(e.Fields) != 1 || e.Fields[0].Pointer != c.pointer) {
			t.Errorf("%s: points at %+v, want %s", c.usage, e.Fields, c.pointer)
		}
	}
}

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

// FuzzProviderTokens holds every object that is taken to the provider's own totals, read
// a second time here.
func FuzzProviderTokens(f *testing.F) {
	for _, c := range providerTokens {
		f.Add([]byte(c.usage))
	}
	f.Add([]byte(`{"prompt_tokens":5,"a/b":1,"prompt_tokens_details":{"x":{"y":[1]}}}`))
	f.Fuzz(func(t *testing.T, usage []byte) {
		dims, err := ProviderTokens(usage)
		if err != nil {
			if dims != nil {
				t.Error("both tokens and an error")
			}
			return
		}
		var sum int64
		for _, text := range strings.Fields(kindsText(t, dims)) {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 {
				t.Fatalf("%s: %s", usage, text)
			}
			sum += n
		}
		var flat map[string]json.RawMessage
		_ = json.Unmarshal(usage, &flat)
		n := func(key string) (sum int64) {
			_ = json.Unmarshal(flat[key], &sum)
			return sum
		}
		part := func(object, key string) (sum int64) {
			var o map[string]json.RawMessage
			_ = json.Unmarshal(flat[object], &o)
			_ = json.Unmarshal(o[key], &sum)
			return sum
		}
		var want []int64 // with reasoning inside, and beside
		switch keys := slices.Collect(maps.Keys(flat)); {
		case slices.ContainsFunc(keys, func(k string) bool { return strings.HasSuffix(k, "TokenCount") && n(k) > 0 }):
			w := n("promptTokenCount") + n("toolUsePromptTokenCount")
			if string(flat["candidatesTokenCount"]) != "null" && flat["candidatesTokenCount"] != nil {
				w += n("candidatesTokenCount")
			} else {
				w += n("responseTokenCount")
			}
			want = []int64{w, w + n("thoughtsTokenCount")}
		default:
			w := n("prompt_tokens") + n("completion_tokens") + n("input_tokens") + n("output_tokens") + n("cache_read_input_tokens")
			if v := flat["cache_creation_input_tokens"]; v != nil && string(v) != "null" {
				w += n("cache_creation_input_tokens")
			} else {
				w += part("cache_creation", "ephemeral_5m_input_tokens") + part("cache_creation", "ephemeral_1h_input_tokens")
			}
			want = []int64{w, w + part("completion_tokens_details", "reasoning_tokens"), w + part("output_tokens_details", "reasoning_tokens"), w + part("output_tokens_details", "thinking_tokens")}
		}
		if !slices.Contains(want, sum) {
			t.Errorf("%s: the kinds add up to %d, the provider's counts to %d", usage, sum, want)
		}
	})
}
