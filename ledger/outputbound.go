package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// What a reservation holds of output of which only the most is known. Of each kind it holds as if
// all output were of that kind, and of money as if all were of the dearest.

// atMost is dims as the meter of f takes them. If that sums up a bounded kind, all of the output is
// of this kind. bounded tells that it does.
func (it *EventItem) atMost(f *bursar.Feature, dims []bursar.Dimension) (most []bursar.Dimension, bounded bool) {
	field := f.Meter.Aggregation.Field
	if f.Meter.Aggregation.Function != "SUM" || !slices.Contains(it.bounded, field) {
		return dims, false
	}
	all := slices.IndexFunc(it.In.Dimensions, func(d bursar.Dimension) bool { return d.Key == bursar.TokensOutput && measures(&d) })
	if all < 0 {
		return dims, false
	}
	return withTokens(dims, field, it.In.Dimensions[all].Value), true
}

// withTokens is dims with so many tokens of a kind.
func withTokens(dims []bursar.Dimension, kind, n string) []bursar.Dimension {
	out := slices.DeleteFunc(slices.Clone(dims), func(d bursar.Dimension) bool { return d.Key == kind })
	return record.SortDims(append(out, bursar.Dimension{Key: kind, Value: n, Kind: bursar.DimNumber}))
}

// dearest keeps in each currency, of the costs of the kinds that share the output, only those of the
// dearest kind. It puts what is held of each bounded kind among the properties of the event.
func (it *EventItem) dearest() {
	if !slices.ContainsFunc(it.usages, func(u UsageItem) bool { return u.bounded }) {
		return
	}
	sums := map[bursar.Capability]map[string]bursar.Amount{}
	it.eachShared(func(kind string, a *Ask) {
		if sums[a.C] == nil {
			sums[a.C] = map[string]bursar.Amount{}
		}
		sums[a.C][kind] = sums[a.C][kind].Add(a.Amount)
	})
	it.eachShared(func(kind string, a *Ask) {
		best := ""
		for _, k := range bursar.SharedKinds {
			if best == "" || sums[a.C][best].Less(sums[a.C][k]) {
				best = k
			}
		}
		if kind != best {
			a.Amount = bursar.Amount{}
		}
	})
	for i := range it.usages {
		if u := &it.usages[i]; u.bounded {
			it.In.Dimensions = withTokens(it.In.Dimensions, u.field, u.In.Value.String())
		}
	}
}

// eachShared calls f with each cost of the kinds that share the output.
func (it *EventItem) eachShared(f func(kind string, a *Ask)) {
	for i := range it.usages {
		if u := &it.usages[i]; u.bounded || u.field == bursar.TokensOutput && u.aggregate == "" {
			for j := range u.asks[1:] {
				f(u.field, &u.asks[j+1])
			}
		}
	}
}

// shared is how much less than its price is held of a part's cost in a currency, because the cost of
// a dearer kind that shares the output is held in its place.
func shared(p *record.HeldPart, currency uint32) bursar.Amount {
	for i := range p.Costs {
		if c := &p.Costs[i]; c.Cap == currency {
			if price, ok := c.Rate.Cost(p.Amount); ok {
				return price.Sub(c.Held)
			}
		}
	}
	return bursar.Amount{}
}
