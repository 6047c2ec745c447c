package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// HoldList gathers a page of holds.
type HoldList struct {
	Q       *ReservationQuery
	Ent     uint32
	Nothing bool // the entity that is asked for is not there, so no hold is
	walks   []*holdWalk
	Found   []*record.Hold
}

// holdWalk goes through the holds in memory that are open, or those that are closed.
type holdWalk struct {
	open bool
	last *[16]byte // the one looked at last
	n    int       // how many were found
	done bool
}

// InMemory gathers the holds in memory: the store lacks them, or has them as they were before.
func (l *HoldList) InMemory(v *View) error {
	if l.walks == nil {
		if l.Ent = v.EntOrd(l.Q.EntityID); l.Q.EntityID == "" {
			l.Ent = v.Root
		}
		l.Nothing = l.Q.EntityID != "" && l.Ent == 0
		l.walks = []*holdWalk{{open: true}, {}}
	}
	if l.Nothing {
		return nil
	}
	for _, w := range l.walks {
		if !w.done && (w.open || l.Q.Status != bursar.HoldOpen) && !l.walk(v, w) {
			return ErrGoOn
		}
	}
	return nil
}

// walk goes on to find the first Limit+1 holds of the page, and tells whether it has them.
func (l *HoldList) walk(v *View, w *holdWalk) bool {
	if w.open && l.Q.Status != bursar.HoldOpen && (l.Q.Status != bursar.HoldExpired || !v.unrecorded()) {
		w.done = true
		return true
	}
	list := &v.closedHolds
	if w.open {
		list = &v.OpenHolds
	}
	tired := false
	visit := func(id [16]byte) bool {
		h := v.Shown(v.Hold(id))
		if h.Status == l.Q.Status && h.OnEntity(l.Ent) {
			l.Found = append(l.Found, h)
			w.n++
		}
		v.Visits += holdLook
		tired = v.Tired() && w.n <= l.Q.Limit
		w.last = &id
		return w.n <= l.Q.Limit && !tired
	}
	at := w.last
	if at == nil {
		at = l.Q.position()
	}
	switch {
	case l.Q.Before != nil:
		list.descend(func(id [16]byte) bool { return record.CompareID(id, *at) >= 0 }, visit)
	case at != nil:
		list.ascend(func(id [16]byte) bool { return record.CompareID(id, *at) > 0 }, visit)
	default:
		list.ascend(nil, visit)
	}
	w.done = !tired
	return w.done
}

// position is the id behind which the page begins, or before which it ends; nil = it begins with
// the first.
func (p *ListPage) position() *[16]byte {
	pos := p.After
	if p.Before != nil {
		pos = p.Before
	}
	if pos == nil {
		return nil
	}
	id, _ := store.ParseID(pos.ID)
	return &id
}

// Cut is the holds of the page, and one more if there are more.
func (l *HoldList) Cut() []*record.Hold {
	slices.SortFunc(l.Found, func(a, b *record.Hold) int { return record.CompareID(a.ID, b.ID) })
	holds := slices.CompactFunc(l.Found, func(a, b *record.Hold) bool { return a.ID == b.ID })
	if l.Q.Before != nil {
		return holds[max(0, len(holds)-l.Q.Limit-1):]
	}
	return holds[:min(len(holds), l.Q.Limit+1)]
}
