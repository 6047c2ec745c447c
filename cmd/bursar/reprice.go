package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"text/tabwriter"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// repriceCommand puts right what a wrong version of a rate card charged, once a version
// that corrects it is there, or what was counted of usage that was not understood, once a rule is.
type repriceCommand struct {
	remote   `embed:""`
	Card     string   `help:"The rate card. Give this or --unread." env:"-" placeholder:"ID" xor:"what"`
	Unread   bool     `help:"Read usage again that was not understood." env:"-" xor:"what"`
	From     timeFlag `help:"Usage from here on is priced again." required:"" env:"-" placeholder:"TIME"`
	To       timeFlag `help:"Until here; now when left out." env:"-" placeholder:"TIME"`
	Customer string   `help:"Only this customer's usage." env:"-" placeholder:"ID"`
	DryRun   bool     `help:"Show what would change and write nothing. Give this or --apply." env:"-" xor:"mode"`
	Apply    bool     `help:"Change it. What was put right already is not changed twice." env:"-" xor:"mode"`
}

// Validate is called once the flags are read.
func (c *repriceCommand) Validate() error {
	if c.Card == "" && !c.Unread {
		return errors.New("say --card or --unread")
	}
	if !c.DryRun && !c.Apply {
		return errors.New("say --dry-run or --apply")
	}
	return nil
}

func (c *repriceCommand) Run(p *process) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	job := ""
	in := client.RepriceInput{From: c.From.Time, To: c.To.orNil(), CustomerID: c.Customer, Apply: c.Apply}
	follow := func(j client.Job) {
		if job = j.ID; j.FinishedAt == nil {
			fmt.Fprintf(p.stderr, "job %s: %s\n", j.ID, progressText(&j))
		}
	}
	var got client.Repricing
	var reread client.Rereading
	what := "re-pricing " + c.Card
	if c.Unread {
		what = "re-pricing unread usage"
		reread, err = api.RepriceUnread(p.ctx, in, follow)
	} else {
		got, err = api.Reprice(p.ctx, c.Card, in, follow)
	}
	if err != nil && p.ctx.Err() != nil && job != "" {
		return exitf(exitFailed, "The server goes on with the job: see bursar jobs; end it with bursar jobs --cancel %s.", job)
	}
	if err != nil {
		err = refusal(what, err)
		if c.Apply {
			err = exitf(exitFailed, "%w\nWhat was put right before this stays so; the same command does the rest.", err)
		}
		return err
	}
	if c.Unread {
		return printRereading(p.stdout, &reread)
	}
	if err := printRepricing(p.stdout, &got); err != nil {
		return err
	}
	return c.warn(p, api, &got)
}

// warn names the rates that the correcting version leaves out: what they priced keeps its
// cost, and later usage costs nothing.
func (c *repriceCommand) warn(p *process, api *client.Client, r *client.Repricing) error {
	var old, by []client.Rate
	q := client.Paging{Limit: 100}
	for {
		page, err := api.RateVersions(p.ctx, c.Card, q)
		if err != nil {
			return refusal("reading the versions of "+c.Card, err)
		}
		for _, v := range page.Items {
			switch v.Version {
			case r.Version:
				old = v.Rates
			case r.By:
				by = v.Rates
			}
		}
		if q.After = page.Pagination.Next; q.After == "" {
			break
		}
	}
	for i, rate := range leftOut(old, by) {
		if i == 0 {
			fmt.Fprintf(p.stdout, "\nWarning: version %d leaves out rates that version %d has; what they priced keeps its cost:\n", r.By, r.Version)
		}
		fmt.Fprintf(p.stdout, "  %s%s\n", rate.FeatureID, matchText(rate.Match))
	}
	return nil
}

// leftOut are the rates of old, or what is left of their values, that by has no price for.
func leftOut(old, by []client.Rate) (left []client.Rate) {
	for _, r := range old {
		if slices.ContainsFunc(by, func(b client.Rate) bool {
			return b.FeatureID == r.FeatureID && (len(b.Match) == 0 || reflect.DeepEqual(b.Match, r.Match))
		}) {
			continue
		}
		for key, values := range r.Match {
			if len(r.Match) > 1 {
				break
			}
			values = slices.DeleteFunc(slices.Clone(values), func(v string) bool {
				return slices.ContainsFunc(by, func(b client.Rate) bool {
					return b.FeatureID == r.FeatureID && len(b.Match) == 1 && slices.Contains(b.Match[key], v)
				})
			})
			r.Match = map[string]client.Texts{key: values}
		}
		if len(r.Match) != 1 || !slices.ContainsFunc(slices.Collect(maps.Values(r.Match)), func(t client.Texts) bool { return len(t) == 0 }) {
			left = append(left, r)
		}
	}
	return left
}

