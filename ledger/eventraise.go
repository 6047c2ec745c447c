package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// How a hold of an event grows while the call that it is for goes on: by all that the event is
// expected to use more, or not at all.

func (v *View) applyEventRaised(r *record.EventRaised) error {
	h := v.Hold(r.ID)
	if h == nil || h.Status != bursar.HoldOpen || h.Event == nil {
		return fmt.Errorf("%w: no hold of an event is open", record.ErrRecord)
	}
	n := *h
	n.Event, n.Chains, n.Cap, n.Amount = &r.Event, r.Chains, r.Event.Parts[0].Cap, r.Event.Parts[0].Amount
	move := func(h *record.Hold, by func(bursar.Amount) bursar.Amount) {
		h.EachHeld(func(cap uint32, held bursar.Amount) {
			v.changeHeld(v.heldRows(h, cap), by(held))
			v.addTotal(cap, bursar.Amount{}, by(held), v.Now)
		})
	}
	move(h, bursar.Amount.Neg)
	move(&n, func(a bursar.Amount) bursar.Amount { return a })
	put(v, &v.Hlds, r.ID, &n)
	return nil
}

// raiseHold raises a hold by what its event uses more when its measures grow by more. Of a capability
// of which it holds something already, it holds that on the limits that it is on. Of any other, it
// does so on the limits that apply now. It returns warnings.
func (d *Decider) raiseHold(h *record.Hold, more []bursar.Dimension) ([]string, error) {
	if h.Event == nil {
		return nil, bursar.ErrorAt("/tokens", bursar.CodeValidationFailed,
			"the reservation %s holds an amount of %s: tokens are for a reservation of an event", store.FormatID(h.ID), d.Capability(h.Cap))
	}
	if c := d.Cust(); c.ArchivedAt != nil {
		return nil, bursar.Errorf(bursar.CodeCustomerIsArchived, "the customer %q is archived", c.ID)
	}
	if len(d.Cat.Meters[h.Event.Name]) == 0 {
		return nil, bursar.ErrorAt("/tokens", bursar.CodeUnknownMeter, "no feature has a meter of the event %q any more", h.Event.Name)
	}
	props, err := withMore(h.Event.Props, more)
	if err != nil {
		return nil, err
	}
	it := EventItem{begun: true, In: bursar.EventInput{CustomerID: d.Cust().ID, EventName: h.Event.Name, Dimensions: props}}
	var p bursar.Problems
	d.meterEvent(&it, "", h.Created, &p)
	noneNegative(it.usages, "", &p)
	if err := p.Err(); err != nil {
		return nil, ofTokens(err)
	}
	grown, asks := d.grown(h, it.usages)
	for _, u := range grown {
		u.needsRate(&p)
	}
	if err := p.Err(); err != nil {
		return nil, ofTokens(err)
	}
	r := d.Resolve(d.Cat, h.Dims)
	r.missing, r.unknown = nil, nil // what names no entity was judged when the hold was made
	held, fresh, others, over := d.raisedOn(h, &r, asks)
	j := d.judgeEvent(d.Cat, h.Event.Name, &r, asks, slices.Concat(held, fresh))
	if !j.Granted {
		j.Warnings = it.warnings
		return nil, d.refused(&j, &r)
	}
	if err := cannotCount(others, over); err != nil {
		return nil, err
	}
	rec := &record.EventRaised{ID: h.ID, Event: *h.Event, Chains: slices.Concat(h.Chains, d.makeChains(fresh))}
	rec.Event.Props, rec.Event.Parts = it.In.Dimensions, slices.Clone(h.Event.Parts)
	if len(grown) > 0 { // a part that held nothing, in a hold without any other, is not needed any more
		rec.Event.Parts = slices.DeleteFunc(rec.Event.Parts, func(x record.HeldPart) bool { return x.Amount.IsZero() })
	}
	for i := range grown {
		part := d.heldPart(grown[i])
		if at := slices.IndexFunc(rec.Event.Parts, func(x record.HeldPart) bool { return x.Cap == part.Cap }); at >= 0 {
			for j := range part.Costs {
				less := part.Costs[j].Held.Sub(shared(&rec.Event.Parts[at], part.Costs[j].Cap))
				part.Costs[j].Held = bursar.MaxAmount(bursar.Amount{}, less) // more may cost less: a longer prompt may have a cheaper rate
			}
			rec.Event.Parts[at] = part
		} else {
			rec.Event.Parts = append(rec.Event.Parts, part)
		}
	}
	if h.Combo != 0 {
		d.holdCombo(h.Dims, pricedParts(rec.Event.Parts))
	}
	d.Emit(rec)
	return it.warnings, nil
}

