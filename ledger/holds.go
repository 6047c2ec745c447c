package ledger

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

func (v *View) changeHeld(rows []uint32, a bursar.Amount) {
	v.Visits += len(rows)
	for _, r := range rows {
		if def := v.Def(r); def != nil {
			c := v.Counter(r, def)
			c.Held = c.Held.Add(a)
			put(v, &v.ctrs, r, &c)
		}
	}
}

func (v *View) applyHoldOpen(r *record.HoldOpened) {
	v.remember(r.Key)
	v.openHold(r.Hold())
}

// openHold puts h in, and what it holds on its rows.
func (v *View) openHold(h *record.Hold) {
	put(v, &v.Hlds, h.ID, h)
	h.EachHeld(func(cap uint32, held bursar.Amount) {
		v.changeHeld(v.heldRows(h, cap), held)
		v.addTotal(cap, bursar.Amount{}, held, v.Now)
	})
}

// closeHold ends an open hold: it frees what was held and lets end say how it ended.
func (v *View) closeHold(id [16]byte, end func(*record.Hold)) error {
	h := v.Hold(id)
	if h == nil || h.Status != bursar.HoldOpen {
		return fmt.Errorf("%w: hold is not open", record.ErrRecord)
	}
	v.record(id)
	h.EachHeld(func(cap uint32, held bursar.Amount) {
		v.changeHeld(v.heldRows(h, cap), held.Neg())
		v.addTotal(cap, bursar.Amount{}, held.Neg(), v.Now)
	})
	n := *h
	end(&n)
	put(v, &v.Hlds, id, &n)
	return nil
}

func (v *View) applyClosing(c *record.Closing, h *record.Hold) error {
	if err := v.charge(c.Charges); err != nil {
		return err
	}
	v.addTotal(h.Cap, c.Amount, bursar.Amount{}, c.At)
	v.track(h.Cap, c.At, h.Combo, h.Path, c.Amount, true)
	return nil
}

func (v *View) applyHoldCommit(r *record.HoldCommitted) error {
	if r.Late != nil {
		n := *r.Late
		n.Costs = nil // they follow, each with a record of its own
		n.Status, n.Closed, n.Recorded, n.Late = bursar.HoldCommitted, r.At, r.Amount, true
		put(v, &v.Hlds, r.ID, &n)
		return v.applyClosing(&r.Closing, &n)
	}
	err := v.closeHold(r.ID, func(h *record.Hold) {
		h.Status, h.Closed, h.Recorded = bursar.HoldCommitted, r.At, r.Amount
	})
	if err != nil {
		return err
	}
	return v.applyClosing(&r.Closing, v.Hold(r.ID))
}

func (v *View) applyExpire(r *record.HoldExpired) error {
	err := v.closeHold(r.ID, func(h *record.Hold) {
		h.Status, h.Closed = bursar.HoldExpired, h.Expires
		if r.Settle {
			h.Recorded = h.Amount
		}
	})
	if err != nil || !r.Settle {
		return err
	}
	return v.applyClosing(&r.Closing, v.Hold(r.ID))
}

func (v *View) applyExtend(r *record.HoldExtended) error {
	h := v.Hold(r.ID)
	if h == nil {
		return fmt.Errorf("%w: no such hold", record.ErrRecord)
	}
	n := *h
	n.Expires = r.Expires
	put(v, &v.Hlds, r.ID, &n)
	return nil
}

func (v *View) applyKept(r *record.HoldKept) error {
	h := v.Hold(r.ID)
	if h == nil || h.Status != bursar.HoldOpen {
		return fmt.Errorf("%w: hold is not open", record.ErrRecord)
	}
	n := *h
	n.Settle = true
	put(v, &v.Hlds, r.ID, &n)
	return nil
}

func (*Reserve) failsEarly() {}

func (*ChangeHold) failsEarly() {}

// savedHold is what the store has of a hold that is not in memory; nil = nothing.
func (d *Decider) savedHold(id [16]byte) (*record.Hold, error) {
	if d.Facts != nil && d.Facts.Base == d.SeriesBase {
		if h, known := d.Facts.Holds[id]; known {
			return h, nil
		}
	}
	return nil, &Needs{Base: d.SeriesBase, Holds: [][16]byte{id}}
}

