package sim

import (
	"slices"

	"github.com/bursarhq/bursar"
)

// mLoan is who funds a boost of whom.
type mLoan struct {
	c        *mCust
	to, from *mRow
}

// exists tells whether a row is there at all, be it that nothing says its limit just now.
func (c *mCust) exists(r *mRow) bool { return slices.Contains(c.rows, r) || c.given[r.key()] == r }

// lasts: both are limits, of what is live.
func (l *mLoan) lasts() bool {
	for _, r := range []*mRow{l.to, l.from} {
		if !l.c.exists(r) || r.idle() || l.c.entities[r.entity].ArchivedAt != nil {
			return false
		}
	}
	return true
}

// raises are the boosts of a row. One is forgotten with the limit that funded it.
func (r *mRow) raises() (list []*mBoost) {
	for _, b := range r.boosts {
		if b.loan == nil || b.loan.c.exists(b.loan.from) {
			list = append(list, b)
		}
	}
	return list
}

// lender finds the limit that is to fund a boost: of an entity above, of the same capability,
// label, scope and cadence, with as much left. nil = none is to.
func (c *mCust) lender(r *mRow, in bursar.BoostInput, now bursar.Time) (*mRow, *fail) {
	if in.FundedBy == "" {
		return nil, nil
	}
	const at = "/fundedBy"
	e, known := c.entities[in.FundedBy]
	if !known {
		return nil, failedAt(at, bursar.CodeEntityNotFound)
	}
	if !slices.Contains(ancestors(c.entities, r.entity), in.FundedBy) || e.ArchivedAt != nil {
		return nil, failedAt(at, bursar.CodeValidationFailed)
	}
	for _, x := range c.limits() {
		if x.entity != in.FundedBy || x.cap != r.cap || x.label != r.label || !slices.Equal(x.scope, r.scope) {
			continue
		}
		lends, lent := 0, num{}
		for _, b := range x.lent {
			if b.active(now) && c.exists(b.loan.to) {
				lends, lent = lends+1, lent.add(b.amount)
			}
		}
		switch {
		case x.limit == nil || x.cal.cadence != r.cal.cadence || lends >= 50:
			return nil, failedAt(at, bursar.CodeValidationFailed)
		case x.limit.sub(lent).sub(x.usedAt(now)).sub(x.held).cmp(numOf(in.Amount)) < 0:
			return nil, failedAt(at, bursar.CodeInsufficientBudget)
		}
		return x, nil
	}
	return nil, failedAt(at, bursar.CodeValidationFailed)
}
