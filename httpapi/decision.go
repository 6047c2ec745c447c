package httpapi

import (
	"strconv"

	"github.com/bursarhq/bursar"
)

// What a decision looks like on the wire. Checks are the hot path, so these are written
// by hand; the types below say the same to openapi.json, and a test holds the two
// together.

// nodeReply is one limit of a chain.
type nodeReply struct {
	AssignmentID   string             `json:"assignmentId"`
	EntityID       string             `json:"entityId"`
	EntityTypeID   string             `json:"entityTypeId"`
	ScopeEntityIDs []string           `json:"scopeEntityIds"`
	FeatureID      *string            `json:"featureId,omitempty"`
	CurrencyID     *string            `json:"currencyId,omitempty"`
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
}

// bindingReply is the limit that denied.
type bindingReply struct {
	Source         bursar.BindingSource `json:"source" is:"enum=ENTITY|CUSTOMER|CREDITS"`
	EntityID       *string              `json:"entityId"`
	FeatureID      *string              `json:"featureId,omitempty"`
	CurrencyID     *string              `json:"currencyId,omitempty"`
	UsageLimit     *bursar.Amount       `json:"usageLimit"`
	CurrentUsage   bursar.Amount        `json:"currentUsage"`
	Reserved       bursar.Amount        `json:"reserved"`
	Remaining      *bursar.Amount       `json:"remaining"`
	ResetsAt       *bursar.Time         `json:"resetsAt"`
	AssignmentID   string               `json:"assignmentId,omitempty"`
	EntityTypeID   string               `json:"entityTypeId,omitempty"`
	ScopeEntityIDs []string             `json:"scopeEntityIds,omitempty"`
	Label          *string              `json:"label,omitempty"`
	Enforcement    bursar.Enforcement   `json:"enforcement,omitempty" is:"enum=hard|soft"`
	Requested      *bursar.Amount       `json:"requested,omitempty"`
	IsGranted      *bool                `json:"isGranted,omitempty"`
	Exceeded       *bool                `json:"exceeded,omitempty"`
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
	return strconv.AppendBool(b, n.Exceeded)
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
	left := n.UsageLimit.Sub(n.CurrentUsage).Sub(n.Reserved)
	return bursar.MaxAmount(bursar.Amount{}, left).AppendTo(b)
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