// Expire records what time has done: holds that ended, grants that became active or
// expired, in the order of their instants, at most limit of them. It is true when nothing
// is left that a decision depends on. Holds that return their amount when they end are
// recorded only as far as limit allows, as decisions look them up (endings). On a view for
// reading (Rehearsal) it records everything or nothing.
func (d *Decider) Expire(limit int) bool {
	holds, grants := d.ended(true, d.Now, limit+1), d.timedGrants()
	done := len(holds)+len(grants) <= limit
	if d.Rehearsal && !done {
		return false
	}
	if done && !d.Rehearsal {
		room := limit - len(holds) - len(grants)
		returned := d.ended(false, d.Now, room+1)
		d.behind = len(returned) > room
		holds = append(holds, returned[:min(room, len(returned))]...)
		slices.SortFunc(holds, func(a, b *record.Hold) int {
			return compareExpiring(expiring{a.Expires, a.ID}, expiring{b.Expires, b.ID})
		})
	}
	for n := 0; n < limit && len(holds)+len(grants) > 0; n++ {
		if d.Full() && !d.Rehearsal {
			return false
		}
		if len(grants) == 0 || len(holds) > 0 && holds[0].Expires <= grants[0].at {
			d.expireHold(d.Hold(holds[0].ID))
			holds = holds[1:]
			continue
		}
		d.passTime(grants[0])
		grants = grants[1:]
	}
	return done
}

func (d *Decider) expireHold(h *record.Hold) {
	if h.Event != nil && h.Settle {
		d.settleEvent(h)
		d.tellExpired(h)
		return
	}
	r := &record.HoldExpired{Settle: h.Settle, Closing: record.Closing{ID: h.ID, At: h.Expires}}
	if h.Settle {
		r.Amount = h.Amount
		r.Charges = d.Charges(d.holdRows(h), h.Expires, h.Amount, false)
	}
	of := len(d.Recs)
	d.Emit(r)
	if h.Settle {
		d.moveLevels(h.Cap, h.Path, h.Amount)
		d.alertCharges(r.Charges)
		d.bookCosts(h, of, h.Amount, h.Expires, false)
	}
	d.tellExpired(h)
}

func (d *Decider) tellExpired(h *record.Hold) {
	data := catalogue.ReservationData{CustomerID: d.Cust().ID, ReservationID: store.FormatID(h.ID), Amount: h.Amount, OnExpire: bursar.ExpireRelease, ExpiresAt: h.Expires}
	if h.Settle {
		data.OnExpire = bursar.ExpireSettle
	}
	if data.FeatureID, data.CurrencyID = catalogue.CapabilityIDs(d.Capability(h.Cap)); h.Event != nil {
		data.EventName, data.FeatureID, data.Amount = h.Event.Name, "", bursar.Amount{}
	}
	d.notify(bursar.EventReservationExpired, data)
}

type Reserve struct {
	Spend
	Ttl    int // seconds
	Settle bool
}

func (o *Reserve) Decide(d *Decider) (any, error) {
	j, err := d.admit(&o.Spend)
	if err != nil {
		return nil, err
	}
	cap := d.CapFor(o.In.Capability)
	var priced []uint32
	if len(j.asks) > 1 {
		priced = []uint32{cap}
	}
	combo := d.holdCombo(o.In.Dimensions, priced)
	d.notePath(j.Path)
	chains := d.makeChains(j.chains)
	rec := &record.HoldOpened{ID: d.NextID(), Cap: cap, Amount: o.In.Amount, Created: d.Now,
		Expires: d.Now + bursar.Time(o.Ttl)*1e9, Settle: o.Settle, Key: o.Key, Dims: o.In.Dimensions, Combo: combo, Path: j.Path, Chains: chains}
	d.Emit(rec)
	for i := range j.asks[1:] {
		a := &j.asks[i+1]
		d.Emit(&record.HoldCost{ID: rec.ID, Cost: record.HeldCost{Cap: d.CapFor(a.C), Card: a.price.Card.ID, Version: a.price.Version,
			Rate: bursar.Rate{Amount: a.price.Rate.Amount, Per: a.price.Rate.Per}, Held: a.Amount}})
	}
	out := d.ReservationOut(d.Cat, d.Hold(rec.ID))
	out.Decision.Warnings = j.Warnings
	return out, nil
}

// holdRows are the rows that a hold's own amount is charged on when it ends.
func (v *View) holdRows(h *record.Hold) []uint32 { return v.withPromo(v.heldRows(h, h.Cap), h.Cap) }

