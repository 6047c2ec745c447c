package ledger

import (
	"encoding/json"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// alertOn fires and re-arms the thresholds of a row, and those at which people are told of it, after a
// record changed its use, its limit or its boosts. Only the current window counts; time alone fires
// nothing.
func (d *Decider) alertOn(ord uint32) {
	d.fire(ord)
	d.tellUsage(ord)
}

func (d *Decider) fire(ord uint32) {
	def := d.Def(ord)
	if def == nil || def.Ent == 0 || d.Ent(def.Ent).Archived != 0 || def.Idle() {
		return
	}
	c := d.Current(ord, def)
	had := d.firedOf(ord)
	if had != nil && had.Start != c.Start {
		had = nil
	}
	limit := d.LimitNow(ord, def)
	reached := func(percent int) bool {
		return def.Limited && c.Used.Sign() > 0 && c.Used.AtLeastPercent(int64(percent), limit)
	}
	if had == nil && (len(def.Thresholds) == 0 || !reached(def.Thresholds[0])) {
		return
	}
	var now, fresh, recovered []int
	if had != nil {
		for _, t := range had.Levels {
			if slices.Contains(def.Thresholds, t) {
				now = append(now, t)
			}
		}
		if len(now) > 0 && !reached(now[0]) {
			now, recovered = nil, now
		}
	}
	for _, t := range def.Thresholds {
		if reached(t) && !slices.Contains(now, t) {
			fresh = append(fresh, t)
		}
	}
	now = append(now, fresh...)
	slices.Sort(now)
	if had != nil && slices.Equal(now, had.Levels) || had == nil && len(now) == 0 {
		return
	}
	d.Emit(&record.AlertFired{Row: ord, Fired: record.Fired{Start: c.Start, Levels: now}})
	if len(recovered) > 0 {
		d.notifyUsage(bursar.EventUsageRecovered, ord, &c, limit, recovered)
	}
	if len(fresh) > 0 {
		d.reached = append(d.reached, d.alertReached(ord, def, fresh))
		d.notifyUsage(bursar.EventUsageExceeded, ord, &c, limit, fresh)
	}
}

// alertCharges is alertOn for rows that were just charged.
func (d *Decider) alertCharges(cs []record.Charge) {
	for i := range cs {
		if cs[i].Slot != record.SlotCurrent || cs[i].Delta.IsZero() {
			continue
		}
		if d.whole != nil {
			d.whole.rows[cs[i].Row] = true
		} else {
			d.alertOn(cs[i].Row)
		}
	}
}

func (d *Decider) notifyUsage(typ string, row uint32, c *Counter, limit bursar.Amount, thresholds []int) {
	if d.Rehearsal || len(d.Cat.WebhookOf) == 0 {
		return
	}
	d.notify(typ, d.usageData(row, c, limit, thresholds))
}

func (d *Decider) usageData(row uint32, c *Counter, limit bursar.Amount, thresholds []int) catalogue.UsageData {
	def := d.Def(row)
	e := d.Ent(def.Ent)
	data := catalogue.UsageData{CustomerID: d.Cust().ID, Entity: catalogue.EntityRef{ID: e.ID, TypeID: d.typeID(e.Typ)}, AssignmentID: store.FormatID(d.RowID(row)),
		Scope: d.scopeIDs(def), Label: def.Label, Thresholds: thresholds, CurrentUsage: c.Used, Enforcement: enforcement(def.Soft),
		PeriodStart: c.Start, PeriodEnd: c.End}
	data.FeatureID, data.CurrencyID = catalogue.CapabilityIDs(d.Capability(def.Cap))
	if def.Limited {
		data.UsageLimit = &limit
		if limit.Sign() > 0 {
			p := json.Number(c.Used.PercentOf(limit))
			data.Percentage = &p
		}
	}
	return data
}

// lowLevels are the levels of a pool, in percent of the active grants, at which
// credits.usage_low is sent.
var lowLevels = []int{0, 10, 20}

// checkLow fires the low-balance levels that a pool fell to, or, when it did not fall,
// only re-arms those that it has left.
func (d *Decider) checkLow(cap uint32, fell bool) {
	p := d.pool(cap)
	left := bursar.MaxAmount(bursar.Amount{}, p.left())
	var now, fresh []int
	for _, l := range lowLevels {
		reached := left.IsZero()
		if l > 0 {
			reached = p.active.Sign() > 0 && !left.AtLeastPercent(int64(l), p.active) || left.EqualsPercent(int64(l), p.active) && p.active.Sign() > 0
		}
		had := slices.Contains(p.Low, l)
		if l > 0 && p.active.IsZero() {
			reached = had // without active grants no share of them can be left: the level stays as it was
		}
		if !reached || !had && !fell {
			continue
		}
		now = append(now, l)
		if !had {
			fresh = append(fresh, l)
		}
	}
	if slices.Equal(now, p.Low) {
		return
	}
	d.Emit(&record.BalanceLow{Cap: cap, Levels: now})
	if len(fresh) > 0 {
		d.notify(bursar.EventCreditsLow, catalogue.CreditData{CustomerID: d.Cust().ID, CurrencyID: d.Capability(cap).ID, Levels: fresh, Balance: p.left()})
		d.tellBalance(cap, fresh, p.left(), p.active)
	}
}

// tellBalance tells the webhooks that ask for it by name that a pool fell to levels, which ascend:
// one message if it is empty, and one for the lowest level above 0.
func (d *Decider) tellBalance(cap uint32, levels []int, left, active bursar.Amount) {
	data := catalogue.BalanceData{CustomerID: d.Cust().ID, Currency: d.Capability(cap).ID, Remaining: left, Percentage: percentage(left, active)}
	if levels[0] == 0 {
		d.notify(bursar.EventBalanceDepleted, data)
		levels = levels[1:]
	}
	if len(levels) > 0 {
		data.Threshold = levels[0]
		d.notify(bursar.EventBalanceLow, data)
	}
}

// tellGrant tells the webhooks that ask for it by name that a draw brought a grant to a level, or
// below it.
func (d *Decider) tellGrant(g *grant, drawn bursar.Amount) {
	left := g.left()
	for _, l := range lowLevels[1:] {
		if level := int64(l); (g.Amount.Sign() > 0) && atMost(left, level, g.Amount) && !atMost(left.Add(drawn), level, g.Amount) {
			d.notify(bursar.EventGrantLow, catalogue.BalanceData{CustomerID: d.Cust().ID, Currency: g.CurrencyID, GrantID: g.ID, Threshold: l,
				Remaining: left, Percentage: percentage(left, g.Amount)})
			return // the lowest is enough
		}
	}
}

func atMost(left bursar.Amount, percent int64, of bursar.Amount) bool {
	return !left.AtLeastPercent(percent, of) || left.EqualsPercent(percent, of)
}

func percentage(part, of bursar.Amount) *json.Number {
	if of.Sign() <= 0 || part.Sign() < 0 {
		return nil
	}
	p := json.Number(part.PercentOf(of))
	return &p
}

type firedPart struct {
	Start  bursar.Time `json:"start"`
	Levels []int       `json:"levels"`
}

func (v *View) firedOf(row uint32) *record.Fired {
	if f, ok := v.frd[row]; ok {
		return f
	}
	return v.State.Fired[row]
}
