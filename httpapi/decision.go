package httpapi

import (
	"cmp"

	"github.com/bursarhq/bursar"
)

// What a decision looks like on the wire. These types are what openapi.json describes and
// what replies are made of; decisionwriter.go writes the same for the hot path.

// nodeReply is one limit of a chain.
type nodeReply struct {
	AssignmentID   string             `json:"assignmentId"`
	EntityID       string             `json:"entityId"`
	EntityTypeID   string             `json:"entityTypeId"`
	ScopeEntityIDs []string           `json:"scopeEntityIds"`
	FeatureID      *string            `json:"featureId,omitzero"`
	CurrencyID     *string            `json:"currencyId,omitzero"`
	Label          string             `json:"label"`
	Enforcement    bursar.Enforcement `json:"enforcement" is:"enum=hard|soft"`
	UsageLimit     *bursar.Amount     `json:"usageLimit" doc:"With active boosts; null is unlimited."`
	CurrentUsage   bursar.Amount      `json:"currentUsage"`
	Requested      bursar.Amount      `json:"requested"`
	Reserved       bursar.Amount      `json:"reserved" doc:"Held by open reservations."`
	Remaining      *bursar.Amount     `json:"remaining"`
	ResetsAt       bursar.Time        `json:"resetsAt"`
	IsGranted      bool               `json:"isGranted"`
	Exceeded       bool               `json:"exceeded" doc:"usage + held + requested is above the limit, hard or soft."`
	DefaultOf      *defaultOf         `json:"defaultOf,omitempty" doc:"The default that the limit is by; absent when it is the entity's own."`
}

// bindingReply is what denied: a limit of an entity, with the members of a node, or one of
// the customer, without some of them.
type bindingReply struct {
	Source         bursar.BindingSource `json:"source" is:"enum=ENTITY|CUSTOMER|CREDITS"`
	AssignmentID   *string              `json:"assignmentId,omitzero"`
	EntityID       *string              `json:"entityId"`
	EntityTypeID   *string              `json:"entityTypeId,omitzero"`
	ScopeEntityIDs []string             `json:"scopeEntityIds,omitzero"`
	FeatureID      *string              `json:"featureId,omitzero"`
	CurrencyID     *string              `json:"currencyId,omitzero"`
	Label          *string              `json:"label,omitzero"`
	Enforcement    *bursar.Enforcement  `json:"enforcement,omitzero" is:"enum=hard|soft"`
	UsageLimit     *bursar.Amount       `json:"usageLimit"`
	CurrentUsage   bursar.Amount        `json:"currentUsage"`
	Requested      *bursar.Amount       `json:"requested,omitempty"`
	Reserved       bursar.Amount        `json:"reserved"`
	Remaining      *bursar.Amount       `json:"remaining"`
	ResetsAt       *bursar.Time         `json:"resetsAt"`
	IsGranted      *bool                `json:"isGranted,omitzero"`
	Exceeded       *bool                `json:"exceeded,omitzero"`
	DefaultOf      *defaultOf           `json:"defaultOf,omitempty" doc:"The default that the limit is by; absent when it is the entity's own."`
}

// featureCheck is a decision about a feature.
type featureCheck struct {
	Type               string          `json:"type" is:"enum=FEATURE"`
	IsGranted          bool            `json:"isGranted"`
	AccessDeniedReason *bursar.Code    `json:"accessDeniedReason"`
	AccessDeniedDetail *string         `json:"accessDeniedDetail,omitempty" doc:"Of EntityNotFound and Ungoverned: who was named, and what to do."`
	Feature            *checkFeature   `json:"feature,omitzero"`
	CurrentUsage       *bursar.Amount  `json:"currentUsage,omitempty"`
	UsageLimit         **bursar.Amount `json:"usageLimit,omitzero" doc:"Of the customer's promotional entitlement; null is unlimited."`
	HasUnlimitedUsage  *bool           `json:"hasUnlimitedUsage,omitzero"`
	ResetPeriod        **string        `json:"resetPeriod,omitzero"`
	UsagePeriodStart   *bursar.Time    `json:"usagePeriodStart,omitzero" doc:"With a reset period, as the end and the anchor."`
	UsagePeriodEnd     *bursar.Time    `json:"usagePeriodEnd,omitzero"`
	UsagePeriodAnchor  *bursar.Time    `json:"usagePeriodAnchor,omitzero"`
	ValidUntil         *bursar.Time    `json:"validUntil,omitzero" doc:"When time alone changes the answer next: the period or the entitlement ends."`
	UpdatedAt          *bursar.Time    `json:"entitlementUpdatedAt,omitzero"`
	Costs              []cost          `json:"costs,omitempty" doc:"Of a priced feature: what the request costs in each currency."`
	Unpriced           []string        `json:"unpriced,omitempty" doc:"With the reason Unknown: currencies that the feature has a price in, but not for these dimensions."`
	Chains             [][]nodeReply   `json:"chains,omitzero" doc:"Left out when the request has no dimensions."`
	Binding            *bindingReply   `json:"binding"`
	Advice             *adviceOut      `json:"advice" doc:"How to go on, by what is used and held without this request; null where no hard limit counts."`
	Frozen             *frozenOut      `json:"frozen,omitempty" doc:"What denied where a freeze did, whatever the limits say; binding is null then."`
	Warnings           []string        `json:"warnings,omitempty"`
}

