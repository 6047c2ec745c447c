package transfer

import (
	"math"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/store"
)

// outboxPage is how many deliveries of one endpoint are in memory at a time.
const outboxPage = 256

// messages writes the messages that some delivery has not brought to its endpoint,
// waiting ones and dead letters alike, with all their deliveries. Deliveries of a
// message go to several endpoints and are listed by endpoint: ids that begin alike are
// of one millisecond and position of a log, and those of a message always do.
func (e *exporter) messages() error {
	e.t.Stream, e.t.Seq = "", 0
	if err := e.messagesTo(e.endpoints); err != nil {
		return err
	}
	people, err := e.people()
	for err == nil && len(people) > 0 {
		n := 1
		for n < len(people) && notificationOf(people[n]) == notificationOf(people[0]) {
			n++
		}
		err, people = e.messagesTo(people[:n]), people[n:]
	}
	return err
}

// notificationOf is the part of a recipient's endpoint that those of one notification share: a message
// has deliveries to these alone.
func notificationOf(endpoint string) string {
	id, _, _ := strings.Cut(endpoint, ".")
	return id
}

// people are the endpoints of recipients of notifications, those that notifications have and those that
// they had for whom something waits, in order.
func (e *exporter) people() ([]string, error) {
	_, err := e.s.DueDeliveries(e.ctx, math.MaxInt64, func(endpoint string) int {
		if catalogue.ToPeople(endpoint) {
			e.recipients = append(e.recipients, endpoint)
		}
		return 1 // it is the names that are wanted
	})
	slices.Sort(e.recipients)
	return slices.Compact(e.recipients), err
}

func (e *exporter) messagesTo(endpoints []string) error {
	lists := make([]*deliveryList, len(endpoints))
	for i, id := range endpoints {
		lists[i] = &deliveryList{endpoint: id}
	}
	var group []store.Delivery
	for {
		d, err := e.nextDelivery(lists)
		if err != nil {
			return err
		}
		if len(group) > 0 && (d == nil || instantOf(d.ID) != instantOf(group[0].ID)) {
			if err := e.group(group); err != nil {
				return err
			}
			group = group[:0]
		}
		if d == nil {
			return nil
		}
		group = append(group, *d)
	}
}

// instantOf is the part of an id that tells a millisecond and a position.
func instantOf(id string) string { return id[:min(len(id), len("01234567-89ab-7def"))] }

// deliveryList reads one endpoint's deliveries, oldest first.
type deliveryList struct {
	endpoint string
	last     string
	rows     []store.Delivery // the next ones
	ended    bool
}

// nextDelivery is the one with the lowest id of all lists; nil at the end.
func (e *exporter) nextDelivery(lists []*deliveryList) (*store.Delivery, error) {
	var lowest *deliveryList
	for _, l := range lists {
		if len(l.rows) == 0 && !l.ended {
			// Above nothing would be the newest; every id is above "0".
			rows, err := e.s.Deliveries(e.ctx, store.DeliveryQuery{EndpointID: l.endpoint, Above: max(l.last, "0"), Limit: outboxPage})
			if err != nil {
				return nil, err
			}
			slices.Reverse(rows)
			l.rows, l.ended = rows, len(rows) == 0
			if !l.ended {
				l.last = rows[len(rows)-1].ID
			}
		}
		if len(l.rows) > 0 && (lowest == nil || l.rows[0].ID < lowest.rows[0].ID) {
			lowest = l
		}
	}
	if lowest == nil {
		return nil, nil
	}
	d := &lowest.rows[0]
	lowest.rows = lowest.rows[1:]
	return d, nil
}

// group writes the messages of deliveries that are of one instant.
func (e *exporter) group(ds []store.Delivery) error {
	slices.SortStableFunc(ds, func(a, b store.Delivery) int { return strings.Compare(a.MessageID, b.MessageID) })
	for len(ds) > 0 {
		n := 1
		for n < len(ds) && ds[n].MessageID == ds[0].MessageID {
			n++
		}
		if err := e.message(ds[:n]); err != nil {
			return err
		}
		ds = ds[n:]
	}
	return nil
}

// message writes a message by its deliveries, if it is to be written.
func (e *exporter) message(ds []store.Delivery) error {
	cut, exported := e.cuts[ds[0].CustomerID]
	if !exported || e.o.Customer != "" && ds[0].CustomerID != e.o.Customer || ds[0].CreatedAt > cut.Now {
		return nil // of another customer, or of a commit after the cut
	}
	if !slices.ContainsFunc(ds, func(d store.Delivery) bool { return d.Status != store.DeliverySucceeded }) {
		return nil
	}
	full, err := e.s.Delivery(e.ctx, ds[0].ID)
	if err != nil || full == nil { // trimmed meanwhile
		return err
	}
	m := messageLine{Type: lineMessage, ID: full.MessageID, EventType: full.EventType, Customer: full.CustomerID, Created: int64(full.CreatedAt), Body: full.Body}
	for _, d := range ds {
		m.Deliveries = append(m.Deliveries, deliveryLine{d.ID, d.EndpointID, d.Status, d.Attempts, d.ResponseStatus, d.Error, int64(d.CreatedAt), int64(d.NextAttempt)})
	}
	e.t.Messages++
	return e.w.sealed(m)
}

// message is the line as it was in the outbox.
func (l *messageLine) message() store.Message {
	m := store.Message{ID: l.ID, Type: l.EventType, CustomerID: l.Customer, CreatedAt: bursar.Time(l.Created), Body: l.Body}
	for _, d := range l.Deliveries {
		m.Deliveries = append(m.Deliveries, store.Delivery{ID: d.ID, EndpointID: d.Endpoint, MessageID: m.ID, EventType: m.Type, CustomerID: m.CustomerID,
			Status: d.Status, Attempts: d.Attempts, ResponseStatus: d.ResponseStatus, Error: d.Error, CreatedAt: bursar.Time(d.Created), NextAttempt: bursar.Time(d.Next)})
	}
	return m
}
