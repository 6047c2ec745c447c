package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// Entities lists a customer's entities.
func (e *Engine) Entities(ctx context.Context, o ReadOptions, customer string, q EntityQuery) (p Page[bursar.Entity], version uint64, err error) {
	var m *entityMatch
	version, err = e.readTurn(ctx, o, customer, func(v *view) error {
		if m == nil {
			m = &entityMatch{typ: v.typeOrd(q.TypeID), archived: q.IncludeArchived, search: strings.ToLower(q.Search)}
			if q.ParentID != "" {
				m.parent = v.entOrd(q.ParentID)
			}
		}
		p.Items = []bursar.Entity{}
		if q.TypeID != "" && m.typ == 0 || q.ParentID != "" && m.parent == 0 {
			return nil
		}
		if !m.page(v, &q.ListPage) {
			return errGoOn
		}
		for _, ord := range m.found {
			p.Items = append(p.Items, v.entityOut(ord))
		}
		p.cut(q.Limit, q.After != nil, q.Before != nil)
		return nil
	})
	return p, version, err
}

type entityMatch struct {
	typ, parent uint32
	archived    bool
	search      string   // lower case
	last        *ListPos // of the entity looked at last
	found       []uint32
}

func (m *entityMatch) ok(e *entity) bool {
	return (m.archived || e.archived == 0) && (m.typ == 0 || e.typ == m.typ) && (m.parent == 0 || e.parent == m.parent) && e.matches(m.search)
}

// matches tells whether the id or the name contains search, which is lower case.
func (e *entity) matches(search string) bool {
	return search == "" || strings.Contains(strings.ToLower(e.id), search) || e.name != nil && strings.Contains(strings.ToLower(*e.name), search)
}

// page goes on to find up to Limit+1 entities after or before the page's position, in list
// order, and tells whether it has them all.
func (m *entityMatch) page(v *view, p *ListPage) (done bool) {
	done = true
	visit := func(ord uint32) bool {
		e := v.entities[ord]
		if m.ok(e) && v.sees(ord) {
			m.found = append(m.found, ord)
		}
		if len(m.found) > p.Limit {
			return false
		}
		if v.visits++; v.tired() {
			m.last, done = &ListPos{CreatedAt: e.created, ID: e.id}, false
		}
		return done
	}
	at := m.last
	if at == nil {
		if at = p.After; p.Before != nil {
			at = p.Before
		}
	}
	from := func(ord uint32) bool { return v.entities[ord].compare(at) > 0 }
	switch {
	case p.Before != nil:
		v.entOrder.descend(func(ord uint32) bool { return v.entities[ord].compare(at) >= 0 }, visit)
	case at == nil:
		v.entOrder.ascend(nil, visit)
	default:
		v.entOrder.ascend(from, visit)
	}
	if done && p.Before != nil {
		slices.Reverse(m.found)
	}
	return done
}

// compare is the order of lists: by creation, then by id.
func (e *entity) compare(p *ListPos) int {
	return cmp.Or(cmp.Compare(e.created, p.CreatedAt), strings.Compare(e.id, p.ID))
}

// Assignments lists a customer's assignments, in order of their IDs.
func (e *Engine) Assignments(ctx context.Context, o ReadOptions, customer string, q AssignmentQuery) (p Page[bursar.Assignment], version uint64, err error) {
	at, step := -1, 1
	p.Items = []bursar.Assignment{}
	version, err = e.readTurn(ctx, o, customer, func(v *view) error {
		ent, cap := v.entOrd(q.EntityID), v.capOrd(q.Capability)
		if q.EntityID != "" && ent == 0 || q.Capability.ID != "" && cap == 0 {
			return nil
		}
		ok := func(def *rowDef) bool {
			return def != nil && def.ent != 0 && (ent == 0 || def.ent == ent) && (cap == 0 || def.cap == cap) && (q.Label == nil || def.label == *q.Label) && v.seesRow(def)
		}
		if at < 0 {
			at, step = v.rowPosition(&q.ListPage)
		}
		for ; at >= 1 && at < len(v.rows) && len(p.Items) <= q.Limit; at += step {
			if v.tired() {
				return errGoOn
			}
			v.visits++
			if ok(v.rows[at]) {
				p.Items = append(p.Items, v.assignmentOut(uint32(at)))
			}
		}
		if step < 0 {
			slices.Reverse(p.Items)
		}
		p.cut(q.Limit, q.After != nil, q.Before != nil)
		return nil
	})
	return p, version, err
}

// rowPosition is the number of the first row to look at and the direction.
func (v *view) rowPosition(p *ListPage) (at, step int) {
	find := func(pos *ListPos) (int, bool) {
		id, _ := parseID(pos.ID)
		return slices.BinarySearchFunc(v.rowIDs[1:], id, comparePlaces)
	}
	switch {
	case p.Before != nil:
		i, _ := find(p.Before)
		return i, -1
	case p.After != nil:
		i, _ := find(p.After)
		id, _ := parseID(p.After.ID)
		for i < len(v.rowIDs)-1 && v.rowIDs[i+1] == id {
			i++ // numbers of rows deleted long ago repeat the ID before them
		}
		return i + 1, 1
	}
	return 1, 1
}

// Activity lists who changed what, newest first. A token is shown what was done to the
// entities it sees and their limits.
func (e *Engine) Activity(ctx context.Context, o ReadOptions, customer string, q ActivityQuery) (p Page[Activity], version uint64, err error) {
	version, err = e.readCustomer(ctx, o, customer, func(*view) error { return nil })
	if err != nil {
		return p, 0, err
	}
	if o.Token != nil {
		p, err = e.seenActivity(ctx, o, customer, q)
		return p, version, err
	}
	want := q.Limit
	q.Limit++
	if p.Items, err = e.store.Activity(ctx, customer, q); err != nil {
		return p, 0, e.unavailable(err)
	}
	p.cut(want, q.Below != "", q.Above != "")
	return p, version, nil
}
