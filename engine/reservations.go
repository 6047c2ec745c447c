package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
)

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
	if q.Status == "" {
		q.Status = bursar.HoldOpen
	}
	l := holdList{q: &q}
	if _, err = e.readTurn(ctx, o, customer, l.inMemory); err == nil && !l.nothing && q.Status != bursar.HoldOpen {
		err = l.inStore(ctx, e, customer)
	}
	p.Items = []bursar.Reservation{}
	if err != nil || l.nothing {
		return p, 0, err
	}
	holds := l.cut()
	version, err = e.readTurn(ctx, o, customer, func(v *view) error {
		for _, h := range holds {
			p.Items = append(p.Items, v.reservationOut(e.cat.Load(), h))
		}
		return nil
	})
	p.cut(q.Limit, q.After != nil, q.Before != nil)
	return p, version, err
}

// holdList gathers a page of holds.
type holdList struct {
	q       *ReservationQuery
	ent     uint32
	nothing bool // the entity that is asked for is not there
	walks   []*holdWalk
	found   []*hold
}

// holdWalk goes through the holds in memory that are open, or those that are closed.
type holdWalk struct {
	open bool
	last *[16]byte // the one looked at last
	n    int       // how many were found
	done bool
}

// inMemory gathers those that the store does not have, or has as they were before.
func (l *holdList) inMemory(v *view) error {
	if l.walks == nil {
		if l.ent = v.entOrd(l.q.EntityID); l.q.EntityID == "" {
			l.ent = v.root
		}
		l.nothing = l.q.EntityID != "" && l.ent == 0
		l.walks = []*holdWalk{{open: true}, {}}
	}
	if l.nothing {
		return nil
	}
	for _, w := range l.walks {
		if !w.done && (w.open || l.q.Status != bursar.HoldOpen) && !l.walk(v, w) {
			return errGoOn
		}
	}
	return nil
}

// walk goes on to find the first Limit+1 holds of the page, and tells whether it has them.
func (l *holdList) walk(v *view, w *holdWalk) bool {
	if w.open && l.q.Status != bursar.HoldOpen && (l.q.Status != bursar.HoldExpired || !v.unrecorded()) {
		w.done = true
		return true
	}
	list := &v.closedHolds
	if w.open {
		list = &v.openHolds
	}
	tired := false
	visit := func(id [16]byte) bool {
		h := v.shown(v.hold(id))
		if h.status == l.q.Status && h.onEntity(l.ent) {
			l.found = append(l.found, h)
			w.n++
		}
		v.visits += holdLook
		tired = v.tired() && w.n <= l.q.Limit
		w.last = &id
		return w.n <= l.q.Limit && !tired
	}
	at := w.last
	if at == nil {
		at = l.q.position()
	}
	switch {
	case l.q.Before != nil:
		list.descend(func(id [16]byte) bool { return compareID(id, *at) >= 0 }, visit)
	case at != nil:
		list.ascend(func(id [16]byte) bool { return compareID(id, *at) > 0 }, visit)
	default:
		list.ascend(nil, visit)
	}
	w.done = !tired
	return w.done
}

// position is where the page begins, or before which it ends; nil = at the first.
func (p *ListPage) position() *[16]byte {
	pos := p.After
	if p.Before != nil {
		pos = p.Before
	}
	if pos == nil {
		return nil
	}
	id, _ := parseID(pos.ID)
	return &id
}

// inStore gathers those that the store alone has: of one that is in memory, it has what
// was before.
func (l *holdList) inStore(ctx context.Context, e *Engine, customer string) error {
	hq := HoldQuery{Status: l.q.Status, EntityOrd: l.ent, Limit: l.q.Limit + 1}
	if l.q.After != nil {
		hq.After = l.q.After.ID
	}
	if l.q.Before != nil {
		hq.Before = l.q.Before.ID
	}
	for n := 0; ; {
		rows, err := e.store.Holds(ctx, customer, hq)
		if err != nil {
			return e.unavailable(err)
		}
		if len(rows) == 0 {
			return nil
		}
		holds := make([]*hold, len(rows))
		for i := range rows {
			if holds[i], err = holdFromRow(&rows[i]); err != nil {
				return err
			}
		}
		_, err = e.readTurn(ctx, ReadOptions{}, customer, func(v *view) error {
			for _, h := range holds {
				if v.hold(h.id) == nil {
					l.found = append(l.found, h)
					n++
				}
			}
			return nil
		})
		if err != nil || n > l.q.Limit || len(rows) < hq.Limit {
			return err
		}
		if hq.After = rows[len(rows)-1].ID; l.q.Before != nil {
			hq.After, hq.Before = "", rows[0].ID
		}
	}
}

// cut is the page, and one more where there is one.
func (l *holdList) cut() []*hold {
	slices.SortFunc(l.found, func(a, b *hold) int { return compareID(a.id, b.id) })
	holds := slices.CompactFunc(l.found, func(a, b *hold) bool { return a.id == b.id })
	if l.q.Before != nil {
		return holds[max(0, len(holds)-l.q.Limit-1):]
	}
	return holds[:min(len(holds), l.q.Limit+1)]
}

func (h *hold) onEntity(ent uint32) bool {
	return ent == 0 || slices.ContainsFunc(h.path, func(s step) bool { return s.ent == ent })
}
