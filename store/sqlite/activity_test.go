package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
	"github.com/bursarhq/bursar/store/sqlite"
)

// Entries are found alike, whether they are in blocks, in the table of before, or in both.
func TestActivityInBlocks(t *testing.T) {
	for _, old := range []bool{false, true} {
		dir := t.TempDir()
		s := open(t, dir)
		r := rand.New(rand.NewPCG(3, 4))
		var all []store.Activity // oldest first
		add := func(n int, id string, at bursar.Time) {
			var entries []store.Activity
			for i := range 1 + r.IntN([]int{2, 700}[n%2]) {
				e := store.Activity{ID: fmt.Sprintf("%s%04d-%04d", id, n, i), Timestamp: at, Action: fmt.Sprint(r.IntN(3)), ActorID: fmt.Sprint(r.IntN(3 + n%3*20))}
				if r.IntN(4) > 0 {
					e.EntityID = fmt.Sprint("e", r.IntN(50))
				}
				if r.IntN(2) > 0 {
					e.After = fmt.Appendf(nil, `{"n":%d}`, n)
				}
				entries = append(entries, e)
			}
			c := commit("acme", n, 0, nil)
			c.Activity = entries
			if out, err := s.Append(ctx, []store.Commit{c}, nil); err != nil || out[0] != store.Committed {
				t.Fatal(out, err)
			}
			all = append(all, entries...)
		}
		for n := 1; n <= 10; n++ {
			add(n, "b", bursar.Time(10*n))
		}
		if old {
			closeStore(t, s)
			ok(t, sqlite.MakeOld(dir))
			s = open(t, dir)
		}
		for n := 11; n <= 20; n++ {
			add(n, "b", bursar.Time(10*n))
		}
		add(21, "a", 1) // later than what it is before
		slices.SortFunc(all, func(a, b store.Activity) int { return strings.Compare(a.ID, b.ID) })
		blocks, err := s.Count("activity_blocks")
		if ok(t, err); blocks < 10 {
			t.Errorf("there are %d blocks", blocks)
		}
		for range 400 {
			sameActivity(t, s, all, anyActivityQuery(r, all))
		}
		for n := 22; n < 30; n++ { // entries that are rewound, within a block or not, are followed by others
			all = all[:len(all)-1-r.IntN(400)]
			ok(t, s.RewindActivity("acme", all[len(all)-1].ID))
			sameActivity(t, s, all, store.ActivityQuery{})
			add(n, "c", bursar.Time(10*n))
			for range 20 {
				sameActivity(t, s, all, anyActivityQuery(r, all))
			}
		}
		closeStore(t, s)
	}
}

// A page of the activity of many entities takes no more than what is on it: neither all blocks that
// any of them is in nor, where there are fewer blocks than entities, a look for each of these.
func TestActivityOfManyEntities(t *testing.T) {
	s := open(t, t.TempDir())
	defer closeStore(t, s)
	const blocks, most = 200, 256
	c := commit("acme", 1, 0, nil)
	for i := range blocks * most {
		c.Activity = append(c.Activity, store.Activity{ID: fmt.Sprintf("b%06d", i), Timestamp: 1, EntityID: fmt.Sprint("e", i%100)})
	}
	if out, err := s.Append(ctx, []store.Commit{c}, nil); err != nil || out[0] != store.Committed {
		t.Fatal(out, err)
	}
	ids := func(kind string, n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint(kind, i))
		}
		return list
	}
	for what, x := range map[string]struct {
		q                  store.ActivityQuery
		found, read, seeks int
	}{
		"few entities":             {store.ActivityQuery{EntityIDs: ids("e", 50), Limit: 10}, 10, 1, 50},
		"few, upwards":             {store.ActivityQuery{EntityIDs: ids("e", 50), Limit: 10, Above: "b"}, 10, 1, 50},
		"many":                     {store.ActivityQuery{EntityIDs: ids("e", 100_000), Limit: 10}, 10, 1, 0},
		"many, upwards":            {store.ActivityQuery{EntityIDs: ids("e", 100_000), Limit: 10, Above: "b"}, 10, 1, 0},
		"some that have no entry":  {store.ActivityQuery{EntityIDs: ids("x", 3000), Limit: 10}, 0, 72, 3000},
		"many that have none":      {store.ActivityQuery{EntityIDs: ids("x", 100_000), Limit: 10}, 0, blocks, 0},
		"all that one entity has":  {store.ActivityQuery{EntityIDs: ids("e", 1)}, blocks * most / 100, blocks, 3},
		"none, as there is nobody": {store.ActivityQuery{EntityIDs: []string{}, Limit: 10}, 0, 0, 0},
	} {
		found, read, seeks, err := s.SearchActivity("acme", x.q)
		if ok(t, err); found != x.found || read != x.read || seeks != x.seeks {
			t.Errorf("%s: %d entries, of %d blocks, with %d looks for an id; want %d, %d, %d", what, found, read, seeks, x.found, x.read, x.seeks)
		}
	}
}

func anyActivityQuery(r *rand.Rand, all []store.Activity) (q store.ActivityQuery) {
	maybe := func() bool { return r.IntN(3) == 0 }
	if maybe() {
		q.EntityID = fmt.Sprint("e", r.IntN(52))
	} else if maybe() {
		q.EntityIDs = []string{"e1", "e2", "", fmt.Sprint("e", r.IntN(50))}
	}
	if maybe() {
		q.Action = fmt.Sprint(r.IntN(4))
	}
	if maybe() {
		q.ActorID = fmt.Sprint(r.IntN(4))
	}
	if maybe() {
		q.From = bursar.Time(r.IntN(205))
	}
	if maybe() {
		q.To = bursar.Time(r.IntN(205))
	}
	if maybe() {
		q.Below = all[r.IntN(len(all))].ID + []string{"", "x"}[r.IntN(2)]
	} else if maybe() {
		q.Above = all[r.IntN(len(all))].ID + []string{"", "x"}[r.IntN(2)]
	}
	q.Limit = []int{0, 1, 7, 300}[r.IntN(4)]
	return q
}

func sameActivity(t *testing.T, s *sqlite.Store, all []store.Activity, q store.ActivityQuery) {
	t.Helper()
	want := []store.Activity{}
	for _, e := range all {
		if (q.EntityID == "" || e.EntityID == q.EntityID) && (q.EntityIDs == nil || e.EntityID != "" && slices.Contains(q.EntityIDs, e.EntityID)) &&
			(q.Action == "" || e.Action == q.Action) && (q.ActorID == "" || e.ActorID == q.ActorID) && (q.From == 0 || e.Timestamp >= q.From) &&
			(q.To == 0 || e.Timestamp < q.To) && (q.Below == "" || e.ID < q.Below) && (q.Above == "" || e.ID > q.Above) {
			want = append(want, e)
		}
	}
	if n := q.Limit; n > 0 && n < len(want) && q.Above != "" {
		want = want[:n]
	} else if n > 0 && n < len(want) {
		want = want[len(want)-n:]
	}
	slices.Reverse(want)
	got, err := s.Activity(ctx, "acme", q)
	if ok(t, err); len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		for i := range min(len(got), len(want)) {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("%+v finds %d entries, not %d: %+v, not %+v", q, len(got), len(want), got[i], want[i])
			}
		}
		t.Fatalf("%+v finds %d entries, not %d", q, len(got), len(want))
	}
}
