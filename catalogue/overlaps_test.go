package catalogue

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
)

// overlapsOf are the pointers of what checkOverlaps finds.
func overlapsOf(rates []bursar.Rate) string {
	var p bursar.Problems
	checkOverlaps(rates, &p)
	err, _ := p.Err().(*bursar.Error)
	var out []string
	if err != nil {
		for _, f := range err.Fields {
			out = append(out, f.Pointer)
		}
	}
	return strings.Join(out, " ")
}

// Two rates of equal rank may match the same usage only where a rate that says more has all
// of that.
func TestOverlaps(t *testing.T) {
	rate := func(match ...string) bursar.Rate { // key=a|b
		r := bursar.Rate{FeatureID: "f", Per: 1, Match: map[string][]string{}}
		for _, m := range match {
			key, values, _ := strings.Cut(m, "=")
			r.Match[key] = strings.Split(values, "|")
		}
		return r
	}
	for _, c := range []struct {
		rates []bursar.Rate
		want  string
	}{
		{[]bursar.Rate{rate(), rate("a=1"), rate("a=2|3")}, ""},
		{[]bursar.Rate{rate(), rate()}, "/rates/1"},
		{[]bursar.Rate{rate("a=1|1")}, ""},
		{[]bursar.Rate{rate("a=1|2"), rate("a=2|3"), rate("a=3")}, "/rates/1 /rates/2"},
		{[]bursar.Rate{rate("a=1"), rate("b=1")}, "/rates/1"},
		{[]bursar.Rate{rate("a=1"), rate("b=1"), rate("a=1", "b=1")}, ""},
		{[]bursar.Rate{rate("a=1"), rate("b=1|2"), rate("a=1", "b=1")}, "/rates/1"},
		{[]bursar.Rate{rate("m=x|y", "a=1"), rate("m=x|y", "b=1"), rate("m=x", "a=1", "b=1")}, "/rates/1"},
		{[]bursar.Rate{rate("m=x|y", "a=1"), rate("m=x|z", "b=1"), rate("m=x", "a=1", "b=1")}, ""},
		{[]bursar.Rate{rate("m=x", "a=1"), rate("m=y", "b=1")}, ""},
	} {
		if got := overlapsOf(c.rates); got != c.want {
			t.Errorf("%v: %q, want %q", c.rates, got, c.want)
		}
	}
	var own []bursar.Rate // each on a key of its own: no pair of them is looked at
	for i := range 20_000 {
		own = append(own, rate(fmt.Sprintf("k%d=1", i)))
	}
	if got := overlapsOf(own); got != "/rates" {
		t.Errorf("%d sets of keys: %.100q", len(own), got)
	}
}

// A version of 20,000 rates is found in as quickly as one of 100: the index looks as often.
func TestLooksDoNotGrowWithTheRates(t *testing.T) {
	most := map[int]int{}
	for _, n := range []int{100, 20_000} {
		x := manyRates(n)
		for i := range n / 2 {
			for _, dims := range dimsOfModel(i) {
				r, looks := x.find(dims)
				if r == nil {
					t.Fatalf("no rate for %v", dims)
				}
				most[n] = max(most[n], looks)
			}
		}
		if _, looks := x.find([]bursar.Dimension{{Key: "model", Value: "nosuch"}, {Key: "service_tier", Value: "flex"}}); looks > 2 {
			t.Errorf("a model without a price takes %d looks at %d rates", looks, n)
		}
	}
	if most[20_000] > most[100] || most[100] == 0 {
		t.Errorf("looks by number of rates: %v", most)
	}
}

// manyRates has two rates for each of n/2 models.
func manyRates(n int) *RateIndex {
	x := &RateIndex{}
	for i := range n / 2 {
		model := []string{fmt.Sprint("model-", i)}
		x.add(&bursar.Rate{FeatureID: "f", Amount: bursar.AmountFromInt(int64(i)), Per: 1_000_000, Match: map[string][]string{"model": model}})
		x.add(&bursar.Rate{FeatureID: "f", Amount: bursar.AmountFromInt(int64(i)), Per: 1_000_000, Match: map[string][]string{"model": model, "service_tier": {"flex"}}})
	}
	return x
}

func dimsOfModel(i int) [][]bursar.Dimension {
	model := bursar.Dimension{Key: "model", Value: fmt.Sprint("model-", i)}
	return [][]bursar.Dimension{{model}, {model, {Key: "service_tier", Value: "flex"}}, {model, {Key: "service_tier", Value: "other"}}}
}

func BenchmarkFindRate(b *testing.B) {
	for _, n := range []int{100, 20_000} {
		x := manyRates(n)
		var dims [][]bursar.Dimension
		for i := range 50 { // as many models, so that the processor's caches have as much of either
			dims = append(dims, dimsOfModel(i*(n/100))...)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for i := range b.N {
				if x.Find(dims[i%len(dims)]) == nil {
					b.Fatal("no rate")
				}
			}
		})
	}
}

// What a price list becomes has no two rates that are in doubt, and each model the price of
// its provider.
func TestPriceListsHaveNoOverlaps(t *testing.T) {
	names, _ := bursar.PriceKinds()
	features := map[string]string{}
	for _, name := range names {
		features[name] = name
	}
	for _, file := range []string{"../testdata/model_prices.json", "../testdata/model_prices_2026.json"} {
		list, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, trim := range []bool{false, true} {
			rates, report, err := bursar.ParsePriceList(bytes.NewReader(list), bursar.PriceListOptions{Credits: bursar.AmountFromInt(1), Features: features, TrimProvider: trim})
			if err != nil || len(report.Skipped) > 0 {
				t.Fatal(err, report.Skipped)
			}
			if got := overlapsOf(rates); got != "" {
				t.Errorf("%s: %s", file, got)
			}
			card := bursar.RateCard{ID: "c", CurrencyID: "x", Versions: []bursar.RateVersion{{Version: 1, Rates: rates}}}
			prices := indexCard(map[string][]PricedBy{}, &card)
			if !slices.ContainsFunc(prices["input"], func(p PricedBy) bool { return p.Versions[0] != nil }) {
				t.Errorf("%s: input has no price", file)
			}
		}
	}
}
