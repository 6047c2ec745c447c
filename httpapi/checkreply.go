package httpapi

import (
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
)

// featureCheck and creditCheck are what appendDecision writes.
type featureCheck struct {
	Type               string         `json:"type" is:"enum=FEATURE"`
	IsGranted          bool           `json:"isGranted"`
	AccessDeniedReason *bursar.Code   `json:"accessDeniedReason"`
	Feature            *checkFeature  `json:"feature,omitempty"`
	CurrentUsage       *bursar.Amount `json:"currentUsage,omitempty"`
	UsageLimit         *bursar.Amount `json:"usageLimit,omitempty" is:"nullable" doc:"Of the customer's promotional entitlement; null is unlimited."`
	HasUnlimitedUsage  *bool          `json:"hasUnlimitedUsage,omitempty"`
	ResetPeriod        *string        `json:"resetPeriod,omitempty" is:"nullable"`
	UsagePeriodStart   *bursar.Time   `json:"usagePeriodStart,omitempty" doc:"With a reset period, as the end and the anchor."`
	UsagePeriodEnd     *bursar.Time   `json:"usagePeriodEnd,omitempty"`
	UsagePeriodAnchor  *bursar.Time   `json:"usagePeriodAnchor,omitempty"`
	ValidUntil         *bursar.Time   `json:"validUntil,omitempty" doc:"When time alone changes the answer next: the period or the entitlement ends."`
	UpdatedAt          *bursar.Time   `json:"entitlementUpdatedAt,omitempty"`
	Costs              []cost         `json:"costs,omitempty" doc:"Of a priced feature: what the request costs in each currency."`
	Unpriced           []string       `json:"unpriced,omitempty" doc:"With the reason Unknown: currencies that the feature has a price in, but not for these dimensions."`
	Chains             [][]nodeReply  `json:"chains,omitempty" doc:"Left out when the request has no dimensions."`
	Binding            *bindingReply  `json:"binding"`
	Warnings           []string       `json:"warnings,omitempty"`
}

type checkFeature struct {
	ID            string `json:"id"`
	DisplayName   string `json:"displayName"`
	FeatureStatus string `json:"featureStatus"`
	FeatureType   string `json:"featureType"`
}

type creditCheck struct {
	Type               string         `json:"type" is:"enum=CREDIT"`
	IsGranted          bool           `json:"isGranted"`
	AccessDeniedReason *bursar.Code   `json:"accessDeniedReason"`
	Currency           checkCurrency  `json:"currency"`
	CurrentUsage       bursar.Amount  `json:"currentUsage"`
	UsageLimit         bursar.Amount  `json:"usageLimit"`
	UsageUpdatedAt     bursar.Time    `json:"usageUpdatedAt"`
	UsagePeriodEnd     *bursar.Time   `json:"usagePeriodEnd,omitempty" doc:"When the next grant that has credits left expires, as validUntil."`
	ValidUntil         *bursar.Time   `json:"validUntil,omitempty"`
	Reserved           bursar.Amount  `json:"reserved"`
	Remaining          *bursar.Amount `json:"remaining" doc:"null when no pool gates."`
	Chains             [][]nodeReply  `json:"chains,omitempty" doc:"Left out when the request has no dimensions."`
	Binding            *bindingReply  `json:"binding"`
	Warnings           []string       `json:"warnings,omitempty"`
}

