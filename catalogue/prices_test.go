package catalogue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bursarhq/bursar"
)

// rateInList is the rate of a feature with the most dimensions to match that all match.
func rateInList(v *bursar.RateVersion, feature string, dims []bursar.Dimension) (best *bursar.Rate) {
	for i := range v.Rates {
		r, all := &v.Rates[i], true
		for key, values := range r.Match {
			all = all && slices.ContainsFunc(dims, func(d bursar.Dimension) bool { return d.Key == key && slices.Contains(values, d.Value) })
		}
		if r.FeatureID == feature && all && (best == nil || len(r.Match) > len(best.Match)) {
			best = r
		}
	}
	return best
}

// The index finds the rate that a walk through the list finds, whatever versions came one after
// the other and whichever was indexed when.
func TestRateIndexAgreesWithTheList(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	keys := []string{"a", "b", "c"}
	for range 300 {
		card := bursar.RateCard{ID: "c", CurrencyID: "x"}
		other := bursar.RateCard{ID: "d", CurrencyID: "y", Versions: []bursar.RateVersion{{Version: 1, Rates: []bursar.Rate{{FeatureID: "f0", Per: 1}}}}}
		prices := indexCard(map[string][]PricedBy{}, &other)
		for v := range 1 + r.IntN(3) {
			card.Versions = append(slices.Clone(card.Versions), bursar.RateVersion{Version: v + 1, EffectiveFrom: bursar.Time(v), Rates: randomRates(r, keys)})
			next := card
			prices = indexCard(prices, &next)
		}
		for range 50 {
			var dims []bursar.Dimension
			for _, k := range keys {
				if r.IntN(3) > 0 {
					dims = append(dims, bursar.Dimension{Key: k, Value: fmt.Sprint(r.IntN(4))})
				}
			}
			f := fmt.Sprint("f", r.IntN(3))
			for i := range card.Versions {
				v := &card.Versions[i]
				var got *bursar.Rate
				for _, p := range prices[f] {
					if p.Card.ID == "c" && p.Versions[i] != nil {
						got = p.Versions[i].Find(dims)
					}
				}
				if want := rateInList(v, f, dims); (got == nil) != (want == nil) || got != nil && len(got.Match) != len(want.Match) {
					t.Fatalf("version %d of %s for %v: %+v, the list has %+v", i+1, f, dims, got, want)
				} else if got != nil && got.Amount != want.Amount {
					t.Fatalf("version %d of %s for %v: %+v, the list has %+v", i+1, f, dims, got, want)
				}
			}
		}
		if len(prices["f0"]) == 0 || prices["f0"][len(prices["f0"])-1].Card.ID != "d" {
			t.Fatal("another card's prices are lost")
		}
	}
}

// randomRates are rates of which no two of one rank can match the same usage.
func randomRates(r *rand.Rand, keys []string) (out []bursar.Rate) {
	for range 1 + r.IntN(12) {
		rate := bursar.Rate{FeatureID: fmt.Sprint("f", r.IntN(3)), Amount: bursar.AmountFromInt(r.Int64N(1e6)), Per: 1, Match: map[string][]string{}}
		for _, k := range keys {
			if r.IntN(2) == 0 {
				for range 1 + r.IntN(2) {
					if v := fmt.Sprint(r.IntN(4)); !slices.Contains(rate.Match[k], v) {
						rate.Match[k] = append(rate.Match[k], v)
					}
				}
			}
		}
		var p bursar.Problems
		if checkOverlaps(append(slices.Clone(out), rate), &p); p.Empty() {
			out = append(out, rate)
		}
	}
	return out
}

// What a version may match is bounded as a whole: its index is held in memory.
func TestCombinationsOfAVersionAreBounded(t *testing.T) {
	values := make([]string, 500)
	for i := range values {
		values[i] = fmt.Sprint(i)
	}
	w := &Write{Catalogue: NewCatalogue()}
	w.FeatureOf["f"] = &bursar.Feature{ID: "f"}
	w.FeatureOf["g"] = &bursar.Feature{ID: "g"}
	add := func(n int) error {
		var p bursar.Problems
		_, err := w.addVersion(bursar.RateCard{ID: "c", CurrencyID: "x"}, &RateVersionInput{Rates: []bursar.Rate{
			{FeatureID: "f", Per: 1, Match: map[string][]string{"a": values, "b": values[:400]}},
			{FeatureID: "g", Per: 1, Match: map[string][]string{"a": values, "b": values[:n]}}}}, &p)
		return err
	}
	if err := add(401); err == nil {
		t.Error("400,500 combinations are taken")
	}
	if err := add(400); err != nil {
		t.Error(err)
	}
}
