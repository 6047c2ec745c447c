package ledger

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// A boost request asks that a limit be raised for a time; one that is approved makes a boost.
// It changes no limit itself. That it has expired, and that its limit is gone, is read off the
// time and the state, so no record says so.

// requestRecords are the records that make a boost request.
func requestRecords(r *record.BoostRequest) []record.Record {
	asked := *r
	asked.Answer = nil
	recs := []record.Record{&record.BoostAsked{Request: asked}}
	if r.Answer != nil {
		recs = append(recs, &record.BoostAnswered{Answer: *r.Answer})
	}
	return recs
}

func (s *State) restoreRequest(ord uint32, p *store.PartRow) error {
	recs, err := readRecords(p)
	if err != nil {
		return err
	}
	for _, r := range recs {
		switch r := r.(type) {
		case *record.BoostAsked:
			s.requests[ord] = &r.Request
		case *record.BoostAnswered:
			if !r.Answer.Answer.Known() {
				return fmt.Errorf("checkpoint: %w: an answer to boost request number %d", record.ErrRecord, ord)
			}
			if q := s.requests[ord]; q != nil {
				q.Answer = &r.Answer
			}
		}
	}
	s.lastRequest = max(s.lastRequest, ord)
	return nil
}

// request is the boost request with a number; nil = there is none, or it was forgotten.
func (v *View) request(ord uint32) *record.BoostRequest {
	if r, ok := v.reqs[ord]; ok {
		return r
	}
	return v.requests[ord]
}

// requestOrds are the numbers of those that are kept, the oldest first.
func (v *View) requestOrds() []uint32 {
	ords := make([]uint32, 0, len(v.requests)+len(v.reqs))
	for ord := range v.requests {
		if _, changed := v.reqs[ord]; !changed {
			ords = append(ords, ord)
		}
	}
	for ord, r := range v.reqs {
		if r != nil {
			ords = append(ords, ord)
		}
	}
	slices.Sort(ords)
	v.Visits += len(ords)
	return ords
}

func (v *View) nextRequest() uint32 { return max(v.lastRequest, v.lastReq) + 1 }

func (v *View) applyBoostAsked(r *record.BoostAsked) error {
	if r.Ord != v.nextRequest() {
		return fmt.Errorf("%w: boost request number %d", record.ErrRecord, r.Ord)
	}
	if old := v.lastReq; v.undoing {
		v.undo = append(v.undo, func() { v.lastReq = old })
	}
	v.lastReq = r.Ord
	q := r.Request
	put(v, &v.reqs, r.Ord, &q)
	v.forgetRequests(q.Created)
	return nil
}

// forgetRequests forgets some of those that are not open, once they are many: the oldest of those
// that who asked took back, then the oldest.
func (v *View) forgetRequests(now bursar.Time) {
	n := len(v.requests)
	for ord, r := range v.reqs {
		if _, old := v.requests[ord]; old && r == nil {
			n--
		} else if !old && r != nil {
			n++
		}
	}
	if n <= bursar.MaxOpenBoostRequests+bursar.KeptBoostRequests {
		return
	}
	var takenBack, others []uint32
	for _, ord := range v.requestOrds() {
		switch r := v.request(ord); {
		case r.Answer != nil && r.Answer.Answer == record.Withdrawn:
			takenBack = append(takenBack, ord)
		case v.requestStatus(r, now) != bursar.BoostRequestOpen:
			others = append(others, ord)
		}
	}
	closed := append(takenBack, others...)
	for _, ord := range closed[:max(0, len(closed)-bursar.KeptBoostRequests)] {
		put(v, &v.reqs, ord, nil)
	}
}

func (v *View) mergeRequests() {
	s := v.State
	mergeParts(s, partRequest, s.requests, v.reqs)
	s.lastRequest = max(s.lastRequest, v.lastReq)
}

