package httpapi

import (
	"strconv"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// treeFilters say which rows of the tree are meant.
type treeFilters struct {
	FeatureIDs      []string         `query:"featureIds" is:"n=0-100" doc:"Without features and currencies: one row per entity."`
	CurrencyIDs     []string         `query:"currencyIds" is:"n=0-100"`
	EntityTypeIDs   []string         `query:"entityTypeIds" is:"n=0-100"`
	Scope           ledger.TreeScope `query:"scope" is:"enum=all|nodeWide|scoped,default=all"`
	MinUtilization  *bursar.Amount   `query:"minUtilization" is:"min=0"`
	Search          string           `query:"entityIdSearch" is:"len=1-255" doc:"Part of the id or the display name, in any case."`
	RootEntityID    string           `query:"rootEntityId" doc:"Only this subtree, itself included."`
	Depth           *int             `query:"depth" is:"n=0-9" doc:"Levels below the roots."`
	ParentID        *string          `query:"parentId" doc:"Only direct children."`
	IncludeArchived bool             `query:"includeArchived"`
	Label           *string          `query:"label" is:"label"`
}

type treeQuery struct {
	customerPath
	freshness
	treeFilters
	SortBy ledger.TreeSort `query:"sortBy" is:"enum=utilization|currentUsage|usageLimit|scopeSize|id|createdAt,default=utilization"`
	Order  string          `query:"order" is:"enum=desc|asc,default=desc"`
	After  string          `query:"after" doc:"A cursor: the page behind it."`
	Limit  int             `query:"limit" is:"n=1-1000,default=100"`

	EffectiveFeatureID  string `query:"effectiveFeatureId" doc:"In tree mode: the capability that effective is about, this or effectiveCurrencyId."`
	EffectiveCurrencyID string `query:"effectiveCurrencyId"`
}

// treeRow is an entity, with a limit of it or, in tree mode, without.
type treeRow struct {
	EntityID         string              `json:"entityId"`
	EntityTypeID     string              `json:"entityTypeId"`
	DisplayName      *string             `json:"displayName"`
	ParentID         *string             `json:"parentId"`
	FeatureID        *string             `json:"featureId,omitempty"`
	CurrencyID       *string             `json:"currencyId,omitempty"`
	ScopeEntityIDs   []string            `json:"scopeEntityIds"`
	UsageLimit       *bursar.Amount      `json:"usageLimit"`
	CurrentUsage     *bursar.Amount      `json:"currentUsage"`
	Utilization      *ratio              `json:"utilization" doc:"usage ÷ limit with boosts; 1 for limit 0; null when unlimited."`
	Cadence          *string             `json:"cadence"`
	UsagePeriodStart *bursar.Time        `json:"usagePeriodStart"`
	UsagePeriodEnd   *bursar.Time        `json:"usagePeriodEnd"`
	AssignmentID     *string             `json:"assignmentId"`
	Label            *string             `json:"label"`
	Enforcement      *bursar.Enforcement `json:"enforcement" is:"enum=hard|soft"`
	Reserved         *bursar.Amount      `json:"reserved"`
	Remaining        *bursar.Amount      `json:"remaining"`
	Status           *string             `json:"status" is:"enum=ok|warning|exceeded" doc:"Of this limit by itself."`
	DefaultOf        *defaultOf          `json:"defaultOf,omitempty" doc:"The default that the limit is by; absent when it is the entity's own."`
	Refused          *refusal            `json:"refused" doc:"The newest refusal by this hard limit, in its period, for which too little is still left; of those that this node remembers. The stream tells new ones as events of the name refused: {assignmentId, at, requested}."`
	Effective        *effectiveOut       `json:"effective" doc:"With all that limits it; null in tree mode without effectiveFeatureId and effectiveCurrencyId. What changes above sends no event for the rows below."`
	Frozen           *frozenOut          `json:"frozen,omitempty" doc:"What stops it: the freeze of the entity itself, of the nearest frozen one above it, or of the customer."`
	ChildCount       int                 `json:"childCount"`
	ArchivedAt       *bursar.Time        `json:"archivedAt"`
}

// ratio is a float that is written without an exponent.
type ratio float64

func (r ratio) appendTo(b []byte) []byte { return strconv.AppendFloat(b, float64(r), 'f', -1, 64) }

type treeOut struct {
	Data       []treeRow      `json:"data"`
	Pagination treePagination `json:"pagination"`
	AsOf       bursar.Time    `json:"asOf"`
}

type treePagination struct {
	Next *string `json:"next"`
}

func (treeOut) envelope() {}

func (o treeOut) rows() int { return len(o.Data) }

func viewTreeRow(r *ledger.TreeRow) treeRow {
	out := treeRow{EntityID: r.EntityID, EntityTypeID: r.EntityTypeID, DisplayName: r.DisplayName, ParentID: r.ParentID, ChildCount: r.ChildCount, ArchivedAt: r.ArchivedAt,
		Effective: viewEffective(r.Effective), Frozen: viewFrozen(r.Frozen)}
	l := r.Limit
	if l == nil {
		return out
	}
	out.FeatureID, out.CurrencyID = capabilityIDs(l.Capability)
	cadence := l.Cadence.String()
	out.ScopeEntityIDs, out.UsageLimit, out.CurrentUsage, out.Utilization = l.ScopeEntityIDs, l.UsageLimit, &l.CurrentUsage, (*ratio)(l.Utilization)
	out.Cadence, out.UsagePeriodStart, out.UsagePeriodEnd = &cadence, &l.PeriodStart, &l.PeriodEnd
	out.AssignmentID, out.Label, out.Enforcement = &l.AssignmentID, &l.Label, &l.Enforcement
	out.DefaultOf = viewDefaultOf(l.DefaultOf)
	out.Reserved, out.Remaining, out.Status = &l.Reserved, l.Remaining, orNil(&l.Status)
	return out
}

func (in *treeFilters) query() ledger.TreeQuery {
	query := ledger.TreeQuery{
		TypeIDs: in.EntityTypeIDs, Scope: in.Scope, MinUtilization: in.MinUtilization, Search: in.Search,
		RootEntityID: in.RootEntityID, Depth: in.Depth, ParentID: in.ParentID, IncludeArchived: in.IncludeArchived, Label: in.Label,
	}
	for _, id := range in.FeatureIDs {
		query.Capabilities = append(query.Capabilities, bursar.Capability{Kind: bursar.KindFeature, ID: id})
	}
	for _, id := range in.CurrencyIDs {
		query.Capabilities = append(query.Capabilities, bursar.Capability{Kind: bursar.KindCurrency, ID: id})
	}
	return query
}

func (a *API) tree(c call, in *treeQuery) (out treeOut, _ uint64, _ error) {
	query := in.query()
	query.SortBy, query.Desc, query.Limit = in.SortBy, in.Order == "desc", in.Limit
	if in.EffectiveFeatureID+in.EffectiveCurrencyID != "" {
		var ok bool
		if query.Effective, ok = capability(in.EffectiveFeatureID, in.EffectiveCurrencyID); !ok {
			return out, 0, bursar.ErrorAt("?effectiveCurrencyId", bursar.CodeValidationFailed, "give effectiveFeatureId or effectiveCurrencyId, not both")
		}
	}
	if in.After != "" {
		after, err := c.unseal("after", in.After)
		if err != nil {
			return out, 0, err
		}
		query.After = after
	}
	got, err := a.engine.Tree(c.ctx, c.options(), in.CustomerID, query)
	if err != nil {
		return out, got.Version, err
	}
	out.Data, out.AsOf = make([]treeRow, len(got.Rows)), got.AsOf
	refusals, _ := a.observed.refusals(in.CustomerID, 0, seesAll) // rows show which of them are seen
	for i := range got.Rows {
		out.Data[i] = viewTreeRow(&got.Rows[i])
		out.Data[i].Refused = refusedBy(got.Rows[i].Limit, refusals)
	}
	if got.Next != nil {
		next := c.seal(got.Next)
		out.Pagination.Next = &next
	}
	return out, got.Version, nil
}
