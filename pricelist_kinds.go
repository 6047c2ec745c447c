package bursar

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// priceKind is one kind of what a price list has prices for.
type priceKind struct {
	name     string
	property string // of an event, that counts it
	members  []string
	// instead are the kinds whose price counts when the list has none of this one, the
	// first that has one.
	instead []string
	// apart tells that the price is not one of tokens: it depends on nothing but the model.
	apart bool
}

// priceKinds are in the order of their rates. Where a list has no price for an hour in a
// cache, the price of the shorter time stands in for it: that is nearer to it than the
// price of input.
var priceKinds = []priceKind{
	{name: "input", property: TokensInput, members: []string{"input_cost_per_token"}, instead: []string{"inputAudio", "inputImage"}},
	{name: "cacheRead", property: TokensCacheRead, members: []string{"cache_read_input_token_cost", "input_cost_per_token_cache_hit"}, instead: []string{"input"}},
	{name: "cacheWrite", property: TokensCacheWrite, members: []string{"cache_creation_input_token_cost"}, instead: []string{"input"}},
	{name: "cacheWrite1h", property: TokensCacheWrite1h, members: []string{"cache_creation_input_token_cost_above_1hr"}, instead: []string{"cacheWrite", "input"}},
	{name: "output", property: TokensOutput, members: []string{"output_cost_per_token"}, instead: []string{"outputImage", "outputAudio", "outputVideo"}},
	{name: "reasoning", property: TokensReasoning, members: []string{"output_cost_per_reasoning_token"}, instead: []string{"output"}},
	{name: "inputAudio", property: TokensInputAudio, members: []string{"input_cost_per_audio_token"}, instead: []string{"input"}},
	{name: "inputImage", property: TokensInputImage, members: []string{"input_cost_per_image_token"}, instead: []string{"input"}},
	{name: "cacheReadAudio", property: TokensCacheReadAudio, members: []string{"cache_read_input_audio_token_cost"}, instead: []string{"cacheRead", "inputAudio", "input"}},
	{name: "outputAudio", property: TokensOutputAudio, members: []string{"output_cost_per_audio_token"}, instead: []string{"output"}},
	{name: "outputImage", property: TokensOutputImage, members: []string{"output_cost_per_image_token"}, instead: []string{"output"}},
	{name: "outputVideo", property: TokensOutputVideo, members: []string{"output_cost_per_video_token"}, instead: []string{"output"}},
	{name: "citation", property: TokensCitation, members: []string{"citation_cost_per_token"}},
	{name: "webSearch", property: UsageWebSearch, members: []string{"search_context_cost_per_query"}, apart: true},
	{name: "seconds", property: UsageSeconds, apart: true, members: []string{"input_cost_per_second", "output_cost_per_second",
		"output_cost_per_video_per_second", "input_cost_per_audio_per_second", "input_cost_per_video_per_second"}},
	{name: "images", property: UsageImages, members: []string{"output_cost_per_image"}, apart: true},
	{name: "inputImages", property: UsageInputImages, members: []string{"input_cost_per_image"}, apart: true},
	{name: "queries", property: UsageQueries, members: []string{"input_cost_per_query"}, apart: true},
	{name: "requests", property: UsageRequests, members: []string{"input_cost_per_request"}, apart: true},
	{name: "characters", property: UsageCharacters, members: []string{"input_cost_per_character"}, apart: true},
	{name: "pages", property: UsagePages, members: []string{"ocr_cost_per_page"}, apart: true},
}

// PriceKinds are the names of the kinds of a price list, with the property of events that
// counts each.
func PriceKinds() (names, properties []string) {
	for _, k := range priceKinds {
		names, properties = append(names, k.name), append(properties, k.property)
	}
	return names, properties
}

func priceKindOf(name string) int {
	return slices.IndexFunc(priceKinds, func(k priceKind) bool { return k.name == name })
}

// The service tiers of a price list, by how the names of their prices end.
var serviceTiers = []struct{ tier, suffix string }{{"batch", "_batches"}, {"flex", "_flex"}, {"priority", "_priority"}}

// variant is what a price depends on beside the model. Its zero value is the usual price.
type variant struct {
	tier  string // of serviceTiers
	above int64  // of ContextSteps; the prompt is above it
	speed string
	geo   string
	size  string // of what a search looks at
}

// modelPrices are those of one model of a list, in US dollars.
type modelPrices struct {
	members map[string]*big.Rat // those that are prices, with the ones of tiers as if they were members
	factors map[string]*big.Rat // by speed or geo, what all prices are multiplied by
	used    map[string]bool
	steps   []int64 // above which some price differs, ascending
	mode    string
}

// dbuPrices is in the names of prices that repeat other prices in a unit that is not money.
const dbuPrices = "_dbu_cost_"

