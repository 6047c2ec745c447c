package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/record"
	"github.com/bursarhq/bursar/store"
)

// A notification says who hears of what happens to the limits of an entity and of all below it.
// tell.go has when they do; no decision depends on one.

// notificationsOf are the notifications of an entity (0: of the customer), by creation.
func (v *View) notificationsOf(ent uint32) []*record.Notification {
	if list, ok := v.ntfs[ent]; ok {
		return list
	}
	return v.notifications[ent]
}

func (v *View) noNotifications() bool { return len(v.notifications)+len(v.ntfs) == 0 }

func (v *View) applyNotification(n *record.Notification) {
	list := slices.Clone(v.notificationsOf(n.Ent))
	if i := slices.IndexFunc(list, func(x *record.Notification) bool { return x.ID == n.ID }); i >= 0 {
		list[i] = n
	} else {
		list = append(list, n)
	}
	put(v, &v.ntfs, n.Ent, list)
	put(v, &v.hrd, n.Ent, heardBy(list))
}

func (v *View) applyNotificationEnd(r *record.NotificationDeleted) {
	list := slices.DeleteFunc(slices.Clone(v.notificationsOf(r.Ent)), func(x *record.Notification) bool { return x.ID == r.ID })
	if len(list) == 0 {
		list = nil
	}
	put(v, &v.ntfs, r.Ent, list)
	put(v, &v.hrd, r.Ent, heardBy(list))
}

func (v *View) mergeNotifications() {
	mergeParts(v.State, partNotifyUse, v.State.notificationUse, v.ntus)
	for ent, list := range v.ntfs {
		v.State.notificationBytes += memoryOfNotifications(list) - memoryOfNotifications(v.State.notifications[ent])
		if list == nil {
			delete(v.State.notifications, ent)
		} else {
			v.State.notifications[ent] = list
		}
		v.State.noteHeard(ent)
		v.Dirty.part(partNotification, ent, list)
	}
}

// notificationRecords are the records that make them.
func notificationRecords(list []*record.Notification) (recs []record.Record) {
	for _, n := range list {
		recs = append(recs, &record.NotificationPut{Notification: *n})
	}
	return recs
}

func (s *State) restoreNotifications(ent uint32, p *store.PartRow) error {
	recs, err := readRecords(p)
	if err != nil {
		return err
	}
	for _, r := range recs {
		x, ok := r.(*record.NotificationPut)
		if !ok || x.Notification.Ent != ent {
			return fmt.Errorf("checkpoint: notifications: a record of kind %d", r.Kind())
		}
		s.notifications[ent] = append(s.notifications[ent], &x.Notification)
	}
	s.notificationBytes += memoryOfNotifications(s.notifications[ent])
	s.noteHeard(ent)
	return nil
}

// soundNotifications is an error when a notification names what is not there.
func (s *State) soundNotifications(isEntity func(uint32) bool) error {
	for ent, list := range s.notifications {
		for _, n := range list {
			if !isEntity(ent) || n.Ent != ent || !isEntity(n.Root) {
				return fmt.Errorf("the notification %s names what is not there", store.FormatID(n.ID))
			}
		}
	}
	for root := range s.notificationUse {
		if !isEntity(root) {
			return errors.New("what was done with notifications names a root that is not there")
		}
	}
	for row := range s.told {
		if int(row) >= s.Rows.Len() || s.Rows.At(row) == nil {
			return errors.New("people were told of a limit that is not there")
		}
	}
	return nil
}

// memoryOfNotifications is about how many bytes they take.
func memoryOfNotifications(list []*record.Notification) (n int64) {
	for _, x := range list {
		n += 400 + int64(len(x.Name)+16*len(x.Thresholds))
		for _, to := range recipients(x) {
			n += 32 + int64(len(to))
		}
	}
	return n
}

// seesNotification tells whether who asks sees n: the holder of a token with a root those that such
// holders made with that root or one below it, so that nobody silences or reads who listens from above.
func (v *View) seesNotification(n *record.Notification) bool {
	return v.Root == 0 || n.ByToken && n.Root != 0 && v.Sees(n.Root) && v.Sees(n.Ent)
}

