package sim

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/bursarhq/bursar"
)

// mDefault is a default limit. It never changes; another takes its place.
type mDefault struct {
	id, entity, typ string // entity "" = the whole customer
	when            map[string]string
	cap             bursar.Capability
	label           string
	limit           *num
	cal             calendar
	timezone        string
	soft            bool
	thresholds      []int
	created         bursar.Time
	updated         bursar.Time
}

func (d *mDefault) isFor(e bursar.Entity) bool {
	for k, v := range d.when {
		if has, ok := e.Metadata[k]; !ok || has != v {
			return false
		}
	}
	return d.typ == e.EntityTypeID
}

func (d *mDefault) source() *bursar.DefaultSource {
	return &bursar.DefaultSource{DefaultID: d.id, EntityID: d.entity, EntityTypeID: d.typ, Metadata: d.when}
}

// defaultOf is what limits an entity of a tree that has no limit of its own: the default of
// the closest live entity above it, else the customer's; of one place that with most
// conditions, and of equally many the oldest.
func (c *mCust) defaultOf(tree map[string]bursar.Entity, e bursar.Entity, k bursar.Capability, label string) (best *mDefault) {
	for _, place := range append(ancestors(tree, e.ID), "") {
		if place != "" && tree[place].ArchivedAt != nil {
			continue
		}
		for _, d := range c.defaults {
			if d.entity == place && d.cap == k && d.label == label && d.isFor(e) && (best == nil || len(d.when) > len(best.when)) {
				best = d
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// given lists what entities of a tree are limited by, by default.
func (c *mCust) defaulted(tree map[string]bursar.Entity) map[naturalKey]*mDefault {
	out := map[naturalKey]*mDefault{}
	for _, d := range c.defaults {
		for id, e := range tree {
			k := naturalKey{id, d.cap, "", d.label}
			if e.EntityTypeID != d.typ || out[k] != nil || c.rowByKey(k) != nil {
				continue
			}
			if best := c.defaultOf(tree, e, d.cap, d.label); best != nil {
				out[k] = best
			}
		}
	}
	return out
}

// settle makes the rows that are limited by default say what the defaults say now.
func (c *mCust) settle() {
	for _, r := range c.given {
		r.by = nil
	}
	for k, d := range c.defaulted(c.entities) {
		r := c.given[k]
		if r == nil {
			r = &mRow{id: c.givenID(k), entity: k.entity, cap: k.cap, label: k.label, given: true, scope: []string{}}
			c.given[k] = r
		}
		r.follow(d)
	}
}

func (c *mCust) givenID(k naturalKey) string {
	return fmt.Sprintf("d|%s|%s|%d%s|%s", c.info.ID, k.entity, k.cap.Kind, k.cap.ID, k.label)
}

// follow takes over what a default says.
func (r *mRow) follow(d *mDefault) {
	r.by, r.limit, r.soft, r.thresholds, r.timezone, r.created, r.updated = d, d.limit, d.soft, d.thresholds, d.timezone, d.created, d.updated
	r.allocation = "none"
	if r.cal != d.cal {
		r.cal, r.lately = d.cal, nil
	}
}

// limits lists all limits that there are at present: the entities' own and those by default.
func (c *mCust) limits() []*mRow {
	if len(c.defaults) == 0 {
		return c.rows
	}
	rows := slices.Clone(c.rows)
	for _, r := range c.given {
		if r.by != nil {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows[len(c.rows):], func(a, b *mRow) int { return compareText(a.id, b.id) })
	return rows
}

// idle: it is limited by default, and no default is there.
func (r *mRow) idle() bool { return r.given && r.by == nil }

// turn lets the window of a row be the one of now, before something is counted. What another
// schedule counted is gone, unless its window ended just where this one begins.
func (r *mRow) turn(now bursar.Time) {
	w := r.window(int64(now))
	if r.given && !r.touched {
		r.begin()
	}
	if r.given && r.win != w {
		before := r.used[r.win.start]
		ended := r.win.end == w.start
		r.used = map[int64]num{}
		if ended {
			r.used[r.window(w.start-1).start] = before
		}
		r.first = math.MinInt64
	}
	r.touched, r.win = true, w
}

// begin is the first time that something is counted or held on a row: it is in the window of
// when its limit was made.
func (r *mRow) begin() {
	if r.touched {
		return
	}
	r.touched, r.win = true, r.window(int64(r.created))
	if r.given {
		r.first, r.used, r.values = r.win.start, map[int64]num{}, map[int64]map[string]bool{}
	}
}

// takeOver makes a row that was limited by default one of the entity's own, with the terms of
// the default, if there is one, and what of its window was counted.
func (c *mCust) takeOver(k naturalKey, d *mDefault, now bursar.Time) *mRow {
	r := c.given[k]
	if r == nil {
		r = &mRow{entity: k.entity, cap: k.cap, label: k.label, scope: []string{}}
	}
	delete(c.given, k)
	if r.by = d; d != nil {
		r.follow(d)
	} else {
		r.limit, r.soft, r.thresholds, r.allocation, r.timezone = nil, false, []int{80, 100}, "none", c.zone()
	}
	if r.ownID == "" {
		r.ownID = c.m.newID("a")
	}
	r.id, r.created, r.taken, c.taken = r.ownID, now.Milli(), true, true
	c.rows = append(c.rows, r)
	return r
}

// own makes a row that was taken over the entity's own. It begins with what the default, if
// there was one, showed as used, and has told of no threshold.
func (r *mRow) own(cal calendar, zone string, now bursar.Time) {
	carried := num{}
	if r.by != nil {
		carried = r.usedAt(now)
	}
	r.cal, r.timezone, r.lately, r.given, r.by = cal, zone, nil, false, nil
	w := r.window(int64(now))
	r.first, r.used, r.values = w.start, map[int64]num{w.start: carried}, map[int64]map[string]bool{}
	r.firedIn, r.fired = w.start, map[int]bool{}
	r.toldIn, r.told = w.start, map[int]bool{}
	if r.touched {
		r.win = w
	}
}

// giveBack puts a row whose own limit is gone back to its default, if there is one. What the own
// one had used goes on in the default's window.
func (c *mCust) giveBack(r *mRow, now bursar.Time) bool {
	if len(r.scope) > 0 {
		return false
	}
	d := c.defaultOf(c.entities, c.entities[r.entity], r.cap, r.label)
	if d == nil {
		return false
	}
	if d.cal.cadence != r.cal.cadence || d.timezone != r.timezone || !sameTime(d.cal.anchor, r.cal.anchor) {
		r.reschedule(d.cal, now)
	}
	r.given, r.ownID, r.id = true, r.id, c.givenID(r.key())
	r.follow(d)
	c.given[r.key()] = r
	return true
}

func defaultKey(x bursar.DefaultInput) string {
	return fmt.Sprint(x.EntityID, "|", x.EntityTypeID, "|", x.Metadata, "|", x.Capability, "|", x.Label)
}

func (d *mDefault) key() string {
	return fmt.Sprint(d.entity, "|", d.typ, "|", d.when, "|", d.cap, "|", d.label)
}

func (c *mCust) defaultIndex(x bursar.DefaultInput) int {
	if len(x.Metadata) == 0 {
		x.Metadata = map[string]string{}
	}
	return slices.IndexFunc(c.defaults, func(d *mDefault) bool { return d.key() == defaultKey(x) })
}

func (m *model) putDefaults(customer string, in []bursar.DefaultInput) ([]bursar.Default, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return nil, f
	}
	var p problems
	for i, x := range in {
		p.item = fmt.Sprintf("/defaults/%d", i)
		m.judgeDefault(&p, c, x)
		if slices.ContainsFunc(in[:i], func(y bursar.DefaultInput) bool { return defaultKey(x) == defaultKey(y) }) {
			p.list = append(p.list, problem{p.item, "*", bursar.CodeValidationFailed, len(p.list) > 0})
		} else {
			c.judgeLabels(&p, in[:i], x)
		}
	}
	if f := p.err(); f != nil {
		return nil, f
	}
	before, undo := c.defaults, c.keepRows()
	c.defaults = slices.Clone(c.defaults)
	var made []*mDefault
	for _, x := range in {
		made = append(made, c.putDefault(x, now))
	}
	var assigned []bursar.AssignmentInput
	for _, x := range in {
		assigned = append(assigned, bursar.AssignmentInput{Capability: x.Capability, Label: x.Label})
	}
	if f := c.allocations(c.entities, sortedKeys(c.entities), assigned); f != nil {
		for i := range f.allocations {
			if at := &f.allocations[i].pointer; *at != "" {
				*at = "/defaults" + (*at)[len("/assignments"):]
			}
		}
		undo()
		c.defaults = before
		return nil, f
	}
	c.settle()
	c.log.wrote(now)
	var out []bursar.Default
	for _, d := range made {
		out = append(out, d.show())
	}
	return out, nil
}

func (m *model) judgeDefault(p *problems, c *mCust, x bursar.DefaultInput) {
	if e, known := c.entities[x.EntityID]; x.EntityID != "" && !known {
		p.at("/entityId", bursar.CodeEntityNotFound)
	} else if e.ArchivedAt != nil {
		p.at("/entityId", bursar.CodeValidationFailed)
	}
	if t := m.types[x.EntityTypeID]; t == nil {
		p.at("/entityTypeId", bursar.CodeEntityTypeNotFound)
	} else if t.ArchivedAt != nil {
		p.at("/entityTypeId", bursar.CodeEntityTypeArchived)
	}
	for k, v := range x.Metadata {
		if v == "" {
			p.at("/metadata/"+k, bursar.CodeValidationFailed)
		}
	}
	if bursar.CheckLabel(x.Label) != nil {
		p.at("/label", bursar.CodeValidationFailed)
	}
	var r *mRow // stands for a default that exists
	if !p.bad() && c.defaultIndex(x) >= 0 {
		r = &mRow{}
	}
	m.judgeCapability(p, r, x.Capability)
	if f := m.features[x.Capability.ID]; x.Capability.Kind == bursar.KindFeature && f != nil && f.Meter != nil && f.Meter.Aggregation.Function == "UNIQUE" {
		p.at("/featureId", bursar.CodeValidationFailed)
	}
	judgeTerms(p, r != nil, bursar.AssignmentInput{UsageLimit: x.UsageLimit, Cadence: x.Cadence, Timezone: x.Timezone, AlertThresholds: x.AlertThresholds})
}

// judgeTerms is what is said of a limit, or of a default, whatever it is of.
func judgeTerms(p *problems, exists bool, x bursar.AssignmentInput) {
	if !exists && !x.UsageLimit.Set {
		p.at("/usageLimit", bursar.CodeValidationFailed)
	}
	if x.UsageLimit.Value.Sign() < 0 {
		p.at("/usageLimit", bursar.CodeInvalidAmount)
	}
	switch {
	case x.Cadence.Null:
		p.at("/cadence", bursar.CodeInvalidCadence)
	case !exists && !x.Cadence.Set:
		p.at("/cadence", bursar.CodeValidationFailed)
	}
	if x.Timezone.Set && !x.Timezone.Null && zoneOf(x.Timezone.Value) == nil {
		p.at("/timezone", bursar.CodeValidationFailed)
	}
	if slices.ContainsFunc(x.AlertThresholds.Value, func(n int) bool { return n < 1 || n > 1000 }) ||
		len(x.AlertThresholds.Value) > bursar.MaxThresholds {
		p.at("/alertThresholds*", bursar.CodeValidationFailed)
	}
}

// judgeLabels: the defaults of a type and capability have few labels. After a bad item it is
// open what of the request counts.
func (c *mCust) judgeLabels(p *problems, before []bursar.DefaultInput, x bursar.DefaultInput) {
	has := map[string]bool{}
	for _, d := range c.defaults {
		if d.typ == x.EntityTypeID && d.cap == x.Capability {
			has[d.label] = true
		}
	}
	for _, y := range before {
		if y.EntityTypeID == x.EntityTypeID && y.Capability == x.Capability {
			has[y.Label] = true
		}
	}
	if len(has) >= bursar.MaxDefaultLabels && !has[x.Label] {
		p.list = append(p.list, problem{p.item, "/label", bursar.CodeTooManyLimits, len(p.list) > 0})
	}
}

// putDefault takes the place of the one with its key, or is the youngest.
func (c *mCust) putDefault(x bursar.DefaultInput, now bursar.Time) *mDefault {
	i := c.defaultIndex(x)
	d := &mDefault{entity: x.EntityID, typ: x.EntityTypeID, when: maps.Clone(x.Metadata), cap: x.Capability, label: x.Label, created: now.Milli()}
	terms := &mRow{thresholds: []int{80, 100}, timezone: c.zone()}
	if i >= 0 {
		old := c.defaults[i]
		d.id, d.created = old.id, old.created
		terms = &mRow{limit: old.limit, soft: old.soft, thresholds: old.thresholds, timezone: old.timezone, cal: old.cal}
	} else {
		d.id = c.m.newID("l")
		terms.cal.zone = zoneOf(terms.timezone)
		i, c.defaults = len(c.defaults), append(c.defaults, d)
	}
	if len(d.when) == 0 {
		d.when = map[string]string{}
	}
	in := bursar.AssignmentInput{UsageLimit: x.UsageLimit, Cadence: x.Cadence, Enforcement: x.Enforcement, AlertThresholds: x.AlertThresholds,
		Timezone: x.Timezone, Anchor: x.Anchor}
	terms.say(in)
	d.cal, d.timezone = c.scheduleOf(terms, in)
	d.limit, d.soft, d.thresholds, d.updated = terms.limit, terms.soft, terms.thresholds, now.Milli()
	c.defaults[i] = d
	return d
}

func (d *mDefault) show() bursar.Default {
	out := bursar.Default{ID: d.id, EntityID: d.entity, EntityTypeID: d.typ, Metadata: d.when, Capability: d.cap, Label: d.label, Cadence: d.cal.cadence,
		Enforcement: (&mRow{soft: d.soft}).enforcement(), AlertThresholds: d.thresholds, Timezone: d.timezone, Anchor: d.cal.anchor,
		CreatedAt: d.created, UpdatedAt: d.updated}
	if d.limit != nil {
		out.UsageLimit = d.limit.ptr()
	}
	return out
}

func (m *model) deleteDefault(customer, id string) (bursar.Default, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return bursar.Default{}, f
	}
	i := slices.IndexFunc(c.defaults, func(d *mDefault) bool { return d.id == id })
	if i < 0 {
		return bursar.Default{}, failed(bursar.CodeDefaultNotFound)
	}
	before, d := c.defaults, c.defaults[i]
	c.defaults = slices.Delete(slices.Clone(before), i, i+1)
	if f := c.allocations(c.entities, sortedKeys(c.entities), nil); f != nil {
		c.defaults = before
		return bursar.Default{}, f
	}
	c.settle()
	c.log.wrote(now)
	return d.show(), nil
}

func (m *model) listDefaults(customer string) ([]bursar.Default, *fail) {
	c, _ := m.customer(customer)
	if c == nil {
		return nil, failed(bursar.CodeCustomerNotFound)
	}
	out := []bursar.Default{}
	for _, d := range c.defaults {
		out = append(out, d.show())
	}
	return out, nil
}
