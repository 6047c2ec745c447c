package main

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/client"
)

const (
	demoBurst = 15 * time.Minute // the short window, PT15M
	demoMonth = 160              // working hours of a month
	demoYear  = 1900             // of a year
	demoLeast = 30               // credits; below what one large request takes no budget makes sense
)

// demoForecast is the traffic that the organisation expects, as from its books: that of
// the plan without the agents that go wild.
type demoForecast struct {
	total map[*demoNode]float64    // credits
	peak  map[*demoNode]float64    // of a short window
	pair  map[[2]*demoNode]float64 // of a team with a model
}

func forecastDemo(plan []demoRequest) *demoForecast {
	type slot struct {
		node *demoNode
		at   time.Duration
	}
	f := &demoForecast{map[*demoNode]float64{}, map[*demoNode]float64{}, map[[2]*demoNode]float64{}}
	slots := map[slot]float64{}
	for i := range plan {
		q := &plan[i]
		if q.runaway {
			continue
		}
		cost := q.cost().Float64()
		count := func(n *demoNode) {
			f.total[n] += cost
			slots[slot{n, q.at / demoBurst}] += cost
		}
		count(q.model)
		for n := q.agent; n != nil; n = n.parent {
			count(n)
		}
		f.pair[[2]*demoNode{q.agent.above("team"), q.model}] += cost
	}
	for s, used := range slots {
		f.peak[s.node] = max(f.peak[s.node], used)
	}
	return f
}

// busiest sorts a copy of nodes by their expected traffic, most first.
func (f *demoForecast) busiest(nodes []*demoNode) []*demoNode {
	return slices.SortedStableFunc(slices.Values(nodes), func(a, b *demoNode) int { return cmp.Compare(f.total[b], f.total[a]) })
}

// demoPilot is the label of the budget that somebody raises while the demo runs.
const demoPilot = "pilot"

// demoBudgets gathers limits.
type demoBudgets struct {
	*demoForecast
	anchor bursar.Time
	limits []client.AssignmentInput
}

// add makes a limit. Windows of a month follow the calendar; shorter and longer ones
// count from the anchor, so that every run of the demo meets the same windows.
func (b *demoBudgets) add(n *demoNode, label, cadence string, credits float64, scope ...*demoNode) *client.AssignmentInput {
	in := client.AssignmentInput{
		EntityID: n.id, CurrencyID: demoCurrency, Label: label, Cadence: cadence,
		UsageLimit: client.Some(budgetOf(credits)), AlertThresholds: demoAlertAt,
	}
	for _, s := range scope {
		in.ScopeEntityIDs = append(in.ScopeEntityIDs, s.id)
	}
	if cadence != "P1M" {
		in.Anchor = &b.anchor
	}
	b.limits = append(b.limits, in)
	return &b.limits[len(b.limits)-1]
}

// demoAlertAt is when a limit warns: before it is used up, for a hard one stops what does
// not fit any more and so is hardly ever used to the last credit.
var demoAlertAt = []int{80, 95}

// budgetOf rounds to what people would write down: two digits and zeros.
func budgetOf(credits float64) bursar.Amount {
	credits = max(credits, demoLeast)
	unit := math.Pow(10, math.Floor(math.Log10(credits))-1)
	return bursar.AmountFromInt(int64(math.Round(credits/unit) * unit))
}

// demoLimits are the budgets of the organisation. Most have room; some are tight, at
// every level and in windows of every length, so that requests are stopped for
// different reasons at different times.
func demoLimits(o *demoOrg, f *demoForecast, anchor bursar.Time) []client.AssignmentInput {
	b := &demoBudgets{demoForecast: f, anchor: anchor}
	all := f.total[o.org]
	b.add(o.org, "", "P1M", all*demoMonth)
	b.add(o.org, "contract", "P1Y", all*demoYear).Enforcement = bursar.Soft
	b.add(o.org, "surge", "PT15M", f.peak[o.org]*0.85).Enforcement = bursar.Soft
	for i, m := range o.models {
		room := []float64{0.97, 1.6, 2}[i] // what the provider grants is scarce for the large one
		b.add(m, "provider-quota", "PT15M", f.peak[m]*room)
		b.add(m, "", "P1M", 0).UsageLimit = client.Null[bursar.Amount]() // it only counts
	}
	b.departments(o)
	b.teams(o)
	b.people(o.users, "P1D", []int{3, 6, 10, 15})
	b.people(o.agents, "P1D", nil)
	return b.limits
}

func (b *demoBudgets) departments(o *demoOrg) {
	pilot := o.departments[len(o.departments)-1]
	hourly := o.departments[len(o.departments)-2]
	for _, d := range o.departments {
		used := b.total[d]
		if d == pilot { // tries agents out, with too little money
			b.add(d, demoPilot, "P1M", used*0.6)
			continue
		}
		b.add(d, "", "P1M", used*demoMonth)
		if d == hourly {
			b.add(d, "hourly", "PT1H", used*0.9)
		}
	}
}

func (b *demoBudgets) teams(o *demoOrg) {
	large := o.models[0]
	for rank, t := range b.busiest(o.teams) {
		b.add(t, "", "P1M", b.total[t]*demoMonth)
		burst, ofLarge := 1.6, 1.8
		switch rank {
		case 1, 4:
			burst = 0.85
		case 0, 3, 7:
			ofLarge = 0.7
		}
		b.add(t, "burst", "PT15M", b.peak[t]*burst)
		if rank < 10 {
			b.add(t, "", "P1D", b.pair[[2]*demoNode{t, large}]*ofLarge, large)
		}
	}
}

// people gives all nodes the allowance that suits nine of ten, and more to those who
// are known to need it, except for those at the tight ranks, whom nobody asked.
func (b *demoBudgets) people(nodes []*demoNode, cadence string, tight []int) {
	order := b.busiest(nodes)
	allowance := b.total[order[len(order)/10]]
	for rank, n := range order {
		need := b.total[n]
		switch {
		case slices.Contains(tight, rank):
			need *= 0.8
		case need > allowance/1.4:
			need *= 1.4
		default:
			need = allowance
		}
		b.add(n, "daily", cadence, need)
	}
}
