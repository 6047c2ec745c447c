package ledger

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

type EntityMatch struct {
	Typ, Parent uint32
	Archived    bool
	Search      string   // lower case
	last        *ListPos // of the entity looked at last
	Found       []uint32
}

func (m *EntityMatch) ok(e *record.Entity) bool {
	return (m.Archived || e.Archived == 0) && (m.Typ == 0 || e.Typ == m.Typ) && (m.Parent == 0 || e.Parent == m.Parent) && e.Matches(m.Search)
}

// Page goes on to find up to Limit+1 entities after or before the page's position, in list
// order, and tells whether it has them all.
func (m *EntityMatch) Page(v *View, p *ListPage) (done bool) {
	done = true
	visit := func(ord uint32) bool {
		e := v.Entities[ord]
		if m.ok(e) && v.Sees(ord) {
			m.Found = append(m.Found, ord)
		}
		if len(m.Found) > p.Limit {
			return false
		}
		if v.Visits++; v.Tired() {
			m.last, done = &ListPos{CreatedAt: e.Created, ID: e.ID}, false
		}
		return done
	}
	at := m.last
	if at == nil {
		if at = p.After; p.Before != nil {
			at = p.Before
		}
	}
	from := func(ord uint32) bool { return compareEntity(v.Entities[ord], at) > 0 }
	switch {
	case p.Before != nil:
		v.entOrder.descend(func(ord uint32) bool { return compareEntity(v.Entities[ord], at) >= 0 }, visit)
	case at == nil:
		v.entOrder.ascend(nil, visit)
	default:
		v.entOrder.ascend(from, visit)
	}
	if done && p.Before != nil {
		slices.Reverse(m.Found)
	}
	return done
}

// compare is the order of lists: by creation, then by id.
func compareEntity(e *record.Entity, p *ListPos) int {
	return cmp.Or(cmp.Compare(e.Created, p.CreatedAt), strings.Compare(e.ID, p.ID))
}

// RowPosition is the number of the first row to look at and the direction.
func (v *View) RowPosition(p *ListPage) (at, step int) {
	find := func(pos *ListPos) (int, bool) {
		id, _ := store.ParseID(pos.ID)
		return slices.BinarySearchFunc(v.RowIDs[1:], id, record.ComparePlaces)
	}
	switch {
	case p.Before != nil:
		i, _ := find(p.Before)
		return i, -1
	case p.After != nil:
		i, _ := find(p.After)
		id, _ := store.ParseID(p.After.ID)
		for i < len(v.RowIDs)-1 && v.RowIDs[i+1] == id {
			i++ // numbers of rows deleted long ago repeat the ID before them
		}
		return i + 1, 1
	}
	return 1, 1
}
