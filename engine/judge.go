package engine

import "github.com/bursarhq/bursar"

// gate is the customer's own pool of a capability: of a feature its promotional
// entitlement while it is in force, of a prepaid currency its credits. It is above every
// subtree: a view that is limited to one has no gates.
func (v *view) gate(cat *Catalogue, a *ask) bursar.Gate {
	if v.root != 0 {
		return bursar.Gate{Capability: a.c, Unlimited: true, Requested: a.amount}
	}
	t := v.standingTotal(a.cap)
	g := bursar.Gate{Capability: a.c, Unlimited: true, CurrentUsage: t.value, Reserved: t.held, Requested: a.amount, UpdatedAt: t.at}
	if g.UpdatedAt == 0 {
		g.UpdatedAt = v.cust().CreatedAt
	}
	if a.c.Kind == bursar.KindCurrency {
		if cat.prepaid(a.c.ID) {
			g.Unlimited, g.UsageLimit, g.ResetsAt = false, v.pool(a.cap).limit, v.balance(a.c).ExpiresAt
		}
		return g
	}
	p := v.promoNow(a.cap)
	if p == nil {
		return g
	}
	c := v.standing(p.row, v.def(p.row))
	shown := p.Promotion
	g.Promotion, g.CurrentUsage = &shown, c.used
	if p.ResetPeriod != "" {
		g.PeriodStart, g.ResetsAt = c.start, c.end
	}
	if !p.Unlimited {
		g.Unlimited, g.Soft, g.UsageLimit = false, p.Soft, *p.UsageLimit
	}
	return g
}

// promoNow is the promotional entitlement of a feature while it is in force; else nil.
func (v *view) promoNow(cap uint32) *promo {
	if p := v.promoOf(cap); p != nil && (p.EndDate == 0 || v.now < p.EndDate) {
		return p
	}
	return nil
}

func (c *Catalogue) prepaid(currencyID string) bool {
	cur := c.currencies[currencyID]
	return cur != nil && cur.Prepaid
}

// shut is the binding of a gate that does not let a through; nil when it does.
func shut(g *bursar.Gate, a *ask) *bursar.Binding {
	if g.Unlimited || g.Soft || !g.UsageLimit.Less(a.onto(g.CurrentUsage, g.Reserved)) {
		return nil
	}
	limit := g.UsageLimit
	b := &bursar.Binding{Source: bursar.BindingCredits, Node: bursar.Node{Capability: a.c, UsageLimit: &limit,
		CurrentUsage: g.CurrentUsage, Reserved: g.Reserved, Requested: a.amount, Exceeded: true}}
	if a.c.Kind == bursar.KindFeature {
		b.Source, b.Node.ResetsAt = bursar.BindingCustomer, g.ResetsAt
	}
	return b
}

// judge decides whether asks may be used on the rows of chains.
func (v *view) judge(cat *Catalogue, asks []ask, chains [][]uint32) bursar.Decision {
	d := bursar.Decision{Granted: true, Capability: asks[0].c, Gate: v.gate(cat, &asks[0]), Chains: v.nodes(chains, asks)}
	if d.Binding = shut(&d.Gate, &asks[0]); d.Binding != nil {
		d.Granted, d.Reason = false, gateReason(asks[0].c)
	}
	for i := range asks[1:] {
		a := &asks[i+1]
		p := bursar.PricedGate{Cost: bursar.Cost{CurrencyID: a.c.ID, Amount: a.amount}, Gate: v.gate(cat, a)}
		if b := shut(&p.Gate, a); b != nil && d.Granted {
			d.Binding, d.Granted, d.Reason = b, false, gateReason(a.c)
		}
		d.Costs = append(d.Costs, p)
	}
	if d.Granted {
		judgeNodes(&d)
	}
	return d
}

// judgeNodes denies d for the first node that does not let it through.
func judgeNodes(d *bursar.Decision) {
	for _, chain := range d.Chains {
		for i := range chain {
			n := &chain[i]
			if n.Granted {
				continue
			}
			d.Granted, d.Reason = false, bursar.CodeRequestedUsageExceeding
			if !n.CurrentUsage.Add(n.Reserved).Less(*n.UsageLimit) {
				d.Reason = bursar.CodeBudgetExceeded
			}
			d.Binding = &bursar.Binding{Source: bursar.BindingEntity, Node: *n}
			return
		}
	}
}

func gateReason(c bursar.Capability) bursar.Code {
	if c.Kind == bursar.KindCurrency {
		return bursar.CodeInsufficientCredits
	}
	return bursar.CodeRequestedUsageExceeding
}

// check answers one question, read-only.
func (v *view) check(cat *Catalogue, in *CheckInput) bursar.Decision {
	deny := func(reason bursar.Code) bursar.Decision {
		return bursar.Decision{Reason: reason, Capability: in.Capability, Chains: emptyChains(in.Dimensions)}
	}
	cust := v.cust()
	switch {
	case cust == nil:
		return deny(bursar.CodeCustomerNotFound)
	case cust.ArchivedAt != nil:
		return deny(bursar.CodeCustomerIsArchived)
	case in.Capability.Kind == bursar.KindFeature && cat.features[in.Capability.ID] == nil:
		return deny(bursar.CodeFeatureNotFound)
	case in.Capability.Kind == bursar.KindCurrency && cat.currencies[in.Capability.ID] == nil:
		return deny(bursar.CodeEntitlementNotFound)
	}
	asks, unpriced, err := v.asksFor(cat, in.Capability, in.Requested, in.Dimensions, v.now)
	if err != nil {
		return deny(bursar.CodeRequestedUsageExceeding) // no limit is as high as that cost
	}
	r := v.resolve(cat, in.Dimensions)
	chains, over := v.chains(&r, asks)
	d := v.judge(cat, asks, chains)
	d.Warnings = warnOver(asks, over, v.warnings(cat, &r, asks, unpriced, len(chains) > 0))
	if d.Granted && cannotCount(asks, over) != nil {
		d.Granted, d.Reason = false, bursar.CodeUnknown
	}
	if len(unpriced) > 0 {
		d.Granted, d.Reason, d.Binding, d.Unpriced = false, bursar.CodeUnknown, nil, unpriced
	}
	return d
}