func matchText(match map[string]client.Texts) (text string) {
	for _, key := range slices.Sorted(maps.Keys(match)) {
		text += fmt.Sprintf(" %s=%s", key, someModels(match[key]))
	}
	return text
}

func printRepricing(out io.Writer, r *client.Repricing) error {
	fmt.Fprintf(out, "Rate card %s: version %d, corrected by version %d. %s charges were looked at.\n", r.RateCardID, r.Version, r.By, commas(r.Records))
	if r.Unmatched > 0 {
		fmt.Fprintf(out, "%s of them keep what they cost: version %d has no rate for them.\n", commas(r.Unmatched), r.By)
	}
	if len(r.Customers) == 0 {
		_, err := fmt.Fprintln(out, "Nothing changes: what the corrected version prices is right.")
		return err
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  CUSTOMER\tENTITY\tWINDOW FROM\tWAS\tIS\tDIFFERENCE\tLIMIT")
	line := func(customer, of, window string, was, is bursar.Amount, limit string) {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", customer, of, window, commas(was), commas(is), signed(is.Sub(was)), limit)
	}
	for _, c := range r.Customers {
		for _, row := range c.Rows {
			line(c.CustomerID, row.EntityID, row.PeriodStart.String(), row.Was, row.Is, row.AssignmentID)
		}
		line(c.CustomerID, "all charges", "", c.Was, c.Is, "")
		if !c.Pool.IsZero() {
			fmt.Fprintf(w, "  %s\tpool\t\t\t\t%s\t\n", c.CustomerID, signed(c.Pool.Neg()))
		}
	}
	if more := r.Changed - len(r.Customers); more > 0 {
		fmt.Fprintf(w, "  %s more customers\t\t\t\t\t\t\n", commas(more))
	}
	line("TOTAL", "all charges", "", r.Was, r.Is, "")
	if !r.Pool.IsZero() {
		fmt.Fprintf(w, "  TOTAL\tpools\t\t\t\t%s\t\n", signed(r.Pool.Neg()))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return printMode(out, r.Applied)
}

func printMode(out io.Writer, applied bool) error {
	said := "\nThis was a dry run: nothing was written. --apply writes it.\n"
	if applied {
		said = "\nApplied.\n"
	}
	_, err := io.WriteString(out, said)
	return err
}

func printRereading(out io.Writer, r *client.Rereading) error {
	fmt.Fprintf(out, "%s events with unread usage were read again: %s count something else, of %s nothing is unread any more.\n",
		commas(r.Events), commas(r.Changed), commas(r.Read))
	if r.Lost > 0 {
		fmt.Fprintf(out, "%s more cannot be read again, as the log that kept them was cut: they stay as they were counted.\n", commas(r.Lost))
	}
	if r.Uncounted > 0 {
		fmt.Fprintf(out, "%s of them cannot be counted as they are read now, by a meter or for their cost: they stay as they were counted, and listed.\n", commas(r.Uncounted))
	}
	if r.Changed+r.Read+r.Uncounted == 0 {
		_, err := fmt.Fprintln(out, "Nothing changes: no rule reads more of it. See GET /events/unread, and PUT /usage-rules.")
		return err
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  CUSTOMER\tEVENTS\tCHANGED\tFEATURE OR CURRENCY\tDIFFERENCE")
	lines := func(customer string, x *client.Reread) {
		for i := range x.Changes {
			c := &x.Changes[i]
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", customer, commas(x.Events), commas(x.Changed), c.FeatureID+c.CurrencyID, signed(c.Amount))
		}
		if len(x.Changes) == 0 {
			fmt.Fprintf(w, "  %s\t%s\t%s\t\t\n", customer, commas(x.Events), commas(x.Changed))
		}
	}
	for i := range r.Customers {
		lines(r.Customers[i].CustomerID, &r.Customers[i].Reread)
	}
	lines("TOTAL", &r.Reread)
	if err := w.Flush(); err != nil {
		return err
	}
	return printMode(out, r.Applied)
}

// signed is an amount with its sign, + too.
func signed(a bursar.Amount) string {
	if a.Sign() > 0 {
		return "+" + commas(a)
	}
	return commas(a)
}
