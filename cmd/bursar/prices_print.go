package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/bursarhq/bursar"
)

// shownModels is how many models of a group are named.
const shownModels = 6

func someModels(models []string) string {
	if len(models) <= shownModels {
		return strings.Join(models, ", ")
	}
	return fmt.Sprintf("%s and %s more", strings.Join(models[:shownModels], ", "), commas(len(models)-shownModels))
}

// allModels names what is in no rate: nobody else says which models those are.
func allModels(models []string) string { return strings.Join(models, ", ") }

// printImport says what became of a list: first what is about single models, at the end the
// summary.
func printImport(out io.Writer, rates []bursar.Rate, report *bursar.PriceListReport, features map[string]string, c *importCommand) error {
	if len(report.LeftOut) > 0 {
		fmt.Fprintln(out, "Prices that no rate can have, by model:")
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, n := range report.LeftOut {
			fmt.Fprintf(w, "  %s\t%s\n", n.Model, n.Note)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	printNotes(out, "Skipped", report.Skipped, allModels)
	printNotes(out, "Rounded to 9 decimals", report.Rounded, someModels)
	if len(report.Free) > 0 {
		fmt.Fprintf(out, "Free, which may mean that the list does not know the price (%s): %s\n\n", commas(len(report.Free)), someModels(report.Free))
	}
	fmt.Fprintf(out, "Took %s models as %s rates, at %s credits per US dollar:\n\n", commas(len(report.Models)), commas(len(rates)), commas(c.CreditsPerUSD.Amount))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  KIND\tFEATURE\tNAMES OF MODELS\tRATES\tOF THESE ON MORE THAN THE NAME")
	names, _ := bursar.PriceKinds()
	for _, kind := range names {
		id := features[kind]
		if id == "" {
			continue
		}
		models, of, special := map[string]bool{}, 0, 0
		for _, r := range rates {
			if r.FeatureID != id {
				continue
			}
			of++
			if len(r.Match) > 1 {
				special++
			}
			for _, m := range r.Match[c.ModelKey] {
				models[m] = true
			}
		}
		if of > 0 {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", kind, id, commas(len(models)), commas(of), commas(special))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s models with a price left out, %s skipped. What a model costs: bursar prices show MODEL\n", commas(len(report.LeftOut)), commas(len(report.Skipped)))
	return err
}

// printNotes lists notes by what they say, the most frequent first, each with the models that named has.
func printNotes(out io.Writer, title string, notes []bursar.PriceListNote, named func(models []string) string) {
	if len(notes) == 0 {
		return
	}
	fmt.Fprintf(out, "%s (%s):\n", title, commas(len(notes)))
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
		fmt.Fprintf(out, "  %s: %s\n", text, named(models[text]))
	}
	fmt.Fprintln(out)
}
