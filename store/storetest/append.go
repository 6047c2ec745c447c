package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// everything makes a commit write all that a commit can.
func everything(c *store.Commit) {
	c.Payload = []byte("payload")
	c.Listing = &bursar.Customer{ID: c.Stream, CreatedAt: 1, UpdatedAt: 2}
	c.Activity = []store.Activity{{ID: "a1", Timestamp: 3, Action: "create"}}
	c.Begin = []store.Use{{Kind: "currency", ID: "eur"}}
	c.Messages = []store.Message{message(fmt.Sprint(c.Stream, "-", c.After.Seq), pending("hook", 1))}
}

// nothing compares that the stream's commit with everything left no trace.
func (e *env) nothing(name string) {
	e.Helper()
	st := e.stream(name)
	st.ends()
	equal(e, "log", st.log(0, 0), nil)
	customers, err := e.Customers(ctx, store.CustomerQuery{Limit: 9})
	e.ok(err)
	equal(e, "customers", customers, nil)
	activity, err := e.Activity(ctx, name, store.ActivityQuery{Limit: 9})
	e.ok(err)
	equal(e, "activity", activity, nil)
	users, err := e.Users(ctx, store.Use{Kind: "currency", ID: "eur"}, 9)
	e.ok(err)
	equal(e, "users", users, nil)
	e.endpoint("hook")
	e.pending(0)
}

