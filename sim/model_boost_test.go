package sim

import (
	"slices"

	"github.com/bursarhq/bursar"
)

// mBoost is a raise of one limit for a time.
type mBoost struct {
	bursar.Boost
	amount num
	loan   *mLoan // nil = nothing has less for it
}

func (b *mBoost) active(now bursar.Time) bool {
	return b.CreatedAt <= now && now < b.ExpiresAt && b.EndedAt == nil
}

// effective is the limit with the boosts of the moment; nil when there is none.
func (r *mRow) effective(now bursar.Time) *num {
	if r.limit == nil {
		return nil
	}
	sum := *r.limit
	for _, b := range r.boosts {
		if b.active(now) && (b.loan == nil || b.loan.lasts()) {
			sum = sum.add(b.amount)
		}
	}
	for _, b := range r.lent {
		if b.active(now) && b.loan.lasts() {
			sum = sum.sub(b.amount)
		}
	}
	sum = notBelowZero(sum)
	return &sum
}

const (
	maxActiveBoosts = 20
	maxBoosts       = 100
)

func (m *model) createBoost(customer, row string, in bursar.BoostInput) (bursar.Boost, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return bursar.Boost{}, f
	}
	r := c.row(row)
	if r == nil {
		return bursar.Boost{}, failed(bursar.CodeAssignmentNotFound)
	}
	return c.raise(r, in, caller.ActorID, now)
}

// judgeRaise tells until when a raise would be.
func (r *mRow) judgeRaise(p *problems, in bursar.BoostInput, now bursar.Time) (until bursar.Time) {
	until = in.ExpiresAt.Milli()
	if until == 0 {
		until = bursar.Time(r.window(int64(now)).end)
	}
	if in.Amount.Sign() <= 0 {
		p.at("/amount", bursar.CodeInvalidAmount)
	}
	if r.limit == nil {
		p.at("*", bursar.CodeValidationFailed)
	}
	if until <= now {
		p.at("/expiresAt", bursar.CodeValidationFailed)
	}
	return until
}

// raise makes a boost.
func (c *mCust) raise(r *mRow, in bursar.BoostInput, by string, now bursar.Time) (bursar.Boost, *fail) {
	var p problems
	until := r.judgeRaise(&p, in, now)
	active := 0
	for _, b := range r.raises() {
		if b.active(now) {
			active++
		}
	}
	if active >= maxActiveBoosts {
		p.at("*", bursar.CodeValidationFailed)
	}
	if f := p.err(); f != nil {
		return bursar.Boost{}, f
	}
	lender, f := c.lender(r, in, now)
	if f != nil {
		return bursar.Boost{}, f
	}
	b := &mBoost{amount: numOf(in.Amount), Boost: bursar.Boost{
		ID: c.m.newID("b"), AssignmentID: r.id, Amount: in.Amount, Reason: in.Reason, CreatedAt: now.Milli(), ExpiresAt: until, CreatedBy: by,
	}}
	r.boosts = append(r.boosts, b)
	if lender != nil {
		b.FundedBy, b.loan = lender.entity, &mLoan{c, r, lender}
		lender.lent = append(lender.lent, b)
		c.alertLive(lender, now)
	}
	c.log.wrote(now)
	c.trimBoosts(r, now)
	c.alertLive(r, now)
	return b.Boost, nil
}

// of is the boost as one of r, which may have another id than when the boost was made: an own
// limit takes the place of one by default, and gives it back.
func (b *mBoost) of(r *mRow) bursar.Boost {
	out := b.Boost
	out.AssignmentID = r.id
	return out
}

// trimBoosts forgets the oldest that have ended.
func (c *mCust) trimBoosts(r *mRow, now bursar.Time) {
	for len(r.boosts) > maxBoosts {
		i := slices.IndexFunc(r.boosts, func(b *mBoost) bool { return !b.active(now) })
		r.boosts = slices.Delete(r.boosts, i, i+1)
	}
}

// alertLive: an archived entity tells nothing.
func (c *mCust) alertLive(r *mRow, now bursar.Time) {
	if c.entities[r.entity].ArchivedAt == nil {
		c.alert(r, now)
	}
}

func (m *model) listBoosts(customer, row string) ([]bursar.Boost, *fail) {
	_, r, _, f := m.findRow(customer, row)
	if f != nil {
		return nil, f
	}
	var list []bursar.Boost
	for _, b := range r.raises() {
		list = append(list, b.of(r))
	}
	for _, b := range r.lent {
		if b.loan.c.exists(b.loan.to) {
			list = append(list, b.of(b.loan.to))
		}
	}
	slices.SortStableFunc(list, func(a, b bursar.Boost) int { return compareText(a.ID, b.ID) })
	return list, nil
}

func (m *model) endBoost(customer, row, boost string) (bursar.Boost, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return bursar.Boost{}, f
	}
	r := c.row(row)
	if r == nil {
		return bursar.Boost{}, failed(bursar.CodeAssignmentNotFound)
	}
	for _, b := range r.raises() {
		if b.ID != boost {
			continue
		}
		if b.active(now) {
			at := now.Milli()
			b.EndedAt = &at
			c.log.wrote(now)
			c.alertLive(r, now)
			if b.loan != nil {
				c.alertLive(b.loan.from, now)
			}
		}
		return b.of(r), nil
	}
	return bursar.Boost{}, failed(bursar.CodeBoostNotFound)
}
