package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/bursarhq/bursar"
)

// Job is work that takes longer than a request may. The server goes on with it after a
// restart.
type Job struct {
	ID         string       `json:"id"`
	Kind       string       `json:"kind"`   // REPRICE or SIMULATE
	Status     string       `json:"status"` // QUEUED, RUNNING, SUCCEEDED, FAILED or CANCELLED
	CustomerID *string      `json:"customerId"`
	RateCardID *string      `json:"rateCardId"`
	Apply      *bool        `json:"apply"`
	StartDate  bursar.Time  `json:"startDate"` // of the usage that it is about
	EndDate    bursar.Time  `json:"endDate"`
	CreatedAt  bursar.Time  `json:"createdAt"`
	StartedAt  *bursar.Time `json:"startedAt"`
	FinishedAt *bursar.Time `json:"finishedAt"`
	Cancelling bool         `json:"cancelling"`
	Progress   JobProgress  `json:"progress"`
	Problem    *JobProblem  `json:"problem"` // why it failed

	Repricing  *Repricing  `json:"repricing"` // so far; nil in lists
	Rereading  *Rereading  `json:"rereading"`
	Simulation *Simulation `json:"simulation"`
}

// JobProgress says how far a job is.
type JobProgress struct {
	Unit  string `json:"unit"` // customers or commits
	Done  int64  `json:"done"`
	Total *int64 `json:"total"` // nil: not known yet
}

// JobProblem is why a job failed.
type JobProblem struct {
	Code    bursar.Code `json:"code"`
	Message string      `json:"message"`
}

// Jobs lists jobs, newest first and without their results.
func (c *Client) Jobs(ctx context.Context, open bool, in Paging) (Page[Job], error) {
	q := in.query()
	if open {
		q.Set("open", "true")
	}
	return list[Job](ctx, c, "/jobs", q)
}

// Job reads one job with its result.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	return ask[Job](ctx, c, call{method: http.MethodGet, path: segments("jobs", id), query: url.Values{}})
}

// CancelJob has a job end before it is done; what it did stays done.
func (c *Client) CancelJob(ctx context.Context, id string) (Job, error) {
	return post[Job](ctx, c, segments("jobs", id, "cancel"))
}

// jobPoll is how often FollowJob reads a job.
const jobPoll = time.Second

// FollowJob reads a job until it has ended; progress, unless it is nil, gets each reading.
// The end of ctx does not end the job.
func (c *Client) FollowJob(ctx context.Context, id string, progress func(Job)) (Job, error) {
	for {
		j, err := c.Job(ctx, id)
		if err != nil {
			return j, err
		}
		if progress != nil {
			progress(j)
		}
		if j.FinishedAt != nil {
			return j, nil
		}
		if err := c.sleep(ctx, jobPoll); err != nil {
			return j, err
		}
	}
}

// ended is why a job that has ended has no result; nil when it has.
func (j *Job) ended() error {
	switch {
	case j.Problem != nil:
		return &Error{Status: http.StatusOK, Code: j.Problem.Code, Message: j.Problem.Message, shouldRetry: "false"}
	case j.Repricing == nil && j.Rereading == nil && j.Simulation == nil || j.Status != "SUCCEEDED":
		return &Error{Status: http.StatusOK, Code: "JobCancelled", Message: "the job " + j.ID + " was cancelled", shouldRetry: "false"}
	}
	return nil
}

// repricingOrJob is what the server answers to a repricing.
type repricingOrJob struct {
	Repricing
	ID string `json:"id"` // "" = it is done
}

// Reprice computes what a corrected version changes and, if asked to, puts it right. It
// waits for the end; what takes longer than a request is a job meanwhile, of which progress,
// unless it is nil, gets each reading.
func (c *Client) Reprice(ctx context.Context, card string, in RepriceInput, progress func(Job)) (Repricing, error) {
	got, err := ask[repricingOrJob](ctx, c, call{method: http.MethodPost, path: segments("rate-cards", card, "reprice"), in: in, key: keyFor("")})
	if err != nil || got.ID == "" {
		return got.Repricing, err
	}
	j, err := c.succeeded(ctx, got.ID, progress)
	if err != nil {
		return Repricing{}, err
	}
	return *j.Repricing, nil
}

// succeeded follows a job to its end; it is an error if that is not a success with a result.
func (c *Client) succeeded(ctx context.Context, id string, progress func(Job)) (Job, error) {
	j, err := c.FollowJob(ctx, id, progress)
	if err == nil {
		err = j.ended()
	}
	return j, err
}

// rereadingOrJob is what the server answers to a repricing of unread usage.
type rereadingOrJob struct {
	Rereading
	ID string `json:"id"` // "" = it is done
}

// RepriceUnread reads unread usage again by the rules of now, and waits for the end as Reprice does.
func (c *Client) RepriceUnread(ctx context.Context, in RepriceInput, progress func(Job)) (Rereading, error) {
	got, err := ask[rereadingOrJob](ctx, c, call{method: http.MethodPost, path: "/events/unread/reprice", in: in, key: keyFor("")})
	if err != nil || got.ID == "" {
		return got.Rereading, err
	}
	j, err := c.succeeded(ctx, got.ID, progress)
	if err != nil {
		return Rereading{}, err
	}
	return *j.Rereading, nil
}
