package ledger

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// Default limits. An entity that has no limit of its own, of a capability and label, has that of
// the nearest default. What the default says is kept once, however many entities it limits.

// defaultSet is all defaults of a customer. It never changes; another takes its place.
type defaultSet struct {
	list []*record.Default       // by id
	of   map[uint32][]defaultsOf // by entity type
}

// defaultsOf are the defaults of one type, capability and label.
type defaultsOf struct {
	cap   uint32
	label string
	at    map[uint32][]*record.Default // by entity, 0 = the customer; those with more conditions come first
}

func newDefaultSet(list []*record.Default) *defaultSet {
	s := &defaultSet{list: list, of: map[uint32][]defaultsOf{}}
	for _, x := range list {
		of := s.of[x.Typ]
		i := slices.IndexFunc(of, func(o defaultsOf) bool { return o.cap == x.Terms.Cap && o.label == x.Terms.Label })
		if i < 0 {
			i, of = len(of), append(of, defaultsOf{cap: x.Terms.Cap, label: x.Terms.Label, at: map[uint32][]*record.Default{}})
		}
		of[i].at[x.Ent] = append(of[i].at[x.Ent], x)
		s.of[x.Typ] = of
	}
	for _, of := range s.of {
		for _, o := range of {
			for _, at := range o.at {
				slices.SortStableFunc(at, func(x, y *record.Default) int { return len(y.When) - len(x.When) })
			}
		}
	}
	return s
}

// count is how many there are of each capability.
func (s *defaultSet) count() map[uint32]int {
	n := map[uint32]int{}
	for _, x := range s.list {
		n[x.Terms.Cap]++
	}
	return n
}

// with is s with x, which takes the place of the default that has its id, if there is one.
func (s *defaultSet) with(x *record.Default) *defaultSet {
	list := slices.Clone(s.list)
	at, found := slices.BinarySearchFunc(list, x.ID, func(d *record.Default, id [16]byte) int { return record.ComparePlaces(d.ID, id) })
	if found {
		list[at] = x
	} else {
		list = slices.Insert(list, at, x)
	}
	return newDefaultSet(list)
}

func (s *defaultSet) without(id [16]byte) *defaultSet {
	return newDefaultSet(slices.DeleteFunc(slices.Clone(s.list), func(d *record.Default) bool { return d.ID == id }))
}

func (v *View) defaultSet() *defaultSet {
	if v.newDefaults != nil {
		return v.newDefaults
	}
	return v.State.defaults
}

func (v *View) setDefaults(s *defaultSet) {
	if v.undoing {
		old := v.newDefaults
		v.undo = append(v.undo, func() { v.newDefaults = old })
	}
	v.newDefaults = s
}

// goBy tells whether it depends on metadata which defaults of a type apply.
func (s *defaultSet) goBy(typ uint32) bool {
	for _, o := range s.of[typ] {
		for _, at := range o.at {
			if len(at[0].When) > 0 {
				return true
			}
		}
	}
	return false
}

func (v *View) noDefaults() bool { return len(v.defaultSet().list) == 0 }

func (v *View) applyDefault(r record.Record) error {
	switch r := r.(type) {
	case *record.DefaultPut:
		x := r.Default
		v.setDefaults(v.defaultSet().with(&x))
	case *record.DefaultDeleted:
		v.setDefaults(v.defaultSet().without(r.ID))
	case *record.LimitDefaulted:
		return v.applyDefaulted(r)
	}
	return nil
}

// PutDefaults makes default limits. One that there is already, of the same entity, type, metadata,
// capability and label, gets other terms.
type PutDefaults struct {
	Caller catalogue.Caller
	In     []bursar.DefaultInput
}

func (o *PutDefaults) Size() int { return len(o.In) }

