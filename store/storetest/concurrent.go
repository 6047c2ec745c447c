package storetest

import (
	"fmt"
	"sync"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const writers = 16

var concurrentTests = []test{
	{"writers of one stream", func(e *env) {
		const each = 20
		var wg sync.WaitGroup
		committed := make([][]store.Commit, writers)
		for w := range writers {
			wg.Go(func() {
				st := e.stream("acme")
				for len(committed[w]) < each {
					c := st.commit(func(c *store.Commit) { c.Payload = fmt.Append(nil, w, "/", len(committed[w])) })
					out, err := e.Append(ctx, []store.Commit{c}, nil)
					if err != nil {
						e.Error(err)
						return
					}
					if out[0] == store.Committed {
						committed[w] = append(committed[w], c)
						st.head = c.Head()
						continue
					}
					heads, _, _, err := e.Heads(ctx, []string{"acme"}, nil)
					if err != nil {
						e.Error(err)
						return
					}
					st.head = heads[0]
				}
			})
		}
		wg.Wait()
		rows := map[uint64]store.LogRow{}
		for i, r := range e.stream("acme").log(0, 0) {
			if r.Head.Seq != uint64(i+1) {
				e.Fatalf("row %d has seq %d", i, r.Head.Seq)
			}
			rows[r.Head.Seq] = r
		}
		if len(rows) != writers*each {
			e.Errorf("%d rows of %d commits", len(rows), writers*each)
		}
		for _, commits := range committed {
			for _, c := range commits {
				equal(e, "row", rows[c.After.Seq+1], store.LogRow{Head: c.Head(), ID: c.ID, Payload: c.Payload})
			}
		}
	}},
	{"writers, savers and readers of many streams", func(e *env) {
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				st := e.stream(fmt.Sprint("s", w))
				for i := range 10 {
					c := st.commit(everything)
					out, err := e.Append(ctx, []store.Commit{c}, nil)
					if err != nil || out[0] != store.Committed {
						e.Errorf("Append = %v, %v", out, err)
						return
					}
					st.head = c.Head()
					cp := &store.Checkpoint{Stream: st.name, Head: st.head, Base: uint64(i)}
					cp.Counters = []store.CounterRow{{Ord: 1, Used: whole(int64(i))}}
					cp.Series = []store.SeriesRow{bucket(1, tokens, 0, 0, 0, whole(1))}
					if err := e.Save(ctx, cp); err != nil {
						e.Error(err)
						return
					}
					e.readAll(st.name, st.head.Seq)
				}
			})
		}
		wg.Wait()
		for w := range writers {
			st := e.stream(fmt.Sprint("s", w))
			cp := st.load()
			if cp == nil {
				e.Fatalf("%s has no checkpoint", st.name)
			}
			equal(e, "counters", cp.Counters, []store.CounterRow{{Ord: 1, Used: whole(9)}})
		}
		e.due(0, 0)
		e.pending(writers * 10)
	}},
	{"senders, writers and trimming of one outbox", func(e *env) {
		const each = 10
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				st := e.stream(fmt.Sprint("s", w))
				for i := range each {
					m := message(fmt.Sprintf("%s-%d", st.name, i), pending("hook", 1), pending("other", 1))
					c := st.commit(messages(m))
					out, err := e.Append(ctx, []store.Commit{c}, nil)
					if err != nil || out[0] != store.Committed {
						e.Errorf("Append = %v, %v", out, err)
						return
					}
					st.head = c.Head()
					if err := e.send(m); err != nil {
						e.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		e.pending(writers * each / 2)
		got, err := e.DueDeliveries(ctx, 1, ofEach(0))
		e.ok(err)
		for _, d := range got {
			equal(e, "who waits", d.EndpointID, "other")
			equal(e, "its body", string(d.Body), `{"messageId":"`+d.MessageID+`"}`)
		}
		equal(e, "who waits", len(got), writers*each/2)
	}},
}

// send does what a sender may do to a message just written, from any goroutine: it
// ends the first delivery, of every other message the second one too, and trims.
func (e *env) send(m store.Message) error {
	ended := m.Deliveries[:1]
	if n := m.ID[len(m.ID)-1]; n%2 == 0 {
		ended = m.Deliveries
	}
	for i := range ended {
		ended[i].Status, ended[i].NextAttempt = store.DeliverySucceeded, 0
	}
	if err := e.SaveDeliveries(ctx, ended); err != nil {
		return err
	}
	d, err := e.Delivery(ctx, ended[0].ID)
	if err != nil {
		return err
	}
	if d != nil && d.Status != store.DeliverySucceeded { // nil: another sender has trimmed it
		return fmt.Errorf("%s is %s once saved", d.ID, d.Status)
	}
	return e.TrimOutbox(ctx, m.CreatedAt+1)
}

// readAll reads a stream whose checkpoint is at seq in each way, from any goroutine.
func (e *env) readAll(name string, seq uint64) {
	var err error
	check := func(what string, e2 error) {
		if e2 != nil && err == nil {
			err = fmt.Errorf("%s: %w", what, e2)
		}
	}
	var used bursar.Amount
	check("Load", e.Load(ctx, name, func(cp *store.Checkpoint) error {
		for _, r := range cp.Counters {
			used = r.Used
		}
		return nil
	}))
	if used != whole(int64(seq)-1) {
		check("Load", fmt.Errorf("used %v at %d", used, seq))
	}
	sum, at, e2 := e.sum(name, store.SeriesQuery{To: 9})
	check("Series", e2)
	if at != seq || sum != whole(int64(seq)) {
		check("Series", fmt.Errorf("%v at %d, want %d", sum, at, seq))
	}
	_, e2 = e.Customers(ctx, store.CustomerQuery{Limit: 3})
	check("Customers", e2)
	_, e2 = e.Activity(ctx, name, store.ActivityQuery{Limit: 3})
	check("Activity", e2)
	_, e2 = e.Users(ctx, eur, 3)
	check("Users", e2)
	_, e2 = e.Due(ctx, 0, 3)
	check("Due", e2)
	_, e2 = e.Holds(ctx, name, store.HoldQuery{Status: bursar.HoldOpen})
	check("Holds", e2)
	_, e2 = e.FindKeys(ctx, name, 1, [][16]byte{{1}})
	check("FindKeys", e2)
	if err != nil {
		e.Error(err)
	}
}

var reopenTests = []reopenTest{
	jobReopen, denialReopen,
	{"finds what a stream began with", func(e *env, reopen func()) {
		parts, _ := basis("acme", 2)
		e.ok(e.Begin(ctx, "acme", given(parts, nil)))
		reopen()
		e.begun("acme", 2)
	}},
	{"finds what was appended", func(e *env, reopen func()) {
		a, catalogue := e.stream("a"), e.stream(store.CatalogueStream)
		a.append(everything)
		a.append()
		catalogue.append()
		want := a.log(0, 0)
		reopen()
		a.ends()
		catalogue.ends()
		equal(e, "log", a.log(0, 0), want)
		equal(e, "customers", e.customerIDs(store.CustomerQuery{}), "a")
		e.users(eur, "a")
		activity, err := e.Activity(ctx, "a", store.ActivityQuery{})
		e.ok(err)
		equal(e, "activity", len(activity), 1)
		a.append()
		e.outcomes([]store.Commit{catalogue.commit(unused(eur))}, store.InUse)
		reopen()
		a.ends()
	}},
	{"finds what was saved", func(e *env, reopen func()) {
		st := e.stream("acme")
		st.save(full, series(bucket(7, tokens, 0, 0, 0, whole(5))), generation(20, block(10, 20)))
		want := st.load()
		reopen()
		same(e, st.load(), want)
		st.series(store.SeriesQuery{To: 100}, bucket(7, tokens, 0, 0, 0, whole(5)))
		e.finds("acme", 20, 10, 20, 10, 11)
		if err := e.Save(ctx, &store.Checkpoint{Stream: "acme", Head: st.head}); err == nil {
			e.Error("saved again at the same position")
		}
		st.save(func(cp *store.Checkpoint) { cp.Due, cp.Meta = want.Due, want.Meta })
		reopen()
		want.Head = st.head
		same(e, st.load(), want)
	}},
	{"finds the outbox", func(e *env, reopen func()) {
		st := e.stream("acme")
		st.append(messages(message("m1", pending("hook", 5), pending("other", 6))))
		e.ok(e.AddMessage(ctx, message("m2", pending("hook", 7))))
		reopen()
		e.dueDeliveries(9, 0, "m1/hook", "m2/hook", "m1/other")
		e.ok(e.SaveDeliveries(ctx, []store.Delivery{
			{ID: "m1/hook", Status: store.DeliverySucceeded, Attempts: 1, ResponseStatus: 200},
			{ID: "m1/other", Status: store.DeliveryPending, Attempts: 1, Error: "refused", NextAttempt: 8},
			{ID: "m2/hook", Status: store.DeliveryFailed},
		}))
		want, err := e.Delivery(ctx, "m1/other")
		e.ok(err)
		reopen()
		got, err := e.Delivery(ctx, "m1/other")
		e.ok(err)
		equal(e, "delivery", got, want)
		e.dueDeliveries(9, 0, "m1/other")
		e.endpoint("hook", "m2/hook", "m1/hook")
		e.ok(e.TrimOutbox(ctx, 2))
		reopen()
		e.endpoint("hook", "m1/hook")
		e.dueDeliveries(9, 0, "m1/other")
	}},
	{"knows what is due", func(e *env, reopen func()) {
		a, b, c, d := e.stream("a"), e.stream("b"), e.stream("c"), e.stream("d")
		a.save(func(cp *store.Checkpoint) { cp.Due = 10 })
		b.append()
		c.save()
		d.save()
		d.append()
		e.stream(store.CatalogueStream).append()
		reopen()
		e.due(0, 0, "b", "d")
		e.due(10, 0, "a", "b", "d")
		b.save()
		d.save()
		e.due(0, 0)
	}},
}
