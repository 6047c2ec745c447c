package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

type promoPart struct {
	Row       uint32           `json:"row"`
	Promotion bursar.Promotion `json:"promotion"`
}

type PutPromotions struct {
	Caller catalogue.Caller
	In     []bursar.PromotionInput
}

func (o *PutPromotions) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	var p bursar.Problems
	out := make([]bursar.Promotion, 0, len(o.In))
	for i := range o.In {
		at := fmt.Sprintf("/promotionalEntitlements/%d", i)
		in := o.In[i]
		if slices.ContainsFunc(o.In[:i], func(x bursar.PromotionInput) bool { return x.FeatureID == in.FeatureID }) {
			p.Add(at+"/featureId", bursar.CodeValidationFailed, "the feature %q is in this request twice", in.FeatureID)
		}
		n := len(p.Fields())
		switch f := d.Cat.FeatureOf[in.FeatureID]; {
		case f == nil:
			p.Add(at+"/featureId", bursar.CodeFeatureNotFound, "%s", d.missing(d.Cat, catalogue.OfFeature, in.FeatureID))
		case f.ArchivedAt != nil:
			p.Add(at+"/featureId", bursar.CodeValidationFailed, "the feature %q is archived", in.FeatureID)
		}
		pr := d.definePromotion(&in, at, &p)
		sched := d.promotionSchedule(&in, pr.StartDate, at, &p)
		if len(p.Fields()) == n {
			out = append(out, d.writePromotion(&o.Caller, pr, sched))
		}
	}
	return out, p.Err()
}

// periods are how long a promotional entitlement lasts: one window that begins with it,
// so that its end is told by the same calendar as a reset.
var periods = map[string]string{"1 week": "P1W", "1 month": "P1M", "6 month": "P6M", "1 year": "P1Y"}

func (d *Decider) definePromotion(in *bursar.PromotionInput, at string, p *bursar.Problems) bursar.Promotion {
	now := d.Now.Milli()
	pr := bursar.Promotion{PromotionInput: *in, StartDate: now, Status: "Active", CreatedAt: now, UpdatedAt: now}
	switch span, ok := periods[in.Period]; {
	case ok:
		s, _ := record.NewSchedule(span, d.defaultZone(), true, now)
		pr.EndDate = s.WindowAt(now).End
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

func (d *Decider) promotionSchedule(in *bursar.PromotionInput, start bursar.Time, at string, p *bursar.Problems) *record.Schedule {
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
		loc, _ := record.Location(zone)
		anchor = bursar.TimeOf(time.Date(1970, 1, 4+day, 0, 0, 0, 0, loc)) // the 4th was a Sunday
	default:
		p.Add(at+"/resetPeriod", bursar.CodeValidationFailed, "accordingTo %.32q does not go with the reset period %q", in.AccordingTo, in.ResetPeriod)
		return nil
	}
	s, _ := record.NewSchedule(cadence, zone, anchored, anchor)
	return s
}

// writePromotion writes a customer's own row of a feature. The row takes the place of the one
// before, and goes on with what that had used in its current window.
func (d *Decider) writePromotion(c *catalogue.Caller, pr bursar.Promotion, sched *record.Schedule) bursar.Promotion {
	cap := d.CapFor(bursar.Capability{Kind: bursar.KindFeature, ID: pr.FeatureID})
	def := record.Limit{Created: pr.CreatedAt, Updated: pr.UpdatedAt, Terms: &record.Terms{Cap: cap, Limited: pr.UsageLimit != nil, Soft: pr.Soft, Sched: sched}}
	if def.Limited {
		def.Limit = *pr.UsageLimit
	}
	r := &record.LimitPut{Row: uint32(d.NextRowOrd()), ID: d.NextID(), Def: def}
	var before any
	if old := d.promoOf(cap); old != nil {
		before = promotionAudit(old.Promotion)
		was := d.Def(old.row)
		r.Row, r.ID = old.row, d.RowID(old.row)
		if r.Def.Created = was.Created; was.Sched.Rule != sched.Rule {
			c := d.Current(old.row, was)
			r.Carry, r.Used, r.Window = true, c.Used, sched.FirstWindow(d.Now)
		}
	}
	d.Emit(r)
	pr.ID = store.FormatID(d.NextID())
	d.Emit(&record.Promotion{Cap: cap, Row: r.Row, Promotion: pr})
	d.audit(c, "promotionalEntitlement.put", "promotionalEntitlement", pr.ID, "", before, promotionAudit(pr))
	return pr
}

func promotionAudit(p bursar.Promotion) map[string]any {
	return map[string]any{"featureId": p.FeatureID, "usageLimit": p.UsageLimit, "hasUnlimitedUsage": p.Unlimited, "hasSoftLimit": p.Soft,
		"period": p.Period, "startDate": p.StartDate, "endDate": orNull(p.EndDate), "resetPeriod": p.ResetPeriod, "accordingTo": p.AccordingTo}
}

type DeletePromotion struct {
	Caller  catalogue.Caller
	Feature string
}

func (o *DeletePromotion) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	cap := d.CapOrd(bursar.Capability{Kind: bursar.KindFeature, ID: o.Feature})
	old := d.promoOf(cap)
	if old == nil {
		return nil, bursar.Errorf(bursar.CodePromotionNotFound, "the customer has no promotional entitlement of the feature %.64q", o.Feature)
	}
	d.Emit(&record.LimitDeleted{Row: old.row})
	d.Emit(&record.Promotion{Cap: cap, Row: old.row, Deleted: true})
	d.audit(&o.Caller, "promotionalEntitlement.deleted", "promotionalEntitlement", old.ID, "", promotionAudit(old.Promotion), nil)
	return d.promotionOut(old), nil
}

