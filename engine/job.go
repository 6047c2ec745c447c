package engine

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// JobKind is what a job does.
type JobKind string

const (
	JobReprice  JobKind = "REPRICE"  // corrects charges, or tells what would change
	JobSimulate JobKind = "SIMULATE" // replays past usage against drafts of limits
)

// JobStatus is where a job stands.
type JobStatus string

const (
	JobQueued    JobStatus = "QUEUED"
	JobRunning   JobStatus = "RUNNING"
	JobSucceeded JobStatus = "SUCCEEDED"
	JobFailed    JobStatus = "FAILED"
	JobCancelled JobStatus = "CANCELLED"
)

// Job is work that takes longer than a request may. It outlives the request, the process
// and the node: one node at a time works on it, and goes on where the last one had got to.
type Job struct {
	ID         string
	Kind       JobKind
	Status     JobStatus
	CustomerID string // "" = of all
	ActorType  string // who asked for it
	ActorID    string
	RequestID  string
	CreatedAt  bursar.Time
	StartedAt  bursar.Time // 0 = it waits
	FinishedAt bursar.Time // 0 = it waits or runs
	Unit       string      // what Done and Total count: customers or commits
	Done       int64
	Total      int64 // 0 = not known yet
	Cancelling bool  // it is to end as soon as it can
	Problem    *JobProblem
	After      *jobPlace // the last customer that is done
	Content    [8]byte   // of the request that asked for it, where it has a key

	Repeated bool `json:"-"` // the request that asks for it has done so before, with its key

	Reprice  *ledger.RepriceInput
	Simulate *ledger.SimulateInput
	Result   *JobResult `json:"-"` // what it found or did so far; nil in lists
}

// JobResult has the member of the job's kind.
type JobResult struct {
	Repricing  *ledger.Repricing
	Rereading  *ledger.Rereading  // of unread usage
	Simulation *ledger.Simulation // once it has succeeded
}

// What a job's progress is counted in.
const (
	unitCustomers = "customers"
	unitCommits   = "commits"
)

// JobProblem is why a job failed.
type JobProblem struct {
	Code    bursar.Code
	Message string
}

// Err is the problem as an error.
func (p *JobProblem) Err() error { return bursar.Errorf(p.Code, "%s", p.Message) }

// jobPlace is a CustomerPos, exact in JSON.
type jobPlace struct {
	CreatedAt int64
	ID        string
}

// Ended tells whether the job neither waits nor runs.
func (j *Job) Ended() bool { return j.FinishedAt != 0 }

// maxOpenJobs bounds the jobs that wait or run, in the whole environment.
const maxOpenJobs = 32

// keptJobs is how long a job is listed after it has ended.
const keptJobs = bursar.Time(30 * 24 * time.Hour)

// savedJob is a job with the Rev that the store has of it.
type savedJob struct {
	Job
	key string
	rev uint64
}

func (s *savedJob) row() (store.JobRow, error) {
	r := store.JobRow{ID: s.ID, Key: s.key, Rev: s.rev, Ended: s.FinishedAt}
	var err error
	if r.Body, err = json.Marshal(&s.Job); err == nil && s.Result != nil {
		r.Result, err = json.Marshal(s.Result)
	}
	return r, err
}