// requestStatus is what has become of r at an instant.
func (v *View) requestStatus(r *record.BoostRequest, now bursar.Time) bursar.BoostRequestStatus {
	if a := r.Answer; a != nil {
		return [...]bursar.BoostRequestStatus{record.Approved: bursar.BoostRequestApproved, record.Declined: bursar.BoostRequestDeclined,
			record.Withdrawn: bursar.BoostRequestWithdrawn}[a.Answer]
	}
	switch {
	case now >= min(r.Expires, r.Created+bursar.BoostRequestLife):
		return bursar.BoostRequestExpired
	case v.requestRow(r) == 0:
		return bursar.BoostRequestWithdrawn
	}
	return bursar.BoostRequestOpen
}

// requestRow is the limit that r asks to raise; 0 = there is none now, or its entity is archived.
func (v *View) requestRow(r *record.BoostRequest) uint32 {
	if v.Ent(r.Ent).Archived != 0 {
		return 0
	}
	return v.limitLike(Target{r.Ent, r.Scope}, r.Cap, r.Label)
}

func (v *View) requestOut(r *record.BoostRequest) bursar.BoostRequest {
	out := bursar.BoostRequest{ID: store.FormatID(r.ID), Status: v.requestStatus(r, v.Now), AssignmentID: store.FormatID(r.RowID), EntityID: v.Ent(r.Ent).ID,
		Capability: v.Capability(r.Cap), Amount: r.Amount, ExpiresAt: r.Expires, Reason: r.Reason, RequestedBy: r.By.ID, CreatedAt: r.Created}
	if r.By.Subject != "" {
		out.RequestedBy = r.By.Subject
	}
	if row := v.requestRow(r); row != 0 {
		out.AssignmentID = store.FormatID(v.RowID(row))
	}
	a := r.Answer
	if a == nil {
		return out
	}
	by, at := a.By, a.At
	out.DecidedAt, out.DecidedBy, out.Note = &at, &by, a.Note
	if a.Answer == record.Approved {
		id, amount, expires := store.FormatID(a.Boost), a.Amount, a.Expires
		out.BoostID, out.ApprovedAmount, out.ApprovedExpiresAt = &id, &amount, &expires
		if a.Lender != 0 && v.Sees(a.Lender) {
			out.FundedBy = v.Ent(a.Lender).ID
		}
	}
	return out
}

// seesRequest tells whether who asks sees a boost request: the holder of a spend token those
// that were made with it, a key for some types of entities those of such entities, that of an
// access token those for limits that it sees, or would if they were there.
func (v *View) seesRequest(r *record.BoostRequest, by *catalogue.Caller) bool {
	if by.Spends != nil && r.By.Spend != by.Spends.ID {
		return false
	}
	if len(by.Types) > 0 && !slices.Contains(by.Types, v.typeID(v.Ent(r.Ent).Typ)) {
		return false
	}
	return v.seesLimit(r.Ent, r.Scope)
}

// requestByID finds a boost request that who asks sees.
func (v *View) requestByID(text string, by *catalogue.Caller) (uint32, *record.BoostRequest, error) {
	if id, ok := store.ParseID(text); ok {
		for _, ord := range v.requestOrds() {
			if r := v.request(ord); r.ID == id && v.seesRequest(r, by) {
				return ord, r, nil
			}
		}
	}
	return 0, nil, bursar.Errorf(bursar.CodeBoostRequestNotFound, "there is no boost request %.64q", text)
}

// BoostRequest reads one boost request for who asks.
func (v *View) BoostRequest(id string, by *catalogue.Caller) (bursar.BoostRequest, error) {
	_, r, err := v.requestByID(id, by)
	if err != nil {
		return bursar.BoostRequest{}, err
	}
	return v.requestOut(r), nil
}

// BoostRequestQuery selects boost requests, the newest first; zero members do not filter.
type BoostRequestQuery struct {
	Status   bursar.BoostRequestStatus
	EntityID string
	By       catalogue.Caller // who asks, and sees not all of them
	ListPage
}

