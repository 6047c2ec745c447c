package engine

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
)

// apply is the one place where a record changes a customer. It is used while a batch
// is decided and when a log is read again, and depends on nothing but the view and the
// record.
func (v *view) apply(r record) error {
	v.records++
	switch r := r.(type) {
	case *customerRec:
		c := r.customer
		if v.undoing {
			old := v.newCustomer
			v.undo = append(v.undo, func() { v.newCustomer = old })
		}
		v.newCustomer = &c
	case *typeRec:
		push(v, &v.newTypes, r.id)
	case *capabilityRec:
		push(v, &v.newCaps, r.capability)
	case *comboRec:
		push(v, &v.newCombos, encodeCombo(r.dims))
	case *pathRec:
		v.applyPath(r)
	case *entityRec:
		return v.applyEntity(r)
	case *rowRec:
		return v.applyRow(r)
	case *rowStartRec:
		return v.applyRowStart(r)
	case *rowDeleteRec:
		if def := v.def(r.ord); def != nil {
			v.countNamed(def, -1)
		}
		put(v, &v.defs, r.ord, nil)
	case *usageRec:
		return v.applyUsage(r)
	case *holdOpenRec:
		v.applyHoldOpen(r)
	case *holdCommitRec:
		return v.applyHoldCommit(r)
	case *holdFreeRec:
		return v.closeHold(r.id, func(h *hold) {
			h.status, h.closed = bursar.HoldReleased, r.at
		})
	case *holdExtendRec:
		h := v.hold(r.id)
		if h == nil {
			return fmt.Errorf("%w: no such hold", errRecord)
		}
		n := *h
		n.expires = r.expires
		put(v, &v.hlds, r.id, &n)
	case *holdExpireRec:
		return v.applyExpire(r)
	case *levelRec:
		l := r.level
		put(v, &v.lvls, r.key, &l)
	case *keptRec:
		v.remember(r.key)
	case *activityRec:
	default:
		return v.applyMoney(r)
	}
	return nil
}

func (v *view) applyEntity(r *entityRec) error {
	var old *entity
	switch {
	case int(r.ord) == v.entCount:
		v.entCount++
		if v.undoing {
			v.undo = append(v.undo, func() { v.entCount-- })
		}
		put(v, &v.newIDs, r.ent.id, r.ord)
	case r.ord > 0 && int(r.ord) < v.entCount:
		old = v.ent(r.ord)
	default:
		return fmt.Errorf("%w: entity number %d", errRecord, r.ord)
	}
	e := r.ent
	put(v, &v.ents, r.ord, &e)
	if old == nil || old.parent != e.parent {
		if old != nil && slices.Contains(v.kids[e.parent], r.ord) { // it went and comes back
			return nil
		}
		put(v, &v.kids, e.parent, append(v.kids[e.parent], r.ord))
	}
	return nil
}

func (v *view) applyRow(r *rowRec) error {
	def := r.def
	switch {
	case int(r.ord) == v.nextRowOrd():
		push(v, &v.newRowIDs, r.id)
		p := v.placeOf(&def)
		put(v, &v.newRows, def.ent, append(v.newRows[def.ent], r.ord))
		put(v, &v.newPlaces, p, append(v.newPlaces[p], r.ord))
		v.countNamed(&def, 1)
	case r.ord > 0 && int(r.ord) < v.nextRowOrd() && v.def(r.ord) != nil:
		if r.carry {
			c := v.counter(r.ord, v.def(r.ord))
			v.moveFired(r.ord, v.current(r.ord, v.def(r.ord)).start, r.window.start)
			c.window, c.used, c.prev = r.window, r.used, bursar.Amount{}
			put(v, &v.ctrs, r.ord, &c)
		}
	default:
		return fmt.Errorf("%w: assignment number %d", errRecord, r.ord)
	}
	put(v, &v.defs, r.ord, &def)
	return nil
}

