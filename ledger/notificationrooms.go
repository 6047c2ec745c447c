package ledger

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/record"
)

// checkRoom adds to p what is too much with x in its place, and counts what is new.
func (d *Decider) checkRoom(x *record.Notification, at string, p *bursar.Problems) {
	most, mostRecipients, mostThresholds, whose := bursar.MaxNotifications, bursar.MaxNotificationRecipients, bursar.MaxNotificationThresholds, "keys make"
	switch {
	case x.Root != 0:
		most, mostRecipients, mostThresholds, whose = bursar.MaxRootNotifications, bursar.MaxRootRecipients, bursar.MaxRootThresholds, "access tokens with one root make"
	case x.ByToken:
		whose = "access tokens without a root make"
	}
	n, rooted, hear, known, levels := 1, 1, len(recipients(x)), map[string]bool{}, map[int]bool{}
	for _, other := range append(d.allNotifications(), x) {
		if other.ID != x.ID && other.Root != 0 {
			rooted++
		}
		if other.ByToken != x.ByToken || other.Root != x.Root {
			continue
		}
		if other != x && x.Root != 0 && !d.within(other.Ent, x.Root) { // it was moved away, and is not seen there
			continue
		}
		if other != x {
			for _, to := range recipients(other) {
				known[bursar.RecipientKey(to)] = true
			}
		}
		if other.ID != x.ID {
			n++
			hear += len(recipients(other))
		}
		if other.ID != x.ID || other == x {
			for _, t := range other.Thresholds {
				levels[t] = true
			}
		}
	}
	switch {
	case n > most:
		p.Add(at, bursar.CodeTooManyLimits, "%s at most %d notifications of a customer: delete one", whose, most)
	case x.Root != 0 && rooted > bursar.MaxRootedNotifications:
		p.Add(at, bursar.CodeTooManyLimits, "access tokens with a root make at most %d notifications of a customer: delete one", bursar.MaxRootedNotifications)
	case hear > mostRecipients:
		p.Add(at+"/emails", bursar.CodeTooManyLimits, "%s at most %d recipients in all notifications, those of several counted in each; this would be %d", whose, mostRecipients, hear)
	case len(levels) > mostThresholds:
		p.Add(at+"/thresholds", bursar.CodeTooManyLimits, "%s at most %d different thresholds in all notifications; this would be %d", whose, mostThresholds, len(levels))
	default:
		fresh := 0
		for _, to := range recipients(x) {
			if !known[bursar.RecipientKey(to)] {
				fresh++
			}
		}
		if err := d.useNotifications(0, fresh); err != nil {
			p.Add(at+"/emails", bursar.CodeRateLimited, "%s", err.Message)
		}
	}
}

// notificationHour is what bursar.MaxNewRecipients and bursar.MaxNotificationTests are about.
const notificationHour = bursar.Time(3600e9)

// useNotifications counts tests and new recipients of an access token; an error is of too many.
func (d *Decider) useNotifications(tests, recipients int) *bursar.Error {
	if d.ours == nil || tests+recipients == 0 {
		return nil
	}
	now := record.NotificationUse{Hour: d.Now - d.Now%notificationHour}
	was, ok := d.ntus[d.Root]
	if !ok {
		was = d.notificationUse[d.Root]
	}
	if was != nil && was.Hour == now.Hour {
		now = *was
	}
	now.Tests += uint32(tests)
	now.Recipients += uint32(recipients)
	again := now.Hour + notificationHour
	switch {
	case now.Tests > bursar.MaxNotificationTests:
		return bursar.Errorf(bursar.CodeRateLimited, "access tokens test notifications at most %d times an hour: again after %s", bursar.MaxNotificationTests, again)
	case now.Recipients > bursar.MaxNewRecipients:
		return bursar.Errorf(bursar.CodeRateLimited, "access tokens name at most %d new recipients an hour: again after %s", bursar.MaxNewRecipients, again)
	}
	d.Emit(&record.NotificationsUsed{Root: d.Root, Use: now})
	return nil
}
