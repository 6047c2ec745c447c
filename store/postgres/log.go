package postgres

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	selectHeads = `SELECT c.now, q.n, s.seq, s.hash, s.now, l.seq, l.now, l.hash, l.commit_id, l.payload, l.sum
		FROM (SELECT clock_timestamp()) c (now)
		LEFT JOIN unnest($1::text[], $2::bigint[]) WITH ORDINALITY q (name, after, n) ON true
		LEFT JOIN streams s ON s.name = q.name
		LEFT JOIN LATERAL (SELECT * FROM log WHERE stream = s.id AND seq > q.after AND s.seq > q.after ORDER BY seq LIMIT $3) l ON true
		ORDER BY q.n, l.seq`
	// Rows up to a number, and up to the one with which they get too long.
	selectLog = `SELECT seq, now, hash, commit_id, payload, sum FROM (
			SELECT l.*, sum(octet_length(l.payload)) OVER (ORDER BY l.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
			FROM streams s CROSS JOIN LATERAL (SELECT * FROM log WHERE stream = s.id AND seq > $2 ORDER BY seq LIMIT $3) l
			WHERE s.name = $1) l
		WHERE coalesce(before, 0) < $4 ORDER BY seq`
	selectIDs = `SELECT q.n, l.commit_id FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY q (name, seq, n)
		JOIN streams s ON s.name = q.name
		CROSS JOIN LATERAL (SELECT commit_id FROM log WHERE stream = s.id AND seq = q.seq OFFSET 0) l`
)

// How many rows of a stream Heads gives along: a check that waits for one customer is
// done with them, and a poll of many reads no more than it has to.
const (
	few          = 8 // streams
	tailRowsFew  = int64(32)
	tailRowsMany = int64(4)
)

// Heads implements store.Store.
func (s *Store) Heads(ctx context.Context, streams []string, after []uint64) (heads []store.Head, tails [][]store.LogRow, now bursar.Time, err error) {
	heads, tails = make([]store.Head, len(streams)), make([][]store.LogRow, len(streams))
	from := make([]int64, len(streams))
	for i := range from {
		if from[i] = math.MaxInt64; after != nil {
			from[i] = int64(min(after[i], math.MaxInt64))
		}
	}
	rows := tailRowsMany
	if len(streams) <= few {
		rows = tailRowsFew
	}
	names, broken := texts(streams), map[int64]bool{}
	err = s.do(ctx, s.opts.Timeout, func(ctx context.Context, c *conn) error {
		return c.query(ctx, func(r row) error {
			now = max(now, r.instant(0))
			if r.null(2) {
				return nil
			}
			i := r.int(1) - 1
			heads[i] = store.Head{Seq: uint64(r.int(2)), Hash: r.id(3), Now: r.time(4)}
			if r.null(5) {
				return nil
			}
			l, err := readLogRow(r[5:])
			if n := len(tails[i]); err != nil || n > 0 && l.Head.Seq != tails[i][n-1].Head.Seq+1 {
				broken[i] = true // the tail ends before it: who reads the log finds it
			}
			if !broken[i] {
				tails[i] = append(tails[i], l)
			}
			return nil
		}, selectHeads, names, from, rows)
	})
	if err != nil {
		return nil, nil, 0, err
	}
	return heads, tails, now, nil
}

// Streams implements store.Store.
func (s *Store) Streams(ctx context.Context, after string, limit int) (names []string, err error) {
	err = s.read(ctx, func(r row) error {
		names = append(names, r.text(0))
		return nil
	}, "SELECT name FROM streams WHERE name > $1 AND seq > 0 ORDER BY name LIMIT $2", text(after), rowLimit(limit))
	return names, err
}

