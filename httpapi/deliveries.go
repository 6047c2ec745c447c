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
	paging
	Status store.DeliveryStatus `query:"status" is:"enum=PENDING|SUCCEEDED|FAILED" doc:"Any when left out."`
}

// listDeliveries lists newest first.
func (a *API) listDeliveries(q *request, in *deliveryList) (page[deliveryOut], error) {
	at := func(d *store.Delivery) ledger.ListPos { return ledger.ListPos{CreatedAt: d.CreatedAt, ID: d.ID} }
	get := func(p ledger.ListPage) (ledger.Page[store.Delivery], error) {
		query := store.DeliveryQuery{EndpointID: q.path[0], Status: in.Status, Limit: p.Limit}
		query.Below, query.Above = belowAbove(p)
		return a.engine.Deliveries(q.ctx, query)
	}
	return list(q, in.paging, at, get, viewDelivery)
}

// testWebhook queues a message that says that nothing has happened.
func (a *API) testWebhook(q *request, _ *nothing) (deliveryOut, error) {
	c, err := caller(q, viewDelivery)
	if err != nil {
		return deliveryOut{}, err
	}
	d, err := a.engine.TestWebhook(q.ctx, c, q.path[0])
	return viewDelivery(d), err
}

// redeliver makes a delivery wait again, with all its attempts.
func (a *API) redeliver(q *request, _ *nothing) (deliveryOut, error) {
	c, err := caller(q, viewDelivery)
	if err != nil {
		return deliveryOut{}, err
	}
	d, err := a.engine.Redeliver(q.ctx, c, q.path[0], q.path[1])
	return viewDelivery(d), err
}
