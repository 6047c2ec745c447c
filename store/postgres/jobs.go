package postgres

import (
	"context"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	insertJob = `INSERT INTO jobs (id, key, rev, ended, body, result, sum, result_sum, made_sum)
		VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING rev`
	updateJob  = "UPDATE jobs SET rev = rev + 1, ended = $3, body = $4, result = $5, sum = $6, result_sum = $7 WHERE id = $1 AND rev = $2 RETURNING rev"
	selectJobs = "SELECT id, coalesce(key, ''), rev, ended, body, CASE WHEN $1 THEN result END, made_sum, sum, CASE WHEN $1 THEN result_sum END FROM jobs"
	trimJobs   = "DELETE FROM jobs WHERE ended <> 0 AND ended < $1"
)

// SaveJob implements store.Store.
func (s *Store) SaveJob(ctx context.Context, j store.JobRow) (saved bool, err error) {
	next := j
	next.Rev++
	made, stands, result := jobSums(&next)
	sql, args := updateJob, []any{text(j.ID), int64(j.Rev), int64(j.Ended), j.Body, j.Result, stands, result}
	if j.Rev == 0 {
		var key *string
		if j.Key != "" {
			key = optText(&j.Key)
		}
		args[1] = key
		sql, args = insertJob, append(args, made)
	}
	err = s.transact(ctx, func(ctx context.Context, c *conn, _ *batch) error {
		saved = false // this may be a second try
		return c.query(ctx, func(row) error {
			saved = true
			return nil
		}, sql, args...)
	})
	return saved && err == nil, err
}

// Jobs implements store.Store. Of those that are open, which are few, a damaged one is logged
// and left out: others do not wait for it. Any other listing is refused.
func (s *Store) Jobs(ctx context.Context, q store.JobQuery) (rows []store.JobRow, err error) {
	w := where{args: []any{q.ID != ""}}
	if q.Open {
		w.and("ended = 0")
	}
	if q.ID != "" {
		w.and("id = ?", q.ID)
	}
	if q.Key != "" {
		w.and("key = ?", q.Key)
	}
	if q.Below != "" {
		w.and("id < ?", q.Below)
	}
	order := "id DESC"
	if q.Above != "" {
		w.and("id > ?", q.Above)
		order = "id"
	}
	limit := q.Limit
	if q.Open {
		limit = 0
	}
	sql, args := w.query(selectJobs, " ORDER BY "+order, limit)
	err = s.read(ctx, func(r row) error {
		j, err := readJob(r)
		switch {
		case err != nil && q.Open:
			s.damaged.tell(s.opts.Log, err)
			return nil
		case q.Limit <= 0 || len(rows) < q.Limit:
			rows = append(rows, j)
		}
		return err
	}, sql, args...)
	if q.Above != "" {
		slices.Reverse(rows)
	}
	return rows, err
}

func readJob(r row) (store.JobRow, error) {
	j := store.JobRow{ID: r.text(0), Key: r.text(1), Rev: uint64(r.int(2)), Ended: r.time(3), Body: r.blob(4), Result: r.blob(5)}
	made, stands, result := jobSums(&j)
	err := r.intact(6, "", made, "job", j.ID)
	if err == nil {
		err = r.intact(7, "", stands, "job", j.ID)
	}
	if err == nil && !r.null(7) { // a program that does not know of sums leaves that of the result
		err = r.intact(8, "", result, "the result of job", j.ID)
	}
	return j, err
}

// TrimJobs implements store.Store.
func (s *Store) TrimJobs(ctx context.Context, before bursar.Time) error {
	return s.transact(ctx, func(_ context.Context, _ *conn, b *batch) error {
		b.exec(trimJobs, int64(before))
		return nil
	})
}
