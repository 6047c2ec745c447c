package ledger

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// A boost may be funded: for as long as it lasts, a limit of an entity above has as much less. Both
// rows have the loan in their lists. It counts while it is in force and both are limits: where one is
// deleted, or its entity archived, the other is again as it was.

// keptLoans bounds the loans of a row that are remembered, beside those in force, maxLoans those in
// force that it lends.
const (
	keptLoans = 100
	maxLoans  = 50
)

type loanPart struct {
	Boost     boostPart `json:"boost"`
	Row       uint32    `json:"row"`
	Lender    uint32    `json:"lender"`
	LenderEnt uint32    `json:"lenderEntity"`
}

func loanParts(loans []*record.Loan) []loanPart {
	list := make([]loanPart, len(loans))
	for i, l := range loans {
		list[i] = loanPart{boostParts([]*record.Boost{&l.Boost})[0], l.Row, l.Lender, l.LenderEnt}
	}
	return list
}

func restoredLoans(list []loanPart) (loans []*record.Loan) {
	for _, p := range list {
		loans = append(loans, &record.Loan{Row: p.Row, Lender: p.Lender, LenderEnt: p.LenderEnt, Boost: *restoredBoosts([]boostPart{p.Boost})[0]})
	}
	return loans
}

// loansOf are the loans that a row was given, and that it gave, as far as the other row is there.
func (v *View) loansOf(row uint32) []*record.Loan {
	row = v.made(row)
	list, ok := v.lns[row]
	if !ok {
		list = v.loans[row]
	}
	gone := func(l *record.Loan) bool { return v.rawDef(l.Row) == nil || v.rawDef(l.Lender) == nil }
	if slices.ContainsFunc(list, gone) {
		return slices.DeleteFunc(slices.Clone(list), gone)
	}
	return list
}

// withLoans is the limit of a row with what it was lent, and without what it lends now.
func (v *View) withLoans(row uint32, limit bursar.Amount) bursar.Amount {
	row = v.made(row)
	for _, l := range v.loansOf(row) {
		switch {
		case !l.ActiveAt(v.Now) || !v.limits(l.Row) || !v.limits(l.Lender):
		case l.Row == row:
			limit = limit.Add(l.Amount)
		default:
			limit = limit.Sub(l.Amount)
		}
	}
	return bursar.MaxAmount(limit, bursar.Amount{}) // it may have been lowered since
}

// limits tells whether a row is the limit of a live entity.
func (v *View) limits(row uint32) bool {
	def := v.Def(row)
	return def != nil && !def.Idle() && v.Ent(def.Ent).Archived == 0
}

// lender is the limit that funds a raise of a row; 0 = none is to.
func (d *Decider) lender(row uint32, in *bursar.BoostInput) (lender uint32, err error) {
	if in.FundedBy == "" {
		return 0, nil
	}
	wrong := func(code bursar.Code, format string, args ...any) (uint32, error) {
		return 0, bursar.ErrorAt("/fundedBy", code, format, args...)
	}
	def, ent := d.Def(row), d.EntOrd(in.FundedBy)
	if ent == 0 {
		return wrong(bursar.CodeEntityNotFound, "%s", d.noEntity(in.FundedBy))
	}
	if ent == def.Ent || !d.within(def.Ent, ent) {
		return wrong(bursar.CodeValidationFailed, "%q is not above %q, whose limit is to be raised", in.FundedBy, d.Ent(def.Ent).ID)
	}
	if lender = d.limitLike(Target{ent, def.Scope}, def.Cap, def.Label); lender != 0 {
		if own := d.Def(lender); !own.Limited || own.Sched.Cadence != def.Sched.Cadence || d.Ent(ent).Archived != 0 {
			lender = 0
		}
	}
	if lender == 0 {
		return wrong(bursar.CodeValidationFailed, "%q has no limit to lend from: it takes one with a number, of the same feature or currency, cadence, label and scope", in.FundedBy)
	}
	own := d.Def(lender)
	lends, limit := 0, own.Limit // without what raises it, which may end before the loan does
	for _, l := range d.loansOf(lender) {
		if l.Lender == d.made(lender) && l.ActiveAt(d.Now) {
			lends, limit = lends+1, limit.Sub(l.Amount)
		}
	}
	if lends >= maxLoans {
		return wrong(bursar.CodeValidationFailed, "a limit funds at most %d boosts at a time", maxLoans)
	}
	c := d.Standing(lender, own)
	if left := limit.Sub(c.Used).Sub(c.Held); left.Less(in.Amount) {
		return wrong(bursar.CodeInsufficientBudget, "%q has %s left of %s, less than the %s that it is to lend: boosts of its own are not lent on", in.FundedBy,
			bursar.MaxAmount(left, bursar.Amount{}), bursar.MaxAmount(limit, bursar.Amount{}), in.Amount)
	}
	return lender, nil
}

