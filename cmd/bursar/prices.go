package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

type pricesCommand struct {
	Import importCommand `cmd:"" help:"Make a rate card, or a new version of it, from LiteLLM's list of model prices."`
	Show   showCommand   `cmd:"" help:"Print what a model costs, by the rate cards of a server or by a list."`
}

// importCommand makes rates of a list of prices in US dollars.
type importCommand struct {
	remote        `embed:""`
	List          string            `arg:"" optional:"" help:"The list: LiteLLM's model_prices_and_context_window.json." type:"path" placeholder:"FILE"`
	File          string            `help:"The list, too." env:"-" type:"path" placeholder:"FILE"`
	Card          string            `help:"The rate card, models by default. It is made if missing, else it gets a new version." default:"models" env:"-" placeholder:"ID"`
	Currency      string            `help:"The card's currency." env:"-" placeholder:"ID"`
	Name          string            `help:"Display name of a new card; its id when left out." env:"-" placeholder:"TEXT"`
	Feature       map[string]string `help:"Which feature counts which kind: input, output, cacheRead and so on; cache_read and the like, as events have it, are the same. Kinds that are not named get no rates. Left out: of each kind the feature whose meter sums up its property, such as tokens.input." mapsep:"," env:"-" placeholder:"KIND=ID,…"`
	CreditsPerUSD amountFlag        `name:"credits-per-usd" help:"What a US dollar is in the currency; 100 by default." default:"100" env:"-" placeholder:"AMOUNT"`
	Models        []string          `help:"Only models that one of these patterns matches, such as 'gpt-*,claude-*'." env:"-" placeholder:"PATTERN,…"`
	Providers     []string          `help:"Only models of these providers (litellm_provider)." env:"-" placeholder:"NAME,…"`
	ModelKey      string            `help:"Dimension that names the model; model by default." default:"model" env:"-" placeholder:"KEY"`
	TrimProvider  bool              `help:"Cut the provider from names like gemini/gemini-2.5-pro. Left out, such a model matches by its whole name, and by the short one beside the dimension provider." env:"-"`
	EffectiveFrom timeFlag          `help:"When the prices come into force; at once when left out." env:"-" placeholder:"TIME"`
	Corrects      int               `help:"The version that was wrong, for bursar reprice." env:"-" placeholder:"VERSION"`
	Replace       bool              `help:"Drop what the card prices and the list does not; otherwise those rates are kept." env:"-"`
	DryRun        bool              `help:"Say what the list has, and send nothing." env:"-"`
}

