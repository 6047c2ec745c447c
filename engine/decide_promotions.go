package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
)

type putPromotions struct {
	caller Caller
	in     []bursar.PromotionInput
}

func (o *putPromotions) decide(d *decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	var p bursar.Problems
	out := make([]bursar.Promotion, 0, len(o.in))
	for i := range o.in {
		at := fmt.Sprintf("/promotionalEntitlements/%d", i)
		in := o.in[i]
		if slices.ContainsFunc(o.in[:i], func(x bursar.PromotionInput) bool { return x.FeatureID == in.FeatureID }) {
			p.Add(at+"/featureId", bursar.CodeValidationFailed, "the feature %q is in this request twice", in.FeatureID)
		}
		n := len(p.Fields())
		switch f := d.cat.features[in.FeatureID]; {
		case f == nil:
			p.Add(at+"/featureId", bursar.CodeFeatureNotFound, "there is no feature %q", in.FeatureID)
		case f.ArchivedAt != nil:
			p.Add(at+"/featureId", bursar.CodeValidationFailed, "the feature %q is archived", in.FeatureID)
		}
		pr := d.definePromotion(&in, at, &p)
		sched := d.promotionSchedule(&in, pr.StartDate, at, &p)
		if len(p.Fields()) == n {
			out = append(out, d.writePromotion(&o.caller, pr, sched))
		}
	}
	return out, p.Err()
}

// periods are how long a promotional entitlement lasts: one window that begins with it,
// so that its end is told by the same calendar as a reset.
var periods = map[string]string{"1 week": "P1W", "1 month": "P1M", "6 month": "P6M", "1 year": "P1Y"}

func (d *decider) definePromotion(in *bursar.PromotionInput, at string, p *bursar.Problems) bursar.Promotion {
	now := d.now.Milli()
	pr := bursar.Promotion{PromotionInput: *in, StartDate: now, Status: "Active", CreatedAt: now, UpdatedAt: now}
	switch span, ok := periods[in.Period]; {
	case ok:
		s, _ := newSchedule(span, d.defaultZone(), true, now)
		pr.EndDate = s.windowAt(now).end
	case in.Period == "custom":
		if pr.EndDate = in.CustomEnd.Milli(); pr.EndDate <= now {
			p.Add(at+"/customEndDate", bursar.CodeValidationFailed, "a custom period has a customEndDate that is to come")
		}
	case in.Period != "lifetime":
		p.Add(at+"/period", bursar.CodeValidationFailed, "a period is 1 week, 1 month, 6 month, 1 year, lifetime or custom")
	}
	switch {
	case in.Unlimited:
		pr.UsageLimit = nil
	case in.UsageLimit == nil:
		p.Add(at+"/usageLimit", bursar.CodeValidationFailed, "an entitlement has a usageLimit, or hasUnlimitedUsage true")
	case in.UsageLimit.Sign() < 0:
		p.Add(at+"/usageLimit", bursar.CodeInvalidAmount, "a usage limit is 0 or more")
	}
	return pr
}

var resetCadences = map[string]string{"": "P100Y", "YEAR": "P1Y", "MONTH": "P1M", "WEEK": "P1W", "DAY": "P1D", "HOUR": "PT1H"}

var weekdays = []string{"EverySunday", "EveryMonday", "EveryTuesday", "EveryWednesday", "EveryThursday", "EveryFriday", "EverySaturday"}

func (d *decider) promotionSchedule(in *bursar.PromotionInput, start bursar.Time, at string, p *bursar.Problems) *schedule {
	cadence, ok := resetCadences[in.ResetPeriod]
	if !ok {
		p.Add(at+"/resetPeriod", bursar.CodeValidationFailed, "a reset period is YEAR, MONTH, WEEK, DAY or HOUR")
		return nil
	}
	zone := d.defaultZone()
	day := slices.Index(weekdays, in.AccordingTo)
	anchored, anchor := true, start
	switch {
	case in.AccordingTo == "" || in.AccordingTo == "SubscriptionStart":
	case in.AccordingTo == "StartOfTheMonth" && (in.ResetPeriod == "MONTH" || in.ResetPeriod == "YEAR"):
		anchored, anchor = false, 0
	case day >= 0 && in.ResetPeriod == "WEEK":
		loc, _ := location(zone)
		anchor = bursar.TimeOf(time.Date(1970, 1, 4+day, 0, 0, 0, 0, loc)) // the 4th was a Sunday
	default:
		p.Add(at+"/resetPeriod", bursar.CodeValidationFailed, "accordingTo %.32q does not go with the reset period %q", in.AccordingTo, in.ResetPeriod)
		return nil
	}
	s, _ := newSchedule(cadence, zone, anchored, anchor)
	return s
}

// writePromotion puts a customer's own row of a feature in the place of the one before,
// whose usage of the current window it carries on.
func (d *decider) writePromotion(c *Caller, pr bursar.Promotion, sched *schedule) bursar.Promotion {
	cap := d.capFor(bursar.Capability{Kind: bursar.KindFeature, ID: pr.FeatureID})
	def := rowDef{cap: cap, limited: pr.UsageLimit != nil, soft: pr.Soft, sched: sched, created: pr.CreatedAt, updated: pr.UpdatedAt}
	if def.limited {
		def.limit = *pr.UsageLimit
	}
	r := &rowRec{ord: uint32(d.nextRowOrd()), id: d.nextID(), def: def}
	var before any
	if old := d.promoOf(cap); old != nil {
		before = promotionAudit(old.Promotion)
		was := d.def(old.row)
		r.ord, r.id = old.row, d.rowID(old.row)
		if r.def.created = was.created; was.sched.rule != sched.rule {
			c := d.current(old.row, was)
			r.carry, r.used, r.window = true, c.used, sched.firstWindow(d.now)
		}
	}
	d.emit(r)
	pr.ID = formatID(d.nextID())
	d.emit(&promotionRec{cap: cap, row: r.ord, promotion: pr})
	d.audit(c, "promotionalEntitlement.put", "promotionalEntitlement", pr.ID, "", before, promotionAudit(pr))
	return pr
}

func promotionAudit(p bursar.Promotion) map[string]any {
	return map[string]any{"featureId": p.FeatureID, "usageLimit": p.UsageLimit, "hasUnlimitedUsage": p.Unlimited, "hasSoftLimit": p.Soft,
		"period": p.Period, "startDate": p.StartDate, "endDate": orNull(p.EndDate), "resetPeriod": p.ResetPeriod, "accordingTo": p.AccordingTo}
}

type deletePromotion struct {
	caller  Caller
	feature string
}

func (o *deletePromotion) decide(d *decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	cap := d.capOrd(bursar.Capability{Kind: bursar.KindFeature, ID: o.feature})
	old := d.promoOf(cap)
	if old == nil {
		return nil, bursar.Errorf(bursar.CodePromotionNotFound, "the customer has no promotional entitlement of the feature %.64q", o.feature)
	}
	d.emit(&rowDeleteRec{old.row})
	d.emit(&promotionRec{cap: cap, row: old.row, deleted: true})
	d.audit(&o.caller, "promotionalEntitlement.deleted", "promotionalEntitlement", old.ID, "", promotionAudit(old.Promotion), nil)
	return d.promotionOut(old), nil
}

// promotionOut is p with its status of now.
func (v *view) promotionOut(p *promo) bursar.Promotion {
	out := p.Promotion
	if out.Status = "Active"; out.EndDate != 0 && v.now >= out.EndDate {
		out.Status = "Expired"
	}
	return out
}
