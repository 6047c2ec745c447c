package ledger

import "github.com/bursarhq/bursar"

// How to go on: every decision tells how near the tightest of its limits is to its end.

// tightestLimit is, of the hard limits that were seen, the one that has room for the fewest more of
// what was asked for. Where nothing was asked of any, it is the one with the least share left. Of
// several the first counts.
//
// A highest value uses nothing up: any value to its limit passes again, so its limit is none of these.
// Figures are copies and a node is one of a reply's, so that a check allocates nothing for its advice.
type tightestLimit struct {
	source    bursar.BindingSource // "" = none was seen
	node      *bursar.Node         // of an entity's limit; nil = the customer's own
	of        bursar.Capability
	resets    bursar.Time
	limit     bursar.Amount
	used      bursar.Amount
	held      bursar.Amount
	requested bursar.Amount
}

func (t *tightestLimit) seeGate(g *bursar.Gate, a *Ask) {
	if g.Unlimited || g.Soft || a.max {
		return
	}
	x := tightestLimit{source: bursar.BindingCredits, of: a.C, limit: g.UsageLimit, used: g.CurrentUsage, held: g.Reserved, requested: a.Amount}
	if a.C.Kind == bursar.KindFeature {
		x.source, x.resets = bursar.BindingCustomer, g.ResetsAt
	}
	t.see(&x)
}

func (t *tightestLimit) seeChains(chains [][]bursar.Node) {
	for _, chain := range chains {
		for i := range chain {
			n := &chain[i]
			if n.UsageLimit == nil || n.Enforcement != bursar.Hard || n.Highest {
				continue
			}
			t.see(&tightestLimit{source: bursar.BindingEntity, node: n, of: n.Capability, resets: n.ResetsAt,
				limit: *n.UsageLimit, used: n.CurrentUsage, held: n.Reserved, requested: n.Requested})
		}
	}
}

func (t *tightestLimit) see(x *tightestLimit) {
	if t.source == "" || x.asked() && !t.asked() ||
		x.asked() == t.asked() && bursar.CompareShares(x.left(), x.each(), t.left(), t.each()) < 0 {
		*t = *x
	}
}

func (t *tightestLimit) asked() bool { return t.requested.Sign() > 0 }

func (t *tightestLimit) left() bursar.Amount {
	return bursar.LeftOf(t.limit, t.used, t.held, false)
}

// each is what the room is counted in: what was asked for or, if that is nothing, the limit.
func (t *tightestLimit) each() bursar.Amount {
	if t.asked() {
		return t.requested
	}
	return bursar.MaxAmount(t.limit, bursar.AmountFromNanos(1)) // of a limit of 0, nothing is left
}

// advice is what to do by the limit.
func (t *tightestLimit) advice() bursar.Advice {
	if t.source == "" {
		return bursar.Advice{}
	}
	used := bursar.MaxAmount(bursar.Amount{}, t.used.Add(t.held))
	a := bursar.Advice{Level: bursar.AdviceFor(used, t.limit, bursar.WindDownPercent, bursar.StopPercent), Left: t.left(),
		UsedPercent: used.WholePercent(t.limit),
		Limit:       bursar.AdviceLimit{Source: t.source, Capability: t.of, UsageLimit: t.limit, ResetsAt: t.resets}}
	if n := t.node; n != nil {
		a.Limit.AssignmentID, a.Limit.EntityID, a.Limit.Label = n.AssignmentID, n.EntityID, n.Label
	}
	return a
}

// binding shows the limit where something was asked of it; else it is nil.
func (t *tightestLimit) binding() *bursar.Binding {
	switch {
	case !t.asked():
		return nil
	case t.node != nil:
		return &bursar.Binding{Source: t.source, Node: *t.node}
	}
	limit := t.limit
	return &bursar.Binding{Source: t.source, Node: bursar.Node{Capability: t.of, UsageLimit: &limit, CurrentUsage: t.used, Reserved: t.held,
		Requested: t.requested, Exceeded: limit.Less(t.used.Add(t.held).Add(t.requested)), ResetsAt: t.resets}}
}

// adviceOn is the advice of a decision about asks, whose gates and chains d has.
func adviceOn(d *bursar.Decision, asks []Ask) bursar.Advice {
	var t tightestLimit
	t.seeGate(&d.Gate, &asks[0])
	for i := range d.Costs {
		t.seeGate(&d.Costs[i].Gate, &asks[i+1])
	}
	t.seeChains(d.Chains)
	return t.advice()
}
