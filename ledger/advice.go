package ledger

import (
	"cmp"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// How to go on: every decision tells how near the tightest of its limits is to its end.

// tightestLimit is, of the hard limits that were met, the one that has room for the fewest more of
// what was asked for. Where nothing was asked of any, it is the one with the least share left. Of
// several the first counts.
//
// A highest value uses nothing up: any value to its limit passes again, so its limit is none of these.
// Figures are copies and a node is one of a reply's, so that a check allocates nothing for its advice.
type tightestLimit struct {
	source    bursar.BindingSource // "" = none was met
	node      *bursar.Node         // of an entity's limit; nil = the customer's own
	of        bursar.Capability
	resets    bursar.Time
	limit     bursar.Amount
	used      bursar.Amount
	held      bursar.Amount
	requested bursar.Amount
}

func (t *tightestLimit) meetGate(g *bursar.Gate, a *Ask) {
	if g.Unlimited || g.Soft || a.max {
		return
	}
	x := tightestLimit{source: bursar.BindingCredits, of: a.C, limit: g.UsageLimit, used: g.CurrentUsage, held: g.Reserved, requested: a.Amount}
	if a.C.Kind == bursar.KindFeature {
		x.source, x.resets = bursar.BindingCustomer, g.ResetsAt
	}
	t.meet(&x)
}

func (t *tightestLimit) meetChains(chains [][]bursar.Node) {
	for _, chain := range chains {
		for i := range chain {
			n := &chain[i]
			if n.UsageLimit != nil && n.Enforcement == bursar.Hard && !n.Highest {
				t.meetNode(n)
			}
		}
	}
}

func (t *tightestLimit) meetNode(n *bursar.Node) {
	t.meet(&tightestLimit{source: bursar.BindingEntity, node: n, of: n.Capability, resets: n.ResetsAt,
		limit: *n.UsageLimit, used: n.CurrentUsage, held: n.Reserved, requested: n.Requested})
}

func (t *tightestLimit) meet(x *tightestLimit) {
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

// adviceOn is the advice of a decision about asks, whose gates and chains d has. rows are the rows of
// its chains, and model is what the request would call.
func (v *View) adviceOn(d *bursar.Decision, asks []Ask, rows [][]uint32, model string) bursar.Advice {
	var t tightestLimit
	t.meetGate(&d.Gate, &asks[0])
	for i := range d.Costs {
		t.meetGate(&d.Costs[i].Gate, &asks[i+1])
	}
	t.meetChains(d.Chains)
	return v.advise(&t, d.Chains, rows, model)
}

// advise is the advice by the tightest limit and by the degrade policies of the entities whose limits
// are in chains. rows are the rows of chains.
func (v *View) advise(t *tightestLimit, chains [][]bursar.Node, rows [][]uint32, model string) bursar.Advice {
	if v.noDegrades() || len(rows) == 0 {
		return t.advice()
	}
	c := climb{tightest: t}
	var soft tightestLimit // of what a policy looks at
	for i, chain := range rows {
		for j, row := range chain {
			n, def := &chains[i][j], v.Def(row)
			if n.UsageLimit == nil || n.Highest {
				continue
			}
			for _, p := range v.degradesOf(def.Ent) {
				if p.Cap == 0 || p.Cap == def.Cap {
					soft.meetNode(n)
					c.weigh(p, n)
				}
			}
		}
	}
	if t.source == "" {
		c.tightest = &soft
	}
	return c.advice(model)
}

// climb is how far the limits of a path are up the ladders of its entities.
type climb struct {
	tightest *tightestLimit
	ruled    []*bursar.Node // limits on which a policy says from when the advice is another
	level    bursar.AdviceLevel
	policy   *record.DegradePolicy // whose step is the furthest; nil = none was reached
	step     int
	entity   string
}

// weigh finds how far a limit is up a policy.
func (c *climb) weigh(p *record.DegradePolicy, n *bursar.Node) {
	used := bursar.MaxAmount(bursar.Amount{}, n.CurrentUsage.Add(n.Reserved)).WholePercent(*n.UsageLimit)
	reached, level, rules := -1, bursar.AdviceOK, false
	for i := range p.Steps {
		s := &p.Steps[i]
		rules = rules || s.Level != ""
		if used < int64(s.AtPercent) {
			continue
		}
		if reached = i; s.Level != "" {
			level = s.Level
		}
	}
	if rules {
		c.ruled = append(c.ruled, n)
	}
	c.level = moreUrgent(c.level, level)
	if reached >= 0 && (c.policy == nil || p.Steps[reached].AtPercent > c.policy.Steps[c.step].AtPercent) {
		c.policy, c.step, c.entity = p, reached, n.EntityID
	}
}

func (c *climb) advice(model string) bursar.Advice {
	a := c.tightest.advice()
	if a.Level == "" {
		return a
	}
	for _, n := range c.ruled {
		if n.AssignmentID == a.Limit.AssignmentID && n.EntityID == a.Limit.EntityID {
			a.Level = bursar.AdviceOK
		}
	}
	a.Level = moreUrgent(a.Level, c.level)
	if c.policy != nil {
		a.Degrade = &bursar.Degrade{EntityID: c.entity, AtPercent: c.policy.Steps[c.step].AtPercent}
		for i := range c.policy.Steps[:c.step+1] {
			degradeBy(a.Degrade, &c.policy.Steps[i], model)
		}
	}
	return a
}

// degradeBy adds a step to x: what the step says replaces what earlier steps said.
func degradeBy(x *bursar.Degrade, s *bursar.DegradeStep, model string) {
	x.Model = cmp.Or(s.Model, s.Models[model], x.Model)
	x.MaxTokens = cmp.Or(s.MaxTokens, x.MaxTokens)
	x.NoTools = x.NoTools || s.NoTools
	x.Message = cmp.Or(s.Message, x.Message)
}

func moreUrgent(a, b bursar.AdviceLevel) bursar.AdviceLevel {
	if a == bursar.AdviceStop || b == bursar.AdviceStop {
		return bursar.AdviceStop
	}
	if a == bursar.AdviceWindDown || b == bursar.AdviceWindDown {
		return bursar.AdviceWindDown
	}
	return bursar.AdviceOK
}

// modelOf is the model that a request names; "" = it names none.
func modelOf(dims []bursar.Dimension) string {
	for i := range dims {
		if dims[i].Key == bursar.ModelKey && dims[i].Kind == bursar.DimString {
			return dims[i].Value
		}
	}
	return ""
}
