package engine

import (
	"context"
	"fmt"

	"github.com/bursarhq/bursar"
)

// Limits of archiving: entities that one request archives, and things that its reply
// names of each sort.
const (
	maxArchived = 1000
	maxReleased = 100
)

// Archival is what archiving does, or would do.
type Archival struct {
	IDs      []string // that were asked for
	Archived []string // that were live, those that were asked for first
	// Limits that stop to gate and to count, because their entity is archived, and
	// entities that stay, below the ones that are archived: usage by them is not stopped by
	// those limits any more. The first 100 of each; LimitCount and EntityCount are all.
	Limits      []bursar.Assignment
	LimitCount  int
	Entities    []bursar.Entity
	EntityCount int
	revision    string
}

// Revision covers all that is archived and released, also what is not named.
func (a *Archival) Revision() string { return a.revision }

// archival finds what archiving ids would do; with descendants all that is below them is
// archived, too. ords are the entities that would be archived.
func (v *view) archival(ids []string, descendants bool, p *bursar.Problems) (out Archival, ords []uint32) {
	out = Archival{IDs: ids, Archived: []string{}, Limits: []bursar.Assignment{}, Entities: []bursar.Entity{}}
	going := map[uint32]bool{}
	add := func(ord uint32) {
		if !going[ord] && v.ent(ord).archived == 0 {
			going[ord] = true
			ords, out.Archived = append(ords, ord), append(out.Archived, v.ent(ord).id)
		}
	}
	var asked []uint32
	for i, id := range ids {
		ord := v.entOrd(id)
		if ord == 0 {
			p.Add(fmt.Sprintf("/ids/%d", i), bursar.CodeEntityNotFound, "there is no entity %q", id)
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
		if descendants || going[ord] { // below one that is archived already nothing changes
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

// release lists what is released; parts name all of it.
func (a *Archival) release(v *view, ords, below []uint32, going map[uint32]bool) (parts []string) {
	for _, ord := range ords {
		v.eachRow(ord, 0, func(row uint32, _ *rowDef) {
			a.LimitCount++
			out := v.assignmentOut(row)
			if parts = append(parts, out.ID, out.Revision()); len(a.Limits) < maxReleased {
				a.Limits = append(a.Limits, out)
			}
		})
	}
	for _, ord := range below {
		if e := v.ent(ord); e.archived == 0 && !going[ord] {
			a.EntityCount++
			if parts = append(parts, e.id); len(a.Entities) < maxReleased {
				a.Entities = append(a.Entities, v.entityOut(ord))
			}
		}
	}
	return parts
}

type archiveEntities struct {
	caller      Caller
	ids         []string
	archive     bool
	descendants bool
}

func (o *archiveEntities) decide(d *decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	var p bursar.Problems
	var out Archival
	var ords []uint32
	if o.archive {
		out, ords = d.archival(o.ids, o.descendants, &p)
	} else {
		out, ords = d.restored(o.ids, &p)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := o.caller.stillAt(&out); err != nil {
		return nil, err
	}
	for _, ord := range ords {
		d.setArchived(&o.caller, ord, o.archive)
	}
	return out, d.checkAllocations(noPointer)
}

// restored finds the entities that unarchiving ids brings back.
func (d *decider) restored(ids []string, p *bursar.Problems) (out Archival, ords []uint32) {
	out.IDs = ids
	seen := map[uint32]bool{}
	for i, id := range ids {
		at := fmt.Sprintf("/ids/%d", i)
		ord := d.entOrd(id)
		if ord == 0 {
			p.Add(at, bursar.CodeEntityNotFound, "there is no entity %q", id)
			continue
		}
		e := d.ent(ord)
		if e.archived == 0 || seen[ord] {
			continue
		}
		if typ := d.typeID(e.typ); d.cat.types[typ] == nil || d.cat.types[typ].ArchivedAt != nil {
			p.Add(at, bursar.CodeEntityTypeArchived, "the entity type %q of %q is archived", typ, id)
			continue
		}
		seen[ord] = true
		ords = append(ords, ord)
	}
	return out, ords
}

func (d *decider) setArchived(caller *Caller, ord uint32, archive bool) {
	e, before := *d.ent(ord), d.entityOut(ord)
	e.archived, e.updated = 0, d.now.Milli()
	action := "entity.unarchived"
	if archive {
		e.archived = e.updated
		action = "entity.archived"
	}
	d.emit(&entityRec{ord, e})
	out := d.entityOut(ord)
	d.touch(ord)
	d.audit(caller, action, "entity", e.id, e.id, before, out)
	if !archive {
		action = bursar.EventEntityUpdated
	}
	d.notify(action, entityData{d.cust().ID, out})
}

// ArchiveEntities archives or unarchives, all or none; it is idempotent.
func (e *Engine) ArchiveEntities(ctx context.Context, c Caller, customer string, ids []string, archive bool) (uint64, error) {
	_, version, err := govern[Archival](ctx, e, &c, customer, &archiveEntities{caller: c, ids: ids, archive: archive})
	return version, err
}

// Archive archives entities and, with descendants, all that is below them, and tells what
// that releases.
func (e *Engine) Archive(ctx context.Context, c Caller, customer string, ids []string, descendants bool) (Archival, uint64, error) {
	return govern[Archival](ctx, e, &c, customer, &archiveEntities{caller: c, ids: ids, archive: true, descendants: descendants})
}

// PreviewArchive tells what Archive would do.
func (e *Engine) PreviewArchive(ctx context.Context, o ReadOptions, customer string, ids []string, descendants bool) (out Archival, version uint64, err error) {
	version, err = e.readTurn(ctx, o, customer, func(v *view) error {
		var p bursar.Problems
		out, _ = v.archival(ids, descendants, &p)
		return p.Err()
	})
	return out, version, err
}
