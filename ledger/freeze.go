package ledger

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// A freeze stops what would be granted, whatever the limits say: checks, consumptions and
// reservations of an entity and of all below it, or of the whole customer. What happened
// is recorded all the same: usage, events, and how open reservations end. judge, judgeEvent
// and outlook ask frozenOn. checkParent asks what a token may move away (staysFrozen).

// freezePart is a freeze in a checkpoint.
type freezePart struct {
	Reason  string      `json:"reason"`
	At      bursar.Time `json:"at"`
	ByToken bool        `json:"byToken,omitempty"`
	Root    uint32      `json:"root,omitempty"`
}

// freezeOf is the freeze of one entity, 0 = the customer; nil = it is not frozen itself.
func (v *View) freezeOf(ent uint32) *record.Freeze {
	if z, ok := v.frzs[ent]; ok {
		return z
	}
	return v.freezes[ent]
}

func (v *View) noFreezes() bool { return len(v.freezes)+len(v.frzs) == 0 }

// frozenOn is what stops the usage that r is about: the first frozen entity of its path,
// or else the customer; nil = nothing does.
func (v *View) frozenOn(r *Resolved) *bursar.Freeze {
	if v.noFreezes() {
		return nil
	}
	for i := range r.Path {
		if z := v.freezeOf(r.Path[i].Ent); z != nil {
			return v.freezeOut(r.Path[i].Ent, z)
		}
	}
	if len(r.Leaves) > 0 && v.Root != 0 { // the path ends at the root of what is seen
		return v.frozenAt(v.Root)
	}
	return v.frozenAt(0)
}

// frozenAt is the freeze of an entity, or of the nearest above it that has one, or of the
// customer.
func (v *View) frozenAt(ent uint32) *bursar.Freeze {
	if v.noFreezes() || v.Root == seesNone {
		return nil
	}
	for ; ; ent = v.Ent(ent).Parent {
		if z := v.freezeOf(ent); z != nil {
			return v.freezeOut(ent, z)
		}
		if ent == 0 {
			return nil
		}
	}
}

// freezeOut shows a freeze. If the frozen entity is above what a token sees, the token learns
// the reason and the time alone.
func (v *View) freezeOut(ent uint32, z *record.Freeze) *bursar.Freeze {
	out := &bursar.Freeze{Code: bursar.CodeCustomerIsFrozen, Reason: z.Reason, FrozenAt: z.At}
	if ent != 0 {
		if out.Code = bursar.CodeEntityIsFrozen; v.Sees(ent) {
			out.EntityID = v.Ent(ent).ID
		}
	}
	return out
}

// frozenBecause explains a denial by a freeze.
func frozenBecause(z *bursar.Freeze) string {
	switch {
	case z.Code == bursar.CodeCustomerIsFrozen:
		return "the customer is frozen: " + z.Reason
	case z.EntityID == "":
		return "an entity above is frozen: " + z.Reason
	}
	return "the entity " + z.EntityID + " is frozen: " + z.Reason
}

// Freezes are all that are seen, the oldest first, and of one instant by entity.
func (v *View) Freezes() []bursar.Freeze {
	out := []bursar.Freeze{}
	for _, ent := range slices.Sorted(maps.Keys(v.freezes)) {
		if v.Root == 0 || ent != 0 && v.Sees(ent) {
			out = append(out, *v.freezeOut(ent, v.freezes[ent]))
		}
	}
	slices.SortFunc(out, func(a, b bursar.Freeze) int {
		return cmp.Or(cmp.Compare(a.FrozenAt, b.FrozenAt), strings.Compare(a.EntityID, b.EntityID))
	})
	return out
}

// SetFreeze freezes an entity, or the customer, or thaws it. Both are idempotent; another
// reason takes the place of the one before.
type SetFreeze struct {
	Caller   catalogue.Caller
	EntityID string // "" = the customer
	Freeze   bool
	Reason   string // of a freeze
}

