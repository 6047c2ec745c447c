package sim

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// Output of which only the most is known: it may be of any of some kinds.

// atMost is an event as the meter of a feature has to take it: where it counts one of the bounded
// kinds, all of the output is of that kind.
func atMost(f *bursar.Feature, x bursar.EventInput, bounded []string) (bursar.EventInput, bool) {
	kind, output := f.Meter.Aggregation.Field, property(x, "tokens.output")
	if f.Meter.Aggregation.Function != "SUM" || !slices.Contains(bounded, kind) || output == nil || output.Kind != bursar.DimNumber || parse(output.Value).Sign() <= 0 {
		return x, false
	}
	return withKind(x, kind, numOf(parse(output.Value))), true
}

func withKind(x bursar.EventInput, kind string, n num) bursar.EventInput {
	x.Dimensions = slices.DeleteFunc(slices.Clone(x.Dimensions), func(d bursar.Dimension) bool { return d.Key == kind })
	x.Dimensions = append(x.Dimensions, bursar.Dimension{Key: kind, Value: n.amount().String(), Kind: bursar.DimNumber})
	return x
}

// dearestOf drops the costs of all but the kind that costs most, where several share the output.
func dearestOf(list []part) {
	if !slices.ContainsFunc(list, func(p part) bool { return p.bounded }) {
		return
	}
	kindOf := func(p part) string {
		if a := p.feature.Meter.Aggregation; a.Function == "SUM" && (p.bounded || a.Field == "tokens.output") {
			return strings.TrimPrefix(a.Field, "tokens.")
		}
		return ""
	}
	total := map[[2]string]num{} // by kind and currency
	for _, p := range list {
		for _, c := range p.costs {
			k := [2]string{kindOf(p), c.currency}
			total[k] = total[k].add(c.cost)
		}
	}
	for i, p := range list {
		own := kindOf(p)
		if own == "" {
			continue
		}
		list[i].costs = slices.Clone(p.costs)
		for j, c := range p.costs {
			for n, other := range []string{"output", "reasoning"} {
				mine := slices.Index([]string{"output", "reasoning"}, own)
				by := total[[2]string{other, c.currency}].cmp(total[[2]string{own, c.currency}])
				if by > 0 || by == 0 && n < mine {
					list[i].costs[j].cost = num{}
				}
			}
		}
	}
}

// standsAside tells that a part is not booked when its time is over: it costs something, and none of
// that is held, as a dearer kind of output is.
func (p heldPart) standsAside() bool {
	costs, held := false, false
	for _, c := range p.costs {
		cost, _ := c.price.cost(p.amount)
		costs, held = costs || cost.sign() != 0, held || c.held.sign() != 0
	}
	return costs && !held
}