var appendTests = []test{
	{"writes a commit at its After", func(e *env) {
		st := e.stream("acme")
		a := st.append(everything)
		b := st.append(func(c *store.Commit) { c.Now = c.After.Now }) // the same instant again
		st.ends()
		equal(e, "log", st.log(0, 0), []store.LogRow{
			{Head: a.Head(), ID: a.ID, Payload: []byte("payload")},
			{Head: b.Head(), ID: b.ID},
		})
	}},
	{"imported commits of a stream come together", func(e *env) {
		st := e.stream("acme")
		var run []store.Commit
		for range 5 {
			run = append(run, st.commit(everything))
			st.head = run[len(run)-1].Head()
		}
		e.outcomes(run, store.Committed, store.Committed, store.Committed, store.Committed, store.Committed)
		st.ends()
		equal(e, "rows", len(st.log(0, 0)), 5)
		late := run[4]
		late.After.Seq++
		again := late
		again.After = late.Head()
		e.outcomes([]store.Commit{late, again}, store.Stale, store.Stale)
		st.ends()
	}},
	{"the catalogue is a stream", func(e *env) {
		st := e.stream(store.CatalogueStream)
		st.append()
		st.append()
		st.ends()
		e.stream("acme").ends()
	}},
	{"refuses another Seq", func(e *env) {
		st := e.stream("acme")
		st.append()
		st.append()
		for _, seq := range []uint64{0, 1, 3} {
			c := st.commit()
			c.After.Seq = seq
			e.outcomes([]store.Commit{c}, store.Stale)
		}
		st.ends()
	}},
	{"refuses another Hash", func(e *env) {
		st := e.stream("acme")
		st.append()
		c := st.commit()
		c.After.Hash[15] ^= 1
		e.outcomes([]store.Commit{c}, store.Stale)
		c.After.Hash = [16]byte{}
		e.outcomes([]store.Commit{c}, store.Stale)
		st.ends()
	}},
	{"refuses another Now", func(e *env) {
		st := e.stream("acme")
		st.append()
		c := st.commit()
		c.After.Now--
		e.outcomes([]store.Commit{c}, store.Stale)
		st.ends()
	}},
	{"refuses a stream that does not exist", func(e *env) {
		c := e.stream("acme").commit(everything)
		c.After.Seq = 1
		e.outcomes([]store.Commit{c}, store.Stale)
		e.nothing("acme")
	}},
	{"a stale commit writes nothing", func(e *env) {
		st := e.stream("acme")
		c := st.commit(everything)
		c.After.Hash[0] = 1
		e.outcomes([]store.Commit{c}, store.Stale)
		e.nothing("acme")
	}},
	{"a stale commit leaves none of its messages while others get theirs", func(e *env) {
		a, b, c := e.stream("a"), e.stream("b"), e.stream("c")
		ca, cb, cc := a.commit(everything), b.commit(everything), c.commit(everything)
		cb.After.Seq = 7
		e.outcomes([]store.Commit{ca, cb, cc}, store.Committed, store.Stale, store.Committed)
		e.endpoint("hook", "c-0/hook", "a-0/hook")
		e.dueDeliveries(1, 0, "a-0/hook", "c-0/hook")
		e.pending(2)
	}},
	{"a stale commit does not keep others from being written", func(e *env) {
		a, b, c, d := e.stream("a"), e.stream("b"), e.stream("c"), e.stream("d")
		b.append()
		ca, cb, cc, cd := a.commit(), b.commit(), c.commit(), d.commit()
		cb.After, cc.After.Seq = store.Head{}, 7
		e.outcomes([]store.Commit{ca, cb, cc, cd}, store.Committed, store.Stale, store.Stale, store.Committed)
		a.head, d.head = ca.Head(), cd.Head()
		for _, st := range []*stream{a, b, c, d} {
			st.ends()
		}
	}},
	{"nothing to append", func(e *env) {
		if got, err := e.Append(ctx, nil, nil); len(got) != 0 || err != nil {
			e.Errorf("Append of nothing = %v, %v", got, err)
		}
	}},
	{"a done context writes nothing", func(e *env) {
		done, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := e.Append(done, []store.Commit{e.stream("acme").commit(everything)}, nil); !errors.Is(err, store.ErrNotCommitted) {
			e.Errorf("Append = %v, want ErrNotCommitted", err)
		}
		e.nothing("acme")
	}},
	{"keeps payloads of any size", func(e *env) {
		st := e.stream("acme")
		for _, n := range []int{0, 1, 4095, 4096, 1 << 20} {
			st.append(func(c *store.Commit) { c.Payload = noise(n) })
		}
		for i, n := range []int{0, 1, 4095, 4096, 1 << 20} {
			if got := st.log(uint64(i), 1)[0].Payload; !bytes.Equal(got, noise(n)) {
				e.Errorf("payload of %d bytes came back as %d", n, len(got))
			}
		}
	}},
	{"shares no slice", func(e *env) {
		st := e.stream("acme")
		payload, before := []byte("payload"), []byte(`"x"`)
		st.append(func(c *store.Commit) {
			c.Payload = payload
			c.Activity = []store.Activity{{ID: "a", Before: before}}
			c.Listing = &bursar.Customer{ID: "acme", Metadata: map[string]string{"k": "v"}, Name: ptr("Acme")}
		})
		payload[0], before[1] = '!', '!'
		for range 2 { // the second time behind what the test did to the first result
			row := st.log(0, 0)[0]
			equal(e, "payload", string(row.Payload), "payload")
			row.Payload[0] = '!'
			activity, err := e.Activity(ctx, "acme", store.ActivityQuery{})
			e.ok(err)
			equal(e, "before", string(activity[0].Before), `"x"`)
			activity[0].Before[0] = '!'
			customers, err := e.Customers(ctx, store.CustomerQuery{})
			e.ok(err)
			equal(e, "metadata", customers[0].Metadata, map[string]string{"k": "v"})
			equal(e, "name", *customers[0].Name, "Acme")
			customers[0].Metadata["k"], *customers[0].Name = "!", "!"
		}
	}},
}

var (
	eur = store.Use{Kind: "currency", ID: "eur"}
	org = store.Use{Kind: "entityType", ID: "eur"} // the same id
)

func begin(uses ...store.Use) func(*store.Commit) {
	return func(c *store.Commit) { c.Begin = uses }
}

func end(uses ...store.Use) func(*store.Commit) {
	return func(c *store.Commit) { c.End = uses }
}

func unused(uses ...store.Use) func(*store.Commit) {
	return func(c *store.Commit) { c.Unused = uses }
}

