package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// Enrolment. An id that is new, in a dimension whose entity type enrols, is made an entity
// before the request that names it is judged, so that all that reads and decides finds it like any
// other. What is refused takes it back, with its number, and so does what only asks.

// enrolled is whom a request enrols.
type enrolled struct {
	from  uint32             // the number of the first of them; the others have those that follow
	not   map[typedID]string // ids that could not be enrolled, and why
	would bool               // the request only asks
	sure  bool               // the request is granted
}

// enrols tells whether a dimension may name somebody who is to be enrolled.
func (v *View) enrols(cat *catalogue.Catalogue) bool {
	return cat.Enrols && !v.Enrols.Nobody && v.Root == 0 && v.Cust() != nil && v.Cust().ArchivedAt == nil
}

// enrol makes entities of the ids that dims name, that are new and whose types enrol. It tells
// whether there are such ids. dims are ordered by key.
func (d *Decider) enrol(dims []bursar.Dimension) (some bool) {
	if !d.enrols(d.Cat) {
		return false
	}
	for i := range dims {
		some = d.enrolDim(dims, i, nil) || some
	}
	return some
}

// enrolCounted is enrol for an event: one that nothing counts is nobody's use.
func (d *Decider) enrolCounted(in *bursar.EventInput) bool {
	if !d.enrols(d.Cat) {
		return false
	}
	features := d.Cat.Meters[in.EventName]
	dims := catalogue.Countable(features, in.Dimensions)
	counts := func(f *bursar.Feature) bool { return catalogue.MeterAccepts(f.Meter, in.EventName, dims) }
	return slices.ContainsFunc(features, counts) && d.enrol(labelsOf(in.Dimensions))
}

// wouldEnrol enrols whom dims would enrol, until unenrol.
func (v *View) wouldEnrol(cat *catalogue.Catalogue, dims []bursar.Dimension) bool {
	return v.enrols(cat) && (&Decider{View: v, Cat: cat, Rehearsal: true}).enrol(dims)
}

// unenrol takes back what wouldEnrol did.
func (v *View) unenrol() {
	v.rollback()
	v.enrolled, v.nears = nil, nil
}

// enrolDim enrols whom dims[i] names, if it is nobody so far, after whom that one is to be below.
// waiting are those who are to be below whom dims[i] names.
func (d *Decider) enrolDim(dims []bursar.Dimension, i int, waiting []typedID) (some bool) {
	k := typedID{d.Cat.Attribution[dims[i].Key], dims[i].Value}
	t := d.Cat.TypeOf[k.typ]
	if t == nil || t.Enrolment == nil || slices.Contains(waiting, k) || d.typed(k) != 0 {
		return false
	}
	switch {
	case d.enrolled == nil:
		d.enrolled = &enrolled{from: uint32(d.entCount), would: d.Rehearsal, not: map[typedID]string{}}
	case d.enrolled.not[k] != "": // it is not tried again, so that all of a request finds the same
		return true
	}
	parent, err := d.enrolParent(dims, t.Enrolment, append(waiting, k))
	if err == nil {
		err = d.enrolBelow(k, parent)
	}
	switch b, ok := err.(*bursar.Error); {
	case ok:
		d.enrolled.not[k] = b.Message
	case err != nil:
		d.enrolled.not[k] = err.Error()
	}
	return true
}

// typed is the entity that has an id and a type; 0 = there is none.
func (v *View) typed(k typedID) uint32 {
	if ord := v.EntOrd(k.id); ord != 0 && v.typeID(v.Ent(ord).Typ) == k.typ {
		return ord
	}
	return 0
}

// enrolParent is whom somebody is to be below; 0 = nobody. Those of dims that are new are enrolled
// first; one who waits for this one is passed over.
func (d *Decider) enrolParent(dims []bursar.Dimension, x *bursar.Enrolment, waiting []typedID) (uint32, error) {
	for _, key := range x.ParentKeys {
		i := slices.IndexFunc(dims, func(d bursar.Dimension) bool { return d.Key == key })
		if i < 0 {
			continue
		}
		d.enrolDim(dims, i, waiting)
		if ord := d.typed(typedID{d.Cat.Attribution[key], dims[i].Value}); ord != 0 && d.Ent(ord).Archived == 0 {
			return ord, nil
		}
	}
	if x.ParentID == nil || d.EntOrd(*x.ParentID) == 0 {
		return 0, nil
	}
	ord, err := d.parentOf(0, bursar.Some(*x.ParentID))
	if err != nil {
		return 0, err
	}
	return ord, nil
}

// enrolBelow makes an entity below parent, or says why there cannot be one.
func (d *Decider) enrolBelow(k typedID, parent uint32) error {
	if err := bursar.CheckEntityID(k.id); err != nil {
		return err
	}
	switch ord := d.EntOrd(k.id); {
	case ord != 0:
		return bursar.Errorf(bursar.CodeValidationFailed, "the entity %q is of type %s", k.id, d.typeID(d.Ent(ord).Typ))
	case !d.Enrols.May(k.typ):
		return bursar.Errorf(bursar.CodeForbidden, "this API key is for entities of other types: %v", d.Enrols.Types)
	case d.entCount > bursar.MaxEnrolEntities:
		return bursar.Errorf(bursar.CodeValidationFailed, "the customer has %d entities, and nobody is enrolled beside so many", d.entCount-1)
	}
	if parent != 0 {
		if _, err := d.parentOf(0, bursar.Some(d.Ent(parent).ID)); err != nil { // the tree may be too deep
			return err
		}
	}
	was, undo, recs, records := d.undoing, len(d.undo), len(d.Recs), d.Records
	d.undoing = true
	now := d.Now.Milli()
	ord := uint32(d.entCount)
	e := record.Entity{ID: k.id, Typ: d.TypeFor(k.typ), Parent: parent, Created: now, Updated: now}
	shares := d.changesShares(ord, &e)
	if d.Emit(&record.EntityPut{Ord: ord, Ent: e}); shares {
		d.touchBelow(ord)
		if err := d.checkAllocations(noPointer); err != nil {
			d.undoTo(undo)
			d.Recs, d.Records, d.undoing = d.Recs[:recs], records, was
			return err
		}
	}
	d.undoing, d.nears = was, nil
	d.tellEnrolled(ord)
	return nil
}

// tellEnrolled lists in the activity who enrolled an entity.
func (d *Decider) tellEnrolled(ord uint32) {
	if d.Rehearsal {
		return
	}
	by := d.By
	if by == nil {
		by = &catalogue.Caller{ActorType: "SYSTEM"}
	}
	out := d.EntityOut(ord)
	d.audit(by, "entity.enrolled", "entity", out.ID, out.ID, nil, out)
	d.notify(bursar.EventEntityCreated, catalogue.EntityData{CustomerID: d.Cust().ID, Entity: out})
}

// newcomer tells whether this request enrols an entity.
func (v *View) newcomer(ord uint32) bool { return v.enrolled != nil && ord >= v.enrolled.from }

// granted tells that whom the request enrols is there from now on.
func (v *View) granted() {
	if v.enrolled != nil {
		v.enrolled.sure = true
	}
}

// notEnrolled says why an id whose type enrols was not enrolled; "" = it is none of those.
func (v *View) notEnrolled(m *missing) string {
	if v.enrolled == nil {
		return ""
	}
	return v.enrolled.not[typedID{m.typ, m.id}]
}
