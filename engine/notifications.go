package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// PutNotifications creates notifications or changes them, all or none. Pointers of errors begin with
// /notifications/i.
func (e *Engine) PutNotifications(ctx context.Context, c catalogue.Caller, customer string, in []bursar.NotificationInput) ([]bursar.Notification, uint64, error) {
	return govern[[]bursar.Notification](ctx, e, &c, customer, &ledger.PutNotifications{Caller: c, In: in})
}

// DeleteNotification removes a notification and returns what it was. Messages of it that wait are sent.
func (e *Engine) DeleteNotification(ctx context.Context, c catalogue.Caller, customer, id string) (bursar.Notification, uint64, error) {
	return govern[bursar.Notification](ctx, e, &c, customer, &ledger.DeleteNotification{Caller: c, ID: id})
}

// TestNotification queues a webhook.test message for each recipient of a notification.
func (e *Engine) TestNotification(ctx context.Context, c catalogue.Caller, customer, id string) ([]NotificationDelivery, uint64, error) {
	n, _, err := e.Notification(ctx, ledger.ReadOptions{Token: c.Token}, customer, id)
	if err != nil {
		return nil, 0, err
	}
	list, version, err := govern[[]store.Delivery](ctx, e, &c, customer, &ledger.TestNotification{Caller: c, ID: id})
	out := make([]NotificationDelivery, len(list))
	to := ledger.RecipientsOf(&n)
	for i := range list {
		out[i].Delivery = list[i]
		if r := slices.IndexFunc(to, func(r ledger.Recipient) bool { return r.Endpoint == list[i].EndpointID }); r >= 0 {
			out[i].Recipient = to[r].Address
		}
	}
	return out, version, err
}

// Notification reads one.
func (e *Engine) Notification(ctx context.Context, o ledger.ReadOptions, customer, id string) (bursar.Notification, uint64, error) {
	return answer(ctx, e, o, customer, func(v *ledger.View) (bursar.Notification, error) { return v.Notification(id) })
}

// Notifications lists a customer's notifications, in order of creation.
func (e *Engine) Notifications(ctx context.Context, o ledger.ReadOptions, customer string) ([]bursar.Notification, uint64, error) {
	return answer(ctx, e, o, customer, func(v *ledger.View) ([]bursar.Notification, error) { return v.Notifications(), nil })
}

// NotificationDelivery is a message on its way to one recipient of a notification.
type NotificationDelivery struct {
	store.Delivery
	Recipient string // as a notification has it
}

// NotificationDeliveries lists what went or goes to the recipients that a notification has now, newest
// first. q has no endpoint.
func (e *Engine) NotificationDeliveries(ctx context.Context, o ledger.ReadOptions, customer, id string, q store.DeliveryQuery) (p ledger.Page[NotificationDelivery], version uint64, err error) {
	n, version, err := e.Notification(ctx, o, customer, id)
	if err != nil {
		return p, 0, err
	}
	want := q.Limit
	q.Limit++
	p.Items = []NotificationDelivery{}
	for _, r := range ledger.RecipientsOf(&n) {
		q.EndpointID = r.Endpoint
		list, err := e.store.Deliveries(ctx, q)
		if err != nil {
			return p, 0, e.unavailable(err)
		}
		for _, d := range list {
			p.Items = append(p.Items, NotificationDelivery{d, r.Address})
		}
	}
	slices.SortFunc(p.Items, func(a, b NotificationDelivery) int { return cmp.Compare(b.ID, a.ID) })
	if n := len(p.Items) - q.Limit; n > 0 && q.Above != "" {
		p.Items = p.Items[n:]
	} else if n > 0 {
		p.Items = p.Items[:q.Limit]
	}
	p.Cut(want, q.Below != "", q.Above != "")
	return p, version, nil
}

