package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
)

const ahead = bursar.Time(5 * 60 * 1e9)

// attribution is what a request's dimensions resolve to.
type attribution struct {
	given   bool
	chains  [][]string // for each dimension that matched: the entity and its ancestors
	set     map[string]bool
	route   []hop
	ignored []string // attribution keys that matched nothing
}

func sortedDims(dims []bursar.Dimension) []bursar.Dimension {
	dims = slices.Clone(dims)
	slices.SortFunc(dims, func(a, b bursar.Dimension) int { return strings.Compare(a.Key, b.Key) })
	return dims
}

func (c *mCust) attribute(dims []bursar.Dimension) attribution {
	a := attribution{given: dims != nil, set: map[string]bool{}}
	for _, d := range sortedDims(dims) {
		for _, t := range c.m.types {
			if t.ArchivedAt != nil || !slices.Contains(t.AttributionKeys, d.Key) {
				continue
			}
			e, known := c.entities[d.Value]
			if !known || e.EntityTypeID != t.ID {
				a.ignored = append(a.ignored, d.Key)
				continue
			}
			chain := append([]string{e.ID}, ancestors(c.entities, e.ID)...)
			a.chains = append(a.chains, chain)
			child := ""
			for _, id := range chain {
				if !a.set[id] {
					a.route = append(a.route, hop{id, child})
				}
				a.set[id], child = true, id
			}
		}
	}
	a.route = append(a.route, hop{})
	return a
}

// leaf is the matched entity below all others; "" when none matched.
func (a attribution) leaf() (id string, ok bool) {
	for _, chain := range a.chains {
		lowest := true
		for _, other := range a.chains {
			lowest = lowest && slices.Contains(chain, other[0])
		}
		if lowest {
			return chain[0], true
		}
	}
	return "", len(a.chains) == 0
}

// applies: the row is of a live entity that is resolved, as all of its scope is.
func (c *mCust) applies(r *mRow, k bursar.Capability, a attribution) bool {
	if r.cap != k || !a.set[r.entity] || c.entities[r.entity].ArchivedAt != nil {
		return false
	}
	return !slices.ContainsFunc(r.scope, func(id string) bool { return !a.set[id] })
}

func (c *mCust) applying(k bursar.Capability, a attribution) []*mRow {
	var rows []*mRow
	for _, r := range c.rows {
		if c.applies(r, k, a) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(x, y *mRow) int {
		if d := len(x.scope) - len(y.scope); d != 0 {
			return d
		}
		if d := slices.Compare(x.scope, y.scope); d != 0 {
			return d
		}
		return strings.Compare(x.label, y.label)
	})
	return rows
}

func (c *mCust) gate(k bursar.Capability) bursar.Gate {
	t := c.total(k)
	g := bursar.Gate{Unlimited: true, CurrentUsage: t.used.amount(), Reserved: t.held.amount(), UpdatedAt: t.at}
	if k.Kind == bursar.KindCurrency {
		g.Unlimited = !c.m.currencies[k.ID].Prepaid
	}
	if t.at == 0 {
		g.UpdatedAt = c.info.CreatedAt
	}
	return g
}

func (c *mCust) node(r *mRow, requested num, now bursar.Time) bursar.Node {
	n := bursar.Node{
		AssignmentID: r.id, EntityID: r.entity, EntityTypeID: c.entities[r.entity].EntityTypeID, ScopeEntityIDs: r.scope,
		Capability: r.cap, Label: r.label, Enforcement: r.enforcement(), CurrentUsage: r.usedAt(now).amount(),
		Requested: requested.amount(), Reserved: r.held.amount(), ResetsAt: bursar.Time(r.window(int64(now)).end), Granted: true,
	}
	if r.limit != nil {
		n.UsageLimit = r.limit.ptr()
		n.Exceeded = r.usedAt(now).add(r.held).add(requested).cmp(*r.limit) > 0
		n.Granted = !n.Exceeded || r.soft
	}
	return n
}

