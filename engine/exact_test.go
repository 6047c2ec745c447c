package engine_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store/mem"
)

// Providers' list prices in dollars per million tokens: input, cached input, output.
// Facts of their public price pages; the test does not depend on their being current.
var listPrices = []struct {
	model  string
	prices [3]string
}{
	{"gpt-5", [3]string{"1.25", "0.125", "10"}},
	{"gpt-5-mini", [3]string{"0.25", "0.025", "2"}},
	{"gpt-5-nano", [3]string{"0.05", "0.005", "0.4"}},
	{"gpt-4.1", [3]string{"2", "0.5", "8"}},
	{"gpt-4o", [3]string{"2.5", "1.25", "10"}},
	{"gpt-4o-mini", [3]string{"0.15", "0.075", "0.6"}},
	{"claude-opus-4-1", [3]string{"15", "1.5", "75"}},
	{"claude-sonnet-4-5", [3]string{"3", "0.3", "15"}},
	{"claude-haiku-4-5", [3]string{"1", "0.1", "5"}},
	{"gemini-2.5-pro", [3]string{"1.25", "0.31", "10"}},
	{"gemini-2.5-flash", [3]string{"0.3", "0.075", "2.5"}},
	{"deepseek-chat", [3]string{"0.27", "0.07", "1.1"}},
	{"mistral-large", [3]string{"2", "2", "6"}},
}

// What events cost, on a limit, in the customer's total and in the pool, is what exact
// fractions say: each usage to 9 decimals, half to even, and their sum without a loss.
func TestPricedEventsAreExact(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, mem.New(), engine.Options{})
	defer r.close()
	r.furnish("acme")
	_, err := r.CreateCurrency(ctx, tester, bursar.Currency{ID: "coins", DisplayName: "Coins", Prepaid: true})
	r.must(err)
	kinds := []string{"tokens.input", "tokens.cache_read", "tokens.output"}
	var rates []bursar.Rate
	for i, kind := range kinds {
		_, err := r.CreateFeature(ctx, tester, bursar.Feature{ID: kind, DisplayName: kind, Meter: &bursar.Meter{EventName: "llm",
			Aggregation: bursar.Aggregation{Function: "SUM", Field: kind}}})
		r.must(err)
		for _, p := range listPrices {
			rates = append(rates, bursar.Rate{FeatureID: kind, Amount: amt(p.prices[i]), Per: 1_000_000, Match: map[string][]string{"model": {p.model}}})
		}
	}
	_, err = r.CreateRateCard(ctx, tester, catalogue.RateCardInput{ID: "llm", CurrencyID: "coins", DisplayName: "Models", RateVersionInput: catalogue.RateVersionInput{Rates: rates}})
	r.must(err)
	_, _, err = r.PutAssignments(ctx, tester, "acme", []bursar.AssignmentInput{{EntityID: "o", Capability: capability("coins"),
		UsageLimit: bursar.Null[bursar.Amount](), Cadence: bursar.Some(bursar.Cadence{N: 100, Unit: bursar.UnitYear})}})
	r.must(err)

	random := rand.New(rand.NewPCG(7, 11))
	want := new(big.Int) // nano-coins
	counts := []int64{0, 1, 7, 333, 999, 1000, 4096, 128_000, 1_000_003, 1_000_000_007}
	for n := range 2000 {
		p := listPrices[random.IntN(len(listPrices))]
		e := bursar.EventInput{CustomerID: "acme", EventName: "llm", IdempotencyKey: fmt.Sprint(n),
			Dimensions: append([]bursar.Dimension{{Key: "model", Value: p.model}}, onUser...)}
		for i, kind := range kinds {
			count := counts[random.IntN(len(counts))] + random.Int64N(10)
			e.Dimensions = append(e.Dimensions, bursar.Dimension{Key: kind, Value: fmt.Sprint(count), Kind: bursar.DimNumber})
			price, _ := new(big.Rat).SetString(p.prices[i])
			want.Add(want, halfEven(new(big.Rat).Mul(price, big.NewRat(count*1000, 1)))) // ÷ 10^6 × 10^9
		}
		_, _, err := r.ReportEvents(ctx, tester, []bursar.EventInput{e})
		r.must(err)
	}
	d, _, err := r.Check(ctx, ledger.ReadOptions{}, "acme", []ledger.CheckInput{{Capability: capability("coins"), Dimensions: onUser}})
	r.must(err)
	for what, got := range map[string]bursar.Amount{"the limit": d[0].Chains[0][0].CurrentUsage, "the pool": d[0].Gate.CurrentUsage} {
		hi, lo := got.Nanos()
		n := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(hi), 64), new(big.Int).SetUint64(lo))
		if n.Cmp(want) != 0 {
			t.Errorf("%s has %s nano-coins, exact fractions say %s", what, n, want)
		}
	}
	r.must(r.VerifyAll(ctx))
}

// halfEven is the nearest integer, of two that are as near the even one.
func halfEven(x *big.Rat) *big.Int {
	q, rest := new(big.Int).QuoRem(x.Num(), x.Denom(), new(big.Int))
	if c := new(big.Int).Lsh(rest, 1).Cmp(x.Denom()); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return q
}
