package ledger

import (
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// Bounds of archiving: how many entities one request archives, and how many limits and how many
// entities its reply names as released.
const (
	maxArchived = 1000
	maxReleased = 100
)

// Archival is what archiving does, or would do.
type Archival struct {
	IDs      []string // that were asked for
	Archived []string // that were live, those that were asked for first
	// Limits are those that stop to gate and to count, because their entity is archived.
	// Entities are those that stay below archived ones: those limits do not stop their usage any
	// more. Both have the first maxReleased; LimitCount and EntityCount count all.
	Limits      []bursar.Assignment
	LimitCount  int
	Entities    []bursar.Entity
	EntityCount int
	revision    string
}

// Revision is of all that is archived and released, also of what the reply does not name.
func (a *Archival) Revision() string { return a.revision }

// PreviewArchive tells what archiving would release.
func (v *View) PreviewArchive(ids []string, descendants bool) (Archival, error) {
	var p bursar.Problems
	out, _ := v.archival(ids, descendants, &p)
	return out, p.Err()
}

// archival finds what archiving ids would do. With descendants, all that is below them is
// archived too. ords are the entities that would be archived.
func (v *View) archival(ids []string, descendants bool, p *bursar.Problems) (out Archival, ords []uint32) {
	out = Archival{IDs: ids, Archived: []string{}, Limits: []bursar.Assignment{}, Entities: []bursar.Entity{}}
	going := map[uint32]bool{}
	add := func(ord uint32) {
		if !going[ord] && v.Ent(ord).Archived == 0 {
			going[ord] = true
			ords, out.Archived = append(ords, ord), append(out.Archived, v.Ent(ord).ID)
		}
	}
	var asked []uint32
	for i, id := range ids {
		ord := v.EntOrd(id)
		if ord == 0 {
			p.Add(fmt.Sprintf("/ids/%d", i), bursar.CodeEntityNotFound, "%s", v.noEntity(id))
			continue
		}
		asked = append(asked, ord)
		add(ord)
	}
	below := map[uint32]bool{}
	var order []uint32
	var walk func(ord uint32)
	walk = func(ord uint32) {
		v.eachChild(ord, func(c uint32) {
			if !below[c] {
				below[c] = true
				order = append(order, c)
				walk(c)
			}
		})
	}
	for _, ord := range asked {
		if descendants || going[ord] { // else it is archived already, and nothing changes below it
			walk(ord)
		}
	}
	if descendants {
		for _, ord := range order {
			add(ord)
		}
	}
	if len(ords) > maxArchived {
		p.Add("/ids", bursar.CodeValidationFailed, "this would archive %d entities, at most %d at once: archive parts of it first", len(ords), maxArchived)
	}
	parts := out.release(v, ords, order, going)
	out.revision = bursar.RevisionOf(out.Archived, parts)
	return out, ords
}

// release lists what is released. parts are the ids of all of it, and the revisions of limits.
func (a *Archival) release(v *View, ords, below []uint32, going map[uint32]bool) (parts []string) {
	for _, ord := range ords {
		v.eachRow(ord, 0, func(row uint32, _ *record.Limit) {
			a.LimitCount++
			out := v.assignmentOut(row)
			if parts = append(parts, out.ID, out.Revision()); len(a.Limits) < maxReleased {
				a.Limits = append(a.Limits, out)
			}
		})
	}
	for _, ord := range below {
		if e := v.Ent(ord); e.Archived == 0 && !going[ord] {
			a.EntityCount++
			if parts = append(parts, e.ID); len(a.Entities) < maxReleased {
				a.Entities = append(a.Entities, v.EntityOut(ord))
			}
		}
	}
	return parts
}

type ArchiveEntities struct {
	Caller      catalogue.Caller
	IDs         []string
	Archive     bool
	Descendants bool
}

func (o *ArchiveEntities) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	var p bursar.Problems
	var out Archival
	var ords []uint32
	if o.Archive {
		out, ords = d.archival(o.IDs, o.Descendants, &p)
	} else {
		out, ords = d.restored(o.IDs, &p)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := o.Caller.StillAt(&out); err != nil {
		return nil, err
	}
	for _, ord := range ords {
		d.setArchived(&o.Caller, ord, o.Archive)
	}
	return out, d.checkWrite(noPointer)
}

// restored finds the entities that unarchiving ids brings back.
func (d *Decider) restored(ids []string, p *bursar.Problems) (out Archival, ords []uint32) {
	out.IDs = ids
	met := map[uint32]bool{}
	for i, id := range ids {
		at := fmt.Sprintf("/ids/%d", i)
		ord := d.EntOrd(id)
		if ord == 0 {
			p.Add(at, bursar.CodeEntityNotFound, "%s", d.noEntity(id))
			continue
		}
		e := d.Ent(ord)
		if e.Archived == 0 || met[ord] {
			continue
		}
		if typ := d.typeID(e.Typ); d.Cat.TypeOf[typ] == nil || d.Cat.TypeOf[typ].ArchivedAt != nil {
			p.Add(at, bursar.CodeEntityTypeArchived, "the entity type %q of %q is archived", typ, id)
			continue
		}
		met[ord] = true
		ords = append(ords, ord)
	}
	return out, ords
}

func (d *Decider) setArchived(caller *catalogue.Caller, ord uint32, archive bool) {
	e, before := *d.Ent(ord), d.EntityOut(ord)
	e.Own()
	e.Archived, e.Updated = 0, d.Now.Milli()
	action := "entity.unarchived"
	if archive {
		e.Archived = e.Updated
		action = "entity.archived"
	}
	d.Emit(&record.EntityPut{Ord: ord, Ent: e})
	out := d.EntityOut(ord)
	d.touchBelow(ord)
	d.audit(caller, action, "entity", e.ID, e.ID, before, out)
	if !archive {
		action = bursar.EventEntityUpdated
	}
	d.notify(action, catalogue.EntityData{CustomerID: d.Cust().ID, Entity: out})
}

func (o *ArchiveEntities) Size() int { return len(o.IDs) }
