package storetest

import (
	"fmt"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
)

func listing(c bursar.Customer) func(*engine.Commit) {
	return func(commit *engine.Commit) { commit.Listing = &c }
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

func (e *env) customerIDs(q engine.CustomerQuery) string {
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
		got, err := e.Customers(ctx, engine.CustomerQuery{IncludeArchived: true})
		e.ok(err)
		equal(e, "customers", got, []bursar.Customer{bare, empty, full})
	}},
	{"replaces the row", func(e *env) {
		st := e.stream("acme")
		st.append(listing(bursar.Customer{ID: "acme", Name: ptr("Old"), Email: ptr("old"), Metadata: map[string]string{"a": "b"}}))
		st.append() // without a listing the row stays
		equal(e, "by the old name", e.customerIDs(engine.CustomerQuery{Name: "Old"}), "acme")
		st.append(listing(bursar.Customer{ID: "acme", Name: ptr("New")}))
		equal(e, "by the old name", e.customerIDs(engine.CustomerQuery{Name: "Old"}), "")
		equal(e, "by the old email", e.customerIDs(engine.CustomerQuery{Email: "old"}), "")
		got, err := e.Customers(ctx, engine.CustomerQuery{})
		e.ok(err)
		equal(e, "customers", got, []bursar.Customer{{ID: "acme", Name: ptr("New")}})
	}},
	{"filters", func(e *env) {
		e.customers()
		for _, c := range []struct {
			q    engine.CustomerQuery
			want string
		}{
			{engine.CustomerQuery{}, "abcd"},
			{engine.CustomerQuery{IncludeArchived: true}, "abcde"},
			{engine.CustomerQuery{Email: "x@example.com"}, "ad"},
			{engine.CustomerQuery{Email: "x@example"}, ""},
			{engine.CustomerQuery{Name: "Ann"}, "ac"},
			{engine.CustomerQuery{Name: "Ann", IncludeArchived: true}, "ace"},
			{engine.CustomerQuery{Name: "Ann", Email: "x@example.com"}, "a"},
			{engine.CustomerQuery{Search: "B"}, "b"},
			{engine.CustomerQuery{Search: "nN"}, "ac"},
			{engine.CustomerQuery{Search: "X@EXAMPLE"}, "ad"},
			{engine.CustomerQuery{Search: "%"}, ""},
			{engine.CustomerQuery{Search: "é"}, "d"},
			{engine.CustomerQuery{Search: "É"}, ""},
			{engine.CustomerQuery{Search: "e", CreatedTo: 20}, "a"},
			{engine.CustomerQuery{CreatedFrom: 20}, "bcd"},
			{engine.CustomerQuery{CreatedFrom: 21}, "cd"},
			{engine.CustomerQuery{CreatedTo: 30}, "ab"},
			{engine.CustomerQuery{CreatedTo: 31}, "abcd"},
			{engine.CustomerQuery{CreatedFrom: 20, CreatedTo: 30}, "b"},
			{engine.CustomerQuery{Name: "Ann", CreatedFrom: 11}, "c"},
		} {
			equal(e, fmt.Sprintf("%+v", c.q), e.customerIDs(c.q), c.want)
		}
	}},
	{"pages in both directions", func(e *env) {
		e.customers()
		c := &engine.CustomerPos{CreatedAt: 30, ID: "c"}
		none := &engine.CustomerPos{CreatedAt: 30, ID: "bb"} // a place where nobody is
		for _, c := range []struct {
			q    engine.CustomerQuery
			want string
		}{
			{engine.CustomerQuery{Limit: 2}, "ab"},
			{engine.CustomerQuery{After: c, Limit: 2}, "d"},
			{engine.CustomerQuery{After: c, Limit: 1, IncludeArchived: true}, "d"},
			{engine.CustomerQuery{Before: c, Limit: 1}, "b"},
			{engine.CustomerQuery{Before: c, Limit: 9}, "ab"},
			{engine.CustomerQuery{After: none}, "cd"},
			{engine.CustomerQuery{Before: none, Limit: 1}, "b"},
			{engine.CustomerQuery{Name: "Ann", After: none}, "c"},
			{engine.CustomerQuery{Name: "Ann", Before: c}, "a"},
			{engine.CustomerQuery{After: &engine.CustomerPos{CreatedAt: 99}}, ""},
			{engine.CustomerQuery{Before: &engine.CustomerPos{CreatedAt: 10, ID: "a"}, Limit: 5}, ""},
		} {
			equal(e, fmt.Sprintf("%+v", c.q), e.customerIDs(c.q), c.want)
		}
	}},
}

