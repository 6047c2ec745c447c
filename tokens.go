package bursar

import (
	"slices"
	"strconv"
	"strings"
)

// The kinds of tokens, as properties of an event. A token is of one kind alone, so that
// each kind has its own price and nothing is charged twice.
const (
	TokensInput        = "tokens.input"          // of the prompt, and of no other kind below
	TokensCacheRead    = "tokens.cache_read"     // of the prompt, found in the provider's cache
	TokensCacheWrite   = "tokens.cache_write"    // of the prompt, put into the cache for its usual time, such as 5 minutes
	TokensCacheWrite1h = "tokens.cache_write_1h" // of the prompt, put into the cache for an hour
	TokensOutput       = "tokens.output"         // of the reply, and of no other kind below
	TokensReasoning    = "tokens.reasoning"      // thinking that is charged as output

	TokensInputAudio     = "tokens.input_audio"      // of the prompt: sound, not from a cache
	TokensInputImage     = "tokens.input_image"      // of the prompt: pictures, not from a cache
	TokensCacheReadAudio = "tokens.cache_read_audio" // of the prompt: sound, found in the provider's cache
	TokensOutputAudio    = "tokens.output_audio"
	TokensOutputImage    = "tokens.output_image"
	TokensOutputVideo    = "tokens.output_video"
	TokensCitation       = "tokens.citation" // of sources that a search model read
)

// OutputKinds are the kinds that add up to a call's output.
var OutputKinds = []string{TokensOutput, TokensReasoning, TokensOutputAudio, TokensOutputImage, TokensOutputVideo}

// SharedKinds are those OutputKinds that share what a caller expects of output: nobody knows how
// many tokens will be of which. The others are expected only where a caller says so.
var SharedKinds = []string{TokensOutput, TokensReasoning}

// What providers charge for beside tokens, as properties of an event.
const (
	UsageWebSearch   = "usage.web_search"   // searches of the web
	UsageSeconds     = "usage.seconds"      // of sound or video; may have decimals
	UsageImages      = "usage.images"       // pictures that were made
	UsageInputImages = "usage.input_images" // pictures that were looked at, where each has a price
	UsageRequests    = "usage.requests"
	UsageQueries     = "usage.queries"    // search units of rerankers
	UsageCharacters  = "usage.characters" // of text that is spoken
	UsagePages       = "usage.pages"      // that were read
)

// IsKind tells whether a property is how much was used of some kind: tokens.… and usage.….
func IsKind(key string) bool {
	return strings.HasPrefix(key, "tokens.") || strings.HasPrefix(key, "usage.")
}

// IsUsualKind tells whether a property is of the kinds that a reading of usage always has.
func IsUsualKind(key string) bool { return slices.Contains(kinds[:usualKinds], key) }

// TokenKinds are the properties of all kinds of tokens.
func TokenKinds() []string { return slices.Clone(kinds[:]) }

// IsTokenKind tells whether a property is a kind of tokens.
func IsTokenKind(key string) bool { return slices.Contains(kinds[:], key) }

// Dimensions of an event that its price may depend on, beside the model. A reading of
// usage has them where they are not what is usual.
const (
	ServiceTier   = "service_tier"  // batch, flex, priority
	Speed         = "speed"         // fast
	InferenceGeo  = "inference_geo" // us
	SearchContext = "search_context_size"
	Context       = "context" // the highest of ContextSteps that the prompt is above
)

// kind is an index of kinds.
type kind int

const (
	kindInput kind = iota
	kindCacheRead
	kindCacheWrite
	kindCacheWrite1h
	kindOutput
	kindReasoning
	usualKinds // those before are told of every call, absent ones as 0
)

const (
	kindInputAudio = usualKinds + iota
	kindInputImage
	kindCacheReadAudio
	kindOutputAudio
	kindOutputImage
	kindOutputVideo
	kindCitation
	allKinds
)

// kinds are the properties of the kinds of tokens.
var kinds = [allKinds]string{TokensInput, TokensCacheRead, TokensCacheWrite, TokensCacheWrite1h, TokensOutput, TokensReasoning,
	TokensInputAudio, TokensInputImage, TokensCacheReadAudio, TokensOutputAudio, TokensOutputImage, TokensOutputVideo, TokensCitation}

