package bursar

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"path"
	"slices"
	"strconv"
	"strings"
)

// MaxPriceListBytes bounds a price list. LiteLLM's has 2 MB.
const MaxPriceListBytes = 64 << 20

// PriceListOptions say what to make of a price list.
type PriceListOptions struct {
	// Credits are what one US dollar is in the currency of the rates; above 0.
	Credits Amount
	// Features are the ids of the features by the kind of token that they count: input,
	// cacheRead, cacheWrite, cacheWrite1h, output, reasoning. A kind that is not there
	// gets no rates.
	Features map[string]string
	// ModelKey is the dimension that names the model; "" = model.
	ModelKey string
	// TrimProvider leaves out the provider from names that begin with it and a slash, so
	// that gemini/gemini-2.5-pro matches what the provider's own replies call the model.
	TrimProvider bool
	// Models are patterns of names in the list, of which one has to match; * is any
	// characters, ? is one. nil = all models.
	Models []string
	// Providers are the litellm_provider of models to take; nil = any.
	Providers []string
}

// PriceListReport says what became of the models that the options select. All lists are
// in order of model.
type PriceListReport struct {
	Models  []string
	Skipped []PriceListNote // with the reason
	// Rounded are prices with more than 9 decimals in the currency.
	Rounded []PriceListNote
	// Approximate are models with prices that a rate cannot have, such as a higher one
	// above 200,000 tokens; their rates are the lowest.
	Approximate []PriceListNote
	// Free are models whose prices are all 0, which in such lists may mean unknown.
	Free []string
}

// PriceListNote is a remark on one model.
type PriceListNote struct{ Model, Note string }

// priceKind is one kind of token in a price list.
type priceKind struct {
	name   string
	member string
	// instead is the kind whose price counts when the list has none of this one.
	instead string
}

// priceKinds are in the order of their rates; a kind comes after its instead. Where a list
// has no price for an hour in a cache, the price of the shorter time stands in for it: that
// is nearer to it than the price of input.
var priceKinds = []priceKind{
	{"input", "input_cost_per_token", ""},
	{"cacheRead", "cache_read_input_token_cost", "input"},
	{"cacheWrite", "cache_creation_input_token_cost", "input"},
	{"cacheWrite1h", "cache_creation_input_token_cost_above_1hr", "cacheWrite"},
	{"output", "output_cost_per_token", ""},
	{"reasoning", "output_cost_per_reasoning_token", "output"},
}

// ParsePriceList makes rates, per 1000000, of LiteLLM's list of model prices
// (model_prices_and_context_window.json), which gives US dollars per token. It calculates
// in decimals, and rounds half-even to 9 of them once, at the end. Models with equal
// prices share rates; the same list and options give the same rates in the same order.
// A model with a price that makes no sense is skipped and reported, not guessed.
//
// It fails when r is no such list, when the options contradict themselves, and when there
// would be more than MaxRates rates.
func ParsePriceList(r io.Reader, o PriceListOptions) ([]Rate, PriceListReport, error) {
	var report PriceListReport
	if err := o.check(); err != nil {
		return nil, report, err
	}
	b, err := io.ReadAll(io.LimitReader(r, MaxPriceListBytes+1))
	if err != nil {
		return nil, report, fmt.Errorf("price list: %w", err)
	}
	if len(b) > MaxPriceListBytes {
		return nil, report, fmt.Errorf("price list: more than %d bytes", MaxPriceListBytes)
	}
	var list map[string]json.RawMessage
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, report, fmt.Errorf("price list: not a JSON object of models: %w", err)
	}
	p := priceList{o: &o, report: &report, names: map[string]string{}, groups: map[priceGroup][]string{}}
	for _, m := range p.order(list) {
		p.add(m, list[m.key])
	}
	report.sort()
	rates := p.rates()
	if len(rates) > MaxRates {
		return nil, report, fmt.Errorf("price list: %d rates, more than the %d that a card has; select fewer models or providers", len(rates), MaxRates)
	}
	return rates, report, nil
}

func (r *PriceListReport) sort() {
	slices.Sort(r.Models)
	slices.Sort(r.Free)
	for _, notes := range [][]PriceListNote{r.Skipped, r.Rounded, r.Approximate} {
		slices.SortStableFunc(notes, func(a, b PriceListNote) int { return strings.Compare(a.Model, b.Model) })
	}
}

