package bursar_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/bursarhq/bursar"
)

// modelPrices are US dollars per million tokens, "" = not offered: input, cached input,
// cache write, cache write for an hour, output. They are those of the providers' public
// price pages at times in 2024 and 2025, as facts; only the tests use them.
var modelPrices = []struct{ model, input, cached, write, write1h, output string }{
	{"gpt-5", "1.25", "0.125", "", "", "10"},
	{"gpt-5-mini", "0.25", "0.025", "", "", "2"},
	{"gpt-5-nano", "0.05", "0.005", "", "", "0.4"},
	{"gpt-5-pro", "15", "", "", "", "120"},
	{"gpt-4.1", "2", "0.5", "", "", "8"},
	{"gpt-4.1-mini", "0.4", "0.1", "", "", "1.6"},
	{"gpt-4.1-nano", "0.1", "0.025", "", "", "0.4"},
	{"gpt-4o", "2.5", "1.25", "", "", "10"},
	{"gpt-4o-mini", "0.15", "0.075", "", "", "0.6"},
	{"gpt-3.5-turbo", "0.5", "", "", "", "1.5"},
	{"o1", "15", "7.5", "", "", "60"},
	{"o3", "2", "0.5", "", "", "8"},
	{"o3-mini", "1.1", "0.55", "", "", "4.4"},
	{"o4-mini", "1.1", "0.275", "", "", "4.4"},
	{"text-embedding-3-small", "0.02", "", "", "", ""},
	{"text-embedding-3-large", "0.13", "", "", "", ""},
	{"claude-opus-4-5", "5", "0.5", "6.25", "10", "25"},
	{"claude-opus-4-1", "15", "1.5", "18.75", "30", "75"},
	{"claude-sonnet-4-5", "3", "0.3", "3.75", "6", "15"},
	{"claude-sonnet-4, above 200k", "6", "0.6", "7.5", "12", "22.5"},
	{"claude-haiku-4-5", "1", "0.1", "1.25", "2", "5"},
	{"claude-3-5-haiku", "0.8", "0.08", "1", "1.6", "4"},
	{"claude-3-haiku", "0.25", "0.03", "0.3", "0.5", "1.25"},
	{"gemini-2.5-pro", "1.25", "0.125", "", "", "10"},
	{"gemini-2.5-pro, above 200k", "2.5", "0.25", "", "", "15"},
	{"gemini-2.5-flash", "0.3", "0.03", "", "", "2.5"},
	{"gemini-2.5-flash-lite", "0.1", "0.01", "", "", "0.4"},
	{"gemini-1.5-flash", "0.075", "0.01875", "", "", "0.3"},
	{"gemini-1.5-flash-8b", "0.0375", "0.01", "", "", "0.15"},
	{"mistral-large", "2", "", "", "", "6"},
	{"mistral-medium-3", "0.4", "", "", "", "2"},
	{"codestral", "0.3", "", "", "", "0.9"},
	{"ministral-3b", "0.04", "", "", "", "0.04"},
	{"deepseek-chat", "0.28", "0.028", "", "", "0.42"},
	{"deepseek-v3", "0.27", "0.07", "", "", "1.1"},
	{"deepseek-r1", "0.55", "0.14", "", "", "2.19"},
}

// exactNanos is units × price ÷ per in nano-units, half-even, by rational arithmetic.
func exactNanos(units, price *big.Rat, per int64) *big.Int {
	x := new(big.Rat).Mul(units, price)
	x.Mul(x, big.NewRat(1_000_000_000, per))
	down := new(big.Int).Div(x.Num(), x.Denom()) // rounds to -∞, as the denominator is above 0
	rest := new(big.Rat).Sub(x, new(big.Rat).SetInt(down))
	if c := rest.Cmp(big.NewRat(1, 2)); c > 0 || c == 0 && down.Bit(0) == 1 {
		down.Add(down, big.NewInt(1))
	}
	return down
}

// nanosText is how an amount of nano-units prints, by rational arithmetic.
func nanosText(n *big.Int) string {
	s := new(big.Rat).SetFrac(n, big.NewInt(1_000_000_000)).FloatString(9)
	for s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	return s
}

func mustAmount(t testing.TB, s string) (bursar.Amount, *big.Rat) {
	t.Helper()
	a, err := bursar.AmountFromString(s)
	if err != nil {
		t.Fatal(s, err)
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatal(s)
	}
	return a, r
}

// pricesOfModels are all prices that modelPrices has.
func pricesOfModels() (prices []string) {
	for _, m := range modelPrices {
		for _, p := range []string{m.input, m.cached, m.write, m.write1h, m.output} {
			if p != "" {
				prices = append(prices, p)
			}
		}
	}
	return prices
}

var pers = []int64{1, 1000, 1_000_000}

func TestCostIsExact(t *testing.T) {
	counts := []string{
		"0", "1", "2", "3", "7", "10", "999", "1000", "1001", "65536", "128000", "200001", "999999", "1000000", "1000003",
		"1000000007", "123456789012", "-1", "-7", "-1000003", "0.5", "0.333333333", "0.000000001", "1234.567890123", "-0.000000001",
	}
	checked := 0
	for _, price := range pricesOfModels() {
		amount, p := mustAmount(t, price)
		for _, count := range counts {
			units, n := mustAmount(t, count)
			for _, per := range pers {
				r := bursar.Rate{Amount: amount, Per: per}
				cost, ok := r.Cost(units)
				if want := nanosText(exactNanos(n, p, per)); !ok || cost.String() != want {
					t.Errorf("%s units at %s per %d cost %s, want %s", count, price, per, cost, want)
				}
				checked++
			}
		}
	}
	if len(modelPrices) < 25 {
		t.Error("too few models")
	}
	t.Logf("%d costs", checked)
}

