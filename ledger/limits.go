package ledger

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

type PutAssignments struct {
	Caller catalogue.Caller
	In     []bursar.AssignmentInput
	draft  bool // only to be tried out: allocations need not add up
}

func (o *PutAssignments) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	var p bursar.Problems
	parents := map[string]bursar.Opt[string]{}
	ords := map[uint32]bool{}
	var asks Needs
	out := make([]bursar.Assignment, 0, len(o.In))
	for i := range o.In {
		in := &o.In[i]
		at := fmt.Sprintf("/assignments/%d", i)
		if in.ParentID.Set {
			if was, ok := parents[in.EntityID]; ok && was != in.ParentID {
				p.Add(at+"/parentId", bursar.CodeValidationFailed, "this request gives the entity %q two different parents", in.EntityID)
				continue
			}
			parents[in.EntityID] = in.ParentID
		}
		row, isNew, took := d.putAssignment(&o.Caller, in, at, &p)
		if row == 0 {
			continue
		}
		var start *bursar.Start
		if isNew && !o.draft {
			start = d.startRow(row, took, in, &asks)
		}
		if ords[row] {
			p.Add(at, bursar.CodeValidationFailed, "this request has the same assignment (entity, capability, scope and label) twice")
		}
		ords[row] = true
		out = append(out, d.assignmentOut(row))
		out[len(out)-1].Start = start
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	if len(asks.Series) > 0 {
		return nil, &asks
	}
	for i := range out { // a later item may have moved the entity
		out[i].ParentID = d.parentID(d.EntOrd(out[i].EntityID))
	}
	if o.draft {
		return out, nil
	}
	return out, d.checkWrite(lastItem(d, "/assignments", o.In, func(in *bursar.AssignmentInput) (bursar.Capability, string) { return in.Capability, in.Label }))
}

// Target is what an assignment is about, as numbers.
type Target struct {
	Ent   uint32
	scope []uint32
}

