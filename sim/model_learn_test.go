package sim

import (
	"math"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// learn remembers how much output a call had that was reserved, for all that it was charged
// to and for the customer: of the last 64 of each event and model.
func (c *mCust) learn(h *mHold, x bursar.EventInput) {
	n, told := 0.0, false
	for _, d := range x.Dimensions {
		if kind, ok := strings.CutPrefix(d.Key, "tokens."); ok && d.Kind == bursar.DimNumber && (strings.HasPrefix(kind, "output") || kind == "reasoning") {
			n, told = n+math.Ceil(parse(d.Value).Float64()), true
		}
	}
	if !told {
		return
	}
	places := map[string]bool{"": true}
	for _, x := range h.route {
		places[x.entity] = true
	}
	for id := range places {
		k := callsOf(id, h.Event.Name, h.call.props)
		c.calls[k] = append(c.calls[k], n)
		// Of one entity 16 events and models are remembered: those that had a call last.
		order := append(slices.DeleteFunc(c.sorts[id], func(old [3]string) bool { return old == k }), k)
		if len(order) > 16 {
			delete(c.calls, order[0])
			order = order[1:]
		}
		c.sorts[id] = order
	}
}

func callsOf(entity, event string, dims []bursar.Dimension) [3]string {
	model := ""
	for _, d := range dims {
		if d.Key == "model" {
			model = d.Value
		}
	}
	return [3]string{entity, event, model}
}

// learnt puts into an event what it is expected to have of output, by the calls of what it
// names, then of what is above, then of the customer.
func (c *mCust) learnt(x *bursar.EventInput, in bursar.SpendInput, a attribution) (*bursar.Learned, *fail) {
	if in.Percentile == 0 {
		return nil, nil
	}
	places, deep := []string{}, 0
	for _, chain := range a.chains {
		deep = max(deep, len(chain))
	}
	for i := range deep {
		for _, chain := range a.chains {
			if i < len(chain) {
				places = append(places, chain[i])
			}
		}
	}
	most := int64(0)
	if d := property(*x, "tokens.output"); d != nil {
		most = int64(math.Ceil(parse(d.Value).Float64()))
	}
	for _, id := range append(places, "") {
		calls := c.calls[callsOf(id, x.EventName, x.Dimensions)]
		calls = slices.Clone(calls[max(0, len(calls)-64):])
		if len(calls) < 10 {
			continue
		}
		slices.Sort(calls)
		l := &bursar.Learned{Quantile: in.Percentile, Samples: len(calls), EntityID: id}
		for i, n := range calls { // the least that so many of 100 are not above
			if l.Tokens = int64(n); (i+1)*100 >= in.Percentile*len(calls) {
				break
			}
		}
		l.Tokens = max(1, l.Tokens)
		if in.MostSaid {
			l.Tokens = min(l.Tokens, most)
		}
		x.Dimensions = slices.DeleteFunc(slices.Clone(x.Dimensions), func(d bursar.Dimension) bool { return d.Key == "tokens.output" })
		x.Dimensions = append(x.Dimensions, bursar.Dimension{Key: "tokens.output", Value: bursar.AmountFromInt(l.Tokens).String(), Kind: bursar.DimNumber})
		return l, nil
	}
	if !in.MostSaid {
		return nil, failedAt("/maxTokens", bursar.CodeValidationFailed)
	}
	return &bursar.Learned{Quantile: in.Percentile, Tokens: most}, nil
}
