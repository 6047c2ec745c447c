package sim

import (
	"cmp"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// ask is an amount of one capability that a request is about: first what it names, then
// what that costs, by currency.
type ask struct {
	cap    bursar.Capability
	amount num
}

// asksOf is a request with what it costs at now.
func (m *model) asksOf(k bursar.Capability, amount num, dims []bursar.Dimension, now bursar.Time) (asks []ask, prices []price, f *fail) {
	asks = []ask{{k, amount}}
	if k.Kind == bursar.KindCurrency {
		return asks, nil, nil
	}
	var bad problems
	prices = m.pricesOf(k.ID, dims, now)
	for _, p := range prices {
		cost, ok := p.cost(amount)
		if !ok {
			bad.at("/amount", bursar.CodeInvalidAmount)
		}
		asks = append(asks, ask{currencyOf(p.currency), cost})
	}
	if unpriced(prices) {
		bad.at("/dimensions", bursar.CodeRateNotFound)
	}
	return asks, prices, bad.err()
}

// applying lists the rows of a capability that a request counts on.
func (c *mCust) applying(k bursar.Capability, a attribution) []*mRow {
	var rows []*mRow
	for _, r := range c.limits() {
		if c.applies(r, k, a) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, compareRows)
	return rows
}

// compareRows is the order of the rows of one entity.
func compareRows(x, y *mRow) int {
	return cmp.Or(len(x.scope)-len(y.scope), slices.Compare(x.scope, y.scope), compareText(x.label, y.label),
		cmp.Compare(x.cap.Kind, y.cap.Kind), compareText(x.cap.ID, y.cap.ID))
}

// gate is the customer's own limit of a capability.
func (c *mCust) gate(x ask, now bursar.Time) bursar.Gate {
	t := c.total(x.cap)
	g := bursar.Gate{
		Capability: x.cap, Unlimited: true, CurrentUsage: t.used.amount(), Reserved: t.held.amount(), Requested: x.amount.amount(),
		UpdatedAt: c.changed(x.cap),
	}
	if x.cap.Kind == bursar.KindCurrency {
		if g.Unlimited = !c.m.currencies[x.cap.ID].Prepaid; !g.Unlimited {
			b := c.credit(x.cap.ID, nil)
			g.UsageLimit, g.ResetsAt = b.Limit, b.ExpiresAt
		}
		return g
	}
	if p := c.promos[x.cap.ID]; p != nil && !p.ended(now) {
		w := p.row.window(int64(now))
		shown := p.show(now)
		g.Unlimited, g.Soft, g.Promotion = p.Unlimited, p.Soft, &shown
		g.CurrentUsage = p.row.usedAt(now).amount() // held is what the customer holds, from before it, too
		if p.ResetPeriod != "" {
			g.PeriodStart, g.ResetsAt = bursar.Time(w.start), bursar.Time(w.end)
		}
		if p.row.limit != nil {
			g.UsageLimit = p.row.limit.amount()
		}
	}
	return g
}

// together is the use that a request would make; of a maximum, the higher one.
func (c *mCust) together(k bursar.Capability, used, held, requested num) num {
	if c.m.highest(k) {
		return greater(used, requested)
	}
	return used.add(held).add(requested)
}

// highest: the capability's figure is a maximum.
func (m *model) highest(k bursar.Capability) bool {
	f := m.features[k.ID]
	return k.Kind == bursar.KindFeature && f != nil && f.Meter != nil && f.Meter.Aggregation.Function == "MAX"
}

func (c *mCust) judgeGate(d *bursar.Decision, g bursar.Gate) {
	sum := c.together(g.Capability, numOf(g.CurrentUsage), numOf(g.Reserved), numOf(g.Requested))
	if g.Unlimited || g.Soft || sum.cmp(numOf(g.UsageLimit)) <= 0 {
		return
	}
	limit := g.UsageLimit
	n := bursar.Node{Capability: g.Capability, UsageLimit: &limit, CurrentUsage: g.CurrentUsage, Reserved: g.Reserved, Highest: c.m.highest(g.Capability)}
	if g.Capability.Kind == bursar.KindCurrency {
		deny(d, bursar.CodeInsufficientCredits, bursar.Binding{Source: bursar.BindingCredits, Node: n})
		return
	}
	n.ResetsAt = g.ResetsAt
	deny(d, bursar.CodeRequestedUsageExceeding, bursar.Binding{Source: bursar.BindingCustomer, Node: n})
}

func (c *mCust) node(r *mRow, requested num, now bursar.Time) bursar.Node {
	n := bursar.Node{
		AssignmentID: r.id, EntityID: r.entity, EntityTypeID: c.entities[r.entity].EntityTypeID, ScopeEntityIDs: r.scope,
		Capability: r.cap, Label: r.label, Enforcement: r.enforcement(), CurrentUsage: r.usedAt(now).amount(),
		Requested: requested.amount(), Reserved: r.held.amount(), ResetsAt: bursar.Time(r.window(int64(now)).end), Granted: true,
	}
	if c.enrolment != nil && slices.Contains(c.enrolment.made, r.entity) {
		n.AssignmentID = "of nobody yet"
	}
	if r.by != nil {
		n.DefaultOf = r.by.source()
	}
	if limit := r.effective(now); limit != nil {
		n.UsageLimit = limit.ptr()
		n.Exceeded = c.together(r.cap, r.usedAt(now), r.held, requested).cmp(*limit) > 0
		n.Granted = !n.Exceeded || r.soft
	}
	n.Highest = c.m.highest(r.cap)
	return n
}

// decide judges one request and changes nothing.
func (c *mCust) decide(asks []ask, a attribution, now bursar.Time) bursar.Decision {
	d := bursar.Decision{Granted: true, Capability: asks[0].cap, Gate: c.gate(asks[0], now)}
	if d.Frozen = c.stopped(a.chains...); d.Frozen != nil {
		d.Granted, d.Reason = false, d.Frozen.Code
	} else if c.refused(a) {
		d.Granted, d.Reason = false, bursar.CodeEntityNotFound
	}
	c.judgeGate(&d, d.Gate)
	for _, x := range asks[1:] {
		g := c.gate(x, now)
		d.Costs = append(d.Costs, bursar.PricedGate{Cost: bursar.Cost{CurrencyID: x.cap.ID, Amount: x.amount.amount()}, Gate: g})
		c.judgeGate(&d, g)
	}
	d.Chains = c.chains(asks, a, now)
	d.Advice = c.advise(asks, d.Chains, a.model, now)
	for _, n := range slices.Concat(d.Chains...) {
		if n.Granted {
			continue
		}
		reason := bursar.CodeRequestedUsageExceeding
		if leftOf(numOf(*n.UsageLimit), numOf(n.CurrentUsage), numOf(n.Reserved), n.Highest).sign() == 0 {
			reason = bursar.CodeBudgetExceeded
		}
		deny(&d, reason, bursar.Binding{Source: bursar.BindingEntity, Node: n})
	}
	return d
}

func (c *mCust) chains(asks []ask, a attribution, now bursar.Time) [][]bursar.Node {
	if !a.given {
		return nil
	}
	chains := [][]bursar.Node{}
	var rows []*mRow
	wanted := map[bursar.Capability]num{}
	for _, x := range asks {
		rows = append(rows, c.applying(x.cap, a)...)
		wanted[x.cap] = x.amount
	}
	slices.SortFunc(rows, compareRows)
	for _, chain := range a.chains {
		var nodes []bursar.Node
		for _, id := range chain {
			for _, r := range rows {
				if r.entity == id {
					nodes = append(nodes, c.node(r, wanted[r.cap], now))
				}
			}
		}
		if len(nodes) > 0 {
			chains = append(chains, nodes)
		}
	}
	return chains
}

// deny notes the first reason only.
func deny(d *bursar.Decision, reason bursar.Code, b bursar.Binding) {
	if d.Granted {
		d.Granted, d.Reason, d.Binding = false, reason, &b
	}
}

func unknownCapability(m *model, k bursar.Capability) bool {
	if k.Kind == bursar.KindFeature {
		return m.features[k.ID] == nil
	}
	return m.currencies[k.ID] == nil
}

func (m *model) check(customer string, in []ledger.CheckInput) []bursar.Decision {
	c, now := m.customer(customer)
	var out []bursar.Decision
	for _, x := range in {
		reason := bursar.Code("")
		switch {
		case c == nil:
			reason = bursar.CodeCustomerNotFound
		case c.info.ArchivedAt != nil:
			reason = bursar.CodeCustomerIsArchived
		case unknownCapability(m, x.Capability) && x.Capability.Kind == bursar.KindFeature:
			reason = bursar.CodeFeatureNotFound
		case unknownCapability(m, x.Capability):
			reason = bursar.CodeEntitlementNotFound
		}
		if reason != "" {
			out = append(out, bursar.Decision{Reason: reason, Capability: x.Capability})
			continue
		}
		asks, prices, f := m.asksOf(x.Capability, numOf(x.Requested), x.Dimensions, now)
		if f != nil { // no price, or one beyond all bounds
			out = append(out, bursar.Decision{Reason: bursar.CodeUnknown, Capability: x.Capability})
			continue
		}
		c.begins(true)
		c.enrol(x.Dimensions, now)
		a := c.attribute(x.Dimensions)
		a.strict = x.Strict
		d := c.decide(asks, a, now)
		c.denyUngoverned(&d, c.governed(x.Capability, prices, a, now), a)
		d.Warnings = c.warnings(x.Capability, prices, a, now)
		c.goes()
		out = append(out, d)
	}
	return out
}
