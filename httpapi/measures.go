package httpapi

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/go-json-experiment/json/jsontext"
)

// measuresIn is how much an event used, said in one way or in several that do not overlap.
type measuresIn struct {
	Usage      jsontext.Value     `json:"usage" doc:"Of an event: the usage object of a model provider's reply, as it came."`
	Tokens     *tokensIn          `json:"tokens" doc:"Of an event: tokens by kind, in place of usage. A kind that is left out is 0."`
	Properties []bursar.Dimension `json:"properties" doc:"Of an event: further properties, such as the measures that meters of your own read."`
}

// tokensIn are tokens by kind. A token is of one kind alone.
type tokensIn struct {
	Input        *int64 `json:"input" is:"n=0-999999999999999" doc:"Of the prompt, neither read from a cache nor written to one."`
	CacheRead    int64  `json:"cache_read" is:"n=0-999999999999999" doc:"Of the prompt, found in the provider's cache."`
	CacheWrite   int64  `json:"cache_write" is:"n=0-999999999999999" doc:"Of the prompt, put into the cache for its usual time."`
	CacheWrite1h int64  `json:"cache_write_1h" is:"n=0-999999999999999" doc:"Of the prompt, put into the cache for an hour."`
	Output       *int64 `json:"output" is:"n=0-999999999999999" doc:"Without reasoning."`
	Reasoning    int64  `json:"reasoning" is:"n=0-999999999999999" doc:"Thinking that is charged as output."`

	InputAudio     int64 `json:"input_audio" is:"n=0-999999999999999" doc:"Of the prompt: sound, not from a cache."`
	InputImage     int64 `json:"input_image" is:"n=0-999999999999999" doc:"Of the prompt: pictures, not from a cache."`
	CacheReadAudio int64 `json:"cache_read_audio" is:"n=0-999999999999999" doc:"Of the prompt: sound, found in the provider's cache."`
	OutputAudio    int64 `json:"output_audio" is:"n=0-999999999999999" doc:"Sound that was made."`
	OutputImage    int64 `json:"output_image" is:"n=0-999999999999999" doc:"Pictures that were made."`
	OutputVideo    int64 `json:"output_video" is:"n=0-999999999999999" doc:"Video that was made."`
	Citation       int64 `json:"citation" is:"n=0-999999999999999" doc:"Of sources that a search model read."`
}

func (t *tokensIn) dimensions() []bursar.Dimension {
	dim := func(key string, n int64) bursar.Dimension {
		return bursar.Dimension{Key: key, Value: strconv.FormatInt(n, 10), Kind: bursar.DimNumber}
	}
	out := []bursar.Dimension{
		dim(bursar.TokensInput, orZero(t.Input)), dim(bursar.TokensCacheRead, t.CacheRead), dim(bursar.TokensCacheWrite, t.CacheWrite),
		dim(bursar.TokensCacheWrite1h, t.CacheWrite1h), dim(bursar.TokensOutput, orZero(t.Output)), dim(bursar.TokensReasoning, t.Reasoning),
	}
	for _, d := range []bursar.Dimension{
		dim(bursar.TokensInputAudio, t.InputAudio), dim(bursar.TokensInputImage, t.InputImage), dim(bursar.TokensCacheReadAudio, t.CacheReadAudio),
		dim(bursar.TokensOutputAudio, t.OutputAudio), dim(bursar.TokensOutputImage, t.OutputImage), dim(bursar.TokensOutputVideo, t.OutputVideo),
		dim(bursar.TokensCitation, t.Citation),
	} {
		if d.Value != "0" {
			out = append(out, d)
		}
	}
	return out
}

// given tells whether anything is said.
func (m *measuresIn) given() bool { return m.Usage != nil || m.Tokens != nil || m.Properties != nil }

// onto adds what is said to the dimensions of an event, whose own stay as they are. The first
// of the input's were given, the Derived ones were read from usage, by rules too.
func (m *measuresIn) onto(dims []bursar.Dimension, rules []bursar.UsageRule, p *bursar.Problems) (in bursar.EventInput, usage *bursar.UsageReading) {
	if m.Usage != nil && m.Tokens != nil {
		p.Add("/tokens", bursar.CodeValidationFailed, "give usage or tokens, not both")
	}
	if n := len(dims) + len(m.Properties); n > bursar.MaxDimensions {
		p.Add("/properties", bursar.CodeValidationFailed, "at most %d dimensions and properties, here are %d", bursar.MaxDimensions, n)
	}
	out := slices.Clip(dims)
	for _, d := range m.Properties {
		if hasKey(out, d.Key) {
			p.Add("/properties", bursar.CodeValidationFailed, "%s is given twice", d.Key)
			continue
		}
		out = append(out, d)
	}
	if m.Tokens != nil {
		out = withMissing(out, m.Tokens.dimensions())
	}
	f := eventFields{Dimensions: out, Usage: m.Usage}
	in.Dimensions, usage = f.measured("", rules, p)
	in.Derived, in.Warnings = slices.Clone(in.Dimensions[len(out):]), usage.Warnings()
	in.Unread, in.Unruled = usage.Keep(in.Derived), usage.Unruled(out, in.Derived)
	in.Illegible = in.Unread != nil
	return in, usage
}