func (o *SetFreeze) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	ent := uint32(0)
	if o.EntityID != "" {
		if ent = d.EntOrd(o.EntityID); ent == 0 {
			return nil, d.errNoEntity(o.EntityID)
		}
	}
	if d.ours != nil && (ent == 0 || ent == d.Root) { // also where nothing would change
		return nil, errAboveToken
	}
	if err := bursar.CheckText(o.Reason, bursar.MaxReasonLen); o.Freeze && (err != nil || o.Reason == "") {
		if err == nil {
			return nil, bursar.ErrorAt("/reason", bursar.CodeValidationFailed, "say why: the reason is in every denial")
		}
		return nil, bursar.ErrorAt("/reason", bursar.CodeValidationFailed, "the reason %v", err)
	}
	old := d.freezeOf(ent)
	if old == nil && !o.Freeze || old != nil && o.Freeze && old.Reason == o.Reason {
		return d.freezing(ent), nil
	}
	if old != nil && !d.mayThaw(old) {
		return nil, errFrozenFromAbove
	}
	if o.Freeze {
		z := record.Freeze{Reason: o.Reason, At: d.Now.Milli(), ByToken: d.ours != nil}
		if z.ByToken {
			z.Root = d.Root
		}
		d.Emit(&record.Frozen{Ent: ent, Freeze: z})
	} else {
		d.Emit(&record.Thawed{Ent: ent})
	}
	d.tellFreeze(&o.Caller, ent, old)
	return d.freezing(ent), nil
}

var errFrozenFromAbove = bursar.Errorf(bursar.CodeForbidden,
	"this was frozen with an API key or from above: an access token neither thaws it nor changes the reason")

// mayThaw tells whether who asks may end z. An API key may. A token may if z was made by a token
// whose root is its own or below it.
func (d *Decider) mayThaw(z *record.Freeze) bool {
	if d.ours == nil {
		return true
	}
	return z.ByToken && (d.Root == 0 || z.Root != 0 && d.Sees(z.Root))
}

// staysFrozen is an error when a token would move an entity away from below a freeze that the
// token may not end.
func (d *Decider) staysFrozen(ent, parent uint32) *bursar.Error {
	if d.ours == nil || d.noFreezes() {
		return nil
	}
	for up := d.Ent(ent).Parent; up != 0; up = d.Ent(up).Parent {
		if z := d.freezeOf(up); z != nil && !d.mayThaw(z) && !d.within(parent, up) {
			return bursar.Errorf(bursar.CodeForbidden,
				"it is below what was frozen with an API key or from above: an access token does not move it away")
		}
	}
	return nil
}

func (v *View) freezing(ent uint32) bursar.Freezing {
	var out bursar.Freezing
	if ent != 0 {
		out.EntityID = v.Ent(ent).ID
	}
	if z := v.freezeOf(ent); z != nil {
		out.Freeze = v.freezeOut(ent, z)
	}
	return out
}

// tellFreeze notes that an entity, or the customer, was frozen or thawed. A message about
// a thaw has the freeze that ended.
func (d *Decider) tellFreeze(caller *catalogue.Caller, ent uint32, old *record.Freeze) {
	now := d.freezeOf(ent)
	kind, id, typ := "customer", d.Cust().ID, bursar.EventCustomerFrozen
	data := catalogue.FreezeData{CustomerID: id}
	if ent != 0 {
		e := d.EntityOut(ent)
		kind, id, typ, data.Entity = "entity", e.ID, bursar.EventEntityFrozen, &e
	}
	told := now
	if now == nil {
		told, typ = old, map[string]string{"customer": bursar.EventCustomerThawed, "entity": bursar.EventEntityThawed}[kind]
	}
	data.Reason, data.FrozenAt = told.Reason, told.At
	about := ""
	if ent != 0 {
		about = id
	}
	d.audit(caller, typ, kind, id, about, freezeAudit(old), freezeAudit(now))
	d.notify(typ, data)
}

func freezeAudit(z *record.Freeze) any {
	if z == nil {
		return nil
	}
	return map[string]any{"reason": z.Reason, "frozenAt": z.At}
}
