package ledger

import (
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// AnswerBoost approves, declines or withdraws a boost request.
type AnswerBoost struct {
	Caller catalogue.Caller
	ID     string
	Answer record.Answer
	In     bursar.BoostRequestDecision
}

// words of an answer: what it is for an audit entry, and of a message.
var answerWords = [...]struct{ action, event string }{
	record.Approved:  {"approved", bursar.EventBoostApproved},
	record.Declined:  {"declined", bursar.EventBoostDeclined},
	record.Withdrawn: {"withdrawn", ""},
}

func (o *AnswerBoost) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	ord, r, err := d.requestByID(o.ID, &o.Caller)
	if err != nil {
		return nil, err
	}
	before := d.requestOut(r)
	if err := o.Caller.StillAt(&before); err != nil {
		return nil, err
	}
	if before.Status != bursar.BoostRequestOpen {
		return before, o.again(r, &before)
	}
	if o.Answer == record.Withdrawn && !asked(r, &o.Caller) {
		return nil, bursar.Errorf(bursar.CodeForbidden, "a boost request is withdrawn by who asked: decline it instead")
	}
	var p bursar.Problems
	checkReason("/note", o.In.Note, &p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	row := d.requestRow(r)
	a := record.BoostAnswer{Answer: o.Answer, At: d.Now.Milli(), By: o.Caller.ActorID, Note: o.In.Note}
	if o.Caller.Subject != "" {
		a.By = o.Caller.Subject
	}
	if o.Answer == record.Approved {
		in := bursar.BoostInput{Amount: r.Amount, ExpiresAt: r.Expires, Reason: r.Reason, FundedBy: o.In.FundedBy}
		if o.In.Amount != nil {
			in.Amount = *o.In.Amount
		}
		if o.In.ExpiresAt != 0 {
			in.ExpiresAt = o.In.ExpiresAt
		}
		b, err := d.raise(&o.Caller, row, &in)
		if err != nil {
			return nil, err
		}
		a.Boost, _ = store.ParseID(b.ID)
		a.Amount, a.Expires, a.Lender = b.Amount, b.ExpiresAt, d.EntOrd(in.FundedBy)
	}
	d.Emit(&record.BoostAnswered{Ord: ord, Answer: a})
	out := d.requestOut(d.request(ord))
	words := answerWords[o.Answer]
	d.tellRequest(&o.Caller, words.event, "boostRequest."+words.action, row, &before, &out)
	return out, nil
}

// asked tells whether it was c who made the request.
func asked(r *record.BoostRequest, c *catalogue.Caller) bool {
	by := askerOf(c)
	if by.Type != r.By.Type || by.Spend != r.By.Spend {
		return false
	}
	return by.ID == r.By.ID || by.Subject != "" && by.Subject == r.By.Subject
}

// again is an error unless what is decided already was decided so.
func (o *AnswerBoost) again(r *record.BoostRequest, now *bursar.BoostRequest) error {
	a, what := r.Answer, answerWords[o.Answer].action
	switch {
	case a == nil && now.Status == bursar.BoostRequestExpired:
		return bursar.Errorf(bursar.CodeBoostRequestClosed, "the boost request %s has expired at %s: it cannot be %s; ask again", now.ID,
			min(r.Expires, r.Created+bursar.BoostRequestLife), what)
	case a == nil:
		return bursar.Errorf(bursar.CodeBoostRequestClosed, "the boost request %s is WITHDRAWN while its limit is gone or its entity archived: it cannot be %s", now.ID, what)
	case a.Answer != o.Answer || o.Answer == record.Approved && (o.In.Amount != nil && *o.In.Amount != a.Amount || o.In.ExpiresAt != 0 && o.In.ExpiresAt.Milli() != a.Expires ||
		o.In.FundedBy != "" && o.In.FundedBy != now.FundedBy):
		said := answerWords[a.Answer].action
		if a.Answer == record.Approved {
			said = fmt.Sprintf("approved with %s until %s", a.Amount, a.Expires)
		}
		return bursar.Errorf(bursar.CodeBoostRequestClosed, "the boost request %s was %s by %q at %s", now.ID, said, a.By, a.At)
	}
	return nil
}

func (v *View) applyBoostAnswered(r *record.BoostAnswered) error {
	old := v.request(r.Ord)
	if old == nil || !r.Answer.Answer.Known() || r.Answer.Lender != 0 && !v.isEntity(r.Answer.Lender) {
		return fmt.Errorf("%w: an answer to boost request number %d", record.ErrRecord, r.Ord)
	}
	q, a := *old, r.Answer
	q.Answer = &a
	put(v, &v.reqs, r.Ord, &q)
	return nil
}
