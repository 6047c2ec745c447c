package engine

import (
	"context"

	"github.com/bursarhq/bursar"
)

// reprice does a repricing, or goes on with it.
func (r *jobRun) reprice(ctx context.Context, j Job) error {
	e := r.e
	rp, err := newRepricer(e.cat.Load(), Caller{ActorType: j.ActorType, ActorID: j.ActorID, RequestID: j.RequestID}, j.Reprice, e.now())
	if err != nil {
		return err
	}
	if j.Result != nil && j.Result.Repricing != nil {
		rp.resume(j.Result.Repricing)
	}
	if j.CustomerID != "" {
		rp.progress = func(done, total uint64) {
			r.update(func(j *Job) { j.Unit, j.Done, j.Total = unitCommits, int64(done), int64(total) })
		}
		err := rp.customer(ctx, e, j.CustomerID)
		out := rp.out
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
	var after *CustomerPos
	if j.After != nil {
		after = &CustomerPos{bursar.Time(j.After.CreatedAt), j.After.ID}
	}
	return rp.all(ctx, e, after, func(pos CustomerPos) {
		out := rp.out
		r.update(func(j *Job) {
			j.Result, j.After = &JobResult{Repricing: &out}, &jobPlace{int64(pos.CreatedAt), pos.ID}
			j.Done++
			j.Total = max(j.Total, j.Done)
		})
	})
}

// resume has rp go on where it had found out.
func (rp *repricer) resume(out *Repricing) {
	rp.out = *out
	for i := range out.Customers {
		rp.rows += len(out.Customers[i].Rows)
	}
}

// countCustomers counts all customers, archived ones too.
func (e *Engine) countCustomers(ctx context.Context) (n int64, err error) {
	q := CustomerQuery{IncludeArchived: true, Limit: 1000}
	for {
		list, err := e.store.Customers(ctx, q)
		if err != nil {
			return 0, e.unavailable(err)
		}
		if n += int64(len(list)); len(list) < q.Limit {
			return n, nil
		}
		last := &list[len(list)-1]
		q.After = &CustomerPos{last.CreatedAt, last.ID}
	}
}

// simulate does a backtest. What it needs to go on elsewhere would be as large as a
// customer, so it begins anew there.
func (r *jobRun) simulate(ctx context.Context, j Job) error {
	got, _, err := r.e.simulate(ctx, ReadOptions{}, j.CustomerID, *j.Simulate, func(done, total uint64) {
		r.update(func(j *Job) { j.Done, j.Total = int64(done), int64(total) })
	})
	if err == nil {
		r.update(func(j *Job) { j.Result = &JobResult{Simulation: &got} })
	}
	return err
}
