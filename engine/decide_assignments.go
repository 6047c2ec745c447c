package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

type putAssignments struct {
	caller Caller
	in     []bursar.AssignmentInput
	draft  bool // only to be tried out: allocations need not add up
}

func (o *putAssignments) decide(d *decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	var p bursar.Problems
	parents := map[string]bursar.Opt[string]{}
	ords := map[uint32]bool{}
	var asks needs
	out := make([]bursar.Assignment, 0, len(o.in))
	for i := range o.in {
		in := &o.in[i]
		at := fmt.Sprintf("/assignments/%d", i)
		if in.ParentID.Set {
			if was, ok := parents[in.EntityID]; ok && was != in.ParentID {
				p.Add(at+"/parentId", bursar.CodeValidationFailed, "this request gives the entity %q two different parents", in.EntityID)
				continue
			}
			parents[in.EntityID] = in.ParentID
		}
		made := d.nextRowOrd()
		ord := d.putAssignment(&o.caller, in, at, &p)
		if ord == 0 {
			continue
		}
		var start *bursar.Start
		if int(ord) == made && !o.draft {
			start = d.startRow(ord, in, &asks)
		}
		if ords[ord] {
			p.Add(at, bursar.CodeValidationFailed, "this request has the same assignment (entity, capability, scope and label) twice")
		}
		ords[ord] = true
		out = append(out, d.assignmentOut(ord))
		out[len(out)-1].Start = start
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	if len(asks.series) > 0 {
		return nil, &asks
	}
	for i := range out { // a later item may have moved the entity
		out[i].ParentID = d.parentID(d.entOrd(out[i].EntityID))
	}
	if o.draft {
		return out, nil
	}
	return out, d.checkAllocations(func(cap uint32, label string) string {
		for i := len(o.in) - 1; i >= 0; i-- {
			if o.in[i].Label == label && d.capOrd(o.in[i].Capability) == cap {
				return fmt.Sprintf("/assignments/%d", i)
			}
		}
		return ""
	})
}

// target is what an assignment is about, as numbers.
type target struct {
	ent   uint32
	scope []uint32
}

// targetFor finds the entities of in, or adds to p what is wrong with them.
func (d *decider) targetFor(in *bursar.AssignmentInput, at string, p *bursar.Problems) (t target, ok bool) {
	ok = true
	find := func(pointer, id string) uint32 {
		ord := d.entOrd(id)
		switch {
		case ord == 0:
			p.Add(pointer, bursar.CodeEntityNotFound, "there is no entity %q", id)
			ok = false
		case d.ent(ord).archived != 0:
			p.Add(pointer, bursar.CodeValidationFailed, "the entity %q is archived", id)
			ok = false
		}
		return ord
	}
	t.ent = find(at+"/entityId", in.EntityID)
	for i, id := range in.ScopeEntityIDs {
		t.scope = append(t.scope, find(fmt.Sprintf("%s/scopeEntityIds/%d", at, i), id))
	}
	slices.Sort(t.scope)
	t.scope = slices.Compact(t.scope)
	if len(in.ScopeEntityIDs) > bursar.MaxScopeEntities {
		p.Add(at+"/scopeEntityIds", bursar.CodeValidationFailed, "a scope has at most %d entities", bursar.MaxScopeEntities)
		ok = false
	}
	if err := bursar.CheckLabel(in.Label); err != nil {
		p.Add(at+"/label", bursar.CodeValidationFailed, "%v", err)
		ok = false
	}
	return t, ok
}

// findRow is the row with a natural key; 0 = none.
func (v *view) findRow(t target, cap uint32, label string) (found uint32) {
	if cap == 0 {
		return 0
	}
	match := func(ord uint32) bool {
		if def := v.def(ord); def != nil && def.cap == cap && def.label == label && slices.Equal(def.scope, t.scope) {
			found = ord
		}
		return found == 0
	}
	if len(t.scope) == 0 {
		v.eachAt(place{ent: t.ent}, match)
	}
	for _, by := range t.scope { // it is in one of these places
		if found == 0 {
			v.eachAt(place{t.ent, by}, match)
		}
	}
	return found
}

// capabilityOK tells whether new limits of c may be made, or with existing kept.
func (d *decider) capabilityOK(c bursar.Capability, existing bool, at string, p *bursar.Problems) bool {
	if c.Kind == bursar.KindFeature {
		switch f := d.cat.features[c.ID]; {
		case f == nil:
			p.Add(at+"/featureId", bursar.CodeFeatureNotFound, "there is no feature %q", c.ID)
		case f.ArchivedAt != nil && !existing:
			p.Add(at+"/featureId", bursar.CodeValidationFailed, "the feature %q is archived and takes no new limits", c.ID)
		default:
			return true
		}
		return false
	}
	switch f := d.cat.currencies[c.ID]; {
	case f == nil:
		p.Add(at+"/currencyId", bursar.CodeCurrencyNotFound, "there is no currency %q", c.ID)
	case f.ArchivedAt != nil && !existing:
		p.Add(at+"/currencyId", bursar.CodeValidationFailed, "the currency %q is archived and takes no new limits", c.ID)
	default:
		return true
	}
	return false
}

// putAssignment writes one assignment, or adds to p what is wrong with it and gives 0.
func (d *decider) putAssignment(caller *Caller, in *bursar.AssignmentInput, at string, p *bursar.Problems) uint32 {
	t, ok := d.targetFor(in, at, p)
	ord := uint32(0)
	if t.ent != 0 {
		ord = d.findRow(t, d.capOrd(in.Capability), in.Label)
	}
	ok = d.capabilityOK(in.Capability, ord != 0, at, p) && ok
	if in.IfMatch != "" && t.ent != 0 {
		ok = d.rowStillAt(ord, in.IfMatch, at, p) && ok
	}
	if ok && ord == 0 {
		ok = d.roomFor(t, in.Capability, at, p)
	}
	def := rowDef{label: in.Label, scope: t.scope, ent: t.ent, created: d.now.Milli(), thresholds: d.cat.thresholds}
	var before any
	if ord != 0 {
		def = *d.def(ord)
		before = assignmentAudit(d.assignmentOut(ord))
	}
	ok = d.defineRow(&def, in, ord == 0, at, p) && ok
	if ord == 0 {
		ok = d.checkCountFrom(&def, in, at, p) && ok
	}
	if in.ParentID.Set && t.ent != 0 {
		parent, err := d.checkParent(t.ent, in.ParentID)
		if err != nil {
			p.Add(at+"/parentId", err.Code, "%s", err.Message)
			ok = false
		} else if e := *d.ent(t.ent); ok && e.parent != parent {
			old := d.entityOut(t.ent)
			e.parent = parent
			d.writeEntity(caller, t.ent, e, old)
		}
	}
	if !ok {
		return 0
	}
	return d.writeRow(caller, ord, def, in.Capability, before)
}

// rowStillAt adds to p if a row, 0 = none, is not at the revision that a write is based on.
func (d *decider) rowStillAt(ord uint32, ifMatch, at string, p *bursar.Problems) bool {
	n := len(p.Fields())
	if ord == 0 {
		p.CheckRevision(at+"/ifMatch", ifMatch, nil, false)
	} else {
		now := d.assignmentOut(ord)
		p.CheckRevision(at+"/ifMatch", ifMatch, &now, true)
	}
	return len(p.Fields()) == n
}

func (d *decider) writeRow(caller *Caller, ord uint32, def rowDef, c bursar.Capability, before any) uint32 {
	def.cap = d.capFor(c)
	def.updated = d.now.Milli()
	r := &rowRec{ord: ord, def: def}
	action := "assignment.updated"
	if ord == 0 {
		r.ord, r.id = uint32(d.nextRowOrd()), d.nextID()
		action = "assignment.created"
	} else {
		r.id = d.rowID(ord)
		if old := d.def(ord); old.sched.rule != def.sched.rule {
			c := d.current(ord, old)
			r.carry, r.used, r.window = true, c.used, def.sched.firstWindow(d.now)
		}
	}
	d.emit(r)
	d.touch(def.ent)
	d.alertOn(r.ord)
	out := d.assignmentOut(r.ord)
	d.audit(caller, action, "assignment", out.ID, out.EntityID, before, assignmentAudit(out))
	d.notify("entity.entitlement."+strings.TrimPrefix(action, "assignment."), entitlementOf(d.cust().ID, &out))
	return r.ord
}

// entitlementOf is how messages show an assignment.
func entitlementOf(customer string, a *bursar.Assignment) entitlementData {
	m := assignmentAudit(*a)
	m["effectiveUsageLimit"] = a.EffectiveLimit
	m["id"], m["parentId"], m["createdAt"], m["updatedAt"] = a.ID, a.ParentID, a.CreatedAt, a.UpdatedAt
	return entitlementData{customer, m}
}

// defineRow puts what in says into def.
func (d *decider) defineRow(def *rowDef, in *bursar.AssignmentInput, create bool, at string, p *bursar.Problems) bool {
	n := len(p.Fields())
	if create && !in.UsageLimit.Set {
		p.Add(at+"/usageLimit", bursar.CodeValidationFailed, "a new assignment says its usageLimit; null is unlimited")
	}
	if in.UsageLimit.Set {
		def.limited, def.limit = !in.UsageLimit.Null, in.UsageLimit.Value
		if def.limit.Sign() < 0 {
			p.Add(at+"/usageLimit", bursar.CodeInvalidAmount, "a usage limit is 0 or more")
		}
	}
	if e := in.Enforcement; e.Set {
		if def.soft = e.Value == bursar.Soft; !e.Null && e.Value != bursar.Soft && e.Value != bursar.Hard {
			p.Add(at+"/enforcement", bursar.CodeValidationFailed, "enforcement is hard or soft")
		}
	}
	if a := in.Allocation; a.Set {
		if def.strict = a.Value == "strict"; !a.Null && a.Value != "strict" && a.Value != "none" {
			p.Add(at+"/allocation", bursar.CodeValidationFailed, "allocation is none or strict")
		}
	}
	if n := d.strictOn(def); n >= maxStrict {
		p.Add(at+"/allocation", bursar.CodeValidationFailed, "an entity has at most %d limits with strict allocation", maxStrict)
	}
	if def.strict && (len(def.scope) > 0 || !def.limited) {
		p.Add(at+"/allocation", bursar.CodeValidationFailed, "a strict allocation takes a limit with a number and without scope entities")
	}
	if th := in.AlertThresholds; th.Set {
		def.thresholds = d.cat.thresholds
		if !th.Null {
			def.thresholds = slices.Compact(slices.Sorted(slices.Values(th.Value)))
			for i, x := range th.Value {
				if x < 1 || x > 1000 {
					p.Add(fmt.Sprintf("%s/alertThresholds/%d", at, i), bursar.CodeValidationFailed, "a threshold is a whole percentage from 1 to 1000")
				}
			}
			if len(th.Value) > bursar.MaxThresholds {
				p.Add(at+"/alertThresholds", bursar.CodeValidationFailed, "at most %d thresholds", bursar.MaxThresholds)
			}
		}
	}
	d.defineSchedule(def, in, create, at, p)
	return len(p.Fields()) == n
}

func (d *decider) defineSchedule(def *rowDef, in *bursar.AssignmentInput, create bool, at string, p *bursar.Problems) {
	var s rule
	if def.sched != nil {
		s = def.sched.rule
	} else {
		s.zone = d.defaultZone()
	}
	if in.Cadence.Null {
		p.Add(at+"/cadence", bursar.CodeInvalidCadence, "a cadence cannot be null; leave it out to keep it")
	} else if in.Cadence.Set {
		s.Cadence = in.Cadence.Value
	} else if create {
		p.Add(at+"/cadence", bursar.CodeValidationFailed, "a new assignment says its cadence, such as P1M")
		return
	}
	if in.Timezone.Set {
		if s.zone = in.Timezone.Value; in.Timezone.Null || s.zone == "" {
			s.zone = d.defaultZone()
		}
		if !validZone(s.zone) {
			p.Add(at+"/timezone", bursar.CodeValidationFailed, "%.64q is not an IANA time zone, such as Europe/Berlin", s.zone)
			return
		}
	}
	if in.Anchor.Set {
		s.HasAnchor, s.Anchor = !in.Anchor.Null, int64(in.Anchor.Value.Milli())
		if in.Anchor.Null {
			s.Anchor = 0
		}
	}
	if in.Cadence.Null {
		return
	}
	def.sched, _ = newSchedule(s.Cadence.String(), s.zone, s.HasAnchor, bursar.Time(s.Anchor))
}

func (d *decider) defaultZone() string {
	if z := d.cust().Timezone; z != nil {
		return *z
	}
	return "UTC"
}

// validZone tells whether name is an IANA zone. "Local" would mean another thing on
// each machine.
func validZone(name string) bool {
	if name == "" || name == "Local" || len(name) > 64 {
		return false
	}
	_, err := location(name)
	return err == nil
}

type deleteAssignment struct {
	caller Caller
	id     string
}

func (o *deleteAssignment) decide(d *decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	ord := d.findRowID(o.id)
	if ord == 0 {
		return nil, errNoAssignment(o.id)
	}
	out := d.assignmentOut(ord)
	if err := o.caller.stillAt(&out); err != nil {
		return nil, err
	}
	d.touch(d.def(ord).ent)
	d.emit(&rowDeleteRec{ord})
	d.audit(&o.caller, "assignment.deleted", "assignment", out.ID, out.EntityID, assignmentAudit(out), nil)
	d.notify(bursar.EventEntitlementDeleted, entitlementOf(d.cust().ID, &out))
	return out, d.checkAllocations(noPointer)
}

func errNoAssignment(id string) error {
	return bursar.Errorf(bursar.CodeAssignmentNotFound, "there is no assignment %.64q", id)
}

// findRowID finds a live row by its id's text; 0 = none.
func (v *view) findRowID(text string) uint32 {
	id, ok := parseID(text)
	if !ok {
		return 0
	}
	ord := v.rowByID(id)
	if ord == 0 {
		if i := slices.Index(v.newRowIDs, id); i >= 0 {
			ord = uint32(len(v.rowIDs) + i)
		}
	}
	if ord != 0 && (v.def(ord) == nil || v.def(ord).ent == 0 || !v.seesRow(v.def(ord))) {
		return 0
	}
	return ord
}

func (v *view) parentID(ent uint32) *string {
	if p := v.ent(ent).parent; p != 0 && ent != v.root {
		id := v.ent(p).id
		return &id
	}
	return nil
}

func (v *view) assignmentOut(ord uint32) bursar.Assignment {
	def := v.def(ord)
	a := bursar.Assignment{
		ID: formatID(v.rowID(ord)), EntityID: v.ent(def.ent).id, ParentID: v.parentID(def.ent),
		ScopeEntityIDs: v.scopeIDs(def), Capability: v.capability(def.cap), Cadence: def.sched.Cadence, Label: def.label,
		Enforcement: enforcement(def.soft), AlertThresholds: def.thresholds, Timezone: def.sched.zone,
		Allocation: "none", CreatedAt: def.created, UpdatedAt: def.updated,
	}
	if def.limited {
		limit := v.limitNow(ord, def)
		a.UsageLimit, a.EffectiveLimit = &def.limit, &limit
	}
	if a.AlertThresholds == nil {
		a.AlertThresholds = []int{}
	}
	if def.strict {
		a.Allocation = "strict"
	}
	if def.sched.HasAnchor {
		t := bursar.Time(def.sched.Anchor)
		a.Anchor = &t
	}
	return a
}

// assignmentAudit is how the audit listing shows an assignment.
func assignmentAudit(a bursar.Assignment) map[string]any {
	m := map[string]any{"entityId": a.EntityID, "scopeEntityIds": a.ScopeEntityIDs, "usageLimit": a.UsageLimit,
		"cadence": a.Cadence.String(), "label": a.Label, "enforcement": a.Enforcement, "alertThresholds": a.AlertThresholds,
		"timezone": a.Timezone, "anchor": a.Anchor, "allocation": a.Allocation}
	if a.Capability.Kind == bursar.KindCurrency {
		m["currencyId"] = a.Capability.ID
	} else {
		m["featureId"] = a.Capability.ID
	}
	return m
}