// charge applies what rows took, and held changes what is held on each.
func (v *view) charge(cs []charge) error {
	v.visits += len(cs)
	for i := range cs {
		c := &cs[i]
		def := v.def(c.row)
		if def == nil {
			return fmt.Errorf("%w: charge on assignment number %d", errRecord, c.row)
		}
		n := v.counter(c.row, def)
		if c.rolled {
			n = n.rolled(c.window)
		}
		switch c.slot {
		case slotCurrent:
			n.used = n.used.Add(c.delta)
		case slotPrevious:
			n.prev = n.prev.Add(c.delta)
		}
		put(v, &v.ctrs, c.row, &n)
	}
	return nil
}

func (v *view) changeHeld(rows []uint32, a bursar.Amount) {
	v.visits += len(rows)
	for _, r := range rows {
		if def := v.def(r); def != nil {
			c := v.counter(r, def)
			c.held = c.held.Add(a)
			put(v, &v.ctrs, r, &c)
		}
	}
}

func (v *view) addTotal(cap uint32, value, held bursar.Amount, at bursar.Time) {
	t := v.total(cap)
	t.value, t.held = t.value.Add(value), t.held.Add(held)
	if !value.IsZero() {
		t.at = max(t.at, at)
	}
	put(v, &v.tots, cap, &t)
}

func (v *view) remember(k identity) {
	if k.set {
		put(v, &v.newKeys, k.hash, keyEntry{hash: k.hash, content: k.content, seq: v.head.Seq + 1, index: uint32(v.records - 1)})
	}
}

func (v *view) applyUsage(r *usageRec) error {
	v.remember(r.key)
	if err := v.charge(r.charges); err != nil {
		return err
	}
	v.addTotal(r.cap, r.total, bursar.Amount{}, v.now)
	if r.set && !r.stale {
		put(v, &v.lvls, levelKey{r.leaf, r.cap}, &level{r.amount, r.timestamp})
	}
	v.track(r.cap, r.at, r.combo, r.path, r.delta, true)
	return nil
}

func (v *view) applyHoldOpen(r *holdOpenRec) {
	v.remember(r.key)
	h := r.hold()
	put(v, &v.hlds, r.id, h)
	v.changeHeld(v.heldRows(h, h.cap), h.amount)
	v.addTotal(h.cap, bursar.Amount{}, h.amount, v.now)
}

// closeHold ends an open hold: it frees what was held and lets end say how it ended.
func (v *view) closeHold(id [16]byte, end func(*hold)) error {
	h := v.hold(id)
	if h == nil || h.status != bursar.HoldOpen {
		return fmt.Errorf("%w: hold is not open", errRecord)
	}
	v.record(id)
	v.changeHeld(v.heldRows(h, h.cap), h.amount.Neg())
	v.addTotal(h.cap, bursar.Amount{}, h.amount.Neg(), v.now)
	for _, c := range h.costs {
		v.changeHeld(v.heldRows(h, c.cap), c.held.Neg())
		v.addTotal(c.cap, bursar.Amount{}, c.held.Neg(), v.now)
	}
	n := *h
	end(&n)
	put(v, &v.hlds, id, &n)
	return nil
}

func (v *view) settle(c *closing, h *hold) error {
	if err := v.charge(c.charges); err != nil {
		return err
	}
	v.addTotal(h.cap, c.amount, bursar.Amount{}, c.at)
	v.track(h.cap, c.at, h.combo, h.path, c.amount, true)
	return nil
}

func (v *view) applyHoldCommit(r *holdCommitRec) error {
	if r.late != nil {
		n := *r.late
		n.costs = nil // they follow, each with a record of its own
		n.status, n.closed, n.recorded, n.late = bursar.HoldCommitted, r.at, r.amount, true
		put(v, &v.hlds, r.id, &n)
		return v.settle(&r.closing, &n)
	}
	err := v.closeHold(r.id, func(h *hold) {
		h.status, h.closed, h.recorded = bursar.HoldCommitted, r.at, r.amount
	})
	if err != nil {
		return err
	}
	return v.settle(&r.closing, v.hold(r.id))
}

func (v *view) applyExpire(r *holdExpireRec) error {
	err := v.closeHold(r.id, func(h *hold) {
		h.status, h.closed = bursar.HoldExpired, h.expires
		if r.settle {
			h.recorded = h.amount
		}
	})
	if err != nil || !r.settle {
		return err
	}
	return v.settle(&r.closing, v.hold(r.id))
}
