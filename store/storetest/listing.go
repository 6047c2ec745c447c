package storetest

import (
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

func listing(c bursar.Customer) func(*store.Commit) {
	return func(commit *store.Commit) { commit.Listing = &c }
}

// customers lists five customers: c and d were created at one instant, e is archived.
func (e *env) customers() {
	for _, c := range []bursar.Customer{
		{ID: "d", CreatedAt: 30, Name: ptr("Dédé"), Email: ptr("x@example.com")},
		{ID: "a", CreatedAt: 10, Name: ptr("Ann"), Email: ptr("x@example.com")},
		{ID: "c", CreatedAt: 30, Name: ptr("Ann")},
		{ID: "b", CreatedAt: 20, Email: ptr("y@example.com")},
		{ID: "e", CreatedAt: 40, Name: ptr("Ann"), ArchivedAt: ptr(bursar.Time(50))},
	} {
		e.stream(c.ID).append(listing(c))
	}
}

func (e *env) customerIDs(q store.CustomerQuery) string {
	e.Helper()
	rows, err := e.Customers(ctx, q)
	e.ok(err)
	ids := ""
	for _, c := range rows {
		ids += c.ID
	}
	return ids
}

var customerTests = []test{
	{"keeps every field", func(e *env) {
		full := bursar.Customer{
			ID: "full@example.com", Name: ptr("N"), Email: ptr("E"), Metadata: map[string]string{"a": `"'`, "b": "é"},
			Timezone: ptr("Europe/Prague"), Language: ptr("cs"), BillingID: ptr("B"), BillingCurrency: ptr("USD"),
			CreatedAt: 1_790_000_000_000_000_001, UpdatedAt: 2, ArchivedAt: ptr(bursar.Time(3)),
		}
		bare := bursar.Customer{ID: "bare", CreatedAt: -5}
		empty := bursar.Customer{ID: "empty", Name: ptr(""), Metadata: map[string]string{}}
		for _, c := range []bursar.Customer{full, bare, empty} {
			e.stream(c.ID).append(listing(c))
		}
		got, err := e.Customers(ctx, store.CustomerQuery{IncludeArchived: true})
		e.ok(err)
		equal(e, "customers", got, []bursar.Customer{bare, empty, full})
	}},
	{"replaces the row", func(e *env) {
		st := e.stream("acme")
		st.append(listing(bursar.Customer{ID: "acme", Name: ptr("Old"), Email: ptr("old"), Metadata: map[string]string{"a": "b"}}))
		st.append() // without a listing the row stays
		equal(e, "by the old name", e.customerIDs(store.CustomerQuery{Name: "Old"}), "acme")
		st.append(listing(bursar.Customer{ID: "acme", Name: ptr("New")}))
		equal(e, "by the old name", e.customerIDs(store.CustomerQuery{Name: "Old"}), "")
		equal(e, "by the old email", e.customerIDs(store.CustomerQuery{Email: "old"}), "")
		got, err := e.Customers(ctx, store.CustomerQuery{})
		e.ok(err)
		equal(e, "customers", got, []bursar.Customer{{ID: "acme", Name: ptr("New")}})
	}},
	{"filters", func(e *env) {
		e.customers()
		for _, c := range []struct {
			q    store.CustomerQuery
			want string
		}{
			{store.CustomerQuery{}, "abcd"},
			{store.CustomerQuery{IncludeArchived: true}, "abcde"},
			{store.CustomerQuery{Email: "x@example.com"}, "ad"},
			{store.CustomerQuery{Email: "x@example"}, ""},
			{store.CustomerQuery{Name: "Ann"}, "ac"},
			{store.CustomerQuery{Name: "Ann", IncludeArchived: true}, "ace"},
			{store.CustomerQuery{Name: "Ann", Email: "x@example.com"}, "a"},
			{store.CustomerQuery{Search: "B"}, "b"},
			{store.CustomerQuery{Search: "nN"}, "ac"},
			{store.CustomerQuery{Search: "X@EXAMPLE"}, "ad"},
			{store.CustomerQuery{Search: "%"}, ""},
			{store.CustomerQuery{Search: "é"}, "d"},
			{store.CustomerQuery{Search: "É"}, ""},
			{store.CustomerQuery{Search: "e", CreatedTo: 20}, "a"},
			{store.CustomerQuery{CreatedFrom: 20}, "bcd"},
			{store.CustomerQuery{CreatedFrom: 21}, "cd"},
			{store.CustomerQuery{CreatedTo: 30}, "ab"},
			{store.CustomerQuery{CreatedTo: 31}, "abcd"},
			{store.CustomerQuery{CreatedFrom: 20, CreatedTo: 30}, "b"},
			{store.CustomerQuery{Name: "Ann", CreatedFrom: 11}, "c"},
		} {
			equal(e, fmt.Sprintf("%+v", c.q), e.customerIDs(c.q), c.want)
		}
	}},
	{"pages in both directions", func(e *env) {
		e.customers()
		c := &store.CustomerPos{CreatedAt: 30, ID: "c"}
		none := &store.CustomerPos{CreatedAt: 30, ID: "bb"} // a place where nobody is
		for _, c := range []struct {
			q    store.CustomerQuery
			want string
		}{
			{store.CustomerQuery{Limit: 2}, "ab"},
			{store.CustomerQuery{After: c, Limit: 2}, "d"},
			{store.CustomerQuery{After: c, Limit: 1, IncludeArchived: true}, "d"},
			{store.CustomerQuery{Before: c, Limit: 1}, "b"},
			{store.CustomerQuery{Before: c, Limit: 9}, "ab"},
			{store.CustomerQuery{After: none}, "cd"},
			{store.CustomerQuery{Before: none, Limit: 1}, "b"},
			{store.CustomerQuery{Name: "Ann", After: none}, "c"},
			{store.CustomerQuery{Name: "Ann", Before: c}, "a"},
			{store.CustomerQuery{After: &store.CustomerPos{CreatedAt: 99}}, ""},
			{store.CustomerQuery{Before: &store.CustomerPos{CreatedAt: 10, ID: "a"}, Limit: 5}, ""},
		} {
			equal(e, fmt.Sprintf("%+v", c.q), e.customerIDs(c.q), c.want)
		}
	}},
}

// activity writes six entries, the last two of one instant, and one of another stream.
func (e *env) activity() {
	entry := func(id string, at bursar.Time, entity, action, actor string) store.Activity {
		return store.Activity{ID: id, Timestamp: at, EntityID: entity, Action: action, ActorID: actor}
	}
	st := e.stream("acme")
	st.append(func(c *store.Commit) {
		c.Activity = []store.Activity{entry("1", 10, "", "create", "x"), entry("2", 20, "e1", "create", "x")}
	})
	st.append(func(c *store.Commit) {
		c.Activity = []store.Activity{
			entry("3", 30, "e2", "create", "y"), entry("4", 40, "e1", "update", "x"),
			entry("5", 50, "e1", "update", "y"), entry("6", 50, "", "update", "x"),
		}
	})
	e.stream("other").append(func(c *store.Commit) { c.Activity = []store.Activity{entry("4", 40, "e1", "update", "x")} })
}

func (e *env) activityIDs(q store.ActivityQuery) string {
	e.Helper()
	rows, err := e.Activity(ctx, "acme", q)
	e.ok(err)
	ids := ""
	for _, a := range rows {
		ids += a.ID
	}
	return ids
}

var activityTests = []test{
	{"selects entries of some entities", func(e *env) {
		st := e.stream("acme")
		st.append(func(c *store.Commit) {
			c.Activity = []store.Activity{{ID: "1", EntityID: "a"}, {ID: "2", EntityID: "b"}, {ID: "3"}, {ID: "4", EntityID: "c"}, {ID: "5", EntityID: "a"}}
		})
		for _, c := range []struct {
			of   []string
			want string
		}{{[]string{"a", "c"}, "541"}, {[]string{"d", ""}, ""}, {[]string{}, ""}, {nil, "54321"}} {
			rows, err := e.Activity(ctx, "acme", store.ActivityQuery{EntityIDs: c.of, Limit: 10})
			e.ok(err)
			got := ""
			for _, a := range rows {
				got += a.ID
			}
			equal(e, "entries", got, c.want)
		}
	}},
	{"keeps every field", func(e *env) {
		full := store.Activity{
			ID: "b", Timestamp: 1_790_000_000_000_000_001, ActorType: "API_KEY", ActorID: "key", Subject: "user",
			Action: "update", TargetType: "entity", TargetID: "t", EntityID: "e",
			Before: []byte(`{"a":"é"}`), After: []byte(`null`), RequestID: "r",
		}
		bare := store.Activity{ID: "a"}
		e.stream("acme").append(func(c *store.Commit) { c.Activity = []store.Activity{bare, full} })
		got, err := e.Activity(ctx, "acme", store.ActivityQuery{})
		e.ok(err)
		equal(e, "activity", got, []store.Activity{full, bare})
		got, err = e.Activity(ctx, "nobody", store.ActivityQuery{})
		e.ok(err)
		equal(e, "activity of a stream that does not exist", got, nil)
	}},
	{"filters, newest first", func(e *env) {
		e.activity()
		for _, c := range []struct {
			q    store.ActivityQuery
			want string
		}{
			{store.ActivityQuery{}, "654321"},
			{store.ActivityQuery{EntityID: "e1"}, "542"},
			{store.ActivityQuery{EntityID: "e9"}, ""},
			{store.ActivityQuery{Action: "update"}, "654"},
			{store.ActivityQuery{ActorID: "x"}, "6421"},
			{store.ActivityQuery{EntityID: "e1", Action: "update", ActorID: "x"}, "4"},
			{store.ActivityQuery{From: 30}, "6543"},
			{store.ActivityQuery{From: 31}, "654"},
			{store.ActivityQuery{From: 51}, ""},
			{store.ActivityQuery{To: 30}, "21"},
			{store.ActivityQuery{To: 50}, "4321"},
			{store.ActivityQuery{To: 51}, "654321"},
			{store.ActivityQuery{From: 20, To: 50}, "432"},
			{store.ActivityQuery{From: 20, To: 50, EntityID: "e1"}, "42"},
		} {
			equal(e, fmt.Sprintf("%+v", c.q), e.activityIDs(c.q), c.want)
		}
	}},
	{"pages in both directions", func(e *env) {
		e.activity()
		for _, c := range []struct {
			q    store.ActivityQuery
			want string
		}{
			{store.ActivityQuery{Limit: 2}, "65"},
			{store.ActivityQuery{Below: "5", Limit: 2}, "43"},
			{store.ActivityQuery{Below: "2", Limit: 2}, "1"},
			{store.ActivityQuery{Above: "2", Limit: 2}, "43"},
			{store.ActivityQuery{Above: "2", Limit: 9}, "6543"},
			{store.ActivityQuery{Above: "6", Limit: 2}, ""},
			{store.ActivityQuery{Above: "1", Below: "5", Limit: 2}, "32"},
			{store.ActivityQuery{Above: "1", EntityID: "e1", Limit: 2}, "42"},
			{store.ActivityQuery{Below: "5", EntityID: "e1", Limit: 1}, "4"},
			{store.ActivityQuery{Above: "1", From: 20, To: 50, Limit: 2}, "32"},
		} {
			equal(e, fmt.Sprintf("%+v", c.q), e.activityIDs(c.q), c.want)
		}
	}},
}
