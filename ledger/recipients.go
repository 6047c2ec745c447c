package ledger

import (
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// recipients are those of a notification, in order.
func recipients(n *record.Notification) []string { return slices.Concat(n.Emails, n.SlackURLs) }

// namedBy is who named each recipient of x, which comes in the place of old: nil = of none.
func namedBy(x, old *record.Notification, token *bursar.AccessToken) [][16]byte {
	by, had := [16]byte{}, []string(nil)
	if token != nil {
		by, _ = store.ParseID(token.ID)
	}
	if old != nil {
		had = recipients(old)
	}
	var out [][16]byte
	for _, to := range recipients(x) {
		if i := slices.IndexFunc(had, func(x string) bool { return sameRecipient(x, to) }); i >= 0 {
			out = append(out, old.Tokens[i])
		} else {
			out = append(out, by)
		}
	}
	return out
}

func sameRecipient(a, b string) bool { return bursar.RecipientKey(a) == bursar.RecipientKey(b) }

// HasRecipientsOf tells whether there are recipients that an access token named.
func (v *View) HasRecipientsOf(token string) bool {
	id, ok := store.ParseID(token)
	return ok && slices.ContainsFunc(v.allNotifications(), func(n *record.Notification) bool { return slices.Contains(n.Tokens, id) })
}

// endRecipientsOf takes away the recipients that an access token named, and notifications that then have none.
func (d *Decider) endRecipientsOf(caller *catalogue.Caller, token string) {
	id, ok := store.ParseID(token)
	if !ok {
		return
	}
	for _, n := range d.allNotifications() {
		x := *n
		x.Emails, x.SlackURLs, x.Tokens = nil, nil, nil
		for i, to := range recipients(n) {
			switch {
			case n.Tokens[i] == id:
				continue
			case i < len(n.Emails):
				x.Emails = append(x.Emails, to)
			default:
				x.SlackURLs = append(x.SlackURLs, to)
			}
			x.Tokens = append(x.Tokens, n.Tokens[i])
		}
		switch len(x.Tokens) {
		case len(n.Tokens):
		case 0:
			d.deleteNotification(caller, n)
		default:
			x.Updated = d.Now.Milli()
			before := notificationAudit(d.notificationOut(n))
			d.Emit(&record.NotificationPut{Notification: x})
			d.auditNotification(caller, "notification.updated", &x, before, notificationAudit(d.notificationOut(&x)))
		}
	}
}
