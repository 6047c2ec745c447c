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
	seen := map[[16]byte]bool{}
	out := make([]bursar.Default, 0, len(o.In))
	for i := range o.In {
		at := fmt.Sprintf("/defaults/%d", i)
		x := d.putDefault(&o.Caller, &o.In[i], at, &p)
		if x == nil {
			continue
		}
		if seen[x.ID] {
			p.Add(at, bursar.CodeValidationFailed, "this request has the same default (entity, type, metadata, capability and label) twice")
		}
		seen[x.ID] = true
		out = append(out, d.defaultOut(x))
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return out, d.checkAllocations(func(cap uint32, label string) string {
		for i := range slices.Backward(o.In) {
			if o.In[i].Label == label && d.CapOrd(o.In[i].Capability) == cap {
				return fmt.Sprintf("/defaults/%d", i)
			}
		}
		return ""
	})
}

// putDefault writes one default, or adds to p what is wrong with it and gives nil.
func (d *Decider) putDefault(caller *catalogue.Caller, in *bursar.DefaultInput, at string, p *bursar.Problems) *record.Default {
	n := len(p.Fields())
	x := record.Default{Node: d.defaultNode(in.EntityID, at, p), When: d.conditions(in.Metadata, at, p)}
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
	d.touchBelow(x.Node)
	d.auditDefault(caller, action, &x, before, defaultAudit(d.defaultOut(&x)))
	return &x
}

// defaultNode is the entity below which a default is; "" = the whole customer.
func (d *Decider) defaultNode(id, at string, p *bursar.Problems) uint32 {
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
		if y.Node == x.Node && y.Typ == x.Typ && y.Terms.Cap == cap && y.Terms.Label == label && maps.Equal(y.When, x.When) {
			return y
		}
	}
	return nil
}

// defaultHere is the limit that the target of a write has by default; nil = none.
func (d *Decider) defaultHere(t *Target, in *bursar.AssignmentInput) *record.Limit {
	cap := d.CapOrd(in.Capability)
	if t.Ent == 0 || cap == 0 || len(t.scope) > 0 || d.noDefaults() {
		return nil
	}
	if d.ownRow(t.Ent, cap, in.Label) != 0 {
		return nil
	}
	if def := d.byDefault(t.Ent, cap, in.Label); !def.Idle() {
		return def
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
	d.touchBelow(x.Node)
	d.Emit(&record.DefaultDeleted{ID: x.ID})
	d.auditDefault(&o.Caller, "default.deleted", x, defaultAudit(out), nil)
	return out, d.checkAllocations(noPointer)
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
	return v.Root == 0 || x.Node != 0 && v.Sees(x.Node)
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
	if x.Node != 0 {
		out.EntityID = v.Ent(x.Node).ID
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
	if x.Node != 0 {
		about = d.Ent(x.Node).ID
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

// defaultsPart is all defaults in a checkpoint: the records that make them, written as in a commit.
type defaultsPart struct {
	Records []byte `json:"records"`
}

func (s *defaultSet) records() (recs []record.Record) {
	for _, x := range s.list {
		recs = append(recs, &record.DefaultPut{Default: *x})
	}
	return recs
}

func (s *State) restoreDefaults(q defaultsPart) error {
	recs, err := record.DecodePayload(q.Records)
	if err != nil {
		return fmt.Errorf("checkpoint: defaults: %w", err)
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
