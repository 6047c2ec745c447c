package httpapi

import (
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// promotionIn is a customer-wide limit of a feature as the reference API takes it.
type promotionIn struct {
	FeatureID         string         `json:"featureId" is:"required,id"`
	UsageLimit        *bursar.Amount `json:"usageLimit" is:"min=0" doc:"Required unless hasUnlimitedUsage."`
	HasUnlimitedUsage *bool          `json:"hasUnlimitedUsage" is:"default=false"`
	HasSoftLimit      *bool          `json:"hasSoftLimit" is:"default=false" doc:"true never denies."`
	IsVisible         *bool          `json:"isVisible" is:"default=true"`
	Period            string         `json:"period" is:"required,enum=1 week|1 month|6 month|1 year|lifetime|custom"`
	CustomEndDate     *bursar.Time   `json:"customEndDate" doc:"For the period custom."`
	ResetPeriod       *string        `json:"resetPeriod" is:"enum=YEAR|MONTH|WEEK|DAY|HOUR" doc:"Never when left out."`
	Yearly            *monthlyReset  `json:"yearlyResetPeriodConfiguration"`
	Monthly           *monthlyReset  `json:"monthlyResetPeriodConfiguration"`
	Weekly            *weeklyReset   `json:"weeklyResetPeriodConfiguration"`
	EnumValues        unsupported    `json:"enumValues"`
}

type monthlyReset struct {
	AccordingTo string `json:"accordingTo" is:"required,enum=SubscriptionStart|StartOfTheMonth"`
}

type weeklyReset struct {
	AccordingTo string `json:"accordingTo" is:"required,enum=SubscriptionStart|EverySunday|EveryMonday|EveryTuesday|EveryWednesday|EveryThursday|EveryFriday|EverySaturday"`
}

const startOfPromotion = "SubscriptionStart"

// accordingTo is the configuration of the reset period. One of another period may say no
// more than what is so anyway.
func (in *promotionIn) accordingTo(at string, p *bursar.Problems) string {
	var own string
	take := func(period, name, accordingTo string) {
		switch {
		case accordingTo == "":
		case orZero(in.ResetPeriod) == period:
			own = accordingTo
		case accordingTo != startOfPromotion:
			p.Add(at+"/"+name, bursar.CodeValidationFailed, "goes with the resetPeriod %s, not with %q", period, orZero(in.ResetPeriod))
		}
	}
	take("YEAR", "yearlyResetPeriodConfiguration", orZero(in.Yearly).AccordingTo)
	take("MONTH", "monthlyResetPeriodConfiguration", orZero(in.Monthly).AccordingTo)
	take("WEEK", "weeklyResetPeriodConfiguration", orZero(in.Weekly).AccordingTo)
	return own
}

func (in *promotionIn) input(at string, p *bursar.Problems) bursar.PromotionInput {
	if in.CustomEndDate != nil && in.Period != "custom" {
		p.Add(at+"/customEndDate", bursar.CodeValidationFailed, "goes with the period custom, not with %q", in.Period)
	}
	return bursar.PromotionInput{
		FeatureID: in.FeatureID, UsageLimit: in.UsageLimit, Unlimited: orZero(in.HasUnlimitedUsage), Soft: orZero(in.HasSoftLimit),
		Visible: or(in.IsVisible, true), Period: in.Period, CustomEnd: orZero(in.CustomEndDate),
		ResetPeriod: orZero(in.ResetPeriod), AccordingTo: in.accordingTo(at, p),
	}
}

type promotionsIn struct {
	PromotionalEntitlements []promotionIn `json:"promotionalEntitlements" is:"required,n=1-100"`
}

// promotionOut is a promotional entitlement, with the members that clients of the
// reference expect.
type promotionOut struct {
	ID                       string         `json:"id"`
	FeatureID                string         `json:"featureId"`
	UsageLimit               *bursar.Amount `json:"usageLimit"`
	HasUnlimitedUsage        *bool          `json:"hasUnlimitedUsage"`
	HasSoftLimit             *bool          `json:"hasSoftLimit"`
	IsVisible                bool           `json:"isVisible"`
	Period                   string         `json:"period" is:"enum=1 week|1 month|6 month|1 year|lifetime|custom"`
	StartDate                bursar.Time    `json:"startDate"`
	EndDate                  *bursar.Time   `json:"endDate"`
	Status                   string         `json:"status" is:"enum=Active|Expired|Paused"`
	ResetPeriod              *string        `json:"resetPeriod" is:"enum=YEAR|MONTH|WEEK|DAY|HOUR"`
	ResetPeriodConfiguration *resetOut      `json:"resetPeriodConfiguration"`
	Description              *string        `json:"description"`
	EnumValues               *nothing       `json:"enumValues"`
	FeatureGroupIDs          *nothing       `json:"featureGroupIds"`
	EnvironmentID            string         `json:"environmentId"`
	CreatedAt                bursar.Time    `json:"createdAt"`
	UpdatedAt                bursar.Time    `json:"updatedAt"`
}

type resetOut struct {
	AccordingTo string `json:"accordingTo"`
}

func viewPromotion(p bursar.Promotion) promotionOut {
	out := promotionOut{
		ID: p.ID, FeatureID: p.FeatureID, UsageLimit: p.UsageLimit, HasUnlimitedUsage: &p.Unlimited, HasSoftLimit: &p.Soft, IsVisible: p.Visible,
		Period: p.Period, StartDate: p.StartDate, EndDate: timeOrNil(p.EndDate), Status: p.Status, ResetPeriod: orNil(&p.ResetPeriod),
		EnvironmentID: "default", CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
	switch p.ResetPeriod {
	case "YEAR", "MONTH", "WEEK":
		out.ResetPeriodConfiguration = &resetOut{p.AccordingTo}
		if p.AccordingTo == "" {
			out.ResetPeriodConfiguration.AccordingTo = startOfPromotion
		}
	}
	return out
}

func viewPromotions(list []bursar.Promotion) []promotionOut {
	out := make([]promotionOut, len(list))
	for i := range list {
		out[i] = viewPromotion(list[i])
	}
	return out
}

func (a *API) putPromotions(q *request, in *promotionsIn) ([]promotionOut, error) {
	var problems bursar.Problems
	inputs := make([]bursar.PromotionInput, len(in.PromotionalEntitlements))
	for i := range inputs {
		inputs[i] = in.PromotionalEntitlements[i].input("/promotionalEntitlements/"+strconv.Itoa(i), &problems)
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	c, err := caller(q, viewPromotions)
	if err != nil {
		return nil, err
	}
	got, err := versioned[[]bursar.Promotion](q)(a.engine.PutPromotions(q.ctx, c, q.path[0], inputs))
	return viewPromotions(got), err
}

type promotionList struct {
	paging
	freshness
	Status    []string  `query:"status" is:"n=0-3,enum=Active|Expired|Paused"`
	CreatedAt timeRange `query:"createdAt"`
}

func (a *API) listPromotions(q *request, in *promotionList) (page[promotionOut], error) {
	got, err := versioned[[]bursar.Promotion](q)(a.engine.Promotions(q.ctx, q.options(in.freshness), q.path[0]))
	if err != nil {
		return page[promotionOut]{}, err
	}
	rows := make([]*bursar.Promotion, len(got))
	for i := range got {
		rows[i] = &got[i]
	}
	from, to := in.CreatedAt.bounds()
	keep := func(p *bursar.Promotion) bool {
		return oneOf(in.Status, p.Status) && p.CreatedAt >= from && (to == 0 || p.CreatedAt < to)
	}
	at := func(p *bursar.Promotion) ledger.ListPos { return ledger.ListPos{CreatedAt: p.CreatedAt, ID: p.ID} }
	get := func(p ledger.ListPage) (ledger.Page[bursar.Promotion], error) { return pageOf(rows, p, at, keep), nil }
	return list(q, in.paging, at, get, viewPromotion)
}

func (a *API) deletePromotion(q *request, _ *nothing) (promotionOut, error) {
	c, err := caller(q, viewPromotion)
	if err != nil {
		return promotionOut{}, err
	}
	got, err := versioned[bursar.Promotion](q)(a.engine.DeletePromotion(q.ctx, c, q.path[0], q.path[1]))
	return viewPromotion(got), err
}

// entitlementsOut is all that a customer may use, and why it may not.
type entitlementsOut struct {
	AccessDeniedReason *bursar.Code `json:"accessDeniedReason"`
	Entitlements       decisions    `json:"entitlements" doc:"Checks of amount 0, without chains."`
}

type entitlementsQuery struct {
	freshness
	ResourceID string `query:"resourceId" doc:"There are no resources: denied when not empty."`
}

// entitlements answers for an unknown customer as a check does: it is denied.
func (a *API) entitlements(q *request, in *entitlementsQuery) (entitlementsOut, error) {
	denied := func(reason bursar.Code) (entitlementsOut, error) {
		return entitlementsOut{AccessDeniedReason: &reason, Entitlements: decisions{engine: a.engine}}, nil
	}
	if bursar.CheckCustomerID(q.path[0]) != nil {
		return denied(bursar.CodeCustomerNotFound)
	}
	c, version, err := a.engine.Customer(q.ctx, q.options(in.freshness), q.path[0])
	q.version = version
	switch {
	case hasCode(err, bursar.CodeCustomerNotFound):
		return denied(bursar.CodeCustomerNotFound)
	case err != nil:
		return entitlementsOut{}, err
	case c.ArchivedAt != nil:
		return denied(bursar.CodeCustomerIsArchived)
	case in.ResourceID != "":
		return denied(bursar.CodeCustomerResourceNotFound)
	}
	got, err := versioned[[]bursar.Decision](q)(a.engine.Entitlements(q.ctx, q.options(in.freshness), q.path[0]))
	return entitlementsOut{Entitlements: decisions{list: got, engine: a.engine}}, err
}
