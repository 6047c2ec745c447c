package sim

import (
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
)

// mNotification says who hears of the limits of an entity and of all below it.
type mNotification struct {
	bursar.NotificationInput
	id               string
	created, updated bursar.Time
}

func (n *mNotification) show() bursar.Notification {
	return bursar.Notification{ID: n.id, EntityID: n.EntityID, Name: n.Name, Emails: n.Emails, SlackURLs: n.SlackURLs, Thresholds: n.Thresholds,
		Denials: n.Denials, BoostRequests: n.BoostRequests, CreatedAt: n.created, UpdatedAt: n.updated}
}

func (n *mNotification) to() string {
	return fmt.Sprint(n.id, " ", n.Name, " ", []string{"mailto:" + n.Emails[0]}, " ")
}

// hear are the notifications that are about a limit, those of its entity first and those of the customer last.
func (c *mCust) hear(r *mRow) (list []*mNotification) {
	of := func(entity string) {
		for _, n := range c.hearers {
			if n.EntityID == entity {
				list = append(list, n)
			}
		}
	}
	for id := &r.entity; id != nil; id = c.entities[*id].ParentID {
		of(*id)
	}
	of("")
	return list
}

// tellPeople tells of thresholds that are newly reached. One that is not reached any more is forgotten; one that
// is stays told, whoever listens. What was told is remembered of the last window in which something was.
func (c *mCust) tellPeople(r *mRow, used num, now bursar.Time) {
	listens := map[int]bool{}
	for _, n := range c.hear(r) {
		for _, t := range n.Thresholds {
			listens[t] = true
		}
	}
	if len(listens) == 0 {
		return
	}
	w, limit := r.window(int64(now)), r.effective(now)
	reached := func(percent int) bool {
		return limit != nil && used.sign() > 0 && used.times(100).cmp(limit.times(int64(percent))) >= 0
	}
	told := map[int]bool{}
	for t := range r.told {
		if r.toldIn == w.start && reached(t) {
			told[t] = true
		}
	}
	written := map[string]bool{} // each address once
	for _, n := range c.hear(r) {
		var mine []int
		for _, t := range n.Thresholds {
			if reached(t) && !told[t] {
				mine = append(mine, t)
			}
		}
		if len(mine) > 0 && !written[n.Emails[0]] {
			written[n.Emails[0]] = true
			x := c.usageMessage(bursar.EventUsageExceeded, r, used, limit, mine, w)
			x.to = n.to()
			c.send(x)
		}
	}
	for t := range listens {
		if reached(t) {
			told[t] = true
		}
	}
	if r.toldIn == w.start || len(told) > 0 { // else it is of a window that may come again: a default can take another's place for a while
		r.toldIn, r.told = w.start, told
	}
}

func (c *mCust) hearer(x bursar.NotificationInput) int {
	return slices.IndexFunc(c.hearers, func(n *mNotification) bool { return n.EntityID == x.EntityID && n.Name == x.Name })
}

// levelsOf counts the different thresholds.
func levelsOf(list []*mNotification) int {
	levels := map[int]bool{}
	for _, n := range list {
		for _, t := range n.Thresholds {
			levels[t] = true
		}
	}
	return len(levels)
}

func (m *model) putNotifications(customer string, in []bursar.NotificationInput) ([]bursar.Notification, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return nil, f
	}
	var p problems
	with := slices.Clone(c.hearers)
	for i, x := range in {
		before := len(p.list)
		p.item = fmt.Sprintf("/notifications/%d", i)
		if e, known := c.entities[x.EntityID]; x.EntityID != "" && !known {
			p.at("/entityId", bursar.CodeEntityNotFound)
		} else if x.EntityID != "" && e.ArchivedAt != nil {
			p.at("/entityId", bursar.CodeValidationFailed)
		}
		if len(x.Thresholds) == 0 && !x.BoostRequests && !x.Denials {
			p.at("", bursar.CodeValidationFailed)
		}
		if len(p.list) == before {
			next := append(slices.DeleteFunc(slices.Clone(with), func(n *mNotification) bool { return n.EntityID == x.EntityID && n.Name == x.Name }), &mNotification{NotificationInput: x})
			if levelsOf(next) > 20 {
				p.at("/thresholds", bursar.CodeTooManyLimits)
			} else {
				with = next
			}
		}
		if slices.ContainsFunc(in[:i], func(y bursar.NotificationInput) bool { return x.EntityID == y.EntityID && x.Name == y.Name }) {
			p.list = append(p.list, problem{p.item, "*", bursar.CodeValidationFailed, len(p.list) > 0})
		}
	}
	if f := p.err(); f != nil {
		return nil, f
	}
	var out []bursar.Notification
	changed := false
	for _, x := range in {
		x.Thresholds = slices.Compact(slices.Sorted(slices.Values(x.Thresholds)))
		if i := c.hearer(x); i >= 0 {
			if old := c.hearers[i].show(); x.Same(&old) {
				out = append(out, old)
				continue
			}
		}
		changed = true
		next := &mNotification{NotificationInput: x, created: now.Milli(), updated: now.Milli()}
		if i := c.hearer(x); i >= 0 {
			next.id, next.created = c.hearers[i].id, c.hearers[i].created
			c.hearers[i] = next
		} else {
			next.id = m.newID("n")
			c.hearers = append(c.hearers, next)
		}
		out = append(out, next.show())
	}
	if changed {
		c.log.wrote(now)
	}
	return out, nil
}

