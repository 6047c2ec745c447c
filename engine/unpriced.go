package engine

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/bursarhq/bursar"
)

// maxUnpriced bounds the combinations without a rate that are told apart.
const maxUnpriced = 1000

// unpricedSeen counts usage that came without a rate since the process started.
type unpricedSeen struct {
	mu    sync.Mutex
	total uint64
	by    map[string]*Unpriced
}

// unpriced describes an item that has no rate in some currencies.
func (d *decider) unpriced(in *bursar.UsageInput, currencies []string) (out []Unpriced) {
	if in.Value.IsZero() {
		return nil // it would have cost nothing
	}
	for _, cur := range currencies {
		u := Unpriced{FeatureID: in.FeatureID, CurrencyID: cur, Count: 1, Amount: in.Value, FirstSeen: d.now.Milli(), LastSeen: d.now.Milli()}
		for _, x := range in.Dimensions {
			if d.cat.matchesOn(in.FeatureID, cur, x.Key) {
				u.Dimensions = append(u.Dimensions, x)
			}
		}
		out = append(out, u)
	}
	return out
}

// matchesOn tells whether rates of a feature look at a dimension.
func (c *Catalogue) matchesOn(featureID, currencyID, key string) bool {
	for _, p := range c.prices[featureID] {
		for _, v := range p.versions {
			if p.card.CurrencyID == currencyID && v != nil && slices.ContainsFunc(v.sets, func(s rateSet) bool { return slices.Contains(s.keys, key) }) {
				return true
			}
		}
	}
	return false
}

func (e *Engine) noteUnpriced(list []Unpriced) {
	if len(list) == 0 {
		return
	}
	s := &e.unpriced
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string]*Unpriced{}
	}
	for i := range list {
		u := &list[i]
		s.total++
		key := u.FeatureID + "\x00" + u.CurrencyID + "\x00" + encodeCombo(u.Dimensions)
		old := s.by[key]
		switch {
		case old != nil:
			old.Count++
			old.Amount = old.Amount.Add(u.Amount)
			old.LastSeen = max(old.LastSeen, u.LastSeen)
		case len(s.by) < maxUnpriced:
			s.by[key] = u
		}
	}
}

// Unpriced lists combinations that came without a rate since this process started, at
// most 1,000, the most frequent first; UnpricedTotal counts them all.
func (e *Engine) Unpriced() []Unpriced {
	s := &e.unpriced
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Unpriced, 0, len(s.by))
	for _, key := range slices.Sorted(maps.Keys(s.by)) {
		out = append(out, *s.by[key])
	}
	slices.SortStableFunc(out, func(a, b Unpriced) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

func (e *Engine) UnpricedTotal() uint64 {
	e.unpriced.mu.Lock()
	defer e.unpriced.mu.Unlock()
	return e.unpriced.total
}