func (o *PutDefaults) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	var p bursar.Problems
	met := map[[16]byte]bool{}
	out := make([]bursar.Default, 0, len(o.In))
	for i := range o.In {
		at := fmt.Sprintf("/defaults/%d", i)
		x := d.putDefault(&o.Caller, &o.In[i], at, &p)
		if x == nil {
			continue
		}
		if met[x.ID] {
			p.Add(at, bursar.CodeValidationFailed, "this request has the same default (entity, type, metadata, capability and label) twice")
		}
		met[x.ID] = true
		out = append(out, d.defaultOut(x))
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return out, d.checkWrite(lastItem(d, "/defaults", o.In, func(in *bursar.DefaultInput) (bursar.Capability, string) { return in.Capability, in.Label }))
}

// putDefault writes one default, or adds to p what is wrong with it and gives nil.
func (d *Decider) putDefault(caller *catalogue.Caller, in *bursar.DefaultInput, at string, p *bursar.Problems) *record.Default {
	n := len(p.Fields())
	x := record.Default{Ent: d.defaultEntity(in.EntityID, at, p), When: d.conditions(in.Metadata, at, p)}
	switch t := d.Cat.TypeOf[in.EntityTypeID]; {
	case t == nil:
		p.Add(at+"/entityTypeId", bursar.CodeEntityTypeNotFound, "%s", d.missing(d.Cat, catalogue.OfType, in.EntityTypeID))
	case t.ArchivedAt != nil:
		p.Add(at+"/entityTypeId", bursar.CodeEntityTypeArchived, "the entity type %q is archived", in.EntityTypeID)
	case t.ID == bursar.SpendTokenType:
		p.Add(at+"/entityTypeId", bursar.CodeValidationFailed, "a spend token has the caps that it says, and no limits by default: put a default on what it spends for")
	}
	if err := bursar.CheckLabel(in.Label); err != nil {
		p.Add(at+"/label", bursar.CodeValidationFailed, "%v", err)
	}
	var old *record.Default
	if len(p.Fields()) == n {
		x.Typ = d.TypeFor(in.EntityTypeID)
		old = d.findDefault(&x, d.CapOrd(in.Capability), in.Label)
	}
	if f := d.Cat.FeatureOf[in.Capability.ID]; d.capabilityOK(in.Capability, old != nil, at, p) && in.Capability.Kind == bursar.KindFeature &&
		f.Meter != nil && f.Meter.Aggregation.Function == "UNIQUE" {
		p.Add(at+"/featureId", bursar.CodeValidationFailed, "the feature %q is a UNIQUE of events, which cannot have defaults: put limits on the entities themselves", f.ID)
	}
	if in.IfMatch != "" {
		if old == nil {
			p.CheckRevision(at+"/ifMatch", in.IfMatch, nil, false)
		} else {
			now := d.defaultOut(old)
			p.CheckRevision(at+"/ifMatch", in.IfMatch, &now, true)
		}
	}
	var before any
	if x.Terms = (record.Limit{Created: d.Now.Milli(), Terms: &record.Terms{Label: in.Label, Thresholds: d.Cat.NewThresholds()}}); old != nil {
		x = *old
		x.Terms.Own()
		before = defaultAudit(d.defaultOut(old))
	}
	d.defineRow(&x.Terms, &bursar.AssignmentInput{Capability: in.Capability, UsageLimit: in.UsageLimit, Cadence: in.Cadence, Enforcement: in.Enforcement,
		AlertThresholds: in.AlertThresholds, Timezone: in.Timezone, Anchor: in.Anchor}, old == nil, at, p)
	if len(p.Fields()) == n && old == nil {
		d.roomForDefault(&x, in, at, p)
	}
	if len(p.Fields()) != n {
		return nil
	}
	action := "default.updated"
	x.Terms.Cap, x.Terms.Updated = d.CapFor(in.Capability), d.Now.Milli()
	if old == nil {
		x.ID, action = d.NextID(), "default.created"
	}
	d.Emit(&record.DefaultPut{Default: x})
	d.touchBelow(x.Ent)
	d.auditDefault(caller, action, &x, before, defaultAudit(d.defaultOut(&x)))
	return &x
}

