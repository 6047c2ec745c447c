package bursar

import (
	"cmp"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// The dimension that names the provider of a model.
const providerKey = "provider"

// providerNames are the names that one provider has: that of price lists first, then those
// of OpenTelemetry and of libraries.
var providerNames = [][]string{
	{"azure", "azure.ai.openai", "az.ai.openai"}, {"azure_ai", "azure.ai.inference", "az.ai.inference"},
	{"bedrock", "aws.bedrock", "amazon-bedrock"}, {"gemini", "gcp.gemini", "gcp.gen_ai", "google"},
	{"vertex_ai", "gcp.vertex_ai", "google-vertex"}, {"mistral", "mistral_ai"}, {"watsonx", "ibm.watsonx.ai"}, {"xai", "x_ai"},
}

func namesOfProvider(id string) []string {
	for _, names := range providerNames {
		if names[0] == id {
			return names
		}
	}
	return []string{id}
}

// priceCell is what models have in common: the price of one kind, an index of priceKinds,
// and what it is the price for.
type priceCell struct {
	kind     int
	provider string
	variant
	contexts string // of variant.above, those of one price, with spaces between
	amount   Amount
}

// keys is how many dimensions a cell's rates match on beside the model.
func (c *priceCell) keys() (n int) {
	for _, value := range []string{c.provider, c.tier, c.contexts, c.speed, c.geo, c.size} {
		if value != "" {
			n++
		}
	}
	return n
}

// price makes the cells of all models.
func (p *priceList) price() {
	for _, m := range p.all {
		plain := p.names[m.name] == m
		for i := range priceKinds {
			k := &priceKinds[i]
			if base, _ := m.base(k); base == nil || p.o.Features[k.name] == "" {
				continue
			}
			a := m.axesOf(k)
			if plain {
				p.addCells(m, i, a, "", m.name)
			}
			if m.provider == "" || plain && m.name == m.trimmed {
				continue
			}
			// Where the name alone means another model, that one's special prices must not
			// apply to this one.
			if other := p.names[m.trimmed]; other != nil {
				a = a.union(other.axesOf(k))
			}
			p.addCells(m, i, a, m.provider, m.trimmed)
		}
	}
}

// addCells adds what a kind of a model costs in all variants of a.
func (p *priceList) addCells(m *pricedModel, kind int, a axes, provider, name string) {
	contexts := map[priceCell][]string{}
	for _, v := range a.variants() {
		amount, _ := roundAmount(new(big.Rat).Mul(m.price(&priceKinds[kind], v), p.credits()))
		c := priceCell{kind: kind, provider: provider, variant: v, amount: amount}
		if c.above = 0; v.above == 0 {
			p.cells[c] = append(p.cells[c], name)
			continue
		}
		contexts[c] = append(contexts[c], ContextAbove(v.above))
	}
	for c, values := range contexts {
		slices.Sort(values)
		c.contexts = strings.Join(values, " ")
		p.cells[c] = append(p.cells[c], name)
	}
}

// rates are those of all cells: by kind, by how much they ask for, price and models.
func (p *priceList) rates() (rates []Rate) {
	cells := slices.SortedFunc(maps.Keys(p.cells), func(a, b priceCell) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), a.keys()-b.keys(), strings.Compare(a.provider, b.provider), strings.Compare(a.tier, b.tier),
			strings.Compare(a.contexts, b.contexts), strings.Compare(a.speed, b.speed), strings.Compare(a.geo, b.geo), strings.Compare(a.size, b.size), a.amount.Cmp(b.amount))
	})
	for _, c := range cells {
		models := p.cells[c]
		slices.Sort(models)
		for models := range slices.Chunk(models, MaxMatchValues) {
			match := map[string][]string{p.o.ModelKey: models}
			if c.provider != "" {
				match[providerKey] = namesOfProvider(c.provider)
			}
			if c.contexts != "" {
				match[Context] = strings.Fields(c.contexts)
			}
			for key, value := range map[string]string{ServiceTier: c.tier, Speed: c.speed, InferenceGeo: c.geo, SearchContext: c.size} {
				if value != "" {
					match[key] = []string{value}
				}
			}
			rates = append(rates, Rate{FeatureID: p.o.Features[priceKinds[c.kind].name], Amount: c.amount, Per: 1_000_000, Match: match})
		}
	}
	return rates
}
