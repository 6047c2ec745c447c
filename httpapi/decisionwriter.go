package httpapi

import (
	"cmp"
	"strconv"

	"github.com/bursarhq/bursar"
)

// Checks, consumptions and reservations are the hot path, and so are their denials: what
// they show of a decision is written by hand here, to the byte as the types of decision.go
// are. A test holds the two together.

// appendDecision appends d as viewDecision shows it.
func appendDecision(b []byte, d *bursar.Decision, now bursar.Time) []byte {
	if d.Capability.Kind == bursar.KindCurrency {
		return appendCreditCheck(b, d, now)
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
	if p.ResetPeriod == "" {
		b = append(b, "null"...)
	} else {
		b = appendID(b, p.ResetPeriod)
		b = appendTime(append(b, `,"usagePeriodStart":`...), g.PeriodStart)
		b = appendTime(append(b, `,"usagePeriodEnd":`...), g.ResetsAt)
		b = appendTime(append(b, `,"usagePeriodAnchor":`...), anchorOf(g))
	}
	if until := validUntil(g); until != 0 {
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

func appendOutcome(b []byte, d *bursar.Decision) []byte {
	b = append(b, `,"isGranted":`...)
	b = strconv.AppendBool(b, d.Granted)
	b = append(b, `,"accessDeniedReason":`...)
	if d.Granted {
		return append(b, "null"...)
	}
	if b = appendID(b, string(d.Reason)); d.Because != "" {
		b = appendString(append(b, `,"accessDeniedDetail":`...), d.Because)
	}
	return b
}

// appendPath appends the chains and the binding, the end of a check.
func appendPath(b []byte, d *bursar.Decision) []byte {
	if d.Chains != nil {
		b = append(b, `,"chains":`...)
		b = appendChains(b, d.Chains)
	}
	b = append(b, `,"binding":`...)
	b = appendFrozen(appendAdvice(appendBinding(b, d.Binding), &d.Advice), d.Frozen)
	return append(appendWarnings(b, d.Warnings), '}')
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

func appendCreditCheck(b []byte, d *bursar.Decision, now bursar.Time) []byte {
	b = append(b, `{"type":"CREDIT"`...)
	b = appendOutcome(b, d)
	b = append(b, `,"currency":`...)
	b = appendCheckCurrency(b, d.Capability.ID, d.Currency)
	g := &d.Gate
	b = append(b, `,"currentUsage":`...)
	b = g.CurrentUsage.AppendTo(b)
	b = append(b, `,"usageLimit":`...)
	if g.Unlimited {
		b = append(b, "null"...)
	} else {
		b = g.UsageLimit.AppendTo(b)
	}
	b = append(b, `,"usageUpdatedAt":`...)
	b = appendTime(b, cmp.Or(g.UpdatedAt, now))
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

// chains are the limits on the path of a request, one list for each dimension that
// resolved, each from the leaf to the root.
type chains [][]bursar.Node

func (c chains) appendTo(b []byte) []byte { return appendChains(b, c) }

func appendChains(b []byte, c [][]bursar.Node) []byte {
	b = append(b, '[')
	for i := range c {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		for j := range c[i] {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendNode(append(b, '{'), &c[i][j])
			b = append(b, '}')
		}
		b = append(b, ']')
	}
	return append(b, ']')
}

// appendNode appends the members of a node.
func appendNode(b []byte, n *bursar.Node) []byte {
	b = append(b, `"assignmentId":`...)
	b = appendID(b, n.AssignmentID)
	b = append(b, `,"entityId":`...)
	b = appendID(b, n.EntityID)
	b = append(b, `,"entityTypeId":`...)
	b = appendID(b, n.EntityTypeID)
	b = append(b, `,"scopeEntityIds":[`...)
	b = append(appendIDs(b, n.ScopeEntityIDs), ']')
	b = appendCapability(b, n.Capability)
	b = append(b, `,"label":`...)
	b = appendID(b, n.Label)
	b = append(b, `,"enforcement":`...)
	b = appendID(b, string(n.Enforcement))
	b = append(b, `,"usageLimit":`...)
	b = appendLimit(b, n.UsageLimit)
	b = append(b, `,"currentUsage":`...)
	b = n.CurrentUsage.AppendTo(b)
	b = append(b, `,"requested":`...)
	b = n.Requested.AppendTo(b)
	b = append(b, `,"reserved":`...)
	b = n.Reserved.AppendTo(b)
	b = append(b, `,"remaining":`...)
	b = appendRemaining(b, n)
	b = append(b, `,"resetsAt":`...)
	b = appendTime(b, n.ResetsAt)
	b = append(b, `,"isGranted":`...)
	b = strconv.AppendBool(b, n.Granted)
	b = append(b, `,"exceeded":`...)
	return appendDefaultOf(strconv.AppendBool(b, n.Exceeded), n.DefaultOf)
}

func appendLimit(b []byte, limit *bursar.Amount) []byte {
	if limit == nil {
		return append(b, "null"...)
	}
	return limit.AppendTo(b)
}

// appendRemaining is n.Remaining without its allocation.
func appendRemaining(b []byte, n *bursar.Node) []byte {
	if n.UsageLimit == nil {
		return append(b, "null"...)
	}
	return bursar.LeftOf(*n.UsageLimit, n.CurrentUsage, n.Reserved, n.Highest).AppendTo(b)
}

// appendID appends a string whose bytes need no escape, such as an id or a label; any
// other is escaped.
func appendID(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			return appendString(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendCapability(b []byte, c bursar.Capability) []byte {
	if c.Kind == bursar.KindCurrency {
		b = append(b, `,"currencyId":`...)
	} else {
		b = append(b, `,"featureId":`...)
	}
	return appendID(b, c.ID)
}

func appendBinding(b []byte, x *bursar.Binding) []byte {
	if x == nil {
		return append(b, "null"...)
	}
	b = append(b, `{"source":"`...)
	b = append(b, x.Source...)
	b = append(b, `",`...)
	n := &x.Node
	if x.Source == bursar.BindingEntity {
		return append(appendNode(b, n), '}')
	}
	b = append(b, `"entityId":null`...)
	b = appendCapability(b, n.Capability)
	b = append(b, `,"usageLimit":`...)
	b = appendLimit(b, n.UsageLimit)
	b = append(b, `,"currentUsage":`...)
	b = n.CurrentUsage.AppendTo(b)
	b = append(b, `,"reserved":`...)
	b = n.Reserved.AppendTo(b)
	b = append(b, `,"remaining":`...)
	b = appendRemaining(b, n)
	b = append(b, `,"resetsAt":`...)
	return append(appendTimeOrNull(b, n.ResetsAt), '}')
}
