package client

import (
	"context"
	"net/http"

	"github.com/bursarhq/bursar"
)

// NotificationInput puts the notification with an id or, without, that of an entity and a name.
type NotificationInput struct {
	ID            string   `json:"id,omitempty"`
	EntityID      string   `json:"entityId,omitempty"` // "" = of the whole customer
	Name          string   `json:"name"`
	Emails        []string `json:"emails,omitempty"`
	SlackURLs     []string `json:"slackUrls,omitempty"`  // or as a Notification has one
	Thresholds    []int    `json:"thresholds,omitempty"` // percent of a limit
	Denials       bool     `json:"denials,omitempty"`
	BoostRequests bool     `json:"boostRequests,omitempty"`
}

// Notification says who hears of what happens to the limits of an entity and of all below it.
type Notification struct {
	ID            string      `json:"id"`
	EntityID      string      `json:"entityId"` // "" = of the whole customer
	Name          string      `json:"name"`
	Emails        []string    `json:"emails"`
	SlackURLs     []string    `json:"slackUrls"` // the host of each, and what tells it from others
	Thresholds    []int       `json:"thresholds"`
	Denials       bool        `json:"denials"`
	BoostRequests bool        `json:"boostRequests"`
	CreatedAt     bursar.Time `json:"createdAt"`
	UpdatedAt     bursar.Time `json:"updatedAt"`
}

// NotificationDelivery is a message on its way to one recipient.
type NotificationDelivery struct {
	Recipient string `json:"recipient"` // as the notification has it
	Delivery
}

// PutNotifications creates notifications or changes them: all or none, at most 100.
func (c *Client) PutNotifications(ctx context.Context, customer string, notifications ...NotificationInput) ([]Notification, error) {
	in := map[string]any{"notifications": notifications}
	return ask[[]Notification](ctx, c, call{method: http.MethodPut, path: segments("customers", customer, "notifications"), in: in})
}

// Notifications lists the notifications of a customer.
func (c *Client) Notifications(ctx context.Context, customer string, in Paging) (Page[Notification], error) {
	return list[Notification](ctx, c, segments("customers", customer, "notifications"), in.query())
}

// Notification reads one.
func (c *Client) Notification(ctx context.Context, customer, id string) (Notification, error) {
	return ask[Notification](ctx, c, call{method: http.MethodGet, path: segments("customers", customer, "notifications", id)})
}

// DeleteNotification deletes one. Its messages that wait are sent.
func (c *Client) DeleteNotification(ctx context.Context, customer, id string) (Notification, error) {
	return ask[Notification](ctx, c, call{method: http.MethodDelete, path: segments("customers", customer, "notifications", id), key: keyFor("")})
}

// TestNotification sends each recipient a message of type webhook.test.
func (c *Client) TestNotification(ctx context.Context, customer, id string) ([]NotificationDelivery, error) {
	return post[[]NotificationDelivery](ctx, c, segments("customers", customer, "notifications", id, "test"))
}

// NotificationDeliveries lists what went or goes to the recipients that a notification has now, newest
// first; status "" = any.
func (c *Client) NotificationDeliveries(ctx context.Context, customer, id, status string, in Paging) (Page[NotificationDelivery], error) {
	q := in.query()
	setNonEmpty(q, "status", status)
	return list[NotificationDelivery](ctx, c, segments("customers", customer, "notifications", id, "deliveries"), q)
}

// RedeliverNotification makes a delivery wait again, with all its attempts.
func (c *Client) RedeliverNotification(ctx context.Context, customer, id, delivery string) (NotificationDelivery, error) {
	return post[NotificationDelivery](ctx, c, segments("customers", customer, "notifications", id, "deliveries", delivery, "redeliver"))
}
