package ledger

import (
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
	_, out, err := d.raise(&o.Caller, row, &o.In)
	return out, err
}

// raise makes a boost of a row.
func (d *Decider) raise(caller *catalogue.Caller, row uint32, in *bursar.BoostInput) (*record.Boost, bursar.Boost, error) {
	var p bursar.Problems
	def := d.Def(row)
	expires := d.checkRaise(row, def, in, &p)
	active := 0
	for _, b := range d.boostsOf(row) {
		if b.ActiveAt(d.Now) {
			active++
		}
	}
	if active >= maxBoosts {
		p.Add("/amount", bursar.CodeValidationFailed, "an assignment has at most %d boosts at a time", maxBoosts)
	}
	if err := p.Err(); err != nil {
		return nil, bursar.Boost{}, err
	}
	row = d.makeRow(row)
	// The boost counts from now on: Created is the beginning of this millisecond.
	b := record.Boost{ID: d.NextID(), Amount: in.Amount, Created: d.Now.Milli(), Expires: expires, Reason: in.Reason, By: caller.ActorID}
	d.Emit(&record.BoostMade{Row: row, Boost: b})
	d.alertOn(row)
	out := boostOut(d.RowID(row), &b)
	d.audit(caller, "boost.created", "boost", out.ID, d.Ent(def.Ent).ID, nil, boostAudit(out))
	return &b, out, nil
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
	for _, b := range d.boostsOf(row) {
		if b.ID != id {
			continue
		}
		now := boostOut(d.RowID(row), b)
		if err := o.Caller.StillAt(&now); err != nil {
			return nil, err
		}
		if !b.ActiveAt(d.Now) {
			return now, nil
		}
		before := boostAudit(boostOut(d.RowID(row), b))
		d.Emit(&record.BoostEnded{Row: row, ID: id, At: d.Now.Milli()})
		d.alertOn(row)
		n := *b
		n.Ended = d.Now.Milli()
		out := boostOut(d.RowID(row), &n)
		d.audit(&o.Caller, "boost.ended", "boost", out.ID, d.Ent(d.Def(row).Ent).ID, before, boostAudit(out))
		return out, nil
	}
	return nil, bursar.Errorf(bursar.CodeBoostNotFound, "the assignment has no boost %.64q", o.ID)
}

// BoostsOn are an assignment's boosts, ended ones too, by ID.
func (v *View) BoostsOn(assignment string) ([]bursar.Boost, error) {
	row := v.findRowID(assignment)
	if row == 0 {
		return nil, errNoAssignment(assignment)
	}
	out := []bursar.Boost{}
	for _, b := range v.boostsOf(row) {
		out = append(out, boostOut(v.RowID(row), b))
	}
	return out, nil
}

func boostOut(row [16]byte, b *record.Boost) bursar.Boost {
	out := bursar.Boost{ID: store.FormatID(b.ID), AssignmentID: store.FormatID(row), Amount: b.Amount, Reason: b.Reason, CreatedAt: b.Created,
		ExpiresAt: b.Expires, CreatedBy: b.By}
	if b.Ended != 0 {
		t := b.Ended
		out.EndedAt = &t
	}
	return out
}

func boostAudit(b bursar.Boost) map[string]any {
	return map[string]any{"assignmentId": b.AssignmentID, "amount": b.Amount, "reason": b.Reason, "expiresAt": b.ExpiresAt, "endedAt": b.EndedAt}
}

func (v *View) boostsOf(row uint32) []*record.Boost {
	row = v.made(row)
	if b, ok := v.bsts[row]; ok {
		return b
	}
	return v.boosts[row]
}

// LimitNow is the limit of a row with the boosts of now.
func (v *View) LimitNow(row uint32, def *record.Limit) bursar.Amount {
	limit := def.Limit
	if len(v.boosts)+len(v.bsts) == 0 {
		return limit
	}
	for _, b := range v.boostsOf(row) {
		if b.ActiveAt(v.Now) {
			limit = limit.Add(b.Amount)
		}
	}
	return limit
}
