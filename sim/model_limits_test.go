package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type naturalKey struct {
	entity string
	cap    bursar.Capability
	scope  string
	label  string
}

func (r *mRow) key() naturalKey {
	return naturalKey{r.entity, r.cap, strings.Join(r.scope, " "), r.label}
}

func setOf(ids []string) []string {
	ids = append([]string{}, ids...)
	slices.Sort(ids)
	return slices.Compact(ids)
}

func keyOf(x bursar.AssignmentInput) naturalKey {
	return naturalKey{x.EntityID, x.Capability, strings.Join(setOf(x.ScopeEntityIDs), " "), x.Label}
}

func (c *mCust) rowByKey(k naturalKey) *mRow {
	for _, r := range c.rows {
		if r.entity == k.entity && r.cap == k.cap && r.label == k.label && r.key() == k {
			return r
		}
	}
	return nil
}

// putAssignments judges all items first; moves of entities are seen by later items.
func (m *model) putAssignments(customer string, in []bursar.AssignmentInput) ([]bursar.Assignment, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return nil, f
	}
	tree := maps.Clone(c.entities)
	var p problems
	parents := make([]*string, len(in)) // as the items until then leave them
	trees := make([]map[string]bursar.Entity, len(in))
	var given []*mDefault // in whose place items come
	for i, x := range in {
		p.item = fmt.Sprintf("/assignments/%d", i)
		m.judgeAssignment(&p, c, tree, x)
		here := c.defaultHere(tree, x)
		given = append(given, here)
		judgeRoom(&p, c, in[:i], x)
		judgeRepeats(&p, in[:i], x)
		if e, known := tree[x.EntityID]; known && e.ArchivedAt == nil {
			before := e.ParentID
			reparent(&p, tree, x.EntityID, x.ParentID)
			if e := tree[x.EntityID]; !sameText(e.ParentID, before) {
				e.UpdatedAt = now.Milli()
				tree[x.EntityID] = e
			}
		}
		parents[i] = tree[x.EntityID].ParentID
		trees[i] = maps.Clone(tree)
	}
	if f := p.err(); f != nil {
		return nil, f
	}
	undo := c.keepRows()
	var types []string
	for i, x := range in {
		typ := bursar.EventEntitlementUpdated
		if c.rowByKey(keyOf(x)) == nil {
			typ = bursar.EventEntitlementCreated
		}
		types = append(types, typ)
		c.putRow(x, given[i], now)
	}
	if f := c.allocations(tree, entitiesOf(in), in); f != nil {
		undo()
		return nil, f
	}
	moved := c.entities
	c.entities = tree
	c.log.wrote(now)
	for _, id := range sortedKeys(tree) {
		if !sameText(tree[id].ParentID, moved[id].ParentID) {
			c.tell(bursar.EventEntityUpdated, map[string]any{"entity": tree[id]})
		}
	}
	var out []bursar.Assignment
	for i, x := range in {
		r := c.rowByKey(keyOf(x))
		shown := c.assignment(r, now)
		shown.ParentID = parents[i]
		c.tell(types[i], map[string]any{"entitlement": wireOf(shown)})
		c.entities = trees[i] // who hears of an item does not depend on moves by later ones
		c.alert(r, now)
		c.entities = tree
	}
	for _, x := range in {
		out = append(out, c.assignment(c.rowByKey(keyOf(x)), now))
	}
	return out, nil
}

func sameText(a, b *string) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

// judgeRoom: a new limit has few of its capability beside it. After a bad item it is open
// what of the request counts.
func judgeRoom(p *problems, c *mCust, before []bursar.AssignmentInput, x bursar.AssignmentInput) {
	if c.rowByKey(keyOf(x)) != nil {
		return
	}
	plain, named := 0, map[string]int{}
	count := func(entity string, scope []string) {
		if len(scope) == 0 && entity == x.EntityID {
			plain++
		}
		if len(scope) > 0 {
			for _, id := range setOf(append(scope, entity)) {
				named[id]++
			}
		}
	}
	for _, r := range c.rows {
		if r.cap == x.Capability {
			count(r.entity, slices.Clone(r.scope))
		}
	}
	for i, y := range before {
		again := slices.ContainsFunc(before[:i], func(z bursar.AssignmentInput) bool { return keyOf(z) == keyOf(y) })
		if y.Capability == x.Capability && c.rowByKey(keyOf(y)) == nil && !again {
			count(y.EntityID, setOf(y.ScopeEntityIDs))
		}
	}
	full, rest := plain >= bursar.MaxPlainLimits, "/entityId"
	if len(x.ScopeEntityIDs) > 0 {
		full, rest = true, "/scopeEntityIds"
		for _, id := range append(setOf(x.ScopeEntityIDs), x.EntityID) {
			full = full && named[id] >= bursar.MaxScopedLimits
		}
	}
	if full {
		p.list = append(p.list, problem{p.item, rest, bursar.CodeTooManyLimits, len(p.list) > 0})
	}
}

