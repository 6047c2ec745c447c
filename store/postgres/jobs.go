package postgres

import (
	"context"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	insertJob  = "INSERT INTO jobs (id, key, rev, ended, body, result) VALUES ($1, $2, 1, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING rev"
	updateJob  = "UPDATE jobs SET rev = rev + 1, ended = $3, body = $4, result = $5 WHERE id = $1 AND rev = $2 RETURNING rev"
	selectJobs = "SELECT id, coalesce(key, ''), rev, ended, body, CASE WHEN $1 THEN result END FROM jobs"
	trimJobs   = "DELETE FROM jobs WHERE ended <> 0 AND ended < $1"
)

// SaveJob implements store.Store.
func (s *Store) SaveJob(ctx context.Context, j store.JobRow) (saved bool, err error) {
	sql, args := updateJob, []any{text(j.ID), int64(j.Rev), int64(j.Ended), j.Body, j.Result}
	if j.Rev == 0 {
		var key *string
		if j.Key != "" {
			key = optText(&j.Key)
		}
		sql, args[1] = insertJob, key
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

// Jobs implements store.Store.
func (s *Store) Jobs(ctx context.Context, q store.JobQuery) (rows []store.JobRow, err error) {
	w := where{args: []any{q.ID != ""}}
	if q.Open {
		w.and("ended = 0")
	}
	if q.ID != "" {
		w.and("id = ?", text(q.ID))
	}
	if q.Key != "" {
		w.and("key = ?", text(q.Key))
	}
	if q.Below != "" {
		w.and("id < ?", text(q.Below))
	}
	order := "id DESC"
	if q.Above != "" {
		w.and("id > ?", text(q.Above))
		order = "id"
	}
	sql, args := w.query(selectJobs, " ORDER BY "+order, q.Limit)
	err = s.read(ctx, func(r row) error {
		rows = append(rows, store.JobRow{ID: r.text(0), Key: r.text(1), Rev: uint64(r.int(2)), Ended: r.time(3), Body: r.blob(4), Result: r.blob(5)})
		return nil
	}, sql, args...)
	if q.Above != "" {
		slices.Reverse(rows)
	}
	return rows, err
}

// TrimJobs implements store.Store.
func (s *Store) TrimJobs(ctx context.Context, before bursar.Time) error {
	return s.transact(ctx, func(_ context.Context, _ *conn, b *batch) error {
		b.exec(trimJobs, int64(before))
		return nil
	})
}
