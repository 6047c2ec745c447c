package ledger

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

func (v *View) applyEntity(r *record.EntityPut) error {
	var old *record.Entity
	switch {
	case int(r.Ord) == v.entCount:
		v.entCount++
		if v.undoing {
			v.undo = append(v.undo, func() { v.entCount-- })
		}
		put(v, &v.newIDs, r.Ent.ID, r.Ord)
		v.noteNewCased(r.Ent.ID, r.Ord)
	case r.Ord > 0 && int(r.Ord) < v.entCount:
		old = v.Ent(r.Ord)
	default:
		return fmt.Errorf("%w: entity number %d", record.ErrRecord, r.Ord)
	}
	e := r.Ent
	put(v, &v.ents, r.Ord, &e)
	if old == nil || old.Parent != e.Parent {
		if old != nil && slices.Contains(v.kids[e.Parent], r.Ord) { // it went and comes back
			return nil
		}
		put(v, &v.kids, e.Parent, append(v.kids[e.Parent], r.Ord))
	}
	return nil
}

type PutEntities struct {
	Caller catalogue.Caller
	In     []bursar.EntityInput
	Patch  bool // of one entity that exists; it stays archived if it is, and pointers are relative to it
}

func (o *PutEntities) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	var p bursar.Problems
	met := make(map[string]bool, len(o.In))
	out := make([]bursar.Entity, 0, len(o.In))
	for i := range o.In {
		in := &o.In[i]
		at := fmt.Sprintf("/entities/%d", i)
		if o.Patch {
			at = ""
			if d.EntOrd(in.ID) == 0 {
				return nil, d.errNoEntity(in.ID)
			}
		}
		if met[in.ID] {
			p.Add(at+"/id", bursar.CodeValidationFailed, "the entity %q is in this request twice", in.ID)
			continue
		}
		met[in.ID] = true
		if e := d.putEntity(&o.Caller, in, at, o.Patch, &p); e != nil {
			out = append(out, *e)
		}
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return out, d.checkWrite(noPointer)
}

func (v *View) errNoEntity(id string) error {
	return bursar.Errorf(bursar.CodeEntityNotFound, "%s", v.noEntity(id))
}

// putEntity writes one entity, or adds to p what is wrong with it.
func (d *Decider) putEntity(caller *catalogue.Caller, in *bursar.EntityInput, at string, patch bool, p *bursar.Problems) *bursar.Entity {
	good := true
	bad := func(field string, code bursar.Code, format string, args ...any) {
		p.Add(at+field, code, format, args...)
		good = false
	}
	ord := d.EntOrd(in.ID)
	e := record.Entity{ID: in.ID, Created: d.Now.Milli()}.With(record.Details{})
	var before any
	if ord != 0 {
		e = *d.Ent(ord)
		before = d.EntityOut(ord)
	} else if err := bursar.CheckEntityID(in.ID); err != nil {
		bad("/id", bursar.CodeValidationFailed, "%v", err)
	}
	e.Own()
	if in.IfMatch != "" {
		good = d.entityStillAt(ord, in.IfMatch, at, patch, p) && good
	}
	if !patch {
		e.Archived = 0
	}
	if typ := in.EntityTypeID; typ == "" && ord == 0 {
		bad("/entityTypeId", bursar.CodeEntityTypeRequired, "the entity %q is new: say its entityTypeId", in.ID)
	} else {
		if typ == "" {
			typ = d.typeID(e.Typ)
		}
		switch t := d.Cat.TypeOf[typ]; {
		case t == nil:
			bad("/entityTypeId", bursar.CodeEntityTypeNotFound, "%s", d.missing(d.Cat, catalogue.OfType, typ))
		case t.ArchivedAt != nil && !(patch && e.Archived != 0) && (ord == 0 || d.Ent(ord).Archived != 0 || in.EntityTypeID != "" && d.typeID(e.Typ) != typ):
			bad("/entityTypeId", bursar.CodeEntityTypeArchived, "the entity type %q is archived", typ)
		case good:
			e.Typ = d.TypeFor(typ)
		}
	}
	if err := bursar.CheckText(in.DisplayName.Value, bursar.MaxNameLen); in.DisplayName.Set && err != nil {
		bad("/displayName", bursar.CodeValidationFailed, "a display name %v", err)
	}
	catalogue.SetOpt(&e.Name, in.DisplayName)
	if in.Metadata != nil && ord != 0 && d.typeID(d.Ent(ord).Typ) == bursar.SpendTokenType {
		if !maps.Equal(catalogue.PatchMetadata(e.Meta, in.Metadata, at+"/metadata", &bursar.Problems{}), e.Meta) {
			bad("/metadata", bursar.CodeValidationFailed, "the metadata of the entity of a spend token is the server's")
		}
	} else if in.Metadata != nil {
		n := len(p.Fields())
		if e.Meta = catalogue.PatchMetadata(e.Meta, in.Metadata, at+"/metadata", p); len(e.Meta) == 0 {
			e.Meta = nil
		}
		good = good && len(p.Fields()) == n
	}
	if in.ParentID.Set {
		if parent, err := d.checkParent(ord, in.ParentID); err != nil {
			bad("/parentId", err.Code, "%s", err.Message)
		} else {
			e.Parent = parent
		}
	}
	if !good {
		return nil
	}
	return d.writeEntity(caller, ord, e, before)
}

