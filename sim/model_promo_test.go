package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
)

// mPromo is the customer's own limit of a feature.
type mPromo struct {
	bursar.Promotion
	row *mRow
}

func (p *mPromo) ended(now bursar.Time) bool { return p.EndDate != 0 && now >= p.EndDate }

func (p *mPromo) show(now bursar.Time) bursar.Promotion {
	x := p.Promotion
	x.Status = "Active"
	if p.ended(now) {
		x.Status = "Expired"
	}
	return x
}

func (m *model) putPromotions(customer string, in []bursar.PromotionInput) ([]bursar.Promotion, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return nil, f
	}
	var p problems
	for i, x := range in {
		p.item = fmt.Sprintf("/promotionalEntitlements/%d", i)
		if slices.ContainsFunc(in[:i], func(y bursar.PromotionInput) bool { return y.FeatureID == x.FeatureID }) {
			p.at("/featureId", bursar.CodeValidationFailed)
		}
		m.judgePromotion(&p, x, now)
	}
	if f := p.err(); f != nil {
		return nil, f
	}
	var out []bursar.Promotion
	for _, x := range in {
		out = append(out, c.promote(x, now))
	}
	c.log.wrote(now)
	return out, nil
}

func (m *model) judgePromotion(p *problems, x bursar.PromotionInput, now bursar.Time) {
	switch f := m.features[x.FeatureID]; {
	case f == nil:
		p.at("/featureId", bursar.CodeFeatureNotFound)
	case f.ArchivedAt != nil:
		p.at("/featureId", bursar.CodeValidationFailed)
	}
	if !x.Unlimited && x.UsageLimit == nil {
		p.at("/usageLimit", bursar.CodeValidationFailed)
	} else if !x.Unlimited && x.UsageLimit.Sign() < 0 {
		p.at("/usageLimit", bursar.CodeInvalidAmount)
	}
	if _, known := periods[x.Period]; !known && x.Period != "lifetime" && x.Period != "custom" {
		p.at("/period", bursar.CodeValidationFailed)
	}
	if x.Period == "custom" && x.CustomEnd.Milli() <= now.Milli() {
		p.at("/customEndDate", bursar.CodeValidationFailed)
	}
	if _, known := resets[x.ResetPeriod]; !known {
		p.at("/resetPeriod", bursar.CodeValidationFailed)
	} else if !accords(x) {
		p.at("/resetPeriod", bursar.CodeValidationFailed)
	}
}

// accords: what the reset period may be counted from.
func accords(x bursar.PromotionInput) bool {
	switch {
	case x.AccordingTo == "", x.AccordingTo == "SubscriptionStart":
		return true
	case x.AccordingTo == "StartOfTheMonth":
		return x.ResetPeriod == "MONTH" || x.ResetPeriod == "YEAR"
	}
	return slices.Contains(weekdays, x.AccordingTo) && x.ResetPeriod == "WEEK"
}

var (
	periods = map[string]bursar.Cadence{
		"1 week": {N: 1, Unit: bursar.UnitWeek}, "1 month": {N: 1, Unit: bursar.UnitMonth},
		"6 month": {N: 6, Unit: bursar.UnitMonth}, "1 year": {N: 1, Unit: bursar.UnitYear},
	}
	resets = map[string]bursar.Cadence{
		"": {N: 100, Unit: bursar.UnitYear}, "YEAR": {N: 1, Unit: bursar.UnitYear}, "MONTH": {N: 1, Unit: bursar.UnitMonth},
		"WEEK": {N: 1, Unit: bursar.UnitWeek}, "DAY": {N: 1, Unit: bursar.UnitDay}, "HOUR": {N: 1, Unit: bursar.UnitHour},
	}
	weekdays = []string{"EverySunday", "EveryMonday", "EveryTuesday", "EveryWednesday", "EveryThursday", "EveryFriday", "EverySaturday"}
)

// promote makes a promotional entitlement, or gives the old one's row a new definition.
func (c *mCust) promote(x bursar.PromotionInput, now bursar.Time) bursar.Promotion {
	if x.Unlimited {
		x.UsageLimit = nil
	}
	x.CustomEnd = x.CustomEnd.Milli()
	start := now.Milli()
	p := c.promos[x.FeatureID]
	isNew := p == nil
	if isNew {
		p = &mPromo{row: &mRow{id: c.m.newID("p"), cap: featureOf(x.FeatureID), created: start}}
		p.row.promo = p
		c.promos[x.FeatureID] = p
	}
	p.Promotion = bursar.Promotion{PromotionInput: x, ID: c.m.newID("p"), StartDate: start, CreatedAt: start, UpdatedAt: start}
	zone := zoneOf(c.zone())
	switch x.Period {
	case "custom":
		p.EndDate = x.CustomEnd
	case "lifetime":
	default:
		p.EndDate = bursar.Time(calendar{cadence: periods[x.Period], zone: zone, anchor: &start}.window(int64(start)).end)
	}
	p.row.limit, p.row.soft = nil, x.Soft
	if x.UsageLimit != nil {
		v := numOf(*x.UsageLimit)
		p.row.limit = &v
	}
	cal := calendar{cadence: resets[x.ResetPeriod], zone: zone, anchor: &start}
	if day := slices.Index(weekdays, x.AccordingTo); day >= 0 {
		a := bursar.TimeOf(time.Date(1970, 1, 4+day, 0, 0, 0, 0, zone))
		cal.anchor = &a
	} else if x.AccordingTo == "StartOfTheMonth" {
		cal.anchor = nil
	}
	if isNew {
		p.row.cal = cal
		p.row.first, p.row.used, p.row.values = p.row.window(int64(now)).start, map[int64]num{}, map[int64]map[string]bool{}
	} else {
		p.row.reschedule(cal, now)
	}
	return p.show(now)
}

func (m *model) promotions(customer string) ([]bursar.Promotion, *fail) {
	c, now := m.customer(customer)
	if c == nil {
		return nil, failed(bursar.CodeCustomerNotFound)
	}
	var list []bursar.Promotion
	for _, p := range c.promos {
		list = append(list, p.show(now))
	}
	slices.SortFunc(list, func(a, b bursar.Promotion) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), compareText(a.ID, b.ID))
	})
	return list, nil
}

func (m *model) deletePromotion(customer, feature string) (bursar.Promotion, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return bursar.Promotion{}, f
	}
	p := c.promos[feature]
	if p == nil {
		return bursar.Promotion{}, failed(bursar.CodePromotionNotFound)
	}
	delete(c.promos, feature)
	c.log.wrote(now)
	return p.show(now), nil
}