// judgeRepeats: neither a natural key twice, nor two parents for one entity. After a bad
// item it is open whether it still counts.
func judgeRepeats(p *problems, before []bursar.AssignmentInput, x bursar.AssignmentInput) {
	for _, y := range before {
		if keyOf(y) == keyOf(x) {
			p.list = append(p.list, problem{p.item, "*", bursar.CodeValidationFailed, len(p.list) > 0})
			return
		}
		if y.EntityID == x.EntityID && y.ParentID.Set && x.ParentID.Set && y.ParentID != x.ParentID {
			p.at("/parentId", bursar.CodeValidationFailed)
			return
		}
	}
}

// defaultHere is the default that a limit would take the place of.
func (c *mCust) defaultHere(tree map[string]bursar.Entity, x bursar.AssignmentInput) *mDefault {
	e, known := tree[x.EntityID]
	if !known || len(x.ScopeEntityIDs) > 0 || c.rowByKey(keyOf(x)) != nil {
		return nil
	}
	return c.defaultOf(tree, e, x.Capability, x.Label)
}

func (m *model) judgeAssignment(p *problems, c *mCust, tree map[string]bursar.Entity, x bursar.AssignmentInput) {
	r := c.rowByKey(keyOf(x))
	if e, known := c.entities[x.EntityID]; !known {
		p.at("/entityId", bursar.CodeEntityNotFound)
	} else if e.ArchivedAt != nil {
		p.at("/entityId", bursar.CodeValidationFailed)
	}
	for j, id := range x.ScopeEntityIDs {
		if e, known := c.entities[id]; !known {
			p.at(fmt.Sprintf("/scopeEntityIds/%d", j), bursar.CodeEntityNotFound)
		} else if e.ArchivedAt != nil {
			p.at(fmt.Sprintf("/scopeEntityIds/%d", j), bursar.CodeValidationFailed)
		}
	}
	m.judgeCapability(p, r, x.Capability)
	d := c.defaultHere(tree, x)
	judgeTerms(p, r != nil || d != nil, x)
	strict, unlimited := r != nil && r.allocation == "strict", r == nil || r.limit == nil
	if r == nil && d != nil {
		unlimited = d.limit == nil
	}
	if x.Allocation.Set {
		strict = x.Allocation.Value == "strict"
	}
	if x.UsageLimit.Set {
		unlimited = x.UsageLimit.Null
	}
	if strict && (r == nil || r.allocation != "strict") && c.strictAt(x.EntityID) >= maxStrict {
		p.at("/allocation", bursar.CodeValidationFailed)
	}
	if strict && (unlimited || len(x.ScopeEntityIDs) > 0) {
		p.at("/allocation", bursar.CodeValidationFailed)
	}
	if bursar.CheckLabel(x.Label) != nil {
		p.at("/label", bursar.CodeValidationFailed)
	}
}

// judgeCapability: an archived one keeps its limits and gets no new ones.
func (m *model) judgeCapability(p *problems, r *mRow, k bursar.Capability) {
	if k.Kind == bursar.KindFeature {
		if f := m.features[k.ID]; f == nil {
			p.at("/featureId", bursar.CodeFeatureNotFound)
		} else if f.ArchivedAt != nil && r == nil {
			p.at("/featureId", bursar.CodeValidationFailed)
		}
		return
	}
	if x := m.currencies[k.ID]; x == nil {
		p.at("/currencyId", bursar.CodeCurrencyNotFound)
	} else if x.ArchivedAt != nil && r == nil {
		p.at("/currencyId", bursar.CodeValidationFailed)
	}
}

