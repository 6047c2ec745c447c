package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
)

// secretOverlap is how long the secret before a rotation signs too.
const secretOverlap = bursar.Time(24 * 3600e9)

// maxWebhooks bounds the endpoints of an environment.
const maxWebhooks = 100

func errNoWebhook(id string) error {
	return bursar.Errorf(bursar.CodeWebhookNotFound, "there is no webhook %.64q", id)
}

func newSecret() (string, error) {
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return secretText(b[:]), nil
}

// CreateWebhook makes an endpoint; the reply is the only one that has to show its secret.
func (e *Engine) CreateWebhook(ctx context.Context, c Caller, in WebhookInput) (bursar.Webhook, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (h bursar.Webhook, err error) {
		if len(w.webhooks) >= maxWebhooks {
			return h, bursar.Errorf(bursar.CodeValidationFailed, "there are %d webhooks; that is the most there may be", maxWebhooks)
		}
		h = bursar.Webhook{ID: formatID(globalID(w.now, w.head.Seq, w.commit, 'w', 0)), Kind: in.Kind, URL: in.URL, Description: in.Description,
			EventTypes: in.EventTypes, CustomerID: in.CustomerID, Enabled: true, CreatedAt: w.now.Milli()}
		if h.Kind == "" {
			h.Kind = bursar.WebhookStandard
		}
		if h.Secret, err = newSecret(); err != nil {
			return h, err
		}
		return w.putWebhook(h)
	})
}

func (w *catalogueWrite) putWebhook(h bursar.Webhook) (bursar.Webhook, error) {
	var p bursar.Problems
	if h.Kind != bursar.WebhookStandard && h.Kind != bursar.WebhookSlack && h.Kind != bursar.WebhookEmail {
		p.Add("/kind", bursar.CodeValidationFailed, "a kind is webhook, slack or email")
	}
	if n := bursar.Length(h.URL); n < 1 || n > bursar.MaxDescriptionLen {
		p.Add("/url", bursar.CodeValidationFailed, "a url has 1 to %d characters, this one %d", bursar.MaxDescriptionLen, n)
	}
	checkText("/description", h.Description, &p)
	for i, t := range h.EventTypes {
		if !slices.Contains(bursar.EventTypes, t) {
			p.Add(fmt.Sprintf("/eventTypes/%d", i), bursar.CodeValidationFailed, "%.64q is not one of %s", t, strings.Join(bursar.EventTypes, ", "))
		}
	}
	if h.CustomerID != nil {
		if err := bursar.CheckCustomerID(*h.CustomerID); err != nil {
			p.Add("/customerId", bursar.CodeValidationFailed, "%v", err)
		}
	}
	if err := p.Err(); err != nil {
		return h, err
	}
	h.UpdatedAt = w.now.Milli()
	return h, w.put("webhook", &h)
}

// UpdateWebhook changes what p has.
func (e *Engine) UpdateWebhook(ctx context.Context, c Caller, id string, p WebhookPatch) (bursar.Webhook, error) {
	return e.changeWebhook(ctx, c, id, func(w *catalogueWrite, h *bursar.Webhook) error {
		if p.URL.Set {
			h.URL = p.URL.Value
		}
		setOpt(&h.Description, p.Description)
		setOpt(&h.CustomerID, p.CustomerID)
		if p.EventTypes.Set {
			if h.EventTypes = p.EventTypes.Value; p.EventTypes.Null {
				h.EventTypes = nil
			}
		}
		if p.Enabled.Set {
			h.Enabled = p.Enabled.Value
		}
		return nil
	})
}

func (e *Engine) changeWebhook(ctx context.Context, c Caller, id string, change func(*catalogueWrite, *bursar.Webhook) error) (bursar.Webhook, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.Webhook, error) {
		old := w.webhooks[id]
		if old == nil {
			return bursar.Webhook{}, errNoWebhook(id)
		}
		if err := w.stillAt(old); err != nil {
			return *old, err
		}
		h := *old
		if err := change(w, &h); err != nil {
			return h, err
		}
		return w.putWebhook(h)
	})
}

