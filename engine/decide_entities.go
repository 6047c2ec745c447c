package engine

import (
	"fmt"
	"maps"

	"github.com/bursarhq/bursar"
)

// writable is nil when governance writes may happen in the customer.
func (d *decider) writable() error {
	switch c := d.cust(); {
	case c == nil:
		return errNoCustomer
	case c.ArchivedAt != nil:
		return bursar.Errorf(bursar.CodeCustomerIsArchived, "the customer %q is archived; unarchive it first", c.ID)
	}
	return nil
}

var errNoCustomer = bursar.Errorf(bursar.CodeCustomerNotFound, "there is no such customer")

type createCustomer struct {
	caller Caller
	id     string
	in     bursar.CustomerInput
}

func (o *createCustomer) decide(d *decider) (any, error) {
	if d.cust() != nil {
		return nil, bursar.ErrorAt("/id", bursar.CodeAlreadyExists, "the customer %q exists already", o.id)
	}
	c := bursar.Customer{ID: o.id, Metadata: map[string]string{}, CreatedAt: d.now.Milli()}
	return d.putCustomer(&o.caller, c, &o.in, "customer.created")
}

type updateCustomer struct {
	caller Caller
	in     bursar.CustomerInput
}

func (o *updateCustomer) decide(d *decider) (any, error) {
	if d.cust() == nil {
		return nil, errNoCustomer
	}
	if err := o.caller.stillAt(d.cust()); err != nil {
		return nil, err
	}
	return d.putCustomer(&o.caller, *d.cust(), &o.in, "customer.updated")
}