// putRow creates or updates one limit.
func (c *mCust) putRow(x bursar.AssignmentInput, d *mDefault, now bursar.Time) *mRow {
	r := c.rowByKey(keyOf(x))
	isNew := r == nil
	if k := keyOf(x); isNew && (d != nil || c.given[k] != nil) {
		r = c.takeOver(k, d, now)
		r.say(x)
		r.updated = now.Milli()
		var cal calendar
		if d != nil {
			cal = d.cal
		}
		cal, zone := c.scheduleOf(&mRow{cal: cal, timezone: r.timezone}, x)
		r.own(cal, zone, now)
		return r
	}
	if isNew {
		r = &mRow{
			id: c.m.newID("a"), entity: x.EntityID, cap: x.Capability, scope: setOf(x.ScopeEntityIDs), label: x.Label,
			thresholds: []int{80, 100}, allocation: "none", timezone: c.zone(), created: now.Milli(),
		}
		r.cal.zone = zoneOf(r.timezone)
		c.rows = append(c.rows, r)
	}
	r.say(x)
	r.updated = now.Milli()
	c.putSchedule(r, x, now, isNew)
	r.fired = maps.Clone(r.fired)
	for t := range r.fired {
		if !slices.Contains(r.thresholds, t) {
			delete(r.fired, t)
		}
	}
	return r
}

// say takes over what an input says, but for the schedule.
func (r *mRow) say(x bursar.AssignmentInput) {
	switch {
	case x.UsageLimit.Null:
		r.limit = nil
	case x.UsageLimit.Set:
		v := numOf(x.UsageLimit.Value)
		r.limit = &v
	}
	if x.Enforcement.Set {
		r.soft = x.Enforcement.Value == bursar.Soft
	}
	switch {
	case x.AlertThresholds.Null:
		r.thresholds = []int{80, 100}
	case x.AlertThresholds.Set:
		r.thresholds = append([]int{}, x.AlertThresholds.Value...)
		slices.Sort(r.thresholds)
		r.thresholds = slices.Compact(r.thresholds)
	}
	switch {
	case x.Allocation.Null:
		r.allocation = "none"
	case x.Allocation.Set:
		r.allocation = x.Allocation.Value
	}
}

// zone is the customer's time zone, the default of its limits.
func (c *mCust) zone() string {
	if c.info.Timezone != nil {
		return *c.info.Timezone
	}
	return "UTC"
}

// scheduleOf is a row's schedule with what an input says of it.
func (c *mCust) scheduleOf(r *mRow, x bursar.AssignmentInput) (calendar, string) {
	cal, zone := r.cal, r.timezone
	if x.Cadence.Set {
		cal.cadence = x.Cadence.Value
	}
	switch {
	case x.Timezone.Null:
		zone = c.zone()
	case x.Timezone.Set:
		zone = x.Timezone.Value
	}
	cal.zone = zoneOf(zone)
	switch {
	case x.Anchor.Null:
		cal.anchor = nil
	case x.Anchor.Set:
		v := x.Anchor.Value.Milli()
		cal.anchor = &v
	}
	return cal, zone
}

func (c *mCust) putSchedule(r *mRow, x bursar.AssignmentInput, now bursar.Time, isNew bool) {
	cal, zone := c.scheduleOf(r, x)
	changed := cal.cadence != r.cal.cadence || zone != r.timezone || !sameTime(cal.anchor, r.cal.anchor)
	r.timezone = zone
	switch {
	case isNew:
		r.cal = cal
		r.first, r.used, r.values = r.window(int64(now)).start, map[int64]num{}, map[int64]map[string]bool{}
	case changed:
		r.reschedule(cal, now)
	}
}

func sameTime(a, b *bursar.Time) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

