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

func (a *API) createWebhook(q *request, in *webhookIn) (webhookOut, error) {
	kind := or(in.Kind, bursar.WebhookStandard)
	if err := a.deliverable(kind, in.URL); err != nil {
		return webhookOut{}, err
	}
	c, err := caller(q, viewSecretWebhook)
	if err != nil {
		return webhookOut{}, err
	}
	w, err := a.engine.CreateWebhook(q.ctx, c, catalogue.WebhookInput{
		Kind: kind, URL: in.URL, Description: orNil(in.Description), EventTypes: in.EventTypes.Value, CustomerID: orNil(in.CustomerID),
	})
	return viewSecretWebhook(w), err
}

func (a *API) listWebhooks(q *request, in *paging) (page[webhookOut], error) {
	rows := a.engine.Catalogue().Webhooks()
	at := func(w *bursar.Webhook) ledger.ListPos { return ledger.ListPos{CreatedAt: w.CreatedAt, ID: w.ID} }
	get := func(p ledger.ListPage) (ledger.Page[bursar.Webhook], error) {
		return pageOf(rows, p, at, func(*bursar.Webhook) bool { return true }), nil
	}
	return list(q, *in, at, get, viewWebhook)
}

func (a *API) webhook(id string) (*bursar.Webhook, error) {
	w := a.engine.Catalogue().Webhook(id)
	if w == nil {
		return nil, bursar.Errorf(bursar.CodeWebhookNotFound, "there is no webhook %.64q", id)
	}
	return w, nil
}

func (a *API) getWebhook(q *request, _ *nothing) (webhookOut, error) {
	w, err := a.webhook(q.path[0])
	if err != nil {
		return webhookOut{}, err
	}
	return viewWebhook(*w), nil
}

func (a *API) patchWebhook(q *request, in *webhookPatch) (webhookOut, error) {
	w, err := a.webhook(q.path[0])
	switch {
	case err != nil:
	case in.URL.Null:
		err = bursar.ErrorAt("/url", bursar.CodeValidationFailed, "cannot be null: a webhook has a url")
	case in.URL.Set:
		err = a.deliverable(w.Kind, in.URL.Value)
	}
	if err != nil {
		return webhookOut{}, err
	}
	p := catalogue.WebhookPatch{URL: in.URL, Description: emptyIsNull(in.Description), EventTypes: in.EventTypes, CustomerID: emptyIsNull(in.CustomerID)}
	if in.Status != nil {
		p.Enabled = bursar.Some(*in.Status == "ENABLED")
	}
	c, err := caller(q, viewWebhook)
	if err != nil {
		return webhookOut{}, err
	}
	changed, err := a.engine.UpdateWebhook(q.ctx, c, q.path[0], p)
	return viewWebhook(changed), err
}

func (a *API) deleteWebhook(q *request, _ *basedOnly) (webhookOut, error) {
	c, err := caller(q, viewWebhook)
	if err != nil {
		return webhookOut{}, err
	}
	w, err := a.engine.DeleteWebhook(q.ctx, c, q.path[0])
	return viewWebhook(w), err
}

func (a *API) rotateWebhook(q *request, _ *basedOnly) (webhookOut, error) {
	c, err := caller(q, viewSecretWebhook)
	if err != nil {
		return webhookOut{}, err
	}
	w, err := a.engine.RotateWebhookSecret(q.ctx, c, q.path[0])
	return viewSecretWebhook(w), err
}
