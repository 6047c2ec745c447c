package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

const ahead = bursar.Time(5 * 60 * 1e9)

// attribution is what a request's dimensions resolve to.
type attribution struct {
	given   bool
	chains  [][]string // for each dimension that matched: the entity and its ancestors
	set     map[string]bool
	route   []hop
	ignored []unnamed // dimensions with attribution keys that matched nothing
	matched []unnamed // those that did
	strict  bool      // of the request
	model   string    // that is called
	unclear []unclear // dimensions with keys that nobody knows, and that are like known ones
}

// unclear is a key, the attribution key that it was meant to be, and that one's type.
type unclear struct{ key, meant, typ string }

type unnamed struct {
	key, typ, id string
	number       bool // of an event, which names nobody
}

func sortedDims(dims []bursar.Dimension) []bursar.Dimension {
	dims = slices.Clone(dims)
	slices.SortFunc(dims, func(a, b bursar.Dimension) int { return strings.Compare(a.Key, b.Key) })
	return dims
}

func (c *mCust) attribute(dims []bursar.Dimension) attribution {
	a := attribution{given: dims != nil, set: map[string]bool{}}
	for _, d := range sortedDims(dims) {
		if d.Key == "model" && d.Kind == bursar.DimString {
			a.model = d.Value
		}
		if meant, typ := c.m.meantBy(d.Key); meant != "" && d.Kind == bursar.DimString && !slices.ContainsFunc(dims, func(o bursar.Dimension) bool { return c.m.typeNamed(o.Key) == typ }) {
			a.unclear = append(a.unclear, unclear{d.Key, meant, typ})
		}
		for _, t := range c.m.types {
			if t.ArchivedAt != nil || !slices.Contains(t.AttributionKeys, d.Key) {
				continue
			}
			e, known := c.entities[d.Value]
			if !known || e.EntityTypeID != t.ID {
				a.ignored = append(a.ignored, unnamed{key: d.Key, typ: t.ID, id: d.Value})
				continue
			}
			a.matched = append(a.matched, unnamed{key: d.Key, typ: t.ID, id: d.Value})
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

// plain are the dimensions whose keys name entities of no type.
func (c *mCust) plain(dims []bursar.Dimension) (out []bursar.Dimension) {
	for _, d := range dims {
		if c.m.typeNamed(d.Key) == "" {
			out = append(out, d)
		}
	}
	return out
}

// typeNamed is the type of the entities that a dimension's key names; "" = none.
func (m *model) typeNamed(key string) string {
	for _, t := range m.types {
		if t.ArchivedAt == nil && slices.Contains(t.AttributionKeys, key) {
			return t.ID
		}
	}
	return ""
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

// moveLevels: what was used of a fluctuating feature is part of the level of each entity
// that it came from, or of the customer's where there is none.
func (c *mCust) moveLevels(k bursar.Capability, route []hop, d num) {
	f := c.m.features[k.ID]
	if k.Kind != bursar.KindFeature || f == nil || !f.Fluctuating() {
		return
	}
	for _, id := range c.leavesOf(route) {
		l := c.levels[levelKey{id, k.ID}]
		l.value = notBelowZero(l.value.add(d))
		c.levels[levelKey{id, k.ID}] = l
	}
}

// leavesOf lists the entities that usage came from: those that were named and have no
// other such below them; "" alone is the customer.
func (c *mCust) leavesOf(route []hop) []string {
	matched, above := []string{}, map[string]bool{}
	for _, h := range route {
		if h.entity != "" && h.child == "" {
			matched = append(matched, h.entity)
			for _, id := range ancestors(c.entities, h.entity) {
				above[id] = true
			}
		}
	}
	from := slices.DeleteFunc(matched, func(id string) bool { return above[id] })
	if len(from) == 0 {
		from = []string{""}
	}
	return from
}

// applies: the row is of a live entity that is resolved, as all of its scope is.
func (c *mCust) applies(r *mRow, k bursar.Capability, a attribution) bool {
	if r.cap != k || !a.set[r.entity] || c.entities[r.entity].ArchivedAt != nil {
		return false
	}
	return !slices.ContainsFunc(r.scope, func(id string) bool { return !a.set[id] })
}

// record counts an amount on rows, on the customer and in the histories. A prepaid
// currency's pool moves by what the customer's total took.
func (c *mCust) record(k bursar.Capability, d num, rows []*mRow, a fact, now bursar.Time) {
	for _, r := range rows {
		if r.charge(d, bursar.Time(a.at), now) {
			c.alert(r, now)
		}
	}
	t := c.total(k)
	used := notBelowZero(t.used.add(d))
	took := used.sub(t.used)
	if took.sign() != 0 {
		t.used, t.at = used, c.changedAt(k, d, now)
	}
	if a.cap, a.amount = k, d; d.sign() != 0 {
		c.note(a)
	}
	switch {
	case k.Kind != bursar.KindCurrency:
	case c.rereading != nil:
		c.dearer = append(c.dearer, dearer{k.ID, a.source, took})
	default:
		c.draw(k.ID, took, now)
	}
}

// spend records usage of a feature, and then what it cost. Rows of a promotional
// entitlement count with those of the entities.
func (c *mCust) spend(k bursar.Capability, d num, costs []charge, rows func(bursar.Capability) []*mRow, a fact, now bursar.Time) {
	c.record(k, d, rows(k), a, now)
	for _, x := range costs {
		if x.cost.sign() == 0 {
			continue
		}
		f := a
		f.source = k.ID
		c.record(currencyOf(x.currency), x.cost, rows(currencyOf(x.currency)), f, now)
	}
}

// charge is a cost in one currency.
type charge struct {
	currency string
	cost     num
}

// costsShown: what is free is not listed.
func costsShown(list []charge) []bursar.Cost {
	var out []bursar.Cost
	for _, x := range list {
		if x.cost.sign() != 0 {
			out = append(out, bursar.Cost{CurrencyID: x.currency, Amount: x.cost.amount()})
		}
	}
	return out
}

// counting lists the rows that usage of a capability counts on: those of the entities
// and the customer's own.
func (c *mCust) counting(a attribution) func(bursar.Capability) []*mRow {
	return func(k bursar.Capability) []*mRow {
		rows := append(c.applying(k, a), c.own(k)...)
		if c.rereading != nil {
			rows = olderThan(rows, c.rereading.kept)
		}
		return rows
	}
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

// reporting is what reports of usage and of consumption differ in.
type reporting struct{ op, base, target, value, time string }

var (
	ofUsage       = reporting{"usage", "/usages", "/featureId", "/value", "/createdAt"}
	ofConsumption = reporting{"consumption", "/consumptions", "/currencyId", "/amount", "/createdAt"}
)

func (o reporting) content(x bursar.UsageInput) string {
	return content(o.op, x.Capability(), x.Value, string(behaviorOf(x)), x.Dimensions)
}

// reportUsage judges all items of all customers before it counts any.
func (m *model) reportUsage(o reporting, in []bursar.UsageInput) ([]bursar.UsageResult, *fail) {
	var p problems
	begun := map[string]*mCust{}
	sent := map[string]bool{}
	until := make([]int, len(in)) // how many are made up to each item
	for i, x := range in {
		p.item = fmt.Sprintf("%s/%d", o.base, i)
		own := problems{item: p.item}
		if c, now := m.customer(x.CustomerID); c != nil {
			if begun[x.CustomerID] == nil {
				c.begins(false)
				begun[x.CustomerID] = c
			}
			id := keyID{x.Capability().ID, x.IdempotencyKey}
			place := fmt.Sprint(x.CustomerID, x.Capability(), x.IdempotencyKey)
			if _, known := c.keys[id]; x.IdempotencyKey == "" || !known && !sent[place] {
				c.enrol(x.Dimensions, now)
			}
			sent[place] = true
			until[i] = len(c.enrolment.made)
		}
		m.judgeUsage(&own, o, x, in[:i])
		p.list = append(p.list, own.judged(m.recorded(o, x))...)
	}
	var items []keyed
	for _, x := range in {
		items = append(items, keyed{x.CustomerID, x.Capability().ID, x.IdempotencyKey, o.content(x), o.content(x)})
	}
	m.judgeKeys(&p, o.base, items)
	if f := p.err(); f != nil {
		for _, c := range begun {
			c.goes()
		}
		return nil, f
	}
	for _, c := range begun {
		c.stays()
	}
	var out []bursar.UsageResult
	for i, x := range in {
		begun[x.CustomerID].enrolment.later = begun[x.CustomerID].enrolment.made[until[i]:]
		out = append(out, m.recordUsage(o, x))
	}
	for _, c := range begun {
		c.enrolment = nil
	}
	for i, x := range in { // a duplicate shows the balance that the request leaves
		if !out[i].Duplicate {
			continue
		}
		c, now := m.customer(x.CustomerID)
		c.showUse(&out[i], x.Capability(), now)
		if out[i].Credit != nil {
			out[i].Credit = c.credit(out[i].Credit.CurrencyID, &num{})
		}
	}
	return out, nil
}

// recorded tells whether an item of a report was recorded before.
func (m *model) recorded(o reporting, x bursar.UsageInput) bool {
	c := m.customers[x.CustomerID]
	if c == nil || x.IdempotencyKey == "" || m.features[x.FeatureID] == nil && m.currencies[x.CurrencyID] == nil {
		return false
	}
	k, known := c.keys[keyID{x.Capability().ID, x.IdempotencyKey}]
	return known && k.content == o.content(x)
}

// keyed is an item of a request with its idempotency key.
type keyed struct {
	customer, target, key, content string
	unruled                        string // content, before there was a rule
}

// judgeKeys: a key means one content, in the request and in what was stored.
func (m *model) judgeKeys(p *problems, base string, in []keyed) {
	allFit := len(p.list) == 0
	type place struct{ customer, target, key string }
	seen := map[place]string{}
	for i, x := range in {
		at := place{x.customer, x.target, x.key}
		if x.key == "" || m.customers[x.customer] == nil {
			continue
		}
		inRequest, again := seen[at]
		first := inRequest
		if k, stored := m.customers[x.customer].keys[keyID{at.target, at.key}]; stored && (k.hold == nil || k.hold.call == nil) {
			if first = k.content; first == x.unruled {
				first = x.content
			}
		} // else an event with the key ends the reservation
		if !again {
			seen[at] = x.content
		}
		if first != "" && first != x.content || again && inRequest != x.content {
			// What equals an item that conflicts, or what was stored, need not be named too.
			optional := !allFit || inRequest == x.content || first == x.content
			p.list = append(p.list, problem{fmt.Sprintf("%s/%d", base, i), "/idempotencyKey", bursar.CodeIdempotencyKeyReused, optional})
		}
	}
}

func (m *model) judgeUsage(p *problems, o reporting, x bursar.UsageInput, before []bursar.UsageInput) {
	c, now := m.customer(x.CustomerID)
	if c == nil {
		p.at("/customerId", bursar.CodeCustomerNotFound)
		now = m.clock
	} else {
		c.log.tried(now)
	}
	m.judgeTarget(p, o, x)
	if x.Timestamp != 0 && (x.Timestamp < now-bursar.Time(m.horizon) || x.Timestamp > now+ahead) {
		p.at(o.time, bursar.CodeTimestampOutOfRange)
	}
	if c == nil {
		return
	}
	if x.Behavior == bursar.Set {
		if _, ok := c.attribute(x.Dimensions).leaf(); !ok {
			p.at("/dimensions", bursar.CodeValidationFailed)
			return
		}
	}
	if p.bad() {
		return
	}
	if leaf, _ := c.attribute(x.Dimensions).leaf(); x.Behavior == bursar.Set {
		k := levelKey{leaf, x.FeatureID}
		was, had := c.levels[k]
		defer func() {
			if c.levels[k] = was; !had {
				delete(c.levels, k)
			}
		}()
		seen := map[string]bool{}
		for _, y := range before {
			if y.IdempotencyKey == "" || !seen[y.IdempotencyKey] {
				c.levels[k] = c.levelAfter(c.levels[k], leaf, x, y, now)
			}
			seen[y.IdempotencyKey] = true
		}
	}
	if _, _, tooMuch := c.costsOf(x, now); tooMuch {
		p.at(o.value, bursar.CodeInvalidAmount)
	}
}

// levelAfter is the level of a leaf of what x is usage of after an earlier item.
func (c *mCust) levelAfter(l mLevel, leaf string, x, y bursar.UsageInput, now bursar.Time) mLevel {
	if _, again := c.keys[keyID{y.FeatureID, y.IdempotencyKey}]; y.CustomerID != x.CustomerID || y.FeatureID != x.FeatureID || again && y.IdempotencyKey != "" {
		return l
	}
	a := c.attribute(y.Dimensions)
	if y.Behavior == bursar.Set {
		at := now
		if y.Timestamp != 0 {
			at = min(y.Timestamp, now)
		}
		if its, _ := a.leaf(); its == leaf && at >= l.at {
			return mLevel{greater(numOf(y.Value), num{}), at}
		}
		return l
	}
	if f := c.m.features[y.FeatureID]; f != nil && f.Fluctuating() && slices.Contains(c.leavesOf(a.route), leaf) {
		l.value = notBelowZero(l.value.add(numOf(y.Value)))
	}
	return l
}

func (m *model) judgeTarget(p *problems, o reporting, x bursar.UsageInput) {
	if o == ofConsumption {
		if m.currencies[x.CurrencyID] == nil {
			p.at(o.target, bursar.CodeCurrencyNotFound)
		}
		if x.Value.Sign() <= 0 {
			p.at(o.value, bursar.CodeInvalidAmount)
		}
		return
	}
	f := m.features[x.FeatureID]
	switch {
	case f == nil:
		p.at(o.target, bursar.CodeFeatureNotFound)
	case f.Meter != nil:
		p.at("*", bursar.CodeFeatureHasMeter)
	case x.Value.Sign() < 0 && !f.Fluctuating():
		p.at(o.value, bursar.CodeInvalidAmount)
	}
}

// changeOf is what an item changes: its value or, of a SET, the difference to the level.
func (c *mCust) changeOf(x bursar.UsageInput, now bursar.Time) (d num, at bursar.Time, stale bool) {
	given := x.Timestamp
	if given == 0 {
		given = now
	}
	d, at = numOf(x.Value), min(given, now)
	if x.Behavior == bursar.Set {
		leaf, _ := c.attribute(x.Dimensions).leaf()
		level := c.levels[levelKey{leaf, x.FeatureID}]
		if at < level.at {
			return num{}, now, true
		}
		return greater(d, num{}).sub(level.value), now, false
	}
	return d, at, false
}

// costsOf is what an item of a report costs, by currency.
func (c *mCust) costsOf(x bursar.UsageInput, now bursar.Time) (list []charge, prices []price, tooMuch bool) {
	if x.CurrencyID != "" {
		return nil, nil, false
	}
	d, _, _ := c.changeOf(x, now)
	at := now
	if x.Timestamp != 0 {
		at = min(x.Timestamp, now) // of a SET, too, which is charged now
	}
	prices = c.m.pricesOf(x.FeatureID, x.Dimensions, at)
	list, tooMuch = c.charges(featureOf(x.FeatureID), d, prices)
	return list, prices, tooMuch
}

// charges is what an amount costs. Only what was used is paid back: a negative amount
// costs what the feature's total takes of it, and at most the currency's total.
func (c *mCust) charges(k bursar.Capability, d num, prices []price) (list []charge, tooMuch bool) {
	if d.sign() < 0 {
		d = greater(d, c.total(k).used.neg())
	}
	for _, p := range prices {
		if p.rate == nil {
			continue
		}
		cost, ok := p.cost(d)
		tooMuch = tooMuch || !ok
		if cost.sign() < 0 {
			cost = greater(cost, c.total(currencyOf(p.currency)).used.neg())
		}
		list = append(list, charge{p.currency, cost})
	}
	return list, tooMuch
}

func (m *model) recordUsage(o reporting, x bursar.UsageInput) bursar.UsageResult {
	c, now := m.customer(x.CustomerID)
	k := x.Capability()
	if old, known := c.keys[keyID{k.ID, x.IdempotencyKey}]; known && x.IdempotencyKey != "" {
		r := old.usage
		r.Duplicate, r.Warnings = true, nil
		return r
	}
	a := c.attribute(x.Dimensions)
	r := bursar.UsageResult{ID: m.newID("u"), Timestamp: x.Timestamp, CreatedAt: now.Milli()}
	if x.Timestamp == 0 {
		r.Timestamp = now
	}
	d, at, stale := c.changeOf(x, now)
	costs, prices, _ := c.costsOf(x, now)
	r.Warnings = c.reportWarnings(k, d, prices, a, now)
	if stale {
		r.Warnings = slices.Sorted(slices.Values(append(r.Warnings, "STALE_SET")))
	} else if leaf, _ := a.leaf(); x.Behavior == bursar.Set {
		c.levels[levelKey{leaf, x.FeatureID}] = mLevel{greater(numOf(x.Value), num{}), min(r.Timestamp, now)}
	} else {
		c.moveLevels(k, a.route, d)
	}
	c.spend(k, d, costs, c.counting(a), fact{at: int64(at), route: a.route, dims: c.plain(x.Dimensions)}, now)
	r.Costs = costsShown(costs)
	c.showUse(&r, k, now)
	asks := []ask{{k, d}}
	for _, x := range costs {
		asks = append(asks, ask{currencyOf(x.currency), x.cost})
	}
	r.Credit = c.creditOf(asks, false)
	c.log.wrote(now)
	if x.IdempotencyKey != "" {
		c.keys[keyID{k.ID, x.IdempotencyKey}] = mKey{content: o.content(x), at: now, usage: r}
	}
	return r
}

// own is the row of the customer's promotional entitlement, if there is one.
func (c *mCust) own(k bursar.Capability) []*mRow {
	if p := c.promos[k.ID]; p != nil && k.Kind == bursar.KindFeature {
		return []*mRow{p.row}
	}
	return nil
}

// showUse fills in the customer's use: in its promotional window, else of all time.
func (c *mCust) showUse(r *bursar.UsageResult, k bursar.Capability, now bursar.Time) {
	r.CurrentUsage, r.PeriodStart, r.PeriodEnd = c.total(k).used.amount(), 0, 0
	if p := c.promos[k.ID]; p != nil && k.Kind == bursar.KindFeature && !p.ended(now) {
		w := p.row.window(int64(now))
		if r.CurrentUsage = p.row.usedAt(now).amount(); p.ResetPeriod != "" {
			r.PeriodStart, r.PeriodEnd = bursar.Time(w.start), bursar.Time(w.end)
		}
	}
}