// promotionOut is p with its status of now.
func (v *View) promotionOut(p *promo) bursar.Promotion {
	out := p.Promotion
	if out.Status = "Active"; out.EndDate != 0 && v.Now >= out.EndDate {
		out.Status = "Expired"
	}
	return out
}

// withPromo adds the customer's own row of a capability.
func (v *View) withPromo(rows []uint32, cap uint32) []uint32 {
	if p := v.promoOf(cap); p != nil {
		rows = append(rows, p.row)
	}
	return rows
}

func (o *PutPromotions) Size() int { return len(o.In) }

type promo struct {
	row uint32
	bursar.Promotion
}

func (v *View) promoOf(cap uint32) *promo {
	if p, ok := v.prms[cap]; ok {
		return p
	}
	return v.Promos[cap]
}

// Promotions are a customer's promotional entitlements, expired ones too, by (CreatedAt, ID).
func (v *View) Promotions() []bursar.Promotion {
	out := []bursar.Promotion{}
	for _, p := range v.Promos {
		out = append(out, v.promotionOut(p))
	}
	slices.SortFunc(out, func(a, b bursar.Promotion) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return out
}

// Entitlements are checks of amount 0 of every feature and currency that the customer has
// anything of, by capability.
func (v *View) Entitlements(cat *catalogue.Catalogue) []bursar.Decision {
	out := []bursar.Decision{}
	caps := slices.Clone(v.Caps.List)
	slices.SortFunc(caps, func(a, b bursar.Capability) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID))
	})
	for _, c := range caps {
		if cat.FeatureOf[c.ID] != nil && c.Kind == bursar.KindFeature || cat.CurrencyOf[c.ID] != nil && c.Kind == bursar.KindCurrency {
			asks := []Ask{{C: c, Cap: v.CapOrd(c), max: cat.Highest(c)}}
			d := v.judge(cat, &Resolved{}, asks, nil)
			d.Advice = v.adviceOn(&d, asks, nil, "")
			out = append(out, d)
		}
	}
	return out
}