// readModel reads the prices of a model. left are the members that it could not make use of.
func readModel(v map[string]json.RawMessage) (m *modelPrices, left []string, err error) {
	m = &modelPrices{members: map[string]*big.Rat{}, factors: map[string]*big.Rat{}, used: map[string]bool{}}
	_ = json.Unmarshal(orNull(v["mode"]), &m.mode)
	for _, key := range slices.Sorted(maps.Keys(v)) {
		text := v[key]
		if !strings.Contains(key, "cost") || strings.Contains(key, dbuPrices) || string(text) == "null" {
			continue
		}
		if text[0] == '{' {
			left = append(left, m.addSizes(key, text)...)
			continue
		}
		price, err := perMillion(text)
		if err != nil {
			return nil, nil, fmt.Errorf("%s is %.40s, %w", key, text, err)
		}
		m.members[key] = price
	}
	if text := orNull(v["tiered_pricing"]); !m.addTiers(text) {
		left = append(left, "tiered_pricing")
	}
	var special map[string]json.RawMessage
	_ = json.Unmarshal(orNull(v["provider_specific_entry"]), &special)
	for key, text := range special {
		if factor, ok := new(big.Rat).SetString(string(text)); ok && len(text) < maxPriceText && factor.Sign() > 0 && (key == "fast" || len(key) == 2) {
			m.factors[key] = factor
		} else if ok {
			left = append(left, "provider_specific_entry."+key)
		}
	}
	m.findSteps()
	return m, left, nil
}

// addSizes adds prices that depend on the size of what a search looks at.
func (m *modelPrices) addSizes(key string, text json.RawMessage) (left []string) {
	var sizes map[string]json.RawMessage
	if json.Unmarshal(text, &sizes) != nil {
		return []string{key}
	}
	for name, text := range sizes {
		size, ok := strings.CutPrefix(name, "search_context_size_")
		price, err := perMillion(text)
		if !ok || err != nil || size == "" {
			left = append(left, key+"."+name)
			continue
		}
		m.members[key+"@"+size] = price
	}
	for _, usual := range []string{"medium", "low", "high"} {
		if price := m.members[key+"@"+usual]; price != nil {
			m.members[key] = price
			break
		}
	}
	return left
}

// addTiers adds the prices of ranges of the prompt's length as if they were members: the
// lowest range as the usual price. It tells whether it could.
func (m *modelPrices) addTiers(text json.RawMessage) bool {
	var tiers []map[string]json.RawMessage
	if json.Unmarshal(text, &tiers) != nil {
		return false
	}
	found := map[string]*big.Rat{}
	for _, t := range tiers {
		var limits []float64
		if json.Unmarshal(orNull(t["range"]), &limits) != nil || len(limits) != 2 {
			return false
		}
		suffix := ""
		if limits[0] > 0 {
			suffix = aboveSuffix(int64(limits[0]))
		}
		for key, text := range t {
			if key == "range" || !strings.Contains(key, "cost") {
				continue
			}
			price, err := perMillion(text)
			if err != nil {
				return false
			}
			found[key+suffix] = price
		}
	}
	for key, price := range found {
		if m.members[key] == nil {
			m.members[key] = price
		}
	}
	return true
}

func aboveSuffix(step int64) string {
	return "_above_" + strconv.FormatInt(step/1000, 10) + "k_tokens"
}

func (m *modelPrices) findSteps() {
	for _, step := range ContextSteps {
		for key := range m.members {
			if strings.HasSuffix(key, aboveSuffix(step)) || strings.Contains(key, aboveSuffix(step)+"_") {
				m.steps = append(m.steps, step)
				break
			}
		}
	}
}

// own is the price of a kind that the list itself has, under a member's name with suffix at its
// end, which says the variant; nil when it has none.
func (m *modelPrices) own(k *priceKind, suffix string) (found *big.Rat) {
	for _, member := range k.members {
		price := m.members[member+suffix]
		if price == nil {
			continue
		}
		m.used[member+suffix] = true
		// Some lists have one price under two names, one of them 0.
		if found == nil || found.Sign() == 0 {
			found = price
		}
	}
	return found
}

// base is the usual price of a kind, and the kind whose price that is; nil when there is
// none.
func (m *modelPrices) base(k *priceKind) (*big.Rat, *priceKind) {
	if price := m.own(k, ""); price != nil {
		return price, k
	}
	switch k.name {
	case "images": // lists have what a picture costs under this name, too
		if strings.HasPrefix(m.mode, "image") {
			if price := m.own(&priceKinds[priceKindOf("inputImages")], ""); price != nil {
				return price, k
			}
		}
	case "output": // what an embedding puts out is no tokens
		if m.mode == "embedding" {
			return new(big.Rat), k
		}
	}
	for _, name := range k.instead {
		other := &priceKinds[priceKindOf(name)]
		if price := m.own(other, ""); price != nil {
			return price, other
		}
	}
	if len(k.instead) == 1 { // what that one falls back to
		return m.base(&priceKinds[priceKindOf(k.instead[0])])
	}
	return nil, nil
}

