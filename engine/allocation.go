package engine

import (
	"context"
	"fmt"

	"github.com/bursarhq/bursar"
)

// A strict limit shares itself out: over the nearest node-wide limits of its capability
// and label below it, on each path, the sum of their numbers is at most its own, each
// has a number, and all follow one schedule. Boosts do not count. Rows of archived
// entities do not count either; those below them do.

// share is what the nearest limits below a row add up to.
type share struct {
	sum       bursar.Amount
	list      []uint32 // those limits
	unlimited int
	odd       uint32 // one that has another schedule, 0 = none
}

// shareWalk walks from the entity of a row down to the nearest rows like it.
type shareWalk struct {
	share
	def  *rowDef
	todo [][]uint32 // lists of entities to look at
}

func (v *view) shareWalk(def *rowDef) *shareWalk {
	w := &shareWalk{def: def}
	w.below(v, def.ent)
	return w
}

func (w *shareWalk) below(v *view, ent uint32) {
	if list := v.childList(ent); len(list) > 0 {
		w.todo = append(w.todo, list)
	}
}

// step looks at the next entity, and tells whether there was one.
func (w *shareWalk) step(v *view) bool {
	n := len(w.todo) - 1
	if n < 0 {
		return false
	}
	list := w.todo[n]
	c := list[len(list)-1]
	if w.todo[n] = list[:len(list)-1]; len(list) == 1 {
		w.todo = w.todo[:n]
	}
	v.visits++
	if r := v.nodeWide(c, w.def.cap, w.def.label); r != 0 && v.ent(c).archived == 0 {
		w.add(v.def(r), w.def, r)
	} else {
		w.below(v, c)
	}
	return true
}

// shareOf is what the nearest limits below a row add up to.
func (v *view) shareOf(def *rowDef) share {
	w := v.shareWalk(def)
	for w.step(v) {
	}
	return w.share
}

func (s *share) add(child, parent *rowDef, ord uint32) {
	s.list = append(s.list, ord)
	if child.limited {
		s.sum = s.sum.Add(child.limit)
	} else {
		s.unlimited++
	}
	if child.sched.rule != parent.sched.rule {
		s.odd = ord
	}
}

// nodeWide is the row of an entity without a scope, of a capability and label; 0 = none.
func (v *view) nodeWide(ent, cap uint32, label string) uint32 {
	return v.findRow(target{ent: ent}, cap, label)
}

// touch notes that a write changed what strict limits on an entity's path share out.
func (d *decider) touch(ent uint32) {
	if d.touched == nil {
		d.touched = map[uint32]bool{}
	}
	d.touched[ent] = true
}

