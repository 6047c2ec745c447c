package catalogue

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
)

// Two rates of a feature with as many keys of match are of equal rank. Where both match some
// usage, there has to be a rate that says more: for all values that both have, one with the
// keys of both.

// rankedRates are the rates of one feature that match on the same keys.
type rankedRates struct {
	keys  []string // ascending
	rates []int    // in the version
	at    map[string]int
}

// checkOverlaps adds to p the rates that could match the same usage as another rate of equal
// rank. Its work grows with the combinations that rates match, and with the pairs that
// overlap.
func checkOverlaps(rates []bursar.Rate, p *bursar.Problems) {
	features := map[string][]*rankedRates{}
	worst := map[int]int{} // by rate: the first earlier one that it overlaps with
	note := func(i, j int) {
		i, j = min(i, j), max(i, j)
		if first, ok := worst[j]; !ok || i < first {
			worst[j] = i
		}
	}
	for j := range rates {
		set := rankOf(features, &rates[j])
		for t := range texts(rates[j].Match, set.keys) {
			if i, ok := set.at[t]; !ok {
				set.at[t] = j
			} else if i != j {
				note(i, j)
			}
		}
		set.rates = append(set.rates, j)
	}
	for _, id := range slices.Sorted(maps.Keys(features)) {
		sets := features[id]
		if len(sets) > maxKeySets {
			p.Add("/rates", bursar.CodeValidationFailed, "the rates of feature %q match on %d different sets of keys; at most %d: a price is looked up by each of them", id, len(sets), maxKeySets)
			continue
		}
		for n, a := range sets {
			for _, b := range sets[n+1:] {
				if len(a.keys) == len(b.keys) {
					a.overlaps(b, sets, rates, note)
				}
			}
		}
	}
	for _, j := range slices.Sorted(maps.Keys(worst)) {
		p.Add(fmt.Sprintf("/rates/%d", j), bursar.CodeValidationFailed,
			"rates %d and %d of feature %q can match the same usage, and neither is more specific", worst[j], j, rates[j].FeatureID)
	}
}

// rankOf is the set that a rate belongs to.
func rankOf(features map[string][]*rankedRates, r *bursar.Rate) *rankedRates {
	keys := slices.Sorted(maps.Keys(r.Match))
	for _, s := range features[r.FeatureID] {
		if slices.Equal(s.keys, keys) {
			return s
		}
	}
	s := &rankedRates{keys: keys, at: map[string]int{}}
	features[r.FeatureID] = append(features[r.FeatureID], s)
	return s
}

// maxKeySets bounds the sets of keys that the rates of one feature match on.
const maxKeySets = 64

// maxOverlaps bounds the pairs of rates that are looked at, and the combinations of values for
// which a rate with the keys of both is looked for.
const maxOverlaps = 1_000_000

// overlaps notes each pair, of a rate of a and one of b, that match the same usage. It leaves out
// a pair if sets have a rate with the keys of both for all of that usage.
func (a *rankedRates) overlaps(b *rankedRates, sets []*rankedRates, rates []bursar.Rate, note func(i, j int)) {
	common := slices.DeleteFunc(slices.Clone(a.keys), func(k string) bool { return !slices.Contains(b.keys, k) })
	all := slices.Concat(a.keys, b.keys)
	slices.Sort(all)
	all = slices.Compact(all)
	var above *rankedRates
	for _, s := range sets {
		if slices.Equal(s.keys, all) {
			above = s
		}
	}
	by := map[string][]int{}
	for _, i := range a.rates {
		for t := range texts(rates[i].Match, common) {
			by[t] = append(by[t], i)
		}
	}
	left := maxOverlaps
	for _, j := range b.rates {
		met := map[int]bool{}
		for t := range texts(rates[j].Match, common) {
			for _, i := range by[t] {
				if met[i] {
					continue
				}
				met[i] = true
				if left--; left < 0 || !above.covers(&rates[i], &rates[j], &left) {
					note(i, j)
				}
			}
		}
	}
}

// covers tells whether s has a rate for all usage that both r and o match.
func (s *rankedRates) covers(r, o *bursar.Rate, left *int) bool {
	if s == nil {
		return false
	}
	match := map[string][]string{}
	for _, k := range s.keys {
		values, ok := r.Match[k]
		if other, both := o.Match[k]; !ok {
			values = other
		} else if both {
			values = common(values, other)
		}
		match[k] = values
	}
	for t := range texts(match, s.keys) {
		if *left--; *left < 0 {
			return false
		}
		if _, ok := s.at[t]; !ok {
			return false
		}
	}
	return true
}

// common are the values of a that b has, too.
func common(a, b []string) (out []string) {
	has := make(map[string]bool, len(b))
	for _, v := range b {
		has[v] = true
	}
	for _, v := range a {
		if has[v] {
			out = append(out, v)
		}
	}
	return out
}