// defaultEntity is the entity below which a default is; "" = the whole customer.
func (d *Decider) defaultEntity(id, at string, p *bursar.Problems) uint32 {
	if id == "" {
		if d.Root != 0 {
			p.Add(at+"/entityId", bursar.CodeForbidden, "an access token sets defaults at its root and below it: name that entity")
		}
		return 0
	}
	ord := d.EntOrd(id)
	switch {
	case ord == 0:
		p.Add(at+"/entityId", bursar.CodeEntityNotFound, "%s", d.noEntity(id))
	case d.Ent(ord).Archived != 0:
		p.Add(at+"/entityId", bursar.CodeValidationFailed, "the entity %q is archived", id)
	}
	return ord
}

// conditions are the metadata that a default asks for.
func (d *Decider) conditions(in map[string]string, at string, p *bursar.Problems) map[string]string {
	if len(in) == 0 {
		return nil
	}
	if len(in) > bursar.MaxConditions {
		p.Add(at+"/metadata", bursar.CodeValidationFailed, "a default has at most %d conditions", bursar.MaxConditions)
	}
	for _, k := range slices.Sorted(maps.Keys(in)) {
		if in[k] == "" {
			p.Add(at+"/metadata/"+catalogue.EscapePointer(k), bursar.CodeValidationFailed, "a condition has a value: an entity has no empty metadata")
		}
	}
	return catalogue.PatchMetadata(nil, in, at+"/metadata", p)
}

// findDefault is the default with the natural key of x; nil = there is none.
func (v *View) findDefault(x *record.Default, cap uint32, label string) *record.Default {
	for _, y := range v.defaultSet().list {
		if y.Ent == x.Ent && y.Typ == x.Typ && y.Terms.Cap == cap && y.Terms.Label == label && maps.Equal(y.When, x.When) {
			return y
		}
	}
	return nil
}

// roomForDefault refuses a new default where the customer has too many, or where those of one
// capability and type have too many labels: every entity of the type has a limit for each label.
func (d *Decider) roomForDefault(x *record.Default, in *bursar.DefaultInput, at string, p *bursar.Problems) {
	set, cap := d.defaultSet(), d.CapOrd(in.Capability)
	if len(set.list) >= bursar.MaxDefaults {
		p.Add(at, bursar.CodeTooManyLimits, "a customer has at most %d defaults: delete one", bursar.MaxDefaults)
		return
	}
	labels := 0
	for _, o := range set.of[x.Typ] {
		if o.cap == cap && o.label == in.Label {
			return
		} else if o.cap == cap {
			labels++
		}
	}
	if labels >= bursar.MaxDefaultLabels {
		p.Add(at+"/label", bursar.CodeTooManyLimits, "the defaults of %q on %s have %d labels, which is the most: delete one, or use one of theirs", in.EntityTypeID, in.Capability, labels)
	}
}

// DeleteDefault takes a default limit away.
type DeleteDefault struct {
	Caller catalogue.Caller
	ID     string
}

func (o *DeleteDefault) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	x := d.defaultByID(o.ID)
	if x == nil {
		return nil, bursar.Errorf(bursar.CodeDefaultNotFound, "there is no default %.64q", o.ID)
	}
	out := d.defaultOut(x)
	if err := o.Caller.StillAt(&out); err != nil {
		return nil, err
	}
	d.touchBelow(x.Ent)
	d.Emit(&record.DefaultDeleted{ID: x.ID})
	d.auditDefault(&o.Caller, "default.deleted", x, defaultAudit(out), nil)
	return out, d.checkWrite(noPointer)
}

