package ledger

import (
	"slices"
	"strings"

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
	like  map[uint32]string  // who may have been meant, by the number of who was enrolled
	would bool               // the request only asks
	sure  bool               // the request is granted
}

// enrols tells whether a dimension may name somebody who is to be enrolled.
func (v *View) enrols(cat *catalogue.Catalogue) bool {
	return cat.Enrols && v.Cust() != nil && v.Cust().ArchivedAt == nil
}

// enrolsType tells whether ids of a type may become entities.
func (v *View) enrolsType(cat *catalogue.Catalogue, typ string) bool {
	t := cat.TypeOf[typ]
	return v.enrols(cat) && t != nil && t.Enrolment != nil
}

// enrol makes entities of the ids that dims name, that are new and whose types enrol. It tells
// whether there are such ids. dims are ordered by key.
func (d *Decider) enrol(dims []bursar.Dimension) (some bool) {
	return d.enrolOwn(dims, func(bursar.Dimension) bool { return true })
}

// enrolOwn is enrol of those dimensions that own tells of; the others may name parents alone.
func (d *Decider) enrolOwn(dims []bursar.Dimension, own func(bursar.Dimension) bool) (some bool) {
	if !d.enrols(d.Cat) {
		return false
	}
	n := newcomers{d, dims, own}
	for i := range dims {
		some = n.enrol(i, nil) || some
	}
	return some
}

// counts tells whether some meter takes an event: one that nothing counts is nobody's use, and
// enrols nobody.
func (d *Decider) counts(in *bursar.EventInput) bool {
	features := d.Cat.Meters[in.EventName]
	dims := catalogue.Countable(features, in.Dimensions)
	return slices.ContainsFunc(features, func(f *bursar.Feature) bool { return catalogue.MeterAccepts(f.Meter, in.EventName, dims) })
}

// enrolCounted is enrol for an event.
func (d *Decider) enrolCounted(in *bursar.EventInput) bool {
	return d.enrols(d.Cat) && d.counts(in) && d.enrol(labelsOf(in.Dimensions))
}

// enrolLearning is enrolCounted for an event whose output is yet to be learned, of those above whom it enrols, too.
// It has some.
func (d *Decider) enrolLearning(in *bursar.EventInput) {
	some := *in
	some.Dimensions = withOutput(in.Dimensions, 1)
	d.enrolCounted(&some)
}

// enrolAtEnd is enrolCounted for an event that ends a hold. It enrols whom u names itself: a
// label of the hold that named nobody then names nobody now. Who holds a spend token chose the
// labels of its hold, so the end of such a hold enrols nobody.
func (d *Decider) enrolAtEnd(h *record.Hold, u *UsedEvent, in *bursar.EventInput) bool {
	if !d.enrols(d.Cat) || !d.counts(in) || slices.ContainsFunc(h.Dims, func(x bursar.Dimension) bool { return x.Key == bursar.SpendTokenKey }) {
		return false
	}
	return d.enrolOwn(labelsOf(in.Dimensions), func(x bursar.Dimension) bool { return slices.Contains(u.Dims, x) || slices.Contains(u.Derived, x) })
}

// wouldEnrol enrols whom dims would enrol, until unenrol.
func (v *View) wouldEnrol(cat *catalogue.Catalogue, dims []bursar.Dimension) bool {
	return (&Decider{View: v, Cat: cat, Rehearsal: true}).enrol(dims)
}

// unenrol takes back what wouldEnrol did.
func (v *View) unenrol() {
	v.rollback()
	v.enrolled, v.nears = nil, nil
}

// newcomers are dimensions, some of which may name somebody new.
type newcomers struct {
	*Decider
	dims []bursar.Dimension
	own  func(bursar.Dimension) bool
}