// checkAllocations refuses a write that broke a strict limit on the path of an entity
// that it touched. pointer names the request's item for a row's capability and label.
func (d *decider) checkAllocations(pointer func(cap uint32, label string) string) error {
	touched := d.touched
	d.touched = nil
	if err := d.confined(); err != nil { // before it is told what is above
		return err
	}
	if d.strictRows() == 0 {
		return nil
	}
	checked := map[uint32]bool{}
	for _, start := range sortedOrds(touched) {
		for ent := start; ent != 0; ent = d.ent(ent).parent {
			if checked[ent] {
				break // and so is all above it
			}
			checked[ent] = true
			if d.ent(ent).archived != 0 {
				continue
			}
			if err := d.checkShares(ent, touched, pointer); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *decider) checkShares(ent uint32, touched map[uint32]bool, pointer func(cap uint32, label string) string) (err error) {
	d.eachRow(ent, 0, func(ord uint32, def *rowDef) {
		if err != nil || !def.strict || len(def.scope) > 0 {
			return
		}
		s := d.shareOf(def)
		if s.unlimited == 0 && s.odd == 0 && !def.limit.Less(s.sum) {
			return
		}
		if !d.sees(ent) {
			err = bursar.Errorf(bursar.CodeAllocationExceeded, "a strict allocation above your root would be broken")
			return
		}
		e := d.ent(ent)
		limit := def.limit
		free := bursar.MaxAmount(bursar.Amount{}, limit.Sub(d.othersOf(&s, ent, touched)))
		why := fmt.Sprintf("the limits below %s would add up to %s, its own is %s; %s is left for what this request changes", e.id, s.sum, limit, free)
		switch {
		case s.unlimited > 0:
			why = fmt.Sprintf("a limit below %s has no number; every share of a strict limit needs one", e.id)
		case s.odd != 0:
			why = fmt.Sprintf("the limit of %s below %s has another cadence, time zone or anchor than the strict limit it shares", d.ent(d.def(s.odd).ent).id, e.id)
		}
		problem := &bursar.AllocationProblem{AssignmentID: formatID(d.rowID(ord)), EntityID: e.id, UsageLimit: &limit, Allocated: s.sum,
			Available: free}
		refusal := bursar.Errorf(bursar.CodeAllocationExceeded, "the strict allocation of entity %s on %s would be broken: %s", e.id, d.capability(def.cap), why)
		if at := pointer(def.cap, def.label); at != "" {
			refusal.Fields = []bursar.FieldError{{Pointer: at, Code: refusal.Code, Detail: refusal.Message}}
		}
		refusal.Allocation = problem
		err = refusal
	})
	return err
}

// othersOf is what the shares have that the write did not touch, nor move.
func (d *decider) othersOf(s *share, top uint32, touched map[uint32]bool) (sum bursar.Amount) {
	for _, r := range s.list {
		def := d.def(r)
		ent := def.ent
		for ent != top && !touched[ent] {
			ent = d.ent(ent).parent
		}
		if ent == top && def.limited {
			sum = sum.Add(def.limit)
		}
	}
	return sum
}

// maxStrict bounds the strict limits of one entity: each is a walk over what is below it.
const maxStrict = 10

// strictOn counts the strict limits of def's entity beside def itself, if def is strict.
func (v *view) strictOn(def *rowDef) (n int) {
	if !def.strict || def.ent == 0 {
		return 0
	}
	v.eachRow(def.ent, 0, func(_ uint32, other *rowDef) {
		if other.strict && (other.cap != def.cap || other.label != def.label || def.created != other.created) {
			n++
		}
	})
	return n
}

// strictRows counts the strict limits of the state and the batch.
func (v *view) strictRows() int {
	n := v.strict
	for ord, def := range v.defs {
		if int(ord) < len(v.rows) && v.rows[ord] != nil && v.rows[ord].strict {
			n--
		}
		if def != nil && def.strict {
			n++
		}
	}
	return n
}

// Allocations lists node-wide limits with what the limits below them add up to, in order
// of assignment IDs; next is the After of the following page, "" at the end.
func (e *Engine) Allocations(ctx context.Context, o ReadOptions, customer string, q AllocationQuery) (out []Allocation, next string, version uint64, err error) {
	l := allocationList{q: &q, at: -1, out: []Allocation{}}
	version, err = e.readTurn(ctx, o, customer, l.on)
	return l.out, l.next, version, err
}

// allocationList gathers a page of allocations.
type allocationList struct {
	q    *AllocationQuery
	at   int        // the row that is looked at
	walk *shareWalk // below it
	out  []Allocation
	next string
}

func (l *allocationList) on(v *view) error {
	q, ent := l.q, uint32(0)
	if q.EntityID != "" {
		if ent = v.entOrd(q.EntityID); ent == 0 {
			return errNoEntity(q.EntityID)
		}
	}
	if l.at < 0 {
		page := ListPage{}
		if q.After != "" {
			page.After = &ListPos{ID: q.After}
		}
		l.at, _ = v.rowPosition(&page)
	}
	cap := v.capOrd(q.Capability)
	for ; l.at < len(v.rows); l.at++ {
		if v.visits++; v.tired() {
			return errGoOn
		}
		def := v.rows[l.at]
		if def == nil || def.ent == 0 || def.cap != cap || len(def.scope) > 0 || q.Label != nil && def.label != *q.Label ||
			ent != 0 && def.ent != ent || v.ent(def.ent).archived != 0 || !v.seesRow(def) {
			l.walk = nil
			continue
		}
		if len(l.out) == q.Limit {
			l.next = l.out[len(l.out)-1].AssignmentID
			return nil
		}
		if l.walk == nil || l.walk.def != def {
			l.walk = v.shareWalk(def)
		}
		for l.walk.step(v) {
			if v.tired() {
				return errGoOn
			}
		}
		l.out = append(l.out, v.allocationOut(uint32(l.at), def, &l.walk.share))
		l.walk = nil
	}
	return nil
}

func (v *view) allocationOut(ord uint32, def *rowDef, s *share) Allocation {
	a := Allocation{AssignmentID: formatID(v.rowID(ord)), EntityID: v.ent(def.ent).id, Capability: v.capability(def.cap), Label: def.label,
		Strict: def.strict, Allocated: s.sum, Children: len(s.list) - s.unlimited, Unlimited: s.unlimited}
	if def.limited {
		limit := def.limit
		free := bursar.MaxAmount(bursar.Amount{}, limit.Sub(s.sum))
		a.UsageLimit, a.Unallocated, a.OverCommitted = &limit, &free, bursar.MaxAmount(bursar.Amount{}, s.sum.Sub(limit))
	}
	return a
}
