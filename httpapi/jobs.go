package httpapi

import (
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
	RateCardID *string          `json:"rateCardId" doc:"Of a re-pricing; null: unread usage is read again."`
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
	Rereading  *rereadingOut  `json:"rereading" doc:"Of unread usage that is read again, so far; without what an earlier run of the job did."`
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
		out.RateCardID, out.Apply, out.StartDate, out.EndDate = orNil(&r.CardID), &r.Apply, r.From, r.To
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
	if j.Result != nil && j.Result.Rereading != nil {
		r := viewRereading(j.Result.Rereading)
		out.Rereading = &r
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

func jobAt(j *engine.Job) ledger.ListPos {
	return ledger.ListPos{CreatedAt: j.CreatedAt, ID: j.ID}
}

// listJobs lists newest first.
func (a *API) listJobs(c call, in *jobList, p ledger.ListPage) (ledger.Page[engine.Job], uint64, error) {
	query := store.JobQuery{Open: in.Open, Limit: p.Limit}
	query.Below, query.Above = belowAbove(p)
	return ofNoCustomer(a.engine.Jobs(c.ctx, query))
}

func (a *API) getJob(c call, in *jobPath) (engine.Job, uint64, error) {
	return ofNoCustomer(a.engine.Job(c.ctx, in.JobID))
}

// cancelJob may be repeated, and needs no key for it: a job that has ended stays as it is.
func (a *API) cancelJob(c call, in *jobPath) (engine.Job, uint64, error) {
	return ofNoCustomer(a.engine.CancelJob(c.ctx, in.JobID))
}
