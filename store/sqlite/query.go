package sqlite

import (
	"bytes"
	"context"
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