type checkCurrency struct {
	CurrencyID   string            `json:"currencyId"`
	DisplayName  string            `json:"displayName"`
	Description  *string           `json:"description,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	UnitSingular *string           `json:"unitSingular,omitempty"`
	UnitPlural   *string           `json:"unitPlural,omitempty"`
}

// decisionReply is either check.
type decisionReply struct {
	Feature featureCheck
	Credit  creditCheck
}

func appendDecision(b []byte, d *bursar.Decision, e *engine.Engine) []byte {
	if d.Capability.Kind == bursar.KindCurrency {
		return appendCreditCheck(b, d, e)
	}
	b = append(b, `{"type":"FEATURE"`...)
	b = appendOutcome(b, d)
	f := d.Feature
	if f != nil {
		b = append(b, `,"feature":{"id":`...)
		b = appendID(b, f.ID)
		b = append(b, `,"displayName":`...)
		b = appendString(b, f.DisplayName)
		b = append(b, `,"featureStatus":`...)
		b = appendID(b, f.FeatureStatus)
		b = append(b, `,"featureType":`...)
		b = appendID(b, f.FeatureType)
		b = append(b, '}')
	}
	if f != nil && !undecided(d.Reason) {
		b = append(b, `,"currentUsage":`...)
		b = d.Gate.CurrentUsage.AppendTo(b)
		b = append(b, `,"usageLimit":`...)
		if d.Gate.Unlimited {
			b = append(b, "null"...)
		} else {
			b = d.Gate.UsageLimit.AppendTo(b)
		}
		b = append(b, `,"hasUnlimitedUsage":`...)
		b = strconv.AppendBool(b, d.Gate.Unlimited)
		b = appendPeriod(b, &d.Gate)
		b = appendCosts(b, d.Costs)
		if len(d.Unpriced) > 0 {
			b = append(appendIDs(append(b, `,"unpriced":[`...), d.Unpriced), ']')
		}
	}
	return appendPath(b, d)
}

// appendPeriod appends what a check tells of the promotional entitlement that gates.
func appendPeriod(b []byte, g *bursar.Gate) []byte {
	b = append(b, `,"resetPeriod":`...)
	p := g.Promotion
	if p == nil {
		return append(b, "null"...)
	}
	until := p.EndDate
	if p.ResetPeriod == "" { // its one window never ends
		b = append(b, "null"...)
	} else {
		b = appendID(b, p.ResetPeriod)
		anchor := p.StartDate
		if p.AccordingTo != "" && p.AccordingTo != startOfPromotion {
			anchor = g.PeriodStart
		}
		b = appendTime(append(b, `,"usagePeriodStart":`...), g.PeriodStart)
		b = appendTime(append(b, `,"usagePeriodEnd":`...), g.ResetsAt)
		b = appendTime(append(b, `,"usagePeriodAnchor":`...), anchor)
		if until == 0 || g.ResetsAt < until {
			until = g.ResetsAt
		}
	}
	if until != 0 {
		b = appendTime(append(b, `,"validUntil":`...), until)
	}
	return appendTime(append(b, `,"entitlementUpdatedAt":`...), p.UpdatedAt)
}

func appendCosts(b []byte, costs []bursar.PricedGate) []byte {
	if len(costs) == 0 {
		return b
	}
	b = append(b, `,"costs":[`...)
	for i := range costs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"currencyId":`...)
		b = appendID(b, costs[i].CurrencyID)
		b = append(b, `,"amount":`...)
		b = costs[i].Amount.AppendTo(b)
		b = append(b, '}')
	}
	return append(b, ']')
}

// undecided reports whether a denial says that there was nothing to look at, so that
// the decision has no figures.
func undecided(reason bursar.Code) bool {
	switch reason {
	case bursar.CodeCustomerNotFound, bursar.CodeFeatureNotFound, bursar.CodeEntitlementNotFound,
		bursar.CodeFeatureTypeMismatch, bursar.CodeCustomerResourceNotFound, bursar.CodeCustomerIsArchived:
		return true
	}
	return false
}

func appendOutcome(b []byte, d *bursar.Decision) []byte {
	b = append(b, `,"isGranted":`...)
	b = strconv.AppendBool(b, d.Granted)
	b = append(b, `,"accessDeniedReason":`...)
	if d.Granted {
		return append(b, "null"...)
	}
	return appendID(b, string(d.Reason))
}

// appendPath appends the chains and the binding, the end of a check.
func appendPath(b []byte, d *bursar.Decision) []byte {
	if d.Chains != nil {
		b = append(b, `,"chains":`...)
		b = appendChains(b, d.Chains)
	}
	b = append(b, `,"binding":`...)
	return append(appendWarnings(appendBinding(b, d.Binding), d.Warnings), '}')
}

// appendWarnings appends them where there are any.
func appendWarnings(b []byte, warnings []string) []byte {
	if len(warnings) == 0 {
		return b
	}
	return append(appendIDs(append(b, `,"warnings":[`...), warnings), ']')
}

func appendIDs(b []byte, ids []string) []byte {
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendID(b, id)
	}
	return b
}

func appendCreditCheck(b []byte, d *bursar.Decision, e *engine.Engine) []byte {
	b = append(b, `{"type":"CREDIT"`...)
	b = appendOutcome(b, d)
	b = append(b, `,"currency":`...)
	b = appendCheckCurrency(b, d.Capability.ID, d.Currency)
	g := &d.Gate
	b = append(b, `,"currentUsage":`...)
	b = g.CurrentUsage.AppendTo(b)
	b = append(b, `,"usageLimit":`...)
	b = g.UsageLimit.AppendTo(b)
	b = append(b, `,"usageUpdatedAt":`...)
	at := g.UpdatedAt
	if at == 0 { // there is no such customer or currency, and never null is promised
		at = e.Now()
	}
	b = appendTime(b, at)
	if g.ResetsAt != 0 {
		b = appendTime(append(b, `,"usagePeriodEnd":`...), g.ResetsAt)
		b = appendTime(append(b, `,"validUntil":`...), g.ResetsAt)
	}
	b = append(b, `,"reserved":`...)
	b = g.Reserved.AppendTo(b)
	b = append(b, `,"remaining":`...)
	if g.Unlimited {
		b = append(b, "null"...)
	} else {
		b = bursar.MaxAmount(bursar.Amount{}, g.UsageLimit.Sub(g.CurrentUsage).Sub(g.Reserved)).AppendTo(b)
	}
	return appendPath(b, d)
}

func appendCheckCurrency(b []byte, id string, c *bursar.Currency) []byte {
	b = append(b, `{"currencyId":`...)
	b = appendID(b, id)
	b = append(b, `,"displayName":`...)
	if c == nil {
		return append(appendString(b, id), '}')
	}
	b = appendString(b, c.DisplayName)
	optional := func(name string, s *string) {
		if s != nil {
			b = append(b, name...)
			b = appendString(b, *s)
		}
	}
	optional(`,"description":`, c.Description)
	if len(c.Metadata) > 0 {
		b = append(b, `,"metadata":`...)
		b = appendTextMap(b, c.Metadata)
	}
	if c.Units != nil {
		optional(`,"unitSingular":`, &c.Units.Singular)
		optional(`,"unitPlural":`, &c.Units.Plural)
	}
	return append(b, '}')
}
