package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/httpapi"
	"github.com/bursarhq/bursar/webhook"
)

// webhooks delivers the outbox of a server. There is one sender over a store: nothing is
// claimed in an outbox.
type webhooks struct {
	sender  *webhook.Sender
	options webhook.Options
	cancel  context.CancelFunc // nil = not started
	ended   chan struct{}
}

func newWebhooks(e *engine.Engine, c *config, log *slog.Logger) (*webhooks, error) {
	o, err := c.webhooks()
	if err != nil {
		return nil, err
	}
	o.Log = log
	if c.PublicURL != "" {
		key := httpapi.NewDecideKey(e.Secret())
		o.DecideURL = func(customer, endpoint, request string, made bursar.Time) string {
			return strings.TrimSuffix(c.PublicURL, "/") + key.Path(httpapi.DecideLink{CustomerID: customer, Endpoint: endpoint, RequestID: request, Expires: made + bursar.BoostRequestLife})
		}
	}
	w := &webhooks{options: o, ended: make(chan struct{})}
	if w.sender, err = webhook.New(e, o); err != nil {
		return nil, exitf(exitConfig, "%w", err)
	}
	return w, nil
}

// start delivers until stop.
func (w *webhooks) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	go func() {
		defer close(w.ended)
		w.sender.Run(ctx)
	}()
}

// stop begins to end deliveries. The channel is closed when nothing uses the engine any
// more, which takes a bounded time; what was not delivered is in the outbox.
func (w *webhooks) stop() <-chan struct{} {
	if w.cancel == nil {
		close(w.ended)
		w.cancel = func() {}
	}
	w.cancel()
	return w.ended
}

// check says what is wrong with a webhook's target, so that whoever makes the webhook
// hears it and not the log.
func (w *webhooks) check(kind bursar.WebhookKind, url string) error {
	if kind == bursar.WebhookEmail && w.options.SMTPURL == "" {
		return errors.New("needs a mail server, and this server knows none (--smtp-url)")
	}
	err := webhook.CheckTarget(kind, url, w.options)
	if err != nil && strings.Contains(err.Error(), "permit") {
		return fmt.Errorf("%w (--webhook-allow, --webhook-allow-http)", err)
	}
	return err
}

// checkRecipient is check for a recipient of a notification.
func (w *webhooks) checkRecipient(kind bursar.WebhookKind, to string) error {
	return webhook.CheckRecipient(kind, to, w.options)
}

// stats are for the metrics.
func (w *webhooks) stats() httpapi.WebhookStats { return httpapi.WebhookStats(w.sender.Stats()) }