// tokenCounts are numbers of tokens by kind.
type tokenCounts [allKinds]int64

func (c *tokenCounts) dimensions() (out []Dimension) {
	for k, n := range c {
		if n != 0 || kind(k) < usualKinds {
			out = append(out, Dimension{kinds[k], strconv.FormatInt(n, 10), DimNumber})
		}
	}
	return out
}

// sum is how many tokens the provider counts. What it read of sources it counts apart.
func (c *tokenCounts) sum() (n int64) {
	for k := range kindCitation {
		n += c[k]
	}
	return n
}

// maxTokens bounds one count, as amounts are bounded; sums of counts fit an int64.
const maxTokens = 1e15

// ContextSteps are the lengths of prompts, in tokens, above which some models have other
// prices.
var ContextSteps = []int64{32_000, 128_000, 200_000, 256_000, 272_000, 512_000}

// ContextAbove is the value of the dimension Context that stands for prompts above a step:
// >200k.
func ContextAbove(step int64) string { return ">" + strconv.FormatInt(step/1000, 10) + "k" }

// PromptContext is the dimension Context of an event by its kinds of tokens; not ok when
// its prompt is above no step.
func PromptContext(dims []Dimension) (d Dimension, ok bool) {
	var prompt Amount
	for i := range dims {
		key, isTokens := strings.CutPrefix(dims[i].Key, "tokens.")
		if !isTokens || dims[i].Kind != DimNumber || !strings.HasPrefix(key, "input") && !strings.HasPrefix(key, "cache_") {
			continue
		}
		if n, err := ParseAmount([]byte(dims[i].Value)); err == nil && n.InRange() {
			prompt = prompt.Add(n)
		}
	}
	for _, step := range slices.Backward(ContextSteps) {
		if prompt.Cmp(AmountFromInt(step)) > 0 {
			return Dimension{Context, ContextAbove(step), DimString}, true
		}
	}
	return d, false
}

// Attributes of OpenTelemetry's semantic conventions for GenAI (status: development).
// Input includes both kinds of cached tokens, and output reasoning.
const (
	genAIInput         = "gen_ai.usage.input_tokens"
	genAIOutput        = "gen_ai.usage.output_tokens"
	genAICacheRead     = "gen_ai.usage.cache_read.input_tokens"
	genAICacheWrite    = "gen_ai.usage.cache_creation.input_tokens"
	genAICacheWriteNew = "gen_ai.usage.cache_write.input_tokens" // what later versions call it
	genAIReasoning     = "gen_ai.usage.reasoning.output_tokens"
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
	known := []string{genAIInput, genAIOutput, genAICacheRead, genAICacheWrite, genAICacheWriteNew, genAIReasoning}
	for _, d := range dims {
		if strings.HasPrefix(d.Key, "gen_ai.usage.") && strings.HasSuffix(d.Key, "_tokens") && !slices.Contains(known, d.Key) {
			return ErrorAt("/dimensions/"+d.Key, CodeValidationFailed, "%s is not read; the names are %s", d.Key, strings.Join(known, ", "))
		}
	}
	return nil
}

func genAICounts(at func(string) *Dimension) (c tokenCounts, any bool, err error) {
	var n [6]int64
	for i, key := range []string{genAIInput, genAIOutput, genAICacheRead, genAICacheWrite, genAICacheWriteNew, genAIReasoning} {
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
	input, output, read, write, reasoning := n[0], n[1], n[2], max(n[3], n[4]), n[5]
	if read+write > input {
		return c, true, ErrorAt("/dimensions/"+genAIInput, CodeValidationFailed,
			"%s is %d, less than the %d of %s and %s, which it has to include", genAIInput, input, read+write, genAICacheRead, genAICacheWrite)
	}
	if reasoning > output {
		return c, true, ErrorAt("/dimensions/"+genAIOutput, CodeValidationFailed,
			"%s is %d, less than the %d of %s, which it has to include", genAIOutput, output, reasoning, genAIReasoning)
	}
	return tokenCounts{kindInput: input - read - write, kindCacheRead: read, kindCacheWrite: write, kindOutput: output - reasoning, kindReasoning: reasoning}, any, nil
}

// parseTokens reads a whole number of tokens as JSON has it, without point or exponent.
func parseTokens(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n >= maxTokens || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	return int64(n), true
}
