package engine

import (
	"encoding/json"
	"slices"

	"github.com/bursarhq/bursar"
)

// alertOn fires and re-arms the thresholds of a row after a record changed its use, its
// limit or its boosts. Only the current window counts; time alone fires nothing.
func (d *decider) alertOn(ord uint32) {
	def := d.def(ord)
	if def == nil || def.ent == 0 || d.ent(def.ent).archived != 0 {
		return
	}
	c := d.current(ord, def)
	had := d.firedOf(ord)
	if had != nil && had.start != c.start {
		had = nil
	}
	limit := d.limitNow(ord, def)
	reached := func(percent int) bool {
		return def.limited && c.used.Sign() > 0 && c.used.AtLeastPercent(int64(percent), limit)
	}
	if had == nil && (len(def.thresholds) == 0 || !reached(def.thresholds[0])) {
		return
	}
	var now, fresh, recovered []int
	if had != nil {
		for _, t := range had.levels {
			if slices.Contains(def.thresholds, t) {
				now = append(now, t)
			}
		}
		if len(now) > 0 && !reached(now[0]) {
			now, recovered = nil, now
		}
	}
	for _, t := range def.thresholds {
		if reached(t) && !slices.Contains(now, t) {
			fresh = append(fresh, t)
		}
	}
	now = append(now, fresh...)
	slices.Sort(now)
	if had != nil && slices.Equal(now, had.levels) || had == nil && len(now) == 0 {
		return
	}
	d.emit(&firedRec{ord, fired{c.start, now}})
	if len(recovered) > 0 {
		d.notifyUsage(bursar.EventUsageRecovered, ord, &c, limit, recovered)
	}
	if len(fresh) > 0 {
		d.notifyUsage(bursar.EventUsageExceeded, ord, &c, limit, fresh)
	}
}

// alertCharges is alertOn for rows that were just charged.
func (d *decider) alertCharges(cs []charge) {
	for i := range cs {
		if cs[i].slot == slotCurrent && !cs[i].delta.IsZero() {
			d.alertOn(cs[i].row)
		}
	}
}

func (d *decider) notifyUsage(typ string, ord uint32, c *counter, limit bursar.Amount, thresholds []int) {
	if d.quiet || len(d.cat.webhooks) == 0 {
		return
	}
	def := d.def(ord)
	e := d.ent(def.ent)
	data := usageData{CustomerID: d.cust().ID, Entity: entityRef{e.id, d.typeID(e.typ)}, AssignmentID: formatID(d.rowID(ord)),
		Scope: d.scopeIDs(def), Label: def.label, Thresholds: thresholds, CurrentUsage: c.used, Enforcement: enforcement(def.soft),
		PeriodStart: c.start, PeriodEnd: c.end}
	data.FeatureID, data.CurrencyID = capabilityIDs(d.capability(def.cap))
	if def.limited {
		data.UsageLimit = &limit
		if limit.Sign() > 0 {
			p := json.Number(c.used.PercentOf(limit))
			data.Percentage = &p
		}
	}
	d.notify(typ, data)
}

// lowLevels are the levels of a pool, in percent of the active grants, at which
// credits.usage_low is sent.
var lowLevels = []int{0, 10, 20}

// checkLow fires the low-balance levels that a pool fell to, or, when it did not fall,
// only re-arms those that it has left.
func (d *decider) checkLow(cap uint32, fell bool) {
	p := d.pool(cap)
	left := bursar.MaxAmount(bursar.Amount{}, p.left())
	var now, fresh []int
	for _, l := range lowLevels {
		reached := left.IsZero()
		if l > 0 {
			reached = p.active.Sign() > 0 && !left.AtLeastPercent(int64(l), p.active) || left.EqualsPercent(int64(l), p.active) && p.active.Sign() > 0
		}
		had := slices.Contains(p.low, l)
		if l > 0 && p.active.IsZero() {
			reached = had // without grants there is no share of them to be above
		}
		if !reached || !had && !fell {
			continue
		}
		now = append(now, l)
		if !had {
			fresh = append(fresh, l)
		}
	}
	if slices.Equal(now, p.low) {
		return
	}
	d.emit(&lowRec{cap, now})
	if len(fresh) > 0 {
		d.notify(bursar.EventCreditsLow, creditData{CustomerID: d.cust().ID, CurrencyID: d.capability(cap).ID, Levels: fresh, Balance: p.left()})
	}
}
