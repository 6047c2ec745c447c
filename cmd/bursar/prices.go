package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

type pricesCommand struct {
	Import importCommand `cmd:"" help:"Make a rate card, or a new version of it, from LiteLLM's list of model prices."`
}

// importCommand makes rates of a list of prices in US dollars per token.
type importCommand struct {
	remote        `embed:""`
	File          string            `help:"The list: LiteLLM's model_prices_and_context_window.json." required:"" env:"-" type:"path" placeholder:"FILE"`
	Card          string            `help:"The rate card. It is made if missing, else it gets a new version." required:"" env:"-" placeholder:"ID"`
	Currency      string            `help:"The card's currency." required:"" env:"-" placeholder:"ID"`
	Name          string            `help:"Display name of a new card; its id when left out." env:"-" placeholder:"TEXT"`
	Feature       map[string]string `help:"Which feature counts which kind of token: input, output, cacheRead, cacheWrite, cacheWrite1h, reasoning; cache_read and the like, as events have it, are the same. Kinds that are not named get no rates." required:"" mapsep:"," env:"-" placeholder:"KIND=ID,…"`
	CreditsPerUSD amountFlag        `name:"credits-per-usd" help:"What a US dollar is in the currency; 100 by default." default:"100" env:"-" placeholder:"AMOUNT"`
	Models        []string          `help:"Only models that one of these patterns matches, such as 'gpt-*,claude-*'." env:"-" placeholder:"PATTERN,…"`
	Providers     []string          `help:"Only models of these providers (litellm_provider)." env:"-" placeholder:"NAME,…"`
	ModelKey      string            `help:"Dimension that names the model; model by default." default:"model" env:"-" placeholder:"KEY"`
	TrimProvider  bool              `help:"Cut the provider from names like gemini/gemini-2.5-pro." env:"-"`
	EffectiveFrom timeFlag          `help:"When the prices come into force; at once when left out." env:"-" placeholder:"TIME"`
	Corrects      int               `help:"The version that was wrong, for bursar reprice." env:"-" placeholder:"VERSION"`
	Replace       bool              `help:"Drop what the card prices and the list does not; otherwise those rates are kept." env:"-"`
	DryRun        bool              `help:"Show the rates and send nothing." env:"-"`
}

func (c *importCommand) Run(p *process) error {
	rates, report, err := c.read()
	if err != nil {
		return err
	}
	if err := printImport(p.stdout, rates, &report, c.CreditsPerUSD.Amount); err != nil {
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

func (c *importCommand) read() ([]bursar.Rate, bursar.PriceListReport, error) {
	features, err := priceFeatures(c.Feature)
	if err != nil {
		return nil, bursar.PriceListReport{}, err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, bursar.PriceListReport{}, exitf(exitFailed, "--file: %w", err)
	}
	defer f.Close()
	rates, report, err := bursar.ParsePriceList(f, bursar.PriceListOptions{
		Credits: c.CreditsPerUSD.Amount, Features: features, ModelKey: c.ModelKey, TrimProvider: c.TrimProvider, Models: c.Models, Providers: c.Providers,
	})
	if err != nil {
		return nil, report, exitf(exitFailed, "%s: %w", c.File, err)
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

// keptRates are the rates of old, or what is left of their models, that rates have no
// price for.
func keptRates(old, rates []client.Rate, modelKey string) (kept []client.Rate) {
	modelKey = cmp.Or(modelKey, "model")
	priced := map[[2]string]bool{}
	for _, r := range rates {
		for _, m := range r.Match[modelKey] {
			priced[[2]string{r.FeatureID, m}] = true
		}
	}
	for _, r := range old {
		if models, ok := r.Match[modelKey]; ok && len(r.Match) == 1 {
			rest := slices.DeleteFunc(slices.Clone(models), func(m string) bool { return priced[[2]string{r.FeatureID, m}] })
			if len(rest) == 0 {
				continue
			}
			r.Match = map[string]client.Texts{modelKey: rest}
		}
		kept = append(kept, r)
	}
	return kept
}

// shownModels is how many models of a group are named.
const shownModels = 6

func someModels(models []string) string {
	if len(models) <= shownModels {
		return strings.Join(models, ", ")
	}
	return fmt.Sprintf("%s and %s more", strings.Join(models[:shownModels], ", "), commas(len(models)-shownModels))
}

func printImport(out io.Writer, rates []bursar.Rate, report *bursar.PriceListReport, credits bursar.Amount) error {
	fmt.Fprintf(out, "Took %s models as %s rates, at %s credits per US dollar:\n\n", commas(len(report.Models)), commas(len(rates)), commas(credits))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  FEATURE\tPRICE\tPER\tMODELS")
	for _, r := range rates {
		for _, models := range r.Match { // there is one key
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", r.FeatureID, commas(r.Amount), commas(int(r.Per)), someModels(models))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	printNotes(out, "Skipped", report.Skipped)
	printNotes(out, "Rounded to 9 decimals", report.Rounded)
	printNotes(out, "Taken at their lowest price", report.Approximate)
	if len(report.Free) > 0 {
		fmt.Fprintf(out, "\nFree, which may mean that the list does not know the price: %s\n", someModels(report.Free))
	}
	return nil
}

// printNotes lists notes by what they say, the most frequent first.
func printNotes(out io.Writer, title string, notes []bursar.PriceListNote) {
	if len(notes) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s (%s):\n", title, commas(len(notes)))
	models := map[string][]string{}
	var texts []string
	for _, n := range notes {
		if models[n.Note] == nil {
			texts = append(texts, n.Note)
		}
		models[n.Note] = append(models[n.Note], n.Model)
	}
	slices.SortStableFunc(texts, func(a, b string) int { return cmp.Compare(len(models[b]), len(models[a])) })
	for _, text := range texts {
		fmt.Fprintf(out, "  %s: %s\n", text, someModels(models[text]))
	}
}
