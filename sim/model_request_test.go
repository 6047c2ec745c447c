package sim

import (
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// mRequest is what somebody asked for: more of the limit with a natural key.
type mRequest struct {
	id     string
	key    naturalKey
	was    string // the id of the limit when it was asked
	amount bursar.Amount
	until  bursar.Time
	reason *string
	by     string
	at     bursar.Time
	answer *mAnswer
}

type mAnswer struct {
	status bursar.BoostRequestStatus
	at     bursar.Time
	by     string
	note   *string
	boost  *bursar.Boost
}

const requestLife = bursar.Time(7 * 24 * 3600 * 1e9)

func (q *mRequest) end() bursar.Time { return min(q.until, q.at+requestLife) }

// asksOf is the limit that a request is for; nil = there is none now that counts.
func (c *mCust) asksOf(q *mRequest) *mRow {
	if c.entities[q.key.entity].ArchivedAt != nil {
		return nil
	}
	if r := c.rowByKey(q.key); r != nil {
		return r
	}
	if r := c.given[q.key]; r != nil && r.by != nil {
		return r
	}
	return nil
}

func (c *mCust) requestStatus(q *mRequest, now bursar.Time) bursar.BoostRequestStatus {
	switch {
	case q.answer != nil:
		return q.answer.status
	case now >= q.end():
		return bursar.BoostRequestExpired
	case c.asksOf(q) == nil:
		return bursar.BoostRequestWithdrawn
	}
	return bursar.BoostRequestOpen
}

func (c *mCust) showRequest(q *mRequest, now bursar.Time) bursar.BoostRequest {
	out := bursar.BoostRequest{ID: q.id, Status: c.requestStatus(q, now), AssignmentID: q.was, EntityID: q.key.entity, Capability: q.key.cap, Amount: q.amount,
		ExpiresAt: q.until, Reason: q.reason, RequestedBy: q.by, CreatedAt: q.at}
	if r := c.asksOf(q); r != nil {
		out.AssignmentID = r.id
	}
	if a := q.answer; a != nil {
		out.DecidedAt, out.DecidedBy, out.Note = &a.at, &a.by, a.note
		if a.boost != nil {
			out.BoostID, out.ApprovedAmount, out.ApprovedExpiresAt, out.FundedBy = &a.boost.ID, &a.boost.Amount, &a.boost.ExpiresAt, a.boost.FundedBy
		}
	}
	return out
}

// asked finds the limit that is meant: by id, or the only one that is like that, or of several
// the only one that is used up.
func (c *mCust) asked(in bursar.BoostRequestInput, now bursar.Time) (*mRow, *fail) {
	if in.AssignmentID != "" {
		if r := c.row(in.AssignmentID); r != nil {
			return r, nil
		}
		return nil, failed(bursar.CodeAssignmentNotFound)
	}
	if _, known := c.entities[in.EntityID]; !known {
		return nil, failed(bursar.CodeEntityNotFound)
	}
	var like, spent []*mRow
	for _, r := range c.limits() {
		if r.entity != in.EntityID || r.cap != in.Capability || r.limit == nil || in.Label != nil && r.label != *in.Label {
			continue
		}
		if in.Cadence != (bursar.Cadence{}) && in.Cadence != r.cal.cadence || in.ScopeEntityIDs != nil && !slices.Equal(setOf(in.ScopeEntityIDs), r.scope) {
			continue
		}
		like = append(like, r)
		if !r.soft && r.usedAt(now).add(r.held).cmp(*r.effective(now)) >= 0 {
			spent = append(spent, r)
		}
	}
	switch {
	case len(like) == 0:
		return nil, failed(bursar.CodeAssignmentNotFound)
	case len(like) == 1:
		return like[0], nil
	case len(spent) == 1:
		return spent[0], nil
	}
	return nil, failedAt("/assignmentId", bursar.CodeValidationFailed)
}

func (m *model) requestBoost(customer, by string, in bursar.BoostRequestInput) (bursar.BoostRequest, *fail) {
	none := bursar.BoostRequest{}
	c, now, f := m.writable(customer)
	if f != nil {
		return none, f
	}
	r, f := c.asked(in, now)
	if f != nil {
		return none, f
	}
	var p problems
	until := r.judgeRaise(&p, bursar.BoostInput{Amount: in.Amount, ExpiresAt: in.ExpiresAt}, now)
	if c.entities[r.entity].ArchivedAt != nil {
		p.at("/assignmentId", bursar.CodeValidationFailed)
	}
	if f := p.err(); f != nil {
		return none, f
	}
	open := 0
	for _, q := range c.requests {
		if q.key.entity == r.entity && c.requestStatus(q, now) == bursar.BoostRequestOpen {
			open++
		}
	}
	if open >= 10 {
		return none, failed(bursar.CodeTooManyBoostRequests)
	}
	q := &mRequest{id: m.newID("q"), key: r.key(), was: r.id, amount: in.Amount, until: until, reason: in.Reason, by: by, at: now.Milli()}
	c.requests = append(c.requests, q)
	c.dropRequests(now)
	c.log.wrote(now)
	c.tellRequest("boost_request.created", q, r, now)
	return c.showRequest(q, now), nil
}

// dropRequests: once there are more than 2,000, of those that are not open 1,000 stay. First go
// those that were withdrawn by somebody, then whichever is oldest.
func (c *mCust) dropRequests(now bursar.Time) {
	if len(c.requests) <= 2000 {
		return
	}
	shut := 0
	for _, q := range c.requests {
		if c.requestStatus(q, now.Milli()) != bursar.BoostRequestOpen {
			shut++
		}
	}
	for _, withdrawn := range []bool{true, false} {
		c.requests = slices.DeleteFunc(c.requests, func(q *mRequest) bool {
			byHand := q.answer != nil && q.answer.status == bursar.BoostRequestWithdrawn
			if shut <= 1000 || byHand != withdrawn || c.requestStatus(q, now.Milli()) == bursar.BoostRequestOpen {
				return false
			}
			shut--
			return true
		})
	}
}

// decideRequest approves, declines or withdraws.
func (m *model) decideRequest(customer, by, id string, to bursar.BoostRequestStatus, in bursar.BoostRequestDecision) (bursar.BoostRequest, *fail) {
	none := bursar.BoostRequest{}
	c, now, f := m.writable(customer)
	if f != nil {
		return none, f
	}
	i := slices.IndexFunc(c.requests, func(q *mRequest) bool { return q.id == id })
	if i < 0 {
		return none, failed(bursar.CodeBoostRequestNotFound)
	}
	q := c.requests[i]
	if a := q.answer; a != nil && a.status == to && (a.boost == nil || (in.Amount == nil || *in.Amount == a.boost.Amount) && (in.ExpiresAt == 0 || in.ExpiresAt.Milli() == a.boost.ExpiresAt) && (in.FundedBy == "" || in.FundedBy == a.boost.FundedBy)) {
		return c.showRequest(q, now), nil
	}
	if c.requestStatus(q, now) != bursar.BoostRequestOpen {
		return none, failed(bursar.CodeBoostRequestClosed)
	}
	if to == bursar.BoostRequestWithdrawn && by != q.by {
		return none, failed(bursar.CodeForbidden)
	}
	r, a := c.asksOf(q), &mAnswer{status: to, at: now.Milli(), by: by, note: in.Note}
	if to == bursar.BoostRequestApproved {
		x := bursar.BoostInput{Amount: q.amount, ExpiresAt: q.until, Reason: q.reason, FundedBy: in.FundedBy}
		if in.Amount != nil {
			x.Amount = *in.Amount
		}
		if in.ExpiresAt != 0 {
			x.ExpiresAt = in.ExpiresAt
		}
		b, f := c.raise(r, x, by, now)
		if f != nil {
			return none, f
		}
		a.boost = &b
	}
	q.answer = a
	c.log.wrote(now)
	if to != bursar.BoostRequestWithdrawn {
		c.tellRequest("boost_request."+strings.ToLower(string(to)), q, r, now)
	}
	return c.showRequest(q, now), nil
}

// tellRequest tells of a request with the limit as it is now.
func (c *mCust) tellRequest(typ string, q *mRequest, r *mRow, now bursar.Time) {
	s, w := c.showRequest(q, now), r.window(int64(now))
	var limit any // null: it became unlimited after somebody asked
	if l := r.effective(now); l != nil {
		limit = l.amount()
	}
	data := map[string]any{
		"entity":       map[string]any{"id": r.entity, "entityTypeId": c.entities[r.entity].EntityTypeID},
		"assignmentId": s.AssignmentID, "scopeEntityIds": append([]string{}, r.scope...), "label": r.label,
		"currentUsage": r.usedAt(now).amount(), "usageLimit": limit, "usagePeriodStart": bursar.Time(w.start), "usagePeriodEnd": bursar.Time(w.end),
		"boostRequest": map[string]any{"id": s.ID, "status": s.Status, "assignmentId": s.AssignmentID, "amount": s.Amount, "expiresAt": s.ExpiresAt, "reason": s.Reason,
			"requestedBy": s.RequestedBy, "createdAt": s.CreatedAt, "decidedAt": s.DecidedAt, "decidedBy": s.DecidedBy, "note": s.Note, "boostId": s.BoostID,
			"approvedAmount": s.ApprovedAmount, "approvedExpiresAt": s.ApprovedExpiresAt},
	}
	if s.FundedBy != "" {
		data["boostRequest"].(map[string]any)["fundedBy"] = s.FundedBy
	}
	nameCapability(data, r.cap)
	c.tell(typ, data)
	written := map[string]bool{}
	for _, n := range c.hear(r) {
		if n.BoostRequests && !written[n.Emails[0]] {
			written[n.Emails[0]] = true
			c.send(message{typ: typ, data: data, to: n.to()})
		}
	}
}

// listRequests lists the newest first.
func (m *model) listRequests(customer, entity string, status bursar.BoostRequestStatus) ([]bursar.BoostRequest, *fail) {
	c, now := m.customer(customer)
	if c == nil {
		return nil, failed(bursar.CodeCustomerNotFound)
	}
	out := []bursar.BoostRequest{}
	for _, q := range slices.Backward(c.requests) {
		if (entity == "" || q.key.entity == entity) && (status == "" || c.requestStatus(q, now) == status) {
			out = append(out, c.showRequest(q, now))
		}
	}
	return out, nil
}