// ReservationOut shows a hold with its chains as they stand now.
func (v *View) ReservationOut(cat *catalogue.Catalogue, h *record.Hold) bursar.Reservation {
	h = v.Shown(h)
	out, live := v.holdOut(cat, h), v.liveChains(h)
	if h.Event != nil {
		v.eventOut(cat, h, live, &out)
		return out
	}
	asks := []Ask{{C: out.Capability, Cap: h.Cap, Amount: h.Amount}}
	for _, c := range h.Costs {
		asks = append(asks, Ask{C: v.Capability(c.Cap), Cap: c.Cap, Amount: c.Held})
	}
	after := v.After(cat, asks, live, modelOf(h.Dims))
	out.Decision = &after
	return out
}

// holdOut shows a hold without its chains.
func (v *View) holdOut(cat *catalogue.Catalogue, h *record.Hold) bursar.Reservation {
	out := bursar.Reservation{ID: store.FormatID(h.ID), CustomerID: v.Cust().ID, Capability: v.Capability(h.Cap), Amount: h.Amount,
		Dimensions: v.seenDims(cat, h.Dims), Status: h.Status, OnExpire: bursar.ExpireRelease, CreatedAt: h.Created, ExpiresAt: h.Expires,
		ClosedAt: h.Closed, LateCommit: h.Late}
	if h.Settle {
		out.OnExpire = bursar.ExpireSettle
	}
	if h.Event == nil && (h.Status == bursar.HoldCommitted || h.Status == bursar.HoldExpired && h.Settle) {
		a := h.Recorded
		out.CommittedAmount = &a
	}
	for _, c := range h.Costs {
		amount := c.Charged
		if h.Status == bursar.HoldOpen {
			amount = c.Held
		} else if out.CommittedAmount == nil {
			continue
		}
		if amount.IsZero() {
			continue
		}
		out.Costs = append(out.Costs, bursar.Cost{CurrencyID: v.Capability(c.Cap).ID, Amount: amount})
	}
	return out
}

// liveChains are the chains of a hold, with the rows that still exist and are seen.
func (v *View) liveChains(h *record.Hold) [][]uint32 {
	live := h.Chains
	if live != nil {
		live = make([][]uint32, 0, len(h.Chains))
		for _, c := range h.Chains {
			var chain []uint32
			for _, ord := range c {
				if def := v.Def(ord); def != nil && v.SeesRow(def) && !def.Idle() {
					chain = append(chain, ord)
				}
			}
			if len(chain) > 0 {
				live = append(live, chain)
			}
		}
	}
	return live
}

// ChangeHold is a commit, release or extension of one hold.
type ChangeHold struct {
	ID     [16]byte
	Action holdAction
	Amount bursar.Amount      // of a commit
	Event  *UsedEvent         // of a commit in place of Amount: what the event that the hold is for really was
	Ttl    int                // seconds, of an extension; 0 = it ends when it would
	More   []bursar.Dimension // of an extension of an event's hold: what is added to its measures
	Within bool               // a commit of more than is held is refused
}

type holdAction uint8

const (
	HoldCommit holdAction = iota
	HoldRelease
	HoldExtend
)

func (o *ChangeHold) Decide(d *Decider) (any, error) {
	if d.Cust() == nil {
		return nil, ErrNoCustomer
	}
	h := d.Shown(d.View.Hold(o.ID))
	if h == nil {
		var err error
		if h, err = d.savedHold(o.ID); err != nil {
			return nil, err
		}
		if h == nil {
			return nil, ErrNoReservation(o.ID)
		}
	}
	var err error
	var repeat bool
	var warnings []string
	switch o.Action {
	case HoldCommit:
		if h.Event != nil || o.Event != nil {
			return d.commitEvent(h, o.Event, o.Within)
		}
		if o.Within {
			if err := d.heldFor(h, o.Amount); err != nil {
				return nil, err
			}
		}
		repeat, err = d.commitHold(h, o.Amount)
	case HoldRelease:
		repeat, err = d.releaseHold(h)
	default:
		warnings, err = d.extendHold(h, o.Ttl, o.More)
	}
	if err != nil {
		return nil, err
	}
	if n := d.View.Hold(o.ID); n != nil {
		h = n
	}
	out := d.ReservationOut(d.Cat, h)
	out.Duplicate = repeat
	if warnings != nil {
		out.Decision.Warnings = warnings
	}
	return out, nil
}

func ErrNoReservation(id [16]byte) error {
	return bursar.Errorf(bursar.CodeReservationNotFound, "there is no reservation %s", store.FormatID(id))
}

