package engine

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// DueDeliveries lists the deliveries to send now, as store.Outbox says; none where another
// node has the claim. It makes sure that the catalogue has the endpoints of all of them:
// another node may have made one a moment ago.
func (e *Engine) DueDeliveries(ctx context.Context, limit func(endpoint string) int) ([]store.DueDelivery, error) {
	if !e.has(claimWebhooks) {
		return nil, nil // another node sends them
	}
	due, err := e.store.DueDeliveries(ctx, e.now(), limit)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	if err := e.Newest(ctx); err != nil {
		return nil, err
	}
	return due, nil
}

func (e *Engine) SaveDeliveries(ctx context.Context, ds []store.Delivery) error {
	return e.store.SaveDeliveries(ctx, ds)
}

func newSecret() (string, error) {
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return catalogue.SecretText(b[:]), nil
}

// CreateWebhook makes an endpoint. Only this reply, and that of RotateWebhookSecret, may be shown
// with the secret.
func (e *Engine) CreateWebhook(ctx context.Context, c catalogue.Caller, in catalogue.WebhookInput) (bursar.Webhook, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (h bursar.Webhook, err error) {
		if len(w.WebhookOf) >= catalogue.MaxWebhooks {
			return h, bursar.Errorf(bursar.CodeValidationFailed, "there are %d webhooks; that is the most there may be", catalogue.MaxWebhooks)
		}
		h = bursar.Webhook{ID: store.FormatID(catalogue.GlobalID(w.Now, w.Head.Seq, w.CommitID, 'w', 0)), Kind: in.Kind, URL: in.URL, Description: in.Description,
			EventTypes: in.EventTypes, CustomerID: in.CustomerID, Enabled: true, CreatedAt: w.Now.Milli()}
		if h.Kind == "" {
			h.Kind = bursar.WebhookStandard
		}
		if h.Secret, err = newSecret(); err != nil {
			return h, err
		}
		return w.PutWebhook(h)
	})
}

// UpdateWebhook changes what p has.
func (e *Engine) UpdateWebhook(ctx context.Context, c catalogue.Caller, id string, p catalogue.WebhookPatch) (bursar.Webhook, error) {
	return e.changeWebhook(ctx, c, id, func(w *catalogue.Write, h *bursar.Webhook) error {
		if p.URL.Set {
			h.URL = p.URL.Value
		}
		catalogue.SetOpt(&h.Description, p.Description)
		catalogue.SetOpt(&h.CustomerID, p.CustomerID)
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

func (e *Engine) changeWebhook(ctx context.Context, c catalogue.Caller, id string, change func(*catalogue.Write, *bursar.Webhook) error) (bursar.Webhook, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.Webhook, error) {
		old := w.WebhookOf[id]
		if old == nil {
			return bursar.Webhook{}, catalogue.ErrNoWebhook(id)
		}
		if err := w.StillAt(old); err != nil {
			return *old, err
		}
		h := *old
		if err := change(w, &h); err != nil {
			return h, err
		}
		return w.PutWebhook(h)
	})
}

// DeleteWebhook removes an endpoint. Deliveries to it that wait are given up.
func (e *Engine) DeleteWebhook(ctx context.Context, c catalogue.Caller, id string) (bursar.Webhook, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (bursar.Webhook, error) {
		old := w.WebhookOf[id]
		if old == nil {
			return bursar.Webhook{}, catalogue.ErrNoWebhook(id)
		}
		if err := w.StillAt(old); err != nil {
			return *old, err
		}
		return *old, w.Put("webhookDeleted", id)
	})
}

// RotateWebhookSecret gives an endpoint a new secret; the old one signs too for 24 hours.
func (e *Engine) RotateWebhookSecret(ctx context.Context, c catalogue.Caller, id string) (bursar.Webhook, error) {
	return e.changeWebhook(ctx, c, id, func(w *catalogue.Write, h *bursar.Webhook) (err error) {
		h.OldSecret, h.OldUntil = h.Secret, w.Now.Milli()+catalogue.SecretOverlap
		h.Secret, err = newSecret()
		return err
	})
}

// DisableWebhook ends deliveries to an endpoint that answered 410 Gone.
func (e *Engine) DisableWebhook(ctx context.Context, id string) error {
	_, err := e.UpdateWebhook(ctx, catalogue.Caller{ActorType: "SYSTEM"}, id, catalogue.WebhookPatch{Enabled: bursar.Some(false)})
	var gone *bursar.Error
	if errors.As(err, &gone) && gone.Code == bursar.CodeWebhookNotFound {
		return nil
	}
	return err
}

// TestWebhook queues a webhook.test message for one endpoint.
func (e *Engine) TestWebhook(ctx context.Context, c catalogue.Caller, id string) (store.Delivery, error) {
	return catalogueDo(ctx, e, c, func(w *catalogue.Write) (store.Delivery, error) {
		h := w.WebhookOf[id]
		if h == nil {
			return store.Delivery{}, catalogue.ErrNoWebhook(id)
		}
		customer := ""
		if h.CustomerID != nil {
			customer = *h.CustomerID
		}
		w.Out.AddTo([]string{id}, w.Now, w.Head.Seq, w.CommitID, w.Trace, bursar.EventTest, customer, catalogue.TestData{Description: "A test message of Bursar. Nothing has happened."})
		return w.Out.Messages[0].Deliveries[0], nil
	})
}

// Deliveries lists what went or goes to one endpoint, newest first.
func (e *Engine) Deliveries(ctx context.Context, q store.DeliveryQuery) (p ledger.Page[store.Delivery], err error) {
	if e.Catalogue().Webhook(q.EndpointID) == nil {
		return p, catalogue.ErrNoWebhook(q.EndpointID)
	}
	want := q.Limit
	q.Limit++
	if p.Items, err = e.store.Deliveries(ctx, q); err != nil {
		return p, e.unavailable(err)
	}
	p.Cut(want, q.Below != "", q.Above != "")
	return p, nil
}

// Redeliver makes a delivery PENDING again, due now.
func (e *Engine) Redeliver(ctx context.Context, c catalogue.Caller, webhookID, deliveryID string) (store.Delivery, error) {
	return once(ctx, e, c, func() (store.Delivery, error) { return e.redeliver(ctx, webhookID, deliveryID) })
}

func (e *Engine) redeliver(ctx context.Context, webhookID, deliveryID string) (store.Delivery, error) {
	switch h := e.Catalogue().Webhook(webhookID); {
	case h == nil:
		return store.Delivery{}, catalogue.ErrNoWebhook(webhookID)
	case !h.Enabled:
		return store.Delivery{}, bursar.Errorf(bursar.CodeValidationFailed, "the webhook is disabled (an endpoint that answers 410 is); enable it first")
	}
	d, err := e.store.Delivery(ctx, deliveryID)
	if err != nil {
		return store.Delivery{}, e.unavailable(err)
	}
	if d == nil || d.EndpointID != webhookID {
		return store.Delivery{}, bursar.Errorf(bursar.CodeDeliveryNotFound, "the webhook has no delivery %.64q", deliveryID)
	}
	return e.deliverAgain(ctx, d.Delivery)
}

func (e *Engine) deliverAgain(ctx context.Context, d store.Delivery) (store.Delivery, error) {
	d.Status, d.Attempts, d.NextAttempt, d.Error, d.ResponseStatus = store.DeliveryPending, 0, e.now().Milli(), "", 0
	if err := e.store.SaveDeliveries(ctx, []store.Delivery{d}); err != nil {
		return store.Delivery{}, e.unavailable(err)
	}
	return d, nil
}
