package sim

import (
	"slices"
	"time"

	"github.com/bursarhq/bursar"
)

var askers = []string{"sim", "sim", "ann"}

// genRequestBoost names a limit by its id, or by what may be like several.
func genRequestBoost(g *gen) action {
	id := g.customer()
	c := g.known(id)
	a := requestBoost{Customer: id, By: pick(g.r, askers), In: bursar.BoostRequestInput{Amount: g.positive()}}
	key := g.rowKey(c)
	if given := c.limits(); len(given) > 0 && chance(g.r, 3) { // also one by default
		key = pick(g.r, given).key()
	}
	if n := len(c.requests); n > 0 && chance(g.r, 3) { // so that many are open at times
		key = c.requests[n-1].key
	}
	if a.Key = key; chance(g.r, 2) {
		a.Key = naturalKey{}
		a.In.EntityID, a.In.Capability = key.entity, key.cap
		if chance(g.r, 2) {
			a.In.Label = &key.label
		}
		if r := c.rowByKey(key); r != nil && chance(g.r, 3) {
			a.In.Cadence = r.cal.cadence
		}
		if chance(g.r, 3) {
			a.In.ScopeEntityIDs = []string{}
			if r := c.rowByKey(key); r != nil {
				a.In.ScopeEntityIDs = append(a.In.ScopeEntityIDs, r.scope...)
			}
		}
	}
	if chance(g.r, 2) {
		a.In.ExpiresAt = (g.time(c) + bursar.Time(g.r.Int64N(int64(pick(g.r, []time.Duration{time.Second, time.Minute, time.Hour, 30 * 24 * time.Hour}))))).Milli()
	}
	if reason := g.name(); reason != "" && chance(g.r, 2) {
		a.In.Reason = &reason
	}
	if chance(g.r, 60) {
		a.In.Amount = bursar.Amount{}
	}
	return a
}

func genDecideRequest(g *gen) action {
	id := g.customer()
	c := g.known(id)
	a := decideRequest{Customer: id, By: pick(g.r, askers), Ref: len(c.requests), To: pick(g.r, []bursar.BoostRequestStatus{bursar.BoostRequestApproved,
		bursar.BoostRequestApproved, bursar.BoostRequestDeclined, bursar.BoostRequestWithdrawn})}
	if len(c.requests) > 0 && !chance(g.r, 30) {
		a.Ref = g.r.IntN(len(c.requests))
		open := func(q *mRequest) bool { return q.answer == nil }
		if i := slices.IndexFunc(c.requests[max(0, len(c.requests)-12):], open); i >= 0 && !chance(g.r, 4) {
			a.Ref = max(0, len(c.requests)-12) + i
		}
	}
	if a.To == bursar.BoostRequestApproved && chance(g.r, 3) {
		amount := g.positive()
		a.In.Amount = &amount
	}
	if a.To == bursar.BoostRequestApproved && chance(g.r, 3) {
		a.In.ExpiresAt = (g.time(c) + bursar.Time(g.r.Int64N(int64(time.Hour)))).Milli()
	}
	if a.Ref < len(c.requests) && a.To == bursar.BoostRequestApproved && chance(g.r, 3) {
		if up := ancestors(c.entities, c.requests[a.Ref].key.entity); len(up) > 0 {
			a.In.FundedBy = pick(g.r, up)
		}
	}
	if note := g.name(); note != "" && a.To != bursar.BoostRequestWithdrawn && chance(g.r, 3) {
		a.In.Note = &note
	}
	return a
}

func genListRequests(g *gen) action {
	a := listRequests{Customer: g.customer(), Limit: 1 + g.r.IntN(12)}
	if chance(g.r, 2) {
		a.Status = pick(g.r, []bursar.BoostRequestStatus{bursar.BoostRequestOpen, bursar.BoostRequestOpen, bursar.BoostRequestApproved, bursar.BoostRequestDeclined,
			bursar.BoostRequestWithdrawn, bursar.BoostRequestExpired})
	}
	if chance(g.r, 3) {
		a.Entity = g.entity()
	}
	return a
}
