package engine

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/bursarhq/bursar"
)

// Entities lists a customer's entities.
func (e *Engine) Entities(ctx context.Context, o ReadOptions, customer string, q EntityQuery) (p Page[bursar.Entity], version uint64, err error) {
	version, err = e.readCustomer(ctx, o, customer, func(v *view) error {
		m := entityMatch{v: v, typ: v.typeOrd(q.TypeID), archived: q.IncludeArchived, search: strings.ToLower(q.Search)}
		if q.ParentID != "" {
			m.parent = v.entOrd(q.ParentID)
		}
		if q.TypeID != "" && m.typ == 0 || q.ParentID != "" && m.parent == 0 {
			p.Items = []bursar.Entity{}
			return nil
		}
		ords := m.page(&q.ListPage)
		p.Items = make([]bursar.Entity, len(ords))
		for i, ord := range ords {
			p.Items[i] = v.entityOut(ord)
		}
		p.cut(q.Limit, q.After != nil, q.Before != nil)
		return nil
	})
	return p, version, err
}

type entityMatch struct {
	v           *view
	typ, parent uint32
	archived    bool
	search      string // lower case
}

func (m *entityMatch) ok(e *entity) bool {
	return (m.archived || e.archived == 0) && (m.typ == 0 || e.typ == m.typ) && (m.parent == 0 || e.parent == m.parent) && e.matches(m.search)
}

// matches tells whether the id or the name contains search, which is lower case.
func (e *entity) matches(search string) bool {
	return search == "" || strings.Contains(strings.ToLower(e.id), search) || e.name != nil && strings.Contains(strings.ToLower(*e.name), search)
}

// page finds up to Limit+1 entities after or before the page's position, in list order.
// Numbers go with creation, so only entities of one instant must be sorted by id.
func (m *entityMatch) page(p *ListPage) (out []uint32) {
	all := m.v.entities
	back := p.Before != nil
	pos := p.After
	if back {
		pos = p.Before
	}
	at := 1
	switch {
	case back: // the last one that may be before it
		at = sort.Search(len(all)-1, func(i int) bool { return all[i+1].created > pos.CreatedAt })
	case pos != nil:
		at = 1 + sort.Search(len(all)-1, func(i int) bool { return all[i+1].created >= pos.CreatedAt })
	}
	for at >= 1 && at < len(all) && len(out) <= p.Limit {
		group := m.instant(at, back)
		if back {
			at -= len(group)
		} else {
			at += len(group)
		}
		for _, ord := range group {
			e := all[ord]
			past := pos == nil || e.created != pos.CreatedAt || back && e.id < pos.ID || !back && e.id > pos.ID
			if past && m.ok(e) && m.v.sees(ord) && len(out) <= p.Limit {
				out = append(out, ord)
			}
		}
	}
	if back {
		slices.Reverse(out)
	}
	return out
}

// instant lists the entities that were created when number at was, by id, going on in
// the direction.
func (m *entityMatch) instant(at int, back bool) (group []uint32) {
	all := m.v.entities
	step := 1
	if back {
		step = -1
	}
	for i := at; i >= 1 && i < len(all) && all[i].created == all[at].created; i += step {
		group = append(group, uint32(i))
	}
	slices.SortFunc(group, func(a, b uint32) int { return step * strings.Compare(all[a].id, all[b].id) })
	return group
}