// decide judges one request and changes nothing.
func (c *mCust) decide(k bursar.Capability, requested num, a attribution, now bursar.Time) bursar.Decision {
	d := bursar.Decision{Granted: true, Capability: k, Gate: c.gate(k)}
	if a.given {
		d.Chains = [][]bursar.Node{}
	}
	rows := c.applying(k, a)
	for _, chain := range a.chains {
		var nodes []bursar.Node
		for _, id := range chain {
			for _, r := range rows {
				if r.entity == id {
					nodes = append(nodes, c.node(r, requested, now))
				}
			}
		}
		if len(nodes) > 0 {
			d.Chains = append(d.Chains, nodes)
		}
	}
	if t := c.total(k); !d.Gate.Unlimited && t.used.neg().sub(t.held).cmp(requested) < 0 {
		deny(&d, bursar.CodeInsufficientCredits, bursar.Binding{Source: bursar.BindingCredits, Node: bursar.Node{
			Capability: k, UsageLimit: num{}.ptr(), CurrentUsage: d.Gate.CurrentUsage, Reserved: d.Gate.Reserved,
		}})
	}
	for _, n := range slices.Concat(d.Chains...) {
		if n.Granted {
			continue
		}
		reason := bursar.CodeRequestedUsageExceeding
		if numOf(n.CurrentUsage).add(numOf(n.Reserved)).cmp(numOf(*n.UsageLimit)) >= 0 {
			reason = bursar.CodeBudgetExceeded
		}
		deny(&d, reason, bursar.Binding{Source: bursar.BindingEntity, Node: n})
	}
	return d
}

// deny notes the first reason only.
func deny(d *bursar.Decision, reason bursar.Code, b bursar.Binding) {
	if d.Granted {
		d.Granted, d.Reason, d.Binding = false, reason, &b
	}
}

// record counts an amount on rows, on the customer and in the histories.
func (c *mCust) record(k bursar.Capability, d num, rows []*mRow, a fact, now bursar.Time) {
	for _, r := range rows {
		r.charge(d, bursar.Time(a.at), now)
	}
	t := c.total(k)
	if used := notBelowZero(t.used.add(d)); used.cmp(t.used) != 0 {
		t.used, t.at = used, now
	}
	if a.cap, a.amount = k, d; d.sign() != 0 {
		c.facts = append(c.facts, a)
	}
}

func unknownCapability(m *model, k bursar.Capability) bool {
	if k.Kind == bursar.KindFeature {
		return m.features[k.ID] == nil
	}
	return m.currencies[k.ID] == nil
}

func (m *model) check(customer string, in []engine.CheckInput) []bursar.Decision {
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
		out = append(out, c.decide(x.Capability, numOf(x.Requested), c.attribute(x.Dimensions), now))
	}
	return out
}

// content is what a repeated item must agree in with the first of its key.
func content(op string, k bursar.Capability, amount bursar.Amount, how string, dims []bursar.Dimension) string {
	return fmt.Sprint(op, "|", k, "|", amount, "|", how, "|", sortedDims(dims))
}

func featureOf(id string) bursar.Capability {
	return bursar.Capability{Kind: bursar.KindFeature, ID: id}
}

func behaviorOf(x bursar.UsageInput) bursar.UpdateBehavior {
	if x.Behavior == "" {
		return bursar.Delta
	}
	return x.Behavior
}

func usageContent(x bursar.UsageInput) string {
	return content("usage", featureOf(x.FeatureID), x.Value, string(behaviorOf(x)), x.Dimensions)
}