func hasKey(dims []bursar.Dimension, key string) bool {
	return slices.ContainsFunc(dims, func(d bursar.Dimension) bool { return d.Key == key })
}

// withMissing is dims with those of more whose keys it does not have.
func withMissing(dims, more []bursar.Dimension) []bursar.Dimension {
	for _, d := range more {
		if !hasKey(dims, d.Key) {
			dims = append(dims, d)
		}
	}
	return dims
}

// expectedIn is how much an event will use at most, while nobody knows how much it does.
type expectedIn struct {
	MaxTokens       *int64  `json:"maxTokens" is:"n=0-999999999999999" doc:"Of an event: as many tokens of output as there can be, reasoning included. Text and reasoning are each held for all of them, and money for the dearer. Other kinds of output are held where dimensions or properties name them."`
	InputTokens     *int64  `json:"inputTokens" is:"n=0-999999999999999" doc:"Of an event: tokens of input."`
	Hold            *string `json:"hold" is:"len=3-3" doc:"Of an event: p50 to p99, in place of maxTokens or beside it. As many tokens of output are held as so many of 100 of the last calls had that were reserved for this event and model: of what the dimensions name, or the nearest above that has had 10 or more. maxTokens is then the most, and what is held without such a history. Where that does not fit, a reservation holds the largest amount that does, and an explanation shows the denial."`
	InputCharacters *int64  `json:"inputCharacters" is:"n=0-999999999999999" doc:"Of an event: characters of input, in place of inputTokens. 3 of them count as a token."`
}

// charactersPerToken turns characters of input into tokens. Text has 3 to 5 characters a
// token with the usual models: this holds rather more than less.
const charactersPerToken = 3

// onto sets the tokens of m by what is expected.
func (x *expectedIn) onto(m *measuresIn, p *bursar.Problems) {
	if x.MaxTokens == nil && x.InputTokens == nil && x.InputCharacters == nil && x.Hold == nil {
		return
	}
	if x.Hold != nil && x.percentile() == 0 {
		p.Add("/hold", bursar.CodeValidationFailed, "%.10q is not p50 to p99", *x.Hold)
	}
	if m.Usage != nil || m.Tokens != nil {
		p.Add("/maxTokens", bursar.CodeValidationFailed, "usage and tokens say how much it is: give maxTokens, hold, inputTokens and inputCharacters in place of them")
		return
	}
	if x.InputTokens != nil && x.InputCharacters != nil {
		p.Add("/inputCharacters", bursar.CodeValidationFailed, "give inputTokens or inputCharacters, not both")
	}
	input, output := orZero(x.InputTokens)+(orZero(x.InputCharacters)+charactersPerToken-1)/charactersPerToken, orZero(x.MaxTokens)
	m.Tokens = &tokensIn{Input: &input, Output: &output}
}

// said tells whether a reservation says how many tokens of input and of output there may be,
// also that there are none.
func (x *expectedIn) said(dims []bursar.Dimension, m *measuresIn) (input, output bool) {
	has := func(key string) bool { return m.Usage != nil || hasKey(dims, key) || hasKey(m.Properties, key) }
	input = x.InputTokens != nil || x.InputCharacters != nil || has(bursar.TokensInput) || m.Tokens != nil && m.Tokens.Input != nil
	return input, x.MaxTokens != nil || x.Hold != nil || has(bursar.TokensOutput) || m.Tokens != nil && m.Tokens.Output != nil
}

// bounded are the kinds of output of which nobody says how many there may be: as many as
// maxTokens says, or calls before had, are of them and of tokens.output together.
func (x *expectedIn) bounded(dims []bursar.Dimension, m *measuresIn) (kinds []string) {
	given := func(key string) bool { return hasKey(dims, key) || hasKey(m.Properties, key) }
	if x.MaxTokens == nil && x.Hold == nil || given(bursar.TokensOutput) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(bursar.SharedKinds), func(key string) bool { return key == bursar.TokensOutput || given(key) })
}

