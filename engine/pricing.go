package engine

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
)

// pricedBy is a rate card that prices, or has priced, a feature, with its rates made
// ready to be found.
type pricedBy struct {
	card     *bursar.RateCard
	versions []*rateIndex // of the feature, by version; nil = that version does not price it
}

// rateIndex finds the rate of a feature in one version of a card: one look for each set
// of keys that its rates match on, the larger sets first.
type rateIndex struct{ sets []rateSet }

type rateSet struct {
	keys  []string // ascending
	rates map[string]*bursar.Rate
}

// indexCard is prices with those of a card as it is now. Versions are immutable, so only
// those that are new are read.
func indexCard(prices map[string][]pricedBy, c *bursar.RateCard) map[string][]pricedBy {
	prices = maps.Clone(prices)
	features := map[string]*pricedBy{}
	known := 0
	for f, list := range prices {
		i := slices.IndexFunc(list, func(p pricedBy) bool { return p.card.ID == c.ID })
		if i < 0 {
			continue
		}
		known = len(list[i].versions)
		features[f] = &pricedBy{c, append(slices.Clone(list[i].versions), make([]*rateIndex, len(c.Versions)-known)...)}
		prices[f] = slices.Delete(slices.Clone(list), i, i+1)
	}
	for i := known; i < len(c.Versions); i++ {
		for j := range c.Versions[i].Rates {
			r := &c.Versions[i].Rates[j]
			p := features[r.FeatureID]
			if p == nil {
				p = &pricedBy{card: c, versions: make([]*rateIndex, len(c.Versions))}
				features[r.FeatureID] = p
			}
			if p.versions[i] == nil {
				p.versions[i] = &rateIndex{}
			}
			p.versions[i].add(r)
		}
	}
	for f, p := range features {
		list := append(slices.Clone(prices[f]), *p)
		slices.SortFunc(list, func(a, b pricedBy) int {
			return cmp.Or(strings.Compare(a.card.CurrencyID, b.card.CurrencyID), strings.Compare(a.card.ID, b.card.ID))
		})
		prices[f] = list
	}
	return prices
}

func (x *rateIndex) add(r *bursar.Rate) {
	keys := slices.Sorted(maps.Keys(r.Match))
	i := slices.IndexFunc(x.sets, func(s rateSet) bool { return slices.Equal(s.keys, keys) })
	if i < 0 {
		i = len(x.sets)
		x.sets = append(x.sets, rateSet{keys, map[string]*bursar.Rate{}})
	}
	texts := []string{""}
	for _, k := range keys {
		var next []string
		for _, t := range texts {
			for _, v := range r.Match[k] {
				next = append(next, t+indexText(v))
			}
		}
		texts = next
	}
	for _, t := range texts {
		x.sets[i].rates[t] = r
	}
	slices.SortStableFunc(x.sets, func(a, b rateSet) int { return len(b.keys) - len(a.keys) })
}

// indexText is a value so that no two lists of values read the same one after another.
func indexText(v string) string { return strconv.Itoa(len(v)) + ":" + v }

// find is the rate for dims, which are ordered by key; nil when there is none. It gives
// what RateVersion.Rate does.
func (x *rateIndex) find(dims []bursar.Dimension) *bursar.Rate {
	var b strings.Builder
sets:
	for i := range x.sets {
		s := &x.sets[i]
		b.Reset()
		for _, k := range s.keys {
			j, ok := slices.BinarySearchFunc(dims, k, func(d bursar.Dimension, k string) int { return strings.Compare(d.Key, k) })
			if !ok {
				continue sets
			}
			b.WriteString(indexText(dims[j].Value))
		}
		if r := s.rates[b.String()]; r != nil {
			return r
		}
	}
	return nil
}

// price is what a unit of a feature costs in one currency.
type price struct {
	card    *bursar.RateCard
	version int
	rate    *bursar.Rate // nil = the version in force prices the feature, but not these dimensions
}

// pricesOf lists, by currency, what usage of a feature at t with dims costs a unit.
func (c *Catalogue) pricesOf(featureID string, dims []bursar.Dimension, t bursar.Time) []price {
	cards := c.prices[featureID]
	if len(cards) == 0 {
		return nil
	}
	var out []price
	for i := range cards {
		v := cards[i].card.At(t)
		if v == nil || cards[i].versions[v.Version-1] == nil {
			continue
		}
		out = append(out, price{cards[i].card, v.Version, cards[i].versions[v.Version-1].find(dims)})
	}
	return out
}

// livePrice tells whether a live card has a rate of the feature.
func (c *Catalogue) livePrice(featureID string) bool {
	return slices.ContainsFunc(c.prices[featureID], func(p pricedBy) bool { return p.card.ArchivedAt == nil })
}

// ask is an amount that a request wants of one capability: the one that it names, or a
// currency that its feature is priced in.
type ask struct {
	c      bursar.Capability
	cap    uint32 // 0 = the customer has never had to do with it
	amount bursar.Amount
	max    bool // a MAX: what counts is the highest, not the sum
	price  price
}

// asksFor is what amount of c, at t, is in all capabilities: c first, then its costs.
// unpriced lists the currencies for which there is no rate.
func (v *view) asksFor(cat *Catalogue, c bursar.Capability, amount bursar.Amount, dims []bursar.Dimension, t bursar.Time) (asks []ask, unpriced []string, err error) {
	asks = []ask{{c: c, cap: v.capOrd(c), amount: amount}}
	if c.Kind != bursar.KindFeature {
		return asks, nil, nil
	}
	if f := cat.features[c.ID]; f != nil && f.Meter != nil && !summing(f.Meter) {
		asks[0].max = f.Meter.Aggregation.Function == "MAX"
		return asks, nil, nil // an archived card may still have its price of before
	}
	for _, p := range cat.pricesOf(c.ID, dims, t) {
		if p.rate == nil {
			unpriced = append(unpriced, p.card.CurrencyID)
			continue
		}
		cost, ok := p.rate.Cost(amount)
		if !ok {
			return nil, nil, bursar.Errorf(bursar.CodeInvalidAmount, "%s of feature %q would cost 10^15 %s or more", amount, c.ID, p.card.CurrencyID)
		}
		cur := bursar.Capability{Kind: bursar.KindCurrency, ID: p.card.CurrencyID}
		asks = append(asks, ask{c: cur, cap: v.capOrd(cur), amount: cost, price: p})
	}
	return asks, unpriced, nil
}

func errNoRate(featureID string, currencies []string) *bursar.Error {
	return bursar.ErrorAt("/dimensions", bursar.CodeRateNotFound,
		"the feature %q has a price in %s, but not for these dimensions; add a rate that matches them, or one without match as a fallback", featureID, strings.Join(currencies, ", "))
}

// costsOf are the costs of asks, without those of nothing.
func costsOf(asks []ask) []bursar.Cost {
	var out []bursar.Cost
	for _, a := range asks[1:] {
		if a.amount.IsZero() {
			continue
		}
		out = append(out, bursar.Cost{CurrencyID: a.c.ID, Amount: a.amount})
	}
	return out
}