// users compares who uses u.
func (e *env) users(u store.Use, want ...string) {
	e.Helper()
	got, err := e.Users(ctx, u, 0)
	e.ok(err)
	set := func(names []string) map[string]int {
		m := map[string]int{}
		for _, name := range names {
			m[name]++
		}
		return m
	}
	equal(e, "users of "+u.Kind+" "+u.ID, set(got), set(want))
}

var useTests = []test{
	{"begin and end", func(e *env) {
		a, b := e.stream("a"), e.stream("b")
		a.append(begin(eur, org))
		b.append(begin(eur))
		e.users(eur, "a", "b")
		e.users(org, "a")
		a.append(end(eur))
		e.users(eur, "b")
		e.users(org, "a")
		e.users(store.Use{Kind: "currency", ID: "usd"})
	}},
	{"beginning twice and ending an unknown one are harmless", func(e *env) {
		a := e.stream("a")
		a.append(begin(eur))
		a.append(begin(eur, eur))
		e.users(eur, "a")
		a.append(end(org))
		a.append(end(eur, eur))
		e.users(eur)
	}},
	{"lists up to the limit", func(e *env) {
		for _, name := range []string{"a", "b", "c"} {
			e.stream(name).append(begin(eur))
		}
		for limit, want := range map[int]int{1: 1, 2: 2, 3: 3, 9: 3} {
			got, err := e.Users(ctx, eur, limit)
			e.ok(err)
			if len(got) != want {
				e.Errorf("Users with limit %d gave %d", limit, len(got))
			}
		}
	}},
	{"a commit is refused while one of its Unused is in use", func(e *env) {
		a, catalogue := e.stream("a"), e.stream(store.CatalogueStream)
		a.append(begin(eur))
		c := catalogue.commit(unused(org, eur), func(c *store.Commit) {
			everything(c)
			c.Begin = []store.Use{org}
		})
		e.outcomes([]store.Commit{c}, store.InUse)
		catalogue.ends()
		e.users(org)
		customers, err := e.Customers(ctx, store.CustomerQuery{})
		e.ok(err)
		equal(e, "customers", customers, nil)
		e.endpoint("hook")
		catalogue.append(unused(org))
		a.append(end(eur))
		catalogue.append(unused(eur))
		catalogue.ends()
	}},
	{"a stale commit is refused, in use or not", func(e *env) {
		e.stream("a").append(begin(eur))
		c := e.stream(store.CatalogueStream).commit(unused(eur))
		c.After.Seq = 3
		got, err := e.Append(ctx, []store.Commit{c}, nil)
		e.ok(err)
		if got[0] == store.Committed {
			e.Error("committed")
		}
	}},
	{"commits of one call count in the order given", func(e *env) {
		a, catalogue := e.stream("a"), e.stream(store.CatalogueStream)
		started, archived := a.commit(begin(eur)), catalogue.commit(unused(eur))
		e.outcomes([]store.Commit{archived, started}, store.Committed, store.Committed)
		a.head, catalogue.head = started.Head(), archived.Head()
		ended := a.commit(end(eur))
		e.outcomes([]store.Commit{catalogue.commit(unused(eur)), ended}, store.InUse, store.Committed)
		a.head = ended.Head()
		e.users(eur)
		e.outcomes([]store.Commit{a.commit(begin(eur)), catalogue.commit(unused(eur))}, store.Committed, store.InUse)
		e.users(eur, "a")
		catalogue.ends()
	}},
}