type checkFeature struct {
	ID            string `json:"id"`
	DisplayName   string `json:"displayName"`
	FeatureStatus string `json:"featureStatus"`
	FeatureType   string `json:"featureType"`
}

// creditCheck is a decision about a currency.
type creditCheck struct {
	Type               string         `json:"type" is:"enum=CREDIT"`
	IsGranted          bool           `json:"isGranted"`
	AccessDeniedReason *bursar.Code   `json:"accessDeniedReason"`
	AccessDeniedDetail *string        `json:"accessDeniedDetail,omitempty" doc:"Of EntityNotFound and Ungoverned: who was named, and what to do."`
	Currency           checkCurrency  `json:"currency"`
	CurrentUsage       bursar.Amount  `json:"currentUsage"`
	UsageLimit         *bursar.Amount `json:"usageLimit" doc:"Of the pool: all that was granted; null when no pool gates."`
	UsageUpdatedAt     bursar.Time    `json:"usageUpdatedAt"`
	UsagePeriodEnd     *bursar.Time   `json:"usagePeriodEnd,omitzero" doc:"When the next grant that has credits left expires, as validUntil."`
	ValidUntil         *bursar.Time   `json:"validUntil,omitzero"`
	Reserved           bursar.Amount  `json:"reserved"`
	Remaining          *bursar.Amount `json:"remaining" doc:"null when no pool gates."`
	Chains             [][]nodeReply  `json:"chains,omitzero" doc:"Left out when the request has no dimensions."`
	Binding            *bindingReply  `json:"binding"`
	Advice             *adviceOut     `json:"advice" doc:"How to go on, by what is used and held without this request; null where no hard limit counts."`
	Frozen             *frozenOut     `json:"frozen,omitempty" doc:"What denied where a freeze did, whatever the limits say; binding is null then."`
	Warnings           []string       `json:"warnings,omitempty"`
}

