package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// BySpendToken is what is done with a spend token, whose holder is not trusted: the token
// spends only while what it is pinned to and counted on is there, and no more is recorded
// than was granted.
type BySpendToken struct {
	Path *catalogue.SpendPath
	Op   Op // one that fails early
}

func (*BySpendToken) failsEarly() {}

func (o *BySpendToken) Decide(d *Decider) (any, error) {
	d.guarded = true
	d.Unhinted = true
	defer func() { d.guarded, d.Unhinted = false, false }()
	switch op := o.Op.(type) {
	case *ChangeHold:
		op.Within = true
		if op.Action != HoldExtend { // what happened is recorded, and what is held is freed
			return op.Decide(d)
		}
	case *ConsumeEvent:
		op.Within = true
	}
	missing, err := d.SpendsOn(d.Cat, o.Path)
	if err == nil && missing > 0 {
		err = errSpend("what it is counted on is not there any more")
	}
	if err != nil {
		return nil, err
	}
	return o.Op.Decide(d)
}

// heldFor refuses to end a hold with more than it holds.
func (d *Decider) heldFor(h *record.Hold, amount bursar.Amount) error {
	if err := stillHeld(h); err != nil {
		return err
	}
	if h.Status == bursar.HoldOpen && h.Amount.Less(amount) {
		return bursar.ErrorAt("/amount", bursar.CodeForbidden, "a spend token commits at most what it holds, which is %s: hold more by another reservation", h.Amount)
	}
	return nil
}

// stillHeld is an error when a hold ended by time: nothing is held for what is said after.
func stillHeld(h *record.Hold) error {
	if h.Status == bursar.HoldExpired {
		return bursar.Errorf(bursar.CodeReservationClosed, "the reservation %s has expired at %s: a spend token commits one that is open", store.FormatID(h.ID), h.Closed)
	}
	return nil
}

// eventHeldFor is heldFor for what an event used.
func (d *Decider) eventHeldFor(h *record.Hold, used *EventItem) error {
	if err := stillHeld(h); err != nil || h.Status != bursar.HoldOpen {
		return err
	}
	usages := used.usages
	if err := onlyAdding(usages); err != nil {
		return err
	}
	for _, x := range used.In.Dimensions {
		if _, names := d.Cat.Attribution[x.Key]; names && !slices.Contains(h.Event.Props, x) {
			return bursar.Errorf(bursar.CodeForbidden, "a spend token commits on the limits that it holds on: the reservation was not made with %s %q", x.Key, x.Value)
		}
	}
	held := d.heldAsks(h)
	for _, used := range asksOfEvent(usages) {
		most := bursar.Amount{}
		for i := range held {
			if held[i].C == used.C {
				most = held[i].Amount
			}
		}
		if most.Less(used.Amount) {
			return bursar.Errorf(bursar.CodeForbidden, "a spend token commits at most what it holds: of %s that is %s, and this used %s; extend the reservation by tokens first", used.C, most, used.Amount)
		}
	}
	return nil
}

// onlyAdding refuses usage that no limit bounds, because it does not add up.
func onlyAdding(usages []UsageItem) error {
	for i := range usages {
		if u := &usages[i]; u.aggregate != "" && (!u.In.Value.IsZero() || u.text != "") {
			return bursar.Errorf(bursar.CodeForbidden, "a spend token does not record usage of %q, which does not add up: call through the gateway, or have it reported with an API key", u.In.FeatureID)
		}
	}
	return nil
}
