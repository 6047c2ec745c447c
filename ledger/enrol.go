package ledger

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// Enrolment. If a dimension's entity type enrols and its id is new, an entity is made of it before
// the request is judged. So all that reads and decides finds it like any other. A request that is
// refused, or that only asks, takes the entity back, and with it its number.

// enrolled are those whom a request enrols.
type enrolled struct {
	from  uint32             // the number of the first of them; the others have the numbers after it
	not   map[typedID]string // ids that could not be enrolled, and why
	like  map[uint32]string  // who may have been meant, by the number of who was enrolled
	would bool               // the request only asks
	sure  bool               // the request is granted
}

// enrols tells whether requests may enrol anybody at all.
func (v *View) enrols(cat *catalogue.Catalogue) bool {
	return cat.Enrols && v.Cust() != nil && v.Cust().ArchivedAt == nil
}

// enrolsType tells whether ids of a type may become entities.
func (v *View) enrolsType(cat *catalogue.Catalogue, typ string) bool {
	t := cat.TypeOf[typ]
	return v.enrols(cat) && t != nil && t.Enrolment != nil
}

// enrol makes entities of the new ids in dims whose types enrol. It tells whether there are such
// ids, also if they cannot be enrolled. dims are ordered by key.
func (d *Decider) enrol(dims []bursar.Dimension) (asked bool) {
	return d.enrolOwn(dims, func(bursar.Dimension) bool { return true })
}

// enrolOwn is enrol for the dimensions of which own is true. The others may only name parents.
func (d *Decider) enrolOwn(dims []bursar.Dimension, own func(bursar.Dimension) bool) (asked bool) {
	if !d.enrols(d.Cat) {
		return false
	}
	n := newcomers{d, dims, own}
	for i := range dims {
		asked = n.enrol(i, nil) || asked
	}
	return asked
}

// counts tells whether some meter takes an event. An event that none takes enrols nobody.
func (d *Decider) counts(in *bursar.EventInput) bool {
	features := d.Cat.Meters[in.EventName]
	dims := catalogue.Countable(features, in.Dimensions)
	return slices.ContainsFunc(features, func(f *bursar.Feature) bool { return catalogue.MeterAccepts(f.Meter, in.EventName, dims) })
}

// enrolCounted is enrol for an event.
func (d *Decider) enrolCounted(in *bursar.EventInput) bool {
	return d.enrols(d.Cat) && d.counts(in) && d.enrol(labelsOf(in.Dimensions))
}

// enrolLearning is enrolCounted for an event whose output is yet to be learned. The event is taken
// to have some output. It enrols before learning, as a newcomer's output is learned from those above.
func (d *Decider) enrolLearning(in *bursar.EventInput) {
	likely := *in
	likely.Dimensions = withOutput(in.Dimensions, 1)
	d.enrolCounted(&likely)
}

// enrolAtEnd is enrolCounted for an event that ends a hold. It enrols only whom u itself names: a
// label of the hold that named nobody when the hold was made enrols nobody now. A hold made with a
// spend token enrols nobody when it ends, as the token's holder chose its labels.
func (d *Decider) enrolAtEnd(h *record.Hold, u *UsedEvent, in *bursar.EventInput) bool {
	if !d.enrols(d.Cat) || !d.counts(in) || slices.ContainsFunc(h.Dims, func(x bursar.Dimension) bool { return x.Key == bursar.SpendTokenKey }) {
		return false
	}
	return d.enrolOwn(labelsOf(in.Dimensions), func(x bursar.Dimension) bool { return slices.Contains(u.Dims, x) || slices.Contains(u.Derived, x) })
}

// wouldEnrol enrols those whom dims name, until unenrol takes them back.
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

// enrol enrols whom dims[i] names, if there is no such entity, and the parent before. It tells whether
// dims[i] names somebody new. waiting are the ids whose parent that may be.
func (n *newcomers) enrol(i int, waiting []typedID) (asked bool) {
	d := n.Decider
	k := typedID{d.Cat.Attribution[n.dims[i].Key], n.dims[i].Value}
	t := d.Cat.TypeOf[k.typ]
	if t == nil || t.Enrolment == nil || !n.own(n.dims[i]) || slices.Contains(waiting, k) || d.typed(k) != 0 {
		return false
	}
	switch {
	case d.enrolled == nil:
		d.enrolled = &enrolled{from: uint32(d.entCount), would: d.Rehearsal, not: map[typedID]string{}, like: map[uint32]string{}}
	case d.enrolled.not[k] != "": // it is not tried again: all items of a request get the same answer
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

// parent is the id of a newcomer's parent; "" = the newcomer is to be a root. A parent that is new
// itself is enrolled first. Ids in waiting are not enrolled as a parent, as they wait for theirs.
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
		return bursar.Errorf(bursar.CodeValidationFailed, "the customer has %d entities; where there are so many, nobody is enrolled", n)
	}
	up, err := d.parentOf(0, bursar.Some(parent))
	if err != nil {
		return err
	}
	now := d.Now.Milli()
	e := record.Entity{ID: k.id, Typ: d.TypeOrd(k.typ), Parent: up, Created: now, Updated: now}.With(record.Details{})
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

// takesNoShare refuses a newcomer who would have a share of a strict limit. To see whether there is
// room for it, all limits below the strict one would have to be added up for each newcomer.
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
			break // this limit, and not the newcomer's, is the share of a strict limit above
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

// granted notes that the request is granted, so whom it enrols stays.
func (v *View) granted() {
	if v.enrolled != nil {
		v.enrolled.sure = true
	}
}

// refused is a denial as an error. A denial enrols nobody, so its warnings say who would have been
// enrolled.
func (v *View) refused(j *bursar.Decision, r *Resolved) error {
	j.Named = v.leafIDs(r)
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

// notEnrolled says why an id was not enrolled; "" = its type does not enrol, or it was enrolled.
func (v *View) notEnrolled(m *missing) string {
	if v.enrolled == nil || m.number {
		return ""
	}
	return v.enrolled.not[typedID{m.typ, m.id}]
}
