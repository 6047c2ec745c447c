package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// message is a message of acme's, created at 1, with deliveries named id/endpoint.
func message(id string, ds ...store.Delivery) store.Message {
	m := store.Message{ID: id, Type: "usage_exceeded", CustomerID: "acme", CreatedAt: 1, Body: []byte(`{"messageId":"` + id + `"}`)}
	for _, d := range ds {
		d.ID, d.MessageID, d.EventType, d.CustomerID, d.CreatedAt = id+"/"+d.EndpointID, id, m.Type, m.CustomerID, m.CreatedAt
		m.Deliveries = append(m.Deliveries, d)
	}
	return m
}

func delivery(endpoint string, status store.DeliveryStatus) store.Delivery {
	return store.Delivery{EndpointID: endpoint, Status: status}
}

// pending is a delivery that is due at at.
func pending(endpoint string, at bursar.Time) store.Delivery {
	return store.Delivery{EndpointID: endpoint, Status: store.DeliveryPending, NextAttempt: at}
}

func messages(ms ...store.Message) func(*store.Commit) {
	return func(c *store.Commit) { c.Messages = ms }
}

func (e *env) add(ms ...store.Message) {
	e.Helper()
	for _, m := range ms {
		e.ok(e.AddMessage(ctx, m))
	}
}

// endpoint compares the IDs of all of an endpoint's deliveries.
func (e *env) endpoint(id string, want ...string) {
	e.Helper()
	e.deliveries(store.DeliveryQuery{EndpointID: id}, want...)
}

func (e *env) deliveries(q store.DeliveryQuery, want ...string) {
	e.Helper()
	rows, err := e.Deliveries(ctx, q)
	e.ok(err)
	var ids []string
	for _, d := range rows {
		ids = append(ids, d.ID)
	}
	equal(e, fmt.Sprintf("%+v", q), ids, want)
}

// ofEach is the same limit for every endpoint.
func ofEach(n int) func(string) int { return func(string) int { return n } }

// dueDeliveries compares the IDs of the deliveries that are due, limit of each endpoint.
func (e *env) dueDeliveries(before bursar.Time, limit int, want ...string) {
	e.Helper()
	rows, err := e.DueDeliveries(ctx, before, ofEach(limit))
	e.ok(err)
	var ids []string
	for _, d := range rows {
		ids = append(ids, d.ID)
	}
	equal(e, fmt.Sprintf("due at %d, limit %d", before, limit), ids, want)
}

func (e *env) pending(want int) {
	e.Helper()
	got, err := e.PendingDeliveries(ctx)
	e.ok(err)
	equal(e, "pending deliveries", got, want)
}

// outboxKeeps compares what was put into the outbox with what comes out of it.
func (e *env) outboxKeeps(m store.Message) {
	e.Helper()
	for _, d := range m.Deliveries {
		got, err := e.Delivery(ctx, d.ID)
		e.ok(err)
		equal(e, "delivery", got, &store.DueDelivery{Delivery: d, Body: m.Body})
		rows, err := e.Deliveries(ctx, store.DeliveryQuery{EndpointID: d.EndpointID})
		e.ok(err)
		equal(e, "listed", rows, []store.Delivery{d})
		if d.Status != store.DeliveryPending {
			continue
		}
		due, err := e.DueDeliveries(ctx, d.NextAttempt, ofEach(1))
		e.ok(err)
		equal(e, "due", due, []store.DueDelivery{{Delivery: d, Body: m.Body}})
	}
}

// rich is a message with each field set in some delivery and unset in another.
func rich(id string) store.Message {
	const at = 1_790_000_000_000_000_001
	m := store.Message{ID: id, Type: "credits_low", CustomerID: "a customer é", CreatedAt: at, Body: anyBytes()}
	for i, d := range []store.Delivery{
		{Status: store.DeliveryPending, Attempts: 3, ResponseStatus: 503, Error: "503 é: \"no\"\n", CreatedAt: at + 1, NextAttempt: at + 2},
		{Status: store.DeliveryFailed, Attempts: 12, Error: "timeout", CreatedAt: -5},
		{Status: store.DeliverySucceeded, ResponseStatus: 200},
	} {
		d.ID, d.EndpointID, d.MessageID = fmt.Sprint(id, "-", i), fmt.Sprint("to ", i), id
		d.EventType, d.CustomerID = m.Type, m.CustomerID
		m.Deliveries = append(m.Deliveries, d)
	}
	return m
}