// percentile is the number in hold; 0 = there is none.
func (x *expectedIn) percentile() int {
	if h := orZero(x.Hold); len(h) == 3 && h[0] == 'p' && h[1] >= '5' && h[1] <= '9' && h[2] >= '0' && h[2] <= '9' {
		return int(h[1]-'0')*10 + int(h[2]-'0')
	}
	return 0
}

// capabilityAmountOut is an amount of one capability.
type capabilityAmountOut struct {
	FeatureID  *string       `json:"featureId,omitempty"`
	CurrencyID *string       `json:"currencyId,omitempty"`
	Amount     bursar.Amount `json:"amount"`
}

func viewAmounts(list []bursar.CapabilityAmount) []capabilityAmountOut {
	out := make([]capabilityAmountOut, len(list))
	for i := range list {
		out[i].FeatureID, out[i].CurrencyID = capabilityIDs(list[i].Capability)
		out[i].Amount = list[i].Amount
	}
	return out
}

// tokensOut are tokens by kind.
type tokensOut struct {
	Input        bursar.Amount `json:"input" doc:"Neither read from a cache nor written to one."`
	CacheRead    bursar.Amount `json:"cache_read" doc:"Found in the provider's cache."`
	CacheWrite   bursar.Amount `json:"cache_write" doc:"Put into the cache for its usual time."`
	CacheWrite1h bursar.Amount `json:"cache_write_1h" doc:"Put into the cache for an hour."`
	Output       bursar.Amount `json:"output" doc:"Without reasoning."`
	Reasoning    bursar.Amount `json:"reasoning" doc:"Thinking that is charged as output."`

	InputAudio     bursar.Amount `json:"input_audio,omitzero" doc:"Sound in the prompt, not from a cache."`
	InputImage     bursar.Amount `json:"input_image,omitzero" doc:"Pictures in the prompt, not from a cache."`
	CacheReadAudio bursar.Amount `json:"cache_read_audio,omitzero" doc:"Sound in the prompt, found in the provider's cache."`
	OutputAudio    bursar.Amount `json:"output_audio,omitzero" doc:"Sound that was made."`
	OutputImage    bursar.Amount `json:"output_image,omitzero" doc:"Pictures that were made."`
	OutputVideo    bursar.Amount `json:"output_video,omitzero" doc:"Video that was made."`
	Citation       bursar.Amount `json:"citation,omitzero" doc:"Of sources that a search model read."`
}

// viewTokens are the tokens among the properties of an event; nil when there are none.
func viewTokens(props []bursar.Dimension) *tokensOut {
	var out tokensOut
	any := false
	at := map[string]*bursar.Amount{bursar.TokensInput: &out.Input, bursar.TokensCacheRead: &out.CacheRead, bursar.TokensCacheWrite: &out.CacheWrite,
		bursar.TokensCacheWrite1h: &out.CacheWrite1h, bursar.TokensOutput: &out.Output, bursar.TokensReasoning: &out.Reasoning,
		bursar.TokensInputAudio: &out.InputAudio, bursar.TokensInputImage: &out.InputImage, bursar.TokensCacheReadAudio: &out.CacheReadAudio,
		bursar.TokensOutputAudio: &out.OutputAudio, bursar.TokensOutputImage: &out.OutputImage, bursar.TokensOutputVideo: &out.OutputVideo,
		bursar.TokensCitation: &out.Citation}
	for _, d := range props {
		if !strings.HasPrefix(d.Key, "tokens.") || d.Kind != bursar.DimNumber || at[d.Key] == nil {
			continue
		}
		if n, err := bursar.AmountFromString(d.Value); err == nil {
			*at[d.Key], any = n, true
		}
	}
	if !any {
		return nil
	}
	return &out
}

// alertOut is a limit that reached thresholds.
type alertOut struct {
	AssignmentID string  `json:"assignmentId"`
	EntityID     string  `json:"entityId"`
	FeatureID    *string `json:"featureId,omitempty"`
	CurrencyID   *string `json:"currencyId,omitempty"`
	Label        string  `json:"label"`
	Thresholds   []int   `json:"thresholds" doc:"In percent of the limit."`
}

func viewAlerts(list []bursar.AlertReached) []alertOut {
	out := make([]alertOut, len(list))
	for i, a := range list {
		out[i] = alertOut{AssignmentID: a.AssignmentID, EntityID: a.EntityID, Label: a.Label, Thresholds: a.Thresholds}
		out[i].FeatureID, out[i].CurrencyID = capabilityIDs(a.Capability)
	}
	return out
}
