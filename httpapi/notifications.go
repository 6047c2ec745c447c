package httpapi

import (
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// notificationOut is who hears of what happens to the limits of an entity and of all below it.
type notificationOut struct {
	ID            string      `json:"id"`
	EntityID      *string     `json:"entityId" doc:"Whose limits it tells of: this entity's and those of all below it. null: the whole customer's."`
	Name          string      `json:"name" doc:"What its messages are headed with."`
	Emails        []string    `json:"emails" doc:"Who is sent mail."`
	SlackURLs     []string    `json:"slackUrls" doc:"Incoming webhooks of Slack. Each is a secret, of which the host and what tells it from others are shown; put as it is shown it stays."`
	Thresholds    []int       `json:"thresholds" doc:"Percent of a limit at which they hear, once in its window."`
	Denials       bool        `json:"denials" doc:"They hear when a limit denies, once in its window."`
	BoostRequests bool        `json:"boostRequests" doc:"They hear when somebody asks for a boost, and what was decided."`
	CreatedAt     bursar.Time `json:"createdAt"`
	UpdatedAt     bursar.Time `json:"updatedAt"`
}

func viewNotification(n bursar.Notification) notificationOut {
	out := notificationOut{ID: n.ID, EntityID: orNil(&n.EntityID), Name: n.Name, Emails: append([]string{}, n.Emails...), SlackURLs: make([]string, len(n.SlackURLs)),
		Thresholds: append([]int{}, n.Thresholds...), Denials: n.Denials, BoostRequests: n.BoostRequests, CreatedAt: n.CreatedAt, UpdatedAt: n.UpdatedAt}
	for i, u := range n.SlackURLs {
		out.SlackURLs[i] = bursar.MaskURL(u)
	}
	return out
}

type notificationIn struct {
	ID            string   `json:"id" doc:"The notification to change, of the same entity. When left out: the one of that entity and name that keys made or, for an access token, that tokens with its root did; else a new one."`
	EntityID      *string  `json:"entityId" is:"entityId" doc:"Whose limits it tells of: this entity's and those of all below it. The whole customer's when left out."`
	Name          string   `json:"name" is:"required,len=1-255" doc:"What its messages are headed with."`
	Emails        []string `json:"emails" is:"n=0-10" doc:"Who is sent mail. With slackUrls 1 to 10."`
	SlackURLs     []string `json:"slackUrls" is:"n=0-10" doc:"Incoming webhooks of Slack, or as a reply showed one."`
	Thresholds    []int    `json:"thresholds" is:"n=0-10" doc:"Percent of a limit, 1 to 1000, at which they hear, once in its window."`
	Denials       *bool    `json:"denials" doc:"Whether they hear when a limit denies, once in its window."`
	BoostRequests *bool    `json:"boostRequests" doc:"Whether they hear when somebody asks for a boost, and what was decided."`
}

type notificationsIn struct {
	customerPath
	Notifications []notificationIn `json:"notifications" is:"required,n=1-100" doc:"All are put, or none."`
}

func (a *API) putNotifications(c call, in *notificationsIn) ([]bursar.Notification, uint64, error) {
	var problems bursar.Problems
	inputs := make([]bursar.NotificationInput, len(in.Notifications))
	for i := range in.Notifications {
		x, at := &in.Notifications[i], fmt.Sprintf("/notifications/%d", i)
		inputs[i] = bursar.NotificationInput{ID: x.ID, EntityID: orZero(x.EntityID), Name: x.Name, Emails: x.Emails, SlackURLs: x.SlackURLs, Thresholds: x.Thresholds,
			Denials: orZero(x.Denials), BoostRequests: orZero(x.BoostRequests)}
		if a.checkRecipient == nil {
			continue
		}
		for j, to := range x.Emails {
			if err := a.checkRecipient(bursar.WebhookEmail, to); err != nil {
				problems.Add(fmt.Sprintf("%s/emails/%d", at, j), bursar.CodeValidationFailed, "%s", reason(err))
			}
		}
		for j, to := range x.SlackURLs {
			if err := a.checkRecipient(bursar.WebhookSlack, to); err != nil && !bursar.IsMasked(to) {
				problems.Add(fmt.Sprintf("%s/slackUrls/%d", at, j), bursar.CodeValidationFailed, "%s", reason(err))
			}
		}
	}
	if err := problems.Err(); err != nil {
		return nil, 0, err
	}
	return a.engine.PutNotifications(c.ctx, c.by, in.CustomerID, inputs)
}

type notificationList struct {
	customerPath
	paging
	freshness
}

func notificationAt(n *bursar.Notification) ledger.ListPos { return ledger.ListPos{ID: n.ID} } // which grows with time

func (a *API) listNotifications(c call, in *notificationList) ([]*bursar.Notification, uint64, error) {
	got, version, err := a.engine.Notifications(c.ctx, c.options(), in.CustomerID)
	return pointersTo(got), version, err
}

type notificationPath struct {
	customerPath
	NotificationID string `path:"notificationId"`
}

type notificationGet struct {
	notificationPath
	freshness
}

func (a *API) getNotification(c call, in *notificationGet) (bursar.Notification, uint64, error) {
	return a.engine.Notification(c.ctx, c.options(), in.CustomerID, in.NotificationID)
}

func (a *API) deleteNotification(c call, in *notificationPath) (bursar.Notification, uint64, error) {
	return a.engine.DeleteNotification(c.ctx, c.by, in.CustomerID, in.NotificationID)
}

// testNotification queues a message that says that nothing has happened for each recipient.
func (a *API) testNotification(c call, in *notificationPath) ([]engine.NotificationDelivery, uint64, error) {
	return a.engine.TestNotification(c.ctx, c.by, in.CustomerID, in.NotificationID)
}

// notificationDeliveryOut is one message on its way to one recipient.
type notificationDeliveryOut struct {
	Recipient string `json:"recipient" doc:"As the notification shows it."`
	deliveryOut
}

func viewNotificationDelivery(d engine.NotificationDelivery) notificationDeliveryOut {
	out := notificationDeliveryOut{Recipient: d.Recipient, deliveryOut: viewDelivery(d.Delivery)}
	if bursar.IsURL(d.Recipient) {
		out.Recipient = bursar.MaskURL(d.Recipient)
	}
	return out
}

type notificationDeliveryList struct {
	notificationPath
	paging
	freshness
	Status store.DeliveryStatus `query:"status" is:"enum=PENDING|SUCCEEDED|FAILED" doc:"Any when left out."`
}

func notificationDeliveryAt(d *engine.NotificationDelivery) ledger.ListPos {
	return deliveryAt(&d.Delivery)
}

// listNotificationDeliveries lists newest first.
func (a *API) listNotificationDeliveries(c call, in *notificationDeliveryList, p ledger.ListPage) (ledger.Page[engine.NotificationDelivery], uint64, error) {
	query := store.DeliveryQuery{Status: in.Status, Limit: p.Limit}
	query.Below, query.Above = belowAbove(p)
	return a.engine.NotificationDeliveries(c.ctx, c.options(), in.CustomerID, in.NotificationID, query)
}

type notificationDeliveryPath struct {
	notificationPath
	DeliveryID string `path:"deliveryId"`
}

// redeliverNotification makes a delivery wait again, with all its attempts.
func (a *API) redeliverNotification(c call, in *notificationDeliveryPath) (engine.NotificationDelivery, uint64, error) {
	return a.engine.RedeliverNotification(c.ctx, c.by, in.CustomerID, in.NotificationID, in.DeliveryID)
}
