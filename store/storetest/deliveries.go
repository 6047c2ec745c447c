package storetest

import (
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// hooks puts nine messages to one endpoint into the outbox, in no order: 3, 6 and 9 are
// given up, 2, 4 and 8 are delivered. The odd ones are of another customer and of
// another endpoint too.
func (e *env) hooks() {
	for _, i := range []int{4, 9, 1, 6, 5, 8, 3, 2, 7} {
		d := pending("hook", 5)
		if i%3 == 0 {
			d = delivery("hook", store.DeliveryFailed)
		} else if i%2 == 0 {
			d = delivery("hook", store.DeliverySucceeded)
		}
		m := message(fmt.Sprint(i), d)
		if i%2 == 1 {
			m = message(fmt.Sprint(i), d, pending("other", 5))
			m.CustomerID = "umbrella"
		}
		e.add(m)
	}
}

// hook is the IDs of deliveries to the endpoint hook.
func hook(ns ...int) (ids []string) {
	for _, n := range ns {
		ids = append(ids, fmt.Sprint(n, "/hook"))
	}
	return ids
}

// saved compares a delivery, but for what it was given when it was added.
func (e *env) saved(id string, status store.DeliveryStatus, attempts, response int, text string, next bursar.Time) {
	e.Helper()
	d, err := e.Delivery(ctx, id)
	e.ok(err)
	if d == nil {
		e.Fatalf("there is no %s", id)
	}
	got := fmt.Sprint(d.Status, d.Attempts, d.ResponseStatus, d.Error, d.NextAttempt)
	equal(e, id, got, fmt.Sprint(status, attempts, response, text, next))
}

var deliveryTests = []test{
	{"lists by endpoint and status, newest first", func(e *env) {
		e.hooks()
		for status, want := range map[store.DeliveryStatus][]string{
			"": hook(9, 8, 7, 6, 5, 4, 3, 2, 1), store.DeliveryPending: hook(7, 5, 1),
			store.DeliverySucceeded: hook(8, 4, 2), store.DeliveryFailed: hook(9, 6, 3),
		} {
			e.deliveries(store.DeliveryQuery{EndpointID: "hook", Status: status}, want...)
		}
		e.deliveries(store.DeliveryQuery{EndpointID: "other", Status: store.DeliveryFailed})
		e.endpoint("other", "9/other", "7/other", "5/other", "3/other", "1/other")
		e.endpoint("hoo")
		e.endpoint("")
	}},
	{"pages in both directions", func(e *env) {
		e.hooks()
		for _, c := range []struct {
			q    store.DeliveryQuery
			want []string
		}{
			{store.DeliveryQuery{Limit: 2}, hook(9, 8)},
			{store.DeliveryQuery{Limit: 9}, hook(9, 8, 7, 6, 5, 4, 3, 2, 1)},
			{store.DeliveryQuery{Below: "8/hook", Limit: 2}, hook(7, 6)},
			{store.DeliveryQuery{Below: "2/hook", Limit: 2}, hook(1)},
			{store.DeliveryQuery{Below: "1/hook", Limit: 2}, nil},
			{store.DeliveryQuery{Below: "5", Limit: 1}, hook(4)}, // a place where none is
			{store.DeliveryQuery{Above: "2/hook", Limit: 2}, hook(4, 3)},
			{store.DeliveryQuery{Above: "7/hook", Limit: 9}, hook(9, 8)},
			{store.DeliveryQuery{Above: "9/hook", Limit: 2}, nil},
			{store.DeliveryQuery{Above: "5", Limit: 1}, hook(5)},
			{store.DeliveryQuery{Above: "1/hook", Below: "5/hook", Limit: 2}, hook(3, 2)},
			{store.DeliveryQuery{Above: "1/hook", Below: "5/hook"}, hook(4, 3, 2)},
			{store.DeliveryQuery{Below: "9/hook", Status: store.DeliveryFailed, Limit: 1}, hook(6)},
			{store.DeliveryQuery{Above: "3/hook", Status: store.DeliveryFailed, Limit: 1}, hook(6)},
			{store.DeliveryQuery{Below: "7/hook", Status: store.DeliveryPending}, hook(5, 1)},
			{store.DeliveryQuery{Above: "2/hook", Status: store.DeliverySucceeded, Limit: 9}, hook(8, 4)},
		} {
			c.q.EndpointID = "hook"
			e.deliveries(c.q, c.want...)
		}
	}},
	{"customers do not mix", func(e *env) {
		a := message("a", pending("hook", 1))
		b := message("b", pending("hook", 1))
		b.CustomerID, b.Deliveries[0].CustomerID = "umbrella", "umbrella"
		e.stream("acme").append(messages(a))
		e.stream("umbrella").append(messages(b))
		e.ok(e.SaveDeliveries(ctx, []store.Delivery{{ID: "b/hook", Status: store.DeliverySucceeded}}))
		b.Deliveries[0].Status, b.Deliveries[0].NextAttempt = store.DeliverySucceeded, 0
		got, err := e.Deliveries(ctx, store.DeliveryQuery{EndpointID: "hook"})
		e.ok(err)
		equal(e, "deliveries", got, []store.Delivery{b.Deliveries[0], a.Deliveries[0]})
	}},
	{"there is none of an unknown ID", func(e *env) {
		e.add(message("m", pending("hook", 1)))
		for _, id := range []string{"", "m", "hook", "m/hoo"} {
			if d, err := e.Delivery(ctx, id); d != nil || err != nil {
				e.Errorf("Delivery(%q) = %v, %v", id, d, err)
			}
		}
	}},
	{"due are the PENDING ones whose time has come, of each endpoint the earliest first, then by ID", func(e *env) {
		const now = 1_790_000_000_000_000_000
		ended := pending("ended", now) // its NextAttempt means nothing
		ended.Status = store.DeliveryFailed
		e.add(message("b", pending("x", now), pending("y", now+1)), message("a", pending("x", now), ended, pending("y", now-1)),
			message("c", pending("x", 0), pending("y", now+2), delivery("z", store.DeliverySucceeded), delivery("w", store.DeliveryFailed)))
		e.dueDeliveries(-1, 0)
		e.dueDeliveries(0, 0, "c/x")
		e.dueDeliveries(now-1, 0, "c/x", "a/y")
		e.dueDeliveries(now, 0, "c/x", "a/x", "b/x", "a/y")
		e.dueDeliveries(now+9, 0, "c/x", "a/x", "b/x", "a/y", "b/y", "c/y")
		e.dueDeliveries(now+9, 1, "c/x", "a/y")
		e.dueDeliveries(now+9, -1)
		e.dueDeliveries(now+9, 2, "c/x", "a/x", "a/y", "b/y")
		e.dueDeliveries(now+9, 3, "c/x", "a/x", "b/x", "a/y", "b/y", "c/y")
		e.pending(6)
	}},
	{"each endpoint has a limit of its own", func(e *env) {
		for i := range 4 {
			e.add(message(fmt.Sprint(i), pending("x", 1), pending("é\x00", 2), pending("y", 3), pending("z", 9)))
		}
		asked := map[string]bool{}
		rows, err := e.DueDeliveries(ctx, 3, func(endpoint string) int {
			if asked[endpoint] {
				e.Errorf("asked again for %s", endpoint)
			}
			asked[endpoint] = true
			return map[string]int{"x": 1, "é\x00": 3, "y": 2, "z": 9}[endpoint]
		})
		e.ok(err)
		got := map[string]int{}
		for _, d := range rows {
			got[d.EndpointID]++
		}
		equal(e, "rows", got, map[string]int{"x": 1, "é\x00": 3, "y": 2})
	}},
	{"SaveDeliveries replaces how they stand", func(e *env) {
		e.add(message("m", pending("a", 1), pending("b", 1), pending("c", 1)))
		e.ok(e.SaveDeliveries(ctx, []store.Delivery{
			{ID: "m/a", Status: store.DeliverySucceeded, Attempts: 1, ResponseStatus: 204},
			{ID: "m/b", Status: store.DeliveryPending, Attempts: 2, ResponseStatus: 500, Error: "later", NextAttempt: 8},
		}))
		e.saved("m/a", store.DeliverySucceeded, 1, 204, "", 0)
		e.saved("m/b", store.DeliveryPending, 2, 500, "later", 8)
		e.saved("m/c", store.DeliveryPending, 0, 0, "", 1)
		e.dueDeliveries(7, 0, "m/c")
		e.dueDeliveries(8, 0, "m/b", "m/c")
		e.pending(2)
		e.ok(e.SaveDeliveries(ctx, []store.Delivery{{ID: "m/b", Status: store.DeliveryFailed, Attempts: 3}}))
		e.saved("m/b", store.DeliveryFailed, 3, 0, "", 0)
		e.deliveries(store.DeliveryQuery{EndpointID: "b", Status: store.DeliveryFailed}, "m/b")
		e.dueDeliveries(99, 0, "m/c")
		e.pending(1)
	}},
	{"what was given up may be tried again", func(e *env) {
		e.add(message("m", delivery("hook", store.DeliveryFailed)))
		e.ok(e.SaveDeliveries(ctx, []store.Delivery{{ID: "m/hook", Status: store.DeliveryPending, NextAttempt: 3}}))
		e.deliveries(store.DeliveryQuery{EndpointID: "hook", Status: store.DeliveryFailed})
		e.deliveries(store.DeliveryQuery{EndpointID: "hook", Status: store.DeliveryPending}, "m/hook")
		e.dueDeliveries(3, 0, "m/hook")
		e.pending(1)
	}},
	{"what has succeeded only begins anew", func(e *env) {
		e.add(message("m", pending("hook", 1)))
		for _, late := range []store.Delivery{
			{Status: store.DeliveryPending, Attempts: 3, NextAttempt: 9}, {Status: store.DeliveryFailed, Attempts: 3}, {Status: store.DeliveryFailed},
		} {
			e.ok(e.SaveDeliveries(ctx, []store.Delivery{{ID: "m/hook", Status: store.DeliverySucceeded, Attempts: 1, ResponseStatus: 200}}))
			late.ID = "m/hook"
			e.ok(e.SaveDeliveries(ctx, []store.Delivery{late}))
			e.saved("m/hook", store.DeliverySucceeded, 1, 200, "", 0)
		}
		e.ok(e.SaveDeliveries(ctx, []store.Delivery{{ID: "m/hook", Status: store.DeliveryPending, NextAttempt: 3}}))
		e.saved("m/hook", store.DeliveryPending, 0, 0, "", 3)
	}},
	{"SaveDeliveries changes nothing else", func(e *env) {
		m := rich("m")
		e.add(m)
		want := m.Deliveries[0]
		want.Status, want.Attempts, want.ResponseStatus, want.Error, want.NextAttempt = store.DeliverySucceeded, 9, 201, "", 0
		e.ok(e.SaveDeliveries(ctx, []store.Delivery{{
			ID: want.ID, EndpointID: "!", MessageID: "!", EventType: "!", CustomerID: "!", CreatedAt: 77,
			Status: want.Status, Attempts: want.Attempts, ResponseStatus: want.ResponseStatus,
		}}))
		m.Deliveries[0] = want
		e.outboxKeeps(m)
		e.endpoint("!")
	}},
	{"SaveDeliveries ignores unknown IDs", func(e *env) {
		e.add(message("m", pending("hook", 1)))
		e.ok(e.SaveDeliveries(ctx, nil))
		e.ok(e.SaveDeliveries(ctx, []store.Delivery{
			{ID: "x", EndpointID: "hook", Status: store.DeliveryPending},
			{ID: "m/hook", Status: store.DeliverySucceeded}, {ID: "m", EndpointID: "hook"},
		}))
		e.saved("m/hook", store.DeliverySucceeded, 0, 0, "", 0)
		e.endpoint("hook", "m/hook")
		e.pending(0)
	}},
}

var trimTests = []test{
	{"deletes messages created before, with their deliveries", func(e *env) {
		for i := range 4 {
			m := message(fmt.Sprint(i), delivery("hook", store.DeliverySucceeded), delivery("other", store.DeliveryFailed))
			m.CreatedAt = bursar.Time(i) * 10
			m.Deliveries[0].CreatedAt = bursar.Time(3-i) * 10 // the message's counts
			e.add(m)
		}
		e.ok(e.TrimOutbox(ctx, 0))
		e.endpoint("hook", "3/hook", "2/hook", "1/hook", "0/hook")
		e.ok(e.TrimOutbox(ctx, 20))
		e.endpoint("hook", "3/hook", "2/hook")
		e.endpoint("other", "3/other", "2/other")
		e.deliveries(store.DeliveryQuery{EndpointID: "other", Status: store.DeliveryFailed}, "3/other", "2/other")
		if d, err := e.Delivery(ctx, "1/hook"); d != nil || err != nil {
			e.Errorf("Delivery = %v, %v", d, err)
		}
		e.ok(e.TrimOutbox(ctx, 21))
		e.endpoint("hook", "3/hook")
	}},
	{"keeps messages with a PENDING delivery, whole", func(e *env) {
		m := message("m", delivery("a", store.DeliverySucceeded), pending("b", 5), delivery("c", store.DeliveryFailed))
		e.add(m, message("n", delivery("a", store.DeliverySucceeded)))
		e.ok(e.TrimOutbox(ctx, 99))
		e.outboxKeeps(m)
		e.endpoint("a", "m/a")
		e.ok(e.SaveDeliveries(ctx, []store.Delivery{{ID: "m/b", Status: store.DeliveryFailed}}))
		e.ok(e.TrimOutbox(ctx, 99))
		for _, endpoint := range []string{"a", "b", "c"} {
			e.endpoint(endpoint)
		}
	}},
	{"messages of commits too, however many, and not their commits", func(e *env) {
		st := e.stream("acme")
		var ms []store.Message
		var want []string
		for i := range 500 {
			d := delivery("hook", store.DeliverySucceeded)
			if i >= 150 && i < 300 || i%7 == 0 {
				d = pending("hook", 1)
			}
			m := message(fmt.Sprintf("%03d", i), d)
			m.CreatedAt = bursar.Time(i/3 - 50) // several of one instant, some before the epoch
			if ms = append(ms, m); d.Status == store.DeliveryPending || m.CreatedAt >= 60 {
				want = append([]string{m.Deliveries[0].ID}, want...)
			}
		}
		c := st.append(messages(ms...))
		e.ok(e.TrimOutbox(ctx, 60))
		e.endpoint("hook", want...)
		st.ends()
		equal(e, "log", st.log(0, 0), []store.LogRow{{Head: c.Head(), ID: c.ID}})
	}},
	{"nothing to trim", func(e *env) {
		e.ok(e.TrimOutbox(ctx, 99))
		e.add(message("m"))
		e.ok(e.TrimOutbox(ctx, 99))
		e.add(message("m", pending("hook", 1)))
		e.endpoint("hook", "m/hook")
	}},
}
