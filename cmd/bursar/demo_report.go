package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

const (
	demoStopRows = 16
	demoTreeRows = 8
)

// demoReport tells how a replay ended.
type demoReport struct {
	out    io.Writer
	org    *demoOrg
	client *client.Client
}

// print tells it all.
func (r *demoReport) print(ctx context.Context, t *demoTally, receiver *demoReceiver) error {
	r.stops(t)
	if err := r.spend(ctx, t.spent); err != nil {
		return err
	}
	if err := r.tree(ctx); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "\n%s.\n", receiver.summary())
	return r.pool(ctx)
}

// stops prints who was stopped, by which budget and when.
func (r *demoReport) stops(t *demoTally) {
	share := 0.0
	if t.sent > 0 {
		share = 100 * float64(t.denied) / float64(t.sent)
	}
	fmt.Fprintf(r.out, "\nSpent %s credits on %s requests, %s input and %s output tokens; stopped %s requests (%.1f %%).\n",
		wholeCredits(t.spent), commas(t.granted), commas(int(t.input)), commas(int(t.output)), commas(t.denied), share)
	var list []*demoStop
	for _, s := range t.stops {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *demoStop) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.id, b.id))
	})
	fmt.Fprintf(r.out, "\nWho was stopped, by which budget and since when (UTC; +n is how many other agents):\n\n")
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  FROM\tBUDGET\tCREDITS\tTIMES\tWHO")
	for _, s := range list[:min(demoStopRows, len(list))] {
		who := s.who.path()
		if others := len(s.agents) - 1; others > 0 {
			who += fmt.Sprintf(" +%d", others)
		}
		budget, limit := "prepaid pool", "used up"
		if s.id != "" {
			budget, limit = budgetName(r.org, s.limit.EntityID, s.limit.ScopeEntityIDs, s.limit.Label), allowance(s.limit.UsageLimit, s.limit.Cadence)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", s.first.Std().Format(time.TimeOnly), budget, limit, commas(s.times), who)
	}
	w.Flush()
	if more := len(list) - demoStopRows; more > 0 {
		fmt.Fprintf(r.out, "  and %d more budgets\n", more)
	}
}

// spend prints what models and teams spent, as their monthly budgets have counted it.
func (r *demoReport) spend(ctx context.Context, all bursar.Amount) error {
	page, err := r.client.Tree(ctx, demoCustomer, client.TreeQuery{CurrencyIDs: []string{demoCurrency}, EntityTypeIDs: []string{"model", "team"},
		SortBy: "currentUsage", Limit: 100})
	if err != nil {
		return fmt.Errorf("reading the governance tree: %w", err)
	}
	lines := map[string][]client.TreeRow{}
	for _, row := range page.Rows {
		// A team's daily limit of one model is not all that it spent, nor is a short window.
		if row.Cadence == "P1M" && row.CurrentUsage != nil {
			lines[row.EntityTypeID] = append(lines[row.EntityTypeID], row)
		}
	}
	for _, typ := range []string{"model", "team"} {
		fmt.Fprintf(r.out, "\nSpent by %s:\n\n", typ)
		w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(w, "CREDITS\tSHARE\t  %s\n", strings.ToUpper(typ))
		for _, row := range lines[typ][:min(demoTreeRows, len(lines[typ]))] {
			fmt.Fprintf(w, "%s\t%s\t  %s\n", wholeCredits(*row.CurrentUsage), percent(*row.CurrentUsage, all), r.org.byID[row.EntityID].path())
		}
		w.Flush()
		if more := len(lines[typ]) - demoTreeRows; more > 0 {
			fmt.Fprintf(r.out, "  and %d more\n", more)
		}
	}
	return nil
}

func percent(part, all bursar.Amount) string {
	if all.Sign() <= 0 {
		return "0.0 %"
	}
	return fmt.Sprintf("%.1f %%", 100*part.Ratio(all))
}

// tree prints the fullest budgets, as the server has them.
func (r *demoReport) tree(ctx context.Context) error {
	page, err := r.client.Tree(ctx, demoCustomer, client.TreeQuery{CurrencyIDs: []string{demoCurrency}, Limit: demoTreeRows})
	if err != nil {
		return fmt.Errorf("reading the governance tree: %w", err)
	}
	fmt.Fprintf(r.out, "\nThe fullest budgets at %s (soft ones report and do not stop):\n\n", page.AsOf.Std().Format(time.TimeOnly))
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  FULL\tBUDGET\tUSED\tCREDITS\tRESETS")
	for _, row := range page.Rows {
		if row.Utilization == nil || row.CurrentUsage == nil || row.PeriodEnd == nil {
			continue
		}
		soft := ""
		if row.Enforcement == bursar.Soft {
			soft = ", soft"
		}
		fmt.Fprintf(w, "  %.1f %%\t%s%s\t%s\t%s\t%s\n", 100**row.Utilization, budgetName(r.org, row.EntityID, row.ScopeEntityIDs, row.Label), soft,
			wholeCredits(*row.CurrentUsage), allowance(row.UsageLimit, row.Cadence), row.PeriodEnd.Std().Format("2 Jan 15:04"))
	}
	return w.Flush()
}

