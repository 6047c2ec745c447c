package ledger

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
)

// leaves is what a limit still lets through.
func (a *Ask) leaves(limit, used, held bursar.Amount) bursar.Amount {
	return bursar.LeftOf(limit, used, held, a.max)
}

// gate is the customer's own pool of a capability: of a feature its promotional
// entitlement while it is in force, of a prepaid currency its credits. It is above every
// subtree: a view that is limited to one has no gates.
func (v *View) gate(cat *catalogue.Catalogue, a *Ask) bursar.Gate {
	if v.Root != 0 {
		return bursar.Gate{Capability: a.C, Unlimited: true, Requested: a.Amount}
	}
	t := v.StandingTotal(a.Cap)
	g := bursar.Gate{Capability: a.C, Unlimited: true, CurrentUsage: t.Value, Reserved: t.Held, Requested: a.Amount, UpdatedAt: t.At}
	if g.UpdatedAt == 0 {
		g.UpdatedAt = v.Cust().CreatedAt
	}
	if a.C.Kind == bursar.KindCurrency {
		if cat.Prepaid(a.C.ID) {
			g.Unlimited, g.UsageLimit, g.ResetsAt = false, v.pool(a.Cap).Limit, v.Balance(a.C).ExpiresAt
		}
		return g
	}
	p := v.promoNow(a.Cap)
	if p == nil {
		return g
	}
	c := v.Standing(p.row, v.Def(p.row))
	shown := p.Promotion
	g.Promotion, g.CurrentUsage = &shown, c.Used
	if p.ResetPeriod != "" {
		g.PeriodStart, g.ResetsAt = c.Start, c.End
	}
	if !p.Unlimited {
		g.Unlimited, g.Soft, g.UsageLimit = false, p.Soft, *p.UsageLimit
	}
	return g
}

// promoNow is the promotional entitlement of a feature while it is in force; else nil.
func (v *View) promoNow(cap uint32) *promo {
	if p := v.promoOf(cap); p != nil && (p.EndDate == 0 || v.Now < p.EndDate) {
		return p
	}
	return nil
}

// shut is the binding of a gate that does not let a through; nil when it does.
func shut(g *bursar.Gate, a *Ask) *bursar.Binding {
	if g.Unlimited || g.Soft || !g.UsageLimit.Less(a.onto(g.CurrentUsage, g.Reserved)) {
		return nil
	}
	return gateBinding(g, a)
}

// gateBinding shows a gate as what decided about a.
func gateBinding(g *bursar.Gate, a *Ask) *bursar.Binding {
	limit := g.UsageLimit
	b := &bursar.Binding{Source: bursar.BindingCredits, Node: bursar.Node{Capability: a.C, UsageLimit: &limit,
		CurrentUsage: g.CurrentUsage, Reserved: g.Reserved, Requested: a.Amount, Highest: a.max, Exceeded: g.UsageLimit.Less(a.onto(g.CurrentUsage, g.Reserved))}}
	if a.C.Kind == bursar.KindFeature {
		b.Source, b.Node.ResetsAt = bursar.BindingCustomer, g.ResetsAt
	}
	return b
}

