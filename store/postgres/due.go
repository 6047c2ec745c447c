package postgres

import (
	"context"

	"github.com/bursarhq/bursar"
)

const (
	selectComeDue = `SELECT s.id, s.name FROM checkpoints p JOIN streams s ON s.id = p.stream
		WHERE p.due <> 0 AND p.due <= $1 AND s.name <> '' ORDER BY p.due LIMIT $2`
	selectBehind = `SELECT b.stream, s.name FROM behind b JOIN streams s ON s.id = b.stream
		WHERE b.stream > $1 AND b.stream <= $2 ORDER BY b.stream LIMIT $3`
	lastStream = 1<<63 - 1
)

// Due implements store.Store: first the streams whose time has come, earliest first.
// Of those whose log is ahead each call lists others, so that no stream can hide another
// one for long.
func (s *Store) Due(ctx context.Context, before bursar.Time, limit int) (names []string, err error) {
	listed := map[int64]bool{}
	start := s.due.Load()
	add := func(r row) error {
		if id := r.int(0); !listed[id] && (limit <= 0 || len(names) < limit) {
			listed[id] = true
			names = append(names, r.text(1))
			s.due.Store(id)
		}
		return nil
	}
	err = s.do(ctx, s.opts.Slow, func(ctx context.Context, c *conn) error {
		if err := c.query(ctx, add, selectComeDue, int64(before), rowLimit(limit)); err != nil {
			return err
		}
		s.due.Store(start) // what has come due is no place in the list below
		for _, span := range [][2]int64{{start, lastStream}, {0, start}} {
			if err := c.query(ctx, add, selectBehind, span[0], span[1], rowLimit(limit)); err != nil {
				return err
			}
		}
		return nil
	})
	return names, err
}
