package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

type boostPart struct {
	ID      string        `json:"id"`
	Amount  bursar.Amount `json:"amount"`
	Created bursar.Time   `json:"createdAt"`
	Expires bursar.Time   `json:"expiresAt"`
	Ended   bursar.Time   `json:"endedAt"`
	Reason  *string       `json:"reason"`
	By      string        `json:"createdBy"`
}

func boostParts(boosts []*record.Boost) []boostPart {
	list := make([]boostPart, len(boosts))
	for i, b := range boosts {
		list[i] = boostPart{store.FormatID(b.ID), b.Amount, b.Created, b.Expires, b.Ended, b.Reason, b.By}
	}
	return list
}

func restoredBoosts(list []boostPart) (boosts []*record.Boost) {
	for _, b := range list {
		id, _ := store.ParseID(b.ID)
		boosts = append(boosts, &record.Boost{ID: id, Amount: b.Amount, Created: b.Created, Expires: b.Expires, Ended: b.Ended, Reason: b.Reason, By: b.By})
	}
	return boosts
}

// keptBoosts bounds the boosts of a row that are remembered, maxBoosts those that are active.
const (
	keptBoosts = 100
	maxBoosts  = 20
)

type CreateBoost struct {
	Caller catalogue.Caller
	Row    string
	In     bursar.BoostInput
}

const maxReason = 500 // characters

func (o *CreateBoost) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	row := d.findRowID(o.Row)
	if row == 0 {
		return nil, errNoAssignment(o.Row)
	}
	if now := d.assignmentOut(row); o.Caller.IfMatch != "" {
		if err := o.Caller.StillAt(&now); err != nil {
			return nil, err
		}
	}
	return d.raise(&o.Caller, row, &o.In)
}

// raise makes a boost of a row.
func (d *Decider) raise(caller *catalogue.Caller, row uint32, in *bursar.BoostInput) (out bursar.Boost, _ error) {
	var p bursar.Problems
	def := d.Def(row)
	expires := d.checkRaise(row, def, in, &p)
	if d.activeBoosts(row) >= maxBoosts {
		p.Add("/amount", bursar.CodeValidationFailed, "an assignment has at most %d boosts at a time", maxBoosts)
	}
	if err := p.Err(); err != nil {
		return out, err
	}
	lender, err := d.lender(row, in)
	if err != nil {
		return out, err
	}
	row = d.makeRow(row)
	loan := record.Loan{Row: row}
	if lender != 0 {
		loan.Lender, loan.LenderEnt = d.makeRow(lender), d.Def(lender).Ent
	}
	// The boost counts from now on: Created is the beginning of this millisecond.
	loan.Boost = record.Boost{ID: d.NextID(), Amount: in.Amount, Created: d.Now.Milli(), Expires: expires, Reason: in.Reason, By: caller.ActorID}
	if lender == 0 {
		d.Emit(&record.BoostMade{Row: row, Boost: loan.Boost})
	} else {
		d.Emit(&record.BoostLent{Loan: loan})
		d.alertOn(loan.Lender)
	}
	d.alertOn(row)
	out = d.loanOut(&loan)
	d.audit(caller, "boost.created", "boost", out.ID, d.Ent(def.Ent).ID, nil, boostAudit(out))
	return out, nil
}

// activeBoosts is how many raise a row now.
func (v *View) activeBoosts(row uint32) (n int) {
	for _, b := range v.boostsOf(row) {
		if b.ActiveAt(v.Now) {
			n++
		}
	}
	for _, l := range v.loansOf(row) {
		if l.Row == v.made(row) && l.ActiveAt(v.Now) {
			n++
		}
	}
	return n
}

// checkRaise adds to p what is wrong with a raise of a row, and tells until when it is.
func (d *Decider) checkRaise(row uint32, def *record.Limit, in *bursar.BoostInput, p *bursar.Problems) (expires bursar.Time) {
	if in.Amount.Sign() <= 0 || !in.Amount.InRange() {
		p.Add("/amount", bursar.CodeInvalidAmount, "a boost is above 0")
	}
	if !def.Limited {
		p.Add("/amount", bursar.CodeValidationFailed, "the assignment is unlimited: there is nothing to raise")
	}
	if expires = in.ExpiresAt.Milli(); expires == 0 {
		expires = d.Current(row, def).End
	}
	if expires <= d.Now {
		p.Add("/expiresAt", bursar.CodeValidationFailed, "expiresAt %s is not in the future (now is %s)", expires, d.Now)
	}
	checkReason("/reason", in.Reason, p)
	return expires
}

func checkReason(at string, reason *string, p *bursar.Problems) {
	if reason == nil {
		return
	}
	if err := bursar.CheckText(*reason, maxReason); err != nil {
		p.Add(at, bursar.CodeValidationFailed, "a reason %v", err)
	}
}

