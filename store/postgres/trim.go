package postgres

import (
	"context"
	"fmt"
	"sync"

	"github.com/bursarhq/bursar"
)

const (
	// The next streams whose oldest row may go, and up to which one.
	selectTrimmable = `SELECT s.id, s.upto, l.now FROM (
			SELECT id, saved, least(saved, seq - 1) AS upto FROM streams WHERE id > $1 AND name <> '' ORDER BY id LIMIT $2) s
		LEFT JOIN LATERAL (SELECT now FROM log WHERE stream = s.id AND seq <= s.upto ORDER BY seq LIMIT 1) l
			ON EXISTS (SELECT FROM checkpoints p WHERE p.stream = s.id AND p.seq = s.saved) ORDER BY s.id`
	// Instants never go back in a stream, so the rows before one come first.
	trimStream = `DELETE FROM log WHERE stream = $1 AND now < $3 AND seq = ANY(ARRAY(
		SELECT seq FROM log WHERE stream = $1 AND seq <= $2 ORDER BY seq LIMIT $4))`

	trimStreams = 512  // looked at in one statement
	trimRows    = 1024 // deleted in one transaction
)

// trimCursor is where the last TrimLog ended, so that the next one goes on from there.
type trimCursor struct {
	mu     sync.Mutex
	stream int64
}

// TrimLog implements store.Store, in several transactions: an error may come when a part
// is trimmed. It needs no lock: where a log and its checkpoint end only grows.
func (s *Store) TrimLog(ctx context.Context, before bursar.Time, limit int) (n int, err error) {
	s.trim.mu.Lock()
	defer s.trim.mu.Unlock()
	start := s.trim.stream
	for wrapped := false; ; {
		found, end, err := s.trimmable(ctx, s.trim.stream, before)
		if err != nil {
			return n, err
		}
		for _, st := range found {
			for {
				rows := trimRows
				if limit > 0 {
					rows = min(rows, limit-n)
				}
				deleted, err := s.trimStream(ctx, st, before, rows)
				if err != nil {
					return n, err
				}
				if n += deleted; limit > 0 && n >= limit {
					return n, nil
				}
				if deleted < rows {
					break
				}
			}
			s.trim.stream = st.id
		}
		switch s.trim.stream = end; {
		case end == 0 && (wrapped || start == 0), wrapped && end >= start:
			return n, nil
		case end == 0:
			wrapped = true
		}
	}
}

// trimmable is a stream that has rows to trim, up to one.
type trimmable struct{ id, upto int64 }

// trimmable finds those among the streams after one, and where it ended; 0 at the end.
func (s *Store) trimmable(ctx context.Context, after int64, before bursar.Time) (found []trimmable, end int64, err error) {
	looked := 0
	err = s.read(ctx, func(r row) error {
		looked++
		end = r.int(0)
		if !r.null(2) && r.time(2) < before {
			found = append(found, trimmable{r.int(0), r.int(1)})
		}
		return nil
	}, selectTrimmable, after, int64(trimStreams))
	if looked < trimStreams {
		end = 0
	}
	return found, end, err
}

func (s *Store) trimStream(ctx context.Context, st trimmable, before bursar.Time, rows int) (n int, err error) {
	err = s.write(ctx, s.opts.Slow, func(ctx context.Context, c *conn) error {
		tag, err := c.Exec(ctx, trimStream, st.id, st.upto, int64(before), int64(rows))
		n = int(tag.RowsAffected())
		if err != nil {
			return fmt.Errorf("trimming the log: %w", lost(err))
		}
		return nil
	})
	return n, err
}