// assignment shows a row.
func (c *mCust) assignment(r *mRow, now bursar.Time) bursar.Assignment {
	a := bursar.Assignment{
		ID: r.id, EntityID: r.entity, ParentID: c.entities[r.entity].ParentID, ScopeEntityIDs: r.scope, Capability: r.cap,
		Cadence: r.cal.cadence, Label: r.label, Enforcement: r.enforcement(), AlertThresholds: r.thresholds,
		Timezone: r.timezone, Anchor: r.cal.anchor, Allocation: r.allocation, CreatedAt: r.created, UpdatedAt: r.updated,
	}
	if r.by != nil {
		a.DefaultOf = r.by.source()
	}
	if r.limit != nil {
		a.UsageLimit, a.EffectiveLimit = r.limit.ptr(), r.effective(now).ptr()
	}
	return a
}

// wireOf is a limit as the API shows it.
func wireOf(a bursar.Assignment) map[string]any {
	data := map[string]any{
		"id": a.ID, "entityId": a.EntityID, "parentId": a.ParentID, "scopeEntityIds": append([]string{}, a.ScopeEntityIDs...),
		"usageLimit": a.UsageLimit, "effectiveUsageLimit": a.EffectiveLimit, "cadence": a.Cadence.String(), "label": a.Label,
		"enforcement": a.Enforcement, "alertThresholds": append([]int{}, a.AlertThresholds...), "timezone": a.Timezone, "anchor": a.Anchor,
		"allocation": a.Allocation, "createdAt": a.CreatedAt, "updatedAt": a.UpdatedAt,
	}
	nameCapability(data, a.Capability)
	return data
}

func (r *mRow) enforcement() bursar.Enforcement {
	if r.soft {
		return bursar.Soft
	}
	return bursar.Hard
}

// findRow is the customer and the row of an id, or why there is none.
func (m *model) findRow(customer, id string) (*mCust, *mRow, bursar.Time, *fail) {
	c, now := m.customer(customer)
	if c == nil {
		return nil, nil, 0, failed(bursar.CodeCustomerNotFound)
	}
	r := c.row(id)
	if r == nil {
		return nil, nil, 0, failed(bursar.CodeAssignmentNotFound)
	}
	return c, r, now, nil
}

// deleteAssignment drops the row with its counters and holds: reservations that froze
// it go on without it.
func (m *model) deleteAssignment(customer, id string) (bursar.Assignment, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return bursar.Assignment{}, f
	}
	r := c.row(id)
	if r == nil {
		return bursar.Assignment{}, failed(bursar.CodeAssignmentNotFound)
	}
	if r.given {
		return bursar.Assignment{}, failed(bursar.CodeValidationFailed)
	}
	out, undo := c.assignment(r, now), c.keepRows()
	c.rows = slices.DeleteFunc(slices.Clone(c.rows), func(x *mRow) bool { return x == r })
	back := c.giveBack(r, now)
	if f := c.allocations(c.entities, []string{r.entity}, nil); f != nil {
		undo()
		return bursar.Assignment{}, f
	}
	c.log.wrote(now)
	if back {
		c.alertLive(r, now)
	}
	c.tell(bursar.EventEntitlementDeleted, map[string]any{"entitlement": wireOf(out)})
	return out, nil
}

func (m *model) getAssignment(customer, id string) (bursar.Assignment, *fail) {
	c, r, now, f := m.findRow(customer, id)
	if f != nil {
		return bursar.Assignment{}, f
	}
	return c.assignment(r, now), nil
}

func (m *model) listAssignments(customer string, q ledger.AssignmentQuery) (ledger.Page[bursar.Assignment], *fail) {
	c, now := m.customer(customer)
	if c == nil {
		return ledger.Page[bursar.Assignment]{}, failed(bursar.CodeCustomerNotFound)
	}
	var list []bursar.Assignment
	for _, r := range c.rows {
		if q.EntityID != "" && r.entity != q.EntityID || q.Label != nil && r.label != *q.Label ||
			q.Capability.ID != "" && r.cap != q.Capability {
			continue
		}
		list = append(list, c.assignment(r, now))
	}
	return pageOf(list, func(a bursar.Assignment) ledger.ListPos { return ledger.ListPos{ID: a.ID} }, byID(q.ListPage)), nil
}

// byID drops the times of a page's bounds: the list is ordered by id.
func byID(p ledger.ListPage) ledger.ListPage {
	for _, pos := range []**ledger.ListPos{&p.After, &p.Before} {
		if *pos != nil {
			*pos = &ledger.ListPos{ID: (*pos).ID}
		}
	}
	return p
}