// allNotifications are those of all entities, whoever may see them, by creation.
func (v *View) allNotifications() (out []*record.Notification) {
	for ent, list := range v.notifications {
		if _, changed := v.ntfs[ent]; !changed {
			out = append(out, list...)
		}
	}
	for _, list := range v.ntfs {
		out = append(out, list...)
	}
	slices.SortFunc(out, func(a, b *record.Notification) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return out
}

// Notifications are all that are seen, in order of creation.
func (v *View) Notifications() []bursar.Notification {
	out := []bursar.Notification{}
	for _, n := range v.allNotifications() {
		if v.seesNotification(n) {
			out = append(out, v.notificationOut(n))
		}
	}
	return out
}

// Notification is the one with an id.
func (v *View) Notification(id string) (bursar.Notification, error) {
	n, err := v.notificationByID(id)
	if err != nil {
		return bursar.Notification{}, err
	}
	return v.notificationOut(n), nil
}

func (v *View) notificationByID(text string) (*record.Notification, error) {
	if id, ok := store.ParseID(text); ok {
		for _, n := range v.allNotifications() {
			if n.ID == id && v.seesNotification(n) {
				return n, nil
			}
		}
	}
	return nil, bursar.Errorf(bursar.CodeNotificationNotFound, "there is no notification %.64q", text)
}

func (v *View) notificationOut(n *record.Notification) bursar.Notification {
	out := bursar.Notification{ID: store.FormatID(n.ID), Name: n.Name, Emails: n.Emails, SlackURLs: n.SlackURLs, Thresholds: n.Thresholds,
		Denials: n.Denials, BoostRequests: n.BoostRequests, CreatedAt: n.Created, UpdatedAt: n.Updated}
	if n.Ent != 0 {
		out.EntityID = v.Ent(n.Ent).ID
	}
	return out
}

// PutNotifications makes notifications. One that there is already, of the same id or else of the same
// entity, name and sort of maker, is changed.
type PutNotifications struct {
	Caller catalogue.Caller
	In     []bursar.NotificationInput
}

func (o *PutNotifications) Size() int { return len(o.In) }

func (o *PutNotifications) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	var p bursar.Problems
	seen := map[[16]byte]bool{}
	out := make([]bursar.Notification, 0, len(o.In))
	for i := range o.In {
		at := fmt.Sprintf("/notifications/%d", i)
		n := d.putNotification(&o.Caller, &o.In[i], at, &p)
		if n == nil {
			continue
		}
		if seen[n.ID] {
			p.Add(at, bursar.CodeValidationFailed, "this request has the same notification (id, or entity and name) twice")
		}
		seen[n.ID] = true
		out = append(out, d.notificationOut(n))
	}
	return out, p.Err()
}

// putNotification writes one, or adds to p what is wrong with it and gives nil.
func (d *Decider) putNotification(caller *catalogue.Caller, in *bursar.NotificationInput, at string, p *bursar.Problems) *record.Notification {
	had := len(p.Fields())
	x := record.Notification{Name: in.Name, Emails: in.Emails, Denials: in.Denials, BoostRequests: in.BoostRequests, ByToken: d.ours != nil, Created: d.Now.Milli(), Updated: d.Now.Milli()}
	if x.ByToken {
		x.Root = d.Root
	}
	if in.EntityID != "" {
		if x.Ent = d.EntOrd(in.EntityID); x.Ent == 0 {
			p.Add(at+"/entityId", bursar.CodeEntityNotFound, "%s", d.noEntity(in.EntityID))
		} else if d.Ent(x.Ent).Archived != 0 {
			p.Add(at+"/entityId", bursar.CodeValidationFailed, "the entity %q is archived", in.EntityID)
		}
	} else if d.Root != 0 {
		p.Add(at+"/entityId", bursar.CodeForbidden, "an access token with a root entity makes notifications for that entity and those below it: give entityId")
	}
	if len(p.Fields()) != had {
		return nil
	}
	old := d.notificationToPut(&x, in.ID, at, p)
	in = unmasked(in, old, at, p)
	x.SlackURLs, x.Thresholds = in.SlackURLs, in.Thresholds
	checkNotification(in, at, p)
	if len(p.Fields()) != had {
		return nil
	}
	action, before := "notification.created", any(nil)
	if old != nil {
		was := d.notificationOut(old)
		if in.Same(&was) {
			return old
		}
		x.ID, x.Created, action, before = old.ID, old.Created, "notification.updated", notificationAudit(was)
		x.ByToken, x.Root = old.ByToken, old.Root // who it was made by still sees it
	}
	x.Tokens = namedBy(&x, old, caller.Token)
	if d.checkRoom(&x, at, p); len(p.Fields()) != had {
		return nil
	}
	if old == nil {
		x.ID = d.NextID()
	}
	d.Emit(&record.NotificationPut{Notification: x})
	d.auditNotification(caller, action, &x, before, notificationAudit(d.notificationOut(&x)))
	return &x
}

