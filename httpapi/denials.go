package httpapi

import (
	"errors"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
)

type denialsQuery struct {
	customerPath
	paging
	freshness
	denialFilter
}

// denialFilter says which denials are meant.
type denialFilter struct {
	StartDate    bursar.Time `query:"startDate" doc:"The first instant."`
	EndDate      bursar.Time `query:"endDate" doc:"The end, exclusive; now when left out."`
	EntityID     string      `query:"entityId" doc:"Only of requests that named this entity or, as the tree is now, one below it."`
	FeatureID    string      `query:"featureId" is:"id" doc:"Only of requests about this feature. Excludes currencyId."`
	CurrencyID   string      `query:"currencyId" is:"id" doc:"Only of requests about this currency."`
	AssignmentID string      `query:"assignmentId" doc:"Only those that this limit denied, as binding shows; it may have been deleted since."`
	Reason       bursar.Code `query:"reason" is:"enum=BudgetExceeded|RequestedUsageExceedingLimit|InsufficientCredits|EntityIsFrozen|CustomerIsFrozen|EntityNotFound|Ungoverned|Unknown" doc:"Only those with this reason."`
}

// check refuses what is not meant by anything.
func (f *denialFilter) check(a *API) error {
	if f.EndDate != 0 && f.EndDate <= f.StartDate {
		return bursar.ErrorAt("?endDate", bursar.CodeValidationFailed, "must be after startDate")
	}
	if f.FeatureID == "" && f.CurrencyID == "" {
		return nil
	}
	asked, ok := capability(f.FeatureID, f.CurrencyID)
	if !ok {
		return bursar.ErrorAt("?currencyId", bursar.CodeValidationFailed, "give featureId or currencyId, not both")
	}
	return a.known(asked)
}

// takes tells whether a denial is meant that is shown with these.
func (f *denialFilter) takes(featureID, currencyID *string, reason bursar.Code, assignmentID *string) bool {
	return (f.FeatureID == "" || orZero(featureID) == f.FeatureID) && (f.CurrencyID == "" || orZero(currencyID) == f.CurrencyID) &&
		(f.Reason == "" || reason == f.Reason) && (f.AssignmentID == "" || orZero(assignmentID) == f.AssignmentID)
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

func denialAt(d *denialOut) ledger.ListPos {
	return ledger.ListPos{CreatedAt: d.Timestamp.Milli(), ID: d.ID}
}

// denials lists those that are kept and those that this node remembers, newest first.
func (a *API) denials(c call, in *denialsQuery, p ledger.ListPage) (ledger.Page[denialOut], uint64, error) {
	if err := in.denialFilter.check(a); err != nil {
		return ledger.Page[denialOut]{}, 0, err
	}
	var more []*engine.Denial
	for _, d := range a.observed.of(in.CustomerID) {
		more = append(more, &d.Denial)
	}
	q := engine.DenialQuery{From: in.StartDate, To: in.EndDate, EntityID: in.EntityID, AssignmentID: in.AssignmentID, ListPage: p}
	page, version, err := engine.ListDenials(c.ctx, a.engine, c.options(), in.CustomerID, q, more, func(s *ledger.Sight, d *engine.Denial) (denialOut, bool) {
		out, ok := viewDenial(d, s)
		var limit *string
		if out.Binding != nil {
			limit = out.Binding.AssignmentID
		}
		return out, ok && in.takes(out.FeatureID, out.CurrencyID, out.Reason, limit)
	})
	return page, version, atQuery("?entityId", err)
}

// atQuery has an error about an entity say which parameter names it.
func atQuery(pointer string, err error) error {
	var e *bursar.Error
	if errors.As(err, &e) && e.Code == bursar.CodeEntityNotFound {
		return bursar.ErrorAt(pointer, e.Code, "%s", e.Message)
	}
	return err
}

// viewDenial shows what s lets see of a denial: one of a request that named an entity it
// sees, without limits and dimensions that it does not see. ok is false for others.
func viewDenial(d *engine.Denial, s *ledger.Sight) (out denialOut, ok bool) {
	reason, binding, chains, dims, named := d.Decision.Reason, d.Decision.Binding, d.Decision.Chains, d.Dimensions, true
	frozen := viewFrozen(d.Decision.Frozen)
	if !s.Whole() {
		dims, named = s.Dimensions(d.Dimensions)
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
	out = denialOut{ID: d.ID, Timestamp: d.At, Kind: d.Kind, Requested: d.Requested, Dimensions: dims, Reason: reason,
		RequestID: d.RequestID, Binding: viewBinding(binding), Frozen: frozen, Chains: viewChains(chains)}
	out.FeatureID, out.CurrencyID = capabilityIDs(d.Capability)
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