func (c *importCommand) Run(p *process) error {
	if (c.List == "") == (c.File == "") {
		return exitf(exitUsage, "name one list: bursar prices import FILE")
	}
	if c.Currency == "" && !c.DryRun {
		return exitf(exitUsage, "--currency: the card needs one")
	}
	features, err := c.features(p)
	if err != nil {
		return err
	}
	rates, report, err := c.read(features)
	if err != nil {
		return err
	}
	if err := printImport(p.stdout, rates, &report, features, c); err != nil {
		return err
	}
	if len(rates) == 0 {
		return exitf(exitFailed, "the list has no prices of what was asked for")
	}
	if c.DryRun {
		_, err = fmt.Fprintln(p.stdout, "\nThis was a dry run: nothing was sent.")
		return err
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	return c.send(p, api, clientRates(rates))
}

// features are those that count the kinds of prices.
func (c *importCommand) features(p *process) (map[string]string, error) {
	if len(c.Feature) > 0 {
		return priceFeatures(c.Feature)
	}
	names, properties := bursar.PriceKinds()
	if c.DryRun {
		out := map[string]string{}
		for _, name := range names {
			out[name] = name
		}
		return out, nil
	}
	api, err := c.client()
	if err != nil {
		return nil, err
	}
	return meteredKinds(p, api, names, properties)
}

// meteredKinds are the features whose meters sum up the properties of kinds.
func meteredKinds(p *process, api *client.Client, names, properties []string) (map[string]string, error) {
	out := map[string]string{}
	for q := (client.FeatureQuery{Paging: client.Paging{Limit: 100}}); ; {
		page, err := api.Features(p.ctx, q)
		if err != nil {
			return nil, refusal("reading the features", err)
		}
		for _, f := range page.Items {
			if f.ArchivedAt != nil || f.Meter == nil || f.Meter.Aggregation.Function != "SUM" {
				continue
			}
			i := slices.Index(properties, f.Meter.Aggregation.Field)
			if i < 0 {
				continue
			}
			if other := out[names[i]]; other != "" {
				return nil, exitf(exitFailed, "the features %s and %s both count %s; say which is meant: --feature %s=%s", other, f.ID, properties[i], names[i], other)
			}
			out[names[i]] = f.ID
		}
		if q.After = page.Pagination.Next; q.After == "" {
			break
		}
	}
	if len(out) == 0 {
		return nil, exitf(exitFailed, "no feature has a meter that sums up %s or the like; make one, or name features with --feature", properties[0])
	}
	return out, nil
}

func (c *importCommand) read(features map[string]string) ([]bursar.Rate, bursar.PriceListReport, error) {
	name := cmp.Or(c.List, c.File)
	f, err := os.Open(name)
	if err != nil {
		return nil, bursar.PriceListReport{}, exitf(exitFailed, "the list: %w", err)
	}
	defer f.Close()
	rates, report, err := bursar.ParsePriceList(f, bursar.PriceListOptions{
		Credits: c.CreditsPerUSD.Amount, Features: features, ModelKey: c.ModelKey, TrimProvider: c.TrimProvider, Models: c.Models, Providers: c.Providers,
	})
	if err != nil {
		return nil, report, exitf(exitFailed, "%s: %w", name, err)
	}
	return rates, report, nil
}

// priceFeatures takes kinds as events name them, too: cache_read for cacheRead.
func priceFeatures(given map[string]string) (map[string]string, error) {
	features := map[string]string{}
	for kind, id := range given {
		words := strings.Split(kind, "_")
		for i, w := range words[1:] {
			if w != "" {
				words[i+1] = strings.ToUpper(w[:1]) + w[1:]
			}
		}
		name := strings.Join(words, "")
		if features[name] != "" {
			return nil, exitf(exitUsage, "--feature: %s is there twice", name)
		}
		features[name] = id
	}
	return features, nil
}

func clientRates(rates []bursar.Rate) []client.Rate {
	out := make([]client.Rate, len(rates))
	for i, r := range rates {
		out[i] = client.Rate{FeatureID: r.FeatureID, Amount: r.Amount, Per: r.Per, Match: map[string]client.Texts{}}
		for key, values := range r.Match {
			out[i].Match[key] = values
		}
	}
	return out
}

// send makes the card, or a version of it unless its newest one has these very rates, so
// that an import may be repeated every day.
func (c *importCommand) send(p *process, api *client.Client, rates []client.Rate) error {
	card, err := api.RateCard(p.ctx, c.Card)
	var none *client.Error
	switch {
	case errors.As(err, &none) && none.Code == bursar.CodeRateCardNotFound:
		if c.Corrects != 0 {
			return exitf(exitFailed, "--corrects: there is no rate card %s", c.Card)
		}
		made, err := api.CreateRateCard(p.ctx, client.RateCardInput{
			ID: c.Card, CurrencyID: c.Currency, DisplayName: cmp.Or(c.Name, c.Card), EffectiveFrom: c.EffectiveFrom.orNil(), Rates: rates,
		})
		if err != nil {
			return refusal("creating the rate card "+c.Card, err)
		}
		_, err = fmt.Fprintf(p.stdout, "\nMade rate card %s of currency %s, in force from %s.\n", made.ID, made.CurrencyID, made.EffectiveFrom)
		return err
	case err != nil:
		return refusal("reading the rate card "+c.Card, err)
	case card.CurrencyID != c.Currency:
		return exitf(exitFailed, "the rate card %s is of the currency %s, not %s", c.Card, card.CurrencyID, c.Currency)
	}
	if !c.Replace {
		kept := keptRates(card.Rates, rates, c.ModelKey)
		if len(kept) > 0 {
			fmt.Fprintf(p.stdout, "\nKept %s rates of version %d that the list has no other price for; --replace drops them.\n", commas(len(kept)), card.Version)
		}
		rates = append(rates, kept...)
	}
	if c.Corrects == 0 && reflect.DeepEqual(card.Rates, rates) {
		_, err = fmt.Fprintf(p.stdout, "\nRate card %s has these rates already (version %d); it stays as it is.\n", c.Card, card.Version)
		return err
	}
	made, err := api.AddRateVersion(p.ctx, c.Card, client.RateVersionInput{EffectiveFrom: c.EffectiveFrom.orNil(), Rates: rates, Corrects: c.Corrects})
	if err != nil {
		return refusal("adding a version to the rate card "+c.Card, err)
	}
	_, err = fmt.Fprintf(p.stdout, "\nAdded version %d to rate card %s, in force from %s.\n", made.Version, c.Card, made.EffectiveFrom)
	return err
}

// importedKeys are the dimensions that imported rates match on beside the model.
var importedKeys = []string{"provider", bursar.ServiceTier, bursar.Context, bursar.Speed, bursar.InferenceGeo, bursar.SearchContext}

// keptRates are the rates of old, or what is left of their models, that rates have no
// price for. A model of which the list has some price has its prices from the list alone.
func keptRates(old, rates []client.Rate, modelKey string) (kept []client.Rate) {
	modelKey = cmp.Or(modelKey, "model")
	named := func(r client.Rate, model string) [3]string {
		return [3]string{r.FeatureID, model, strings.Join(r.Match["provider"], " ")}
	}
	priced := map[[3]string]bool{}
	for _, r := range rates {
		for _, m := range r.Match[modelKey] {
			priced[named(r, m)] = true
		}
	}
	for _, r := range old {
		others := maps.Clone(r.Match)
		maps.DeleteFunc(others, func(key string, _ client.Texts) bool { return key == modelKey || slices.Contains(importedKeys, key) })
		if models, ok := r.Match[modelKey]; ok && len(others) == 0 {
			rest := slices.DeleteFunc(slices.Clone(models), func(m string) bool { return priced[named(r, m)] })
			if len(rest) == 0 {
				continue
			}
			r.Match = maps.Clone(r.Match)
			r.Match[modelKey] = rest
		}
		kept = append(kept, r)
	}
	return kept
}
