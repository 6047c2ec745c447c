package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

func genPromote(g *gen) action {
	id := g.customer()
	var in []bursar.PromotionInput
	for range 1 + g.r.IntN(2) {
		in = append(in, g.promotion(id))
	}
	if len(in) == 2 && in[0].FeatureID == in[1].FeatureID && !chance(g.r, 10) {
		in = in[:1]
	}
	return putPromotions{id, in}
}

func (g *gen) promotion(customer string) bursar.PromotionInput {
	limit := parse(pick(g.r, limits))
	x := bursar.PromotionInput{
		FeatureID: g.feature(), UsageLimit: &limit, Soft: chance(g.r, 6), Visible: chance(g.r, 2),
		Period:      pick(g.r, []string{"1 week", "1 month", "6 month", "1 year", "lifetime", "lifetime", "custom", "custom"}),
		ResetPeriod: pick(g.r, []string{"YEAR", "MONTH", "WEEK", "DAY", "HOUR", "HOUR", ""}),
	}
	if chance(g.r, 6) {
		x.Unlimited = true
		if chance(g.r, 2) {
			x.UsageLimit = nil
		}
	}
	if x.Period == "custom" {
		x.CustomEnd = g.time(g.known(customer)) + bursar.Time(g.r.Int64N(int64(pick(g.r, []time.Duration{time.Minute, time.Hour, 24 * time.Hour}))))
	}
	switch {
	case x.ResetPeriod == "WEEK" && chance(g.r, 2):
		x.AccordingTo = pick(g.r, weekdays)
	case (x.ResetPeriod == "MONTH" || x.ResetPeriod == "YEAR") && chance(g.r, 2):
		x.AccordingTo = "StartOfTheMonth"
	case chance(g.r, 3):
		x.AccordingTo = "SubscriptionStart"
	}
	negative := parse("-1")
	switch g.r.IntN(120) {
	case 0:
		x.UsageLimit = &negative
	case 1:
		x.UsageLimit = nil
	case 2:
		x.Period = "2 weeks"
	case 3:
		x.ResetPeriod = "MINUTE"
	case 4:
		x.AccordingTo = "EveryMonday"
	case 5:
		x.Period, x.CustomEnd = "custom", g.now-1
	}
	return x
}

func genDemote(g *gen) action {
	id := g.customer()
	c := g.known(id)
	if list := sortedKeys(c.promos); len(list) > 0 && !chance(g.r, 10) {
		return deletePromotion{id, pick(g.r, list)}
	}
	return deletePromotion{id, g.feature()}
}

func genListPromotions(g *gen) action { return listPromotions{g.customer()} }

func genBoost(g *gen) action {
	id := g.customer()
	c := g.known(id)
	a := createBoost{Customer: id, Key: g.rowKey(c), Boost: bursar.BoostInput{Amount: g.positive()}}
	if chance(g.r, 2) {
		a.Boost.ExpiresAt = (g.time(c) + bursar.Time(g.r.Int64N(int64(pick(g.r, []time.Duration{time.Second, time.Minute, time.Hour}))))).Milli()
	}
	if chance(g.r, 3) {
		reason := g.name()
		a.Boost.Reason = &reason
		if reason == "" {
			a.Boost.Reason = nil
		}
	}
	if chance(g.r, 2) {
		if key, from := g.funded(c); from != "" {
			a.Key, a.Boost.FundedBy = key, from
		}
	}
	switch g.r.IntN(60) {
	case 0:
		a.Boost.Amount = bursar.Amount{}
	case 1:
		a.Boost.ExpiresAt = g.time(c) - 1
	}
	return a
}

// funded is a limit, and an entity above that has one which may fund it, if that is soon found.
func (g *gen) funded(c *mCust) (key naturalKey, from string) {
	rows := c.limits()
	if len(rows) == 0 {
		return key, ""
	}
	if chance(g.r, 20) {
		return pick(g.r, rows).key(), g.entity()
	}
	for range 12 {
		key = pick(g.r, rows).key()
		for _, up := range ancestors(c.entities, key.entity) {
			k := key
			if k.entity = up; c.rowByKey(k) != nil || c.given[k] != nil {
				return key, up
			}
		}
	}
	return key, ""
}

func genEndBoost(g *gen) action {
	id := g.customer()
	c := g.known(id)
	a := endBoost{Customer: id, Key: g.rowKey(c)}
	var boosted []*mRow
	for _, r := range c.rows {
		if len(r.boosts) > 0 {
			boosted = append(boosted, r)
		}
	}
	if len(boosted) > 0 && !chance(g.r, 20) {
		r := pick(g.r, boosted)
		a.Key, a.Ref = r.key(), max(0, len(r.boosts)-1-g.r.IntN(4))
	}
	return a
}

func genListBoosts(g *gen) action {
	id := g.customer()
	return listBoosts{id, g.rowKey(g.known(id))}
}

func genAllocations(g *gen) action {
	id := g.customer()
	c := g.known(id)
	q := ledger.AllocationQuery{Capability: g.capability(), Limit: 1 + g.r.IntN(6)}
	if chance(g.r, 3) {
		l := pick(g.r, labels)
		q.Label = &l
	}
	if chance(g.r, 3) {
		q.EntityID = g.live(c)
	}
	for range 5 {
		if unknownCapability(g.m, q.Capability) {
			q.Capability = g.capability()
		}
	}
	if _, known := c.entities[q.EntityID]; unknownCapability(g.m, q.Capability) || q.EntityID != "" && !known {
		return listPromotions{id}
	}
	return readAllocations{id, q}
}