// entityStillAt adds to p if an entity, 0 = none, is not at the revision that a write is
// based on.
func (d *Decider) entityStillAt(ord uint32, ifMatch, at string, patch bool, p *bursar.Problems) bool {
	n := len(p.Fields())
	if !patch { // a patch is of one entity and says it in a header
		at += "/ifMatch"
	}
	if ord == 0 {
		p.CheckRevision(at, ifMatch, nil, false)
	} else {
		now := d.EntityOut(ord)
		p.CheckRevision(at, ifMatch, &now, true)
	}
	return len(p.Fields()) == n
}

func (d *Decider) writeEntity(caller *catalogue.Caller, ord uint32, e record.Entity, before any) *bursar.Entity {
	action := "entity.updated"
	if ord == 0 {
		ord = uint32(d.entCount)
		action = "entity.created"
	}
	e.Updated = d.Now.Milli()
	moved := d.changesShares(ord, &e)
	d.Emit(&record.EntityPut{Ord: ord, Ent: e})
	out := d.EntityOut(ord)
	if moved {
		d.touchBelow(ord)
	}
	d.audit(caller, action, "entity", e.ID, e.ID, before, out)
	d.notify(action, catalogue.EntityData{CustomerID: d.Cust().ID, Entity: out})
	return &out
}

// changesShares tells whether writing e may change what strict limits share out: by its place, by
// being archived or live or, where its type has defaults, by its type and metadata.
func (d *Decider) changesShares(ord uint32, e *record.Entity) bool {
	set := d.defaultSet()
	if int(ord) == d.entCount {
		return len(set.of[e.Typ]) > 0
	}
	old := d.Ent(ord)
	if old.Parent != e.Parent || old.Archived != e.Archived {
		return true
	}
	if old.Typ != e.Typ {
		return len(set.of[old.Typ])+len(set.of[e.Typ]) > 0
	}
	return set.goBy(e.Typ) && !maps.Equal(old.Meta, e.Meta)
}

// checkParent tells which entity ord (0 = a new one) would get as its parent.
func (d *Decider) checkParent(ord uint32, in bursar.Opt[string]) (uint32, *bursar.Error) {
	parent, err := d.parentOf(ord, in)
	if err == nil && ord != 0 {
		err = d.staysFrozen(ord, parent)
	}
	return parent, err
}