func (o *PriceListOptions) check() error {
	if o.Credits.Sign() <= 0 || !o.Credits.InRange() {
		return errors.New("price list: the credits per US dollar have to be above 0 and below 10^15")
	}
	o.ModelKey = cmp.Or(o.ModelKey, "model")
	if _, err := CheckDimensions([]Dimension{{Key: o.ModelKey}}); err != nil {
		return fmt.Errorf("price list: the model's dimension: %w", err)
	}
	used := map[string]string{}
	for _, kind := range slices.Sorted(maps.Keys(o.Features)) {
		id := o.Features[kind]
		if !slices.ContainsFunc(priceKinds, func(k priceKind) bool { return k.name == kind }) {
			return fmt.Errorf("price list: %q is not a kind of token; those are input, output, cacheRead, cacheWrite, cacheWrite1h and reasoning", kind)
		}
		if err := CheckID(id); err != nil {
			return fmt.Errorf("price list: the feature of %s: %w", kind, err)
		}
		if used[id] != "" {
			return fmt.Errorf("price list: the feature %q cannot be for both %s and %s", id, used[id], kind)
		}
		used[id] = kind
	}
	for _, pattern := range o.Models {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("price list: the pattern %q: %w", pattern, err)
		}
	}
	return nil
}

// priceList gathers rates.
type priceList struct {
	o      *PriceListOptions
	report *PriceListReport
	names  map[string]string // model as matched → as listed
	groups map[priceGroup][]string
}

// priceGroup is what models have in common: the price of one kind of token, which is an
// index of priceKinds.
type priceGroup struct {
	kind   int
	amount Amount
}

// priceModel is a model of a list: its key there, and the name that events call it by.
type priceModel struct{ key, name string }

// order lists the models that the options select, in order of key. Models whose name was
// shortened come last: of a listed and a shortened name that are the same, the listed one
// is taken.
func (p *priceList) order(list map[string]json.RawMessage) (models []priceModel) {
	for key, v := range list {
		if key == "sample_spec" || key == "fallback_generalizations" || !p.selects(key) {
			continue
		}
		var m struct {
			Provider any `json:"litellm_provider"`
		}
		err := json.Unmarshal(v, &m)
		provider, _ := m.Provider.(string)
		if p.o.Providers != nil && (err != nil || !slices.Contains(p.o.Providers, provider)) {
			continue
		}
		name := key
		if p.o.TrimProvider && provider != "" {
			name = strings.TrimPrefix(key, provider+"/")
		}
		models = append(models, priceModel{key, name})
	}
	cut := func(m priceModel) int {
		if m.name != m.key {
			return 1
		}
		return 0
	}
	slices.SortFunc(models, func(a, b priceModel) int {
		return cmp.Or(cut(a)-cut(b), strings.Compare(a.key, b.key))
	})
	return models
}

// selects tells whether one of the options' patterns matches key. Unlike in path.Match, * and
// ? match slashes, too.
func (p *priceList) selects(key string) bool {
	slashes := strings.NewReplacer("/", "\x00")
	return p.o.Models == nil || slices.ContainsFunc(p.o.Models, func(pattern string) bool {
		ok, _ := path.Match(slashes.Replace(pattern), slashes.Replace(key))
		return ok
	})
}