// activity writes six entries, the last two of one instant, and one of another stream.
func (e *env) activity() {
	entry := func(id string, at bursar.Time, entity, action, actor string) engine.Activity {
		return engine.Activity{ID: id, Timestamp: at, EntityID: entity, Action: action, ActorID: actor}
	}
	st := e.stream("acme")
	st.append(func(c *engine.Commit) {
		c.Activity = []engine.Activity{entry("1", 10, "", "create", "x"), entry("2", 20, "e1", "create", "x")}
	})
	st.append(func(c *engine.Commit) {
		c.Activity = []engine.Activity{
			entry("3", 30, "e2", "create", "y"), entry("4", 40, "e1", "update", "x"),
			entry("5", 50, "e1", "update", "y"), entry("6", 50, "", "update", "x"),
		}
	})
	e.stream("other").append(func(c *engine.Commit) { c.Activity = []engine.Activity{entry("4", 40, "e1", "update", "x")} })
}

func (e *env) activityIDs(q engine.ActivityQuery) string {
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
		st.append(func(c *engine.Commit) {
			c.Activity = []engine.Activity{{ID: "1", EntityID: "a"}, {ID: "2", EntityID: "b"}, {ID: "3"}, {ID: "4", EntityID: "c"}, {ID: "5", EntityID: "a"}}
		})
		for _, c := range []struct {
			of   []string
			want string
		}{{[]string{"a", "c"}, "541"}, {[]string{"d", ""}, ""}, {[]string{}, ""}, {nil, "54321"}} {
			rows, err := e.Activity(ctx, "acme", engine.ActivityQuery{EntityIDs: c.of, Limit: 10})
			e.ok(err)
			got := ""
			for _, a := range rows {
				got += a.ID
			}
			equal(e, "entries", got, c.want)
		}
	}},
	{"keeps every field", func(e *env) {
		full := engine.Activity{
			ID: "b", Timestamp: 1_790_000_000_000_000_001, ActorType: "API_KEY", ActorID: "key", Subject: "user",
			Action: "update", TargetType: "entity", TargetID: "t", EntityID: "e",
			Before: []byte(`{"a":"é"}`), After: []byte(`null`), RequestID: "r",
		}
		bare := engine.Activity{ID: "a"}
		e.stream("acme").append(func(c *engine.Commit) { c.Activity = []engine.Activity{bare, full} })
		got, err := e.Activity(ctx, "acme", engine.ActivityQuery{})
		e.ok(err)
		equal(e, "activity", got, []engine.Activity{full, bare})
		got, err = e.Activity(ctx, "nobody", engine.ActivityQuery{})
		e.ok(err)
		equal(e, "activity of a stream that does not exist", got, nil)
	}},
	{"filters, newest first", func(e *env) {
		e.activity()
		for _, c := range []struct {
			q    engine.ActivityQuery
			want string
		}{
			{engine.ActivityQuery{}, "654321"},
			{engine.ActivityQuery{EntityID: "e1"}, "542"},
			{engine.ActivityQuery{EntityID: "e9"}, ""},
			{engine.ActivityQuery{Action: "update"}, "654"},
			{engine.ActivityQuery{ActorID: "x"}, "6421"},
			{engine.ActivityQuery{EntityID: "e1", Action: "update", ActorID: "x"}, "4"},
			{engine.ActivityQuery{From: 30}, "6543"},
			{engine.ActivityQuery{From: 31}, "654"},
			{engine.ActivityQuery{From: 51}, ""},
			{engine.ActivityQuery{To: 30}, "21"},
			{engine.ActivityQuery{To: 50}, "4321"},
			{engine.ActivityQuery{To: 51}, "654321"},
			{engine.ActivityQuery{From: 20, To: 50}, "432"},
			{engine.ActivityQuery{From: 20, To: 50, EntityID: "e1"}, "42"},
		} {
			equal(e, fmt.Sprintf("%+v", c.q), e.activityIDs(c.q), c.want)
		}
	}},
	{"pages in both directions", func(e *env) {
		e.activity()
		for _, c := range []struct {
			q    engine.ActivityQuery
			want string
		}{
			{engine.ActivityQuery{Limit: 2}, "65"},
			{engine.ActivityQuery{Below: "5", Limit: 2}, "43"},
			{engine.ActivityQuery{Below: "2", Limit: 2}, "1"},
			{engine.ActivityQuery{Above: "2", Limit: 2}, "43"},
			{engine.ActivityQuery{Above: "2", Limit: 9}, "6543"},
			{engine.ActivityQuery{Above: "6", Limit: 2}, ""},
			{engine.ActivityQuery{Above: "1", Below: "5", Limit: 2}, "32"},
			{engine.ActivityQuery{Above: "1", EntityID: "e1", Limit: 2}, "42"},
			{engine.ActivityQuery{Below: "5", EntityID: "e1", Limit: 1}, "4"},
			{engine.ActivityQuery{Above: "1", From: 20, To: 50, Limit: 2}, "32"},
		} {
			equal(e, fmt.Sprintf("%+v", c.q), e.activityIDs(c.q), c.want)
		}
	}},
}
