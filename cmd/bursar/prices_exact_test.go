package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
)

// sentUsage is a usage object with what it means by its provider's documentation.
type sentUsage struct {
	Usage json.RawMessage
	Means map[string]any
}

func readTestdata[T any](t *testing.T, file string) (v T) {
	b, err := os.ReadFile("../../testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// listed are the prices of one model in a price list, as it has them.
type listed map[string]any

// dollars is a price in the list; nil when it has none.
func (l listed) dollars(member string) *big.Rat {
	n, ok := l[member].(json.Number)
	if !ok {
		return nil
	}
	r, _ := new(big.Rat).SetString(string(n))
	return r
}

// pricesByKind says what the list calls the price of each kind; where it has none, the
// price of the next one is that of the kind, too.
var pricesByKind = map[string][]string{
	"tokens.input":            {"input_cost_per_token"},
	"tokens.cache_read":       {"cache_read_input_token_cost", "input_cost_per_token"},
	"tokens.cache_write":      {"cache_creation_input_token_cost", "input_cost_per_token"},
	"tokens.cache_write_1h":   {"cache_creation_input_token_cost_above_1hr", "cache_creation_input_token_cost", "input_cost_per_token"},
	"tokens.output":           {"output_cost_per_token", "output_cost_per_image_token"},
	"tokens.reasoning":        {"output_cost_per_reasoning_token", "output_cost_per_token", "output_cost_per_image_token"},
	"tokens.input_audio":      {"input_cost_per_audio_token", "input_cost_per_token"},
	"tokens.input_image":      {"input_cost_per_image_token", "input_cost_per_token"},
	"tokens.cache_read_audio": {"cache_read_input_audio_token_cost", "cache_read_input_token_cost", "input_cost_per_audio_token", "input_cost_per_token"},
	"tokens.output_audio":     {"output_cost_per_audio_token", "output_cost_per_token", "output_cost_per_image_token"},
	"tokens.output_image":     {"output_cost_per_image_token", "output_cost_per_token"},
	"tokens.citation":         {"citation_cost_per_token"},
	"usage.seconds":           {"input_cost_per_second"},
	"usage.queries":           {"input_cost_per_query"},
	"usage.pages":             {"ocr_cost_per_page"},
	"usage.images":            {"output_cost_per_image"},
}

// price is what a unit of a kind costs in a call that is as means says; nil when the list
// has no price of it.
func (l listed) price(kind string, means map[string]any, prompt int64) *big.Rat {
	if kind == "usage.web_search" {
		sizes, _ := l["search_context_cost_per_query"].(map[string]any)
		size, _ := means["search_context_size"].(string)
		if size == "" {
			size = "medium"
		}
		return listed(sizes).dollars("search_context_size_" + size)
	}
	prices := l
	if tiers, ok := l["tiered_pricing"].([]any); ok {
		for _, tier := range tiers {
			if from, _ := tier.(map[string]any)["range"].([]any)[0].(json.Number).Float64(); prompt > int64(from) || from == 0 {
				prices = tier.(map[string]any)
			}
		}
	}
	tier, _ := means["service_tier"].(string)
	suffix := map[string]string{"flex": "_flex", "priority": "_priority", "batch": "_batches"}[tier]
	for i, member := range pricesByKind[kind] {
		base := prices.dollars(member)
		if base == nil {
			continue
		}
		own := []string{member}
		// A price that only repeats another one changes with it.
		for _, next := range pricesByKind[kind][i+1:] {
			if other := prices.dollars(next); other != nil && other.Cmp(base) == 0 {
				own = append(own, next)
			}
		}
		first := func(suffix string) *big.Rat {
			for _, m := range own {
				if p := prices.dollars(m + suffix); p != nil && suffix != "" {
					return p
				}
			}
			return base
		}
		long := ""
		for _, step := range []int64{200, 272} {
			if s := fmt.Sprintf("_above_%dk_tokens", step); prompt > step*1000 && prices.dollars("input_cost_per_token"+s) != nil {
				long = s
			}
		}
		price := first(suffix)
		if p := prices.dollars(member + long + suffix); long != "" && suffix != "" && p != nil {
			price = p
		} else if long != "" && base.Sign() != 0 {
			price = new(big.Rat).Mul(price, new(big.Rat).Quo(first(long), base))
		}
		special, _ := prices["provider_specific_entry"].(map[string]any)
		for _, key := range []string{"speed", "inference_geo"} {
			if value, _ := means[key].(string); value != "" {
				if factor := listed(special).dollars(value); factor != nil {
					price = new(big.Rat).Mul(price, factor)
				}
			}
		}
		return price
	}
	return nil
}

// cost is what a call costs in nano-dollars: each kind by itself, half to even.
func (l listed) cost(means map[string]any) *big.Int {
	sum, prompt := new(big.Int), int64(0)
	for kind, n := range means {
		if strings.HasPrefix(kind, "tokens.input") || strings.HasPrefix(kind, "tokens.cache") {
			count, _ := n.(json.Number).Int64()
			prompt += count
		}
	}
	for kind, n := range means {
		count, ok := n.(json.Number)
		price := l.price(kind, means, prompt)
		if !ok || price == nil {
			continue
		}
		exact, _ := new(big.Rat).SetString(string(count))
		exact.Mul(exact, price).Mul(exact, big.NewRat(1_000_000_000, 1))
		q, rest := new(big.Int).QuoRem(exact.Num(), exact.Denom(), new(big.Int))
		if c := rest.Lsh(rest, 1).Cmp(exact.Denom()); c > 0 || c == 0 && q.Bit(0) == 1 {
			q.Add(q, big.NewInt(1))
		}
		sum.Add(sum, q)
	}
	return sum
}

// longer is a usage with a hundred times of everything, so that prompts are longer than
// some prices go.
func longer(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, inner := range v {
			out[key] = longer(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = longer(v[i])
		}
		return out
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return json.Number(fmt.Sprint(n * 100))
		}
	}
	return v
}

// TestUsageCostsExactly: every usage object of every model costs, to the last digit, what
// exact fractions of the price list say of what the object means by its documentation.
func TestUsageCostsExactly(t *testing.T) {
	p := start(t, rigEnv(t.TempDir()))
	defer p.stop()
	p.must("POST", "/api/v1/customers", rigKey, `{"id":"acme"}`)
	p.must("POST", "/api/v1/credits/custom-currencies", rigKey, `{"id":"credits","displayName":"Dollars","prepaid":false}`)
	kinds := append(slices.Sorted(maps.Keys(pricesByKind)), "usage.web_search")
	for _, kind := range kinds {
		p.must("POST", "/api/v1/features", rigKey, fmt.Sprintf(`{"id":"%[1]s","displayName":"%[1]s","featureType":"NUMBER",
			"meter":{"eventName":"llm","aggregation":{"function":"SUM","field":"%[1]s"},"filters":[]}}`, kind))
	}
	says(t, p.cli(0, "prices", "import", "../../testdata/model_prices_2026.json", "--currency", "credits", "--credits-per-usd", "1"), `Made rate card models`)

	shapes := readTestdata[map[string]sentUsage](t, "usage_shapes.json")
	models := readTestdata[map[string]listed](t, "model_prices_2026.json")
	sum, sent := new(big.Int), 0
	for _, model := range slices.Sorted(maps.Keys(models)) {
		var events []string
		for _, name := range slices.Sorted(maps.Keys(shapes)) {
			s := shapes[name]
			var usage any
			d := json.NewDecoder(strings.NewReader(string(s.Usage)))
			d.UseNumber()
			if err := d.Decode(&usage); err != nil {
				t.Fatal(err)
			}
			means := s.Means
			for _, times := range []int{1, 100} {
				if times == 100 {
					usage, means = longer(usage), longer(means).(map[string]any)
				}
				if times == 100 && (name == "openai-reply" || name == "audio-verbose") {
					continue // these have what is not multiplied: a list of searches, a part of a second
				}
				body, _ := json.Marshal(usage)
				event := fmt.Sprintf(`{"customerId":"acme","eventName":"llm","idempotencyKey":"%s %s %d","dimensions":{"model":"%s"},"usage":%s}`, model, name, times, model, body)
				if provider, short, ok := strings.Cut(model, "/"); ok { // as the provider itself calls it
					event = strings.Replace(event, `"model":"`+model+`"`, `"model":"`+short+`","provider":"`+provider+`"`, 1)
				}
				events = append(events, event)
				sum.Add(sum, models[model].cost(means))
				sent++
			}
		}
		p.must("POST", "/api/v1/events", rigKey, `{"events":[`+strings.Join(events, ",")+`]}`)
		got, ok := new(big.Rat).SetString(p.spent())
		want := new(big.Rat).SetFrac(sum, big.NewInt(1_000_000_000))
		if !ok || got.Cmp(want) != 0 {
			t.Fatalf("after %s %s were spent; exact fractions say %s", model, got.FloatString(9), want.FloatString(9))
		}
	}
	t.Logf("%d events of %d shapes and %d models cost %s dollars", sent, len(shapes), len(models), new(big.Rat).SetFrac(sum, big.NewInt(1_000_000_000)).FloatString(9))
}