// enrol enrols whom dims[i] names, if that is nobody so far, after whom that one is to be below.
// waiting are those who are to be below whom dims[i] names.
func (n *newcomers) enrol(i int, waiting []typedID) (some bool) {
	d := n.Decider
	k := typedID{d.Cat.Attribution[n.dims[i].Key], n.dims[i].Value}
	t := d.Cat.TypeOf[k.typ]
	if t == nil || t.Enrolment == nil || !n.own(n.dims[i]) || slices.Contains(waiting, k) || d.typed(k) != 0 {
		return false
	}
	switch {
	case d.enrolled == nil:
		d.enrolled = &enrolled{from: uint32(d.entCount), would: d.Rehearsal, not: map[typedID]string{}, like: map[uint32]string{}}
	case d.enrolled.not[k] != "": // it is not tried again, so that all of a request finds the same
		return true
	}
	if why := d.Enrols.Refuses(k.typ); why != "" {
		d.enrolled.not[k] = why
		return true
	}
	parent, err := n.parent(t.Enrolment, append(waiting, k))
	if err == nil {
		err = d.enrolBelow(k, parent)
	}
	if err != nil {
		d.enrolled.not[k] = err.Message
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

// parent is the id of whom somebody is to be below; "" = it is to be a root. Those of the dimensions
// that are new are enrolled first; one who waits for this one is passed over.
func (n *newcomers) parent(x *bursar.Enrolment, waiting []typedID) (string, *bursar.Error) {
	for _, key := range x.ParentKeys {
		i := slices.IndexFunc(n.dims, func(d bursar.Dimension) bool { return d.Key == key })
		if i < 0 {
			continue
		}
		n.enrol(i, waiting)
		if ord := n.typed(typedID{n.Cat.Attribution[key], n.dims[i].Value}); ord != 0 && n.Ent(ord).Archived == 0 {
			return n.dims[i].Value, nil
		}
	}
	switch {
	case x.ParentID != nil:
		return *x.ParentID, nil
	case len(x.ParentKeys) == 0:
		return "", nil
	}
	return "", bursar.Errorf(bursar.CodeParentNotFound, "no dimension names a live entity to be its parent (%s), and the type has no parentId",
		strings.Join(x.ParentKeys, ", "))
}

// enrolBelow makes an entity below the one that has the id parent, or says why there cannot be one.
func (d *Decider) enrolBelow(k typedID, parent string) *bursar.Error {
	if err := bursar.CheckEntityID(k.id); err != nil {
		return bursar.Errorf(bursar.CodeValidationFailed, "%v", err)
	}
	if ord := d.EntOrd(k.id); ord != 0 {
		return bursar.Errorf(bursar.CodeValidationFailed, "the entity %q is of type %s", k.id, d.typeID(d.Ent(ord).Typ))
	}
	if n := d.entCount - 1; n >= d.mostEnrolled {
		return bursar.Errorf(bursar.CodeValidationFailed, "the customer has %d entities, and nobody is enrolled beside so many", n)
	}
	up, err := d.parentOf(0, bursar.Some(parent))
	if err != nil {
		return err
	}
	now := d.Now.Milli()
	e := record.Entity{ID: k.id, Typ: d.TypeOrd(k.typ), Parent: up, Created: now, Updated: now}
	if err := d.takesNoShare(&e); err != nil {
		return err
	}
	ord, like := uint32(d.entCount), d.near(k.typ, k.id)
	was := d.undoing
	d.undoing = true
	e.Typ = d.TypeFor(k.typ)
	d.Emit(&record.EntityPut{Ord: ord, Ent: e})
	d.tellEnrolled(ord)
	d.undoing, d.nears = was, nil
	if like != "" {
		d.enrolled.like[ord] = like
	}
	return nil
}

// takesNoShare refuses a newcomer who would have a share of a strict limit. What that shares out
// already is a sum over all below it, which is too much to look at for each newcomer.
func (d *Decider) takesNoShare(e *record.Entity) *bursar.Error {
	of := d.defaultSet().of[e.Typ]
	for i := range of {
		o := &of[i]
		if d.nearestDefault(e, o) == nil {
			continue
		}
		for up := e.Parent; up != 0; up = d.Ent(up).Parent {
			d.Visits++
			_, def := d.nodeWide(up, o.cap, o.label)
			if def == nil || d.Ent(up).Archived != 0 {
				continue
			}
			if def.Strict {
				return bursar.Errorf(bursar.CodeAllocationExceeded,
					"it would have a share of the strict limit of entity %s on %s, and nobody is enrolled below such a limit: make the entity by PUT /entities", d.Ent(up).ID, d.Capability(o.cap))
			}
			break // this is what has the share
		}
	}
	return nil
}

// tellEnrolled lists in the activity who enrolled an entity.
func (d *Decider) tellEnrolled(ord uint32) {
	by := d.By
	if by == nil { // nobody reads it
		by = &catalogue.Caller{ActorType: "SYSTEM"}
	}
	out := d.EntityOut(ord)
	d.audit(by, "entity.enrolled", "entity", out.ID, out.ID, nil, out)
	d.notify(bursar.EventEntityCreated, catalogue.EntityData{CustomerID: d.Cust().ID, Entity: out})
}

// newcomer tells whether this request enrols an entity.
func (v *View) newcomer(ord uint32) bool { return v.enrolled != nil && ord >= v.enrolled.from }

// hadEntities tells whether the customer had entities before the request.
func (v *View) hadEntities() bool {
	if v.enrolled != nil {
		return v.enrolled.from > 1
	}
	return v.entCount > 1
}

// granted tells that whom the request enrols is there from now on.
func (v *View) granted() {
	if v.enrolled != nil {
		v.enrolled.sure = true
	}
}

// refused is a denial as an error. It enrols nobody, so its warnings say who would have been.
func refused(j *bursar.Decision) error {
	for i, w := range j.Warnings {
		if key, ok := strings.CutPrefix(w, bursar.WarnEnrolled+":"); ok {
			j.Warnings[i] = bursar.WarnWouldEnrol + ":" + key
		}
	}
	return &bursar.Error{Code: j.Reason, Message: denial(j), Denial: j}
}

// newcomerWarnings are the warnings of a dimension that names somebody whom the request enrols.
func (v *View) newcomerWarnings(n newcomer, to []string) []string {
	word := bursar.WarnEnrolled
	if v.enrolled.would {
		word = bursar.WarnWouldEnrol
	}
	to = append(to, word+":"+n.key)
	if like := v.enrolled.like[n.ent]; like != "" {
		to = append(to, bursar.WarnDidYouMean+":"+n.key+"="+like)
	}
	return to
}

// notEnrolled says why an id whose type enrols was not enrolled; "" = it is none of those.
func (v *View) notEnrolled(m *missing) string {
	if v.enrolled == nil || m.number {
		return ""
	}
	return v.enrolled.not[typedID{m.typ, m.id}]
}