var outboxTests = []test{
	{"AddMessage keeps every field", func(e *env) {
		m := rich("m")
		e.add(m)
		e.outboxKeeps(m)
	}},
	{"Append keeps every field", func(e *env) {
		m := rich("m")
		e.stream("acme").append(messages(m))
		e.outboxKeeps(m)
	}},
	{"a message may be of the environment and have no body", func(e *env) {
		m := store.Message{ID: "m", Deliveries: []store.Delivery{{ID: "d", EndpointID: "hook", MessageID: "m", Status: store.DeliveryPending}}}
		e.add(m)
		e.outboxKeeps(m)
		n := m
		n.ID, n.Deliveries = "n", []store.Delivery{{ID: "f", EndpointID: "other", MessageID: "n", Status: store.DeliveryFailed}}
		e.stream(store.CatalogueStream).append(messages(n))
		e.outboxKeeps(n)
	}},
	{"commits write their messages with all deliveries", func(e *env) {
		a, b := e.stream("a"), e.stream("b")
		a.append(messages(message("m1", pending("hook", 1), pending("other", 1)), message("m2"), message("m3", pending("hook", 1))))
		a.append()
		ca, cb := a.commit(messages(message("m4", pending("hook", 1)))), b.commit(messages(message("m5", pending("hook", 1))))
		e.outcomes([]store.Commit{ca, cb}, store.Committed, store.Committed)
		e.add(message("m6", pending("other", 1)), message("m7"))
		e.endpoint("hook", "m5/hook", "m4/hook", "m3/hook", "m1/hook")
		e.endpoint("other", "m6/other", "m1/other")
		e.endpoint("nobody")
		e.pending(6)
	}},
	{"AddMessage is outside of any stream", func(e *env) {
		e.add(message("m", pending("hook", 1)))
		a, catalogue := e.stream("acme"), e.stream(store.CatalogueStream)
		a.ends()
		catalogue.ends()
		e.due(99, 0)
		a.append()
		catalogue.append()
	}},
	{"a done context writes nothing", func(e *env) {
		e.add(message("m", pending("hook", 1), delivery("other", store.DeliveryFailed)), message("n", delivery("hook", store.DeliverySucceeded)))
		done, cancel := context.WithCancel(ctx)
		cancel()
		for what, err := range map[string]error{
			"AddMessage":     e.AddMessage(done, message("o", pending("hook", 1))),
			"SaveDeliveries": e.SaveDeliveries(done, []store.Delivery{{ID: "m/hook", Status: store.DeliverySucceeded}}),
			"TrimOutbox":     e.TrimOutbox(done, 99),
		} {
			if !errors.Is(err, store.ErrNotCommitted) {
				e.Errorf("%s = %v, want ErrNotCommitted", what, err)
			}
		}
		e.endpoint("hook", "n/hook", "m/hook")
		e.pending(1)
	}},
	{"a done context ends a read", func(e *env) {
		e.add(message("m", pending("hook", 1)))
		done, cancel := context.WithCancel(ctx)
		cancel()
		_, due := e.DueDeliveries(done, 9, ofEach(9))
		_, list := e.Deliveries(done, store.DeliveryQuery{EndpointID: "hook"})
		_, one := e.Delivery(done, "m/hook")
		_, count := e.PendingDeliveries(done)
		for i, err := range []error{due, list, one, count} {
			if !errors.Is(err, context.Canceled) {
				e.Errorf("read %d = %v", i, err)
			}
		}
	}},
	{"shares no slice", func(e *env) {
		body := []byte("body")
		m := message("m", pending("hook", 1))
		m.Body = body
		n := m
		n.ID, n.Deliveries = "n", []store.Delivery{{ID: "n/other", EndpointID: "other", Status: store.DeliveryPending, NextAttempt: 2}}
		e.stream("acme").append(messages(m))
		e.add(n)
		body[0], m.Deliveries[0].Status, n.Deliveries[0].Status = '!', "!", "!"
		for range 2 { // the second time behind what the test did to the first result
			due, err := e.DueDeliveries(ctx, 9, ofEach(0))
			e.ok(err)
			for i := range due {
				equal(e, "body", string(due[i].Body), "body")
				due[i].Body[0], due[i].Status = '!', "!"
				one, err := e.Delivery(ctx, due[i].ID)
				e.ok(err)
				equal(e, "body", string(one.Body), "body")
				one.Body[0], one.Status = '!', "!"
			}
			e.pending(2)
		}
	}},
}