type EndBoost struct {
	Caller  catalogue.Caller
	Row, ID string
}

func (o *EndBoost) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	row := d.findRowID(o.Row)
	if row == 0 {
		return nil, errNoAssignment(o.Row)
	}
	id, _ := store.ParseID(o.ID)
	for _, l := range d.raises(row) {
		if l.ID != id {
			continue
		}
		now := d.loanOut(l)
		if err := o.Caller.StillAt(&now); err != nil {
			return nil, err
		}
		if !l.ActiveAt(d.Now) {
			return now, nil
		}
		d.Emit(&record.BoostEnded{Row: row, ID: id, At: d.Now.Milli()})
		d.alertOn(row)
		if l.Lender != 0 {
			d.alertOn(l.Lender)
		}
		n := *l
		n.Ended = d.Now.Milli()
		out := d.loanOut(&n)
		d.audit(&o.Caller, "boost.ended", "boost", out.ID, d.Ent(d.Def(row).Ent).ID, boostAudit(now), boostAudit(out))
		return out, nil
	}
	return nil, bursar.Errorf(bursar.CodeBoostNotFound, "the assignment has no boost %.64q", o.ID)
}

// BoostsOn are an assignment's boosts, ended ones too, and those of others that it funds, in the
// order in which they were made.
func (v *View) BoostsOn(assignment string) ([]bursar.Boost, error) {
	row := v.findRowID(assignment)
	if row == 0 {
		return nil, errNoAssignment(assignment)
	}
	out := []bursar.Boost{}
	list := v.raises(row)
	for _, l := range v.loansOf(row) {
		if l.Row != v.made(row) && v.SeesRow(v.rawDef(l.Row)) {
			list = append(list, l)
		}
	}
	slices.SortStableFunc(list, func(a, b *record.Loan) int { return record.ComparePlaces(a.ID, b.ID) })
	for _, l := range list {
		out = append(out, v.loanOut(l))
	}
	return out, nil
}

// raises are the boosts of a row, lent or not.
func (v *View) raises(row uint32) (list []*record.Loan) {
	row = v.made(row)
	for _, b := range v.boostsOf(row) {
		list = append(list, &record.Loan{Row: row, Boost: *b})
	}
	for _, l := range v.loansOf(row) {
		if l.Row == row {
			list = append(list, l)
		}
	}
	return list
}

// loanOut shows a boost. Who funds it is told to whom sees that entity.
func (v *View) loanOut(l *record.Loan) bursar.Boost {
	out := bursar.Boost{ID: store.FormatID(l.ID), AssignmentID: store.FormatID(v.RowID(l.Row)), Amount: l.Amount, Reason: l.Reason, CreatedAt: l.Created,
		ExpiresAt: l.Expires, CreatedBy: l.By}
	if l.Ended != 0 {
		t := l.Ended
		out.EndedAt = &t
	}
	if l.LenderEnt != 0 && v.Sees(l.LenderEnt) {
		out.FundedBy = v.Ent(l.LenderEnt).ID
	}
	return out
}

func boostAudit(b bursar.Boost) map[string]any {
	m := map[string]any{"assignmentId": b.AssignmentID, "amount": b.Amount, "reason": b.Reason, "expiresAt": b.ExpiresAt, "endedAt": b.EndedAt}
	if b.FundedBy != "" {
		m["fundedBy"] = b.FundedBy
	}
	return m
}

func (v *View) boostsOf(row uint32) []*record.Boost {
	row = v.made(row)
	if b, ok := v.bsts[row]; ok {
		return b
	}
	return v.boosts[row]
}

func (v *View) applyBoostEnded(r *record.BoostEnded) {
	list := slices.Clone(v.boostsOf(r.Row))
	i := slices.IndexFunc(list, func(b *record.Boost) bool { return b.ID == r.ID })
	if i < 0 {
		v.endLoan(r)
		return
	}
	n := *list[i]
	n.Ended = r.At
	list[i] = &n
	put(v, &v.bsts, r.Row, list)
}

// noBoosts tells that all limits are what they say.
func (v *View) noBoosts() bool { return len(v.boosts)+len(v.bsts)+len(v.loans)+len(v.lns) == 0 }

// LimitNow is the limit of a row with the boosts of now, and without what it lends.
func (v *View) LimitNow(row uint32, def *record.Limit) bursar.Amount {
	limit := def.Limit
	if v.noBoosts() {
		return limit
	}
	for _, b := range v.boostsOf(row) {
		if b.ActiveAt(v.Now) {
			limit = limit.Add(b.Amount)
		}
	}
	return v.withLoans(row, limit)
}
