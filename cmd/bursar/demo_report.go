package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

const (
	demoStopRows = 24
	demoTreeRows = 10
)

// demoProgress shows how a replay goes: on a terminal on one line that changes, else on
// lines of their own.
type demoProgress struct {
	out      io.Writer
	terminal bool
}

func newDemoProgress(out io.Writer) *demoProgress {
	f, ok := out.(*os.File)
	if !ok {
		return &demoProgress{out: out}
	}
	info, err := f.Stat()
	return &demoProgress{out, err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// follow reports until done is closed, and once more then.
func (p *demoProgress) follow(d *demoReplay, done <-chan struct{}) {
	fmt.Fprintf(p.out, "  %10s  %10s  %8s  %8s  %8s  %12s\n", "TRACE", "CLOCK", "SENT", "GRANTED", "STOPPED", "TOKENS")
	every := 2 * time.Second
	if p.terminal {
		every = 500 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-done:
			p.line(d)
			if p.terminal {
				fmt.Fprintln(p.out)
			}
			return
		case <-tick.C:
			p.line(d)
		}
	}
}

func (p *demoProgress) line(d *demoReplay) {
	t := d.figures()
	before, after := "", "\n"
	if p.terminal {
		before, after = "\r", ""
	}
	fmt.Fprintf(p.out, "%s  %10s  %10s  %8s  %8s  %8s  %12s%s", before, time.Unix(0, int64(t.at)).UTC().Format(time.TimeOnly),
		d.clock.now().Std().Format(time.TimeOnly), commas(t.sent), commas(t.granted), commas(t.denied), commas(t.committed), after)
}

// demoReport tells how a replay ended.
type demoReport struct {
	out    io.Writer
	org    *demoOrg
	client *client.Client
}

// stops prints who was stopped, by which budget and when.
func (r *demoReport) stops(t *demoTally) {
	share := 0.0
	if t.sent > 0 {
		share = 100 * float64(t.denied) / float64(t.sent)
	}
	fmt.Fprintf(r.out, "\nCommitted %s tokens of %s requests; stopped %s requests (%.1f %%).\n",
		commas(t.committed), commas(t.granted), commas(t.denied), share)
	var list []*demoStop
	for _, s := range t.stops {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *demoStop) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.limit.ID, b.limit.ID))
	})
	fmt.Fprintf(r.out, "\nWho was stopped, by which budget and since when (UTC; +n is how many other agents):\n\n")
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  FROM\tBUDGET\tLIMIT\tTIMES\tWHO")
	for _, s := range list[:min(demoStopRows, len(list))] {
		who := s.who.path()
		if others := len(s.agents) - 1; others > 0 {
			who += fmt.Sprintf(" +%d", others)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", s.first.Std().Format(time.TimeOnly), r.budget(s.limit.EntityID, s.limit.ScopeEntityIDs, s.limit.Label),
			allowance(s.limit.UsageLimit, s.limit.Cadence), commas(s.times), who)
	}
	w.Flush()
	if more := len(list) - demoStopRows; more > 0 {
		fmt.Fprintf(r.out, "  and %d more budgets\n", more)
	}
}

// tree prints the fullest budgets, as the server has them.
func (r *demoReport) tree(ctx context.Context) error {
	page, err := r.client.Tree(ctx, demoCustomer, client.TreeQuery{FeatureIDs: []string{demoFeature}, Limit: demoTreeRows})
	if err != nil {
		return fmt.Errorf("reading the governance tree: %w", err)
	}
	fmt.Fprintf(r.out, "\nThe fullest budgets at %s (soft ones report and do not stop):\n\n", page.AsOf.Std().Format(time.TimeOnly))
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  FULL\tBUDGET\tUSED\tLIMIT\tRESETS")
	for _, row := range page.Rows {
		if row.Utilization == nil || row.CurrentUsage == nil || row.PeriodEnd == nil {
			continue
		}
		soft := ""
		if row.Enforcement == bursar.Soft {
			soft = ", soft"
		}
		fmt.Fprintf(w, "  %.1f %%\t%s%s\t%s\t%s\t%s\n", 100**row.Utilization, r.budget(row.EntityID, row.ScopeEntityIDs, row.Label), soft,
			commas(*row.CurrentUsage), allowance(row.UsageLimit, row.Cadence), row.PeriodEnd.Std().Format("2 Jan 15:04"))
	}
	return w.Flush()
}

// budget names a limit: whose it is, of what, and its label.
func (r *demoReport) budget(entity string, scope []string, label string) string {
	name := entity
	if n := r.org.byID[entity]; n != nil {
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
func commas[T int | bursar.Amount](n T) string {
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
	base := url + "/api/v1/customers/" + demoCustomer
	fmt.Fprintf(r.out, `
The server goes on. Ctrl-C ends it; "bursar demo" starts afresh, and
"bursar serve --data %s" goes on from here.

  URL  %s
  key  %s

Try it.

  May this agent spend 2,000 tokens? The answer names the budget that decides.
  curl -s -G -H 'X-API-KEY: %s' '%s/entitlements/check' -d featureId=%s -d requestedUsage=2000 --data-urlencode 'dimensions[agentId]=%s' --data-urlencode 'dimensions[model]=%s'

  The five fullest budgets of the tree.
  curl -s -G -H 'X-API-KEY: %s' '%s/governance' -d featureIds=%s -d limit=5

  Hold 2,000 tokens for another agent.
  curl -s -H 'X-API-KEY: %s' -H 'Content-Type: application/json' '%s/reservations' -d '{"featureId":"%s","amount":2000,"dimensions":{"agentId":"%s","model":"%s"},"idempotencyKey":"try-1"}'

`, data, url, key,
		key, base, demoFeature, stopped["agentId"], stopped["model"],
		key, base, demoFeature,
		key, base, demoFeature, free["agentId"], free["model"])
	return nil
}

// examples finds an agent that is denied 2,000 tokens of a model and one that is granted
// them. When there is none, any agent has to do.
func (r *demoReport) examples(ctx context.Context, t *demoTally) (stopped, free client.Dimensions, err error) {
	var agents []*demoNode
	for _, s := range t.stops {
		if s.limit.Cadence == "P1D" && len(s.limit.ScopeEntityIDs) == 0 { // not over in a minute
			agents = append(agents, s.who)
		}
	}
	agents = append(agents, r.org.agents...)
	stopped = client.Dimensions{"agentId": r.org.agents[0].id, "model": demoModelNames[0]}
	free = stopped
	amount := bursar.AmountFromInt(2000)
	foundStopped, foundFree := false, false
	for i := 0; i < len(agents)*len(demoModelNames) && !(foundStopped && foundFree); i++ {
		dims := client.Dimensions{"agentId": agents[i/len(demoModelNames)].id, "model": demoModelNames[i%len(demoModelNames)]}
		d, err := r.client.Check(ctx, demoCustomer, client.CheckInput{FeatureID: demoFeature, Requested: &amount, Dimensions: dims})
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