// notificationToPut is the notification whose place x takes; nil = there is none.
func (d *Decider) notificationToPut(x *record.Notification, id, at string, p *bursar.Problems) *record.Notification {
	maker := x
	var named *record.Notification
	if id != "" {
		n, err := d.notificationByID(id)
		if err != nil {
			p.Add(at+"/id", bursar.CodeNotificationNotFound, "there is no notification %.64q: leave id out to make one", id)
			return nil
		}
		if n.Ent != x.Ent {
			p.Add(at+"/entityId", bursar.CodeValidationFailed, "the notification is of another entity: delete it, and make one of this entity")
		}
		maker, named = n, n
	}
	for _, n := range d.notificationsOf(x.Ent) {
		switch {
		case n.Name != x.Name || n.ByToken != maker.ByToken || n.Root != maker.Root:
		case named == nil:
			return n
		case n.ID != named.ID:
			p.Add(at+"/name", bursar.CodeValidationFailed, "the entity has another notification of this name")
		}
	}
	return named
}

// unmasked is in with its thresholds in order, and with the URLs of old in the place of those that are as
// old is shown.
func unmasked(in *bursar.NotificationInput, old *record.Notification, at string, p *bursar.Problems) *bursar.NotificationInput {
	out := *in
	out.Thresholds, out.SlackURLs = slices.Compact(slices.Sorted(slices.Values(in.Thresholds))), slices.Clone(in.SlackURLs)
	for i, u := range out.SlackURLs {
		if !bursar.IsMasked(u) {
			continue
		}
		had := -1
		if old != nil {
			had = slices.IndexFunc(old.SlackURLs, func(x string) bool { return bursar.MaskURL(x) == u })
		}
		if had < 0 {
			p.Add(fmt.Sprintf("%s/slackUrls/%d", at, i), bursar.CodeValidationFailed, "this is how a URL is shown, and the notification has none like it: give the whole URL")
			continue
		}
		out.SlackURLs[i] = old.SlackURLs[had]
	}
	return &out
}

// checkNotification adds to p what is wrong with the input by itself. Addresses are judged by who
// sends to them.
func checkNotification(in *bursar.NotificationInput, at string, p *bursar.Problems) {
	catalogue.CheckName(at+"/name", in.Name, p)
	if n := len(in.Emails) + len(in.SlackURLs); n < 1 || n > bursar.MaxRecipients {
		p.Add(at+"/emails", bursar.CodeValidationFailed, "a notification has 1 to %d recipients, emails and slackUrls together; this one has %d", bursar.MaxRecipients, n)
	}
	for _, list := range []struct {
		name string
		of   []string
	}{{"emails", in.Emails}, {"slackUrls", in.SlackURLs}} {
		for i, to := range list.of {
			if len(to) > bursar.MaxRecipientLen || slices.ContainsFunc(list.of[:i], func(x string) bool { return sameRecipient(x, to) }) {
				p.Add(fmt.Sprintf("%s/%s/%d", at, list.name, i), bursar.CodeValidationFailed, "is there twice, or has more than %d bytes", bursar.MaxRecipientLen)
			}
		}
	}
	catalogue.CheckThresholds(at+"/thresholds", in.Thresholds, p)
	if len(in.Thresholds) == 0 && !in.Denials && !in.BoostRequests {
		p.Add(at, bursar.CodeValidationFailed, "say what to tell of: thresholds, denials or boostRequests")
	}
}

// DeleteNotification takes a notification away.
type DeleteNotification struct {
	Caller catalogue.Caller
	ID     string
}

func (o *DeleteNotification) Decide(d *Decider) (any, error) {
	if err := d.writable(); err != nil {
		return nil, err
	}
	n, err := d.notificationByID(o.ID)
	if err != nil {
		return nil, err
	}
	return d.deleteNotification(&o.Caller, n), nil
}

func (d *Decider) deleteNotification(caller *catalogue.Caller, n *record.Notification) bursar.Notification {
	out := d.notificationOut(n)
	d.Emit(&record.NotificationDeleted{Ent: n.Ent, ID: n.ID})
	d.auditNotification(caller, "notification.deleted", n, notificationAudit(out), nil)
	return out
}

// auditNotification notes what was done to n. The entry is about the root that n was made below, so that
// whoever sees the entry sees n.
func (d *Decider) auditNotification(caller *catalogue.Caller, action string, n *record.Notification, before, after any) {
	root := ""
	if n.Root != 0 {
		root = d.Ent(n.Root).ID
	}
	d.audit(caller, action, "notification", store.FormatID(n.ID), root, before, after)
}

// notificationAudit is how the audit listing shows a notification: without what is a secret.
func notificationAudit(n bursar.Notification) map[string]any {
	m := map[string]any{"name": n.Name, "emails": n.Emails, "slackUrls": len(n.SlackURLs), "thresholds": n.Thresholds, "denials": n.Denials, "boostRequests": n.BoostRequests}
	if n.EntityID != "" {
		m["entityId"] = n.EntityID
	}
	return m
}
