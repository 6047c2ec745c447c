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
	Binding    *bindingReply `json:"binding"`
	Frozen     *frozenOut    `json:"frozen,omitempty" doc:"What denied where a freeze did; binding is null then."`
	Chains     [][]nodeReply `json:"chains" doc:"The limits on its path, with their figures when it was denied."`
}

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
	reason, binding, chains, dims, named := d.decision.Reason, d.decision.Binding, d.decision.Chains, d.dims, true
	frozen := viewFrozen(d.decision.Frozen)
	if !s.Whole() {
		dims, named = s.Dimensions(d.dims)
		chains = seenOf(chains, s)
		if frozen != nil && frozen.EntityID != nil && !s.Entity(*frozen.EntityID) {
			frozen.EntityID = nil
		}
		if binding != nil && (binding.Source != bursar.BindingEntity || !s.Limit(binding.Node.EntityID, binding.Node.ScopeEntityIDs)) {
			reason, binding = boundBy(firstRefusing(chains), reason)
		} else if binding != nil {
			b := *binding
			b.Node.DefaultOf = seenDefault(b.Node.DefaultOf, s)
			binding = &b
		}
	}
	out = denialOut{ID: d.id, Timestamp: d.at, Kind: d.kind, Requested: d.requested, Dimensions: dims, Reason: reason,
		RequestID: d.requestID, Binding: viewBinding(binding), Frozen: frozen, Chains: viewChains(chains)}
	out.FeatureID, out.CurrencyID = capabilityIDs(d.capability)
	return out, named
}

// seenOf are the limits of chains that s sees, without chains that have none.
func seenOf(chains [][]bursar.Node, s *ledger.Sight) (seen [][]bursar.Node) {
	for _, chain := range chains {
		chain = slices.DeleteFunc(slices.Clone(chain), func(n bursar.Node) bool { return !s.Limit(n.EntityID, n.ScopeEntityIDs) })
		for i := range chain {
			chain[i].DefaultOf = seenDefault(chain[i].DefaultOf, s)
		}
		if len(chain) > 0 {
			seen = append(seen, chain)
		}
	}
	return seen
}

// seenDefault is x, without the entity where s does not see it. x itself is not changed.
func seenDefault(x *bursar.DefaultSource, s *ledger.Sight) *bursar.DefaultSource {
	if x == nil || x.EntityID == "" || s.Entity(x.EntityID) {
		return x
	}
	shown := *x
	shown.EntityID = ""
	return &shown
}

// firstRefusing is the first limit that does not let through; nil when all do.
func firstRefusing(chains [][]bursar.Node) *bursar.Node {
	for _, chain := range chains {
		for i := range chain {
			if !chain[i].Granted {
				return &chain[i]
			}
		}
	}
	return nil
}

// boundBy is n as what denied, in place of something that is not seen, and the reason that
// it gives. Where nothing that is seen denied, the reason alone tells of it.
func boundBy(n *bursar.Node, reason bursar.Code) (bursar.Code, *bursar.Binding) {
	if n == nil {
		return reason, nil
	}
	return n.Refusal(), &bursar.Binding{Source: bursar.BindingEntity, Node: *n}
}
