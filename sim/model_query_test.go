package sim

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// place is the nearest shown entity above e, or "" for a root: archived ones are
// skipped unless they are asked for.
func (c *mCust) place(e bursar.Entity, archivedToo bool) string {
	for _, id := range ancestors(c.entities, e.ID) {
		if archivedToo || c.entities[id].ArchivedAt == nil {
			return id
		}
	}
	return ""
}

// depthBelow is the number of levels of shown entities from the root, or from the
// customer's roots, down to e; ok is false when e is not in that subtree. A root that is
// not shown is no level, as if each shown entity next below it were one.
func (c *mCust) depthBelow(e bursar.Entity, root string, archivedToo bool) (depth int, ok bool) {
	if e.ID == root {
		return 0, true
	}
	for _, id := range append(ancestors(c.entities, e.ID), "") {
		shown := id != "" && (archivedToo || c.entities[id].ArchivedAt == nil)
		if shown {
			depth++
		}
		if id == root {
			return depth, true
		}
	}
	return 0, false
}

// selected tells whether an entity passes the filters of a tree query.
func (c *mCust) selected(e bursar.Entity, q ledger.TreeQuery) bool {
	depth, in := c.depthBelow(e, q.RootEntityID, q.IncludeArchived)
	switch {
	case e.ArchivedAt != nil && !q.IncludeArchived, !in, q.Depth != nil && depth > *q.Depth:
		return false
	case len(q.TypeIDs) > 0 && !slices.Contains(q.TypeIDs, e.EntityTypeID), !found(e, q.Search):
		return false
	case q.ParentID != nil && c.place(e, q.IncludeArchived) != *q.ParentID:
		return false
	}
	return true
}

