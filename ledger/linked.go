package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
)

// LinkedRequest is a boost request that somebody was sent a link to, for who follows it.
type LinkedRequest struct {
	CustomerID string
	Recipient  string // who they are
	Request    bursar.BoostRequest
	Used       bursar.Amount
	Limit      *bursar.Amount // nil = the limit is gone, or has no number now
	MayDecide  bool
}

// linkDecides tells whether links of a notification decide requests for limits of an entity that it tells of: those that a token with a root
// made do not for the root's own, as the token may not.
func linkDecides(n *record.Notification, ent uint32) bool { return n.Root == 0 || n.Root != ent }

// linked finds the request for a recipient whom a notification still tells of it.
func (v *View) linked(endpoint, requestID string) (*record.BoostRequest, *record.Notification, string, error) {
	_, r, err := v.requestByID(requestID, &catalogue.Caller{})
	if err != nil {
		return nil, nil, "", err
	}
	var by *record.Notification
	address := ""
	v.eachHearer(&record.Limit{Ent: r.Ent, Terms: &record.Terms{Scope: r.Scope}}, func(n *record.Notification) {
		to := notified(n)
		if i := slices.Index(to.Endpoints(), endpoint); i >= 0 && n.BoostRequests {
			by, address = n, "Slack: "+n.Name
			if i < len(n.Emails) {
				address = n.Emails[i]
			}
		}
	})
	if by == nil {
		return nil, nil, "", bursar.Errorf(bursar.CodeNotificationNotFound, "there is no such recipient")
	}
	return r, by, address, nil
}

// LinkedRequest shows a request to a recipient whom a notification still tells of it.
func (v *View) LinkedRequest(endpoint, requestID string) (l LinkedRequest, err error) {
	r, n, address, err := v.linked(endpoint, requestID)
	if err != nil {
		return l, err
	}
	l = LinkedRequest{CustomerID: v.Cust().ID, Recipient: address, Request: v.requestOut(r), MayDecide: linkDecides(n, r.Ent)}
	if row := v.requestRow(r); row != 0 {
		def := v.Def(row)
		if l.Used = v.Standing(row, def).Used; def.Limited {
			l.Limit = new(v.LimitNow(row, def))
		}
	}
	return l, nil
}

// AnswerLinked approves or declines a boost request as a recipient of a notification who was sent a link to
// it: within what may who made the notification.
type AnswerLinked struct {
	Endpoint  string
	RequestID string
	Approves  bool // else it declines
	Note      *string
}

func (o *AnswerLinked) Decide(d *Decider) (any, error) {
	_, n, address, err := d.linked(o.Endpoint, o.RequestID)
	if err != nil {
		return nil, err
	}
	root := ""
	if n.Root != 0 {
		root = d.Ent(n.Root).ID
	}
	// Others than those who see the notification learn which one it was, and not who.
	by := catalogue.Caller{ActorType: "NOTIFICATION", ActorID: notified(n).ID, Subject: "Notification: " + n.Name}
	decision := &AnswerBoost{Caller: by, ID: o.RequestID, Answer: record.Declined, In: bursar.BoostRequestDecision{Note: o.Note}}
	if o.Approves {
		decision.Answer = record.Approved
	}
	open := len(d.Recs)
	var answer Op = decision
	if n.ByToken {
		answer = &ConfinedOp{Op: decision, Token: &bursar.AccessToken{CustomerID: d.Cust().ID, RootEntityID: root}}
	}
	if _, err := answer.Decide(d); err != nil {
		return nil, err
	}
	if len(d.Recs) > open {
		d.auditNotification(&by, "notification.answered", n, nil, map[string]any{"recipient": address, "boostRequestId": o.RequestID})
	}
	return d.LinkedRequest(o.Endpoint, o.RequestID)
}