func jobOf(r *store.JobRow) (*savedJob, error) {
	s := &savedJob{key: r.Key, rev: r.Rev}
	err := json.Unmarshal(r.Body, &s.Job)
	if err == nil && r.Result != nil {
		s.Result = &JobResult{}
		err = json.Unmarshal(r.Result, s.Result)
	}
	if err == nil && s.ID != r.ID {
		err = fmt.Errorf("it says that it is job %q", s.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", r.ID, err)
	}
	return s, nil
}

// saveJob writes s. It is false when somebody else saved the job meanwhile.
func (e *Engine) saveJob(ctx context.Context, s *savedJob) (bool, error) {
	r, err := s.row()
	if err != nil {
		return false, err
	}
	saved, err := e.store.SaveJob(ctx, r)
	if err != nil {
		return false, e.unavailable(err)
	}
	if saved {
		s.rev++
	}
	return saved, nil
}

// job reads a job.
func (e *Engine) job(ctx context.Context, id string) (*savedJob, error) {
	rows, err := e.store.Jobs(ctx, store.JobQuery{ID: id, Limit: 1})
	if err != nil {
		return nil, e.unavailable(err)
	}
	if len(rows) == 0 || id == "" {
		return nil, bursar.Errorf(bursar.CodeJobNotFound, "there is no job %.64q", id)
	}
	return jobOf(&rows[0])
}

// Job reads one job.
func (e *Engine) Job(ctx context.Context, id string) (Job, error) {
	s, err := e.job(ctx, id)
	if err != nil {
		return Job{}, err
	}
	return s.Job, nil
}

// Jobs lists jobs, newest first. ID and Key of the query are not used.
func (e *Engine) Jobs(ctx context.Context, q store.JobQuery) (p ledger.Page[Job], err error) {
	want := q.Limit
	q.Limit, q.ID, q.Key = want+1, "", ""
	rows, err := e.store.Jobs(ctx, q)
	if err != nil {
		return p, e.unavailable(err)
	}
	p.Items = make([]Job, len(rows))
	for i := range rows {
		s, err := jobOf(&rows[i])
		if err != nil {
			return p, err
		}
		p.Items[i] = s.Job
	}
	p.Cut(want, q.Below != "", q.Above != "")
	return p, nil
}

// StartReprice makes a job of a repricing. What is wrong with the request is told now.
func (e *Engine) StartReprice(ctx context.Context, c catalogue.Caller, in ledger.RepriceInput) (Job, error) {
	rp, err := e.repricer(ctx, c, &in)
	if err != nil {
		return Job{}, err
	}
	in.To = rp.To // what comes later is not part of it
	return e.startJob(ctx, &c, Job{Kind: JobReprice, CustomerID: in.CustomerID, Reprice: &in, Result: &JobResult{Repricing: &rp.Out}, Unit: unitCustomers})
}

// StartSimulate makes a job of a backtest, for callers without a token.
func (e *Engine) StartSimulate(ctx context.Context, c catalogue.Caller, customer string, in ledger.SimulateInput) (Job, error) {
	if in.To == 0 {
		in.To = e.now().Milli()
	}
	return e.startJob(ctx, &c, Job{Kind: JobSimulate, CustomerID: customer, Simulate: &in, Unit: unitCommits})
}

// startJob queues j. A request that is repeated with its key finds the job that it made.
func (e *Engine) startJob(ctx context.Context, c *catalogue.Caller, j Job) (Job, error) {
	now := e.now()
	j.ID, j.Status, j.CreatedAt = store.FormatID(e.ids.job(now)), JobQueued, now.Milli()
	j.ActorType, j.ActorID, j.RequestID = c.ActorType, c.ActorID, c.RequestID
	s := &savedJob{Job: j}
	if c.Key != nil {
		k := ledger.KeyOf(&e.secret, "\x00job", c.Key.Key, c.Key.Content[:])
		s.key, s.Content = hex.EncodeToString(k.Hash[:]), k.Content
		if twin, err := e.jobWithKey(ctx, s, c.Key.Key); twin.ID != "" || err != nil {
			return twin, err
		}
	}
	open, err := e.store.Jobs(ctx, store.JobQuery{Open: true, Limit: maxOpenJobs})
	switch {
	case err != nil:
		return Job{}, e.unavailable(err)
	case len(open) == maxOpenJobs:
		return Job{}, bursar.Errorf(bursar.CodeRateLimited, "%d jobs wait or run already: wait for one of them to end, or cancel one", maxOpenJobs)
	}
	saved, err := e.saveJob(ctx, s)
	if err != nil {
		return Job{}, err
	}
	if !saved { // the same request came at the same time
		return e.jobWithKey(ctx, s, c.Key.Key)
	}
	e.jobs.wake()
	return s.Job, nil
}

// jobWithKey is the job that a request with the key of s made; one without an ID when
// there is none.
func (e *Engine) jobWithKey(ctx context.Context, s *savedJob, key string) (Job, error) {
	rows, err := e.store.Jobs(ctx, store.JobQuery{Key: s.key, Limit: 1})
	if err != nil {
		return Job{}, e.unavailable(err)
	}
	if len(rows) == 0 {
		return Job{}, nil
	}
	twin, err := jobOf(&rows[0])
	if err == nil && twin.Content != s.Content {
		err = ledger.Reused("", key)
	}
	if err != nil {
		return Job{}, err
	}
	j, err := e.Job(ctx, twin.ID)
	j.Repeated = true
	return j, err
}

// CancelJob has a job end before it is done. What it did stays done. A job that has ended
// stays as it is.
func (e *Engine) CancelJob(ctx context.Context, id string) (Job, error) {
	for range maxTries {
		s, err := e.job(ctx, id)
		if err != nil || s.Ended() {
			if err != nil {
				return Job{}, err
			}
			return s.Job, nil
		}
		s.Cancelling = true
		if s.Status == JobQueued {
			s.Status, s.FinishedAt = JobCancelled, e.now().Milli()
		}
		saved, err := e.saveJob(ctx, s)
		if err != nil {
			return Job{}, err
		}
		if saved {
			e.jobs.cancel(id)
			return s.Job, nil
		}
	}
	return Job{}, e.unavailable(errors.New("the job kept changing"))
}
