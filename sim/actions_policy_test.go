package sim

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type putPromotions struct {
	Customer string
	In       []bursar.PromotionInput
}

func (a putPromotions) run(w *world) string {
	got, v, err := w.engine.PutPromotions(w.ctx, caller, a.Customer, a.In)
	want, f := w.model.putPromotions(a.Customer, a.In)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d promotions, model %d", len(got), len(want))
	}
	for i := range got {
		if d := first(w.bind("promotions of "+a.Customer, got[i].ID, want[i].ID), diff(w.promotion(got[i]), want[i])); d != "" {
			return d
		}
	}
	return w.sawVersion(a.Customer, v)
}

type deletePromotion struct{ Customer, Feature string }

func (a deletePromotion) run(w *world) string {
	got, v, err := w.engine.DeletePromotion(w.ctx, caller, a.Customer, a.Feature)
	want, f := w.model.deletePromotion(a.Customer, a.Feature)
	if d := reply(w.promotion(got), err, want, f); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

type listPromotions struct{ Customer string }

func (a listPromotions) run(w *world) string {
	got, _, err := w.engine.Promotions(w.ctx, w.fresh(a.Customer), a.Customer)
	want, f := w.model.promotions(a.Customer)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	got = slices.Clone(got)
	for i := range got {
		got[i] = w.promotion(got[i])
	}
	return diff(got, want)
}

type createBoost struct {
	Customer string
	Key      naturalKey
	Boost    bursar.BoostInput
}

func (a createBoost) run(w *world) string {
	id := w.rowID(a.Customer, a.Key)
	got, v, err := w.engine.CreateBoost(w.ctx, caller, a.Customer, w.engineID(id), a.Boost)
	want, f := w.model.createBoost(a.Customer, id, a.Boost)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	return first(w.bind("boosts of "+a.Customer, got.ID, want.ID), diff(w.boost(got), want), w.sawVersion(a.Customer, v))
}

// boost is the engine's boost with the model's ids.
func (w *world) boost(b bursar.Boost) bursar.Boost {
	b.ID, b.AssignmentID = w.modelID(b.ID), w.modelID(b.AssignmentID)
	return b
}

// endBoost names a boost by its place among those of the limit.
type endBoost struct {
	Customer string
	Key      naturalKey
	Ref      int
}

func (a endBoost) run(w *world) string {
	id, boost := w.rowID(a.Customer, a.Key), "b-unknown"
	if c := w.model.customers[a.Customer]; c != nil {
		if r := c.rowByKey(a.Key); r != nil && a.Ref < len(r.boosts) {
			boost = r.boosts[a.Ref].ID
		}
	}
	got, v, err := w.engine.EndBoost(w.ctx, caller, a.Customer, w.engineID(id), w.engineID(boost))
	want, f := w.model.endBoost(a.Customer, id, boost)
	if d := reply(w.boost(got), err, want, f); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

type listBoosts struct {
	Customer string
	Key      naturalKey
}

func (a listBoosts) run(w *world) string {
	id := w.rowID(a.Customer, a.Key)
	got, _, err := w.engine.Boosts(w.ctx, w.fresh(a.Customer), a.Customer, w.engineID(id))
	want, f := w.model.listBoosts(a.Customer, id)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	got = slices.Clone(got)
	for i := range got {
		got[i] = w.boost(got[i])
	}
	return diff(got, want)
}

// readAllocations walks all pages.
type readAllocations struct {
	Customer string
	Q        ledger.AllocationQuery
}

func (a readAllocations) run(w *world) string {
	want, f := w.model.allocationList(a.Customer, a.Q)
	var all []ledger.Allocation
	for q := a.Q; ; {
		page, next, _, err := w.engine.Allocations(w.ctx, w.fresh(a.Customer), a.Customer, q)
		if d := diffErr(err, f); d != "" || f != nil {
			return d
		}
		for _, x := range page {

			x.AssignmentID = w.modelID(x.AssignmentID)
			all = append(all, x)
		}
		if q.After = next; next == "" {
			byID := func(x, y ledger.Allocation) int { return compareText(x.AssignmentID, y.AssignmentID) }
			slices.SortFunc(all, byID) // a limit that was by default once has the place of that
			slices.SortFunc(want, byID)
			return diff(all, want)
		}
	}
}

type reportEvents struct {
	In []bursar.EventInput
	Of map[int]holdRef // the reservations that events name, by number of the event
}

func (a reportEvents) run(w *world) string {
	customers := map[string]bool{}
	for _, x := range a.In {
		customers[x.CustomerID] = true
	}
	in, asked := slices.Clone(a.In), slices.Clone(a.In)
	for i, ref := range a.Of {
		if ref != (holdRef{}) {
			asked[i].ReservationID = w.holdID(in[i].CustomerID, ref)
			in[i].ReservationID = w.engineID(asked[i].ReservationID)
		}
	}
	got, versions, err := w.engine.ReportEvents(w.ctx, caller, in)
	want, f := w.model.reportEvents(asked)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	for i := range got {
		if d := diff(w.eventResult(got[i]), comparableResult(want[i])); d != "" {
			return fmt.Sprintf("event %d: %s", i, d)
		}
	}
	for _, id := range sortedKeys(customers) {
		if d := w.sawVersion(id, versions[id]); d != "" {
			return d
		}
	}
	return ""
}

// readEntitlements compares what a customer may use. Capabilities that it once had a
// limit of may still be listed.
type readEntitlements struct{ Customer string }

func (a readEntitlements) run(w *world) string {
	got, _, err := w.engine.Entitlements(w.ctx, w.fresh(a.Customer), a.Customer)
	c, now := w.model.customer(a.Customer)
	if c == nil {
		return diffErr(err, failed(bursar.CodeCustomerNotFound))
	}
	if err != nil {
		return err.Error()
	}
	seen := map[bursar.Capability]bool{}
	for i, d := range got {
		if i > 0 && (got[i-1].Capability.Kind > d.Capability.Kind || got[i-1].Capability.Kind == d.Capability.Kind && got[i-1].Capability.ID >= d.Capability.ID) {
			return fmt.Sprintf("not in order: %v", d.Capability)
		}
		seen[d.Capability] = true
		want := c.decide([]ask{{d.Capability, num{}}}, attribution{}, now)
		if text := diff(comparable(w.decision(d)), comparable(want)); text != "" {
			return fmt.Sprintf("%v: %s", d.Capability, text)
		}
	}
	for k := range c.has() {
		if !seen[k] {
			return fmt.Sprintf("%v is not listed", k)
		}
	}
	return ""
}

// has lists what the customer has a limit or a grant of, or has used.
func (c *mCust) has() map[bursar.Capability]bool {
	set := map[bursar.Capability]bool{}
	for _, r := range c.rows {
		set[r.cap] = true
	}
	for _, d := range c.defaults {
		set[d.cap] = true
	}
	for id := range c.promos {
		set[featureOf(id)] = true
	}
	for _, g := range c.grants {
		set[currencyOf(g.CurrencyID)] = true
	}
	for k, t := range c.totals {
		if t.at != 0 {
			set[k] = true
		}
	}
	return set
}
