package sqlite

import (
	"context"
	"fmt"
	"slices"

	"github.com/bursarhq/bursar/store"
)

const (
	insertSaved = "INSERT INTO checkpoints (stream, seq, hash, now, due, meta) VALUES (?, ?, ?, ?, ?, ?)"
	updateSaved = "UPDATE checkpoints SET seq = ?, hash = ?, now = ?, due = ?, meta = ? WHERE id = ?"

	putTotal = `INSERT OR REPLACE INTO totals (stream, level, entity_ord, kind, capability, value, held, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	holdColumns = ` INTO holds (stream, id, kind, capability, status, created_at, expires_at, closed_at,
		amount, entities, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertHold = "INSERT OR IGNORE" + holdColumns
	putHold    = "INSERT OR REPLACE" + holdColumns
	listHold   = `INSERT OR IGNORE INTO holds_by_entity (stream, entity_ord, status, id)
		SELECT ?1, value, ?2, ?3 FROM json_each(?4)`
	unlistHold = `DELETE FROM holds_by_entity WHERE stream = ?1 AND status = ?2 AND id = ?3
		AND entity_ord IN (SELECT value FROM json_each(?4))`
	putPart       = "INSERT OR REPLACE INTO parts (stream, sort, key, body) VALUES (?, ?, ?, ?)"
	deletePart    = "DELETE FROM parts WHERE stream = ? AND sort = ? AND key = ?"
	putSegment    = "INSERT OR REPLACE INTO key_segments (stream, gen, part, data) VALUES (?, ?, ?, ?)"
	putGeneration = `INSERT OR REPLACE INTO key_generations (stream, gen, "end", count, filter) VALUES (?, ?, ?, ?, ?)`
	putBlock      = "INSERT OR REPLACE INTO key_blocks (stream, gen, first, data) VALUES (?, ?, ?, ?)"
)

// Save implements store.Store.
func (s *Store) Save(ctx context.Context, cp *store.Checkpoint) error {
	if err := s.Err(); err != nil {
		return err
	}
	err := s.write(ctx, s.state, func() error { return save(s.state.conn, cp) }, func() {
		s.behind.saved(cp.Stream, cp.Head.Seq)
	})
	if err != nil {
		return err
	}
	if err := s.trimState(ctx); err != nil {
		s.out.Warn("state.db: checkpoint of the write-ahead log failed", "error", err)
	}
	return nil // it is saved; a fault that poisoned the store meets the next call
}

// Saved implements store.Store.
func (s *Store) Saved(ctx context.Context, streams []string) ([]uint64, error) {
	out := make([]uint64, len(streams))
	err := s.read(ctx, s.stateReaders, func(c *conn) error {
		for i, name := range streams {
			_, h, err := savedHead(ctx, c, name)
			if err != nil {
				return err
			}
			out[i] = h.Seq
		}
		return nil
	})
	return out, err
}

// save writes cp in the transaction that c is in. An error ends it at once, here as in
// all that write: SQLite may have rolled the transaction back, and what came next would
// be one of its own.
func save(c *conn, cp *store.Checkpoint) error {
	id, saved, err := savedHead(context.Background(), c, cp.Stream)
	if err != nil {
		return err
	}
	if !cp.Anew && cp.Head.Seq <= saved.Seq || cp.Base != saved.Seq {
		return fmt.Errorf("%w: %d on %d, saved is %d", store.ErrSuperseded, cp.Head.Seq, cp.Base, saved.Seq)
	}
	if id == 0 {
		id, err = insertCheckpoint(c, cp.Stream, cp)
	} else {
		err = c.exec(updateSaved, cp.Head.Seq, cp.Head.Hash[:], cp.Head.Now, cp.Due, cp.Meta, id)
	}
	if err == nil && cp.Anew {
		err = deleteSaved(c, id)
	}
	if err != nil {
		return err
	}
	return saveRows(c, id, cp)
}

// insertCheckpoint makes a checkpoint that has no rows yet.
func insertCheckpoint(c *conn, stream string, cp *store.Checkpoint) (id int64, err error) {
	st, err := c.prepare(insertSaved)
	if err != nil {
		return 0, err
	}
	return st.insert(stream, cp.Head.Seq, cp.Head.Hash[:], cp.Head.Now, cp.Due, cp.Meta)
}

func saveRows(c *conn, id int64, cp *store.Checkpoint) error {
	for _, f := range []func(*conn, int64, *store.Checkpoint) error{
		saveEntities, saveCounters, saveAssignments, saveTotals, saveSeries, saveHolds, saveParts, saveKeys,
	} {
		if err := f(c, id, cp); err != nil {
			return err
		}
	}
	return nil
}

// each runs the statement sql with every row's arguments.
func each[T any](c *conn, sql string, rows []T, args func(*T) []any) error {
	st, err := c.prepare(sql)
	if err != nil {
		return err
	}
	for i := range rows {
		if _, err := st.exec(args(&rows[i])...); err != nil {
			return err
		}
	}
	return nil
}

func saveTotals(c *conn, id int64, cp *store.Checkpoint) error {
	return each(c, putTotal, cp.Totals, func(r *store.TotalRow) []any {
		return []any{id, r.Level, r.EntityOrd, r.Capability.Kind, r.Capability.ID, r.Value, r.Held, r.At}
	})
}

func saveHolds(c *conn, id int64, cp *store.Checkpoint) error {
	insert, err := c.prepare(insertHold)
	if err != nil {
		return err
	}
	for i := range cp.Holds {
		h := &cp.Holds[i]
		args := []any{id, h.ID, h.Capability.Kind, h.Capability.ID, string(h.Status), h.CreatedAt, h.ExpiresAt, h.ClosedAt,
			h.Amount, intsText(h.Entities), h.Detail}
		n, err := insert.exec(args...)
		if err != nil {
			return err
		}
		if n == 0 { // an older state of it is saved
			listed, err := relistHold(c, id, h)
			if err != nil {
				return err
			}
			if err := c.exec(putHold, args...); err != nil {
				return err
			}
			if listed {
				continue
			}
		}
		if err := c.exec(listHold, id, string(h.Status), h.ID, anyAnd(h.Entities)); err != nil {
			return err
		}
	}
	return nil
}

// relistHold takes the saved state of h out of holds_by_entity, unless h is listed alike.
func relistHold(c *conn, id int64, h *store.HoldRow) (listed bool, err error) {
	var status string
	var entities []uint32
	err = c.query(context.Background(), func(r row) (err error) {
		status = r.text(0)
		entities, err = parseInts[uint32](r.text(1))
		return err
	}, "SELECT status, entities FROM holds WHERE stream = ? AND id = ?", id, h.ID)
	if err != nil || status == string(h.Status) && slices.Equal(entities, h.Entities) {
		return true, err
	}
	return false, c.exec(unlistHold, id, status, h.ID, anyAnd(entities))
}

// anyAnd is the JSON of the entities that a hold is listed under.
func anyAnd(entities []uint32) any { return intsText(append([]uint32{0}, entities...)) }

func saveParts(c *conn, id int64, cp *store.Checkpoint) error {
	put, err := c.prepare(putPart)
	if err != nil {
		return err
	}
	for i := range cp.Parts {
		p := &cp.Parts[i]
		if p.Body == nil {
			err = c.exec(deletePart, id, p.Sort, p.Key)
		} else {
			_, err = put.exec(id, p.Sort, p.Key, partBody(p))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// partBody is a part's body: text when people can read it.
func partBody(p *store.PartRow) any {
	switch p.Sort {
	case "unique":
		return p.Body
	case store.SortPaths:
		return store.PackPaths(p.Body)
	}
	return string(p.Body)
}

func saveKeys(c *conn, id int64, cp *store.Checkpoint) error {
	err := each(c, putSegment, cp.Segments, func(r *store.KeySegment) []any {
		return []any{id, r.Gen, r.Part, r.Data}
	})
	if err != nil {
		return err
	}
	for i := range cp.Generations {
		g := &cp.Generations[i]
		if err := deleteRows(c, []string{"key_segments", "key_blocks"}, "gen = ?", id, g.Gen); err != nil {
			return err
		}
		if err := c.exec(putGeneration, id, g.Gen, g.End, g.Count, g.Filter); err != nil {
			return err
		}
		err := each(c, putBlock, g.Blocks, func(b *store.KeyBlock) []any { return []any{id, g.Gen, b.First[:], b.Data} })
		if err != nil {
			return err
		}
	}
	if cp.DropGenerations == 0 {
		return nil
	}
	return deleteRows(c, []string{"key_segments", "key_generations", "key_blocks"}, "gen < ?", id, cp.DropGenerations)
}

// deleteRows deletes a stream's rows from the tables where cond is true of arg.
func deleteRows(c *conn, tables []string, cond string, id int64, arg any) error {
	for _, table := range tables {
		if err := c.exec("DELETE FROM "+table+" WHERE stream = ? AND "+cond, id, arg); err != nil {
			return err
		}
	}
	return nil
}
