package ledger

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// apply is the one place where a record changes a customer. It is used while a batch
// is decided and when a log is read again, and depends on nothing but the view and the
// record.
func (v *View) apply(r record.Record) error {
	v.Records++
	switch r := r.(type) {
	case *record.Customer:
		c := r.Customer
		if v.undoing {
			old := v.newCustomer
			v.undo = append(v.undo, func() { v.newCustomer = old })
		}
		v.newCustomer = &c
	case *record.TypeName:
		push(v, &v.newTypes, r.ID)
	case *record.CapabilityName:
		push(v, &v.newCaps, r.Capability)
	case *record.ComboName:
		push(v, &v.newCombos, record.EncodeCombo(r.Dims))
	case *record.PathNamed:
		v.applyPath(r)
	case *record.EntityPut:
		return v.applyEntity(r)
	case *record.Usage:
		return v.applyUsage(r)
	case *record.HoldOpened:
		v.applyHoldOpen(r)
	case *record.HoldCommitted:
		return v.applyHoldCommit(r)
	case *record.HoldFreed:
		return v.closeHold(r.ID, func(h *record.Hold) { h.Status, h.Closed = bursar.HoldReleased, r.At })
	case *record.HoldExtended:
		return v.applyExtend(r)
	case *record.HoldExpired:
		return v.applyExpire(r)
	case *record.EventHeld:
		v.applyEventHeld(r)
	case *record.EventUsed:
		return v.applyEventUsed(r)
	case *record.EventRaised:
		return v.applyEventRaised(r)
	case *record.CallNamed:
		v.remember(r.Key)
	case *record.CallCounted:
		v.remember(r.Key)
	case *record.HoldKept:
		return v.applyKept(r)
	case *record.UsageUnread:
		v.remember(r.Same)
		v.applyUnread(r)
	case *record.UsageReread:
		v.applyReread(r)
	case *record.LevelSet:
		l := r.Level
		put(v, &v.lvls, r.Key, &l)
	case *record.Kept:
		v.remember(r.Key)
	case *record.Activity:
	default:
		return v.applyCredit(r)
	}
	return nil
}

// applyCredit applies records of costs, grants and pools.
func (v *View) applyCredit(r record.Record) error {
	switch r := r.(type) {
	case *record.Cost:
		return v.applyCost(r)
	case *record.Draw:
		return v.applyDraw(r)
	case *record.HoldCost:
		return v.applyHoldCost(r)
	case *record.GrantMade:
		return v.applyGrant(r)
	case *record.GrantBegun:
		return v.changeGrant(r.Ord, func(g *grant, p *pool) {
			g.Status, g.UpdatedAt = bursar.GrantActive, r.At
			p.Limit, p.active, p.at = p.Limit.Add(g.Amount), p.active.Add(g.Amount), r.At
		})
	case *record.GrantEnded:
		return v.changeGrant(r.Ord, func(g *grant, p *pool) { endGrant(r, g, p) })
	case *record.BalanceLow:
		p := *v.pool(r.Cap)
		p.Low = r.Levels
		put(v, &v.pls, r.Cap, &p)
	default:
		return v.applyLimit(r)
	}
	return nil
}

// applyLimit applies records of limits, and of what bears on them.
func (v *View) applyLimit(r record.Record) error {
	switch r := r.(type) {
	case *record.LimitPut:
		return v.applyRow(r)
	case *record.LimitStarted:
		return v.applyRowStart(r)
	case *record.LimitDefaulted, *record.DefaultPut, *record.DefaultDeleted:
		return v.applyDefault(r)
	case *record.LimitDeleted:
		v.applyRowDelete(r)
	case *record.BoostMade:
		b := r.Boost
		list := append(slices.Clone(v.boostsOf(r.Row)), &b)
		put(v, &v.bsts, r.Row, list[max(0, len(list)-keptBoosts):])
	case *record.BoostLent:
		return v.applyBoostLent(r)
	case *record.BoostEnded:
		v.applyBoostEnded(r)
	case *record.BoostAsked:
		return v.applyBoostAsked(r)
	case *record.BoostAnswered:
		return v.applyBoostAnswered(r)
	case *record.Promotion:
		p := &promo{r.Row, r.Promotion}
		if r.Deleted {
			p = nil
		}
		put(v, &v.prms, r.Cap, p)
	case *record.AlertFired:
		f := r.Fired
		put(v, &v.frd, r.Row, &f)
	case *record.Frozen:
		z := r.Freeze
		put(v, &v.frzs, r.Ent, &z)
	case *record.Thawed:
		put(v, &v.frzs, r.Ent, nil)
	case *record.DegradePut:
		p := r.Policy
		v.applyDegrade(&p)
	case *record.DegradeDeleted:
		v.applyDegradeEnd(r)
	case *record.NotificationPut:
		n := r.Notification
		v.applyNotification(&n)
	case *record.NotificationDeleted:
		v.applyNotificationEnd(r)
	case *record.NotificationsUsed:
		u := r.Use
		put(v, &v.ntus, r.Root, &u)
	case *record.LimitTold:
		t := r.Told
		put(v, &v.tlds, r.Row, &t)
	case *record.ValueCounted:
		for _, k := range r.Sets {
			v.addUnique(k, r.Value)
		}
	default:
		return fmt.Errorf("%w: kind %d in a customer's log", record.ErrRecord, r.Kind())
	}
	return nil
}
