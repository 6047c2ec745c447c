package client

import (
	"context"
	"net/http"

	"github.com/bursarhq/bursar"
)

// Job is work that takes longer than a request.
type Job struct {
	ID         string       `json:"id"`
	Kind       string       `json:"kind"`
	Status     string       `json:"status"`
	Cancelling bool         `json:"cancelling"`
	CustomerID string       `json:"customerId"`
	RateCardID string       `json:"rateCardId"`
	CreatedAt  bursar.Time  `json:"createdAt"`
	StartedAt  *bursar.Time `json:"startedAt"`
	FinishedAt *bursar.Time `json:"finishedAt"`
	Progress   struct {
		Done  int64  `json:"done"`
		Total *int64 `json:"total"`
		Unit  string `json:"unit"`
	} `json:"progress"`
	Problem *struct {
		Code    bursar.Code `json:"code"`
		Message string      `json:"message"`
	} `json:"problem"`
	Repricing  *Repricing  `json:"repricing"`
	Simulation *Simulation `json:"simulation"`
}

// Jobs lists jobs without their results, newest first; with openOnly those that have not
// ended.
func (c *Client) Jobs(ctx context.Context, openOnly bool, in Paging) (Page[Job], error) {
	q := in.query()
	if openOnly {
		q.Set("open", "true")
	}
	return list[Job](ctx, c, "/jobs", q)
}

// Job reads a job with its result.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	return ask[Job](ctx, c, call{method: http.MethodGet, path: segments("jobs", id)})
}

// CancelJob ends a job before it is done.
func (c *Client) CancelJob(ctx context.Context, id string) (Job, error) {
	return ask[Job](ctx, c, call{method: http.MethodPost, path: segments("jobs", id, "cancel"), key: keyFor("")})
}
