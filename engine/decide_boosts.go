package engine

import (
	"github.com/bursarhq/bursar"
)

type createBoost struct {
	caller Caller
	row    string
	in     bursar.BoostInput
}

const maxReason = 500 // characters

func (o *createBoost) decide(d *decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	ord := d.findRowID(o.row)
	if ord == 0 {
		return nil, errNoAssignment(o.row)
	}
	def := d.def(ord)
	if now := d.assignmentOut(ord); o.caller.IfMatch != "" {
		if err := o.caller.stillAt(&now); err != nil {
			return nil, err
		}
	}
	var p bursar.Problems
	if o.in.Amount.Sign() <= 0 || !o.in.Amount.InRange() {
		p.Add("/amount", bursar.CodeInvalidAmount, "a boost is above 0")
	}
	if !def.limited {
		p.Add("/amount", bursar.CodeValidationFailed, "the assignment is unlimited: there is nothing to raise")
	}
	expires := o.in.ExpiresAt.Milli()
	if expires == 0 {
		expires = d.current(ord, def).end
	}
	if expires <= d.now {
		p.Add("/expiresAt", bursar.CodeValidationFailed, "expiresAt %s is not in the future (now is %s)", expires, d.now)
	}
	if o.in.Reason != nil {
		if err := bursar.CheckText(*o.in.Reason, maxReason); err != nil {
			p.Add("/reason", bursar.CodeValidationFailed, "a reason %v", err)
		}
	}
	active := 0
	for _, b := range d.boostsOf(ord) {
		if b.activeAt(d.now) {
			active++
		}
	}
	if active >= maxBoosts {
		p.Add("/amount", bursar.CodeValidationFailed, "an assignment has at most %d boosts at a time", maxBoosts)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	// It counts from now on, which is in its millisecond.
	b := boost{id: d.nextID(), amount: o.in.Amount, created: d.now.Milli(), expires: expires, reason: o.in.Reason, by: o.caller.ActorID}
	d.emit(&boostRec{ord, b})
	d.alertOn(ord)
	out := boostOut(d.rowID(ord), &b)
	d.audit(&o.caller, "boost.created", "boost", out.ID, d.ent(def.ent).id, nil, boostAudit(out))
	return out, nil
}

type endBoost struct {
	caller  Caller
	row, id string
}

func (o *endBoost) decide(d *decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	ord := d.findRowID(o.row)
	if ord == 0 {
		return nil, errNoAssignment(o.row)
	}
	id, _ := parseID(o.id)
	for _, b := range d.boostsOf(ord) {
		if b.id != id {
			continue
		}
		now := boostOut(d.rowID(ord), b)
		if err := o.caller.stillAt(&now); err != nil {
			return nil, err
		}
		if !b.activeAt(d.now) {
			return now, nil
		}
		before := boostAudit(boostOut(d.rowID(ord), b))
		d.emit(&boostEndRec{ord, id, d.now.Milli()})
		d.alertOn(ord)
		n := *b
		n.ended = d.now.Milli()
		out := boostOut(d.rowID(ord), &n)
		d.audit(&o.caller, "boost.ended", "boost", out.ID, d.ent(d.def(ord).ent).id, before, boostAudit(out))
		return out, nil
	}
	return nil, bursar.Errorf(bursar.CodeBoostNotFound, "the assignment has no boost %.64q", o.id)
}

func boostOut(row [16]byte, b *boost) bursar.Boost {
	out := bursar.Boost{ID: formatID(b.id), AssignmentID: formatID(row), Amount: b.amount, Reason: b.reason, CreatedAt: b.created,
		ExpiresAt: b.expires, CreatedBy: b.by}
	if b.ended != 0 {
		t := b.ended
		out.EndedAt = &t
	}
	return out
}

func boostAudit(b bursar.Boost) map[string]any {
	return map[string]any{"assignmentId": b.AssignmentID, "amount": b.Amount, "reason": b.Reason, "expiresAt": b.ExpiresAt, "endedAt": b.EndedAt}
}