// limitLike is the limit of an entity, by itself or by default, of a capability, scope and label; 0 = none.
func (v *View) limitLike(t Target, cap uint32, label string) uint32 {
	row := v.FindRow(t, cap, label)
	switch {
	case row == 0 && len(t.scope) == 0 && !v.byDefault(t.Ent, cap, label).Idle():
		return v.unmadeNumber(unmadeRow{t.Ent, cap, label})
	case row == 0 || v.Def(row).Idle():
		return 0
	}
	return row
}

func (v *View) applyBoostLent(r *record.BoostLent) error {
	loan := r.Loan
	if v.rawDef(r.Row) == nil || v.rawDef(r.Lender) == nil || r.Row == r.Lender || !v.isEntity(r.LenderEnt) {
		return fmt.Errorf("%w: a boost of row %d that row %d of entity %d funds", record.ErrRecord, r.Row, r.Lender, r.LenderEnt)
	}
	for _, row := range []uint32{r.Row, r.Lender} {
		put(v, &v.lns, row, append(slices.Clone(v.loansOf(row)), &loan))
	}
	for _, row := range []uint32{r.Row, r.Lender} {
		for len(v.loansOf(row)) > keptLoans {
			i := slices.IndexFunc(v.loansOf(row), func(l *record.Loan) bool { return !l.ActiveAt(loan.Created) })
			if i < 0 {
				break
			}
			v.forgetLoan(v.loansOf(row)[i])
		}
	}
	return nil
}

// forgetLoan takes a loan off the lists of both its rows.
func (v *View) forgetLoan(l *record.Loan) {
	for _, row := range []uint32{l.Row, l.Lender} {
		put(v, &v.lns, row, slices.DeleteFunc(slices.Clone(v.loansOf(row)), func(x *record.Loan) bool { return x.ID == l.ID }))
	}
}

// isEntity tells whether a number is that of an entity.
func (v *View) isEntity(ord uint32) bool { return ord > 0 && int(ord) < v.entCount }

// endLoan ends a loan before its time, for both rows.
func (v *View) endLoan(r *record.BoostEnded) {
	lender := uint32(0)
	end := func(row uint32) {
		list := slices.Clone(v.loansOf(row))
		for i, l := range list {
			if l.ID == r.ID {
				n := *l
				n.Ended, lender = r.At, l.Lender
				list[i] = &n
				put(v, &v.lns, row, list)
			}
		}
	}
	if end(r.Row); lender != 0 {
		end(lender)
	}
}

func (v *View) mergeLoans() {
	for row := range v.lns {
		if v.rawDef(row) != nil {
			v.State.setLoans(row, v.loansOf(row))
		}
	}
}

// setLoans puts the loans of a row in the place of those that it had.
func (s *State) setLoans(row uint32, loans []*record.Loan) {
	if len(loans) == 0 {
		delete(s.loans, row)
		loans = nil
	} else {
		s.loans[row] = loans
	}
	s.Dirty.part(partLoans, row, loans)
	c, _ := s.counters.at(row)
	s.ranks.setLends(row, s.Rows.At(row), &c, lends(row, loans))
}

func lends(row uint32, loans []*record.Loan) bool {
	return slices.ContainsFunc(loans, func(l *record.Loan) bool { return l.Lender == row })
}

// dropLoans forgets the loans of a deleted row, also where they are another's.
func (s *State) dropLoans(row uint32) {
	for _, l := range s.loans[row] {
		other := l.Lender
		if other == row {
			other = l.Row
		}
		s.setLoans(other, slices.DeleteFunc(slices.Clone(s.loans[other]), func(x *record.Loan) bool { return x.ID == l.ID }))
	}
	if _, ok := s.loans[row]; ok {
		s.setLoans(row, nil)
	}
}

func (s *State) soundLoans(isEntity, isRow func(uint32) bool) bool {
	for row, list := range s.loans {
		for _, l := range list {
			if !isRow(l.Row) || !isRow(l.Lender) || l.Row != row && l.Lender != row || !isEntity(l.LenderEnt) || l.LenderEnt == 0 {
				return false
			}
		}
	}
	return true
}
