package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// deliveryOut is one message on its way to one endpoint.
type deliveryOut struct {
	ID             string               `json:"id"`
	MessageID      string               `json:"messageId"`
	EventType      string               `json:"eventType"`
	Status         store.DeliveryStatus `json:"status" is:"enum=PENDING|SUCCEEDED|FAILED"`
	Attempts       int                  `json:"attempts"`
	ResponseStatus *int                 `json:"responseStatus" doc:"Of the last attempt; null when there was no reply."`
	Error          *string              `json:"error" doc:"Of the last attempt."`
	NextAttemptAt  *bursar.Time         `json:"nextAttemptAt"`
	CreatedAt      bursar.Time          `json:"createdAt"`
}

func viewDelivery(d store.Delivery) deliveryOut {
	out := deliveryOut{ID: d.ID, MessageID: d.MessageID, EventType: d.EventType, Status: d.Status, Attempts: d.Attempts,
		Error: orNil(&d.Error), NextAttemptAt: timeOrNil(d.NextAttempt), CreatedAt: d.CreatedAt}
	if d.ResponseStatus != 0 {
		out.ResponseStatus = &d.ResponseStatus
	}
	return out
}

type deliveryList struct {
	webhookPath
	paging
	Status store.DeliveryStatus `query:"status" is:"enum=PENDING|SUCCEEDED|FAILED" doc:"Any when left out."`
}

func deliveryAt(d *store.Delivery) ledger.ListPos {
	return ledger.ListPos{CreatedAt: d.CreatedAt, ID: d.ID}
}

// listDeliveries lists newest first.
func (a *API) listDeliveries(c call, in *deliveryList, p ledger.ListPage) (ledger.Page[store.Delivery], uint64, error) {
	query := store.DeliveryQuery{EndpointID: in.WebhookID, Status: in.Status, Limit: p.Limit}
	query.Below, query.Above = belowAbove(p)
	return ofNoCustomer(a.engine.Deliveries(c.ctx, query))
}

// testWebhook queues a message that says that nothing has happened.
func (a *API) testWebhook(c call, in *webhookPath) (store.Delivery, uint64, error) {
	return ofNoCustomer(a.engine.TestWebhook(c.ctx, c.by, in.WebhookID))
}

// redeliver makes a delivery wait again, with all its attempts.
func (a *API) redeliver(c call, in *deliveryPath) (store.Delivery, uint64, error) {
	return ofNoCustomer(a.engine.Redeliver(c.ctx, c.by, in.WebhookID, in.DeliveryID))
}
