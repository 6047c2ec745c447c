package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

// repriceCommand puts right what a wrong version of a rate card charged, once a version
// that corrects it is there.
type repriceCommand struct {
	remote   `embed:""`
	Card     string   `help:"The rate card." required:"" env:"-" placeholder:"ID"`
	From     timeFlag `help:"Usage from here on is priced again." required:"" env:"-" placeholder:"TIME"`
	To       timeFlag `help:"Until here; now when left out." env:"-" placeholder:"TIME"`
	Customer string   `help:"Only this customer's usage." env:"-" placeholder:"ID"`
	DryRun   bool     `help:"Show what would change and write nothing." env:"-" xor:"mode" required:""`
	Apply    bool     `help:"Change it. What was put right already is not changed twice." env:"-" xor:"mode" required:""`
}

func (c *repriceCommand) Run(p *process) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	api.Retries = 0 // the reply to a second attempt would not have what the first one did
	got, err := api.Reprice(p.ctx, c.Card, client.RepriceInput{From: c.From.Time, To: c.To.orNil(), CustomerID: c.Customer, Apply: c.Apply})
	if err != nil {
		err = refusal("re-pricing "+c.Card, err)
		if c.Apply {
			err = exitf(exitFailed, "%w\nWhat was put right before this stays so; the same command does the rest.", err)
		}
		return err
	}
	return printRepricing(p.stdout, &got)
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
	var pools bursar.Amount
	for _, c := range r.Customers {
		for _, row := range c.Rows {
			line(c.CustomerID, row.EntityID, row.PeriodStart.String(), row.Was, row.Is, row.AssignmentID)
		}
		line(c.CustomerID, "all charges", "", c.Was, c.Is, "")
		if !c.Pool.IsZero() {
			fmt.Fprintf(w, "  %s\tpool\t\t\t\t%s\t\n", c.CustomerID, signed(c.Pool.Neg()))
			pools = pools.Add(c.Pool)
		}
	}
	line("TOTAL", "all charges", "", r.Was, r.Is, "")
	if !pools.IsZero() {
		fmt.Fprintf(w, "  TOTAL\tpools\t\t\t\t%s\t\n", signed(pools.Neg()))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	said := "\nThis was a dry run: nothing was written. --apply writes it.\n"
	if r.Applied {
		said = "\nApplied.\n"
	}
	_, err := io.WriteString(out, said)
	return err
}

// signed is an amount with its sign, + too.
func signed(a bursar.Amount) string {
	if a.Sign() > 0 {
		return "+" + commas(a)
	}
	return commas(a)
}