// RedeliverNotification makes a delivery to a recipient that the notification has now PENDING again,
// due now.
func (e *Engine) RedeliverNotification(ctx context.Context, c catalogue.Caller, customer, id, deliveryID string) (NotificationDelivery, uint64, error) {
	n, version, err := e.Notification(ctx, ledger.ReadOptions{Token: c.Token}, customer, id)
	if err != nil {
		return NotificationDelivery{}, 0, err
	}
	d, err := once(ctx, e, c, func() (NotificationDelivery, error) {
		d, err := e.store.Delivery(ctx, deliveryID)
		if err != nil {
			return NotificationDelivery{}, e.unavailable(err)
		}
		if d != nil {
			for _, r := range ledger.RecipientsOf(&n) {
				if r.Endpoint == d.EndpointID && c.Token != nil && d.Status != store.DeliveryFailed {
					return NotificationDelivery{}, bursar.Errorf(bursar.CodeForbidden, "an access token sends again what has failed: this message has not")
				}
				if r.Endpoint == d.EndpointID {
					again, err := e.deliverAgain(ctx, d.Delivery)
					return NotificationDelivery{again, r.Address}, err
				}
			}
		}
		return NotificationDelivery{}, bursar.Errorf(bursar.CodeDeliveryNotFound, "the notification has no delivery %.64q", deliveryID)
	})
	return d, version, err
}

// Bounds of the limits that have denied within a second and of which somebody may have to be told.
const (
	denialsToTell      = 100 // of a customer
	denialsToTellInAll = 10_000
)

// noteToTell has the next turn of tellDenials look whether somebody is to hear of d.
func (k *denialKeeper) noteToTell(d *Denial) {
	b := d.Decision.Binding
	if b == nil || b.Source != bursar.BindingEntity || b.Node.AssignmentID == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	of := k.toTell[d.CustomerID]
	if _, ok := of[b.Node.AssignmentID]; ok || len(of) >= denialsToTell || k.toTellInAll >= denialsToTellInAll {
		return
	}
	if of == nil {
		of = map[string]*Denial{}
		k.toTell[d.CustomerID] = of
	}
	of[b.Node.AssignmentID] = d
	k.toTellInAll++
}

// tellDenials tells people of limits that denied since it was called last, each once in its window.
// A denial that it does not come to is told of with the next one of the same limit.
func (e *Engine) tellDenials(ctx context.Context) {
	k := e.denials
	k.telling.Lock()
	defer k.telling.Unlock()
	k.mu.Lock()
	all := k.toTell
	k.toTell, k.toTellInAll = map[string]map[string]*Denial{}, 0
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, denialsTimeout)
	defer cancel()
	failed, why := "", error(nil)
	for customer, of := range all {
		if err := e.tellDenialsOf(ctx, customer, of); err != nil {
			failed, why = customer, err
		}
	}
	if why != nil {
		e.o.Log.Warn("telling people of denials failed; the next ones of the limits are told of", "customer", failed, "err", why)
	}
}

// tellDenialsOf tells of limits of one customer, those of which somebody is to hear.
func (e *Engine) tellDenialsOf(ctx context.Context, customer string, of map[string]*Denial) error {
	heard, _, err := answer(ctx, e, ledger.ReadOptions{MaxStaleness: time.Minute}, customer, func(v *ledger.View) ([]string, error) {
		return slices.DeleteFunc(slices.Sorted(maps.Keys(of)), func(assignment string) bool { return !v.TellsDenials(assignment) }), nil
	})
	for _, assignment := range heard {
		d := of[assignment]
		if _, _, err := e.write(ctx, system, customer, &ledger.TellDenial{AssignmentID: assignment, Named: d.Decision.Named, Requested: d.Requested}); err != nil {
			return err
		}
	}
	return err
}

// AnswerLinked approves or declines a boost request for the recipient of a notification who was sent a link to it.
func (e *Engine) AnswerLinked(ctx context.Context, customer string, o ledger.AnswerLinked) (ledger.LinkedRequest, uint64, error) {
	return govern[ledger.LinkedRequest](ctx, e, system, customer, &o)
}

// LinkedRequest finds a boost request for the recipient of a notification who was sent a link to it.
func (e *Engine) LinkedRequest(ctx context.Context, customer, endpoint, requestID string) (ledger.LinkedRequest, uint64, error) {
	return answer(ctx, e, ledger.ReadOptions{}, customer, func(v *ledger.View) (ledger.LinkedRequest, error) { return v.LinkedRequest(endpoint, requestID) })
}
