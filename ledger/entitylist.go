package ledger

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// EntityList gathers a page of entities.
type EntityList struct {
	Q           *EntityQuery
	Page        Page[bursar.Entity]
	begun       bool
	typ, parent uint32
	search      string   // lower case
	last        *ListPos // of the entity looked at last
	found       []uint32
}

func (l *EntityList) ok(e *record.Entity) bool {
	return (l.Q.IncludeArchived || e.Archived == 0) && (l.typ == 0 || e.Typ == l.typ) && (l.parent == 0 || e.Parent == l.parent) && e.Matches(l.search)
}

// On goes on with the list.
func (l *EntityList) On(v *View) error {
	q := l.Q
	if !l.begun {
		l.begun, l.typ, l.search, l.Page.Items = true, v.TypeOrd(q.TypeID), strings.ToLower(q.Search), []bursar.Entity{}
		if q.ParentID != "" {
			l.parent = v.EntOrd(q.ParentID)
		}
	}
	if q.TypeID != "" && l.typ == 0 || q.ParentID != "" && l.parent == 0 {
		return nil
	}
	if !l.find(v, &q.ListPage) {
		return ErrGoOn
	}
	for _, ord := range l.found {
		l.Page.Items = append(l.Page.Items, v.EntityOut(ord))
	}
	l.Page.Cut(q.Limit, q.After != nil, q.Before != nil)
	return nil
}

// find goes on to find up to Limit+1 entities after or before the page's position, in list
// order, and tells whether it has them all.
func (l *EntityList) find(v *View, p *ListPage) (done bool) {
	done = true
	visit := func(ord uint32) bool {
		e := v.Entities.at(ord)
		if l.ok(e) && v.Sees(ord) {
			l.found = append(l.found, ord)
		}
		if len(l.found) > p.Limit {
			return false
		}
		if v.Visits++; v.Tired() {
			l.last, done = &ListPos{CreatedAt: e.Created, ID: e.ID}, false
		}
		return done
	}
	at := l.last
	if at == nil {
		if at = p.After; p.Before != nil {
			at = p.Before
		}
	}
	from := func(ord uint32) bool { return compareEntity(v.Entities.at(ord), at) > 0 }
	switch {
	case p.Before != nil:
		v.entOrder.descend(func(ord uint32) bool { return compareEntity(v.Entities.at(ord), at) >= 0 }, visit)
	case at == nil:
		v.entOrder.ascend(nil, visit)
	default:
		v.entOrder.ascend(from, visit)
	}
	if done && p.Before != nil {
		slices.Reverse(l.found)
	}
	return done
}

// compareEntity is the order of lists: by creation, then by id.
func compareEntity(e *record.Entity, p *ListPos) int {
	return cmp.Or(cmp.Compare(e.Created, p.CreatedAt), strings.Compare(e.ID, p.ID))
}

// rowPosition is the number of the first row to look at and the direction.
func (v *View) rowPosition(p *ListPage) (at, by int) {
	find := func(pos *ListPos) int {
		id, _ := store.ParseID(pos.ID)
		row, _ := v.RowIDs.find(id)
		return int(row)
	}
	switch {
	case p.Before != nil:
		return find(p.Before) - 1, -1
	case p.After != nil:
		i := find(p.After)
		id, _ := store.ParseID(p.After.ID)
		for i < v.RowIDs.len() && v.RowIDs.At(uint32(i)) == id {
			i++ // numbers of rows deleted long ago repeat the ID before them
		}
		return i, 1
	}
	return 1, 1
}

// AssignmentList gathers a page of assignments.
type AssignmentList struct {
	Q      *AssignmentQuery
	Page   Page[bursar.Assignment]
	begun  bool
	at, by int
}

// On goes on with the list.
func (l *AssignmentList) On(v *View) error {
	q := l.Q
	if !l.begun {
		l.begun, l.Page.Items = true, []bursar.Assignment{}
		l.at, l.by = v.rowPosition(&q.ListPage)
	}
	ent, cap := v.EntOrd(q.EntityID), v.CapOrd(q.Capability)
	if q.EntityID != "" && ent == 0 || q.Capability.ID != "" && cap == 0 {
		return nil
	}
	for ; l.at >= 1 && l.at < v.Rows.Len() && len(l.Page.Items) <= q.Limit; l.at += l.by {
		if v.Tired() {
			return ErrGoOn
		}
		v.Visits++
		def := v.Rows.At(uint32(l.at))
		if def != nil && def.Ent != 0 && !def.ByDefault && (ent == 0 || def.Ent == ent) && (cap == 0 || def.Cap == cap) && (q.Label == nil || def.Label == *q.Label) && v.SeesRow(def) {
			l.Page.Items = append(l.Page.Items, v.assignmentOut(uint32(l.at)))
		}
	}
	if l.by < 0 {
		slices.Reverse(l.Page.Items)
	}
	l.Page.Cut(q.Limit, q.After != nil, q.Before != nil)
	return nil
}