// targetFor finds the entities of in, or adds to p what is wrong with them.
func (d *Decider) targetFor(in *bursar.AssignmentInput, at string, p *bursar.Problems) (t Target, ok bool) {
	ok = true
	find := func(pointer, id string) uint32 {
		ord := d.EntOrd(id)
		switch {
		case ord == 0:
			p.Add(pointer, bursar.CodeEntityNotFound, "%s", d.noEntity(id))
			ok = false
		case d.Ent(ord).Archived != 0:
			p.Add(pointer, bursar.CodeValidationFailed, "the entity %q is archived", id)
			ok = false
		}
		return ord
	}
	t.Ent = find(at+"/entityId", in.EntityID)
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

// FindRow is the made row with a natural key: own or by default, idle or not; 0 = none.
func (v *View) FindRow(t Target, cap uint32, label string) (found uint32) {
	if cap == 0 {
		return 0
	}
	match := func(ord uint32) bool {
		if def := v.rawDef(ord); def != nil && def.Cap == cap && def.Label == label && slices.Equal(def.Scope, t.scope) {
			found = ord
		}
		return found == 0
	}
	if len(t.scope) == 0 {
		v.eachAt(place{ent: t.Ent}, match)
	}
	for _, by := range t.scope { // it is in one of these places
		if found == 0 {
			v.eachAt(place{t.Ent, by}, match)
		}
	}
	return found
}

// capabilityOK tells whether a limit of c may be made or, with existing, changed.
func (d *Decider) capabilityOK(c bursar.Capability, existing bool, at string, p *bursar.Problems) bool {
	if c.Kind == bursar.KindFeature {
		switch f := d.Cat.FeatureOf[c.ID]; {
		case f == nil:
			p.Add(at+"/featureId", bursar.CodeFeatureNotFound, "%s", d.missing(d.Cat, catalogue.OfFeature, c.ID))
		case f.ArchivedAt != nil && !existing:
			p.Add(at+"/featureId", bursar.CodeValidationFailed, "the feature %q is archived and takes no new limits", c.ID)
		default:
			return true
		}
		return false
	}
	switch f := d.Cat.CurrencyOf[c.ID]; {
	case f == nil:
		p.Add(at+"/currencyId", bursar.CodeCurrencyNotFound, "%s", d.missing(d.Cat, catalogue.OfCurrency, c.ID))
	case f.ArchivedAt != nil && !existing:
		p.Add(at+"/currencyId", bursar.CodeValidationFailed, "the currency %q is archived and takes no new limits", c.ID)
	default:
		return true
	}
	return false
}

// putAssignment writes one assignment, or adds to p what is wrong with it and gives row 0.
// isNew tells that there was no limit of its own; took tells that it takes the place of a default.
func (d *Decider) putAssignment(caller *catalogue.Caller, in *bursar.AssignmentInput, at string, p *bursar.Problems) (_ uint32, isNew, took bool) {
	t, ok := d.targetFor(in, at, p)
	row, own := uint32(0), false
	if t.Ent != 0 {
		row = d.FindRow(t, d.CapOrd(in.Capability), in.Label)
		own = row != 0 && !d.rawDef(row).ByDefault
	}
	ok = d.capabilityOK(in.Capability, own, at, p) && ok
	def := record.Limit{Ent: t.Ent, Created: d.Now.Milli(), Terms: &record.Terms{Label: in.Label, Scope: t.scope, Thresholds: d.Cat.NewThresholds()}}
	given := d.defaultHere(&t, in) // what in leaves out is as the default says
	var before any
	switch {
	case own:
		def = *d.Def(row)
		def.Own()
		before = assignmentAudit(d.assignmentOut(row))
	case given != nil:
		def = *given
		def.Own()
		def.ByDefault, def.Default, def.Created = false, nil, d.Now.Milli()
	}
	if in.IfMatch != "" && t.Ent != 0 {
		ok = d.rowStillAt(row, given, in.IfMatch, at, p) && ok
	}
	if ok && !own {
		ok = d.roomFor(t, in.Capability, at, p)
	}
	ok = d.defineRow(&def, in, !own && given == nil, at, p) && ok
	if !own {
		ok = d.checkCountFrom(&def, in, at, p) && ok
	}
	parent, moves := uint32(0), in.ParentID.Set && t.Ent != 0
	if moves {
		var err *bursar.Error
		if parent, err = d.checkParent(t.Ent, in.ParentID); err != nil {
			p.Add(at+"/parentId", err.Code, "%s", err.Message)
			ok = false
		}
	}
	if !ok {
		return 0, false, false
	}
	def.Cap, def.Updated = d.CapFor(in.Capability), d.Now.Milli()
	row = d.emitRow(row, def) // before the move: it may begin with what was used under a default of the old place
	if moves && d.Ent(t.Ent).Parent != parent {
		e, old := *d.Ent(t.Ent), d.EntityOut(t.Ent)
		e.Parent = parent
		d.writeEntity(caller, t.Ent, e, old)
	}
	if own || in.CountFrom != countPeriod { // else startRow is yet to say what was used
		d.alertOn(row)
	}
	d.rowWritten(caller, row, before)
	return row, !own, given != nil
}

// rowStillAt adds to p if a row is not at the revision that a write is based on. For a row that is
// limited by default, that is the revision of the limit by default, or NoRevision.
func (d *Decider) rowStillAt(row uint32, given *record.Limit, ifMatch, at string, p *bursar.Problems) bool {
	n := len(p.Fields())
	switch {
	case given != nil && ifMatch != bursar.NoRevision:
		if row == 0 {
			row = d.unmadeNumber(unmadeRow{given.Ent, given.Cap, given.Label})
		}
	case row != 0 && d.rawDef(row).ByDefault:
		row = 0
	}
	if row == 0 {
		p.CheckRevision(at+"/ifMatch", ifMatch, nil, false)
	} else {
		now := d.assignmentOut(row)
		p.CheckRevision(at+"/ifMatch", ifMatch, &now, true)
	}
	return len(p.Fields()) == n
}

// rowWritten does what follows from a limit that was written; before is nil if it is new.
func (d *Decider) rowWritten(caller *catalogue.Caller, row uint32, before any) {
	action := "assignment.updated"
	if before == nil {
		action = "assignment.created"
	}
	out := d.assignmentOut(row)
	d.touch(d.Def(row).Ent)
	d.audit(caller, action, "assignment", out.ID, out.EntityID, before, assignmentAudit(out))
	d.notify("entity.entitlement."+strings.TrimPrefix(action, "assignment."), entitlementOf(d.Cust().ID, &out))
}

// entitlementOf is how messages show an assignment.
func entitlementOf(customer string, a *bursar.Assignment) catalogue.EntitlementData {
	m := assignmentAudit(*a)
	m["effectiveUsageLimit"] = a.EffectiveLimit
	m["id"], m["parentId"], m["createdAt"], m["updatedAt"] = a.ID, a.ParentID, a.CreatedAt, a.UpdatedAt
	return catalogue.EntitlementData{CustomerID: customer, Entitlement: m}
}

// defineRow puts what in says into def.
func (d *Decider) defineRow(def *record.Limit, in *bursar.AssignmentInput, create bool, at string, p *bursar.Problems) bool {
	n := len(p.Fields())
	if create && !in.UsageLimit.Set {
		p.Add(at+"/usageLimit", bursar.CodeValidationFailed, "a new assignment says its usageLimit; null is unlimited")
	}
	if in.UsageLimit.Set {
		def.Limited, def.Limit = !in.UsageLimit.Null, in.UsageLimit.Value
		if def.Limit.Sign() < 0 {
			p.Add(at+"/usageLimit", bursar.CodeInvalidAmount, "a usage limit is 0 or more")
		}
	}
	if e := in.Enforcement; e.Set {
		if def.Soft = e.Value == bursar.Soft; !e.Null && e.Value != bursar.Soft && e.Value != bursar.Hard {
			p.Add(at+"/enforcement", bursar.CodeValidationFailed, "enforcement is hard or soft")
		}
	}
	if a := in.Allocation; a.Set {
		if def.Strict = a.Value == "strict"; !a.Null && a.Value != "strict" && a.Value != "none" {
			p.Add(at+"/allocation", bursar.CodeValidationFailed, "allocation is none or strict")
		}
	}
	if n := d.strictOn(def); n >= maxStrict {
		p.Add(at+"/allocation", bursar.CodeValidationFailed, "an entity has at most %d limits with strict allocation", maxStrict)
	}
	if def.Strict && (len(def.Scope) > 0 || !def.Limited) {
		p.Add(at+"/allocation", bursar.CodeValidationFailed, "a strict allocation takes a limit with a number and without scope entities")
	}
	if th := in.AlertThresholds; th.Set {
		def.Thresholds = d.Cat.NewThresholds()
		if !th.Null {
			def.Thresholds = slices.Compact(slices.Sorted(slices.Values(th.Value)))
			catalogue.CheckThresholds(at+"/alertThresholds", th.Value, p)
		}
	}
	d.defineSchedule(def, in, create, at, p)
	return len(p.Fields()) == n
}

func (d *Decider) defineSchedule(def *record.Limit, in *bursar.AssignmentInput, create bool, at string, p *bursar.Problems) {
	var s record.Rule
	if def.Sched != nil {
		s = def.Sched.Rule
	} else {
		s.Zone = d.defaultZone()
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
		if s.Zone = in.Timezone.Value; in.Timezone.Null || s.Zone == "" {
			s.Zone = d.defaultZone()
		}
		if !validZone(s.Zone) {
			p.Add(at+"/timezone", bursar.CodeValidationFailed, "%.64q is not an IANA time zone, such as Europe/Berlin", s.Zone)
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
	def.Sched, _ = record.NewSchedule(s.Cadence.String(), s.Zone, s.HasAnchor, bursar.Time(s.Anchor))
}

func (d *Decider) defaultZone() string {
	if z := d.Cust().Timezone; z != nil {
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
	_, err := record.Location(name)
	return err == nil
}

type DeleteAssignment struct {
	Caller catalogue.Caller
	ID     string
}

func (o *DeleteAssignment) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	row := d.findRowID(o.ID)
	if row == 0 {
		return nil, errNoAssignment(o.ID)
	}
	out, def := d.assignmentOut(row), d.Def(row)
	if err := o.Caller.StillAt(&out); err != nil {
		return nil, err
	}
	if def.ByDefault {
		return nil, bursar.Errorf(bursar.CodeValidationFailed,
			"the entity %q has this limit by default (%s): there is nothing of its own to delete. Change or delete the default, or put a limit of its own", out.EntityID, out.DefaultOf.DefaultID)
	}
	if d.capsToken(row) {
		return nil, bursar.Errorf(bursar.CodeValidationFailed, "the limit %s is the cap of a spend token: revoke the token, or archive its entity %q first", out.ID, out.EntityID)
	}
	d.touch(def.Ent)
	if given := d.byDefault(def.Ent, def.Cap, def.Label); given.Idle() || len(def.Scope) > 0 {
		d.Emit(&record.LimitDeleted{Row: row})
	} else {
		d.giveBack(row, def, given)
	}
	d.audit(&o.Caller, "assignment.deleted", "assignment", out.ID, out.EntityID, assignmentAudit(out), nil)
	d.notify(bursar.EventEntitlementDeleted, entitlementOf(d.Cust().ID, &out))
	return out, d.checkWrite(noPointer)
}

func errNoAssignment(id string) error {
	return bursar.Errorf(bursar.CodeAssignmentNotFound, "there is no assignment %.64q", id)
}

// findRowID finds a live row by its id's text; 0 = none.
func (v *View) findRowID(text string) uint32 {
	id, ok := store.ParseID(text)
	if !ok {
		return 0
	}
	row := v.rowByID(id)
	if row == 0 {
		row = v.rowByDefaultedID(id)
	}
	if row == 0 {
		if i := slices.Index(v.newRowIDs, id); i >= 0 {
			row = uint32(v.RowIDs.len() + i)
		}
	}
	if row == 0 {
		return 0
	}
	if def := v.Def(row); def == nil || def.Ent == 0 || v.RowID(row) != id || !v.SeesRow(def) {
		return 0
	}
	return row
}

func (v *View) parentID(ent uint32) *string {
	if p := v.Ent(ent).Parent; p != 0 && ent != v.Root {
		id := v.Ent(p).ID
		return &id
	}
	return nil
}

// AssignmentOf is one assignment.
func (v *View) AssignmentOf(id string) (bursar.Assignment, error) {
	row := v.findRowID(id)
	if row == 0 {
		return bursar.Assignment{}, errNoAssignment(id)
	}
	return v.assignmentOut(row), nil
}

func (v *View) assignmentOut(row uint32) bursar.Assignment {
	def := v.Def(row)
	a := bursar.Assignment{
		ID: store.FormatID(v.RowID(row)), EntityID: v.Ent(def.Ent).ID, ParentID: v.parentID(def.Ent),
		ScopeEntityIDs: v.scopeIDs(def), Capability: v.Capability(def.Cap), Cadence: def.Sched.Cadence, Label: def.Label,
		Enforcement: enforcement(def.Soft), AlertThresholds: def.Thresholds, Timezone: def.Sched.Zone,
		Allocation: "none", CreatedAt: def.Created, UpdatedAt: def.Updated, DefaultOf: v.defaultSource(def),
	}
	if def.Limited {
		limit := v.LimitNow(row, def)
		a.UsageLimit, a.EffectiveLimit = &def.Limit, &limit
	}
	if a.AlertThresholds == nil {
		a.AlertThresholds = []int{}
	}
	if def.Strict {
		a.Allocation = "strict"
	}
	if def.Sched.HasAnchor {
		t := bursar.Time(def.Sched.Anchor)
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

func (o *PutAssignments) Size() int { return len(o.In) }