// DeleteWebhook removes an endpoint. Deliveries to it that wait are given up.
func (e *Engine) DeleteWebhook(ctx context.Context, c Caller, id string) (bursar.Webhook, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (bursar.Webhook, error) {
		old := w.webhooks[id]
		if old == nil {
			return bursar.Webhook{}, errNoWebhook(id)
		}
		if err := w.stillAt(old); err != nil {
			return *old, err
		}
		return *old, w.put("webhookDeleted", id)
	})
}

// RotateWebhookSecret gives an endpoint a new secret; the old one signs too for 24 hours.
func (e *Engine) RotateWebhookSecret(ctx context.Context, c Caller, id string) (bursar.Webhook, error) {
	return e.changeWebhook(ctx, c, id, func(w *catalogueWrite, h *bursar.Webhook) (err error) {
		h.OldSecret, h.OldUntil = h.Secret, w.now.Milli()+secretOverlap
		h.Secret, err = newSecret()
		return err
	})
}

// DisableWebhook ends deliveries to an endpoint that answered 410 Gone.
func (e *Engine) DisableWebhook(ctx context.Context, id string) error {
	_, err := e.UpdateWebhook(ctx, Caller{ActorType: "SYSTEM"}, id, WebhookPatch{Enabled: bursar.Some(false)})
	var gone *bursar.Error
	if errors.As(err, &gone) && gone.Code == bursar.CodeWebhookNotFound {
		return nil
	}
	return err
}

type testData struct {
	Description string `json:"description"`
}

// TestWebhook queues a webhook.test message for one endpoint.
func (e *Engine) TestWebhook(ctx context.Context, c Caller, id string) (Delivery, error) {
	return catalogueDo(ctx, e, c, func(w *catalogueWrite) (Delivery, error) {
		h := w.webhooks[id]
		if h == nil {
			return Delivery{}, errNoWebhook(id)
		}
		customer := ""
		if h.CustomerID != nil {
			customer = *h.CustomerID
		}
		w.out.addTo([]string{id}, w.now, w.head.Seq, w.commit, w.trace, bursar.EventTest, customer, testData{"A test message of Bursar. Nothing has happened."})
		return w.out.messages[0].Deliveries[0], nil
	})
}

// Deliveries lists what went or goes to one endpoint, newest first.
func (e *Engine) Deliveries(ctx context.Context, q DeliveryQuery) (p Page[Delivery], err error) {
	if e.Catalogue().Webhook(q.EndpointID) == nil {
		return p, errNoWebhook(q.EndpointID)
	}
	want := q.Limit
	q.Limit++
	if p.Items, err = e.store.Deliveries(ctx, q); err != nil {
		return p, e.unavailable(err)
	}
	p.cut(want, q.Below != "", q.Above != "")
	return p, nil
}

// Redeliver makes a delivery PENDING again, due now.
func (e *Engine) Redeliver(ctx context.Context, c Caller, webhookID, deliveryID string) (Delivery, error) {
	return once(ctx, e, c, func() (Delivery, error) { return e.redeliver(ctx, webhookID, deliveryID) })
}

func (e *Engine) redeliver(ctx context.Context, webhookID, deliveryID string) (Delivery, error) {
	switch h := e.Catalogue().Webhook(webhookID); {
	case h == nil:
		return Delivery{}, errNoWebhook(webhookID)
	case !h.Enabled:
		return Delivery{}, bursar.Errorf(bursar.CodeValidationFailed, "the webhook is disabled (an endpoint that answers 410 is); enable it first")
	}
	d, err := e.store.Delivery(ctx, deliveryID)
	if err != nil {
		return Delivery{}, e.unavailable(err)
	}
	if d == nil || d.EndpointID != webhookID {
		return Delivery{}, bursar.Errorf(bursar.CodeDeliveryNotFound, "the webhook has no delivery %.64q", deliveryID)
	}
	d.Status, d.Attempts, d.NextAttempt, d.Error, d.ResponseStatus = DeliveryPending, 0, e.now().Milli(), "", 0
	if err := e.store.SaveDeliveries(ctx, []Delivery{d.Delivery}); err != nil {
		return Delivery{}, e.unavailable(err)
	}
	return d.Delivery, nil
}