// along is the price of a kind when one thing, which suffix says, is not as usual. It is the
// kind's own where the list has one. Where another kind's price stands in for the usual one, it
// is that kind's. Else it is the usual price.
func (m *modelPrices) along(k *priceKind, suffix string) *big.Rat {
	base, of := m.base(k)
	for _, kind := range []*priceKind{k, of} {
		if price := m.own(kind, suffix); price != nil {
			return price
		}
	}
	for _, name := range of.instead {
		other := &priceKinds[priceKindOf(name)]
		if usual := m.own(other, ""); usual != nil && usual.Cmp(base) == 0 {
			if price := m.own(other, suffix); price != nil {
				return price
			}
		}
	}
	return base
}

// price is that of a kind in a variant. Where the list has a price for a tier and one for
// long prompts, but none for both, it is changed by both.
func (m *modelPrices) price(k *priceKind, v variant) *big.Rat {
	base, of := m.base(k)
	if k.apart {
		if price := m.members[k.members[0]+"@"+v.size]; price != nil {
			m.used[k.members[0]+"@"+v.size] = true
			return price
		}
		return base
	}
	long, tier := "", ""
	for _, step := range slices.Backward(m.steps) {
		if suffix := aboveSuffix(step); step <= v.above && m.along(k, suffix) != base {
			long = suffix
			break
		}
	}
	for _, t := range serviceTiers {
		if t.tier == v.tier {
			tier = t.suffix
		}
	}
	price := base
	switch {
	case long == "" && tier == "":
	case long == "":
		price = m.along(k, tier)
	case tier == "":
		price = m.along(k, long)
	default:
		if price = m.own(k, long+tier); price == nil {
			price = m.own(of, long+tier)
		}
		if price == nil && base.Sign() == 0 {
			price = base
		} else if price == nil {
			price = new(big.Rat).Mul(m.along(k, long), m.along(k, tier))
			price.Quo(price, base)
		}
	}
	for _, key := range []string{v.speed, v.geo} {
		if factor := m.factors[key]; factor != nil {
			price = new(big.Rat).Mul(price, factor)
		}
	}
	return price
}

// unused lists the prices above 0 that no kind has.
func (m *modelPrices) unused() (left []string) {
	for key, price := range m.members {
		if !m.used[key] && price.Sign() != 0 && !strings.Contains(key, "@") {
			left = append(left, key)
		}
	}
	return left
}

// axes are the values that a kind's price differs for, of each thing that it depends on.
type axes struct {
	tiers, speeds, geos, sizes []string
	steps                      []int64
}

func (m *modelPrices) axesOf(k *priceKind) (a axes) {
	base, _ := m.base(k)
	if base == nil {
		return a
	}
	differs := func(v variant) bool {
		far := false
		for _, step := range m.steps { // a tier may be cheaper for long prompts alone
			if v.tier != "" {
				far = m.price(k, variant{tier: v.tier, above: step}).Cmp(m.price(k, variant{above: step})) != 0 || far
			}
		}
		return far || m.price(k, v).Cmp(base) != 0
	}
	if k.apart {
		for _, size := range []string{"low", "medium", "high"} {
			if differs(variant{size: size}) {
				a.sizes = append(a.sizes, size)
			}
		}
		return a
	}
	for _, t := range serviceTiers {
		if differs(variant{tier: t.tier}) {
			a.tiers = append(a.tiers, t.tier)
		}
	}
	for _, step := range ContextSteps {
		if differs(variant{above: step}) {
			a.steps = append(a.steps, step)
		}
	}
	for key := range m.factors {
		if v := (variant{speed: key}); key == "fast" && differs(v) {
			a.speeds = append(a.speeds, key)
		} else if key != "fast" && differs(variant{geo: key}) {
			a.geos = append(a.geos, key)
		}
	}
	slices.Sort(a.geos)
	return a
}

// union are the values of either.
func (a axes) union(b axes) axes {
	return axes{both(a.tiers, b.tiers), both(a.speeds, b.speeds), both(a.geos, b.geos), both(a.sizes, b.sizes), both(a.steps, b.steps)}
}

func both[T string | int64](a, b []T) []T {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// variants are all combinations of what a kind's price differs for, the usual one first.
func (a axes) variants() []variant {
	out := []variant{{}}
	grow := func(n int, set func(v *variant, i int)) {
		for _, v := range slices.Clone(out) {
			for i := range n {
				w := v
				set(&w, i)
				out = append(out, w)
			}
		}
	}
	grow(len(a.tiers), func(v *variant, i int) { v.tier = a.tiers[i] })
	grow(len(a.steps), func(v *variant, i int) { v.above = a.steps[i] })
	grow(len(a.speeds), func(v *variant, i int) { v.speed = a.speeds[i] })
	grow(len(a.geos), func(v *variant, i int) { v.geo = a.geos[i] })
	grow(len(a.sizes), func(v *variant, i int) { v.size = a.sizes[i] })
	return out
}
