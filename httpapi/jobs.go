package httpapi

import (
	"reflect"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// jobWait is how long a request waits for work that may take longer than a request; what
// has not ended by then goes on as a job.
const jobWait = 3 * time.Second

// jobBrief is a job without its result.
type jobBrief struct {
	ID         string           `json:"id"`
	Kind       engine.JobKind   `json:"kind" is:"enum=REPRICE|SIMULATE"`
	Status     engine.JobStatus `json:"status" is:"enum=QUEUED|RUNNING|SUCCEEDED|FAILED|CANCELLED"`
	CustomerID *string          `json:"customerId" doc:"null: it is about all customers."`
	RateCardID *string          `json:"rateCardId" doc:"Of a re-pricing."`
	Apply      *bool            `json:"apply" doc:"Of a re-pricing: false only tells what would change."`
	StartDate  bursar.Time      `json:"startDate" doc:"Of the usage that it is about."`
	EndDate    bursar.Time      `json:"endDate"`
	CreatedBy  jobActorOut      `json:"createdBy"`
	CreatedAt  bursar.Time      `json:"createdAt"`
	StartedAt  *bursar.Time     `json:"startedAt"`
	FinishedAt *bursar.Time     `json:"finishedAt"`
	Cancelling bool             `json:"cancelling" doc:"Somebody asked for its end; what is done stays done."`
	Progress   jobProgressOut   `json:"progress"`
	Problem    *jobProblemOut   `json:"problem" doc:"Why it failed."`
}

type jobActorOut struct {
	Type string `json:"type" is:"enum=API_KEY|ACCESS_TOKEN|SYSTEM"`
	ID   string `json:"id"`
}

type jobProgressOut struct {
	Unit  string `json:"unit" is:"enum=customers|commits" doc:"What is counted: customers, or commits of one customer's log."`
	Done  int64  `json:"done"`
	Total *int64 `json:"total" doc:"null: not known yet."`
}

type jobProblemOut struct {
	Code    bursar.Code `json:"code"`
	Message string      `json:"message"`
}

// jobOut is a job with what it found or did so far.
type jobOut struct {
	jobBrief
	Repricing  *repricingOut  `json:"repricing" doc:"Of a re-pricing, so far; complete once it has succeeded."`
	Simulation *simulationOut `json:"simulation" doc:"Of a backtest, once it has succeeded."`
}

func viewJobBrief(j engine.Job) jobBrief {
	out := jobBrief{
		ID: j.ID, Kind: j.Kind, Status: j.Status, CustomerID: orNil(&j.CustomerID), CreatedBy: jobActorOut{j.ActorType, j.ActorID},
		CreatedAt: j.CreatedAt, StartedAt: timeOrNil(j.StartedAt), FinishedAt: timeOrNil(j.FinishedAt), Cancelling: j.Cancelling && !j.Ended(),
		Progress: jobProgressOut{Unit: j.Unit, Done: j.Done},
	}
	if j.Total > 0 {
		out.Progress.Total = &j.Total
	}
	if p := j.Problem; p != nil {
		out.Problem = &jobProblemOut{p.Code, p.Message}
	}
	if r := j.Reprice; r != nil {
		out.RateCardID, out.Apply, out.StartDate, out.EndDate = &r.CardID, &r.Apply, r.From, r.To
	}
	if s := j.Simulate; s != nil {
		out.StartDate, out.EndDate = s.From, s.To
	}
	return out
}

func viewJob(j engine.Job) jobOut {
	out := jobOut{jobBrief: viewJobBrief(j)}
	if j.Result != nil && j.Result.Repricing != nil {
		r := viewRepricing(*j.Result.Repricing)
		out.Repricing = &r
	}
	if j.Result != nil && j.Result.Simulation != nil {
		s := viewSimulation(j.Result.Simulation)
		out.Simulation = &s
	}
	return out
}

type jobList struct {
	paging
	Open bool `query:"open" doc:"Only those that wait or run."`
}

// listJobs lists newest first.
func (a *API) listJobs(q *request, in *jobList) (page[jobBrief], error) {
	at := func(j *engine.Job) ledger.ListPos { return ledger.ListPos{CreatedAt: j.CreatedAt, ID: j.ID} }
	get := func(p ledger.ListPage) (ledger.Page[engine.Job], error) {
		query := store.JobQuery{Open: in.Open, Limit: p.Limit}
		query.Below, query.Above = belowAbove(p)
		return a.engine.Jobs(q.ctx, query)
	}
	return list(q, in.paging, at, get, viewJobBrief)
}

func (a *API) getJob(q *request, _ *nothing) (jobOut, error) {
	j, err := a.engine.Job(q.ctx, q.path[0])
	return viewJob(j), err
}

// cancelJob may be repeated: a job that has ended stays as it is.
func (a *API) cancelJob(q *request, _ *nothing) (jobOut, error) {
	if _, err := q.idempotencyKey(); err != nil { // it needs none
		return jobOut{}, err
	}
	j, err := a.engine.CancelJob(q.ctx, q.path[0])
	return viewJob(j), err
}

// opOrJob makes an operation whose work may take longer than a request: then do returns
// the job that it goes on as, and the reply is that, with status 202.
func opOrJob[In, Out any](do func(*request, *In) (Out, *engine.Job, error)) operation {
	o := op(func(q *request, in *In) (outOrJob, error) {
		out, job, err := do(q, in)
		if job == nil || err != nil {
			return outOrJob{out}, err
		}
		q.accepted = true
		q.w.Header().Set("Location", v1[0]+jobsPattern+"/"+job.ID)
		return outOrJob{viewJob(*job)}, nil
	})
	o.out, o.jobs = reflect.TypeFor[Out](), true
	return o
}

type outOrJob struct{ any }

func (o outOrJob) appendTo(b []byte) []byte { return appendBare(b, o.any) }