func (d *decider) putCustomer(caller *Caller, c bursar.Customer, in *bursar.CustomerInput, action string) (any, error) {
	var p bursar.Problems
	text := func(name string, dst **string, src bursar.Opt[string]) {
		if err := bursar.CheckText(src.Value, bursar.MaxNameLen); src.Set && err != nil {
			p.Add("/"+name, bursar.CodeValidationFailed, "%s %v", name, err)
		}
		setOpt(dst, src)
	}
	before := d.cust()
	text("name", &c.Name, in.Name)
	text("email", &c.Email, in.Email)
	text("language", &c.Language, in.Language)
	text("billingId", &c.BillingID, in.BillingID)
	text("billingCurrency", &c.BillingCurrency, in.BillingCurrency)
	text("timezone", &c.Timezone, in.Timezone)
	if in.Timezone.Set && c.Timezone != nil && !validZone(*c.Timezone) {
		p.Add("/timezone", bursar.CodeValidationFailed, "%.64q is not an IANA time zone, such as Europe/Berlin", *c.Timezone)
	}
	c.Metadata = patchMetadata(c.Metadata, in.Metadata, "/metadata", &p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	c.UpdatedAt = d.now.Milli()
	d.emit(&customerRec{c})
	if before == nil {
		d.audit(caller, action, "customer", c.ID, "", nil, c)
	} else {
		d.audit(caller, action, "customer", c.ID, "", before, c)
	}
	return c, nil
}

// setOpt is how null and "" clear a text.
func setOpt(dst **string, src bursar.Opt[string]) {
	if !src.Set {
		return
	}
	if *dst = nil; !src.Null && src.Value != "" {
		v := src.Value
		*dst = &v
	}
}

// patchMetadata merges in into m; "" deletes a key. The result is never nil.
func patchMetadata(m, in map[string]string, pointer string, p *bursar.Problems) map[string]string {
	out := make(map[string]string, len(m)+len(in))
	maps.Copy(out, m)
	for _, k := range sortedKeys(in) {
		v := in[k]
		switch err := bursar.CheckMetadata(k, v); {
		case err != nil:
			p.Add(pointer+"/"+escapePointer(k), bursar.CodeValidationFailed, "%v", err)
		case v == "":
			delete(out, k)
		default:
			out[k] = v
		}
	}
	if len(out) > bursar.MaxMetadataKeys {
		p.Add(pointer, bursar.CodeValidationFailed, "metadata has at most %d keys, this would have %d", bursar.MaxMetadataKeys, len(out))
	}
	return out
}

type archiveCustomer struct {
	caller  Caller
	archive bool
}

func (o *archiveCustomer) decide(d *decider) (any, error) {
	if d.cust() == nil {
		return nil, errNoCustomer
	}
	c := *d.cust()
	if err := o.caller.stillAt(&c); err != nil {
		return nil, err
	}
	if (c.ArchivedAt != nil) == o.archive {
		return c, nil
	}
	now := d.now.Milli()
	action := "customer.unarchived"
	before := c
	c.ArchivedAt, c.UpdatedAt = nil, now
	if o.archive {
		c.ArchivedAt = &now
		action = "customer.archived"
	}
	d.emit(&customerRec{c})
	d.audit(&o.caller, action, "customer", c.ID, "", before, c)
	return c, nil
}

type putEntities struct {
	caller Caller
	in     []bursar.EntityInput
	patch  bool // one existing entity, pointers relative to it, not restored
}

func (o *putEntities) decide(d *decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	var p bursar.Problems
	seen := make(map[string]bool, len(o.in))
	out := make([]bursar.Entity, 0, len(o.in))
	for i := range o.in {
		in := &o.in[i]
		at := fmt.Sprintf("/entities/%d", i)
		if o.patch {
			at = ""
			if d.entOrd(in.ID) == 0 {
				return nil, errNoEntity(in.ID)
			}
		}
		if seen[in.ID] {
			p.Add(at+"/id", bursar.CodeValidationFailed, "the entity %q is in this request twice", in.ID)
			continue
		}
		seen[in.ID] = true
		if e := d.putEntity(&o.caller, in, at, o.patch, &p); e != nil {
			out = append(out, *e)
		}
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return out, d.checkAllocations(noPointer)
}

func noPointer(uint32, string) string { return "" }

func errNoEntity(id string) error {
	return bursar.Errorf(bursar.CodeEntityNotFound, "there is no entity %q", id)
}

// putEntity writes one entity, or adds to p what is wrong with it.
func (d *decider) putEntity(caller *Caller, in *bursar.EntityInput, at string, patch bool, p *bursar.Problems) *bursar.Entity {
	good := true
	bad := func(field string, code bursar.Code, format string, args ...any) {
		p.Add(at+field, code, format, args...)
		good = false
	}
	ord := d.entOrd(in.ID)
	e := entity{id: in.ID, created: d.now.Milli()}
	var before any
	if ord != 0 {
		e = *d.ent(ord)
		before = d.entityOut(ord)
	} else if err := bursar.CheckEntityID(in.ID); err != nil {
		bad("/id", bursar.CodeValidationFailed, "%v", err)
	}
	if in.IfMatch != "" {
		good = d.entityStillAt(ord, in.IfMatch, at, patch, p) && good
	}
	if !patch {
		e.archived = 0
	}
	if typ := in.EntityTypeID; typ == "" && ord == 0 {
		bad("/entityTypeId", bursar.CodeEntityTypeRequired, "the entity %q is new: say its entityTypeId", in.ID)
	} else {
		if typ == "" {
			typ = d.typeID(e.typ)
		}
		switch t := d.cat.types[typ]; {
		case t == nil:
			bad("/entityTypeId", bursar.CodeEntityTypeNotFound, "there is no entity type %q", typ)
		case t.ArchivedAt != nil && !(patch && e.archived != 0) && (ord == 0 || d.ent(ord).archived != 0 || in.EntityTypeID != "" && d.typeID(e.typ) != typ):
			bad("/entityTypeId", bursar.CodeEntityTypeArchived, "the entity type %q is archived", typ)
		case good:
			e.typ = d.typeFor(typ)
		}
	}
	if err := bursar.CheckText(in.DisplayName.Value, bursar.MaxNameLen); in.DisplayName.Set && err != nil {
		bad("/displayName", bursar.CodeValidationFailed, "a display name %v", err)
	}
	setOpt(&e.name, in.DisplayName)
	if in.Metadata != nil {
		n := len(p.Fields())
		if e.meta = patchMetadata(e.meta, in.Metadata, at+"/metadata", p); len(e.meta) == 0 {
			e.meta = nil
		}
		good = good && len(p.Fields()) == n
	}
	if in.ParentID.Set {
		if parent, err := d.checkParent(ord, in.ParentID); err != nil {
			bad("/parentId", err.Code, "%s", err.Message)
		} else {
			e.parent = parent
		}
	}
	if !good {
		return nil
	}
	return d.writeEntity(caller, ord, e, before)
}

// entityStillAt adds to p if an entity, 0 = none, is not at the revision that a write is
// based on.
func (d *decider) entityStillAt(ord uint32, ifMatch, at string, patch bool, p *bursar.Problems) bool {
	n := len(p.Fields())
	if !patch { // a patch is of one entity and says it in a header
		at += "/ifMatch"
	}
	if ord == 0 {
		p.CheckRevision(at, ifMatch, nil, false)
	} else {
		now := d.entityOut(ord)
		p.CheckRevision(at, ifMatch, &now, true)
	}
	return len(p.Fields()) == n
}

func (d *decider) writeEntity(caller *Caller, ord uint32, e entity, before any) *bursar.Entity {
	action := "entity.updated"
	if ord == 0 {
		ord = uint32(d.entCount)
		action = "entity.created"
	}
	e.updated = d.now.Milli()
	// Only a place in the tree, or whether it is live, has to do with what is shared out.
	moved := int(ord) < d.entCount && (d.ent(ord).parent != e.parent || d.ent(ord).archived != e.archived)
	d.emit(&entityRec{ord, e})
	out := d.entityOut(ord)
	if moved {
		d.touch(ord)
	}
	d.audit(caller, action, "entity", e.id, e.id, before, out)
	d.notify(action, entityData{d.cust().ID, out})
	return &out
}

// checkParent tells which entity ord (0 = a new one) would get as its parent.
func (d *decider) checkParent(ord uint32, in bursar.Opt[string]) (uint32, *bursar.Error) {
	if in.Null || in.Value == "" {
		if d.root != 0 {
			return 0, errAboveToken
		}
		return 0, nil
	}
	parent := d.entOrd(in.Value)
	if parent == 0 {
		return 0, bursar.Errorf(bursar.CodeParentNotFound, "there is no entity %q to be the parent", in.Value)
	}
	if ord != 0 && d.ent(ord).parent == parent {
		return parent, nil
	}
	if d.ent(parent).archived != 0 {
		return 0, bursar.Errorf(bursar.CodeParentNotFound, "the entity %q is archived and cannot become a parent", in.Value)
	}
	height := 1
	if ord != 0 {
		for up := parent; up != 0; up = d.ent(up).parent {
			if up == ord {
				return 0, bursar.Errorf(bursar.CodeHierarchyCycle, "the entity %q is %q itself or below it and cannot be its parent", in.Value, d.ent(ord).id)
			}
		}
		height = d.height(ord)
	}
	if n := d.depth(parent) + height; n > bursar.MaxDepth && d.root != 0 {
		return 0, bursar.Errorf(bursar.CodeHierarchyTooDeep, "below %q the tree would have too many levels; at most %d are allowed, those above your root included", in.Value, bursar.MaxDepth)
	} else if n > bursar.MaxDepth {
		return 0, bursar.Errorf(bursar.CodeHierarchyTooDeep, "below %q the tree would have %d levels; at most %d are allowed", in.Value, n, bursar.MaxDepth)
	}
	return parent, nil
}

func (v *view) entityOut(ord uint32) bursar.Entity {
	e := v.ent(ord)
	out := bursar.Entity{ID: e.id, EntityTypeID: v.typeID(e.typ), DisplayName: e.name, Metadata: e.meta,
		CreatedAt: e.created, UpdatedAt: e.updated}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	if e.archived != 0 {
		t := e.archived
		out.ArchivedAt = &t
	}
	out.ParentID = v.parentID(ord)
	return out
}
