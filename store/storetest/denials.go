package storetest

import (
	"fmt"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const hour = bursar.Time(3600 * 1e9)

// deny saves samples of a customer, whose tags and body follow from their ids.
func (e *env) deny(customer string, at bursar.Time, ids ...string) {
	e.Helper()
	var rows []store.DenialRow
	for _, id := range ids {
		rows = append(rows, denialRow(customer, at, id))
	}
	e.ok(e.SaveDenials(ctx, rows, nil))
}

func denialRow(customer string, at bursar.Time, id string) store.DenialRow {
	return store.DenialRow{CustomerID: customer, ID: id, At: at, Tags: strings.Split(id, ""), Body: []byte("body of " + id)}
}

// denied compares the ids that a query selects.
func (e *env) denied(q store.DenialQuery, want ...string) {
	e.Helper()
	rows, err := e.Denials(ctx, q)
	e.ok(err)
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
		if r.CustomerID != q.CustomerID {
			e.Errorf("a denial of %q", r.CustomerID)
		}
	}
	equal(e, fmt.Sprintf("denials %+v", q), ids, want)
}

// counted compares the counts of a customer's hours.
func (e *env) counted(customer string, from, to bursar.Time, want ...store.DenialCount) {
	e.Helper()
	var got []store.DenialCount
	e.ok(e.DenialCounts(ctx, customer, from, to, nil, func(c store.DenialCount) error {
		got = append(got, c)
		return nil
	}))
	equal(e, "counts", got, want)
}