// defaultByID finds a default that is seen.
func (v *View) defaultByID(text string) *record.Default {
	id, ok := store.ParseID(text)
	for _, x := range v.defaultSet().list {
		if ok && x.ID == id && v.seesDefault(x) {
			return x
		}
	}
	return nil
}

// seesDefault tells whether a default is seen: one at the root of what is seen is, too.
func (v *View) seesDefault(x *record.Default) bool {
	return v.Root == 0 || x.Ent != 0 && v.Sees(x.Ent)
}

// Defaults are those that are seen, in order of creation.
func (v *View) Defaults() []bursar.Default {
	out := []bursar.Default{}
	for _, x := range v.defaultSet().list {
		if v.seesDefault(x) {
			out = append(out, v.defaultOut(x))
		}
	}
	return out
}

func (v *View) defaultOut(x *record.Default) bursar.Default {
	t := &x.Terms
	out := bursar.Default{ID: store.FormatID(x.ID), EntityTypeID: v.typeID(x.Typ), Metadata: x.When, Capability: v.Capability(t.Cap), Label: t.Label,
		Cadence: t.Sched.Cadence, Enforcement: enforcement(t.Soft), AlertThresholds: t.Thresholds, Timezone: t.Sched.Zone,
		CreatedAt: t.Created, UpdatedAt: t.Updated}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	if out.AlertThresholds == nil {
		out.AlertThresholds = []int{}
	}
	if x.Ent != 0 {
		out.EntityID = v.Ent(x.Ent).ID
	}
	if t.Limited {
		limit := t.Limit
		out.UsageLimit = &limit
	}
	if t.Sched.HasAnchor {
		anchor := bursar.Time(t.Sched.Anchor)
		out.Anchor = &anchor
	}
	return out
}

// defaultAudit is how the audit listing shows a default.
func defaultAudit(x bursar.Default) map[string]any {
	m := map[string]any{"entityId": nullable(x.EntityID), "entityTypeId": x.EntityTypeID, "metadata": x.Metadata, "usageLimit": x.UsageLimit,
		"cadence": x.Cadence.String(), "label": x.Label, "enforcement": x.Enforcement, "alertThresholds": x.AlertThresholds,
		"timezone": x.Timezone, "anchor": x.Anchor}
	if x.Capability.Kind == bursar.KindCurrency {
		m["currencyId"] = x.Capability.ID
	} else {
		m["featureId"] = x.Capability.ID
	}
	return m
}

func nullable(id string) *string {
	if id == "" {
		return nil
	}
	return &id
}

func (d *Decider) auditDefault(c *catalogue.Caller, action string, x *record.Default, before, after any) {
	about := ""
	if x.Ent != 0 {
		about = d.Ent(x.Ent).ID
	}
	d.audit(c, action, "default", store.FormatID(x.ID), about, before, after)
}

func (v *View) mergeDefaults() {
	if v.newDefaults == nil {
		return
	}
	s := v.State
	for _, x := range s.defaults.list {
		s.liveCaps[x.Terms.Cap]--
	}
	s.takeDefaults(v.newDefaults)
	s.Dirty.part(partDefaults, 0, s.defaults)
}

func (s *State) takeDefaults(set *defaultSet) {
	s.defaults = set
	for _, x := range set.list {
		s.liveCaps[x.Terms.Cap]++
	}
}

// records are those that make the defaults.
func (s *defaultSet) records() (recs []record.Record) {
	for _, x := range s.list {
		recs = append(recs, &record.DefaultPut{Default: *x})
	}
	return recs
}

func (s *State) restoreDefaults(p *store.PartRow) error {
	recs, err := readRecords(p)
	if err != nil {
		return err
	}
	var list []*record.Default
	for _, r := range recs {
		x, ok := r.(*record.DefaultPut)
		if !ok {
			return fmt.Errorf("checkpoint: defaults: a record of kind %d", r.Kind())
		}
		list = append(list, &x.Default)
	}
	s.takeDefaults(newDefaultSet(list))
	return nil
}