// TestCostRounds spells out where one token is not a whole number of nano-units.
func TestCostRounds(t *testing.T) {
	for _, c := range []struct{ price, tokens, want string }{
		{"0.075", "1", "0.000000075"},
		{"0.0375", "1", "0.000000038"},   // 37.5 to even
		{"0.0375", "3", "0.000000112"},   // 112.5 to even
		{"0.0375", "-1", "-0.000000038"}, // a refund is what was charged
		{"0.01875", "1", "0.000000019"},  // 18.75
		{"0.0005", "1", "0"},             // 0.5 to even
		{"0.0005", "3", "0.000000002"},   // 1.5 to even
		{"0.0005", "2", "0.000000001"},
		{"0.000000001", "500000", "0"}, // 0.5 to even
		{"0.000000001", "500001", "0.000000001"},
		{"2.5", "1000003", "2.5000075"},
	} {
		amount, _ := mustAmount(t, c.price)
		tokens, _ := mustAmount(t, c.tokens)
		r := bursar.Rate{Amount: amount, Per: 1_000_000}
		if cost, ok := r.Cost(tokens); !ok || cost.String() != c.want {
			t.Errorf("%s tokens at %s: %s, want %s", c.tokens, c.price, cost, c.want)
		}
	}
}

// TestCostOfManyCalls: the sum of what calls cost is the sum of the rounded costs, to the
// last nano-unit, in whatever order they are added.
func TestCostOfManyCalls(t *testing.T) {
	type rate struct {
		bursar.Rate
		exact *big.Rat
	}
	var rates []rate
	for _, price := range pricesOfModels() {
		amount, p := mustAmount(t, price)
		for _, per := range pers {
			rates = append(rates, rate{bursar.Rate{Amount: amount, Per: per}, p})
		}
	}
	r := rand.New(rand.NewPCG(2026, 11))
	want := new(big.Int)
	var sum, backwards bursar.Amount
	costs := make([]bursar.Amount, 100_000)
	for i := range costs {
		rate := &rates[r.IntN(len(rates))]
		tokens := int64(r.ExpFloat64() * 3000)
		if r.IntN(50) == 0 {
			tokens = -tokens
		}
		cost, ok := rate.Cost(bursar.AmountFromInt(tokens))
		exact := exactNanos(new(big.Rat).SetInt64(tokens), rate.exact, rate.Per)
		if !ok || cost.String() != nanosText(exact) {
			t.Fatalf("%d tokens at %s per %d cost %s, want %s", tokens, rate.Amount, rate.Per, cost, nanosText(exact))
		}
		want.Add(want, exact)
		sum = sum.Add(cost)
		costs[i] = cost
	}
	for i := len(costs) - 1; i >= 0; i-- {
		backwards = backwards.Add(costs[i])
	}
	if sum.String() != nanosText(want) || backwards != sum {
		t.Errorf("%d calls cost %s, backwards %s, want %s", len(costs), sum, backwards, nanosText(want))
	}
}

func TestCostTooLarge(t *testing.T) {
	top, _ := mustAmount(t, "999999999999999.999999999")
	for _, c := range []struct {
		price string
		per   int64
		want  string // "" = too large
	}{
		{"1", 1, "999999999999999.999999999"},
		{"1.000000001", 1, ""},
		{"1000", 1000, "999999999999999.999999999"},
		{"75", 1_000_000, "75000000000"}, // 74999999999.999999999999925
		{"999999999999999.999999999", 1_000_000, ""},
	} {
		amount, _ := mustAmount(t, c.price)
		r := bursar.Rate{Amount: amount, Per: c.per}
		cost, ok := r.Cost(top)
		if ok != (c.want != "") || ok && cost.String() != c.want {
			t.Errorf("at %s per %d: %s, %v", c.price, c.per, cost, ok)
		}
		if refund, rok := r.Cost(top.Neg()); rok != ok || ok && refund != cost.Neg() {
			t.Errorf("at %s per %d, taken back: %s, %v", c.price, c.per, refund, rok)
		}
	}
}

func TestRateCardAt(t *testing.T) {
	archived := bursar.Time(400)
	versions := []bursar.RateVersion{{Version: 1, EffectiveFrom: 100}, {Version: 2, EffectiveFrom: 200}, {Version: 3, EffectiveFrom: 300}}
	for _, c := range []struct {
		at       bursar.Time
		archived *bursar.Time
		want     int // 0 = none
	}{
		{0, nil, 0}, {99, nil, 0}, {100, nil, 1}, {199, nil, 1}, {200, nil, 2}, {299, nil, 2}, {300, nil, 3}, {1 << 60, nil, 3},
		{99, &archived, 0}, {100, &archived, 1}, {399, &archived, 3}, {400, &archived, 0}, {500, &archived, 0},
	} {
		card := bursar.RateCard{Versions: versions, ArchivedAt: c.archived}
		got := 0
		if v := card.At(c.at); v != nil {
			got = v.Version
		}
		if got != c.want {
			t.Errorf("at %d, archived %v: version %d, want %d", c.at, c.archived != nil, got, c.want)
		}
	}
	if (&bursar.RateCard{}).At(1) != nil {
		t.Error("a card without versions has none in force")
	}
}

func ExampleRate_Cost() {
	r := bursar.Rate{Amount: bursar.AmountFromInt(3), Per: 1_000_000} // 3 per million
	cost, _ := r.Cost(bursar.AmountFromInt(1537))
	fmt.Println(cost)
	// Output: 0.004611
}
