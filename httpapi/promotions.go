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
	customerPath
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

func (a *API) putPromotions(c call, in *promotionsIn) ([]bursar.Promotion, uint64, error) {
	var problems bursar.Problems
	inputs := make([]bursar.PromotionInput, len(in.PromotionalEntitlements))
	for i := range inputs {
		inputs[i] = in.PromotionalEntitlements[i].input("/promotionalEntitlements/"+strconv.Itoa(i), &problems)
	}
	if err := problems.Err(); err != nil {
		return nil, 0, err
	}
	return a.engine.PutPromotions(c.ctx, c.by, in.CustomerID, inputs)
}

type promotionList struct {
	customerPath
	paging
	freshness
	Status    []string  `query:"status" is:"n=0-3,enum=Active|Expired|Paused"`
	CreatedAt timeRange `query:"createdAt"`
}

func promotionAt(p *bursar.Promotion) ledger.ListPos {
	return ledger.ListPos{CreatedAt: p.CreatedAt, ID: p.ID}
}

func (a *API) listPromotions(c call, in *promotionList) ([]*bursar.Promotion, uint64, error) {
	got, version, err := a.engine.Promotions(c.ctx, c.options(), in.CustomerID)
	from, to := in.CreatedAt.bounds()
	return those(pointersTo(got), func(p *bursar.Promotion) bool {
		return oneOf(in.Status, p.Status) && p.CreatedAt >= from && (to == 0 || p.CreatedAt < to)
	}), version, err
}

func (a *API) deletePromotion(c call, in *customerFeaturePath) (bursar.Promotion, uint64, error) {
	return a.engine.DeletePromotion(c.ctx, c.by, in.CustomerID, in.FeatureID)
}