func (d *Decider) parentOf(ord uint32, in bursar.Opt[string]) (uint32, *bursar.Error) {
	if in.Null || in.Value == "" {
		if d.Root != 0 {
			return 0, errAboveToken
		}
		return 0, nil
	}
	parent := d.EntOrd(in.Value)
	if parent == 0 {
		return 0, bursar.Errorf(bursar.CodeParentNotFound, "there is no entity %q to be the parent%s", in.Value, d.meant(in.Value))
	}
	if ord != 0 && d.Ent(ord).Parent == parent {
		return parent, nil
	}
	if d.Ent(parent).Archived != 0 {
		return 0, bursar.Errorf(bursar.CodeParentNotFound, "the entity %q is archived and cannot become a parent", in.Value)
	}
	height := 1
	if ord != 0 {
		if d.within(parent, ord) {
			return 0, bursar.Errorf(bursar.CodeHierarchyCycle, "the entity %q is %q itself or below it and cannot be its parent", in.Value, d.Ent(ord).ID)
		}
		height = d.height(ord)
	}
	if n := d.depth(parent) + height; n > bursar.MaxDepth && d.Root != 0 {
		return 0, bursar.Errorf(bursar.CodeHierarchyTooDeep, "below %q the tree would have too many levels; at most %d are allowed, those above your root included", in.Value, bursar.MaxDepth)
	} else if n > bursar.MaxDepth {
		return 0, bursar.Errorf(bursar.CodeHierarchyTooDeep, "below %q the tree would have %d levels; at most %d are allowed", in.Value, n, bursar.MaxDepth)
	}
	return parent, nil
}

// EntityOf is one entity, archived or not.
func (v *View) EntityOf(id string) (bursar.Entity, error) {
	ord := v.EntOrd(id)
	if ord == 0 {
		return bursar.Entity{}, v.errNoEntity(id)
	}
	return v.EntityOut(ord), nil
}

func (v *View) EntityOut(ord uint32) bursar.Entity {
	e := v.Ent(ord)
	out := bursar.Entity{ID: e.ID, EntityTypeID: v.typeID(e.Typ), DisplayName: e.Name, Metadata: e.Meta,
		CreatedAt: e.Created, UpdatedAt: e.Updated}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	if e.Archived != 0 {
		t := e.Archived
		out.ArchivedAt = &t
	}
	out.ParentID = v.parentID(ord)
	return out
}

func (o *PutEntities) Size() int { return len(o.In) }

// setEntity puts e at ord, which exists or is the next, and keeps the indexes.
func (s *State) setEntity(ord uint32, e *record.Entity) {
	var old *record.Entity
	if int(ord) == s.Entities.Len() {
		s.addEntity(e.With(*e.Details))
		s.byID.add(hashOf(e.ID), ord)
		s.noteCased(e.ID, ord)
		s.entOrder.insert(ord)
	} else {
		was := *s.Entities.at(ord)
		old = &was
		s.details += e.Details.Memory() - old.Details.Memory()
		s.Entities.put(ord, e.With(*e.Details))
	}
	s.indexEntity(ord, e, old == nil)
	if old == nil || old.Parent != e.Parent {
		if old != nil {
			kids := s.children[old.Parent]
			at := slices.Index(kids, ord)
			s.children[old.Parent] = slices.Concat(kids[:at], kids[at+1:])
		}
		s.children[e.Parent] = append(s.children[e.Parent], ord)
		s.parents.add(e.Parent)
	}
	if old != nil {
		s.countEntity(old, -1)
	}
	s.countEntity(e, 1)
}

// addEntity puts the next one in.
func (s *State) addEntity(e record.Entity) {
	s.details += e.Details.Memory()
	s.Entities.add(e)
	s.firstRow = append(s.firstRow, 0)
	s.inScope = append(s.inScope, 0)
}

func (s *State) countEntity(e *record.Entity, n int) {
	if e.Archived == 0 {
		s.liveTypes[e.Typ] += n
	} else if s.archivedKids[e.Parent] += n; s.archivedKids[e.Parent] == 0 {
		delete(s.archivedKids, e.Parent)
	}
}

// entOrd is the number of an entity; 0 = there is none with that id.
func (s *State) entOrd(id string) uint32 {
	return s.byID.find(hashOf(id), func(ord uint32) bool { return s.Entities.at(ord).ID == id })
}
