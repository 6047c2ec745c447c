package httpapi

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

type denialsQuery struct {
	customerPath
	Limit int `query:"limit" is:"n=1-100,default=20" doc:"The newest ones; there are at most 100."`
}

// denialOut is a check, a consumption or a reservation that was denied.
type denialOut struct {
	ID         string        `json:"id"`
	Timestamp  bursar.Time   `json:"timestamp"`
	Kind       string        `json:"kind" is:"enum=CHECK|CONSUME|RESERVE"`
	FeatureID  *string       `json:"featureId,omitempty"`
	CurrencyID *string       `json:"currencyId,omitempty"`
	Requested  bursar.Amount `json:"requested"`
	Dimensions dims          `json:"dimensions"`
	Reason     bursar.Code   `json:"reason"`
	RequestID  string        `json:"requestId"`
	Binding    bindingView   `json:"binding"`
	Chains     chains        `json:"chains" doc:"The limits on its path, with their figures when it was denied."`
}

// bindingView is a binding, or none.
type bindingView struct{ *bursar.Binding }

func (v bindingView) appendTo(b []byte) []byte { return appendBinding(b, v.Binding) }

// denials are those that this node remembers.
func (a *API) denials(c call, in *denialsQuery) ([]denialOut, uint64, error) {
	out := []denialOut{}
	version, err := a.engine.See(c.ctx, c.options(), in.CustomerID, func(s *ledger.Sight) {
		for _, d := range a.observed.of(in.CustomerID) {
			if len(out) == in.Limit {
				return
			}
			if shown, ok := viewDenial(d, s); ok {
				out = append(out, shown)
			}
		}
	})
	return out, version, err
}

// viewDenial shows what s lets see of a denial: one of a request that named an entity it
// sees, without limits and dimensions that it does not see. ok is false for others.
func viewDenial(d *denial, s *ledger.Sight) (out denialOut, ok bool) {
	out = denialOut{ID: d.id, Timestamp: d.at, Kind: d.kind, Requested: d.requested, Dimensions: d.dims, Reason: d.decision.Reason,
		RequestID: d.requestID, Binding: bindingView{d.decision.Binding}, Chains: d.decision.Chains}
	out.FeatureID, out.CurrencyID = capabilityIDs(d.capability)
	if s.Whole() {
		return out, true
	}
	seen, named := s.Dimensions(d.dims)
	out.Dimensions, out.Chains = seen, chains{}
	for _, chain := range d.decision.Chains {
		chain = slices.DeleteFunc(slices.Clone(chain), func(n bursar.Node) bool { return !s.Limit(n.EntityID, n.ScopeEntityIDs) })
		if len(chain) > 0 {
			out.Chains = append(out.Chains, chain)
		}
	}
	if b := d.decision.Binding; b != nil && (b.Source != bursar.BindingEntity || !s.Limit(b.Node.EntityID, b.Node.ScopeEntityIDs)) {
		out.bindBy(firstRefusing(out.Chains))
	}
	return out, named
}

// firstRefusing is the first limit that does not let through; nil when all do.
func firstRefusing(c chains) *bursar.Node {
	for _, chain := range c {
		for i := range chain {
			if !chain[i].Granted {
				return &chain[i]
			}
		}
	}
	return nil
}

// bindBy shows n as what denied, in place of something that is not seen; where nothing that
// is seen denied, the reason alone tells of it.
func (out *denialOut) bindBy(n *bursar.Node) {
	if out.Binding.Binding = nil; n == nil {
		return
	}
	out.Binding.Binding, out.Reason = &bursar.Binding{Source: bursar.BindingEntity, Node: *n}, bursar.CodeRequestedUsageExceeding
	if n.UsageLimit != nil && !n.CurrentUsage.Add(n.Reserved).Less(*n.UsageLimit) {
		out.Reason = bursar.CodeBudgetExceeded
	}
}