// Outcomes implements store.Store. It locks as an Append does. Its own commit, which has
// locks to make durable, is behind all that it has read: with synchronous replication it
// waits until that is replicated too.
func (s *Store) Outcomes(ctx context.Context, commits []store.Commit) ([]store.Outcome, error) {
	out := make([]store.Outcome, len(commits))
	if len(commits) == 0 {
		return out, s.Err()
	}
	err := s.do(ctx, s.opts.Timeout, func(ctx context.Context, c *conn) error {
		found := make(map[string]locked, len(commits))
		ids := make([][]byte, len(commits))
		names, seqs := make([]string, len(commits)), make([]int64, len(commits))
		for i := range commits {
			names[i], seqs[i] = text(commits[i].Stream), int64(commits[i].After.Seq+1)
		}
		var b, end batch
		b.exec("BEGIN")
		lockRows(&b, commits, found)
		b.query(func(r row) error {
			ids[r.int(0)-1] = r.blob(1)
			return nil
		}, selectIDs, names, seqs)
		if err := c.run(ctx, &b); err != nil {
			return err
		}
		for i := range commits {
			m := &commits[i]
			switch {
			case slices.Equal(ids[i], m.ID[:]):
				out[i] = store.Committed
			case ids[i] == nil && m.After.Seq < found[m.Stream].head.Seq:
				return fmt.Errorf("%q: commit %d is trimmed", m.Stream, m.After.Seq+1)
			default:
				out[i] = store.Stale
			}
		}
		return c.commit(ctx, &end)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ReadLog implements store.Store.
func (s *Store) ReadLog(ctx context.Context, stream string, after uint64, limit int, visit func(store.LogRow) error) error {
	page := func(after uint64, want int) ([]store.LogRow, bool, error) { return s.readLog(ctx, stream, after, want) }
	return store.ReadPages(after, limit, page, visit)
}

// readLog reads the next rows, up to want; more tells that there may be more.
func (s *Store) readLog(ctx context.Context, stream string, after uint64, want int) (rows []store.LogRow, more bool, err error) {
	length := 0
	err = s.do(ctx, s.opts.Slow, func(ctx context.Context, c *conn) error {
		return c.query(ctx, func(r row) error {
			l, err := readLogRow(r)
			if err != nil {
				return fmt.Errorf("stream %q: %w", stream, err)
			}
			rows = append(rows, l)
			length += len(r[4])
			return nil
		}, selectLog, text(stream), int64(after), int64(want), int64(store.LogPageLength))
	})
	return rows, len(rows) == want || length >= store.LogPageLength, err
}

const (
	// A claim of one's own goes on; another's is taken once it has ended, or when it ends so
	// late that the database's clock must have been set back. Names are in order, in which the
	// rows are locked.
	putClaims = `INSERT INTO claims AS c (name, holder, until)
		SELECT name, $2, clock_timestamp() + $3 * interval '1 microsecond' FROM unnest($1::text[]) name ORDER BY name COLLATE "C"
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
		WHERE c.holder = excluded.holder OR c.until <= clock_timestamp()
			OR c.until > clock_timestamp() + interval '1 hour' + $3 * interval '1 microsecond' RETURNING c.name`
	// What is given up, and what had ended, is deleted; the answer is what nobody else has.
	dropClaims = `WITH dropped AS (
			DELETE FROM claims WHERE name = ANY($1::text[]) AND (holder = $2 OR until <= clock_timestamp()))
		SELECT name FROM unnest($1::text[]) q (name) WHERE NOT EXISTS (
			SELECT 1 FROM claims c WHERE c.name = q.name AND c.holder <> $2 AND c.until > clock_timestamp())`
)

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context, names []string, holder string, ttl time.Duration) ([]bool, error) {
	sorted := texts(names)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	sql, args := putClaims, []any{sorted, text(holder), float64(ttl.Microseconds())}
	if ttl <= 0 {
		sql, args = dropClaims, args[:2]
	}
	got := make(map[string]bool, len(names))
	err := s.do(ctx, s.opts.Timeout, func(ctx context.Context, c *conn) error {
		return c.query(ctx, func(r row) error {
			got[r.text(0)] = true
			return nil
		}, sql, args...)
	})
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(names))
	for i, name := range names {
		out[i] = got[name]
	}
	return out, nil
}