// Assignments lists a customer's assignments, in order of their IDs.
func (e *Engine) Assignments(ctx context.Context, o ReadOptions, customer string, q AssignmentQuery) (p Page[bursar.Assignment], version uint64, err error) {
	version, err = e.readCustomer(ctx, o, customer, func(v *view) error {
		p.Items = []bursar.Assignment{}
		ent, cap := v.entOrd(q.EntityID), v.capOrd(q.Capability)
		if q.EntityID != "" && ent == 0 || q.Capability.ID != "" && cap == 0 {
			return nil
		}
		ok := func(def *rowDef) bool {
			return def != nil && def.ent != 0 && (ent == 0 || def.ent == ent) && (cap == 0 || def.cap == cap) && (q.Label == nil || def.label == *q.Label) && v.seesRow(def)
		}
		at, step := v.rowPosition(&q.ListPage)
		for ; at >= 1 && at < len(v.rows) && len(p.Items) <= q.Limit; at += step {
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
		return slices.BinarySearchFunc(v.rowIDs[1:], id, compareID)
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

// Reservation reads one reservation, open or closed. Its Decision shows the limits that
// it is on as they stand now.
func (e *Engine) Reservation(ctx context.Context, o ReadOptions, customer, id string) (res bursar.Reservation, version uint64, err error) {
	u, ok := parseID(id)
	if !ok {
		return res, 0, bursar.Errorf(bursar.CodeReservationNotFound, "there is no reservation %.64q", id)
	}
	var saved *hold
	var base uint64 // the checkpoint that memory went by before saved was read
	for range maxAsked {
		found := false
		version, err = e.readCustomer(ctx, o, customer, func(v *view) error {
			h := v.hold(u)
			if h == nil && base == v.seriesBase {
				h = saved
			}
			base = v.seriesBase
			if found = h != nil; found {
				res = v.reservationOut(e.cat.Load(), h)
			}
			return nil
		})
		if err != nil || found {
			return res, version, err
		}
		row, err := e.store.Hold(ctx, customer, id)
		if err != nil {
			return res, 0, e.unavailable(err)
		}
		if row == nil {
			return res, 0, errNoReservation(u)
		}
		if saved, err = holdFromRow(row); err != nil {
			return res, 0, err
		}
	}
	return res, 0, e.unavailable(fmt.Errorf("%w: of %q", errMoving, customer))
}

// Reservations lists the reservations of one status, in order of their IDs.
func (e *Engine) Reservations(ctx context.Context, o ReadOptions, customer string, q ReservationQuery) (p Page[bursar.Reservation], version uint64, err error) {
	p.Items = []bursar.Reservation{}
	if q.Status == "" {
		q.Status = bursar.HoldOpen
	}
	var here map[[16]byte]bool // in memory, whatever its status: what the store has of it is old
	var holds []*hold
	ent, late := uint32(0), 0
	_, err = e.readCustomer(ctx, o, customer, func(v *view) error {
		if ent = v.entOrd(q.EntityID); q.EntityID == "" {
			ent = v.root
		}
		here = make(map[[16]byte]bool, len(v.holds))
		for id := range v.holds {
			h := v.hold(id)
			here[id] = true
			if h.late {
				late++
			}
			if h.status == q.Status && h.onEntity(ent) && inPage(h.id, &q.ListPage) {
				holds = append(holds, h)
			}
		}
		return nil
	})
	if err != nil || q.EntityID != "" && ent == 0 {
		return p, 0, err
	}
	if q.Status != bursar.HoldOpen {
		hq := HoldQuery{Status: q.Status, EntityOrd: ent, Limit: q.Limit + 1 + late}
		if q.After != nil {
			hq.After = q.After.ID
		}
		if q.Before != nil {
			hq.Before = q.Before.ID
		}
		rows, err := e.store.Holds(ctx, customer, hq)
		if err != nil {
			return p, 0, e.unavailable(err)
		}
		for i := range rows {
			h, err := holdFromRow(&rows[i])
			if err != nil {
				return p, 0, err
			}
			if !here[h.id] {
				holds = append(holds, h)
			}
		}
	}
	slices.SortFunc(holds, func(a, b *hold) int { return compareID(a.id, b.id) })
	if q.Before != nil {
		holds = holds[max(0, len(holds)-q.Limit-1):]
	} else {
		holds = holds[:min(len(holds), q.Limit+1)]
	}
	version, err = e.readCustomer(ctx, o, customer, func(v *view) error {
		for _, h := range holds {
			p.Items = append(p.Items, v.reservationOut(e.cat.Load(), h))
		}
		return nil
	})
	p.cut(q.Limit, q.After != nil, q.Before != nil)
	return p, version, err
}

func (h *hold) onEntity(ent uint32) bool {
	return ent == 0 || slices.ContainsFunc(h.path, func(s step) bool { return s.ent == ent })
}

func inPage(id [16]byte, p *ListPage) bool {
	bound := func(pos *ListPos) [16]byte {
		u, _ := parseID(pos.ID)
		return u
	}
	return (p.After == nil || compareID(id, bound(p.After)) > 0) && (p.Before == nil || compareID(id, bound(p.Before)) < 0)
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
