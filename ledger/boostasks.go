package ledger

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// AskBoost asks that a limit be raised for a time.
type AskBoost struct {
	Caller catalogue.Caller
	In     bursar.BoostRequestInput
	// Of a spend token: the dimensions of what it is used for, and what it may be used for.
	Dimensions []bursar.Dimension
	Allows     func(bursar.Capability) bool
}

func (o *AskBoost) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	row, err := o.limit(d)
	if err != nil {
		return nil, err
	}
	def := d.Def(row)
	if now := d.assignmentOut(row); o.Caller.IfMatch != "" {
		if err := o.Caller.StillAt(&now); err != nil {
			return nil, err
		}
	}
	var p bursar.Problems
	expires := d.checkRaise(row, def, &bursar.BoostInput{Amount: o.In.Amount, ExpiresAt: o.In.ExpiresAt, Reason: o.In.Reason}, &p)
	if d.Ent(def.Ent).Archived != 0 {
		p.Add("/assignmentId", bursar.CodeValidationFailed, "the entity %q is archived: its limits do not limit", d.Ent(def.Ent).ID)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := o.room(d, def.Ent); err != nil {
		return nil, err
	}
	r := record.BoostRequest{ID: d.NextID(), RowID: d.RowID(row), Ent: def.Ent, Cap: def.Cap, Scope: def.Scope, Label: def.Label, Amount: o.In.Amount, Created: d.Now.Milli(),
		Expires: expires, Reason: o.In.Reason, By: askerOf(&o.Caller)}
	d.Emit(&record.BoostAsked{Ord: d.nextRequest(), Request: r})
	out := d.requestOut(&r)
	d.tellRequest(&o.Caller, bursar.EventBoostRequested, "boostRequest.created", row, nil, &out)
	return out, nil
}

func askerOf(c *catalogue.Caller) record.Asker {
	a := record.Asker{Type: c.ActorType, ID: c.ActorID, Subject: c.Subject}
	if c.Spends != nil {
		a.Spend = c.Spends.ID
	}
	return a
}

// room refuses what would be one too many of those that are open, and of a spend token also of
// those that it made lately.
func (o *AskBoost) room(d *Decider, ent uint32) error {
	all, here, own := 0, 0, 0
	for _, ord := range d.requestOrds() {
		r := d.request(ord)
		open := d.requestStatus(r, d.Now) == bursar.BoostRequestOpen
		if open {
			all++
		}
		if open && r.Ent == ent {
			here++
		}
		if o.Caller.Spends != nil && r.By.Type == o.Caller.ActorType && r.By.ID == o.Caller.ActorID && (open || d.Now < r.Created+bursar.TokenBoostRequestSpan) {
			own++
		}
	}
	refuse := func(n, most int, whose string) error {
		return bursar.Errorf(bursar.CodeTooManyBoostRequests, "%d boost requests %s are open, at most %d may be: wait until one is decided, or withdraw one", n, whose, most)
	}
	switch {
	case own >= bursar.MaxTokenBoostRequests:
		return bursar.Errorf(bursar.CodeTooManyBoostRequests, "%d boost requests of this spend token and those made from the same one are open or were made within the last hour, at most %d may be: "+
			"wait until one is decided and an hour old", own, bursar.MaxTokenBoostRequests)
	case here >= bursar.MaxEntityBoostRequests:
		return refuse(here, bursar.MaxEntityBoostRequests, fmt.Sprintf("for limits of %q", d.Ent(ent).ID))
	case all >= bursar.MaxOpenBoostRequests:
		return refuse(all, bursar.MaxOpenBoostRequests, "of the customer")
	}
	return nil
}

// limit finds the limit that more is asked of.
func (o *AskBoost) limit(d *Decider) (uint32, error) {
	if o.In.AssignmentID != "" {
		row := d.findRowID(o.In.AssignmentID)
		if row == 0 || o.Caller.Spends != nil && !slices.Contains(o.met(d, d.Def(row).Cap), row) {
			return 0, errNoAssignment(o.In.AssignmentID)
		}
		def := d.Def(row)
		if of := o.In.Capability; of.ID != "" && of != d.Capability(def.Cap) {
			pointer := "/featureId"
			if of.Kind == bursar.KindCurrency {
				pointer = "/currencyId"
			}
			return 0, bursar.ErrorAt(pointer, bursar.CodeValidationFailed, "the limit %s is of %s, not of %s", o.In.AssignmentID, d.Capability(def.Cap), of)
		}
		return row, o.ofType(d, def.Ent)
	}
	cap := d.CapOrd(o.In.Capability)
	var rows []uint32
	keep := func(row uint32, def *record.Limit) {
		if o.fits(d, def) {
			rows = append(rows, row)
		}
	}
	switch ent := d.EntOrd(o.In.EntityID); {
	case o.Caller.Spends != nil:
		for _, row := range o.met(d, cap) {
			if def := d.Def(row); o.In.EntityID == "" || def.Ent == ent {
				keep(row, def)
			}
		}
	case ent == 0:
		return 0, d.errNoEntity(o.In.EntityID)
	default:
		if err := o.ofType(d, ent); err != nil {
			return 0, err
		}
		if cap != 0 {
			d.eachRow(ent, cap, keep)
		}
	}
	return d.theOne(rows, &o.In)
}