// withMore is dims with the measures of more added to them.
func withMore(dims, more []bursar.Dimension) ([]bursar.Dimension, error) {
	out := slices.Clone(dims)
	for _, m := range more {
		i := slices.IndexFunc(out, func(d bursar.Dimension) bool { return d.Key == m.Key })
		if i < 0 {
			out = append(out, m)
			continue
		}
		a, err1 := bursar.ParseAmount([]byte(out[i].Value))
		b, err2 := bursar.ParseAmount([]byte(m.Value))
		if err1 != nil || err2 != nil {
			return nil, bursar.ErrorAt("/tokens", bursar.CodeValidationFailed, "%s cannot be added to the property %s of the reservation, which is %.40q", m.Value, m.Key, out[i].Value)
		}
		out[i].Value = a.Add(b).String()
	}
	return record.SortDims(out), nil
}

// ofTokens is err with pointers to tokens, as the request has them, in place of dimensions.
func ofTokens(err error) error {
	if b, ok := err.(*bursar.Error); ok {
		for i := range b.Fields {
			f := &b.Fields[i]
			f.Pointer = strings.Replace(strings.Replace(f.Pointer, "/dimensions/tokens.", "/tokens/", 1), "/dimensions", "/tokens", 1)
		}
	}
	return err
}

// grown are the usages that are above what h holds of them. asks is the excess, by capability.
func (d *Decider) grown(h *record.Hold, usages []UsageItem) (grown []*UsageItem, asks []Ask) {
	var features, currencies []Ask
	for i := range usages {
		u := &usages[i]
		if u.aggregate != "" || u.In.Value.IsZero() {
			continue
		}
		had := record.HeldPart{}
		for _, p := range h.Event.Parts {
			if d.Capability(p.Cap) == u.In.Capability() {
				had = p
			}
		}
		if !had.Amount.Less(u.In.Value) {
			continue
		}
		grown = append(grown, u)
		for j, a := range u.asks {
			if j == 0 {
				a.Amount = a.Amount.Sub(had.Amount)
				features = addAsk(features, a)
				continue
			}
			for _, c := range had.Costs {
				if c.Cap == a.Cap {
					a.Amount = bursar.MaxAmount(bursar.Amount{}, a.Amount.Sub(c.Held).Sub(shared(&had, a.Cap)))
				}
			}
			currencies = addAsk(currencies, a)
		}
	}
	return grown, append(features, byCurrency(currencies)...)
}

// raisedOn are the chains that asks are judged on. held are those of h, as far as they are of what is
// asked and of live entities. others are the asks of which h holds nothing, and fresh their chains.
func (d *Decider) raisedOn(h *record.Hold, r *Resolved, asks []Ask) (held, fresh [][]uint32, others []Ask, over []Applied) {
	for _, a := range asks {
		has := false
		h.EachHeld(func(cap uint32, held bursar.Amount) { has = has || cap == a.Cap && !held.IsZero() })
		if !has {
			others = append(others, a)
		}
	}
	if len(others) > 0 {
		fresh, over = d.chains(r, others)
	}
	for _, chain := range h.Chains {
		var judged []uint32
		for _, row := range chain {
			def := d.Def(row)
			if def != nil && !def.Idle() && (def.Ent == 0 || d.Ent(def.Ent).Archived == 0) && slices.ContainsFunc(asks, func(a Ask) bool { return a.Cap == def.Cap }) {
				judged = append(judged, row)
			}
		}
		if judged != nil {
			held = append(held, judged)
		}
	}
	if h.Chains != nil && held == nil && fresh == nil {
		held = [][]uint32{}
	}
	return held, fresh, others, over
}

// longer is the instant at which a hold ends that goes on for ttl seconds from now; with 0 seconds it
// ends when it would.
func (d *Decider) longer(h *record.Hold, ttl int) (bursar.Time, error) {
	until := cmp.Or(bursar.Time(ttl)*1e9, h.Expires-d.Now) + d.Now
	if ttl != 0 && until > h.Created+bursar.MaxHoldLife {
		return 0, bursar.ErrorAt("/ttlSeconds", bursar.CodeValidationFailed, "a reservation lives at most 7 days from its creation, until %s", h.Created+bursar.MaxHoldLife)
	}
	return until, nil
}
