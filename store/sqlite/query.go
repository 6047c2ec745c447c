package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bursarhq/bursar"
	"github.com/bursarhq/bursar/store"
)

const (
	selectHold = `SELECT h.id, h.kind, h.capability, h.status, h.created_at, h.expires_at, h.closed_at, h.amount,
		h.entities, h.detail FROM holds h`
	selectListedOf = selectHold + " JOIN holds_by_entity e ON e.stream = h.stream AND e.id = h.id WHERE e.stream = "
	selectListed   = selectListedOf + "(SELECT id FROM checkpoints WHERE stream = ?) AND e.entity_ord = ? AND e.status = ?"
	selectBlock    = `SELECT data FROM key_blocks WHERE stream = (SELECT id FROM checkpoints WHERE stream = ?) AND gen = ?
		AND first <= ? ORDER BY first DESC LIMIT 1`
	// From each hour of the stream to the next: a row far away in time costs no more
	// than one nearby.
	selectSeries = `WITH RECURSIVE hours (hour) AS (
			SELECT min(hour) FROM usage_series WHERE stream = ?1 AND hour >= ?2
			UNION ALL SELECT (SELECT min(hour) FROM usage_series WHERE stream = ?1 AND hour > hours.hour)
			FROM hours WHERE hour < ?3)
		SELECT u.bucket, u.kind, u.capability, u.child_ord, u.combo, u.amount
		FROM hours CROSS JOIN usage_series u
		WHERE u.stream = ?1 AND u.hour = hours.hour AND u.entity_ord = ?4 AND u.bucket >= ?5 AND u.bucket < ?6`
)

// FindKeys implements store.Store. It reads each block once, for hashes in order.
func (s *Store) FindKeys(ctx context.Context, stream string, gen int64, hashes [][16]byte) ([][]byte, error) {
	found := make([][]byte, len(hashes))
	order := make([]int, len(hashes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(hashes[a][:], hashes[b][:]) })
	err := s.read(ctx, s.stateReaders, func(c *conn) error {
		var block []byte
		for _, i := range order {
			h := hashes[i][:]
			if !covers(block, h) {
				block = nil
				err := c.query(ctx, func(r row) error {
					block = r.blob(0)
					return nil
				}, selectBlock, stream, gen, h)
				if err != nil {
					return err
				}
			}
			found[i] = bytes.Clone(store.KeyEntry(block, h))
		}
		return nil
	})
	return found, err
}

// covers tells that no other block than this one may hold h, which is not below the
// block's first entry.
func covers(block, h []byte) bool {
	n := len(block)
	return n >= store.KeyEntrySize && bytes.Compare(h, block[n-store.KeyEntrySize:][:16]) <= 0
}

// Hold implements store.Store.
func (s *Store) Hold(ctx context.Context, stream, id string) (hold *store.HoldRow, err error) {
	err = s.read(ctx, s.stateReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			h, err := readHold(r)
			hold = &h
			return err
		}, selectHold+" WHERE h.stream = (SELECT id FROM checkpoints WHERE stream = ?) AND h.id = ?", stream, id)
	})
	return hold, err
}

// Holds implements store.Store.
func (s *Store) Holds(ctx context.Context, stream string, q store.HoldQuery) (holds []store.HoldRow, err error) {
	sql, args := selectListed, []any{stream, q.EntityOrd, string(q.Status)}
	if q.After != "" {
		sql, args = sql+" AND e.id > ?", append(args, q.After)
	}
	order := " ORDER BY e.id LIMIT ?"
	if q.Before != "" {
		sql, args = sql+" AND e.id < ?", append(args, q.Before)
		order = " ORDER BY e.id DESC LIMIT ?"
	}
	err = s.read(ctx, s.stateReaders, func(c *conn) error {
		return c.query(ctx, func(r row) error {
			h, err := readHold(r)
			holds = append(holds, h)
			return err
		}, sql+order, append(args, rowLimit(q.Limit))...)
	})
	if q.Before != "" {
		slices.Reverse(holds)
	}
	return holds, err
}

func readHold(r columns) (store.HoldRow, error) {
	var d decoder
	h := store.HoldRow{
		ID: r.text(0), Capability: capability(r.text(1), r.text(2)), Status: bursar.HoldStatus(r.text(3)),
		CreatedAt: bursar.Time(r.int(4)), ExpiresAt: bursar.Time(r.int(5)), ClosedAt: bursar.Time(r.int(6)),
		Amount: d.amount(r.text(7)), Entities: ints[uint32](&d, r.text(8)), Detail: r.blob(9),
	}
	return h, d.err
}

// Series implements store.Store. It reads in one transaction: as of one moment.
func (s *Store) Series(ctx context.Context, stream string, q store.SeriesQuery) (rows []store.SeriesRow, seq uint64, err error) {
	err = s.read(ctx, s.stateReaders, func(c *conn) (err error) {
		if err := c.exec("BEGIN"); err != nil {
			return err
		}
		defer func() { err = cmp.Or(err, c.exec("ROLLBACK")) }()
		id, head, err := savedHead(ctx, c, stream)
		if seq = head.Seq; err != nil || q.From >= q.To {
			return err
		}
		sql := selectSeries
		args := []any{id, q.From / bucketsPerHour, (q.To - 1) / bucketsPerHour, q.EntityOrd, q.From, q.To}
		if q.Capability.Kind != 0 {
			sql, args = sql+" AND u.kind = ?7", append(args, q.Capability.Kind)
		} else {
			args = append(args, nil)
		}
		if q.Capability.ID != "" {
			sql, args = sql+" AND u.capability = ?8", append(args, q.Capability.ID)
		}
		if q.Children != nil {
			children, err := json.Marshal(q.Children)
			if err != nil {
				return err
			}
			if q.Capability.ID == "" {
				args = append(args, nil)
			}
			sql, args = sql+" AND u.child_ord IN (SELECT value FROM json_each(?9))", append(args, string(children))
		}
		if q.Limit > 0 {
			sql += fmt.Sprint(" LIMIT ", q.Limit)
		}
		return c.query(ctx, func(r row) error {
			var d decoder
			rows = append(rows, store.SeriesRow{SeriesKey: store.SeriesKey{
				Bucket: uint32(r.int(0)), Capability: capability(r.text(1), r.text(2)), EntityOrd: q.EntityOrd,
				ChildOrd: uint32(r.int(3)), Combo: uint32(r.int(4)),
			}, Amount: d.amount(r.text(5))})
			return d.err
		}, sql, args...)
	})
	return rows, seq, err
}