// BoostRequests are a page of those that who asks sees.
func (v *View) BoostRequests(q *BoostRequestQuery) (page Page[bursar.BoostRequest]) {
	page.Items = []bursar.BoostRequest{}
	at := q.position()
	ent := v.EntOrd(q.EntityID)
	for _, ord := range slices.Backward(v.requestOrds()) {
		r := v.request(ord)
		switch {
		case q.EntityID != "" && r.Ent != ent, q.Status != "" && v.requestStatus(r, v.Now) != q.Status, !v.seesRequest(r, &q.By),
			q.After != nil && record.ComparePlaces(r.ID, *at) >= 0, q.Before != nil && record.ComparePlaces(r.ID, *at) <= 0:
			continue
		}
		page.Items = append(page.Items, v.requestOut(r))
		if q.Before == nil && len(page.Items) > q.Limit {
			break
		}
	}
	if q.Before != nil {
		page.Items = page.Items[max(0, len(page.Items)-q.Limit-1):]
	}
	page.Cut(q.Limit, q.After != nil, q.Before != nil)
	return page
}

// soundRequests tells whether boost requests name entities and capabilities that are there.
func (s *State) soundRequests(isEntity, isCap func(uint32) bool) error {
	for ord, r := range s.requests {
		if r.Ent == 0 || !isEntity(r.Ent) || !isCap(r.Cap) || slices.ContainsFunc(r.Scope, func(ent uint32) bool { return !isEntity(ent) }) ||
			r.Answer != nil && r.Answer.Lender != 0 && !isEntity(r.Answer.Lender) {
			return fmt.Errorf("the boost request number %d names what is not there", ord)
		}
	}
	return nil
}

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

// room refuses what would be one too many of those that are open, of a spend token also of those that it
// made lately, and of an access token with a root of those that it or its subject made lately.
func (o *AskBoost) room(d *Decider, ent uint32) error {
	all, here, own, rooted := 0, 0, 0, 0
	rootedAgain := d.Now
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
		if again := r.Created + bursar.TokenBoostRequestSpan; d.ours != nil && d.Root != 0 && asked(r, &o.Caller) && d.Now < again {
			if rooted++; rooted == 1 { // the oldest
				rootedAgain = again
			}
		}
	}
	refuse := func(n, most int, whose string) error {
		return bursar.Errorf(bursar.CodeTooManyBoostRequests, "%d boost requests %s are open, at most %d may be: wait until one is decided, or withdraw one", n, whose, most)
	}
	switch {
	case own >= bursar.MaxTokenBoostRequests:
		return bursar.Errorf(bursar.CodeTooManyBoostRequests, "%d boost requests of this spend token and those made from the same one are open or were made within the last hour, at most %d may be: "+
			"wait until one is decided and an hour old", own, bursar.MaxTokenBoostRequests)
	case rooted >= bursar.MaxRootedBoostRequests:
		return bursar.Errorf(bursar.CodeRateLimited, "access tokens with a root make at most %d boost requests an hour for one subject: again after %s", bursar.MaxRootedBoostRequests, rootedAgain)
	case here >= bursar.MaxEntityBoostRequests:
		return refuse(here, bursar.MaxEntityBoostRequests, fmt.Sprintf("for limits of %q", d.Ent(ent).ID))
	case all >= bursar.MaxOpenBoostRequests:
		return refuse(all, bursar.MaxOpenBoostRequests, "of the customer")
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
	if event == "" || d.Rehearsal || len(d.Cat.WebhookOf) == 0 && d.noNotifications() {
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
	var hearers []*record.Notification
	d.eachHearer(def, func(n *record.Notification) {
		if n.BoostRequests {
			hearers = append(hearers, n)
		}
	})
	d.tellEach(hearers, event, func(n *record.Notification) any {
		x := data
		x.MayNotDecide = !linkDecides(n, def.Ent)
		return x
	})
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
