package httpapi

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/ledger"
)

// paging are the parameters of every list.
type paging struct {
	After  string `query:"after" doc:"A cursor: the page behind it. Excludes before."`
	Before string `query:"before" doc:"A cursor: the page ahead of it. Excludes after."`
	Limit  int    `query:"limit" is:"n=1-100,default=20" doc:"Rows per page."`
}

func (p paging) check() error {
	if p.After != "" && p.Before != "" {
		return bursar.ErrorAt("?before", bursar.CodeValidationFailed, "give after or before, not both")
	}
	return nil
}

// page is a list reply.
type page[T any] struct {
	Data       []T        `json:"data"`
	Pagination pagination `json:"pagination"`
}

// pagination holds the cursors of the pages around a page.
type pagination struct {
	Next *string `json:"next"`
	Prev *string `json:"prev"`
}

func (page[T]) envelope() {}

// paged is the input of a list.
type paged interface{ pages() paging }

func (p paging) pages() paging { return p }

// list is an operation that shows one page of what find finds.
func list[In paged, T, Out any](at func(*T) ledger.ListPos, find func(call, *In, ledger.ListPage) (ledger.Page[T], uint64, error), view func(T) Out) operation {
	return readAs(func(c call, in *In) (out page[Out], version uint64, err error) {
		get := func(p ledger.ListPage) (got ledger.Page[T], err error) {
			got, version, err = find(c, in, p)
			return got, err
		}
		out, err = pageAt(c.request, (*in).pages(), at, get, view)
		return out, version, err
	})
}

// rows is an operation that shows one page of rows that are all in memory, in order of
// their places.
func rows[In paged, T, Out any](at func(*T) ledger.ListPos, all func(call, *In) ([]*T, uint64, error), view func(T) Out) operation {
	return readAs(func(c call, in *In) (out page[Out], version uint64, err error) {
		found, version, err := all(c, in)
		if err != nil {
			return out, version, err
		}
		get := func(p ledger.ListPage) (ledger.Page[T], error) { return pageOf(found, p, at), nil }
		out, err = pageAt(c.request, (*in).pages(), at, get, view)
		return out, version, err
	})
}

// those are the rows that keep takes.
func those[T any](rows []*T, keep func(*T) bool) []*T {
	var kept []*T
	for _, r := range rows {
		if keep(r) {
			kept = append(kept, r)
		}
	}
	return kept
}

// pointersTo are the addresses of the elements of a list.
func pointersTo[T any](list []T) []*T {
	out := make([]*T, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

// belowAbove are the bounds of a page of a list that shows the newest first: the page
// behind a row holds smaller ids.
func belowAbove(p ledger.ListPage) (below, above string) {
	if p.After != nil {
		below = p.After.ID
	}
	if p.Before != nil {
		above = p.Before.ID
	}
	return below, above
}

// fetch reads one page of a list.
type fetch[T any] func(ledger.ListPage) (ledger.Page[T], error)

// pageAt is the page that p asks for. at tells the place of a row, view what is shown of it.
func pageAt[T, Out any](q *request, p paging, at func(*T) ledger.ListPos, get fetch[T], view func(T) Out) (page[Out], error) {
	lp := ledger.ListPage{Limit: p.Limit}
	err := p.check()
	if err == nil && p.After != "" {
		lp.After, err = locate(q, "after", p.After, at, get)
	}
	if err == nil && p.Before != "" {
		lp.Before, err = locate(q, "before", p.Before, at, get)
	}
	if err != nil {
		return page[Out]{}, err
	}
	got, err := get(lp)
	if err != nil {
		return page[Out]{}, err
	}
	out := page[Out]{Data: make([]Out, len(got.Items))}
	for i := range got.Items {
		out.Data[i] = view(got.Items[i])
	}
	if n := len(got.Items); n > 0 {
		if got.HasNext {
			out.Pagination.Next = q.cursorAt(at(&got.Items[n-1]))
		}
		if got.HasPrev {
			out.Pagination.Prev = q.cursorAt(at(&got.Items[0]))
		}
	}
	if got.Rest != nil && p.Before == "" {
		out.Pagination.Next = q.cursorAt(*got.Rest)
	} else if got.Rest != nil {
		out.Pagination.Prev = q.cursorAt(*got.Rest)
	}
	return out, nil
}

// pageOf is one page of rows that are all in memory, in order of their places.
func pageOf[T any](rows []*T, p ledger.ListPage, at func(*T) ledger.ListPos) ledger.Page[T] {
	from, to := 0, len(rows)
	if p.After != nil {
		from, _ = slices.BinarySearchFunc(rows, *p.After, func(r *T, pos ledger.ListPos) int {
			if comparePos(at(r), pos) <= 0 {
				return -1
			}
			return 1
		})
	}
	if p.Before != nil {
		to, _ = slices.BinarySearchFunc(rows, *p.Before, func(r *T, pos ledger.ListPos) int { return comparePos(at(r), pos) })
		from = max(from, to-p.Limit)
	}
	to = min(to, from+p.Limit)
	out := ledger.Page[T]{HasPrev: from > 0, HasNext: to < len(rows)}
	for _, r := range rows[from:to] {
		out.Items = append(out.Items, *r)
	}
	return out
}

func comparePos(a, b ledger.ListPos) int {
	return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), strings.Compare(a.ID, b.ID))
}