// reportUsage judges all items of all customers before it counts any.
func (m *model) reportUsage(in []bursar.UsageInput) ([]bursar.UsageResult, *fail) {
	var p problems
	for i, x := range in {
		p.item = fmt.Sprintf("/usages/%d", i)
		m.judgeUsage(&p, x)
	}
	allFit := len(p.list) == 0
	type place struct{ customer, target, key string }
	seen := map[place]string{}
	for i, x := range in {
		at, text := place{x.CustomerID, x.FeatureID, x.IdempotencyKey}, usageContent(x)
		if x.IdempotencyKey == "" || m.customers[x.CustomerID] == nil {
			continue
		}
		inRequest, again := seen[at]
		first := inRequest
		if k, stored := m.customers[x.CustomerID].keys[keyID{at.target, at.key}]; stored {
			first = k.content
		}
		if !again {
			seen[at] = text
		}
		if first != "" && first != text || again && inRequest != text {
			// What equals an item that conflicts, or what was stored, need not be named too.
			optional := !allFit || inRequest == text || first == text
			p.list = append(p.list, problem{fmt.Sprintf("/usages/%d", i), "/idempotencyKey", bursar.CodeIdempotencyKeyReused, optional})
		}
	}
	if f := p.err(); f != nil {
		return nil, f
	}
	var out []bursar.UsageResult
	for _, x := range in {
		out = append(out, m.recordUsage(x))
	}
	for i, x := range in { // a duplicate shows the balance that the request leaves
		if out[i].Duplicate {
			out[i].CurrentUsage = m.customers[x.CustomerID].total(featureOf(x.FeatureID)).used.amount()
		}
	}
	return out, nil
}

func (m *model) judgeUsage(p *problems, x bursar.UsageInput) {
	c, now := m.customer(x.CustomerID)
	if c == nil {
		p.at("/customerId", bursar.CodeCustomerNotFound)
		now = m.clock
	} else {
		c.log.tried(now)
	}
	f := m.features[x.FeatureID]
	switch {
	case f == nil:
		p.at("/featureId", bursar.CodeFeatureNotFound)
	case f.Meter != nil:
		p.at("*", bursar.CodeFeatureHasMeter)
	case x.Value.Sign() < 0 && !f.Fluctuating():
		p.at("/value", bursar.CodeInvalidAmount)
	}
	if x.Timestamp != 0 && (x.Timestamp < now-bursar.Time(m.horizon) || x.Timestamp > now+ahead) {
		p.at("/createdAt", bursar.CodeTimestampOutOfRange)
	}
	if c != nil && x.Behavior == bursar.Set {
		if _, ok := c.attribute(x.Dimensions).leaf(); !ok {
			p.at("/dimensions", bursar.CodeValidationFailed)
		}
	}
}

func (m *model) recordUsage(x bursar.UsageInput) bursar.UsageResult {
	c, now := m.customer(x.CustomerID)
	k := featureOf(x.FeatureID)
	if old, known := c.keys[keyID{x.FeatureID, x.IdempotencyKey}]; known && x.IdempotencyKey != "" {
		r := old.usage
		r.Duplicate, r.Warnings = true, nil
		return r
	}
	a := c.attribute(x.Dimensions)
	r := bursar.UsageResult{ID: m.newID("u"), Input: x, Timestamp: x.Timestamp, CreatedAt: now.Milli()}
	if x.Timestamp == 0 {
		r.Timestamp = now
	}
	for _, key := range a.ignored {
		r.Warnings = append(r.Warnings, "DIMENSION_NOT_RESOLVED:"+key)
	}
	at, d := min(r.Timestamp, now), numOf(x.Value)
	if x.Behavior == bursar.Set {
		var stale bool
		if d, stale = c.setLevel(a, x.FeatureID, d, r.Timestamp); stale {
			r.Warnings = append(r.Warnings, "STALE_SET")
		}
		at = now
	}
	c.record(k, d, c.applying(k, a), fact{at: int64(at), route: a.route, dims: x.Dimensions}, now)
	r.CurrentUsage = c.total(k).used.amount()
	c.log.wrote(now)
	if x.IdempotencyKey != "" {
		c.keys[keyID{x.FeatureID, x.IdempotencyKey}] = mKey{content: usageContent(x), at: now, usage: r}
	}
	return r
}

// setLevel gives the change that a new level means.
func (c *mCust) setLevel(a attribution, feature string, value num, at bursar.Time) (d num, stale bool) {
	leaf, _ := a.leaf()
	key := levelKey{leaf, feature}
	old := c.levels[key]
	if at < old.at {
		return num{}, true
	}
	c.levels[key] = mLevel{value, at}
	return value.sub(old.value), false
}
