package bursar

import (
	"slices"
	"strconv"
	"strings"
)

// The kinds of tokens, as properties of an event. A token is of one kind alone, so that
// each kind has its own price and nothing is charged twice.
const (
	TokensInput        = "tokens.input"          // of the prompt, neither read from a cache nor written to one
	TokensCacheRead    = "tokens.cache_read"     // of the prompt, found in the provider's cache
	TokensCacheWrite   = "tokens.cache_write"    // of the prompt, put into the cache for its usual time, such as 5 minutes
	TokensCacheWrite1h = "tokens.cache_write_1h" // of the prompt, put into the cache for an hour
	TokensOutput       = "tokens.output"         // without reasoning
	TokensReasoning    = "tokens.reasoning"      // thinking that is charged as output
)

// tokenCounts are numbers of tokens by kind.
type tokenCounts struct{ input, cacheRead, cacheWrite, cacheWrite1h, output, reasoning int64 }

func (c *tokenCounts) dimensions() []Dimension {
	dim := func(key string, n int64) Dimension { return Dimension{key, strconv.FormatInt(n, 10), DimNumber} }
	return []Dimension{
		dim(TokensInput, c.input), dim(TokensCacheRead, c.cacheRead), dim(TokensCacheWrite, c.cacheWrite),
		dim(TokensCacheWrite1h, c.cacheWrite1h), dim(TokensOutput, c.output), dim(TokensReasoning, c.reasoning),
	}
}

// maxTokens bounds one count, as amounts are bounded; sums of counts fit an int64.
const maxTokens = 1e15

// ProviderTokens reads the usage object of a provider's reply, as it came, and gives all
// six kinds of tokens as properties, absent kinds as 0. It knows those of OpenAI's Chat
// Completions and Responses and of APIs compatible with them, of Anthropic's Messages,
// and Gemini's usageMetadata; the members tell which one it is. These differ in whether
// the input includes cached tokens and the output reasoning, so an object with members
// of two of them is refused, not guessed at. Tokens of audio and images count as input
// and output. Other members are ignored.
//
// An error is an *Error; its pointer, if it has one, is relative to the object.
func ProviderTokens(usage []byte) ([]Dimension, error) {
	u, err := readUsage(usage)
	if err != nil {
		return nil, err
	}
	s, err := u.shape()
	if err != nil {
		return nil, err
	}
	c, err := s.count(u)
	if err != nil {
		return nil, err
	}
	return c.dimensions(), nil
}

// Attributes of OpenTelemetry's semantic conventions for GenAI (status: development).
// Input includes both kinds of cached tokens, and output reasoning.
const (
	genAIInput      = "gen_ai.usage.input_tokens"
	genAIOutput     = "gen_ai.usage.output_tokens"
	genAICacheRead  = "gen_ai.usage.cache_read.input_tokens"
	genAICacheWrite = "gen_ai.usage.cache_creation.input_tokens"
	genAIReasoning  = "gen_ai.usage.reasoning.output_tokens"
)

// GenAITokens reads OpenTelemetry's GenAI attributes among the properties of an event and
// gives what follows from them: all six kinds, if there is any count of tokens; "model",
// which is that of the response, else of the request; and "provider". It leaves out a
// property that dims has already: what the caller says itself counts. Without such
// attributes it gives nil.
//
// An error is an *Error that points at /dimensions/<attribute>.
func GenAITokens(dims []Dimension) ([]Dimension, error) {
	at := func(key string) *Dimension {
		if i := slices.IndexFunc(dims, func(d Dimension) bool { return d.Key == key }); i >= 0 {
			return &dims[i]
		}
		return nil
	}
	if err := checkGenAINames(dims); err != nil {
		return nil, err
	}
	var out []Dimension
	c, any, err := genAICounts(at)
	if err != nil {
		return nil, err
	}
	if any {
		out = c.dimensions()
	}
	for _, rename := range [][2]string{{"gen_ai.response.model", "model"}, {"gen_ai.request.model", "model"}, {"gen_ai.provider.name", "provider"}} {
		given := func(d Dimension) bool { return d.Key == rename[1] }
		if d := at(rename[0]); d != nil && d.Value != "" && !slices.ContainsFunc(out, given) {
			out = append(out, Dimension{rename[1], d.Value, DimString})
		}
	}
	return slices.DeleteFunc(out, func(d Dimension) bool { return at(d.Key) != nil }), nil
}

// checkGenAINames refuses counts of tokens under names that are not read: they would be
// lost, or be billed as another kind.
func checkGenAINames(dims []Dimension) error {
	known := []string{genAIInput, genAIOutput, genAICacheRead, genAICacheWrite, genAIReasoning}
	for _, d := range dims {
		if strings.HasPrefix(d.Key, "gen_ai.usage.") && strings.HasSuffix(d.Key, "_tokens") && !slices.Contains(known, d.Key) {
			return ErrorAt("/dimensions/"+d.Key, CodeValidationFailed, "%s is not read; the names are %s", d.Key, strings.Join(known, ", "))
		}
	}
	return nil
}

func genAICounts(at func(string) *Dimension) (c tokenCounts, any bool, err error) {
	var n [5]int64
	for i, key := range []string{genAIInput, genAIOutput, genAICacheRead, genAICacheWrite, genAIReasoning} {
		d := at(key)
		if d == nil {
			continue
		}
		any = true
		var ok bool
		if n[i], ok = parseTokens(d.Value); !ok || d.Kind == DimBool {
			return c, true, ErrorAt("/dimensions/"+key, CodeValidationFailed, "%s is %.40q, not a whole number of tokens", key, d.Value)
		}
	}
	input, output, read, write, reasoning := n[0], n[1], n[2], n[3], n[4]
	if read+write > input {
		return c, true, ErrorAt("/dimensions/"+genAIInput, CodeValidationFailed,
			"%s is %d, less than the %d of %s and %s, which it has to include", genAIInput, input, read+write, genAICacheRead, genAICacheWrite)
	}
	if reasoning > output {
		return c, true, ErrorAt("/dimensions/"+genAIOutput, CodeValidationFailed,
			"%s is %d, less than the %d of %s, which it has to include", genAIOutput, output, reasoning, genAIReasoning)
	}
	return tokenCounts{input: input - read - write, cacheRead: read, cacheWrite: write, output: output - reasoning, reasoning: reasoning}, any, nil
}

// parseTokens reads a whole number of tokens as JSON has it, without point or exponent.
func parseTokens(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n >= maxTokens || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	return int64(n), true
}
