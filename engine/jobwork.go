package engine

import (
	"context"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/catalogue"
	"github.com/bursarhq/bursar/ledger"
	"github.com/bursarhq/bursar/store"
)

// reprice does a repricing, or goes on with it.
func (r *jobRun) reprice(ctx context.Context, j Job) error {
	e := r.e
	rp, err := ledger.NewRepricer(e.cat.Load(), catalogue.Caller{ActorType: j.ActorType, ActorID: j.ActorID, RequestID: j.RequestID}, j.Reprice, e.now())
	if err != nil {
		return err
	}
	if j.Result != nil && j.Result.Repricing != nil {
		rp.Resume(j.Result.Repricing)
	}
	if j.CustomerID != "" {
		rp.Progress = func(done, total uint64) {
			r.update(func(j *Job) { j.Unit, j.Done, j.Total = unitCommits, int64(done), int64(total) })
		}
		err := e.repriceCustomer(ctx, rp, j.CustomerID)
		out := rp.Out
		r.update(func(j *Job) { j.Result = &JobResult{Repricing: &out} })
		return err
	}
	if j.Total == 0 {
		total, err := e.countCustomers(ctx)
		if err != nil {
			return err
		}
		r.update(func(j *Job) { j.Total = total })
	}
	var after *store.CustomerPos
	if j.After != nil {
		after = &store.CustomerPos{CreatedAt: bursar.Time(j.After.CreatedAt), ID: j.After.ID}
	}
	return e.repriceAll(ctx, rp, after, func(pos store.CustomerPos) {
		out := rp.Out
		r.update(func(j *Job) {
			j.Result, j.After = &JobResult{Repricing: &out}, &jobPlace{int64(pos.CreatedAt), pos.ID}
			j.Done++
			j.Total = max(j.Total, j.Done)
		})
	})
}

// countCustomers counts all customers, archived ones too.
func (e *Engine) countCustomers(ctx context.Context) (n int64, err error) {
	q := store.CustomerQuery{IncludeArchived: true, Limit: 1000}
	for {
		list, err := e.store.Customers(ctx, q)
		if err != nil {
			return 0, e.unavailable(err)
		}
		if n += int64(len(list)); len(list) < q.Limit {
			return n, nil
		}
		last := &list[len(list)-1]
		q.After = &store.CustomerPos{CreatedAt: last.CreatedAt, ID: last.ID}
	}
}

// simulate does a backtest. What it needs to go on elsewhere would be as large as a
// customer, so it begins anew there.
func (r *jobRun) simulate(ctx context.Context, j Job) error {
	got, _, err := r.e.simulate(ctx, ledger.ReadOptions{}, j.CustomerID, *j.Simulate, func(done, total uint64) {
		r.update(func(j *Job) { j.Done, j.Total = int64(done), int64(total) })
	})
	if err == nil {
		r.update(func(j *Job) { j.Result = &JobResult{Simulation: &got} })
	}
	return err
}