// judge decides whether asks may be used on the rows of chains, which are those of r. It gives no advice.
func (v *View) judge(cat *catalogue.Catalogue, r *Resolved, asks []Ask, chains [][]uint32) bursar.Decision {
	d := bursar.Decision{Granted: true, Capability: asks[0].C, Gate: v.gate(cat, &asks[0]), Chains: v.nodes(chains, asks)}
	cat.Show(&d)
	if d.Frozen = v.frozenOn(r); d.Frozen != nil {
		d.Granted, d.Reason = false, d.Frozen.Code
	}
	v.judgeStrict(cat, r, &d)
	if b := shut(&d.Gate, &asks[0]); b != nil && d.Granted {
		d.Binding, d.Granted, d.Reason = b, false, gateReason(asks[0].C)
	}
	for i := range asks[1:] {
		a := &asks[i+1]
		p := bursar.PricedGate{Cost: bursar.Cost{CurrencyID: a.C.ID, Amount: a.Amount}, Gate: v.gate(cat, a)}
		if b := shut(&p.Gate, a); b != nil && d.Granted {
			d.Binding, d.Granted, d.Reason = b, false, gateReason(a.C)
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
			d.Granted, d.Reason = false, n.Refusal()
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

// Check answers one question, read-only.
func (v *View) Check(cat *catalogue.Catalogue, in *CheckInput) bursar.Decision {
	deny := func(reason bursar.Code) bursar.Decision {
		d := bursar.Decision{Reason: reason, Capability: in.Capability, Chains: emptyChains(in.Dimensions)}
		cat.Show(&d)
		return d
	}
	cust := v.Cust()
	switch {
	case cust == nil:
		return deny(bursar.CodeCustomerNotFound)
	case cust.ArchivedAt != nil:
		return deny(bursar.CodeCustomerIsArchived)
	case in.Capability.Kind == bursar.KindFeature && cat.FeatureOf[in.Capability.ID] == nil:
		return v.orLike(deny(bursar.CodeFeatureNotFound), cat)
	case in.Capability.Kind == bursar.KindCurrency && cat.CurrencyOf[in.Capability.ID] == nil:
		return v.orLike(deny(bursar.CodeEntitlementNotFound), cat)
	}
	asks, unpriced, err := v.AsksFor(cat, in.Capability, in.Requested, in.Dimensions, v.Now)
	if err != nil {
		return deny(bursar.CodeRequestedUsageExceeding) // no limit is as high as that cost
	}
	if v.wouldEnrol(cat, in.Dimensions) {
		defer v.unenrol()
	}
	r := v.Resolve(cat, in.Dimensions)
	r.strict = in.Strict
	chains, over := v.chains(&r, asks)
	d := v.judge(cat, &r, asks, chains)
	d.Advice = v.adviceOn(&d, asks, chains, r.model)
	d.Warnings = v.Warnings(cat, &r, asks, unpriced, len(chains) > 0, over)
	if len(chains) == 0 && !v.gated(cat, asks) {
		v.judgeUngoverned(cat, &r, in.Capability, &d)
	}
	if d.Granted && cannotCount(asks, over) != nil {
		d.Granted, d.Reason = false, bursar.CodeUnknown
	}
	if len(unpriced) > 0 {
		d.Granted, d.Reason, d.Binding, d.Because, d.Unpriced = false, bursar.CodeUnknown, nil, "", unpriced
	}
	if !d.Granted {
		d.Named = v.leafIDs(&r)
	}
	return d
}

// orLike is d, a decision about a capability that does not exist, with the one that may be meant, if
// there is one.
func (v *View) orLike(d bursar.Decision, cat *catalogue.Catalogue) bursar.Decision {
	n := catalogue.NamedBy(d.Capability.Kind)
	if near := v.likeName(cat, n, d.Capability.ID); near != "" {
		d.Because = n.Missing(d.Capability.ID, near)
	}
	return d
}

// Ask is an amount that a request wants of one capability: the one that it names, or a
// currency that its feature is priced in.
type Ask struct {
	C      bursar.Capability
	Cap    uint32 // 0 = nothing of the customer's log is about it yet
	Amount bursar.Amount
	max    bool // a MAX: what counts is the highest, not the sum
	price  catalogue.Price
}

// AsksFor is what using an amount of c at t asks for: c first, then its costs. unpriced lists the
// currencies in which c has a price, but no rate for dims. An error tells of a cost that
// cannot be counted; asks are whole even then, with 0 for that cost.
func (v *View) AsksFor(cat *catalogue.Catalogue, c bursar.Capability, amount bursar.Amount, dims []bursar.Dimension, t bursar.Time) (asks []Ask, unpriced []string, err error) {
	asks = []Ask{{C: c, Cap: v.CapOrd(c), Amount: amount}}
	if c.Kind != bursar.KindFeature {
		return asks, nil, nil
	}
	if f := cat.FeatureOf[c.ID]; f != nil && f.Meter != nil && !catalogue.Summing(f.Meter) {
		asks[0].max = cat.Highest(c)
		return asks, nil, nil // an archived card may still have a price of it
	}
	for _, p := range cat.PricesOf(c.ID, dims, t) {
		if p.Rate == nil {
			unpriced = append(unpriced, p.Card.CurrencyID)
			continue
		}
		cost, ok := p.Rate.Cost(amount)
		if !ok {
			err = bursar.Errorf(bursar.CodeInvalidAmount, "%s of feature %q would cost 10^15 %s or more", amount, c.ID, p.Card.CurrencyID)
		}
		cur := bursar.Capability{Kind: bursar.KindCurrency, ID: p.Card.CurrencyID}
		asks = append(asks, Ask{C: cur, Cap: v.CapOrd(cur), Amount: cost, price: p})
	}
	return asks, unpriced, err
}

// Charged makes asks those of the costs that usage was charged with: a card may have been
// archived at the very instant of that usage, and then has no price of it any more.
func (v *View) Charged(asks []Ask, costs []bursar.Cost) []Ask {
	for i := range asks[1:] {
		asks[i+1].Amount = bursar.Amount{}
	}
	for _, cost := range costs {
		i := 1 + slices.IndexFunc(asks[1:], func(a Ask) bool { return a.C.ID == cost.CurrencyID })
		if i == 0 {
			c := bursar.Capability{Kind: bursar.KindCurrency, ID: cost.CurrencyID}
			asks = append(asks, Ask{C: c, Cap: v.CapOrd(c)})
			i = len(asks) - 1
		}
		asks[i].Amount = cost.Amount
	}
	slices.SortStableFunc(asks[1:], func(a, b Ask) int { return strings.Compare(a.C.ID, b.C.ID) })
	return asks
}

// costsOf are the costs of asks, without those of nothing.
func costsOf(asks []Ask) []bursar.Cost {
	var out []bursar.Cost
	for _, a := range asks[1:] {
		if a.Amount.IsZero() {
			continue
		}
		out = append(out, bursar.Cost{CurrencyID: a.C.ID, Amount: a.Amount})
	}
	return out
}

// onto is what a limit has to bear when a comes on top of what is used and held.
func (a *Ask) onto(used, held bursar.Amount) bursar.Amount {
	if a.max {
		return bursar.MaxAmount(used, a.Amount).Add(held)
	}
	return used.Add(held).Add(a.Amount)
}
