package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

func requestWith(header, value string) *http.Request {
	return &http.Request{Header: http.Header{header: {value}}, URL: &url.URL{}}
}

// lister lists rows as a route with filters does.
type lister struct {
	api   *API
	route *route
	rows  []*bursar.Customer
}

func newLister(rows []*bursar.Customer) *lister {
	l := &lister{api: &API{cursors: newCursorKey([32]byte{1})}, rows: rows}
	for _, r := range l.api.routes() {
		if r.pattern == "/customers" && r.method == "GET" {
			l.route = r
		}
	}
	return l
}

func (l *lister) get(query string) (page[string], error) {
	q := &request{api: l.api, route: l.route, r: &http.Request{URL: &url.URL{RawQuery: query}}}
	in, e := bindFor[customerList](query)
	if e != nil {
		return page[string]{}, e
	}
	q.parseQuery()
	at := func(c *bursar.Customer) ledger.ListPos { return ledger.ListPos{CreatedAt: c.CreatedAt, ID: c.ID} }
	get := func(p ledger.ListPage) (ledger.Page[bursar.Customer], error) {
		return pageOf(those(l.rows, func(c *bursar.Customer) bool { return c.ArchivedAt == nil }), p, at), nil
	}
	return pageAt(q, in.paging, at, get, func(c bursar.Customer) string { return c.ID })
}

func listRows(ids ...string) (rows []*bursar.Customer) {
	for i, id := range ids {
		rows = append(rows, &bursar.Customer{ID: id, CreatedAt: bursar.Time(1e15 + i/3*1e6)}) // three share an instant
	}
	return rows
}

// walk follows the cursors forth and back and checks that each row comes once, in order.
func walk(t *testing.T, l *lister, limit int) {
	t.Helper()
	var forth, pages []string
	cursor, last := "", ""
	for {
		p, err := l.get(fmt.Sprintf("limit=%d&name=x%s", limit, cursor))
		if err != nil {
			t.Fatal(err)
		}
		forth = append(forth, p.Data...)
		pages = append(pages, strings.Join(p.Data, ","))
		if (p.Pagination.Prev == nil) != (cursor == "") {
			t.Errorf("limit %d: prev is wrong on %v", limit, p.Data)
		}
		if p.Pagination.Prev != nil {
			last = *p.Pagination.Prev
		}
		if p.Pagination.Next == nil {
			break
		}
		if len(*p.Pagination.Next) > 255 {
			t.Fatalf("a cursor of %d characters", len(*p.Pagination.Next))
		}
		cursor = "&after=" + *p.Pagination.Next
	}
	var want []string
	for _, r := range l.rows {
		if r.ArchivedAt == nil {
			want = append(want, r.ID)
		}
	}
	if strings.Join(forth, ",") != strings.Join(want, ",") {
		t.Errorf("limit %d: forth %.200v", limit, forth)
	}
	for i := len(pages) - 2; i >= 0; i-- {
		p, err := l.get(fmt.Sprintf("limit=%d&name=x&before=%s", limit, last))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.Data, ","); got != pages[i] || p.Pagination.Next == nil {
			t.Errorf("limit %d: back %.200s, want %.200s", limit, got, pages[i])
		}
		if p.Pagination.Prev != nil {
			last = *p.Pagination.Prev
		}
	}
}

func TestCursorWalk(t *testing.T) {
	var short, long []string
	for i := range 20 {
		short = append(short, fmt.Sprintf("c%02d", i))
		long = append(long, strings.Repeat("x", 240)+fmt.Sprintf("%02d", i))
	}
	for _, limit := range []int{1, 3, 7, 19, 20, 100} {
		walk(t, newLister(listRows(short...)), limit)
		walk(t, newLister(listRows(long...)), limit)
	}
}

// TestCursorOutlives: a cursor works when its row is gone.
func TestCursorOutlives(t *testing.T) {
	for _, prefix := range []string{"", strings.Repeat("x", 250)} {
		l := newLister(listRows(prefix+"a", prefix+"b", prefix+"c", prefix+"d", prefix+"e"))
		p, _ := l.get("limit=2")
		now := bursar.Time(2e15)
		l.rows[1].ArchivedAt = &now
		next, err := l.get("limit=5&after=" + *p.Pagination.Next)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(strings.Join(next.Data, ""), prefix, "")
		if prefix == "" && got != "cde" || !strings.HasSuffix(got, "cde") {
			t.Errorf("after the row is gone: %s", got)
		}
	}
}

func TestCursorRefused(t *testing.T) {
	l := newLister(listRows("a", "b", "c", "d"))
	p, err := l.get("limit=2&name=x")
	if err != nil {
		t.Fatal(err)
	}
	good := *p.Pagination.Next
	if _, err := l.get("limit=3&name=x&minVersion=0&foo=bar&after=" + good); err != nil {
		t.Errorf("another limit: %v", err)
	}
	edited := []byte(good)
	edited[len(edited)-2] ^= 1
	for query, want := range map[string]string{
		"after=" + good:                               "InvalidCursor ?after", // no filter
		"name=y&after=" + good:                        "InvalidCursor ?after",
		"name=x&includeArchived=true&after=" + good:   "InvalidCursor ?after",
		"name=x&before=" + string(edited):             "InvalidCursor ?before",
		"name=x&after=" + good[:len(good)-1]:          "InvalidCursor ?after",
		"name=x&after=" + good + "A":                  "InvalidCursor ?after",
		"name=x&after=nonsense":                       "InvalidCursor ?after",
		"name=x&after=%00":                            "InvalidCursor ?after",
		"name=x&after=" + good + "&before=" + good:    "ValidationFailed ?before",
		"name=x&after=" + strings.Repeat("A", 10_000): "InvalidCursor ?after",
	} {
		_, err := l.get(query)
		if e, _ := err.(*bursar.Error); places(e) != want {
			t.Errorf("%.60s: %v", query, err)
		}
	}
	other := newLister(l.rows)
	other.api.cursors = newCursorKey([32]byte{2})
	if _, err := other.get("name=x&after=" + good); err == nil {
		t.Error("a cursor of another environment is taken")
	}
	moved := *l.route
	moved.pattern = "/other"
	l.route = &moved
	if _, err := l.get("name=x&after=" + good); err == nil {
		t.Error("a cursor of another route is taken")
	}
}

func FuzzCursor(f *testing.F) {
	l := newLister(listRows("a", "b", "c", "d"))
	p, _ := l.get("limit=2")
	f.Add(*p.Pagination.Next)
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, cursor string) {
		_, err := l.get("limit=2&after=" + url.QueryEscape(cursor))
		if e, _ := err.(*bursar.Error); cursor != *p.Pagination.Next && cursor != "" && (e == nil || e.Code != bursar.CodeInvalidCursor) {
			t.Fatalf("%q: %v", cursor, err)
		}
	})
}