var denialTests = []test{
	{"a denial is as it was saved, and saved once", func(e *env) {
		r := store.DenialRow{CustomerID: "a\x00\xff", ID: "1", At: 7, Tags: []string{"it's", "\"é\""}, Body: []byte{0, 255}}
		e.ok(e.SaveDenials(ctx, []store.DenialRow{r}, nil))
		e.ok(e.SaveDenials(ctx, []store.DenialRow{r, denialRow("b", 7, "1")}, nil))
		for _, tags := range [][]string{nil, {"it's"}, {"x", "\"é\"", "it's"}} {
			rows, err := e.Denials(ctx, store.DenialQuery{CustomerID: r.CustomerID, To: 10, Tags: tags})
			e.ok(err)
			equal(e, "rows", rows, []store.DenialRow{r})
		}
	}},
	{"denials are listed newest first, between bounds and by tags", func(e *env) {
		e.deny("a", 1, "x", "y")
		e.deny("a", 2, "z", "xy")
		e.deny("a", 3, "w")
		e.deny("b", 2, "b")
		q := store.DenialQuery{CustomerID: "a", To: 100}
		e.denied(q, "w", "z", "xy", "y", "x")
		e.denied(store.DenialQuery{CustomerID: "a", From: 2, To: 3}, "z", "xy")
		e.denied(store.DenialQuery{CustomerID: "a", To: 100, Limit: 2}, "w", "z")
		for _, tags := range [][]string{nil, {"x", "y", "z", "w"}} {
			q.Tags = tags
			q.Below, q.Above, q.Limit = &store.DenialPos{At: 2, ID: "z"}, nil, 2
			e.denied(q, "xy", "y")
			q.Below, q.Above = nil, &store.DenialPos{At: 1, ID: "y"}
			e.denied(q, "z", "xy")
		}
		e.denied(store.DenialQuery{CustomerID: "a", To: 100, Tags: []string{"y", "x"}}, "xy", "y", "x")
		e.denied(store.DenialQuery{CustomerID: "a", To: 100, Tags: []string{"x"}, Limit: 1}, "xy")
		e.denied(store.DenialQuery{CustomerID: "a", To: 100, Tags: []string{}})
		e.denied(store.DenialQuery{CustomerID: "c", To: 100})
	}},
	{"counts of processes add up, and one that is saved again does not", func(e *env) {
		count := func(process, limit, group string, h, denied bursar.Time) store.DenialCount {
			return store.DenialCount{CustomerID: "a", Hour: h * hour, Process: process, Limit: limit, Group: group, Denied: uint64(denied), Kept: 1, Last: h*hour + denied}
		}
		first := count("p", "l", "g", 1, 5)
		e.ok(e.SaveDenials(ctx, nil, []store.DenialCount{first, count("q", "l", "g", 1, 3), count("p", "", "g", 1, 2), count("p", "l", "g", 2, 1)}))
		e.ok(e.SaveDenials(ctx, nil, []store.DenialCount{count("p", "l", "g", 1, 9)}))
		e.ok(e.SaveDenials(ctx, nil, []store.DenialCount{first})) // an older one that comes late
		other := first
		other.CustomerID = "b"
		e.ok(e.SaveDenials(ctx, nil, []store.DenialCount{other}))
		sum := count("", "l", "g", 1, 12)
		sum.Kept, sum.Last = 2, hour+9
		e.counted("a", 0, 3*hour, count("", "", "g", 1, 2), sum, count("", "l", "g", 2, 1))
		e.counted("a", 2*hour, 3*hour, count("", "l", "g", 2, 1))
		e.counted("a", 0, hour)
		var rest []store.DenialCount // without one process' count of one hour
		e.ok(e.DenialCounts(ctx, "a", hour, 3*hour, [][]byte{first.Key(), make([]byte, 16)}, func(c store.DenialCount) error {
			rest = append(rest, c)
			return nil
		}))
		left := count("", "l", "g", 1, 3)
		equal(e, "the rest", rest, []store.DenialCount{count("", "", "g", 1, 2), left, count("", "l", "g", 2, 1)})
		most, err := e.MostDenied(ctx, hour, [][]byte{first.Key(), make([]byte, 16)}, 1)
		e.ok(err)
		equal(e, "most of the rest", most, []store.DenialCount{{CustomerID: "b", Limit: "l", Denied: 5, Kept: 1, Last: hour + 5}})
	}},
	{"the limits that denied most are told over groups, hours and customers", func(e *env) {
		var counts []store.DenialCount
		for i, customer := range []string{"a", "b"} {
			for g := range 3 {
				for h := range 3 {
					counts = append(counts, store.DenialCount{CustomerID: customer, Hour: bursar.Time(h) * hour, Limit: "l", Group: fmt.Sprint(g), Denied: uint64(i + 1), Kept: 1, Last: bursar.Time(h)})
				}
			}
			counts = append(counts, store.DenialCount{CustomerID: customer, Hour: 2 * hour, Group: "none", Denied: 100})
		}
		e.ok(e.SaveDenials(ctx, nil, counts))
		a, b := store.DenialCount{CustomerID: "a", Limit: "l", Denied: 6, Kept: 6, Last: 2}, store.DenialCount{CustomerID: "b", Limit: "l", Denied: 12, Kept: 6, Last: 2}
		got, err := e.MostDenied(ctx, hour, nil, 10)
		e.ok(err)
		equal(e, "all", got, []store.DenialCount{b, a})
		got, err = e.MostDenied(ctx, hour, nil, 1)
		e.ok(err)
		equal(e, "one", got, []store.DenialCount{b})
	}},
	{"what is older than an instant is trimmed, a few at a time", func(e *env) {
		for i := range 5 {
			at := bursar.Time(i) * hour
			e.deny("a", at, fmt.Sprint(i))
			e.ok(e.SaveDenials(ctx, nil, []store.DenialCount{{CustomerID: "a", Hour: at, Group: "g", Denied: 1, Last: at}}))
		}
		n, err := e.TrimDenials(ctx, 3*hour, 2)
		e.ok(err)
		if n == 0 {
			e.Error("nothing was trimmed")
		}
		rows, err := e.Denials(ctx, store.DenialQuery{CustomerID: "a", To: 10 * hour})
		if e.ok(err); len(rows) != 3 {
			e.Errorf("%d are left, want 3", len(rows))
		}
		for n > 0 {
			n, err = e.TrimDenials(ctx, 3*hour, 2)
			e.ok(err)
		}
		e.denied(store.DenialQuery{CustomerID: "a", To: 10 * hour}, "4", "3")
		e.denied(store.DenialQuery{CustomerID: "a", To: 10 * hour, Tags: []string{"1", "3"}}, "3")
		e.counted("a", 0, 10*hour, store.DenialCount{CustomerID: "a", Hour: 3 * hour, Group: "g", Denied: 1, Last: 3 * hour}, store.DenialCount{CustomerID: "a", Hour: 4 * hour, Group: "g", Denied: 1, Last: 4 * hour})
	}},
}

var denialReopen = reopenTest{"denials are there after a restart", func(e *env, reopen func()) {
	e.deny("a", 1, "x")
	count := store.DenialCount{CustomerID: "a", Hour: hour, Group: "g", Denied: 3, Kept: 1, Last: hour}
	e.ok(e.SaveDenials(ctx, nil, []store.DenialCount{count}))
	reopen()
	e.denied(store.DenialQuery{CustomerID: "a", To: 10}, "x")
	e.counted("a", 0, 10*hour, count)
}}