func (m *model) deleteNotification(customer, id string) (bursar.Notification, *fail) {
	c, now, f := m.writable(customer)
	if f != nil {
		return bursar.Notification{}, f
	}
	for i, n := range c.hearers {
		if n.id == id {
			c.hearers = slices.Delete(c.hearers, i, i+1)
			c.log.wrote(now)
			return n.show(), nil
		}
	}
	return bursar.Notification{}, failed(bursar.CodeNotificationNotFound)
}

func (m *model) listNotifications(customer string) ([]bursar.Notification, *fail) {
	c, _ := m.customer(customer)
	if c == nil {
		return nil, failed(bursar.CodeCustomerNotFound)
	}
	out := []bursar.Notification{}
	for _, n := range c.hearers {
		out = append(out, n.show())
	}
	return out, nil
}

// The driver and the generator of notifications. Each has one recipient, and so each message one delivery.

type putNotifications struct {
	Customer string
	In       []bursar.NotificationInput
}

func (a putNotifications) run(w *world) string {
	got, v, err := w.engine.PutNotifications(w.ctx, caller, a.Customer, a.In)
	want, f := w.model.putNotifications(a.Customer, a.In)
	if d := diffErr(err, f); d != "" || f != nil {
		return d
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d notifications, model %d", len(got), len(want))
	}
	for i := range got {
		if d := first(w.bind("notifications of "+a.Customer, got[i].ID, want[i].ID), diff(w.notification(got[i]), want[i])); d != "" {
			return fmt.Sprintf("notification %d: %s", i, d)
		}
	}
	return w.sawVersion(a.Customer, v)
}

func (w *world) notification(n bursar.Notification) bursar.Notification {
	n.ID = w.modelID(n.ID)
	return n
}

// deleteNotification names one by its place.
type deleteNotification struct {
	Customer string
	Ref      int
}

func (a deleteNotification) run(w *world) string {
	id := "l-unknown"
	if c := w.model.customers[a.Customer]; c != nil && a.Ref < len(c.hearers) {
		id = c.hearers[a.Ref].id
	}
	got, v, err := w.engine.DeleteNotification(w.ctx, caller, a.Customer, w.engineID(id))
	want, f := w.model.deleteNotification(a.Customer, id)
	if d := reply(w.notification(got), err, want, f); d != "" || f != nil {
		return d
	}
	return w.sawVersion(a.Customer, v)
}

type listNotifications struct{ Customer string }

func (a listNotifications) run(w *world) string {
	got, _, err := w.engine.Notifications(w.ctx, w.fresh(a.Customer), a.Customer)
	want, f := w.model.listNotifications(a.Customer)
	got = slices.Clone(got)
	for i := range got {
		got[i] = w.notification(got[i])
	}
	return reply(got, err, want, f)
}

func genPutNotifications(g *gen) action {
	id := g.customer()
	c := g.known(id)
	a := putNotifications{Customer: id}
	for range 1 + g.r.IntN(2) {
		x := bursar.NotificationInput{Name: pick(g.r, []string{"a", "b"}), Emails: []string{pick(g.r, []string{"ann@x.example", "bob@x.example"})},
			BoostRequests: chance(g.r, 2)}
		if rows := c.limits(); len(rows) > 0 && !chance(g.r, 4) {
			x.EntityID = pick(g.r, rows).entity
		} else if !chance(g.r, 3) {
			x.EntityID = g.live(c)
		}
		for range g.r.IntN(4) {
			x.Thresholds = append(x.Thresholds, 5*(1+g.r.IntN(30)))
		}
		if i := c.hearer(x); i >= 0 && chance(g.r, 4) { // again
			x = c.hearers[i].NotificationInput
		}
		a.In = append(a.In, x)
	}
	return a
}

func genDeleteNotification(g *gen) action {
	id := g.customer()
	return deleteNotification{id, g.r.IntN(len(g.known(id).hearers) + 1 + chance1(g.r, 10))}
}

func genListNotifications(g *gen) action { return listNotifications{g.customer()} }
