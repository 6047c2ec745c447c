package ledger

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

func (v *View) applyCost(r *record.Cost) error {
	if err := v.charge(r.Charges); err != nil {
		return err
	}
	at := v.Now
	if r.Held {
		at = r.At
	}
	v.addTotal(r.Cap, r.Total, bursar.Amount{}, at)
	v.track(r.Cap, r.At, r.Combo, r.Path, r.Amount, !r.Correction)
	if r.Correction {
		v.noteCorrection()
	}
	if !r.Held {
		return nil
	}
	h := v.Hold(r.Hold)
	if h == nil {
		return fmt.Errorf("%w: cost of an unknown hold", record.ErrRecord)
	}
	n := *h
	n.Costs = slices.Clone(h.Costs)
	for i := range n.Costs {
		if n.Costs[i].Cap == r.Cap {
			n.Costs[i].Charged = r.Amount
		}
	}
	put(v, &v.Hlds, r.Hold, &n)
	return nil
}

func (v *View) noteCorrection() {
	if v.undoing {
		old := v.correct
		v.undo = append(v.undo, func() { v.correct = old })
	}
	v.correct = true
}

func (v *View) applyHoldCost(r *record.HoldCost) error {
	h := v.Hold(r.ID)
	if h == nil {
		return fmt.Errorf("%w: price of an unknown hold", record.ErrRecord)
	}
	n := *h
	n.Costs = append(slices.Clone(h.Costs), r.Cost)
	put(v, &v.Hlds, r.ID, &n)
	if n.Status == bursar.HoldOpen {
		v.changeHeld(v.heldRows(&n, r.Cost.Cap), r.Cost.Held)
		v.addTotal(r.Cost.Cap, bursar.Amount{}, r.Cost.Held, v.Now)
	}
	return nil
}

// costCombo is the number of the dimensions of a cost: the plain ones of the usage and
// the feature, or the feature alone when there are too many combinations.
func (d *Decider) costCombo(plain []bursar.Dimension, featureID string) uint32 {
	feature := bursar.Dimension{Key: featureKey, Value: featureID}
	all := []bursar.Dimension{feature}
	for _, x := range plain {
		if x.Key != featureKey {
			all = append(all, x)
		}
	}
	if o := d.comboOf(record.SortDims(all), d.comboRoom()); o != 0 {
		return o
	}
	return d.comboOf(all[:1], 2*maxCombos)
}

// repriceAsks sets what asks pay back to the price of amount, which is what was really
// taken back. A cost of 10^15 or more, which has no amount, stays as it was checked.
func repriceAsks(asks []Ask, amount bursar.Amount) {
	asks[0].Amount = amount
	for i := range asks[1:] {
		a := &asks[i+1]
		if cost, ok := a.price.Rate.Cost(amount); ok {
			a.Amount = cost
		}
	}
}

// chargeCosts records what usage costs, on the currencies' rows of its path and from their pools. of
// is the index, in this commit, of the record of the usage.
func (d *Decider) chargeCosts(asks []Ask, of int, feature uint32, path *Resolved, dims []bursar.Dimension, at bursar.Time, now bool) {
	for i := range asks[1:] {
		a := &asks[i+1]
		if a.Amount = d.clampTotal(d.CapOrd(a.C), a.Amount); a.Amount.IsZero() {
			continue // a currency, too, pays back at most what was used of it
		}
		cap := d.CapFor(a.C)
		rec := &record.Cost{Cap: cap, Feature: feature, Of: uint32(of), Card: a.price.Card.ID, Version: a.price.Version,
			Units: asks[0].Amount, Amount: a.Amount, At: at, Combo: d.costCombo(d.plain(dims), asks[0].C.ID), Path: path.Path}
		rec.Charges = d.Charges(d.RowsOn(path, cap).Rows, at, a.Amount, now)
		rec.Total = a.Amount
		d.Emit(rec)
		d.alertCharges(rec.Charges)
		if d.Cat.Prepaid(a.C.ID) {
			d.draw(cap, rec.Total, feature, of, record.DrawConsumed, d.Now)
		}
	}
}

// bookCosts records what the amount that ended a hold costs, at the price that the
// hold froze. of is the index of the record that ended it.
func (d *Decider) bookCosts(h *record.Hold, of int, amount bursar.Amount, at bursar.Time, now bool) {
	if c := d.Capability(h.Cap); c.Kind == bursar.KindCurrency && d.Cat.Prepaid(c.ID) {
		d.draw(h.Cap, amount, 0, of, record.DrawConsumed, at)
	}
	var plain []bursar.Dimension // as they were when the hold began
	if h.Combo != 0 {
		plain = record.DecodeCombo(d.View.combo(h.Combo))
	}
	for i := range h.Costs {
		c := &h.Costs[i]
		cost, _ := c.Rate.Cost(amount) // checked when the amount came
		if cost.IsZero() {
			continue
		}
		rec := &record.Cost{Cap: c.Cap, Feature: h.Cap, Of: uint32(of), Card: c.Card, Version: c.Version, Units: amount, Amount: cost, Total: cost,
			At: at, Combo: d.costCombo(plain, d.Capability(h.Cap).ID), Path: h.Path, Held: true, Hold: h.ID, Dims: h.Dims}
		rec.Charges = d.Charges(d.heldRows(h, c.Cap), at, cost, now)
		d.Emit(rec)
		d.alertCharges(rec.Charges)
		if d.Cat.Prepaid(d.Capability(c.Cap).ID) {
			d.draw(c.Cap, cost, h.Cap, of, record.DrawConsumed, at)
		}
	}
}

// unpriced describes an item that has no rate in some currencies.
func (d *Decider) unpriced(in *bursar.UsageInput, currencies []string) (out []Unpriced) {
	if in.Value.IsZero() {
		return nil // it would have cost nothing
	}
	for _, cur := range currencies {
		u := Unpriced{FeatureID: in.FeatureID, CurrencyID: cur, Count: 1, Amount: in.Value, FirstSeen: d.Now.Milli(), LastSeen: d.Now.Milli()}
		for _, x := range in.Dimensions {
			if d.Cat.MatchesOn(in.FeatureID, cur, x.Key) {
				u.Dimensions = append(u.Dimensions, x)
			}
		}
		out = append(out, u)
	}
	return out
}

// unpricedOf is what no rate matched of the usages of an event.
func (d *Decider) unpricedOf(usages []UsageItem) (out []Unpriced) {
	for i := range usages {
		out = append(out, d.unpriced(&usages[i].In, usages[i].unpriced)...)
	}
	return out
}