func errClosed(h *record.Hold, doing string) error {
	return bursar.Errorf(bursar.CodeReservationClosed, "the reservation %s is %s since %s: it cannot be %s", store.FormatID(h.ID), h.Status, h.Closed, doing)
}

func (d *Decider) commitHold(h *record.Hold, amount bursar.Amount) (repeat bool, err error) {
	switch h.Status {
	case bursar.HoldCommitted:
		if h.Recorded != amount {
			return false, bursar.Errorf(bursar.CodeReservationClosed, "the reservation %s was committed with %s; it cannot be committed again with %s",
				store.FormatID(h.ID), h.Recorded, amount)
		}
		return true, nil
	case bursar.HoldReleased:
		return false, errClosed(h, "committed")
	case bursar.HoldExpired:
		if h.Settle || d.Now > h.Created+bursar.MaxHoldLife {
			return false, errClosed(h, "committed")
		}
	}
	for _, c := range h.Costs {
		if _, ok := c.Rate.Cost(amount); !ok {
			return false, bursar.ErrorAt("/amount", bursar.CodeInvalidAmount, "%s would cost 10^15 %s or more", amount, d.Capability(c.Cap).ID)
		}
	}
	if open := d.View.Hold(h.ID); h.Status == bursar.HoldExpired && open != nil && open.Status == bursar.HoldOpen {
		d.expireHold(open) // its end is recorded before what comes late
	}
	rec := &record.HoldCommitted{Closing: record.Closing{ID: h.ID, At: d.Now, Amount: amount, Charges: d.Charges(d.holdRows(h), d.Now, amount, true)}}
	if h.Status == bursar.HoldExpired {
		rec.Late = h
	}
	of := len(d.Recs)
	d.Emit(rec)
	d.moveLevels(h.Cap, h.Path, amount)
	d.alertCharges(rec.Charges)
	if rec.Late != nil {
		for _, c := range h.Costs {
			d.Emit(&record.HoldCost{ID: h.ID, Cost: c})
		}
	}
	d.bookCosts(h, of, amount, d.Now, true)
	return false, nil
}

func (d *Decider) releaseHold(h *record.Hold) (repeat bool, err error) {
	switch h.Status {
	case bursar.HoldReleased, bursar.HoldExpired: // it holds nothing any more
		return true, nil
	case bursar.HoldOpen:
		d.Emit(&record.HoldFreed{ID: h.ID, At: d.Now})
		return false, nil
	}
	return false, errClosed(h, "released")
}

// extendHold returns what it warns of.
func (d *Decider) extendHold(h *record.Hold, ttl int, more []bursar.Dimension) (warnings []string, err error) {
	if h.Status != bursar.HoldOpen {
		return nil, errClosed(h, "extended")
	}
	until, err := d.longer(h, ttl)
	if err == nil && len(more) > 0 {
		warnings, err = d.raiseHold(h, more)
	}
	if err == nil && ttl != 0 {
		d.Emit(&record.HoldExtended{ID: h.ID, Expires: until})
	}
	return warnings, err
}

// heldRows is the rows of a capability that the hold is on and that still exist, each
// once.
func (v *View) heldRows(h *record.Hold, cap uint32) []uint32 {
	var rows []uint32
	for _, c := range h.Chains {
		for _, ord := range c {
			if def := v.rawDef(ord); def != nil && def.Cap == cap {
				rows = append(rows, ord)
			}
		}
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}

// setHold puts h in, and among the endings while it is open.
func (s *State) setHold(h *record.Hold) {
	old := s.Holds[h.ID]
	s.Holds[h.ID] = h
	if old != nil && old.Status == bursar.HoldOpen {
		s.untrack(old)
		s.OpenHolds.remove(h.ID)
	}
	s.indexHold(h)
}

func (s *State) indexHold(h *record.Hold) {
	if h.Status != bursar.HoldOpen {
		s.closedHolds.insert(h.ID)
		return
	}
	s.track(h)
	s.OpenHolds.insert(h.ID)
}

// forgetHold lets go of a hold that is closed.
func (s *State) forgetHold(id [16]byte) {
	delete(s.Holds, id)
	s.closedHolds.remove(id)
}

func (v *View) Hold(id [16]byte) *record.Hold {
	if h, ok := v.Hlds[id]; ok {
		return h
	}
	return v.Holds[id]
}
