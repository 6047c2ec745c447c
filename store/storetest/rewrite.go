package storetest

import (
	"errors"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

// rewritten is what takes the place of a stream's commits after to.
func rewritten(to store.Head) (parts []*store.BasePart, rows []store.LogRow) {
	for seq := to.Seq + 1; seq <= to.Seq+2; seq++ {
		rows = append(rows, store.LogRow{Head: store.Head{Seq: seq, Hash: [16]byte{77, byte(seq)}, Now: to.Now}, ID: [16]byte{9, byte(seq)}, Payload: []byte{7, byte(seq)}})
	}
	return []*store.BasePart{
		{Log: rows[:1], Activity: []store.Activity{{ID: store.LastID(to) + "a", Timestamp: 10, Action: "mended", Before: []byte(`{}`)}}},
		{Log: rows[1:], Listing: &bursar.Customer{ID: "acme", Name: ptr("Mended"), CreatedAt: 7}, Uses: []store.Use{{Kind: "currency", ID: "gold"}}},
	}, rows
}

func activity(id string) func(*store.Commit) {
	return func(c *store.Commit) { c.Activity = []store.Activity{{ID: id, Timestamp: 3, Action: "made"}} }
}

var rewriteTests = []test{
	{"what follows a commit is replaced, with all that came of it", func(e *env) {
		st := e.stream("acme")
		st.append(activity(store.LastID(store.Head{}) + "0"))
		to := st.head
		st.append(activity(store.LastID(to)+"x"), begin(store.Use{Kind: "currency", ID: "eur"}))
		st.append()
		st.save(full)
		parts, rows := rewritten(to)
		e.ok(e.Rewrite(ctx, "acme", to, given(parts, nil)))
		got := st.log(0, 0)
		if len(got) != 3 || got[0].Head != to {
			e.Fatalf("the log is %+v", got)
		}
		equal(e, "rows", got[1:], rows)
		if st.load() != nil {
			e.Error("the checkpoint is still there")
		}
		e.due(0, 0, "acme")
		list, err := e.Activity(ctx, "acme", store.ActivityQuery{Limit: 10})
		e.ok(err)
		if len(list) != 2 || list[0].Action != "mended" {
			e.Errorf("the listing is %+v", list)
		}
		for u, users := range map[store.Use]int{{Kind: "currency", ID: "eur"}: 0, {Kind: "currency", ID: "gold"}: 1} {
			e.users(u, slices.Repeat([]string{"acme"}, users)...)
		}
		heads, _, _, err := e.Heads(ctx, []string{"acme"}, nil)
		e.ok(err)
		equal(e, "head", heads[0], rows[1].Head)
	}},
	{"a checkpoint that is not beyond stays", func(e *env) {
		st := e.stream("acme")
		st.save(full)
		to := st.head
		st.append()
		parts, _ := rewritten(to)
		e.ok(e.Rewrite(ctx, "acme", to, given(parts, nil)))
		if cp := st.load(); cp == nil || cp.Head != to {
			e.Errorf("the checkpoint is %+v", cp)
		}
		e.due(0, 0, "acme")
	}},
	{"it is replaced whole or not at all", func(e *env) {
		st := e.stream("acme")
		st.append()
		to := st.head
		st.append()
		before := st.log(0, 0)
		parts, _ := rewritten(to)
		stop := errors.New("stop")
		if err := e.Rewrite(ctx, "acme", to, given(parts, stop)); !errors.Is(err, store.ErrNotCommitted) || !errors.Is(err, stop) {
			e.Errorf("Rewrite = %v", err)
		}
		to.Hash[0]++
		if err := e.Rewrite(ctx, "acme", to, given(parts, nil)); !errors.Is(err, store.ErrNotCommitted) {
			e.Errorf("Rewrite = %v", err)
		}
		equal(e, "rows", st.log(0, 0), before)
		st.append()
	}},
}