// pool prints the grants and what is left of them.
func (r *demoReport) pool(ctx context.Context) error {
	page, err := r.client.Grants(ctx, client.GrantQuery{CustomerID: demoCustomer, CurrencyID: demoCurrency})
	if err != nil {
		return fmt.Errorf("reading the grants: %w", err)
	}
	fmt.Fprintf(r.out, "\nThe prepaid pool:\n\n")
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  GRANT\tTYPE\tCREDITS\tUSED\tLEFT\tEXPIRES")
	var amount, used bursar.Amount
	for _, g := range page.Items {
		expires := "never"
		if g.ExpireAt != nil {
			expires = g.ExpireAt.Std().Format("2 Jan 2006")
		}
		amount, used = amount.Add(g.Amount), used.Add(g.Consumed)
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\n", g.DisplayName, strings.ToLower(string(g.Type)), commas(g.Amount), wholeCredits(g.Consumed),
			wholeCredits(g.Amount.Sub(g.Consumed)), expires)
	}
	fmt.Fprintf(w, "  balance\t\t%s\t%s\t%s\t\n", commas(amount), wholeCredits(used), wholeCredits(amount.Sub(used)))
	return w.Flush()
}

// budgetName names a limit: whose it is, of what, and its label.
func budgetName(o *demoOrg, entity string, scope []string, label string) string {
	name := entity
	if n := o.byID[entity]; n != nil {
		name = n.typeID + " " + n.name
	}
	if len(scope) > 0 {
		name += ", of " + strings.Join(scope, "+")
	}
	if label != "" {
		name += " (" + label + ")"
	}
	return name
}

var demoCadences = map[string]string{"PT15M": "15 min", "PT1H": "hour", "P1D": "day", "P1M": "month", "P1Y": "year"}

func allowance(limit *bursar.Amount, cadence string) string {
	if limit == nil {
		return "unlimited"
	}
	return commas(*limit) + " / " + cmp.Or(demoCadences[cadence], cadence)
}

// commas writes a number with its thousands apart.
func commas[T int | uint64 | bursar.Amount](n T) string {
	s := fmt.Sprint(n)
	whole := strings.IndexByte(s, '.')
	if whole < 0 {
		whole = len(s)
	}
	for i := whole - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// invite says how to go on. It asks the server for an agent that is stopped now and one
// that is not, so that the commands show both.
func (r *demoReport) invite(ctx context.Context, t *demoTally, url, key, data string) error {
	stopped, free, err := r.examples(ctx, t)
	if err != nil {
		return err
	}
	base := url + "/api/v1"
	acme := base + "/customers/" + demoCustomer
	fmt.Fprintf(r.out, `
The server goes on, and alerts go on showing here. Ctrl-C ends it; "bursar demo" starts afresh, and
"bursar serve --data %s" goes on from here.

  URL  %s
  key  %s

Open the URL in a browser and sign in with the key: the console shows the same tree, live.

Try it.

  May this agent spend 100 credits? The answer names the budget that decides.
  curl -s -G -H 'X-API-KEY: %s' '%s/entitlements/check' -d currencyId=%s -d requestedUsage=100 --data-urlencode 'dimensions[agentId]=%s' --data-urlencode 'dimensions[model]=%s'

  The five fullest budgets of the tree.
  curl -s -G -H 'X-API-KEY: %s' '%s/governance' -d currencyIds=%s -d limit=5

  Another agent has called a model: this reports its tokens, which cost what the rate card says.
  curl -s -H 'X-API-KEY: %s' -H 'Content-Type: application/json' '%s/events' -d '{"events":[{"customerId":"%s","eventName":"%s","idempotencyKey":"try-1","dimensions":{"agentId":"%s","model":"%s"},"usage":{"prompt_tokens":1200,"completion_tokens":80}}]}'

  Hold 100 credits for it.
  curl -s -H 'X-API-KEY: %s' -H 'Content-Type: application/json' '%s/reservations' -d '{"currencyId":"%s","amount":100,"dimensions":{"agentId":"%s","model":"%s"},"idempotencyKey":"try-2"}'

`, data, url, key,
		key, acme, demoCurrency, stopped["agentId"], stopped["model"],
		key, acme, demoCurrency,
		key, base, demoCustomer, demoEvent, free["agentId"], free["model"],
		key, acme, demoCurrency, free["agentId"], free["model"])
	return nil
}

// examples finds an agent that is denied 100 credits for a model and one that is granted
// them. When there is none, any agent has to do.
func (r *demoReport) examples(ctx context.Context, t *demoTally) (stopped, free client.Dimensions, err error) {
	var agents []*demoNode
	for _, s := range t.stops {
		if s.limit.Cadence == "P1D" && len(s.limit.ScopeEntityIDs) == 0 { // not over in a minute
			agents = append(agents, s.who)
		}
	}
	agents = append(agents, r.org.agents...)
	stopped = client.Dimensions{"agentId": r.org.agents[0].id, "model": demoModels[0].name}
	free = stopped
	amount := bursar.AmountFromInt(100)
	foundStopped, foundFree := false, false
	for i := 0; i < len(agents)*len(demoModels) && !(foundStopped && foundFree); i++ {
		dims := client.Dimensions{"agentId": agents[i/len(demoModels)].id, "model": demoModels[i%len(demoModels)].name}
		d, err := r.client.Check(ctx, demoCustomer, client.CheckInput{CurrencyID: demoCurrency, Requested: &amount, Dimensions: dims})
		if err != nil {
			return nil, nil, fmt.Errorf("checking %s: %w", dims["agentId"], err)
		}
		switch {
		case d.Granted && !foundFree:
			free, foundFree = dims, true
		case !d.Granted && !foundStopped:
			stopped, foundStopped = dims, true
		}
	}
	return stopped, free, nil
}
