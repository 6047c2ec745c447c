package mem

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

func cloneJob(j store.JobRow) store.JobRow {
	j.Body, j.Result = bytes.Clone(j.Body), bytes.Clone(j.Result)
	return j
}

// SaveJob implements store.Store.
func (s *Store) SaveJob(ctx context.Context, j store.JobRow) (bool, error) {
	if err := s.beginWrite(ctx, "savejob"); err != nil {
		return false, err
	}
	old, there := s.jobs[j.ID]
	for _, other := range s.jobs {
		there = there || j.Key != "" && j.Rev == 0 && other.Key == j.Key
	}
	saves := there == (j.Rev > 0) && old.Rev == j.Rev
	if saves {
		j = cloneJob(j)
		if j.Rev++; there {
			j.Key = old.Key
		}
		s.jobs[j.ID] = j
	}
	s.mu.Unlock()
	return saves, s.fail("savejob.after")
}

// Jobs implements store.Store.
func (s *Store) Jobs(ctx context.Context, q store.JobQuery) (rows []store.JobRow, err error) {
	if err := s.begin(ctx, "jobs"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		if (!q.Open || j.Ended == 0) && (q.ID == "" || j.ID == q.ID) && (q.Key == "" || j.Key == q.Key) &&
			(q.Below == "" || j.ID < q.Below) && (q.Above == "" || j.ID > q.Above) {
			if q.ID == "" {
				j.Result = nil
			}
			rows = append(rows, cloneJob(j))
		}
	}
	slices.SortFunc(rows, func(a, b store.JobRow) int { return cmp.Compare(b.ID, a.ID) })
	if n := len(rows); q.Limit > 0 && n > q.Limit && q.Above != "" {
		rows = rows[n-q.Limit:]
	} else if q.Limit > 0 && n > q.Limit {
		rows = rows[:q.Limit]
	}
	return rows, nil
}

// TrimJobs implements store.Store.
func (s *Store) TrimJobs(ctx context.Context, before bursar.Time) error {
	if err := s.beginWrite(ctx, "trimjobs"); err != nil {
		return err
	}
	maps.DeleteFunc(s.jobs, func(_ string, j store.JobRow) bool { return j.Ended != 0 && j.Ended < before })
	s.mu.Unlock()
	return s.fail("trimjobs.after")
}
