package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
)

type webhookIn struct {
	Kind        *bursar.WebhookKind  `json:"kind" is:"enum=webhook|slack|email,default=webhook"`
	URL         string               `json:"url" is:"required,len=1-2000" doc:"https://…, for email mailto:…"`
	Description *string              `json:"description" is:"len=0-2000"`
	EventTypes  bursar.Opt[[]string] `json:"eventTypes" is:"n=1-100,eventType" doc:"All when left out."`
	CustomerID  *string              `json:"customerId" is:"len=0-255" doc:"Only events about this customer."`
}

type webhookPatch struct {
	webhookPath
	based
	URL         bursar.Opt[string]   `json:"url" is:"len=1-2000"`
	Description bursar.Opt[string]   `json:"description" is:"len=0-2000"`
	EventTypes  bursar.Opt[[]string] `json:"eventTypes" is:"n=1-100,eventType" doc:"null: all."`
	CustomerID  bursar.Opt[string]   `json:"customerId" is:"len=0-255" doc:"null: of all customers."`
	Status      *string              `json:"status" is:"enum=ENABLED|DISABLED"`
}

// webhookOut is an endpoint; Secret, which signs, is told when it is made or rotated.
type webhookOut struct {
	ID          string             `json:"id"`
	Kind        bursar.WebhookKind `json:"kind" is:"enum=webhook|slack|email"`
	URL         string             `json:"url"`
	Description *string            `json:"description"`
	EventTypes  *[]string          `json:"eventTypes"`
	CustomerID  *string            `json:"customerId"`
	Status      string             `json:"status" is:"enum=ENABLED|DISABLED"`
	CreatedAt   bursar.Time        `json:"createdAt"`
	UpdatedAt   bursar.Time        `json:"updatedAt"`
	Secret      string             `json:"secret,omitempty" doc:"Only in the replies that made or rotated it."`
	withRevision
}

func viewWebhook(w bursar.Webhook) webhookOut {
	out := webhookOut{ID: w.ID, Kind: w.Kind, URL: w.URL, Description: w.Description, CustomerID: w.CustomerID, Status: "DISABLED",
		CreatedAt: w.CreatedAt, UpdatedAt: w.UpdatedAt, withRevision: withRevision{w.Revision()}}
	if w.EventTypes != nil {
		out.EventTypes = &w.EventTypes
	}
	if w.Enabled {
		out.Status = "ENABLED"
	}
	return out
}

func viewSecretWebhook(w bursar.Webhook) webhookOut {
	out := viewWebhook(w)
	out.Secret = w.Secret
	return out
}

// deliverable says what is wrong with a webhook's target.
func (a *API) deliverable(kind bursar.WebhookKind, url string) error {
	if a.checkTarget == nil {
		return nil
	}
	if err := a.checkTarget(kind, url); err != nil {
		return bursar.ErrorAt("/url", bursar.CodeValidationFailed, "%s", reason(err))
	}
	return nil
}

func (a *API) createWebhook(c call, in *webhookIn) (w bursar.Webhook, _ uint64, _ error) {
	kind := or(in.Kind, bursar.WebhookStandard)
	if err := a.deliverable(kind, in.URL); err != nil {
		return w, 0, err
	}
	return ofNoCustomer(a.engine.CreateWebhook(c.ctx, c.by, catalogue.WebhookInput{
		Kind: kind, URL: in.URL, Description: orNil(in.Description), EventTypes: in.EventTypes.Value, CustomerID: orNil(in.CustomerID),
	}))
}

func webhookAt(w *bursar.Webhook) ledger.ListPos {
	return ledger.ListPos{CreatedAt: w.CreatedAt, ID: w.ID}
}

func (a *API) listWebhooks(call, *paging) ([]*bursar.Webhook, uint64, error) {
	return a.engine.Catalogue().Webhooks(), 0, nil
}

func (a *API) getWebhook(_ call, in *webhookPath) (w bursar.Webhook, _ uint64, _ error) {
	found := a.engine.Catalogue().Webhook(in.WebhookID)
	if found == nil {
		return w, 0, bursar.Errorf(bursar.CodeWebhookNotFound, "there is no webhook %.64q", in.WebhookID)
	}
	return *found, 0, nil
}

func (a *API) patchWebhook(c call, in *webhookPatch) (bursar.Webhook, uint64, error) {
	w, _, err := a.getWebhook(c, &in.webhookPath)
	switch {
	case err != nil:
	case in.URL.Null:
		err = bursar.ErrorAt("/url", bursar.CodeValidationFailed, "cannot be null: a webhook has a url")
	case in.URL.Set:
		err = a.deliverable(w.Kind, in.URL.Value)
	}
	if err != nil {
		return w, 0, err
	}
	p := catalogue.WebhookPatch{URL: in.URL, Description: emptyIsNull(in.Description), EventTypes: in.EventTypes, CustomerID: emptyIsNull(in.CustomerID)}
	if in.Status != nil {
		p.Enabled = bursar.Some(*in.Status == "ENABLED")
	}
	return ofNoCustomer(a.engine.UpdateWebhook(c.ctx, c.by, in.WebhookID, p))
}

// webhookChange changes a webhook without a body.
type webhookChange struct {
	webhookPath
	based
}

func (a *API) deleteWebhook(c call, in *webhookChange) (bursar.Webhook, uint64, error) {
	return ofNoCustomer(a.engine.DeleteWebhook(c.ctx, c.by, in.WebhookID))
}

func (a *API) rotateWebhook(c call, in *webhookChange) (bursar.Webhook, uint64, error) {
	return ofNoCustomer(a.engine.RotateWebhookSecret(c.ctx, c.by, in.WebhookID))
}