var logTests = []test{
	{"streams are listed once each, on from one of them, and never the catalogue", func(e *env) {
		e.stream(store.CatalogueStream).append()
		want := map[string]bool{}
		for _, name := range []string{"b", "a", "Ä", "a b"} {
			e.stream(name).append()
			want[name] = true
		}
		after := ""
		for range len(want) {
			got, err := e.Streams(ctx, after, 1)
			e.ok(err)
			if len(got) != 1 || !want[got[0]] {
				e.Fatalf("after %q: %q", after, got)
			}
			after = got[0]
			delete(want, after)
		}
		got, err := e.Streams(ctx, after, 9)
		e.ok(err)
		equal(e, "after the last", got, nil)
	}},
	{"heads come in the order given", func(e *env) {
		a, b := e.stream("a"), e.stream("b")
		a.append()
		a.append()
		b.append()
		got, _, _, err := e.Heads(ctx, []string{"b", "nobody", "a", "b"}, nil)
		e.ok(err)
		equal(e, "heads", got, []store.Head{b.head, {}, a.head, b.head})
		got, _, _, err = e.Heads(ctx, nil, nil)
		e.ok(err)
		equal(e, "heads of no stream", got, nil)
	}},
	{"heads come with the beginning of what is new", func(e *env) {
		if _, shared := e.now(); !shared {
			e.Skip("nobody else writes")
		}
		a, b := e.stream("a"), e.stream("b")
		for range 3 {
			a.append()
		}
		b.append()
		heads, tails, _, err := e.Heads(ctx, []string{"b", "nobody", "a", "a", "a", "a"}, []uint64{1, 0, 0, 1, 3, 9})
		e.ok(err)
		equal(e, "heads", heads, []store.Head{b.head, {}, a.head, a.head, a.head, a.head})
		for i, after := range map[int]uint64{2: 0, 3: 1} {
			rows := a.log(after, 0)
			if n := len(tails[i]); n == 0 || n > len(rows) {
				e.Errorf("%d rows after %d, the log has %d", n, after, len(rows))
			} else {
				equal(e, "rows", tails[i], rows[:n])
			}
		}
		for _, i := range []int{0, 1, 4, 5} {
			equal(e, "rows where nothing is new", tails[i], nil)
		}
	}},
	{"rows come in order, after, up to the limit", func(e *env) {
		st, other := e.stream("acme"), e.stream("b")
		const n = 600
		var want []store.LogRow
		for i := range n {
			c := st.append(func(c *store.Commit) { c.Payload = []byte{byte(i), byte(i >> 8)} })
			want = append(want, store.LogRow{Head: c.Head(), ID: c.ID, Payload: c.Payload})
			if i%100 == 0 {
				other.append()
			}
		}
		for _, after := range []uint64{0, 1, 256, n - 1, n, n + 1, 1 << 40} {
			for _, limit := range []int{0, 1, 256, 257, n, n + 1} {
				rows := want[min(after, n):]
				if limit > 0 {
					rows = rows[:min(limit, len(rows))]
				}
				equal(e, "log", st.log(after, limit), rows)
			}
		}
		equal(e, "log of a stream that does not exist", e.stream("nobody").log(0, 0), nil)
	}},
	{"ends with the error of visit", func(e *env) {
		st := e.stream("acme")
		for range 3 {
			st.append()
		}
		stop, n := errors.New("stop"), 0
		err := e.ReadLog(ctx, "acme", 0, 0, func(store.LogRow) error {
			if n++; n == 2 {
				return stop
			}
			return nil
		})
		if err != stop || n != 2 {
			e.Errorf("ReadLog = %v after %d rows", err, n)
		}
	}},
	{"visit may use the store", func(e *env) {
		st := e.stream("acme")
		st.append()
		st.append()
		e.ok(e.ReadLog(ctx, "acme", 0, 0, func(store.LogRow) error {
			st.append()
			return e.ReadLog(ctx, "acme", 0, 1, func(store.LogRow) error { return nil })
		}))
	}},
	{"a done context ends a read", func(e *env) {
		e.stream("acme").append()
		done, cancel := context.WithCancel(ctx)
		cancel()
		if _, _, _, err := e.Heads(done, []string{"acme"}, nil); !errors.Is(err, context.Canceled) {
			e.Errorf("Heads = %v", err)
		}
		err := e.ReadLog(done, "acme", 0, 0, func(store.LogRow) error { return nil })
		if !errors.Is(err, context.Canceled) {
			e.Errorf("ReadLog = %v", err)
		}
	}},
}

// noise is n bytes that cannot be made shorter.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}
