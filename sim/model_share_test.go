package sim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// shares lists the nearest limits without a scope below it, of the row's capability and label,
// on each path. An archived entity's own do not count; the walk goes on below it.
func (c *mCust) shares(tree map[string]bursar.Entity, r *mRow) []*mRow {
	var list []*mRow
	all := c.limitsIn(tree)
	for _, other := range all {
		if other == r || other.cap != r.cap || other.label != r.label || len(other.scope) > 0 || tree[other.entity].ArchivedAt != nil {
			continue
		}
		above := ancestors(tree, other.entity)
		i := slices.Index(above, r.entity)
		if i >= 0 && !slices.ContainsFunc(above[:i], func(id string) bool { return sharedAt(all, tree, id, r) }) {
			list = append(list, other)
		}
	}
	return list
}

// sharedAt: the live entity has a limit without a scope, of the row's capability and label.
func sharedAt(all []*mRow, tree map[string]bursar.Entity, id string, r *mRow) bool {
	return tree[id].ArchivedAt == nil && slices.ContainsFunc(all, func(x *mRow) bool {
		return x.entity == id && x.cap == r.cap && x.label == r.label && len(x.scope) == 0
	})
}

// limitsIn are the limits that there would be if the tree were so.
func (c *mCust) limitsIn(tree map[string]bursar.Entity) []*mRow {
	rows := slices.Clone(c.rows)
	for k, d := range c.defaulted(tree) {
		r := &mRow{entity: k.entity, cap: k.cap, label: k.label}
		r.follow(d)
		rows = append(rows, r)
	}
	return rows
}

func sumOf(rows []*mRow) (sum num, unlimited int) {
	for _, r := range rows {
		if r.limit == nil {
			unlimited++
		} else {
			sum = sum.add(*r.limit)
		}
	}
	return sum, unlimited
}

// broken: a strict limit whose shares do not fit.
func (c *mCust) broken(tree map[string]bursar.Entity, r *mRow) bool {
	if r.allocation != "strict" || tree[r.entity].ArchivedAt != nil {
		return false
	}
	shares := c.shares(tree, r)
	sum, unlimited := sumOf(shares)
	other := slices.ContainsFunc(shares, func(s *mRow) bool {
		return s.cal.cadence != r.cal.cadence || s.timezone != r.timezone || !sameTime(s.cal.anchor, r.cal.anchor)
	})
	return unlimited > 0 || other || sum.cmp(*r.limit) > 0
}

// allocations says which strict limits on the paths from the touched entities to the
// roots are broken; nil when none is.
func (c *mCust) allocations(tree map[string]bursar.Entity, touched []string, in []bursar.AssignmentInput) *fail {
	f := failed(bursar.CodeAllocationExceeded)
	if len(c.defaults) > 0 { // what is above an entity says what it and those below it have by default
		for _, id := range sortedKeys(tree) {
			if slices.ContainsFunc(ancestors(tree, id), func(up string) bool { return slices.Contains(touched, up) }) {
				touched = append(slices.Clip(touched), id)
			}
		}
	}
	for _, id := range touched {
		for _, up := range append([]string{id}, ancestors(tree, id)...) {
			for _, r := range c.rows {
				if r.entity == up && len(r.scope) == 0 && c.broken(tree, r) {
					f.allocations = append(f.allocations, c.problemOf(tree, r, in))
				}
			}
		}
	}
	if len(f.allocations) == 0 {
		return nil
	}
	return f
}

// shortfall is one way in which a strict limit is broken, and where the request is to
// blame; pointer "" = nowhere.
type shortfall struct {
	row     string
	entity  string
	limit   num
	sum     num
	pointer string
}

func (c *mCust) problemOf(tree map[string]bursar.Entity, r *mRow, in []bursar.AssignmentInput) shortfall {
	s := shortfall{row: r.id, entity: r.entity, limit: *r.limit}
	s.sum, _ = sumOf(c.shares(tree, r))
	for i, x := range in {
		if x.Capability == r.cap && x.Label == r.label {
			s.pointer = fmt.Sprintf("/assignments/%d", i)
		}
	}
	return s
}

func (m *model) allocationList(customer string, q ledger.AllocationQuery) ([]ledger.Allocation, *fail) {
	c, _ := m.customer(customer)
	if c == nil {
		return nil, failed(bursar.CodeCustomerNotFound)
	}
	var list []ledger.Allocation
	for _, r := range c.rows {
		if r.cap != q.Capability || q.Label != nil && *q.Label != r.label || len(r.scope) > 0 || c.entities[r.entity].ArchivedAt != nil ||
			q.EntityID != "" && q.EntityID != r.entity {
			continue
		}
		shares := c.shares(c.entities, r)
		sum, unlimited := sumOf(shares)
		a := ledger.Allocation{
			AssignmentID: r.id, EntityID: r.entity, Capability: r.cap, Label: r.label, Strict: r.allocation == "strict",
			Allocated: sum.amount(), Children: len(shares) - unlimited, Unlimited: unlimited,
		}
		if r.limit != nil {
			a.UsageLimit, a.Unallocated = r.limit.ptr(), notBelowZero(r.limit.sub(sum)).ptr()
			a.OverCommitted = notBelowZero(sum.sub(*r.limit)).amount()
		}
		list = append(list, a)
	}
	return list, nil
}

// keepRows gives a function that makes the rows what they are now.
func (c *mCust) keepRows() (undo func()) {
	list, given, taken, ids := slices.Clone(c.rows), maps.Clone(c.given), c.taken, c.m.ids
	values := map[*mRow]mRow{}
	for _, r := range list {
		values[r] = *r
	}
	for _, r := range given {
		values[r] = *r
	}
	return func() {
		for r, v := range values {
			*r = v
		}
		c.rows, c.given, c.taken, c.m.ids = list, given, taken, ids
	}
}

func entitiesOf(in []bursar.AssignmentInput) (ids []string) {
	for _, x := range in {
		ids = append(ids, x.EntityID)
	}
	return ids
}

const maxStrict = 10

// strictAt counts the strict limits of an entity.
func (c *mCust) strictAt(entity string) (n int) {
	for _, r := range c.rows {
		if r.entity == entity && r.allocation == "strict" {
			n++
		}
	}
	return n
}