// add takes the prices of one model.
func (p *priceList) add(m priceModel, v json.RawMessage) {
	skip := func(format string, args ...any) {
		p.report.Skipped = append(p.report.Skipped, PriceListNote{m.key, fmt.Sprintf(format, args...)})
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(v, &members) != nil || members == nil {
		skip("it is not a JSON object")
		return
	}
	if m.name == "" || len(m.name) > MaxDimensionLen {
		skip("its name is empty or has more than %d bytes", MaxDimensionLen)
		return
	}
	if other := p.names[m.name]; other != "" {
		skip("%s is that model already", other)
		return
	}
	prices, rounded, err := p.prices(members)
	if err != nil {
		skip("%v", err)
		return
	}
	p.names[m.name] = m.key
	p.report.Models = append(p.report.Models, m.key)
	for _, note := range rounded {
		p.report.Rounded = append(p.report.Rounded, PriceListNote{m.key, note})
	}
	if more := tieredMembers(members); more != "" {
		p.report.Approximate = append(p.report.Approximate, PriceListNote{m.key, "also has " + more})
	}
	if !slices.ContainsFunc(prices, func(a Amount) bool { return !a.IsZero() }) {
		p.report.Free = append(p.report.Free, m.key)
	}
	for i, amount := range prices {
		g := priceGroup{i, amount}
		p.groups[g] = append(p.groups[g], m.name)
	}
}

// prices are those of a model by priceKinds, per 1000000 tokens in the currency.
func (p *priceList) prices(members map[string]json.RawMessage) (prices []Amount, rounded []string, err error) {
	prices = make([]Amount, len(priceKinds))
	has := func(member string) bool { return members[member] != nil && string(members[member]) != "null" }
	if !has("input_cost_per_token") && !has("output_cost_per_token") {
		return nil, nil, errors.New("it has no price per token")
	}
	for i, k := range priceKinds {
		if !has(k.member) {
			j := slices.IndexFunc(priceKinds, func(o priceKind) bool { return o.name == k.instead })
			switch {
			case j >= 0:
				prices[i] = prices[j]
			case k.name == "output" && string(members["mode"]) == `"embedding"`:
				// The price is 0: what an embedding puts out is no tokens.
			default:
				return nil, nil, fmt.Errorf("it has no %s", k.member)
			}
			continue
		}
		exact, err := perMillion(members[k.member], p.o.Credits)
		if err != nil {
			return nil, nil, fmt.Errorf("%s is %.40s, %w", k.member, members[k.member], err)
		}
		var whole bool
		if prices[i], whole = roundAmount(exact); !prices[i].InRange() {
			return nil, nil, fmt.Errorf("%s is %.40s, 10^15 or more per 1000000", k.member, members[k.member])
		}
		if _, used := p.o.Features[k.name]; used && !whole {
			rounded = append(rounded, fmt.Sprintf("%s of %s per token is %s per 1000000", k.member, members[k.member], prices[i]))
		}
	}
	return prices, rounded, nil
}

// maxPriceText and maxPriceExponent bound what a price may be written as, so that its
// exact value is small enough to calculate with.
const (
	maxPriceText     = 64
	maxPriceExponent = 100
)

// perMillion is a price per token, a JSON number, times a million and credits.
func perMillion(price json.RawMessage, credits Amount) (*big.Rat, error) {
	text := string(price)
	if _, err := ParseAmount(price); errors.Is(err, errAmountSyntax) || len(text) > maxPriceText {
		return nil, errors.New("not a number")
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		if exp, err := strconv.Atoi(text[i+1:]); err != nil || exp < -maxPriceExponent || exp > maxPriceExponent {
			return nil, errors.New("not a price")
		}
	}
	exact, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, errors.New("not a number")
	}
	if exact.Sign() < 0 {
		return nil, errors.New("below 0")
	}
	hi, lo := credits.Nanos()
	nanos := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(hi), 64), new(big.Int).SetUint64(lo))
	exact.Mul(exact, new(big.Rat).SetFrac(nanos, big.NewInt(nanosPerUnit)))
	return exact.Mul(exact, big.NewRat(1_000_000, 1)), nil
}

// roundAmount rounds x ≥ 0 half-even to 9 decimals; whole tells that nothing was lost. For
// an x that is too large for an Amount it returns 10^15, which is out of range.
func roundAmount(x *big.Rat) (a Amount, whole bool) {
	nanos := new(big.Int).Mul(x.Num(), big.NewInt(nanosPerUnit))
	rest := new(big.Int)
	nanos.QuoRem(nanos, x.Denom(), rest)
	whole = rest.Sign() == 0
	if c := rest.Lsh(rest, 1).Cmp(x.Denom()); c > 0 || c == 0 && nanos.Bit(0) == 1 {
		nanos.Add(nanos, big.NewInt(1))
	}
	if nanos.BitLen() > 100 {
		return AmountFromInt(1e15), whole
	}
	return AmountFromWords(new(big.Int).Rsh(nanos, 64).Int64(), new(big.Int).And(nanos, new(big.Int).SetUint64(1<<64-1)).Uint64()), whole
}

// tieredMembers lists the members whose price depends on how many tokens a request has.
func tieredMembers(members map[string]json.RawMessage) string {
	var more []string
	for _, key := range slices.Sorted(maps.Keys(members)) {
		above := strings.Contains(key, "_cost_per_token_above_") || strings.Contains(key, "_token_cost_above_") && !strings.HasSuffix(key, "_above_1hr")
		if (above || key == "tiered_pricing") && string(members[key]) != "null" {
			more = append(more, key)
		}
	}
	return strings.Join(more, ", ")
}

// rates are those of all groups, by kind, price and models.
func (p *priceList) rates() (rates []Rate) {
	groups := slices.SortedFunc(maps.Keys(p.groups), func(a, b priceGroup) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), a.amount.Cmp(b.amount))
	})
	for _, g := range groups {
		id, ok := p.o.Features[priceKinds[g.kind].name]
		if !ok {
			continue
		}
		slices.Sort(p.groups[g])
		for models := range slices.Chunk(p.groups[g], MaxMatchValues) {
			rates = append(rates, Rate{FeatureID: id, Amount: g.amount, Per: 1_000_000, Match: map[string][]string{p.o.ModelKey: models}})
		}
	}
	return rates
}
