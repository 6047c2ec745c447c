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
	// Features are the ids of the features by the kind that they count (see PriceKinds). A
	// kind that is not there gets no rates.
	Features map[string]string
	// ModelKey is the dimension that names the model; "" = model.
	ModelKey string
	// TrimProvider leaves out the provider from names that begin with it and a slash, so
	// that gemini/gemini-2.5-pro matches what the provider's own replies call the model. Every
	// such model also matches by that name with the dimension provider beside it. Of several
	// models of one name only one matches without it.
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
	// LeftOut are models with prices that no rate can have, such as those of pixels.
	LeftOut []PriceListNote
	// Free are models whose prices are all 0, which in such lists may mean unknown.
	Free []string
}

// PriceListNote is a remark on one model.
type PriceListNote struct{ Model, Note string }

// ParsePriceList makes rates, per 1000000, of LiteLLM's list of model prices
// (model_prices_and_context_window.json), which gives US dollars per token, second and so
// on. It calculates in fractions, and rounds half-even to 9 decimals once, at the end.
// Models with equal prices share rates; the same list and options give the same rates in
// the same order. A model with a price that makes no sense is skipped and reported, not
// guessed.
//
// Prices of a service tier, of prompts above some length, of a speed or a place match on the
// dimensions of these names; so that no two rates are in doubt, a model with several such
// prices has rates for all combinations.
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
	p := priceList{o: &o, report: &report, names: map[string]*pricedModel{}, cells: map[priceCell][]string{}}
	for _, m := range p.order(list) {
		p.add(m, list[m.key])
	}
	p.price()
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
	for _, notes := range [][]PriceListNote{r.Skipped, r.Rounded, r.LeftOut} {
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
	if slices.Contains([]string{providerKey, ServiceTier, Context, Speed, InferenceGeo, SearchContext}, o.ModelKey) {
		return fmt.Errorf("price list: the model's dimension cannot be %s: that one is matched beside it", o.ModelKey)
	}
	used := map[string]string{}
	for _, kind := range slices.Sorted(maps.Keys(o.Features)) {
		id := o.Features[kind]
		if priceKindOf(kind) < 0 {
			names, _ := PriceKinds()
			return fmt.Errorf("price list: %q is not a kind of token; those are %s", kind, strings.Join(names, ", "))
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
	names  map[string]*pricedModel // that match by name alone
	all    []*pricedModel
	cells  map[priceCell][]string
}

// pricedModel is a model of a list: its key there, the name that events call it by, and
// the provider with its own name for the model, where the key has both.
type pricedModel struct {
	key, name         string
	provider, trimmed string
	*modelPrices
}

// order lists the models that the options select, in order of key. Models whose name was
// shortened come last: of a listed and a shortened name that are the same, the listed one
// is taken.
func (p *priceList) order(list map[string]json.RawMessage) (models []*pricedModel) {
	for key, v := range list {
		if key == "sample_spec" || key == "fallback_generalizations" || v[0] == '"' || !p.selects(key) {
			continue
		}
		var of struct {
			Provider any `json:"litellm_provider"`
		}
		err := json.Unmarshal(v, &of)
		provider, _ := of.Provider.(string)
		if p.o.Providers != nil && (err != nil || !slices.Contains(p.o.Providers, provider)) {
			continue
		}
		m := &pricedModel{key: key, name: key}
		if prefix, rest, ok := strings.Cut(key, "/"); ok && rest != "" && (provider == prefix || strings.HasPrefix(provider, prefix+"-") || strings.HasPrefix(provider, prefix+"_")) {
			m.provider, m.trimmed = prefix, rest
			if p.o.TrimProvider {
				m.name = rest
			}
		}
		models = append(models, m)
	}
	cut := func(m *pricedModel) int {
		if m.name != m.key {
			return 1
		}
		return 0
	}
	slices.SortFunc(models, func(a, b *pricedModel) int {
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
func (p *priceList) add(m *pricedModel, v json.RawMessage) {
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
	prices, left, err := readModel(members)
	if err != nil {
		skip("%v", err)
		return
	}
	m.modelPrices = prices
	found, err := p.find(m)
	if err != nil {
		skip("%v", err)
		return
	}
	left = append(left, m.unused()...)
	slices.Sort(left)
	switch {
	case !found.priced && len(found.others) > 0:
		skip("it has no price of these kinds, but of %s", strings.Join(found.others, ", "))
		return
	case !found.priced && len(left) > 0:
		skip("it has no price but %s", strings.Join(left, ", "))
		return
	case !found.priced:
		skip("it has no price")
		return
	case p.names[m.name] == nil:
		p.names[m.name] = m
	case m.provider == "":
		skip("%s is that model already", p.names[m.name].key)
		return
	}
	p.all = append(p.all, m)
	slices.SortStableFunc(found.rounded, func(a, b PriceListNote) int { return strings.Compare(a.Note, b.Note) })
	p.report.Rounded = append(p.report.Rounded, slices.Compact(found.rounded)...)
	p.report.Models = append(p.report.Models, m.key)
	if len(left) > 0 {
		p.report.LeftOut = append(p.report.LeftOut, PriceListNote{m.key, strings.Join(left, ", ")})
	}
	if found.free {
		p.report.Free = append(p.report.Free, m.key)
	}
}

// foundPrices are what a model has of the kinds that are asked for.
type foundPrices struct {
	priced, free bool
	others       []string // kinds that are not asked for
	rounded      []PriceListNote
}

func (p *priceList) find(m *pricedModel) (found foundPrices, err error) {
	found.free = true
	for i := range priceKinds {
		k := &priceKinds[i]
		base, _ := m.base(k)
		if base == nil {
			continue
		}
		a := m.axesOf(k)
		if p.o.Features[k.name] == "" {
			found.others = append(found.others, k.name)
			continue
		}
		found.priced, found.free = true, found.free && base.Sign() == 0
		for _, v := range a.variants() {
			amount, whole := roundAmount(new(big.Rat).Mul(m.price(k, v), p.credits()))
			if !amount.InRange() {
				return found, fmt.Errorf("the price of %s is 10^15 or more per 1000000", k.name)
			}
			if !whole {
				found.rounded = append(found.rounded, PriceListNote{m.key, fmt.Sprintf("%s is %s per 1000000", k.name, amount)})
			}
		}
	}
	return found, nil
}

// credits is what a dollar is in the currency.
func (p *priceList) credits() *big.Rat {
	hi, lo := p.o.Credits.Nanos()
	nanos := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(hi), 64), new(big.Int).SetUint64(lo))
	return new(big.Rat).SetFrac(nanos, big.NewInt(nanosPerUnit))
}

// maxPriceText and maxPriceExponent bound what a price may be written as, so that its
// exact value is small enough to calculate with.
const (
	maxPriceText     = 64
	maxPriceExponent = 100
)

// perMillion is a price, a JSON number, times a million.
func perMillion(price json.RawMessage) (*big.Rat, error) {
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
