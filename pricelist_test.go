package bursar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// priceFile has the shape of LiteLLM's list. Its figures are those of the providers'
// public price pages at one time in 2025, as facts; nothing but these tests uses them.
func priceFile(t testing.TB) []byte {
	b, err := os.ReadFile("testdata/model_prices.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var priceFeatures = map[string]string{
	"input": "in", "cacheRead": "cr", "cacheWrite": "cw", "cacheWrite1h": "cw1h", "output": "out", "reasoning": "think",
}

func ratesText(rates []Rate) string {
	var b strings.Builder
	for _, r := range rates {
		fmt.Fprintf(&b, "%s %s/%d", r.FeatureID, r.Amount, r.Per)
		for i, key := range slices.Sorted(maps.Keys(r.Match)) {
			fmt.Fprintf(&b, "%s %s: %s", strings.Repeat(";", min(i, 1)), key, strings.Join(r.Match[key], " "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func notesText(notes []PriceListNote) string {
	var b strings.Builder
	for _, n := range notes {
		fmt.Fprintf(&b, "%s: %s\n", n.Model, n.Note)
	}
	return b.String()
}

func TestParsePriceList(t *testing.T) {
	// A credit is a cent.
	o := PriceListOptions{Credits: AmountFromInt(100), Features: priceFeatures, Models: []string{"gpt-*", "o?", "claude-sonnet*", "dall*", "text*", "dashscope*"}}
	rates, report, err := ParsePriceList(bytes.NewReader(priceFile(t)), o)
	if err != nil {
		t.Fatal(err)
	}
	const want = `in 2/1000000 model: text-embedding-3-small
in 15/1000000 model: gpt-4o-mini
in 40/1000000 model: dashscope/qwen-plus-2025-04-28
in 125/1000000 model: gpt-5
in 200/1000000 model: o3
in 250/1000000 model: gpt-4o
in 300/1000000 model: claude-sonnet-4-20250514 claude-sonnet-4-5-20250929
in 600/1000000 context: >200k >256k >272k >512k; model: claude-sonnet-4-20250514
in 125/1000000 model: gpt-4o; service_tier: batch
in 250/1000000 model: gpt-5; service_tier: priority
in 40/1000000 model: qwen-plus-2025-04-28; provider: dashscope
cr 2/1000000 model: text-embedding-3-small
cr 7.5/1000000 model: gpt-4o-mini
cr 12.5/1000000 model: gpt-5
cr 30/1000000 model: claude-sonnet-4-20250514 claude-sonnet-4-5-20250929
cr 40/1000000 model: dashscope/qwen-plus-2025-04-28
cr 50/1000000 model: o3
cr 125/1000000 model: gpt-4o
cr 40/1000000 model: qwen-plus-2025-04-28; provider: dashscope
cw 2/1000000 model: text-embedding-3-small
cw 15/1000000 model: gpt-4o-mini
cw 40/1000000 model: dashscope/qwen-plus-2025-04-28
cw 125/1000000 model: gpt-5
cw 200/1000000 model: o3
cw 250/1000000 model: gpt-4o
cw 375/1000000 model: claude-sonnet-4-20250514 claude-sonnet-4-5-20250929
cw 750/1000000 context: >200k >256k >272k >512k; model: claude-sonnet-4-20250514
cw 125/1000000 model: gpt-4o; service_tier: batch
cw 250/1000000 model: gpt-5; service_tier: priority
cw 40/1000000 model: qwen-plus-2025-04-28; provider: dashscope
cw1h 2/1000000 model: text-embedding-3-small
cw1h 15/1000000 model: gpt-4o-mini
cw1h 40/1000000 model: dashscope/qwen-plus-2025-04-28
cw1h 125/1000000 model: gpt-5
cw1h 200/1000000 model: o3
cw1h 250/1000000 model: gpt-4o
cw1h 600/1000000 model: claude-sonnet-4-20250514 claude-sonnet-4-5-20250929
cw1h 125/1000000 model: gpt-4o; service_tier: batch
cw1h 250/1000000 model: gpt-5; service_tier: priority
cw1h 40/1000000 model: qwen-plus-2025-04-28; provider: dashscope
out 0/1000000 model: text-embedding-3-small
out 60/1000000 model: gpt-4o-mini
out 120/1000000 model: dashscope/qwen-plus-2025-04-28
out 800/1000000 model: o3
out 1000/1000000 model: gpt-4o gpt-5
out 1500/1000000 model: claude-sonnet-4-20250514 claude-sonnet-4-5-20250929
out 2250/1000000 context: >200k >256k >272k >512k; model: claude-sonnet-4-20250514
out 120/1000000 model: qwen-plus-2025-04-28; provider: dashscope
think 0/1000000 model: text-embedding-3-small
think 60/1000000 model: gpt-4o-mini
think 400/1000000 model: dashscope/qwen-plus-2025-04-28
think 800/1000000 model: o3
think 1000/1000000 model: gpt-4o gpt-5
think 1500/1000000 model: claude-sonnet-4-20250514 claude-sonnet-4-5-20250929
think 2250/1000000 context: >200k >256k >272k >512k; model: claude-sonnet-4-20250514
think 400/1000000 model: qwen-plus-2025-04-28; provider: dashscope
`
	if got := ratesText(rates); got != want {
		t.Errorf("rates:\n%s", got)
	}
	if got := strings.Join(report.Models, " "); got != "claude-sonnet-4-20250514 claude-sonnet-4-5-20250929 dashscope/qwen-plus-2025-04-28 gpt-4o gpt-4o-mini gpt-5 o3 text-embedding-3-small" {
		t.Errorf("models: %s", got)
	}
	if got := notesText(report.Skipped); got != "dall-e-3: it has no price of these kinds, but of images, inputImages\n" {
		t.Errorf("skipped: %s", got)
	}
	if report.Rounded != nil || report.Free != nil || report.LeftOut != nil {
		t.Errorf("rounded %v, free %v, left out %v", report.Rounded, report.Free, report.LeftOut)
	}
}

// TestPriceListCharges takes usage objects to costs, which were calculated by hand.
func TestPriceListCharges(t *testing.T) {
	rates, _, err := ParsePriceList(bytes.NewReader(priceFile(t)), PriceListOptions{Credits: AmountFromInt(1), TrimProvider: true, Features: map[string]string{
		"input": TokensInput, "cacheRead": TokensCacheRead, "cacheWrite": TokensCacheWrite, "cacheWrite1h": TokensCacheWrite1h, "output": TokensOutput, "reasoning": TokensReasoning,
	}})
	if err != nil {
		t.Fatal(err)
	}
	v := RateVersion{Rates: rates}
	for _, c := range []struct{ model, usage, dollars string }{
		// 2095×3 + 18051×0.30 + 2051×3.75 + 503×15 per million
		{"claude-sonnet-4-20250514", `{"input_tokens":2095,"output_tokens":503,"cache_creation_input_tokens":2051,"cache_read_input_tokens":18051}`, "0.02693655"},
		// 100×15 + 1000×30 + 10×75
		{"claude-opus-4-1-20250805", `{"input_tokens":100,"output_tokens":10,"cache_creation_input_tokens":1000,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":1000}}`, "0.03225"},
		// 86×1.25 + 1920×0.125 + 1500×10: neither cached nor reasoning tokens twice
		{"gpt-5", `{"prompt_tokens":2006,"completion_tokens":1500,"prompt_tokens_details":{"cached_tokens":1920},"completion_tokens_details":{"reasoning_tokens":1216}}`, "0.0153475"},
		// 9×0.30 + 4000×0.03 + 320×2.50
		{"gemini-2.5-flash", `{"promptTokenCount":4009,"cachedContentTokenCount":4000,"candidatesTokenCount":20,"thoughtsTokenCount":300,"totalTokenCount":4329}`, "0.0009227"},
		// 176×0.28 + 1024×0.028 + 300×0.42
		{"deepseek-chat", `{"prompt_tokens":1200,"completion_tokens":300,"prompt_cache_hit_tokens":1024,"prompt_cache_miss_tokens":176}`, "0.000203952"},
	} {
		usage, err := ReadUsage([]byte(c.usage))
		if err != nil {
			t.Fatal(err)
		}
		var sum Amount
		for _, d := range usage.Dimensions {
			n, _ := AmountFromString(d.Value)
			if d.Value == "0" {
				continue
			}
			i := slices.IndexFunc(v.Rates, func(r Rate) bool {
				return r.FeatureID == d.Key && slices.Contains(r.Match["model"], c.model) && len(r.Match) == 1
			})
			if i < 0 {
				t.Fatalf("%s has no rate for %s", c.model, d.Key)
			}
			cost, _ := v.Rates[i].Cost(n)
			sum = sum.Add(cost)
		}
		if sum.String() != c.dollars {
			t.Errorf("%s: %s, want %s", c.model, sum, c.dollars)
		}
	}
}

func TestPriceListModels(t *testing.T) {
	for name, c := range map[string]struct {
		list, rates, skipped, rounded, free string
		o                                   PriceListOptions
	}{
		"a sentinel and other nonsense": {
			list: `{"a":{"input_cost_per_token":-1,"output_cost_per_token":1e-6},"b":{"input_cost_per_token":"1e-6","output_cost_per_token":1e-6},
				"c":{"input_cost_per_token":1e-6},"d":{"output_cost_per_token":1e-6},"e":[],"f":{"input_cost_per_token":1e300,"output_cost_per_token":1},
				"g":{"input_cost_per_token":1e99,"output_cost_per_token":1},"h":{"input_cost_per_token":null,"output_cost_per_token":null},"":{"input_cost_per_token":1,"output_cost_per_token":1},
				"i":{"input_cost_per_token":1e-999999999,"output_cost_per_token":1}}`,
			rates: "in 1/1000000 model: c\nout 1/1000000 model: d\n",
			skipped: ": its name is empty or has more than 1024 bytes\na: input_cost_per_token is -1, below 0\nb: input_cost_per_token is \"1e-6\", not a number\n" +
				"e: it is not a JSON object\nf: input_cost_per_token is 1e300, not a price\ng: the price of input is 10^15 or more per 1000000\nh: it has no price\ni: input_cost_per_token is 1e-999999999, not a price\n",
		},
		"free": {
			list:  `{"a":{"input_cost_per_token":0,"output_cost_per_token":0.0}}`,
			rates: "in 0/1000000 model: a\nout 0/1000000 model: a\n", free: "a",
		},
		"rounding": {
			list:    `{"a":{"input_cost_per_token":1.0000000005e-6,"output_cost_per_token":1.0000000015e-6,"cache_read_input_token_cost":1.00000000000001e-6},"b":{"input_cost_per_token":0.000001,"output_cost_per_token":1E-06}}`,
			rates:   "in 1/1000000 model: a b\nout 1/1000000 model: b\nout 1.000000002/1000000 model: a\n",
			rounded: "a: input is 1 per 1000000\na: output is 1.000000002 per 1000000\n",
		},
		"credits are exact": {
			o:     PriceListOptions{Credits: AmountFromNanos(3)},
			list:  `{"a":{"input_cost_per_token":3,"output_cost_per_token":0.333333333333}}`,
			rates: "in 0.009/1000000 model: a\nout 0.001/1000000 model: a\n",
			// 333333.333333 × 3 nano-units are 999999.999999 of them.
			rounded: "a: output is 0.001 per 1000000\n",
		},
		"providers and a key": {
			o:     PriceListOptions{Providers: []string{"x"}, ModelKey: "gen_ai.response.model"},
			list:  `{"a":{"litellm_provider":"x","input_cost_per_token":1,"output_cost_per_token":1},"b":{"litellm_provider":"y","input_cost_per_token":1,"output_cost_per_token":1},"c":{"litellm_provider":7},"d":3}`,
			rates: "in 1000000/1000000 gen_ai.response.model: a\nout 1000000/1000000 gen_ai.response.model: a\n",
		},
		"patterns": {
			o:     PriceListOptions{Models: []string{"openrouter/*gpt*"}},
			list:  `{"openrouter/openai/gpt-x":{"input_cost_per_token":1,"output_cost_per_token":1},"gpt-x":{"input_cost_per_token":2,"output_cost_per_token":2}}`,
			rates: "in 1000000/1000000 model: openrouter/openai/gpt-x\nout 1000000/1000000 model: openrouter/openai/gpt-x\n",
		},
		"two of a name": {
			o: PriceListOptions{TrimProvider: true},
			list: `{"a/m":{"litellm_provider":"a","input_cost_per_token":1,"output_cost_per_token":1},"m":{"litellm_provider":"a","input_cost_per_token":2,"output_cost_per_token":2},
				"b/n":{"litellm_provider":"b","input_cost_per_token":3,"output_cost_per_token":3},"a/b/n":{"litellm_provider":"a","input_cost_per_token":4,"output_cost_per_token":4}}`,
			rates: "in 2000000/1000000 model: m\nin 3000000/1000000 model: n\nin 4000000/1000000 model: b/n\nin 1000000/1000000 model: m; provider: a\n" +
				"out 2000000/1000000 model: m\nout 3000000/1000000 model: n\nout 4000000/1000000 model: b/n\nout 1000000/1000000 model: m; provider: a\n",
		},
		"a tier that is dearer for long prompts alone": {
			list: `{"m":{"input_cost_per_token":2e-6,"input_cost_per_token_priority":2e-6,"input_cost_per_token_above_200k_tokens":4e-6,"input_cost_per_token_above_200k_tokens_priority":5e-6}}`,
			rates: "in 2/1000000 model: m\nin 4/1000000 context: >200k >256k >272k >512k; model: m\nin 2/1000000 model: m; service_tier: priority\n" +
				"in 5/1000000 context: >200k >256k >272k >512k; model: m; service_tier: priority\n",
		},
		"a provider's name of a model beside another one of that name": {
			list: `{"azure/m":{"litellm_provider":"azure_text","input_cost_per_token":1e-6},"m":{"input_cost_per_token":2e-6,"input_cost_per_token_flex":1e-6,"input_cost_per_token_above_200k_tokens":4e-6}}`,
			rates: "in 1/1000000 model: azure/m\nin 2/1000000 model: m\n" +
				"in 4/1000000 context: >200k >256k >272k >512k; model: m\nin 1/1000000 model: m; service_tier: flex\nin 1/1000000 model: m; provider: azure azure.ai.openai az.ai.openai\n" +
				"in 2/1000000 context: >200k >256k >272k >512k; model: m; service_tier: flex\nin 1/1000000 context: >200k >256k >272k >512k; model: m; provider: azure azure.ai.openai az.ai.openai\nin 1/1000000 model: m; provider: azure azure.ai.openai az.ai.openai; service_tier: flex\n" +
				"in 1/1000000 context: >200k >256k >272k >512k; model: m; provider: azure azure.ai.openai az.ai.openai; service_tier: flex\n",
		},
	} {
		o := c.o
		o.Features = map[string]string{"input": "in", "output": "out"}
		if o.Credits.IsZero() {
			o.Credits = AmountFromInt(1)
		}
		rates, report, err := ParsePriceList(strings.NewReader(c.list), o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range []struct{ what, got, want string }{
			{"rates", ratesText(rates), c.rates}, {"skipped", notesText(report.Skipped), c.skipped},
			{"rounded", notesText(report.Rounded), c.rounded}, {"free", strings.Join(report.Free, " "), c.free},
		} {
			if part.got != part.want {
				t.Errorf("%s: %s:\n%s", name, part.what, part.got)
			}
		}
	}
}

// TestPriceListMany: rates of more models than one may have values, and more rates than
// one card may have.
func TestPriceListMany(t *testing.T) {
	list := func(models, prices int) string {
		var b strings.Builder
		for i := range models {
			fmt.Fprintf(&b, `,"m%05d":{"input_cost_per_token":%de-7,"output_cost_per_token":1}`, i, i%prices)
		}
		return "{" + b.String()[1:] + "}"
	}
	o := PriceListOptions{Credits: AmountFromInt(1), Features: map[string]string{"input": "in"}}
	rates, _, err := ParsePriceList(strings.NewReader(list(2100, 1)), o)
	if err != nil || len(rates) != 3 {
		t.Fatal(len(rates), err)
	}
	var all []string
	for _, r := range rates {
		all = append(all, r.Match["model"]...)
	}
	if len(rates[0].Match["model"]) != 1000 || len(all) != 2100 || !slices.IsSorted(all) {
		t.Errorf("%d models in order, %d first", len(all), len(rates[0].Match["model"]))
	}
	if _, _, err := ParsePriceList(strings.NewReader(list(MaxRates+1, MaxRates+1)), o); err == nil || !strings.Contains(err.Error(), "50001 rates") {
		t.Error(err)
	}
}

func TestPriceListRefused(t *testing.T) {
	good := PriceListOptions{Credits: AmountFromInt(1), Features: map[string]string{"input": "in"}}
	for says, change := range map[string]func(o *PriceListOptions) string{
		"credits per US dollar":  func(o *PriceListOptions) string { o.Credits = Amount{}; return "{}" },
		"below 10^15":            func(o *PriceListOptions) string { o.Credits = amountMax; return "{}" },
		"dimension key":          func(o *PriceListOptions) string { o.ModelKey = "a b"; return "{}" },
		`"inputs" is not a kind`: func(o *PriceListOptions) string { o.Features = map[string]string{"inputs": "a"}; return "{}" },
		"an id has":              func(o *PriceListOptions) string { o.Features = map[string]string{"input": ""}; return "{}" },
		"for both input and output": func(o *PriceListOptions) string {
			o.Features = map[string]string{"input": "a", "output": "a"}
			return "{}"
		},
		"cannot be provider":      func(o *PriceListOptions) string { o.ModelKey = "provider"; return "{}" },
		"syntax error in pattern": func(o *PriceListOptions) string { o.Models = []string{"gpt-["}; return "{}" },
		"not a JSON object":       func(*PriceListOptions) string { return "[]" },
		"more than":               func(*PriceListOptions) string { return strings.Repeat(" ", MaxPriceListBytes+1) },
	} {
		o := good
		text := change(&o)
		if _, _, err := ParsePriceList(strings.NewReader(text), o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want it to say %q", err, says)
		}
	}
}

// FuzzParsePriceList: no list makes it panic, and every rate is one that a card takes.
func FuzzParsePriceList(f *testing.F) {
	f.Add([]byte(`{"a/b":{"litellm_provider":"a","input_cost_per_token":1e-6,"output_cost_per_token":0.1}}`), int64(1e9))
	f.Add([]byte(`{"a":{"input_cost_per_token":1.5e-6,"output_cost_per_token":2E+3,"mode":"embedding"}}`), int64(7))
	f.Fuzz(func(t *testing.T, list []byte, credits int64) {
		rates, report, err := ParsePriceList(bytes.NewReader(list), PriceListOptions{Credits: AmountFromNanos(credits), Features: priceFeatures, TrimProvider: true})
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, r := range rates {
			if r.Amount.Sign() < 0 || !r.Amount.InRange() || r.Per != 1_000_000 || len(r.Match["model"]) == 0 {
				t.Fatalf("%+v", r)
			}
			for _, m := range r.Match["model"] {
				one := maps.Clone(r.Match)
				one["model"] = []string{m}
				key, _ := json.Marshal([]any{r.FeatureID, one})
				if seen[string(key)] {
					t.Fatalf("%s has two rates for %s", m, r.FeatureID)
				}
				seen[string(key)] = true
			}
		}
		if len(report.Models) > len(seen) {
			t.Fatalf("%d prices of %d models", len(seen), len(report.Models))
		}
	})
}
