package ledger

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// A strict limit shares itself out over the nearest limits without a scope, of its capability and label,
// below it, on each path. Each of them has a number, and the sum is at most the strict limit's own.
// Each follows the strict limit's schedule. Boosts do not count. Rows of archived entities do not
// count either; those below them do.

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
	def  *record.Limit
	todo [][]uint32 // lists of entities to look at
}

func (v *View) shareWalk(def *record.Limit) *shareWalk {
	w := &shareWalk{def: def}
	w.below(v, def.Ent)
	return w
}

func (w *shareWalk) below(v *View, ent uint32) {
	if list := v.childList(ent); len(list) > 0 {
		w.todo = append(w.todo, list)
	}
}

// next looks at the next entity, and tells whether there was one.
func (w *shareWalk) next(v *View) bool {
	n := len(w.todo) - 1
	if n < 0 {
		return false
	}
	list := w.todo[n]
	c := list[len(list)-1]
	if w.todo[n] = list[:len(list)-1]; len(list) == 1 {
		w.todo = w.todo[:n]
	}
	v.Visits++
	if r, def := v.nodeWide(c, w.def.Cap, w.def.Label); r != 0 && v.Ent(c).Archived == 0 {
		w.add(def, w.def, r)
	} else {
		w.below(v, c)
	}
	return true
}

// shareOf is what the nearest limits below a row add up to.
func (v *View) shareOf(def *record.Limit) share {
	w := v.shareWalk(def)
	for w.next(v) {
	}
	return w.share
}

func (s *share) add(child, parent *record.Limit, ord uint32) {
	s.list = append(s.list, ord)
	if child.Limited {
		s.sum = s.sum.Add(child.Limit)
	} else {
		s.unlimited++
	}
	if child.Sched.Rule != parent.Sched.Rule {
		s.odd = ord
	}
}

// nodeWide is an entity's limit, own or by default, of a capability and label that has no scope;
// nil = none.
func (v *View) nodeWide(ent, cap uint32, label string) (row uint32, def *record.Limit) {
	if row = v.FindRow(Target{Ent: ent}, cap, label); row != 0 {
		def = v.Def(row)
	} else if !v.noDefaults() {
		def = v.byDefault(ent, cap, label)
	}
	switch {
	case def == nil || def.Idle():
		return 0, nil
	case row == 0:
		row = v.unmadeNumber(unmadeRow{ent, cap, label})
	}
	return row, def
}

// touch notes that a write changed what strict limits on an entity's path share out.
func (d *Decider) touch(ent uint32) {
	if d.touched == nil {
		d.touched = map[uint32]bool{}
	}
	d.touched[ent] = true
}

// touchBelow notes that a write changed an entity (0 = the customer), and perhaps what is limited
// by default below it.
func (d *Decider) touchBelow(ent uint32) {
	if ent != 0 {
		d.touch(ent)
	}
	if d.noDefaults() {
		return
	}
	if d.below == nil {
		d.below = map[uint32]bool{}
	}
	d.below[ent] = true
}

// strictBelow adds to touched the entities that have strict limits and are in below or beneath it:
// what is limited by default further down may be a share of these limits.
func (d *Decider) strictBelow(touched, below map[uint32]bool) map[uint32]bool {
	check := func(def *record.Limit) {
		if d.Visits++; def == nil || !def.Strict || touched[def.Ent] {
			return
		}
		for e := def.Ent; !below[e]; e = d.Ent(e).Parent {
			if e == 0 {
				return
			}
		}
		d.touch(def.Ent)
	}
	if len(below) == 0 {
		return touched
	}
	d.touched = touched
	for row := range d.strict {
		check(d.rawDef(row))
	}
	for _, def := range d.defs {
		check(def)
	}
	touched, d.touched = d.touched, nil
	return touched
}

// noPointer is for a write that has no items.
func noPointer(uint32, string) string { return "" }

// lastItem makes a function that points at the last item of a request, whose list is at a pointer, that
// has a capability and label.
func lastItem[T any](d *Decider, at string, items []T, of func(*T) (bursar.Capability, string)) func(cap uint32, label string) string {
	return func(cap uint32, label string) string {
		for i := range slices.Backward(items) {
			if c, l := of(&items[i]); l == label && d.CapOrd(c) == cap {
				return fmt.Sprintf("%s/%d", at, i)
			}
		}
		return ""
	}
}