// ofType refuses an entity of a type that the key is not for, before anything is told of its limits.
func (o *AskBoost) ofType(d *Decider, ent uint32) error {
	if types := o.Caller.Types; len(types) > 0 && !slices.Contains(types, d.typeID(d.Ent(ent).Typ)) {
		return bursar.Errorf(bursar.CodeForbidden, "this API key is for entities of other types: %v", types)
	}
	return nil
}

// met are the limits of a capability that the dimensions of a spend token meet.
func (o *AskBoost) met(d *Decider, cap uint32) (rows []uint32) {
	if cap == 0 || o.Allows != nil && !o.Allows(d.Capability(cap)) {
		return nil
	}
	r := d.Resolve(d.Cat, o.Dimensions)
	for i := range r.Path {
		d.rowsOf(&r, r.Path[i].Ent, cap, func(row uint32, _ *record.Limit) { rows = append(rows, row) })
	}
	return rows
}

func (o *AskBoost) fits(d *Decider, def *record.Limit) bool {
	in := &o.In
	if !def.Limited || !d.SeesRow(def) || in.Cadence != (bursar.Cadence{}) && def.Sched.Cadence != in.Cadence || in.Label != nil && def.Label != *in.Label {
		return false
	}
	return in.ScopeEntityIDs == nil || slices.Equal(d.scopeIDs(def), slices.Compact(slices.Sorted(slices.Values(in.ScopeEntityIDs))))
}

// theOne is the only one of rows, or the only one that is used up.
func (d *Decider) theOne(rows []uint32, in *bursar.BoostRequestInput) (uint32, error) {
	if len(rows) == 0 {
		of := "its entities"
		if in.EntityID != "" {
			of = fmt.Sprintf("%q", in.EntityID)
		}
		return 0, bursar.Errorf(bursar.CodeAssignmentNotFound, "no limit of %s on %s with a number is like that", of, in.Capability)
	}
	var spent []uint32
	for _, row := range rows {
		def := d.Def(row)
		if c := d.Standing(row, def); !def.Soft && !c.Used.Add(c.Held).Less(d.LimitNow(row, def)) {
			spent = append(spent, row)
		}
	}
	switch {
	case len(rows) == 1:
		return rows[0], nil
	case len(spent) == 1:
		return spent[0], nil
	}
	var names []string
	for _, row := range rows {
		def := d.Def(row)
		name := fmt.Sprintf("%s (%s, %s", store.FormatID(d.RowID(row)), d.Ent(def.Ent).ID, def.Sched.Cadence)
		if def.Label != "" {
			name += ", " + def.Label
		}
		if len(def.Scope) > 0 {
			name += ", for " + strings.Join(d.scopeIDs(def), ", ")
		}
		names = append(names, name+")")
	}
	return 0, bursar.ErrorAt("/assignmentId", bursar.CodeValidationFailed, "%d limits are like that: name one by its assignmentId: %s", len(rows), strings.Join(names, "; "))
}

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

// tellRequest notes that a boost request was made or answered, and sends a message where the
// event has a name.
func (d *Decider) tellRequest(c *catalogue.Caller, event, action string, row uint32, before, after *bursar.BoostRequest) {
	var was any
	if before != nil {
		was = requestAudit(before)
	}
	d.audit(c, action, "boostRequest", after.ID, after.EntityID, was, requestAudit(after))
	if event == "" || d.Rehearsal || len(d.Cat.WebhookOf) == 0 {
		return
	}
	row = d.made(row)
	def := d.Def(row)
	e, n := d.Ent(def.Ent), d.Standing(row, def)
	data := catalogue.BoostRequestData{CustomerID: d.Cust().ID, Entity: catalogue.EntityRef{ID: e.ID, TypeID: d.typeID(e.Typ)},
		Request: requestAudit(after), AssignmentID: after.AssignmentID, Scope: d.scopeIDs(def), Label: def.Label, CurrentUsage: n.Used,
		PeriodStart: n.Start, PeriodEnd: n.End}
	if def.Limited { // else the limit became unlimited after somebody asked
		data.UsageLimit = new(d.LimitNow(row, def))
	}
	data.FeatureID, data.CurrencyID = catalogue.CapabilityIDs(after.Capability)
	data.Request["id"], data.Request["createdAt"] = after.ID, after.CreatedAt
	d.notify(event, data)
}

func requestAudit(r *bursar.BoostRequest) map[string]any {
	m := map[string]any{"status": r.Status, "assignmentId": r.AssignmentID, "amount": r.Amount, "expiresAt": r.ExpiresAt, "reason": r.Reason,
		"requestedBy": r.RequestedBy, "decidedAt": r.DecidedAt, "decidedBy": r.DecidedBy, "note": r.Note, "boostId": r.BoostID,
		"approvedAmount": r.ApprovedAmount, "approvedExpiresAt": r.ApprovedExpiresAt}
	if r.FundedBy != "" {
		m["fundedBy"] = r.FundedBy
	}
	return m
}