// tree lists all rows of a query; the driver pages. No cursor to begin with is one.
func (m *model) tree(customer string, q ledger.TreeQuery) ([]ledger.TreeRow, *fail) {
	c, now := m.customer(customer)
	if c == nil {
		return nil, failed(bursar.CodeCustomerNotFound)
	}
	named := []string{q.RootEntityID}
	if q.ParentID != nil {
		named = append(named, *q.ParentID)
	}
	for _, id := range named {
		if _, known := c.entities[id]; id != "" && !known {
			return nil, failed(bursar.CodeEntityNotFound)
		}
	}
	if q.After != nil {
		return nil, failedAt("?after", bursar.CodeInvalidCursor)
	}
	type sortable struct {
		ledger.TreeRow
		created bursar.Time
	}
	var list []sortable
	for _, e := range c.entities {
		if !c.selected(e, q) {
			continue
		}
		row := c.treeRow(e, q.IncludeArchived)
		if len(q.Capabilities) == 0 {
			list = append(list, sortable{row, e.CreatedAt})
			continue
		}
		for _, r := range c.limits() {
			if r.entity == e.ID && wanted(r, q) {
				row.Limit = r.show(now, c.m.highest(r.cap))
				if q.MinUtilization == nil || row.Limit.Utilization != nil && *row.Limit.Utilization >= q.MinUtilization.Float64() {
					list = append(list, sortable{row, r.created})
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b sortable) int {
		if d := compareBy(a.TreeRow, b.TreeRow, a.created, b.created, q); d != 0 {
			return d
		}
		if d := strings.Compare(a.EntityID, b.EntityID); d != 0 || a.Limit == nil {
			return d
		}
		return strings.Compare(a.Limit.AssignmentID, b.Limit.AssignmentID)
	})
	rows := []ledger.TreeRow{}
	for _, x := range list {
		rows = append(rows, x.TreeRow)
	}
	return rows, nil
}

func (c *mCust) treeRow(e bursar.Entity, archivedToo bool) ledger.TreeRow {
	row := ledger.TreeRow{EntityID: e.ID, EntityTypeID: e.EntityTypeID, DisplayName: e.DisplayName, ArchivedAt: e.ArchivedAt,
		Frozen: c.stopped(append([]string{e.ID}, ancestors(c.entities, e.ID)...))}
	if p := c.place(e, archivedToo); p != "" {
		row.ParentID = &p
	}
	for _, x := range c.entities {
		if x.ParentID != nil && *x.ParentID == e.ID && (archivedToo || x.ArchivedAt == nil) {
			row.ChildCount++
		}
	}
	return row
}

func wanted(r *mRow, q ledger.TreeQuery) bool {
	return slices.Contains(q.Capabilities, r.cap) && (q.Label == nil || *q.Label == r.label) &&
		(q.Scope != ledger.ScopeNodeWide || len(r.scope) == 0) && (q.Scope != ledger.ScopeScoped || len(r.scope) > 0)
}

// utilization is shown as a float64, and what follows from it follows from that.
func (r *mRow) utilization(now bursar.Time) float64 {
	limit := r.effective(now)
	if limit.sign() == 0 {
		return 1
	}
	return r.usedAt(now).ratio(*limit)
}

// leftOf is what a limit lets through: of a maximum any value that is within it, while none
// beyond it came.
func leftOf(limit, used, held num, highest bool) num {
	if highest && used.add(held).cmp(limit) <= 0 {
		return notBelowZero(limit.sub(held))
	}
	return notBelowZero(limit.sub(used).sub(held))
}

func (r *mRow) show(now bursar.Time, highest bool) *ledger.TreeLimit {
	w, used := r.window(int64(now)), r.usedAt(now)
	l := &ledger.TreeLimit{
		AssignmentID: r.id, Capability: r.cap, Label: r.label, ScopeEntityIDs: r.scope, Enforcement: r.enforcement(),
		CurrentUsage: used.amount(), Reserved: r.held.amount(), Cadence: r.cal.cadence,
		PeriodStart: bursar.Time(w.start), PeriodEnd: bursar.Time(w.end),
	}
	if r.by != nil {
		l.DefaultOf = r.by.source()
	}
	if r.limit == nil {
		return l
	}
	u := r.utilization(now)
	limit := r.effective(now)
	l.UsageLimit, l.Utilization = limit.ptr(), &u
	l.Remaining = leftOf(*limit, used, r.held, highest).ptr()
	warnAt := 80
	if len(r.thresholds) > 0 {
		warnAt = r.thresholds[0]
	}
	switch {
	case u >= 1:
		l.Status = "exceeded"
	case u >= float64(warnAt)/100:
		l.Status = "warning"
	default:
		l.Status = "ok"
	}
	return l
}

// compareBy orders by the chosen column; rows without a value come last either way.
func compareBy(a, b ledger.TreeRow, createdA, createdB bursar.Time, q ledger.TreeQuery) int {
	d, known := 0, true
	switch q.SortBy {
	case ledger.SortID:
		d = strings.Compare(a.EntityID, b.EntityID)
	case ledger.SortCreatedAt:
		d = cmp.Compare(createdA, createdB)
	default:
		if a.Limit == nil {
			return 0
		}
		d, known = compareLimits(a.Limit, b.Limit, q.SortBy)
	}
	if q.Desc && known {
		d = -d
	}
	return d
}

// compareLimits: known is false when d places the row that has no value last.
func compareLimits(a, b *ledger.TreeLimit, by ledger.TreeSort) (d int, known bool) {
	switch by {
	case ledger.SortScopeSize:
		return len(a.ScopeEntityIDs) - len(b.ScopeEntityIDs), true
	case ledger.SortCurrentUsage:
		return a.CurrentUsage.Cmp(b.CurrentUsage), true
	}
	switch {
	case a.UsageLimit == nil && b.UsageLimit == nil:
		return 0, false
	case a.UsageLimit == nil:
		return 1, false
	case b.UsageLimit == nil:
		return -1, false
	case by == ledger.SortUsageLimit:
		return a.UsageLimit.Cmp(*b.UsageLimit), true
	}
	return cmp.Compare(*a.Utilization, *b.Utilization), true
}
