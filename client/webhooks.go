package client

import (
	"context"
	"net/http"

	"github.com/bursarhq/bursar"
)

// WebhookInput creates an endpoint that hears of events.
type WebhookInput struct {
	Kind        bursar.WebhookKind `json:"kind,omitempty"` // "" = webhook
	URL         string             `json:"url"`            // https://…, for email mailto:…
	Description string             `json:"description,omitempty"`
	EventTypes  []string           `json:"eventTypes,omitempty"` // nil = all
	CustomerID  string             `json:"customerId,omitempty"` // "" = of all customers
}

// WebhookPatch updates an endpoint; absent members are kept, null clears.
type WebhookPatch struct {
	URL         Opt[string]   `json:"url,omitzero"`
	Description Opt[string]   `json:"description,omitzero"`
	EventTypes  Opt[[]string] `json:"eventTypes,omitzero"`
	CustomerID  Opt[string]   `json:"customerId,omitzero"`
	Status      string        `json:"status,omitempty"` // ENABLED or DISABLED
}

// Webhook is an endpoint. Secret, with which messages to it are signed, is there only in
// the replies that made or rotated it.
type Webhook struct {
	ID          string             `json:"id"`
	Kind        bursar.WebhookKind `json:"kind"`
	URL         string             `json:"url"`
	Description string             `json:"description"`
	EventTypes  []string           `json:"eventTypes"` // nil = all
	CustomerID  string             `json:"customerId"`
	Status      string             `json:"status"`
	Secret      string             `json:"secret"`
	CreatedAt   bursar.Time        `json:"createdAt"`
	UpdatedAt   bursar.Time        `json:"updatedAt"`
}

// CreateWebhook makes an endpoint.
func (c *Client) CreateWebhook(ctx context.Context, in WebhookInput) (Webhook, error) {
	return ask[Webhook](ctx, c, call{method: http.MethodPost, path: "/webhooks", in: in, key: keyFor("")})
}

// Webhooks lists the endpoints.
func (c *Client) Webhooks(ctx context.Context, in Paging) (Page[Webhook], error) {
	return list[Webhook](ctx, c, "/webhooks", in.query())
}

// Webhook reads an endpoint.
func (c *Client) Webhook(ctx context.Context, id string) (Webhook, error) {
	return ask[Webhook](ctx, c, call{method: http.MethodGet, path: segments("webhooks", id)})
}

// UpdateWebhook changes what in has.
func (c *Client) UpdateWebhook(ctx context.Context, id string, in WebhookPatch) (Webhook, error) {
	return ask[Webhook](ctx, c, call{method: http.MethodPatch, path: segments("webhooks", id), in: in})
}

// DeleteWebhook removes an endpoint; deliveries to it that wait are given up.
func (c *Client) DeleteWebhook(ctx context.Context, id string) (Webhook, error) {
	return ask[Webhook](ctx, c, call{method: http.MethodDelete, path: segments("webhooks", id), key: keyFor("")})
}

// RotateWebhookSecret gives an endpoint a new secret; the old one signs too for 24
// hours.
func (c *Client) RotateWebhookSecret(ctx context.Context, id string) (Webhook, error) {
	return post[Webhook](ctx, c, segments("webhooks", id, "rotate-secret"))
}

// Delivery is one message on its way to one endpoint.
type Delivery struct {
	ID             string       `json:"id"`
	MessageID      string       `json:"messageId"`
	EventType      string       `json:"eventType"`
	Status         string       `json:"status"` // PENDING, SUCCEEDED or FAILED
	Attempts       int          `json:"attempts"`
	ResponseStatus int          `json:"responseStatus"` // of the last attempt; 0 = there was no reply
	Error          string       `json:"error"`          // of the last attempt
	NextAttemptAt  *bursar.Time `json:"nextAttemptAt"`
	CreatedAt      bursar.Time  `json:"createdAt"`
}

// TestWebhook sends an endpoint a message of type webhook.test.
func (c *Client) TestWebhook(ctx context.Context, id string) (Delivery, error) {
	return ask[Delivery](ctx, c, call{method: http.MethodPost, path: segments("webhooks", id, "test")})
}

// Deliveries lists what went or goes to an endpoint, newest first. Status "" = any.
func (c *Client) Deliveries(ctx context.Context, id, status string, in Paging) (Page[Delivery], error) {
	q := in.query()
	setNonEmpty(q, "status", status)
	return list[Delivery](ctx, c, segments("webhooks", id, "deliveries"), q)
}

// Redeliver sends a message once more, with all its attempts.
func (c *Client) Redeliver(ctx context.Context, id, delivery string) (Delivery, error) {
	return ask[Delivery](ctx, c, call{method: http.MethodPost, path: segments("webhooks", id, "deliveries", delivery, "redeliver")})
}