// checkWrite refuses a write that changed what is not below its token's root (confined), or that broke
// a strict limit on the path of an entity that it touched. pointer names the request's item for a row's
// capability and label.
func (d *Decider) checkWrite(pointer func(cap uint32, label string) string) error {
	touched, below := d.touched, d.below
	d.touched, d.below = nil, nil
	if err := d.confined(); err != nil { // first, as an allocation error would tell a token what is above its root
		return err
	}
	if d.strictRows() == 0 {
		return nil
	}
	touched = d.strictBelow(touched, below)
	checked := map[uint32]bool{}
	for _, start := range record.SortedOrds(touched) {
		for ent := start; ent != 0; ent = d.Ent(ent).Parent {
			if checked[ent] {
				break // and so is all above it
			}
			checked[ent] = true
			if d.Ent(ent).Archived != 0 {
				continue
			}
			if err := d.checkShares(ent, touched, pointer); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Decider) checkShares(ent uint32, touched map[uint32]bool, pointer func(cap uint32, label string) string) (err error) {
	d.eachRow(ent, 0, func(row uint32, def *record.Limit) {
		if err != nil || !def.Strict || len(def.Scope) > 0 {
			return
		}
		s := d.shareOf(def)
		if s.unlimited == 0 && s.odd == 0 && !def.Limit.Less(s.sum) {
			return
		}
		if !d.Sees(ent) {
			err = bursar.Errorf(bursar.CodeAllocationExceeded, "a strict allocation above your root would be broken")
			return
		}
		e := d.Ent(ent)
		limit := def.Limit
		free := bursar.MaxAmount(bursar.Amount{}, limit.Sub(d.othersOf(&s, ent, touched)))
		why := fmt.Sprintf("the limits below %s would add up to %s, its own is %s; %s is left for what this request changes", e.ID, s.sum, limit, free)
		switch {
		case s.unlimited > 0:
			why = fmt.Sprintf("a limit below %s has no number; every share of a strict limit needs one", e.ID)
		case s.odd != 0:
			why = fmt.Sprintf("the limit of %s below %s has another cadence, time zone or anchor than the strict limit it shares", d.Ent(d.Def(s.odd).Ent).ID, e.ID)
		}
		problem := &bursar.AllocationProblem{AssignmentID: store.FormatID(d.RowID(row)), EntityID: e.ID, UsageLimit: &limit, Allocated: s.sum,
			Available: free}
		refusal := bursar.Errorf(bursar.CodeAllocationExceeded, "the strict allocation of entity %s on %s would be broken: %s", e.ID, d.Capability(def.Cap), why)
		if at := pointer(def.Cap, def.Label); at != "" {
			refusal.Fields = []bursar.FieldError{{Pointer: at, Code: refusal.Code, Detail: refusal.Message}}
		}
		refusal.Allocation = problem
		err = refusal
	})
	return err
}

// othersOf sums the limits of s that the write did not affect: it touched neither their entity nor
// one between that and top.
func (d *Decider) othersOf(s *share, top uint32, touched map[uint32]bool) (sum bursar.Amount) {
	for _, r := range s.list {
		def := d.Def(r)
		ent := def.Ent
		for ent != top && !touched[ent] {
			ent = d.Ent(ent).Parent
		}
		if ent == top && def.Limited {
			sum = sum.Add(def.Limit)
		}
	}
	return sum
}

// maxStrict bounds the strict limits of one entity: each is a walk over what is below it.
const maxStrict = 10

// strictOn counts the strict limits of def's entity beside def itself, if def is strict.
func (v *View) strictOn(def *record.Limit) (n int) {
	if !def.Strict || def.Ent == 0 {
		return 0
	}
	v.eachRow(def.Ent, 0, func(_ uint32, other *record.Limit) {
		if other.Strict && (other.Cap != def.Cap || other.Label != def.Label || def.Created != other.Created) {
			n++
		}
	})
	return n
}

// strictRows counts the strict limits of the state and the batch.
func (v *View) strictRows() int {
	n := len(v.strict)
	for row, def := range v.defs {
		if _, was := v.strict[row]; was {
			n--
		}
		if def != nil && def.Strict {
			n++
		}
	}
	return n
}

// AllocationList gathers a page of allocations.
type AllocationList struct {
	Q    *AllocationQuery
	at   int        // the row that is looked at; 0 = none yet
	walk *shareWalk // below it
	Out  []Allocation
	Next string
}

// On goes on with the list.
func (l *AllocationList) On(v *View) error {
	q, ent := l.Q, uint32(0)
	if q.EntityID != "" {
		if ent = v.EntOrd(q.EntityID); ent == 0 {
			return v.errNoEntity(q.EntityID)
		}
	}
	if l.at == 0 {
		page := ListPage{}
		if q.After != "" {
			page.After = &ListPos{ID: q.After}
		}
		l.at, _ = v.rowPosition(&page)
	}
	cap := v.CapOrd(q.Capability)
	for ; l.at < v.Rows.Len(); l.at++ {
		if v.Visits++; v.Tired() {
			return ErrGoOn
		}
		def := v.Rows.At(uint32(l.at))
		if def == nil || def.Ent == 0 || def.ByDefault || def.Cap != cap || len(def.Scope) > 0 || q.Label != nil && def.Label != *q.Label ||
			ent != 0 && def.Ent != ent || v.Ent(def.Ent).Archived != 0 || !v.SeesRow(def) {
			l.walk = nil
			continue
		}
		if len(l.Out) == q.Limit {
			l.Next = l.Out[len(l.Out)-1].AssignmentID
			return nil
		}
		if l.walk == nil || l.walk.def != def {
			l.walk = v.shareWalk(def)
		}
		for l.walk.next(v) {
			if v.Tired() {
				return ErrGoOn
			}
		}
		l.Out = append(l.Out, v.allocationOut(uint32(l.at), def, &l.walk.share))
		l.walk = nil
	}
	return nil
}

func (v *View) allocationOut(row uint32, def *record.Limit, s *share) Allocation {
	a := Allocation{AssignmentID: store.FormatID(v.RowID(row)), EntityID: v.Ent(def.Ent).ID, Capability: v.Capability(def.Cap), Label: def.Label,
		Strict: def.Strict, Allocated: s.sum, Children: len(s.list) - s.unlimited, Unlimited: s.unlimited}
	if def.Limited {
		limit := def.Limit
		free := bursar.MaxAmount(bursar.Amount{}, limit.Sub(s.sum))
		a.UsageLimit, a.Unallocated, a.OverCommitted = &limit, &free, bursar.MaxAmount(bursar.Amount{}, s.sum.Sub(limit))
	}
	return a
}
