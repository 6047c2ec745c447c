package httpapi

import (
	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/engine"
	"github.com/bursarhq/bursar/ledger"
)

type repriceIn struct {
	rateCardPath
	From       bursar.Time  `json:"from" is:"required" doc:"Usage of [from, to) is looked at."`
	To         *bursar.Time `json:"to" doc:"Now when left out."`
	CustomerID *string      `json:"customerId" is:"customerId" doc:"Only this customer's usage."`
	Apply      bool         `json:"apply" is:"default=false" doc:"false only tells what would change."`
}

// repricingOut is what re-pricing changes or, when applied, changed.
type repricingOut struct {
	RateCardID string                `json:"rateCardId"`
	Version    int                   `json:"version" doc:"The version that was wrong."`
	By         int                   `json:"by" doc:"The version that corrects it."`
	Records    int                   `json:"records" doc:"Charges that were looked at."`
	Unmatched  int                   `json:"unmatched" doc:"Of these, usage that the correcting version has no rate for: it keeps its cost."`
	Was        bursar.Amount         `json:"was"`
	Is         bursar.Amount         `json:"is"`
	Pool       bursar.Amount         `json:"pool" doc:"What the pools lose; below 0 they get back."`
	Changed    int                   `json:"changedCustomers" doc:"Customers for whom something changes."`
	Customers  []repricedCustomerOut `json:"customers" doc:"The first 1,000 of them, with at most 10,000 rows."`
	Applied    bool                  `json:"applied"`
}

type repricedCustomerOut struct {
	CustomerID string           `json:"customerId"`
	Was        bursar.Amount    `json:"was"`
	Is         bursar.Amount    `json:"is"`
	Pool       bursar.Amount    `json:"pool" doc:"What the pool loses; below 0 it gets back."`
	Rows       []repricedRowOut `json:"rows" doc:"Limits whose current or previous window changes."`
}

type repricedRowOut struct {
	AssignmentID     string        `json:"assignmentId"`
	EntityID         string        `json:"entityId"`
	UsagePeriodStart bursar.Time   `json:"usagePeriodStart"`
	Was              bursar.Amount `json:"was"`
	Is               bursar.Amount `json:"is"`
}

func viewRepricing(r ledger.Repricing) repricingOut {
	out := repricingOut{RateCardID: r.CardID, Version: r.Version, By: r.By, Records: r.Records, Unmatched: r.Unmatched, Was: r.Was, Is: r.Is,
		Pool: r.Pool, Changed: r.Changed, Customers: make([]repricedCustomerOut, len(r.Customers)), Applied: r.Applied}
	for i, c := range r.Customers {
		rows := make([]repricedRowOut, len(c.Rows))
		for j, row := range c.Rows {
			rows[j] = repricedRowOut{AssignmentID: row.AssignmentID, EntityID: row.EntityID, UsagePeriodStart: row.PeriodStart, Was: row.Was, Is: row.Is}
		}
		out.Customers[i] = repricedCustomerOut{CustomerID: c.CustomerID, Was: c.Was, Is: c.Is, Pool: c.Pool, Rows: rows}
	}
	return out
}

// reprice is a job, which is not shown where it takes little. What was put right is right
// the next time, so that the same request once more does the rest.
func (a *API) reprice(c call, in *repriceIn) (out outOrJob, _ uint64, _ error) {
	if in.To != nil && *in.To <= in.From {
		return out, 0, bursar.ErrorAt("/to", bursar.CodeValidationFailed, "must be after from")
	}
	j, err := a.engine.StartReprice(c.ctx, c.by, ledger.RepriceInput{
		CardID: in.RateCardID, CustomerID: orZero(in.CustomerID), From: in.From, To: orZero(in.To), Apply: in.Apply,
	})
	return a.outcome(c, j, err, func(r *engine.JobResult) any { return viewRepricing(*r.Repricing) })
}

// outcome is what a job that was just made found, or the job itself where it takes long.
func (a *API) outcome(c call, j engine.Job, err error, view func(*engine.JobResult) any) (out outOrJob, _ uint64, _ error) {
	if c.replayed = j.Repeated; err == nil {
		j, err = a.engine.AwaitJob(c.ctx, j.ID, a.jobWait)
	}
	switch {
	case err != nil:
		return out, 0, err
	case j.Status == engine.JobSucceeded:
		return outOrJob{view(j.Result)}, 0, nil
	case j.Status == engine.JobFailed:
		return out, 0, j.Problem.Err()
	}
	return c.accept(j), 0, nil
}
