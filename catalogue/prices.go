package catalogue

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/bursarhq/bursar"
)

// PricedBy is a rate card that prices, or has priced, a feature, with its rates made
// ready to be found.
type PricedBy struct {
	Card     *bursar.RateCard
	Versions []*RateIndex // of the feature, by version; nil = that version does not price it
}

// RateIndex finds the rate of a feature in one version of a card: one look for each set
// of keys that its rates match on, the larger sets first.
type RateIndex struct{ sets []rateSet }

type rateSet struct {
	keys  []string // ascending
	rates map[string]*bursar.Rate
}

// indexCard is prices with those of a card as it is now. Versions are immutable, so only new
// versions are read.
func indexCard(prices map[string][]PricedBy, c *bursar.RateCard) map[string][]PricedBy {
	prices = maps.Clone(prices)
	features := map[string]*PricedBy{}
	known := 0
	for f, list := range prices {
		i := slices.IndexFunc(list, func(p PricedBy) bool { return p.Card.ID == c.ID })
		if i < 0 {
			continue
		}
		known = len(list[i].Versions)
		features[f] = &PricedBy{c, append(slices.Clone(list[i].Versions), make([]*RateIndex, len(c.Versions)-known)...)}
		prices[f] = slices.Delete(slices.Clone(list), i, i+1)
	}
	for i := known; i < len(c.Versions); i++ {
		for j := range c.Versions[i].Rates {
			r := &c.Versions[i].Rates[j]
			p := features[r.FeatureID]
			if p == nil {
				p = &PricedBy{Card: c, Versions: make([]*RateIndex, len(c.Versions))}
				features[r.FeatureID] = p
			}
			if p.Versions[i] == nil {
				p.Versions[i] = &RateIndex{}
			}
			p.Versions[i].add(r)
		}
	}
	for f, p := range features {
		list := append(slices.Clone(prices[f]), *p)
		slices.SortFunc(list, func(a, b PricedBy) int {
			return cmp.Or(strings.Compare(a.Card.CurrencyID, b.Card.CurrencyID), strings.Compare(a.Card.ID, b.Card.ID))
		})
		prices[f] = list
	}
	return prices
}

func (x *RateIndex) add(r *bursar.Rate) {
	keys := slices.Sorted(maps.Keys(r.Match))
	i := slices.IndexFunc(x.sets, func(s rateSet) bool { return slices.Equal(s.keys, keys) })
	if i < 0 {
		i = len(x.sets)
		x.sets = append(x.sets, rateSet{keys, map[string]*bursar.Rate{}})
	}
	for t := range texts(r.Match, keys) {
		x.sets[i].rates[t] = r
	}
	slices.SortStableFunc(x.sets, func(a, b rateSet) int { return len(b.keys) - len(a.keys) })
}

// texts are the index texts of all combinations of the values that match has for keys.
func texts(match map[string][]string, keys []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if len(keys) == 1 {
			for _, v := range match[keys[0]] {
				if !yield(v) {
					return
				}
			}
			return
		}
		var walk func(text string, rest []string) bool
		walk = func(text string, rest []string) bool {
			if len(rest) == 0 {
				return yield(text)
			}
			for _, v := range match[rest[0]] {
				if !walk(text+indexText(v), rest[1:]) {
					return false
				}
			}
			return true
		}
		walk("", keys)
	}
}

// indexText is a value with its length, so that no two lists of values make the same text.
func indexText(v string) string { return strconv.Itoa(len(v)) + ":" + v }

// Find is the rate for dims, which are ordered by key: of the rates that match, the one with
// the most keys; nil when none does.
func (x *RateIndex) Find(dims []bursar.Dimension) *bursar.Rate {
	r, _ := x.find(dims)
	return r
}

// find tells also how many times it looked: at most once for each set of keys that rates
// have, however many rates there are.
func (x *RateIndex) find(dims []bursar.Dimension) (r *bursar.Rate, looks int) {
	for i := range x.sets {
		text, ok := x.sets[i].text(dims)
		if !ok {
			continue
		}
		looks++
		if r := x.sets[i].rates[text]; r != nil {
			return r, looks
		}
	}
	return nil, looks
}

// text is the index text of dims; not ok when they lack one of the keys.
func (s *rateSet) text(dims []bursar.Dimension) (text string, ok bool) {
	value := func(key string) (string, bool) {
		j, ok := slices.BinarySearchFunc(dims, key, func(d bursar.Dimension, k string) int { return strings.Compare(d.Key, k) })
		if !ok {
			return "", false
		}
		return dims[j].Value, true
	}
	if len(s.keys) == 1 {
		return value(s.keys[0])
	}
	var b strings.Builder
	for _, k := range s.keys {
		v, ok := value(k)
		if !ok {
			return "", false
		}
		b.WriteString(indexText(v))
	}
	return b.String(), true
}

// Price is what a unit of a feature costs in one currency.
type Price struct {
	Card    *bursar.RateCard
	Version int
	Rate    *bursar.Rate // nil = the version in force prices the feature, but not these dimensions
}

// PricesOf lists, by currency, what usage of a feature at t with dims costs a unit.
func (c *Catalogue) PricesOf(featureID string, dims []bursar.Dimension, t bursar.Time) []Price {
	cards := c.Prices[featureID]
	if len(cards) == 0 {
		return nil
	}
	var out []Price
	for i := range cards {
		v := cards[i].Card.At(t)
		if v == nil || cards[i].Versions[v.Version-1] == nil {
			continue
		}
		out = append(out, Price{cards[i].Card, v.Version, cards[i].Versions[v.Version-1].Find(dims)})
	}
	return out
}

// livePrice tells whether a live card has a rate of the feature.
func (c *Catalogue) livePrice(featureID string) bool {
	return slices.ContainsFunc(c.Prices[featureID], func(p PricedBy) bool { return p.Card.ArchivedAt == nil })
}

func ErrNoRate(featureID string, currencies []string) *bursar.Error {
	return bursar.ErrorAt("/dimensions", bursar.CodeRateNotFound,
		"the feature %q has a price in %s, but not for these dimensions; add a rate that matches them, or one without match as a fallback", featureID, strings.Join(currencies, ", "))
}