type checkCurrency struct {
	CurrencyID   string            `json:"currencyId"`
	DisplayName  string            `json:"displayName"`
	Description  *string           `json:"description,omitzero"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	UnitSingular *string           `json:"unitSingular,omitzero"`
	UnitPlural   *string           `json:"unitPlural,omitzero"`
}

// decisionReply is either check. Absent is an outer pointer that is nil; where null says
// something too, it is a pointer to a nil one.
type decisionReply struct {
	Feature *featureCheck
	Credit  *creditCheck
}

func (d decisionReply) appendTo(b []byte) []byte {
	if d.Credit != nil {
		return appendBare(b, d.Credit)
	}
	return appendBare(b, d.Feature)
}

// viewDecision shows d, decided at now.
func viewDecision(d *bursar.Decision, now bursar.Time) decisionReply {
	if d.Capability.Kind == bursar.KindCurrency {
		return decisionReply{Credit: viewCreditCheck(d, now)}
	}
	out := &featureCheck{Type: "FEATURE", IsGranted: d.Granted, AccessDeniedReason: deniedFor(d), AccessDeniedDetail: orNil(&d.Because),
		Chains: viewChains(d.Chains), Binding: viewBinding(d.Binding), Advice: viewAdvice(&d.Advice), Frozen: viewFrozen(d.Frozen), Warnings: d.Warnings}
	f, g := d.Feature, &d.Gate
	if f != nil {
		out.Feature = &checkFeature{ID: f.ID, DisplayName: f.DisplayName, FeatureStatus: f.FeatureStatus, FeatureType: f.FeatureType}
	}
	if f == nil || undecided(d.Reason) {
		return decisionReply{Feature: out}
	}
	out.CurrentUsage, out.UsageLimit, out.HasUnlimitedUsage = &g.CurrentUsage, new(&g.UsageLimit), &g.Unlimited
	if g.Unlimited {
		*out.UsageLimit = nil
	}
	out.ResetPeriod = new(*string)
	if p := g.Promotion; p != nil {
		out.ValidUntil, out.UpdatedAt = timeOrNil(validUntil(g)), &p.UpdatedAt
		if p.ResetPeriod != "" {
			*out.ResetPeriod = &p.ResetPeriod
			out.UsagePeriodStart, out.UsagePeriodEnd, out.UsagePeriodAnchor = &g.PeriodStart, &g.ResetsAt, new(anchorOf(g))
		}
	}
	for _, c := range d.Costs {
		out.Costs = append(out.Costs, cost(c.Cost))
	}
	out.Unpriced = d.Unpriced
	return decisionReply{Feature: out}
}

func viewCreditCheck(d *bursar.Decision, now bursar.Time) *creditCheck {
	g := &d.Gate
	out := &creditCheck{Type: "CREDIT", IsGranted: d.Granted, AccessDeniedReason: deniedFor(d), AccessDeniedDetail: orNil(&d.Because), Currency: viewCheckCurrency(d),
		CurrentUsage: g.CurrentUsage, UsageUpdatedAt: cmp.Or(g.UpdatedAt, now),
		UsagePeriodEnd: timeOrNil(g.ResetsAt), ValidUntil: timeOrNil(g.ResetsAt), Reserved: g.Reserved,
		Chains: viewChains(d.Chains), Binding: viewBinding(d.Binding), Advice: viewAdvice(&d.Advice), Frozen: viewFrozen(d.Frozen), Warnings: d.Warnings}
	if !g.Unlimited {
		left := bursar.MaxAmount(bursar.Amount{}, g.UsageLimit.Sub(g.CurrentUsage).Sub(g.Reserved))
		out.UsageLimit, out.Remaining = &g.UsageLimit, &left
	}
	return out
}

// viewCheckCurrency shows the currency of a decision, by its id alone when there is none.
func viewCheckCurrency(d *bursar.Decision) checkCurrency {
	c := d.Currency
	if c == nil {
		return checkCurrency{CurrencyID: d.Capability.ID, DisplayName: d.Capability.ID}
	}
	out := checkCurrency{CurrencyID: d.Capability.ID, DisplayName: c.DisplayName, Description: c.Description, Metadata: c.Metadata}
	if c.Units != nil {
		out.UnitSingular, out.UnitPlural = &c.Units.Singular, &c.Units.Plural
	}
	return out
}

func deniedFor(d *bursar.Decision) *bursar.Code {
	if d.Granted {
		return nil
	}
	return &d.Reason
}

// anchorOf is what the windows of the promotional entitlement of g align with.
func anchorOf(g *bursar.Gate) bursar.Time {
	if to := g.Promotion.AccordingTo; to != "" && to != startOfPromotion {
		return g.PeriodStart
	}
	return g.Promotion.StartDate
}

// validUntil is when time alone changes what the promotional entitlement of g allows, 0 for
// never. Without a reset period its one window never ends.
func validUntil(g *bursar.Gate) bursar.Time {
	until := g.Promotion.EndDate
	if g.Promotion.ResetPeriod != "" && (until == 0 || g.ResetsAt < until) {
		until = g.ResetsAt
	}
	return until
}

func viewChains(chains [][]bursar.Node) [][]nodeReply {
	if chains == nil {
		return nil
	}
	out := make([][]nodeReply, len(chains))
	for i := range chains {
		out[i] = make([]nodeReply, len(chains[i]))
		for j := range chains[i] {
			out[i][j] = viewNode(&chains[i][j])
		}
	}
	return out
}

func viewNode(n *bursar.Node) nodeReply {
	out := nodeReply{
		AssignmentID: n.AssignmentID, EntityID: n.EntityID, EntityTypeID: n.EntityTypeID, ScopeEntityIDs: n.ScopeEntityIDs, Label: n.Label,
		Enforcement: n.Enforcement, UsageLimit: n.UsageLimit, CurrentUsage: n.CurrentUsage, Requested: n.Requested, Reserved: n.Reserved,
		Remaining: n.Remaining(), ResetsAt: n.ResetsAt, IsGranted: n.Granted, Exceeded: n.Exceeded, DefaultOf: viewDefaultOf(n.DefaultOf),
	}
	out.FeatureID, out.CurrencyID = capabilityIDs(n.Capability)
	return out
}

func viewBinding(x *bursar.Binding) *bindingReply {
	if x == nil {
		return nil
	}
	n := &x.Node
	out := &bindingReply{Source: x.Source, UsageLimit: n.UsageLimit, CurrentUsage: n.CurrentUsage, Reserved: n.Reserved, Remaining: n.Remaining()}
	out.FeatureID, out.CurrencyID = capabilityIDs(n.Capability)
	if x.Source != bursar.BindingEntity {
		out.ResetsAt = timeOrNil(n.ResetsAt)
		return out
	}
	out.AssignmentID, out.EntityID, out.EntityTypeID, out.ScopeEntityIDs = &n.AssignmentID, &n.EntityID, &n.EntityTypeID, append([]string{}, n.ScopeEntityIDs...)
	out.Label, out.Enforcement, out.Requested = &n.Label, &n.Enforcement, &n.Requested
	out.ResetsAt, out.IsGranted, out.Exceeded = &n.ResetsAt, &n.Granted, &n.Exceeded
	out.DefaultOf = viewDefaultOf(n.DefaultOf)
	return out
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
