package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Paging asks for a page of a list: the rows behind After or just ahead of Before, of
// which at most one is set. Limit 0 is the server's choice.
type Paging struct {
	After, Before string
	Limit         int
}

func (p Paging) query() url.Values {
	q := url.Values{}
	setNonEmpty(q, "after", p.After)
	setNonEmpty(q, "before", p.Before)
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	return q
}

// Page is one page of a list. Next and Prev are the After and Before of the pages around
// it, "" where there is none.
type Page[T any] struct {
	Items      []T `json:"data"`
	Pagination struct {
		Next string `json:"next"`
		Prev string `json:"prev"`
	} `json:"pagination"`
}

// list reads one page.
func list[T any](ctx context.Context, c *Client, path string, q url.Values) (Page[T], error) {
	var page Page[T]
	err := c.do(ctx, call{method: http.MethodGet, path: path, query: q}, &page)
	return page, err
}