func genEntitlements(g *gen) action { return readEntitlements{g.customer()} }

// genStrict makes a limit strict whose shares would fit, or makes it a share.
func genStrict(g *gen) action {
	id := g.customer()
	c := g.known(id)
	var wide []*mRow
	for _, r := range c.rows {
		if len(r.scope) == 0 && c.entities[r.entity].ArchivedAt == nil {
			wide = append(wide, r)
		}
	}
	if len(wide) == 0 {
		return genPutAssignments(g)
	}
	r := pick(g.r, wide)
	x := bursar.AssignmentInput{EntityID: r.entity, Capability: r.cap, Label: r.label}
	if r.allocation == "strict" && chance(g.r, 2) { // a share of it
		below := r.entity
		for _, id := range sortedKeys(c.entities) {
			if slices.Contains(ancestors(c.entities, id), r.entity) && c.entities[id].ArchivedAt == nil && (below == r.entity || chance(g.r, 2)) {
				below = id
			}
		}
		x.EntityID, x.Cadence, x.Timezone = below, bursar.Some(r.cal.cadence), bursar.Some(r.timezone)
		if x.Anchor = bursar.Null[bursar.Time](); r.cal.anchor != nil {
			x.Anchor = bursar.Some(*r.cal.anchor)
		}
		if below != r.entity {
			x.UsageLimit = bursar.Some(parse(pick(g.r, []string{"0", "1", "2", "5", "10"})))
		}
		return putAssignments{id, []bursar.AssignmentInput{x}}
	}
	x.Allocation = bursar.Some("strict")
	if r.limit == nil {
		x.UsageLimit = bursar.Some(parse("100"))
	}
	return putAssignments{id, []bursar.AssignmentInput{x}}
}

func genEvents(g *gen) action {
	var in []bursar.EventInput
	first := g.customer()
	for range 1 + max(0, g.r.IntN(9)-5) {
		id := first
		if chance(g.r, 4) {
			id = g.customer()
		}
		in = append(in, g.event(id, in))
	}
	a := reportEvents{In: in}
	for i := range in {
		if chance(g.r, 8) {
			g.endByEvent(&a, i)
		}
	}
	return a
}

func (g *gen) event(id string, before []bursar.EventInput) bursar.EventInput {
	c := g.known(id)
	if len(before) > 0 && chance(g.r, 12) {
		return pick(g.r, before)
	}
	if chance(g.r, 10) {
		if x := g.againEvent(id, c); x != nil {
			return *x
		}
	}
	x := bursar.EventInput{
		CustomerID: id, EventName: pick(g.r, eventNames), IdempotencyKey: g.key(), Timestamp: g.timestamp(g.time(c)),
		Dimensions: slices.DeleteFunc(g.dims(c), func(d bursar.Dimension) bool { return d.Key == "tier" }),
	}
	if chance(g.r, 100) {
		x.EventName = "unheard"
	}
	x.CallID = g.callID(id, x.EventName)
	number := parse(pick(g.r, []string{"0", "1", "2", "3", "7.5", "10", "100", "0.000000001"}))
	if chance(g.r, 40) {
		number = number.Neg()
	}
	n := bursar.Dimension{Key: "n", Value: number.String(), Kind: bursar.DimNumber}
	if chance(g.r, 60) {
		n = bursar.Dimension{Key: "n", Value: "many"}
	}
	if !chance(g.r, 60) {
		x.Dimensions = append(x.Dimensions, n)
	}
	if !chance(g.r, 60) {
		x.Dimensions = append(x.Dimensions, bursar.Dimension{Key: "who", Value: fmt.Sprintf("p%d", g.r.IntN(12))})
	}
	if chance(g.r, 10) {
		x.Dimensions = append(x.Dimensions, bursar.Dimension{Key: "tokens.odd", Value: pick(g.r, []string{"0", "0.0", "1", "1e1"}), Kind: bursar.DimNumber})
	}
	x.Dimensions = append(x.Dimensions, bursar.Dimension{Key: "status", Value: pick(g.r, []string{"ok", "ok", "bad", "/v1/x"})})
	g.events = append(g.events[max(0, len(g.events)-100):], x)
	if chance(g.r, 20) {
		x.Illegible = true
		x.Dimensions, x.Unread = g.smell(g.unread(x.Dimensions))
	}
	return x
}

func (g *gen) againEvent(id string, c *mCust) *bursar.EventInput {
	for range 5 {
		if len(g.events) == 0 {
			return nil
		}
		x := pick(g.r, g.events)
		old, stored := c.keys[keyID{"event " + x.EventName, x.IdempotencyKey}]
		if x.CustomerID != id || !stored || g.time(c) >= old.at+bursar.Time(23*time.Hour) {
			continue
		}
		if chance(g.r, 5) {
			x.Dimensions = append(slices.Clone(x.Dimensions), bursar.Dimension{Key: "more", Value: "1"})
		}
		x.Dimensions = slices.Clone(x.Dimensions)
		slices.Reverse(x.Dimensions)
		if x.Derived, x.Unruled = nil, nil; chance(g.r, 3) {
			g.byRule(&x)
		}
		return &x
	}
	return nil
}
