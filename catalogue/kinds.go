package catalogue

import (
	"slices"

	"github.com/bursarhq/bursar"
)

// partOf are the kinds of tokens that count as another kind where nobody counts them
// apart.
var partOf = map[string]string{
	bursar.TokensInputAudio: bursar.TokensInput, bursar.TokensInputImage: bursar.TokensInput, bursar.TokensCacheReadAudio: bursar.TokensCacheRead,
	bursar.TokensOutputAudio: bursar.TokensOutput, bursar.TokensOutputImage: bursar.TokensOutput, bursar.TokensOutputVideo: bursar.TokensOutput,
}

// Countable are the dimensions of an event as features count them: tokens of a kind that
// none of the features sums up are among those of the kind that it is part of.
func Countable(features []*bursar.Feature, dims []bursar.Dimension) []bursar.Dimension {
	out := dims
	for i := range dims {
		whole, part := partOf[dims[i].Key]
		if !part || dims[i].Kind != bursar.DimNumber || slices.ContainsFunc(features, func(f *bursar.Feature) bool { return f.Meter.Aggregation.Field == dims[i].Key }) {
			continue
		}
		j := slices.IndexFunc(out, func(d bursar.Dimension) bool { return d.Key == whole })
		if j < 0 {
			continue
		}
		n, err := bursar.ParseAmount([]byte(dims[i].Value))
		sum, other := bursar.ParseAmount([]byte(out[j].Value))
		if err != nil || other != nil || !n.InRange() || !sum.InRange() {
			continue
		}
		if &out[0] == &dims[0] {
			out = slices.Clone(dims)
		}
		out[j].Value = sum.Add(n).String()
		out = slices.DeleteFunc(out, func(d bursar.Dimension) bool { return d.Key == dims[i].Key })
	}
	return out
}
