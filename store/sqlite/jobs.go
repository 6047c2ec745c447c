package sqlite

import (
	"context"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	insertJob  = "INSERT INTO jobs (id, key, rev, ended, body, result) VALUES (?, ?, 1, ?, ?, ?) ON CONFLICT DO NOTHING"
	updateJob  = "UPDATE jobs SET rev = rev + 1, ended = ?, body = ?, result = ? WHERE id = ? AND rev = ?"
	selectJobs = "SELECT id, coalesce(key, ''), rev, ended, body, iif(?, result, NULL) FROM jobs"
	trimJobs   = "DELETE FROM jobs WHERE ended <> 0 AND ended < ?"
)

// SaveJob implements store.Store.
func (s *Store) SaveJob(ctx context.Context, j store.JobRow) (saved bool, err error) {
	err = s.writeOutbox(ctx, len(j.Body)+len(j.Result)+4*pageSize, func(c *conn) error {
		sql, args := updateJob, []any{j.Ended, j.Body, j.Result, j.ID, j.Rev}
		if j.Rev == 0 {
			var key *string
			if j.Key != "" {
				key = &j.Key
			}
			sql, args = insertJob, []any{j.ID, key, j.Ended, j.Body, j.Result}
		}
		st, err := c.prepare(sql)
		if err != nil {
			return err
		}
		n, err := st.exec(args...)
		saved = n > 0
		return err
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
		w.and("id = ?", q.ID)
	}
	if q.Key != "" {
		w.and("key = ?", q.Key)
	}
	if q.Below != "" {
		w.and("id < ?", q.Below)
	}
	order := " ORDER BY id DESC LIMIT ?"
	if q.Above != "" {
		w.and("id > ?", q.Above)
		order = " ORDER BY id LIMIT ?"
	}
	err = s.read(ctx, s.logReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			rows = append(rows, store.JobRow{ID: r.text(0), Key: r.text(1), Rev: uint64(r.int(2)), Ended: bursar.Time(r.int(3)), Body: r.blob(4), Result: r.blob(5)})
			return nil
		}, selectJobs+w.text()+order, append(w.args, rowLimit(q.Limit))...)
	})
	if q.Above != "" {
		slices.Reverse(rows)
	}
	return rows, err
}

// TrimJobs implements store.Store.
func (s *Store) TrimJobs(ctx context.Context, before bursar.Time) error {
	return s.writeOutbox(ctx, 64*pageSize, func(c *conn) error { return c.exec(trimJobs, before) })
}
